//! Lanes of bills: order, waiting, waking, parking.

use portreeve::observed::{ContainerKey, Nanos, Shard};
use portreeve::reconcile::discovery::Wanted;
use portreeve::reconcile::lifecycle::EventName;
use portreeve::resource::event::EventKind;
use portreeve::resource::{KindId, ObjectKey};
use portreeve::store::{
    ChangeSet, Delivery, DeliveryFilter, DeliveryKind, DeliveryState, EventFilter, Lane, LaneKey,
    LaneSubject, OutboxRow, Settlement, Store,
};

use super::Bench;
use crate::integration::fixtures::{
    ALL, bill, billing, commit, container, depths, early_bills as bills, event, fleet, life, local, messages,
};

pub async fn due(store: &dyn Store, now: i64) -> Vec<Lane> {
    store.due_lanes(&billing("billing"), &ALL, Nanos(now), &[], 100).await.unwrap()
}

pub async fn due_keys(store: &dyn Store, now: i64) -> Vec<ContainerKey> {
    due(store, now).await.iter().filter_map(|lane| lane.subject.container().cloned()).collect()
}

pub async fn settle(store: &dyn Store, settlement: Settlement) {
    commit(store, ChangeSet { settled: vec![settlement], at: Nanos(0), ..local() }).await;
}

/// One bill for each of these containers.
pub async fn start(store: &dyn Store, containers: &[&ContainerKey]) {
    let started = containers.iter().map(|key| bill("billing", key, EventName::Started, 1)).collect();
    commit(store, bills(started)).await;
}

pub fn waits(key: &ContainerKey, attempts: u32, next: i64, hold: Option<i64>) -> Settlement {
    let (lane, hold) = (LaneKey::billing("billing", key), hold.map(Nanos));
    Settlement::LaneWaits { lane, attempts, next: Nanos(next), hold, error: "HTTP 503".to_owned() }
}

pub fn delivered(key: &ContainerKey, seq: i64) -> Settlement {
    Settlement::Delivered { lane: LaneKey::billing("billing", key), seq }
}

fn parked(key: &ContainerKey) -> Settlement {
    Settlement::LaneParked { lane: LaneKey::billing("billing", key), error: "HTTP 400".to_owned() }
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
            settle(store, delivered(&key, bill.seq)).await;
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
        assert_eq!(depths(store, KindId::BillingService).await["billing"].pending, 3 - place as u64);
        settle(store, delivered(&key, bill.seq)).await;
    }
    assert_eq!(due(store, i64::MAX).await, []);
    assert!(depths(store, KindId::BillingService).await.is_empty());
}

pub async fn a_waiting_lane_is_due_when_its_time_has_come(bench: &mut impl Bench) {
    let (store, key) = (bench.store(), container(1));
    start(store, &[&key]).await;
    settle(store, waits(&key, 3, 100, None)).await;
    assert_eq!(due(store, 99).await, []);
    assert_eq!(store.next_due(&billing("billing"), &ALL, Nanos(99)).await.unwrap(), Some(Nanos(100)));
    let lane = due(store, 100).await.remove(0);
    assert_eq!((lane.attempts, lane.bills.len()), (3, 1));
    assert_eq!(
        store.next_due(&billing("billing"), &ALL, Nanos(100)).await.unwrap(),
        None,
        "it is due, not yet to come"
    );
    assert_eq!(
        depths(store, KindId::BillingService).await["billing"].last_error.as_deref(),
        Some("HTTP 503")
    );
    // What comes meanwhile waits behind it.
    commit(store, bills(vec![bill("billing", &key, EventName::Stopped, 1)])).await;
    assert_eq!(due(store, 99).await, []);
    assert_eq!(due(store, 100).await[0].bills.len(), 2);
}

