//! What is said of every object that is in force.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::cycle::{self, Cycles};
use super::inert::{idle, inert};
use super::private::Private;
use super::reference::{self, Names};
use super::suspended;
use crate::manifest::{Held, LoadedSet};
use crate::resource::check::Findings;
use crate::resource::condition::{Condition, ConditionStatus};
use crate::resource::secret::policy::SecretPolicy;
use crate::resource::{KindId, Object, ObjectKey};

/// Whether what is declared is what is in force.
const ACCEPTED: &str = "Accepted";
/// Whether it does what it is there for.
const READY: &str = "Ready";
/// Whether everything named exists.
const RESOLVED: &str = "ReferencesResolved";

/// The reason where a Probe's secret may not be used.
const NOT_PERMITTED: &str = "SecretNotPermitted";

/// What conditions are made from.
pub(super) struct Grounds<'a> {
    /// What a look at each object found, in their order.
    pub(super) findings: &'a [Findings],
    pub(super) cycles: &'a Cycles,
    pub(super) unused: &'a BTreeMap<ObjectKey, &'static str>,
    pub(super) private: &'a Private,
    pub(super) directory: Option<&'a LoadedSet>,
}

/// Gives every object its conditions.
pub(super) fn judge(objects: &mut [Object], grounds: &Grounds<'_>) {
    let names = Names::of(objects);
    let loaded = grounds.directory.into_iter().flat_map(|set| &set.objects);
    let held: BTreeMap<ObjectKey, Held> =
        loaded.filter_map(|loaded| Some((loaded.object.key(), loaded.held?))).collect();
    let conditions: Vec<Vec<Condition>> = objects
        .iter()
        .zip(grounds.findings)
        .map(|(object, findings)| {
            let key = object.key();
            let ready = ready(object);
            let accepted = accepted(&key, findings, held.get(&key).copied(), grounds);
            let suspended = suspended::condition(object);
            let resolved = resolved(object, findings, &names, grounds.private);
            [Some(accepted), ready, resolved, suspended].into_iter().flatten().collect()
        })
        .collect();
    for (object, conditions) in objects.iter_mut().zip(conditions) {
        object.status.conditions = conditions;
    }
}

fn accepted(key: &ObjectKey, findings: &Findings, held: Option<Held>, grounds: &Grounds<'_>) -> Condition {
    if let Some(held) = held {
        let (reason, message) = match held {
            Held::Unreadable => {
                ("LastGoodInForce", "the file has an error; its last valid version stays in force")
            }
            Held::Unconfirmed => (
                "EmptyNotConfirmed",
                "its directory declares nothing any more; the object stays in force until that is confirmed",
            ),
        };
        return Condition::new(ACCEPTED, false, reason, message);
    }
    let cycle = (key.kind == KindId::MonitoredService).then(|| grounds.cycles.with(&key.name)).flatten();
    if let Some(cycle) = cycle {
        return Condition::new(ACCEPTED, false, "DependencyCycle", &cycle::message(cycle));
    }
    let warnings = odd(findings);
    let unused = grounds.unused.get(key).map(|why| (*why).to_owned());
    let message = warnings.chain(unused).collect::<Vec<_>>().join("; ");
    Condition::new(ACCEPTED, true, "Valid", &message)
}

/// The conditions of one valid object before everything is decided on anew, `known` being what is in force; and what it
/// names in vain, or that it has no effect: a sentence each.
pub(super) fn of_one(
    object: &Object,
    known: &BTreeMap<ObjectKey, Arc<Object>>,
    secrets: &SecretPolicy,
) -> (Vec<Condition>, Vec<String>) {
    let (key, findings) = (object.key(), object.validate());
    let probes: Vec<_> = findings
        .references
        .iter()
        .filter(|reference| reference.kind == KindId::Probe)
        .filter_map(|reference| known.get(&ObjectKey { kind: KindId::Probe, name: reference.name.clone() }))
        .map(|probe| (probe, probe.validate()))
        .collect();
    let private = Private::of(probes.iter().map(|(probe, findings)| (&***probe, findings)), secrets);
    let refused = refused(object, &findings, &private);
    let missing: Vec<String> =
        reference::missing_from(&key, &findings.references, known).map(|(_, message)| message).collect();
    let accepted = Condition::new(ACCEPTED, true, "Valid", &odd(&findings).collect::<Vec<_>>().join("; "));
    let resolved = (!findings.references.is_empty()).then(|| resolution(&missing, &refused));
    let suspended = suspended::condition(object);
    (
        [Some(accepted), ready(object), resolved, suspended].into_iter().flatten().collect(),
        missing.into_iter().chain(refused).chain(inert(object).or_else(|| idle(object))).collect(),
    )
}

/// What is odd about an object, a sentence each.
fn odd(findings: &Findings) -> impl Iterator<Item = String> {
    findings.warnings.iter().map(|warning| format!("{}: {}", warning.path, warning.message))
}

fn ready(object: &Object) -> Option<Condition> {
    inert(object).map(|why| Condition::new(READY, ConditionStatus::Unknown, "NotImplemented", &why))
}

fn resolved(object: &Object, findings: &Findings, names: &Names<'_>, private: &Private) -> Option<Condition> {
    if findings.references.is_empty() {
        return None;
    }
    let missing = findings.references.iter().filter(|reference| !names.know(reference));
    let missing: Vec<String> = missing.map(|reference| names.message(reference)).collect();
    Some(resolution(&missing, &refused(object, findings, private)))
}

/// Why references of an object may not be followed, a sentence each.
fn refused(object: &Object, findings: &Findings, private: &Private) -> Vec<String> {
    findings.references.iter().filter_map(|reference| private.refuses(object, reference)).collect()
}

/// Whether everything named is there and may be used; if not, all that is not, and all that may not.
fn resolution(missing: &[String], refused: &[String]) -> Condition {
    let reason = match (missing, refused) {
        ([], []) => return Condition::new(RESOLVED, true, "Resolved", ""),
        ([], _) => NOT_PERMITTED,
        _ => "ReferenceNotFound",
    };
    let all: Vec<&str> = missing.iter().chain(refused).map(String::as_str).collect();
    Condition::new(RESOLVED, false, reason, &all.join("; "))
}
