//! Committing change sets, and forgetting what is old.

use std::collections::BTreeSet;

use sqlx::Connection;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{Sqlite, SqliteConnection, SqlitePool};

use super::events::{self, put_cursor, put_event};
use super::script::{Script, document};
use crate::observed::{ContainerKey, Nanos};
use crate::reconcile::billing::Bill;
use crate::reconcile::discovery::Wanted;
use crate::reconcile::record::Record;
use crate::resource::KindId;
use crate::store::{ChangeSet, IntentChange, OpenIntent, Settlement, StoreError};

pub(super) async fn commit(pool: &SqlitePool, changes: &[ChangeSet]) -> Result<(), StoreError> {
    let mut script = Script::begin();
    for change in changes {
        apply(&mut script, change)?;
    }
    let mut connection = pool.acquire().await?;
    let written = script.commit(&mut connection).await;
    unless_failed(connection, written).await
}

/// Parts with a connection on which a transaction failed: it may be open still, or ended by SQLite itself, as a full disk
/// makes it do, and the driver would not know.
pub(super) async fn unless_failed<T>(
    connection: PoolConnection<Sqlite>,
    written: Result<T, StoreError>,
) -> Result<T, StoreError> {
    if written.is_err() {
        // It holds nothing any more that could be lost.
        let _ = connection.detach().close_hard().await;
    }
    written
}

fn apply(db: &mut Script, change: &ChangeSet) -> Result<(), StoreError> {
    let ChangeSet {
        records,
        bills,
        cells,
        events,
        healing,
        intents,
        services,
        last_specs,
        cursors,
        settled,
        objects,
        readers,
        at,
    } = change;
    for record in records {
        put_record(db, record)?;
    }
    for (key, bill) in bills {
        put_bill(db, key, bill, *at)?;
    }
    for (registry, key, wanted) in cells {
        put_cell(db, registry, key, wanted, *at)?;
    }
    for event in events {
        put_event(db, event)?;
    }
    for (logical_id, memory) in healing {
        match memory {
            Some(memory) => {
                db.add(
                    "INSERT INTO healing (logical_id, memory) VALUES (?, ?)
                     ON CONFLICT DO UPDATE SET memory = excluded.memory",
                )
                .bind(logical_id)?
                .bind(memory)?;
            }
            None => {
                db.add("DELETE FROM healing WHERE logical_id = ?").bind(logical_id)?;
            }
        }
    }
    for intent in intents {
        change_intent(db, intent)?;
    }
    for (name, document) in services {
        match document {
            Some(document) => {
                db.add(
                    "INSERT INTO service_health (name, document) VALUES (?, ?)
                     ON CONFLICT DO UPDATE SET document = excluded.document",
                )
                .bind(name)?
                .bind(document)?;
            }
            None => drop(db.add("DELETE FROM service_health WHERE name = ?").bind(name)?),
        }
    }
    for (key, document) in last_specs {
        match document {
            Some(document) => db
                .add(
                    "INSERT INTO last_specs (kind, name, document) VALUES (?, ?, ?)
                     ON CONFLICT DO UPDATE SET document = excluded.document",
                )
                .bind(key.kind.as_str())?
                .bind(&key.name)?
                .bind(document)?,
            None => db
                .add("DELETE FROM last_specs WHERE kind = ? AND name = ?")
                .bind(key.kind.as_str())?
                .bind(&key.name)?,
        };
    }
    for (engine, cursor) in cursors {
        db.add("INSERT INTO cursors (engine, cursor) VALUES (?, ?) ON CONFLICT DO UPDATE SET cursor = excluded.cursor")
            .bind(&**engine)?
            .bind(document("cursor", cursor)?)?;
    }
    for settlement in settled {
        settle(db, settlement, *at)?;
    }
    for object in objects {
        super::objects::change(db, object)?;
    }
    for cursor in readers {
        put_cursor(db, cursor)?;
    }
    Ok(())
}

fn change_intent(db: &mut Script, change: &IntentChange) -> Result<(), StoreError> {
    match change {
        IntentChange::Close(id) => drop(db.add("DELETE FROM intents WHERE id = ?").bind(id)?),
        IntentChange::Put(open) => {
            let OpenIntent { owner, intent } = &**open;
            db.add(
                "INSERT INTO intents (id, engine, container_id, owner, intent) VALUES (?, ?, ?, ?, ?)
                 ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, intent = excluded.intent",
            )
            .bind(&intent.id)?
            .bind(&*intent.container.engine)?
            .bind(&*intent.container.id)?
            .bind(owner)?
            .bind(document("intent", intent)?)?;
        }
    }
    Ok(())
}

