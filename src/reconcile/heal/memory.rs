//! What healing remembers of a container, under its logical identity: stored, handed in, handed back.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::observed::Nanos;
use crate::reconcile::plan::{Note, Reason};
use crate::resource::Duration;
use crate::resource::autoheal_policy::AutohealPolicySpec;
use crate::resource::event::{EventKind, Severity};

use super::backoff::elapsed;
use crate::reconcile::intent::{Answer, Intent};

/// How long after a drain the attempt may take to begin.
const HESITATION: Duration = Duration::from_secs(10);

/// Everything a decision needs to know of the past. Survives restarts of Portreeve and the container's recreation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HealMemory {
    /// The run last seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<Run>,
    /// Since when this run has been seen unhealthy without a break.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unhealthy_since: Option<Nanos>,
    /// Since when this run has been seen healthy (or running, without a health check) without a break.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthy_since: Option<Nanos>,
    /// Whether it was seen sick and not healthy since.
    pub ailing: bool,
    /// When attempts were spent, oldest first: those the budget still counts. At most 1000.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub spent: Vec<Nanos>,
    /// Attempts since waits and budget last started afresh.
    pub streak: u32,
    /// When the last attempt was committed or, once known, answered: waits count from here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_action: Option<Nanos>,
    /// Attempts ever, but for those called off.
    pub restart_count: u32,
    /// Attempts ever committed: what their ids are made of.
    #[serde(skip_serializing_if = "is_zero")]
    pub committed: u32,
    /// When the last attempt was called off, unless another was committed since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub called_off: Option<Nanos>,
    /// Set when the budget is spent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quarantined: Option<Quarantine>,
    /// The attempt that is not settled yet. It is stored for itself, as every reconciler's.
    #[serde(skip)]
    pub intent: Option<Intent>,
    /// The attempt whose new run has not been seen healthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verifying: Option<Verifying>,
    /// StartedAt of the last run that an attempt brought about: what depends on it may have to follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healed: Option<Nanos>,
    /// Logical identity of whose network it shares.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Since when it is kept out of the registries for an attempt, until its new run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub draining: Option<Nanos>,
    /// The last kill or stop of a running container (event time), and when a decision first saw it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_seen: Option<(Nanos, Nanos)>,
    /// The reason last told, so that it is told once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub told: Option<Reason>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde asks for it")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A run of a container, as healing saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// Full id of the container.
    pub container: Arc<str>,
    /// StartedAt; `None` for a container that never ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Nanos>,
    /// When a decision first saw this run.
    pub seen: Nanos,
}

/// An attempt that brought a new run about: healed is what is healthy again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verifying {
    /// Its number.
    pub attempt: u32,
    /// When the new run was seen.
    pub since: Nanos,
    /// Whether it is known not to have healed.
    #[serde(default)]
    pub failed: bool,
}

/// Why and since when nothing is done any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quarantine {
    /// Since when.
    pub since: Nanos,
    /// Why, for people.
    pub why: String,
    /// The image it had then: another may be the cure.
    #[serde(default)]
    pub image: String,
}

impl HealMemory {
    /// Lifts the quarantine by someone's word: waits and budget start afresh. Does nothing to one not quarantined.
    /// The caller decides again at once.
    pub fn release(&mut self, now: Nanos, caller: &str) -> Option<Note> {
        let quarantine = self.quarantined.take()?;
        self.start_afresh();
        self.told = None;
        Some(Note {
            kind: EventKind::Released,
            reason: None,
            message: format!(
                "released by {caller} after {} in quarantine ({})",
                elapsed(quarantine.since, now),
                quarantine.why
            ),
            severity: Severity::Info,
            restart_count: self.restart_count,
            output: None,
        })
    }

    /// Measures lasting health anew: the caller learnt that the container was unhealthy although it is healthy by the time
    /// it is looked at (an event replayed after an outage), or that events were lost.
    pub fn interrupt_health(&mut self) {
        self.healthy_since = None;
    }

    /// Until when, at the latest, an attempt is under way or unproven. The time to prove it counts from the beginning, for
    /// Portreeve may be away while the one turns into the other.
    pub(super) fn place(&self, spec: &AutohealPolicySpec, now: Nanos) -> Option<Nanos> {
        if let Some(intent) = &self.intent {
            return intent.in_progress(now).then(|| intent.over().plus(spec.verify.within));
        }
        let verifying = self.verifying.as_ref().filter(|verifying| !verifying.failed);
        let proof = verifying.map(|verifying| verifying.since.plus(spec.verify.within));
        let drain = self.draining.map(|since| since.plus(spec.drain).plus(HESITATION));
        proof.filter(|until| *until > now).or(drain.filter(|until| *until > now))
    }

    /// How often Portreeve acted on the container: an attempt counts once the engine has answered, or gave a new run.
    pub fn restarts(&self) -> u32 {
        let in_flight = self.intent.as_ref().is_some_and(|intent| intent.answer.is_none());
        self.restart_count.saturating_sub(u32::from(in_flight))
    }

    /// Takes back what was counted for the open attempt, which is not made.
    pub(super) fn call_off(&mut self, now: Nanos) {
        let Some(intent) = self.intent.take() else { return };
        if let Some(at) = self.spent.iter().rposition(|spent| *spent == intent.committed_at) {
            self.spent.remove(at);
        }
        self.streak = self.streak.saturating_sub(u32::from(!intent.cause.is_cascade()));
        self.restart_count = self.restart_count.saturating_sub(1);
        self.called_off = Some(now);
    }

    /// Forgets waits and spent budget. `last_action` stays: with no streak it delays nothing.
    pub(super) fn start_afresh(&mut self) {
        self.quarantined = None;
        self.streak = 0;
        self.spent.clear();
        self.verifying = None;
    }

    /// Moves every instant of ours that lies in the future to `now`: the clock stepped back since.
    pub(super) fn not_after(&mut self, now: Nanos) {
        let Self {
            run,
            unhealthy_since,
            healthy_since,
            ailing: _,
            spent,
            streak: _,
            last_action,
            restart_count: _,
            committed: _,
            called_off,
            quarantined,
            intent,
            verifying,
            healed: _,
            parent: _,
            draining,
            stop_seen,
            told: _,
        } = self;
        let clamp = |at: &mut Nanos| *at = (*at).min(now);
        run.iter_mut().for_each(|run| clamp(&mut run.seen));
        [unhealthy_since, healthy_since, last_action, called_off, draining]
            .into_iter()
            .flatten()
            .for_each(clamp);
        spent.iter_mut().for_each(clamp);
        quarantined.iter_mut().for_each(|quarantine| clamp(&mut quarantine.since));
        verifying.iter_mut().for_each(|verifying| clamp(&mut verifying.since));
        stop_seen.iter_mut().for_each(|(_, seen)| clamp(seen));
        if let Some(intent) = intent {
            clamp(&mut intent.committed_at);
            match &mut intent.answer {
                Some(Answer::Done { at } | Answer::Failed { at, .. } | Answer::Lost { at }) => clamp(at),
                None => {}
            }
        }
    }
}
