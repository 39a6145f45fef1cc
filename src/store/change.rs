//! What is committed.

use std::sync::Arc;

use super::{EventCursor, IntentChange, LaneKey, NewEvent, OutboxRow};
use crate::observed::{Cursor, Nanos, Shard};
use crate::reconcile::discovery::Wanted;
use crate::reconcile::lifecycle::Run;
use crate::reconcile::record::Record;
use crate::resource::ObjectKey;

/// Everything that belongs to one cause, of one shard: committed whole or not at all.
#[derive(Clone, Debug)]
pub struct ChangeSet {
    /// The shard that all of it belongs to.
    pub shard: Shard,
    /// Under which ownership of the shard it was decided. SQLite has one owner for ever: 0.
    pub epoch: u64,
    /// Containers whose record changed.
    pub records: Vec<RecordChange>,
    /// What is to be sent. A row already there with the same target and id stays as it is.
    pub outbox: Vec<OutboxRow>,
    /// Discovery cells that changed, and what each should hold.
    pub cells: Vec<(LaneKey, Wanted)>,
    /// Events for people.
    pub events: Vec<NewEvent>,
    /// Healing memory by logical identity, as a document; `None`: forgotten.
    pub healing: Vec<(String, Option<String>)>,
    /// Intents that are opened, changed or closed: those that are closed first.
    pub intents: Vec<IntentChange>,
    /// What is known of services' health, by name, as a document; `None`: forgotten. The fleet's.
    pub services: Vec<(String, Option<String>)>,
    /// How objects were last declared whose deletion has consequences, as a document; `None`: forgotten. The fleet's.
    pub last_specs: Vec<(ObjectKey, Option<String>)>,
    /// How far the engine's stream has been dealt with.
    pub cursor: Option<Cursor>,
    /// What came of deliveries.
    pub settled: Vec<Settlement>,
    /// How far readers of events have come by this, in whichever shards. A cursor never goes back, and only readers that are
    /// open have any.
    pub readers: Vec<EventCursor>,
    /// Engine or local time of the change, for the rows' bookkeeping.
    pub at: Nanos,
}

impl ChangeSet {
    /// An empty one of `shard`.
    pub const fn of(shard: Shard) -> Self {
        Self {
            shard,
            epoch: 0,
            records: Vec::new(),
            outbox: Vec::new(),
            cells: Vec::new(),
            events: Vec::new(),
            healing: Vec::new(),
            intents: Vec::new(),
            services: Vec::new(),
            last_specs: Vec::new(),
            cursor: None,
            settled: Vec::new(),
            readers: Vec::new(),
            at: Nanos(0),
        }
    }

    /// One event, and nothing else.
    pub fn told(event: NewEvent) -> Self {
        let empty = Self::of(event.shard());
        Self { at: event.at(), events: vec![event], ..empty }
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        let Self {
            shard: _,
            epoch: _,
            records,
            outbox,
            cells,
            events,
            healing,
            intents,
            services,
            last_specs,
            cursor,
            settled,
            readers,
            at: _,
        } = self;
        records.is_empty()
            && outbox.is_empty()
            && cells.is_empty()
            && events.is_empty()
            && healing.is_empty()
            && intents.is_empty()
            && services.is_empty()
            && last_specs.is_empty()
            && cursor.is_none()
            && settled.is_empty()
            && readers.is_empty()
    }

    /// What in it belongs to another shard: a set with such a thing is not committed.
    pub fn foreign(&self) -> Option<String> {
        let of = |engine: &Arc<str>| Shard::Engine(engine.clone());
        let (records, outbox, cells) = (self.records.iter(), self.outbox.iter(), self.cells.iter());
        let intents = self.intents.iter().filter_map(IntentChange::put);
        records
            .map(|change| (of(&change.record.key.engine), "the record of a container"))
            .chain(outbox.map(|row| (row.lane.subject.shard(), "a delivery")))
            .chain(cells.map(|(cell, _)| (cell.subject.shard(), "a discovery cell")))
            .chain(self.events.iter().map(|event| (event.shard(), "an event")))
            .chain(intents.map(|open| (of(&open.intent.container.engine), "an intent")))
            .chain(self.services.iter().map(|_| (Shard::Fleet, "a service's health")))
            .chain(self.last_specs.iter().map(|_| (Shard::Fleet, "a deleted object")))
            .chain(
                self.settled.iter().filter_map(|settled| Some((settled.shard()?, "what came of a delivery"))),
            )
            .find(|(shard, _)| *shard != self.shard)
            .map(|(shard, what)| format!("{what} of the shard {shard} in a change set of {}", self.shard))
    }
}

