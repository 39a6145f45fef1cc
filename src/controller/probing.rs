//! The schedule of probes: what is asked now, how often, and how many at once.
//!
//! Each probe of each container (or target outside Docker) is a task that sleeps until its time, so a slow one delays no
//! other. At most `Settings.maxConcurrentChecks` of one cost run at once; one that runs for over a second gives its place
//! to another and goes on, for then it only waits.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

mod asking;
mod cut_off;
mod downtime;
mod inbox;
mod prober;
mod result;
mod rhythm;

pub use asking::{Trial, Tried};
use downtime::TICK;
pub(super) use inbox::ProbeInbox;
pub(super) use prober::Prober;
use prober::{Check, CheckId, RunningCheck};
use rhythm::go_on;

use super::key::Key;
use super::parts::Parts;
use super::work::Work;
use crate::desired::Service;
use crate::locked::locked;
use crate::observed::{Container, ContainerKey, ProbeTarget, Shard, State, TargetState};
use crate::resource::monitored_service::Target;
use crate::store::ChangeSet;

/// How often rates are stored.
const FLUSH: Duration = Duration::from_secs(300);
/// First checks of many probes are so far apart.
const APART: Duration = Duration::from_millis(2);

impl Prober {
    /// Asks until `stop`; then what is known is stored.
    pub(super) async fn run(parts: Arc<Parts>, stop: CancellationToken) {
        let (changes, mut waiting) = mpsc::unbounded_channel();
        let prober = Arc::new(Self {
            parts: parts.clone(),
            running: Mutex::default(),
            places: Mutex::default(),
            unsaved: Mutex::default(),
            reach: Mutex::default(),
            changes,
        });
        let writer = parts.clone();
        let writing = crate::vital::spawn("the prober's writer", async move {
            while let Some(changes) = waiting.recv().await {
                writer.committer.commit_until_stored(changes).await;
            }
        });
        let mut flush = tokio::time::interval(FLUSH);
        let (begin, mut tick) = (tokio::time::Instant::now(), tokio::time::interval(TICK));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut counted = 0;
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = flush.tick() => prober.flush(),
                _ = tick.tick() => {
                    let now = begin.elapsed().as_secs();
                    prober.count_down(counted..now);
                    counted = now;
                }
                news = parts.probing.next() => {
                    if !news.services.is_empty() {
                        prober.declared(&news.services);
                    }
                    if news.engines {
                        prober.judge_all();
                    }
                    news.anew.iter().for_each(|name| prober.ask_anew(name));
                    news.containers.iter().for_each(|(key, concerned)| prober.container(key, concerned));
                }
            }
        }
        for running in locked(&prober.running).values() {
            running.task.abort();
        }
        prober.flush();
        drop(prober);
        // Tasks that were aborted let go of the rest at once; a store that fails is not waited for.
        let _ = tokio::time::timeout(Duration::from_secs(1), writing).await;
    }

    fn flush(&self) {
        let names = std::mem::take(&mut *locked(&self.unsaved));
        // By the one that decides on each: what it has told of a service and what is stored go together.
        let keys: Vec<Key> = names.iter().map(|name| Key::service(name)).collect();
        self.parts.health_cache.save(names);
        self.parts.queue.add_behind(keys);
    }

    fn store(&self, changes: ChangeSet) {
        // It ends with the process only.
        let _ = self.changes.send(changes);
    }

    /// Services are new, gone or declared otherwise.
    fn declared(self: &Arc<Self>, changed: &BTreeSet<String>) {
        let desired = self.parts.desired.load_full();
        let gone = self.parts.health_cache.keep(&desired.services);
        if !gone.is_empty() {
            self.end(|id| !desired.services.contains_key(&*id.service));
            let services = gone.into_iter().map(|name| (name, None)).collect();
            self.store(ChangeSet { services, at: crate::clock::now(), ..ChangeSet::of(Shard::Fleet) });
        }
        // First the dependencies, as far as they are remembered: what is done and told about a service says whether one of
        // them is behind it.
        changed.iter().filter(|name| desired.services.contains_key(*name)).for_each(|name| {
            self.parts.health_cache.begin_with(name);
        });
        self.parts.note_roots();
        let world = self.parts.world.load();
        for (name, service) in changed.iter().filter_map(|name| desired.services.get_key_value(name)) {
            let left: Vec<ProbeTarget> = self.parts.service(name).map_or_else(Vec::new, |state| {
                let of_it = |target: &&ProbeTarget| match target {
                    ProbeTarget::Outside => service.spec.target.is_some(),
                    ProbeTarget::Container(key) => {
                        world.members.services(key).iter().any(|of| **of == **name)
                    }
                };
                state.targets.keys().filter(|target| !of_it(target)).cloned().collect()
            });
            for target in &left {
                self.leave(name, target);
            }
            for container in world.members.containers(name).filter_map(|key| world.containers.get(key)) {
                let target = ProbeTarget::Container(container.key.clone());
                self.sync(name, service, &target, None, Some(container));
            }
            if let Some(target) = &service.spec.target {
                self.sync(name, service, &ProbeTarget::Outside, Some(target), None);
            }
            self.judge(name, None);
        }
        // Services further up may wait for one that is gone, or that is needed no longer.
        for name in changed.iter().flat_map(|name| desired.selection.needing_in_turn(name)) {
            self.parts.queue.add(Key::service(name), Work::default());
        }
        self.parts.health_cache.notify(changed.iter().map(String::as_str));
    }

    /// An engine is connected, or none of it is known any more: where it is missing, services may have no container.
    fn judge_all(self: &Arc<Self>) {
        let desired = self.parts.desired.load_full();
        desired.services.keys().for_each(|name| self.judge(name, None));
    }

    /// A container may be another, or in another state; it is, or was, of these services.
    fn container(self: &Arc<Self>, key: &ContainerKey, concerned: &BTreeSet<Arc<str>>) {
        let (desired, world) = (self.parts.desired.load_full(), self.parts.world.load());
        let container = world.containers.get(key);
        let target = ProbeTarget::Container(key.clone());
        for name in concerned {
            let Some(service) = desired.services.get(&**name) else { continue };
            match container.filter(|_| world.members.services(key).contains(name)) {
                Some(container) => {
                    self.sync(name, service, &target, None, Some(container));
                    self.judge(name, Some(&target));
                }
                None if self.leave(name, &target) => self.judge(name, Some(&target)),
                None => {}
            }
        }
    }

    /// Sees that a target is asked as its service says.
    fn sync(
        self: &Arc<Self>,
        name: &str,
        service: &Service,
        target: &ProbeTarget,
        outside: Option<&Target>,
        container: Option<&Container>,
    ) {
        let started = container.and_then(|container| container.started);
        let left = || self.parts.health_cache.left(name, target, started);
        let known = self
            .parts
            .health_cache
            .with(name, |state| state.targets.get(target).is_some_and(|known| known.started == started));
        if !known {
            // A run of its own: what was known of another says nothing about it.
            let fresh =
                TargetState { started, probes: left(), since: crate::clock::now(), ..TargetState::default() };
            self.parts.health_cache.with(name, |state| state.targets.insert(target.clone(), fresh));
        }
        let runs = container.is_none_or(|container| container.state == State::Running);
        let mut wanted = BTreeMap::new();
        for (probe, spec) in service.asking().filter(|_| runs && !service.suspended) {
            let id = CheckId { service: name.into(), target: target.clone(), probe: probe.into() };
            wanted.insert(id, Check { spec: spec.clone(), outside: outside.cloned(), started });
        }
        self.end_of(name, target, |id| !wanted.contains_key(id));
        for (id, check) in wanted {
            self.keep(id, check);
        }
        let names: BTreeSet<&str> = service.asking().map(|(name, _)| name).collect();
        self.parts.health_cache.with(name, |state| {
            if state
                .targets
                .get(target)
                .is_some_and(|known| !known.probes.keys().all(|probe| names.contains(probe.as_str())))
            {
                state
                    .targets
                    .update(target, |known| known.probes.retain(|probe, _| names.contains(probe.as_str())));
            }
        });
    }

    /// A target is none of the service's any more; whether it was.
    fn leave(&self, name: &str, target: &ProbeTarget) -> bool {
        let was = self
            .parts
            .health_cache
            .read(|services| services.get(name).is_some_and(|state| state.targets.contains_key(target)));
        if was {
            self.end_of(name, target, |_| true);
            self.parts.health_cache.with(name, |state| drop(state.targets.remove(target)));
        }
        was
    }

    fn end(&self, ends: impl Fn(&CheckId) -> bool) {
        locked(&self.running).retain(|id, running| {
            let ends = ends(id);
            if ends {
                running.task.abort();
            }
            !ends
        });
    }

    /// Ends checks of one target for one service, without a look at all the others.
    fn end_of(&self, service: &str, target: &ProbeTarget, ends: impl Fn(&CheckId) -> bool) {
        let first = CheckId { service: service.into(), target: target.clone(), probe: "".into() };
        let mut running = locked(&self.running);
        let of_it = running.range(&first..).map(|(id, _)| id);
        let of_it = of_it.take_while(|id| id.service == first.service && id.target == first.target);
        for id in of_it.filter(|id| ends(id)).cloned().collect::<Vec<_>>() {
            if let Some(ended) = running.remove(&id) {
                ended.task.abort();
            }
        }
    }

    fn keep(self: &Arc<Self>, id: CheckId, check: Check) {
        let mut running = locked(&self.running);
        if let Some(known) = running.get(&id) {
            if *known.check == check {
                return;
            }
            known.task.abort();
        }
        let check = Arc::new(check);
        let spread = APART.saturating_mul(u32::try_from(running.len()).unwrap_or(u32::MAX));
        let task = tokio::spawn(go_on(self.clone(), id.clone(), check.clone(), spread)).abort_handle();
        running.insert(id, RunningCheck { check, task });
    }

    /// Asks all targets of a service now, whenever it was to be.
    fn ask_anew(self: &Arc<Self>, name: &str) {
        let mut running = locked(&self.running);
        for (id, running) in running.iter_mut().filter(|(id, _)| *id.service == *name) {
            running.task.abort();
            let task = go_on(self.clone(), id.clone(), running.check.clone(), Duration::ZERO);
            running.task = tokio::spawn(task).abort_handle();
        }
    }

    fn judge(&self, name: &str, target: Option<&ProbeTarget>) {
        let desired = self.parts.desired.load();
        if let Some(service) = desired.services.get(name) {
            self.parts.judge(name, service, target);
        }
    }
}
