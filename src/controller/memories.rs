//! Healing memory, by logical identity. Whoever decides holds a memory's lock until the decision is committed; faces read what
//! was last committed and never wait.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use tokio::sync::Mutex as AsyncMutex;
use tracing::warn;

use super::intents::Intents;
use crate::locked::locked;
use crate::observed::{Container, ContainerKey, Nanos, World};
use crate::reconcile::heal::HealMemory;
use crate::reconcile::intent::Intent;

/// One identity's.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub lock: Arc<AsyncMutex<()>>,
    pub memory: ArcSwap<HealMemory>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Memories(Mutex<HashMap<String, Arc<Slot>>>);

impl Memories {
    /// What an earlier process remembered.
    pub(super) fn of_stored(stored: BTreeMap<String, String>, intents: &Intents) -> Self {
        let mut memories = HashMap::new();
        for (logical_id, document) in stored {
            match serde_json::from_str::<HealMemory>(&document) {
                Ok(memory) => {
                    let open = intents.of_owner(&logical_id).map(|open| open.intent);
                    let memory = ArcSwap::from_pointee(HealMemory { intent: open, ..memory });
                    memories.insert(logical_id, Arc::new(Slot { memory, ..Slot::default() }));
                }
                Err(error) => {
                    warn!(target: "portreeve::healing", container = %logical_id, "its healing memory cannot be read and \
                        is reset: {error}");
                }
            }
        }
        Self(Mutex::new(memories))
    }

    /// What is remembered of a logical identity, if anything is.
    pub(super) fn get(&self, logical_id: &str) -> Option<Arc<HealMemory>> {
        locked(&self.0).get(logical_id).map(|slot| slot.memory.load_full())
    }

    /// The memory that belongs to a container, under an identity that no other container uses now.
    ///
    /// Labels may give two living containers one identity; then the first keeps it, and the other's id is added.
    pub(super) fn slot(&self, container: &Container, world: &World) -> (String, Arc<Slot>) {
        let mut identity = container.logical_id();
        let mut memories = locked(&self.0);
        let memory = memories.get(&identity).map(|slot| slot.memory.load_full()).unwrap_or_default();
        // While one is put in the place of another, both are the same.
        let replaced =
            container.set_aside_from().is_some() || memory.intent.as_ref().is_some_and(Intent::recreates);
        let owner = memory.run.clone().filter(|_| !replaced);
        let owner = owner.map(|run| ContainerKey::new(container.key.engine.clone(), run.container));
        let taken = owner
            .filter(|owner| *owner != container.key)
            .is_some_and(|owner| world.containers.get(&owner).is_some_and(|other| other.state.is_up()));
        if taken {
            identity = format!("{identity}#{}", container.key.short_id());
        }
        let slot = memories.entry(identity.clone()).or_default().clone();
        (identity, slot)
    }

    /// Forgets a memory in which there is nothing to remember.
    pub(super) fn forget_healthy(&self, logical_id: &str) {
        let mut memories = locked(&self.0);
        if memories.get(logical_id).is_some_and(|slot| **slot.memory.load() == HealMemory::default()) {
            memories.remove(logical_id);
        }
    }

    /// Forgets memories of containers that have been gone since `before`, for they are not `known`, and says whose.
    pub(super) fn forget_gone(&self, before: Nanos, known: &HashSet<Arc<str>>) -> Vec<String> {
        let gone = |slot: &Slot| {
            let memory = slot.memory.load();
            memory.run.as_ref().is_some_and(|run| run.seen < before && !known.contains(&run.container))
        };
        let mut memories = locked(&self.0);
        let ids: Vec<String> =
            memories.iter().filter(|(_, slot)| gone(slot)).map(|(id, _)| id.clone()).collect();
        for id in &ids {
            memories.remove(id);
        }
        ids
    }
}
