//! Which lanes and cells are due: in what order, whose, and by which clock.

use portreeve::observed::{ContainerKey, Nanos, Shard};
use portreeve::reconcile::discovery::Wanted;
use portreeve::reconcile::lifecycle::EventName;
use portreeve::store::{ChangeSet, LaneKey, LaneSubject, OutboxRow, OwnedShards};

use super::Bench;
use super::lanes::{delivered, due, due_keys, settle, start, waits};
use crate::integration::fixtures::{
    ALL, bill, billing, commit, container, discovery, early_bills as bills, life, local,
};

pub async fn lanes_are_due_in_the_order_in_which_they_fell_due(bench: &mut impl Bench) {
    let (store, early, late, busy) = (bench.store(), container(3), container(1), container(2));
    let born = async |key: &ContainerKey, at: i64, runs| {
        commit(store, ChangeSet { at: Nanos(at), ..bills(life("billing", key, runs)) }).await;
    };
    born(&busy, 10, 20).await;
    born(&early, 20, 1).await;
    born(&late, 30, 1).await;
    assert_eq!(due_keys(store, 9).await, [], "a lane falls due when its bill is made");
    assert_eq!(store.next_due(&billing("billing"), &ALL, Nanos(9)).await.unwrap(), Some(Nanos(10)));
    assert_eq!(due_keys(store, 99).await, [busy.clone(), early.clone(), late.clone()]);
    // A container with many bills is behind those who waited while it was served.
    let seq = due(store, 99).await[0].bills[0].seq;
    commit(store, ChangeSet { settled: vec![delivered(&busy, seq)], at: Nanos(40), ..local() }).await;
    assert_eq!(due_keys(store, 99).await, [early.clone(), late, busy]);
    // What comes for a lane that is there does not put it back.
    born(&early, 90, 2).await;
    assert_eq!(due_keys(store, 99).await[0], early);
}

pub async fn only_lanes_and_cells_of_owned_shards_are_worked_on(bench: &mut impl Bench) {
    let store = bench.store();
    let (ours, theirs) = (ContainerKey::new("ours", "c1"), ContainerKey::new("theirs", "c1"));
    for key in [&ours, &theirs] {
        let outbox = vec![OutboxRow::bill(key.clone(), bill("billing", key, EventName::Started, 1).1)];
        let cells = vec![(LaneKey::discovery("registry", key), Wanted::Down)];
        let shard = Shard::Engine(key.engine.clone());
        commit(store, ChangeSet { outbox, cells, at: Nanos(50), ..ChangeSet::of(shard) }).await;
    }
    let owned = OwnedShards::Only([Shard::Engine("ours".into()), Shard::Fleet].into());
    let (service, registry) = (billing("billing"), discovery("registry"));
    let lanes = store.due_lanes(&service, &owned, Nanos(50), &[], 9).await.unwrap();
    assert_eq!(lanes.iter().map(|lane| &lane.subject).collect::<Vec<_>>(), [&LaneSubject::from(&ours)]);
    let cells = store.due_cells(&registry, &owned, Nanos(50), &[], 9).await.unwrap();
    assert_eq!(cells.iter().map(|cell| &cell.subject).collect::<Vec<_>>(), [&LaneSubject::from(&ours)]);
    let nothing = OwnedShards::Only([Shard::Fleet].into());
    assert_eq!(store.next_due(&service, &nothing, Nanos(0)).await.unwrap(), None);
    assert_eq!(store.next_due(&registry, &nothing, Nanos(0)).await.unwrap(), None);
    assert_eq!(store.hasten(&service, &owned, Nanos(10)).await.unwrap(), 1);
    assert_eq!(store.wake(&registry, &owned, Nanos(10)).await.unwrap(), 1);
    assert_eq!(store.due_lanes(&service, &ALL, Nanos(10), &[], 9).await.unwrap().len(), 1);
    assert_eq!(store.due_cells(&registry, &ALL, Nanos(10), &[], 9).await.unwrap().len(), 1);
}

pub async fn what_was_never_tried_does_not_wait_for_a_clock_that_was_set_back(bench: &mut impl Bench) {
    let (store, new, failed) = (bench.store(), container(1), container(2));
    commit(store, ChangeSet { at: Nanos(1000), ..bills(life("billing", &new, 1)) }).await;
    start(store, &[&failed]).await;
    settle(store, waits(&failed, 1, 1000, None)).await;
    assert_eq!(due_keys(store, 500).await, []);
    assert_eq!(store.hasten(&billing("billing"), &ALL, Nanos(500)).await.unwrap(), 1);
    assert_eq!(due_keys(store, 500).await, [new], "what failed waits as was decided");
}
