//! Who reads events behind a cursor, and what is kept for them.

use std::collections::{BTreeMap, BTreeSet};

use portreeve::observed::{Nanos, Shard};
use portreeve::resource::event::EventKind;
use portreeve::resource::event::subject::EventSubject;
use portreeve::store::{ChangeSet, EventCursor, EventFilter, NewEvent, Store};

use super::Bench;
use crate::integration::fixtures::{commit, fleet, load, messages};

/// Later than all events here.
const LATER: Nanos = Nanos(1000);

fn engine(name: &str) -> Shard {
    Shard::of(Some(name))
}

/// Commits an event of the engine for each message.
async fn happened(store: &dyn Store, engine: &str, told: &[&str]) {
    let subject = || EventSubject::Engine(engine.to_owned());
    let event = |message: &&str| NewEvent::new(EventKind::Gap, subject(), Nanos(1)).saying(*message);
    store.append(&told.iter().map(event).collect::<Vec<_>>()).await.expect("appended");
}

fn cursor(reader: &str, shard: &Shard, seq: i64) -> EventCursor {
    EventCursor { reader: reader.to_owned(), shard: shard.clone(), seq }
}

async fn pass(store: &dyn Store, reader: &str, shard: &Shard, seq: i64) {
    let readers = vec![cursor(reader, shard, seq)];
    commit(store, ChangeSet { readers, ..fleet() }).await;
}

/// What the reader has still to read of a shard.
async fn unread(store: &dyn Store, reader: &str, shard: &Shard) -> Vec<String> {
    let after = store.open_reader(reader).await.unwrap().get(shard).copied().unwrap_or(0);
    let rows = store.read_events(shard, after, 100).await.unwrap();
    rows.into_iter().map(|row| row.event.message).collect()
}

async fn prune(store: &dyn Store, declared: &[&str]) -> u64 {
    let declared: BTreeSet<String> = declared.iter().map(|name| (*name).to_owned()).collect();
    store.prune(LATER, &declared).await.unwrap().rows
}

pub async fn a_reader_begins_at_the_end_and_reads_in_order(bench: &mut impl Bench) {
    let (store, local) = (bench.store(), engine("local"));
    assert_eq!(store.open_reader("early").await.unwrap(), BTreeMap::from([(Shard::Fleet, 0)]));
    happened(store, "local", &["one", "two"]).await;
    let late = store.open_reader("late").await.unwrap();
    assert_eq!(late, BTreeMap::from([(Shard::Fleet, 0), (local.clone(), 2)]));
    happened(store, "local", &["three", "four"]).await;
    pass(store, "late", &local, 3).await;
    bench.reopen().await;
    let store = bench.store();
    assert_eq!(unread(store, "late", &local).await, ["four"]);
    assert_eq!(unread(store, "early", &local).await, ["one", "two", "three", "four"]);
    let rows = store.read_events(&local, 1, 2).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.seq).collect::<Vec<_>>(), [2, 3], "no more than asked for");
    assert_eq!(
        store.readers().await.unwrap(),
        [cursor("early", &Shard::Fleet, 0), cursor("late", &local, 3), cursor("late", &Shard::Fleet, 0)]
    );
}

pub async fn a_shard_that_comes_later_is_read_from_its_beginning(bench: &mut impl Bench) {
    let store = bench.store();
    happened(store, "old", &["before"]).await;
    store.open_reader("r").await.unwrap();
    happened(store, "new", &["first", "second"]).await;
    assert_eq!(unread(store, "r", &engine("old")).await, [""; 0]);
    assert_eq!(unread(store, "r", &engine("new")).await, ["first", "second"]);
    assert_eq!(prune(store, &["r"]).await, 1, "the one that was there before");
    assert_eq!(unread(store, "r", &engine("new")).await, ["first", "second"]);
    pass(store, "r", &engine("new"), 1).await;
    assert_eq!(prune(store, &["r"]).await, 1);
    assert_eq!(unread(store, "r", &engine("new")).await, ["second"]);
}

pub async fn what_a_reader_did_is_committed_with_its_cursor_or_not_at_all(bench: &mut impl Bench) {
    let (store, local) = (bench.store(), engine("local"));
    store.open_reader("r").await.unwrap();
    happened(store, "local", &["one"]).await;
    let done = |message: &str| ChangeSet {
        events: vec![NewEvent::new(EventKind::Kept, EventSubject::Portreeve, Nanos(2)).saying(message)],
        readers: vec![cursor("r", &local, 1)],
        healing: vec![("told".to_owned(), Some("{}".to_owned()))],
        ..fleet()
    };
    bench.refuse_poison().await;
    let poison = ChangeSet { readers: Vec::new(), ..done("poison") };
    bench.store().commit(&[done("good"), poison]).await.expect_err("the database refuses the second");
    bench.relent().await;
    bench.reopen().await;
    let store = bench.store();
    assert_eq!(unread(store, "r", &local).await, ["one"]);
    assert!(load(store).await.healing.is_empty());
    commit(store, done("good")).await;
    assert_eq!(unread(store, "r", &local).await, [""; 0]);
    assert_eq!(load(store).await.healing.len(), 1);
}

