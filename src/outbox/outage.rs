//! What is said of calls that fail: the first failure of each bill by itself; those that fail again are counted and told
//! of once a minute and target, until it answers. Pure.

use std::time::Duration;

use crate::observed::Nanos;

/// Between two lines about calls that fail again.
const EVERY: Duration = Duration::from_secs(60);

/// The failures of one target.
#[derive(Debug, Default)]
pub(super) struct Outage {
    /// The first failure since its last success.
    since: Option<Nanos>,
    /// Failures since then.
    failures: u64,
    /// Whether a line has told of them.
    told: bool,
    /// Repeated failures that no line has told of, and since when they are counted.
    untold: Option<(Nanos, u64)>,
}

/// What to say of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// It has a line of its own.
    Itself,
    /// It is counted.
    Nothing,
    /// So many failed again in that time.
    Again { calls: u64, within: Duration },
}

impl Outage {
    /// A call failed; `first`: of its bill or state.
    pub(super) fn failed(&mut self, now: Nanos, first: bool) -> Said {
        self.since.get_or_insert(now);
        self.failures += 1;
        if first {
            return Said::Itself;
        }
        let (begin, before) = self.untold.unwrap_or((now, 0));
        let (calls, within) = (before + 1, between(begin, now));
        if within < EVERY {
            self.untold = Some((begin, calls));
            return Said::Nothing;
        }
        self.untold = Some((now, 0));
        self.told = true;
        Said::Again { calls, within }
    }

    /// A call succeeded: how long none had, and how many failed, if that was told of.
    pub(super) fn answered(&mut self, now: Nanos) -> Option<(Duration, u64)> {
        let since = self.since.take()?;
        let (failures, told) = (std::mem::take(&mut self.failures), std::mem::take(&mut self.told));
        told.then(|| (between(since, now), failures))
    }
}

fn between(begin: Nanos, end: Nanos) -> Duration {
    Duration::from_nanos(u64::try_from(end.since(begin)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: i64) -> Nanos {
        Nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn a_target_that_is_down_with_1000_lanes_has_a_line_for_each_and_then_one_a_minute() {
        let mut outage = Outage::default();
        let (mut first, mut again, mut counted) = (0, 0, 0);
        for round in 0..18 {
            for _ in 0..1000 {
                match outage.failed(at(round * 10), round == 0) {
                    Said::Itself => first += 1,
                    Said::Nothing => {}
                    Said::Again { calls, within } => {
                        assert_eq!(within, EVERY);
                        (again, counted) = (again + 1, counted + calls);
                    }
                }
            }
        }
        assert_eq!((first, again), (1000, 2));
        assert_eq!(counted, 12_001, "all but those of the minute that is not over");
        assert_eq!(outage.answered(at(185)), Some((Duration::from_secs(185), 18_000)));
        assert_eq!(outage.answered(at(186)), None, "said once");
    }

    #[test]
    fn one_lane_that_always_fails_beside_others_that_do_not_is_told_of_once_a_minute_and_no_more() {
        let mut outage = Outage::default();
        assert_eq!(outage.failed(at(0), true), Said::Itself);
        let mut lines = 0;
        for second in 1..=180 {
            lines += u32::from(outage.failed(at(second), false) != Said::Nothing);
            lines += u32::from(second % 60 != 1 && outage.answered(at(second)).is_some());
        }
        assert!(lines <= 5, "{lines}");
    }

    #[test]
    fn an_outage_of_a_moment_has_no_line_of_its_own() {
        let mut outage = Outage::default();
        outage.failed(at(0), true);
        assert_eq!(outage.failed(at(1), false), Said::Nothing);
        assert_eq!(outage.answered(at(2)), None);
    }
}
