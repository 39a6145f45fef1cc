//! What an engine says happened. Events are hints: they tell when to look, and when something was.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ContainerKey, Health, Nanos};

/// One event of a container, from the engine's stream or its replay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineEvent {
    /// The container.
    pub key: ContainerKey,
    /// Engine time of the event: 1–69 ms after the start it tells of.
    pub at: Nanos,
    /// What happened.
    pub kind: EventKind,
    /// The container's name at the time.
    pub name: String,
    /// `Config.Image`.
    pub image: String,
    /// The container's labels (the event's attributes less the engine's own).
    pub labels: BTreeMap<String, String>,
}

/// The events that matter here; the stream is filtered to them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EventKind {
    /// It was created.
    Create,
    /// A run began.
    Start,
    /// A run ended.
    Die {
        /// The exit code.
        exit_code: i64,
    },
    /// A signal was sent, by `docker kill`, by the first half of a stop, or by the engine's shutdown.
    Kill {
        /// Its number.
        signal: i32,
    },
    /// A stop was completed.
    Stop,
    /// A restart was completed.
    Restart,
    /// Its processes were frozen.
    Pause,
    /// Its processes run again.
    Unpause,
    /// The kernel killed a process of it for want of memory.
    Oom,
    /// Its name changed.
    Rename,
    /// Its limits or restart policy changed.
    Update,
    /// Its health check came to another verdict.
    Health(Health),
    /// It was removed.
    Destroy,
}

impl EventKind {
    /// The engine's word, without its details.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Start => "start",
            Self::Die { .. } => "die",
            Self::Kill { .. } => "kill",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Pause => "pause",
            Self::Unpause => "unpause",
            Self::Oom => "oom",
            Self::Rename => "rename",
            Self::Update => "update",
            Self::Health(_) => "health_status",
            Self::Destroy => "destroy",
        }
    }
}

/// How far an engine's stream has been dealt with: everything up to and including this event is committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Engine time of the first contact ever: what ended before it is recorded, not reported.
    pub first_contact: Nanos,
    /// Engine time to replay from, inclusive.
    pub at: Nanos,
    /// The event at `at`; `None` until there has been one. Finding it in a replay proves that none was lost.
    pub anchor: Option<Anchor>,
}

/// What identifies an event in a replay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// Container id.
    pub container: String,
    /// The event's word.
    pub action: String,
}

impl EngineEvent {
    /// This event as an anchor.
    pub fn anchor(&self) -> Anchor {
        Anchor { container: self.key.id.to_string(), action: self.kind.as_str().to_owned() }
    }
}
