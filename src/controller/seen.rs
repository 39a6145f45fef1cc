//! What is seen of containers goes into the world, and whatever asks or decides by it hears of that.

use std::sync::Arc;

use super::changes::RowChange;
use super::parts::Parts;
use crate::desired::Desired;
use crate::observed::{Container, ContainerKey, World};

impl Parts {
    /// A container was seen so.
    pub(super) fn show(&self, container: Arc<Container>) {
        let key = container.key.clone();
        let concerned = self.world.change_rows(|world, rows| {
            // Asked in here: whoever declares something else looks through the world after that.
            let services = self.desired.load().selection.services_of(&container.subject());
            let before = world.members.services(&key).to_vec();
            // What is asked of an engine may be answered when it is declared no longer.
            if world.engines.contains_key(&key.engine) {
                world.members.set(&key, services);
                rows.push(match world.containers.contains_key(&key) {
                    true => RowChange::Changed(key.clone()),
                    false => RowChange::Came(key.clone()),
                });
                world.containers.insert(container);
            }
            before.into_iter().chain(world.members.services(&key).iter().cloned()).collect::<Vec<_>>()
        });
        self.probing.container(&key, concerned);
    }

    /// A container is gone.
    pub(super) fn show_gone(&self, key: &ContainerKey) {
        let concerned = self.world.change_rows(|world, rows| {
            let before = world.members.services(key).to_vec();
            world.members.set(key, Vec::new());
            rows.extend(world.containers.get(key).cloned().map(RowChange::Gone));
            world.containers.remove(key);
            before
        });
        self.probing.container(key, concerned);
    }

    /// Something else was decided or is remembered of a container, which its row shows, and those of others that share its
    /// memory.
    pub(super) fn touch(&self, key: &ContainerKey) {
        self.world.change_rows(|world, rows| {
            if let Some(container) = world.containers.get(key) {
                let identity = container.logical_id();
                let sharing = world.containers.identified(&key.engine, &identity);
                rows.extend(sharing.map(|container| RowChange::Changed(container.key.clone())));
            }
        });
    }

    /// Something else is declared, which every row may show.
    pub(super) fn touch_all(&self) {
        self.world.change_rows(|_, rows| rows.push(RowChange::Everything));
    }

    /// Services mean other containers now: all are looked through once, each by the few selectors that can mean it.
    pub(super) fn select(&self, desired: &Desired) {
        self.world.change(|world| {
            let World { containers, members, .. } = world;
            for container in containers.values() {
                members.set(&container.key, desired.selection.services_of(&container.subject()));
            }
        });
    }
}
