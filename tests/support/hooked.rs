//! A store of which a test or bench sees every call, and which it can make fail or slow.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use portreeve::observed::{ContainerKey, Nanos, Shard};
use portreeve::reconcile::record::Record;
use portreeve::resource::ObjectKey;
use portreeve::store::{
    Cell, ChangeSet, Deliveries, Delivery, DeliveryFilter, Discarded, EventCursor, EventFilter, EventLog,
    EventRow, Lane, LaneKey, LaneSubject, Ledger, Loaded, NewEvent, ObjectFollowed, ObjectWrite,
    ObjectWritten, Objects, OwnedShards, Pruned, QueueDepths, Sqlite, StoreError, StoredObject,
};

/// What is done around the calls.
#[async_trait]
pub trait Hook: Send + Sync + 'static {
    /// Before something is read; an error is what the caller gets.
    async fn reads(&self, _call: &'static str) -> Result<(), StoreError> {
        Ok(())
    }

    /// Before something is written; an error is what the caller gets.
    async fn writes(&self, _call: &'static str) -> Result<(), StoreError> {
        Ok(())
    }

    /// Before change sets are committed, beside [`writes`](Self::writes).
    async fn commits(&self, _changes: &[ChangeSet]) -> Result<(), StoreError> {
        Ok(())
    }

    /// After change sets were committed.
    fn committed(&self, _changes: &[ChangeSet]) {}
}

/// A real store with a hook.
pub struct Hooked<H> {
    pub inner: Sqlite,
    pub hook: H,
}

#[async_trait]
impl<H: Hook> Ledger for Hooked<H> {
    async fn shards(&self) -> Result<BTreeSet<Shard>, StoreError> {
        self.hook.reads("shards").await?;
        Ledger::shards(&self.inner).await
    }

    async fn load(&self, shard: &Shard) -> Result<Loaded, StoreError> {
        self.hook.reads("load").await?;
        Ledger::load(&self.inner, shard).await
    }

    async fn commit(&self, changes: &[ChangeSet]) -> Result<(), StoreError> {
        self.hook.writes("commit").await?;
        self.hook.commits(changes).await?;
        Ledger::commit(&self.inner, changes).await?;
        self.hook.committed(changes);
        Ok(())
    }

    async fn record(&self, key: &ContainerKey) -> Result<Option<Record>, StoreError> {
        self.hook.reads("record").await?;
        Ledger::record(&self.inner, key).await
    }

    async fn prune(&self, before: Nanos, readers: &BTreeSet<String>) -> Result<Pruned, StoreError> {
        self.hook.writes("prune").await?;
        Ledger::prune(&self.inner, before, readers).await
    }
}

#[async_trait]
impl<H: Hook> Deliveries for Hooked<H> {
    async fn due_lanes(
        &self,
        target: &ObjectKey,
        owned: &OwnedShards,
        now: Nanos,
        busy: &[LaneSubject],
        limit: usize,
    ) -> Result<Vec<Lane>, StoreError> {
        self.hook.reads("due_lanes").await?;
        Deliveries::due_lanes(&self.inner, target, owned, now, busy, limit).await
    }

    async fn due_cells(
        &self,
        target: &ObjectKey,
        owned: &OwnedShards,
        now: Nanos,
        busy: &[LaneSubject],
        limit: usize,
    ) -> Result<Vec<Cell>, StoreError> {
        self.hook.reads("due_cells").await?;
        Deliveries::due_cells(&self.inner, target, owned, now, busy, limit).await
    }

    async fn next_due(
        &self,
        target: &ObjectKey,
        owned: &OwnedShards,
        now: Nanos,
    ) -> Result<Option<Nanos>, StoreError> {
        self.hook.reads("next_due").await?;
        Deliveries::next_due(&self.inner, target, owned, now).await
    }

    async fn wake(&self, target: &ObjectKey, owned: &OwnedShards, from: Nanos) -> Result<u64, StoreError> {
        self.hook.writes("wake").await?;
        Deliveries::wake(&self.inner, target, owned, from).await
    }

    async fn hasten(&self, target: &ObjectKey, owned: &OwnedShards, now: Nanos) -> Result<u64, StoreError> {
        self.hook.writes("hasten").await?;
        Deliveries::hasten(&self.inner, target, owned, now).await
    }