pub async fn a_cursor_never_goes_back_and_none_is_kept_of_what_was_not_opened(bench: &mut impl Bench) {
    let (store, local) = (bench.store(), engine("local"));
    store.open_reader("r").await.unwrap();
    happened(store, "local", &["one", "two", "three"]).await;
    pass(store, "r", &local, 2).await;
    pass(store, "r", &local, 1).await;
    pass(store, "stranger", &local, 1).await;
    assert_eq!(
        store.readers().await.unwrap(),
        [cursor("r", &local, 2), cursor("r", &Shard::Fleet, 0)],
        "a reader that was forgotten would otherwise be open in one shard and at the beginning of all others"
    );
}

pub async fn an_event_is_kept_until_every_declared_reader_has_passed_it(bench: &mut impl Bench) {
    let (store, local) = (bench.store(), engine("local"));
    for reader in ["fast", "slow"] {
        store.open_reader(reader).await.unwrap();
    }
    happened(store, "local", &["one", "two", "three"]).await;
    assert_eq!(prune(store, &["fast", "slow"]).await, 0);
    pass(store, "fast", &local, 3).await;
    pass(store, "slow", &local, 1).await;
    assert_eq!(prune(store, &["fast", "slow"]).await, 1);
    assert_eq!(unread(store, "slow", &local).await, ["two", "three"]);
    pass(store, "slow", &local, 3).await;
    assert_eq!(store.prune(Nanos(1), &BTreeSet::new()).await.unwrap().rows, 0, "they are not that old");
    for reader in ["fast", "slow"] {
        store.open_reader(reader).await.unwrap();
    }
    assert_eq!(prune(store, &["fast", "slow"]).await, 2);
}

pub async fn a_reader_that_is_no_longer_declared_holds_nothing_back_and_begins_anew(bench: &mut impl Bench) {
    let (store, local) = (bench.store(), engine("local"));
    for reader in ["stays", "goes"] {
        store.open_reader(reader).await.unwrap();
    }
    happened(store, "local", &["one", "two"]).await;
    pass(store, "stays", &local, 1).await;
    assert_eq!(prune(store, &["stays"]).await, 1, "what the other one has not read, too");
    let known = store.readers().await.unwrap();
    assert!(known.iter().all(|cursor| cursor.reader == "stays") && known.len() == 2, "{known:?}");
    assert_eq!(unread(store, "stays", &local).await, ["two"]);
    assert_eq!(unread(store, "goes", &local).await, [""; 0], "it is declared again, and begins at the end");
    happened(store, "local", &["three"]).await;
    assert_eq!(unread(store, "goes", &local).await, ["three"]);
}

pub async fn a_declared_reader_without_a_cursor_holds_nothing_back(bench: &mut impl Bench) {
    let store = bench.store();
    happened(store, "local", &["one"]).await;
    assert_eq!(prune(store, &["to come"]).await, 1);
    assert_eq!(messages(store, EventFilter::default()).await, [""; 0]);
}

pub async fn shards_do_not_wait_for_each_other(bench: &mut impl Bench) {
    let store = bench.store();
    store.open_reader("r").await.unwrap();
    happened(store, "stuck", &["one", "two"]).await;
    happened(store, "fluent", &["three", "four"]).await;
    pass(store, "r", &engine("fluent"), 2).await;
    assert_eq!(prune(store, &["r"]).await, 2);
    assert_eq!(unread(store, "r", &engine("stuck")).await, ["one", "two"]);
    assert_eq!(unread(store, "r", &engine("fluent")).await, [""; 0]);
    happened(store, "fluent", &["five"]).await;
    assert_eq!(unread(store, "r", &engine("fluent")).await, ["five"]);
}

pub async fn a_number_is_given_once_even_if_all_events_are_pruned(bench: &mut impl Bench) {
    let (store, local) = (bench.store(), engine("local"));
    happened(store, "local", &["one", "two"]).await;
    store.open_reader("r").await.unwrap();
    assert_eq!(prune(store, &["r"]).await, 2);
    bench.reopen().await;
    let store = bench.store();
    happened(store, "local", &["three"]).await;
    let rows = store.read_events(&local, 0, 9).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.seq).collect::<Vec<_>>(), [3]);
    assert_eq!(unread(store, "r", &local).await, ["three"]);
}
