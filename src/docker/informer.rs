//! Watching one engine: subscribe, then list, then look at what changed; for ever.
//!
//! # Guarantees
//! Whatever the stream does (ends, falls silent, skips events), the state seen is right again within the resync
//! interval. The reader of the stream never waits for anybody: [`EventReader::event`] only queues.
//!
//! # Order
//! A replay is read to its end before the list is looked at, so that the runs of a container are recorded in the
//! order in which they happened.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use backoff::ExponentialBackoffBuilder;
use backoff::backoff::Backoff;
use futures_util::StreamExt;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::dialect::Healths;
use super::{Client, DockerError, EngineInfo, Listed};
use crate::guard::Guard;
use crate::observed::{ContainerKey, Cursor, EngineEvent, Nanos};
use crate::resource::docker_host::DockerHostSpec;

mod seen;

pub use seen::Fingerprints;

/// Between two tries to reach an engine.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// A stream can go silent and stay open: it is replaced this often.
const RENEW: Duration = Duration::from_secs(300);
/// How long a replay may take before the connection counts as broken.
const REPLAY: Duration = Duration::from_secs(10);
/// An event on its way overtakes a list: what a list shows is looked at only if no event explains it by then.
const EXPLAIN: Duration = Duration::from_secs(1);

/// Takes in what an informer reads. No call may block.
pub trait EventReader: Send + Sync + 'static {
    /// How far this engine's stream was dealt with, durably; `None` before the first contact.
    fn cursor(&self) -> Option<Cursor>;
    /// The engine answers: inspects and actions go to `client` from now on.
    fn attached(&self, client: Client, info: &EngineInfo);
    /// While we listen the engine's clock shows `now`, and is ahead of ours by so many nanoseconds.
    fn clock(&self, now: Nanos, ahead: i64);
    /// The stream flows and the first list has been read.
    fn ready(&self);
    /// The connection is lost, at `at` by the engine's clock as far as known.
    fn detached(&self, error: &DockerError, at: Option<Nanos>);
    /// An event; `replayed` if it happened before the contact.
    fn event(&self, event: EngineEvent, replayed: bool);
    /// Waits until there is room for events again.
    fn room(&self) -> impl Future<Output = ()> + Send;
    /// Something about this container may have changed; its events up to engine time `heard` were told before.
    fn look(&self, key: &ContainerKey, heard: Nanos);
    /// A full list was read at `at`; `absent` are those known before it that it does not hold.
    fn listed(&self, at: Nanos, absent: &[ContainerKey]);
    /// Containers known to exist, before a list is asked for.
    fn known(&self) -> Vec<ContainerKey>;
    /// Between these times something may have come and gone unseen.
    fn gap(&self, from: Nanos, to: Nanos);
    /// Resolves when events had to be dropped: the stream must be read again from the cursor.
    fn dropped(&self) -> impl Future<Output = ()> + Send;
}

/// What an informer needs to know beside its reader.
#[derive(Debug)]
pub struct Informer<W> {
    /// Name of the DockerHost.
    pub name: Arc<str>,
    /// How to reach it.
    pub spec: DockerHostSpec,
    /// What may be reached.
    pub guard: Guard,
    /// Takes it in.
    pub reader: Arc<W>,
    /// What was last seen of each container, shared with whoever inspects.
    pub seen: Arc<Fingerprints>,
    /// Time between full lists.
    pub resync: watch::Receiver<Duration>,
}

/// How far events were read, to continue from and to know when a replay is over.
type Read = watch::Sender<Cursor>;

struct Session<'a, W> {
    informer: &'a Informer<W>,
    client: Client,
    /// The engine's clock at `asked`, so that its time can be told without asking.
    engine_time: Nanos,
    asked: Instant,
    read: Arc<Read>,
    since: Nanos,
    /// What happened before the contact is still being read.
    replaying: Arc<AtomicBool>,
}

