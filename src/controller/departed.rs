//! What is remembered of objects whose deletion has consequences: how a DiscoveryRegistry is told that nothing is registered
//! there any more, and which DockerHosts leave their containers registered.
//!
//! # Guarantees
//! - What is stored names secrets and holds none. One that an object may no longer name is not read for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tracing::warn;

use crate::desired::Desired;
use crate::locked::locked;
use crate::observed::{Nanos, Shard};
use crate::reconcile::discovery::{Wanted, withdraw};
use crate::resource::discovery_registry::DiscoveryRegistrySpec;
use crate::resource::secret::policy::{SecretPolicy, Trust};
use crate::resource::{DeletionPolicy, KindId, Object, ObjectKey, Origin, Spec};
use crate::store::ChangeSet;

/// How an object was last declared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct LastSpec {
    /// Of a DiscoveryRegistry; of a DockerHost nothing but its policy matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    registry: Option<DiscoveryRegistrySpec>,
    /// Whether it may name any secret.
    #[serde(default)]
    trusted: bool,
    /// When it was found to be deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) gone: Option<Nanos>,
}

pub(super) type LastSpecs = BTreeMap<ObjectKey, LastSpec>;

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Departed {
    pub(super) specs: Mutex<LastSpecs>,
    /// Something here has changed what is to be served.
    pub changed: Notify,
}

/// What of an object is to be remembered while it is declared.
fn remembered(object: &Object) -> Option<LastSpec> {
    let trusted = object.trust == Trust::Trusted || matches!(object.origin(), Origin::Environment);
    match &object.spec {
        Spec::DiscoveryRegistry(spec) => {
            Some(LastSpec { registry: Some((**spec).clone()), trusted, gone: None })
        }
        Spec::DockerHost(spec) if spec.deletion_policy == DeletionPolicy::Retain => {
            Some(LastSpec { registry: None, trusted, gone: None })
        }
        _ => None,
    }
}

/// Brings `known` to what is declared, and gives what is to be stored.
fn follow(known: &mut LastSpecs, objects: &[Object], now: Nanos) -> Vec<(ObjectKey, Option<LastSpec>)> {
    let mut changed = BTreeMap::new();
    let mut declared = BTreeSet::new();
    let matters = |kind| matches!(kind, KindId::DiscoveryRegistry | KindId::DockerHost);
    for object in objects.iter().filter(|object| matters(object.spec.kind())) {
        let (key, spec) = (object.key(), remembered(object));
        declared.insert(key.clone());
        if known.get(&key) != spec.as_ref() {
            changed.insert(key, spec);
        }
    }
    for (key, last) in known.iter().filter(|(key, _)| !declared.contains(*key)) {
        match &last.registry {
            Some(registry) if registry.deletion_policy == DeletionPolicy::Retain => {
                changed.insert(key.clone(), None);
            }
            Some(_) if last.gone.is_none() => {
                changed.insert(key.clone(), Some(LastSpec { gone: Some(now), ..last.clone() }));
            }
            // For as long as its containers are remembered.
            Some(_) | None => {}
        }
    }
    for (key, spec) in &changed {
        match spec {
            Some(spec) => drop(known.insert(key.clone(), spec.clone())),
            None => drop(known.remove(key)),
        }
    }
    changed.into_iter().collect()
}

impl Departed {
    /// Whether a registry is deleted, and is being told that nothing is registered there any more.
    pub(super) fn is_leaving(&self, registry: &str) -> bool {
        let key = ObjectKey { kind: KindId::DiscoveryRegistry, name: registry.to_owned() };
        locked(&self.specs).get(&key).is_some_and(|last| last.gone.is_some())
    }

    /// What the last process stored. What may no longer name its secrets is called without them.
    pub(super) fn new(stored: &BTreeMap<ObjectKey, String>, secrets: &SecretPolicy) -> Self {
        let mut specs = LastSpecs::new();
        for (key, document) in stored {
            match serde_json::from_str::<LastSpec>(document) {
                Ok(last) => drop(specs.insert(key.clone(), without_refused(&key.name, last, secrets))),
                Err(error) => {
                    warn!(target: "portreeve::manifests", "what is remembered of {key} cannot be read: {error}");
                }
            }
        }
        Self { specs: Mutex::new(specs), changed: Notify::new() }
    }

    /// Takes in what is declared, and gives what is to be stored.
    pub(super) fn follow(&self, desired: &Desired) -> ChangeSet {
        let now = crate::clock::now();
        let changed = follow(&mut locked(&self.specs), &desired.objects, now);
        let text = |(key, spec): (ObjectKey, Option<LastSpec>)| {
            // Specs are always JSON.
            (key, spec.and_then(|spec| serde_json::to_string(&spec).ok()))
        };
        ChangeSet {
            last_specs: changed.into_iter().map(text).collect(),
            at: now,
            ..ChangeSet::of(Shard::Fleet)
        }
    }

