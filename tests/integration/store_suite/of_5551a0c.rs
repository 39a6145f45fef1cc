//! A database that an early build left, killed while it restarted a container: it is migrated, and everything that this build
//! reads from it is what that build wrote.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use portreeve::observed::{ContainerKey, Nanos, Shard};
use portreeve::reconcile::intent::Intent;
use portreeve::reconcile::record::Record;
use portreeve::store::{
    Deliveries, DeliveryFilter, DeliveryKind, EventFilter, EventLog, Ledger, Loaded, Objects, Sqlite,
    StoredObject,
};
use serde_json::Value;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use tempfile::TempDir;

use crate::integration::fixtures::{ALL, billing, discovery, load};
use crate::support::rows::{content, execute, number, select};

const DUMP: &str = include_str!("of_5551a0c.sql");
/// Every hold that a service named is over by then.
const LATE: Nanos = Nanos(i64::MAX);

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

fn key(row: &SqliteRow) -> ContainerKey {
    ContainerKey::new(row.get::<String, _>("engine"), row.get::<String, _>("container_id"))
}

fn word<T: serde::Serialize>(value: &T) -> Value {
    serde_json::to_value(value).expect("JSON")
}

/// What is left of a value where `all` has more in its objects.
fn is_part(part: &Value, all: &Value) -> bool {
    match (part, all) {
        (Value::Object(part), Value::Object(all)) => {
            part.iter().all(|(name, part)| all.get(name).is_some_and(|all| is_part(part, all)))
        }
        (Value::Array(part), Value::Array(all)) => {
            part.len() == all.len() && part.iter().zip(all).all(|(part, all)| is_part(part, all))
        }
        _ => part == all,
    }
}

async fn records_are_equal(old: &Path, loaded: &Loaded) {
    let rows = select(old, "SELECT engine, id AS container_id, name, image, state, record FROM containers WHERE removed_ns IS NULL").await;
    assert!(rows.len() >= 4);
    assert_eq!(loaded.records.len(), rows.len());
    for row in rows {
        let key = key(&row);
        let found: &Record = loaded.records.iter().find(|record| record.key == key).expect("a record");
        assert_eq!((&found.name, &found.image), (&row.get("name"), &row.get("image")));
        assert_eq!(found.ledger.state.map(|state| state.as_str().to_owned()), row.get("state"));
        let document = json(row.get("record"));
        assert!(is_part(&document, &word(found)), "{document:#}\n{:#}", word(found));
        let runs = format!("SELECT * FROM runs WHERE container_id = '{}' ORDER BY started_ns", key.id);
        let runs: Vec<_> = select(old, &runs)
            .await
            .iter()
            .map(|run| {
                let time = |column: &str| run.get::<Option<i64>, _>(column).map(Nanos);
                (
                    run.get::<String, _>("key"),
                    Nanos(run.get("started_ns")),
                    time("start_event_ns"),
                    time("ended_ns"),
                    time("end_event_ns"),
                    run.get::<Option<i64>, _>("exit_code"),
                    run.get::<i64, _>("restart_count"),
                )
            })
            .collect();
        let found: Vec<_> = found
            .ledger
            .runs
            .iter()
            .map(|run| {
                (
                    run.key.clone(),
                    run.started,
                    run.start_event,
                    run.ended,
                    run.end_event,
                    run.exit_code,
                    i64::from(run.restart_count),
                )
            })
            .collect();
        assert_eq!(found, runs);
    }
}

