//! What an apply writes, in which order, and what it prunes. Decided from files and the server's lists alone.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::cli::files::{SET, document, owner};
use crate::manifest::{Loaded, Problem};
use crate::resource::ObjectKey;
use crate::resource::annotation::{PRUNE, PRUNE_DISABLED};

/// One object to write.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::cli) struct Write<'a> {
    pub(in crate::cli) key: ObjectKey,
    pub(in crate::cli) document: Value,
    /// What was read, and where, for what there may be to say.
    pub(in crate::cli) loaded: &'a Loaded,
}

/// What an apply does.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::cli) struct ApplyPlan<'a> {
    /// Objects to write: those of one wave together, each wave after the one before, which it names.
    pub(in crate::cli) waves: Vec<Vec<Write<'a>>>,
    /// Objects to delete when all the others are written.
    pub(in crate::cli) prune: Vec<ObjectKey>,
    /// Objects that would be among them, were it not for their annotation.
    pub(in crate::cli) kept: Vec<ObjectKey>,
    /// Objects that somebody else declares. If there are any, nothing is to be done at all.
    pub(in crate::cli) refused: Vec<(ObjectKey, Problem)>,
    /// Those among them that the server's own directory declares: what would change if the files there read so can be asked.
    pub(in crate::cli) owned: Vec<Write<'a>>,
}

/// The plan for `objects`, applied as the set named `set`.
///
/// An object keeps the mark of the set it was made with, unless the apply prunes: then all of its objects become this
/// set's. So applying one file of a directory by itself takes nothing out of the directory's set.
pub(in crate::cli) fn plan<'a>(
    objects: &'a [Loaded],
    current: &BTreeMap<ObjectKey, Value>,
    set: Option<&str>,
    prune: bool,
) -> ApplyPlan<'a> {
    let mut plan = ApplyPlan::default();
    for (loaded, wave) in objects.iter().zip(waves(objects)) {
        let key = loaded.object.key();
        let before = current.get(&key);
        if let Some(why) = owner(&key, before) {
            plan.refused.push((key.clone(), loaded.place.problem(&why)));
            if before.is_some_and(is_of_directory) {
                // A file carries no mark; what stands there is compared as it is.
                plan.owned.push(Write { document: document(loaded, None), loaded, key });
            }
            continue;
        }
        let mark = before.and_then(mark).filter(|_| !prune).or(set);
        let write = Write { document: document(loaded, mark), loaded, key };
        if plan.waves.len() <= wave {
            plan.waves.resize_with(wave + 1, Vec::new);
        }
        plan.waves[wave].push(write);
    }
    if let Some(set) = set.filter(|_| prune) {
        let declared: BTreeSet<ObjectKey> = objects.iter().map(|loaded| loaded.object.key()).collect();
        let gone = current.iter().filter(|(key, object)| {
            mark(object) == Some(set) && is_of_api(object) && !declared.contains(key)
        });
        let (kept, prune): (Vec<_>, Vec<_>) = gone.partition(|(_, object)| is_kept(object));
        let keys = |of: Vec<(&ObjectKey, &Value)>| of.into_iter().map(|(key, _)| key.clone()).collect();
        (plan.prune, plan.kept) = (keys(prune), keys(kept));
    }
    plan
}

/// The set an object was applied with.
fn mark(object: &Value) -> Option<&str> {
    object.pointer("/metadata/annotations")?.get(SET)?.as_str()
}

fn is_kept(object: &Value) -> bool {
    object.pointer("/metadata/annotations").is_some_and(|all| all[PRUNE] == PRUNE_DISABLED)
}

fn is_of_directory(object: &Value) -> bool {
    object
        .pointer("/metadata/origin")
        .and_then(Value::as_str)
        .is_some_and(|origin| origin.starts_with("directory:"))
}

fn is_of_api(object: &Value) -> bool {
    object.pointer("/metadata/origin").and_then(Value::as_str) == Some("api")
}

