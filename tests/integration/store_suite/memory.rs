//! What a start finds again.

use portreeve::observed::{Anchor, ContainerKey, Cursor, Nanos, Shard, State};
use portreeve::reconcile::billing::Follower;
use portreeve::reconcile::cause::{Fact, Seen, StopHabits};
use portreeve::reconcile::discovery::Wanted;
use portreeve::reconcile::record::Record;
use portreeve::resource::{Duration, KindId, ObjectKey};
use portreeve::store::{ChangeSet, LaneKey, Store};

use super::Bench;
use crate::integration::fixtures::{ALL, commit, container, discovery, fleet, load, local, record, run};

async fn put(store: &dyn Store, record: &Record) {
    commit(store, ChangeSet { records: vec![record.clone().into()], ..local() }).await;
}

/// Nothing left at its default.
fn full(key: &ContainerKey) -> Record {
    let mut full = record(key, 10, Some(20));
    full.ledger.runs[0].start_event = Some(Nanos(11));
    full.ledger.runs[0].end_event = Some(Nanos(21));
    full.ledger.runs[0].exit_code = Some(-1);
    full.ledger.runs[0].restart_count = 3;
    full.ledger.runs.push(run(30, None));
    full.ledger.state = Some(State::Restarting);
    full.followers = [(
        "billing".to_owned(),
        Follower { open: ["s:30".to_owned()].into(), told: true, ..Follower::default() },
    )]
    .into();
    full.wanted = [
        ("one".to_owned(), Wanted::Up(r#"{"id":"\"1\""}"#.to_owned())),
        ("two".to_owned(), Wanted::Down),
        ("three".to_owned(), Wanted::Absent),
    ]
    .into();
    let habits = StopHabits { signal: 15, timeout: Duration::from_secs(10) };
    for (at, fact, ours) in [
        (30, Fact::Start, false),
        (31, Fact::Kill { signal: 15 }, false),
        (32, Fact::Die { exit_code: 137, oom: true }, false),
        (33, Fact::Stop, true),
        (34, Fact::StreamEnded, false),
        (35, Fact::Gap, false),
    ] {
        full.marks.feed(&Seen { at: Nanos(at), fact, ours, replayed_from_outage: at == 31 }, habits);
    }
    full.out_of_memory = Some(Nanos(31));
    full.auto_monitored = true;
    full.told = Some("Excluded".to_owned());
    full.last_known = Nanos(i64::MAX);
    full
}

pub async fn a_full_record_comes_back_as_it_was(bench: &mut impl Bench) {
    let full = full(&container(1));
    put(bench.store(), &full).await;
    bench.reopen().await;
    assert_eq!(bench.store().record(&full.key).await.unwrap(), Some(full.clone()));
    assert_eq!(load(bench.store()).await.records, [full]);
}

pub async fn a_removed_container_is_not_loaded_but_found(bench: &mut impl Bench) {
    let store = bench.store();
    let mut gone = full(&container(1));
    put(store, &gone).await;
    gone.ledger.removed = Some(Nanos(40));
    put(store, &gone).await;
    assert_eq!(load(store).await.records, []);
    assert_eq!(store.record(&gone.key).await.unwrap(), Some(gone));
    assert_eq!(store.record(&container(2)).await.unwrap(), None);
    let same_id = ContainerKey::new("elsewhere", container(1).id);
    assert_eq!(store.record(&same_id).await.unwrap(), None, "the engine is part of the key");
}

pub async fn cursors_and_memories_are_replaced(bench: &mut impl Bench) {
    let anchor = Anchor { container: "c1".into(), action: "start".into() };
    let cursor = |at| Cursor {
        first_contact: Nanos(1),
        at: Nanos(at),
        anchor: Some(anchor.clone()),
        recent: [(Nanos(at), anchor.clone())].into(),
        seen: Some(Nanos(at + 1)),
    };
    let registry = ObjectKey { kind: KindId::DiscoveryRegistry, name: "d".to_owned() };
    for (at, memory) in [(5, "{\"a\":1}"), (6, "{\"a\":2}")] {
        let healing = vec![("local/web".to_owned(), Some(memory.to_owned()))];
        let services = vec![("shop".to_owned(), Some(memory.to_owned()))];
        let last_specs = vec![(registry.clone(), Some(memory.to_owned()))];
        commit(bench.store(), ChangeSet { healing, cursor: Some(cursor(at)), ..local() }).await;
        commit(bench.store(), ChangeSet { services, last_specs, ..fleet() }).await;
    }
    let loaded = load(bench.store()).await;
    assert_eq!(loaded.cursors, [("local".into(), cursor(6))].into());
    assert_eq!(loaded.healing, [("local/web".to_owned(), "{\"a\":2}".to_owned())].into());
    assert_eq!(loaded.services, [("shop".to_owned(), "{\"a\":2}".to_owned())].into());
    assert_eq!(loaded.last_specs, [(registry.clone(), "{\"a\":2}".to_owned())].into());
    let (healing, services) = (vec![("local/web".to_owned(), None)], vec![("shop".to_owned(), None)]);
    let last_specs = vec![(registry, None)];
    commit(bench.store(), ChangeSet { healing, ..local() }).await;
    commit(bench.store(), ChangeSet { services, last_specs, ..fleet() }).await;
    let loaded = load(bench.store()).await;
    let forgotten = loaded.healing.is_empty() && loaded.services.is_empty() && loaded.last_specs.is_empty();
    assert!(forgotten, "what is forgotten is gone");
}

pub async fn everything_survives_a_reopening(bench: &mut impl Bench) {
    let keys: Vec<_> = (0..5).map(container).collect();
    for key in &keys {
        put(bench.store(), &record(key, 10, None)).await;
    }
    for _ in 0..3 {
        bench.reopen().await;
        let mut records = load(bench.store()).await.records;
        records.sort_by(|a, b| a.key.cmp(&b.key));
        assert_eq!(records, keys.iter().map(|key| record(key, 10, None)).collect::<Vec<_>>());
    }
}

pub async fn runs_come_back_oldest_first(bench: &mut impl Bench) {
    let key = container(1);
    let mut long = record(&key, 10, Some(11));
    // Their keys sort otherwise than their times.
    long.ledger.runs = [9, 90, 100, 1000].map(|at| run(at, Some(at + 1))).to_vec();
    put(bench.store(), &long).await;
    assert_eq!(bench.store().record(&key).await.unwrap(), Some(long.clone()));
    assert_eq!(load(bench.store()).await.records, [long]);
}

pub async fn each_shard_is_loaded_for_itself(bench: &mut impl Bench) {
    let store = bench.store();
    assert_eq!(store.shards().await.unwrap(), [Shard::Fleet].into());
    for engine in ["one", "two"] {
        let key = ContainerKey::new(engine, "c1");
        let change = ChangeSet {
            records: vec![record(&key, 10, None).into()],
            // That of a group does not begin with the engine's name.
            healing: vec![
                (format!("{engine}/web"), Some("{}".to_owned())),
                (format!("/crowd/{engine}/default"), Some("{}".to_owned())),
            ],
            cursor: Some(Cursor::new(Nanos(1))),
            cells: vec![(LaneKey::discovery("d", &key), Wanted::Down)],
            ..ChangeSet::of(Shard::Engine(engine.into()))
        };
        commit(store, change).await;
    }
    let services = vec![("shop".to_owned(), Some("{}".to_owned()))];
    commit(store, ChangeSet { services, ..fleet() }).await;
    let shards = [Shard::Fleet, Shard::Engine("one".into()), Shard::Engine("two".into())];
    assert_eq!(store.shards().await.unwrap(), shards.clone().into());
    let loaded = store.load(&shards[1]).await.unwrap();
    assert_eq!(loaded.records.iter().map(|record| &*record.key.engine).collect::<Vec<_>>(), ["one"]);
    assert_eq!(loaded.healing.keys().collect::<Vec<_>>(), ["/crowd/one/default", "one/web"]);
    assert_eq!((loaded.cursors.len(), loaded.services.len()), (1, 0));
    let cells = store.due_cells(&discovery("d"), &ALL, Nanos(0), &[], 9).await.unwrap();
    let attempted: Vec<_> = cells.iter().map(|cell| (cell.subject.to_string(), cell.attempted)).collect();
    assert_eq!(
        attempted,
        [("one/c1".to_owned(), true), ("two/c1".to_owned(), false)],
        "only what was loaded is in doubt"
    );
    let loaded = store.load(&Shard::Fleet).await.unwrap();
    assert_eq!((loaded.services.len(), loaded.records.len(), loaded.healing.len()), (1, 0, 0));
}
