//! Objects that name other objects: does what they name exist, and do they name themselves in a circle?

use std::collections::{BTreeMap, BTreeSet};

use super::cycle::{self, Cycles};
use crate::manifest::{LoadedSet, Problem};
use crate::resource::check::{Findings, Reference};
use crate::resource::{KindId, Object, ObjectKey};

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

/// A problem for each reference in the directory to an object that is not in force.
pub(super) fn dangling(set: &LoadedSet, names: &Names<'_>) -> Vec<Problem> {
    let references = set.objects.iter().flat_map(|loaded| &loaded.references);
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
