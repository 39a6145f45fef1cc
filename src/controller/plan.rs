//! What a reconciler wants done about a key: committed whole, and only then said and done.

use tracing::{info, warn};

use super::key::Key;
use super::parts::Parts;
use crate::observed::{Nanos, Shard};
use crate::reconcile::plan::DecidedPlan;
use crate::resource::ObjectKey;
use crate::store::ChangeSet;

/// A log line that waits for its commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// INFO, as it stands.
    Info(String),
    /// WARN, as it stands.
    Warn(String),
    /// INFO in the words of document R1, which have no name: it stands beside them.
    Named(String),
}

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About<'n> {
    /// A container, by its name.
    Container(&'n str),
    /// A service.
    Service,
}

impl Line {
    pub(super) fn write(&self, about: About<'_>) {
        match (self, about) {
            (Self::Info(text), About::Container(_)) => info!(target: "portreeve::containers", "{text}"),
            (Self::Named(text), About::Container(container)) => {
                info!(target: "portreeve::containers", container, "{text}");
            }
            (Self::Warn(text), About::Container(_)) => warn!(target: "portreeve::containers", "{text}"),
            (Self::Info(text) | Self::Named(text), About::Service) => {
                info!(target: "portreeve::services", "{text}");
            }
            (Self::Warn(text), About::Service) => warn!(target: "portreeve::services", "{text}"),
        }
    }
}

/// What is kept in memory once it is committed. Locks that it holds are held until then; if it is not committed they are let
/// go and nothing is kept.
pub(super) type Keep = Box<dyn FnOnce(&Parts) + Send>;

/// What was decided about one key.
pub(super) struct Plan {
    /// What is committed.
    pub changes: ChangeSet,
    /// What is kept in memory once that is done: first of all.
    pub keep: Vec<Keep>,
    /// What is logged then.
    pub lines: Vec<Line>,
    /// The container's name, for lines.
    pub name: String,
    /// What was decided: the plan that scenarios show as text. Its actions are taken once all is committed, each with an intent
    /// that is; its notes are among `lines` and the events already. `None`: nothing was, and what was decided before holds.
    pub decided: Option<DecidedPlan>,
    /// Keys to be decided on again.
    pub wakes: Vec<Key>,
    /// Delivery queues to be looked at.
    pub wake_targets: Vec<ObjectKey>,
    /// When to decide again, by the clock of the key's engine.
    pub requeue_at: Option<Nanos>,
    /// When to look at it again although nothing was heard.
    pub look_at: Option<Nanos>,
}

impl Plan {
    /// An empty one about a key of `shard`.
    pub(super) const fn of(shard: Shard) -> Self {
        Self {
            changes: ChangeSet::of(shard),
            keep: Vec::new(),
            lines: Vec::new(),
            name: String::new(),
            decided: None,
            wakes: Vec::new(),
            wake_targets: Vec::new(),
            requeue_at: None,
            look_at: None,
        }
    }
}
