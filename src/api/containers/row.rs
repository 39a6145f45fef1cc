//! What the API shows of a container.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::api::Api;
use crate::api::page::{Item, ItemMeta};
use crate::catalogue::Outputs;
use crate::desired::PolicyChoice;
use crate::observed::{Container, ContainerKey, Nanos, Port, Usage};
use crate::reconcile::discovery::{Wanted, hidden};
use crate::reconcile::plan::{Blocked, Reason};

/// A container as last seen.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Row")]
pub(crate) struct ContainerRow {
    id: String,
    name: String,
    image: String,
    status: String,
    /// What its health check says: `starting`, `healthy`, `unhealthy`, or `silent` if the engine no longer runs it;
    /// nothing without a health check.
    health: Option<&'static str>,
    /// What its last health check printed; shown only to callers with the role `edit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    health_output: Option<String>,
    /// The exit code of its last run, if it does not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i64>,
    engine: String,
    labels: BTreeMap<String, String>,
    created: String,
    started_at: Option<String>,
    ports: Vec<Port>,
    monitored: bool,
    policy: Option<String>,
    /// Why it is not healed on purpose, though a policy would select it.
    #[serde(skip_serializing_if = "Option::is_none")]
    excluded: Option<String>,
    /// Completed restarts by Portreeve.
    restart_count: u32,
    /// Restarts by the engine, of its own restart policy, since it was last started otherwise.
    engine_restart_count: u32,
    /// Whether Portreeve acts on it right now: a call is under way, or its effect was not seen yet.
    restarting: bool,
    /// When Portreeve last acted on it.
    last_action: Option<String>,
    quarantined: bool,
    /// Why the container is not healed although it needs healing.
    blocked: Vec<Withheld>,
    /// What each DiscoveryRegistry must contain for it, by the registry's name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    registries: BTreeMap<String, Registration>,
    /// What it uses, if that was requested and could be measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Measured>,
}

impl ContainerRow {
    pub(super) fn key(&self) -> ContainerKey {
        ContainerKey::new(self.engine.as_str(), self.id.as_str())
    }

    /// Adds what it uses.
    pub(super) fn measured(&mut self, usage: Option<&Usage>) {
        self.usage = usage.map(measured);
    }
}

/// What a registry must contain for a container. A delivery waits until the registry has accepted it.
#[derive(Serialize, JsonSchema)]
struct Registration {
    /// `UP`, `DOWN` or `ABSENT`.
    state: &'static str,
    /// Host and port under which it is registered.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// Why it is not registered, though the registry selects it.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl From<&Wanted> for Registration {
    fn from(wanted: &Wanted) -> Self {
        Self { state: wanted.as_str(), address: wanted.address(), reason: None }
    }
}

/// A decision not to act. Times are text.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Blocked")]
struct Withheld {
    /// Why not, for machines.
    reason: Reason,
    /// Why not, for people, at the time of the decision.
    message: String,
    /// When the reason passes by itself, if it does: RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
}

impl From<Blocked> for Withheld {
    fn from(Blocked { reason, message, until }: Blocked) -> Self {
        Self { reason, message, until: until.map(Nanos::rfc3339_millis) }
    }
}

/// What a container had used when it was measured; what the engine did not give is `null`. Two measurements tell its CPU load.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ContainerUsage")]
struct Measured {
    /// When, by the engine's clock.
    at: String,
    /// CPU time since its start.
    cpu_seconds: Option<f64>,
    /// Memory in use, without cached files that are given back at once.
    memory_bytes: Option<u64>,
    /// Its limit, or the memory of its host.
    memory_limit_bytes: Option<u64>,
}

#[expect(
    clippy::cast_precision_loss,
    reason = "nanoseconds of CPU time need no more digits than a float has"
)]
fn measured(usage: &Usage) -> Measured {
    let Usage { at, cpu, memory, memory_limit } = *usage;
    Measured {
        at: at.rfc3339_millis(),
        cpu_seconds: cpu.map(|cpu| cpu as f64 / 1e9),
        memory_bytes: memory,
        memory_limit_bytes: memory_limit,
    }
}