async fn memories_are_equal(old: &Path, loaded: &Loaded) {
    let (mut memories, mut intents) = (BTreeMap::new(), Vec::new());
    for row in select(old, "SELECT logical_id, memory FROM healing").await {
        let (owner, mut memory): (String, Value) = (row.get("logical_id"), json(row.get("memory")));
        if let Some(intent) = memory.as_object_mut().expect("an object").remove("intent") {
            intents.push((owner.clone(), intent));
        }
        memories.insert(owner, memory);
    }
    let found: BTreeMap<_, _> =
        loaded.healing.iter().map(|(owner, memory)| (owner.clone(), json(memory))).collect();
    assert_eq!(found, memories);
    let found: Vec<_> =
        loaded.intents.iter().map(|stored| (stored.owner.clone(), json(&stored.document))).collect();
    assert_eq!((found.len(), &found), (1, &intents), "one restart was under way");
    let intent: Intent = serde_json::from_value(found[0].1.clone()).expect("an intent");
    assert_eq!(intent.container.id.len(), 64);

    let pairs = async |sql: &str| -> BTreeMap<String, Value> {
        select(old, sql).await.iter().map(|row| (row.get(0), json(row.get(1)))).collect()
    };
    let services: BTreeMap<_, _> =
        loaded.services.iter().map(|(name, text)| (name.clone(), json(text))).collect();
    assert_eq!((services.len(), &services), (1, &pairs("SELECT name, document FROM service_health").await));
    let cursors = pairs("SELECT engine, cursor FROM cursors").await;
    assert_eq!(cursors.len(), 1);
    for (engine, cursor) in cursors {
        let found = word(&loaded.cursors[&Arc::<str>::from(engine)]);
        assert!(is_part(&cursor, &found), "{cursor} {found}");
    }
}

async fn lanes_are_equal(old: &Path, store: &Sqlite) {
    for target in ["billing", "strict", "taking"] {
        let lanes = select(old, &format!("SELECT * FROM lanes WHERE target = '{target}'")).await;
        let (parked, waiting): (Vec<_>, Vec<_>) =
            lanes.iter().partition(|lane| lane.get::<bool, _>("parked"));
        let due = store.due_lanes(&billing(target), &ALL, LATE, &[], usize::MAX).await.expect("lanes");
        assert_eq!(due.len(), waiting.len(), "{target}");
        let pending = |key: &ContainerKey| {
            format!(
                "SELECT seq, event_id, event, body, created_ns FROM outbox WHERE target = '{target}'
                AND container_id = '{}' AND delivered_ns IS NULL ORDER BY seq",
                key.id
            )
        };
        for lane in waiting {
            let found = due.iter().find(|found| found.subject == key(lane).into()).expect("a lane");
            assert_eq!(i64::from(found.attempts), lane.get::<i64, _>("attempts"));
            let bills: Vec<_> = select(old, &pending(&key(lane)))
                .await
                .iter()
                .map(|bill| {
                    (
                        bill.get::<i64, _>("seq"),
                        bill.get::<String, _>("event_id"),
                        bill.get::<String, _>("event"),
                        bill.get::<Vec<u8>, _>("body"),
                        bill.get::<i64, _>("created_ns"),
                    )
                })
                .collect();
            let found: Vec<_> = found
                .bills
                .iter()
                .map(|bill| {
                    (bill.seq, bill.id.to_string(), bill.event.clone(), bill.body.clone(), bill.created.0)
                })
                .collect();
            assert_eq!(found, bills);
        }
        let heads = store.parked_heads(&billing(target)).await.expect("heads");
        assert_eq!(heads.len(), parked.len(), "{target}");
        for (head, lane) in heads.iter().zip(parked) {
            let first: i64 = select(old, &pending(&key(lane))).await[0].get("seq");
            assert_eq!((head.seq, head.last_error.clone()), (first, lane.get("last_error")));
        }
        let firm =
            format!("SELECT coalesce(max(next_ns), 0) FROM lanes WHERE target = '{target}' AND firm = 1");
        let held = number(old, &firm).await;
        // What waits without a time of its own fell due when it was enqueued.
        if held > 0 {
            let next = store.next_due(&billing(target), &ALL, Nanos(held - 1)).await.expect("a time");
            assert_eq!(next, Some(Nanos(held)), "what a service asked for holds all of it");
        }
    }
    let bills = store
        .deliveries(&DeliveryFilter { limit: 1000, ..DeliveryFilter::default() })
        .await
        .expect("deliveries");
    let mut bills: Vec<_> = bills
        .into_iter()
        .filter(|delivery| delivery.kind == DeliveryKind::Bill)
        .map(|bill| {
            (
                bill.seq,
                bill.target.name,
                bill.subject,
                bill.event_id,
                bill.event,
                bill.created.0,
                bill.done.map(|at| at.0),
                bill.skipped,
            )
        })
        .collect();
    bills.reverse();
    let rows = select(old, "SELECT * FROM outbox ORDER BY seq").await;
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row.get::<i64, _>("seq"),
                row.get::<String, _>("target"),
                key(row).into(),
                row.get::<Option<String>, _>("event_id"),
                row.get::<String, _>("event"),
                row.get::<i64, _>("created_ns"),
                row.get::<Option<i64>, _>("delivered_ns"),
                None,
            )
        })
        .collect();
    assert!(rows.iter().any(|row| row.6.is_some()) && rows.iter().any(|row| row.6.is_none()));
    assert_eq!(bills, rows);
}

