//! From the outcomes of checks to a verdict, and when to check next. Pure.
//!
//! Kubernetes' semantics: `successThreshold` passes in a row make it healthy, `failureThreshold` failures in a row
//! unhealthy, and until the first pass `startup` has timings of its own. One difference: while a verdict is still out it is
//! [`Verdict::Unknown`], neither ready nor failed.

use std::time::Duration;

use crate::observed::{Nanos, Streak, Verdict};
use crate::resource::probe::ProbeSpec;

/// Failures beyond the threshold after which a target is asked less and less often.
const PATIENCE: u32 = 10;
/// The longest that a target which does not answer is left alone, unless its period is longer anyway.
const REST: Duration = Duration::from_secs(60);

/// So many periods may pass between two times that a target says it is too early, and it has said so all the while.
const UNHEARD: u32 = 10;

impl Streak {
    /// Takes in the outcome of a check; whether the verdict changed.
    pub fn take_in(&mut self, spec: &ProbeSpec, passed: bool) -> bool {
        let before = self.verdict;
        if passed {
            (self.passes, self.failures) = (self.passes.saturating_add(1), 0);
            self.started = true;
            (self.early_since, self.early_seen) = (None, None);
            if self.passes >= spec.success_threshold {
                self.verdict = Verdict::Healthy;
            }
            // A pass or two of too few leave the verdict, and what it rests on.
            if self.verdict != Verdict::Unhealthy {
                (self.refuses, self.other) = (false, 0);
            }
        } else {
            (self.passes, self.failures) = (0, self.failures.saturating_add(1));
            self.other = self.other.saturating_add(1);
            if self.failures >= self.allowed(spec) {
                self.verdict = Verdict::Unhealthy;
                (self.early_since, self.early_seen) = (None, None);
            }
            if self.other >= self.allowed(spec) {
                self.refuses = false;
            }
        }
        self.verdict != before
    }

    /// Takes in a check whose login was refused: it failed, and its target answers. Whether the verdict changed.
    pub fn take_in_refusal(&mut self, spec: &ProbeSpec) -> bool {
        let changed = self.take_in(spec, false);
        (self.refuses, self.other) = (true, 0);
        changed
    }

    /// Takes in a check that was too early, says the target: neither a pass nor a failure, and whatever was known is out again.
    /// Whether the verdict changed.
    ///
    /// Where nobody heard it for many periods (Portreeve was away, the machine slept, no check could be made) it begins
    /// anew: what happened in between nobody knows.
    pub fn take_in_early(&mut self, spec: &ProbeSpec, now: Nanos) -> bool {
        let changed = self.verdict != Verdict::Unknown;
        let rhythm = self.period(spec).saturating_add(Duration::from_secs(u64::from(spec.timeout_seconds)));
        let long = i64::try_from(rhythm.saturating_mul(UNHEARD).as_nanos()).unwrap_or(i64::MAX);
        let heard = self.early_seen.is_some_and(|seen| now.since(seen) <= long);
        let since = self.early_since.filter(|_| heard).map_or(now, |since| since.min(now));
        *self = Self {
            started: self.started,
            early_since: Some(since),
            early_seen: Some(now),
            ..Self::default()
        };
        changed
    }

    /// What it failed of late is no longer to its discredit: the verdict is out again.
    pub fn doubt(&mut self) {
        if self.verdict == Verdict::Unhealthy {
            (self.verdict, self.failures) = (Verdict::Unknown, 0);
            (self.refuses, self.other) = (false, 0);
        }
    }

    /// Failures in a row that make it unhealthy.
    fn allowed(&self, spec: &ProbeSpec) -> u32 {
        match &spec.startup {
            Some(startup) if !self.started => startup.failure_threshold,
            _ => spec.failure_threshold,
        }
    }

