//! What must not be lost: ledger, outbox, discovery cells, healing memory, events and cursors.
//!
//! # Guarantees
//! A [`ChangeSet`] is committed whole or not at all, durably: once [`Ledger::commit`] returns it survives a loss of
//! power. Nothing is sent on account of a change that is not committed.
//!
//! # Who needs what
//! [`Ledger`]: whoever decides. [`Deliveries`]: whoever sends, and people who look at what waits. [`Objects`]: the catalogue.
//! [`EventLog`]: whoever reads events. A [`Store`] is all four over one database.
//!
//! # Shards
//! What is stored belongs to a [`Shard`]: an engine's, or the fleet's. A change set is of one shard and names the epoch of the
//! ownership under which it was decided, so that several processes can share a database and each own some of the shards. On
//! SQLite there is one process, which owns all of them for ever, in epoch 0.
//!
//! # Refused or failed
//! A database that *refuses* ([`StoreError::is_refused`]) says that something is wrong with what it was given: a constraint, a
//! type, a size. It would refuse the same again, and takes everything else. One that *fails* (full, locked, gone, damaged)
//! says nothing about what it was given.
//!
//! # Assumptions
//! Changes to one container are committed in the order in which they were decided.
//!
//! # How a reader of events works
//! Whoever has to deal with every event once, such as a sink's notifications, is a *reader*: a name, and for each shard a
//! cursor, the `seq` of the last event that the reader is done with. `seq` rises by one from event to event of a shard, and
//! is given in the transaction of the event's cause, so what follows a cursor is complete and in order. A reader
//!
//! 1. is *declared*: its name is among those that [`Ledger::prune`] is given, for as long as it is meant to read;
//! 2. is opened by [`EventLog::open_reader`], which says where it goes on in each shard. The first time that is the present end
//!    of every shard; a shard that comes into being later is read from its beginning;
//! 3. reads on by [`EventLog::read_events`], whenever something may have been committed;
//! 4. commits what came of the events, its outbox rows say, in one [`ChangeSet`] with its new cursors
//!    ([`ChangeSet::readers`]). A crash before that leaves neither, and the same events are read again.
//!
//! No event that a declared reader has not passed is pruned, however old it is. A reader that is no longer declared holds
//! nothing back: the next pruning forgets its cursors, and declared and opened again it begins at the end. Shards do not wait
//! for each other. Nothing reads in this way yet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::observed::{ContainerKey, Cursor, Nanos, Shard};
use crate::reconcile::record::Record;
use crate::resource::ObjectKey;

mod change;
mod check;
mod delivery;
mod error;
mod event;
mod file_system;
mod intent;
mod lane;
mod object;
mod schema;
mod sqlite;

pub use change::{ChangeSet, RecordChange, Settlement};
pub use check::{Damage, QueueCheck, StoreCheck};
pub use delivery::{Delivery, DeliveryFilter, DeliveryKind, DeliveryPlace, DeliveryState};
pub use error::StoreError;
pub use event::{EventCursor, EventFilter, EventRow, NewEvent, StoredEvent};
pub use intent::{IntentChange, OpenIntent, StoredIntent};
pub use lane::{
    Cell, Lane, LaneKey, LaneSubject, OutboxRow, OwnedShards, PendingBill, QueueDepth, QueueDepths,
};
pub use object::{Expected, ObjectChange, ObjectFollowed, ObjectWrite, ObjectWritten, StoredObject};
pub use schema::SchemaError;
pub use sqlite::Sqlite;

/// What the memory of a past life holds of a shard, or of several.
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

impl Loaded {
    /// The same with what another shard holds.
    pub fn append(&mut self, other: Self) {
        let Self { records, healing, intents, services, last_specs, cursors } = other;
        self.records.extend(records);
        self.healing.extend(healing);
        self.intents.extend(intents);
        self.services.extend(services);
        self.last_specs.extend(last_specs);
        self.cursors.extend(cursors);
    }
}

/// What came of forgetting what is old.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Rows that are gone.
    pub rows: u64,
    /// How often the writer was held for that.
    pub slices: u64,
    /// The longest that it was held at once.
    pub longest: Duration,
}

/// Makes the event of so many dropped bills.
pub type Discarded<'a> = dyn Fn(u64) -> NewEvent + Sync + 'a;

/// What is decided, shard by shard: for whoever decides.
#[async_trait]
pub trait Ledger: Send + Sync + 'static {
    /// Every shard of which something is remembered, and the fleet's.
    async fn shards(&self) -> Result<BTreeSet<Shard>, StoreError>;
    /// Reads what whoever begins to own `shard` needs. Its cells count as attempted from now on: nobody knows what was sent
    /// before a crash.
    async fn load(&self, shard: &Shard) -> Result<Loaded, StoreError>;
    /// Commits all `changes` in one transaction: every one of them, or none.
    async fn commit(&self, changes: &[ChangeSet]) -> Result<(), StoreError>;
    /// One container's record with its runs, removed or not.
    async fn record(&self, key: &ContainerKey) -> Result<Option<Record>, StoreError>;
    /// Forgets events, delivered bills, removed containers and gone objects older than `before`, but no event that one of the
    /// declared `readers` has still to read; and the cursors of all other readers. In slices, so that commits pass between.
    async fn prune(&self, before: Nanos, readers: &BTreeSet<String>) -> Result<Pruned, StoreError>;
}

