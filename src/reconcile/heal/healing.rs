//! What comes of a decision, and how non-actions come into it.

use std::sync::Arc;

use super::memory::HealMemory;
use crate::observed::Nanos;
use crate::reconcile::plan::{Action, Blocked, DecidedPlan, Note, Reason, earlier};
use crate::resource::event::{EventKind, Severity};

/// What comes of a decision. Store `memory` (if it changed), then act, then record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Healing {
    /// The memory to store, before the action is carried out.
    pub memory: HealMemory,
    /// What to do now.
    pub action: Option<Action>,
    /// What is not done, and why.
    pub blocked: Vec<Blocked>,
    /// What to record.
    pub notes: Vec<Note>,
    /// What to record of the policy and the engine, and not of this container.
    pub group_notes: Vec<Note>,
    /// Containers, by id, that waited for others of their group and may be decided on again.
    pub next: Vec<Arc<str>>,
    /// When to decide again at the latest.
    pub requeue_at: Option<Nanos>,
}

/// A decision not to act, on its way into a [`Healing`].
#[derive(Debug)]
pub(super) struct Wait {
    pub(super) reason: Reason,
    pub(super) message: String,
    pub(super) until: Option<Nanos>,
    /// Whether something was wanted, so that the refusal is an event and not just a state.
    pub(super) tell: bool,
}

impl Wait {
    /// Until something changes, told.
    pub(super) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), until: None, tell: true }
    }

    pub(super) fn until(self, until: Nanos) -> Self {
        Self { until: Some(until), ..self }
    }

    pub(super) fn quietly(self) -> Self {
        Self { tell: false, ..self }
    }
}

impl Healing {
    /// The plan without the memory.
    pub fn plan(&self) -> DecidedPlan {
        DecidedPlan {
            actions: self.action.iter().cloned().collect(),
            blocked: self.blocked.clone(),
            notes: self.group_notes.iter().chain(&self.notes).cloned().collect(),
            requeue_at: self.requeue_at,
        }
    }

    pub(super) fn note(
        &mut self,
        kind: EventKind,
        reason: Option<Reason>,
        severity: Severity,
        message: String,
    ) {
        let restart_count = self.memory.restart_count;
        self.notes.push(Note { kind, reason, message, severity, restart_count, output: None });
    }

    /// Records a non-action; tells it when its reason is not the one told last.
    pub(super) fn wait(&mut self, wait: Wait) {
        let Wait { reason, message, until, tell } = wait;
        if tell && self.memory.told != Some(reason) {
            self.memory.told = Some(reason);
            self.note(EventKind::Skipped, Some(reason), reason.severity(), message.clone());
        }
        self.requeue_at = earlier(self.requeue_at, until);
        self.blocked.push(Blocked { reason, message, until });
    }
}