async fn cells_are_equal(old: &Path, store: &Sqlite) {
    for registry in ["away", "registry"] {
        let rows =
            select(old, &format!("SELECT * FROM cells WHERE registry = '{registry}' AND dirty = 1")).await;
        let due = store.due_cells(&discovery(registry), &ALL, LATE, &[], usize::MAX).await.expect("cells");
        assert_eq!((due.len(), due.is_empty()), (rows.len(), registry == "registry"));
        for row in rows {
            let cell = due.iter().find(|cell| cell.subject == key(&row).into()).expect("a cell");
            assert_eq!(
                (cell.generation, i64::from(cell.attempts)),
                (row.get("generation"), row.get("attempts"))
            );
            assert_eq!(word(&cell.wanted), json(row.get("wanted")));
            let acked: Option<&str> = row.get("acked");
            assert_eq!(
                (cell.acked.as_ref().map(word), cell.attempted),
                (acked.map(json), row.get("attempted"))
            );
        }
        // What is acknowledged is sent again as it was.
        let acked =
            number(old, &format!("SELECT count(*) FROM cells WHERE registry = '{registry}' AND dirty = 0"))
                .await;
        assert_eq!(
            store.resend_cells(&discovery(registry), &ALL, Nanos(0)).await.expect("cells"),
            acked.unsigned_abs()
        );
    }
    let rows = select(old, "SELECT * FROM cells WHERE registry = 'registry' AND dirty = 0").await;
    let due = store.due_cells(&discovery("registry"), &ALL, LATE, &[], usize::MAX).await.expect("cells");
    for row in rows {
        let cell = due.iter().find(|cell| cell.subject == key(&row).into()).expect("a cell");
        assert_eq!(word(&cell.wanted), json(row.get("wanted")));
        assert_eq!(cell.acked.as_ref().map(word), Some(json(row.get("acked"))));
    }
}