impl<W: EventReader> Informer<W> {
    /// Watches until `stop`. Reconnects for ever.
    pub async fn run(self, stop: CancellationToken) {
        let mut waits = ExponentialBackoffBuilder::new()
            .with_initial_interval(Duration::from_millis(100))
            .with_max_interval(LONGEST_WAIT)
            .with_randomization_factor(0.2)
            .with_max_elapsed_time(None)
            .build();
        loop {
            let mut engine_time = None;
            let lost = tokio::select! {
                () = stop.cancelled() => return,
                lost = self.session(&mut waits, &mut engine_time) => lost,
            };
            self.reader.detached(&lost, engine_time);
            let wait = waits.next_backoff().unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT);
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// One connection, from subscribing to its end.
    async fn session(
        &self,
        waits: &mut backoff::ExponentialBackoff,
        engine_time: &mut Option<Nanos>,
    ) -> DockerError {
        let (client, info) = match Client::connect(&self.name, &self.spec, &self.guard).await {
            Ok(connected) => connected,
            Err(error) => return error,
        };
        let asked = Instant::now();
        self.reader.attached(client.clone(), &info);
        // Read again before there is room, it would only overrun again. What waits is worked on from here on.
        self.reader.room().await;
        let cursor = self.reader.cursor();
        let since = cursor.as_ref().map_or(info.time, Cursor::since);
        let mut session = Session {
            informer: self,
            client,
            engine_time: info.time,
            asked,
            read: Arc::new(watch::Sender::new(Cursor::new(since))),
            since,
            replaying: Arc::new(AtomicBool::new(true)),
        };
        let error = session.run(cursor, waits).await;
        *engine_time = Some(session.now());
        error
    }
}

impl<W: EventReader> Session<'_, W> {
    async fn run(&mut self, cursor: Option<Cursor>, waits: &mut backoff::ExponentialBackoff) -> DockerError {
        let mut reader = self.subscribe(self.since);
        if let Err(error) = self.replay(cursor.as_ref()).await {
            return error;
        }
        // From here on nothing is a replay, wherever the engine's clock goes.
        self.replaying.store(false, Ordering::Relaxed);
        if let Err(error) = self.relist(Round::First).await {
            return error;
        }
        // Whoever refuses the stream lets the list pass, perhaps: that is no connection.
        if reader.task.is_finished() {
            let ended = (&mut reader.task).await;
            return ended.unwrap_or_else(|_| self.unreachable("the event reader failed"));
        }
        self.informer.reader.ready();
        waits.reset();
        let mut resync_settings = self.informer.resync.clone();
        let mut renew = Instant::now() + RENEW;
        let mut resync = self.next_resync();
        loop {
            tokio::select! {
                ended = &mut reader.task => {
                    return ended.unwrap_or_else(|_| self.unreachable("the event reader failed"));
                }
                () = self.informer.reader.dropped() => {
                    return self.unreachable("events came faster than they could be stored");
                }
                _ = resync_settings.changed() => resync = resync.min(self.next_resync()),
                () = tokio::time::sleep_until(renew) => {
                    reader = self.renew().await;
                    renew = Instant::now() + RENEW;
                }
                () = tokio::time::sleep_until(resync) => {
                    match self.relist(Round::Check).await {
                        Ok(false) => {}
                        // Something changed and no event told of it: the stream may have fallen silent. A new one
                        // tells what happened; if that is silent, too, the list has to do.
                        Ok(true) => {
                            reader = self.renew().await;
                            renew = Instant::now() + RENEW;
                            tokio::time::sleep(EXPLAIN).await;
                            if let Err(error) = self.relist(Round::Proof).await {
                                return error;
                            }
                        }
                        Err(error) => return error,
                    }
                    resync = self.next_resync();
                }
            }
        }
    }

    fn unreachable(&self, reason: &str) -> DockerError {
        DockerError::Unreachable {
            endpoint: self.informer.spec.endpoint.clone(),
            reason: reason.to_owned(),
            sent: true,
        }
    }

    /// The engine's clock, by its last word and the time since.
    fn now(&self) -> Nanos {
        let elapsed = i64::try_from(self.asked.elapsed().as_nanos()).unwrap_or(i64::MAX);
        Nanos(self.engine_time.0.saturating_add(elapsed))
    }

    fn next_resync(&self) -> Instant {
        let period = *self.informer.resync.borrow();
        // ±10 %, so that many engines are not listed at once.
        let share = f64::from(u32::try_from(uuid::Uuid::now_v7().as_u128() & 0xffff).unwrap_or(0)) / 65_536.0;
        Instant::now() + period.mul_f64(0.9 + share * 0.2)
    }

