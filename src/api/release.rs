//! `POST /apis/portreeve/v1/containers/{name-or-id}/release`: lifts a quarantine.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Json;

use super::Api;
use super::caller::Caller;
use super::status::{self, Failure, Status};
use crate::manifest::nearest;
use crate::observed::Container;

/// The shortest beginning of an id that is taken for one.
const SHORTEST: usize = 6;

/// Waits and budget of the container start afresh.
pub(super) async fn release(
    State(api): State<Api>,
    Path(name): Path<String>,
    caller: Caller,
) -> Result<Json<Status>, Failure> {
    let container = find(&api, &name)?;
    let logical_id = container.logical_id();
    let about = |failure: Failure| failure.about("Container", &container.name);
    let quarantined =
        async || api.view.healing(&logical_id).is_some_and(|memory| memory.quarantined.is_some());
    if !quarantined().await {
        return Err(about(Failure::conflict(format!("{} is not in quarantine", container.name))));
    }
    if !api.requests.release(&container.key, &caller.who.to_string()).await || quarantined().await {
        return Err(about(Failure::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{} is released as soon as the store can commit; see /health/detailed", container.name),
        )));
    }
    let message = format!(
        "{} is out of quarantine; its wait and its budget are reset, and if it is sick it is restarted at once",
        container.name
    );
    Ok(Json(status::success(message, "Container", &container.name, None)))
}

/// The container of this name or id, or with an id that begins so.
pub(super) fn find(api: &Api, wanted: &str) -> Result<Arc<Container>, Failure> {
    let world = api.view.world();
    let by = |is: &dyn Fn(&Container) -> bool| -> Vec<_> {
        world.containers.values().filter(|container| is(container)).cloned().collect()
    };
    let mut found = by(&|container| container.name == wanted || &*container.key.id == wanted);
    if found.is_empty() && wanted.len() >= SHORTEST {
        found = by(&|container| container.key.id.starts_with(wanted));
    }
    let shown: String = wanted.chars().take(128).flat_map(char::escape_debug).collect();
    match (found.len(), found.pop()) {
        (1, Some(container)) => Ok(container),
        (0, _) | (_, None) => {
            let names = world.containers.values().map(|container| container.name.as_str());
            let hint =
                nearest(wanted, names).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            Err(Failure::not_found(format!("no container named `{shown}`, or with that id, is known{hint}"))
                .about("Container", wanted))
        }
        (several, Some(_)) => {
            Err(Failure::conflict(format!("`{shown}` matches {several} containers: give the whole id"))
                .about("Container", wanted))
        }
    }
}
