//! A verdict on a container's health from elsewhere than its own health check, and the two seen together.

use super::Situation;
use crate::observed::{Health, Nanos};
use crate::resource::autoheal_policy::AutohealPolicySpec;

/// What somebody other than the engine says of a container's present run: a service's probes, say. It counts under a
/// policy whose trigger `probes` is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outside<'a> {
    /// The verdict; `Starting`: none yet on this run.
    pub health: Health,
    /// Since when.
    pub since: Nanos,
    /// Who says so, for people: `service kafka`.
    pub by: &'a str,
    /// Why, for people; one line is made of it.
    pub why: &'a str,
    /// Whether all that is wrong is that logins are refused.
    pub denied: bool,
}

impl<'a> Situation<'a> {
    /// The verdict from elsewhere, if the policy listens to it. Who only refuses a login is neither sick, as far as healing
    /// goes, nor proved to be well.
    pub(super) fn heeded(&self, spec: &AutohealPolicySpec) -> Option<Outside<'a>> {
        let outside = self.outside.filter(|_| spec.triggers.probes)?;
        let health = if outside.denied { Health::Starting } else { outside.health };
        Some(Outside { health, ..outside })
    }

    /// Whether a login is refused that somebody whom the policy listens to has tried.
    pub(super) fn refuses(&self, spec: &AutohealPolicySpec) -> bool {
        spec.triggers.probes && self.outside.is_some_and(|outside| outside.denied)
    }

    /// The worst that anybody says; `None`: nobody is there to say anything.
    pub(super) fn health(&self, spec: &AutohealPolicySpec) -> Option<Health> {
        let outside = self.heeded(spec).map(|outside| outside.health);
        [Health::Unhealthy, Health::Silent, Health::Awaited, Health::Starting, Health::Healthy]
            .into_iter()
            .find(|health| self.container.health == Some(*health) || outside == Some(*health))
    }
}
