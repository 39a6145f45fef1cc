//! What a start needs, and what people ask for.

use std::collections::BTreeMap;
use std::sync::Arc;

use sqlx::Row;
use sqlx::sqlite::{SqlitePool, SqliteRow};

use crate::observed::{ContainerKey, Nanos, State};
use crate::reconcile::lifecycle::{Ledger, Run};
use crate::reconcile::record::Record;
use crate::resource::{KindId, ObjectKey};
use crate::store::{Loaded, QueueDepth, StoreError, StoredIntent};

fn document<T: serde::de::DeserializeOwned>(what: &'static str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|source| StoreError::Damaged { what, source })
}

pub(super) async fn load(pool: &SqlitePool) -> Result<Loaded, StoreError> {
    let mut loaded = Loaded::default();
    let mut runs: BTreeMap<(String, String), Vec<Run>> = BTreeMap::new();
    let rows = sqlx::query(
        "SELECT r.* FROM runs r JOIN containers c ON c.engine = r.engine AND c.id = r.container_id
         WHERE c.removed_ns IS NULL ORDER BY r.engine, r.container_id, r.started_ns",
    )
    .fetch_all(pool)
    .await?;
    for row in rows {
        runs.entry((row.try_get("engine")?, row.try_get("container_id")?)).or_default().push(run(&row)?);
    }
    let rows =
        sqlx::query("SELECT engine, id, state, removed_ns, record FROM containers WHERE removed_ns IS NULL")
            .fetch_all(pool)
            .await?;
    for row in rows {
        let runs = runs.remove(&(row.try_get("engine")?, row.try_get("id")?)).unwrap_or_default();
        loaded.records.push(of_row(&row, runs)?);
    }
    for row in sqlx::query("SELECT logical_id, memory FROM healing").fetch_all(pool).await? {
        loaded.healing.insert(row.try_get("logical_id")?, row.try_get("memory")?);
    }
    for row in sqlx::query("SELECT id, owner, intent FROM intents").fetch_all(pool).await? {
        let (id, owner) = (row.try_get("id")?, row.try_get("owner")?);
        loaded.intents.push(StoredIntent { id, owner, document: row.try_get("intent")? });
    }
    for row in sqlx::query("SELECT name, document FROM service_health").fetch_all(pool).await? {
        loaded.services.insert(row.try_get("name")?, row.try_get("document")?);
    }
    for row in sqlx::query("SELECT kind, name, document FROM last_specs").fetch_all(pool).await? {
        // One of a later version is left where it is.
        if let Some(kind) = KindId::of(row.try_get("kind")?) {
            let key = ObjectKey { kind, name: row.try_get("name")? };
            loaded.last_specs.insert(key, row.try_get("document")?);
        }
    }
    for row in sqlx::query("SELECT engine, cursor FROM cursors").fetch_all(pool).await? {
        let engine: String = row.try_get("engine")?;
        loaded.cursors.insert(Arc::from(engine), document("cursor", row.try_get("cursor")?)?);
    }
    Ok(loaded)
}

fn of_row(row: &SqliteRow, runs: Vec<Run>) -> Result<Record, StoreError> {
    let mut record: Record = document("container", row.try_get("record")?)?;
    let state: Option<String> = row.try_get("state")?;
    let state =
        state.map(|word| serde_json::from_value::<State>(serde_json::Value::String(word))).transpose();
    let state = state.map_err(|source| StoreError::Damaged { what: "container state", source })?;
    let removed: Option<i64> = row.try_get("removed_ns")?;
    record.ledger = Ledger { runs, state, removed: removed.map(Nanos), created: true };
    Ok(record)
}

pub(super) async fn record(pool: &SqlitePool, key: &ContainerKey) -> Result<Option<Record>, StoreError> {
    let row = sqlx::query("SELECT state, removed_ns, record FROM containers WHERE engine = ? AND id = ?")
        .bind(&*key.engine)
        .bind(&*key.id)
        .fetch_optional(pool)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let rows = sqlx::query("SELECT * FROM runs WHERE engine = ? AND container_id = ? ORDER BY started_ns")
        .bind(&*key.engine)
        .bind(&*key.id)
        .fetch_all(pool)
        .await?;
    let runs = rows.iter().map(run).collect::<Result<_, _>>()?;
    of_row(&row, runs).map(Some)
}

fn run(row: &SqliteRow) -> Result<Run, StoreError> {
    let time = |column: &str| -> Result<Option<Nanos>, sqlx::Error> {
        Ok(row.try_get::<Option<i64>, _>(column)?.map(Nanos))
    };
    Ok(Run {
        key: row.try_get("key")?,
        started: Nanos(row.try_get("started_ns")?),
        start_event: time("start_event_ns")?,
        ended: time("ended_ns")?,
        end_event: time("end_event_ns")?,
        exit_code: row.try_get("exit_code")?,
        restart_count: row.try_get("restart_count")?,
    })
}

type Depths = BTreeMap<String, QueueDepth>;

pub(super) async fn depths(pool: &SqlitePool) -> Result<(Depths, Depths), StoreError> {
    let depth = |row: &SqliteRow| -> Result<(String, QueueDepth), StoreError> {
        let depth = QueueDepth {
            pending: row.try_get::<i64, _>("pending")?.unsigned_abs(),
            parked: row.try_get::<i64, _>("parked")?.unsigned_abs(),
            oldest: row.try_get::<Option<i64>, _>("oldest")?.map(Nanos),
            last_error: row.try_get("last_error")?,
        };
        Ok((row.try_get("target")?, depth))
    };
    let bills = sqlx::query(
        "SELECT o.target AS target, max(0, count(*) - (SELECT count(*) FROM lanes l WHERE l.target = o.target
                 AND l.parked = 1)) AS pending, min(o.created_ns) AS oldest,
             (SELECT count(*) FROM lanes l WHERE l.target = o.target AND l.parked = 1) AS parked,
             (SELECT max(l.last_error) FROM lanes l WHERE l.target = o.target) AS last_error
         FROM outbox o WHERE o.delivered_ns IS NULL GROUP BY o.target",
    )
    .fetch_all(pool)
    .await?;
    let cells = sqlx::query(
        "SELECT registry AS target, count(*) AS pending, min(changed_ns) AS oldest, 0 AS parked,
             max(last_error) AS last_error FROM cells WHERE dirty = 1 GROUP BY registry",
    )
    .fetch_all(pool)
    .await?;
    Ok((
        bills.iter().map(depth).collect::<Result<_, _>>()?,
        cells.iter().map(depth).collect::<Result<_, _>>()?,
    ))
}
