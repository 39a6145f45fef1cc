//! A store that counts what is committed, and can be made slow.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use portreeve::observed::{ContainerKey, Nanos, Shard};
use portreeve::reconcile::record::Record;
use portreeve::store::{
    Cell, ChangeSet, Delivery, DeliveryFilter, Discarded, EventCursor, EventFilter, EventRow, Lane, Loaded,
    NewEvent, QueueDepths, RetryScope, Sqlite, Store, StoreError, StoredObject,
};

/// The real store, watched.
pub(crate) struct Counted {
    store: Sqlite,
    slowed: Duration,
    /// After each commit: when, and how many bills were in it.
    commits: Mutex<Vec<(Instant, usize)>>,
}

impl Counted {
    pub(crate) fn new(store: Sqlite, slowed: Duration) -> Self {
        Self { store, slowed, commits: Mutex::default() }
    }

    /// When that many bills were committed, and how many commits it took.
    pub(crate) fn after(&self, bills: usize) -> (Instant, usize) {
        let commits = self.commits.lock().unwrap();
        let mut sum = 0;
        let place = commits.iter().position(|(_, count)| {
            sum += count;
            sum >= bills
        });
        let place = place.unwrap_or_else(|| panic!("{sum} bills were committed, not {bills}"));
        (commits[place].0, place + 1)
    }
}

#[async_trait]
impl Store for Counted {
    async fn commit(&self, changes: &[ChangeSet]) -> Result<(), StoreError> {
        if !self.slowed.is_zero() {
            tokio::time::sleep(self.slowed).await;
        }
        self.store.commit(changes).await?;
        let bills = changes.iter().map(|change| change.bills.len()).sum();
        self.commits.lock().unwrap().push((Instant::now(), bills));
        Ok(())
    }

    async fn load(&self) -> Result<Loaded, StoreError> {
        self.store.load().await
    }

    async fn record(&self, key: &ContainerKey) -> Result<Option<Record>, StoreError> {
        self.store.record(key).await
    }

    async fn events(&self, filter: &EventFilter) -> Result<Vec<EventRow>, StoreError> {
        self.store.events(filter).await
    }

    async fn read_events(&self, shard: &Shard, after: i64, limit: u32) -> Result<Vec<EventRow>, StoreError> {
        self.store.read_events(shard, after, limit).await
    }

    async fn events_after(&self, after: i64, limit: u32) -> Result<Vec<EventRow>, StoreError> {
        self.store.events_after(after, limit).await
    }

    async fn newest_event(&self) -> Result<i64, StoreError> {
        self.store.newest_event().await
    }

    async fn keeps_events_after(&self, after: i64) -> Result<bool, StoreError> {
        self.store.keeps_events_after(after).await
    }

    async fn open_reader(&self, reader: &str) -> Result<BTreeMap<Shard, i64>, StoreError> {
        self.store.open_reader(reader).await
    }

    async fn readers(&self) -> Result<Vec<EventCursor>, StoreError> {
        self.store.readers().await
    }

    async fn objects(&self) -> Result<(u64, Vec<StoredObject>), StoreError> {
        self.store.objects().await
    }

    async fn deliveries(&self, filter: &DeliveryFilter) -> Result<Vec<Delivery>, StoreError> {
        self.store.deliveries(filter).await
    }

    async fn replay_lane(&self, target: &str, key: &ContainerKey) -> Result<u64, StoreError> {
        self.store.replay_lane(target, key).await
    }

    async fn retry(&self, which: &RetryScope<'_>) -> Result<u64, StoreError> {
        self.store.retry(which).await
    }

    async fn skip(&self, seq: i64, reason: &str, event: &NewEvent) -> Result<bool, StoreError> {
        self.store.skip(seq, reason, event).await
    }

    async fn parked_heads(&self, target: &str) -> Result<Vec<Delivery>, StoreError> {
        self.store.parked_heads(target).await
    }

    async fn discard(&self, target: &str, tells: &Discarded<'_>) -> Result<u64, StoreError> {
        self.store.discard(target, tells).await
    }

    async fn due_lanes(
        &self,
        target: &str,
        now: Nanos,
        busy: &[ContainerKey],
        limit: usize,
    ) -> Result<Vec<Lane>, StoreError> {
        self.store.due_lanes(target, now, busy, limit).await
    }

    async fn next_lane(&self, target: &str, now: Nanos) -> Result<Option<Nanos>, StoreError> {
        self.store.next_lane(target, now).await
    }

    async fn wake_lanes(&self, target: &str, from: Nanos) -> Result<u64, StoreError> {
        self.store.wake_lanes(target, from).await
    }

    async fn replay(&self, target: &str) -> Result<u64, StoreError> {
        self.store.replay(target).await
    }

    async fn due_cells(
        &self,
        registry: &str,
        now: Nanos,
        busy: &[ContainerKey],
        limit: usize,
    ) -> Result<Vec<Cell>, StoreError> {
        self.store.due_cells(registry, now, busy, limit).await
    }

    async fn next_cell(&self, registry: &str, now: Nanos) -> Result<Option<Nanos>, StoreError> {
        self.store.next_cell(registry, now).await
    }

    async fn wake_cells(&self, registry: &str, from: Nanos) -> Result<u64, StoreError> {
        self.store.wake_cells(registry, from).await
    }

    async fn resend_cells(&self, registry: &str) -> Result<u64, StoreError> {
        self.store.resend_cells(registry).await
    }

    async fn depths(&self) -> Result<QueueDepths, StoreError> {
        self.store.depths().await
    }

    async fn prune(&self, before: Nanos, readers: &BTreeSet<String>) -> Result<u64, StoreError> {
        self.store.prune(before, readers).await
    }
}
