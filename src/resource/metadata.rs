//! Metadata: how an object is named, and what Portreeve keeps about it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::annotation;
use super::check::Check;

/// The longest name and label value, in bytes.
const LONGEST: usize = 253;

/// Name, labels and what Portreeve writes about an object. In a file only `name`, `labels` and `annotations` count. The
/// other fields are ignored, so that a document read from the API can be written back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Metadata {
    /// Unique among the objects of one kind.
    #[schemars(regex(pattern = "^[A-Za-z0-9][A-Za-z0-9_.-]*$"), length(min = 1, max = 253))]
    pub name: String,
    /// For people and selectors.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// For people and tools. Portreeve acts on two of them. `portreeve/prune: disabled` keeps the object in force when
    /// no file declares it any more; it then belongs to the API, and `portreeve delete` removes it. With
    /// `portreeve/suspend: "true"` nothing is done for the object until the annotation is removed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("properties" = annotation::schema()))]
    pub annotations: BTreeMap<String, String>,
    /// Given by Portreeve when the object is first stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Counts changes of the spec, from 1; 0 before it is stored.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub generation: u64,
    /// Changes with every write; opaque.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<String>,
    /// When the object was first stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creation_timestamp: Option<Timestamp>,
    /// Where the object comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub origin: Option<Origin>,
}

// serde asks for a reference.
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Metadata {
    /// Metadata of an object that comes from `origin`.
    pub fn named(name: &str, origin: Origin) -> Self {
        Self { name: name.to_owned(), origin: Some(origin), ..Self::default() }
    }

    /// Whether the object stays in force when its file declares it no longer.
    pub fn is_kept(&self) -> bool {
        self.annotations.get(annotation::PRUNE).is_some_and(|value| value == annotation::PRUNE_DISABLED)
    }

    /// Whether nothing is to be done on the object's account.
    pub fn is_suspended(&self) -> bool {
        self.annotations.get(annotation::SUSPEND).is_some_and(|value| value == annotation::SUSPENDED)
    }

    pub(super) fn validate(&self, check: &mut Check) {
        if let Some(fault) = name_fault(&self.name) {
            check.field("name", |check| check.refuse(fault));
        }
        for (part, map, longest) in
            [("labels", &self.labels, LONGEST), ("annotations", &self.annotations, 64 * 1024)]
        {
            check.field(part, |check| {
                for (key, value) in map {
                    check.field(key, |check| {
                        if key.is_empty() || key.len() > LONGEST {
                            check.refuse(format!("a key has 1 to {LONGEST} bytes"));
                        }
                        if value.len() > longest {
                            check.refuse(format!("is longer than {longest} bytes"));
                        }
                        if part == "annotations"
                            && let Some(fault) = annotation::fault(key, value)
                        {
                            check.refuse(fault);
                        }
                    });
                }
            });
        }
    }
}

/// Why `name` is not a name, if it is not.
pub fn name_fault(name: &str) -> Option<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if name.is_empty() {
        Some("a name must not be empty".to_owned())
    } else if name.len() > LONGEST {
        Some(format!("a name has at most {LONGEST} characters"))
    } else if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        Some("a name starts with a letter or digit".to_owned())
    } else {
        let bad = name.chars().find(|c| !allowed(*c));
        bad.map(|bad| {
            format!("{bad:?} is not allowed in a name; allowed are letters, digits, '_', '.' and '-'")
        })
    }
}

/// Where an object comes from. An object has one origin; of two with one kind and name the higher-ranked wins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A part of the program, in force unless something else is said.
    BuiltIn,
    /// A container's labels.
    Label,
    /// Environment variables.
    Environment,
    /// An API call.
    Api,
    /// A file of a configuration directory, by its path.
    Directory(String),
}

impl Origin {
    /// Of two origins the one with the higher rank wins.
    pub const fn rank(&self) -> u8 {
        match self {
            Self::BuiltIn => 0,
            Self::Label => 1,
            Self::Environment => 2,
            Self::Api => 3,
            Self::Directory(_) => 4,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("built-in"),
            Self::Label => f.write_str("label"),
            Self::Environment => f.write_str("environment"),
            Self::Api => f.write_str("api"),
            Self::Directory(file) => write!(f, "directory:{file}"),
        }
    }
}

/// Why a text names no origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not an origin: directory:<file>, api, environment, label or built-in")]
pub struct OriginError;

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "built-in" => Ok(Self::BuiltIn),
            "label" => Ok(Self::Label),
            "environment" => Ok(Self::Environment),
            "api" => Ok(Self::Api),
            _ => text
                .strip_prefix("directory:")
                .map(|file| Self::Directory(file.to_owned()))
                .ok_or(OriginError),
        }
    }
}

impl Serialize for Origin {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_dockers_rule_and_end_at_253_characters() {
        for good in ["a", "web-1", "A.b_c", "0", &"x".repeat(253)] {
            assert_eq!(name_fault(good), None, "{good}");
        }
        for bad in ["", "-a", ".a", "a b", "a/b", "ä", "a\n", &"x".repeat(254)] {
            assert!(name_fault(bad).is_some(), "{bad:?}");
        }
    }

    #[test]
    fn every_origin_reads_back_and_the_directory_ranks_highest() {
        let origins = [
            Origin::BuiltIn,
            Origin::Label,
            Origin::Environment,
            Origin::Api,
            Origin::Directory("a/b.yaml".to_owned()),
        ];
        for pair in origins.windows(2) {
            assert!(pair[0].rank() < pair[1].rank());
        }
        for origin in origins {
            assert_eq!(origin.to_string().parse(), Ok(origin));
        }
        assert_eq!("elsewhere".parse::<Origin>(), Err(OriginError));
    }
}
