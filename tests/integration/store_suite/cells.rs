//! Discovery cells: the latest state, generations, what is trusted.

use portreeve::observed::{ContainerKey, Nanos};
use portreeve::reconcile::discovery::Wanted;
use portreeve::resource::KindId;
use portreeve::store::{Cell, ChangeSet, LaneKey, Settlement, Store};

use super::Bench;
use crate::integration::fixtures::{ALL, commit, container, depths, discovery, load, local};

fn up() -> Wanted {
    Wanted::Up(r#"{"id":"1"}"#.to_owned())
}

async fn want(store: &dyn Store, key: &ContainerKey, wanted: Wanted) {
    let cells = vec![(LaneKey::discovery("registry", key), wanted)];
    commit(store, ChangeSet { cells, at: Nanos(5), ..local() }).await;
}

async fn settle(store: &dyn Store, settlement: Settlement) {
    commit(store, ChangeSet { settled: vec![settlement], at: Nanos(6), ..local() }).await;
}

async fn ack(store: &dyn Store, cell: &Cell) {
    let key = LaneKey::discovery("registry", cell.subject.clone());
    let (generation, state) = (cell.generation, cell.wanted.clone());
    settle(store, Settlement::CellAcked { cell: key, generation, state }).await;
}

async fn waits(store: &dyn Store, key: &ContainerKey, next: i64, hold: Option<i64>) {
    let (cell, error) = (LaneKey::discovery("registry", key), "HTTP 500".to_owned());
    let (next, hold) = (Nanos(next), hold.map(Nanos));
    settle(
        store,
        Settlement::CellWaits { cell, generation: None, attempts: 2, next, hold, error, keeps_ack: true },
    )
    .await;
}

async fn due(store: &dyn Store, now: i64) -> Vec<Cell> {
    store.due_cells(&discovery("registry"), &ALL, Nanos(now), &[], 100).await.unwrap()
}

/// The one cell that is due.
async fn cell(store: &dyn Store) -> Cell {
    let mut due = due(store, i64::MAX).await;
    assert_eq!(due.len(), 1, "{due:?}");
    due.remove(0)
}

pub async fn only_the_latest_state_is_due(bench: &mut impl Bench) {
    let (store, key) = (bench.store(), container(1));
    for wanted in [up(), Wanted::Down, Wanted::Absent] {
        want(store, &key, wanted).await;
    }
    let cell = cell(store).await;
    assert_eq!((cell.wanted, cell.generation), (Wanted::Absent, 3));
    assert_eq!((cell.acked, cell.attempted, cell.attempts), (None, false, 0));
    assert_eq!(store.due_cells(&discovery("another"), &ALL, Nanos(9), &[], 8).await.unwrap(), []);
    assert_eq!(store.due_cells(&discovery("registry"), &ALL, Nanos(9), &[key.into()], 8).await.unwrap(), []);
}

pub async fn the_answer_to_an_old_generation_leaves_the_cell_due(bench: &mut impl Bench) {
    let (store, key) = (bench.store(), container(1));
    want(store, &key, up()).await;
    let first = cell(store).await;
    want(store, &key, Wanted::Down).await;
    ack(store, &first).await;
    let second = cell(store).await;
    assert_eq!((second.wanted.clone(), second.acked.clone()), (Wanted::Down, Some(up())));
    assert!(second.attempted);
    ack(store, &second).await;
    assert_eq!(due(store, i64::MAX).await, []);
}

pub async fn absent_once_acknowledged_is_forgotten(bench: &mut impl Bench) {
    let (store, key) = (bench.store(), container(1));
    want(store, &key, Wanted::Absent).await;
    let gone = cell(store).await;
    ack(store, &gone).await;
    assert!(depths(store, KindId::DiscoveryRegistry).await.is_empty());
    assert_eq!(
        store.resend_cells(&discovery("registry"), &ALL, Nanos(0)).await.unwrap(),
        0,
        "nothing is left to send"
    );
    // But not if something else is wanted by then.
    want(store, &key, Wanted::Absent).await;
    let gone = cell(store).await;
    want(store, &key, up()).await;
    ack(store, &gone).await;
    assert_eq!(cell(store).await.wanted, up());
}

pub async fn a_start_counts_every_cell_as_attempted(bench: &mut impl Bench) {
    let key = container(1);
    want(bench.store(), &key, up()).await;
    assert!(!cell(bench.store()).await.attempted);
    bench.reopen().await;
    load(bench.store()).await;
    assert!(cell(bench.store()).await.attempted, "nobody knows what was sent before");
}

pub async fn a_failed_attempt_counts_as_attempted(bench: &mut impl Bench) {
    let (store, key) = (bench.store(), container(1));
    want(store, &key, up()).await;
    waits(store, &key, 10, None).await;
    assert!(cell(store).await.attempted);
}

pub async fn waiting_cells_are_woken(bench: &mut impl Bench) {
    let (store, key) = (bench.store(), container(1));
    want(store, &key, up()).await;
    waits(store, &key, 1000, None).await;
    assert_eq!(due(store, 999).await, []);
    assert_eq!(store.next_due(&discovery("registry"), &ALL, Nanos(0)).await.unwrap(), Some(Nanos(1000)));
    assert_eq!(store.wake(&discovery("registry"), &ALL, Nanos(50)).await.unwrap(), 1);
    let woken = due(store, 50).await;
    assert_eq!(
        woken.iter().map(|cell| (&cell.subject, cell.attempts)).collect::<Vec<_>>(),
        [(&(&key).into(), 2)]
    );
}

pub async fn no_cell_is_sent_before_the_time_the_service_named(bench: &mut impl Bench) {
    let (store, told, other) = (bench.store(), container(1), container(2));
    for key in [&told, &other] {
        want(store, key, up()).await;
    }
    waits(store, &told, 1000, Some(900)).await;
    want(store, &told, Wanted::Down).await;
    store.wake(&discovery("registry"), &ALL, Nanos(50)).await.unwrap();
    assert_eq!(due(store, 899).await, [], "neither a newer state nor another container's");
    assert_eq!(store.next_due(&discovery("registry"), &ALL, Nanos(0)).await.unwrap(), Some(Nanos(900)));
    assert_eq!(due(store, 900).await.len(), 2);
    waits(store, &other, 1000, Some(950)).await;
    assert_eq!(store.retry(&discovery("registry"), Some(&(&other).into()), Nanos(0)).await.unwrap(), 1);
    assert_eq!(due(store, 5).await.len(), 2, "somebody wished it");
}

pub async fn an_acknowledged_state_is_not_trusted_once_another_may_have_been_taken(bench: &mut impl Bench) {
    let (store, key) = (bench.store(), container(1));
    want(store, &key, up()).await;
    let first = cell(store).await;
    ack(store, &first).await;
    // DOWN is sent and taken, but the answer is lost; then the container runs again.
    want(store, &key, Wanted::Down).await;
    assert_eq!(cell(store).await.acked, Some(up()));
    waits(store, &key, 10, None).await;
    want(store, &key, up()).await;
    let again = cell(store).await;
    assert_eq!((again.wanted, again.acked), (up(), None), "the registry may hold DOWN");
}

pub async fn everything_acknowledged_can_be_sent_again(bench: &mut impl Bench) {
    let store = bench.store();
    for n in 0..3 {
        want(store, &container(n), up()).await;
        let cell = cell(store).await;
        ack(store, &cell).await;
    }
    assert_eq!(store.resend_cells(&discovery("another"), &ALL, Nanos(0)).await.unwrap(), 0);
    assert_eq!(store.resend_cells(&discovery("registry"), &ALL, Nanos(0)).await.unwrap(), 3);
    let due = due(store, 0).await;
    assert_eq!(due.len(), 3);
    assert!(due.iter().all(|cell| cell.acked == Some(up()) && cell.attempted), "{due:?}");
    for cell in &due {
        ack(store, cell).await;
    }
    assert!(depths(store, KindId::DiscoveryRegistry).await.is_empty());
}

pub async fn depths_tell_what_differs(bench: &mut impl Bench) {
    let store = bench.store();
    for n in 0..2 {
        want(store, &container(n), up()).await;
    }
    waits(store, &container(0), 10, None).await;
    let depth = depths(store, KindId::DiscoveryRegistry).await.remove("registry").unwrap();
    assert_eq!((depth.pending, depth.parked, depth.oldest), (2, 0, Some(Nanos(5))));
    assert_eq!(depth.last_error.as_deref(), Some("HTTP 500"));
}

pub async fn what_is_wanted_now_does_not_wait_for_what_failed_before_it(bench: &mut impl Bench) {
    let (store, key) = (bench.store(), container(1));
    want(store, &key, up()).await;
    let first = cell(store).await;
    let failed = Settlement::CellWaits {
        cell: LaneKey::discovery("registry", &key),
        generation: Some(first.generation),
        attempts: 3,
        next: Nanos(1000),
        hold: None,
        error: "HTTP 500".to_owned(),
        keeps_ack: false,
    };
    let settled = ChangeSet { settled: vec![failed], at: Nanos(6), ..local() };
    let cells = vec![(LaneKey::discovery("registry", &key), Wanted::Down)];
    let wanted = ChangeSet { cells, at: Nanos(7), ..local() };
    // Whichever of the two was decided first: they share a transaction.
    store.commit(&[settled, wanted]).await.expect("a commit");
    let now = due(store, 7).await.remove(0);
    assert_eq!((now.wanted, now.attempts, now.attempted), (Wanted::Down, 0, true));
}
