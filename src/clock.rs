//! The one place where the wall clock is read. Decisions get `now` handed in.

use crate::observed::Nanos;

/// Nanoseconds since the Unix epoch, by this machine's clock.
#[expect(clippy::disallowed_methods, reason = "this is that one place")]
pub fn now() -> Nanos {
    let elapsed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Nanos(i64::try_from(elapsed.as_nanos()).unwrap_or(i64::MAX))
}
