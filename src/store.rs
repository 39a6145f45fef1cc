//! What must not be lost: ledger, outbox, discovery cells, healing memory, events and cursors.
//!
//! # Guarantees
//! A [`ChangeSet`] is committed whole or not at all, durably: once [`Store::commit`] returns it survives a loss of
//! power. Nothing is sent on account of a change that is not committed.
//!
//! # Assumptions
//! One process writes. Changes to one container are committed in the order in which they were decided.
//!
//! # How a reader of events works
//! Whoever has to deal with every event once, such as a sink's notifications, is a *reader*: a name, and for each shard a
//! cursor, the `seq` of the last event that the reader is done with. `seq` rises by one from event to event of a shard, and
//! is given in the transaction of the event's cause, so what follows a cursor is complete and in order. A reader
//!
//! 1. is *declared*: its name is among those that [`Store::prune`] is given, for as long as it is meant to read;
//! 2. is opened by [`Store::open_reader`], which says where it goes on in each shard. The first time that is the present end
//!    of every shard; a shard that comes into being later is read from its beginning;
//! 3. reads on by [`Store::read_events`], whenever something may have been committed;
//! 4. commits what came of the events, its outbox rows say, in one [`ChangeSet`] with its new cursors
//!    ([`ChangeSet::readers`]). A crash before that leaves neither, and the same events are read again.
//!
//! No event that a declared reader has not passed is pruned, however old it is. A reader that is no longer declared holds
//! nothing back: the next pruning forgets its cursors, and declared and opened again it begins at the end. Shards do not wait
//! for each other. Nothing reads in this way yet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;
use uuid::Uuid;

use crate::observed::{ContainerKey, Cursor, Nanos, Shard};
use crate::reconcile::billing::Bill;
use crate::reconcile::discovery::Wanted;
use crate::reconcile::record::Record;
use crate::resource::ObjectKey;

mod check;
mod delivery;
mod event;
mod file_system;
mod intent;
mod object;
mod schema;
mod sqlite;

pub use check::{Damage, QueueCheck, StoreCheck};
pub use delivery::{Delivery, DeliveryFilter, DeliveryKind, DeliveryPlace, DeliveryState};
pub use event::{EventCursor, EventFilter, EventRow, NewEvent, StoredEvent};
pub use intent::{IntentChange, OpenIntent, StoredIntent};
pub use object::{ObjectChange, StoredObject};
pub use schema::SchemaError;
pub use sqlite::Sqlite;

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused or failed: disk full, file gone, locked. Normal while a disk is full; tried again.
    #[error("the store failed: {0}")]
    Database(#[from] sqlx::Error),
    /// Its schema is not for this program.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The place is not fit for a database.
    #[error("{0}")]
    Unfit(String),
    /// A stored document cannot be read.
    #[error("the store holds a damaged {what}: {source}")]
    Damaged {
        /// What was read.
        what: &'static str,
        /// Why it cannot be read.
        source: serde_json::Error,
    },
}

/// Everything that belongs to one cause, committed in one transaction.
#[derive(Clone, Debug, Default)]
pub struct ChangeSet {
    /// Containers whose record changed, with all their runs.
    pub records: Vec<Arc<Record>>,
    /// Billing events to send. One already there with the same target and id stays as it is.
    pub bills: Vec<(ContainerKey, Bill)>,
    /// Discovery cells that changed: registry, container, what it should hold.
    pub cells: Vec<(String, ContainerKey, Wanted)>,
    /// Events for people.
    pub events: Vec<NewEvent>,
    /// Healing memory by logical identity, as a document; `None`: forgotten.
    pub healing: Vec<(String, Option<String>)>,
    /// Intents that are opened, changed or closed: those that are closed first.
    pub intents: Vec<IntentChange>,
    /// What is known of services' health, by name, as a document; `None`: forgotten.
    pub services: Vec<(String, Option<String>)>,
    /// How objects were last declared whose deletion has consequences, as a document; `None`: forgotten.
    pub last_specs: Vec<(ObjectKey, Option<String>)>,
    /// How far each engine's stream has been dealt with.
    pub cursors: BTreeMap<Arc<str>, Cursor>,
    /// What came of deliveries.
    pub settled: Vec<Settlement>,
    /// Objects that were written, or whose identity changed.
    pub objects: Vec<ObjectChange>,
    /// How far readers of events have come by this. A cursor never goes back, and only readers that are open have any.
    pub readers: Vec<EventCursor>,
    /// Engine or local time of the change, for the rows' bookkeeping.
    pub at: Nanos,
}

