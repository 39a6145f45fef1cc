//! Objects that name other objects: does what they name exist, and do they name themselves in a circle?

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::cycle::{self, Cycles};
use crate::manifest::{Loaded, LoadedSet, Partial, Problem};
use crate::resource::check::{Findings, Reference};
use crate::resource::{FieldPath, KindId, Object, ObjectKey};

/// The names in force, by kind.
pub(super) struct Names<'o>(BTreeMap<KindId, BTreeSet<&'o str>>);

impl<'o> Names<'o> {
    pub(super) fn of(objects: &'o [Object]) -> Self {
        let mut names: BTreeMap<KindId, BTreeSet<&str>> = BTreeMap::new();
        for object in objects {
            names.entry(object.spec.kind()).or_default().insert(&object.metadata.name);
        }
        Self(names)
    }

    /// Whether what is meant is there.
    pub(super) fn know(&self, reference: &Reference) -> bool {
        self.0.get(&reference.kind).is_some_and(|names| names.contains(reference.name.as_str()))
    }

    /// That it is not, and what may have been meant.
    pub(super) fn message(&self, reference: &Reference) -> String {
        missing(reference, self.0.get(&reference.kind).into_iter().flatten().copied())
    }
}

/// That what is meant is not there, and which of `names`, those of its kind, may have been meant.
pub(super) fn missing<'n>(reference: &Reference, names: impl IntoIterator<Item = &'n str>) -> String {
    let hint = crate::manifest::nearest(&reference.name, names)
        .map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
    format!("{}{hint}", not_there(reference))
}

/// Where references of the object `key` lead nowhere among `known`, each with a sentence about it.
pub fn missing_from<'r>(
    key: &'r ObjectKey,
    references: &'r [Reference],
    known: &'r BTreeMap<ObjectKey, Arc<Object>>,
) -> impl Iterator<Item = (FieldPath, String)> + use<'r> {
    let is_missing = move |reference: &&Reference| {
        let target = ObjectKey { kind: reference.kind, name: reference.name.clone() };
        target != *key && !known.contains_key(&target)
    };
    references.iter().filter(is_missing).map(move |reference| {
        let first = ObjectKey { kind: reference.kind, name: String::new() };
        let names = known.range(first..).take_while(|(key, _)| key.kind == reference.kind);
        (reference.path.clone(), missing(reference, names.map(|(key, _)| key.name.as_str())))
    })
}

/// That what is meant is not there.
pub fn not_there(Reference { path, kind, name }: &Reference) -> String {
    format!("{path}: there is no {kind} named `{}`", name.escape_debug())
}

/// Every reference of `objects` to one that is not among them, with the object that it is in.
pub(super) fn unresolved(objects: &[Object], findings: &[Findings]) -> Vec<(ObjectKey, String)> {
    let names = Names::of(objects);
    let missing = |(object, findings): (&Object, &Findings)| {
        let missing = findings.references.iter().filter(|reference| !names.know(reference));
        missing.map(|reference| (object.key(), names.message(reference))).collect::<Vec<_>>()
    };
    objects.iter().zip(findings).flat_map(missing).collect()
}

/// A problem for each reference in the directory to an object that nothing declares. That an object has an error of its own is
/// said once, there.
pub(super) fn dangling<'o>(set: &'o LoadedSet, objects: &'o [Object]) -> Vec<Problem> {
    let mut names = Names::of(objects);
    for Partial { key, .. } in &set.partial {
        names.0.entry(key.kind).or_default().insert(&key.name);
    }
    // What a faulty file says now counts, and not what it said when it was good.
    let replaced = |loaded: &&Loaded| set.partial.iter().any(|partial| partial.key == loaded.object.key());
    let references = set.objects.iter().filter(|loaded| !replaced(loaded)).map(|loaded| &loaded.references);
    let references = references.chain(set.partial.iter().map(|partial| &partial.references)).flatten();
    references
        .filter(|(reference, _)| !names.know(reference))
        .map(|(reference, place)| place.problem(&names.message(reference)))
        .collect()
}

/// A problem for each circle of services that the directory has a part in, at the first such part.
pub(super) fn circular(set: &LoadedSet, cycles: &Cycles) -> Vec<Problem> {
    let mut places = BTreeMap::new();
    for loaded in set.objects.iter().filter(|loaded| loaded.object.spec.kind() == KindId::MonitoredService) {
        let needs =
            loaded.references.iter().filter(|(reference, _)| reference.kind == KindId::MonitoredService);
        let service = loaded.object.metadata.name.as_str();
        places.extend(needs.map(|(reference, place)| ((service, reference.name.as_str()), place)));
    }
    let place = |cycle: &Vec<String>| {
        let nexts = cycle.iter().cycle().skip(1);
        cycle.iter().zip(nexts).find_map(|(a, b)| places.get(&(a.as_str(), b.as_str())).copied())
    };
    let problem = |cycle: &Vec<String>| place(cycle).map(|place| place.problem(&cycle::message(cycle)));
    cycles.named.iter().filter_map(problem).collect()
}
