//! `GET /api/events` (document R4): a top-level array, newest first.

use axum::extract::State;
use axum::response::{IntoResponse, Json, Response};

use self::changes::EventChanges;
pub(crate) use self::item::Event;
use self::item::item;
use super::caller::Caller;
use super::page::List;
use super::query::{Misfit, Query};
use super::status::Failure;
use super::{Api, Refusal, watching};
use crate::clock;
use crate::observed::Nanos;
use crate::resource::Duration;
use crate::store::EventFilter;

mod changes;
mod item;

const DEFAULT_LIMIT: u32 = 100;
/// The longest list that can be asked for.
pub(super) const MOST: u32 = 10_000;
/// Parameters of the plain list.
pub(super) const PARAMETERS: [&str; 5] = ["type", "container", "since", "until", "limit"];
/// Parameters of the list below `/apis`.
pub(super) const LIST: [&str; 8] =
    ["type", "container", "since", "until", "limit", "watch", "after", "timeoutSeconds"];

pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    query: Query,
) -> Result<Json<Vec<Event>>, Refusal> {
    query.only(&PARAMETERS)?;
    let filter = filter(&query, clock::now())?;
    let rows = api.view.events(&filter).await?;
    Ok(Json(rows.into_iter().map(|row| Event::of(row, caller.outputs())).collect()))
}

/// The same in Kubernetes' shape, or as they are recorded.
pub(super) async fn objects(
    State(api): State<Api>,
    caller: Caller,
    query: Query,
) -> Result<Response, Failure> {
    query.only(&LIST)?;
    let filter = filter(&query, clock::now())?;
    let (timeout, after) = (watching::timeout(&query)?, after(&query)?);
    if query.flag("watch")? {
        let place = watching::place(&api, &caller)?;
        let changes = EventChanges::new(&api, filter, caller.outputs(), after).await?;
        return Ok(watching::answer(&api, place, changes, timeout, caller));
    }
    // First: what comes between is in the list, and is told again to whoever watches after that number.
    let newest = api.view.newest_event().await?;
    let rows = api.view.events(&filter).await?;
    let items = rows.into_iter().map(|row| item(row, caller.outputs())).collect();
    Ok(Json(List::whole("Event", items).at(newest)).into_response())
}

/// The number of an event.
fn after(query: &Query) -> Result<Option<i64>, Misfit> {
    let Some(text) = query.get("after") else { return Ok(None) };
    match text.parse() {
        Ok(number) if number >= 0 => Ok(Some(number)),
        _ => Err(Misfit::new("after must be the number of an event")),
    }
}

fn filter(query: &Query, now: Nanos) -> Result<EventFilter, Misfit> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn filter_of(query: &str, now: Nanos) -> Result<EventFilter, Misfit> {
        let query = Query::parse(query).expect("parameters");
        query.only(&PARAMETERS)?;
        filter(&query, now)
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
