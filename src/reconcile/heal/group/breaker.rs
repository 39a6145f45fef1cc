//! The breaker: closed, open, or trying with one container at a time.

use serde::{Deserialize, Serialize};

use crate::observed::Nanos;
use crate::reconcile::plan::{Note, Reason};
use crate::resource::Duration;
use crate::resource::autoheal_policy::{AutohealPolicySpec, HealAction};
use crate::resource::event::{EventKind, Severity};

/// How long it must have been calm before an open breaker gives way, and how long after a start of Portreeve none opens or
/// closes: long enough for everybody to have been looked at.
pub(super) const CALM: Duration = Duration::from_secs(10);

/// Whether healing goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(super) enum Breaker {
    /// As usual.
    #[default]
    Closed,
    /// Not at all.
    Open {
        /// Since when, or since the last try failed.
        since: Nanos,
        /// Since when fewer are sick than what opened it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        calm: Option<Nanos>,
    },
    /// With one container at a time.
    Resuming,
}

/// The breaker turned, and somebody should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::reconcile::heal) enum Turn {
    /// It opened: so many of so many are sick.
    Opened(usize, usize),
    /// It closed: so many of so many are.
    Closed(usize, usize),
}

impl Breaker {
    /// Takes in how many of how many are sick, and whether an attempt just proved to be in vain.
    pub(super) fn turn(
        &mut self,
        sick: usize,
        targets: usize,
        failed: bool,
        spec: &AutohealPolicySpec,
        now: Nanos,
    ) -> Option<Turn> {
        let rules = &spec.breaker;
        // Fewer than the rules ask for have no breaker, neither one that opens nor one that stays open.
        let enough = targets >= usize::try_from(rules.min_targets).unwrap_or(usize::MAX);
        let share = |ratio: f64| enough && sick > 0 && fraction(sick, targets) >= ratio;
        let many = share(rules.unhealthy_ratio);
        let before = *self;
        *self = match before {
            Self::Closed if many && acts(spec) => Self::Open { since: now, calm: None },
            Self::Closed => Self::Closed,
            Self::Open { since, calm: _ } if many => {
                let tried = rules.resume_one_by_one && since.plus(rest(spec)) <= now;
                if tried { Self::Resuming } else { Self::Open { since, calm: None } }
            }
            Self::Open { since, calm } => {
                let calm = calm.unwrap_or(now);
                match (calm.plus(CALM) <= now, rules.resume_one_by_one) {
                    (false, _) => Self::Open { since, calm: Some(calm) },
                    (true, true) if sick > 0 => Self::Resuming,
                    (true, true | false) => Self::Closed,
                }
            }
            Self::Resuming if many && failed => Self::Open { since: now, calm: None },
            Self::Resuming if share(rules.unhealthy_ratio / 2.0) => Self::Resuming,
            Self::Resuming => Self::Closed,
        };
        match (before, *self) {
            (Self::Closed, Self::Open { .. }) => Some(Turn::Opened(sick, targets)),
            (Self::Open { .. } | Self::Resuming, Self::Closed) => Some(Turn::Closed(sick, targets)),
            (Self::Closed | Self::Open { .. } | Self::Resuming, _) => None,
        }
    }

    /// Whether nothing is healed now, and until when.
    pub(super) fn holds(self, spec: &AutohealPolicySpec) -> Option<Option<Nanos>> {
        match self {
            Self::Closed | Self::Resuming => None,
            Self::Open { since, calm: _ } => {
                Some(spec.breaker.resume_one_by_one.then(|| since.plus(rest(spec))))
            }
        }
    }

    /// Nobody is left whom it could keep from being healed.
    pub(super) fn close(&mut self) -> Option<Turn> {
        (std::mem::take(self) != Self::Closed).then_some(Turn::Closed(0, 0))
    }

    pub(super) const fn is_open(self) -> bool {
        matches!(self, Self::Open { .. })
    }

    pub(super) const fn resumes(self) -> bool {
        matches!(self, Self::Resuming)
    }

    /// When calm will have lasted long enough.
    pub(super) fn calm_at(self) -> Option<Nanos> {
        match self {
            Self::Open { since: _, calm } => calm.map(|calm| calm.plus(CALM)),
            Self::Closed | Self::Resuming => None,
        }
    }

    pub(super) fn not_after(&mut self, now: Nanos) {
        match self {
            Self::Open { since, calm } => {
                *since = (*since).min(now);
                calm.iter_mut().for_each(|calm| *calm = (*calm).min(now));
            }
            Self::Closed | Self::Resuming => {}
        }
    }
}

/// How long an open breaker rests before one container is tried.
fn rest(spec: &AutohealPolicySpec) -> Duration {
    spec.backoff.max.max(spec.verify.within)
}

/// Whether the policy ever touches a container.
fn acts(spec: &AutohealPolicySpec) -> bool {
    let touches = |action: &HealAction| match action {
        HealAction::Restart | HealAction::Recreate | HealAction::Stop => true,
        HealAction::Notify | HealAction::None => false,
    };
    if spec.escalation.is_empty() { touches(&spec.action) } else { spec.escalation.iter().any(touches) }
}

#[expect(clippy::cast_precision_loss, reason = "a share of at most some thousands")]
fn fraction(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

impl Turn {
    /// What is recorded of the policy and the engine.
    pub(in crate::reconcile::heal) fn note(self, policy: &str, engine: &str) -> Note {
        let (kind, severity) = match self {
            Self::Opened(..) => (EventKind::BreakerOpen, Severity::Critical),
            Self::Closed(..) => (EventKind::BreakerClosed, Severity::Info),
        };
        let (reason, message) = self.told(policy, engine);
        Note { kind, reason, message, severity, restart_count: 0, output: None }
    }

    /// The reason and the sentence for it.
    fn told(self, policy: &str, engine: &str) -> (Option<Reason>, String) {
        match self {
            Self::Opened(sick, targets) => {
                let message = format!(
                    "{sick} of {targets} containers of the policy {policy} on {engine} are sick at once: healing \
                    stops, because the cause is probably elsewhere"
                );
                (Some(Reason::BreakerOpen), message)
            }
            Self::Closed(_, 0) => {
                let message =
                    format!("no container of the policy {policy} on {engine} is left: its breaker closes");
                (None, message)
            }
            Self::Closed(sick, targets) => {
                let of = format!("{sick} of {targets} containers of the policy {policy} on {engine}");
                (None, format!("{of} are sick: healing goes on as usual"))
            }
        }
    }
}