impl ChangeSet {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        let Self {
            records,
            bills,
            cells,
            events,
            healing,
            intents,
            services,
            last_specs,
            cursors,
            settled,
            objects,
            readers,
            at: _,
        } = self;
        records.is_empty()
            && bills.is_empty()
            && cells.is_empty()
            && events.is_empty()
            && healing.is_empty()
            && intents.is_empty()
            && services.is_empty()
            && last_specs.is_empty()
            && cursors.is_empty()
            && settled.is_empty()
            && objects.is_empty()
            && readers.is_empty()
    }
}

/// What came of an attempt to deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// A bill was taken.
    BillDelivered {
        /// Its place in the outbox.
        seq: i64,
    },
    /// A lane must wait.
    LaneWaits {
        /// BillingService.
        target: String,
        /// Container.
        key: ContainerKey,
        /// Failures in a row.
        attempts: u32,
        /// When to try again.
        next: Nanos,
        /// Until when the service does not want to be called at all, if it said so: that holds every lane or cell of it.
        hold: Option<Nanos>,
        /// What went wrong.
        error: String,
    },
    /// A lane is parked: its head was refused for good, and what follows waits behind it for a decision.
    LaneParked {
        /// BillingService.
        target: String,
        /// Container.
        key: ContainerKey,
        /// What went wrong.
        error: String,
    },
    /// A registry holds what was wanted at `generation`.
    CellAcked {
        /// DiscoveryRegistry.
        registry: String,
        /// Container.
        key: ContainerKey,
        /// Generation that was sent.
        generation: i64,
        /// What it holds now.
        state: Wanted,
    },
    /// A registry is deleted and done with: what it should hold is forgotten.
    RegistryLeft {
        /// DiscoveryRegistry.
        registry: String,
    },
    /// A cell must wait.
    CellWaits {
        /// DiscoveryRegistry.
        registry: String,
        /// Container.
        key: ContainerKey,
        /// Failures in a row.
        attempts: u32,
        /// When to try again.
        next: Nanos,
        /// Until when the service does not want to be called at all, if it said so: that holds every lane or cell of it.
        hold: Option<Nanos>,
        /// What went wrong.
        error: String,
        /// Whether what was acknowledged before is still what the registry holds: the failed call asked for no change.
        keeps_ack: bool,
    },
}

/// A lane that may be worked on: the pending bills of one container for one service, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    /// Container.
    pub key: ContainerKey,
    /// Its name; empty if it is not known.
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
    /// Container.
    pub key: ContainerKey,
    /// Its name; empty if it is not known.
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

/// What the memory of a past life holds.
#[derive(Debug, Default)]
pub struct Loaded {
    /// Containers not known to be removed.
    pub records: Vec<Record>,
    /// Healing memory by logical identity.
    pub healing: BTreeMap<String, String>,
    /// Intents that are open.
    pub intents: Vec<StoredIntent>,
    /// Services' health by name.
    pub services: BTreeMap<String, String>,
    /// How objects were last declared whose deletion has consequences.
    pub last_specs: BTreeMap<ObjectKey, String>,
    /// Cursors by engine.
    pub cursors: BTreeMap<Arc<str>, Cursor>,
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

/// Depth by BillingService, and by DiscoveryRegistry.
pub type QueueDepths = (BTreeMap<String, QueueDepth>, BTreeMap<String, QueueDepth>);

/// What is to be tried at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryScope<'a> {
    /// Bills or cells.
    pub kind: DeliveryKind,
    /// Name of the BillingService or DiscoveryRegistry.
    pub target: &'a str,
    /// Only of this container.
    pub key: Option<&'a ContainerKey>,
}

/// Makes the event of so many dropped bills.
pub type Discarded<'a> = dyn Fn(u64) -> NewEvent + Sync + 'a;

