//! What may be sent now: lanes of bills and discovery cells.

use sqlx::Row;
use sqlx::sqlite::{SqlitePool, SqliteRow};
use uuid::Uuid;

use super::query::Query;
use super::script::document;
use crate::observed::{Nanos, Shard};
use crate::resource::ObjectKey;
use crate::store::{Cell, Lane, LaneSubject, OwnedShards, PendingBill, StoreError};

/// Bills fetched of one lane at a time; a lane is asked for again while it has more.
const LANE_BATCH: i64 = 16;

/// Owned shards, as a JSON array of their words; `None`: every one.
pub(super) fn owned(shards: &OwnedShards) -> Result<Option<String>, StoreError> {
    match shards {
        OwnedShards::All => Ok(None),
        OwnedShards::Only(shards) => {
            let words: Vec<_> = shards.iter().map(Shard::to_string).collect();
            document("shard", &words).map(Some)
        }
    }
}

/// Adds that only lanes or cells of owned shards are meant.
pub(super) fn restrict(query: &mut Query, shards: &OwnedShards) -> Result<(), StoreError> {
    if let Some(shards) = owned(shards)? {
        query.and("shard IN (SELECT value FROM json_each(?))", shards);
    }
    Ok(())
}

/// Adds that nothing of a target is meant that has named a later time.
fn unless_held(query: &mut Query, target: &ObjectKey, now: Nanos) {
    query.and("NOT EXISTS (SELECT 1 FROM holds WHERE holds.kind = ?", target.kind.as_str());
    query.bind(&target.name);
    query.bind(now.0);
    query.text("AND holds.target = ? AND until_ns > ?)");
}

/// The subject of a row.
pub(super) fn subject(row: &SqliteRow) -> Result<LaneSubject, StoreError> {
    let text: &str = row.try_get("shard")?;
    let damaged = || sqlx::Error::Decode(format!("`{text}` is no shard").into());
    Ok(LaneSubject::parse(Shard::parse(text).ok_or_else(damaged)?, row.try_get("subject")?))
}

const LANES: &str =
    "SELECT due.*, IFNULL(name, '') AS name FROM (SELECT shard, subject, attempts, due_ns FROM lanes";
const CELLS: &str = "SELECT due.*, IFNULL(name, '') AS name FROM (
    SELECT shard, subject, generation, wanted, acked, attempted, attempts, due_ns, changed_ns FROM cells";
const NAMED: &str = ") AS due LEFT JOIN containers
    ON containers.engine = substr(due.shard, 8) AND containers.id = due.subject AND due.shard LIKE 'engine/%'
    ORDER BY due.due_ns";

/// Lanes in the order in which they fell due.
pub(super) fn lanes_query(
    target: &ObjectKey,
    owned: &OwnedShards,
    now: Nanos,
    most: i64,
) -> Result<Query, StoreError> {
    let mut query = Query::new(LANES);
    query.and("kind = ?", target.kind.as_str());
    query.and("target = ?", &target.name);
    query.condition("parked = 0");
    query.and("due_ns <= ?", now.0);
    unless_held(&mut query, target, now);
    restrict(&mut query, owned)?;
    query.end("ORDER BY due_ns LIMIT ?", most);
    query.text(NAMED);
    Ok(query)
}

pub(super) async fn due_lanes(
    pool: &SqlitePool,
    target: &ObjectKey,
    owned: &OwnedShards,
    now: Nanos,
    busy: &[LaneSubject],
    limit: usize,
) -> Result<Vec<Lane>, StoreError> {
    let rows = lanes_query(target, owned, now, rows_to_ask(limit, busy))?.rows(pool).await?;
    let mut lanes = Vec::new();
    for row in rows {
        let subject = subject(&row)?;
        if busy.contains(&subject) || lanes.len() == limit {
            continue;
        }
        let (name, attempts) = (row.try_get("name")?, row.try_get("attempts")?);
        let bills = pending(pool, target, &subject).await?;
        lanes.push(Lane { subject, name, attempts, bills });
    }
    Ok(lanes)
}

