//! Committing: all or nothing, once, and frozen.

use portreeve::observed::{ContainerKey, Cursor, Nanos, Shard};
use portreeve::reconcile::discovery::Wanted;
use portreeve::reconcile::intent::Intent;
use portreeve::reconcile::lifecycle::EventName;
use portreeve::reconcile::plan::{Cause, Verb};
use portreeve::resource::KindId;
use portreeve::resource::event::EventKind;
use portreeve::store::{
    ChangeSet, EventFilter, IntentChange, LaneKey, LaneSubject, OpenIntent, OutboxRow, RecordChange,
    Settlement, StoredIntent,
};

use super::Bench;
use crate::integration::fixtures::{
    self, ALL, billing, commit, container, depths, discovery, event, fleet, load, local, messages, record,
};

const LATER: Nanos = Nanos(i64::MAX);

pub async fn a_change_set_that_fails_half_way_leaves_nothing(bench: &mut impl Bench) {
    let store = bench.store();
    let (old, new) = (container(1), container(2));
    commit(store, fixtures::bills(vec![fixtures::bill("billing", &old, EventName::Started, 1)])).await;
    let seq = store.due_lanes(&billing("billing"), &ALL, LATER, &[], 8).await.unwrap()[0].bills[0].seq;
    let whole = ChangeSet {
        records: vec![record(&new, 10, None).into()],
        outbox: fixtures::rows(vec![fixtures::bill("billing", &new, EventName::Started, 1)]),
        cells: vec![(LaneKey::discovery("registry", &new), Wanted::Up("{}".to_owned()))],
        healing: vec![("web".to_owned(), Some("{}".to_owned()))],
        intents: vec![IntentChange::Put(intent(1, &new))],
        cursor: Some(Cursor { at: Nanos(2), ..Cursor::new(Nanos(1)) }),
        settled: vec![Settlement::Delivered { lane: LaneKey::billing("billing", &old), seq }],
        at: Nanos(7),
        ..local()
    };
    let of_the_fleet = ChangeSet {
        events: vec![event(1, EventKind::Start, "good")],
        services: vec![("shop".to_owned(), Some("{}".to_owned()))],
        last_specs: vec![(discovery("registry"), Some("{}".to_owned()))],
        ..fleet()
    };
    let poisoned = ChangeSet { events: vec![event(2, EventKind::Start, "poison")], ..fleet() };

    bench.refuse_poison().await;
    let all = [whole.clone(), of_the_fleet.clone(), poisoned];
    store.commit(&all).await.expect_err("the database refuses the last");
    let lanes = store.due_lanes(&billing("billing"), &ALL, LATER, &[], 8).await.unwrap();
    assert_eq!(
        lanes.iter().map(|lane| &lane.subject).collect::<Vec<_>>(),
        [&LaneSubject::from(&old)],
        "still pending, and alone"
    );
    assert_eq!(store.record(&new).await.unwrap(), None);
    assert_eq!(store.due_cells(&discovery("registry"), &ALL, LATER, &[], 8).await.unwrap(), []);
    assert_eq!(messages(store, EventFilter::default()).await, Vec::<String>::new());
    let loaded = load(store).await;
    assert!(
        loaded.records.is_empty()
            && loaded.healing.is_empty()
            && loaded.intents.is_empty()
            && loaded.services.is_empty()
            && loaded.last_specs.is_empty()
            && loaded.cursors.is_empty(),
        "{loaded:?}"
    );

    bench.relent().await;
    store.commit(&all[..2]).await.expect("a commit");
    let lanes = store.due_lanes(&billing("billing"), &ALL, LATER, &[], 8).await.unwrap();
    assert_eq!(lanes.iter().map(|lane| &lane.subject).collect::<Vec<_>>(), [&LaneSubject::from(&new)]);
    assert_eq!(store.due_cells(&discovery("registry"), &ALL, LATER, &[], 8).await.unwrap().len(), 1);
    let loaded = load(store).await;
    assert_eq!((loaded.records.len(), loaded.healing.len(), loaded.cursors.len()), (1, 1, 1));
    assert_eq!(loaded.intents.len(), 1);
}

/// An intent of a container.
fn intent(n: u32, container: &ContainerKey) -> Box<OpenIntent> {
    let intent = Intent {
        id: format!("{n:08x}-0000-5000-8000-000000000000"),
        container: container.clone(),
        name: "web".to_owned(),
        verb: Verb::Start,
        started_before: None,
        committed_at: Nanos(n.into()),
        attempt: n,
        cause: Cause::LeftDown { error: String::new() },
        answer: None,
    };
    Box::new(OpenIntent { owner: format!("local/web{n}"), intent })
}

