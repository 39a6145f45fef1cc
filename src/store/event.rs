//! Events as they are stored.

use schemars::JsonSchema;
use serde::Serialize;

use crate::observed::Nanos;

/// How much an event matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "EventSeverity")]
pub enum Severity {
    /// Normal operation.
    #[default]
    Info,
    /// A person may want to look.
    Warning,
    /// A person should look.
    Error,
}

impl Severity {
    /// The word stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Something that happened or was decided, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewEvent {
    /// When.
    pub at: Nanos,
    /// Engine it belongs to; empty for Portreeve itself.
    pub engine: String,
    /// Full container id; empty if it is about no container.
    pub container_id: String,
    /// Container name; empty if it is about no container.
    pub container_name: String,
    /// The container's image.
    pub image: String,
    /// The engine's name for its host.
    pub host: String,
    /// Kind of event, such as `auto_monitor`, `start`, `Restarted`, `gap`.
    pub event_type: String,
    /// CamelCase reason, for decisions.
    pub reason: String,
    /// Short state word, such as `enabled`.
    pub status: String,
    /// One sentence for people.
    pub message: String,
    /// How much it matters.
    pub severity: Severity,
    /// Restarts by Portreeve so far.
    pub restart_count: u32,
    /// Who asked for it, such as `token ci`; empty where nobody did.
    pub caller: String,
    /// What a check printed, for those only who may see what containers print; empty where none did.
    pub output: String,
}

/// A stored event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    /// Rises with time of recording.
    pub seq: i64,
    /// The event.
    pub event: NewEvent,
}

/// Which events are asked for; newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Only of this type.
    pub event_type: Option<String>,
    /// Only for the container with this name, id or beginning of an id.
    pub container: Option<String>,
    /// Not before.
    pub since: Option<Nanos>,
    /// Before.
    pub until: Option<Nanos>,
    /// At most so many.
    pub limit: u32,
}