    fn subscribe(&self, since: Nanos) -> Reader {
        let client = self.client.clone();
        let (reader, read, contact) = (self.informer.reader.clone(), self.read.clone(), self.engine_time);
        let replaying = self.replaying.clone();
        let endpoint = self.informer.spec.endpoint.clone();
        let task = crate::vital::spawn("the reader of an engine's events", async move {
            let mut events = match client.events(since).await {
                Ok(events) => events,
                Err(error) => return error,
            };
            let mut healths = Healths::default();
            while let Some(event) = events.next().await {
                match event {
                    Ok(Some(event)) => {
                        let (at, anchor) = (event.at, event.anchor());
                        if healths.is_news(client.dialect(), &event) {
                            reader.event(event, at < contact && replaying.load(Ordering::Relaxed));
                        }
                        read.send_modify(|read| read.enter(at, anchor));
                    }
                    Ok(None) => {}
                    Err(error) => return error,
                }
            }
            DockerError::Unreachable { endpoint, reason: "the event stream ended".to_owned(), sent: true }
        });
        Reader { task }
    }

    /// Asks for the engine's clock: a machine that slept, or whose time was set, has another than it had. One that does
    /// not answer keeps what was measured last.
    async fn measure(&mut self) {
        if let Ok((time, ahead)) = self.client.clock().await {
            (self.engine_time, self.asked) = (time, Instant::now());
            self.read.send_modify(|read| {
                read.follow(time);
            });
            self.informer.reader.clock(time, ahead);
        }
    }

    /// Replaces the stream; the new one begins a little before where the old one was.
    async fn renew(&mut self) -> Reader {
        self.measure().await;
        let since = self.read.borrow().since();
        self.subscribe(since)
    }

    /// Waits until everything that happened before the contact has been read, and says if something was lost.
    async fn replay(&self, cursor: Option<&Cursor>) -> Result<(), DockerError> {
        let Some(cursor) = cursor else { return Ok(()) };
        let ring = self.client.ring(cursor, self.engine_time).await?;
        if !ring.complete && cursor.known() < self.engine_time {
            self.informer.reader.gap(cursor.known(), self.engine_time);
        }
        if let Some(last) = ring.last.filter(|(at, _)| *at >= self.since) {
            let mut read = self.read.subscribe();
            let beyond = |read: &Cursor| read.recent.first().is_some_and(|(oldest, _)| *oldest > last.0);
            let read = read.wait_for(|read| read.recent.contains(&last) || beyond(read));
            if tokio::time::timeout(REPLAY, read).await.is_err() {
                return Err(self.unreachable("no events arrive on the event stream"));
            }
        }
        Ok(())
    }

    /// Lists, and has looked at what changed; in a [`Round::Check`] says instead if something changed that no event
    /// had told of.
    async fn relist(&mut self, round: Round) -> Result<bool, DockerError> {
        let known: HashSet<ContainerKey> = self.informer.reader.known().into_iter().collect();
        let rows = self.client.list().await?;
        let at = self.now();
        let listed: HashSet<&ContainerKey> = rows.iter().map(|row| &row.key).collect();
        // Events go on meanwhile: only what was known before the list and still is can be missing from it.
        let absent = || -> Vec<ContainerKey> {
            let still_known = self.informer.reader.known().into_iter();
            still_known.filter(|key| known.contains(key) && !listed.contains(key)).collect()
        };
        let changed =
            || -> Vec<&Listed> { rows.iter().filter(|row| self.informer.seen.differs(row, at)).collect() };
        let unexplained = || !(changed().is_empty() && absent().is_empty());
        if round == Round::Check && unexplained() {
            tokio::time::sleep(EXPLAIN).await;
            if unexplained() {
                return Ok(true);
            }
        }
        // The replay was read up to the contact, and what happened before a later list has had its time to arrive.
        let heard = if round == Round::First { self.engine_time } else { at };
        for row in changed() {
            self.informer.seen.asked(row);
            self.informer.reader.look(&row.key, heard);
        }
        self.informer.reader.listed(at, &absent());
        Ok(false)
    }
}

/// What a list is made for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Round {
    /// To begin with.
    First,
    /// To see whether the events told everything.
    Check,
    /// To learn what no event told.
    Proof,
}

/// A task that reads a stream; ends with the handle.
struct Reader {
    task: JoinHandle<DockerError>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.task.abort();
    }
}
