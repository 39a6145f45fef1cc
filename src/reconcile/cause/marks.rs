//! What the events around stops said, kept small and judged on demand.

use serde::{Deserialize, Serialize};

use super::{Fact, Seen, StopCause, StopHabits};
use crate::observed::{Container, Nanos};
use crate::resource::Duration;

/// What `dockerd` gives its containers, beyond their own stop timeouts, when it shuts down.
const SHUTDOWN: Duration = Duration::from_secs(15);
/// How much longer than the stop timeout a stop may take.
pub(in crate::reconcile) const MARGIN: Duration = Duration::from_secs(10);
/// What an answer or an inspect already shows may have events that are still on their way, so long: nobody says meanwhile that
/// the cause is unknown, or somebody else's.
pub(in crate::reconcile) const EVENT_LAG: Duration = Duration::from_secs(5);
/// `stop` follows `die` within milliseconds; a loaded engine takes longer.
const SETTLING: Duration = Duration::from_secs(2);
/// `start` follows StartedAt within 69 ms; a loaded engine takes longer.
const START_LAG: Duration = Duration::from_secs(5);

/// `die` and `stop` follow FinishedAt within milliseconds; an engine that is loaded for long takes longer.
const END_LAG: Duration = Duration::from_secs(30);

/// What the events around stops said of a container's current run. Stored; facts may come twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StopMarks {
    /// The last `start`; everything else here came after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<Nanos>,
    others: Traces,
    ours: Traces,
    /// The last kill that stops or completed stop, whoever's.
    #[serde(skip_serializing_if = "Option::is_none")]
    stopping: Option<Nanos>,
    #[serde(skip_serializing_if = "Option::is_none")]
    die: Option<Death>,
    /// The first end of the connection soon after the newest kill or stop.
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_ended: Option<Nanos>,
    /// Before this, events may be missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    gap: Option<Nanos>,
}

/// The last kill that stops and the last completed stop of one party.
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

    fn since(self, start: Nanos) -> Self {
        let current = |mark: &Mark| mark.at >= start;
        Self { kill: self.kill.filter(current), stop: self.stop.filter(current) }
    }
}

impl StopMarks {
    /// Takes in a fact; says whether anything changed and the marks need storing.
    ///
    /// Facts come in the order of the stream, and that order counts, not their times: the engine's clock may step back. A
    /// fact that comes again changes nothing: what was first seen live stays so, and what was ours stays ours,
    /// although by then the intent is closed. A stretch of the stream that comes again ends where it ended before.
    pub fn feed(&mut self, seen: &Seen, habits: StopHabits) -> bool {
        let Seen { at, fact, ours, replayed_from_outage: replayed } = *seen;
        let before = *self;
        let mark = Mark { at, replayed };
        match fact {
            // The same start again: what came before it, again too, is over.
            Fact::Start if self.start == Some(at) => {
                self.others = self.others.since(at);
                self.ours = self.ours.since(at);
                self.stopping = self.others.newest().max(self.ours.newest()).map(|mark| mark.at);
                self.die = self.die.filter(|die| die.at >= at);
            }
            // Of a run that began after a gap nothing was missed.
            Fact::Start => *self = Self { start: Some(at), ..Self::default() },
            Fact::Kill { signal } => {
                const SIGKILL: i32 = 9;
                let stops = signal == habits.signal || signal == SIGKILL;
                let known = [self.others.kill, self.ours.kill].iter().flatten().any(|kill| kill.at == at);
                if stops && !known {
                    self.party(ours).kill = Some(mark);
                    self.stopping = Some(at);
                }
            }
            Fact::Stop => {
                let known = [self.others.stop, self.ours.stop].iter().flatten().any(|stop| stop.at == at);
                if !known {
                    self.party(ours).stop = Some(mark);
                    self.stopping = Some(at);
                }
            }
            Fact::Die { exit_code, oom } => self.die = Some(Death { at, exit_code, oom }),
            Fact::StreamEnded => self.end_of_stream(at, habits),
            Fact::Gap => self.gap = Some(at),
        }
        *self != before
    }

    fn party(&mut self, ours: bool) -> &mut Traces {
        if ours { &mut self.ours } else { &mut self.others }
    }

    /// It was fed after the kill, so it followed it, whatever a second clock says.
    fn end_of_stream(&mut self, at: Nanos, habits: StopHabits) {
        let Some(newest) = self.others.newest().max(self.ours.newest()) else { return };
        let first = self.stream_ended.is_none_or(|ended| ended < newest.at);
        if first && at.since(newest.at).abs() <= shutdown_window(habits) {
            self.stream_ended = Some(at.max(newest.at));
        }
    }

    /// Whether a run began at or after `at`.
    pub fn started_since(&self, at: Nanos) -> bool {
        self.start.is_some_and(|start| start >= at)
    }

    /// Whether an action of ours completed a stop at or after `since` and before `before`.
    pub fn we_stopped(&self, since: Nanos, before: Nanos) -> bool {
        self.ours.stop.is_some_and(|stop| stop.at >= since && stop.at < before)
    }

    /// The time of the last kill or stop since the last `start`: the container is being stopped, or was.
    ///
    /// Whoever's: what was taken for ours may be someone's who came while our own call was lost. Not compared with
    /// StartedAt: the clock may have stepped back in between, and a wait costs little.
    pub const fn being_stopped(&self) -> Option<Nanos> {
        self.stopping
    }

    /// Why `container`, which is down, is down.
    pub fn cause(&self, container: &Container, now: Nanos) -> StopCause {
        let habits = StopHabits::of(container);
        let Self { others, ours, die, .. } = self.of_run(container);
        let current = |at: &Nanos| container.started.is_none_or(|started| *at >= started);
        let ended = die.map(|die| die.at).or(container.finished.filter(current));
        // Who killed it is who killed it just before it ended; without a time of the end, whoever tried.
        let ended_by = |kill: Mark| ended.is_none_or(|ended| ended.since(kill.at) <= stop_window(habits));

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
            return StopCause::Ours { completed: ours.stop.is_some() };
        }
        let Some(Death { at, exit_code, oom }) = die else { return StopCause::Unseen };
        if self.gap.is_some_and(|gap| (0..=stop_window(habits)).contains(&at.since(gap))) {
            return StopCause::Unseen;
        }
        let until = at.plus(SETTLING);
        if others.kill.is_some() && now >= at && now < until {
            return StopCause::Undecided { until };
        }
        StopCause::Crash { exit_code, oom }
    }

    /// The marks of the run that `container` shows. All of them if we saw that run start; else times decide.
    ///
    /// The clock may have stepped back since an earlier run, whose marks then look like this one's: of those that would
    /// have us act only what fits the end that is shown counts.
    fn of_run(&self, container: &Container) -> Self {
        let Some(started) = container.started else { return *self };
        if self.start.is_some_and(|start| (started..=started.plus(START_LAG)).contains(&start)) {
            return *self;
        }
        let fits = |at: Nanos| {
            at >= started && container.finished.is_none_or(|finished| at <= finished.plus(END_LAG))
        };
        let die = self.die.filter(|die| fits(die.at) && die.exit_code == container.exit_code);
        let Traces { kill, stop } = self.ours;
        let ours =
            Traces { kill: kill.filter(|kill| fits(kill.at)), stop: stop.filter(|stop| fits(stop.at)) };
        Self { others: self.others.since(started), ours, die, ..*self }
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
