//! `/apis/portreeve/v1/deliveries`: what is on its way to Discovery and Billing Services, and freeing what is parked.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Json;
use schemars::JsonSchema;
use serde::Serialize;
use tracing::info;

use super::audit::{self, Deed};
use super::caller::Caller;
use super::page::{Item, ItemMeta, List};
use super::query::{Misfit, Query};
use super::status::{self, Failure, Status};
use super::{Api, events};
use crate::manifest::nearest;
use crate::observed::Nanos;
use crate::store::{self, DeliveryFilter, DeliveryKind, DeliveryState};

/// Parameters of the list.
pub(super) const LIST: &[&str] = &["target", "container", "state", "limit"];
/// Parameters of freeing all of a target.
pub(super) const REPLAY: &[&str] = &["target"];
const DEFAULT_LIMIT: u32 = 500;

/// A bill or a discovery state on its way.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Delivery {
    id: String,
    /// Name of the service it is for.
    target: String,
    /// `BillingService` or `DiscoveryRegistry`.
    kind: &'static str,
    /// Name of the container, if it is still known.
    container: Option<String>,
    container_id: String,
    engine: String,
    /// `started`, `stopped`, `removed`; or `UP`, `DOWN`, `ABSENT`.
    event: String,
    /// The `Idempotency-Key` of a bill.
    event_id: Option<String>,
    /// `pending`, `parked` or `delivered`.
    state: &'static str,
    /// Failures in a row.
    attempts: u32,
    /// When it is tried next; none: at once, in its turn, or never.
    next_attempt: Option<String>,
    last_error: Option<String>,
    created: String,
    delivered: Option<String>,
}

impl From<store::Delivery> for Delivery {
    fn from(row: store::Delivery) -> Self {
        Self {
            id: id(&row),
            target: row.target,
            kind: match row.kind {
                DeliveryKind::Bill => "BillingService",
                DeliveryKind::Cell => "DiscoveryRegistry",
            },
            container: row.container_name,
            container_id: row.key.id.to_string(),
            engine: row.key.engine.to_string(),
            event: row.event,
            event_id: row.event_id,
            state: row.state.as_str(),
            attempts: row.attempts,
            next_attempt: row.next_attempt.map(Nanos::rfc3339_millis),
            last_error: row.last_error,
            created: row.created.rfc3339_millis(),
            delivered: row.delivered.map(Nanos::rfc3339_millis),
        }
    }
}

fn id(row: &store::Delivery) -> String {
    match row.kind {
        DeliveryKind::Bill => format!("bill-{}", row.seq),
        // None of the three holds a colon.
        DeliveryKind::Cell => format!("cell:{}:{}:{}", row.target, row.key.engine, row.key.id),
    }
}

fn item(row: store::Delivery) -> Item<Delivery> {
    let item = Delivery::from(row);
    let metadata = ItemMeta { name: item.id.clone(), creation_timestamp: Some(item.created.clone()) };
    Item { metadata, item }
}

/// Deliveries, newest first; `limit` counts bills and discovery states each.
pub(super) async fn list(
    State(api): State<Api>,
    query: Query,
) -> Result<Json<List<Item<Delivery>>>, Failure> {
    query.only(LIST)?;
    let state = query.get("state").map(|word| {
        let found = DeliveryState::ALL.into_iter().find(|state| state.as_str() == word);
        found.ok_or_else(|| Misfit::new("state is pending, parked or delivered"))
    });
    let filter = DeliveryFilter {
        target: query.text("target"),
        container: query.text("container"),
        state: state.transpose()?,
        seq: None,
        limit: query.number("limit", 1..=events::MOST)?.unwrap_or(DEFAULT_LIMIT),
    };
    let rows = api.shared.store.deliveries(&filter).await?;
    Ok(Json(List::whole("Delivery", rows.into_iter().map(item).collect())))
}

