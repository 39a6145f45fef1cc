//! One informer per declared engine, and what becomes of what it sees.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use metrics::counter;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::attachments::Attachment;
use super::changes::RowChange;
use super::commit::Journal;
use super::container::wake_related;
use super::parts::Parts;
use super::progress::Progress;
use super::work::{Arrival, Break, Work};
use crate::docker::informer::{EventReader, Fingerprints, Informer};
use crate::docker::{Client, DockerError, EngineInfo};
use crate::locked::locked;
use crate::observed::{ContainerKey, Cursor, Engine, EngineEvent, EventKind, Nanos, Shard};
use crate::resource::docker_host::DockerHostSpec;
use crate::resource::event::subject::EventSubject;
use crate::resource::{DeletionPolicy, event};
use crate::store::{ChangeSet, NewEvent};

/// How long an event may take from the engine to us, in nanoseconds.
const ON_ITS_WAY: i64 = 1_000_000_000;

/// Watches the engines that are declared now.
pub(super) struct Engines {
    pub parts: Arc<Parts>,
    pub journal: Journal,
    pub resync: watch::Receiver<Duration>,
    pub stop: CancellationToken,
    pub running: BTreeMap<String, Running>,
}

pub(super) struct Running {
    spec: DockerHostSpec,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Engines {
    /// Starts, restarts and ends informers so that `hosts` are watched.
    pub(super) async fn sync(&mut self, hosts: &BTreeMap<String, DockerHostSpec>) {
        let gone: Vec<String> = self
            .running
            .iter()
            .filter(|(name, running)| {
                hosts.get(*name).map(connection).as_ref() != Some(&connection(&running.spec))
            })
            .map(|(name, _)| name.clone())
            .collect();
        for name in gone {
            if let Some(running) = self.running.remove(&name) {
                running.stop.cancel();
                // It ends at its next await; nothing it has in hand takes long.
                let _ = running.task.await;
                self.forget(&name, hosts.contains_key(&name));
            }
        }
        for (name, spec) in hosts {
            if !self.running.contains_key(name) {
                let running = self.watch(name, spec);
                self.running.insert(name.clone(), running);
            }
        }
    }

    /// Ends every informer. What is known of the engines stays: work that is still in hand needs it.
    pub(super) async fn finish(self) {
        for (name, Running { stop, task, .. }) in self.running {
            // What happened a moment ago may still be on its way here.
            let heard = Nanos(self.parts.world.engine_now(&name).0.saturating_sub(ON_ITS_WAY));
            stop.cancel();
            let _ = task.await;
            if self.parts.world.read(|world| world.is_connected(&name))
                && let Some(progress) = locked(&self.journal).get_mut(&*name)
            {
                progress.end(heard);
            }
            self.parts.engines.detach(&name);
        }
    }

    fn watch(&self, name: &str, spec: &DockerHostSpec) -> Running {
        let name: Arc<str> = name.into();
        let seen = Arc::new(Fingerprints::default());
        let reader = Arc::new(Watcher {
            name: name.clone(),
            parts: self.parts.clone(),
            journal: self.journal.clone(),
            seen: seen.clone(),
            read_only: spec.read_only,
            dropped: Notify::new(),
            dropping: AtomicBool::new(false),
            tells_who_stopped: AtomicBool::new(true),
            started: Mutex::default(),
        });
        self.parts.world.change(|world| {
            Arc::make_mut(&mut world.engines).entry(name.clone()).or_insert_with(|| Engine {
                connected: false,
                error: None,
                host: String::new(),
                version: String::new(),
                since: None,
                last_list: None,
                clock_ahead: 0,
                surroundings: Arc::default(),
            });
        });
        let (guard, resync) = (self.parts.guard.clone(), self.resync.clone());
        let informer = Informer { name, spec: spec.clone(), guard, reader, seen, resync };
        let stop = self.stop.child_token();
        Running {
            spec: spec.clone(),
            stop: stop.clone(),
            task: crate::vital::spawn("the watch on an engine", informer.run(stop)),
        }
    }

    /// An engine is no longer declared (or is declared otherwise): what it showed is not known any more.
    fn forget(&self, name: &str, comes_back: bool) {
        self.parts.engines.detach(name);
        // Under its new spec it is not connected before all that happened meanwhile has been read.
        self.parts.world.change(|world| {
            if let Some(engine) = world.engine_mut(name) {
                (engine.connected, engine.error, engine.since) = (false, None, Some(crate::clock::now()));
            }
        });
        if !comes_back {
            let left = self.parts.world.change_rows(|world, rows| {
                Arc::make_mut(&mut world.engines).remove(name);
                let gone: Vec<ContainerKey> =
                    world.containers.of_engine(name).map(|container| container.key.clone()).collect();
                let services = |key: &ContainerKey| (key.clone(), world.members.services(key).to_vec());
                let gone: Vec<_> = gone.iter().map(services).collect();
                for (key, _) in &gone {
                    rows.extend(world.containers.get(key).cloned().map(RowChange::Gone));
                    world.containers.remove(key);
                    world.members.set(key, Vec::new());
                }
                gone
            });
            warn!(target: "portreeve::engine", engine = %name, "no DockerHost declares it any more: no longer watching \
                its containers ({})", left.len());
            // Nobody hears of them again.
            for (key, services) in left {
                wake_related(&self.parts, &key, "", None);
                self.parts.probing.container(&key, services);
            }
            self.parts.probing.engines();
        }
    }
}

/// What of a DockerHost its connection depends on.
fn connection(spec: &DockerHostSpec) -> DockerHostSpec {
    DockerHostSpec {
        address: None,
        deletion_policy: DeletionPolicy::default(),
        labels: BTreeMap::new(),
        ..spec.clone()
    }
}

/// Whether an engine that started then has certainly run from `at` until the last contact: it was Portreeve that was away.
fn has_run_since(started: Option<Nanos>, at: Nanos) -> bool {
    started.is_some_and(|started| started <= at)
}

/// What one informer reports to.
#[derive(Debug)]
struct Watcher {
    name: Arc<str>,
    parts: Arc<Parts>,
    journal: Journal,
    seen: Arc<Fingerprints>,
    read_only: bool,
    dropped: Notify,
    /// Events are dropped until the stream is read anew.
    dropping: AtomicBool,
    /// Whether the end of a run comes with who caused it.
    tells_who_stopped: AtomicBool,
    /// When the engine started, by its own clock, as of the last contact.
    started: Mutex<Option<Nanos>>,
}

impl Watcher {
    fn change_engine(&self, change: impl FnOnce(&mut Engine)) {
        self.parts.world.change(|world| {
            if let Some(engine) = world.engine_mut(&self.name) {
                change(engine);
            }
        });
    }

