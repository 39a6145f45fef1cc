//! A verdict on a container's health from elsewhere than its own health check, and the two seen together.

use super::Situation;
use crate::observed::{Health, Nanos};
use crate::resource::autoheal_policy::AutohealPolicySpec;

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

impl<'a> Situation<'a> {
    /// The verdict from elsewhere, if the policy listens to it. Who only refuses us is neither sick, as far as healing
    /// goes, nor proved to be well; and who says that it is too early is sick once that has lasted as long as the policy bears.
    pub(super) fn heeded(&self, spec: &AutohealPolicySpec) -> Option<ProbeVerdict<'a>> {
        let probe_verdict = self.probe_verdict.filter(|_| spec.triggers.probes)?;
        let sick = probe_verdict.health == Health::Unhealthy && !probe_verdict.denied;
        match self.early_until(spec) {
            Some(until) if !sick && until <= self.now => {
                Some(ProbeVerdict { health: Health::Unhealthy, denied: false, since: until, ..probe_verdict })
            }
            _ if probe_verdict.denied => Some(ProbeVerdict { health: Health::Starting, ..probe_verdict }),
            _ => Some(probe_verdict),
        }
    }

    /// When it will have been too early for too long; `None`: it is not too early, or may be so for ever.
    pub(super) fn early_until(&self, spec: &AutohealPolicySpec) -> Option<Nanos> {
        let since = self.probe_verdict.filter(|_| spec.triggers.probes)?.early_since?;
        spec.triggers.not_yet.bound().map(|bound| since.plus(bound))
    }

    /// Whether somebody whom the policy listens to was told that it is too early.
    pub(super) fn is_early(&self, spec: &AutohealPolicySpec) -> bool {
        spec.triggers.probes
            && self.probe_verdict.is_some_and(|probe_verdict| probe_verdict.early_since.is_some())
    }

    /// Whether somebody whom the policy listens to is refused.
    pub(super) fn refuses(&self, spec: &AutohealPolicySpec) -> bool {
        spec.triggers.probes && self.probe_verdict.is_some_and(|probe_verdict| probe_verdict.denied)
    }

    /// The worst that anybody says; `None`: nobody is there to say anything.
    pub(super) fn health(&self, spec: &AutohealPolicySpec) -> Option<Health> {
        let probe_verdict = self.heeded(spec).map(|probe_verdict| probe_verdict.health);
        [Health::Unhealthy, Health::Silent, Health::Awaited, Health::Starting, Health::Healthy]
            .into_iter()
            .find(|health| self.container.health == Some(*health) || probe_verdict == Some(*health))
    }
}
