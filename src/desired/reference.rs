//! Objects that name other objects: does what they name exist, and do they name themselves in a circle?

use std::collections::{BTreeMap, BTreeSet};

use super::cycle::{self, Cycles};
use crate::manifest::{LoadedSet, Problem};
use crate::resource::check::Reference;
use crate::resource::{KindId, Object, ObjectKey};

/// The names in force, by kind.
pub(super) struct Names(BTreeMap<KindId, BTreeSet<String>>);

impl Names {
    pub(super) fn of(objects: &[Object]) -> Self {
        Self::of_keys(&objects.iter().map(Object::key).collect::<Vec<_>>())
    }

    pub(super) fn of_keys<'k>(keys: impl IntoIterator<Item = &'k ObjectKey>) -> Self {
        let mut names: BTreeMap<KindId, BTreeSet<String>> = BTreeMap::new();
        for key in keys {
            names.entry(key.kind).or_default().insert(key.name.clone());
        }
        Self(names)
    }

    /// Whether what is meant is there.
    pub(super) fn know(&self, reference: &Reference) -> bool {
        self.0.get(&reference.kind).is_some_and(|names| names.contains(&reference.name))
    }

    /// That it is not, and what may have been meant.
    pub(super) fn message(&self, reference: &Reference) -> String {
        let Reference { path, kind, name } = reference;
        let names = self.0.get(kind).into_iter().flatten().map(String::as_str);
        let hint = crate::manifest::nearest(name, names)
            .map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        format!("{path}: there is no {kind} named `{}`{hint}", name.escape_debug())
    }
}

/// A problem for each reference in the directory to an object that is not in force.
pub(super) fn dangling(set: &LoadedSet, names: &Names) -> Vec<Problem> {
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
