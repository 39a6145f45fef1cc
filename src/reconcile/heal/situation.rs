//! Everything a decision on one container looks at.

use super::memory::HealMemory;
use super::probe_verdict::ProbeVerdict;
use super::related::Related;
use crate::observed::{Container, Health, Nanos};
use crate::reconcile::cause::StopMarks;
use crate::resource::autoheal_policy::AutohealPolicySpec;

/// Which policy a container belongs to.
#[derive(Clone, Copy, Debug)]
pub enum PolicyView<'a> {
    /// A policy selects it.
    Selected {
        /// The policy's name.
        name: &'a str,
        /// Its spec, with the container's labels (`autoheal.stop.timeout`, `autoheal.action`) folded in.
        spec: &'a AutohealPolicySpec,
    },
    /// It is opted out.
    Excluded {
        /// What opts it out, for people: `the policy default excludes it`.
        by: &'a str,
    },
    /// No policy selects it: it is never touched and nothing is said.
    NotSelected,
}

/// Everything a decision on one container looks at.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// The container as last inspected.
    pub container: &'a Container,
    /// What it is related to.
    pub related: &'a Related,
    /// What is said of its health elsewhere, if anything is.
    pub probe_verdict: Option<ProbeVerdict<'a>>,
    /// Whose it is.
    pub policy: PolicyView<'a>,
    /// What was done and said before, under the container's logical identity.
    pub memory: &'a HealMemory,
    /// What the events said of its stops.
    pub marks: &'a StopMarks,
    /// Whether the engine answers and events flow.
    pub engine_connected: bool,
    /// Whether a registry knows the container.
    pub registered: bool,
    /// What is wrong with Portreeve itself, if anything is.
    pub own_fault: Option<&'a str>,
    /// Whether it is Portreeve's own container.
    pub is_own: bool,
    /// Decide and say, never act.
    pub observe: bool,
    /// The engine is declared read-only.
    pub read_only: bool,
    /// What of the policy and the engine is suspended, if anything is, for people.
    pub suspended: Option<&'a str>,
    /// The present instant.
    pub now: Nanos,
    /// What the jitter is drawn from: a stable hash of the logical identity.
    pub seed: u64,
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
