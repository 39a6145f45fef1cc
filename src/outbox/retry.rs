//! When to try again, and when not. Pure.

use std::time::Duration;

use crate::resource::billing_service::Retry;

/// The longest `Retry-After` that is honoured.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// What an HTTP status means for a bill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// The service has it.
    Taken,
    /// It may be taken later: tried again for ever.
    Later,
    /// It will never be taken as it is: parked until somebody decides.
    Never,
}

/// 2xx is taken; 400, 413, 415 and 422 are about the bytes themselves, which never change; all else passes.
pub const fn verdict(status: u16) -> Acceptance {
    match status {
        200..=299 => Acceptance::Taken,
        400 | 413 | 415 | 422 => Acceptance::Never,
        _ => Acceptance::Later,
    }
}

/// The wait after the `attempts`-th failure in a row (1 for the first): `initial`·2ⁿ⁻¹, at most `max`, ±25 % by `seed`;
/// never less than the service asked for.
pub fn wait(retry: &Retry, attempts: u32, retry_after: Option<Duration>, seed: u64) -> Duration {
    let doublings = attempts.saturating_sub(1).min(31);
    let exponential = retry.initial.get().saturating_mul(1 << doublings).min(retry.max.get());
    // The upper 32 bits of a hash, as a share of one.
    let share = f64::from(u32::try_from(seed >> 32).unwrap_or(0)) / f64::from(u32::MAX);
    let jittered = exponential.mul_f64(0.75 + share * 0.5);
    jittered.max(retry_after.unwrap_or_default().min(LONGEST_RETRY_AFTER))
}

/// How long a service that named a time is not called at all.
pub fn hold(retry_after: Option<Duration>) -> Option<Duration> {
    retry_after.map(|wait| wait.min(LONGEST_RETRY_AFTER)).filter(|wait| !wait.is_zero())
}

/// Seed for jitter: differs by lane, not by time.
pub(super) fn seed(name: &str, lane: &impl std::hash::Hash, attempts: u32) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    (name, lane, attempts).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::Duration as Text;

    fn retry() -> Retry {
        Retry { initial: Text::from_secs(1), max: Text::from_secs(300) }
    }

    #[test]
    fn waits_double_up_to_the_longest_and_vary_by_a_quarter() {
        for (attempts, middle) in [(1, 1.0), (2, 2.0), (5, 16.0), (10, 300.0), (u32::MAX, 300.0)] {
            for seed in [0, u64::MAX / 2, u64::MAX] {
                let wait = wait(&retry(), attempts, None, seed).as_secs_f64();
                assert!((0.75 * middle..=1.25 * middle).contains(&wait), "{attempts}: {wait}");
            }
        }
    }

    #[test]
    fn a_service_that_names_a_time_is_not_asked_before_and_cannot_name_a_week() {
        assert_eq!(wait(&retry(), 1, Some(Duration::from_secs(60)), 0), Duration::from_secs(60));
        assert_eq!(wait(&retry(), 1, Some(Duration::from_secs(604_800)), 0), LONGEST_RETRY_AFTER);
        assert_eq!(hold(Some(Duration::from_secs(604_800))), Some(LONGEST_RETRY_AFTER));
        assert_eq!((hold(Some(Duration::ZERO)), hold(None)), (None, None));
    }

    #[test]
    fn only_what_is_wrong_with_the_bytes_is_parked() {
        for status in [200, 201, 204, 299] {
            assert_eq!(verdict(status), Acceptance::Taken);
        }
        for status in [300, 301, 302, 401, 403, 404, 405, 408, 409, 425, 429, 500, 502, 503, 504, 599] {
            assert_eq!(verdict(status), Acceptance::Later, "{status}");
        }
        for status in [400, 413, 415, 422] {
            assert_eq!(verdict(status), Acceptance::Never);
        }
    }
}
