//! What is declared where, and how that stands: a part of `/health/detailed`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use super::Api;
use crate::desired::{Desired, Problem, inert};
use crate::manifest::directory::DirectoryState;
use crate::manifest::git;
use crate::manifest::worktree::Revision;
use crate::observed::Nanos;
use crate::resource::Origin;

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifests {
    /// How many objects are in force, wherever they come from.
    objects: usize,
    /// Errors, one line each.
    problems: Vec<String>,
    /// The configuration directories, in their order.
    directories: Vec<Directory>,
    /// The Git repository that is pulled.
    git: Option<Git>,
    /// Objects that are suspended.
    suspended: Vec<String>,
    /// References to objects that do not exist, one line each, from objects that no directory declares. Those from a
    /// directory's objects are in `problems`.
    unresolved: Vec<String>,
    /// How many objects of which kinds have no effect in this version.
    inert: BTreeMap<String, usize>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Directory {
    path: String,
    /// The revision, if it is part of a Git work tree.
    revision: Option<Revision>,
    /// How many of its objects are in force.
    objects: usize,
    /// How many of them it no longer declares. They stay in force until `--allow-empty` or `.portreeveignore` confirms it.
    unconfirmed: usize,
    /// How many of its files belong to other tools and are ignored.
    other_files: usize,
    /// When its content was last applied.
    applied: String,
    /// Errors in it. The last valid version of a file with an error stays in force.
    problems: Vec<FileProblem>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct FileProblem {
    file: String,
    line: Option<usize>,
    column: Option<usize>,
    message: String,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Git {
    /// The repository; never with a secret in it.
    url: String,
    /// The branch, tag or commit that is followed.
    #[serde(rename = "ref")]
    reference: String,
    /// The configuration directory that holds it.
    directory: String,
    /// The commit in force.
    commit: Option<String>,
    /// When the last pull succeeded.
    pulled: Option<String>,
    /// Why the last pull failed.
    error: Option<GitTrouble>,
    /// The pull that is in hand; the first one clones.
    pulling: Option<GitPulling>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct GitPulling {
    /// When it began.
    since: String,
    /// How far it is, in Git's words; empty until it says something.
    progress: String,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct GitTrouble {
    /// `HistoryRewritten` or `PullFailed`.
    reason: &'static str,
    message: String,
}

impl Manifests {
    pub(super) fn of(api: &Api, desired: &Desired) -> Self {
        let states = api.directories.as_ref().map(|states| states.borrow().clone()).unwrap_or_default();
        Self {
            objects: desired.objects.len(),
            problems: desired.problems.iter().map(ToString::to_string).collect(),
            directories: directories(states, &desired.problems),
            git: api.pulled.as_ref().map(|pulled| git(pulled.borrow().clone())),
            suspended: desired.suspended.iter().map(ToString::to_string).collect(),
            unresolved: unresolved(desired),
            inert: inert_kinds(desired),
        }
    }
}

fn unresolved(desired: &Desired) -> Vec<String> {
    let of_directories: std::collections::BTreeSet<_> = desired
        .objects
        .iter()
        .filter(|object| matches!(object.origin(), Origin::Directory(_)))
        .map(crate::resource::Object::key)
        .collect();
    let others = desired.unresolved.iter().filter(|(key, _)| !of_directories.contains(key));
    others.map(|(key, why)| format!("{key}: {why}")).collect()
}

fn inert_kinds(desired: &Desired) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for object in desired.objects.iter().filter(|object| inert(object).is_some()) {
        *kinds.entry(object.spec.kind().as_str().to_owned()).or_default() += 1;
    }
    kinds
}

/// Each problem belongs to the first directory that holds its file: that is the one that read it.
fn directories(states: Vec<DirectoryState>, problems: &[Problem]) -> Vec<Directory> {
    let roots: Vec<PathBuf> = states.iter().map(|state| state.path.clone()).collect();
    let owner = |problem: &Problem| roots.iter().position(|root| Path::new(&problem.file).starts_with(root));
    let of = |place: usize| problems.iter().filter(move |problem| owner(problem) == Some(place));
    states
        .into_iter()
        .enumerate()
        .map(|(place, DirectoryState { path, revision, objects, unconfirmed, others, applied })| Directory {
            path: path.display().to_string(),
            revision,
            objects,
            unconfirmed,
            other_files: others,
            applied: applied.rfc3339_millis(),
            problems: of(place).map(file_problem).collect(),
        })
        .collect()
}

fn file_problem(problem: &Problem) -> FileProblem {
    let Problem { file, line, column, message, .. } = problem.clone();
    FileProblem { file, line, column, message }
}

fn git(pulled: git::Pulled) -> Git {
    let git::Pulled { address, reference, directory, commit, at, trouble, pulling } = pulled;
    Git {
        url: address.to_string(),
        reference,
        directory: directory.display().to_string(),
        commit,
        pulled: at.map(Nanos::rfc3339_millis),
        error: trouble.map(|git::Trouble { reason, message }| GitTrouble { reason, message }),
        pulling: pulling
            .map(|git::Pulling { since, progress }| GitPulling { since: since.rfc3339_millis(), progress }),
    }
}
