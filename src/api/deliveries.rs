//! `/apis/portreeve/v1/deliveries`: what is on its way to Discovery and Billing Services.

use axum::extract::{Path, State};
use axum::response::Json;
use schemars::JsonSchema;
use serde::Serialize;

use super::page::{self, Item, ItemMeta, List};
use super::query::{Misfit, Query};
use super::status::Failure;
use super::{Api, events};
use crate::desired::Desired;
use crate::observed::{ContainerKey, Nanos};
use crate::resource::{KindId, ObjectKey};
use crate::store::{self, DeliveryFilter, DeliveryKind, DeliveryPlace, DeliveryState};

pub(super) mod decide;

/// Parameters of the list.
pub(super) const LIST: &[&str] = &["target", "container", "state", "limit", "continue"];
/// How many come in an answer if nothing else is asked for: what was delivered is remembered for long.
const DEFAULT_LIMIT: u32 = 500;

/// A bill or a discovery state on its way.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Delivery {
    id: String,
    /// Name of the target.
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
    /// `pending`, `parked`, `delivered` or `skipped`.
    state: &'static str,
    /// The parked delivery behind which it waits, never sent yet; `null` otherwise.
    waits_behind: Option<String>,
    /// Whether it is kept and not sent, because its target is no longer declared or is suspended.
    held: bool,
    /// Failures in a row; 0 of what was never tried.
    attempts: u32,
    /// When it is tried next; left out: at once, in its turn, or never.
    next_attempt: Option<String>,
    last_error: Option<String>,
    created: String,
    delivered: Option<String>,
    /// When it was skipped by hand.
    skipped: Option<String>,
    /// Why.
    reason: Option<String>,
}

/// Whether what waits for a target is kept and not sent.
fn is_held(target: &ObjectKey, desired: &Desired) -> bool {
    let declared = match target.kind {
        KindId::DiscoveryRegistry => desired.registries.contains_key(&target.name),
        _ => desired.billing.contains_key(&target.name),
    };
    !declared || desired.is_suspended(target.kind, &target.name)
}

impl Delivery {
    fn of(row: store::Delivery, desired: &Desired) -> Self {
        let done = |state| row.done.filter(|_| row.state == state).map(Nanos::rfc3339_millis);
        Self {
            id: id(&row),
            held: row.state.is_open() && is_held(&row.target, desired),
            kind: row.target.kind.as_str(),
            target: row.target.name,
            container: row.container_name,
            container_id: row.subject.container().map(|key| key.id.to_string()).unwrap_or_default(),
            engine: row.subject.container().map(|key| key.engine.to_string()).unwrap_or_default(),
            event: row.event,
            event_id: row.event_id,
            state: row.state.as_str(),
            waits_behind: row.behind.map(bill),
            attempts: row.attempts,
            // What is past is not "next": it is due now, in its turn.
            next_attempt: row.next_attempt.filter(|at| *at > crate::clock::now()).map(Nanos::rfc3339_millis),
            last_error: row.last_error,
            created: row.created.rfc3339_millis(),
            delivered: done(DeliveryState::Delivered),
            skipped: done(DeliveryState::Skipped),
            reason: row.skipped,
        }
    }
}

fn bill(seq: i64) -> String {
    format!("bill-{seq}")
}

fn id(row: &store::Delivery) -> String {
    match row.kind {
        DeliveryKind::Bill => bill(row.seq),
        // None of the three holds a colon.
        DeliveryKind::Cell => {
            let engine = row.subject.container().map(|key| &*key.engine).unwrap_or_default();
            format!("cell:{}:{engine}:{}", row.target.name, row.subject.id())
        }
    }
}

fn item(row: store::Delivery, desired: &Desired) -> Item<Delivery> {
    let item = Delivery::of(row, desired);
    let creation_timestamp = Some(item.created.clone());
    let metadata = ItemMeta { name: item.id.clone(), creation_timestamp, ..ItemMeta::default() };
    Item { metadata, item }
}

/// The place that an id names.
fn place(id: &str) -> Option<DeliveryPlace> {
    if let Some(seq) = id.strip_prefix("bill-") {
        return seq.parse().ok().map(|seq| DeliveryPlace::Bill { seq });
    }
    let mut parts = id.strip_prefix("cell:")?.splitn(3, ':');
    let (registry, engine, container) = (parts.next()?, parts.next()?, parts.next()?);
    Some(DeliveryPlace::Cell {
        registry: registry.to_owned(),
        subject: ContainerKey::new(engine.to_owned(), container.to_owned()).into(),
    })
}

/// What registries are to be told, then bills, newest first.
pub(super) async fn list(
    State(api): State<Api>,
    query: Query,
) -> Result<Json<List<Item<Delivery>>>, Failure> {
    query.only(LIST)?;
    let state = query.get("state").map(|word| {
        let found = DeliveryState::ALL.into_iter().find(|state| state.as_str() == word);
        found.ok_or_else(|| Misfit::new("state is pending, parked, delivered or skipped"))
    });
    let after = page::token(&query)?.map(|token| place(&token).ok_or_else(page::no_token)).transpose()?;
    let limit = match query.number("limit", 0..=page::MOST)? {
        None => DEFAULT_LIMIT,
        Some(0) => u32::MAX - 1,
        Some(limit) => limit,
    };
    let filter = DeliveryFilter {
        target: query.text("target"),
        container: query.text("container"),
        state: state.transpose()?,
        seq: None,
        after,
        // One more tells whether there are more.
        limit: limit + 1,
    };
    let mut rows = api.view.deliveries(&filter).await?;
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = rows.len() > most;
    rows.truncate(most);
    let last = rows.last().filter(|_| more).map(id);
    let desired = api.view.desired();
    let items = rows.into_iter().map(|row| item(row, &desired)).collect();
    Ok(Json(List::whole("Delivery", items).before(last.as_deref())))
}

/// One delivery.
pub(super) async fn get(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<Item<Delivery>>, Failure> {
    let row = find(&api, &id).await?;
    Ok(Json(item(row, &api.view.desired())))
}

async fn find(api: &Api, wanted: &str) -> Result<store::Delivery, Failure> {
    let filter = place(wanted).map(|place| match place {
        DeliveryPlace::Bill { seq } => {
            DeliveryFilter { seq: Some(seq), limit: 1, ..DeliveryFilter::default() }
        }
        DeliveryPlace::Cell { registry, subject } => DeliveryFilter {
            target: Some(registry),
            container: Some(subject.id().to_owned()),
            limit: events::MOST,
            ..DeliveryFilter::default()
        },
    });
    let rows = match &filter {
        Some(filter) => api.view.deliveries(filter).await?,
        None => Vec::new(),
    };
    rows.into_iter().find(|row| id(row) == wanted).ok_or_else(|| {
        let shown: String = wanted.chars().take(64).flat_map(char::escape_debug).collect();
        Failure::not_found(format!(
            "there is no delivery `{shown}`; delivered ones are deleted after a while; \
            `portreeve get deliveries` lists the rest"
        ))
        .about("Delivery", wanted)
    })
}
