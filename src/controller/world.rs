//! The world as last seen, behind one pointer: whoever reads takes the snapshot of that moment and waits for nobody.

use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;

use super::locked::locked;
use super::shared::Shared;
use crate::desired::Desired;
use crate::observed::{Container, ContainerKey, World};

/// The present snapshot.
#[derive(Debug)]
pub(super) struct WorldCell {
    present: ArcSwap<World>,
    /// Held by whoever makes the next one.
    writing: Mutex<()>,
}

impl WorldCell {
    pub(super) fn new(world: World) -> Self {
        Self { present: ArcSwap::from_pointee(world), writing: Mutex::default() }
    }

    /// The present snapshot.
    pub(super) fn load(&self) -> Arc<World> {
        self.present.load_full()
    }

    /// Looks at the present snapshot for a moment.
    pub(super) fn read<T>(&self, read: impl FnOnce(&World) -> T) -> T {
        read(&self.present.load())
    }

    /// Makes the next snapshot.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let _writing = locked(&self.writing);
        let mut next = World::clone(&self.present.load());
        let changed = change(&mut next);
        next.revision += 1;
        self.present.store(Arc::new(next));
        changed
    }
}

impl Shared {
    /// A container was seen so.
    pub(super) fn show(&self, container: Arc<Container>) {
        let key = container.key.clone();
        let concerned = self.change_world(|world| {
            // Asked in here: whoever declares something else looks through the world after that.
            let services = self.desired.load().selection.services_of(&container.subject());
            let before = world.members.services(&key).to_vec();
            world.members.set(&key, services);
            world.containers.insert(container);
            before.into_iter().chain(world.members.services(&key).iter().cloned()).collect::<Vec<_>>()
        });
        self.probing.container(&key, concerned);
    }

    /// A container is gone.
    pub(super) fn show_gone(&self, key: &ContainerKey) {
        let concerned = self.change_world(|world| {
            let before = world.members.services(key).to_vec();
            world.members.set(key, Vec::new());
            world.containers.remove(key);
            before
        });
        self.probing.container(key, concerned);
    }

    /// Services mean other containers now: all are looked through once, each by the few selectors that can mean it.
    pub(super) fn select(&self, desired: &Desired) {
        self.change_world(|world| {
            let World { containers, members, .. } = world;
            for container in containers.values() {
                members.set(&container.key, desired.selection.services_of(&container.subject()));
            }
        });
    }
}
