//! What can stand in `/apis/portreeve/v1/{plural}`: the kinds, and what can only be read.

use axum::extract::State;
use axum::response::Json;
use schemars::JsonSchema;
use serde::Serialize;

use super::Api;
use super::status::Failure;
use crate::manifest::nearest;
use crate::resource::{API_VERSION, KindId};

/// A collection: the same for this API and for the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Noun {
    /// Objects of a kind.
    Kind(KindId),
    /// Containers as last seen.
    Containers,
    /// What happened and was decided.
    Events,
    /// Bills and discovery cells.
    Deliveries,
}

impl Noun {
    const READ_ONLY: [Self; 3] = [Self::Containers, Self::Events, Self::Deliveries];

    /// Every collection, those that can only be read last.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        KindId::ALL.iter().map(|kind| Self::Kind(*kind)).chain(Self::READ_ONLY)
    }

    /// What one of them is called.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Kind(kind) => kind.as_str(),
            Self::Containers => "Container",
            Self::Events => "Event",
            Self::Deliveries => "Delivery",
        }
    }

    /// The collection's place in a URL.
    pub(crate) fn plural(self) -> &'static str {
        match self {
            Self::Kind(kind) => kind.plural(),
            Self::Containers => "containers",
            Self::Events => "events",
            Self::Deliveries => "deliveries",
        }
    }

    /// Short names for the command line.
    pub(crate) fn short(self) -> Vec<&'static str> {
        match self {
            Self::Kind(kind) => kind.short().to_vec(),
            Self::Containers => vec!["c"],
            Self::Events => vec!["ev"],
            Self::Deliveries => vec!["dlv"],
        }
    }

    fn doc(self) -> &'static str {
        match self {
            Self::Kind(kind) => kind.doc(),
            Self::Containers => "A container as last seen on its engine.",
            Self::Events => "Something that happened or was decided.",
            Self::Deliveries => "A bill or a discovery state to send to a service.",
        }
    }

    const fn verbs(self) -> &'static [&'static str] {
        match self {
            Self::Kind(_) => &["create", "delete", "get", "list", "patch", "update", "watch"],
            Self::Containers => &["get", "list", "release", "watch"],
            Self::Events => &["list", "watch"],
            Self::Deliveries => &["discard", "get", "list", "replay", "retry", "skip"],
        }
    }

    /// The collection that a person means: plural, kind or short name, in any case.
    pub(crate) fn find(text: &str) -> Option<Self> {
        if let Some(kind) = KindId::parse(text) {
            return Some(Self::Kind(kind));
        }
        let is = |name: &str| name.eq_ignore_ascii_case(text);
        let means = |noun: &Self| is(noun.kind()) || is(noun.plural()) || noun.short().into_iter().any(is);
        Self::READ_ONLY.into_iter().find(means)
    }

    /// The collection that stands in a URL.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        Self::find(text).ok_or_else(|| unknown(text))
    }
}

fn unknown(text: &str) -> Failure {
    let near = nearest(text, Noun::all().flat_map(|noun| [noun.plural(), noun.kind()]));
    let hint = match near.map(|near| Noun::find(near).map_or(near, Noun::plural)) {
        Some(plural) => format!("did you mean `{plural}`?"),
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
    let resource = |noun: Noun| Resource {
        name: noun.plural(),
        singular_name: noun.kind().to_lowercase(),
        short_names: noun.short(),
        kind: noun.kind(),
        namespaced: false,
        verbs: noun.verbs().to_vec(),
        description: noun.doc(),
    };
    Json(Resources {
        api_version: "v1",
        kind: "APIResourceList",
        group_version: API_VERSION,
        resources: Noun::all().map(resource).collect(),
    })
}
