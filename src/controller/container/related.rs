//! What a container is related to in the world as last seen, and which containers are related to it.

use std::sync::Arc;

use super::Reconciler;
use crate::desired::Desired;
use crate::observed::{Container, ContainerKey, Nanos, World};
use crate::reconcile::heal::HealMemory;
use crate::reconcile::heal::related::{
    self, Condition, Parent, Related, Silenced, compose_dependencies, is_of_compose, parent_id,
};
use crate::resource::Selector;
use crate::resource::silence::Suppress;

impl Reconciler {
    pub(super) fn related(&self, container: &Container, memory: &HealMemory, now: Nanos) -> Related {
        let desired = self.shared.desired.load();
        let silenced = desired.silenced(&container.subject(), Suppress::Healing, now);
        let silence = silenced.map(|(by, until)| Silenced { by: by.to_owned(), until });
        let (parent, dependencies) = self
            .shared
            .with_world(|world| (parent(container, memory, world), dependencies(container, world, &desired)));
        let mut related = Related { parent, silence, ..Related::default() };
        for (name, condition, containers) in dependencies {
            let with_memory = |other: Arc<Container>| {
                let memory = self.shared.healing(&other.logical_id());
                (other, memory)
            };
            let containers: Vec<_> = containers.into_iter().map(with_memory).collect();
            related.depend(container, &name, condition, &containers);
        }
        if related.down.is_none() {
            related.down = self.unproven(container, &desired);
        }
        related
    }

    /// A service that `container` needs and that runs, as Docker knows, but was not found healthy by its probes yet.
    fn unproven(&self, container: &Container, desired: &Desired) -> Option<String> {
        let services =
            desired.services.values().filter(|service| selects(service.spec.selector.as_ref(), container));
        let mut needed = services.flat_map(|service| &service.depends_on);
        needed.find(|name| self.shared.is_unproven(name, desired)).cloned()
    }

    /// Has every container decided again that is related to `other`.
    pub(super) fn wake_dependents(&self, other: &Container) {
        let desired = self.shared.desired.load();
        for key in self.shared.with_world(|world| dependents(other, world, &desired)) {
            self.shared.queue.add(&key, super::Work::default());
        }
    }
}

fn parent(container: &Container, memory: &HealMemory, world: &World) -> Option<Parent> {
    let id = parent_id(container)?;
    let key = ContainerKey::new(container.key.engine.clone(), id);
    let named = || world.containers.values().find(|other| other.key.engine == key.engine && other.name == id);
    let found = world.containers.get(&key).or_else(named).or_else(|| {
        let same = |other: &&Arc<Container>| {
            other.key.engine == container.key.engine
                && other.set_aside_from().is_none()
                && memory.parent.as_ref().is_some_and(|parent| other.logical_id() == *parent)
        };
        world.containers.values().find(same)
    })?;
    Some(Parent::of(found, id))
}

/// What a container depends on, by name, with the containers of it.
fn dependencies(
    container: &Container,
    world: &World,
    desired: &Desired,
) -> Vec<(String, Condition, Vec<Arc<Container>>)> {
    let all = |is: &dyn Fn(&Container) -> bool| {
        let others = world.containers.values().filter(|other| other.key != container.key && is(other));
        others.cloned().collect()
    };
    let compose = compose_dependencies(container).map(|(service, condition)| {
        (service.to_owned(), condition, all(&|other| is_of_compose(other, container, service)))
    });
    let services =
        desired.services.values().filter(|service| selects(service.spec.selector.as_ref(), container));
    let needed = services.flat_map(|service| &service.depends_on).map(|name| {
        let selector = desired.services.get(name).and_then(|service| service.spec.selector.as_ref());
        (name.clone(), Condition::Up, all(&|other| selects(selector, other)))
    });
    compose.chain(needed).collect()
}

fn dependents(other: &Container, world: &World, desired: &Desired) -> Vec<ContainerKey> {
    let names: Vec<&String> = desired
        .services
        .iter()
        .filter(|(_, service)| selects(service.spec.selector.as_ref(), other))
        .map(|(name, _)| name)
        .collect();
    let services: Vec<_> = desired
        .services
        .values()
        .filter(|service| service.depends_on.iter().any(|name| names.contains(&name)))
        .collect();
    let has_around = |container: &&Arc<Container>| {
        container.key != other.key
            && (related::depends_on(container, other)
                || services.iter().any(|service| selects(service.spec.selector.as_ref(), container)))
    };
    world.containers.values().filter(has_around).map(|container| container.key.clone()).collect()
}

fn selects(selector: Option<&Selector>, container: &Container) -> bool {
    selector.is_some_and(|selector| selector.matches(&container.subject()))
}
