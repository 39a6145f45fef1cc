//! What waits for a target: lanes of bills and discovery cells, and by what they are known.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use uuid::Uuid;

use crate::observed::{ContainerKey, Nanos, Shard};
use crate::reconcile::billing::Bill;
use crate::reconcile::discovery::Wanted;
use crate::resource::{KindId, ObjectKey};

/// What a lane or cell is about. Within a lane things are sent in order; lanes know nothing of each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LaneSubject {
    /// A container; it belongs to its engine's shard.
    Container(ContainerKey),
    /// Anything else, such as a group of notifications.
    Named {
        /// The shard that it belongs to.
        shard: Shard,
        /// Its name, unique in the shard.
        name: String,
    },
}

/// What the stored word of a subject that is no container begins with. Ids of containers hold no colon.
const NAMED: &str = "name:";

impl LaneSubject {
    /// The shard that it belongs to.
    pub fn shard(&self) -> Shard {
        match self {
            Self::Container(key) => Shard::Engine(key.engine.clone()),
            Self::Named { shard, .. } => shard.clone(),
        }
    }

    /// The container, if it is one.
    pub const fn container(&self) -> Option<&ContainerKey> {
        match self {
            Self::Container(key) => Some(key),
            Self::Named { .. } => None,
        }
    }

    /// Its word within its shard, as it is stored.
    pub(super) fn word(&self) -> String {
        match self {
            Self::Container(key) => key.id.to_string(),
            Self::Named { name, .. } => format!("{NAMED}{name}"),
        }
    }

    /// The subject of a shard that is written so. In the fleet's there are no containers.
    pub(super) fn parse(shard: Shard, word: &str) -> Self {
        match (shard, word.strip_prefix(NAMED)) {
            (Shard::Engine(engine), None) => Self::Container(ContainerKey { engine, id: Arc::from(word) }),
            (shard, name) => Self::Named { shard, name: name.unwrap_or(word).to_owned() },
        }
    }

    /// What it is called in full: a container's id, or the name.
    pub fn id(&self) -> &str {
        match self {
            Self::Container(key) => &key.id,
            Self::Named { name, .. } => name,
        }
    }

    /// What people know it by: the first digits of a container's id, or the name.
    pub fn short(&self) -> &str {
        match self {
            Self::Container(key) => key.short_id(),
            Self::Named { name, .. } => name,
        }
    }
}

impl From<ContainerKey> for LaneSubject {
    fn from(key: ContainerKey) -> Self {
        Self::Container(key)
    }
}

impl From<&ContainerKey> for LaneSubject {
    fn from(key: &ContainerKey) -> Self {
        Self::Container(key.clone())
    }
}

impl fmt::Display for LaneSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Container(key) => key.fmt(f),
            Self::Named { shard, name } => write!(f, "{shard}/{name}"),
        }
    }
}

/// By what a lane or cell is known: those of a sink and of a BillingService with one name are not the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneKey {
    /// For whom it is.
    pub target: ObjectKey,
    /// What it is about.
    pub subject: LaneSubject,
}

impl LaneKey {
    /// That of a BillingService.
    pub fn billing(name: impl Into<String>, subject: impl Into<LaneSubject>) -> Self {
        Self {
            target: ObjectKey { kind: KindId::BillingService, name: name.into() },
            subject: subject.into(),
        }
    }

    /// That of a DiscoveryRegistry.
    pub fn discovery(name: impl Into<String>, subject: impl Into<LaneSubject>) -> Self {
        Self {
            target: ObjectKey { kind: KindId::DiscoveryRegistry, name: name.into() },
            subject: subject.into(),
        }
    }
}

/// Something to send, in the order of its lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxRow {
    /// Its lane.
    pub lane: LaneKey,
    /// The `Idempotency-Key`: within a target one with the same id stays as it is.
    pub id: Uuid,
    /// `started`, `stopped`, …
    pub event: String,
    /// The exact bytes.
    pub body: Vec<u8>,
}

impl OutboxRow {
    /// A bill about a container.
    pub fn bill(container: ContainerKey, bill: Bill) -> Self {
        let Bill { target, id, event, body } = bill;
        Self { lane: LaneKey::billing(target, container), id, event: event.as_str().to_owned(), body }
    }
}

/// The shards whose lanes and cells are worked on here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum OwnedShards {
    /// Every one: there is one process.
    #[default]
    All,
    /// These: others belong to other processes on the same database.
    Only(BTreeSet<Shard>),
}

/// A lane that may be worked on: what is pending of one subject for one target, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    /// What it is about.
    pub subject: LaneSubject,
    /// The container's name; empty if it is not known.
    pub name: String,
    /// Failures in a row so far.
    pub attempts: u32,
    /// The first bills of the lane.
    pub bills: Vec<PendingBill>,
}

/// A bill to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingBill {
    /// Place in the outbox.
    pub seq: i64,
    /// The `Idempotency-Key`.
    pub id: Uuid,
    /// `started`, `stopped`, …
    pub event: String,
    /// The exact bytes.
    pub body: Vec<u8>,
    /// When it was enqueued.
    pub created: Nanos,
}

/// A discovery cell whose registry does not hold what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// What it is about.
    pub subject: LaneSubject,
    /// The container's name; empty if it is not known.
    pub name: String,
    /// Generation of what is wanted.
    pub generation: i64,
    /// What is wanted.
    pub wanted: Wanted,
    /// What the registry last acknowledged.
    pub acked: Option<Wanted>,
    /// Whether anything may ever have been sent about it.
    pub attempted: bool,
    /// Failures in a row so far.
    pub attempts: u32,
}

/// How full the queues of one target are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueDepth {
    /// Bills that wait, without those parked, or cells that differ.
    pub pending: u64,
    /// Lanes parked, each by its first bill.
    pub parked: u64,
    /// When the oldest that is not delivered was enqueued.
    pub oldest: Option<Nanos>,
    /// The last error, if the next try is still to come.
    pub last_error: Option<String>,
}

/// Depth by target, of those for which something waits.
pub type QueueDepths = BTreeMap<ObjectKey, QueueDepth>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_read_as_it_was_written() {
        for subject in [
            LaneSubject::from(ContainerKey::new("local", "c1")),
            LaneSubject::Named { shard: Shard::Fleet, name: "alerts".to_owned() },
            LaneSubject::Named { shard: Shard::Engine("local".into()), name: "name:c1".to_owned() },
        ] {
            assert_eq!(LaneSubject::parse(subject.shard(), &subject.word()), subject);
        }
    }
}
