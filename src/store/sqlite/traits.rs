//! What SQLite does as a store, trait by trait.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use super::{Sqlite, decide, deliver, deliveries, events, numbered, objects, prune, read, room, write};
use crate::observed::{ContainerKey, Nanos, Shard};
use crate::reconcile::record::Record;
use crate::resource::ObjectKey;
use crate::store::{
    Cell, ChangeSet, Deliveries, Delivery, DeliveryFilter, Discarded, EventCursor, EventFilter, EventLog,
    EventRow, Lane, LaneKey, LaneSubject, Ledger, Loaded, NewEvent, ObjectFollowed, ObjectWrite,
    ObjectWritten, Objects, OwnedShards, Pruned, QueueDepths, StoreError, StoredObject,
};

#[async_trait]
impl Ledger for Sqlite {
    async fn shards(&self) -> Result<BTreeSet<Shard>, StoreError> {
        read::shards(&self.readers).await
    }

    async fn load(&self, shard: &Shard) -> Result<Loaded, StoreError> {
        read::doubt_cells(&self.writer, shard).await?;
        read::load(&self.readers, shard).await
    }

    async fn commit(&self, changes: &[ChangeSet]) -> Result<(), StoreError> {
        write::commit(&self.writer, changes).await
    }

    async fn record(&self, key: &ContainerKey) -> Result<Option<Record>, StoreError> {
        read::record(&self.readers, key).await
    }

    async fn prune(&self, before: Nanos, readers: &BTreeSet<String>) -> Result<Pruned, StoreError> {
        let pruning = || prune::prune(&self.writer, &self.readers, before, readers);
        room::prune(&self.writer, &self.reserve, pruning).await
    }
}

#[async_trait]
impl Deliveries for Sqlite {
    async fn due_lanes(
        &self,
        target: &ObjectKey,
        owned: &OwnedShards,
        now: Nanos,
        busy: &[LaneSubject],
        limit: usize,
    ) -> Result<Vec<Lane>, StoreError> {
        deliver::due_lanes(&self.senders, target, owned, now, busy, limit).await
    }

    async fn due_cells(
        &self,
        target: &ObjectKey,
        owned: &OwnedShards,
        now: Nanos,
        busy: &[LaneSubject],
        limit: usize,
    ) -> Result<Vec<Cell>, StoreError> {
        deliver::due_cells(&self.senders, target, owned, now, busy, limit).await
    }

    async fn next_due(
        &self,
        target: &ObjectKey,
        owned: &OwnedShards,
        now: Nanos,
    ) -> Result<Option<Nanos>, StoreError> {
        deliver::next_due(&self.senders, target, owned, now).await
    }

    async fn wake(&self, target: &ObjectKey, owned: &OwnedShards, from: Nanos) -> Result<u64, StoreError> {
        deliver::wake(&self.writer, target, owned, from).await
    }

    async fn hasten(&self, target: &ObjectKey, owned: &OwnedShards, now: Nanos) -> Result<u64, StoreError> {
        deliver::hasten(&self.writer, target, owned, now).await
    }

    async fn resend_cells(
        &self,
        target: &ObjectKey,
        owned: &OwnedShards,
        at: Nanos,
    ) -> Result<u64, StoreError> {
        deliver::resend_cells(&self.writer, target, owned, at).await
    }

    async fn replay(
        &self,
        target: &ObjectKey,
        subject: Option<&LaneSubject>,
        at: Nanos,
    ) -> Result<u64, StoreError> {
        decide::replay(&self.writer, target, subject, at).await
    }

    async fn retry(
        &self,
        target: &ObjectKey,
        subject: Option<&LaneSubject>,
        at: Nanos,
    ) -> Result<u64, StoreError> {
        decide::retry(&self.writer, target, subject, at).await
    }

    async fn skip(
        &self,
        lane: &LaneKey,
        seq: i64,
        reason: &str,
        event: &NewEvent,
    ) -> Result<bool, StoreError> {
        decide::skip(&self.writer, lane, seq, reason, event).await
    }

    async fn discard(&self, target: &ObjectKey, tells: &Discarded<'_>) -> Result<u64, StoreError> {
        decide::discard(&self.writer, target, tells).await
    }

    async fn deliveries(&self, filter: &DeliveryFilter) -> Result<Vec<Delivery>, StoreError> {
        deliveries::deliveries(&self.readers, filter).await
    }

    async fn parked_heads(&self, target: &ObjectKey) -> Result<Vec<Delivery>, StoreError> {
        deliveries::parked_heads(&self.readers, target).await
    }

    async fn depths(&self) -> Result<QueueDepths, StoreError> {
        read::depths(&self.readers).await
    }
}

#[async_trait]
impl Objects for Sqlite {
    async fn objects(&self) -> Result<(u64, Vec<StoredObject>), StoreError> {
        objects::objects(&self.readers).await
    }

    async fn write_objects(&self, writes: &[ObjectWrite]) -> Result<Vec<ObjectWritten>, StoreError> {
        objects::write(&self.writer, writes).await
    }

    async fn object_changes(
        &self,
        after: u64,
        limit: u32,
    ) -> Result<Option<Vec<ObjectFollowed>>, StoreError> {
        objects::changes(&self.readers, after, limit).await
    }
}

#[async_trait]
impl EventLog for Sqlite {
    async fn append(&self, events: &[NewEvent]) -> Result<(), StoreError> {
        let changes: Vec<_> = events.iter().cloned().map(ChangeSet::told).collect();
        write::commit(&self.writer, &changes).await
    }

    async fn events(&self, filter: &EventFilter) -> Result<Vec<EventRow>, StoreError> {
        events::events(&self.readers, filter).await
    }

    async fn read_events(&self, shard: &Shard, after: i64, limit: u32) -> Result<Vec<EventRow>, StoreError> {
        events::read_events(&self.readers, shard, after, limit).await
    }

    async fn events_after(&self, after: i64, limit: u32) -> Result<Vec<EventRow>, StoreError> {
        numbered::events_after(&self.readers, after, limit).await
    }

    async fn newest_event(&self) -> Result<i64, StoreError> {
        numbered::newest_event(&self.readers).await
    }

    async fn keeps_events_after(&self, after: i64) -> Result<bool, StoreError> {
        numbered::keeps_events_after(&self.readers, after).await
    }

    async fn open_reader(&self, reader: &str) -> Result<BTreeMap<Shard, i64>, StoreError> {
        events::open_reader(&self.writer, reader).await
    }

    async fn readers(&self) -> Result<Vec<EventCursor>, StoreError> {
        events::readers(&self.readers).await
    }
}
