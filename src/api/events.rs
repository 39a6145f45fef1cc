//! `GET /api/events` (document R4): a top-level array, newest first.

use axum::extract::State;
use axum::response::Json;
use schemars::JsonSchema;
use serde::Serialize;

use super::caller::Caller;
use super::page::{Item, ItemMeta, List};
use super::query::{Misfit, Query};
use super::status::Failure;
use super::{Api, Refusal};
use crate::catalogue::Outputs;
use crate::clock;
use crate::observed::Nanos;
use crate::resource::Duration;
use crate::resource::event::Severity;
use crate::store::{EventFilter, EventRow};

const DEFAULT_LIMIT: u32 = 100;
/// The longest list that can be asked for.
pub(super) const MOST: u32 = 10_000;
/// Parameters of the list.
pub(super) const PARAMETERS: [&str; 5] = ["type", "container", "since", "until", "limit"];

/// Document R4's event, and what else is known.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Event {
    timestamp: String,
    container_id: String,
    container_name: String,
    event_type: String,
    restart_count: u32,
    status: String,
    message: String,
    reason: String,
    severity: Severity,
    engine: String,
    image: String,
    host: String,
    /// The caller that requested it: `token ci`, `user alice (uid 1000)`, `anonymous at 127.0.0.1`; empty without a
    /// caller.
    caller: String,
    /// What the failed health check printed; shown only to callers with the role `edit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
}

pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    query: Query,
) -> Result<Json<Vec<Event>>, Refusal> {
    let filter = filter(&query, clock::now())?;
    let rows = api.shared.store.events(&filter).await?;
    Ok(Json(rows.into_iter().map(|row| Event::of(row, caller.outputs())).collect()))
}

/// The same in Kubernetes' shape; an event's name is its number.
pub(super) async fn objects(
    State(api): State<Api>,
    caller: Caller,
    query: Query,
) -> Result<Json<List<Item<Event>>>, Failure> {
    let filter = filter(&query, clock::now())?;
    let rows = api.shared.store.events(&filter).await?;
    let item = |row: EventRow| {
        let creation_timestamp = Some(row.event.at.rfc3339_millis());
        let name = row.id.to_string();
        Item { metadata: ItemMeta { name, creation_timestamp }, item: Event::of(row, caller.outputs()) }
    };
    Ok(Json(List::whole("Event", rows.into_iter().map(item).collect())))
}

fn filter(query: &Query, now: Nanos) -> Result<EventFilter, Misfit> {
    query.only(&PARAMETERS)?;
    let time = |name: &str| query.get(name).map(|text| time(name, text, now)).transpose();
    Ok(EventFilter {
        event_type: query.text("type"),
        container: query.text("container"),
        since: time("since")?,
        until: time("until")?,
        limit: query.number("limit", 1..=MOST)?.unwrap_or(DEFAULT_LIMIT),
    })
}

/// An RFC 3339 time, or a duration before now. A time beyond what is counted here (1677 to 2262) is its end.
fn time(name: &str, text: &str, now: Nanos) -> Result<Nanos, Misfit> {
    if let Ok(ago) = Duration::of_any_length(text) {
        return Ok(Nanos(now.0.saturating_sub(ago.as_nanos())));
    }
    let Ok(at) = text.parse::<jiff::Timestamp>() else {
        return Err(Misfit::new(format!(
            "{name} is neither a time such as 2025-08-19T07:17:22Z nor a duration such as 15m"
        )));
    };
    let end = if at.as_nanosecond() < 0 { i64::MIN } else { i64::MAX };
    Ok(Nanos(i64::try_from(at.as_nanosecond()).unwrap_or(end)))
}

impl Event {
    fn of(row: EventRow, outputs: Outputs) -> Self {
        let event = row.event;
        Self {
            timestamp: event.at.rfc3339_millis(),
            container_id: event.container_id,
            container_name: event.container_name,
            event_type: event.event_type,
            restart_count: event.restart_count,
            status: event.status,
            message: event.message,
            reason: event.reason,
            severity: event.severity,
            engine: event.engine,
            image: event.image,
            host: event.host,
            caller: event.caller,
            output: Some(event.output).filter(|text| outputs == Outputs::Shown && !text.is_empty()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter_of(query: &str, now: Nanos) -> Result<EventFilter, Misfit> {
        filter(&Query::parse(query).expect("parameters"), now)
    }

    #[test]
    fn times_are_absolute_or_so_long_ago() {
        let now = Nanos(1_755_587_842_000_000_000);
        let filter =
            filter_of("since=1m&until=2025-08-19T07:17:22Z&type=gap&limit=5", now).expect("a filter");
        assert_eq!(filter.since, Some(Nanos(now.0 - 60_000_000_000)));
        assert_eq!(filter.until, Some(now));
        assert_eq!((filter.event_type.as_deref(), filter.limit), (Some("gap"), 5));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_would() {
        for (query, expected) in [
            ("limit=0", "limit must be a whole number between 1 and 10000"),
            ("limit=many", "limit must be a whole number between 1 and 10000"),
            ("since=yesterday", "such as 15m"),
            ("contianer=web", "did you mean \"container\"?"),
        ] {
            let refusal = filter_of(query, Nanos(0)).expect_err(query).to_string();
            assert!(refusal.contains(expected), "{refusal}");
        }
    }

    #[test]
    fn a_time_before_or_after_all_that_is_counted_is_no_fault() {
        let filter = filter_of("since=0001-01-01T00:00:00Z&until=9999-01-01T00:00:00Z", Nanos(0));
        let filter = filter.expect("a filter");
        assert_eq!((filter.since, filter.until), (Some(Nanos(i64::MIN)), Some(Nanos(i64::MAX))));
        let filter = filter_of("since=99999999999999999999d&until=89427h5s", Nanos(0)).expect("a filter");
        assert_eq!(filter.since, Some(Nanos(-i64::MAX)));
        assert!(filter.until.is_some_and(|until| until > Nanos(-i64::MAX)));
    }
}
