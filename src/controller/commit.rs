//! One writer, many changes at a time: what is ready while a transaction runs goes into the next one together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Duration, Instant};
use tracing::{error, info};

use super::event_feed::EventFeed;
use super::halving::halved;
use super::progress::{Progress, Ticket};
use crate::locked::locked;
use crate::observed::{ContainerKey, Cursor, Shard};
use crate::resource::event::EventKind;
use crate::resource::event::subject::EventSubject;
use crate::resource::{KindId, ObjectKey};
use crate::store::{
    ChangeSet, Commit, NewEvent, ObjectWrite, ObjectWritten, RecordChange, Settlement, Store, StoreError,
};

/// Changes in one transaction at most.
const BATCH: usize = 256;
/// A cursor that moved although nothing changed is stored with the next change, or after this long.
const LAZY: Duration = Duration::from_secs(10);

/// Between two tries of what must be stored.
const AGAIN: Duration = Duration::from_secs(1);
/// Of so many refused things people are told at most.
const TOLD: usize = 1000;

/// Each engine's progress.
pub(super) type Journal = Arc<Mutex<BTreeMap<Arc<str>, Progress>>>;

/// Hands changes to the writer.
#[derive(Clone, Debug)]
pub struct Committer {
    requests: mpsc::Sender<Request>,
    journal: Journal,
    health: Arc<Mutex<StoreHealth>>,
    full: Arc<Notify>,
}

/// Whether the store can commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreHealth {
    /// The last failure, if nothing was committed since.
    pub error: Option<String>,
    /// Whether that was for want of room.
    pub full: bool,
}

/// What the writer is asked for.
#[derive(Debug)]
enum Request {
    Changes(Box<Pending>),
    Objects(PendingWrites),
}

/// A change set that waits for the writer.
#[derive(Debug)]
struct Pending {
    changes: ChangeSet,
    tickets: Tickets,
    done: oneshot::Sender<Result<(), Arc<StoreError>>>,
}