pub async fn a_success_wakes_waiting_lanes_but_none_that_is_parked(bench: &mut impl Bench) {
    let (store, waiting, stuck) = (bench.store(), container(1), container(2));
    start(store, &[&waiting, &stuck]).await;
    settle(store, waits(&waiting, 1, 1000, None)).await;
    settle(store, parked(&stuck)).await;
    assert_eq!(store.wake(&billing("billing"), &ALL, Nanos(50)).await.unwrap(), 1);
    assert_eq!(due_keys(store, 49).await, []);
    assert_eq!(due_keys(store, 50).await, [waiting]);
    assert_eq!(
        store.wake(&billing("billing"), &ALL, Nanos(60)).await.unwrap(),
        0,
        "never later than planned"
    );
}

pub async fn a_time_that_the_service_named_holds_every_lane_of_it(bench: &mut impl Bench) {
    let (store, told, other, new) = (bench.store(), container(1), container(2), container(3));
    start(store, &[&told, &other]).await;
    commit(store, bills(vec![bill("elsewhere", &told, EventName::Started, 1)])).await;
    settle(store, waits(&told, 1, 700, Some(600))).await;
    settle(store, waits(&other, 1, 650, Some(500))).await;
    start(store, &[&new]).await;
    store.wake(&billing("billing"), &ALL, Nanos(100)).await.unwrap();
    assert_eq!(due_keys(store, 599).await, [], "the longest counts");
    assert_eq!(store.next_due(&billing("billing"), &ALL, Nanos(0)).await.unwrap(), Some(Nanos(600)));
    assert_eq!(due_keys(store, 600).await.len(), 3);
    assert_eq!(store.due_lanes(&billing("elsewhere"), &ALL, Nanos(0), &[], 9).await.unwrap().len(), 1);
    let filter = DeliveryFilter { target: Some("billing".to_owned()), limit: 9, ..DeliveryFilter::default() };
    let next: Vec<_> =
        store.deliveries(&filter).await.unwrap().into_iter().map(|row| row.next_attempt).collect();
    assert_eq!(next, [Some(Nanos(600)); 3]);
}

pub async fn what_waits_is_tried_at_once_if_somebody_wishes_it(bench: &mut impl Bench) {
    let (store, one, other, stuck) = (bench.store(), container(1), container(2), container(3));
    start(store, &[&one, &other, &stuck]).await;
    let wait = async || {
        settle(store, waits(&one, 4, 700, Some(600))).await;
        settle(store, waits(&other, 4, 700, None)).await;
    };
    wait().await;
    settle(store, parked(&stuck)).await;
    assert_eq!(store.retry(&billing("elsewhere"), None, Nanos(5)).await.unwrap(), 0);
    assert_eq!(due_keys(store, 5).await, []);
    assert_eq!(store.retry(&billing("billing"), Some(&(&one).into()), Nanos(5)).await.unwrap(), 1);
    assert_eq!(due_keys(store, 5).await, std::slice::from_ref(&one));
    assert_eq!(due(store, 5).await[0].attempts, 4, "should it fail it waits on where it was");
    wait().await;
    assert_eq!(store.retry(&billing("billing"), None, Nanos(5)).await.unwrap(), 2);
    assert_eq!(due_keys(store, 5).await, [one, other], "none that is parked");
}