fn put_record(db: &mut Script, record: &Record) -> Result<(), StoreError> {
    let (engine, id) = (&*record.key.engine, &*record.key.id);
    db.add(
        "INSERT INTO containers (engine, id, name, image, state, removed_ns, record) VALUES (?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET name = excluded.name, image = excluded.image, state = excluded.state,
             removed_ns = excluded.removed_ns, record = excluded.record",
    )
    .bind(engine)?
    .bind(id)?
    .bind(&record.name)?
    .bind(&record.image)?
    .bind(record.ledger.state.map(|state| state.as_str()))?
    .bind(record.ledger.removed.map(|at| at.0))?
    .bind(document("container", record)?)?;
    for run in &record.ledger.runs {
        // Times freeze at commit: what is there once is never changed, only completed.
        db.add(
            "INSERT INTO runs (engine, container_id, key, started_ns, start_event_ns, ended_ns, end_event_ns, exit_code, restart_count)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET start_event_ns = coalesce(start_event_ns, excluded.start_event_ns),
                 ended_ns = coalesce(ended_ns, excluded.ended_ns),
                 end_event_ns = coalesce(end_event_ns, excluded.end_event_ns),
                 exit_code = coalesce(exit_code, excluded.exit_code)",
        )
        .bind(engine)?
        .bind(id)?
        .bind(&run.key)?
        .bind(run.started.0)?
        .bind(run.start_event.map(|at| at.0))?
        .bind(run.ended.map(|at| at.0))?
        .bind(run.end_event.map(|at| at.0))?
        .bind(run.exit_code)?
        .bind(run.restart_count)?;
    }
    Ok(())
}

fn put_bill(db: &mut Script, key: &ContainerKey, bill: &Bill, at: Nanos) -> Result<(), StoreError> {
    db.add(
        "INSERT INTO outbox (target, engine, container_id, event_id, event, body, created_ns)
         VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (target, event_id) DO NOTHING",
    )
    .bind(&bill.target)?
    .bind(&*key.engine)?
    .bind(&*key.id)?
    .bind(bill.id.to_string())?
    .bind(bill.event.as_str())?
    .bind(&bill.body)?
    .bind(at.0)?;
    // A lane only for what is new: a bill that is known may long be delivered.
    db.add(
        "INSERT INTO lanes (target, engine, container_id) SELECT ?, ?, ? WHERE changes() > 0 ON CONFLICT DO NOTHING",
    )
    .bind(&bill.target)?
    .bind(&*key.engine)?
    .bind(&*key.id)?;
    Ok(())
}

fn put_cell(
    db: &mut Script,
    registry: &str,
    key: &ContainerKey,
    wanted: &Wanted,
    at: Nanos,
) -> Result<(), StoreError> {
    // A state that was not acknowledged may have been taken all the same: then what was acknowledged before it is no
    // longer what the registry holds.
    db.add(
        "INSERT INTO cells (registry, engine, container_id, generation, wanted, dirty, changed_ns)
         VALUES (?, ?, ?, 1, ?, 1, ?)
         ON CONFLICT DO UPDATE SET generation = generation + 1, wanted = excluded.wanted, dirty = 1,
             acked = CASE WHEN dirty THEN NULL ELSE acked END,
             attempts = 0, next_ns = 0, changed_ns = excluded.changed_ns",
    )
    .bind(registry)?
    .bind(&*key.engine)?
    .bind(&*key.id)?
    .bind(document("discovery cell", wanted)?)?
    .bind(at.0)?;
    Ok(())
}

/// The service does not want to be called until then.
fn hold(db: &mut Script, kind: KindId, target: &str, until: Option<Nanos>) -> Result<(), StoreError> {
    if let Some(until) = until {
        db.add(
            "INSERT INTO holds (kind, target, until_ns) VALUES (?, ?, ?)
             ON CONFLICT DO UPDATE SET until_ns = max(until_ns, excluded.until_ns)",
        )
        .bind(kind.as_str())?
        .bind(target)?
        .bind(until.0)?;
    }
    Ok(())
}

