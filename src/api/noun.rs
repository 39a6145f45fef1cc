//! What can stand in `/apis/portreeve/v1/{plural}`: the kinds, and what can only be read.

use axum::extract::State;
use axum::response::Json;
use schemars::JsonSchema;
use serde::Serialize;

use super::Api;
use super::status::Failure;
use crate::manifest::nearest;
use crate::resource::{API_VERSION, KindId};

/// A collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Noun {
    /// Objects of a kind.
    Kind(KindId),
    /// Containers as last seen.
    Containers,
    /// What happened and was decided.
    Events,
    /// Bills and discovery cells.
    Deliveries,
}

/// Kind, plural, short name, what it is.
const READ_ONLY: [(Noun, &str, &str, &str, &str); 3] = [
    (Noun::Containers, "Container", "containers", "c", "A container as last seen on its engine."),
    (Noun::Events, "Event", "events", "ev", "Something that happened or was decided."),
    (
        Noun::Deliveries,
        "Delivery",
        "deliveries",
        "dlv",
        "A bill or a discovery state on its way to a service.",
    ),
];

impl Noun {
    /// The collection that a person means: plural, kind or short name, in any case.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        if let Some(kind) = KindId::parse(text) {
            return Ok(Self::Kind(kind));
        }
        let is = |name: &&str| name.eq_ignore_ascii_case(text);
        let found = READ_ONLY
            .into_iter()
            .find(|(_, kind, plural, short, _)| [kind, plural, short].into_iter().any(is));
        found.map(|(noun, ..)| noun).ok_or_else(|| unknown(text))
    }
}

fn unknown(text: &str) -> Failure {
    let kinds = KindId::ALL.iter().flat_map(|kind| [kind.plural(), kind.as_str()]);
    let names = || kinds.clone().chain(READ_ONLY.iter().flat_map(|(_, kind, plural, ..)| [*plural, *kind]));
    let plural = |near: &str| {
        let read_only = READ_ONLY.iter().find(|(_, kind, ..)| *kind == near);
        let plural = KindId::of(near).map(KindId::plural).or(read_only.map(|(_, _, plural, ..)| *plural));
        plural.map_or_else(|| near.to_owned(), str::to_owned)
    };
    let hint = match nearest(text, names()) {
        Some(near) => format!("did you mean `{}`?", plural(near)),
        None => format!("/apis/{API_VERSION} lists what there is"),
    };
    let shown: String = text.chars().take(64).flat_map(char::escape_debug).collect();
    Failure::not_found(format!("there is no kind `{shown}`; {hint}"))
}

/// Kubernetes' `APIResourceList`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
// A Workload has resources, too, and the document names schemas by their types.
#[schemars(rename = "APIResourceList")]
pub(super) struct Resources {
    api_version: &'static str,
    kind: &'static str,
    group_version: &'static str,
    resources: Vec<Resource>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "APIResource")]
struct Resource {
    /// The plural.
    name: &'static str,
    singular_name: String,
    short_names: Vec<&'static str>,
    kind: &'static str,
    namespaced: bool,
    verbs: Vec<&'static str>,
    /// What it is for.
    description: &'static str,
}

/// `GET /apis/portreeve/v1`: every kind, with its names and verbs.
pub(super) async fn list(State(_): State<Api>) -> Json<Resources> {
    let resource = |kind: &'static str, plural, short: Vec<_>, verbs: &[&'static str], doc| Resource {
        name: plural,
        singular_name: kind.to_lowercase(),
        short_names: short,
        kind,
        namespaced: false,
        verbs: verbs.to_vec(),
        description: doc,
    };
    let all = ["delete", "get", "list", "patch", "update", "watch"];
    let kinds = KindId::ALL
        .iter()
        .map(|kind| resource(kind.as_str(), kind.plural(), kind.short().to_vec(), &all, kind.doc()));
    let read_only = READ_ONLY.into_iter().map(|(noun, kind, plural, short, doc)| {
        let verbs: &[&str] = match noun {
            Noun::Containers => &["get", "list", "release"],
            Noun::Events => &["list"],
            Noun::Deliveries => &["get", "list", "replay"],
            Noun::Kind(_) => &all,
        };
        resource(kind, plural, vec![short], verbs, doc)
    });
    Json(Resources {
        api_version: "v1",
        kind: "APIResourceList",
        group_version: API_VERSION,
        resources: kinds.chain(read_only).collect(),
    })
}
