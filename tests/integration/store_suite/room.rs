//! Room on the disk: given back, and kept for pruning.

use std::collections::BTreeSet;
use std::fs::metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use portreeve::observed::Nanos;
use portreeve::resource::event::EventKind;
use portreeve::store::{ChangeSet, Ledger, Sqlite, StoreError};
use tempfile::TempDir;

use crate::integration::fixtures::{commit, event, fleet};
use crate::support::disk::Disk;
use crate::support::rows::{execute, number};

const MIB: u64 = 1024 * 1024;
const RESERVE: u64 = 8 * MIB;

/// A thousand events of a kilobyte each.
fn thousand(at: i64) -> ChangeSet {
    let message = "x".repeat(1000);
    let events = (0..1000).map(|n| event(at + n, EventKind::Start, &message)).collect();
    ChangeSet { events, ..fleet() }
}

fn reserved(home: &Path) -> u64 {
    metadata(home.join("portreeve.reserve")).map_or(0, |file| file.blocks() * 512)
}

#[tokio::test]
async fn a_new_file_gives_back_what_pruning_frees() {
    let home = TempDir::new().unwrap();
    let path = home.path().join("portreeve.db");
    let store = Sqlite::open(&path).await.expect("it opens");
    for at in 0..8 {
        commit(&store, thousand(at * 1000)).await;
    }
    commit(&store, thousand(1_000_000)).await;
    assert_eq!(store.prune(Nanos(500_000), &BTreeSet::new()).await.unwrap().rows, 8000);
    drop(store);
    assert_eq!(number(&path, "PRAGMA auto_vacuum").await, 2);
    let (pages, free) =
        (number(&path, "PRAGMA page_count").await, number(&path, "PRAGMA freelist_count").await);
    assert!(free <= 256, "{free} of {pages} pages are free");
    assert!(metadata(&path).unwrap().len() < 4 * MIB, "{pages}");
    assert_eq!(number(&path, "SELECT count(*) FROM event_log").await, 1000);
    let file = metadata(home.path().join("portreeve.reserve")).unwrap();
    assert_eq!((file.len(), file.mode() & 0o777), (RESERVE, 0o600));
    assert!(reserved(home.path()) >= RESERVE, "its room is really taken");
}

#[tokio::test]
async fn an_existing_file_is_converted_once_there_is_room_for_it() {
    let home = TempDir::new().unwrap();
    let Some(disk) = Disk::mount(home.path(), "64m") else { return };
    let path = home.path().join("portreeve.db");
    let store = Sqlite::open(&path).await.expect("it opens");
    for at in 0..2 {
        commit(&store, thousand(at * 1000)).await;
    }
    drop(store);
    // As all files were before.
    execute(&path, "PRAGMA auto_vacuum = 0; VACUUM; PRAGMA wal_checkpoint(TRUNCATE)").await;
    std::fs::remove_file(home.path().join("portreeve.reserve")).unwrap();
    disk.resize("5m");
    let store = Sqlite::open(&path).await.expect("it opens though there is no room");
    commit(&store, ChangeSet::told(event(5000, EventKind::Start, "after"))).await;
    drop(store);
    assert_eq!((number(&path, "PRAGMA auto_vacuum").await, reserved(home.path())), (0, 0));
    disk.resize("64m");
    drop(Sqlite::open(&path).await.expect("it opens"));
    assert_eq!(number(&path, "PRAGMA auto_vacuum").await, 2);
    assert_eq!(number(&path, "SELECT count(*) FROM event_log").await, 2001);
    assert_eq!(reserved(home.path()), RESERVE, "there is room for a reserve too");
}

#[tokio::test]
async fn on_a_full_disk_pruning_has_the_reserve_and_commits_go_on_after_it() {
    let home = TempDir::new().unwrap();
    let Some(disk) = Disk::mount(home.path(), "64m") else { return };
    let path = home.path().join("portreeve.db");
    let store = Sqlite::open(&path).await.expect("it opens");
    for at in 0..16 {
        commit(&store, thousand(at * 1000)).await;
    }
    disk.fill();
    let full = async || -> StoreError {
        for at in 0..64 {
            disk.fill();
            if let Err(error) = store.commit(&[thousand(100_000 + at * 1000)]).await {
                return error;
            }
        }
        panic!("64 MiB fit on a full disk");
    };
    for _ in 0..2 {
        let error = full().await.to_string();
        assert!(error.contains("code: 13") && error.contains("full"), "{error}");
    }
    assert_eq!(reserved(home.path()), RESERVE, "commits leave the reserve alone");

    let pruned = store.prune(Nanos(100_000), &BTreeSet::new()).await.expect("there is room for pruning");
    // What was pruned before the disk was found full is pruned too.
    assert!(pruned.rows > 0, "{pruned:?}");
    for at in 0..4 {
        commit(&store, thousand(900_000 + at * 1000)).await;
    }
    assert_eq!(reserved(home.path()), RESERVE, "it is made again");
    drop(store);
    assert_eq!(number(&path, "SELECT count(*) FROM event_log WHERE at_ns < 100000").await, 0);
    assert_eq!(number(&path, "SELECT count(*) FROM event_log WHERE at_ns >= 900000").await, 4000);
}

#[tokio::test]
async fn a_start_on_a_full_disk_has_the_reserve_too() {
    let home = TempDir::new().unwrap();
    let Some(disk) = Disk::mount(home.path(), "32m") else { return };
    let path = home.path().join("portreeve.db");
    let store = Sqlite::open(&path).await.expect("it opens");
    commit(&store, thousand(0)).await;
    drop(store);
    execute(&path, "PRAGMA wal_checkpoint(TRUNCATE)").await;
    disk.fill();
    let store = Sqlite::open(&path).await.expect("it opens");
    commit(&store, thousand(1000)).await;
    assert_eq!(store.prune(Nanos(1000), &BTreeSet::new()).await.unwrap().rows, 1000);
    disk.free();
    assert_eq!(store.prune(Nanos(2000), &BTreeSet::new()).await.unwrap().rows, 1000);
    assert_eq!(reserved(home.path()), RESERVE, "it is made again");
}
