//! What the services of a container say of it together.

use crate::observed::{Container, Health, HealthWord, Nanos, ProbeTarget, ServiceState};

/// What a service says of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probed {
    /// The service.
    pub service: String,
    /// Its verdict.
    pub health: Health,
    /// Why.
    pub reason: String,
    /// Whether all that is wrong is that we are refused.
    pub denied: bool,
    /// Since when it, or another service of the container, has been told that it is too early to ask.
    pub early_since: Option<Nanos>,
    /// Since when, by our clock.
    pub since: Nanos,
}

/// The worst that `services` say of a container's present run; `None` when none of them asks it.
pub fn worst<'s>(
    container: &Container,
    services: impl IntoIterator<Item = (&'s str, &'s ServiceState)>,
) -> Option<Probed> {
    let target = ProbeTarget::Container(container.key.clone());
    let of_it = services.into_iter().filter_map(|(name, state)| {
        let known = state.targets.get(&target)?;
        let health = match known.health {
            // What is known is of another run.
            _ if known.started != container.started => Health::Starting,
            HealthWord::Healthy => Health::Healthy,
            HealthWord::Unhealthy | HealthWord::NotFound => Health::Unhealthy,
            // A probe that cannot be carried out says nothing, neither good nor bad.
            HealthWord::Error | HealthWord::Unknown => Health::Starting,
        };
        Some(Probed {
            service: name.to_owned(),
            health,
            reason: known.reason.clone(),
            // Not what is known of another run.
            denied: known.denied && health == Health::Unhealthy,
            early_since: known.early_since.filter(|_| known.started == container.started),
            since: known.since,
        })
    });
    let all: Vec<Probed> = of_it.collect();
    let early_since = all.iter().filter_map(|probed| probed.early_since).min();
    let worst = all.into_iter().min_by_key(|probed| match probed.health {
        Health::Unhealthy if !probed.denied => 0,
        Health::Unhealthy => 1,
        Health::Starting if probed.early_since.is_some() => 2,
        Health::Starting | Health::Awaited | Health::Silent => 3,
        Health::Healthy => 4,
    });
    worst.map(|worst| Probed { early_since, ..worst })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observed::TargetState;

    #[test]
    fn the_worst_of_the_present_run_counts_and_a_refusal_less_than_a_failure() {
        let container: Container = serde_json::from_value(serde_json::json!({
            "key": {"engine": "local", "id": "1"}, "name": "web", "image": "", "state": "running", "created": 0, "started": 9,
        }))
        .expect("a container");
        let says = |health: HealthWord, denied: bool, started: i64| {
            let known =
                TargetState { health, denied, started: Some(Nanos(started)), ..TargetState::default() };
            let mut state = ServiceState::default();
            state.targets.insert(ProbeTarget::Container(container.key.clone()), known);
            state
        };
        let found = |all: &[ServiceState]| {
            let named = ["a", "b", "c"].into_iter().zip(all);
            worst(&container, named).map(|probed| (probed.service, probed.health, probed.denied))
        };
        let (well, sick) = (says(HealthWord::Healthy, false, 9), says(HealthWord::Unhealthy, false, 9));
        let (refuses, old) = (says(HealthWord::Unhealthy, true, 9), says(HealthWord::Unhealthy, true, 1));
        assert_eq!(found(&[]), None);
        let of = |name: &str, health, denied| Some((name.to_owned(), health, denied));
        assert_eq!(found(&[well.clone(), refuses.clone(), sick]), of("c", Health::Unhealthy, false));
        assert_eq!(found(&[well.clone(), old, refuses]), of("c", Health::Unhealthy, true));
        assert_eq!(found(&[well.clone(), well, ServiceState::default()]), of("a", Health::Healthy, false));
    }
}
