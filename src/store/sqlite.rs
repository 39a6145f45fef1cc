//! The embedded store: SQLite in WAL mode, every commit synced, one writer.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use self::room::Reserve;
use self::schema::SchemaState;
use super::{StoreCheck, StoreError, file_system};
use crate::config::state_dir;

mod batch;
mod check;
mod copy;
mod decide;
mod deliver;
mod deliveries;
mod events;
#[cfg(test)]
mod explained;
mod named;
mod numbered;
mod objects;
mod prune;
mod query;
mod read;
mod room;
mod schema;
mod script;
mod traits;
mod write;

/// SQLite below this version can corrupt a WAL that is reset while it is read.
const OLDEST: (u32, u32, u32) = (3, 51, 3);

/// A [`Store`](super::Store) in one SQLite file.
#[derive(Debug)]
pub struct Sqlite {
    writer: SqlitePool,
    /// For people's questions.
    readers: SqlitePool,
    /// For whoever sends: no question of people's holds up a delivery.
    senders: SqlitePool,
    reserve: Reserve,
    /// Held for the life of the process: two Portreeves on one ledger would bill everything twice.
    _lock: File,
}

/// Bytes that the write-ahead log keeps of the disk once it is written back.
const LOG_KEPT: &str = "8388608";
/// How often the lock is tried, and how long between two tries.
const LOCK_TRIES: u32 = 40;
const LOCK_AGAIN: Duration = Duration::from_millis(50);

impl Sqlite {
    /// Opens or creates the database at `path` and brings its schema up to date, with a backup beside it before.
    ///
    /// # Errors
    /// Another process has it open, it lies on a network file system, it is not a database of Portreeve or that of a newer
    /// one, or it cannot be backed up.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let directory = path.parent().unwrap_or(Path::new("."));
        let unfit = |what: String| StoreError::Unfit(what);
        std::fs::create_dir_all(directory).map_err(|error| {
            unfit(format!("cannot create the state directory {}: {error}", directory.display()))
        })?;
        if let Some(kind) = file_system::network_file_system(directory) {
            return Err(unfit(format!(
                "{} is on a network file system ({kind}), where SQLite's locks cannot be trusted; use a local --state-dir",
                directory.display()
            )));
        }
        let lock = lock(path).await?;
        close(path)?;
        let migrator = migrator();
        let reserve = Reserve::beside(path);
        let state = match schema::admit(path, &migrator).await {
            // The index of the log, which even reading needs, has no room.
            Err(error) if error.is_full() && reserve.give_up() => schema::admit(path, &migrator).await?,
            Err(error) if error.is_full() => {
                let directory = directory.display();
                return Err(unfit(format!(
                    "the disk is full: there must be some room in {directory} ({error})"
                )));
            }
            other => other?,
        };
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(5))
            // What the log grew to, for a rewriting say, it keeps no longer than it needs it.
            .pragma("journal_size_limit", LOG_KEPT)
            // Its warnings of slow statements would print what is committed.
            .disable_statement_logging();
        let writer = pool(1).connect_with(options.clone()).await?;
        let version: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&writer).await?;
        if !recent_enough(&version) {
            return Err(unfit(format!("SQLite {version} is too old: 3.51.3 or later is needed")));
        }
        if state == SchemaState::Empty {
            room::convert(&writer, path).await;
        }
        schema::bring_up_to_date(&writer, path, &state, &migrator).await?;
        room::convert(&writer, path).await;
        reserve.make().await;
        // What is read again lies in the system's cache.
        let reading = options.read_only(true).pragma("cache_size", "-256");
        let readers = pool(2).connect_with(reading.clone()).await?;
        let senders = pool(1).connect_with(reading).await?;
        Ok(Self { writer, readers, senders, reserve, _lock: lock })
    }

    /// Looks at all that the database at `path` holds, beside a process that has it open, and changes nothing.
    ///
    /// # Errors
    /// It cannot be looked at. What is damaged in it is part of the answer.
    pub async fn check(path: &Path) -> Result<StoreCheck, StoreError> {
        check::check(path, &migrator()).await
    }

    /// Copies the database at `path` to the new file `to`, beside a process that has it open, and checks the copy: its size.
    ///
    /// # Errors
    /// The database cannot be read, `to` is there already or cannot be written, or the copy is not sound.
    pub async fn back_up(path: &Path, to: &Path) -> Result<u64, StoreError> {
        check::back_up(path, to).await
    }
}

/// Connections to a file do not go stale: they are neither tested before use, which costs each commit a round to their
/// thread, nor closed and opened again by the clock while nothing happens.
fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
}

