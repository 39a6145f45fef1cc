//! What may be sent now: lanes of bills and discovery cells.

use sqlx::Row;
use sqlx::sqlite::SqlitePool;
use uuid::Uuid;

use crate::observed::{ContainerKey, Nanos};
use crate::store::{Cell, Lane, PendingBill, StoreError};

/// Bills fetched of one lane at a time; a lane is asked for again while it has more.
const LANE_BATCH: i64 = 16;

pub(super) async fn due_lanes(
    pool: &SqlitePool,
    target: &str,
    now: Nanos,
    busy: &[ContainerKey],
    limit: usize,
) -> Result<Vec<Lane>, StoreError> {
    let rows = sqlx::query(
        "SELECT due.engine, due.container_id, due.attempts, IFNULL(name, '') AS name FROM (
             SELECT engine, container_id, attempts, next_ns FROM lanes
             WHERE target = ?1 AND parked = 0 AND next_ns <= ?2
                 AND NOT EXISTS (SELECT 1 FROM holds WHERE kind = 'BillingService' AND target = ?1 AND until_ns > ?2)
             ORDER BY next_ns LIMIT ?3
         ) AS due LEFT JOIN containers ON containers.engine = due.engine AND containers.id = due.container_id
         ORDER BY due.next_ns",
    )
    .bind(target)
    .bind(now.0)
    .bind(rows_to_ask(limit, busy))
    .fetch_all(pool)
    .await?;
    let mut lanes = Vec::new();
    for row in rows {
        let key =
            ContainerKey::new(row.try_get::<String, _>("engine")?, row.try_get::<String, _>("container_id")?);
        if busy.contains(&key) || lanes.len() == limit {
            continue;
        }
        let (name, attempts) = (row.try_get("name")?, row.try_get("attempts")?);
        let bills = pending(pool, target, &key).await?;
        lanes.push(Lane { key, name, attempts, bills });
    }
    Ok(lanes)
}

async fn pending(
    pool: &SqlitePool,
    target: &str,
    key: &ContainerKey,
) -> Result<Vec<PendingBill>, StoreError> {
    let rows = sqlx::query(
        "SELECT seq, event_id, event, body, created_ns FROM outbox
         WHERE target = ? AND engine = ? AND container_id = ? AND delivered_ns IS NULL ORDER BY seq LIMIT ?",
    )
    .bind(target)
    .bind(&*key.engine)
    .bind(&*key.id)
    .bind(LANE_BATCH)
    .fetch_all(pool)
    .await?;
    rows.iter()
        .map(|row| {
            let id: &str = row.try_get("event_id")?;
            Ok(PendingBill {
                seq: row.try_get("seq")?,
                id: Uuid::parse_str(id).map_err(|error| sqlx::Error::Decode(error.into()))?,
                event: row.try_get("event")?,
                body: row.try_get("body")?,
                created: Nanos(row.try_get("created_ns")?),
            })
        })
        .collect()
}

fn rows_to_ask(limit: usize, busy: &[ContainerKey]) -> i64 {
    i64::try_from(limit.saturating_add(busy.len())).unwrap_or(i64::MAX)
}

pub(super) async fn next_lane(
    pool: &SqlitePool,
    target: &str,
    now: Nanos,
) -> Result<Option<Nanos>, StoreError> {
    // What is held is due when that is over, also what was due before.
    let next: Option<i64> = sqlx::query_scalar(
        "SELECT coalesce(
             (SELECT until_ns FROM holds WHERE kind = 'BillingService' AND target = ?1 AND until_ns > ?2),
             (SELECT min(next_ns) FROM lanes WHERE target = ?1 AND parked = 0 AND next_ns > ?2))",
    )
    .bind(target)
    .bind(now.0)
    .fetch_one(pool)
    .await?;
    Ok(next.map(Nanos))
}

pub(super) async fn wake_lanes(pool: &SqlitePool, target: &str, from: Nanos) -> Result<u64, StoreError> {
    let woken =
        sqlx::query("UPDATE lanes SET next_ns = ?1 WHERE target = ?2 AND parked = 0 AND next_ns > ?1")
            .bind(from.0)
            .bind(target)
            .execute(pool)
            .await?;
    Ok(woken.rows_affected())
}

pub(super) async fn due_cells(
    pool: &SqlitePool,
    registry: &str,
    now: Nanos,
    busy: &[ContainerKey],
    limit: usize,
) -> Result<Vec<Cell>, StoreError> {
    let rows = sqlx::query(
        "SELECT due.*, IFNULL(name, '') AS name FROM (
             SELECT engine, container_id, generation, wanted, acked, attempted, attempts, next_ns, changed_ns FROM cells
             WHERE registry = ?1 AND dirty = 1 AND next_ns <= ?2
                 AND NOT EXISTS (SELECT 1 FROM holds WHERE kind = 'DiscoveryRegistry' AND target = ?1 AND until_ns > ?2)
             ORDER BY next_ns, changed_ns LIMIT ?3
         ) AS due LEFT JOIN containers ON containers.engine = due.engine AND containers.id = due.container_id
         ORDER BY next_ns, changed_ns",
    )
    .bind(registry)
    .bind(now.0)
    .bind(rows_to_ask(limit, busy))
    .fetch_all(pool)
    .await?;
    let mut cells = Vec::new();
    for row in rows {
        let key =
            ContainerKey::new(row.try_get::<String, _>("engine")?, row.try_get::<String, _>("container_id")?);
        if busy.contains(&key) || cells.len() == limit {
            continue;
        }
        let damaged = |source| StoreError::Damaged { what: "discovery cell", source };
        let acked: Option<&str> = row.try_get("acked")?;
        cells.push(Cell {
            key,
            name: row.try_get("name")?,
            generation: row.try_get("generation")?,
            wanted: serde_json::from_str(row.try_get("wanted")?).map_err(damaged)?,
            acked: acked.map(serde_json::from_str).transpose().map_err(damaged)?,
            attempted: row.try_get("attempted")?,
            attempts: row.try_get("attempts")?,
        });
    }
    Ok(cells)
}

pub(super) async fn next_cell(
    pool: &SqlitePool,
    registry: &str,
    now: Nanos,
) -> Result<Option<Nanos>, StoreError> {
    let next: Option<i64> = sqlx::query_scalar(
        "SELECT coalesce(
             (SELECT until_ns FROM holds WHERE kind = 'DiscoveryRegistry' AND target = ?1 AND until_ns > ?2),
             (SELECT min(next_ns) FROM cells WHERE registry = ?1 AND dirty = 1 AND next_ns > ?2))",
    )
    .bind(registry)
    .bind(now.0)
    .fetch_one(pool)
    .await?;
    Ok(next.map(Nanos))
}

pub(super) async fn wake_cells(pool: &SqlitePool, registry: &str, from: Nanos) -> Result<u64, StoreError> {
    let woken =
        sqlx::query("UPDATE cells SET next_ns = ?1 WHERE registry = ?2 AND dirty = 1 AND next_ns > ?1")
            .bind(from.0)
            .bind(registry)
            .execute(pool)
            .await?;
    Ok(woken.rows_affected())
}

pub(super) async fn resend_cells(pool: &SqlitePool, registry: &str) -> Result<u64, StoreError> {
    let resent =
        sqlx::query("UPDATE cells SET dirty = 1, next_ns = 0, attempts = 0 WHERE registry = ? AND dirty = 0")
            .bind(registry)
            .execute(pool)
            .await?;
    Ok(resent.rows_affected())
}
