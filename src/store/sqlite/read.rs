//! What a start needs, and what people ask for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sqlx::Row;
use sqlx::sqlite::{SqlitePool, SqliteRow};

use crate::observed::{ContainerKey, Nanos, Shard, State};
use crate::reconcile::lifecycle::{Ledger, Run};
use crate::reconcile::record::Record;
use crate::resource::{KindId, ObjectKey};
use crate::store::{Loaded, QueueDepth, QueueDepths, StoreError, StoredIntent};

fn document<T: serde::de::DeserializeOwned>(what: &'static str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|source| StoreError::Damaged { what, source })
}

/// Every shard of which something is remembered, and the fleet's.
pub(super) async fn shards(pool: &SqlitePool) -> Result<BTreeSet<Shard>, StoreError> {
    let rows: Vec<String> = sqlx::query_scalar(
        "SELECT 'fleet' UNION SELECT 'engine/' || engine FROM cursors
         UNION SELECT 'engine/' || engine FROM intents UNION SELECT shard FROM healing
         UNION SELECT shard FROM cells UNION SELECT 'engine/' || engine FROM containers WHERE removed_ns IS NULL",
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.iter().filter_map(|word| Shard::parse(word)).collect())
}

pub(super) async fn load(pool: &SqlitePool, shard: &Shard) -> Result<Loaded, StoreError> {
    let mut loaded = Loaded { healing: memories(pool, shard).await?, ..Loaded::default() };
    match shard {
        Shard::Engine(engine) => load_engine(pool, engine, &mut loaded).await?,
        Shard::Fleet => load_fleet(pool, &mut loaded).await?,
    }
    Ok(loaded)
}

async fn memories(pool: &SqlitePool, shard: &Shard) -> Result<BTreeMap<String, String>, StoreError> {
    let rows = sqlx::query("SELECT logical_id, memory FROM healing WHERE shard = ?").bind(shard.to_string());
    let rows = rows.fetch_all(pool).await?;
    rows.iter().map(|row| Ok((row.try_get("logical_id")?, row.try_get("memory")?))).collect()
}

async fn load_engine(pool: &SqlitePool, engine: &Arc<str>, loaded: &mut Loaded) -> Result<(), StoreError> {
    let mut runs: BTreeMap<String, Vec<Run>> = BTreeMap::new();
    let rows = sqlx::query(
        "SELECT r.* FROM runs r JOIN containers c ON c.engine = r.engine AND c.id = r.container_id
         WHERE r.engine = ? AND c.removed_ns IS NULL ORDER BY r.container_id, r.started_ns",
    );
    for row in rows.bind(&**engine).fetch_all(pool).await? {
        runs.entry(row.try_get("container_id")?).or_default().push(run(&row)?);
    }
    let rows = sqlx::query(
        "SELECT engine, id, state, removed_ns, record FROM containers WHERE engine = ? AND removed_ns IS NULL",
    );
    for row in rows.bind(&**engine).fetch_all(pool).await? {
        let runs = runs.remove(row.try_get::<&str, _>("id")?).unwrap_or_default();
        loaded.records.push(of_row(&row, runs)?);
    }
    let rows = sqlx::query("SELECT id, owner, intent FROM intents WHERE engine = ?");
    for row in rows.bind(&**engine).fetch_all(pool).await? {
        let (id, owner) = (row.try_get("id")?, row.try_get("owner")?);
        loaded.intents.push(StoredIntent { id, owner, document: row.try_get("intent")? });
    }
    let row = sqlx::query("SELECT cursor FROM cursors WHERE engine = ?").bind(&**engine);
    if let Some(row) = row.fetch_optional(pool).await? {
        loaded.cursors.insert(engine.clone(), document("cursor", row.try_get("cursor")?)?);
    }
    Ok(())
}

async fn load_fleet(pool: &SqlitePool, loaded: &mut Loaded) -> Result<(), StoreError> {
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
    Ok(())
}

/// Calls may have been under way when the last owner of the shard ended: what came of them nobody knows.
pub(super) async fn doubt_cells(pool: &SqlitePool, shard: &Shard) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE cells SET attempted = 1, acked = iif(dirty, NULL, acked)
         WHERE shard = ? AND (attempted = 0 OR dirty = 1)",
    )
    .bind(shard.to_string())
    .execute(pool)
    .await?;
    Ok(())
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

/// Every target of which the outbox has a row, found by skipping from one to the next.
const TARGETS: &str = "WITH RECURSIVE t (kind, target) AS (
        SELECT * FROM (SELECT kind, target FROM outbox ORDER BY kind, target LIMIT 1)
        UNION ALL
        SELECT o.kind, o.target FROM t JOIN outbox o ON o.seq = (SELECT n.seq FROM outbox n
            WHERE (n.kind, n.target) > (t.kind, t.target) ORDER BY n.kind, n.target LIMIT 1))
    SELECT kind, target FROM t";

/// Depths by target. What is open of a target is counted, in an index: that grows with what waits for it.
pub(super) async fn depths(pool: &SqlitePool) -> Result<QueueDepths, StoreError> {
    let mut depths = QueueDepths::new();
    let depth = |row: &SqliteRow| -> Result<QueueDepth, StoreError> {
        Ok(QueueDepth {
            pending: row.try_get::<i64, _>("pending")?.unsigned_abs(),
            parked: row.try_get::<i64, _>("parked")?.unsigned_abs(),
            oldest: row.try_get::<Option<i64>, _>("oldest")?.map(Nanos),
            last_error: row.try_get("last_error")?,
        })
    };
    for target in sqlx::query(TARGETS).fetch_all(pool).await? {
        let (kind, name): (String, String) = (target.try_get("kind")?, target.try_get("target")?);
        let Some(of) = KindId::of(&kind) else { continue };
        let row = sqlx::query(
            "SELECT max(0, open - parked) AS pending, parked, open, last_error, oldest FROM (SELECT
                 (SELECT count(*) FROM outbox WHERE kind = ?1 AND target = ?2 AND (delivered_ns IS NULL) = 1) AS open,
                 (SELECT count(*) FROM lanes WHERE kind = ?1 AND target = ?2 AND parked = 1) AS parked,
                 (SELECT max(last_error) FROM lanes WHERE kind = ?1 AND target = ?2) AS last_error,
                 (SELECT created_ns FROM outbox WHERE kind = ?1 AND target = ?2 AND (delivered_ns IS NULL) = 1
                     ORDER BY seq LIMIT 1) AS oldest)",
        )
        .bind(&kind)
        .bind(&name)
        .fetch_one(pool)
        .await?;
        if row.try_get::<i64, _>("open")? > 0 {
            depths.insert(ObjectKey { kind: of, name }, depth(&row)?);
        }
    }
    let cells = sqlx::query(
        "SELECT kind, target, count(*) AS pending, min(changed_ns) AS oldest, 0 AS parked,
             max(last_error) AS last_error FROM cells WHERE dirty = 1 GROUP BY kind, target",
    );
    for row in cells.fetch_all(pool).await? {
        if let Some(kind) = KindId::of(row.try_get("kind")?) {
            depths.insert(ObjectKey { kind, name: row.try_get("target")? }, depth(&row)?);
        }
    }
    Ok(depths)
}