pub async fn one_intent_is_open_for_a_container_until_it_is_closed(bench: &mut impl Bench) {
    let open = async |bench: &mut _| -> Vec<(String, u32)> {
        Bench::reopen(bench).await;
        let stored = load(Bench::store(bench)).await.intents;
        let read = |open: &StoredIntent| serde_json::from_str::<Intent>(&open.document).unwrap();
        stored.iter().map(|open| (open.owner.clone(), read(open).attempt)).collect()
    };
    let put = |intents| ChangeSet { intents, ..local() };
    let (first, second) = (intent(1, &container(1)), intent(2, &container(1)));
    commit(bench.store(), put(vec![IntentChange::Put(first.clone())])).await;
    let refused = put(vec![IntentChange::Put(second.clone())]);
    bench.store().commit(&[refused]).await.expect_err("another one is open");
    assert_eq!(open(bench).await, [("local/web1".to_owned(), 1)]);
    let mut more = first.clone();
    (more.owner, more.intent.attempt) = ("local/shop".to_owned(), 7);
    commit(bench.store(), put(vec![IntentChange::Put(more)])).await;
    assert_eq!(open(bench).await, [("local/shop".to_owned(), 7)], "the same, and what is known of it now");
    let instead = vec![IntentChange::Close(first.intent.id), IntentChange::Put(second.clone())];
    commit(bench.store(), put(instead)).await;
    assert_eq!(open(bench).await, [("local/web2".to_owned(), 2)]);
    commit(bench.store(), put(vec![IntentChange::Close(second.intent.id)])).await;
    assert_eq!(open(bench).await, []);
}

pub async fn the_times_of_a_run_freeze_once_committed(bench: &mut impl Bench) {
    let (store, key) = (bench.store(), container(1));
    let put = async |change: &dyn Fn(&mut portreeve::reconcile::lifecycle::Run)| {
        let mut record = record(&key, 10, None);
        change(&mut record.ledger.runs[0]);
        commit(store, ChangeSet { records: vec![record.into()], ..local() }).await;
    };
    put(&|_| {}).await;
    put(&|run| (run.start_event, run.ended, run.exit_code) = (Some(Nanos(12)), Some(Nanos(20)), Some(3)))
        .await;
    put(&|run| {
        (run.started, run.start_event) = (Nanos(11), Some(Nanos(13)));
        (run.ended, run.end_event, run.exit_code) = (Some(Nanos(21)), Some(Nanos(22)), Some(4));
        run.restart_count = 9;
    })
    .await;
    let run = store.record(&key).await.unwrap().unwrap().ledger.runs.remove(0);
    assert_eq!((run.started, run.start_event), (Nanos(10), Some(Nanos(12))));
    assert_eq!((run.ended, run.end_event, run.exit_code), (Some(Nanos(20)), Some(Nanos(22)), Some(3)));
    assert_eq!(run.restart_count, 0);
}

pub async fn a_bill_is_taken_once_per_target_and_its_first_bytes_stay(bench: &mut impl Bench) {
    let (store, key) = (bench.store(), container(1));
    let first = fixtures::bill("one", &key, EventName::Started, 1);
    let mut second = first.clone();
    second.1.body = b"other bytes".to_vec();
    let mut elsewhere = first.clone();
    elsewhere.1.target = "two".to_owned();
    commit(store, fixtures::bills(vec![first.clone()])).await;
    commit(store, fixtures::bills(vec![second, elsewhere])).await;
    for target in ["one", "two"] {
        let lanes = store.due_lanes(&billing(target), &ALL, LATER, &[], 8).await.unwrap();
        assert_eq!(lanes.len(), 1);
        let bills: Vec<_> = lanes[0].bills.iter().map(|bill| (bill.id, bill.body.clone())).collect();
        assert_eq!(bills, [(first.1.id, first.1.body.clone())], "{target}");
    }
}

