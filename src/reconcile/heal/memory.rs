//! What healing remembers of a container, under its logical identity: stored, handed in, handed back.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::observed::{ContainerKey, Nanos};
use crate::reconcile::cause::StopMarks;
use crate::reconcile::plan::{Cause, Note, NoteKind, Reason, Severity, Verb};
use crate::resource::Duration;

/// How much longer than the stop timeout the engine may take to carry out what it was told.
pub(super) const MARGIN: Duration = Duration::from_secs(10);

/// Everything a decision needs to know of the past. Survives restarts of Portreeve and the container's recreation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HealMemory {
    /// The run last seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<Run>,
    /// Since when this run has been seen unhealthy without a break.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unhealthy_since: Option<Nanos>,
    /// Since when this run has been seen healthy (or running, without a health check) without a break.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthy_since: Option<Nanos>,
    /// Whether it was seen sick and not healthy since.
    pub ailing: bool,
    /// When attempts were spent, oldest first: those the budget still counts. At most 1000.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub spent: Vec<Nanos>,
    /// Attempts since waits and budget last started afresh.
    pub streak: u32,
    /// When the last attempt was committed or, once known, answered: waits count from here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_action: Option<Nanos>,
    /// Attempts ever.
    pub restart_count: u32,
    /// Set when the budget is spent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quarantined: Option<Quarantine>,
    /// The attempt that is not settled yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intent: Option<Intent>,
    /// The newest kill or stop of others in a running container (event time), and when a decision first saw it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_seen: Option<(Nanos, Nanos)>,
    /// The reason last told, so that it is told once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub told: Option<Reason>,
}

/// A run of a container, as healing saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// Full id of the container.
    pub container: Arc<str>,
    /// StartedAt; `None` for a container that never ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Nanos>,
    /// When a decision first saw this run.
    pub seen: Nanos,
}

/// Why and since when nothing is done any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quarantine {
    /// Since when.
    pub since: Nanos,
    /// Why, for people.
    pub why: String,
}

/// An attempt committed before its engine call; open until a new run is seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Intent {
    /// The action's intent id.
    pub id: String,
    /// The container.
    pub container: ContainerKey,
    /// The call.
    pub verb: Verb,
    /// StartedAt before the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_before: Option<Nanos>,
    /// When it was committed.
    pub committed_at: Nanos,
    /// The attempt's number.
    pub attempt: u32,
    /// What failed.
    pub cause: Cause,
    /// What the engine answered, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
}

/// What came back from the engine call of an intent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Answer {
    /// The engine did it.
    Done {
        /// When the answer came.
        at: Nanos,
    },
    /// The engine refused or failed.
    Failed {
        /// When the answer came.
        at: Nanos,
        /// Its words.
        error: String,
    },
    /// No answer: the engine may still be at it.
    Lost {
        /// When we gave up waiting.
        at: Nanos,
    },
}

/// How an engine call went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActionOutcome {
    /// The engine answered that it is done.
    Succeeded,
    /// The engine answered with an error.
    Failed {
        /// Its words.
        error: String,
    },
    /// The call was sent, or may have been, and no answer came: connection lost, deadline passed.
    Lost {
        /// What happened, for people.
        error: String,
    },
    /// Nothing was sent: the look before the call found another situation, or the call could not even begin.
    Superseded {
        /// What was found, for people.
        why: String,
    },
}

impl HealMemory {
    /// Whether a kill or stop of `container` at `at` is explained by the open intent: `ours` of a
    /// [`Seen`](crate::reconcile::cause::Seen).
    pub fn claims(&self, container: &ContainerKey, marks: &StopMarks, at: Nanos) -> bool {
        let _ = (container, marks, at);
        false
    }

    /// Lifts the quarantine by someone's word: waits and budget start afresh. Does nothing to one not quarantined.
    pub fn release(&mut self, now: Nanos) -> Option<Note> {
        let _ = now;
        let quarantine = self.quarantined.take()?;
        Some(Note {
            kind: NoteKind::Released,
            reason: None,
            message: quarantine.why,
            severity: Severity::Info,
            restart_count: self.restart_count,
        })
    }
}