/// A container's record, and those of its runs that changed.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordChange {
    /// The record as it is now.
    pub record: Arc<Record>,
    /// Its runs that are not stored as they are now.
    pub runs: Vec<Run>,
}

impl RecordChange {
    /// What changed from `before`, which is stored, to `record`.
    pub fn since(before: &Record, record: Record) -> Self {
        let known = |run: &Run| before.ledger.runs.contains(run);
        let runs = record.ledger.runs.iter().filter(|run| !known(run)).cloned().collect();
        Self { record: Arc::new(record), runs }
    }
}

impl From<Record> for RecordChange {
    /// All of a record of which nothing may be stored.
    fn from(record: Record) -> Self {
        Self { runs: record.ledger.runs.clone(), record: Arc::new(record) }
    }
}

/// What came of an attempt to deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// A bill was taken.
    Delivered {
        /// Its lane.
        lane: LaneKey,
        /// Its place in the outbox.
        seq: i64,
    },
    /// A lane must wait.
    LaneWaits {
        /// The lane.
        lane: LaneKey,
        /// Failures in a row.
        attempts: u32,
        /// When to try again.
        next: Nanos,
        /// Until when the target does not want to be called at all, if it said so: that holds every lane or cell of it.
        hold: Option<Nanos>,
        /// What went wrong.
        error: String,
    },
    /// A lane is parked: its head was refused for good, and what follows waits behind it for a decision.
    LaneParked {
        /// The lane.
        lane: LaneKey,
        /// What went wrong.
        error: String,
    },
    /// A registry holds what was wanted at `generation`.
    CellAcked {
        /// The cell.
        cell: LaneKey,
        /// Generation that was sent.
        generation: i64,
        /// What it holds now.
        state: Wanted,
    },
    /// A cell must wait.
    CellWaits {
        /// The cell.
        cell: LaneKey,
        /// Generation that was sent: something newer does not wait. `None`: it is not known.
        generation: Option<i64>,
        /// Failures in a row.
        attempts: u32,
        /// When to try again.
        next: Nanos,
        /// Until when the target does not want to be called at all, if it said so: that holds every lane or cell of it.
        hold: Option<Nanos>,
        /// What went wrong.
        error: String,
        /// Whether what was acknowledged before is still what the registry holds: the failed call asked for no change.
        keeps_ack: bool,
    },
    /// A registry is deleted and done with: what it should hold is forgotten, in every shard.
    RegistryLeft {
        /// DiscoveryRegistry.
        registry: String,
    },
}

impl Settlement {
    /// The lane or cell that it is about; `None`: all of a registry.
    pub const fn lane(&self) -> Option<&LaneKey> {
        match self {
            Self::Delivered { lane: key, .. }
            | Self::LaneWaits { lane: key, .. }
            | Self::LaneParked { lane: key, .. }
            | Self::CellAcked { cell: key, .. }
            | Self::CellWaits { cell: key, .. } => Some(key),
            Self::RegistryLeft { .. } => None,
        }
    }

    /// The shard that it belongs to; `None`: every one.
    pub fn shard(&self) -> Option<Shard> {
        self.lane().map(|key| key.subject.shard())
    }

    /// The same with another error: what a target said may be what the store refuses.
    #[must_use]
    pub fn saying(mut self, text: &str) -> Self {
        match &mut self {
            Self::LaneWaits { error, .. }
            | Self::LaneParked { error, .. }
            | Self::CellWaits { error, .. } => {
                text.clone_into(error);
            }
            Self::Delivered { .. } | Self::CellAcked { .. } | Self::RegistryLeft { .. } => {}
        }
        self
    }
}
