//! Committing change sets, and forgetting what is old.

use sqlx::Connection;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{Sqlite, SqliteConnection, SqlitePool};

use crate::observed::{ContainerKey, Nanos};
use crate::reconcile::billing::Bill;
use crate::reconcile::discovery::Wanted;
use crate::reconcile::record::Record;
use crate::store::{ChangeSet, NewEvent, Settlement, StoreError};

pub(super) async fn commit(pool: &SqlitePool, changes: &[ChangeSet]) -> Result<(), StoreError> {
    let mut connection = pool.acquire().await?;
    let written = write(&mut connection, changes).await;
    unless_failed(connection, written).await
}

async fn write(connection: &mut SqliteConnection, changes: &[ChangeSet]) -> Result<(), StoreError> {
    // IMMEDIATE: the write lock is taken at the start, so that no commit fails half-way for want of it.
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    for change in changes {
        apply(&mut transaction, change).await?;
    }
    Ok(transaction.commit().await?)
}

/// Parts with a connection on which a transaction failed. A full disk makes SQLite end the transaction by itself; the
/// driver believes it open still and refuses to begin another, for ever.
async fn unless_failed<T>(
    connection: PoolConnection<Sqlite>,
    written: Result<T, StoreError>,
) -> Result<T, StoreError> {
    if written.is_err() {
        // It holds nothing any more that could be lost.
        let _ = connection.detach().close_hard().await;
    }
    written
}

async fn apply(db: &mut SqliteConnection, change: &ChangeSet) -> Result<(), StoreError> {
    let ChangeSet { records, bills, cells, events, healing, cursors, settled, objects, at } = change;
    for record in records {
        put_record(db, record).await?;
    }
    for (key, bill) in bills {
        put_bill(db, key, bill, *at).await?;
    }
    for (registry, key, wanted) in cells {
        put_cell(db, registry, key, wanted, *at).await?;
    }
    for event in events {
        put_event(db, event).await?;
    }
    for (logical_id, memory) in healing {
        match memory {
            Some(memory) => {
                sqlx::query(
                    "INSERT INTO healing (logical_id, memory) VALUES (?, ?)
                     ON CONFLICT DO UPDATE SET memory = excluded.memory",
                )
                .bind(logical_id)
                .bind(memory)
                .execute(&mut *db)
                .await?;
            }
            None => {
                sqlx::query("DELETE FROM healing WHERE logical_id = ?")
                    .bind(logical_id)
                    .execute(&mut *db)
                    .await?;
            }
        }
    }
    for (engine, cursor) in cursors {
        sqlx::query("INSERT INTO cursors (engine, cursor) VALUES (?, ?) ON CONFLICT DO UPDATE SET cursor = excluded.cursor")
            .bind(&**engine)
            .bind(document("cursor", cursor)?)
            .execute(&mut *db)
            .await?;
    }
    for settlement in settled {
        settle(db, settlement, *at).await?;
    }
    for object in objects {
        super::objects::change(db, object).await?;
    }
    Ok(())
}

fn document<T: serde::Serialize>(what: &'static str, value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|source| StoreError::Damaged { what, source })
}

