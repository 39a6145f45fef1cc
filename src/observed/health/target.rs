//! Who is asked for a service, and what was found out.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::observed::key::ContainerKey;
use crate::observed::nanos::Nanos;
use crate::observed::streak::Streak;

/// How a service, or one of its containers, is.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum HealthWord {
    /// As it should be.
    Healthy,
    /// Not as it should be.
    Unhealthy,
    /// A probe could not be carried out.
    Error,
    /// Declared, and no container is there.
    NotFound,
    /// No verdict yet.
    #[default]
    Unknown,
}

impl HealthWord {
    /// The word that faces use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Error => "error",
            Self::NotFound => "not_found",
            Self::Unknown => "unknown",
        }
    }

    /// Whether whatever depends on it cannot work.
    pub const fn is_down(self) -> bool {
        matches!(self, Self::Unhealthy | Self::NotFound)
    }
}

/// How a check went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Checked {
    /// As expected.
    Passed,
    /// Not as expected: what was, and what came.
    Failed(String),
    /// It answers and refuses us: what was expected, and what came.
    Denied(String),
    /// It says that it is too early to ask.
    NotYet(String),
    /// It could not be carried out, which says nothing about its target.
    Faulty(String),
}

impl Checked {
    /// In one word, and why, where it did not pass.
    pub fn told(&self) -> (&'static str, Option<&str>) {
        match self {
            Self::Passed => ("passed", None),
            Self::Failed(why) => ("failed", Some(why)),
            Self::Denied(why) => ("denied", Some(why)),
            Self::NotYet(why) => ("notYet", Some(why)),
            Self::Faulty(why) => ("fault", Some(why)),
        }
    }
}

/// One probe of one target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProbeState {
    /// The verdict and how it came about.
    pub streak: Streak,
    /// The last check.
    pub last: Option<LastCheck>,
    /// Where that asked and why there, for people; `None` for a probe that needs no address.
    #[serde(default)]
    pub asks: Option<String>,
}

/// A check that was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LastCheck {
    /// When it ended.
    pub at: Nanos,
    /// How long it took, in milliseconds.
    pub millis: f64,
    /// How it went.
    pub checked: Checked,
    /// What the other side said, if that was anything beyond its protocol; for those who may see bodies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
}

/// Who is asked for a service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProbeTarget {
    /// Something outside Docker.
    Outside,
    /// One of its containers.
    Container(ContainerKey),
}

/// What is known of one container of a service, or of its target outside Docker.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TargetState {
    /// The run that was asked.
    pub started: Option<Nanos>,
    /// Its probes' states by name.
    pub probes: BTreeMap<String, ProbeState>,
    /// The verdict.
    pub health: HealthWord,
    /// Why, for people.
    pub reason: String,
    /// Whether all that is wrong is that we are refused: the target itself answers.
    pub denied: bool,
    /// Since when one of its probes has been told that it is too early; `None`: none is.
    pub early_since: Option<Nanos>,
    /// When the verdict changed last.
    pub since: Nanos,
}
