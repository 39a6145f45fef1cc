//! Containers, bills and records that could be real.

use std::collections::BTreeMap;

use portreeve::clock;
use portreeve::observed::{ContainerKey, Nanos, Shard, State};
use portreeve::reconcile::billing::Bill;
use portreeve::reconcile::lifecycle::{EventName, Ledger, Run, event_id};
use portreeve::reconcile::record::Record;
use portreeve::resource::event::EventKind;
use portreeve::resource::event::subject::EventSubject;
use portreeve::resource::{KindId, ObjectKey};
use portreeve::store::{ChangeSet, EventFilter, Loaded, NewEvent, OutboxRow, OwnedShards, QueueDepth, Store};
use uuid::Uuid;

/// A container whose id is `n`, in 64 digits.
pub fn container(n: u32) -> ContainerKey {
    ContainerKey::new("local", format!("{n:064x}"))
}

/// The bill for the `run`-th start or stop of a container, timed so that they follow each other.
pub fn bill(target: &str, key: &ContainerKey, event: EventName, run: i64) -> (ContainerKey, Bill) {
    let seconds = run * 2 + i64::from(event != EventName::Started);
    let at = Nanos((1_755_587_842 + seconds) * 1_000_000_000);
    let run_key = format!("s:{run}");
    let body = format!(
        r#"{{"event":"{event}","container_id":"{}","image":"nginx:alpine","timestamp":"{}","host":"h"}}"#,
        key.id,
        at.rfc3339_millis_offset()
    );
    let run = (event != EventName::Removed).then_some(run_key.as_str());
    let id: Uuid = event_id(&key.id, run, event);
    (key.clone(), Bill { target: target.to_owned(), id, event, body: body.into_bytes() })
}

/// The bills of a container's life: started and stopped `runs` times, and removed.
pub fn life(target: &str, key: &ContainerKey, runs: i64) -> Vec<(ContainerKey, Bill)> {
    let runs_of = |run| [EventName::Started, EventName::Stopped].map(|event| bill(target, key, event, run));
    let mut life: Vec<_> = (0..runs).flat_map(runs_of).collect();
    life.push(bill(target, key, EventName::Removed, runs));
    life
}

/// A record with one run, which began at `started` and ended at `ended`.
pub fn record(key: &ContainerKey, started: i64, ended: Option<i64>) -> Record {
    Record {
        key: key.clone(),
        name: "web".to_owned(),
        image: "nginx:alpine".to_owned(),
        labels: [("tier".to_owned(), "front".to_owned())].into(),
        host: "box".to_owned(),
        ports: [("80/tcp".to_owned(), 8080)].into(),
        ledger: Ledger {
            created: true,
            runs: vec![run(started, ended)],
            state: Some(if ended.is_some() { State::Exited } else { State::Running }),
            removed: None,
        },
        followers: Default::default(),
        wanted: Default::default(),
        marks: Default::default(),
        out_of_memory: None,
        auto_monitored: false,
        told: None,
        checks: Default::default(),
        last_known: Nanos(started),
    }
}

pub fn run(started: i64, ended: Option<i64>) -> Run {
    Run {
        key: format!("s:{started}"),
        started: Nanos(started),
        start_event: None,
        ended: ended.map(Nanos),
        end_event: None,
        exit_code: ended.map(|_| 0),
        restart_count: 0,
    }
}

pub fn event(at: i64, kind: EventKind, message: &str) -> NewEvent {
    NewEvent::new(kind, EventSubject::Portreeve, Nanos(at)).saying(message)
}

/// An empty change set of the engine of all containers here.
pub fn local() -> ChangeSet {
    ChangeSet::of(Shard::Engine("local".into()))
}

/// An empty change set of the fleet.
pub fn fleet() -> ChangeSet {
    ChangeSet::of(Shard::Fleet)
}

/// A change set of these bills, made now.
pub fn bills(bills: Vec<(ContainerKey, Bill)>) -> ChangeSet {
    ChangeSet { outbox: rows(bills), at: clock::now(), ..local() }
}

/// A change set of these bills, made at the beginning of time, so that they are due at any.
pub fn early_bills(bills: Vec<(ContainerKey, Bill)>) -> ChangeSet {
    ChangeSet { at: Nanos(0), ..self::bills(bills) }
}

/// Bills as rows of the outbox.
pub fn rows(bills: Vec<(ContainerKey, Bill)>) -> Vec<OutboxRow> {
    bills.into_iter().map(|(key, bill)| OutboxRow::bill(key, bill)).collect()
}

/// Every shard.
pub const ALL: OwnedShards = OwnedShards::All;

/// A BillingService.
pub fn billing(name: &str) -> ObjectKey {
    ObjectKey { kind: KindId::BillingService, name: name.to_owned() }
}

/// A DiscoveryRegistry.
pub fn discovery(name: &str) -> ObjectKey {
    ObjectKey { kind: KindId::DiscoveryRegistry, name: name.to_owned() }
}

/// Depths of the targets of a kind, by name.
pub async fn depths(store: &dyn Store, kind: KindId) -> BTreeMap<String, QueueDepth> {
    let depths = store.depths().await.expect("depths").into_iter();
    depths.filter(|(target, _)| target.kind == kind).map(|(target, depth)| (target.name, depth)).collect()
}

/// All that a start would find.
pub async fn load(store: &dyn Store) -> Loaded {
    let mut loaded = Loaded::default();
    for shard in store.shards().await.expect("shards") {
        loaded.append(store.load(&shard).await.expect("what is remembered"));
    }
    loaded
}

/// Commits one change set that must be taken.
pub async fn commit(store: &dyn Store, change: ChangeSet) {
    store.commit(&[change]).await.expect("a commit");
}

/// Messages of the events that a filter lets through, newest first.
pub async fn messages(store: &dyn Store, filter: EventFilter) -> Vec<String> {
    let filter = EventFilter { limit: if filter.limit == 0 { 1000 } else { filter.limit }, ..filter };
    store.events(&filter).await.expect("events").into_iter().map(|row| row.event.message).collect()
}
