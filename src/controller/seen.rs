//! What is seen goes into the world (containers, and the interfaces of this process), and whatever asks or decides by it hears of
//! that.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::changes::{ChangesMissed, RowChange, RowChanges};
use super::shared::Shared;
use crate::desired::Desired;
use crate::locked::locked;
use crate::observed::{Container, ContainerKey, World};

/// Interfaces that were read so short a time ago are good enough: many checks may fail at once.
const FRESH: Duration = Duration::from_secs(1);

impl Shared {
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

    /// Something else was decided or is remembered of a container, which its row shows.
    pub(super) fn touch(&self, key: &ContainerKey) {
        self.world.change_rows(|world, rows| {
            if world.containers.contains_key(key) {
                rows.push(RowChange::Changed(key.clone()));
            }
        });
    }

    /// Something else is declared, which every row may show.
    pub(super) fn touch_all(&self) {
        self.world.change_rows(|_, rows| rows.push(RowChange::Everything));
    }

    /// Hears of every change that may show in the row of a container.
    pub fn rows_told(&self) -> watch::Receiver<()> {
        self.world.told()
    }

    /// The world, and what may have changed in rows of containers since `revision`.
    ///
    /// # Errors
    /// Not all of that is known.
    pub fn rows_since(&self, revision: u64) -> Result<(Arc<World>, RowChanges), ChangesMissed> {
        self.world.since(revision)
    }

    /// The id of a revision of the world: `BOOT.REVISION`, where another boot follows each start of the process.
    pub fn revision_id(&self, revision: u64) -> String {
        self.world.id(revision)
    }

    /// The revision with this id.
    ///
    /// # Errors
    /// It is none of this process.
    pub fn revision_of(&self, id: &str) -> Result<u64, ChangesMissed> {
        self.world.revision(id)
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

    /// Reads the interfaces of this process's network namespace anew, unless that was done a moment ago.
    pub(super) async fn read_interfaces(&self) {
        let fresh = {
            let mut read = locked(&self.interfaces_read);
            let fresh = read.is_some_and(|at| at.elapsed() < FRESH);
            if !fresh {
                *read = Some(Instant::now());
            }
            fresh
        };
        if !fresh {
            let found = crate::docker::interfaces().await;
            self.change_world(|world| world.interfaces = found);
        }
    }
}
