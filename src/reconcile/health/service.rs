//! The verdict on a service as a whole, what it waits for, and whether people are told.
//!
//! # Guarantees
//! - `ServiceDown` is told once until `ServiceRecovered`, also across restarts: whoever was told the one is told the other.
//! - What lasts no longer than a restart is not told.

use super::{Judged, Root, of_service};
use crate::desired::Service;
use crate::observed::{HealthWord, Nanos, ServiceState, Standing};
use crate::resource::Duration;
use crate::resource::event::DEPENDENCY_DOWN;

/// What is over sooner is not told: somebody restarted it.
pub const BRIEF: Duration = Duration::from_secs(3);
/// So long a service without containers may be between two of them, or not looked at yet.
pub const EMPTY: Duration = Duration::from_secs(3);

/// What a decision about a service rests on.
#[derive(Clone, Copy, Debug)]
pub struct ServiceSituation<'a> {
    /// Its name.
    pub name: &'a str,
    /// What is declared.
    pub service: &'a Service,
    /// What is known, its targets judged.
    pub state: &'a ServiceState,
    /// Whether every engine is connected that its selector can mean: that it has no container is said only then.
    pub connected: bool,
    /// The service at the root of its trouble, if there is one.
    pub root: Option<Root<'a>>,
    /// When.
    pub now: Nanos,
}

/// The part of a [`ServiceState`] that a decision sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceVerdict {
    health: HealthWord,
    reason: String,
    since: Nanos,
    fell: String,
    standing: Standing,
    early: bool,
    empty_since: Option<Nanos>,
    waits_for: Option<String>,
    suspects: bool,
}

/// What people are told of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Announcement {
    /// It is down.
    Down {
        /// Its verdict.
        health: HealthWord,
        /// `Unhealthy`, `Denied` or `DependencyDown`.
        reason: &'static str,
        /// Why, for people.
        message: String,
    },
    /// It is healthy again.
    Recovered {
        /// For people.
        message: String,
    },
}

/// What was decided about a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceDecision {
    /// What is known of it from now on, told or not.
    pub verdict: ServiceVerdict,
    /// What people are told; once that is committed they have been told.
    pub announce: Option<Announcement>,
    /// Whether what is known of it is to be stored, and shown anew.
    pub changed: bool,
    /// Whether containers of services that need it are to be decided on again.
    pub wakes_needing: bool,
    /// Whether services that need it, directly or not, are to be decided on again.
    pub turned: bool,
    /// Whether its own containers are to be decided on again: what it waits for is another.
    pub wakes_own: bool,
    /// Whether what failed while another was down says nothing now, and all is to be asked anew.
    pub freed: bool,
    /// When to decide again.
    pub requeue_at: Option<Nanos>,
}

impl ServiceVerdict {
    /// Sets it.
    pub fn apply(self, state: &mut ServiceState) {
        let Self { health, reason, since, fell, standing, early, empty_since, waits_for, suspects } = self;
        (state.health, state.reason, state.since, state.fell) = (health, reason, since, fell);
        (state.standing, state.early, state.empty_since) = (standing, early, empty_since);
        (state.waits_for, state.suspects) = (waits_for, suspects);
    }
}

