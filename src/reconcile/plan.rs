//! What a decision hands over: actions for the executor, non-actions with their reason, and events to record.

mod reason;
mod text;

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::observed::{ContainerKey, Nanos, State};
use crate::resource::Duration;
use crate::resource::event::{EventKind, Severity};

pub use reason::Reason;
pub(super) use text::one_line;

/// One decision's outcome, or several joined.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DecidedPlan {
    /// What is to be done, in this order.
    pub actions: Vec<Action>,
    /// What would be done but for a reason.
    pub blocked: Vec<Blocked>,
    /// Events to record.
    pub notes: Vec<Note>,
    /// When to decide again although nothing was heard; `None`: when something changes.
    pub requeue_at: Option<Nanos>,
}

impl DecidedPlan {
    /// Adds another plan; the earlier requeue wins.
    pub fn join(&mut self, other: Self) {
        self.actions.extend(other.actions);
        self.blocked.extend(other.blocked);
        self.notes.extend(other.notes);
        self.requeue_at = earlier(self.requeue_at, other.requeue_at);
    }
}

/// The earlier of two instants, if there is any.
pub fn earlier(one: Option<Nanos>, other: Option<Nanos>) -> Option<Nanos> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// One engine call on one container, with all that justified it.
///
/// The executor decides nothing. It looks again before the call and calls only while `container`, `started` and
/// `state` are still what they are here; otherwise it concludes with
/// [`Superseded`](crate::reconcile::intent::ActionOutcome::Superseded).
#[derive(Clone, Debug, PartialEq)]
pub struct Action {
    /// Id of the intent committed before the call: a UUID, the same for the same decision.
    pub intent: String,
    /// The call.
    pub verb: Verb,
    /// The container, by engine and full id.
    pub container: ContainerKey,
    /// Its name, for people.
    pub name: String,
    /// The StartedAt that justified the action; `None` for a container that never ran.
    pub started: Option<Nanos>,
    /// The state that justified the action.
    pub state: State,
    /// Which attempt this is since waits and budget last started afresh; the first is 1.
    pub attempt: u32,
    /// Whose network a container that is made anew is to share: an id, where it is another than before.
    pub parent: Option<Arc<str>>,
    /// Name of the AutohealPolicy.
    pub policy: String,
    /// Why.
    pub cause: Cause,
}

/// The engine call of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Verb {
    /// Stop, then start.
    Restart {
        /// How long the engine waits before it kills; the call's deadline must exceed it.
        stop_timeout: Duration,
    },
    /// Make it anew as it is, in place of the old one.
    Recreate {
        /// How long the engine waits before it kills the old one; the call's deadline must exceed it.
        stop_timeout: Duration,
    },
    /// Start what is down.
    Start,
    /// Stop and leave down.
    Stop {
        /// How long the engine waits before it kills; the call's deadline must exceed it.
        stop_timeout: Duration,
    },
}

impl Verb {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Restart { .. } => "restart",
            Self::Recreate { .. } => "recreate",
            Self::Start => "start",
            Self::Stop { .. } => "stop",
        }
    }

    /// How long the engine may wait for the container to stop; zero for a start.
    pub const fn stop_timeout(self) -> Duration {
        match self {
            Self::Restart { stop_timeout }
            | Self::Recreate { stop_timeout }
            | Self::Stop { stop_timeout } => stop_timeout,
            Self::Start => Duration::ZERO,
        }
    }
}

/// Why an action is taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Cause {
    /// Docker's own health check failed often enough.
    Unhealthy {
        /// What the last check printed, one line, bounded; empty if nothing. Not everybody may see what containers print, so it
        /// is no part of the text.
        output: String,
    },
    /// Somebody other than the engine says that it is unhealthy.
    Reported {
        /// Who.
        by: String,
        /// Why, one line, bounded.
        why: String,
    },
    /// Its health check did not speak in time after an attempt.
    NotVerified {
        /// The time it had.
        within: Duration,
    },
    /// The container whose network it shares runs anew: its own way into the network is gone.
    ParentRestarted {
        /// Whose network it is.
        name: String,
    },
    /// The container whose network it shares was made anew.
    ParentReplaced {
        /// Whose network it is.
        name: String,
    },
    /// What it depends on was restarted by Portreeve.
    DependencyRestarted {
        /// What it depends on.
        name: String,
    },
    /// The container ended by itself.
    Exited {
        /// Its exit code.
        exit_code: i64,
        /// Whether it was killed for want of memory.
        out_of_memory: bool,
    },
    /// Portreeve's own restart stopped it and could not start it.
    LeftDown {
        /// The engine's words, one line, bounded; empty if it said nothing.
        error: String,
    },
}

impl Cause {
    /// Whether nothing is wrong with the container itself: it follows another one.
    pub const fn is_cascade(&self) -> bool {
        match self {
            Self::ParentRestarted { .. } | Self::ParentReplaced { .. } | Self::DependencyRestarted { .. } => {
                true
            }
            Self::Unhealthy { .. }
            | Self::Reported { .. }
            | Self::NotVerified { .. }
            | Self::Exited { .. }
            | Self::LeftDown { .. } => false,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, detail) = match self {
            Self::Unhealthy { output: _ } => ("its health check says unhealthy".to_owned(), ""),
            Self::Reported { by, why } => (format!("{by} says unhealthy"), why.as_str()),
            Self::NotVerified { within } => {
                (format!("it did not become healthy within {within} of the last attempt"), "")
            }
            Self::ParentRestarted { name } => (format!("{name}, whose network it shares, was restarted"), ""),
            Self::ParentReplaced { name } => (format!("{name}, whose network it shares, was recreated"), ""),
            Self::DependencyRestarted { name } => (format!("{name}, on which it depends, was restarted"), ""),
            Self::Exited { exit_code, out_of_memory: false } => {
                (format!("it exited with code {exit_code}"), "")
            }
            Self::Exited { exit_code, out_of_memory: true } => {
                (format!("it ran out of memory and exited with code {exit_code}"), "")
            }
            Self::LeftDown { error } => ("a restart left it down".to_owned(), error.as_str()),
        };
        f.write_str(&text)?;
        if detail.is_empty() { Ok(()) } else { write!(f, ": {detail}") }
    }
}

/// A decision not to act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Blocked {
    /// Why not, for machines.
    pub reason: Reason,
    /// Why not, for people.
    pub message: String,
    /// When the reason passes by itself, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Nanos>,
}

/// An event to record; the caller knows the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What kind of event, one of [`EventKind::HEALING`].
    pub kind: EventKind,
    /// Why, where there is a choice of reasons.
    pub reason: Option<Reason>,
    /// What happened, for people; one line, bounded.
    pub message: String,
    /// How much it matters.
    pub severity: Severity,
    /// How often Portreeve acted on the container so far, under its logical identity.
    pub restart_count: u32,
    /// What a check printed, bounded: for those only who may see what containers print.
    pub output: Option<String>,
}
