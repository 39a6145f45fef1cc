//! Objects on whose account nothing is done, until somebody takes their annotation away.
//!
//! A suspended object stays what it is: nothing is undone, and what would have been done is made up for later where
//! that makes sense. What it no longer does follows from its kind alone.

use std::collections::BTreeSet;

use super::in_force::Desired;
use crate::resource::annotation::SUSPEND;
use crate::resource::condition::Condition;
use crate::resource::{KindId, Object, ObjectKey};

/// Whether nothing is done on an object's account.
const CONDITION: &str = "Suspended";

/// What suspending an object of a kind means.
const fn meaning(kind: KindId) -> &'static str {
    match kind {
        KindId::AlertRule => "it is not evaluated",
        KindId::AutohealPolicy => "the containers it selects are not healed, not by another policy either",
        KindId::BillingService => "nothing is sent to it; events are kept and sent later",
        KindId::DiscoveryRegistry => "nothing is sent to it; changes are sent later",
        KindId::DockerHost => "its containers are watched, but none is touched",
        KindId::MonitoredService => {
            "it is not probed, sends no notifications and heals no container; its last verdict stays"
        }
        KindId::NotificationSink => "nothing is sent to it",
        KindId::Probe => "no service runs it",
        // It is refused: see `Object::validate`.
        KindId::Settings => "",
        KindId::Silence => "it suppresses nothing",
        KindId::Workload => "its containers are neither created nor replaced nor removed",
    }
}

/// The condition of an object that is suspended.
pub(super) fn condition(object: &Object) -> Option<Condition> {
    object.metadata.is_suspended().then(|| {
        let message = format!("{}, until its annotation {SUSPEND} is removed", meaning(object.spec.kind()));
        Condition::new(CONDITION, true, "Annotation", &message)
    })
}

/// All that are.
pub(super) fn keys(objects: &[Object]) -> BTreeSet<ObjectKey> {
    objects.iter().filter(|object| object.metadata.is_suspended()).map(Object::key).collect()
}

impl Desired {
    /// Whether nothing is to be done on an object's account.
    pub fn is_suspended(&self, kind: KindId, name: &str) -> bool {
        // Most of the time nothing is, and this is asked for every container.
        !self.suspended.is_empty() && self.suspended.contains(&ObjectKey { kind, name: name.to_owned() })
    }

    /// What is suspended of the two that have a container of `engine` healed, if one of them is: for people.
    pub fn healing_suspended(&self, engine: &str, policy: &str) -> Option<String> {
        [(KindId::DockerHost, engine), (KindId::AutohealPolicy, policy)]
            .into_iter()
            .find(|(kind, name)| self.is_suspended(*kind, name))
            .map(|(kind, name)| format!("{kind}/{name} is suspended"))
    }
}
