//! The event log.

use portreeve::observed::Nanos;
use portreeve::store::{ChangeSet, EventFilter, NewEvent, Severity, Store};

use super::Bench;
use crate::integration::fixtures::{commit, container, event, messages};

async fn log(store: &dyn Store, events: Vec<NewEvent>) {
    commit(store, ChangeSet { events, ..ChangeSet::default() }).await;
}

pub async fn events_come_newest_first_and_no_more_than_asked_for(bench: &mut impl Bench) {
    let store = bench.store();
    // Recorded late, like a replay: what counts is when it happened, and among equals what was recorded last.
    log(store, vec![event(30, "a", "third"), event(10, "a", "first")]).await;
    log(store, vec![event(20, "a", "second"), event(30, "a", "fourth")]).await;
    assert_eq!(messages(store, EventFilter::default()).await, ["fourth", "third", "second", "first"]);
    let two = EventFilter { limit: 2, ..EventFilter::default() };
    assert_eq!(messages(store, two).await, ["fourth", "third"]);
}

pub async fn events_are_filtered_by_type_container_and_time(bench: &mut impl Bench) {
    let (store, id) = (bench.store(), "deadbeef".repeat(8));
    let of = |at, kind: &str, message: &str, name: &str, id: &str| NewEvent {
        container_name: name.to_owned(),
        container_id: id.to_owned(),
        ..event(at, kind, message)
    };
    let other = container(1).id.to_string();
    log(
        store,
        vec![
            of(10, "start", "one", "web", &id),
            of(20, "stop", "two", "web", &id),
            of(30, "start", "three", "db", &other),
            event(40, "gap", "four"),
            // A name that looks like an id, and one that a careless pattern would match.
            of(50, "start", "five", "deadbe", &other),
            of(60, "start", "six", "we%", &other),
        ],
    )
    .await;
    let text = |text: &str| Some(text.to_owned());
    let by = EventFilter::default;
    for (filter, expected) in [
        (EventFilter { event_type: text("start"), ..by() }, vec!["six", "five", "three", "one"]),
        (EventFilter { event_type: text("star"), ..by() }, vec![]),
        (EventFilter { container: text("web"), ..by() }, vec!["two", "one"]),
        (EventFilter { container: text(&id), ..by() }, vec!["two", "one"]),
        (EventFilter { container: text(&id[..12]), ..by() }, vec!["two", "one"]),
        (EventFilter { container: text("deadbe"), ..by() }, vec!["five", "two", "one"]),
        (EventFilter { container: text("dead"), ..by() }, vec![]),
        (EventFilter { container: text("we%"), ..by() }, vec!["six"]),
        (EventFilter { container: text("w%"), ..by() }, vec![]),
        (EventFilter { since: Some(Nanos(20)), until: Some(Nanos(40)), ..by() }, vec!["three", "two"]),
        (
            EventFilter { event_type: text("start"), container: text("web"), since: Some(Nanos(11)), ..by() },
            vec![],
        ),
    ] {
        assert_eq!(messages(store, filter.clone()).await, expected, "{filter:?}");
    }
}

pub async fn events_come_back_as_they_were(bench: &mut impl Bench) {
    let store = bench.store();
    let full = |severity| NewEvent {
        caller: "token ci".to_owned(),
        output: "refused".to_owned(),
        at: Nanos(1),
        engine: "local".to_owned(),
        container_id: "c".repeat(64),
        container_name: "web".to_owned(),
        image: "nginx:alpine".to_owned(),
        host: "h".to_owned(),
        event_type: "Restarted".to_owned(),
        reason: "Unhealthy".to_owned(),
        status: "enabled".to_owned(),
        message: "it's \"well\"; \u{1F40B}\0".to_owned(),
        severity,
        restart_count: u32::MAX,
    };
    let events = [Severity::Info, Severity::Warning, Severity::Error].map(full);
    log(store, events.to_vec()).await;
    let rows = store.events(&EventFilter { limit: 9, ..EventFilter::default() }).await.unwrap();
    assert!(rows.windows(2).all(|pair| pair[0].seq > pair[1].seq));
    let back: Vec<NewEvent> = rows.into_iter().rev().map(|row| row.event).collect();
    assert_eq!(back, events);
}
