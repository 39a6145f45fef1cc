//! What is known of services' health, and what follows when it changes: events, and decisions about containers.
//!
//! # Guarantees
//! - `ServiceDown` is told once until `ServiceRecovered`, also across restarts: whoever was told the one is told the other.
//! - What lasts no longer than a restart is not told.
//! - A verdict belongs to a run of a container; a new run begins without one.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;
use tracing::{info, warn};

mod cache;

pub(super) use cache::HealthCache;

use super::queue::Work;
use super::shared::Shared;
use crate::desired::{Desired, Service};
use crate::observed::{
    Container, ContainerKey, Health, HealthWord, Nanos, ProbeState, ProbeTarget, ServiceState, World,
};
use crate::reconcile::health::{self, Judged};
use crate::resource::event::subject::EventSubject;
use crate::resource::event::{DEPENDENCY_DOWN, EventKind, Severity};
use crate::store::{ChangeSet, NewEvent};

/// What is over sooner is not told: somebody restarted it.
pub(super) const BRIEF: Duration = Duration::from_secs(3);

impl Shared {
    /// What is known of every declared service.
    pub fn services(&self) -> BTreeMap<String, ServiceState> {
        self.health_cache.read(Clone::clone)
    }

    /// What is known of one service.
    pub fn service(&self, name: &str) -> Option<ServiceState> {
        self.health_cache.read(|services| services.get(name).cloned())
    }

    /// Changes when the health of any service does.
    pub fn service_changes(&self) -> watch::Receiver<u64> {
        self.health_cache.changed.subscribe()
    }

    /// The worst that services with probes say of a container's present run; `None` when it belongs to none.
    pub(super) fn probed(&self, container: &Container, desired: &Desired) -> Option<Probed> {
        let target = ProbeTarget::Container(container.key.clone());
        // The last verdict of one that is suspended is no reason to act.
        let asks = |name: &str| {
            desired.services.get(name).is_some_and(|service| !service.suspended && !service.probes.is_empty())
        };
        self.health_cache.read(|services| {
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
        })
    }

    /// A service that is down and without which a service of this container cannot work.
    pub(super) fn waits_for(&self, key: &ContainerKey) -> Option<String> {
        let target = ProbeTarget::Container(key.clone());
        self.health_cache.read(|services| {
            let of_it = services.values().filter(|state| state.targets.contains_key(&target));
            of_it.filter_map(|state| state.waits_for.clone()).next()
        })
    }