async fn events_are_equal(old: &Path, store: &Sqlite) {
    let mut found =
        store.events(&EventFilter { limit: 1000, ..EventFilter::default() }).await.expect("events");
    found.sort_by_key(|row| row.id);
    let rows = select(old, "SELECT * FROM event_log ORDER BY seq").await;
    assert!(rows.len() > 20);
    assert_eq!(found.len(), rows.len());
    let mut places: BTreeMap<String, i64> = BTreeMap::new();
    for (found, row) in found.iter().zip(rows) {
        let text = |column: &str| row.get::<String, _>(column);
        let event = &found.event;
        assert_eq!((found.id, event.at.0), (row.get("seq"), row.get("at_ns")));
        let place = places.entry(text("engine")).or_default();
        *place += 1;
        let engine = text("engine");
        let shard = Shard::of(Some(engine.as_str()).filter(|engine| !engine.is_empty()));
        assert_eq!((found.seq, &found.shard), (*place, &shard));
        let words = [
            &event.engine,
            &event.container_id,
            &event.container_name,
            &event.image,
            &event.host,
            &event.event_type,
            &event.reason,
            &event.status,
            &event.message,
        ];
        let columns = [
            "engine",
            "container_id",
            "container_name",
            "image",
            "host",
            "event_type",
            "reason",
            "status",
            "message",
        ];
        assert_eq!(words.map(String::clone), columns.map(text));
        let severity = text("severity");
        assert_eq!(event.severity.as_str(), if severity == "error" { "critical" } else { severity.as_str() });
        assert_eq!(i64::from(event.restart_count), row.get::<i64, _>("restart_count"));
        assert!(
            event.caller.is_empty()
                && event.output.is_empty()
                && event.object.is_empty()
                && event.ports.is_empty()
        );
    }
}

async fn objects_are_equal(old: &Path, store: &Sqlite) {
    let (revision, mut found) = store.objects().await.expect("objects");
    assert_eq!(revision, number(old, "SELECT revision FROM object_revision").await.unsigned_abs());
    found.sort_by(|one, other| (&one.kind, &one.name).cmp(&(&other.kind, &other.name)));
    let count = |row: &SqliteRow, column: &str| row.get::<i64, _>(column).unsigned_abs();
    let rows = select(old, "SELECT * FROM objects ORDER BY kind, name").await;
    let rows: Vec<_> = rows
        .iter()
        .map(|row| StoredObject {
            kind: row.get("kind"),
            name: row.get("name"),
            uid: row.get("uid"),
            generation: count(row, "generation"),
            revision: count(row, "revision"),
            written: count(row, "written"),
            created: Nanos(row.get("created_ns")),
            spec_hash: row.get("spec_hash"),
            whole_hash: row.get("whole_hash"),
            document: row.get("document"),
        })
        .collect();
    assert!(rows.iter().any(|object| object.document.is_some()), "one was written by the API");
    assert_eq!(found, rows);
}

#[tokio::test]
async fn a_database_of_the_build_5551a0c_is_migrated_and_all_that_is_read_from_it_is_equal() {
    let home = TempDir::new().unwrap();
    let (path, old) = (home.path().join("portreeve.db"), home.path().join("old.db"));
    execute(&path, "PRAGMA journal_mode = WAL").await;
    execute(&path, DUMP).await;
    std::fs::copy(&path, &old).unwrap();
    let before = content(&old).await;

    let store = Sqlite::open(&path).await.expect("it opens");
    cells_are_equal(&old, &store).await;
    lanes_are_equal(&old, &store).await;
    events_are_equal(&old, &store).await;
    objects_are_equal(&old, &store).await;
    let loaded = load(&store).await;
    records_are_equal(&old, &loaded).await;
    memories_are_equal(&old, &loaded).await;
    let removed =
        select(&old, "SELECT engine, id AS container_id FROM containers WHERE removed_ns IS NOT NULL").await;
    let removed = store.record(&key(&removed[0])).await.expect("a record").expect("it is remembered");
    assert!(removed.ledger.removed.is_some() && !removed.ledger.runs.is_empty());

    let names = std::fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().path());
    let backups: Vec<_> =
        names.filter(|path| path.to_string_lossy().contains("portreeve.db.before-")).collect();
    let [backup] = backups.as_slice() else { panic!("{backups:?}") };
    assert_eq!(content(backup).await, before, "the backup has what the file had");
    drop(store);
    assert_eq!(number(&path, "PRAGMA auto_vacuum").await, 2, "it was converted");
    assert_eq!(number(&old, "PRAGMA auto_vacuum").await, 0);
    let found = Sqlite::check(&path).await.expect("it is checked");
    assert!(found.damages.is_empty() && found.refusal.is_none() && found.pending.is_empty(), "{found:?}");
}