fn settle(db: &mut Script, settlement: &Settlement, at: Nanos) -> Result<(), StoreError> {
    match settlement {
        Settlement::BillDelivered { seq } => {
            db.add("UPDATE outbox SET delivered_ns = ? WHERE seq = ?").bind(at.0)?.bind(seq)?;
            db.add(
                "UPDATE lanes SET attempts = 0, next_ns = 0, last_error = NULL
                 WHERE (target, engine, container_id) = (SELECT target, engine, container_id FROM outbox WHERE seq = ?)",
            )
            .bind(seq)?;
            db.add(
                "DELETE FROM lanes
                 WHERE (target, engine, container_id) = (SELECT target, engine, container_id FROM outbox WHERE seq = ?)
                   AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.target = lanes.target AND o.engine = lanes.engine
                       AND o.container_id = lanes.container_id AND o.delivered_ns IS NULL)",
            )
            .bind(seq)?;
        }
        Settlement::LaneWaits { target, key, attempts, next, hold: until, error } => {
            hold(db, KindId::BillingService, target, *until)?;
            db.add(
                "UPDATE lanes SET attempts = ?, next_ns = ?, last_error = ?
                 WHERE target = ? AND engine = ? AND container_id = ?",
            )
            .bind(attempts)?
            .bind(next.0)?
            .bind(error)?
            .bind(target)?
            .bind(&*key.engine)?
            .bind(&*key.id)?;
        }
        Settlement::LaneParked { target, key, error } => {
            db.add(
                "UPDATE lanes SET parked = 1, last_error = ? WHERE target = ? AND engine = ? AND container_id = ?",
            )
            .bind(error)?
            .bind(target)?
            .bind(&*key.engine)?
            .bind(&*key.id)?;
        }
        Settlement::CellAcked { registry, key, generation, state } => {
            db.add(
                "UPDATE cells SET acked = ?, attempts = 0, next_ns = 0, last_error = NULL, attempted = 1,
                     dirty = (generation <> ?) WHERE registry = ? AND engine = ? AND container_id = ?",
            )
            .bind(document("discovery cell", state)?)?
            .bind(generation)?
            .bind(registry)?
            .bind(&*key.engine)?
            .bind(&*key.id)?;
            if *state == Wanted::Absent {
                // What is gone from engine and registry needs no memory.
                db.add(
                    "DELETE FROM cells WHERE registry = ? AND engine = ? AND container_id = ? AND dirty = 0",
                )
                .bind(registry)?
                .bind(&*key.engine)?
                .bind(&*key.id)?;
            }
        }
        Settlement::RegistryLeft { registry } => {
            db.add("DELETE FROM cells WHERE registry = ?").bind(registry)?;
        }
        Settlement::CellWaits { registry, key, attempts, next, hold: until, error, keeps_ack } => {
            hold(db, KindId::DiscoveryRegistry, registry, *until)?;
            db.add(
                "UPDATE cells SET attempts = ?, next_ns = ?, last_error = ?, attempted = 1,
                     acked = iif(?, acked, NULL) WHERE registry = ? AND engine = ? AND container_id = ?",
            )
            .bind(attempts)?
            .bind(next.0)?
            .bind(error)?
            .bind(keeps_ack)?
            .bind(registry)?
            .bind(&*key.engine)?
            .bind(&*key.id)?;
        }
    }
    Ok(())
}

/// Calls may have been under way when the last process ended: what came of them nobody knows.
pub(super) async fn doubt_cells(pool: &SqlitePool) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE cells SET attempted = 1, acked = iif(dirty, NULL, acked) WHERE attempted = 0 OR dirty = 1",
    )
    .execute(pool)
    .await?;
    Ok(())
}

pub(super) async fn prune(
    pool: &SqlitePool,
    before: Nanos,
    declared: &BTreeSet<String>,
) -> Result<u64, StoreError> {
    let mut connection = pool.acquire().await?;
    let pruned = forget(&mut connection, before, declared).await;
    unless_failed(connection, pruned).await
}

async fn forget(
    connection: &mut SqliteConnection,
    before: Nanos,
    declared: &BTreeSet<String>,
) -> Result<u64, StoreError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    events::forget_readers(&mut transaction, declared).await?;
    let mut pruned = 0;
    for statement in [
        "DELETE FROM outbox WHERE delivered_ns < ?",
        // Runs go with their container, and a container stays as long as a service has not heard all of it.
        "DELETE FROM runs WHERE ended_ns < ?1 AND EXISTS (SELECT 1 FROM containers c WHERE c.engine = runs.engine
             AND c.id = runs.container_id AND c.removed_ns < ?1) AND NOT EXISTS (SELECT 1 FROM outbox o
             WHERE o.engine = runs.engine AND o.container_id = runs.container_id AND o.delivered_ns IS NULL)",
        // The newest runs of living containers are what a replay is matched against.
        "DELETE FROM runs WHERE ended_ns < ?1 AND (engine, container_id, key) NOT IN
             (SELECT engine, container_id, key FROM (SELECT engine, container_id, key,
                 row_number() OVER (PARTITION BY engine, container_id ORDER BY started_ns DESC) AS place FROM runs)
              WHERE place <= 16)",
        "DELETE FROM containers WHERE removed_ns < ?1 AND NOT EXISTS (SELECT 1 FROM outbox o
             WHERE o.engine = containers.engine AND o.container_id = containers.id AND o.delivered_ns IS NULL)",
    ] {
        pruned += sqlx::query(statement).bind(before.0).execute(&mut *transaction).await?.rows_affected();
    }
    transaction.commit().await?;
    Ok(pruned)
}