pub async fn a_parked_bill_is_passed_over_with_a_reason_and_what_follows_goes_on(bench: &mut impl Bench) {
    let (store, key) = (bench.store(), container(1));
    commit(store, bills(life("billing", &key, 1))).await;
    let told = event(9, EventKind::Skipped, "bill-1 was skipped");
    let seqs: Vec<i64> = due(store, 9).await[0].bills.iter().map(|bill| bill.seq).collect();
    assert!(
        !store.skip(&LaneKey::billing("billing", &key), seqs[0], "why", &told).await.unwrap(),
        "it is not parked"
    );
    settle(store, parked(&key)).await;
    assert!(
        !store.skip(&LaneKey::billing("billing", &key), seqs[1], "why", &told).await.unwrap(),
        "it is not the first"
    );
    assert_eq!(messages(store, EventFilter::default()).await, Vec::<String>::new());
    let filter = DeliveryFilter { limit: 9, ..DeliveryFilter::default() };
    let rows = store.deliveries(&filter).await.unwrap();
    let seen: Vec<_> =
        rows.iter().rev().map(|row| (row.state, row.last_error.as_deref(), row.behind)).collect();
    let waits = (DeliveryState::Pending, None, Some(seqs[0]));
    assert_eq!(
        seen,
        [(DeliveryState::Parked, Some("HTTP 400"), None), waits, waits],
        "only the first was refused"
    );
    let depth = depths(store, KindId::BillingService).await.remove("billing").unwrap();
    assert_eq!((depth.pending, depth.parked), (2, 1));
    let heads = store.parked_heads(&billing("billing")).await.unwrap();
    assert_eq!(heads.iter().map(|head| head.seq).collect::<Vec<_>>(), [seqs[0]]);
    assert!(store.skip(&LaneKey::billing("billing", &key), seqs[0], "sent by hand", &told).await.unwrap());
    assert_eq!(messages(store, EventFilter::default()).await, ["bill-1 was skipped"]);
    let lane = due(store, 9).await.remove(0);
    assert_eq!(lane.bills.iter().map(|bill| bill.seq).collect::<Vec<_>>(), seqs[1..]);
    let filter = DeliveryFilter { seq: Some(seqs[0]), limit: 1, ..DeliveryFilter::default() };
    let skipped = store.deliveries(&filter).await.unwrap().remove(0);
    let is = (skipped.state, skipped.skipped.as_deref(), skipped.done);
    assert_eq!(is, (DeliveryState::Skipped, Some("sent by hand"), Some(Nanos(9))));
    for bill in &lane.bills {
        settle(store, parked(&key)).await;
        assert!(store.skip(&LaneKey::billing("billing", &key), bill.seq, "too", &told).await.unwrap());
    }
    assert_eq!(due(store, 9).await, [], "a lane goes with its last bill");
    assert!(depths(store, KindId::BillingService).await.is_empty());
}

pub async fn what_waits_for_a_target_is_dropped_whole_and_told_of(bench: &mut impl Bench) {
    let (store, one, stuck) = (bench.store(), container(1), container(2));
    start(store, &[&one, &stuck]).await;
    commit(store, bills(vec![bill("elsewhere", &one, EventName::Started, 1)])).await;
    settle(store, parked(&stuck)).await;
    let tells = |bills| event(9, EventKind::Discarded, &format!("{bills} bills"));
    assert_eq!(store.discard(&billing("billing"), &tells).await.unwrap(), 2);
    assert_eq!(store.discard(&billing("billing"), &tells).await.unwrap(), 0);
    assert_eq!(messages(store, EventFilter::default()).await, ["2 bills"]);
    assert_eq!(depths(store, KindId::BillingService).await.into_keys().collect::<Vec<_>>(), ["elsewhere"]);
    // The same can be sent again by whoever is told of it again.
    start(store, &[&one]).await;
    assert_eq!(due_keys(store, 0).await, [one]);
}

pub async fn deliveries_are_listed_page_by_page_and_none_twice(bench: &mut impl Bench) {
    let store = bench.store();
    let keys: Vec<_> = (1..=7).map(container).collect();
    start(store, &keys.iter().collect::<Vec<_>>()).await;
    let cells = keys.iter().map(|key| (LaneKey::discovery("discovery", key), Wanted::Down)).collect();
    commit(store, ChangeSet { cells, ..local() }).await;
    let (mut pages, mut after) = (Vec::new(), None);
    loop {
        let filter = DeliveryFilter { after, limit: 4, ..DeliveryFilter::default() };
        let page = store.deliveries(&filter).await.unwrap();
        after = page.last().map(Delivery::place);
        if page.is_empty() {
            break;
        }
        pages.push(page);
        // What changes meanwhile is where it was.
        let again = vec![(LaneKey::discovery("discovery", &keys[6]), Wanted::Absent)];
        commit(store, ChangeSet { cells: again, at: Nanos(99), ..local() }).await;
    }
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 4, 2]);
    let all: Vec<_> = pages.concat().into_iter().map(|row| (row.kind, row.subject)).collect();
    let cells = keys.iter().map(|key| (DeliveryKind::Cell, key.into()));
    let bills = keys.iter().rev().map(|key| (DeliveryKind::Bill, key.into()));
    assert_eq!(all, cells.chain(bills).collect::<Vec<_>>());
}

