//! What is known of services' health, and what follows when it changes: events, and decisions about containers.
//!
//! # Guarantees
//! - `ServiceDown` is told once until `ServiceRecovered`, also across restarts: whoever was told the one is told the other.
//! - What lasts no longer than a restart is not told.
//! - A verdict belongs to a run of a container; a new run begins without one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::watch;

mod cache;

pub(super) use cache::HealthCache;

use super::commit::Journal;
use super::key::Key;
use super::parts::Parts;
use super::plan::{Line, Plan};
use super::reconcile::{Reconcile, Trouble};
use super::work::Work;
use crate::desired::{Desired, Service};
use crate::observed::{
    Container, ContainerKey, HealthWord, Nanos, ProbeState, ProbeTarget, ServiceState, Shard, World,
};
use crate::reconcile::health::probed::{self, Probed};
use crate::reconcile::health::service::{self, Announcement, ServiceDecision, ServiceSituation};
use crate::reconcile::health::{self, Judged, Root};
use crate::resource::event::subject::EventSubject;
use crate::resource::event::{DEPENDENCY_DOWN, EventKind, Severity};
use crate::store::NewEvent;

impl Parts {
    /// What is known of every declared service.
    pub(super) fn services(&self) -> BTreeMap<String, Arc<ServiceState>> {
        self.health_cache.all()
    }

    /// What is known of one service.
    pub(super) fn service(&self, name: &str) -> Option<Arc<ServiceState>> {
        self.health_cache.get(name)
    }

    /// Services of which something else is to be shown since the last call: for the one face that follows them.
    pub(super) fn turned_services(&self) -> BTreeSet<String> {
        self.health_cache.turned()
    }

    /// What is known of the services of a container, in the order of their names.
    fn services_of(&self, key: &ContainerKey) -> Vec<(Arc<str>, Arc<ServiceState>)> {
        let services = self.world.read(|world| world.members.services(key).to_vec());
        services.into_iter().filter_map(|name| Some((name.clone(), self.health_cache.get(&name)?))).collect()
    }

    /// Changes when the health of any service does.
    pub(super) fn service_changes(&self) -> watch::Receiver<u64> {
        self.health_cache.changed.subscribe()
    }

    /// The worst that services with probes say of a container's present run; `None` when it belongs to none.
    pub(super) fn probed(&self, container: &Container, desired: &Desired) -> Option<Probed> {
        // The last verdict of one that is suspended is no reason to act.
        let asks = |name: &str| {
            desired.services.get(name).is_some_and(|service| !service.suspended && !service.probes.is_empty())
        };
        let services = self.services_of(&container.key);
        let asking = services.iter().filter(|(name, _)| asks(name));
        probed::worst(container, asking.map(|(name, state)| (&**name, &**state)))
    }

    /// A service that is down and without which a service of this container cannot work.
    pub(super) fn waits_for(&self, key: &ContainerKey) -> Option<String> {
        self.services_of(key).into_iter().find_map(|(_, state)| state.waits_for.clone())
    }

    /// Whether the service's containers are there and its probes have not found out yet how they are.
    pub(super) fn is_unproven(&self, name: &str, desired: &Desired) -> bool {
        let asks = |service: &Service| !service.suspended && !service.probes.is_empty();
        desired.services.get(name).is_some_and(asks)
            && self
                .health_cache
                .get(name)
                .is_some_and(|state| state.health == HealthWord::Unknown && !state.targets.is_empty())
    }

    /// What each service of a container says of it.
    pub(super) fn verdicts(&self, key: &ContainerKey) -> Vec<(String, HealthWord)> {
        let target = ProbeTarget::Container(key.clone());
        let services = self.services_of(key).into_iter();
        services
            .filter_map(|(name, state)| Some((name.to_string(), state.targets.get(&target)?.health)))
            .collect()
    }

