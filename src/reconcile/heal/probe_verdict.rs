//! A verdict on a container's health from elsewhere than its own health check.

use crate::observed::{Health, Nanos};

/// What somebody other than the engine says of a container's present run: a service's probes, say. It counts under a
/// policy whose trigger `probes` is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeVerdict<'a> {
    /// The verdict; `Starting`: none yet on this run.
    pub health: Health,
    /// Since when.
    pub since: Nanos,
    /// Who says so, for people: `service kafka`.
    pub by: &'a str,
    /// Why, for people; one line is made of it.
    pub why: &'a str,
    /// Whether all that is wrong is that we are refused.
    pub denied: bool,
    /// Since when it has said that it is too early to ask; `None`: it does not.
    pub early_since: Option<Nanos>,
}
