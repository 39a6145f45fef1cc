//! Selectors: one way of saying which containers are meant, used by every kind.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wildmatch::WildMatch;

mod set;

pub use set::SelectorSet;

use super::KindId;
use super::check::Check;

/// The labels that Docker Compose sets.
const PROJECT: &str = "com.docker.compose.project";
const SERVICE: &str = "com.docker.compose.service";

/// Which containers are selected. All given parts must match; `{}` matches nothing, `all: true` matches everything.
///
/// Names and images are patterns with `*` (any text) and `?` (one character). A label value of `"*"` matches any value.
/// Comparison is case-sensitive.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Selector {
    /// Matches every container. Other given parts must still match.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// Patterns of container names; one of them must match.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Labels that the container must have with these values; `"*"` matches any value.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Patterns of image names as given when the container was created, such as `nginx:*`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    /// A Docker Compose project, or one service of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compose: Option<ComposeSelector>,
    /// Names of DockerHosts. The container must be on one of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
}

/// Containers of Docker Compose, by the labels it sets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(extend("minProperties" = 1))]
pub struct ComposeSelector {
    /// The value of `com.docker.compose.project`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The value of `com.docker.compose.service`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
}

/// What a selector looks at.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Name of the DockerHost.
    pub engine: &'a str,
    /// The container's name, without a leading slash.
    pub name: &'a str,
    /// The image it was created from (Config.Image).
    pub image: &'a str,
    /// Its labels.
    pub labels: &'a BTreeMap<String, String>,
}

impl Selector {
    /// The selector that matches everything.
    pub fn everything() -> Self {
        Self { all: true, ..Self::default() }
    }

    /// The selector that asks for one label with one value.
    pub fn label(key: &str, value: &str) -> Self {
        Self { labels: BTreeMap::from([(key.to_owned(), value.to_owned())]), ..Self::default() }
    }

    /// Whether nothing at all is asked for, so that nothing matches.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn validate(&self, check: &mut Check) {
        for (part, patterns) in [("names", &self.names), ("images", &self.images)] {
            check.each(part, patterns, |check, pattern| {
                if pattern.is_empty() {
                    check.refuse("an empty pattern matches nothing");
                }
            });
        }
        check.each("hosts", &self.hosts, |check, host| check.refer(KindId::DockerHost, host));
        if self.compose.as_ref().is_some_and(|compose| *compose == ComposeSelector::default()) {
            check.field("compose", |check| check.refuse("give project, service or both"));
        }
        if let Some(message) = self.contradiction() {
            check.warn(message);
        }
    }

    /// As [`Self::validate`], where a selector that asks for nothing is most likely a slip.
    pub(super) fn validate_filled(&self, check: &mut Check) {
        self.validate(check);
        if self.is_empty() {
            check.warn("an empty selector matches nothing; `all: true` matches everything");
        }
    }

    /// Why two parts can never match together, if so.
    fn contradiction(&self) -> Option<String> {
        let compose = self.compose.as_ref()?;
        let parts = [(PROJECT, "project", &compose.project), (SERVICE, "service", &compose.service)];
        parts.into_iter().find_map(|(label, part, wanted)| {
            let (wanted, labelled) = (wanted.as_deref()?, self.labels.get(label)?);
            (labelled != "*" && wanted != "*" && labelled != wanted).then(|| {
                format!(
                    "nothing matches: compose.{part} asks for {wanted:?}, the label {label} for {labelled:?}"
                )
            })
        })
    }

    /// Whether a container of the DockerHost `engine` can be meant.
    pub fn can_mean_host(&self, engine: &str) -> bool {
        self.hosts.is_empty() || self.hosts.iter().any(|host| host == engine)
    }

    /// Whether `subject` is meant.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        let any = |patterns: &[String], text: &str| {
            patterns.is_empty() || patterns.iter().any(|pattern| WildMatch::new(pattern).matches(text))
        };
        let label = |key: &str, value: &str| {
            subject.labels.get(key).is_some_and(|found| value == "*" || found == value)
        };
        !self.is_empty()
            && any(&self.names, subject.name)
            && any(&self.images, subject.image)
            && self.labels.iter().all(|(key, value)| label(key, value))
            && self.can_mean_host(subject.engine)
            && self.compose.as_ref().is_none_or(|compose| {
                let part = |key: &str, wanted: &Option<String>| {
                    wanted.as_deref().is_none_or(|value| label(key, value))
                };
                subject.labels.contains_key(PROJECT)
                    && part(PROJECT, &compose.project)
                    && part(SERVICE, &compose.service)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn all_parts_given_must_match_and_an_empty_selector_matches_nothing() {
        let labels = labels(&[
            ("autoheal", "true"),
            ("com.docker.compose.project", "shop"),
            ("com.docker.compose.service", "web"),
        ]);
        let subject = Subject { engine: "local", name: "web-1", image: "nginx:alpine", labels: &labels };
        let compose = |project: &str, service: Option<&str>| Selector {
            compose: Some(ComposeSelector {
                project: Some(project.into()),
                service: service.map(Into::into),
            }),
            ..Selector::default()
        };
        let named = |pattern: &str| Selector { names: vec![pattern.into()], ..Selector::default() };
        for (selector, expected) in [
            (Selector::default(), false),
            (Selector::everything(), true),
            (named("web-*"), true),
            (named("web-?"), true),
            (named("web"), false),
            (Selector::label("autoheal", "true"), true),
            (Selector::label("autoheal", "*"), true),
            (Selector::label("autoheal", "True"), false),
            (Selector::label("other", "*"), false),
            (Selector { images: vec!["nginx:*".into()], ..Selector::default() }, true),
            (Selector { hosts: vec!["remote".into()], all: true, ..Selector::default() }, false),
            (Selector { hosts: vec!["local".into()], ..Selector::default() }, true),
            (compose("shop", None), true),
            (compose("shop", Some("web")), true),
            (compose("shop", Some("db")), false),
            (Selector { names: vec!["web-*".into()], ..Selector::label("autoheal", "no") }, false),
        ] {
            assert_eq!(selector.matches(&subject), expected, "{selector:?}");
        }
    }
}