    /// Finds out how a target is, or all of a service: containers about which something else is found are decided on again,
    /// and then the service as a whole.
    pub(super) fn judge(&self, name: &str, service: &Service, target: Option<&ProbeTarget>) {
        let (now, world) = (crate::clock::now(), self.world.load());
        let changed =
            self.health_cache.with(name, |state| judge_targets(state, service, target, &world, now));
        for key in changed {
            self.queue.add(key, Work::default());
        }
        self.queue.add(Key::service(name), Work::default());
    }

    /// Notes which services wait for another, as far as that is remembered: what is done and told about a service says whether
    /// another is behind it.
    pub(super) fn note_roots(&self) {
        let (desired, world) = (self.desired.load(), self.world.load());
        let roots: Vec<(String, String, bool)> = self.health_cache.read(|services| {
            let standing = |name: &str| services.get(name).map(|state| state.standing).unwrap_or_default();
            let names = desired.services.keys().map(String::as_str);
            let roots = health::roots(names, &desired.services, standing).into_iter();
            roots.map(|(name, root)| (name.to_owned(), root.service.to_owned(), !root.certain)).collect()
        });
        for (name, root, suspects) in roots {
            let turned = self.health_cache.with_known(&name, |state| {
                let before = (state.waits_for.replace(root.clone()), state.suspects);
                state.suspects = suspects;
                before != (Some(root), suspects)
            });
            if turned == Some(true) {
                for key in world.members.containers(&name) {
                    self.queue.add(key, Work::default());
                }
            }
        }
    }

    /// The service at the root of what is wrong with another, and whether that is certain.
    fn root_of(&self, name: &str, desired: &Desired) -> Option<(String, bool)> {
        let (name, service) = desired.services.get_key_value(name)?;
        if service.depends_on.is_empty() {
            return None;
        }
        self.health_cache.read(|services| {
            let standing = |name: &str| services.get(name).map(|state| state.standing).unwrap_or_default();
            let root = health::root_of(name, &desired.services, standing)?;
            Some((root.service.to_owned(), root.certain))
        })
    }
}

/// What decides about services.
pub(super) struct Reconciler {
    parts: Arc<Parts>,
}

impl Reconcile for Reconciler {
    type Id = Arc<str>;

    fn new(parts: &Arc<Parts>, _: &Journal) -> Self {
        Self { parts: parts.clone() }
    }

    async fn plan(&self, name: &Arc<str>, work: &Work) -> Result<Plan, Trouble> {
        Ok(self.decide(name, work.failures > 0))
    }
}

impl Reconciler {
    /// `again`: what was decided before could not be stored.
    fn decide(&self, name: &Arc<str>, again: bool) -> Plan {
        let (parts, now) = (&*self.parts, crate::clock::now());
        let (desired, world) = (parts.desired.load(), parts.world.load());
        let (Some(service), Some(state)) = (desired.services.get(&**name), parts.service(name)) else {
            return Plan::of(Shard::Fleet);
        };
        let selector = service.spec.selector.as_ref();
        let mut meant =
            desired.hosts.keys().filter(|host| selector.is_none_or(|selector| selector.can_mean_host(host)));
        let root = parts.root_of(name, &desired);
        let root = root.as_ref().map(|(service, certain)| Root { service, certain: *certain });
        let connected = meant.all(|host| world.is_connected(host));
        let situation = ServiceSituation { name, service, state: &state, connected, root, now };
        let decision = service::decide(&situation);
        drop(state);
        let mut plan = Plan { requeue_at: decision.requeue_at, ..Plan::of(Shard::Fleet) };
        // What was found out is known at once, whether it can be stored or not.
        self.note(name, service, &decision, &world);
        let due = parts.health_cache.is_due(name);
        if !decision.changed && decision.announce.is_none() && !again && !due {
            return plan;
        }
        let told_down = match &decision.announce {
            Some(Announcement::Down { .. }) => Some(true),
            Some(Announcement::Recovered { .. }) => Some(false),
            None => None,
        };
        if let Some(announcement) = decision.announce {
            announce(name, announcement, now, &mut plan);
        }
        plan.changes.services.push((name.to_string(), parts.health_cache.document(name, told_down)));
        let name = name.clone();
        plan.keep.push(Box::new(move |parts| {
            if let Some(told_down) = told_down {
                parts.health_cache.with_known(&name, |state| state.told_down = told_down);
            }
        }));
        plan
    }

