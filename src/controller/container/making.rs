//! A container that is being made to take the place of another one: nobody's business before it runs.
//!
//! If that comes to nothing it goes as it came, and nobody is told that the other one was made or removed.

use super::reconciler::{Inspected, Reconciler};
use crate::controller::work::Work;
use crate::locked::locked;
use crate::observed::{ContainerKey, EventKind, predecessor};
use crate::reconcile::lifecycle::Fact;

impl Reconciler {
    /// Whether nothing is to be done about the container, because it is being made to take the place of one that is there. What
    /// happened to it is kept until it runs.
    pub(super) fn is_in_the_making(&self, key: &ContainerKey, work: &Work, inspected: &Inspected) -> bool {
        if self.parts.records.get(key).is_some() {
            return false;
        }
        let shown = match inspected {
            Inspected::Shown(container) if container.started.is_none() => container.successor_of(),
            Inspected::Gone if !starts(work) => None,
            Inspected::Shown(_) | Inspected::Gone | Inspected::NotAsked => return false,
        };
        let told = work.events.iter().find_map(|arrival| predecessor(&arrival.event.name));
        let is_known = locked(&self.parts.making).contains_key(key);
        if !is_known && !shown.or(told).is_some_and(|old| self.is_there(&key.engine, old)) {
            return false;
        }
        let mut making = locked(&self.parts.making);
        match inspected {
            Inspected::Gone => {
                making.remove(key);
            }
            Inspected::Shown(_) | Inspected::NotAsked => {
                making.entry(key.clone()).or_default().extend(work.facts());
            }
        }
        true
    }

    /// What is known of the container's life: what happened while it was made, and what `work` tells.
    pub(super) fn facts(&self, key: &ContainerKey, work: &Work) -> Vec<Fact> {
        let mut facts = locked(&self.parts.making).get(key).cloned().unwrap_or_default();
        facts.extend(work.facts());
        facts
    }

    fn is_there(&self, engine: &std::sync::Arc<str>, start: &str) -> bool {
        self.parts.world.read(|world| world.containers.starting_with(engine, start).is_some())
    }
}

fn starts(work: &Work) -> bool {
    work.events.iter().any(|arrival| arrival.event.kind == EventKind::Start)
}
