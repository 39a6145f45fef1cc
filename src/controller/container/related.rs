//! What a container is related to in the world as last seen, and which containers are related to it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::reconciler::Reconciler;
use crate::controller::parts::Parts;
use crate::controller::work::Work;
use crate::desired::Desired;
use crate::locked::locked;
use crate::observed::{Condition, Container, ContainerKey, Nanos, World};
use crate::reconcile::heal::HealMemory;
use crate::reconcile::heal::dependencies::{Dependency, Turned};
use crate::reconcile::heal::related::{Parent, Related, Silenced};
use crate::resource::silence::Suppress;

impl Reconciler {
    pub(super) fn related(&self, container: &Container, memory: &HealMemory, now: Nanos) -> Related {
        let (desired, world) = (self.parts.desired.load(), self.parts.world.load());
        let silenced = desired.silenced(&container.subject(), Suppress::Healing, now);
        let silence = silenced.map(|(by, until)| Silenced { by: by.to_owned(), until });
        let mut related =
            Related { parent: parent(container, memory, &world), silence, ..Related::default() };
        let services = world.members.services(&container.key);
        {
            let all = locked(&self.parts.dependencies);
            for (name, condition, dependency) in dependencies(container, services, &desired) {
                related.depend(container, &name, condition, all.without(&dependency, &container.key));
            }
        }
        if related.down.is_none() {
            related.down = self.unproven(services, &desired);
        }
        related
    }

    /// A service that a container of `services` needs and that runs, as Docker knows, but was not found healthy by its probes yet.
    fn unproven(&self, services: &[Arc<str>], desired: &Desired) -> Option<String> {
        let services = services.iter().filter_map(|name| desired.services.get(&**name));
        let mut needed = services.flat_map(|service| &service.depends_on);
        needed.find(|name| self.parts.is_unproven(name, desired)).cloned()
    }
}

/// Takes in how a container is now; `None`: it is gone, and `name` is what it was called. Every container is decided again that sees something else by it.
pub(in crate::controller) fn wake_related(
    parts: &Parts,
    key: &ContainerKey,
    name: &str,
    container: Option<&Container>,
) {
    let (desired, world) = (parts.desired.load(), parts.world.load());
    let turned = match container {
        Some(container) => {
            let of = Dependency::of(container, world.members.services(key));
            let memory = parts.memories.get(&container.logical_id());
            locked(&parts.dependencies).set(container, of, memory.as_deref())
        }
        None => locked(&parts.dependencies).remove(key),
    };
    for other in related_to(key, name, turned, &world, &desired) {
        parts.queue.add(other, Work::default());
    }
}

fn parent(container: &Container, memory: &HealMemory, world: &World) -> Option<Parent> {
    let id = container.network_parent()?;
    let engine = &container.key.engine;
    let known = |identity: &String| {
        let mut same = world.containers.identified(engine, identity);
        same.find(|other| other.set_aside_from().is_none())
    };
    let found = world.containers.get(&ContainerKey::new(engine.clone(), id));
    let found = found.or_else(|| world.containers.named(engine, id));
    let found = found.or_else(|| memory.parent.as_ref().and_then(known))?;
    Some(Parent::of(found, id))
}

/// What a container of `services` depends on, each with its name for people.
fn dependencies(
    container: &Container,
    services: &[Arc<str>],
    desired: &Desired,
) -> Vec<(String, Condition, Dependency)> {
    let project = container.compose_project();
    let compose = project.into_iter().flat_map(|project| {
        container.compose_dependencies().map(move |(service, condition)| {
            let dependency = Dependency::compose(&container.key.engine, project, service);
            (service.to_owned(), condition, dependency)
        })
    });
    let services = services.iter().filter_map(|name| desired.services.get(&**name));
    let needed = services.flat_map(|service| &service.depends_on);
    let needed = needed.map(|name| (name.clone(), Condition::Up, Dependency::Service(name.as_str().into())));
    compose.chain(needed).collect()
}

/// Containers that see something else, because of what a container turned.
fn related_to(
    key: &ContainerKey,
    name: &str,
    turned: Turned,
    world: &World,
    desired: &Desired,
) -> BTreeSet<ContainerKey> {
    let mut related: BTreeSet<ContainerKey> = turned.followers.into_iter().collect();
    for dependency in &turned.dependencies {
        match dependency {
            Dependency::Service(name) => {
                let needing = desired.selection.needing(name).iter();
                related.extend(needing.flat_map(|name| world.members.containers(name)).cloned());
            }
            Dependency::Compose(engine, project, service) => {
                let needing = world.containers.needing_compose(engine, project, service);
                related.extend(needing.map(|container| container.key.clone()));
            }
        }
    }
    if turned.seen {
        // A container can share the network of one that shares another's.
        let mut of: Vec<String> = vec![key.id.to_string(), name.to_owned()];
        while let Some(next) = of.pop() {
            for sharing in world.containers.sharing_network(&key.engine, &next) {
                if related.insert(sharing.key.clone()) {
                    of.extend([sharing.key.id.to_string(), sharing.name.clone()]);
                }
            }
        }
    }
    related.remove(key);
    related
}