    /// Notes the verdict, and wakes what follows from it.
    fn note(&self, name: &Arc<str>, service: &Service, decision: &ServiceDecision, world: &World) {
        let (parts, desired) = (&*self.parts, self.parts.desired.load());
        parts.health_cache.with_known(name, |state| {
            decision.verdict.clone().apply(state);
            if decision.freed {
                // What failed while another was down says nothing about it now.
                for target in state.targets.keys().cloned().collect::<Vec<_>>() {
                    state.targets.update(&target, |target| {
                        target.probes.values_mut().for_each(|probe| probe.streak.doubt());
                    });
                }
            }
        });
        if decision.freed {
            // Its containers are not to be healed for what is in doubt now.
            parts.judge(name, service, None);
            parts.probing.ask_anew(name);
        }
        if decision.changed || decision.announce.is_some() {
            parts.health_cache.notify([&**name]);
        }
        let needing = desired.selection.needing(name).iter().filter(|_| decision.wakes_needing);
        let own = Some(name).filter(|_| decision.wakes_own);
        for key in needing.chain(own).flat_map(|name| world.members.containers(name)) {
            parts.queue.add(key, Work::default());
        }
        if decision.turned {
            for needing in
                desired.selection.needing_in_turn(name).into_iter().filter(|other| *other != &**name)
            {
                parts.queue.add(Key::service(needing), Work::default());
            }
        }
    }
}

/// The event and the log line of what people are told.
fn announce(name: &str, announcement: Announcement, now: Nanos, plan: &mut Plan) {
    let (kind, reason, health, message) = match announcement {
        Announcement::Down { health, reason, message } => (EventKind::ServiceDown, reason, health, message),
        Announcement::Recovered { message } => {
            (EventKind::ServiceRecovered, "Healthy", HealthWord::Healthy, message)
        }
    };
    let severity = if reason == DEPENDENCY_DOWN { Severity::Info } else { kind.severity() };
    let line = format!("{kind} '{name}': {message}");
    plan.lines.push(match severity {
        Severity::Info => Line::Info(line),
        Severity::Warning | Severity::Critical => Line::Warn(line),
    });
    let event = NewEvent::new(kind, EventSubject::Service(name.to_owned()), now).because(reason);
    plan.changes.events.push(event.status(health.as_str()).saying(message).weighing(severity));
}

fn judge_targets(
    state: &mut ServiceState,
    service: &Service,
    target: Option<&ProbeTarget>,
    world: &World,
    now: Nanos,
) -> Vec<ContainerKey> {
    let targets = match target {
        Some(target) => vec![target.clone()],
        None => state.targets.keys().cloned().collect(),
    };
    targets.iter().filter_map(|target| judge_target(state, service, target, world, now)).collect()
}

/// Judges one target anew; gives its container if another verdict came of that.
fn judge_target(
    state: &mut ServiceState,
    service: &Service,
    target: &ProbeTarget,
    world: &World,
    now: Nanos,
) -> Option<ContainerKey> {
    let changed = state.targets.update(target, |known| {
        let asked: Vec<(&str, Option<&ProbeState>)> =
            service.asking().map(|(name, _)| (name, known.probes.get(name))).collect();
        let judged = match target {
            ProbeTarget::Outside => health::of_probes(&asked),
            ProbeTarget::Container(key) => {
                let container = world.containers.get(key)?;
                health::of_container(container, service.asks_docker(), &asked)
            }
        };
        let Judged { word, reason, denied, early_since } = judged;
        // The time of a refusal is no part of the time that something else is wrong.
        let turned = (word, denied) != (known.health, known.denied);
        if turned {
            known.since = now;
        }
        let changed = turned || early_since != known.early_since;
        (known.health, known.reason, known.denied, known.early_since) = (word, reason, denied, early_since);
        changed.then_some(())
    });
    match target {
        ProbeTarget::Container(key) => changed.flatten().map(|()| key.clone()),
        ProbeTarget::Outside => None,
    }
}
