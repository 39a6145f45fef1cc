//! Every kind of event that is ever stored.

use std::fmt;

use super::{EventName, Severity};

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $kind:ident = $word:literal, $severity:ident;)+) => {
        /// What kind of thing happened or was decided.
        ///
        /// Its word is what is stored, what the API shows as `event_type` and what `?type=` takes: once given, a word stays.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum EventKind {
            $($(#[doc = $doc])+ $kind,)+
        }

        impl EventKind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$kind),+];

            /// The word stored and shown.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$kind => $word,)+ }
            }

            /// The kind of a word. `None`: a word that this version does not store, as another version may have.
            pub fn parse(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$kind),)+
                    _ => None,
                }
            }

            /// How much such an event matters, unless it says otherwise itself.
            pub const fn severity(self) -> Severity {
                match self { $(Self::$kind => Severity::$severity,)+ }
            }
        }
    };
}

kinds! {
    /// A container was created (document R5).
    Create = "create", Info;
    /// A run of a container began (document R5).
    Start = "start", Info;
    /// A run of a container ended (document R5).
    Stop = "stop", Info;
    /// A container was removed (document R5).
    Remove = "remove", Info;
    /// What happened in an interval is not known.
    Gap = "gap", Warning;
    /// A container is monitored because of its label (document R4).
    AutoMonitor = "auto_monitor", Info;
    /// A label of a container does not do what it looks like.
    LabelWarning = "label_warning", Warning;
    /// A restart or start was decided; it is carried out next.
    Restarting = "Restarting", Warning;
    /// It is to be made anew; that is carried out next.
    Recreating = "Recreating", Warning;
    /// The policy's `stop` was decided; it is carried out next.
    Stopping = "Stopping", Warning;
    /// A new run was seen after our action.
    Restarted = "Restarted", Info;
    /// The new run after our action is not healthy either.
    NotHealed = "NotHealed", Warning;
    /// Our action failed or was never carried out.
    RestartFailed = "RestartFailed", Warning;
    /// The policy's `stop` was carried out.
    Stopped = "Stopped", Warning;
    /// Something would have been done but for a reason; or a person had a delivery passed over.
    Skipped = "Skipped", Info;
    /// The container became unhealthy, or it is and its policy only says so.
    Unhealthy = "Unhealthy", Warning;
    /// The budget is spent: nothing is done any more until released.
    Quarantined = "Quarantined", Critical;
    /// Someone lifted the quarantine.
    Released = "Released", Info;
    /// Many containers are sick at once: healing stops.
    BreakerOpen = "BreakerOpen", Critical;
    /// Healing goes on as usual.
    BreakerClosed = "BreakerClosed", Info;
    /// It is healthy again.
    Recovered = "Recovered", Info;
    /// It stayed healthy: waits and budget start afresh.
    BackoffReset = "BackoffReset", Info;
    /// The engine makes none of its health checks any more.
    HealthCheckSilent = "HealthCheckSilent", Warning;
    /// The engine makes its health checks again.
    HealthCheckHeard = "HealthCheckHeard", Info;
    /// A service became unhealthy.
    ServiceDown = "ServiceDown", Critical;
    /// A service is healthy again.
    ServiceRecovered = "ServiceRecovered", Info;
    /// No target outside Docker answers any more.
    NetworkLost = "NetworkLost", Critical;
    /// A target outside Docker answers again.
    NetworkBack = "NetworkBack", Info;
    /// A deleted registry's registrations were removed.
    Deregistered = "Deregistered", Info;
    /// A deleted registry may still hold registrations.
    DeregistrationFailed = "DeregistrationFailed", Warning;
    /// A file took over an object that was applied before.
    Adopted = "Adopted", Info;
    /// An object outlives its file.
    Kept = "Kept", Info;
    /// An object was created by a request.
    ObjectCreated = "ObjectCreated", Info;
    /// An object was changed by a request.
    ObjectChanged = "ObjectChanged", Info;
    /// An object was deleted by a request.
    ObjectDeleted = "ObjectDeleted", Info;
    /// A repository was pulled and is at another commit.
    Pulled = "Pulled", Info;
    /// A repository cannot be pulled.
    PullFailed = "PullFailed", Warning;
    /// A repository can be pulled again.
    PullRecovered = "PullRecovered", Info;
    /// A person had parked deliveries sent again.
    Replayed = "Replayed", Info;
    /// A person had waiting deliveries tried at once.
    Retried = "Retried", Info;
    /// A person had waiting deliveries dropped.
    Discarded = "Discarded", Warning;
    /// Portreeve met a fault of its own.
    InternalError = "InternalError", Critical;
    /// A person had a probe tried.
    ProbeTried = "ProbeTried", Info;
}

