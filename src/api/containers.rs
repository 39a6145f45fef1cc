//! `GET /api/containers` and `GET /api/config` (document R4).

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::response::Json;
use schemars::JsonSchema;
use serde::Serialize;

use super::page::{Item, ItemMeta, List, Page};
use super::query::Query;
use super::status::Failure;
use super::{Api, objects, release};
use crate::desired::PolicyChoice;
use crate::observed::{Container, Port};
use crate::reconcile::plan::Blocked;
use crate::resource::settings::SettingsSpec;

/// Parameters of the list below `/apis`.
pub(super) const LIST: &[&str] = &["labelSelector", "limit", "continue"];

/// A container as last seen.
#[derive(Serialize, JsonSchema)]
pub(super) struct Row {
    id: String,
    name: String,
    image: String,
    status: String,
    health: Option<&'static str>,
    engine: String,
    labels: BTreeMap<String, String>,
    created: String,
    started_at: Option<String>,
    ports: Vec<Port>,
    monitored: bool,
    policy: Option<String>,
    restart_count: u32,
    quarantined: bool,
    /// Why nothing is done about it, where something would be.
    blocked: Vec<Blocked>,
}

pub(super) async fn list(State(api): State<Api>) -> Json<Vec<Row>> {
    let world = api.shared.world();
    let mut rows = Vec::with_capacity(world.containers.len());
    for container in world.containers.values() {
        rows.push(row(&api, container));
    }
    rows.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
    Json(rows)
}

/// The same in Kubernetes' shape, in the order of ids; a page ends with an id.
pub(super) async fn objects(State(api): State<Api>, query: Query) -> Result<Json<List<Item<Row>>>, Failure> {
    query.only(LIST)?;
    let (selector, page) = (objects::selector(&query)?, Page::of(&query)?);
    let world = api.shared.world();
    let mut items = Vec::new();
    for container in world.containers.values().filter(|container| selector.matches(&container.labels)) {
        items.push(item(row(&api, container)));
    }
    items.sort_by(|a, b| a.item.id.cmp(&b.item.id));
    Ok(Json(List::page("Container", items, &page, |item| item.item.id.as_str())))
}

/// One container by name, id, or the beginning of an id.
pub(super) async fn object(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<Json<Item<Row>>, Failure> {
    let container = release::find(&api, &name)?;
    Ok(Json(item(row(&api, &container))))
}

fn item(row: Row) -> Item<Row> {
    let creation_timestamp = Some(row.created.clone());
    Item { metadata: ItemMeta { name: row.name.clone(), creation_timestamp }, item: row }
}

fn row(api: &Api, container: &Container) -> Row {
    let policy = match api.shared.desired.load().policy_for(container) {
        PolicyChoice::Selected { name, .. } => Some(name),
        PolicyChoice::Excluded { .. } | PolicyChoice::NotSelected { .. } => None,
    };
    let memory = api.shared.healing(&container.logical_id()).unwrap_or_default();
    Row {
        id: container.key.id.to_string(),
        name: container.name.clone(),
        image: container.image.clone(),
        status: container.state.to_string(),
        health: container.health.map(|health| health.as_str()),
        engine: container.key.engine.to_string(),
        labels: container.labels.clone(),
        created: container.created.rfc3339_millis(),
        started_at: container.started.map(|at| at.rfc3339_millis()),
        ports: container.ports.clone(),
        monitored: policy.is_some(),
        policy,
        restart_count: memory.restart_count,
        quarantined: memory.quarantined.is_some(),
        blocked: api.shared.blocked(&container.key),
    }
}

/// What is selected, and the settings in force.
#[derive(Serialize, JsonSchema)]
pub(super) struct Config {
    containers: Selection,
    settings: SettingsSpec,
    observe: bool,
}

#[derive(Serialize, JsonSchema)]
struct Selection {
    selected: Vec<String>,
    excluded: Vec<String>,
}

pub(super) async fn config(State(api): State<Api>) -> Json<Config> {
    let desired = api.shared.desired.load();
    let (mut selected, mut excluded) = (Vec::new(), Vec::new());
    for container in api.shared.world().containers.values() {
        match desired.policy_for(container) {
            PolicyChoice::Selected { .. } => selected.push(container.name.clone()),
            PolicyChoice::Excluded { .. } => excluded.push(container.name.clone()),
            PolicyChoice::NotSelected { .. } => {}
        }
    }
    selected.sort();
    excluded.sort();
    Json(Config {
        containers: Selection { selected, excluded },
        settings: desired.settings.clone(),
        observe: desired.settings.observe,
    })
}
