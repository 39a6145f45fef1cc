//! Why something is not done.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::resource::event::Severity;

/// The reason of a decision not to act: a condition's `reason`, an event's, and a metric's label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Reason {
    /// The wait after the last attempt is not over.
    BackingOff,
    /// The budget is spent; reported once, when the container is quarantined.
    BudgetExhausted,
    /// Every step of the escalation was tried; reported once, when the container is quarantined.
    EscalationExhausted,
    /// The budget was spent earlier and the container was not released.
    Quarantined,
    /// Many containers are sick at once: healing stops.
    BreakerOpen,
    /// It is marked as down in the registries, so that its clients have time to go elsewhere.
    Draining,
    /// Other containers are being healed, or the engine had as many attempts as the policy's pace permits.
    Paced,
    /// A silence covers it.
    Silenced,
    /// What it depends on is down: healing it would not help.
    DependencyDown,
    /// It answers but refuses a probe, for example its login: healing would not help.
    #[serde(alias = "LoginRefused")]
    Denied,
    /// It is not ready yet (a probe answers `notYet`): healing would make it start over.
    NotYet,
    /// It was stopped or killed by hand and not started since.
    StoppedByHand,
    /// Its policy's action `stop` stopped it.
    StoppedByPolicy,
    /// The engine stopped it while shutting down, or at its next boot.
    EngineShutdown,
    /// It exited and the cause was not seen.
    StopCauseUnknown,
    /// It is excluded from healing by its label, its service or its policy.
    Excluded,
    /// It is a task of a Swarm service, which Swarm itself replaces.
    LeftToSwarm,
    /// It started too recently: the policy's grace, or the health check has no result yet.
    Starting,
    /// The engine no longer runs its health check, so its health is not known.
    HealthCheckSilent,
    /// It is paused.
    Paused,
    /// The engine is restarting it.
    Restarting,
    /// Docker's own restart policy restarts it.
    RestartPolicyActs,
    /// The engine is removing it.
    Removing,
    /// The engine reports it as dead: it cannot be started.
    Dead,
    /// It was recreated while an action on its predecessor was open.
    Replaced,
    /// It is being stopped or killed right now.
    StopInProgress,
    /// Portreeve's last action may still be under way.
    ActionInProgress,
    /// The check before the call found that the action is no longer justified.
    Superseded,
    /// It is Portreeve's own container.
    OwnContainer,
    /// The engine does not answer: what is known of the container may be old.
    EngineUnreachable,
    /// Portreeve itself has a fault.
    OwnFault,
    /// Observe mode: decide and report, never act.
    Observing,
    /// The engine is declared read-only.
    ReadOnly,
    /// The policy or the engine is suspended by its annotation.
    Suspended,
    /// It has not been unhealthy for `minUnhealthy`.
    NotUnhealthyLongEnough,
    /// The policy's trigger for this is off.
    TriggerOff,
    /// The policy's action is `none`.
    ActionNone,
    /// The policy's action is `notify`.
    NotifyOnly,
    /// This version does not support the policy's action.
    ActionUnavailable,
}

impl Reason {
    /// Every reason.
    pub const ALL: &[Self] = &[
        Self::BackingOff,
        Self::BudgetExhausted,
        Self::EscalationExhausted,
        Self::Quarantined,
        Self::BreakerOpen,
        Self::Draining,
        Self::Paced,
        Self::Silenced,
        Self::DependencyDown,
        Self::Denied,
        Self::NotYet,
        Self::StoppedByHand,
        Self::StoppedByPolicy,
        Self::EngineShutdown,
        Self::StopCauseUnknown,
        Self::Excluded,
        Self::LeftToSwarm,
        Self::Starting,
        Self::HealthCheckSilent,
        Self::Paused,
        Self::Restarting,
        Self::RestartPolicyActs,
        Self::Removing,
        Self::Dead,
        Self::Replaced,
        Self::StopInProgress,
        Self::ActionInProgress,
        Self::Superseded,
        Self::OwnContainer,
        Self::EngineUnreachable,
        Self::OwnFault,
        Self::Observing,
        Self::ReadOnly,
        Self::Suspended,
        Self::NotUnhealthyLongEnough,
        Self::TriggerOff,
        Self::ActionNone,
        Self::NotifyOnly,
        Self::ActionUnavailable,
    ];