async fn put_record(db: &mut SqliteConnection, record: &Record) -> Result<(), StoreError> {
    let (engine, id) = (&*record.key.engine, &*record.key.id);
    sqlx::query(
        "INSERT INTO containers (engine, id, name, image, state, removed_ns, record) VALUES (?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET name = excluded.name, image = excluded.image, state = excluded.state,
             removed_ns = excluded.removed_ns, record = excluded.record",
    )
    .bind(engine)
    .bind(id)
    .bind(&record.name)
    .bind(&record.image)
    .bind(record.ledger.state.map(|state| state.as_str()))
    .bind(record.ledger.removed.map(|at| at.0))
    .bind(document("container", record)?)
    .execute(&mut *db)
    .await?;
    for run in &record.ledger.runs {
        // Times freeze at commit: what is there once is never changed, only completed.
        sqlx::query(
            "INSERT INTO runs (engine, container_id, key, started_ns, start_event_ns, ended_ns, end_event_ns, exit_code, restart_count)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET start_event_ns = coalesce(start_event_ns, excluded.start_event_ns),
                 ended_ns = coalesce(ended_ns, excluded.ended_ns),
                 end_event_ns = coalesce(end_event_ns, excluded.end_event_ns),
                 exit_code = coalesce(exit_code, excluded.exit_code)",
        )
        .bind(engine)
        .bind(id)
        .bind(&run.key)
        .bind(run.started.0)
        .bind(run.start_event.map(|at| at.0))
        .bind(run.ended.map(|at| at.0))
        .bind(run.end_event.map(|at| at.0))
        .bind(run.exit_code)
        .bind(run.restart_count)
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

async fn put_bill(
    db: &mut SqliteConnection,
    key: &ContainerKey,
    bill: &Bill,
    at: Nanos,
) -> Result<(), StoreError> {
    let inserted = sqlx::query(
        "INSERT INTO outbox (target, engine, container_id, event_id, event, body, created_ns)
         VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (target, event_id) DO NOTHING",
    )
    .bind(&bill.target)
    .bind(&*key.engine)
    .bind(&*key.id)
    .bind(bill.id.to_string())
    .bind(bill.event.as_str())
    .bind(&bill.body)
    .bind(at.0)
    .execute(&mut *db)
    .await?
    .rows_affected();
    if inserted > 0 {
        sqlx::query(
            "INSERT INTO lanes (target, engine, container_id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        )
        .bind(&bill.target)
        .bind(&*key.engine)
        .bind(&*key.id)
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

async fn put_cell(
    db: &mut SqliteConnection,
    registry: &str,
    key: &ContainerKey,
    wanted: &Wanted,
    at: Nanos,
) -> Result<(), StoreError> {
    // A state that was not acknowledged may have been taken all the same: then what was acknowledged before it is no
    // longer what the registry holds. A time that the service named holds for newer states too.
    sqlx::query(
        "INSERT INTO cells (registry, engine, container_id, generation, wanted, dirty, changed_ns)
         VALUES (?, ?, ?, 1, ?, 1, ?)
         ON CONFLICT DO UPDATE SET generation = generation + 1, wanted = excluded.wanted, dirty = 1,
             acked = CASE WHEN dirty THEN NULL ELSE acked END,
             attempts = 0, next_ns = CASE WHEN firm THEN next_ns ELSE 0 END, changed_ns = excluded.changed_ns",
    )
    .bind(registry)
    .bind(&*key.engine)
    .bind(&*key.id)
    .bind(document("discovery cell", wanted)?)
    .bind(at.0)
    .execute(&mut *db)
    .await?;
    Ok(())
}

async fn put_event(db: &mut SqliteConnection, event: &NewEvent) -> Result<(), StoreError> {
    let NewEvent {
        at,
        engine,
        container_id,
        container_name,
        image,
        host,
        event_type,
        reason,
        status,
        message,
        severity,
        restart_count,
    } = event;
    sqlx::query(
        "INSERT INTO event_log (at_ns, engine, container_id, container_name, image, host, event_type, reason,
             status, message, severity, restart_count) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(at.0)
    .bind(engine)
    .bind(container_id)
    .bind(container_name)
    .bind(image)
    .bind(host)
    .bind(event_type)
    .bind(reason)
    .bind(status)
    .bind(message)
    .bind(severity.as_str())
    .bind(restart_count)
    .execute(&mut *db)
    .await?;
    Ok(())
}

async fn settle(db: &mut SqliteConnection, settlement: &Settlement, at: Nanos) -> Result<(), StoreError> {
    match settlement {
        Settlement::BillDelivered { seq } => {
            sqlx::query("UPDATE outbox SET delivered_ns = ? WHERE seq = ?")
                .bind(at.0)
                .bind(seq)
                .execute(&mut *db)
                .await?;
            sqlx::query(
                "UPDATE lanes SET attempts = 0, next_ns = 0, firm = 0, last_error = NULL
                 WHERE (target, engine, container_id) = (SELECT target, engine, container_id FROM outbox WHERE seq = ?)",
            )
            .bind(seq)
            .execute(&mut *db)
            .await?;
            sqlx::query(
                "DELETE FROM lanes
                 WHERE (target, engine, container_id) = (SELECT target, engine, container_id FROM outbox WHERE seq = ?)
                   AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.target = lanes.target AND o.engine = lanes.engine
                       AND o.container_id = lanes.container_id AND o.delivered_ns IS NULL)",
            )
            .bind(seq)
            .execute(&mut *db)
            .await?;
        }
        Settlement::LaneWaits { target, key, attempts, next, firm, error } => {
            sqlx::query(
                "UPDATE lanes SET attempts = ?, next_ns = ?, firm = ?, last_error = ?
                 WHERE target = ? AND engine = ? AND container_id = ?",
            )
            .bind(attempts)
            .bind(next.0)
            .bind(firm)
            .bind(error)
            .bind(target)
            .bind(&*key.engine)
            .bind(&*key.id)
            .execute(&mut *db)
            .await?;
        }
        Settlement::LaneParked { target, key, error } => {
            sqlx::query(
                "UPDATE lanes SET parked = 1, last_error = ? WHERE target = ? AND engine = ? AND container_id = ?",
            )
            .bind(error)
            .bind(target)
            .bind(&*key.engine)
            .bind(&*key.id)
            .execute(&mut *db)
            .await?;
        }
        Settlement::CellAcked { registry, key, generation, state } => {
            sqlx::query(
                "UPDATE cells SET acked = ?, attempts = 0, next_ns = 0, firm = 0, last_error = NULL, attempted = 1,
                     dirty = (generation <> ?) WHERE registry = ? AND engine = ? AND container_id = ?",
            )
            .bind(document("discovery cell", state)?)
            .bind(generation)
            .bind(registry)
            .bind(&*key.engine)
            .bind(&*key.id)
            .execute(&mut *db)
            .await?;
            if *state == Wanted::Absent {
                // What is gone from engine and registry needs no memory.
                sqlx::query(
                    "DELETE FROM cells WHERE registry = ? AND engine = ? AND container_id = ? AND dirty = 0",
                )
                .bind(registry)
                .bind(&*key.engine)
                .bind(&*key.id)
                .execute(&mut *db)
                .await?;
            }
        }
        Settlement::CellWaits { registry, key, attempts, next, firm, error, keeps_ack } => {
            sqlx::query(
                "UPDATE cells SET attempts = ?, next_ns = ?, firm = ?, last_error = ?, attempted = 1,
                     acked = iif(?, acked, NULL) WHERE registry = ? AND engine = ? AND container_id = ?",
            )
            .bind(attempts)
            .bind(next.0)
            .bind(firm)
            .bind(error)
            .bind(keeps_ack)
            .bind(registry)
            .bind(&*key.engine)
            .bind(&*key.id)
            .execute(&mut *db)
            .await?;
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

pub(super) async fn prune(pool: &SqlitePool, before: Nanos) -> Result<u64, StoreError> {
    let mut connection = pool.acquire().await?;
    let pruned = forget(&mut connection, before).await;
    unless_failed(connection, pruned).await
}

async fn forget(connection: &mut SqliteConnection, before: Nanos) -> Result<u64, StoreError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let mut pruned = 0;
    for statement in [
        "DELETE FROM event_log WHERE at_ns < ?",
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