    /// Whether the service's containers are there and its probes have not found out yet how they are.
    pub(super) fn is_unproven(&self, name: &str, desired: &Desired) -> bool {
        let asks = |service: &Service| !service.suspended && !service.probes.is_empty();
        desired.services.get(name).is_some_and(asks)
            && self.health_cache.read(|services| {
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
        let keys: Vec<ContainerKey> = self.health_cache.read(|services| {
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
        self.health_cache.read(|services| {
            let of_it = services
                .iter()
                .filter_map(|(name, state)| Some((name.clone(), state.targets.get(&target)?.health)));
            of_it.collect()
        })
    }

    /// Judges a service anew and gives what is to be stored. Containers whose verdict changed are decided about again.
    ///
    /// Also gives what changes for services that depend on it: they are to be judged, too.
    ///
    /// That none is there is said only while every engine is connected that its selector can mean, and after it has been so
    /// for `empty`: until then one may be on its way.
    pub(super) fn judge(
        &self,
        name: &str,
        service: &Service,
        empty: Duration,
    ) -> (Option<ChangeSet>, Vec<Waiting>) {
        let now = crate::clock::now();
        let desired = self.desired.load();
        let (changed, (before, was_early), (after, is_early, since), stands) = self.with_world(|world| {
            self.health_cache.with(name, |state| {
                let before = (state.health, state.early_since().is_some());
                let changed = judge_targets(state, service, world, now);
                let selector = service.spec.selector.as_ref();
                let meant = |name: &&String| selector.is_none_or(|selector| selector.can_mean_host(name));
                let connected =
                    |name: &String| world.engines.get(&**name).is_some_and(|engine| engine.connected);
                let all = desired.hosts.keys().filter(meant).all(connected);
                state.empty_since =
                    (all && state.targets.is_empty()).then(|| state.empty_since.unwrap_or(now));
                let long =
                    |since: Nanos| now.since(since) >= i64::try_from(empty.as_nanos()).unwrap_or(i64::MAX);
                let judged = if state.targets.is_empty() && !state.empty_since.is_some_and(long) {
                    Judged::new(HealthWord::Unknown, "no container was seen yet")
                } else {
                    judge_service(state, service)
                };
                if judged.word != state.health {
                    state.since = now;
                    if judged.word.is_down() && !state.health.is_down() {
                        state.fell.clone_from(&judged.reason);
                    }
                }
                (state.health, state.reason) = (judged.word, judged.reason);
                let stands = state.stands();
                let stands = std::mem::replace(&mut state.standing, stands) != stands;
                (changed, before, (state.health, state.early_since().is_some(), state.since), stands)
            })
        });
        // Before anything is told: an event says whether another service is behind it.
        let waiting = if stands { self.judge_dependencies() } else { Vec::new() };
        let (told, suspects) = self.health_cache.with(name, |state| (state.told_down, state.suspects));
        for key in changed {
            self.queue.add(&key, Work::default());
        }
        // What may be another's fault is told when that is known.
        let brief = now.since(since) < i64::try_from(BRIEF.as_nanos()).unwrap_or(i64::MAX);
        let hold = after.is_down() && (suspects || brief);
        if before != after {
            self.wake_needing(name, &desired);
        }
        // What came while it was suspended is told once it goes on.
        let untold = match after {
            HealthWord::Unhealthy | HealthWord::NotFound => !told && !hold,
            HealthWord::Healthy => told,
            HealthWord::Unknown | HealthWord::Error => false,
        };
        if (before, was_early) == (after, is_early) && (service.suspended || !untold) {
            return (None, waiting);
        }
        self.health_cache.notify();
        (Some(self.tell_of(name, service, (after, hold), now)), waiting)
    }

    /// Finds out which services wait for another that is down; gives those of which that changed.
    pub(super) fn judge_dependencies(&self) -> Vec<Waiting> {
        let desired = self.desired.load();
        if desired.services.values().all(|service| service.depends_on.is_empty()) {
            return Vec::new();
        }
        let mut roots: BTreeMap<String, (String, bool)> = self.health_cache.read(|services| {
            let standing = |name: &str| services.get(name).map(|state| state.standing).unwrap_or_default();
            let roots = health::roots(&desired.services, standing);
            let own = |(name, root): (&str, health::Root<'_>)| {
                (name.to_owned(), (root.service.to_owned(), !root.certain))
            };
            roots.into_iter().map(own).collect()
        });
        let mut changed = Vec::new();
        for name in desired.services.keys() {
            let (root, suspects) =
                roots.remove(name).map_or((None, false), |(root, doubt)| (Some(root), doubt));
            let waiting = self.health_cache.with(name, |state| {
                if (&state.waits_for, state.suspects) == (&root, suspects) {
                    return None;
                }
                let freed = root.is_none() && !state.suspects && state.health.is_down();
                (state.waits_for, state.suspects) = (root, suspects);
                if freed {
                    // What failed while another was down says nothing about it now.
                    let probes = state.targets.values_mut().flat_map(|target| target.probes.values_mut());
                    probes.for_each(|probe| probe.streak.doubt());
                }
                Some((freed, state.targets.keys().cloned().collect::<Vec<_>>()))
            });
            let Some((freed, targets)) = waiting else { continue };
            for target in targets {
                if let ProbeTarget::Container(key) = target {
                    self.queue.add(&key, Work::default());
                }
            }
            changed.push(Waiting { service: name.clone(), freed });
        }
        if !changed.is_empty() {
            self.health_cache.notify();
        }
        changed
    }

    /// The event of a change, if it is one to tell, and the service's document.
    fn tell_of(
        &self,
        name: &str,
        service: &Service,
        (health, hold): (HealthWord, bool),
        now: Nanos,
    ) -> ChangeSet {
        let (event, severity) = self.health_cache.with(name, |state| match (health, state.told_down) {
            _ if service.suspended || hold => (None, Severity::Info),
            (HealthWord::Unhealthy | HealthWord::NotFound, false) => {
                state.told_down = true;
                let why = if state.fell.is_empty() { &state.reason } else { &state.fell };
                match &state.waits_for {
                    // Whoever is told of the root need not be told of all that hangs on it.
                    Some(root) => (
                        Some((
                            EventKind::ServiceDown,
                            DEPENDENCY_DOWN,
                            format!("{why}; it depends on {root}, which is not up and healthy"),
                        )),
                        Severity::Info,
                    ),
                    None => {
                        let reason = if state.refuses() { "Denied" } else { "Unhealthy" };
                        (Some((EventKind::ServiceDown, reason, why.clone())), Severity::Critical)
                    }
                }
            }
            (HealthWord::Healthy, true) => {
                state.told_down = false;
                let message = format!("{name} is healthy again");
                (Some((EventKind::ServiceRecovered, "Healthy", message)), Severity::Info)
            }
            _ => (None, Severity::Info),
        });
        let events = event.into_iter().map(|(kind, reason, message)| {
            match severity {
                Severity::Info => info!(target: "portreeve::services", "{kind} '{name}': {message}"),
                Severity::Warning | Severity::Critical => {
                    warn!(target: "portreeve::services", "{kind} '{name}': {message}")
                }
            }
            let event = NewEvent::new(kind, EventSubject::Service(name.to_owned()), now).because(reason);
            event.status(health.as_str()).saying(message).weighing(severity)
        });
        let events = events.collect();
        let services = vec![(name.to_owned(), self.health_cache.document(name))];
        ChangeSet { events, services, at: now, ..ChangeSet::default() }
    }
}

/// A service for which what it depends on has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    /// Its name.
    pub(super) service: String,
    /// Whether what it waited for is up again and itself it is down: it is to be asked anew.
    pub(super) freed: bool,
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
    /// Whether all that is wrong is that we are refused.
    pub(super) denied: bool,
    /// Since when it, or another service of the container, has been told that it is too early to ask.
    pub(super) early_since: Option<Nanos>,
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
        let Judged { word, reason, denied, early_since } = judged;
        // The time of a refusal is no part of the time that something else is wrong.
        let turned = (word, denied) != (known.health, known.denied);
        if turned {
            known.since = now;
        }
        if let ProbeTarget::Container(key) = target
            && (turned || early_since != known.early_since)
        {
            changed.push(key.clone());
        }
        (known.health, known.reason, known.denied, known.early_since) = (word, reason, denied, early_since);
    }
    changed
}

fn judge_service(state: &ServiceState, service: &Service) -> Judged {
    let members: Vec<Judged> =
        state.targets.values().map(|target| Judged::new(target.health, target.reason.clone())).collect();
    health::of_service(service.spec.min_healthy, &members)
}