/// Makes the ledger a file for us alone, wherever it lies: what SQLite puts beside it is as open as it is. Files that an
/// earlier version left open are closed.
fn close(path: &Path) -> Result<(), StoreError> {
    let made = File::options().create(true).truncate(false).write(true).mode(0o600).open(path);
    made.map_err(|error| StoreError::Unfit(format!("cannot open the ledger {}: {error}", path.display())))?;
    for end in ["", "-wal", "-shm"] {
        let mut file = path.as_os_str().to_owned();
        file.push(end);
        state_dir::close(Path::new(&file));
    }
    state_dir::close(&path.with_extension("lock"));
    Ok(())
}

/// The lock of the state directory. One that was killed may seem to hold it a moment longer: a child that it was just starting
/// does, until it has become the program that it is to be.
async fn lock(path: &Path) -> Result<File, StoreError> {
    let path = path.with_extension("lock");
    let file = File::options().create(true).truncate(false).write(true).mode(0o600).open(&path).map_err(
        |error| StoreError::Unfit(format!("cannot open the lock file {}: {error}", path.display())),
    )?;
    for again in (0..LOCK_TRIES).rev() {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(std::fs::TryLockError::WouldBlock) if again > 0 => tokio::time::sleep(LOCK_AGAIN).await,
            Err(std::fs::TryLockError::WouldBlock) => break,
            Err(std::fs::TryLockError::Error(error)) => {
                return Err(StoreError::Unfit(format!("cannot lock {}: {error}", path.display())));
            }
        }
    }
    Err(StoreError::Unfit(format!(
        "another Portreeve uses this state directory (it holds {}); stop it or give this one its own --state-dir",
        path.display()
    )))
}

fn recent_enough(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next()) >= OLDEST
}

fn migrator() -> Migrator {
    Migrator::with_migrations(migrations())
}

