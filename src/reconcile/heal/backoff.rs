//! Waits between attempts, and how many there may be.

use crate::observed::Nanos;
use crate::resource::Duration;
use crate::resource::autoheal_policy::{Backoff, Budget};

/// The most attempts remembered; `budget.restarts` is at most this.
const REMEMBERED: usize = 1000;

/// The wait after the `streak`-th attempt: `initial`, `initial · multiplier`, … at most `max`; varied by the jitter,
/// still at most `max`. No wait before the first. The same seed and streak give the same wait.
pub(super) fn wait_after(backoff: &Backoff, streak: u32, seed: u64) -> Duration {
    let Some(exponent) = streak.checked_sub(1) else { return Duration::ZERO };
    let millis = |duration: Duration| duration.get().as_secs_f64() * 1000.0;
    let longest = millis(backoff.max);
    let growth = backoff.multiplier.max(1.0).powf(f64::from(exponent));
    let jitter = if backoff.jitter.is_finite() { backoff.jitter.clamp(0.0, 1.0) } else { 0.0 };
    let factor = 1.0 + jitter * (2.0 * unit(seed, streak) - 1.0);
    let wait = ((millis(backoff.initial) * growth).min(longest) * factor).min(longest);
    // A float converts saturating; NaN (0 · ∞) becomes 0, which is what a wait of 0 grows to.
    Duration::from_millis(wait.round() as u64)
}

/// A number in [0, 1) drawn from seed and streak (SplitMix64).
fn unit(seed: u64, streak: u32) -> f64 {
    let mut bits = seed.wrapping_add(u64::from(streak).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

/// Whether an attempt at `at` would be one more than the budget gives.
pub(super) fn is_spent(spent: &[Nanos], budget: &Budget, at: Nanos) -> bool {
    let counted = spent.iter().filter(|spent| spent.plus(budget.per) > at).count();
    counted >= usize::try_from(budget.restarts).unwrap_or(usize::MAX).min(REMEMBERED)
}

/// Counts an attempt at `now` and forgets those the window has left behind.
pub(super) fn spend(spent: &mut Vec<Nanos>, budget: &Budget, now: Nanos) {
    spent.retain(|spent| spent.plus(budget.per) > now);
    spent.push(now);
    let excess = spent.len().saturating_sub(REMEMBERED);
    spent.drain(..excess);
}

/// The time from `since` to `now` for a message, zero if the clock disagrees.
pub(super) fn elapsed(since: Nanos, now: Nanos) -> Duration {
    Duration::from_millis(u64::try_from(now.since(since)).unwrap_or(0) / 1_000_000).rounded()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_from_the_initial_one_to_the_longest() {
        let backoff = Backoff { jitter: 0.0, ..Backoff::default() };
        let waits: Vec<u64> = (0..=8).map(|streak| wait_after(&backoff, streak, 7).get().as_secs()).collect();
        assert_eq!(waits, [0, 10, 20, 40, 80, 160, 300, 300, 300]);
        assert_eq!(wait_after(&backoff, u32::MAX, 7), backoff.max);
    }

    #[test]
    fn jitter_stays_within_its_share_and_differs_between_containers_and_attempts() {
        let backoff = Backoff { max: Duration::from_secs(100_000), ..Backoff::default() };
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..500 {
            let wait = wait_after(&backoff, 1, seed).get().as_secs_f64();
            assert!((7.5..=12.5).contains(&wait), "{seed}: {wait}");
            assert_eq!(wait_after(&backoff, 1, seed), wait_after(&backoff, 1, seed));
            seen.insert(wait_after(&backoff, 1, seed));
        }
        assert!(seen.len() > 400, "{}", seen.len());
        assert_ne!(wait_after(&backoff, 1, 3).get() * 2, wait_after(&backoff, 2, 3).get());
    }

    #[test]
    fn no_figure_of_a_policy_makes_a_wait_longer_than_the_longest() {
        for multiplier in [f64::NAN, f64::INFINITY, -1.0, 0.0, 1e300] {
            for jitter in [f64::NAN, f64::INFINITY, -1.0, 2.0, 1.0] {
                for initial in [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(1_000_000)] {
                    let backoff = Backoff { multiplier, jitter, initial, ..Backoff::default() };
                    for streak in [1, 2, 50, u32::MAX] {
                        assert!(wait_after(&backoff, streak, 1) <= backoff.max, "{backoff:?} {streak}");
                    }
                }
            }
        }
    }

    #[test]
    fn an_attempt_counts_for_the_whole_window_and_not_longer() {
        let budget = Budget { restarts: 2, per: Duration::from_secs(100) };
        let at = |second: i64| Nanos(second * 1_000_000_000);
        let mut spent = vec![];
        spend(&mut spent, &budget, at(0));
        assert!(!is_spent(&spent, &budget, at(1)));
        spend(&mut spent, &budget, at(50));
        assert!(is_spent(&spent, &budget, at(99)));
        assert!(!is_spent(&spent, &budget, at(100)));
        spend(&mut spent, &budget, at(120));
        assert_eq!(spent, [at(50), at(120)]);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let budget = Budget { restarts: 1_000_000, per: Duration::from_secs(1_000_000) };
        let mut spent = vec![];
        for second in 0..3000 {
            spend(&mut spent, &budget, Nanos(second));
        }
        assert_eq!(spent.len(), REMEMBERED);
        assert!(is_spent(&spent, &budget, Nanos(3000)));
    }
}