    /// Whether the containers of an engine that is declared no longer stay registered.
    pub(super) fn retains(&self, engine: &str) -> bool {
        let key = ObjectKey { kind: KindId::DockerHost, name: engine.to_owned() };
        locked(&self.specs).contains_key(&key)
    }

    /// Deleted registries that are still to be told, as they were last declared, and when they were deleted.
    pub(super) fn registries(&self) -> BTreeMap<String, (DiscoveryRegistrySpec, Nanos)> {
        let specs = locked(&self.specs);
        let of = specs
            .iter()
            .filter_map(|(key, last)| Some((key.name.clone(), (last.registry.clone()?, last.gone?))));
        of.collect()
    }

    /// Has deleted registries hold nothing of a container any more.
    pub(super) fn withdraw(&self, wanted: &mut BTreeMap<String, Wanted>) -> Vec<String> {
        let specs = locked(&self.specs);
        withdraw(specs.iter().filter(|(_, last)| last.gone.is_some()).map(|(key, _)| &key.name), wanted)
    }

    pub(super) fn is_gone(&self, key: &ObjectKey, since: Nanos) -> bool {
        locked(&self.specs).get(key).is_some_and(|last| last.gone == Some(since))
    }
}

fn without_refused(name: &str, mut last: LastSpec, secrets: &SecretPolicy) -> LastSpec {
    if let Some(registry) = last.registry.as_mut().filter(|_| !last.trusted) {
        let named = Object::new(name, Origin::Api, registry.clone()).validate().named;
        if secrets.refused(&named).next().is_some() {
            registry.auth = None;
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::manifest::draft;

    fn registry(spec: serde_json::Value) -> Object {
        let mut full = json!({"url": "http://localhost:7000"});
        full.as_object_mut().expect("fields").extend(spec.as_object().expect("fields").clone());
        object("DiscoveryRegistry", full)
    }

    fn object(kind: &str, spec: serde_json::Value) -> Object {
        let document =
            json!({"apiVersion": "portreeve/v1", "kind": kind, "metadata": {"name": "x"}, "spec": spec});
        draft(document, Origin::Api).expect("an object").object
    }

    #[test]
    fn a_registry_is_remembered_from_the_moment_it_is_declared_until_it_is_told_or_declared_again() {
        let (mut known, reg) = (LastSpecs::new(), registry(json!({})));
        assert_eq!(follow(&mut known, std::slice::from_ref(&reg), Nanos(1)).len(), 1);
        assert!(follow(&mut known, std::slice::from_ref(&reg), Nanos(2)).is_empty());
        let stored = follow(&mut known, &[], Nanos(3));
        assert_eq!(stored[0].1.as_ref().and_then(|last| last.gone), Some(Nanos(3)));
        assert!(follow(&mut known, &[], Nanos(4)).is_empty(), "its time does not begin anew");
        let again = follow(&mut known, &[reg], Nanos(5));
        assert_eq!(again[0].1.as_ref().map(|last| last.gone), Some(None));
    }

    #[test]
    fn what_is_to_stay_registered_is_not_remembered_of_a_registry_and_is_of_a_host() {
        let mut known = LastSpecs::new();
        let retain = json!({"deletionPolicy": "retain"});
        let (reg, host) = (registry(retain.clone()), object("DockerHost", retain));
        follow(&mut known, &[reg, host.clone()], Nanos(1));
        follow(&mut known, &[], Nanos(2));
        let departed = Departed { specs: Mutex::new(known), changed: Notify::new() };
        assert!(departed.registries().is_empty() && departed.retains("x"));
        let mut known = std::mem::take(&mut *locked(&departed.specs));
        follow(&mut known, &[object("DockerHost", json!({}))], Nanos(3));
        assert!(known.is_empty());
    }

    #[test]
    fn a_secret_that_may_no_longer_be_named_is_not_read_for_it() {
        let secret = json!({"auth": {"bearer": {"file": "/run/secrets/token"}}});
        let mut known = LastSpecs::new();
        let stored = follow(&mut known, &[registry(secret)], Nanos(1));
        let key = stored[0].0.clone();
        let document = serde_json::to_string(&stored[0].1).expect("a document");
        let auth = |directories: Vec<std::path::PathBuf>| {
            let stored = BTreeMap::from([(key.clone(), document.clone())]);
            let departed = Departed::new(&stored, &SecretPolicy::new(directories));
            let specs = locked(&departed.specs);
            specs[&key].registry.as_ref().and_then(|registry| registry.auth.clone())
        };
        assert!(auth(vec!["/run/secrets".into()]).is_some());
        assert!(auth(vec!["/elsewhere".into()]).is_none());
    }
}