/// For each object the wave it is written in: after what it names. Those in a circle go as they stand.
fn waves(objects: &[Loaded]) -> Vec<usize> {
    let places: BTreeMap<ObjectKey, usize> =
        objects.iter().enumerate().map(|(place, loaded)| (loaded.object.key(), place)).collect();
    let names: Vec<Vec<usize>> = objects
        .iter()
        .map(|loaded| {
            let named = loaded.references.iter().filter_map(|(reference, _)| {
                places.get(&ObjectKey { kind: reference.kind, name: reference.name.clone() }).copied()
            });
            named.collect()
        })
        .collect();
    let mut waves = vec![0; objects.len()];
    // Chains are short: kinds name each other a few steps deep, services their dependencies.
    for _ in 0..objects.len().min(32) {
        let mut settled = true;
        for (place, named) in names.iter().enumerate() {
            let wave = named.iter().filter(|other| **other != place).map(|other| waves[*other] + 1).max();
            let wave = wave.unwrap_or(0).min(32);
            settled &= wave <= waves[place];
            waves[place] = waves[place].max(wave);
        }
        if settled {
            break;
        }
    }
    waves
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::files::tests::loaded;

    const HOST_AND_POLICY: &str = "\
apiVersion: portreeve/v1
kind: AutohealPolicy
metadata: {name: a}
spec: {selector: {hosts: [edge], all: true}}
---
apiVersion: portreeve/v1
kind: DockerHost
metadata: {name: edge}
spec: {endpoint: tcp://edge:2375}
";

    fn key(text: &str) -> ObjectKey {
        let (kind, name) = text.split_once('/').expect("KIND/NAME");
        ObjectKey { kind: crate::resource::KindId::of(kind).expect("a kind"), name: name.to_owned() }
    }

    fn there(name: &str, origin: &str, set: Option<&str>) -> (ObjectKey, Value) {
        let annotations = set.map_or(json!({}), |set| json!({"portreeve/applied-set": set}));
        (key(name), json!({"metadata": {"origin": origin, "annotations": annotations}}))
    }

    #[test]
    fn what_is_named_is_written_before_what_names_it() {
        let objects = loaded(HOST_AND_POLICY);
        let plan = plan(&objects, &BTreeMap::new(), Some("shop"), false);
        let names: Vec<Vec<_>> =
            plan.waves.iter().map(|wave| wave.iter().map(|write| write.key.to_string()).collect()).collect();
        assert_eq!(names, [["DockerHost/edge"], ["AutohealPolicy/a"]]);
        assert_eq!(plan.waves[0][0].document["metadata"]["annotations"][SET], "shop");
    }

    #[test]
    fn pruned_is_what_this_set_made_through_the_api_and_no_longer_declares() {
        let objects = loaded(HOST_AND_POLICY);
        let current = BTreeMap::from([
            there("DockerHost/edge", "api", Some("shop")),
            there("DockerHost/old", "api", Some("shop")),
            there("DockerHost/others", "api", Some("office")),
            there("DockerHost/by-hand", "api", None),
            there("DockerHost/file", "directory:a.yaml", Some("shop")),
        ]);
        assert_eq!(plan(&objects, &current, Some("shop"), true).prune, [key("DockerHost/old")]);
        let mut kept = current.clone();
        for object in kept.values_mut() {
            object["metadata"]["annotations"][PRUNE] = PRUNE_DISABLED.into();
        }
        let pruning = plan(&objects, &kept, Some("shop"), true);
        assert_eq!((pruning.prune, pruning.kept), (vec![], vec![key("DockerHost/old")]));
        assert!(plan(&objects, &current, Some("shop"), false).prune.is_empty());
    }

    #[test]
    fn an_object_keeps_the_mark_of_its_set_unless_its_new_set_prunes() {
        let objects = loaded(HOST_AND_POLICY);
        let current = BTreeMap::from([there("DockerHost/edge", "api", Some("shop"))]);
        let mark = |prune| {
            let plan = plan(&objects, &current, Some("file"), prune);
            plan.waves[0][0].document["metadata"]["annotations"][SET].clone()
        };
        assert_eq!((mark(false), mark(true)), ("shop".into(), "file".into()));
    }

    #[test]
    fn what_a_directory_of_the_server_declares_is_refused_with_the_place_in_the_file() {
        let objects = loaded(HOST_AND_POLICY);
        let current = BTreeMap::from([there("DockerHost/edge", "directory:/etc/p/hosts.yaml", None)]);
        let plan = plan(&objects, &current, Some("shop"), false);
        assert_eq!(plan.refused.len(), 1);
        let said = plan.refused[0].1.to_string();
        assert_eq!(plan.owned.iter().map(|write| &write.key).collect::<Vec<_>>(), [&key("DockerHost/edge")]);
        assert!(said.starts_with("a.yaml:8:18: DockerHost/edge is declared in /etc/p/hosts.yaml"), "{said}");
    }
}