/// Decides on a service.
pub fn decide(situation: &ServiceSituation<'_>) -> ServiceDecision {
    let ServiceSituation { name, service, state, connected, root, now } = *situation;
    let empty_since = (connected && state.targets.is_empty()).then(|| state.empty_since.unwrap_or(now));
    let long = |since: Nanos| now.since(since) >= EMPTY.as_nanos();
    let Judged { word, reason, .. } = if state.targets.is_empty() && !empty_since.is_some_and(long) {
        Judged::new(HealthWord::Unknown, "no container was seen yet")
    } else {
        of_service(service.spec.min_healthy, &state.targets)
    };
    let turns = word != state.health;
    let since = if turns { now } else { state.since };
    let falls = turns && word.is_down() && !state.health.is_down();
    let fell = if falls { reason.clone() } else { state.fell.clone() };
    let early = word != HealthWord::Healthy && state.targets.early_since().is_some();
    let standing = Standing::of(word, &state.targets);
    let root = root.filter(|root| root.counts(standing));
    let (waits_for, suspects) =
        root.map_or((None, false), |root| (Some(root.service.to_owned()), !root.certain));
    let waits_otherwise = (&waits_for, suspects) != (&state.waits_for, state.suspects);
    // Whether another service is behind it is known, and it has lasted, before anything is told.
    let brief_until = since.plus(BRIEF);
    let hold = word.is_down() && (suspects || now < brief_until);
    let refuses = word.is_down() && state.targets.all_down_refuse();
    let announce = match (word, state.told_down) {
        _ if service.suspended || hold => None,
        (HealthWord::Unhealthy | HealthWord::NotFound, false) => {
            let why = if fell.is_empty() { &reason } else { &fell };
            Some(match &waits_for {
                // Whoever is told of the root need not be told of all that hangs on it.
                Some(root) => Announcement::Down {
                    health: word,
                    reason: DEPENDENCY_DOWN,
                    message: format!("{why}; it depends on {root}, which is not up and healthy"),
                },
                None => Announcement::Down {
                    health: word,
                    reason: if refuses { "Denied" } else { "Unhealthy" },
                    message: why.clone(),
                },
            })
        }
        (HealthWord::Healthy, true) => {
            Some(Announcement::Recovered { message: format!("{name} is healthy again") })
        }
        _ => None,
    };
    let changed = turns || early != state.early;
    let untold = word.is_down() && !state.told_down && !service.suspended && !suspects;
    let told_later = (untold && announce.is_none()).then_some(brief_until);
    let empty_later = empty_since.map(|since| since.plus(EMPTY)).filter(|at| *at > now);
    ServiceDecision {
        changed: changed || announce.is_some() || waits_otherwise,
        wakes_needing: changed,
        turned: standing != state.standing,
        wakes_own: waits_otherwise,
        freed: waits_otherwise && waits_for.is_none() && !state.suspects && state.health.is_down(),
        requeue_at: told_later.into_iter().chain(empty_later).min(),
        verdict: ServiceVerdict {
            health: word,
            reason,
            since,
            fell,
            standing,
            early,
            empty_since,
            waits_for,
            suspects,
        },
        announce,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observed::{ProbeTarget, TargetState};

    const SECOND: i64 = 1_000_000_000;

    fn at(seconds: i64) -> Nanos {
        Nanos(seconds * SECOND)
    }

    fn service() -> Service {
        Service {
            spec: Default::default(),
            probes: Default::default(),
            depends_on: Vec::new(),
            suspended: false,
        }
    }

    fn with(state: &mut ServiceState, health: HealthWord) {
        let reason = health.as_str().to_owned();
        state.targets.insert(ProbeTarget::Outside, TargetState { health, reason, ..TargetState::default() });
    }

    /// Decides, and does what is decided.
    fn step(state: &mut ServiceState, root: Option<Root<'_>>, now: Nanos) -> ServiceDecision {
        let service = service();
        let situation =
            ServiceSituation { name: "web", service: &service, state, connected: true, root, now };
        let decision = decide(&situation);
        decision.verdict.clone().apply(state);
        match decision.announce {
            Some(Announcement::Down { .. }) => state.told_down = true,
            Some(Announcement::Recovered { .. }) => state.told_down = false,
            None => {}
        }
        decision
    }

    fn told(decision: &ServiceDecision) -> &str {
        match &decision.announce {
            Some(Announcement::Down { reason, .. }) => reason,
            Some(Announcement::Recovered { .. }) => "recovered",
            None => "",
        }
    }

    #[test]
    fn what_is_down_is_told_once_it_has_lasted_and_its_return_once() {
        let mut state = ServiceState::default();
        with(&mut state, HealthWord::Unhealthy);
        let decision = step(&mut state, None, at(10));
        assert_eq!((told(&decision), decision.requeue_at), ("", Some(at(13))));
        assert!(decision.turned && decision.wakes_needing && decision.changed);
        assert_eq!(told(&step(&mut state, None, at(13))), "Unhealthy");
        let again = step(&mut state, None, at(14));
        assert_eq!((told(&again), again.changed, again.requeue_at), ("", false, None));
        with(&mut state, HealthWord::Healthy);
        assert_eq!(told(&step(&mut state, None, at(15))), "recovered");
        with(&mut state, HealthWord::Unhealthy);
        step(&mut state, None, at(20));
        with(&mut state, HealthWord::Healthy);
        assert_eq!(told(&step(&mut state, None, at(21))), "", "it was brief");
    }

    #[test]
    fn what_may_be_anothers_fault_waits_until_that_is_known() {
        let mut state = ServiceState::default();
        with(&mut state, HealthWord::Unhealthy);
        let suspected = Some(Root { service: "db", certain: false });
        let decision = step(&mut state, suspected, at(10));
        assert!(decision.wakes_own && decision.requeue_at.is_none(), "{decision:?}");
        assert_eq!(told(&step(&mut state, suspected, at(99))), "");
        let certain = Some(Root { service: "db", certain: true });
        assert_eq!(told(&step(&mut state, certain, at(100))), "DependencyDown");
        let freed = step(&mut state, None, at(101));
        assert!(freed.freed && freed.wakes_own);
    }

    #[test]
    fn what_is_only_suspected_is_no_root_for_what_is_well() {
        let mut state = ServiceState::default();
        with(&mut state, HealthWord::Healthy);
        let decision = step(&mut state, Some(Root { service: "db", certain: false }), at(1));
        assert!(!decision.wakes_own && state.waits_for.is_none());
    }

    #[test]
    fn that_it_has_no_container_is_said_after_a_while_with_every_engine_there() {
        let mut state = ServiceState::default();
        let decision = step(&mut state, None, at(10));
        assert_eq!((state.health, decision.requeue_at), (HealthWord::Unknown, Some(at(13))));
        step(&mut state, None, at(13));
        assert_eq!(state.health, HealthWord::NotFound);
        let (mut away, service) = (ServiceState::default(), service());
        let situation = ServiceSituation {
            name: "web",
            service: &service,
            state: &away,
            connected: false,
            root: None,
            now: at(99),
        };
        let decision = decide(&situation);
        decision.verdict.apply(&mut away);
        assert_eq!((away.health, away.empty_since), (HealthWord::Unknown, None));
    }

    #[test]
    fn nothing_is_told_of_what_is_suspended_and_all_of_it_later() {
        let mut state = ServiceState::default();
        with(&mut state, HealthWord::Unhealthy);
        let suspended = Service { suspended: true, ..service() };
        let decided = |state: &ServiceState, service: &Service, now| {
            decide(&ServiceSituation { name: "web", service, state, connected: true, root: None, now })
        };
        let decision = decided(&state, &suspended, at(1));
        decision.verdict.clone().apply(&mut state);
        assert_eq!((told(&decided(&state, &suspended, at(9))), decision.requeue_at), ("", None));
        assert_eq!(told(&decided(&state, &service(), at(10))), "Unhealthy");
    }
}
