//! What is refused, and what is kept, when a file's schema is another.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use portreeve::resource::event::EventKind;
use portreeve::store::{EventLog, SchemaError, Sqlite, StoreError};
use tempfile::TempDir;

use crate::integration::fixtures::event;
use crate::support::disk::Disk;
use crate::support::rows::{content, execute, number, restore};

/// Takes the newest migration away again, as an older program would have left the file.
const OLDER: &str = "DROP VIEW events; ALTER TABLE event_log DROP COLUMN ports;
    DELETE FROM _sqlx_migrations WHERE version = 11";

/// All is in the file.
const LOG_WRITTEN: &str = "PRAGMA wal_checkpoint(TRUNCATE)";

async fn made(path: &Path) {
    let store = Sqlite::open(path).await.expect("it opens");
    let events = vec![event(1, EventKind::Start, "kept")];
    store.append(&events).await.expect("appended");
    drop(store);
    // Its connections may take a moment to close; there is nothing left for them to write then.
    execute(path, LOG_WRITTEN).await;
}

async fn refusal(path: &Path) -> (SchemaError, String) {
    match Sqlite::open(path).await {
        Err(StoreError::Schema(error)) => {
            let said = error.to_string();
            (error, said)
        }
        other => panic!("{other:?}"),
    }
}

fn names(home: &Path, with: &str) -> Vec<String> {
    let names =
        std::fs::read_dir(home).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.contains(with)).collect();
    names.sort();
    names
}

fn newer(version: i64) -> String {
    format!("INSERT INTO _sqlx_migrations VALUES ({version}, 'wonders', '2030-01-01', 1, x'00', 1)")
}

#[tokio::test]
async fn a_newer_schema_is_refused_by_name_and_nothing_is_changed() {
    let home = TempDir::new().unwrap();
    let path = home.path().join("portreeve.db");
    made(&path).await;
    for version in [98, 99] {
        std::fs::copy(&path, home.path().join(format!("portreeve.db.before-{version}"))).unwrap();
        execute(&path, &newer(version)).await;
        execute(&path, LOG_WRITTEN).await;
    }
    let bytes = std::fs::read(&path).unwrap();

    let (error, said) = refusal(&path).await;
    let SchemaError::Newer { version: 99, known: 11, backup: Some(backup), .. } = &error else {
        panic!("{error:?}")
    };
    assert!(backup.ends_with("portreeve.db.before-98"), "the newest that this program can use: {said}");
    for part in [
        path.to_str().unwrap(),
        "schema 99 (\"wonders\")",
        "up to schema 11",
        "use the newer Portreeve",
        "before-98",
    ] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    std::fs::remove_file(backup).unwrap();
    let (_, said) = refusal(&path).await;
    assert!(said.contains("none that this Portreeve can use lies beside it"), "{said}");
}

