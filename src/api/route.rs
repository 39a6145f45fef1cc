//! What a route is.

use axum::routing::MethodRouter;
use schemars::SchemaGenerator;
use serde_json::Value;

use super::Api;

/// A method that some route knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verb {
    Get,
    Put,
    Patch,
    Delete,
    Post,
}

impl Verb {
    /// As OpenAPI writes it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Put => "put",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::Post => "post",
        }
    }
}

/// What a route takes or gives.
#[derive(Clone, Copy)]
pub(super) enum Content {
    /// Nothing.
    None,
    /// Plain text or HTML.
    Text(&'static str),
    /// JSON of this schema.
    Json(fn(&mut SchemaGenerator) -> Value),
    /// A list of this schema, or its changes.
    Watched(fn(&mut SchemaGenerator) -> Value),
    /// An object of the kind that the path names.
    Object,
    /// A list of them.
    Objects,
    /// A merge patch for one.
    Patch,
}

/// A route.
pub(super) struct Route {
    pub(super) verb: Verb,
    /// With `{plural}` for every kind.
    pub(super) path: &'static str,
    pub(super) summary: &'static str,
    /// Names of its parameters; what they mean is said in one place.
    pub(super) parameters: &'static [&'static str],
    pub(super) body: Content,
    pub(super) answer: Content,
    /// What answers; the method is set.
    pub(super) handler: fn() -> MethodRouter<Api>,
}

impl Route {
    /// Whether parameters are refused. Pages and probes let them pass: load balancers and scrapers add their own.
    pub(super) const fn takes_none(&self) -> bool {
        self.parameters.is_empty() && !matches!(self.answer, Content::Text(_))
    }
}
