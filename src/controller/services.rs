//! What is known of services' health, and what follows when it changes: events, and decisions about containers.
//!
//! # Guarantees
//! - `ServiceDown` is told once until `ServiceRecovered`, also across restarts: whoever was told the one is told the other.
//! - A verdict belongs to a run of a container; a new run begins without one.

use std::collections::BTreeMap;

use tokio::sync::watch;
use tracing::{info, warn};

mod book;

pub(super) use book::Book;

use super::queue::Work;
use super::shared::Shared;
use crate::desired::{Desired, Service};
use crate::observed::{
    Container, ContainerKey, Health, HealthWord, Nanos, ProbeState, ProbeTarget, ServiceState, TargetState,
    World,
};
use crate::reconcile::health::{self, Judged};
use crate::store::{ChangeSet, NewEvent, Severity};

impl Shared {
    /// What is known of every declared service.
    pub fn services(&self) -> BTreeMap<String, ServiceState> {
        self.book.read(Clone::clone)
    }

    /// What is known of one service.
    pub fn service(&self, name: &str) -> Option<ServiceState> {
        self.book.read(|services| services.get(name).cloned())
    }

    /// Changes when the health of any service does.
    pub fn service_changes(&self) -> watch::Receiver<u64> {
        self.book.changed.subscribe()
    }

    /// The worst that services with probes say of a container's present run; `None` when it belongs to none.
    pub(super) fn probed(&self, container: &Container, desired: &Desired) -> Option<Probed> {
        let target = ProbeTarget::Container(container.key.clone());
        // The last verdict of one that is suspended is no reason to act.
        let asks = |name: &str| {
            desired.services.get(name).is_some_and(|service| !service.suspended && !service.probes.is_empty())
        };
        self.book.read(|services| {
            let of_it = services.iter().filter(|(name, _)| asks(name)).filter_map(|(name, state)| {
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
                    service: name.clone(),
                    health,
                    reason: known.reason.clone(),
                    since: known.since,
                })
            });
            of_it.min_by_key(|probed| match probed.health {
                Health::Unhealthy => 0,
                Health::Starting => 1,
                Health::Healthy => 2,
            })
        })
    }

    /// A service that is down and without which a service of this container cannot work.
    pub(super) fn waits_for(&self, key: &ContainerKey) -> Option<String> {
        let target = ProbeTarget::Container(key.clone());
        self.book.read(|services| {
            let of_it = services.values().filter(|state| state.targets.contains_key(&target));
            of_it.filter_map(|state| state.waits_for.clone()).next()
        })
    }

    /// Whether the service's containers are there and its probes have not found out yet how they are.
    pub(super) fn is_unproven(&self, name: &str, desired: &Desired) -> bool {
        let asks = |service: &Service| !service.suspended && !service.probes.is_empty();
        desired.services.get(name).is_some_and(asks)
            && self.book.read(|services| {
                let unknown =
                    |state: &ServiceState| state.health == HealthWord::Unknown && !state.targets.is_empty();
                services.get(name).is_some_and(unknown)
            })
    }

    /// Has the containers of all services decided again that need `name`.
    fn wake_needing(&self, name: &str, desired: &Desired) {
        let needs = |other: &str| {
            let service = desired.services.get(other);
            service.is_some_and(|service| service.depends_on.iter().any(|needed| needed == name))
        };
        let keys: Vec<ContainerKey> = self.book.read(|services| {
            let needing = services.iter().filter(|(other, _)| needs(other));
            let targets = needing.flat_map(|(_, state)| state.targets.keys());
            targets
                .filter_map(|target| match target {
                    ProbeTarget::Container(key) => Some(key.clone()),
                    ProbeTarget::Outside => None,
                })
                .collect()
        });
        for key in keys {
            self.queue.add(&key, Work::default());
        }
    }

    /// What each service of a container says of it.
    pub(super) fn verdicts(&self, key: &ContainerKey) -> Vec<(String, HealthWord)> {
        let target = ProbeTarget::Container(key.clone());
        self.book.read(|services| {
            let of_it = services
                .iter()
                .filter_map(|(name, state)| Some((name.clone(), state.targets.get(&target)?.health)));
            of_it.collect()
        })
    }

    /// Judges a service anew and gives what is to be stored. Containers whose verdict changed are decided about again.
    ///
    /// That none is there is said only while every engine is connected and after it has been so for `empty`: until then one
    /// may be on its way.
    pub(super) fn judge(
        &self,
        name: &str,
        service: &Service,
        empty: std::time::Duration,
    ) -> Option<ChangeSet> {
        let now = crate::clock::now();
        let desired = self.desired.load();
        let (changed, before, (after, told)) = self.with_world(|world| {
            self.book.with(name, |state| {
                let before = (state.health, state.waits_for.clone());
                let changed = judge_targets(state, service, world, now);
                let all = desired
                    .hosts
                    .keys()
                    .all(|name| world.engines.get(&**name).is_some_and(|engine| engine.connected));
                state.empty_since =
                    (all && state.targets.is_empty()).then(|| state.empty_since.unwrap_or(now));
                let long =
                    |since: Nanos| now.since(since) >= i64::try_from(empty.as_nanos()).unwrap_or(i64::MAX);
                let judged = if state.targets.is_empty() && !state.empty_since.is_some_and(long) {
                    Judged { word: HealthWord::Unknown, reason: "no container was seen yet".to_owned() }
                } else {
                    judge_service(state, service)
                };
                if judged.word != state.health {
                    state.since = now;
                }
                (state.health, state.reason) = (judged.word, judged.reason);
                (changed, before, (state.health, state.told_down))
            })
        });
        for key in changed {
            self.queue.add(&key, Work::default());
        }
        if before.0 != after {
            self.wake_needing(name, &desired);
        }
        // What came while it was suspended is told once it goes on.
        let untold = match after {
            HealthWord::Unhealthy | HealthWord::NotFound => !told,
            HealthWord::Healthy => told,
            HealthWord::Unknown | HealthWord::Error => false,
        };
        if before.0 == after && (service.suspended || !untold) {
            return None;
        }
        self.book.tell();
        Some(self.tell_of(name, service, after, now))
    }

    /// Finds out which services wait for another that is down; gives those of which that changed.
    pub(super) fn judge_dependencies(&self) -> Vec<String> {
        let desired = self.desired.load();
        let words = self.book.read(|services| {
            services.iter().map(|(name, state)| (name.clone(), state.health)).collect::<BTreeMap<_, _>>()
        });
        let word = |name: &str| words.get(name).copied().unwrap_or_default();
        let dependent = desired.services.iter().filter(|(_, service)| !service.depends_on.is_empty());
        let mut changed = Vec::new();
        for (name, _) in dependent {
            let root = health::root_of_trouble(name, &desired.services, word).map(str::to_owned);
            let targets = self.book.with(name, |state| {
                (state.waits_for != root).then(|| {
                    state.waits_for = root;
                    state.targets.keys().cloned().collect::<Vec<_>>()
                })
            });
            for target in targets.iter().flatten() {
                if let ProbeTarget::Container(key) = target {
                    self.queue.add(key, Work::default());
                }
            }
            if targets.is_some() {
                changed.push(name.clone());
            }
        }
        if !changed.is_empty() {
            self.book.tell();
        }
        changed
    }

    /// The event of a change, if it is one to tell, and the service's document.
    fn tell_of(&self, name: &str, service: &Service, health: HealthWord, now: Nanos) -> ChangeSet {
        let (event, severity) = self.book.with(name, |state| match (health, state.told_down) {
            _ if service.suspended => (None, Severity::Info),
            (HealthWord::Unhealthy | HealthWord::NotFound, false) => {
                state.told_down = true;
                match &state.waits_for {
                    // Whoever is told of the root need not be told of all that hangs on it.
                    Some(root) => (
                        Some((
                            "ServiceDown",
                            "DependencyDown",
                            format!("{}; it depends on {root}, which is down", state.reason),
                        )),
                        Severity::Info,
                    ),
                    None => (Some(("ServiceDown", "Unhealthy", state.reason.clone())), Severity::Error),
                }
            }
            (HealthWord::Healthy, true) => {
                state.told_down = false;
                (Some(("ServiceRecovered", "Healthy", format!("{name} is healthy again"))), Severity::Info)
            }
            _ => (None, Severity::Info),
        });
        let events = event.into_iter().map(|(kind, reason, message)| {
            match severity {
                Severity::Info => info!(target: "portreeve::services", "{kind} '{name}': {message}"),
                Severity::Warning | Severity::Error => {
                    warn!(target: "portreeve::services", "{kind} '{name}': {message}")
                }
            }
            NewEvent {
                at: now,
                container_name: name.to_owned(),
                event_type: kind.to_owned(),
                reason: reason.to_owned(),
                status: health.as_str().to_owned(),
                message,
                severity,
                ..NewEvent::default()
            }
        });
        let events = events.collect();
        let services = vec![(name.to_owned(), self.book.document(name))];
        ChangeSet { events, services, at: now, ..ChangeSet::default() }
    }
}

