//! What probes found out. Plain data.

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::{Nanos, Route};

mod target;
mod targets;

pub use target::{Checked, HealthWord, LastCheck, ProbeState, ProbeTarget, TargetState};
pub use targets::Targets;

/// What is known of one service.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServiceState {
    /// Its probes' states, by whom they ask; a container's belong to its run.
    pub targets: Targets,
    /// How often it passed.
    pub rates: Rates,
    /// What its checks came to since Portreeve started.
    pub checks: Checks,
    /// The verdict on the whole.
    pub health: HealthWord,
    /// Why, for people.
    pub reason: String,
    /// Why it went down, in the words of that moment: those of later ones may be about what is done about it.
    pub fell: String,
    /// A dependency that is down, without which this cannot work.
    pub waits_for: Option<String>,
    /// Whether what it waits for is only suspected: it failed its last check, and its own verdict is still out.
    pub suspects: bool,
    /// What it is to those that depend on it, as last decided.
    pub standing: Standing,
    /// Whether one of its targets said that it is too early to ask, as last decided.
    pub early: bool,
    /// When the verdict changed last.
    pub since: Nanos,
    /// Whether people were told that it is down, and not yet that it is healthy again.
    pub told_down: bool,
    /// Since when it has no container.
    pub empty_since: Option<Nanos>,
    /// When the last check ended.
    pub last_check: Option<Nanos>,
    /// Ways to its containers that were only assumed to lead there, and did: a check has passed there.
    pub reached: BTreeSet<Route>,
    /// How long the last checks that passed took, smoothed, in milliseconds.
    pub response_millis: Option<f64>,
}

/// Upper bounds of the times by which checks are counted, in seconds.
pub const CHECK_TIMES: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// What checks came to, for counters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checks {
    /// How many passed.
    pub passed: u64,
    /// How many failed; one that could not be carried out is neither.
    pub failed: u64,
    /// How long all of these took together, in seconds.
    pub seconds: f64,
    /// How many took no longer than each of [`CHECK_TIMES`].
    pub within: [u64; CHECK_TIMES.len()],
}

impl Checks {
    /// Counts one that took so many seconds.
    pub fn count(&mut self, passed: bool, seconds: f64) {
        *if passed { &mut self.passed } else { &mut self.failed } += 1;
        self.seconds += seconds;
        for (count, _) in self.within.iter_mut().zip(CHECK_TIMES).filter(|(_, bound)| seconds <= *bound) {
            *count += 1;
        }
    }
}

/// What a service is to those that depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It works, as far as anybody knows.
    #[default]
    Fine,
    /// A check failed, and it may be down: the verdict is out.
    Doubtful,
    /// It says that it is not ready yet: whatever depends on it cannot work yet.
    Early,
    /// Whatever depends on it cannot work.
    Down,
}

impl ServiceState {
    /// Since when one of its targets has said that it is too early to ask; `None`: none does, or there are enough others.
    pub fn early_since(&self) -> Option<Nanos> {
        self.targets.early_since().filter(|_| self.health != HealthWord::Healthy)
    }

    /// Whether it is down and all that is wrong is that we are refused.
    pub fn refuses(&self) -> bool {
        self.health.is_down() && self.targets.all_down_refuse()
    }
}

impl Standing {
    /// What a service with this verdict and these targets is to those that depend on it.
    pub fn of(health: HealthWord, targets: &Targets) -> Self {
        if health.is_down() && targets.all_down_refuse() {
            // It refuses us; nobody knows that of them.
            Self::Fine
        } else if health.is_down() {
            Self::Down
        } else if health != HealthWord::Healthy && targets.early_since().is_some() {
            Self::Early
        } else if targets.any_doubtful() {
            Self::Doubtful
        } else {
            Self::Fine
        }
    }
}

/// Passed and failed checks over three windows: an hour, a day, a week. Older ones fall out as time goes on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    hour: VecDeque<Bucket>,
    day: VecDeque<Bucket>,
    week: VecDeque<Bucket>,
    /// When the first check was counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first: Option<Nanos>,
}

/// A window of [`Rates`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// 60 minutes.
    Hour,
    /// 24 hours, to the quarter of an hour.
    Day,
    /// 7 days, to two hours.
    Week,
}

/// Start in seconds, passed, failed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Bucket(i64, u32, u32);

impl Window {
    const ALL: [Self; 3] = [Self::Hour, Self::Day, Self::Week];

    /// Width of a bucket in seconds, and how many there are.
    const fn shape(self) -> (i64, i64) {
        match self {
            Self::Hour => (60, 60),
            Self::Day => (900, 96),
            Self::Week => (7_200, 84),
        }
    }
}

impl Rates {
    /// Since when checks are counted, if any was.
    pub fn since(&self) -> Option<Nanos> {
        // What was stored by a version that did not note it is as old as its oldest bucket.
        self.first.or_else(|| self.week.front().map(|first| Nanos(first.0.saturating_mul(1_000_000_000))))
    }

