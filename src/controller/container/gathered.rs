//! What a healing decision is made of, beside the container and what is remembered of it.

use std::sync::Arc;

use super::reconciler::Reconciler;
use crate::controller::attachments::Attachment;
use crate::desired::{Desired, PolicyChoice};
use crate::observed::{Container, Nanos};
use crate::reconcile::cause::StopMarks;
use crate::reconcile::heal::{HealMemory, PolicyView, ProbeVerdict, Related, Situation};
use crate::reconcile::health::probed::Probed;

/// All of it, as it was at one moment.
pub(super) struct Gathered {
    desired: Arc<Desired>,
    choice: PolicyChoice,
    related: Related,
    probed: Option<Probed>,
    /// The service that it was probed for, for people.
    by: String,
    /// The engine's clock minus ours.
    ahead: i64,
    engine_connected: bool,
    read_only: bool,
    is_own: bool,
    own_fault: Option<String>,
    suspended: Option<String>,
}

/// What is decided about.
#[derive(Clone, Copy)]
pub(super) struct Case<'a> {
    pub container: &'a Container,
    pub memory: &'a HealMemory,
    pub marks: &'a StopMarks,
    /// Whether a registry knows the container.
    pub registered: bool,
    pub now: Nanos,
    pub seed: u64,
}

impl Reconciler {
    /// Looks around, without waiting for anything.
    pub(super) fn gather(&self, case: Case<'_>, attachment: Option<&Attachment>) -> Gathered {
        let Case { container, memory, now, .. } = case;
        let (parts, key) = (&*self.parts, &container.key);
        let desired = parts.desired.load_full();
        let choice = desired.policy_for(container);
        let suspended = match &choice {
            PolicyChoice::Selected { name, .. } => desired.healing_suspended(&key.engine, name),
            PolicyChoice::Excluded { .. } | PolicyChoice::NotSelected { .. } => None,
        };
        let (connected, is_own) =
            parts.world.read(|world| (world.is_connected(&key.engine), world.own.contains(&key.id)));
        let mut related = self.related(container, memory, now);
        if let Some(root) = parts.waits_for(key).filter(|_| related.down.is_none()) {
            related.down = Some(format!("the service {root}"));
        }
        let probed = parts.probed(container, &desired);
        Gathered {
            choice,
            related,
            by: probed.as_ref().map(|probed| format!("service {}", probed.service)).unwrap_or_default(),
            probed,
            ahead: parts.world.clock_ahead(&key.engine),
            engine_connected: connected && attachment.is_some(),
            read_only: attachment.is_some_and(|attachment| attachment.read_only),
            is_own,
            own_fault: parts.own_fault.get(),
            suspended,
            desired,
        }
    }
}

impl Gathered {
    /// The name of the policy that selects it.
    pub(super) fn policy(&self) -> Option<&str> {
        match &self.choice {
            PolicyChoice::Selected { name, .. } => Some(name),
            PolicyChoice::Excluded { .. } | PolicyChoice::NotSelected { .. } => None,
        }
    }

    /// The situation that [`decide`](crate::reconcile::heal::decide) looks at.
    pub(super) fn situation<'a>(&'a self, case: Case<'a>) -> Situation<'a> {
        let Case { container, memory, marks, registered, now, seed } = case;
        let by_engine = |at: Nanos| Nanos(at.0.saturating_add(self.ahead));
        let probe_verdict = self.probed.as_ref().map(|probed| ProbeVerdict {
            health: probed.health,
            since: by_engine(probed.since),
            by: &self.by,
            why: &probed.reason,
            denied: probed.denied,
            early_since: probed.early_since.map(by_engine),
        });
        let policy = match &self.choice {
            PolicyChoice::Selected { name, spec, .. } => PolicyView::Selected { name, spec },
            PolicyChoice::Excluded { why, .. } => PolicyView::Excluded { by: why },
            PolicyChoice::NotSelected { .. } => PolicyView::NotSelected,
        };
        Situation {
            container,
            related: &self.related,
            probe_verdict,
            policy,
            memory,
            marks,
            engine_connected: self.engine_connected,
            registered,
            own_fault: self.own_fault.as_deref(),
            is_own: self.is_own,
            observe: self.desired.settings.observe,
            read_only: self.read_only,
            suspended: self.suspended.as_deref(),
            now,
            seed,
        }
    }
}
