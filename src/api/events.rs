//! `GET /api/events` (document R4): a top-level array, newest first.

use std::collections::BTreeMap;

use axum::extract::{Query, State};
use axum::response::Json;
use schemars::JsonSchema;
use serde::Serialize;

use super::page::{Item, ItemMeta, List};
use super::status::Failure;
use super::{Api, Refusal};
use crate::clock;
use crate::manifest::nearest;
use crate::observed::Nanos;
use crate::resource::Duration;
use crate::store::{EventFilter, EventRow, Severity};

const DEFAULT_LIMIT: u32 = 100;
const MOST: u32 = 10_000;
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
}

pub(super) async fn list(
    State(api): State<Api>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Result<Json<Vec<Event>>, Refusal> {
    let filter = filter(&query, clock::now()).map_err(Refusal::bad_request)?;
    let rows = api.shared.store.events(&filter).await?;
    Ok(Json(rows.into_iter().map(Event::from).collect()))
}

/// The same in Kubernetes' shape; an event's name is its number.
pub(super) async fn objects(
    State(api): State<Api>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Result<Json<List<Item<Event>>>, Failure> {
    let filter = filter(&query, clock::now()).map_err(Failure::bad_request)?;
    let rows = api.shared.store.events(&filter).await?;
    let item = |row: EventRow| {
        let creation_timestamp = Some(row.event.at.rfc3339_millis());
        Item { metadata: ItemMeta { name: row.seq.to_string(), creation_timestamp }, item: Event::from(row) }
    };
    Ok(Json(List::whole("Event", rows.into_iter().map(item).collect())))
}

fn filter(query: &BTreeMap<String, String>, now: Nanos) -> Result<EventFilter, String> {
    for name in query.keys() {
        if !PARAMETERS.contains(&name.as_str()) {
            let hint = nearest(name, PARAMETERS)
                .map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
            return Err(format!("{name:?} is no parameter{hint} There are: {}", PARAMETERS.join(", ")));
        }
    }
    let time = |name: &str| query.get(name).map(|text| time(name, text, now)).transpose();
    let limit = match query.get("limit") {
        None => DEFAULT_LIMIT,
        Some(text) => text
            .parse()
            .ok()
            .filter(|limit| (1..=MOST).contains(limit))
            .ok_or_else(|| format!("limit={text} is not a whole number between 1 and {MOST}"))?,
    };
    Ok(EventFilter {
        event_type: query.get("type").cloned(),
        container: query.get("container").cloned(),
        since: time("since")?,
        until: time("until")?,
        limit,
    })
}

/// An RFC 3339 time, or a duration before now.
fn time(name: &str, text: &str, now: Nanos) -> Result<Nanos, String> {
    if let Ok(ago) = text.parse::<Duration>() {
        return Ok(Nanos(now.0.saturating_sub(ago.as_nanos())));
    }
    let timestamp: Result<jiff::Timestamp, _> = text.parse();
    timestamp.ok().and_then(|at| i64::try_from(at.as_nanosecond()).ok()).map(Nanos).ok_or_else(|| {
        format!("{name}={text} is neither a time such as 2025-08-19T07:17:22Z nor a duration such as 15m")
    })
}

impl From<EventRow> for Event {
    fn from(row: EventRow) -> Self {
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
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn times_are_absolute_or_so_long_ago() {
        let now = Nanos(1_755_587_842_000_000_000);
        let given =
            query(&[("since", "1m"), ("until", "2025-08-19T07:17:22Z"), ("type", "gap"), ("limit", "5")]);
        let filter = filter(&given, now).expect("a filter");
        assert_eq!(filter.since, Some(Nanos(now.0 - 60_000_000_000)));
        assert_eq!(filter.until, Some(now));
        assert_eq!((filter.event_type.as_deref(), filter.limit), (Some("gap"), 5));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_would() {
        for (name, value, expected) in [
            ("limit", "0", "between 1 and"),
            ("limit", "many", "between 1 and"),
            ("since", "yesterday", "such as 15m"),
            ("contianer", "web", "did you mean \"container\"?"),
        ] {
            let refusal = filter(&query(&[(name, value)]), Nanos(0)).expect_err(name);
            assert!(refusal.contains(expected), "{refusal}");
        }
    }
}