fn migrations() -> Vec<Migration> {
    let migration = |version, name: &'static str, sql: &'static str| {
        Migration::new(
            version,
            name.into(),
            MigrationType::Simple,
            sqlx::SqlSafeStr::into_sql_str(sql),
            false,
        )
    };
    vec![
        migration(1, "ledger", include_str!("migrations/1_ledger.sql")),
        migration(2, "objects", include_str!("migrations/2_objects.sql")),
        migration(3, "health", include_str!("migrations/3_health.sql")),
        migration(4, "callers", include_str!("migrations/4_callers.sql")),
        migration(5, "deliveries", include_str!("migrations/5_deliveries.sql")),
        migration(6, "last specs", include_str!("migrations/6_last_specs.sql")),
        migration(7, "outputs", include_str!("migrations/7_outputs.sql")),
        migration(8, "typed events", include_str!("migrations/8_typed_events.sql")),
        migration(9, "intents", include_str!("migrations/9_intents.sql")),
        migration(10, "lanes of any kind", include_str!("migrations/10_lanes_of_any_kind.sql")),
        migration(11, "events by name", include_str!("migrations/11_events.sql")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observed::{ContainerKey, Nanos, Shard};
    use crate::reconcile::intent::Intent;
    use crate::resource::KindId;
    use crate::resource::ObjectKey;
    use crate::store::{
        ChangeSet, Deliveries, EventFilter, EventLog, LaneKey, Ledger, NewEvent, OutboxRow, OwnedShards,
        StoredIntent,
    };

    const ALL: OwnedShards = OwnedShards::All;

    fn engine() -> Shard {
        Shard::Engine("local".into())
    }

    fn local() -> ChangeSet {
        ChangeSet::of(engine())
    }

    fn target(kind: KindId, name: &str) -> ObjectKey {
        ObjectKey { kind, name: name.to_owned() }
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(recent_enough("3.51.3"));
        assert!(recent_enough("3.100.0"));
        assert!(!recent_enough("3.51.2"));
        assert!(!recent_enough("3.9.9"));
    }

    #[tokio::test]
    async fn all_its_files_are_for_their_owner_alone() {
        use std::os::unix::fs::PermissionsExt;

        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("portreeve.db");
        std::fs::write(&path, "").expect("a file");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).expect("a mode");
        let _store = Sqlite::open(&path).await.expect("a store");
        for end in ["db", "db-wal", "db-shm", "lock"] {
            let file = std::fs::metadata(path.with_extension(end)).expect(end);
            assert_eq!(file.permissions().mode() & 0o777, 0o600, "{end}");
        }
    }

    #[tokio::test]
    async fn a_lock_that_is_let_go_in_a_moment_is_waited_for() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("portreeve.db");
        let held = File::create(path.with_extension("lock")).expect("a file");
        held.lock().expect("a lock");
        let opening = Sqlite::open(&path);
        let letting_go = async {
            tokio::time::sleep(LOCK_AGAIN).await;
            drop(held);
        };
        let (opened, ()) = tokio::join!(opening, letting_go);
        opened.expect("a store");
    }

    #[tokio::test]
    async fn a_second_process_is_refused_with_the_reason() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("portreeve.db");
        let _first = Sqlite::open(&path).await.expect("the first opens");
        let second = Sqlite::open(&path).await.expect_err("the second does not");
        assert!(second.to_string().contains("another Portreeve"), "{second}");
    }

    #[tokio::test]
    async fn a_commit_that_fails_on_its_way_leaves_nothing_and_the_next_one_works() {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Sqlite::open(&directory.path().join("portreeve.db")).await.expect("a store");
        let rename = async |from: &str, to: &str| {
            let sql = sqlx::AssertSqlSafe(format!("ALTER TABLE {from} RENAME TO {to}"));
            sqlx::query(sql).execute(&store.writer).await.expect("renamed");
        };
        let change = |name: &str| ChangeSet {
            healing: vec![(name.to_owned(), Some("{}".to_owned()))],
            cursor: Some(crate::observed::Cursor::new(Nanos(1))),
            ..local()
        };
        rename("cursors", "away").await;
        store.commit(&[change("first")]).await.expect_err("there is no such table");
        rename("away", "cursors").await;
        store.commit(&[change("second"), change("third")]).await.expect("it works again");
        let loaded = store.load(&engine()).await.expect("what is stored");
        assert_eq!(loaded.healing.keys().collect::<Vec<_>>(), ["second", "third"]);
        assert_eq!(loaded.cursors.len(), 1);
    }

    #[tokio::test]
    async fn a_bill_that_is_known_opens_no_lane_again() {
        use crate::reconcile::billing::Bill;
        use crate::reconcile::lifecycle::EventName;
        use crate::store::Settlement;

        let directory = tempfile::tempdir().expect("a directory");
        let store = Sqlite::open(&directory.path().join("portreeve.db")).await.expect("a store");
        let bill = Bill {
            target: "billing".to_owned(),
            id: uuid::Uuid::nil(),
            event: EventName::Started,
            body: b"{}".to_vec(),
        };
        let key = ContainerKey::new("local", "c1");
        let change = ChangeSet { outbox: vec![OutboxRow::bill(key.clone(), bill)], at: Nanos(1), ..local() };
        let lanes = async || {
            store
                .due_lanes(&target(KindId::BillingService, "billing"), &ALL, Nanos(9), &[], 9)
                .await
                .expect("lanes")
        };
        store.commit(&[change.clone(), change.clone()]).await.expect("a commit");
        let due = lanes().await;
        assert_eq!((due.len(), due[0].bills.len()), (1, 1));
        let delivered =
            Settlement::Delivered { lane: LaneKey::billing("billing", key), seq: due[0].bills[0].seq };
        let settled = ChangeSet { settled: vec![delivered], at: Nanos(2), ..local() };
        store.commit(&[settled]).await.expect("a commit");
        store.commit(&[change]).await.expect("a commit");
        assert_eq!(lanes().await, []);
    }

    #[tokio::test]
    async fn what_was_under_way_when_a_process_ended_counts_as_sent_and_not_as_acknowledged() {
        use crate::reconcile::discovery::Wanted;
        use crate::store::Settlement;

        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("portreeve.db");
        let cell = LaneKey::discovery("d", ContainerKey::new("local", "c1"));
        let up = Wanted::Up("{}".to_owned());
        let wants = |wanted: &Wanted| ChangeSet { cells: vec![(cell.clone(), wanted.clone())], ..local() };
        let acked = Settlement::CellAcked { cell: cell.clone(), generation: 1, state: up.clone() };
        let store = Sqlite::open(&path).await.expect("it opens");
        let changes = [wants(&up), ChangeSet { settled: vec![acked], ..local() }, wants(&Wanted::Down)];
        store.commit(&changes).await.expect("a commit");
        let due = store
            .due_cells(&target(KindId::DiscoveryRegistry, "d"), &ALL, Nanos(1), &[], 9)
            .await
            .expect("cells");
        assert_eq!(due[0].acked, Some(up), "nothing was sent since");
        drop(store);
        let store = Sqlite::open(&path).await.expect("it opens again");
        store.load(&engine()).await.expect("what is remembered");
        let due = store
            .due_cells(&target(KindId::DiscoveryRegistry, "d"), &ALL, Nanos(1), &[], 9)
            .await
            .expect("cells");
        assert!(due[0].attempted && due[0].acked.is_none(), "{due:?}");
    }

    /// A database as a version with so many migrations left it.
    async fn earlier(path: &Path, count: usize) -> sqlx::SqlitePool {
        let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
        let old = pool(1).connect_with(options).await.expect("a database");
        let earlier = migrations().into_iter().take(count).collect();
        Migrator::with_migrations(earlier).run(&old).await.expect("the schema before");
        old
    }

    #[tokio::test]
    async fn intents_of_an_earlier_version_are_rows_of_their_own_and_no_longer_part_of_memories() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("portreeve.db");
        let old = earlier(&path, 8).await;
        let intent = |id: &str, container: &str, at: i64| {
            serde_json::json!({
                "id": id, "container": {"engine": "local", "id": container}, "name": "web", "attempt": 2,
                "verb": {"restart": {"stopTimeout": "10s"}}, "committedAt": at, "cause": {"leftDown": {"error": ""}},
            })
        };
        for (owner, memory) in [
            ("local/web", serde_json::json!({"streak": 2, "intent": intent("i1", "c1", 5)}).to_string()),
            ("local/renamed", serde_json::json!({"intent": intent("i2", "c1", 4)}).to_string()),
            ("local/db", serde_json::json!({"streak": 1}).to_string()),
            ("local/damaged", "{".to_owned()),
        ] {
            let insert = sqlx::query("INSERT INTO healing (logical_id, memory) VALUES (?, ?)");
            insert.bind(owner).bind(memory).execute(&old).await.expect("a memory");
        }
        old.close().await;

        let loaded =
            Sqlite::open(&path).await.expect("it opens").load(&engine()).await.expect("what is remembered");
        let [StoredIntent { id, owner, document }] = loaded.intents.as_slice() else { panic!("{loaded:?}") };
        assert_eq!((id.as_str(), owner.as_str()), ("i1", "local/web"), "the newest of two of one container");
        let read: Intent = serde_json::from_str(document).expect("an intent");
        assert_eq!((read.container, read.committed_at), (ContainerKey::new("local", "c1"), Nanos(5)));
        let memories: Vec<_> = loaded.healing.values().map(String::as_str).collect();
        assert_eq!(memories, ["{", r#"{"streak":1}"#, "{}", r#"{"streak":2}"#]);
    }

    #[tokio::test]
    async fn events_of_an_earlier_version_are_numbered_and_have_the_severity_of_today() {
        use crate::observed::Shard;
        use crate::resource::event::{EventKind, Severity};

        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("portreeve.db");
        let old = earlier(&path, 7).await;
        for (engine, kind, severity) in [
            ("local", "gap", "warning"),
            ("", "NetworkLost", "error"),
            ("local", "Quarantined", "error"),
            ("fleet", "start", "info"),
            ("local", "Exploded", "info"),
        ] {
            sqlx::query(
                "INSERT INTO event_log (at_ns, engine, container_id, container_name, image, host, event_type, reason,
                     status, message, severity, restart_count) VALUES (1, ?, '', '', '', '', ?, '', '', '', ?, 0)",
            )
            .bind(engine)
            .bind(kind)
            .bind(severity)
            .execute(&old)
            .await
            .expect("an event");
        }
        old.close().await;

        let store = Sqlite::open(&path).await.expect("it opens");
        let rows = store.events(&EventFilter { limit: 9, ..EventFilter::default() }).await.expect("events");
        let of = |engine| Shard::of(Some(engine));
        let told = rows.iter().rev().map(|row| (row.id, row.shard.clone(), row.seq, row.event.severity));
        assert_eq!(
            told.collect::<Vec<_>>(),
            [
                (1, of("local"), 1, Severity::Warning),
                (2, Shard::Fleet, 1, Severity::Critical),
                (3, of("local"), 2, Severity::Critical),
                (4, of("fleet"), 1, Severity::Info),
                (5, of("local"), 3, Severity::Info),
            ]
        );
        assert_eq!((rows[0].event.kind(), rows[0].event.event_type.as_str()), (None, "Exploded"));
        let lost = NewEvent::new(
            EventKind::Gap,
            crate::resource::event::subject::EventSubject::Engine("local".to_owned()),
            Nanos(2),
        );
        store.commit(&[ChangeSet { events: vec![lost], ..local() }]).await.expect("a commit");
        assert_eq!(store.read_events(&of("local"), 3, 9).await.expect("events")[0].seq, 4);
    }
}