    /// Adds work to every container of this engine.
    fn add_to_all(&self, work: impl Fn() -> Work) {
        for key in self.known() {
            self.parts.queue.add(key, work());
        }
    }

    /// Events up to `to` may have been missed.
    fn lost(&self, to: Nanos, message: String) {
        warn!(target: "portreeve::engine", engine = %self.name, "{message}");
        self.add_to_all(|| Work { breaks: vec![(0, Break::Gap(to))], ..Work::default() });
        let engine = EventSubject::Engine(self.name.to_string());
        let gap = NewEvent::new(event::EventKind::Gap, engine, to).because("EventsLost");
        let changes = ChangeSet::told(gap.status("unknown").saying(message));
        let parts = self.parts.clone();
        tokio::spawn(async move { parts.committer.commit_until_stored(changes).await });
    }
}

impl EventReader for Watcher {
    fn cursor(&self) -> Option<Cursor> {
        locked(&self.journal).get(&self.name).map(|progress| progress.cursor().clone())
    }

    fn attached(&self, client: Client, info: &EngineInfo) {
        self.dropping.store(false, Ordering::Relaxed);
        self.tells_who_stopped.store(client.dialect().tells_who_stopped(), Ordering::Relaxed);
        *locked(&self.started) = info.surroundings.engine_started;
        let mut journal = locked(&self.journal);
        let mut back = false;
        match journal.get_mut(&self.name) {
            Some(progress) => {
                progress.restart();
                back = progress.contact(info.time);
            }
            None => {
                journal.insert(self.name.clone(), Progress::new(Cursor::new(info.time), false));
            }
        }
        drop(journal);
        if back {
            self.lost(
                info.time,
                "the engine's clock went back: containers may have come and gone unseen".to_owned(),
            );
        }
        // Whoever finds the engine attached finds its name.
        self.change_engine(|engine| {
            engine.host.clone_from(&info.host);
            engine.version.clone_from(&info.version);
            engine.clock_ahead = info.clock_ahead;
            engine.surroundings.clone_from(&info.surroundings);
        });
        self.parts.world.change(|world| world.interfaces = info.interfaces.clone());
        let attachment = Attachment {
            client,
            seen: self.seen.clone(),
            contact: info.time,
            read_only: self.read_only,
            door: Arc::default(),
        };
        self.parts.engines.attach(self.name.clone(), attachment);
        // It is asked as before: what timed out did so on the last connection.
        self.parts.queue.slow(&Shard::Engine(self.name.clone()), false);
        for key in self.known() {
            self.parts.queue.resume(&key.into());
        }
    }

    fn clock(&self, now: Nanos, ahead: i64) {
        if let Some(progress) = locked(&self.journal).get_mut(&self.name) {
            // All that happened was heard, by whatever clock: the next contact is not to take it for lost.
            progress.contact(now);
        }
        self.change_engine(|engine| engine.clock_ahead = ahead);
    }

