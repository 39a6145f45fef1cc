//! The words of the ledger: runs, what is entered, what comes of it.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{EventName, event_id};
use crate::observed::{Container, Nanos, State};

/// One run of a container, from a start to an end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// `s:<StartedAt>`, `t:<start event>` or `d:<die event>`, in nanoseconds; unique within the container.
    pub key: String,
    /// When it began: StartedAt, else the time of the start event. Frozen.
    pub started: Nanos,
    /// The start event that belongs to it, once seen.
    pub start_event: Option<Nanos>,
    /// When it ended: FinishedAt, else the time of the die event. Frozen.
    pub ended: Option<Nanos>,
    /// The die event that belongs to it, once seen.
    pub end_event: Option<Nanos>,
    /// The exit code, where known.
    pub exit_code: Option<i64>,
    /// The engine's RestartCount when the run was recorded.
    pub restart_count: u32,
}

/// All that is recorded of one container's life.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Runs, oldest first. Old closed ones may have been pruned.
    pub runs: Vec<Run>,
    /// The last state reported; `None` before the container was first seen.
    pub state: Option<State>,
    /// When it was removed.
    pub removed: Option<Nanos>,
    /// Whether its creation was told, or is too long ago to be: not stored, a stored container's is.
    pub created: bool,
}

impl Ledger {
    /// Forgets the oldest ended runs, so that at most `kept` are left beside the open ones.
    pub fn forget_all_but(&mut self, kept: usize) {
        let mut surplus = self.runs.iter().filter(|run| run.ended.is_some()).count().saturating_sub(kept);
        self.runs.retain(|run| {
            let drop = surplus > 0 && run.ended.is_some();
            surplus -= usize::from(drop);
            !drop
        });
    }
}

/// Something to be entered in the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A create event.
    Created(Nanos),
    /// A start event.
    Started(Nanos),
    /// A die event and its exit code.
    Died(Nanos, i64),
    /// A destroy event.
    Destroyed(Nanos),
    /// A full list, made at engine time `listed`, does not hold the container; it was last known at `last_known`.
    Absent {
        /// Engine time of the list.
        listed: Nanos,
        /// Engine time at which the container was last known to exist.
        last_known: Nanos,
    },
}

/// What an inspect made after the facts said.
#[derive(Clone, Copy, Debug)]
pub enum Answer<'a> {
    /// The container as it is now.
    Shown(&'a Container),
    /// There is no such container.
    Gone,
    /// No inspect was needed.
    NotAsked,
}

/// A change of a container's life that the engine reported or an inspect proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transition {
    /// It was created.
    Created {
        /// When.
        at: Nanos,
    },
    /// A run began.
    Started {
        /// The run's key.
        run: String,
        /// When.
        at: Nanos,
    },
    /// A run ended.
    Stopped {
        /// The run's key.
        run: String,
        /// When.
        at: Nanos,
        /// The exit code, where known.
        exit_code: Option<i64>,
    },
    /// It was removed.
    Removed {
        /// When.
        at: Nanos,
    },
}

impl Transition {
    /// The event's name, run (none for `created` and `removed`) and time.
    pub fn parts(&self) -> (EventName, Option<&str>, Nanos) {
        match self {
            Self::Created { at } => (EventName::Created, None, *at),
            Self::Started { run, at } => (EventName::Started, Some(run), *at),
            Self::Stopped { run, at, .. } => (EventName::Stopped, Some(run), *at),
            Self::Removed { at } => (EventName::Removed, None, *at),
        }
    }

    /// The id under which the transition is reported, always and everywhere.
    pub fn id(&self, container: &str) -> Uuid {
        let (name, run, _) = self.parts();
        event_id(container, run, name)
    }
}

/// A stretch of time of which something cannot be known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The last time at which all was known.
    pub from: Nanos,
    /// The first time at which all is known again.
    pub to: Nanos,
    /// What is unknown, for people.
    pub what: &'static str,
}

/// What came of a batch of facts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advance {
    /// Transitions in the order in which they are to be reported.
    pub transitions: Vec<Transition>,
    /// What could not be known.
    pub gaps: Vec<Gap>,
    /// Changes of state for the log, old (`None`: not seen before) and new; `None` as new: removed.
    pub states: Vec<(Option<State>, Option<State>)>,
    /// The answer shows a run whose start event is still to come: it was not entered.
    pub ahead: bool,
}