pub async fn a_parked_lane_waits_for_a_replay_with_all_that_is_behind_it(bench: &mut impl Bench) {
    let (store, key) = (bench.store(), container(1));
    start(store, &[&key]).await;
    settle(store, waits(&key, 4, 100, None)).await;
    settle(store, parked(&key)).await;
    commit(store, bills(vec![bill("billing", &key, EventName::Stopped, 1)])).await;
    assert_eq!(due(store, i64::MAX).await, []);
    assert_eq!(store.next_due(&billing("billing"), &ALL, Nanos(0)).await.unwrap(), None);
    let depth = depths(store, KindId::BillingService).await.remove("billing").unwrap();
    assert_eq!((depth.pending, depth.parked), (1, 1));
    assert_eq!(depth.last_error.as_deref(), Some("HTTP 400"));
    assert_eq!(store.replay(&billing("another"), None, Nanos(0)).await.unwrap(), 0);
    assert_eq!(store.replay(&billing("billing"), None, Nanos(0)).await.unwrap(), 1);
    let lane = due(store, 0).await.remove(0);
    assert_eq!((lane.attempts, lane.bills.len()), (0, 2));
    assert_eq!(depths(store, KindId::BillingService).await["billing"].parked, 0);
    assert_eq!(store.replay(&billing("billing"), None, Nanos(0)).await.unwrap(), 0);
}

pub async fn busy_lanes_are_left_out_and_the_longest_waiting_come_first(bench: &mut impl Bench) {
    let store = bench.store();
    let all: Vec<ContainerKey> = (0..6).map(container).collect();
    start(store, &all.iter().collect::<Vec<_>>()).await;
    for (place, key) in all.iter().enumerate() {
        settle(store, waits(key, 1, 100 - 10 * place as i64, None)).await;
    }
    let keys = |busy: Vec<ContainerKey>, limit| async move {
        let busy: Vec<LaneSubject> = busy.into_iter().map(LaneSubject::from).collect();
        let lanes = store.due_lanes(&billing("billing"), &ALL, Nanos(100), &busy, limit).await.unwrap();
        lanes.iter().filter_map(|lane| lane.subject.container().cloned()).collect::<Vec<_>>()
    };
    assert_eq!(keys(vec![], 2).await, [all[5].clone(), all[4].clone()]);
    let busy = vec![all[5].clone(), all[3].clone()];
    assert_eq!(keys(busy, 3).await, [all[4].clone(), all[2].clone(), all[1].clone()]);
    assert_eq!(keys(all.clone(), 8).await, []);
}

pub async fn a_delivery_ends_the_failures_of_its_lane(bench: &mut impl Bench) {
    let (store, key) = (bench.store(), container(1));
    commit(store, bills(life("billing", &key, 1))).await;
    settle(store, waits(&key, 7, 100, None)).await;
    let seq = due(store, 100).await[0].bills[0].seq;
    settle(store, delivered(&key, seq)).await;
    let lane = due(store, 0).await.remove(0);
    assert_eq!((lane.attempts, lane.bills.len()), (0, 2));
    assert_eq!(depths(store, KindId::BillingService).await["billing"].last_error, None);
}

pub async fn targets_do_not_touch_each_other(bench: &mut impl Bench) {
    let (store, key) = (bench.store(), container(1));
    for target in ["billing", "other"] {
        commit(store, bills(vec![bill(target, &key, EventName::Started, 1)])).await;
    }
    settle(store, waits(&key, 1, 100, None)).await;
    assert_eq!(due(store, 0).await, []);
    let other = store.due_lanes(&billing("other"), &ALL, Nanos(0), &[], 8).await.unwrap();
    assert_eq!((other.len(), other[0].attempts), (1, 0));
    assert_eq!(store.wake(&billing("other"), &ALL, Nanos(0)).await.unwrap(), 0);
    settle(
        store,
        Settlement::Delivered { lane: LaneKey::billing("other", &key), seq: other[0].bills[0].seq },
    )
    .await;
    assert_eq!(depths(store, KindId::BillingService).await.into_keys().collect::<Vec<_>>(), ["billing"]);
}

