//! The engine's times.

use crate::observed::Nanos;

/// An RFC 3339 time of the engine; `None` for its zero time (year 1) and for nonsense.
pub(super) fn time(text: &str) -> Option<Nanos> {
    let timestamp: jiff::Timestamp = text.parse().ok()?;
    let nanos = i64::try_from(timestamp.as_nanosecond()).ok()?;
    (nanos > 0).then_some(Nanos(nanos))
}