/// One delivery.
pub(super) async fn get(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<Item<Delivery>>, Failure> {
    find(&api, &id).await.map(item).map(Json)
}

async fn find(api: &Api, wanted: &str) -> Result<store::Delivery, Failure> {
    let filter = if let Some(seq) = wanted.strip_prefix("bill-").and_then(|seq| seq.parse().ok()) {
        Some(DeliveryFilter { seq: Some(seq), limit: 1, ..DeliveryFilter::default() })
    } else {
        let mut parts = wanted.splitn(4, ':');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some("cell"), Some(target), Some(_), Some(container)) => Some(DeliveryFilter {
                target: Some(target.to_owned()),
                container: Some(container.to_owned()),
                limit: events::MOST,
                ..DeliveryFilter::default()
            }),
            _ => None,
        }
    };
    let rows = match &filter {
        Some(filter) => api.shared.store.deliveries(filter).await?,
        None => Vec::new(),
    };
    rows.into_iter().find(|row| id(row) == wanted).ok_or_else(|| {
        let shown: String = wanted.chars().take(64).flat_map(char::escape_debug).collect();
        Failure::not_found(format!(
            "there is no delivery `{shown}`; what is delivered is forgotten after a while, see GET /apis/portreeve/v1/deliveries"
        ))
        .about("Delivery", wanted)
    })
}

/// Frees the parked lane that a bill belongs to.
pub(super) async fn replay(
    State(api): State<Api>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<Json<Status>, Failure> {
    let row = find(&api, &id).await?;
    let refuse = |why: String| Err(Failure::conflict(format!("{id} {why}")).about("Delivery", &*id));
    let next = row.next_attempt.map_or_else(|| "soon".to_owned(), |at| format!("at {}", at.rfc3339_millis()));
    match (row.kind, row.state) {
        (_, DeliveryState::Delivered) => refuse("was delivered; nothing is sent twice".to_owned()),
        (_, DeliveryState::Pending) => refuse(format!("is not parked: it is tried by itself, {next}")),
        (DeliveryKind::Cell, DeliveryState::Parked) => refuse("is never parked".to_owned()),
        (DeliveryKind::Bill, DeliveryState::Parked) => {
            let freed = api.shared.store.replay_lane(&row.target, &row.key).await?;
            info!(target: "portreeve::outbox", queue = row.target, container = %row.key, "a parked lane is freed");
            api.shared.wake_billing(&row.target);
            let message = format!("the lane of {} to {} is free again", row.key.short_id(), row.target);
            let deed = Deed { kind: "Replayed", status: "freed", what: message.clone(), container: None };
            audit::record(&api, &caller, deed).await;
            Ok(Json(status::counted(message, "Delivery", &id, freed)))
        }
    }
}

/// Frees every parked lane of a BillingService.
pub(super) async fn replay_target(
    State(api): State<Api>,
    query: Query,
    caller: Caller,
) -> Result<Json<Status>, Failure> {
    query.only(REPLAY)?;
    let target =
        query.get("target").ok_or_else(|| Misfit::new("say which BillingService is meant: ?target=NAME"))?;
    let declared: Vec<String> = api.shared.desired.load().billing.keys().cloned().collect();
    let (held, _) = api.shared.store.depths().await?;
    if !declared.iter().any(|name| name == target) && !held.contains_key(target) {
        let hint = nearest(target, declared.iter().map(String::as_str))
            .map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        let shown: String = target.chars().take(64).flat_map(char::escape_debug).collect();
        return Err(Failure::new(
            StatusCode::NOT_FOUND,
            format!("there is no BillingService named `{shown}`{hint}"),
        )
        .about("BillingService", target));
    }
    let freed = api.shared.store.replay(target).await?;
    if freed > 0 {
        info!(target: "portreeve::outbox", queue = target, lanes = freed, "parked lanes are freed");
        api.shared.wake_billing(target);
    }
    let message = match freed {
        0 => format!("nothing is parked for {target}"),
        1 => format!("1 lane to {target} is free again"),
        freed => format!("{freed} lanes to {target} are free again"),
    };
    if freed > 0 {
        let deed = Deed { kind: "Replayed", status: "freed", what: message.clone(), container: None };
        audit::record(&api, &caller, deed).await;
    }
    Ok(Json(status::counted(message, "BillingService", target, freed)))
}