async fn pending(
    pool: &SqlitePool,
    target: &ObjectKey,
    subject: &LaneSubject,
) -> Result<Vec<PendingBill>, StoreError> {
    let rows = sqlx::query(
        "SELECT seq, event_id, event, body, created_ns FROM outbox
         WHERE kind = ? AND target = ? AND shard = ? AND subject = ? AND delivered_ns IS NULL ORDER BY seq LIMIT ?",
    )
    .bind(target.kind.as_str())
    .bind(&target.name)
    .bind(subject.shard().to_string())
    .bind(subject.word())
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

fn rows_to_ask(limit: usize, busy: &[LaneSubject]) -> i64 {
    i64::try_from(limit.saturating_add(busy.len())).unwrap_or(i64::MAX)
}

/// When a target that has named a later time may be called again.
async fn held_until(pool: &SqlitePool, target: &ObjectKey, now: Nanos) -> Result<Option<Nanos>, StoreError> {
    let until: Option<i64> =
        sqlx::query_scalar("SELECT until_ns FROM holds WHERE kind = ? AND target = ? AND until_ns > ?")
            .bind(target.kind.as_str())
            .bind(&target.name)
            .bind(now.0)
            .fetch_optional(pool)
            .await?;
    Ok(until.map(Nanos))
}

/// The first due time after `now` in what `query` reads, or the end of the target's hold: until then nothing is due.
async fn next(
    pool: &SqlitePool,
    target: &ObjectKey,
    owned: &OwnedShards,
    now: Nanos,
    mut query: Query,
) -> Result<Option<Nanos>, StoreError> {
    if let Some(until) = held_until(pool, target, now).await? {
        return Ok(Some(until));
    }
    query.and("kind = ?", target.kind.as_str());
    query.and("target = ?", &target.name);
    query.and("due_ns > ?", now.0);
    restrict(&mut query, owned)?;
    query.text("ORDER BY due_ns LIMIT 1");
    let row = query.rows(pool).await?;
    row.first().map(|row| Ok(Nanos(row.try_get("due_ns")?))).transpose()
}

pub(super) async fn next_lane(
    pool: &SqlitePool,
    target: &ObjectKey,
    owned: &OwnedShards,
    now: Nanos,
) -> Result<Option<Nanos>, StoreError> {
    let mut query = Query::new("SELECT due_ns FROM lanes");
    query.condition("parked = 0");
    next(pool, target, owned, now, query).await
}

pub(super) async fn next_cell(
    pool: &SqlitePool,
    target: &ObjectKey,
    owned: &OwnedShards,
    now: Nanos,
) -> Result<Option<Nanos>, StoreError> {
    let mut query = Query::new("SELECT due_ns FROM cells");
    query.condition("dirty = 1");
    next(pool, target, owned, now, query).await
}

const LANES_DUE: &str = "UPDATE lanes SET due_ns = ?";
const CELLS_DUE: &str = "UPDATE cells SET due_ns = ?";

/// Lets what falls due after `at` fall due then.
async fn bring_forward(
    pool: &SqlitePool,
    (update, condition): (&'static str, &'static str),
    target: &ObjectKey,
    owned: &OwnedShards,
    at: Nanos,
) -> Result<u64, StoreError> {
    let mut query = Query::new(update);
    query.bind(at.0);
    query.condition(condition);
    query.and("kind = ?", target.kind.as_str());
    query.and("target = ?", &target.name);
    query.and("due_ns > ?", at.0);
    restrict(&mut query, owned)?;
    query.run(pool).await
}

pub(super) async fn wake_lanes(
    pool: &SqlitePool,
    target: &ObjectKey,
    owned: &OwnedShards,
    from: Nanos,
) -> Result<u64, StoreError> {
    bring_forward(pool, (LANES_DUE, "parked = 0"), target, owned, from).await
}

pub(super) async fn wake_cells(
    pool: &SqlitePool,
    target: &ObjectKey,
    owned: &OwnedShards,
    from: Nanos,
) -> Result<u64, StoreError> {
    bring_forward(pool, (CELLS_DUE, "dirty = 1"), target, owned, from).await
}

/// What was never tried and would fall due later: a clock that was set back has said so.
pub(super) async fn hasten(
    pool: &SqlitePool,
    target: &ObjectKey,
    owned: &OwnedShards,
    now: Nanos,
) -> Result<u64, StoreError> {
    let lanes = (LANES_DUE, "parked = 0 AND attempts = 0");
    let cells = (CELLS_DUE, "dirty = 1 AND attempts = 0");
    Ok(bring_forward(pool, lanes, target, owned, now).await?
        + bring_forward(pool, cells, target, owned, now).await?)
}

/// Cells in the order in which they fell due.
pub(super) fn cells_query(
    target: &ObjectKey,
    owned: &OwnedShards,
    now: Nanos,
    most: i64,
) -> Result<Query, StoreError> {
    let mut query = Query::new(CELLS);
    query.and("kind = ?", target.kind.as_str());
    query.and("target = ?", &target.name);
    query.condition("dirty = 1");
    query.and("due_ns <= ?", now.0);
    unless_held(&mut query, target, now);
    restrict(&mut query, owned)?;
    query.end("ORDER BY due_ns LIMIT ?", most);
    query.text(NAMED);
    Ok(query)
}

pub(super) async fn due_cells(
    pool: &SqlitePool,
    target: &ObjectKey,
    owned: &OwnedShards,
    now: Nanos,
    busy: &[LaneSubject],
    limit: usize,
) -> Result<Vec<Cell>, StoreError> {
    let rows = cells_query(target, owned, now, rows_to_ask(limit, busy))?.rows(pool).await?;
    let mut cells = Vec::new();
    for row in rows {
        let subject = subject(&row)?;
        if busy.contains(&subject) || cells.len() == limit {
            continue;
        }
        let damaged = |source| StoreError::Damaged { what: "discovery cell", source };
        let acked: Option<&str> = row.try_get("acked")?;
        cells.push(Cell {
            subject,
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

pub(super) async fn resend_cells(
    pool: &SqlitePool,
    target: &ObjectKey,
    owned: &OwnedShards,
    at: Nanos,
) -> Result<u64, StoreError> {
    let mut query = Query::new("UPDATE cells SET dirty = 1, attempts = 0, due_ns = ?");
    query.bind(at.0);
    query.and("kind = ?", target.kind.as_str());
    query.and("target = ?", &target.name);
    query.condition("dirty = 0");
    restrict(&mut query, owned)?;
    query.run(pool).await
}