/// What is on its way: for whoever sends, and for people who look at what waits. What comes of a delivery is committed as a
/// [`Settlement`], so that it shares transactions with all else. What is being sent just now is in the sender's memory alone.
#[async_trait]
pub trait Deliveries: Send + Sync + 'static {
    /// Lanes of `target` in the owned shards that may be worked on at `now`, in the order in which they fell due, without those in
    /// `busy`.
    async fn due_lanes(
        &self,
        target: &ObjectKey,
        owned: &OwnedShards,
        now: Nanos,
        busy: &[LaneSubject],
        limit: usize,
    ) -> Result<Vec<Lane>, StoreError>;
    /// Cells of `target` in the owned shards that differ and may be worked on at `now`, in the order in which they fell due,
    /// without those in `busy`.
    async fn due_cells(
        &self,
        target: &ObjectKey,
        owned: &OwnedShards,
        now: Nanos,
        busy: &[LaneSubject],
        limit: usize,
    ) -> Result<Vec<Cell>, StoreError>;
    /// When the next lane or cell of `target` falls due after `now`.
    async fn next_due(
        &self,
        target: &ObjectKey,
        owned: &OwnedShards,
        now: Nanos,
    ) -> Result<Option<Nanos>, StoreError>;
    /// Lets every waiting lane or cell of `target` be tried from `from` on, if that is earlier than planned.
    async fn wake(&self, target: &ObjectKey, owned: &OwnedShards, from: Nanos) -> Result<u64, StoreError>;
    /// Lets what was never tried be tried from `now` on, for a clock that was set back after it was enqueued.
    async fn hasten(&self, target: &ObjectKey, owned: &OwnedShards, now: Nanos) -> Result<u64, StoreError>;
    /// Lets everything registered be sent again from `at` on, for a registry that may have lost its memory.
    async fn resend_cells(
        &self,
        target: &ObjectKey,
        owned: &OwnedShards,
        at: Nanos,
    ) -> Result<u64, StoreError>;
    /// Frees parked lanes of `target`, of one subject or of all: they fall due at `at`.
    async fn replay(
        &self,
        target: &ObjectKey,
        subject: Option<&LaneSubject>,
        at: Nanos,
    ) -> Result<u64, StoreError>;
    /// Lets what waits for `target`, of one subject or of all, be tried from `at` on, whatever the target itself has said: how many
    /// lanes or cells.
    async fn retry(
        &self,
        target: &ObjectKey,
        subject: Option<&LaneSubject>,
        at: Nanos,
    ) -> Result<u64, StoreError>;
    /// Passes over the bill of `lane` at `seq` for `reason`, and frees the lane, if it is parked and the bill the first of it;
    /// `event` tells of it in the same transaction. Whether it was so.
    async fn skip(
        &self,
        lane: &LaneKey,
        seq: i64,
        reason: &str,
        event: &NewEvent,
    ) -> Result<bool, StoreError>;
    /// Drops every bill for `target` that is not delivered, in slices, with an event that `tells` of their number, if there are
    /// any.
    async fn discard(&self, target: &ObjectKey, tells: &Discarded<'_>) -> Result<u64, StoreError>;
    /// Deliveries: first what is to be told to registries, in the order of their names, then bills, newest first.
    async fn deliveries(&self, filter: &DeliveryFilter) -> Result<Vec<Delivery>, StoreError>;
    /// The bills that parked lanes of `target` wait for, in order of their subjects.
    async fn parked_heads(&self, target: &ObjectKey) -> Result<Vec<Delivery>, StoreError>;
    /// Depth by target.
    async fn depths(&self) -> Result<QueueDepths, StoreError>;
}

/// What is declared through the API, and the identities of everything in force: for the catalogue.
#[async_trait]
pub trait Objects: Send + Sync + 'static {
    /// Every stored object, and the highest revision ever given.
    async fn objects(&self) -> Result<(u64, Vec<StoredObject>), StoreError>;
    /// Makes each write for which what it expects is stored, in one transaction, in which its revision is given; says of each what
    /// came of it.
    async fn write_objects(&self, writes: &[ObjectWrite]) -> Result<Vec<ObjectWritten>, StoreError>;
    /// The last change of each object that changed after revision `after`, in the order of their revisions, at most `limit`.
    /// `None`: objects that went since then are forgotten; all of them have to be read again.
    async fn object_changes(&self, after: u64, limit: u32)
    -> Result<Option<Vec<ObjectFollowed>>, StoreError>;
}

/// What happened: for whoever reads events.
#[async_trait]
pub trait EventLog: Send + Sync + 'static {
    /// Appends events that have no other cause to be committed with, each to its shard.
    async fn append(&self, events: &[NewEvent]) -> Result<(), StoreError>;
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
}

/// By whom everything is written: what is ready at once shares a transaction.
#[async_trait]
pub trait Commit: Send + Sync + 'static {
    /// Commits `changes` durably before it returns.
    async fn commit(&self, changes: ChangeSet) -> Result<(), StoreError>;
    /// Makes writes of objects durably before it returns; see [`Objects::write_objects`].
    async fn write_objects(&self, writes: Vec<ObjectWrite>) -> Result<Vec<ObjectWritten>, StoreError>;
}

/// Durable memory: all of it over one database. Each implementation passes the same suite in `tests/integration`.
pub trait Store: Ledger + Deliveries + Objects + EventLog {}

impl<S: Ledger + Deliveries + Objects + EventLog> Store for S {}
