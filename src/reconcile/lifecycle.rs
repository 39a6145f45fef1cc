//! Which runs a container has had: the ledger's rule for the identity and time of a run.
//!
//! A run's key is minted once, in the transaction that first records it, and looked up ever after. Events and
//! inspects are hints of different worth: a start event tells that a run began and when, an inspect shows only the
//! latest run, and by the time of the inspect half of all short runs are no longer shown.
//!
//! # Guarantees
//! Facts may come twice, and an inspect may be later than the facts it is asked for: every transition is reported
//! once, with one key, and per container in the order of the runs.
//!
//! # Assumptions
//! Facts of one container come in the order of the engine's events, and each call is given an answer that was
//! asked for after the last of them happened. An answer may be ahead of the events: a run it shows that began after
//! everything heard so far is left to its own start event, since others may have come and gone before it.

use crate::observed::{Container, Nanos, State};

mod identity;
mod terms;
#[cfg(test)]
mod tests;

pub use identity::{EventName, event_id};
pub use terms::{Advance, Answer, Fact, Gap, Ledger, Run, Transition};

/// Enters `facts`, oldest first, and then what `answer` shows by itself.
///
/// `first_contact` is the engine time at which this engine was first watched: a run that had ended by then is
/// recorded and not reported. `heard` is the engine time up to which all events of the container are among these facts
/// or earlier ones.
pub fn advance(
    ledger: &mut Ledger,
    facts: &[Fact],
    answer: Answer<'_>,
    first_contact: Nanos,
    heard: Nanos,
) -> Advance {
    let mut entry = Entry { ledger, answer, first_contact, heard, out: Advance::default() };
    for fact in facts {
        entry.enter(fact);
    }
    entry.seen();
    entry.out
}

struct Entry<'l, 'a> {
    ledger: &'l mut Ledger,
    answer: Answer<'a>,
    first_contact: Nanos,
    heard: Nanos,
    out: Advance,
}