/// Durable memory. Each implementation passes the same suite in `tests/integration`.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Commits all `changes` in one transaction.
    async fn commit(&self, changes: &[ChangeSet]) -> Result<(), StoreError>;
    /// Reads what a start needs. Cells count as attempted from now on: nobody knows what was sent before a crash.
    async fn load(&self) -> Result<Loaded, StoreError>;
    /// One container's record with its runs, removed or not.
    async fn record(&self, key: &ContainerKey) -> Result<Option<Record>, StoreError>;
    /// Events, newest first.
    async fn events(&self, filter: &EventFilter) -> Result<Vec<EventRow>, StoreError>;
    /// Events of `shard` after `after`, in the order of their `seq`, at most `limit`.
    async fn read_events(&self, shard: &Shard, after: i64, limit: u32) -> Result<Vec<EventRow>, StoreError>;
    /// Events with a higher number than `after`, in the order of their numbers, at most `limit`.
    async fn events_after(&self, after: i64, limit: u32) -> Result<Vec<EventRow>, StoreError>;
    /// The highest number ever given to an event, kept or not; 0 before the first.
    async fn newest_event(&self) -> Result<i64, StoreError>;
    /// Whether every event with a higher number than `after`, up to the newest, is still kept. It costs as much as reading
    /// them.
    async fn keeps_events_after(&self, after: i64) -> Result<bool, StoreError>;
    /// Where `reader` goes on in each shard: after this `seq`. One that has no cursor yet begins at the present end of every
    /// shard.
    async fn open_reader(&self, reader: &str) -> Result<BTreeMap<Shard, i64>, StoreError>;
    /// Every cursor of every reader, in the order of their names.
    async fn readers(&self) -> Result<Vec<EventCursor>, StoreError>;
    /// Lanes of `target` that may be worked on at `now`, longest waiting first, without those in `busy`.
    async fn due_lanes(
        &self,
        target: &str,
        now: Nanos,
        busy: &[ContainerKey],
        limit: usize,
    ) -> Result<Vec<Lane>, StoreError>;
    /// When the next lane of `target` falls due after `now`.
    async fn next_lane(&self, target: &str, now: Nanos) -> Result<Option<Nanos>, StoreError>;
    /// Lets every waiting lane of `target` be tried from `from` on, if that is earlier than planned.
    async fn wake_lanes(&self, target: &str, from: Nanos) -> Result<u64, StoreError>;
    /// Frees parked lanes of `target`.
    async fn replay(&self, target: &str) -> Result<u64, StoreError>;
    /// Frees one lane of `target`, if it is parked.
    async fn replay_lane(&self, target: &str, key: &ContainerKey) -> Result<u64, StoreError>;
    /// Lets what waits be tried at once, whatever the target itself has said: how many lanes or cells.
    async fn retry(&self, which: &RetryScope<'_>) -> Result<u64, StoreError>;
    /// Passes over the bill at `seq` for `reason`, and frees its lane, if the lane is parked and the bill the first of it;
    /// `event` tells of it in the same transaction. Whether it was so.
    async fn skip(&self, seq: i64, reason: &str, event: &NewEvent) -> Result<bool, StoreError>;
    /// The bills that parked lanes of `target` wait for, in order of their containers.
    async fn parked_heads(&self, target: &str) -> Result<Vec<Delivery>, StoreError>;
    /// Drops every bill for `target` that is not delivered, with an event in the same transaction that `tells` of their
    /// number, if there are any.
    async fn discard(&self, target: &str, tells: &Discarded<'_>) -> Result<u64, StoreError>;
    /// Deliveries: first what is to be told to registries, in the order of their names, then bills, newest first.
    async fn deliveries(&self, filter: &DeliveryFilter) -> Result<Vec<Delivery>, StoreError>;
    /// Every stored object, and the highest revision ever given.
    async fn objects(&self) -> Result<(u64, Vec<StoredObject>), StoreError>;
    /// Cells of `registry` that differ and may be worked on at `now`, without those in `busy`.
    async fn due_cells(
        &self,
        registry: &str,
        now: Nanos,
        busy: &[ContainerKey],
        limit: usize,
    ) -> Result<Vec<Cell>, StoreError>;
    /// When the next cell of `registry` falls due after `now`.
    async fn next_cell(&self, registry: &str, now: Nanos) -> Result<Option<Nanos>, StoreError>;
    /// Lets every waiting cell of `registry` be tried from `from` on, if that is earlier than planned.
    async fn wake_cells(&self, registry: &str, from: Nanos) -> Result<u64, StoreError>;
    /// Lets everything registered be sent again, for a registry that may have lost its memory.
    async fn resend_cells(&self, registry: &str) -> Result<u64, StoreError>;
    /// Depth by BillingService, then by DiscoveryRegistry.
    async fn depths(&self) -> Result<QueueDepths, StoreError>;
    /// Forgets events, delivered bills and removed containers older than `before`, but no event that one of the declared
    /// `readers` has still to read; and the cursors of all other readers. How many rows were that old.
    async fn prune(&self, before: Nanos, readers: &BTreeSet<String>) -> Result<u64, StoreError>;
}
