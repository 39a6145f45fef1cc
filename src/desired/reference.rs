//! Objects that name other objects: does what they name exist?

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::manifest::{LoadedSet, Problem};
use crate::resource::check::Reference;
use crate::resource::condition::Condition;
use crate::resource::{KindId, Object, ObjectKey};

/// Whether what is declared is what is in force.
const ACCEPTED: &str = "Accepted";
/// Whether everything named exists.
const RESOLVED: &str = "ReferencesResolved";

/// A problem for each reference in the directory to an object that is not in force.
pub(super) fn dangling(set: &LoadedSet, objects: &[Object]) -> Vec<Problem> {
    let known: BTreeSet<ObjectKey> = objects.iter().map(Object::key).collect();
    let mut problems = Vec::new();
    for loaded in &set.objects {
        for (reference, place) in &loaded.references {
            if !known.contains(&target(reference)) {
                problems.push(place.problem(&message(reference, names(objects))));
            }
        }
    }
    problems
}

/// Gives every object its conditions.
pub(super) fn judge(objects: &mut [Object], directory: Option<&LoadedSet>) {
    let known: BTreeSet<ObjectKey> = objects.iter().map(Object::key).collect();
    let held: BTreeSet<ObjectKey> = directory
        .into_iter()
        .flat_map(|set| &set.objects)
        .filter(|loaded| loaded.held)
        .map(|loaded| loaded.object.key())
        .collect();
    let verdicts: Vec<_> = objects
        .iter()
        .map(|object| {
            let references = object.validate().references;
            let missing = references.into_iter().find(|reference| !known.contains(&target(reference)));
            missing.map(|reference| message(&reference, names(objects)))
        })
        .collect();
    for (object, missing) in objects.iter_mut().zip(verdicts) {
        let accepted = if held.contains(&object.key()) {
            Condition::new(
                ACCEPTED,
                false,
                "LastGoodInForce",
                "the file cannot be read as it is now; what it said last stays in force",
            )
        } else {
            Condition::new(ACCEPTED, true, "Valid", "")
        };
        object.status.conditions = with(accepted, missing);
    }
}

/// The conditions of one valid object, `known` being the keys of what is in force; and what it names in vain.
pub(super) fn conditions(
    object: &Object,
    known: &BTreeMap<ObjectKey, Arc<Object>>,
) -> (Vec<Condition>, Option<String>) {
    let references = object.validate().references;
    let missing = references
        .into_iter()
        .find(|reference| {
            let target = target(reference);
            target != object.key() && !known.contains_key(&target)
        })
        .map(|reference| message(&reference, known.keys().map(|key| (key.kind, key.name.as_str()))));
    (with(Condition::new(ACCEPTED, true, "Valid", ""), missing.clone()), missing)
}

fn with(accepted: Condition, missing: Option<String>) -> Vec<Condition> {
    let missing = missing.map(|message| Condition::new(RESOLVED, false, "NotFound", &message));
    [accepted].into_iter().chain(missing).collect()
}

fn names(objects: &[Object]) -> impl Iterator<Item = (KindId, &str)> {
    objects.iter().map(|object| (object.spec.kind(), object.metadata.name.as_str()))
}

fn target(reference: &Reference) -> ObjectKey {
    ObjectKey { kind: reference.kind, name: reference.name.clone() }
}

fn message<'a>(reference: &Reference, known: impl Iterator<Item = (KindId, &'a str)>) -> String {
    let Reference { path, kind, name } = reference;
    let names = known.filter(|(known, _)| known == kind).map(|(_, name)| name);
    let hint = crate::manifest::nearest(name, names)
        .map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
    format!("{path}: there is no {kind} named `{}`{hint}", name.escape_debug())
}
