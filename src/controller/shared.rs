//! What the parts of the controller and the faces share: the world as last seen, what is desired, what is remembered.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use tokio::sync::{Mutex as AsyncMutex, Notify};

use super::attachments::{Attachment, Attachments};
use super::commit::Committer;
use super::departed::Departed;
use super::event_feed::EventFeed;
use super::intents::Intents;
use super::key::Key;
use super::load::Loads;
use super::probing::ProbeInbox;
use super::queue::Queue;
use super::services::HealthCache;
use super::timers::Timers;
use super::work::{Forget, Release, Work};
use super::world::WorldCell;
use crate::desired::{Desired, PolicyChoice, Scope};
use crate::guard::Guard;
use crate::locked::locked;
use crate::observed::{Container, ContainerKey, Counted, Nanos, World};
use crate::outbox::Waker;
use crate::reconcile::heal::dependencies::Dependencies;
use crate::reconcile::heal::{HealMemory, PolicyGroup};
use crate::reconcile::intent::Intent;
use crate::reconcile::lifecycle::Fact;
use crate::reconcile::plan::{Blocked, Reason};
use crate::reconcile::record::Record;
use crate::resource::{KindId, ObjectKey};
use crate::store::Store;

/// How long whoever lifts a quarantine, or has something forgotten, waits to hear that it is committed.
const RELEASE: std::time::Duration = std::time::Duration::from_secs(5);

/// What keys of groups begin with among those of healing memory, which begin with the name of an engine. The word is stored, and
/// stays.
pub(super) const GROUP: &str = "/crowd/";

/// The key under which a group is stored.
pub(super) fn group_key(engine: &str, policy: &str) -> String {
    format!("{GROUP}{engine}/{policy}")
}

/// One identity's healing memory. Whoever decides holds the lock until the decision is committed; faces read what was
/// last committed and never wait.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub lock: Arc<AsyncMutex<()>>,
    pub memory: ArcSwap<HealMemory>,
}

/// Everything shared. Faces read it; only the reconcilers write.
pub struct Shared {
    /// What is in force.
    pub desired: ArcSwap<Desired>,
    /// Durable memory.
    pub store: Arc<dyn Store>,
    /// The way into it.
    pub committer: Committer,
    /// Events as they are committed.
    pub feed: Arc<EventFeed>,
    /// What users' words may reach.
    pub guard: Guard,
    pub(super) world: WorldCell,
    /// How everything is that containers depend on.
    pub(super) dependencies: Mutex<Dependencies>,
    pub(super) queue: Queue,
    pub(super) timers: Timers,
    pub(super) engines: Attachments,
    pub(super) records: Mutex<HashMap<ContainerKey, Arc<Record>>>,
    /// What happened so far to containers that are being made to take the place of others.
    pub(super) making: Mutex<HashMap<ContainerKey, Vec<Fact>>>,
    pub(super) healing: Mutex<HashMap<String, Arc<Slot>>>,
    /// What is being done to containers.
    pub(super) intents: Arc<Intents>,
    /// What the containers of a policy on an engine have in common.
    pub(super) groups: Mutex<HashMap<String, Arc<AsyncMutex<PolicyGroup>>>>,
    /// The policy in whose group a container is.
    pub(super) group_of: Mutex<HashMap<ContainerKey, String>>,
    /// Whether each breaker is open, by engine and policy.
    pub(super) breakers: Mutex<BTreeMap<(Arc<str>, String), bool>>,
    pub(super) blocked: Mutex<BTreeMap<ContainerKey, Vec<Blocked>>>,
    pub(super) wakers: Mutex<HashMap<ObjectKey, Waker>>,
    pub(super) own_fault: Mutex<Option<(String, tokio::time::Instant)>>,
    /// What was declared and has consequences now that it is not.
    pub(super) departed: Departed,
    pub(super) health_cache: HealthCache,
    /// When the interfaces of this process were last read.
    pub(super) interfaces_read: Mutex<Option<tokio::time::Instant>>,
    pub(super) probing: ProbeInbox,
    pub(super) loads: Loads,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    /// The world as last seen.
    pub fn world(&self) -> Arc<World> {
        self.world.load()
    }