    async fn resend_cells(
        &self,
        target: &ObjectKey,
        owned: &OwnedShards,
        at: Nanos,
    ) -> Result<u64, StoreError> {
        self.hook.writes("resend_cells").await?;
        Deliveries::resend_cells(&self.inner, target, owned, at).await
    }

    async fn replay(
        &self,
        target: &ObjectKey,
        subject: Option<&LaneSubject>,
        at: Nanos,
    ) -> Result<u64, StoreError> {
        self.hook.writes("replay").await?;
        Deliveries::replay(&self.inner, target, subject, at).await
    }

    async fn retry(
        &self,
        target: &ObjectKey,
        subject: Option<&LaneSubject>,
        at: Nanos,
    ) -> Result<u64, StoreError> {
        self.hook.writes("retry").await?;
        Deliveries::retry(&self.inner, target, subject, at).await
    }

    async fn skip(
        &self,
        lane: &LaneKey,
        seq: i64,
        reason: &str,
        event: &NewEvent,
    ) -> Result<bool, StoreError> {
        self.hook.writes("skip").await?;
        Deliveries::skip(&self.inner, lane, seq, reason, event).await
    }

    async fn discard(&self, target: &ObjectKey, tells: &Discarded<'_>) -> Result<u64, StoreError> {
        self.hook.writes("discard").await?;
        Deliveries::discard(&self.inner, target, tells).await
    }

    async fn deliveries(&self, filter: &DeliveryFilter) -> Result<Vec<Delivery>, StoreError> {
        self.hook.reads("deliveries").await?;
        Deliveries::deliveries(&self.inner, filter).await
    }

    async fn parked_heads(&self, target: &ObjectKey) -> Result<Vec<Delivery>, StoreError> {
        self.hook.reads("parked_heads").await?;
        Deliveries::parked_heads(&self.inner, target).await
    }

    async fn depths(&self) -> Result<QueueDepths, StoreError> {
        self.hook.reads("depths").await?;
        Deliveries::depths(&self.inner).await
    }
}

#[async_trait]
impl<H: Hook> Objects for Hooked<H> {
    async fn objects(&self) -> Result<(u64, Vec<StoredObject>), StoreError> {
        self.hook.reads("objects").await?;
        Objects::objects(&self.inner).await
    }

    async fn write_objects(&self, writes: &[ObjectWrite]) -> Result<Vec<ObjectWritten>, StoreError> {
        self.hook.writes("write_objects").await?;
        Objects::write_objects(&self.inner, writes).await
    }

    async fn object_changes(
        &self,
        after: u64,
        limit: u32,
    ) -> Result<Option<Vec<ObjectFollowed>>, StoreError> {
        self.hook.reads("object_changes").await?;
        Objects::object_changes(&self.inner, after, limit).await
    }
}

#[async_trait]
impl<H: Hook> EventLog for Hooked<H> {
    async fn append(&self, events: &[NewEvent]) -> Result<(), StoreError> {
        self.hook.writes("append").await?;
        EventLog::append(&self.inner, events).await
    }

    async fn events(&self, filter: &EventFilter) -> Result<Vec<EventRow>, StoreError> {
        self.hook.reads("events").await?;
        EventLog::events(&self.inner, filter).await
    }

    async fn read_events(&self, shard: &Shard, after: i64, limit: u32) -> Result<Vec<EventRow>, StoreError> {
        self.hook.reads("read_events").await?;
        EventLog::read_events(&self.inner, shard, after, limit).await
    }

    async fn events_after(&self, after: i64, limit: u32) -> Result<Vec<EventRow>, StoreError> {
        self.hook.reads("events_after").await?;
        EventLog::events_after(&self.inner, after, limit).await
    }

    async fn newest_event(&self) -> Result<i64, StoreError> {
        self.hook.reads("newest_event").await?;
        EventLog::newest_event(&self.inner).await
    }

    async fn keeps_events_after(&self, after: i64) -> Result<bool, StoreError> {
        self.hook.reads("keeps_events_after").await?;
        EventLog::keeps_events_after(&self.inner, after).await
    }

    async fn open_reader(&self, reader: &str) -> Result<BTreeMap<Shard, i64>, StoreError> {
        self.hook.writes("open_reader").await?;
        EventLog::open_reader(&self.inner, reader).await
    }

    async fn readers(&self) -> Result<Vec<EventCursor>, StoreError> {
        self.hook.reads("readers").await?;
        EventLog::readers(&self.inner).await
    }
}
