//! Lanes of bills: order, waiting, waking, parking.

use portreeve::observed::{ContainerKey, Nanos};
use portreeve::reconcile::lifecycle::EventName;
use portreeve::store::{ChangeSet, Lane, Settlement, Store};

use super::Bench;
use crate::integration::fixtures::{bill, bills, commit, container, life};

async fn due(store: &dyn Store, now: i64) -> Vec<Lane> {
    store.due_lanes("billing", Nanos(now), &[], 100).await.unwrap()
}

async fn due_keys(store: &dyn Store, now: i64) -> Vec<ContainerKey> {
    due(store, now).await.into_iter().map(|lane| lane.key).collect()
}

async fn settle(store: &dyn Store, settlement: Settlement) {
    commit(store, ChangeSet { settled: vec![settlement], at: Nanos(1), ..ChangeSet::default() }).await;
}

/// One bill for each of these containers.
async fn start(store: &dyn Store, containers: &[&ContainerKey]) {
    let started = containers.iter().map(|key| bill("billing", key, EventName::Started, 1)).collect();
    commit(store, bills(started)).await;
}

fn waits(key: &ContainerKey, attempts: u32, next: i64, firm: bool) -> Settlement {
    let (target, key) = ("billing".to_owned(), key.clone());
    Settlement::LaneWaits { target, key, attempts, next: Nanos(next), firm, error: "HTTP 503".to_owned() }
}

fn parked(key: &ContainerKey) -> Settlement {
    Settlement::LaneParked { target: "billing".to_owned(), key: key.clone(), error: "HTTP 400".to_owned() }
}

pub async fn bills_of_a_lane_are_due_in_the_order_of_their_commits(bench: &mut impl Bench) {
    let (store, key) = (bench.store(), container(1));
    let life = life("billing", &key, 20);
    for bill in &life {
        commit(store, bills(vec![bill.clone()])).await;
    }
    let mut taken = Vec::new();
    while let Some(lane) = due(store, 0).await.pop() {
        assert!(!lane.bills.is_empty(), "a lane exists while it has bills");
        for bill in lane.bills {
            taken.push(bill.id);
            settle(store, Settlement::BillDelivered { seq: bill.seq }).await;
        }
    }
    assert_eq!(taken, life.iter().map(|(_, bill)| bill.id).collect::<Vec<_>>());
}

pub async fn a_lane_vanishes_when_it_is_drained(bench: &mut impl Bench) {
    let (store, key) = (bench.store(), container(1));
    commit(store, bills(life("billing", &key, 1))).await;
    let lane = due(store, 0).await.remove(0);
    assert_eq!(lane.bills.len(), 3);
    for (place, bill) in lane.bills.iter().enumerate() {
        assert_eq!(store.depths().await.unwrap().0["billing"].pending, 3 - place as u64);
        settle(store, Settlement::BillDelivered { seq: bill.seq }).await;
    }
    assert_eq!(due(store, i64::MAX).await, []);
    assert!(store.depths().await.unwrap().0.is_empty());
}

pub async fn a_waiting_lane_is_due_when_its_time_has_come(bench: &mut impl Bench) {
    let (store, key) = (bench.store(), container(1));
    start(store, &[&key]).await;
    settle(store, waits(&key, 3, 100, false)).await;
    assert_eq!(due(store, 99).await, []);
    assert_eq!(store.next_lane("billing", Nanos(99)).await.unwrap(), Some(Nanos(100)));
    let lane = due(store, 100).await.remove(0);
    assert_eq!((lane.attempts, lane.bills.len()), (3, 1));
    assert_eq!(store.next_lane("billing", Nanos(100)).await.unwrap(), None, "it is due, not yet to come");
    assert_eq!(store.depths().await.unwrap().0["billing"].last_error.as_deref(), Some("HTTP 503"));
    // What comes meanwhile waits behind it.
    commit(store, bills(vec![bill("billing", &key, EventName::Stopped, 1)])).await;
    assert_eq!(due(store, 99).await, []);
    assert_eq!(due(store, 100).await[0].bills.len(), 2);
}