impl<'a> Entry<'_, 'a> {
    fn enter(&mut self, fact: &Fact) {
        // A removed container has no further story; ids are never reused.
        if self.ledger.removed.is_some() {
            return;
        }
        match *fact {
            Fact::Created(at) => self.created(at),
            Fact::Started(at) => self.started(at),
            Fact::Died(at, exit_code) => self.died(at, exit_code),
            Fact::Destroyed(at) => {
                self.close_open(
                    at,
                    Nanos(i64::MAX),
                    Nanos(0),
                    "the end of the last run: no die event was seen",
                );
                self.removed(at);
            }
            Fact::Absent { listed, last_known } => {
                self.close_open(
                    listed,
                    Nanos(i64::MAX),
                    last_known,
                    "the end of the last run and the removal",
                );
                self.gap(last_known, listed, "the time of the removal, and any runs before it");
                self.removed(listed);
            }
        }
    }

    fn created(&mut self, at: Nanos) {
        // A list may have shown it before its event was read.
        let listed = self.ledger.state == Some(State::Created) && self.ledger.runs.is_empty();
        let untold = !self.ledger.created && at > self.first_contact;
        if self.ledger.state.is_none() || (listed && untold) {
            self.ledger.created = true;
            self.out.transitions.push(Transition::Created { at });
            self.state(State::Created);
        }
    }

    /// The latest run an inspect shows, if it has begun.
    fn shown(&self) -> Option<(&'a Container, Nanos)> {
        match self.answer {
            Answer::Shown(container) => container.started.map(|started| (container, started)),
            Answer::Gone | Answer::NotAsked => None,
        }
    }

    fn started(&mut self, at: Nanos) {
        if self.ledger.runs.iter().any(|run| run.start_event == Some(at)) {
            return; // a replay
        }
        if let Some((container, started)) = self.shown().filter(|(_, started)| *started <= at) {
            let index = self.run_shown(container, started);
            self.ledger.runs[index].start_event.get_or_insert(at);
            return;
        }
        if let Some(later) = self.overtaking(at) {
            // The gap was told already if the run before was still open when it was superseded.
            match self.ledger.runs.iter().rev().find(|run| run.started <= at) {
                Some(before) if before.end_event.is_none() => {}
                before => {
                    let from = before.and_then(|run| run.ended).unwrap_or(self.first_contact);
                    self.gap(from, later, "a run that began and ended before inspect saw the next one");
                }
            }
            return;
        }
        // No inspect can ever show that run again.
        let waiting = self
            .ledger
            .runs
            .iter_mut()
            .rev()
            .find(|run| run.started <= at && run.start_event.is_none() && run.ended.is_none());
        if let Some(run) = waiting {
            run.start_event = Some(at);
            return;
        }
        self.close_open(at, at, Nanos(0), "the end of a run: no die event was seen before the next start");
        self.insert(Run {
            key: format!("t:{}", at.0),
            started: at,
            start_event: Some(at),
            ended: None,
            end_event: None,
            exit_code: None,
            restart_count: 0,
        });
        self.report_start(format!("t:{}", at.0), at);
    }

    /// When a run began that an inspect alone showed, if one did after `at`: what comes in between comes too late to be
    /// told in order, and is a gap before that run.
    fn overtaking(&self, at: Nanos) -> Option<Nanos> {
        let overtaking = |run: &&Run| run.started > at && run.start_event.is_none();
        self.ledger.runs.iter().find(overtaking).map(|run| run.started)
    }

    fn died(&mut self, at: Nanos, exit_code: i64) {
        if self.ledger.runs.iter().any(|run| run.end_event == Some(at)) {
            return; // a replay
        }
        let newest = self.ledger.runs.iter().rposition(|run| run.started <= at);
        match newest.map(|index| (index, &self.ledger.runs[index])) {
            Some((index, run)) if run.ended.is_none() => {
                let shown = self.shown().filter(|(container, started)| {
                    *started == run.started && !container.state.is_up() && container.finished.is_some()
                });
                let ended = shown.and_then(|(container, _)| container.finished).unwrap_or(at);
                self.close(index, ended, Some(at), Some(exit_code));
            }
            // An inspect saw the end before its event was read.
            Some((index, run)) if run.end_event.is_none() => self.ledger.runs[index].end_event = Some(at),
            _ => self.died_unseen(at, exit_code),
        }
    }

    /// A die event of a run whose beginning was not seen.
    fn died_unseen(&mut self, at: Nanos, exit_code: i64) {
        if self.overtaking(at).is_some() {
            return;
        }
        if let Some((container, started)) = self.shown().filter(|(container, started)| {
            *started <= at
                && !container.state.is_up()
                && !self.ledger.runs.iter().any(|run| run.started == *started)
        }) {
            let index = self.run_shown(container, started);
            self.ledger.runs[index].end_event.get_or_insert(at);
            return;
        }
        let from = self.ledger.runs.iter().filter_map(|run| run.ended).filter(|ended| *ended <= at).max();
        self.gap(from.unwrap_or(self.first_contact), at, "the beginning of a run that ended");
        let key = format!("d:{}", at.0);
        self.insert(Run {
            key: key.clone(),
            started: at,
            start_event: None,
            ended: Some(at),
            end_event: Some(at),
            exit_code: Some(exit_code),
            restart_count: 0,
        });
        self.out.transitions.push(Transition::Stopped { run: key, at, exit_code: Some(exit_code) });
        self.state(State::Exited);
    }

    /// What the inspect shows by itself.
    fn seen(&mut self) {
        let Answer::Shown(container) = self.answer else { return };
        if self.ledger.removed.is_some() {
            return;
        }
        if let Some(started) = container.started {
            let known = self.ledger.runs.iter().any(|run| run.started == started);
            if started > self.heard && !known {
                self.out.ahead = true;
                return;
            }
            self.run_shown(container, started);
        }
        self.state(container.state);
    }

    /// The row of the run shown, made and reported if it is new, closed and reported if it has ended.
    fn run_shown(&mut self, container: &Container, started: Nanos) -> usize {
        let ended = || container.finished.unwrap_or(started).max(started);
        if let Some(index) = self.ledger.runs.iter().position(|run| run.started == started) {
            if self.ledger.runs[index].ended.is_none() && !container.state.is_up() {
                self.close(index, ended(), None, Some(container.exit_code));
            }
            return index;
        }
        self.supersede(container, started);
        let key = format!("s:{}", started.0);
        let index = self.insert(Run {
            key: key.clone(),
            started,
            start_event: None,
            ended: None,
            end_event: None,
            exit_code: None,
            restart_count: container.restart_count,
        });
        if container.state.is_up() {
            self.report_start(key, started);
        } else if ended() > self.first_contact {
            self.report_start(key, started);
            self.close(index, ended(), None, Some(container.exit_code));
        } else {
            // Over before this engine was first watched: recorded only.
            self.ledger.runs[index].ended = Some(ended());
            self.ledger.runs[index].exit_code = Some(container.exit_code);
        }
        index
    }

    /// Closes an older open run when the engine shows a newer one.
    fn supersede(&mut self, container: &Container, started: Nanos) {
        let Some(open) = self.ledger.runs.iter().find(|run| run.ended.is_none() && run.started < started)
        else {
            return;
        };
        // While a run is open FinishedAt belongs to the run before it.
        let previous_end = container
            .finished
            .filter(|finished| container.state.is_up() && *finished >= open.started && *finished <= started);
        let one_restart = container.restart_count == open.restart_count.saturating_add(1);
        match previous_end {
            Some(end) if one_restart => self.close_open_exactly(end, started),
            Some(end) => {
                self.close_open(
                    end,
                    started,
                    Nanos(0),
                    "runs between two inspects: the end is an upper bound",
                );
            }
            None => self.close_open(started, started, Nanos(0), "the end of a run before the next one"),
        }
    }

    fn close_open_exactly(&mut self, at: Nanos, before: Nanos) {
        while let Some(index) =
            self.ledger.runs.iter().position(|run| run.ended.is_none() && run.started < before)
        {
            self.close(index, at, None, None);
        }
    }

    /// Closes what is open and began before `before`, at `at`, and says what is not known about it since `known`.
    fn close_open(&mut self, at: Nanos, before: Nanos, known: Nanos, unknown: &'static str) {
        while let Some(index) =
            self.ledger.runs.iter().position(|run| run.ended.is_none() && run.started < before)
        {
            let from = self.ledger.runs[index].started.max(known);
            self.close(index, at, None, None);
            self.gap(from, at, unknown);
        }
    }

    fn close(&mut self, index: usize, at: Nanos, event: Option<Nanos>, exit_code: Option<i64>) {
        let run = &mut self.ledger.runs[index];
        let at = at.max(run.started);
        run.ended = Some(at);
        run.end_event = event;
        run.exit_code = exit_code;
        self.out.transitions.push(Transition::Stopped { run: run.key.clone(), at, exit_code });
        self.state(State::Exited);
    }

    fn report_start(&mut self, run: String, at: Nanos) {
        self.out.transitions.push(Transition::Started { run, at });
        self.state(State::Running);
    }

    fn removed(&mut self, at: Nanos) {
        // Never before the last end that was reported.
        let at = self.ledger.runs.iter().filter_map(|run| run.ended).max().map_or(at, |ended| ended.max(at));
        self.ledger.removed = Some(at);
        self.out.transitions.push(Transition::Removed { at });
        self.out.states.push((self.ledger.state, None));
    }

    fn insert(&mut self, run: Run) -> usize {
        let index = self.ledger.runs.partition_point(|other| other.started <= run.started);
        self.ledger.runs.insert(index, run);
        index
    }

    fn gap(&mut self, from: Nanos, to: Nanos, what: &'static str) {
        // Once per interval: of the end of a run and the removal after it the first says all.
        let told = self.out.gaps.iter().any(|gap| (gap.from, gap.to) == (from, to));
        if from < to && !told {
            self.out.gaps.push(Gap { from, to, what });
        }
    }

    fn state(&mut self, new: State) {
        // What an inspect calls an end is better than the plain word; `removing` is on its way to be told by itself.
        let new = match (new, self.answer) {
            (State::Removing, _) => return,
            (State::Exited, Answer::Shown(container))
                if matches!(container.state, State::Restarting | State::Dead) =>
            {
                container.state
            }
            _ => new,
        };
        if self.ledger.state != Some(new) {
            self.out.states.push((self.ledger.state, Some(new)));
            self.ledger.state = Some(new);
        }
    }
}
