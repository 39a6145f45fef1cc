//! What is remembered of checks in a row. What follows from them is decided in [`crate::probe::threshold`].

use serde::{Deserialize, Serialize};

use super::Nanos;

/// What a probe says of its target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Too few checks to say.
    #[default]
    Unknown,
    /// It passed as often in a row as is asked for.
    Healthy,
    /// It failed as often in a row as is allowed.
    Unhealthy,
}

/// What is remembered of the checks of one run of a container, or of a target outside Docker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Streak {
    /// The verdict so far.
    pub verdict: Verdict,
    /// Passes in a row.
    pub passes: u32,
    /// Failures in a row.
    pub failures: u32,
    /// Whether it ever passed: then `startup` is over.
    pub started: bool,
    /// Whether what counts against it is that it refuses a login: it answers, and has not failed otherwise as often in a
    /// row as makes it unhealthy.
    #[serde(default)]
    pub refuses: bool,
    /// Failures in a row that were no refused logins.
    #[serde(default)]
    pub other: u32,
    /// Since when it has said that it is too early to ask, without a pass or a verdict of unhealthy in between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_since: Option<Nanos>,
    /// When it last said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_seen: Option<Nanos>,
}