/// Writes of objects that wait for the writer.
#[derive(Debug)]
struct PendingWrites {
    writes: Vec<ObjectWrite>,
    done: oneshot::Sender<Result<Vec<ObjectWritten>, Arc<StoreError>>>,
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
        let full = Arc::new(Notify::new());
        let committer = Self { requests, journal, health, full };
        let Self { journal, health, full, .. } = committer.clone();
        let writer = Writer { store, journal, health, feed, full, told: BTreeSet::new() };
        (committer, crate::vital::spawn("the writer", writer.run(receiver)))
    }

    /// Until a commit finds the disk full, for the first time since one was made.
    pub(super) async fn full(&self) {
        self.full.notified().await;
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
        self.ask(Request::Changes(Box::new(Pending { changes, tickets, done })), answer).await
    }

    async fn ask<T>(
        &self,
        request: Request,
        answer: oneshot::Receiver<Result<T, Arc<StoreError>>>,
    ) -> Result<T, Arc<StoreError>> {
        let stopped = || Arc::new(StoreError::Unfit("Portreeve is stopping".to_owned()));
        self.requests.send(request).await.map_err(|_| stopped())?;
        answer.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Commits what must not be lost, however long the store fails. What the store refuses it would always refuse.
    pub(super) async fn commit_until_stored(&self, changes: ChangeSet) {
        while let Err(error) = self.commit_with(changes.clone(), Tickets::new()).await {
            if error.is_refused() {
                return;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// The same error for one of several who wait for it.
fn shared(error: &StoreError) -> StoreError {
    match error.is_refused() {
        true => StoreError::Rejected(error.to_string()),
        false => StoreError::Unfit(error.to_string()),
    }
}

#[async_trait]
impl Commit for Committer {
    async fn commit(&self, changes: ChangeSet) -> Result<(), StoreError> {
        self.commit_with(changes, Tickets::new()).await.map_err(|error| shared(&error))
    }

    async fn write_objects(&self, writes: Vec<ObjectWrite>) -> Result<Vec<ObjectWritten>, StoreError> {
        let (done, answer) = oneshot::channel();
        let asked = self.ask(Request::Objects(PendingWrites { writes, done }), answer).await;
        asked.map_err(|error| shared(&error))
    }
}

struct Writer {
    store: Arc<dyn Store>,
    journal: Journal,
    health: Arc<Mutex<StoreHealth>>,
    feed: Arc<EventFeed>,
    /// Notified when the disk begins to be full.
    full: Arc<Notify>,
    /// What was refused and told of, and was not stored since.
    told: BTreeSet<String>,
}

impl Writer {
    async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
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

    async fn write(&mut self, batch: Vec<Request>) {
        let (mut changes, mut writes) = (Vec::with_capacity(batch.len()), Vec::new());
        for request in batch {
            match request {
                Request::Changes(pending) => changes.push(*pending),
                Request::Objects(pending) => writes.push(pending),
            }
        }
        // Without changes there may still be cursors to store.
        if !changes.is_empty() {
            self.write_changes(changes).await;
        } else if writes.is_empty() {
            let _ = self.commit(Vec::new()).await;
        }
        if !writes.is_empty() {
            self.write_objects(writes).await;
        }
    }

    async fn write_changes(&mut self, batch: Vec<Pending>) {
        let committed = {
            let writer = &*self;
            let attempt = |part: Vec<Pending>| async move {
                let (part, result) = writer.commit(part).await;
                let answers = result.map(|()| vec![(); part.len()]);
                (part, answers)
            };
            halved(batch, StoreError::is_refused, attempt).await
        };
        for (Pending { changes, done, .. }, result) in committed {
            match &result {
                Err(error) if error.is_refused() => self.tell(subject_of_all(&changes), error).await,
                Ok(()) if !self.told.is_empty() => drop(self.told.remove(&subject_of_all(&changes).1)),
                Ok(()) | Err(_) => {}
            }
            // Whoever asked may have gone meanwhile.
            let _ = done.send(result);
        }
    }

    /// Commits change sets together, with the cursors of what is dealt with by them; gives them back.
    async fn commit(&self, batch: Vec<Pending>) -> (Vec<Pending>, Result<(), StoreError>) {
        let mut tickets = Tickets::new();
        let mut changes = Vec::with_capacity(batch.len() + 1);
        let mut askers = Vec::with_capacity(batch.len());
        for Pending { changes: change, tickets: finished, done } in batch {
            for (engine, finished) in &finished {
                tickets.entry(engine.clone()).or_default().extend(finished);
            }
            changes.push(change);
            askers.push((finished, done));
        }
        let result = self.commit_all(&mut changes, &tickets).await;
        // The cursors stand behind what was asked for.
        let batch = changes.into_iter().zip(askers);
        (batch.map(|(changes, (tickets, done))| Pending { changes, tickets, done }).collect(), result)
    }

    /// Commits `changes`, to which the cursors are added.
    async fn commit_all(&self, changes: &mut Vec<ChangeSet>, tickets: &Tickets) -> Result<(), StoreError> {
        let none = BTreeSet::new();
        let cursors: Vec<(Arc<str>, Cursor)> = {
            let journal = locked(&self.journal);
            let cursor = |(engine, progress): (&Arc<str>, &Progress)| {
                Some((engine.clone(), progress.with(tickets.get(engine).unwrap_or(&none))?))
            };
            journal.iter().filter_map(cursor).collect()
        };
        if changes.is_empty() && cursors.is_empty() {
            return Ok(());
        }
        let stored: BTreeSet<_> = cursors.iter().map(|(engine, _)| engine.clone()).collect();
        changes.extend(cursors.into_iter().map(|(engine, cursor)| ChangeSet {
            cursor: Some(cursor),
            ..ChangeSet::of(Shard::Engine(engine))
        }));
        let result = self.store.commit(changes).await;
        self.note(&result);
        result?;
        if changes.iter().any(|change| !change.events.is_empty()) {
            self.feed.committed();
        }
        for (engine, progress) in locked(&self.journal).iter_mut() {
            let finished = tickets.get(engine).unwrap_or(&none);
            if stored.contains(engine) || !finished.is_empty() {
                progress.finish(finished, stored.contains(engine));
            }
        }
        Ok(())
    }

    async fn write_objects(&mut self, batch: Vec<PendingWrites>) {
        let writer = &*self;
        let attempt = |part: Vec<PendingWrites>| async move {
            let writes: Vec<_> = part.iter().flat_map(|pending| pending.writes.iter().cloned()).collect();
            let result = writer.store.write_objects(&writes).await;
            writer.note(&result);
            if result.is_ok() && writes.iter().any(|write| write.event.is_some()) {
                writer.feed.committed();
            }
            let answers = result.map(|written| {
                let mut written = written.into_iter();
                part.iter().map(|pending| written.by_ref().take(pending.writes.len()).collect()).collect()
            });
            (part, answers)
        };
        for (PendingWrites { writes, done }, result) in halved(batch, StoreError::is_refused, attempt).await {
            if let (Err(error), Some(write)) = (&result, writes.first())
                && error.is_refused()
            {
                let (kind, name) = write.change.key();
                let object = KindId::of(kind).map(|kind| ObjectKey { kind, name: name.to_owned() });
                let subject = object.as_ref().map_or(EventSubject::Portreeve, EventSubject::from);
                self.tell((subject, format!("{kind}/{name}")), error).await;
            }
            let _ = done.send(result);
        }
    }

    /// Says so once when the store begins to fail and once when it works again. One that refuses something works.
    fn note<T>(&self, result: &Result<T, StoreError>) {
        let mut health = locked(&self.health);
        match result {
            Err(error) if !error.is_refused() => {
                if health.error.is_none() {
                    error!(target: "portreeve::store", "the store cannot commit, so nothing is sent or done: {error}");
                }
                health.error = Some(error.to_string());
                if error.is_full() && !std::mem::replace(&mut health.full, true) {
                    self.full.notify_one();
                }
            }
            // It was not even asked.
            Err(StoreError::Rejected(_)) => {}
            Ok(_) | Err(_) => {
                health.full = false;
                if health.error.take().is_some() {
                    info!(target: "portreeve::store", "the store commits again");
                }
            }
        }
        metrics::gauge!("portreeve_store_up").set(if health.error.is_none() { 1.0 } else { 0.0 });
    }

    /// Tells that the store refuses something: a fault of our own, of this alone. What comes again is not told again until it was
    /// stored once.
    async fn tell(&mut self, (subject, name): (EventSubject, String), error: &StoreError) {
        metrics::counter!("portreeve_store_refused_total").increment(1);
        if self.told.len() >= TOLD || !self.told.insert(name.clone()) {
            return;
        }
        let message = format!(
            "a fault of Portreeve's own: what was decided about {name} cannot be stored and is tried again: {error}"
        );
        error!(target: "portreeve::store", "{message}");
        let event = NewEvent::new(EventKind::InternalError, subject, crate::clock::now());
        let event = event.because("StoreRefused").status("failed").saying(message);
        match self.store.append(&[event]).await {
            Ok(()) => self.feed.committed(),
            // It is told with the next try.
            Err(error) if !error.is_refused() => drop(self.told.remove(&name)),
            Err(_) => {}
        }
    }
}

/// What a change set is about, as an event names it and as people do.
fn subject_of_all(changes: &ChangeSet) -> (EventSubject, String) {
    let of_container = |key: &ContainerKey, name: &str| {
        let shown = format!("{} on {}", if name.is_empty() { key.short_id() } else { name }, key.engine);
        (EventSubject::container(&*key.engine, &*key.id, name), format!("container {shown}"))
    };
    if let Some(RecordChange { record, .. }) = changes.records.first() {
        return of_container(&record.key, &record.name);
    }
    let lanes = changes.outbox.iter().map(|row| &row.lane).chain(changes.cells.iter().map(|(cell, _)| cell));
    let settled = changes.settled.iter().filter_map(Settlement::lane);
    if let Some(lane) = lanes.chain(settled).next() {
        let (subject, name) = match lane.subject.container() {
            Some(key) => of_container(key, ""),
            None => (EventSubject::from(&lane.target), lane.subject.to_string()),
        };
        return (subject, format!("deliveries of {name} to {}", lane.target));
    }
    match (&changes.shard, changes.services.first()) {
        (Shard::Engine(engine), _) => (EventSubject::Engine(engine.to_string()), format!("engine {engine}")),
        (Shard::Fleet, Some((service, _))) => {
            (EventSubject::Service(service.clone()), format!("service {service}"))
        }
        (Shard::Fleet, None) => (EventSubject::Portreeve, "objects and deliveries".to_owned()),
    }
}
