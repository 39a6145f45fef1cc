//! What is seen of objects while they are in force: services' health and engines' connections, in their status. Conditions are
//! written here and may come a moment after the figures, which are read when they are asked for.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::follow::conditions;
use super::state::{Catalogue, Inner, Shown};
use crate::clock;
use crate::controller::View;
use crate::observed::{
    Container, Engine, Health, HealthWord, Nanos, ProbeTarget, ServiceState, Window, World,
};
use crate::probe::steps::shown;
use crate::resource::condition::{Condition, ConditionStatus};
use crate::resource::{KindId, Object, ObjectKey};

/// How much of the time may go into this while the API is written to without a pause.
const REST: u32 = 4;

impl Inner {
    /// `declared` and what is seen of the object.
    pub(super) fn with_shown(&self, key: &ObjectKey, declared: &[Condition]) -> Vec<Condition> {
        let said = self.shown.get(key).map_or(&[][..], |said| &said.conditions);
        declared.iter().chain(said).cloned().collect()
    }
}

impl Catalogue {
    /// Shows services' health, and whether engines answer, in their status until `stop`.
    pub async fn follow_health(self: Arc<Self>, view: View, stop: CancellationToken) {
        let mut changes = view.service_changes();
        let mut writes = self.writes();
        let following = async {
            let mut services = view.services();
            loop {
                let began = Instant::now();
                let world = view.world();
                for (name, state) in services {
                    let key = ObjectKey { kind: KindId::MonitoredService, name };
                    self.show_seen(&key, vec![ready(&state)], || {
                        figures(&state, &world, clock::now(), Outputs::Withheld)
                    });
                }
                for (name, engine) in world.engines.iter() {
                    let key = ObjectKey { kind: KindId::DockerHost, name: name.to_string() };
                    self.show_seen(&key, vec![answers(engine)], Map::new);
                }
                tokio::time::sleep(began.elapsed() * REST).await;
                // A write may have brought a service back whose health was never anything else.
                let (changed, all) = tokio::select! {
                    changed = changes.changed() => (changed.is_ok(), false),
                    changed = writes.changed() => (changed.is_ok(), true),
                };
                if !changed {
                    return;
                }
                let turned = view.turned_services();
                let known = |name: String| view.service(&name).map(|state| (name, state));
                services = if all { view.services() } else { turned.into_iter().filter_map(known).collect() };
            }
        };
        stop.run_until_cancelled(following).await;
    }

    /// Shows what is seen of an object. A change of conditions is a change of the object; figures alone are not.
    fn show_seen(&self, key: &ObjectKey, said: Vec<Condition>, figures: impl FnOnce() -> Map<String, Value>) {
        let mut inner = self.change();
        let inner = &mut *inner;
        let Some(object) = inner.objects.get(key).cloned() else {
            inner.shown.remove(key);
            return;
        };
        let own = |condition: &&Condition| !said.iter().any(|other| other.kind == condition.kind);
        let mut wanted: Vec<Condition> = object.status.conditions.iter().filter(own).cloned().collect();
        wanted.extend(said.iter().cloned());
        let generation = object.status.observed_generation;
        let (conditions, changed) = conditions(&object.status.conditions, &wanted, generation, clock::now());
        if !changed {
            return;
        }
        let said = Shown { conditions: said, figures: figures() };
        let figures = said.figures.clone();
        inner.shown.insert(key.clone(), said);
        let mut next = Object::clone(&object);
        (next.status.conditions, next.status.figures) = (conditions, figures);
        let revision = inner.next_revision();
        if let Some(identity) = inner.identities.get_mut(key) {
            identity.revision = revision;
            identity.stamp(&mut next);
        }
        let next = Arc::new(next);
        inner.objects.insert(key.clone(), next.clone());
        self.notify(next, false);
    }
}

/// The condition `Ready` of an engine.
fn answers(engine: &Engine) -> Condition {
    let (status, reason, message) = match (&engine.error, engine.connected) {
        (_, true) => (ConditionStatus::True, "Connected", format!("Docker {}", engine.version)),
        (Some(error), false) => (ConditionStatus::False, "Unreachable", error.clone()),
        (None, false) => (ConditionStatus::Unknown, "Connecting", String::new()),
    };
    Condition::new("Ready", status, reason, &message)
}

