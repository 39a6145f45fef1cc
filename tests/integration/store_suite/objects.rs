//! Stored objects: compared and set, numbered in the transaction, and followed.

use std::collections::BTreeSet;

use portreeve::observed::Nanos;
use portreeve::resource::event::EventKind;
use portreeve::store::{
    EventFilter, Expected, ObjectChange, ObjectFollowed, ObjectWrite, ObjectWritten, Store, StoredObject,
};

use super::Bench;
use crate::integration::fixtures::{event, messages};

fn stored(name: &str, revision: u64) -> StoredObject {
    StoredObject {
        kind: "ProbeTemplate".to_owned(),
        name: name.to_owned(),
        uid: format!("uid of {name}"),
        generation: 1,
        revision,
        written: revision,
        created: Nanos(5),
        spec_hash: "s".to_owned(),
        whole_hash: "w".to_owned(),
        document: Some(r#"{"spec":{"a":"\\u0000"}}"#.to_owned()),
    }
}

fn put(name: &str, revision: u64, expected: Expected) -> ObjectWrite {
    let change = ObjectChange::Put(Box::new(stored(name, revision)));
    ObjectWrite { expected, change, event: None, at: Nanos(10) }
}

fn gone(name: &str, expected: Expected, at: i64) -> ObjectWrite {
    let (kind, name) = ("ProbeTemplate".to_owned(), name.to_owned());
    ObjectWrite {
        expected,
        change: ObjectChange::Gone { kind, name, revision: 0 },
        event: None,
        at: Nanos(at),
    }
}

/// Names and revisions of what changed after a revision, `-` before the names of what is gone.
async fn changes(store: &dyn Store, after: u64, limit: u32) -> Option<Vec<(String, u64)>> {
    let shown = |ObjectFollowed { revision, change }: ObjectFollowed| {
        assert_eq!(change.revision(), revision);
        let sign = if matches!(change, ObjectChange::Gone { .. }) { "-" } else { "" };
        (format!("{sign}{}", change.key().1), revision)
    };
    Some(store.object_changes(after, limit).await.unwrap()?.into_iter().map(shown).collect())
}

fn named(expected: &[(&str, u64)]) -> Option<Vec<(String, u64)>> {
    Some(expected.iter().map(|(name, revision)| ((*name).to_owned(), *revision)).collect())
}

pub async fn a_write_is_made_only_on_what_it_expects(bench: &mut impl Bench) {
    let store = bench.store();
    let write = async |write: ObjectWrite| store.write_objects(&[write]).await.unwrap().remove(0);
    assert_eq!(write(put("a", 1, Expected::Written(1))).await, ObjectWritten::Conflict(None));
    assert_eq!(write(put("a", 1, Expected::Absent)).await, ObjectWritten::Stored(1));
    assert_eq!(write(put("a", 2, Expected::Absent)).await, ObjectWritten::Conflict(Some(1)));
    assert_eq!(write(put("a", 2, Expected::Written(1))).await, ObjectWritten::Stored(2));
    assert_eq!(write(gone("a", Expected::Written(1), 1)).await, ObjectWritten::Conflict(Some(2)));
    assert_eq!(store.objects().await.unwrap(), (2, vec![stored("a", 2)]));
    assert_eq!(write(gone("a", Expected::Written(2), 1)).await, ObjectWritten::Stored(3));
    assert_eq!(store.objects().await.unwrap(), (3, vec![]));
    assert_eq!(write(put("a", 1, Expected::Any)).await, ObjectWritten::Stored(4));
    bench.reopen().await;
    assert_eq!(bench.store().objects().await.unwrap(), (4, vec![stored("a", 4)]));
}

pub async fn revisions_rise_in_the_order_of_the_writes(bench: &mut impl Bench) {
    let store = bench.store();
    let writes =
        [put("a", 7, Expected::Absent), put("b", 3, Expected::Absent), put("a", 0, Expected::Written(7))];
    let written = store.write_objects(&writes).await.unwrap();
    assert_eq!(
        written,
        [7, 8, 9].map(ObjectWritten::Stored),
        "at least what was asked for, and higher than all before"
    );
    let (revision, objects) = store.objects().await.unwrap();
    let numbers: Vec<_> =
        objects.iter().map(|object| (&*object.name, object.revision, object.written)).collect();
    assert_eq!((revision, numbers), (9, vec![("a", 9, 9), ("b", 8, 8)]));
    // Of a change to nothing but its status `written` is what it was.
    let mut shown = stored("b", 10);
    shown.written = 8;
    let change = ObjectChange::Put(Box::new(shown));
    let write = ObjectWrite { expected: Expected::Written(8), change, event: None, at: Nanos(1) };
    assert_eq!(store.write_objects(&[write]).await.unwrap(), [ObjectWritten::Stored(10)]);
    assert_eq!(store.objects().await.unwrap().1[1].written, 8);
}

pub async fn a_write_and_its_event_are_stored_together_or_not_at_all(bench: &mut impl Bench) {
    bench.refuse_poison().await;
    let told = |name, message| ObjectWrite {
        event: Some(event(1, EventKind::ObjectCreated, message)),
        ..put(name, 1, Expected::Absent)
    };
    let both = [told("a", "good"), told("b", "poison")];
    let refused = bench.store().write_objects(&both).await.expect_err("the database refuses the second");
    assert!(refused.is_refused(), "{refused:?}");
    bench.relent().await;
    bench.reopen().await;
    let store = bench.store();
    assert_eq!(store.objects().await.unwrap(), (0, vec![]));
    assert_eq!(messages(store, EventFilter::default()).await, [""; 0]);
    // An event of what was not written is not stored.
    let written = store.write_objects(&[told("a", "good"), told("a", "twice")]).await.unwrap();
    assert_eq!(written, [ObjectWritten::Stored(1), ObjectWritten::Conflict(Some(1))]);
    assert_eq!(messages(store, EventFilter::default()).await, ["good"]);
}

pub async fn changes_are_followed_and_it_is_known_if_one_is_missing(bench: &mut impl Bench) {
    let store = bench.store();
    assert_eq!(changes(store, 0, 9).await, named(&[]));
    for name in ["a", "b", "c"] {
        store.write_objects(&[put(name, 0, Expected::Any)]).await.unwrap();
    }
    store.write_objects(&[gone("b", Expected::Any, 50), put("a", 0, Expected::Any)]).await.unwrap();
    assert_eq!(
        changes(store, 0, 9).await,
        named(&[("c", 3), ("-b", 4), ("a", 5)]),
        "the last change of each"
    );
    assert_eq!(changes(store, 3, 1).await, named(&[("-b", 4)]), "no more than asked for");
    assert_eq!(changes(store, 5, 9).await, named(&[]));
    store.prune(Nanos(50), &BTreeSet::new()).await.unwrap();
    assert_eq!(changes(store, 0, 9).await.map(|changes| changes.len()), Some(3), "it is not that old");
    assert_eq!(store.prune(Nanos(51), &BTreeSet::new()).await.unwrap().slices, 1);
    assert_eq!(changes(store, 3, 9).await, None, "what went then is no longer known");
    assert_eq!(changes(store, 4, 9).await, named(&[("a", 5)]));
    // What comes back is no longer gone.
    store.write_objects(&[gone("a", Expected::Any, 60), put("a", 0, Expected::Absent)]).await.unwrap();
    assert_eq!(changes(store, 5, 9).await, named(&[("a", 7)]));
}