pub async fn a_sink_and_a_billing_service_of_one_name_do_not_meet(bench: &mut impl Bench) {
    let (store, key) = (bench.store(), container(1));
    let bill = OutboxRow::bill(key.clone(), bill("both", &key, EventName::Started, 1).1);
    let sink = ObjectKey { kind: KindId::NotificationSink, name: "both".to_owned() };
    // A group of notifications is no container, and of no engine. Its id is the same by chance.
    let group = LaneSubject::Named { shard: Shard::Fleet, name: "outages".to_owned() };
    let lane = LaneKey { target: sink.clone(), subject: group.clone() };
    let notification = OutboxRow { lane: lane.clone(), event: "ServiceDown".to_owned(), ..bill.clone() };
    commit(store, ChangeSet { outbox: vec![bill], ..local() }).await;
    commit(store, ChangeSet { outbox: vec![notification], ..fleet() }).await;
    let due = async |target: &ObjectKey| store.due_lanes(target, &ALL, Nanos(0), &[], 9).await.unwrap();
    let told = due(&sink).await.remove(0);
    assert_eq!((&told.subject, told.name.as_str(), told.bills.len()), (&group, "", 1));
    let parked = Settlement::LaneParked { lane: lane.clone(), error: "HTTP 400".to_owned() };
    commit(store, ChangeSet { settled: vec![parked], ..fleet() }).await;
    assert_eq!(due(&sink).await, []);
    assert_eq!(due(&billing("both")).await[0].subject, LaneSubject::from(&key));
    let depths = store.depths().await.unwrap();
    let depths: Vec<_> =
        depths.iter().map(|(target, depth)| (target.kind, depth.pending, depth.parked)).collect();
    assert_eq!(depths, [(KindId::BillingService, 1, 0), (KindId::NotificationSink, 0, 1)]);
    let filter = DeliveryFilter { target: Some("both".to_owned()), limit: 9, ..DeliveryFilter::default() };
    let listed = store.deliveries(&filter).await.unwrap();
    assert_eq!(
        listed.iter().map(|row| row.lane()).collect::<Vec<_>>(),
        [lane, LaneKey::billing("both", &key)]
    );
    let tells = |bills| event(9, EventKind::Discarded, &format!("{bills} bills"));
    assert_eq!(store.discard(&sink, &tells).await.unwrap(), 1);
    assert_eq!(due(&billing("both")).await.len(), 1, "that of the service stays");
}

pub async fn what_comes_while_the_rest_is_dropped_stays_with_its_lane(bench: &mut impl Bench) {
    let store = bench.store();
    // More than are dropped at once.
    let old: Vec<_> = (0..250).flat_map(|n| life("billing", &container(n), 4)).collect();
    let count = old.len() as u64;
    commit(store, bills(old)).await;
    let tells = |bills| event(9, EventKind::Discarded, &format!("{bills} bills"));
    let target = billing("billing");
    let (new, again) = (container(500), container(249));
    let dropping = store.discard(&target, &tells);
    let meanwhile = async {
        // It is declared again once the first of it is dropped.
        while messages(store, EventFilter::default()).await.is_empty() {
            tokio::task::yield_now().await;
        }
        let coming = [&new, &again].map(|key| bill("billing", key, EventName::Created, 1)).to_vec();
        commit(store, bills(coming)).await;
    };
    let (dropped, ()) = tokio::join!(dropping, meanwhile);
    assert_eq!(dropped.unwrap(), count);
    assert_eq!(messages(store, EventFilter::default()).await, [format!("{count} bills")]);
    let lanes = due(store, 0).await;
    let left: Vec<_> = lanes.iter().map(|lane| (lane.subject.clone(), lane.bills.len())).collect();
    assert_eq!(left.len(), 2, "{left:?}");
    for key in [new, again] {
        assert!(left.contains(&(LaneSubject::from(key), 1)), "{left:?}");
    }
}