pub async fn a_delivered_bill_that_comes_again_is_not_sent_again(bench: &mut impl Bench) {
    let (store, key) = (bench.store(), container(1));
    let bill = fixtures::bill("billing", &key, EventName::Started, 1);
    commit(store, fixtures::bills(vec![bill.clone()])).await;
    let seq = store.due_lanes(&billing("billing"), &ALL, LATER, &[], 8).await.unwrap()[0].bills[0].seq;
    let settled = vec![Settlement::Delivered { lane: LaneKey::billing("billing", &key), seq }];
    commit(store, ChangeSet { settled, at: Nanos(5), ..local() }).await;
    commit(store, fixtures::bills(vec![bill])).await;
    assert_eq!(store.due_lanes(&billing("billing"), &ALL, LATER, &[], 8).await.unwrap(), []);
    assert_eq!(depths(store, KindId::BillingService).await.get("billing"), None);
}

pub async fn what_is_refused_is_told_from_what_fails_and_leaves_nothing(bench: &mut impl Bench) {
    bench.refuse_poison().await;
    let poisoned = ChangeSet::told(event(1, EventKind::Start, "poison"));
    let memory = ChangeSet { healing: vec![("web".to_owned(), Some("{}".to_owned()))], ..local() };
    let refused = bench.store().commit(&[memory.clone(), poisoned]).await.expect_err("it is poison");
    assert!(refused.is_refused() && !refused.is_full(), "{refused:?}");
    assert!(load(bench.store()).await.healing.is_empty());
    bench.fail().await;
    let failed = bench.store().commit(&[memory]).await.expect_err("there is no such table");
    assert!(!failed.is_refused(), "{failed:?}");
}

pub async fn a_set_is_of_one_shard_and_of_the_epoch_in_which_the_shard_is_owned(bench: &mut impl Bench) {
    let store = bench.store();
    let key = container(1);
    let records = vec![record(&key, 10, None).into()];
    let foreign = ChangeSet { records: records.clone(), ..ChangeSet::of(Shard::Engine("elsewhere".into())) };
    let error = store.commit(&[foreign]).await.expect_err("it is another engine's");
    assert!(error.is_refused() && error.to_string().contains("engine/elsewhere"), "{error}");
    let event = ChangeSet { events: vec![event(1, EventKind::Start, "of the fleet")], ..local() };
    assert!(store.commit(&[event]).await.expect_err("it is the fleet's").is_refused());
    let late = ChangeSet { records, epoch: u64::MAX, ..local() };
    let error = store.commit(&[late]).await.expect_err("nobody owns the shard in that epoch");
    assert!(!error.is_refused(), "somebody else decides there: {error}");
    assert_eq!(store.record(&key).await.unwrap(), None);
}

pub async fn only_runs_that_are_named_are_written(bench: &mut impl Bench) {
    let (store, key) = (bench.store(), container(1));
    let mut before = record(&key, 10, Some(20));
    before.ledger.runs.push(fixtures::run(30, None));
    commit(store, ChangeSet { records: vec![before.clone().into()], ..local() }).await;
    let mut after = before.clone();
    after.ledger.runs[1].ended = Some(Nanos(40));
    after.ledger.runs.push(fixtures::run(50, None));
    let change = RecordChange::since(&before, after.clone());
    assert_eq!(change.runs, after.ledger.runs[1..], "the ended one and the new one");
    commit(store, ChangeSet { records: vec![change], ..local() }).await;
    assert_eq!(store.record(&key).await.unwrap(), Some(after.clone()));
    // What is not named is not written, whatever it says.
    let mut silent = RecordChange::from(after.clone());
    silent.runs.clear();
    commit(store, ChangeSet { records: vec![silent], ..local() }).await;
    assert_eq!(store.record(&key).await.unwrap(), Some(after));
}

pub async fn bytes_are_sent_as_they_were_enqueued(bench: &mut impl Bench) {
    let (store, key) = (bench.store(), container(1));
    let bodies: [&[u8]; 4] = [
        b"{\"a\": \"\\u0000 \\\"\"}",
        "\u{1F40B} \u{2028}".as_bytes(),
        b"nul \0 within",
        &[0xff, 0x00, 0xfe],
    ];
    let row = |(number, body): (u128, &&[u8])| OutboxRow {
        lane: LaneKey::billing("billing", &key),
        id: uuid::Uuid::from_u128(number),
        event: "started".to_owned(),
        body: body.to_vec(),
    };
    let outbox = (0..).zip(&bodies).map(row).collect();
    commit(store, ChangeSet { outbox, ..local() }).await;
    let lane = store.due_lanes(&billing("billing"), &ALL, Nanos(0), &[], 1).await.unwrap().remove(0);
    assert_eq!(lane.bills.iter().map(|bill| bill.body.as_slice()).collect::<Vec<_>>(), bodies);
}
