//! What the parts of the controller and the faces share: the world as last seen, what is desired, what is remembered.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use arc_swap::ArcSwap;
use tokio::sync::{Mutex as AsyncMutex, Notify};

use super::commit::Committer;
use super::queue::{Queue, Work};
use super::timers::Timers;
use crate::desired::Desired;
use crate::docker::Client;
use crate::docker::informer::Seen;
use crate::observed::{ContainerKey, Nanos, World};
use crate::outbox::Bell;
use crate::reconcile::heal::HealMemory;
use crate::reconcile::plan::Blocked;
use crate::reconcile::record::Record;
use crate::store::Store;

/// How long whoever lifts a quarantine waits to hear that it is committed.
const RELEASE: std::time::Duration = std::time::Duration::from_secs(5);

/// What is guarded is replaced whole or not at all: a panic elsewhere leaves nothing half done.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One engine's connection, while there is one.
#[derive(Clone, Debug)]
pub(super) struct Attachment {
    pub client: Client,
    pub seen: Arc<Seen>,
    /// Engine clock minus ours, in nanoseconds.
    pub clock_ahead: i64,
    pub read_only: bool,
}

/// Everything shared. Faces read it; only the reconcilers write.
pub struct Shared {
    /// What is in force.
    pub desired: ArcSwap<Desired>,
    /// Durable memory.
    pub store: Arc<dyn Store>,
    /// The way into it.
    pub committer: Committer,
    pub(super) world: RwLock<World>,
    pub(super) queue: Queue,
    pub(super) timers: Timers,
    pub(super) engines: RwLock<HashMap<Arc<str>, Attachment>>,
    pub(super) records: Mutex<HashMap<ContainerKey, Arc<Record>>>,
    pub(super) healing: Mutex<HashMap<String, Arc<AsyncMutex<HealMemory>>>>,
    pub(super) blocked: Mutex<BTreeMap<ContainerKey, Vec<Blocked>>>,
    pub(super) bells: Mutex<HashMap<String, Bell>>,
    pub(super) own_fault: Mutex<Option<(String, tokio::time::Instant)>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    /// The world as last seen.
    pub fn world(&self) -> World {
        self.world.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn change_world<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        change(&mut self.world.write().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn with_world<T>(&self, read: impl FnOnce(&World) -> T) -> T {
        read(&self.world.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn attachment(&self, engine: &str) -> Option<Attachment> {
        self.engines.read().unwrap_or_else(PoisonError::into_inner).get(engine).cloned()
    }

    /// The engine's clock, as well as it can be told.
    pub(super) fn engine_now(&self, engine: &str) -> Nanos {
        let ahead = self.attachment(engine).map_or(0, |attachment| attachment.clock_ahead);
        Nanos(crate::clock::now().0.saturating_add(ahead))
    }

    pub(super) fn record(&self, key: &ContainerKey) -> Option<Arc<Record>> {
        locked(&self.records).get(key).cloned()
    }

    pub(super) fn known_containers(&self) -> Vec<ContainerKey> {
        locked(&self.records).keys().cloned().collect()
    }

    /// Why nothing is done about a container, as last decided.
    pub fn blocked(&self, key: &ContainerKey) -> Vec<Blocked> {
        locked(&self.blocked).get(key).cloned().unwrap_or_default()
    }

    /// Containers with work waiting or in hand, and events waiting.
    pub fn queue_depth(&self) -> (usize, usize) {
        self.queue.depth()
    }

    /// Healing memory of a logical identity, if there is any.
    pub async fn healing(&self, logical_id: &str) -> Option<HealMemory> {
        let memory = locked(&self.healing).get(logical_id).cloned()?;
        Some(memory.lock().await.clone())
    }

    pub(super) fn healing_slot(&self, logical_id: &str) -> Arc<AsyncMutex<HealMemory>> {
        locked(&self.healing).entry(logical_id.to_owned()).or_default().clone()
    }

    /// Lifts the quarantine of a container in turn with all decisions about it, and waits five seconds at most for
    /// that to be committed; later it comes without anybody waiting. Whether it was in time.
    pub async fn release(&self, key: &ContainerKey) -> bool {
        let done = Arc::new(Notify::new());
        self.queue.add(key, Work { releases: vec![done.clone()], ..Work::default() });
        tokio::time::timeout(RELEASE, done.notified()).await.is_ok()
    }

    /// Wakes whoever delivers to a BillingService: what was parked may be sent.
    pub fn wake_billing(&self, target: &str) {
        self.ring(&super::targets::billing_bell(target));
    }

    pub(super) fn ring(&self, target: &str) {
        if let Some(bell) = locked(&self.bells).get(target) {
            bell.ring();
        }
    }

    /// What is wrong with Portreeve itself, if anything is.
    pub fn own_fault(&self) -> Option<String> {
        let fault = locked(&self.own_fault);
        fault.as_ref().filter(|(_, until)| *until > tokio::time::Instant::now()).map(|(why, _)| why.clone())
    }
}
