//! The event log.

use std::collections::BTreeSet;

use portreeve::observed::{Nanos, Shard};
use portreeve::resource::KindId;
use portreeve::resource::event::subject::EventSubject;
use portreeve::resource::event::{EventKind, Severity};
use portreeve::store::{EventFilter, NewEvent, Store, StoredEvent};

use super::Bench;
use crate::integration::fixtures::{container, event, messages};

async fn log(store: &dyn Store, events: Vec<NewEvent>) {
    store.append(&events).await.expect("appended");
}

fn container_named(name: &str, id: &str) -> EventSubject {
    EventSubject::Container {
        engine: "local".to_owned(),
        id: id.to_owned(),
        name: name.to_owned(),
        image: "nginx:alpine".to_owned(),
        host: "h".to_owned(),
        ports: [("80/tcp".to_owned(), 8080)].into(),
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
    let poisoned = [of("a", "lost"), of("b", "poison")];
    bench.store().append(&poisoned).await.expect_err("the database refuses it");
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

pub async fn events_are_read_on_by_their_numbers_and_it_is_known_if_one_is_missing(bench: &mut impl Bench) {
    let store = bench.store();
    assert_eq!(store.newest_event().await.unwrap(), 0);
    assert!(store.keeps_events_after(0).await.unwrap());
    // Recorded late, so that the first to be forgotten is not the one with the lowest number.
    let at = |at: i64| event(at, EventKind::Start, &at.to_string());
    log(store, vec![at(90), at(10), at(80), at(20), at(70)]).await;
    let messages = async |store: &dyn Store, after, limit| -> Vec<String> {
        let rows = store.events_after(after, limit).await.unwrap();
        assert!(rows.windows(2).all(|pair| pair[0].id < pair[1].id) && rows.iter().all(|row| row.id > after));
        rows.into_iter().map(|row| row.event.message).collect()
    };
    assert_eq!(messages(store, 0, 9).await, ["90", "10", "80", "20", "70"]);
    assert_eq!(messages(store, 3, 9).await, ["20", "70"]);
    assert_eq!(messages(store, 1, 2).await, ["10", "80"]);
    assert_eq!(store.newest_event().await.unwrap(), 5);
    store.prune(Nanos(30), &BTreeSet::new()).await.unwrap();
    let kept = async |store: &dyn Store| {
        let mut kept = Vec::new();
        for after in 0..=5 {
            kept.push(store.keeps_events_after(after).await.unwrap());
        }
        kept
    };
    assert_eq!(kept(store).await, [false, false, false, false, true, true], "2 and 4 are forgotten");
    store.prune(Nanos(100), &BTreeSet::new()).await.unwrap();
    bench.reopen().await;
    let store = bench.store();
    assert_eq!(store.newest_event().await.unwrap(), 5, "a number is given once");
    assert_eq!(kept(store).await, [false, false, false, false, false, true]);
    log(store, vec![at(200)]).await;
    assert_eq!(
        (store.newest_event().await.unwrap(), messages(store, 5, 9).await),
        (6, vec!["200".to_owned()])
    );
}

pub async fn a_filter_lets_the_same_events_through_in_memory_and_in_the_store(bench: &mut impl Bench) {
    let store = bench.store();
    let ids = ["deadbeef".repeat(8), "deadbe".to_owned(), String::new(), "ünïcödé-ïd".to_owned()];
    let names = ["web", "WEB", "deadbe", "deadbeef", "we%", "we_", "", "ünïcöd", "a\0b"];
    let kinds = [EventKind::Start, EventKind::Stop, EventKind::Gap];
    let mut events = Vec::new();
    for (n, (id, name)) in ids.iter().flat_map(|id| names.map(|name| (id, name))).enumerate() {
        let at = Nanos(i64::try_from(n).unwrap() * 10);
        let message = format!("{n}");
        events.push(NewEvent::new(kinds[n % 3], container_named(name, id), at).saying(message));
    }
    events.push(event(45, EventKind::Gap, "of none"));
    log(store, events).await;
    let all = store.events(&EventFilter { limit: 1000, ..EventFilter::default() }).await.unwrap();
    let asked = [
        "web",
        "WEB",
        "deadb",
        "deadbe",
        "deadbeef",
        "DEADBEEF",
        "we%",
        "we_",
        "",
        "ünïcö",
        "ünïcöd",
        "a\0b",
        "deadbe\0",
    ];
    let asked = asked.into_iter().map(str::to_owned).chain([ids[0].clone(), format!("{}0", ids[0])]);
    let containers: Vec<Option<String>> = asked.map(Some).chain([None]).collect();
    let types = [None, Some("start"), Some("Start"), Some("star"), Some("")];
    let times = [None, Some(Nanos(40)), Some(Nanos(45)), Some(Nanos(i64::MIN)), Some(Nanos(i64::MAX))];
    let mut through = 0;
    for container in &containers {
        for event_type in types {
            for (since, until) in times.iter().flat_map(|since| times.map(|until| (*since, until))) {
                let (container, event_type) = (container.clone(), event_type.map(str::to_owned));
                let filter = EventFilter { event_type, container, since, until, limit: 1000 };
                let stored: Vec<i64> =
                    store.events(&filter).await.unwrap().iter().map(|row| row.id).collect();
                let in_memory: Vec<i64> =
                    all.iter().filter(|row| filter.admits(&row.event)).map(|row| row.id).collect();
                assert_eq!(in_memory, stored, "{filter:?}");
                through += usize::from(!stored.is_empty());
            }
        }
    }
    assert!(through > 100, "hardly any filter lets anything through: {through}");
}
