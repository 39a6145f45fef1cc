//! A store that fails on command.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use portreeve::observed::{ContainerKey, Nanos, Shard};
use portreeve::reconcile::record::Record;
use portreeve::store::{
    Cell, ChangeSet, Delivery, DeliveryFilter, Discarded, EventCursor, EventFilter, EventRow, Lane, Loaded,
    NewEvent, QueueDepth, RetryScope, Sqlite, Store, StoreError, StoredObject,
};
use tempfile::TempDir;

pub struct Failing {
    inner: Sqlite,
    writes_fail: AtomicBool,
    reads_fail: AtomicBool,
    refused: AtomicUsize,
    log_reads: AtomicUsize,
    _home: TempDir,
}

impl Failing {
    pub async fn new() -> Arc<Self> {
        let home = TempDir::new().unwrap();
        Arc::new(Self {
            inner: Sqlite::open(&home.path().join("portreeve.db")).await.unwrap(),
            writes_fail: AtomicBool::new(false),
            reads_fail: AtomicBool::new(false),
            refused: AtomicUsize::new(0),
            log_reads: AtomicUsize::new(0),
            _home: home,
        })
    }

    pub fn fail_writes(&self, fail: bool) {
        self.writes_fail.store(fail, Ordering::SeqCst);
    }

    pub fn fail_reads(&self, fail: bool) {
        self.reads_fail.store(fail, Ordering::SeqCst);
    }

    /// Calls refused so far.
    pub fn refused(&self) -> usize {
        self.refused.load(Ordering::SeqCst)
    }

    /// How often the log of events was read on so far.
    pub fn log_reads(&self) -> usize {
        self.log_reads.load(Ordering::SeqCst)
    }

    fn writes(&self) -> Result<&Sqlite, StoreError> {
        self.unless(&self.writes_fail, "database or disk is full")
    }

    fn reads(&self) -> Result<&Sqlite, StoreError> {
        self.unless(&self.reads_fail, "disk I/O error")
    }

    fn unless(&self, fails: &AtomicBool, why: &str) -> Result<&Sqlite, StoreError> {
        if fails.load(Ordering::SeqCst) {
            self.refused.fetch_add(1, Ordering::SeqCst);
            return Err(StoreError::Unfit(why.to_owned()));
        }
        Ok(&self.inner)
    }
}

type Depths = BTreeMap<String, QueueDepth>;

#[async_trait]
impl Store for Failing {
    async fn commit(&self, changes: &[ChangeSet]) -> Result<(), StoreError> {
        self.writes()?.commit(changes).await
    }

    async fn load(&self) -> Result<Loaded, StoreError> {
        self.reads()?.load().await
    }

    async fn record(&self, key: &ContainerKey) -> Result<Option<Record>, StoreError> {
        self.reads()?.record(key).await
    }

    async fn events(&self, filter: &EventFilter) -> Result<Vec<EventRow>, StoreError> {
        self.reads()?.events(filter).await
    }

    async fn read_events(&self, shard: &Shard, after: i64, limit: u32) -> Result<Vec<EventRow>, StoreError> {
        self.reads()?.read_events(shard, after, limit).await
    }

    async fn events_after(&self, after: i64, limit: u32) -> Result<Vec<EventRow>, StoreError> {
        self.log_reads.fetch_add(1, Ordering::SeqCst);
        self.reads()?.events_after(after, limit).await
    }

    async fn newest_event(&self) -> Result<i64, StoreError> {
        self.reads()?.newest_event().await
    }

    async fn keeps_events_after(&self, after: i64) -> Result<bool, StoreError> {
        self.reads()?.keeps_events_after(after).await
    }

    async fn open_reader(&self, reader: &str) -> Result<BTreeMap<Shard, i64>, StoreError> {
        self.writes()?.open_reader(reader).await
    }

    async fn readers(&self) -> Result<Vec<EventCursor>, StoreError> {
        self.reads()?.readers().await
    }

    async fn objects(&self) -> Result<(u64, Vec<StoredObject>), StoreError> {
        self.reads()?.objects().await
    }

    async fn deliveries(&self, filter: &DeliveryFilter) -> Result<Vec<Delivery>, StoreError> {
        self.reads()?.deliveries(filter).await
    }

    async fn retry(&self, which: &RetryScope<'_>) -> Result<u64, StoreError> {
        self.writes()?.retry(which).await
    }

    async fn skip(&self, seq: i64, reason: &str, event: &NewEvent) -> Result<bool, StoreError> {
        self.writes()?.skip(seq, reason, event).await
    }

    async fn parked_heads(&self, target: &str) -> Result<Vec<Delivery>, StoreError> {
        self.reads()?.parked_heads(target).await
    }

    async fn discard(&self, target: &str, tells: &Discarded<'_>) -> Result<u64, StoreError> {
        self.writes()?.discard(target, tells).await
    }

    async fn due_lanes(
        &self,
        target: &str,
        now: Nanos,
        busy: &[ContainerKey],
        limit: usize,
    ) -> Result<Vec<Lane>, StoreError> {
        self.reads()?.due_lanes(target, now, busy, limit).await
    }

    async fn next_lane(&self, target: &str, now: Nanos) -> Result<Option<Nanos>, StoreError> {
        self.reads()?.next_lane(target, now).await
    }

    async fn wake_lanes(&self, target: &str, from: Nanos) -> Result<u64, StoreError> {
        self.writes()?.wake_lanes(target, from).await
    }

    async fn replay(&self, target: &str) -> Result<u64, StoreError> {
        self.writes()?.replay(target).await
    }

    async fn replay_lane(&self, target: &str, key: &ContainerKey) -> Result<u64, StoreError> {
        self.writes()?.replay_lane(target, key).await
    }

    async fn due_cells(
        &self,
        registry: &str,
        now: Nanos,
        busy: &[ContainerKey],
        limit: usize,
    ) -> Result<Vec<Cell>, StoreError> {
        self.reads()?.due_cells(registry, now, busy, limit).await
    }

    async fn next_cell(&self, registry: &str, now: Nanos) -> Result<Option<Nanos>, StoreError> {
        self.reads()?.next_cell(registry, now).await
    }

    async fn wake_cells(&self, registry: &str, from: Nanos) -> Result<u64, StoreError> {
        self.writes()?.wake_cells(registry, from).await
    }

    async fn resend_cells(&self, registry: &str) -> Result<u64, StoreError> {
        self.writes()?.resend_cells(registry).await
    }

    async fn depths(&self) -> Result<(Depths, Depths), StoreError> {
        self.reads()?.depths().await
    }

    async fn prune(&self, before: Nanos, readers: &BTreeSet<String>) -> Result<u64, StoreError> {
        self.writes()?.prune(before, readers).await
    }
}