    /// CamelCase, as in conditions.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BackingOff => "BackingOff",
            Self::BudgetExhausted => "BudgetExhausted",
            Self::EscalationExhausted => "EscalationExhausted",
            Self::Quarantined => "Quarantined",
            Self::BreakerOpen => "BreakerOpen",
            Self::Draining => "Draining",
            Self::Paced => "Paced",
            Self::Silenced => "Silenced",
            Self::DependencyDown => "DependencyDown",
            Self::Denied => "Denied",
            Self::NotYet => "NotYet",
            Self::StoppedByHand => "StoppedByHand",
            Self::StoppedByPolicy => "StoppedByPolicy",
            Self::EngineShutdown => "EngineShutdown",
            Self::StopCauseUnknown => "StopCauseUnknown",
            Self::Excluded => "Excluded",
            Self::LeftToSwarm => "LeftToSwarm",
            Self::Starting => "Starting",
            Self::HealthCheckSilent => "HealthCheckSilent",
            Self::Paused => "Paused",
            Self::Restarting => "Restarting",
            Self::RestartPolicyActs => "RestartPolicyActs",
            Self::Removing => "Removing",
            Self::Dead => "Dead",
            Self::Replaced => "Replaced",
            Self::StopInProgress => "StopInProgress",
            Self::ActionInProgress => "ActionInProgress",
            Self::Superseded => "Superseded",
            Self::OwnContainer => "OwnContainer",
            Self::EngineUnreachable => "EngineUnreachable",
            Self::OwnFault => "OwnFault",
            Self::Observing => "Observing",
            Self::ReadOnly => "ReadOnly",
            Self::Suspended => "Suspended",
            Self::NotUnhealthyLongEnough => "NotUnhealthyLongEnough",
            Self::TriggerOff => "TriggerOff",
            Self::ActionNone => "ActionNone",
            Self::NotifyOnly => "NotifyOnly",
            Self::ActionUnavailable => "ActionUnavailable",
        }
    }

    /// How much a refusal for this reason matters: those that end only when someone acts are warnings.
    pub const fn severity(self) -> Severity {
        match self {
            Self::BreakerOpen | Self::BudgetExhausted | Self::EscalationExhausted => Severity::Critical,
            Self::StopCauseUnknown
            | Self::HealthCheckSilent
            | Self::Denied
            | Self::Dead
            | Self::EngineUnreachable
            | Self::OwnFault
            | Self::ActionUnavailable => Severity::Warning,
            // The quarantine itself was told as critical when it began.
            Self::Quarantined
            | Self::BackingOff
            | Self::Silenced
            | Self::DependencyDown
            | Self::Draining
            | Self::Paced
            | Self::StoppedByHand
            | Self::StoppedByPolicy
            | Self::EngineShutdown
            | Self::Excluded
            | Self::LeftToSwarm
            | Self::NotYet
            | Self::Starting
            | Self::Paused
            | Self::Restarting
            | Self::RestartPolicyActs
            | Self::Removing
            | Self::Replaced
            | Self::StopInProgress
            | Self::ActionInProgress
            | Self::Superseded
            | Self::OwnContainer
            | Self::Observing
            | Self::ReadOnly
            | Self::Suspended
            | Self::NotUnhealthyLongEnough
            | Self::TriggerOff
            | Self::ActionNone
            | Self::NotifyOnly => Severity::Info,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_among_all() {
        let schema = schemars::schema_for!(Reason).to_value();
        let words: Vec<_> =
            schema["oneOf"].as_array().into_iter().flatten().map(|one| one["const"].clone()).collect();
        let all: Vec<_> = Reason::ALL.iter().map(|reason| serde_json::json!(reason)).collect();
        assert_eq!(all, words);
    }
}