#[tokio::test]
async fn a_migration_with_another_content_is_refused_and_so_is_the_database_of_another_program() {
    let home = TempDir::new().unwrap();
    let path = home.path().join("portreeve.db");
    made(&path).await;
    execute(&path, "UPDATE _sqlx_migrations SET checksum = x'00' WHERE version = 2").await;
    execute(&path, LOG_WRITTEN).await;
    let bytes = std::fs::read(&path).unwrap();
    let (error, said) = refusal(&path).await;
    assert!(
        matches!(error, SchemaError::Altered { version: 2, .. }) && said.contains("schema 2 (\"objects\")"),
        "{said}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), bytes);

    let other = home.path().join("other.db");
    execute(&other, "CREATE TABLE theirs (a)").await;
    let bytes = std::fs::read(&other).unwrap();
    let (_, said) = refusal(&other).await;
    assert!(said.ends_with("is a database of another program; name another --state-dir"), "{said}");
    assert_eq!(std::fs::read(&other).unwrap(), bytes);
}

#[tokio::test]
async fn before_a_migration_the_file_is_backed_up_beside_itself_and_two_backups_are_kept() {
    let home = TempDir::new().unwrap();
    let path = home.path().join("portreeve.db");
    made(&path).await;
    assert_eq!(names(home.path(), ".before-"), Vec::<String>::new(), "a new file has nothing to lose");
    execute(&path, OLDER).await;
    let before = content(&path).await;
    for old in [5, 7, 9] {
        std::fs::write(home.path().join(format!("portreeve.db.before-{old}")), "old").unwrap();
    }
    // What interrupted tries left: half a backup, and a whole one of before.
    std::fs::write(home.path().join("portreeve.db.before-11.part"), "half").unwrap();
    std::fs::write(home.path().join("portreeve.db.before-11"), "another").unwrap();
    std::fs::write(home.path().join("portreeve.db.before-8.part-journal"), "half").unwrap();

    drop(Sqlite::open(&path).await.expect("it opens"));
    assert_eq!(names(home.path(), ".before-"), ["portreeve.db.before-11", "portreeve.db.before-9"]);
    let backup = home.path().join("portreeve.db.before-11");
    assert_eq!(content(&backup).await, before);
    assert_eq!(std::fs::metadata(&backup).unwrap().mode() & 0o777, 0o600);
    // It is made once.
    std::fs::write(&backup, "touched").unwrap();
    drop(Sqlite::open(&path).await.expect("it opens"));
    assert_eq!(std::fs::read(&backup).unwrap(), b"touched");
}

#[tokio::test]
async fn a_backup_opens_once_it_is_put_in_the_place_of_the_file() {
    let home = TempDir::new().unwrap();
    let path = home.path().join("portreeve.db");
    made(&path).await;
    execute(&path, OLDER).await;
    drop(Sqlite::open(&path).await.expect("it opens"));
    execute(&path, "DELETE FROM event_log").await;
    restore(&home.path().join("portreeve.db.before-11"), &path);
    drop(Sqlite::open(&path).await.expect("it opens"));
    assert_eq!(number(&path, "SELECT count(*) FROM event_log WHERE message = 'kept'").await, 1);
}

#[tokio::test]
async fn a_migration_that_fails_half_way_leaves_the_file_as_it_was() {
    let home = TempDir::new().unwrap();
    let path = home.path().join("portreeve.db");
    made(&path).await;
    // The column can be added, and then the view cannot.
    execute(&path, OLDER).await;
    execute(&path, "CREATE TABLE events (a)").await;
    let before = content(&path).await;
    let (error, said) = refusal(&path).await;
    assert!(
        matches!(error, SchemaError::Failed { to: 11, .. }) && said.contains("was not changed"),
        "{said}"
    );
    assert_eq!(content(&path).await, before);
    execute(&path, "DROP TABLE events").await;
    drop(Sqlite::open(&path).await.expect("it opens"));
}

#[tokio::test]
async fn without_room_for_a_backup_nothing_is_migrated_and_nothing_half_made_is_left() {
    let home = TempDir::new().unwrap();
    let Some(disk) = Disk::mount(home.path(), "4m") else { return };
    let path: PathBuf = home.path().join("portreeve.db");
    made(&path).await;
    execute(&path, OLDER).await;
    let before = content(&path).await;
    disk.fill();
    let said = Sqlite::open(&path).await.expect_err("no room at all").to_string();
    assert!(said.starts_with("the disk is full"), "{said}");
    // Enough to look at it.
    disk.spare(64 * 1024);
    let (error, said) = refusal(&path).await;
    assert!(matches!(error, SchemaError::NoBackup { to: 11, .. }) && said.contains("full"), "{said}");
    assert_eq!(names(home.path(), ".before-"), Vec::<String>::new());
    disk.free();
    assert_eq!(content(&path).await, before);
    drop(Sqlite::open(&path).await.expect("it opens"));
    assert_eq!(names(home.path(), ".before-"), ["portreeve.db.before-11"]);
}
