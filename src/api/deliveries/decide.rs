//! What people decide about deliveries: those parked are sent again or skipped, those waiting tried at once, and those of a
//! service that is gone dropped.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Json;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use super::{bill, find, id, is_held};
use crate::api::audit::{self, Deed};
use crate::api::caller::Caller;
use crate::api::query::{Misfit, Query};
use crate::api::status::{self, Failure, Status};
use crate::api::{Api, objects};
use crate::clock;
use crate::manifest::nearest;
use crate::resource::event::subject::EventSubject;
use crate::resource::event::{EventKind, Severity};
use crate::resource::{KindId, ObjectKey};
use crate::store::{Delivery, DeliveryKind, DeliveryState};

/// Parameters of what is decided about all deliveries of a target.
pub(in crate::api) const TARGET: &[&str] = &["target"];
/// The longest reason, in characters.
const LONGEST_REASON: usize = 500;
/// How long a deleted object may take to be out of force.
const OUT_OF_FORCE: Duration = Duration::from_secs(5);

/// Why a bill is skipped.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Skip {
    /// Kept with the bill and told by the event.
    #[schemars(length(min = 1, max = 500))]
    reason: String,
}

impl Skip {
    fn read(headers: &HeaderMap, body: &[u8]) -> Result<String, Failure> {
        let document = objects::document(headers, body, &[])?;
        let misfit = |why: String| Failure::new(StatusCode::UNPROCESSABLE_ENTITY, why);
        let Self { reason } =
            serde_json::from_value(document).map_err(|error| misfit(format!("the body: {error}")))?;
        if reason.trim().is_empty() || reason.chars().count() > LONGEST_REASON {
            return Err(misfit(format!("reason: say why, in {LONGEST_REASON} characters at most")));
        }
        Ok(reason)
    }
}

fn refused(id: &str, why: &str) -> Failure {
    Failure::conflict(format!("{id} {why}")).about("Delivery", id)
}

fn next(row: &Delivery) -> String {
    row.next_attempt.map_or_else(|| "soon".to_owned(), |at| format!("at {}", at.rfc3339_millis()))
}

/// The bill of this name, which is parked or waits behind one that is.
async fn parked(api: &Api, id: &str) -> Result<Delivery, Failure> {
    let row = find(api, id).await?;
    if row.behind.is_some() {
        return Ok(row);
    }
    let why = match (row.kind, row.state) {
        (_, DeliveryState::Delivered) => "was delivered; nothing is sent twice".to_owned(),
        (_, DeliveryState::Skipped) => "was skipped".to_owned(),
        (_, DeliveryState::Pending) => format!("is not parked: it is tried automatically, {}", next(&row)),
        (DeliveryKind::Cell, DeliveryState::Parked) => "is never parked".to_owned(),
        (DeliveryKind::Bill, DeliveryState::Parked) => return Ok(row),
    };
    Err(refused(id, &why))
}

/// The target that a request names, if it is declared or something waits for it.
async fn target<'q>(api: &Api, query: &'q Query, kinds: &[KindId]) -> Result<&'q str, Failure> {
    query.only(TARGET)?;
    let said = || match kinds {
        [KindId::BillingService] => "BillingService",
        _ => "BillingService or DiscoveryRegistry",
    };
    let name =
        query.get("target").ok_or_else(|| Misfit::new(format!("name the {}: ?target=NAME", said())))?;
    let desired = api.view.desired();
    let mut names: Vec<String> = desired.billing.keys().cloned().collect();
    if kinds.contains(&KindId::DiscoveryRegistry) {
        names.extend(desired.registries.keys().cloned());
    }
    let depths = api.requests.store().depths().await?;
    let known = depths.keys().any(|target| target.name == name && kinds.contains(&target.kind));
    if known || names.iter().any(|known| known == name) {
        return Ok(name);
    }
    let hint = nearest(name, names.iter().map(String::as_str))
        .map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
    let shown: String = name.chars().take(64).flat_map(char::escape_debug).collect();
    Err(Failure::not_found(format!("there is no {} named `{shown}`{hint}", said()))
        .about("BillingService", name))
}