/// It as an item of a list.
pub(super) fn item(row: ContainerRow) -> Item<ContainerRow> {
    let creation_timestamp = Some(row.created.clone());
    let metadata = ItemMeta { name: row.name.clone(), creation_timestamp, ..ItemMeta::default() };
    Item { metadata, item: row }
}

/// What is seen, decided and remembered of `container` now.
pub(super) fn row(api: &Api, container: &Container, outputs: Outputs) -> ContainerRow {
    let (policy, excluded) = match api.view.desired().policy_for(container) {
        PolicyChoice::Selected { name, .. } => (Some(name), None),
        PolicyChoice::Excluded { why, .. } => (None, Some(why)),
        PolicyChoice::NotSelected { .. } => (None, None),
    };
    let memory = api.view.healing(&container.logical_id()).unwrap_or_default();
    ContainerRow {
        id: container.key.id.to_string(),
        name: container.name.clone(),
        image: container.image.clone(),
        status: container.state.to_string(),
        health: container.health.map(|health| health.as_str()),
        health_output: container.health_output.clone().filter(|_| outputs == Outputs::Shown),
        exit_code: Some(container.exit_code)
            .filter(|_| container.started.is_some() && !container.state.is_up()),
        engine: container.key.engine.to_string(),
        labels: container.labels.clone(),
        created: container.created.rfc3339_millis(),
        started_at: container.started.map(|at| at.rfc3339_millis()),
        ports: container.ports.clone(),
        monitored: policy.is_some(),
        policy,
        excluded,
        restart_count: memory.restarts(),
        engine_restart_count: container.restart_count,
        restarting: memory.intent.is_some(),
        last_action: memory.last_action.map(Nanos::rfc3339_millis),
        quarantined: memory.quarantined.is_some(),
        blocked: api.view.blocked(&container.key).into_iter().map(Withheld::from).collect(),
        registries: registries(api, container),
        usage: None,
    }
}

fn registries(api: &Api, container: &Container) -> BTreeMap<String, Registration> {
    let record = api.view.record(&container.key);
    let wanted = record.iter().flat_map(|record| &record.wanted);
    let mut all: BTreeMap<String, Registration> =
        wanted.map(|(name, wanted)| (name.clone(), wanted.into())).collect();
    let (desired, world) = (api.view.desired(), api.view.world());
    let mut services = world.members.services(&container.key).to_vec();
    services.sort();
    for (name, spec) in desired.registries.iter().filter(|(_, spec)| spec.published_only) {
        let of_service =
            services.iter().filter_map(|name| desired.services.get(&**name)).find_map(|service| {
                let discovery = service.spec.discovery.as_ref()?;
                (discovery.registry_ref == *name).then_some(discovery)
            });
        if of_service.is_none() && !spec.selects(&container.subject()) {
            continue;
        }
        let port = of_service.and_then(|discovery| discovery.port).or(spec.port);
        let owner = api.view.network_owner(container);
        if let Some(reason) = hidden(container, owner.as_deref(), spec, port) {
            all.entry(name.clone()).or_insert_with(|| (&Wanted::Absent).into()).reason = Some(reason);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_done_ends_at_a_time_that_is_told_as_every_other() {
        let until = Some(Nanos(1_795_360_641_276_870_040));
        let blocked = Blocked { reason: Reason::BackingOff, message: "waits".to_owned(), until };
        let shown = serde_json::to_value(Withheld::from(blocked)).expect("JSON");
        assert_eq!(shown["until"], "2026-11-22T15:17:21.276Z");
        let blocked = Blocked { reason: Reason::Dead, message: "dead".to_owned(), until: None };
        let shown = serde_json::to_value(Withheld::from(blocked)).expect("JSON");
        assert_eq!(shown.get("until"), None);
    }
}
