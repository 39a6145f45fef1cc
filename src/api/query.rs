//! Parameters of a URL: those a route knows, each given once, and a hint for the others.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use axum::extract::{FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;
use url::form_urlencoded;

use super::Refusal;
use super::dress::refusal;
use super::status::Failure;
use crate::manifest::nearest;

/// How much of what somebody sent is repeated to them.
const SHOWN: usize = 64;

/// Parameters as they were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Query(BTreeMap<String, String>);

/// Why parameters make no sense, and what would.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Misfit(String);

impl Query {
    /// What stands behind the `?`.
    pub(super) fn parse(text: &str) -> Result<Self, Misfit> {
        let mut query = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            // Of two values one would be ignored, and nobody could tell which.
            if query.insert(name.to_string(), value.into_owned()).is_some() {
                return Err(Misfit(format!("{:?} is given twice", shown(&name))));
            }
        }
        Ok(Self(query))
    }

    /// A parameter, if it was given.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The same as text of its own.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }

    /// Refuses a parameter that the route does not know.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), Misfit> {
        let Some(name) = self.0.keys().find(|name| !known.contains(&name.as_str())) else { return Ok(()) };
        let hint = match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean {near:?}?"),
            None if known.is_empty() => "this route takes none".to_owned(),
            None => format!("there are: {}", known.join(", ")),
        };
        Err(Misfit(format!("{:?} is not a parameter; {hint}", shown(name))))
    }

    /// A parameter that is on or off.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Misfit> {
        match self.get(name) {
            None | Some("false" | "0") => Ok(false),
            Some("" | "true" | "1") => Ok(true),
            Some(_) => Err(Misfit(format!("{name} must be true or false"))),
        }
    }

    /// A whole number of a range.
    pub(super) fn number(&self, name: &str, range: RangeInclusive<u32>) -> Result<Option<u32>, Misfit> {
        let Some(text) = self.get(name) else { return Ok(None) };
        match text.parse() {
            Ok(number) if range.contains(&number) => Ok(Some(number)),
            _ => {
                let (least, most) = (range.start(), range.end());
                Err(Misfit(format!("{name} must be a whole number between {least} and {most}")))
            }
        }
    }

    /// Whether nothing is to be written.
    pub(super) fn dry_run(&self) -> Result<bool, Misfit> {
        match self.get("dryRun") {
            None => Ok(false),
            Some("All") => Ok(true),
            Some(_) => Err(Misfit("dryRun must be All or left out".to_owned())),
        }
    }
}

fn shown(name: &str) -> String {
    name.chars().take(SHOWN).collect()
}

impl Misfit {
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl From<Misfit> for Failure {
    fn from(Misfit(why): Misfit) -> Self {
        Self::bad_request(why)
    }
}

impl From<Misfit> for Refusal {
    fn from(Misfit(why): Misfit) -> Self {
        Self::bad_request(why)
    }
}

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let text = parts.uri.query().unwrap_or_default();
        Self::parse(text).map_err(|Misfit(why)| refusal(parts.uri.path(), StatusCode::BAD_REQUEST, why))
    }
}

/// For routes without parameters: refuses any.
pub(super) async fn none(query: Query, request: Request, next: Next) -> Response {
    match query.only(&[]) {
        Ok(()) => next.run(request).await,
        Err(Misfit(why)) => refusal(request.uri().path(), StatusCode::BAD_REQUEST, why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Query {
        Query::parse(text).expect("parameters")
    }

    #[test]
    fn a_parameter_is_given_once() {
        assert_eq!(query("a=1&b=%3D+x").get("b"), Some("= x"));
        assert_eq!(Query::parse("a=1&b=2&%61=1"), Err(Misfit::new("\"a\" is given twice")));
    }

    #[test]
    fn a_parameter_that_is_not_known_is_refused_with_the_nearest_that_is() {
        for (text, known, says) in [
            ("limt=1", &["limit", "type"][..], "\"limt\" is not a parameter; did you mean \"limit\"?"),
            ("zzz", &["limit", "type"], "\"zzz\" is not a parameter; there are: limit, type"),
            ("limit=1", &[], "\"limit\" is not a parameter; this route takes none"),
        ] {
            assert_eq!(query(text).only(known), Err(Misfit::new(says)));
        }
        assert_eq!(query("limit=1").only(&["limit"]), Ok(()));
    }

    #[test]
    fn a_value_that_makes_no_sense_is_refused_and_none_is_guessed() {
        for text in ["n=", "n=-1", "n=1.0", "n=11", "n=99999999999", "n=x", "n=%00"] {
            let says = Misfit::new("n must be a whole number between 1 and 10");
            assert_eq!(query(text).number("n", 1..=10), Err(says), "{text}");
        }
        assert_eq!(query("n=10").number("n", 1..=10), Ok(Some(10)));
        assert_eq!(query("").number("n", 1..=10), Ok(None));
        assert_eq!(query("f").flag("f"), Ok(true));
        assert!(query("f=TRUE").flag("f").is_err());
        assert!(query("dryRun=all").dry_run().is_err());
    }
}
