//! Forgetting what is old, and nothing else.

use std::collections::BTreeSet;

use portreeve::observed::Nanos;
use portreeve::reconcile::discovery::Wanted;
use portreeve::reconcile::lifecycle::EventName;
use portreeve::resource::event::EventKind;
use portreeve::store::{ChangeSet, EventFilter, LaneKey, Settlement};

use super::Bench;
use crate::integration::fixtures::{
    ALL, bill, billing, commit, container, discovery, early_bills as bills, event, local, messages, record,
    run,
};

/// No reader of events is declared.
const NOBODY: BTreeSet<String> = BTreeSet::new();

pub async fn what_is_pending_is_never_pruned(bench: &mut impl Bench) {
    let (store, key) = (bench.store(), container(1));
    let mut gone = record(&key, 10, Some(20));
    gone.ledger.removed = Some(Nanos(30));
    let two =
        vec![bill("billing", &key, EventName::Started, 1), bill("billing", &key, EventName::Stopped, 1)];
    let cells = vec![(LaneKey::discovery("registry", &key), Wanted::Down)];
    let change = ChangeSet { records: vec![gone.clone().into()], cells, at: Nanos(1), ..bills(two) };
    commit(store, change).await;
    let seq = store.due_lanes(&billing("billing"), &ALL, Nanos(40), &[], 8).await.unwrap()[0].bills[0].seq;
    let settled = vec![Settlement::Delivered { lane: LaneKey::billing("billing", &key), seq }];
    commit(store, ChangeSet { settled, at: Nanos(40), ..local() }).await;

    assert_eq!(
        store.prune(Nanos(40), &NOBODY).await.unwrap().rows,
        0,
        "the delivered one is not older than that"
    );
    assert_eq!(store.prune(Nanos(1000), &NOBODY).await.unwrap().rows, 1, "the delivered bill alone");
    let lanes = store.due_lanes(&billing("billing"), &ALL, Nanos(40), &[], 8).await.unwrap();
    assert_eq!(lanes[0].bills.iter().map(|bill| bill.event.as_str()).collect::<Vec<_>>(), ["stopped"]);
    assert_eq!(store.due_cells(&discovery("registry"), &ALL, Nanos(40), &[], 8).await.unwrap().len(), 1);
    assert_eq!(store.record(&key).await.unwrap(), Some(gone), "with its runs");
}

pub async fn the_newest_runs_of_a_living_container_are_kept(bench: &mut impl Bench) {
    let (store, key) = (bench.store(), container(1));
    let mut living = record(&key, 10, None);
    living.ledger.runs = (1..=20).map(|n| run(n * 10, Some(n * 10 + 1))).collect();
    living.ledger.runs.push(run(1, None));
    commit(store, ChangeSet { records: vec![living.into()], ..local() }).await;
    assert_eq!(
        store.prune(Nanos(61), &NOBODY).await.unwrap().rows,
        4,
        "10 to 40 are old enough and not among the newest"
    );
    let left: Vec<i64> =
        store.record(&key).await.unwrap().unwrap().ledger.runs.iter().map(|run| run.started.0).collect();
    let expected: Vec<i64> = std::iter::once(1).chain((5..=20).map(|n| n * 10)).collect();
    assert_eq!(left, expected, "the open one is kept however old it is");
}

pub async fn old_events_and_removed_containers_are_forgotten(bench: &mut impl Bench) {
    let store = bench.store();
    let (old, new, living) = (container(1), container(2), container(3));
    let removed = |key, at| {
        let mut record = record(key, 10, Some(20));
        record.ledger.removed = Some(Nanos(at));
        record.into()
    };
    let records = vec![removed(&old, 50), removed(&new, 150), record(&living, 10, Some(20)).into()];
    let events = vec![event(99, EventKind::Start, "old"), event(100, EventKind::Start, "new")];
    commit(store, ChangeSet { records, ..local() }).await;
    store.append(&events).await.expect("appended");
    assert_eq!(store.prune(Nanos(100), &NOBODY).await.unwrap().rows, 3, "an event, a container and its run");
    assert_eq!(messages(store, EventFilter::default()).await, ["new"]);
    assert_eq!(store.record(&old).await.unwrap(), None);
    assert_eq!(store.record(&new).await.unwrap().unwrap().ledger.runs.len(), 1);
    assert_eq!(store.record(&living).await.unwrap().unwrap().ledger.runs.len(), 1);
    assert_eq!(store.prune(Nanos(100), &NOBODY).await.unwrap().rows, 0);
}

pub async fn many_old_events_are_all_forgotten(bench: &mut impl Bench) {
    let store = bench.store();
    let events: Vec<_> = (0..2500).map(|n| event(n, EventKind::Start, "old")).collect();
    store.append(&events).await.expect("appended");
    assert_eq!(store.prune(Nanos(2499), &NOBODY).await.unwrap().rows, 2499);
    assert_eq!(messages(store, EventFilter::default()).await, ["old"]);
}