/// What a service says of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Probed {
    /// The service.
    pub(super) service: String,
    /// Its verdict.
    pub(super) health: Health,
    /// Why.
    pub(super) reason: String,
    /// Since when, by our clock.
    pub(super) since: Nanos,
}

fn judge_targets(
    state: &mut ServiceState,
    service: &Service,
    world: &World,
    now: Nanos,
) -> Vec<ContainerKey> {
    let mut changed = Vec::new();
    for (target, known) in &mut state.targets {
        let asked: Vec<(&str, Option<&ProbeState>)> =
            service.asking().map(|(name, _)| (name, known.probes.get(name))).collect();
        let judged = match target {
            ProbeTarget::Outside => health::of_probes(&asked),
            ProbeTarget::Container(key) => match world.containers.get(key) {
                Some(container) => health::of_container(container, service.asks_docker(), &asked),
                None => continue,
            },
        };
        let Judged { word, reason } = judged;
        if word != known.health {
            known.since = now;
            if let ProbeTarget::Container(key) = target {
                changed.push(key.clone());
            }
        }
        let TargetState { health, reason: because, .. } = known;
        (*health, *because) = (word, reason);
    }
    changed
}

fn judge_service(state: &ServiceState, service: &Service) -> Judged {
    let members: Vec<Judged> = state
        .targets
        .values()
        .map(|target| Judged { word: target.health, reason: target.reason.clone() })
        .collect();
    health::of_service(service.spec.min_healthy, &members)
}
