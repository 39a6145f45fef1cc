//! Objects that name other objects: does what they name exist?

use std::collections::BTreeSet;

use crate::manifest::{LoadedSet, Problem};
use crate::resource::check::Reference;
use crate::resource::condition::Condition;
use crate::resource::{Object, ObjectKey};

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
                problems.push(place.problem(&message(reference, objects)));
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
            let missing = object
                .validate()
                .references
                .into_iter()
                .find(|reference| !known.contains(&target(reference)));
            missing.map(|reference| message(&reference, objects))
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
        let mut conditions = vec![accepted];
        if let Some(message) = missing {
            conditions.push(Condition::new(RESOLVED, false, "NotFound", &message));
        }
        object.status.conditions = conditions;
    }
}

fn target(reference: &Reference) -> ObjectKey {
    ObjectKey { kind: reference.kind, name: reference.name.clone() }
}

fn message(reference: &Reference, objects: &[Object]) -> String {
    let names = objects
        .iter()
        .filter(|object| object.spec.kind() == reference.kind)
        .map(|object| object.metadata.name.as_str());
    let Reference { path, kind, name } = reference;
    let hint = crate::manifest::nearest(name, names)
        .map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
    format!("{path}: there is no {kind} named `{}`{hint}", name.escape_debug())
}
