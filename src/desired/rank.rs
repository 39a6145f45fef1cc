//! Of the objects with one kind and name, the one in force.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::policy::{DEFAULT_POLICY, builtin_policy};
use super::sources::Sources;
use crate::resource::docker_host::DockerHostSpec;
use crate::resource::settings::{self, SettingsSpec};
use crate::resource::{KindId, Object, ObjectKey, Origin, Spec};

/// Name of the engine that is watched when none is declared.
pub const LOCAL_HOST: &str = "local";

/// Every object in force, by kind and name.
pub(super) fn ranked(sources: Sources<'_>) -> Vec<Object> {
    let directory =
        sources.directory.into_iter().flat_map(|set| set.objects.iter().map(|loaded| &loaded.object));
    let mut in_force: BTreeMap<ObjectKey, Object> = BTreeMap::new();
    for object in directory.chain(sources.api) {
        add(&mut in_force, object.clone());
    }
    // `DOCKER_HOST` says where the engine is that is watched when none is declared. Beside declared ones it would
    // more often than not be one of them a second time, and each container would be billed twice.
    let hosts_declared = in_force.keys().any(|key| key.kind == KindId::DockerHost);
    for object in sources.environment {
        if !(hosts_declared && object.spec.kind() == KindId::DockerHost) {
            add(&mut in_force, object.clone());
        }
    }
    // What is built in comes last, so that it fills in what is left out and wins over nothing.
    add(&mut in_force, built_in(settings::NAME, SettingsSpec::default()));
    add(&mut in_force, built_in(DEFAULT_POLICY, builtin_policy()));
    if !in_force.keys().any(|key| key.kind == KindId::DockerHost) {
        add(&mut in_force, built_in(LOCAL_HOST, DockerHostSpec::default()));
    }
    if sources.observe {
        for object in in_force.values_mut() {
            if let Spec::Settings(settings) = &mut object.spec {
                settings.observe = true;
            }
        }
    }
    in_force.into_values().collect()
}

fn built_in(name: &str, spec: impl Into<Spec>) -> Object {
    Object::new(name, Origin::BuiltIn, spec)
}

fn add(in_force: &mut BTreeMap<ObjectKey, Object>, object: Object) {
    match in_force.entry(object.key()) {
        Entry::Vacant(vacant) => drop(vacant.insert(object)),
        Entry::Occupied(mut occupied) => {
            let (upper, lower) = if object.origin().rank() > occupied.get().origin().rank() {
                (object, occupied.get().clone())
            } else {
                (occupied.get().clone(), object)
            };
            drop(occupied.insert(merged(upper, &lower)));
        }
    }
}

/// `upper`, and for `Settings` the fields of `lower` that `upper` does not give.
pub(super) fn merged(mut upper: Object, lower: &Object) -> Object {
    if let (Spec::Settings(above), Spec::Settings(below)) = (&upper.spec, &lower.spec)
        && let Some(spec) = overlay(above, below, &upper)
    {
        upper.spec = spec.into();
        upper.given.extend(lower.given.iter().cloned());
    }
    upper
}

fn overlay(above: &SettingsSpec, below: &SettingsSpec, upper: &Object) -> Option<SettingsSpec> {
    let mut fields = serde_json::to_value(below).ok()?;
    let mut over = serde_json::to_value(above).ok()?;
    let into = fields.as_object_mut()?;
    for name in &upper.given {
        if let Some(value) = over.get_mut(name) {
            into.insert(name.clone(), value.take());
        }
    }
    serde_json::from_value(fields).ok()
}