    /// Counts one check.
    pub fn count(&mut self, now: Nanos, passed: bool) {
        self.first = self.since().or(Some(now));
        let seconds = now.0.div_euclid(1_000_000_000);
        for window in Window::ALL {
            let (width, count) = window.shape();
            let start = seconds - seconds.rem_euclid(width);
            let buckets = self.of(window);
            // After a step of the clock backwards the newest bucket takes what comes.
            if buckets.back().is_none_or(|last| last.0 < start) {
                buckets.push_back(Bucket(start, 0, 0));
            }
            if let Some(Bucket(_, yes, no)) = buckets.back_mut() {
                let counter = if passed { yes } else { no };
                *counter = counter.saturating_add(1);
            }
            while buckets.front().is_some_and(|first| first.0 <= start - width * count) {
                buckets.pop_front();
            }
        }
    }

    /// The share that passed, in percent; `None` when nothing was checked in that time.
    pub fn percent(&self, window: Window, now: Nanos) -> Option<f64> {
        let (width, count) = window.shape();
        let oldest = now.0.div_euclid(1_000_000_000) - width * count;
        let buckets = match window {
            Window::Hour => &self.hour,
            Window::Day => &self.day,
            Window::Week => &self.week,
        };
        let (passed, all) = buckets.iter().filter(|bucket| bucket.0 > oldest).fold((0, 0), |sum, bucket| {
            let (passed, failed) = (u64::from(bucket.1), u64::from(bucket.2));
            (sum.0 + passed, sum.1 + passed + failed)
        });
        #[expect(clippy::cast_precision_loss, reason = "a week has fewer checks than an f64 has digits")]
        let percent = |passed: u64, all: u64| passed as f64 * 100.0 / all as f64;
        (all > 0).then(|| percent(passed, all))
    }

    const fn of(&mut self, window: Window) -> &mut VecDeque<Bucket> {
        match window {
            Window::Hour => &mut self.hour,
            Window::Day => &mut self.day,
            Window::Week => &mut self.week,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observed::ContainerKey;

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn a_rate_is_of_what_was_checked_within_its_window() {
        let mut rates = Rates::default();
        let at = |seconds: i64| Nanos((1_700_000_000 + seconds) * SECOND);
        assert_eq!(rates.percent(Window::Hour, at(0)), None);
        for n in 0..4 {
            rates.count(at(n * 60), n != 0);
        }
        for window in Window::ALL {
            assert_eq!(rates.percent(window, at(200)), Some(75.0));
        }
        let later = 3_600 + 120;
        rates.count(at(later), false);
        assert_eq!(rates.percent(Window::Hour, at(later)), Some(50.0));
        assert_eq!(rates.percent(Window::Day, at(later)), Some(60.0));
        assert_eq!(rates.percent(Window::Day, at(86_400 * 2)), None);
        assert_eq!(rates.percent(Window::Week, at(86_400 * 2)), Some(60.0));
        assert_eq!(rates.percent(Window::Week, at(86_400 * 9)), None);
    }

    #[test]
    fn who_only_refuses_our_login_keeps_nobody_else_down() {
        let target = |denied| TargetState { health: HealthWord::Unhealthy, denied, ..TargetState::default() };
        let key = |id: &str| ProbeTarget::Container(ContainerKey::new("local", id));
        let mut state = ServiceState { health: HealthWord::Unhealthy, ..ServiceState::default() };
        assert_eq!(Standing::of(state.health, &state.targets), Standing::Down, "it has no containers");
        state.targets.insert(key("a"), target(true));
        assert_eq!(Standing::of(state.health, &state.targets), Standing::Fine);
        state.targets.insert(key("b"), target(false));
        assert_eq!(Standing::of(state.health, &state.targets), Standing::Down);
    }

    #[test]
    fn whoever_says_that_it_is_too_early_is_not_ready_for_others_either() {
        let early = TargetState { early_since: Some(Nanos(1)), ..TargetState::default() };
        let mut state = ServiceState::default();
        assert_eq!(Standing::of(state.health, &state.targets), Standing::Fine, "nothing was asked");
        state.targets.insert(ProbeTarget::Outside, early);
        assert_eq!(Standing::of(state.health, &state.targets), Standing::Early);
        // Enough others are well.
        state.health = HealthWord::Healthy;
        assert_eq!(Standing::of(state.health, &state.targets), Standing::Fine);
    }

    #[test]
    fn what_is_remembered_stays_bounded_whatever_the_clock_does() {
        let mut rates = Rates::default();
        for n in 0..20_000_i64 {
            let step = if n % 100 == 0 { -5_000 } else { 0 };
            rates.count(Nanos((1_700_000_000 + n * 77 + step) * SECOND), true);
        }
        assert!(rates.hour.len() <= 61 && rates.day.len() <= 97 && rates.week.len() <= 85);
        let text = serde_json::to_string(&rates).expect("JSON");
        assert_eq!(serde_json::from_str::<Rates>(&text).expect("rates"), rates);
    }
}