/// The condition `Ready` of a service.
fn ready(state: &ServiceState) -> Condition {
    if let Some(root) = state.waits_for.as_ref().filter(|_| state.health != HealthWord::Healthy) {
        let is = if state.suspects { "may be down" } else { "is not up and healthy" };
        let message = format!("it depends on {root}, which {is}; {}", state.reason);
        return Condition::new("Ready", false, "DependencyDown", &message);
    }
    let (status, reason) = match state.health {
        HealthWord::Healthy => (ConditionStatus::True, "Healthy"),
        HealthWord::Unhealthy if state.refuses() => (ConditionStatus::False, "Denied"),
        HealthWord::Unhealthy => (ConditionStatus::False, "Unhealthy"),
        HealthWord::NotFound => (ConditionStatus::False, "NoContainer"),
        HealthWord::Error => (ConditionStatus::Unknown, "ProbeFault"),
        HealthWord::Unknown if state.early_since().is_some() => (ConditionStatus::Unknown, "NotYet"),
        HealthWord::Unknown => (ConditionStatus::Unknown, "NoVerdictYet"),
    };
    Condition::new("Ready", status, reason, &state.reason)
}

/// Whether what targets said themselves is among the figures: perhaps a page of their own, with what it holds. Only who may
/// change things, and so ask the target himself, is shown it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outputs {
    /// It is.
    Shown,
    /// It is not.
    Withheld,
}

/// The figures of a service's status.
pub fn figures(state: &ServiceState, world: &World, now: Nanos, outputs: Outputs) -> Map<String, Value> {
    let output = |said: Option<&str>| -> Option<String> {
        said.filter(|said| outputs == Outputs::Shown && !said.is_empty()).map(str::to_owned)
    };
    let rounded = |number: f64| (number * 100.0).round() / 100.0;
    let rate = |window: Window| state.rates.percent(window, now).map(rounded);
    let members = state.targets.iter().map(|(target, known)| {
        let probes = known.probes.iter().map(|(name, probe)| {
            let (outcome, failure) = probe.last.as_ref().map(|last| last.checked.told()).unwrap_or_default();
            let verdict = json!({
                "name": name,
                "asks": probe.asks,
                "verdict": probe.streak.verdict,
                "lastCheck": probe.last.as_ref().map(|last| last.at.rfc3339_millis()),
                "responseTimeMs": probe.last.as_ref().map(|last| rounded(last.millis)),
                "outcome": Some(outcome).filter(|outcome| !outcome.is_empty()),
                "failure": failure,
                "output": output(probe.last.as_ref().and_then(|last| last.output.as_deref())),
            });
            without_nulls(verdict)
        });
        let probes: Vec<Value> = probes.collect();
        let container = match target {
            ProbeTarget::Outside => None,
            ProbeTarget::Container(key) => world.containers.get(key),
        };
        let (name, id) = match target {
            ProbeTarget::Outside => (None, None),
            ProbeTarget::Container(key) => {
                (container.map(|container| container.name.clone()), Some(key.to_string()))
            }
        };
        let docker = container.and_then(|container| of_docker(container));
        let reason = Some(&known.reason).filter(|reason| !reason.is_empty());
        without_nulls(json!({
            "name": name,
            "id": id,
            "health": known.health,
            "reason": reason,
            "since": known.since.rfc3339_millis(),
            "notYetSince": known.early_since.map(Nanos::rfc3339_millis),
            "output": output(docker.as_deref()),
            "probes": probes,
        }))
    });
    let inside = |target: &ProbeTarget| matches!(target, ProbeTarget::Container(_));
    let members: Vec<Value> = members.collect();
    let outside = !state.targets.is_empty() && !state.targets.keys().any(inside);
    let figures = without_nulls(json!({
        "health": state.health,
        "since": state.since.rfc3339_millis(),
        "reason": Some(&state.reason).filter(|reason| !reason.is_empty()),
        "notYetSince": state.early_since().map(Nanos::rfc3339_millis),
        "waitsFor": state.waits_for,
        "lastCheck": state.last_check.map(Nanos::rfc3339_millis),
        "responseTimeMs": state.response_millis.map(rounded),
        "successRate": rate(Window::Day),
        "measuredSince": state.rates.since().map(Nanos::rfc3339_millis),
        "successRates": without_nulls(json!({"1h": rate(Window::Hour), "24h": rate(Window::Day), "7d": rate(Window::Week)})),
        (if outside { "target" } else { "containers" }): members,
    }));
    match figures {
        Value::Object(figures) => figures,
        _ => Map::new(),
    }
}

/// What Docker's own health check said, where it fails.
fn of_docker(container: &Container) -> Option<String> {
    let said = container.health_output.as_deref().filter(|_| container.health == Some(Health::Unhealthy));
    said.map(shown)
}

fn without_nulls(mut value: Value) -> Value {
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    value
}
