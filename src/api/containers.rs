//! `GET /api/containers` and `GET /api/config` (document R4).

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Json, Response};
use schemars::JsonSchema;
use serde::Serialize;

use self::changes::ContainerChanges;
pub(crate) use self::row::ContainerRow;
use self::row::{item, row};
use super::caller::Caller;
use super::page::{Item, List, Page};
use super::query::Query;
use super::status::Failure;
use super::{Api, label_selector, release, watching};
use crate::desired::PolicyChoice;
use crate::observed::{Container, ContainerKey};
use crate::resource::settings::SettingsSpec;

mod changes;
mod row;

/// Parameters of the list below `/apis`.
pub(super) const LIST: &[&str] =
    &["labelSelector", "limit", "continue", "usage", "watch", "after", "timeoutSeconds"];
/// Parameters of one container below `/apis`.
pub(super) const ONE: &[&str] = &["usage"];

pub(super) async fn list(State(api): State<Api>, caller: Caller) -> Json<Vec<ContainerRow>> {
    let world = api.view.world();
    let mut containers: Vec<&Arc<Container>> = world.containers.values().collect();
    containers.sort_by(|a, b| (&a.name, &a.key.id).cmp(&(&b.name, &b.key.id)));
    Json(containers.into_iter().map(|container| row(&api, container, caller.outputs())).collect())
}

/// The same in Kubernetes' shape, in the order of ids; a page ends with an id. Or their changes.
pub(super) async fn objects(
    State(api): State<Api>,
    caller: Caller,
    query: Query,
) -> Result<Response, Failure> {
    query.only(LIST)?;
    let (selector, page) = (label_selector::selector(&query)?, Page::of(&query)?);
    let usage = query.flag("usage")?;
    let timeout = watching::timeout(&query)?;
    if query.flag("watch")? {
        let place = watching::place(&api, &caller)?;
        let changes = match query.get("after") {
            None => ContainerChanges::all(&api, selector, caller.outputs()),
            Some(id) => ContainerChanges::after(&api, selector, caller.outputs(), id)
                .map_err(|why| watching::gone(id, why))?,
        };
        return Ok(watching::answer(&api, place, changes, timeout, caller));
    }
    let world = api.view.world();
    let matching = world.containers.values().filter(|container| selector.matches(&container.labels));
    let mut found: Vec<&Arc<Container>> = matching.collect();
    // Those of one engine are in this order already.
    found.sort_by(|a, b| a.key.id.cmp(&b.key.id));
    let page = List::page("Container", found, &page, |container| &container.key.id);
    let mut page = page.map(|container| item(row(&api, container, caller.outputs())));
    if usage {
        measure(&api, page.items_mut()).await;
    }
    Ok(Json(page.at(api.view.revision_id(world.revision))).into_response())
}

/// One container by name, id, or the beginning of an id.
pub(super) async fn object(
    State(api): State<Api>,
    Path(name): Path<String>,
    caller: Caller,
    query: Query,
) -> Result<Json<Item<ContainerRow>>, Failure> {
    query.only(ONE)?;
    let usage = query.flag("usage")?;
    let container = release::find(&api, &name)?;
    let mut item = item(row(&api, &container, caller.outputs()));
    if usage {
        measure(&api, std::slice::from_mut(&mut item)).await;
    }
    Ok(Json(item))
}

/// Adds what the containers use that run: nobody is asked for figures of the others.
async fn measure(api: &Api, items: &mut [Item<ContainerRow>]) {
    let world = api.view.world();
    let runs =
        |key: &ContainerKey| world.containers.get(key).is_some_and(|container| container.state.is_up());
    let running = items.iter().map(|item| item.item.key()).filter(runs).collect();
    let usage = api.view.usage(running).await;
    for item in items {
        let usage = usage.get(&item.item.key());
        item.item.measured(usage);
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
    let desired = api.view.desired();
    let (mut selected, mut excluded) = (Vec::new(), Vec::new());
    for container in api.view.world().containers.values() {
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
