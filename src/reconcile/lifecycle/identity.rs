//! The id under which a transition is reported.

use std::fmt;

use uuid::Uuid;

/// The transitions that have an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventName {
    /// The container was created.
    Created,
    /// A run began.
    Started,
    /// A run ended.
    Stopped,
    /// The container was removed.
    Removed,
}

impl EventName {
    /// The word used on the wire and inside the id.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Started => "started",
            Self::Stopped => "stopped",
            Self::Removed => "removed",
        }
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The namespace of Portreeve's event ids (UUIDv5, RFC 9562). Changing it would bill everything twice.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f2c_1b0e_5a0f_5c38_9d64_706f_7274_7265);

/// UUIDv5 of `<container id>/<run key>/<event>`; `created` and `removed` have no run, their key is empty.
///
/// Neither host nor engine name is part of it: an engine may be renamed, a container id is unique by itself.
pub fn event_id(container: &str, run: Option<&str>, event: EventName) -> Uuid {
    Uuid::new_v5(&NAMESPACE, format!("{container}/{}/{event}", run.unwrap_or_default()).as_bytes())
}
