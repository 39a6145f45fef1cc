//! One writer, many changes at a time: what is ready while a transaction runs goes into the next one together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Duration, Instant};
use tracing::{error, info};

use super::event_feed::EventFeed;
use super::progress::{Progress, Ticket};
use crate::locked::locked;
use crate::outbox::Commit;
use crate::store::{ChangeSet, Store, StoreError};

/// Changes in one transaction at most.
const BATCH: usize = 256;
/// A cursor that moved although nothing changed is stored with the next change, or after this long.
const LAZY: Duration = Duration::from_secs(10);

/// Between two tries of what must be stored.
const AGAIN: Duration = Duration::from_secs(1);

/// Each engine's progress.
pub(super) type Journal = Arc<Mutex<BTreeMap<Arc<str>, Progress>>>;

/// Hands changes to the writer.
#[derive(Clone, Debug)]
pub struct Committer {
    requests: mpsc::Sender<Request>,
    journal: Journal,
    health: Arc<Mutex<StoreHealth>>,
}

/// Whether the store can commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreHealth {
    /// The last failure, if nothing was committed since.
    pub error: Option<String>,
}

#[derive(Debug)]
struct Request {
    changes: ChangeSet,
    tickets: Tickets,
    done: oneshot::Sender<Result<(), Arc<StoreError>>>,
}

/// Events whose work a change finishes, by engine.
pub(super) type Tickets = BTreeMap<Arc<str>, BTreeSet<Ticket>>;

impl Committer {
    /// Starts the writer, which tells `feed` of events; it ends when every committer is gone.
    pub(super) fn start(
        store: Arc<dyn Store>,
        journal: Journal,
        feed: Arc<EventFeed>,
    ) -> (Self, tokio::task::JoinHandle<()>) {
        let (requests, receiver) = mpsc::channel(1024);
        let health = Arc::new(Mutex::new(StoreHealth::default()));
        let writer = Writer { store, journal: journal.clone(), health: health.clone(), feed };
        (Self { requests, journal, health }, crate::vital::spawn("the writer", writer.run(receiver)))
    }

    /// Whether the store can commit.
    pub fn health(&self) -> StoreHealth {
        locked(&self.health).clone()
    }

    /// Commits `changes` and, with them, that the events behind `tickets` are dealt with.
    ///
    /// Without changes nothing is written now: the cursor goes with the next change.
    pub(super) async fn commit_with(
        &self,
        changes: ChangeSet,
        tickets: Tickets,
    ) -> Result<(), Arc<StoreError>> {
        if changes.is_empty() {
            let mut journal = locked(&self.journal);
            for (engine, tickets) in &tickets {
                if let Some(progress) = journal.get_mut(engine) {
                    progress.finish(tickets, false);
                }
            }
            return Ok(());
        }
        let (done, answer) = oneshot::channel();
        let stopped = || Arc::new(StoreError::Unfit("Portreeve is stopping".to_owned()));
        self.requests.send(Request { changes, tickets, done }).await.map_err(|_| stopped())?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Commits what must not be lost, however long the store fails.
    pub(super) async fn commit_until_stored(&self, changes: ChangeSet) {
        while self.commit_with(changes.clone(), Tickets::new()).await.is_err() {
            tokio::time::sleep(AGAIN).await;
        }
    }
}

#[async_trait]
impl Commit for Committer {
    async fn commit(&self, changes: ChangeSet) -> Result<(), StoreError> {
        self.commit_with(changes, Tickets::new()).await.map_err(|error| StoreError::Unfit(error.to_string()))
    }
}

struct Writer {
    store: Arc<dyn Store>,
    journal: Journal,
    health: Arc<Mutex<StoreHealth>>,
    feed: Arc<EventFeed>,
}

impl Writer {
    async fn run(self, mut requests: mpsc::Receiver<Request>) {
        let mut flush = Instant::now() + LAZY;
        loop {
            let mut batch = Vec::new();
            tokio::select! {
                count = requests.recv_many(&mut batch, BATCH) => {
                    if count == 0 {
                        break;
                    }
                }
                () = tokio::time::sleep_until(flush) => {}
            }
            flush = Instant::now() + LAZY;
            self.write(batch).await;
        }
        self.write(Vec::new()).await;
    }

    async fn write(&self, batch: Vec<Request>) {
        let mut tickets = Tickets::new();
        let (mut changes, mut waiting) = (Vec::with_capacity(batch.len() + 1), Vec::new());
        for Request { changes: change, tickets: finished, done } in batch {
            for (engine, finished) in finished {
                tickets.entry(engine).or_default().extend(finished);
            }
            changes.push(change);
            waiting.push(done);
        }
        let cursors: BTreeMap<_, _> = {
            let journal = locked(&self.journal);
            let none = BTreeSet::new();
            let cursor = |(engine, progress): (&Arc<str>, &Progress)| {
                Some((engine.clone(), progress.with(tickets.get(engine).unwrap_or(&none))?))
            };
            journal.iter().filter_map(cursor).collect()
        };
        if changes.is_empty() && cursors.is_empty() {
            return;
        }
        let stored: Vec<_> = cursors.keys().cloned().collect();
        changes.push(ChangeSet { cursors, ..ChangeSet::default() });
        let result = self.store.commit(&changes).await.map_err(Arc::new);
        self.note(&result);
        if result.is_ok() {
            if changes.iter().any(|change| !change.events.is_empty()) {
                self.feed.committed();
            }
            let mut journal = locked(&self.journal);
            let none = BTreeSet::new();
            for (engine, progress) in journal.iter_mut() {
                let finished = tickets.get(engine).unwrap_or(&none);
                if stored.contains(engine) || !finished.is_empty() {
                    progress.finish(finished, stored.contains(engine));
                }
            }
        }
        for done in waiting {
            // Whoever asked may have gone meanwhile.
            let _ = done.send(result.clone());
        }
    }

    /// Says so once when the store begins to fail and once when it works again.
    fn note(&self, result: &Result<(), Arc<StoreError>>) {
        let mut health = locked(&self.health);
        match result {
            Ok(()) => {
                if health.error.take().is_some() {
                    info!(target: "portreeve::store", "the store commits again");
                }
            }
            Err(error) => {
                if health.error.is_none() {
                    error!(target: "portreeve::store", "the store cannot commit, so nothing is sent or done: {error}");
                }
                health.error = Some(error.to_string());
            }
        }
        metrics::gauge!("portreeve_store_up").set(if health.error.is_none() { 1.0 } else { 0.0 });
    }
}