    pub(super) fn change_world<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        self.world.change(change)
    }

    pub(super) fn with_world<T>(&self, read: impl FnOnce(&World) -> T) -> T {
        self.world.read(read)
    }

    /// Whether an engine is watched, connected or not: it is declared.
    pub(super) fn is_watched(&self, engine: &str) -> bool {
        self.with_world(|world| world.engines.contains_key(engine))
    }

    /// The container whose network `container` uses, if it has none of its own and the other one is there.
    pub fn network_owner(&self, container: &Container) -> Option<Arc<Container>> {
        container.network_parent()?;
        self.with_world(|world| world.network_owner(container).ok().cloned().map(Arc::new))
    }

    pub(super) fn attachment(&self, engine: &str) -> Option<Attachment> {
        self.engines.get(engine)
    }

    /// The engine's clock, as well as it can be told.
    pub(super) fn engine_now(&self, engine: &str) -> Nanos {
        Nanos(crate::clock::now().0.saturating_add(self.clock_ahead(engine)))
    }

    /// The engine's clock minus ours, as last measured: while it is away its clock goes on.
    pub(super) fn clock_ahead(&self, engine: &str) -> i64 {
        self.with_world(|world| world.engines.get(engine).map_or(0, |engine| engine.clock_ahead))
    }

    /// What is remembered of a container that exists.
    pub fn record(&self, key: &ContainerKey) -> Option<Arc<Record>> {
        locked(&self.records).get(key).cloned()
    }

    /// Has everything about every container decided again, also about those of which nothing is remembered yet because
    /// they are being decided on for the first time.
    pub(super) fn requeue_all(&self) {
        let at_work = self.queue.at_work();
        let known = locked(&self.records).keys().map(Key::from).collect::<Vec<_>>();
        self.queue.add_behind(known.into_iter().chain(at_work).collect::<BTreeSet<Key>>());
    }

    /// Has the containers decided again about which something else may be decided than before, behind what happens meanwhile.
    pub(super) fn requeue(&self, scope: &Scope) {
        if scope.is_empty() {
            return;
        }
        let at_work = self.queue.at_work();
        let world = self.world();
        let touched = |(key, record): (&ContainerKey, &Arc<Record>)| {
            let subject = world.containers.get(key).map_or_else(|| record.subject(), |known| known.subject());
            scope.touches(&subject).then(|| Key::from(key))
        };
        let mut keys: BTreeSet<Key> = locked(&self.records).iter().filter_map(touched).collect();
        keys.extend(at_work);
        self.queue.add_behind(keys);
    }

    /// Why nothing is done about a container, as last decided.
    pub fn blocked(&self, key: &ContainerKey) -> Vec<Blocked> {
        locked(&self.blocked).get(key).cloned().unwrap_or_default()
    }

    /// How many containers nothing is done about, by reason.
    pub fn blocked_by_reason(&self) -> BTreeMap<Reason, usize> {
        let mut counts = BTreeMap::new();
        for blocked in locked(&self.blocked).values().flatten() {
            *counts.entry(blocked.reason).or_insert(0) += 1;
        }
        counts
    }

    /// Whether the breaker is open, by engine and policy.
    pub fn breakers(&self) -> BTreeMap<(Arc<str>, String), bool> {
        locked(&self.breakers).clone()
    }

    pub(super) fn group(&self, engine: &str, policy: &str) -> Arc<AsyncMutex<PolicyGroup>> {
        locked(&self.groups).entry(group_key(engine, policy)).or_default().clone()
    }

    /// Containers with work waiting or in progress, and events waiting.
    pub fn queue_depth(&self) -> (usize, usize) {
        self.queue.depth()
    }

    /// Healing memory of a logical identity, if there is any.
    pub fn healing(&self, logical_id: &str) -> Option<Arc<HealMemory>> {
        locked(&self.healing).get(logical_id).map(|slot| slot.memory.load_full())
    }

    /// A container as `status`, `top` and `/metrics` count it.
    pub fn counted(&self, container: &Container) -> Counted {
        let memory = self.healing(&container.logical_id()).unwrap_or_default();
        let policy = self.desired.load().policy_for(container);
        Counted {
            restarts: memory.restarts().into(),
            monitored: matches!(policy, PolicyChoice::Selected { .. }),
            quarantined: memory.quarantined.is_some(),
            ..Counted::from(container)
        }
    }

    /// The clock of an engine, for faces.
    pub fn clock_of(&self, engine: &str) -> Nanos {
        self.engine_now(engine)
    }

    /// The memory that belongs to a container, under an identity that no other container uses now.
    ///
    /// Labels may give two living containers one identity; then the first keeps it, and the other's id is added.
    pub(super) fn healing_slot(&self, container: &Container) -> (String, Arc<Slot>) {
        let mut identity = container.logical_id();
        let mut healing = locked(&self.healing);
        let memory = healing.get(&identity).map(|slot| slot.memory.load_full()).unwrap_or_default();
        // While one is put in the place of another, both are the same.
        let replaced =
            container.set_aside_from().is_some() || memory.intent.as_ref().is_some_and(Intent::recreates);
        let owner = memory.run.clone().filter(|_| !replaced);
        let owner = owner.map(|run| ContainerKey::new(container.key.engine.clone(), run.container));
        let taken = owner.filter(|owner| *owner != container.key).is_some_and(|owner| {
            self.with_world(|world| world.containers.get(&owner).is_some_and(|other| other.state.is_up()))
        });
        if taken {
            identity = format!("{identity}#{}", container.key.short_id());
        }
        let slot = healing.entry(identity.clone()).or_default().clone();
        (identity, slot)
    }

    /// Forgets a memory in which there is nothing to remember.
    pub(super) fn forget_healthy(&self, logical_id: &str) {
        let mut healing = locked(&self.healing);
        if healing.get(logical_id).is_some_and(|slot| **slot.memory.load() == HealMemory::default()) {
            healing.remove(logical_id);
        }
    }

    /// Forgets memories of containers that have been gone since `before`, and says whose.
    pub(super) fn forget_gone(&self, before: Nanos) -> Vec<String> {
        let known: std::collections::HashSet<Arc<str>> =
            locked(&self.records).keys().map(|key| key.id.clone()).collect();
        let gone = |slot: &Slot| {
            let memory = slot.memory.load();
            memory.run.as_ref().is_some_and(|run| run.seen < before && !known.contains(&run.container))
        };
        let mut healing = locked(&self.healing);
        let ids: Vec<String> =
            healing.iter().filter(|(_, slot)| gone(slot)).map(|(id, _)| id.clone()).collect();
        for id in &ids {
            healing.remove(id);
        }
        ids
    }

    /// Lifts the quarantine of a container in turn with all decisions about it, and waits five seconds at most for
    /// that to be committed; later it comes without anybody waiting. Whether it was in time. `caller` is who wishes it.
    pub async fn release(&self, key: &ContainerKey, caller: &str) -> bool {
        let done = Arc::new(Notify::new());
        let release = Release { caller: caller.to_owned(), done: done.clone() };
        self.queue.add(key, Work { releases: vec![release], ..Work::default() });
        tokio::time::timeout(RELEASE, done.notified()).await.is_ok()
    }

    /// Forgets, in turn with all decisions about each container, what a BillingService that is gone was told of it, so that
    /// it is told of no end; waits five seconds at most for that to be committed. Whether it was in time.
    pub async fn forget_follower(&self, target: &str) -> bool {
        // Nothing is decided about those of an engine that is away.
        let mut at_work = self.queue.at_work();
        at_work.retain(|key| key.container().is_some_and(|key| self.attachment(&key.engine).is_some()));
        let told: BTreeSet<Key> = {
            let records = locked(&self.records);
            let told = records.iter().filter(|(_, record)| record.followers.contains_key(target));
            told.map(|(key, _)| Key::from(key)).chain(at_work).collect()
        };
        let mut waiting = Vec::new();
        for key in told {
            let done = Arc::new(Notify::new());
            let forget = Forget { target: target.to_owned(), done: done.clone() };
            self.queue.add(key, Work { forgets: vec![forget], ..Work::default() });
            waiting.push(done);
        }
        let all = async {
            for done in waiting {
                done.notified().await;
            }
        };
        tokio::time::timeout(RELEASE, all).await.is_ok()
    }

    /// Wakes whoever registers with a DiscoveryRegistry.
    pub fn wake_registry(&self, target: &str) {
        self.wake_target(&ObjectKey { kind: KindId::DiscoveryRegistry, name: target.to_owned() });
    }

    /// Wakes whoever delivers to a BillingService: what was parked may be sent.
    pub fn wake_billing(&self, target: &str) {
        self.wake_target(&ObjectKey { kind: KindId::BillingService, name: target.to_owned() });
    }

    pub(super) fn wake_target(&self, target: &ObjectKey) {
        if let Some(waker) = locked(&self.wakers).get(target) {
            waker.wake();
        }
    }

    /// What is wrong with Portreeve itself, if anything is.
    pub fn own_fault(&self) -> Option<String> {
        let fault = locked(&self.own_fault);
        fault.as_ref().filter(|(_, until)| *until > tokio::time::Instant::now()).map(|(why, _)| why.clone())
    }
}