    fn ready(&self) {
        let now = crate::clock::now();
        self.change_engine(|engine| {
            (engine.connected, engine.error, engine.since) = (true, None, Some(now));
        });
        self.parts.health_cache.notify([]);
        info!(target: "portreeve::engine", engine = %self.name, "connected");
        let healed = self.parts.desired.load().healed_by_default();
        info!(target: "portreeve::engine", engine = %self.name, "Event listener started for auto-monitoring {healed}");
        // Those that are decided on for the first time just now are not known yet.
        let at_work = self.parts.queue.at_work().into_iter();
        let here = Shard::Engine(self.name.clone());
        self.parts.queue.add_behind(at_work.filter(|key| key.shard() == here));
        self.parts.queue.add_behind(self.known());
        self.parts.probing.engines();
    }

    fn detached(&self, error: &DockerError, at: Option<Nanos>) {
        let now = crate::clock::now();
        self.parts.engines.detach(&self.name);
        let reason = error.to_string();
        let (was_connected, said) = self.parts.world.change(|world| {
            let Some(engine) = world.engine_mut(&self.name) else { return (false, true) };
            let was = engine.connected;
            let said = engine.error.as_deref() == Some(&*reason);
            engine.error = Some(reason);
            if was || engine.since.is_none() {
                engine.since = Some(now);
            }
            engine.connected = false;
            (was, said)
        });
        if was_connected || !said {
            self.parts.health_cache.notify([]);
            error!(target: "portreeve::engine", engine = %self.name, "degraded: {error}; trying again at least every 10 s");
        } else {
            debug!(target: "portreeve::engine", engine = %self.name, "still unreachable: {error}");
        }
        if was_connected {
            let at = at.unwrap_or(now);
            self.add_to_all(|| Work { breaks: vec![(0, Break::StreamEnded(at))], ..Work::default() });
        }
    }

    fn event(&self, event: EngineEvent, replayed: bool) {
        // Once one was dropped, a later one must not overtake it: all come again when the stream is read anew.
        if self.dropping.load(Ordering::Relaxed) {
            return;
        }
        // Labels never change; what is queued is kept small.
        let known = self.parts.records.get(&event.key).is_some();
        let event = if known { EngineEvent { labels: BTreeMap::new(), ..event } } else { event };
        let ticket = {
            let mut journal = locked(&self.journal);
            let Some(progress) = journal.get_mut(&self.name) else { return };
            let Some(ticket) = progress.begin(&event) else { return };
            ticket
        };
        counter!("portreeve_events_total", "engine" => self.name.to_string(), "type" => event.kind.as_str())
            .increment(1);
        if event.kind == EventKind::Start {
            debug!(target: "portreeve::engine", "Container start event detected: {} ({})", event.name, event.key.short_id());
        }
        let key = event.key.clone();
        let mut work = Work::default();
        if matches!(event.kind, EventKind::Die { .. }) && !self.tells_who_stopped.load(Ordering::Relaxed) {
            work.breaks.push((0, Break::CauseUntold(event.at)));
        }
        let from_outage = replayed && !has_run_since(*locked(&self.started), event.at);
        work.events.push(Arrival { event, ticket, replayed, from_outage });
        if !self.parts.queue.add(key, work) {
            self.dropping.store(true, Ordering::Relaxed);
            warn!(target: "portreeve::engine", engine = %self.name, "events come faster than they can be stored; they will be read again");
            self.dropped.notify_one();
        }
    }

    fn look(&self, key: &ContainerKey, heard: Nanos) {
        self.parts.queue.add(key, Work { look: Some(heard), ..Work::default() });
    }

    fn listed(&self, at: Nanos, absent: &[ContainerKey]) {
        let mut previous = None;
        self.change_engine(|engine| previous = engine.last_list.replace(at));
        if let Some(progress) = locked(&self.journal).get_mut(&self.name) {
            // By the last process's lists and its end, if this is the first.
            previous = previous.or(progress.cursor().seen);
            progress.seen(at);
        }
        counter!("portreeve_lists_total", "engine" => self.name.to_string()).increment(1);
        for key in absent {
            let record = self.parts.records.get(key);
            let known = record.map_or(Nanos(0), |record| record.last_known);
            let last_known = known.max(previous.unwrap_or_default());
            self.parts.queue.add(key, Work { absent: Some((at, last_known)), ..Work::default() });
        }
    }

    fn known(&self) -> Vec<ContainerKey> {
        self.parts.records.keys(|record| record.key.engine == self.name)
    }

    fn gap(&self, from: Nanos, to: Nanos) {
        self.lost(to, format!("containers may have come and gone unseen between {from} and {to}"));
    }

    async fn room(&self) {
        self.parts.queue.room(&Shard::Engine(self.name.clone())).await;
    }

    async fn dropped(&self) {
        self.dropped.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_has_run_since_its_start_and_of_one_whose_start_is_not_known_nothing_is() {
        assert!(has_run_since(Some(Nanos(5)), Nanos(5)));
        assert!(!has_run_since(Some(Nanos(5)), Nanos(4)), "it may have shut down after that");
        assert!(!has_run_since(None, Nanos(5)));
    }
}