/// The reason of a `ServiceDown` that has another service's outage for its root.
pub const DEPENDENCY_DOWN: &str = "DependencyDown";

impl EventKind {
    /// Those that a decision about healing records, as declared.
    pub const HEALING: &'static [Self] = &[
        Self::Restarting,
        Self::Recreating,
        Self::Stopping,
        Self::Restarted,
        Self::NotHealed,
        Self::RestartFailed,
        Self::Stopped,
        Self::Skipped,
        Self::Unhealthy,
        Self::Quarantined,
        Self::Released,
        Self::BreakerOpen,
        Self::BreakerClosed,
        Self::Recovered,
        Self::BackoffReset,
        Self::HealthCheckSilent,
        Self::HealthCheckHeard,
    ];

    /// The name under which a sink can ask for such an event with this reason; `None`: none can.
    pub fn name(self, reason: &str) -> Option<EventName> {
        Some(match self {
            Self::Create => EventName::ContainerCreated,
            Self::Start => EventName::ContainerStarted,
            Self::Stop => EventName::ContainerStopped,
            Self::Remove => EventName::ContainerRemoved,
            Self::Restarted => EventName::Restarted,
            Self::RestartFailed => EventName::RestartFailed,
            Self::Stopped => EventName::Stopped,
            Self::Unhealthy => EventName::Unhealthy,
            Self::Quarantined => EventName::Quarantined,
            Self::Released => EventName::Released,
            Self::BreakerOpen => EventName::BreakerOpen,
            Self::BreakerClosed => EventName::BreakerClosed,
            Self::Recovered => EventName::Recovered,
            Self::HealthCheckSilent => EventName::HealthCheckSilent,
            Self::HealthCheckHeard => EventName::HealthCheckHeard,
            Self::ServiceDown if reason == DEPENDENCY_DOWN => EventName::DependencyDown,
            Self::ServiceDown => EventName::ServiceDown,
            Self::ServiceRecovered => EventName::ServiceRecovered,
            Self::Gap
            | Self::AutoMonitor
            | Self::LabelWarning
            | Self::Restarting
            | Self::Recreating
            | Self::Stopping
            | Self::NotHealed
            | Self::Skipped
            | Self::BackoffReset
            | Self::NetworkLost
            | Self::NetworkBack
            | Self::Deregistered
            | Self::DeregistrationFailed
            | Self::Adopted
            | Self::Kept
            | Self::ObjectCreated
            | Self::ObjectChanged
            | Self::ObjectDeleted
            | Self::Pulled
            | Self::PullFailed
            | Self::PullRecovered
            | Self::Replayed
            | Self::Retried
            | Self::Discarded
            | Self::InternalError
            | Self::ProbeTried => return None,
        })
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_kind_has_a_word_of_its_own_and_is_found_by_it() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::parse(kind.as_str()), Some(*kind));
        }
        assert_eq!(EventKind::parse("restarted"), None);
    }

    #[test]
    fn a_sink_can_name_nothing_that_never_happens() {
        // Nothing tells of these yet.
        let to_come = [
            EventName::AlertFiring,
            EventName::AlertResolved,
            EventName::DeliveryParked,
            EventName::EngineDown,
            EventName::EngineRecovered,
            EventName::ManifestInvalid,
            EventName::Scaled,
        ];
        let mut told: BTreeSet<EventName> =
            EventKind::ALL.iter().filter_map(|kind| kind.name(kind.as_str())).collect();
        told.extend(EventKind::ServiceDown.name(DEPENDENCY_DOWN));
        let all: BTreeSet<EventName> = EventName::ALL.iter().copied().collect();
        let untold: Vec<EventName> = all.difference(&told).copied().collect();
        assert_eq!(untold.iter().collect::<BTreeSet<_>>(), to_come.iter().collect());
    }
}