/// Frees the parked lane that a bill belongs to.
pub(in crate::api) async fn replay(
    State(api): State<Api>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<Json<Status>, Failure> {
    let row = parked(&api, &id).await?;
    let freed = api.requests.store().replay(&row.target, Some(&row.subject), clock::now()).await?;
    info!(target: "portreeve::outbox", queue = row.target.name, container = %row.subject, "the deliveries of a container are no longer parked");
    api.requests.wake_target(&row.target);
    let message =
        format!("the deliveries of {} to {} are no longer parked", row.subject.short(), row.target.name);
    let subject = EventSubject::from(&row.target);
    let deed = Deed { kind: EventKind::Replayed, status: "freed", what: message.clone(), subject };
    audit::record(&api, &caller, deed).await;
    Ok(Json(status::counted(message, "Delivery", &id, freed)))
}

/// Frees every parked lane of a BillingService.
pub(in crate::api) async fn replay_target(
    State(api): State<Api>,
    query: Query,
    caller: Caller,
) -> Result<Json<Status>, Failure> {
    let target = target(&api, &query, &[KindId::BillingService]).await?;
    let key = billing(target);
    let freed = api.requests.store().replay(&key, None, clock::now()).await?;
    if freed > 0 {
        info!(target: "portreeve::outbox", queue = target, lanes = freed, "parked deliveries are sent again");
        api.requests.wake_target(&key);
    }
    let message = match freed {
        0 => format!("nothing is parked for {target}"),
        1 => format!("the deliveries of 1 container to {target} are no longer parked"),
        freed => format!("the deliveries of {freed} containers to {target} are no longer parked"),
    };
    if freed > 0 {
        let subject = EventSubject::from(&key);
        let deed = Deed { kind: EventKind::Replayed, status: "freed", what: message.clone(), subject };
        audit::record(&api, &caller, deed).await;
    }
    Ok(Json(status::counted(message, "BillingService", target, freed)))
}

/// Tries what waits in the lane or cell of a delivery at once.
pub(in crate::api) async fn retry(
    State(api): State<Api>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<Json<Status>, Failure> {
    let row = find(&api, &id).await?;
    let refuse = |why: &str| Err(refused(&id, why));
    match row.state {
        DeliveryState::Delivered => return refuse("was delivered; nothing is sent twice"),
        DeliveryState::Skipped => return refuse("was skipped"),
        DeliveryState::Parked => return refuse("is parked: replay it or skip it"),
        DeliveryState::Pending => {}
    }
    if let Some(head) = row.behind {
        return refuse(&format!("waits behind {}, which is parked: replay or skip that one", bill(head)));
    }
    if is_held(&row.target, &api.view.desired()) {
        return refuse(&format!("is held: {} is not declared, or is suspended", row.target));
    }
    let tried = api.requests.store().retry(&row.target, Some(&row.subject), clock::now()).await?;
    api.requests.wake_target(&row.target);
    let message = format!("the deliveries of {} to {} are tried now", row.subject.short(), row.target.name);
    let subject = EventSubject::from(&row.target);
    let deed = Deed { kind: EventKind::Retried, status: "retried", what: message.clone(), subject };
    audit::record(&api, &caller, deed).await;
    Ok(Json(status::counted(message, "Delivery", &id, tried)))
}

/// Tries all that waits for a target at once, even if the target itself has named a later time.
pub(in crate::api) async fn retry_target(
    State(api): State<Api>,
    query: Query,
    caller: Caller,
) -> Result<Json<Status>, Failure> {
    let kinds = [KindId::BillingService, KindId::DiscoveryRegistry];
    let target = target(&api, &query, &kinds).await?;
    let (mut tried, mut held, mut subject) = (0, false, EventSubject::Portreeve);
    for kind in kinds {
        let key = ObjectKey { kind, name: target.to_owned() };
        if is_held(&key, &api.view.desired()) {
            held = true;
            continue;
        }
        let waited = api.requests.store().retry(&key, None, clock::now()).await?;
        if waited > 0 {
            subject = EventSubject::from(&key);
        }
        tried += waited;
        api.requests.wake_target(&key);
    }
    let message = match tried {
        0 if held => {
            format!(
                "no delivery to {target} is waiting, except held ones: it is not declared, or it is suspended"
            )
        }
        0 => format!("nothing waits for {target}"),
        1 => format!("the deliveries of 1 container to {target} are tried now"),
        tried => format!("the deliveries of {tried} containers to {target} are tried now"),
    };
    if tried > 0 {
        let deed = Deed { kind: EventKind::Retried, status: "retried", what: message.clone(), subject };
        audit::record(&api, &caller, deed).await;
    }
    Ok(Json(status::counted(message, "BillingService", target, tried)))
}

/// A BillingService of this name.
fn billing(name: &str) -> ObjectKey {
    ObjectKey { kind: KindId::BillingService, name: name.to_owned() }
}

/// Passes over the bill that a parked lane waits for.
pub(in crate::api) async fn skip(
    State(api): State<Api>,
    Path(id): Path<String>,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Status>, Failure> {
    let reason = Skip::read(&headers, &body)?;
    let row = parked(&api, &id).await?;
    match pass(&api, &caller, &row, &reason).await? {
        Some(message) => {
            api.requests.wake_target(&row.target);
            Ok(Json(status::counted(message, "Delivery", &id, 1)))
        }
        None => {
            let heads = api.requests.store().parked_heads(&row.target).await?;
            let head = heads.iter().find(|head| head.subject == row.subject).map(super::id);
            Err(match head.filter(|head| *head != id) {
                Some(head) => refused(&id, &format!("was not refused: it waits behind {head}")),
                None => refused(&id, "is no longer parked"),
            })
        }
    }
}

/// Passes over the bill that each parked lane of a BillingService waits for.
pub(in crate::api) async fn skip_target(
    State(api): State<Api>,
    query: Query,
    caller: Caller,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Status>, Failure> {
    let target = target(&api, &query, &[KindId::BillingService]).await?;
    let reason = Skip::read(&headers, &body)?;
    let mut skipped = 0;
    for head in api.requests.store().parked_heads(&billing(target)).await? {
        skipped += u64::from(pass(&api, &caller, &head, &reason).await?.is_some());
    }
    if skipped > 0 {
        api.requests.wake_target(&billing(target));
    }
    let message = match skipped {
        0 => format!("nothing is parked for {target}"),
        1 => format!("1 bill for {target} is skipped"),
        skipped => format!("{skipped} bills for {target} are skipped"),
    };
    Ok(Json(status::counted(message, "BillingService", target, skipped)))
}

/// Skips a bill and tells of it, if it is the one that its lane waits for.
async fn pass(api: &Api, caller: &Caller, row: &Delivery, reason: &str) -> Result<Option<String>, Failure> {
    let container = row.container_name.clone().unwrap_or_else(|| row.subject.short().to_owned());
    let what = format!("{}, `{}` of {container} for {}, is skipped", id(row), row.event, row.target.name);
    let refusal = row.last_error.as_deref().map(|error| format!("; it was refused: {error}"));
    let subject = match row.subject.container() {
        Some(key) => {
            EventSubject::container(&*key.engine, &*key.id, row.container_name.clone().unwrap_or_default())
        }
        None => EventSubject::from(&row.target),
    };
    let event = audit::told(EventKind::Skipped, subject, "skipped", caller, clock::now())
        .saying(format!("{what}, by {}: {reason}{}", caller.who, refusal.unwrap_or_default()))
        .weighing(Severity::Warning);
    if !api.requests.store().skip(&row.lane(), row.seq, reason, &event).await? {
        return Ok(None);
    }
    api.requests.events_committed();
    warn!(target: "portreeve::outbox", queue = row.target.name, container = %row.subject, "{}", event.message());
    Ok(Some(what))
}

/// Drops what waits for a BillingService that is not declared any more, and forgets what it was told.
pub(in crate::api) async fn discard(
    State(api): State<Api>,
    query: Query,
    caller: Caller,
) -> Result<Json<Status>, Failure> {
    query.only(TARGET)?;
    let target = query.get("target").ok_or_else(|| Misfit::new("name the BillingService: ?target=NAME"))?;
    let key = ObjectKey { kind: KindId::BillingService, name: target.to_owned() };
    let declared = || api.view.desired().billing.contains_key(target);
    let refuse = || {
        let why = format!("{key} is declared, so its waiting deliveries are sent; delete it first");
        Err(Failure::conflict(why).about("BillingService", target))
    };
    if api.catalogue.get(&key).is_some() {
        return refuse();
    }
    // What was deleted just now may be in force for a moment.
    let begin = tokio::time::Instant::now();
    while declared() && begin.elapsed() < OUT_OF_FORCE {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    if declared() {
        return refuse();
    }
    if !api.requests.forget_follower(target).await {
        return Err(Failure::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("nothing was dropped for {target}: the store cannot commit now; see /health/detailed"),
        )
        .about("BillingService", target));
    }
    let said = |bills: u64| match bills {
        0 => format!("nothing waits for {target}"),
        1 => format!("1 bill for {target} is dropped"),
        bills => format!("{bills} bills for {target} are dropped"),
    };
    let tells = |bills| {
        audit::told(EventKind::Discarded, EventSubject::from(&key), "discarded", &caller, clock::now())
            .saying(format!("{}, by {}", said(bills), caller.who))
    };
    let dropped = api.requests.store().discard(&key, &tells).await?;
    if dropped > 0 {
        api.requests.events_committed();
        warn!(target: "portreeve::outbox", queue = target, bills = dropped, "{}, by {}", said(dropped), caller.who);
    }
    Ok(Json(status::counted(said(dropped), "BillingService", target, dropped)))
}
