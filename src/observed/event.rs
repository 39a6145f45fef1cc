//! What an engine says happened. Events are hints: they tell when to look, and when something was.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{ContainerKey, Health, Nanos};
use crate::resource::Duration;

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
    /// The engine's words for them: what is worth hearing of. Health checks emit `exec_*` events all the time: those stay in
    /// the engine.
    pub const WORDS: [&str; 13] = [
        "create",
        "start",
        "die",
        "kill",
        "stop",
        "restart",
        "pause",
        "unpause",
        "oom",
        "rename",
        "update",
        "health_status",
        "destroy",
    ];

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
///
/// Containers are dealt with side by side, and the engine itself does not publish in the order of its times: two
/// events a moment apart may change places, since each is stamped before it is put in the stream (moby,
/// `daemon/events`). So a replay begins two seconds before the newest event, and what was dealt with is named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Engine time of the first contact ever: what ended before it is recorded, not reported.
    pub first_contact: Nanos,
    /// Engine time of the newest event.
    pub at: Nanos,
    /// The event at `at`; `None` until there has been one. Finding it in a replay proves that none was lost.
    pub anchor: Option<Anchor>,
    /// What was dealt with and a replay brings again.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub recent: BTreeSet<(Nanos, Anchor)>,
    /// Engine time up to which nothing can have come and gone unseen: of the last list, or of a proper end of Portreeve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Nanos>,
}

/// How much older than the newest event one may be that is read after it.
const OVERLAP: Duration = Duration::from_secs(2);
/// As many events as the engine remembers: no replay brings more.
const RECENT: usize = 256;

impl Cursor {
    /// Before the first event.
    pub const fn new(first_contact: Nanos) -> Self {
        Self { first_contact, at: first_contact, anchor: None, recent: BTreeSet::new(), seen: None }
    }

    /// Engine time to replay from, inclusive.
    pub fn since(&self) -> Nanos {
        let overlap = Nanos(self.at.0.saturating_sub(OVERLAP.as_nanos()));
        match self.recent.first() {
            // Written before recent events were named, or nothing happened yet.
            None => self.at,
            // There was more than is named.
            Some((oldest, _)) if self.recent.len() >= RECENT => *oldest,
            Some(_) => overlap.max(self.first_contact).min(self.at),
        }
    }

    /// Engine time up to which all is known.
    pub fn known(&self) -> Nanos {
        self.seen.map_or(self.at, |seen| seen.max(self.at))
    }

    /// Begins anew at the engine's present time, if its clock went back; whether it did.
    pub fn follow(&mut self, now: Nanos) -> bool {
        let back = now.plus(OVERLAP) < self.at;
        if back {
            *self = Self { first_contact: self.first_contact.min(now), ..Self::new(now) };
        }
        back
    }

    /// One more event was dealt with.
    pub fn enter(&mut self, at: Nanos, anchor: Anchor) {
        // No replay brings what is so much older: the engine's clock went back.
        self.follow(at);
        if at >= self.at {
            (self.at, self.anchor) = (at, Some(anchor.clone()));
        }
        self.recent.insert((at, anchor));
        let since = Nanos(self.at.0.saturating_sub(OVERLAP.as_nanos()));
        while self.recent.len() > RECENT || self.recent.first().is_some_and(|(oldest, _)| *oldest < since) {
            self.recent.pop_first();
        }
    }
}

/// What identifies an event in a replay.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Anchor {
    /// The first 12 digits of the container's id: there are many in a cursor.
    pub container: String,
    /// The event's word.
    pub action: Cow<'static, str>,
}

impl EngineEvent {
    /// This event as an anchor.
    pub fn anchor(&self) -> Anchor {
        Anchor { container: self.key.short_id().to_owned(), action: self.kind.as_str().into() }
    }
}