    /// From one check to the next, before jitter.
    ///
    /// A target that fails on and on is asked at growing intervals, so that nobody hammers what does not answer; a
    /// `failurePeriodSeconds` says that somebody wants to.
    pub fn period(&self, spec: &ProbeSpec) -> Duration {
        let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds));
        let period = seconds(spec.period_seconds);
        if self.failures > 0
            && let Some(faster) = spec.failure_period_seconds
        {
            return seconds(faster);
        }
        let period = match &spec.startup {
            Some(startup) if !self.started => seconds(startup.period_seconds),
            _ => period,
        };
        let beyond = self.failures.saturating_sub(self.allowed(spec).saturating_add(PATIENCE));
        // Six doublings of a second are more than a minute.
        period.saturating_mul(1 << beyond.min(6)).min(REST.max(period))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::resource::probe::Startup;

    fn spec(success: u32, failure: u32) -> ProbeSpec {
        ProbeSpec { success_threshold: success, failure_threshold: failure, ..ProbeSpec::default() }
    }

    fn after(spec: &ProbeSpec, outcomes: &str) -> Streak {
        let mut streak = Streak::default();
        for outcome in outcomes.chars() {
            match outcome {
                'x' => streak.take_in_refusal(spec),
                outcome => streak.take_in(spec, outcome == '+'),
            };
        }
        streak
    }

    #[test]
    fn how_long_it_is_too_early_counts_while_somebody_hears_it() {
        let spec = ProbeSpec { period_seconds: 10, timeout_seconds: 5, ..spec(1, 3) };
        let at = |second: i64| Nanos(second * 1_000_000_000);
        let mut streak = Streak::default();
        for (second, since) in [(0, 0), (10, 0), (150, 0), (301, 301), (311, 301), (5, 5)] {
            streak.take_in_early(&spec, at(second));
            assert_eq!(streak.early_since, Some(at(since)), "at {second}");
        }
        streak.take_in(&spec, true);
        assert_eq!((streak.early_since, streak.early_seen), (None, None));
    }

    #[test]
    fn who_refuses_a_login_does_so_until_it_passes_or_fails_otherwise_as_often_as_is_allowed() {
        for (outcomes, refuses) in [
            ("---", false),
            ("x", true),
            ("xxx", true),
            ("xxx--", true),
            ("xxx---", false),
            ("---x", true),
            ("x--", true),
            ("xxx+", true),
            ("xxx+-", true),
            ("xxx++", false),
            ("---+", false),
        ] {
            assert_eq!(after(&spec(2, 3), outcomes).refuses, refuses, "{outcomes}");
        }
    }

    #[test]
    fn so_many_in_a_row_make_a_verdict_and_fewer_change_none() {
        use Verdict::{Healthy, Unhealthy, Unknown};
        for (success, failure, outcomes, verdict) in [
            (1, 3, "", Unknown),
            (1, 3, "+", Healthy),
            (1, 3, "--", Unknown),
            (1, 3, "---", Unhealthy),
            (1, 3, "+--+--", Healthy),
            (1, 3, "+---+", Healthy),
            (2, 3, "+", Unknown),
            (2, 3, "++---+", Unhealthy),
            (2, 3, "++---++", Healthy),
            (2, 1, "+-+-+-", Unhealthy),
        ] {
            assert_eq!(
                after(&spec(success, failure), outcomes).verdict,
                verdict,
                "{success}/{failure} {outcomes}"
            );
        }
    }

    #[test]
    fn until_the_first_pass_startup_has_its_own_threshold_and_period() {
        let startup = Startup { period_seconds: 1, failure_threshold: 5 };
        let spec = ProbeSpec { startup: Some(startup), ..spec(1, 2) };
        let (early, late) = (after(&spec, "----"), after(&spec, "-----"));
        assert_eq!((early.verdict, early.period(&spec)), (Verdict::Unknown, Duration::from_secs(1)));
        assert_eq!(late.verdict, Verdict::Unhealthy);
        let started = after(&spec, "----+--");
        assert_eq!((started.verdict, started.period(&spec)), (Verdict::Unhealthy, Duration::from_secs(10)));
    }

    #[test]
    fn what_fails_is_asked_faster_if_so_declared_and_else_in_the_end_more_slowly() {
        let plain = spec(1, 3);
        let periods = |failures: usize| after(&plain, &"-".repeat(failures)).period(&plain);
        let seconds = Duration::from_secs;
        assert_eq!([1, 13, 14, 15, 16, 99].map(periods), [10, 10, 20, 40, 60, 60].map(seconds));
        let fast = ProbeSpec { failure_period_seconds: Some(2), ..plain };
        assert_eq!(after(&fast, &"-".repeat(99)).period(&fast), seconds(2));
        assert_eq!(after(&fast, "--+").period(&fast), seconds(10));
        let slow = ProbeSpec { period_seconds: 300, ..spec(1, 3) };
        assert_eq!(after(&slow, &"-".repeat(99)).period(&slow), seconds(300));
    }

    proptest! {
        /// Against the definition, read from the outcomes themselves.
        #[test]
        fn a_verdict_changes_only_with_a_full_streak(
            success in 1_u32..5,
            failure in 1_u32..5,
            outcomes in proptest::collection::vec(any::<bool>(), 0..60),
        ) {
            let spec = spec(success, failure);
            let mut streak = Streak::default();
            for (n, outcome) in outcomes.iter().enumerate() {
                let before = streak.verdict;
                let changed = streak.take_in(&spec, *outcome);
                let row = outcomes[..=n].iter().rev().take_while(|other| *other == outcome).count();
                let (full, verdict) = if *outcome {
                    (row >= success as usize, Verdict::Healthy)
                } else {
                    (row >= failure as usize, Verdict::Unhealthy)
                };
                prop_assert_eq!(streak.verdict, if full { verdict } else { before });
                prop_assert_eq!(changed, streak.verdict != before);
                prop_assert!(streak.passes == 0 || streak.failures == 0);
                prop_assert!(streak.period(&spec).as_nanos() > 0);
            }
        }
    }
}
