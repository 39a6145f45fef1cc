//! A store with dispatchers on it, as the controller would wire them, and nothing else.

use portreeve::resource::KindId;
use std::sync::Arc;

use async_trait::async_trait;
use portreeve::outbox::billing::BillingQueue;
use portreeve::outbox::discovery::DiscoveryQueue;
use portreeve::outbox::{DeliveryContext, Dispatcher, HttpClient, Queue, Unrecorded, Waker};
use portreeve::store::{
    ChangeSet, Commit, ObjectWrite, ObjectWritten, QueueDepth, Sqlite, Store, StoreError,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::integration::fixtures::{ALL, depths};
use crate::support::wait;

/// The BillingService and the DiscoveryRegistry are both called so.
pub const TARGET: &str = "target";

/// Commits without a batch in between.
struct Direct(Arc<dyn Store>);

#[async_trait]
impl Commit for Direct {
    async fn commit(&self, changes: ChangeSet) -> Result<(), StoreError> {
        self.0.commit(&[changes]).await
    }

    async fn write_objects(&self, writes: Vec<ObjectWrite>) -> Result<Vec<ObjectWritten>, StoreError> {
        self.0.write_objects(&writes).await
    }
}

pub struct Post {
    pub store: Arc<dyn Store>,
    /// Of the store, if it is this one's own.
    home: Option<TempDir>,
    http: HttpClient,
    wakers: Vec<Waker>,
    stop: CancellationToken,
    running: JoinSet<Vec<Unrecorded>>,
}

impl Post {
    /// Over a store of its own.
    pub async fn new() -> Self {
        let home = TempDir::new().unwrap();
        let store = Arc::new(Sqlite::open(&home.path().join("portreeve.db")).await.unwrap());
        Self { home: Some(home), ..Self::over(store) }
    }

    /// Where its own store is.
    pub fn path(&self) -> std::path::PathBuf {
        self.home.as_ref().expect("a store of its own").path().join("portreeve.db")
    }

    pub fn over(store: Arc<dyn Store>) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            store,
            home: None,
            http: HttpClient::default(),
            wakers: Vec::new(),
            stop: CancellationToken::new(),
            running: JoinSet::new(),
        }
    }

    /// Serves a BillingService with quick retries; `spec` overrides.
    pub fn bill(&mut self, url: &str, spec: Value) {
        let mut base = json!({ "url": url, "retry": { "initial": "10ms", "max": "50ms" } });
        merge(&mut base, spec);
        let (name, spec) = (TARGET.to_owned(), serde_json::from_value(base).unwrap());
        self.serve(BillingQueue { name, spec, context: self.context() });
    }

    /// Serves a DiscoveryRegistry.
    pub fn register(&mut self, url: &str, spec: Value) {
        let mut base = json!({ "url": url });
        merge(&mut base, spec);
        let (name, spec) = (TARGET.to_owned(), serde_json::from_value(base).unwrap());
        self.serve(DiscoveryQueue { name, spec, context: self.context() });
    }

    pub fn context(&self) -> DeliveryContext {
        let commit = Arc::new(Direct(self.store.clone()));
        DeliveryContext { store: self.store.clone(), owned: ALL, commit, http: self.http.clone() }
    }

    pub fn serve(&mut self, queue: impl Queue) {
        let waker = Waker::default();
        self.wakers.push(waker.clone());
        self.running.spawn(Dispatcher::new(queue, waker).run(self.stop.clone()));
    }

    pub fn wake(&self) {
        self.wakers.iter().for_each(Waker::wake);
    }

    /// Commits and wakes, as a reconciler does.
    pub async fn commit(&self, change: ChangeSet) {
        self.store.commit(&[change]).await.expect("a commit");
        self.wake();
    }

    /// Ends the dispatchers properly; others may be started then.
    pub async fn end(&mut self) -> Vec<Unrecorded> {
        self.stop.cancel();
        let mut unrecorded = Vec::new();
        while let Some(ended) = self.running.join_next().await {
            unrecorded.extend(ended.unwrap());
        }
        self.stop = CancellationToken::new();
        self.wakers.clear();
        unrecorded
    }

    /// Serves the BillingService after a dispatcher that could not store all.
    pub fn bill_after(&mut self, unrecorded: Vec<Unrecorded>, url: &str) {
        let spec = serde_json::from_value(json!({ "url": url })).unwrap();
        let queue = BillingQueue { name: TARGET.to_owned(), spec, context: self.context() };
        let waker = Waker::default();
        self.wakers.push(waker.clone());
        self.running.spawn(Dispatcher::new(queue, waker).after(unrecorded).run(self.stop.clone()));
    }

    pub async fn bills_left(&self) -> QueueDepth {
        depths(&*self.store, KindId::BillingService).await.remove(TARGET).unwrap_or_default()
    }

    pub async fn cells_left(&self) -> QueueDepth {
        depths(&*self.store, KindId::DiscoveryRegistry).await.remove(TARGET).unwrap_or_default()
    }

    /// Waits until nothing is left to send.
    pub async fn drained(&self) {
        wait::until("everything is delivered", wait::SOON * 4, || async {
            let left = (self.bills_left().await, self.cells_left().await);
            wait::is(left.0.pending + left.1.pending == 0, left)
        })
        .await;
    }
}

fn merge(base: &mut Value, over: Value) {
    if let (Some(base), Value::Object(over)) = (base.as_object_mut(), over) {
        base.extend(over);
    }
}