pub async fn a_success_wakes_waiting_lanes_but_none_whose_time_the_service_named(bench: &mut impl Bench) {
    let (store, soft, firm, stuck) = (bench.store(), container(1), container(2), container(3));
    start(store, &[&soft, &firm, &stuck]).await;
    settle(store, waits(&soft, 1, 1000, false)).await;
    settle(store, waits(&firm, 1, 1000, true)).await;
    settle(store, parked(&stuck)).await;
    assert_eq!(store.wake_lanes("billing", Nanos(50)).await.unwrap(), 1);
    assert_eq!(due_keys(store, 49).await, []);
    assert_eq!(due_keys(store, 50).await, [soft]);
    assert_eq!(store.wake_lanes("billing", Nanos(60)).await.unwrap(), 0, "never later than planned");
    assert_eq!(due_keys(store, 1000).await.len(), 2);
}

pub async fn a_parked_lane_waits_for_a_replay_with_all_that_is_behind_it(bench: &mut impl Bench) {
    let (store, key) = (bench.store(), container(1));
    start(store, &[&key]).await;
    settle(store, waits(&key, 4, 100, false)).await;
    settle(store, parked(&key)).await;
    commit(store, bills(vec![bill("billing", &key, EventName::Stopped, 1)])).await;
    assert_eq!(due(store, i64::MAX).await, []);
    assert_eq!(store.next_lane("billing", Nanos(0)).await.unwrap(), None);
    let depth = store.depths().await.unwrap().0.remove("billing").unwrap();
    assert_eq!((depth.pending, depth.parked), (2, 1));
    assert_eq!(depth.last_error.as_deref(), Some("HTTP 400"));
    assert_eq!(store.replay("another").await.unwrap(), 0);
    assert_eq!(store.replay("billing").await.unwrap(), 1);
    let lane = due(store, 0).await.remove(0);
    assert_eq!((lane.attempts, lane.bills.len()), (0, 2));
    assert_eq!(store.depths().await.unwrap().0["billing"].parked, 0);
    assert_eq!(store.replay("billing").await.unwrap(), 0);
}

pub async fn busy_lanes_are_left_out_and_the_longest_waiting_come_first(bench: &mut impl Bench) {
    let store = bench.store();
    let all: Vec<ContainerKey> = (0..6).map(container).collect();
    start(store, &all.iter().collect::<Vec<_>>()).await;
    for (place, key) in all.iter().enumerate() {
        settle(store, waits(key, 1, 100 - 10 * place as i64, false)).await;
    }
    let keys = |busy: Vec<ContainerKey>, limit| async move {
        let lanes = store.due_lanes("billing", Nanos(100), &busy, limit).await.unwrap();
        lanes.into_iter().map(|lane| lane.key).collect::<Vec<_>>()
    };
    assert_eq!(keys(vec![], 2).await, [all[5].clone(), all[4].clone()]);
    let busy = vec![all[5].clone(), all[3].clone()];
    assert_eq!(keys(busy, 3).await, [all[4].clone(), all[2].clone(), all[1].clone()]);
    assert_eq!(keys(all.clone(), 8).await, []);
}

pub async fn a_delivery_ends_the_failures_of_its_lane(bench: &mut impl Bench) {
    let (store, key) = (bench.store(), container(1));
    commit(store, bills(life("billing", &key, 1))).await;
    settle(store, waits(&key, 7, 100, true)).await;
    let seq = due(store, 100).await[0].bills[0].seq;
    settle(store, Settlement::BillDelivered { seq }).await;
    let lane = due(store, 0).await.remove(0);
    assert_eq!((lane.attempts, lane.bills.len()), (0, 2));
    assert_eq!(store.depths().await.unwrap().0["billing"].last_error, None);
}

pub async fn targets_do_not_touch_each_other(bench: &mut impl Bench) {
    let (store, key) = (bench.store(), container(1));
    for target in ["billing", "other"] {
        commit(store, bills(vec![bill(target, &key, EventName::Started, 1)])).await;
    }
    settle(store, waits(&key, 1, 100, false)).await;
    assert_eq!(due(store, 0).await, []);
    let other = store.due_lanes("other", Nanos(0), &[], 8).await.unwrap();
    assert_eq!((other.len(), other[0].attempts), (1, 0));
    assert_eq!(store.wake_lanes("other", Nanos(0)).await.unwrap(), 0);
    settle(store, Settlement::BillDelivered { seq: other[0].bills[0].seq }).await;
    assert_eq!(store.depths().await.unwrap().0.into_keys().collect::<Vec<_>>(), ["billing"]);
}
