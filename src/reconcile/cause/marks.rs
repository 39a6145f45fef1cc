//! What the events around stops said, kept small and judged on demand.

use serde::{Deserialize, Serialize};

use super::{Fact, Seen, StopCause, StopHabits};
use crate::observed::{Container, Nanos};
use crate::resource::Duration;

/// What `dockerd` gives its containers, beyond their own stop timeouts, when it shuts down.
const SHUTDOWN: Duration = Duration::from_secs(15);
/// How much longer than the stop timeout a stop may take.
pub(in crate::reconcile) const MARGIN: Duration = Duration::from_secs(10);
/// `stop` follows `die` within milliseconds; a loaded engine takes longer.
const SETTLING: Duration = Duration::from_secs(2);
/// `start` follows StartedAt within 69 ms; a loaded engine takes longer.
const START_LAG: Duration = Duration::from_secs(5);

/// What the events around stops said of a container's current run. Stored; facts may come twice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StopMarks {
    /// The newest `start`; everything else here is newer.
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<Nanos>,
    others: Traces,
    ours: Traces,
    #[serde(skip_serializing_if = "Option::is_none")]
    die: Option<Death>,
    /// The first end of the connection soon after the newest kill or stop.
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_ended: Option<Nanos>,
    /// Before this, events may be missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    gap: Option<Nanos>,
}

