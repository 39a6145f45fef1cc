//! The event log.

use portreeve::observed::Nanos;
use portreeve::observed::Shard;
use portreeve::resource::KindId;
use portreeve::resource::event::subject::EventSubject;
use portreeve::resource::event::{EventKind, Severity};
use portreeve::store::{ChangeSet, EventFilter, NewEvent, Store, StoredEvent};

use super::Bench;
use crate::integration::fixtures::{commit, container, event, messages};

async fn log(store: &dyn Store, events: Vec<NewEvent>) {
    commit(store, ChangeSet { events, ..ChangeSet::default() }).await;
}

fn container_named(name: &str, id: &str) -> EventSubject {
    EventSubject::Container {
        engine: "local".to_owned(),
        id: id.to_owned(),
        name: name.to_owned(),
        image: "nginx:alpine".to_owned(),
        host: "h".to_owned(),
    }
}

pub async fn events_come_newest_first_and_no_more_than_asked_for(bench: &mut impl Bench) {
    let store = bench.store();
    // Recorded late, like a replay: what counts is when it happened, and among equals what was recorded last.
    log(store, vec![event(30, EventKind::Start, "third"), event(10, EventKind::Start, "first")]).await;
    log(store, vec![event(20, EventKind::Start, "second"), event(30, EventKind::Start, "fourth")]).await;
    assert_eq!(messages(store, EventFilter::default()).await, ["fourth", "third", "second", "first"]);
    let two = EventFilter { limit: 2, ..EventFilter::default() };
    assert_eq!(messages(store, two).await, ["fourth", "third"]);
}

pub async fn events_are_filtered_by_type_container_and_time(bench: &mut impl Bench) {
    let (store, id) = (bench.store(), "deadbeef".repeat(8));
    let of = |at, kind, message: &str, name: &str, id: &str| {
        NewEvent::new(kind, container_named(name, id), Nanos(at)).saying(message)
    };
    let other = container(1).id.to_string();
    log(
        store,
        vec![
            of(10, EventKind::Start, "one", "web", &id),
            of(20, EventKind::Stop, "two", "web", &id),
            of(30, EventKind::Start, "three", "db", &other),
            event(40, EventKind::Gap, "four"),
            // A name that looks like an id, and one that a careless pattern would match.
            of(50, EventKind::Start, "five", "deadbe", &other),
            of(60, EventKind::Start, "six", "we%", &other),
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
    let full = |severity| {
        NewEvent::new(EventKind::Restarted, container_named("web", &"c".repeat(64)), Nanos(1))
            .because("Unhealthy")
            .status("enabled")
            .saying("it's \"well\"; \u{1F40B}\0")
            .weighing(severity)
            .after_restarts(u32::MAX)
            .asked_by("token ci")
            .with_output("refused")
    };
    let mut events = [Severity::Info, Severity::Warning, Severity::Critical].map(full).to_vec();
    let text = str::to_owned;
    events.extend(
        [
            EventSubject::Service(text("shop")),
            EventSubject::Engine(text("local")),
            EventSubject::Policy { engine: text("local"), host: text("h"), policy: text("default") },
            EventSubject::Object { kind: KindId::BillingService, name: text("billing") },
        ]
        .map(|subject| NewEvent::new(EventKind::Kept, subject, Nanos(1))),
    );
    log(store, events.clone()).await;
    let rows = store.events(&EventFilter { limit: 9, ..EventFilter::default() }).await.unwrap();
    assert!(rows.windows(2).all(|pair| pair[0].id > pair[1].id));
    let back: Vec<StoredEvent> = rows.into_iter().rev().map(|row| row.event).collect();
    assert_eq!(back, events.iter().map(NewEvent::stored).collect::<Vec<_>>());
}

pub async fn events_are_numbered_without_a_hole_within_their_shard(bench: &mut impl Bench) {
    let of = |engine: &str, message: &str| {
        NewEvent::new(EventKind::Gap, EventSubject::Engine(engine.to_owned()), Nanos(1)).saying(message)
    };
    let store = bench.store();
    log(store, vec![of("a", "a1"), event(2, EventKind::Kept, "f1"), of("a", "a2"), of("fleet", "e1")]).await;
    bench.refuse_poison().await;
    let poisoned = ChangeSet { events: vec![of("a", "lost"), of("b", "poison")], ..ChangeSet::default() };
    bench.store().commit(&[poisoned]).await.expect_err("the database refuses it");
    bench.relent().await;
    bench.reopen().await;
    let store = bench.store();
    // What happened earlier and is recorded later comes later.
    log(store, vec![of("a", "a3"), event(1, EventKind::Kept, "f2")]).await;
    for (shard, expected) in [
        (Shard::Engine("a".into()), &["a1", "a2", "a3"][..]),
        (Shard::Fleet, &["f1", "f2"]),
        (Shard::Engine("fleet".into()), &["e1"]),
        (Shard::Engine("b".into()), &[]),
    ] {
        let rows = store.read_events(&shard, 0, 9).await.unwrap();
        let messages: Vec<&str> = rows.iter().map(|row| row.event.message.as_str()).collect();
        assert_eq!(messages, expected);
        assert!(rows.iter().zip(1..).all(|(row, seq)| row.seq == seq && row.shard == shard), "{rows:?}");
    }
}
