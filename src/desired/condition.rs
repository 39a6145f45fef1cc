//! What is said of every object that is in force.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::cycle::{self, Cycles};
use super::reference::Names;
use crate::manifest::LoadedSet;
use crate::resource::check::Findings;
use crate::resource::condition::{Condition, ConditionStatus};
use crate::resource::{KindId, Object, ObjectKey};

/// Whether what is declared is what is in force.
const ACCEPTED: &str = "Accepted";
/// Whether it does what it is there for.
const READY: &str = "Ready";
/// Whether everything named exists.
const RESOLVED: &str = "ReferencesResolved";

/// Kinds that are declared, checked and shown, and that nothing acts on yet.
pub const NOT_IMPLEMENTED: &[KindId] = &[
    KindId::AlertRule,
    KindId::MonitoredService,
    KindId::NotificationSink,
    KindId::Probe,
    KindId::Silence,
    KindId::Workload,
];

/// What conditions are made from.
pub(super) struct Grounds<'a> {
    /// What a look at each object found, in their order.
    pub(super) findings: &'a [Findings],
    pub(super) cycles: &'a Cycles,
    pub(super) unused: &'a BTreeMap<ObjectKey, &'static str>,
    pub(super) directory: Option<&'a LoadedSet>,
}

/// Gives every object its conditions.
pub(super) fn judge(objects: &mut [Object], grounds: &Grounds<'_>) {
    let names = Names::of(objects);
    let loaded = grounds.directory.into_iter().flat_map(|set| &set.objects);
    let held: BTreeSet<ObjectKey> =
        loaded.filter(|loaded| loaded.held).map(|loaded| loaded.object.key()).collect();
    let conditions: Vec<Vec<Condition>> = objects
        .iter()
        .zip(grounds.findings)
        .map(|(object, findings)| {
            let key = object.key();
            let ready = not_implemented(key.kind);
            let accepted = accepted(&key, findings, held.contains(&key), grounds);
            [Some(accepted), ready, resolved(findings, &names)].into_iter().flatten().collect()
        })
        .collect();
    for (object, conditions) in objects.iter_mut().zip(conditions) {
        object.status.conditions = conditions;
    }
}

/// The conditions of one object as it would be among those `known`, and the first reference of it that leads nowhere.
pub(super) fn of_one(
    object: &Object,
    known: &BTreeMap<ObjectKey, Arc<Object>>,
) -> (Vec<Condition>, Option<String>) {
    let key = object.key();
    let findings = object.validate();
    let names = Names::of_keys(known.keys().chain([&key]));
    let others = known.iter().filter(|(other, _)| other.kind == key.kind && **other != key);
    let cycles = match key.kind {
        KindId::MonitoredService => {
            let all: Vec<Object> =
                others.map(|(_, other)| (**other).clone()).chain([object.clone()]).collect();
            Cycles::of(&all)
        }
        _ => Cycles::default(),
    };
    let missing = findings.references.iter().find(|reference| !names.know(reference));
    let missing = missing.map(|reference| names.message(reference));
    let unused = BTreeMap::new();
    let grounds = Grounds { findings: &[], cycles: &cycles, unused: &unused, directory: None };
    let accepted = accepted(&key, &findings, false, &grounds);
    let conditions = [Some(accepted), not_implemented(key.kind), resolved(&findings, &names)];
    (conditions.into_iter().flatten().collect(), missing)
}

fn not_implemented(kind: KindId) -> Option<Condition> {
    NOT_IMPLEMENTED.contains(&kind).then(|| {
        let message = "nothing acts on this kind yet";
        Condition::new(READY, ConditionStatus::Unknown, "NotImplemented", message)
    })
}

fn accepted(key: &ObjectKey, findings: &Findings, held: bool, grounds: &Grounds<'_>) -> Condition {
    if held {
        let message = "the file cannot be read as it is now; what it said last stays in force";
        return Condition::new(ACCEPTED, false, "LastGoodInForce", message);
    }
    let cycle = (key.kind == KindId::MonitoredService).then(|| grounds.cycles.with(&key.name)).flatten();
    if let Some(cycle) = cycle {
        return Condition::new(ACCEPTED, false, "DependencyCycle", &cycle::message(cycle));
    }
    let warnings = findings.warnings.iter().map(|warning| format!("{}: {}", warning.path, warning.message));
    let unused = grounds.unused.get(key).map(|why| (*why).to_owned());
    let message = warnings.chain(unused).collect::<Vec<_>>().join("; ");
    Condition::new(ACCEPTED, true, "Valid", &message)
}

fn resolved(findings: &Findings, names: &Names) -> Option<Condition> {
    if findings.references.is_empty() {
        return None;
    }
    let missing = findings.references.iter().find(|reference| !names.know(reference));
    Some(match missing {
        Some(reference) => Condition::new(RESOLVED, false, "NotFound", &names.message(reference)),
        None => Condition::new(RESOLVED, true, "Resolved", ""),
    })
}