/// The newest kill that stops and the newest completed stop of one party.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Traces {
    #[serde(skip_serializing_if = "Option::is_none")]
    kill: Option<Mark>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop: Option<Mark>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Mark {
    at: Nanos,
    /// Replayed from before the first contact after an outage.
    replayed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Death {
    at: Nanos,
    exit_code: i64,
    oom: bool,
}

impl Traces {
    fn newest(&self) -> Option<Mark> {
        self.kill.max(self.stop)
    }

    /// The same traces without those of runs before the one that began at `started`.
    fn of_run(self, started: Option<Nanos>) -> Self {
        let current = |mark: &Mark| started.is_none_or(|started| mark.at >= started);
        Self { kill: self.kill.filter(current), stop: self.stop.filter(current) }
    }
}

impl StopMarks {
    /// Takes in a fact; says whether anything changed and the marks need storing.
    ///
    /// Facts come in the order of the stream. A fact that comes again changes nothing: what was first seen live stays
    /// so, and what was ours stays ours, although by then the intent is closed.
    pub fn feed(&mut self, seen: &Seen, habits: StopHabits) -> bool {
        let Seen { at, fact, ours, replayed_from_outage: replayed } = *seen;
        let old = self.start.is_some_and(|start| at < start);
        let mark = Mark { at, replayed };
        match fact {
            Fact::Start => {
                let new = self.start.is_none_or(|start| at > start);
                if new {
                    *self = Self { start: Some(at), gap: self.gap, ..Self::default() };
                }
                new
            }
            Fact::Kill { signal } => {
                const SIGKILL: i32 = 9;
                let stops = signal == habits.signal || signal == SIGKILL;
                let known = [self.others.kill, self.ours.kill].iter().flatten().any(|kill| kill.at == at);
                !old && stops && !known && replace(&mut self.party(ours).kill, mark)
            }
            Fact::Stop => {
                let known = [self.others.stop, self.ours.stop].iter().flatten().any(|stop| stop.at == at);
                !old && !known && replace(&mut self.party(ours).stop, mark)
            }
            Fact::Die { exit_code, oom } => {
                let new = !old && self.die.is_none_or(|die| at > die.at);
                if new {
                    self.die = Some(Death { at, exit_code, oom });
                }
                new
            }
            Fact::StreamEnded => self.end_of_stream(at, habits),
            Fact::Gap => {
                let new = self.gap.is_none_or(|gap| at > gap);
                if new {
                    self.gap = Some(at);
                }
                new
            }
        }
    }

    fn party(&mut self, ours: bool) -> &mut Traces {
        if ours { &mut self.ours } else { &mut self.others }
    }

    /// It was fed after the kill, so it followed it, whatever a second clock says.
    fn end_of_stream(&mut self, at: Nanos, habits: StopHabits) -> bool {
        let Some(newest) = self.others.newest().max(self.ours.newest()) else { return false };
        let first = self.stream_ended.is_none_or(|ended| ended < newest.at);
        let soon = at.since(newest.at).abs() <= shutdown_window(habits);
        if first && soon {
            self.stream_ended = Some(at.max(newest.at));
        }
        first && soon
    }

    /// Whether a run began at or after `at`.
    pub fn started_since(&self, at: Nanos) -> bool {
        self.start.is_some_and(|start| start >= at)
    }

    /// Whether an action of ours completed a stop at or after `since` and before `before`.
    pub fn we_stopped(&self, since: Nanos, before: Nanos) -> bool {
        self.ours.stop.is_some_and(|stop| stop.at >= since && stop.at < before)
    }

    /// The time of the newest kill or stop of others in the current run of `container`, which is up: someone is
    /// stopping it, or was.
    pub fn being_stopped(&self, container: &Container) -> Option<Nanos> {
        self.others.of_run(container.started).newest().map(|mark| mark.at)
    }

    /// Why `container`, which is down, is down.
    pub fn cause(&self, container: &Container, now: Nanos) -> StopCause {
        let habits = StopHabits::of(container);
        let current = |at: &Nanos| container.started.is_none_or(|started| *at >= started);
        let (others, ours) = (self.others.of_run(container.started), self.ours.of_run(container.started));
        let die = self.die.filter(|die| current(&die.at));
        let ended = die.map(|die| die.at).or(container.finished.filter(current));
        // Who killed it is who killed it just before it ended; without a time of the end, whoever tried.
        let ended_by = |kill: Mark| ended.is_none_or(|ended| within(kill.at, ended, stop_window(habits)));

        if self.start.is_some_and(|start| container.started.is_some_and(|was| start > was.plus(START_LAG))) {
            return StopCause::StartedSince;
        }
        if let Some(mark) = others.stop.or(others.kill.filter(|kill| ended_by(*kill))) {
            return if mark.replayed || self.engine_ended_after(mark, habits) {
                StopCause::EngineShutdown
            } else {
                StopCause::ByHand
            };
        }
        if ours.stop.is_some() || ours.kill.is_some_and(ended_by) {
            return StopCause::Ours;
        }
        let Some(Death { at, exit_code, oom }) = die else { return StopCause::Unseen };
        if self.gap.is_some_and(|gap| within(gap, at, stop_window(habits))) {
            return StopCause::Unseen;
        }
        let until = at.plus(SETTLING);
        if others.kill.is_some() && now >= at && now < until {
            return StopCause::Undecided { until };
        }
        StopCause::Crash { exit_code, oom }
    }

    fn engine_ended_after(&self, mark: Mark, habits: StopHabits) -> bool {
        self.stream_ended
            .is_some_and(|ended| ended >= mark.at && ended.since(mark.at) <= shutdown_window(habits))
    }
}

/// How long after a kill a stop may still be under way.
fn stop_window(habits: StopHabits) -> i64 {
    habits.timeout.as_nanos().saturating_add(MARGIN.as_nanos())
}

/// How long after a kill or stop the end of the stream still explains it.
fn shutdown_window(habits: StopHabits) -> i64 {
    habits.timeout.as_nanos().saturating_add(SHUTDOWN.as_nanos())
}

/// Whether `later` is at most `window` after `earlier`; a millisecond before it is a matter of rounding.
fn within(earlier: Nanos, later: Nanos, window: i64) -> bool {
    const ROUNDING: i64 = -1_000_000;
    (ROUNDING..=window).contains(&later.since(earlier))
}

fn replace(slot: &mut Option<Mark>, mark: Mark) -> bool {
    let new = slot.is_none_or(|known| mark.at > known.at);
    if new {
        *slot = Some(mark);
    }
    new
}
