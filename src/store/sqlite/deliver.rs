//! What may be sent now: lanes of bills and discovery cells.

use sqlx::Row;
use sqlx::sqlite::{SqlitePool, SqliteRow};
use uuid::Uuid;

use super::query::Query;
use super::script::document;
use crate::observed::{Nanos, Shard};
use crate::resource::{KindId, ObjectKey};
use crate::store::{Cell, Lane, LaneSubject, OwnedShards, PendingBill, StoreError};

/// Bills fetched of one lane at a time; a lane is asked for again while it has more.
const LANE_BATCH: i64 = 16;

/// Adds that only what is for `target`, and of owned shards, is meant.
fn restrict(query: &mut Query, target: &ObjectKey, shards: &OwnedShards) -> Result<(), StoreError> {
    query.and("kind = ?", target.kind.as_str());
    query.and("target = ?", &target.name);
    if let OwnedShards::Only(shards) = shards {
        let words: Vec<_> = shards.iter().map(Shard::to_string).collect();
        query.and("shard IN (SELECT value FROM json_each(?))", document("shard", &words)?);
    }
    Ok(())
}

/// Where what waits for a target is, and which of it does.
pub(super) struct Waiting {
    /// What reads when it is due.
    due: &'static str,
    /// What lets it fall due at another time.
    put: &'static str,
    /// What lets it fall due at a time, if that is earlier.
    pub(super) hasten: &'static str,
    /// The condition under which it waits.
    pub(super) waits: &'static str,
}

const LANES: Waiting = Waiting {
    due: "SELECT due_ns FROM lanes",
    put: "UPDATE lanes SET due_ns = ?",
    hasten: "UPDATE lanes SET due_ns = min(due_ns, ?)",
    waits: "parked = 0",
};

const CELLS: Waiting = Waiting {
    due: "SELECT due_ns FROM cells",
    put: "UPDATE cells SET due_ns = ?",
    hasten: "UPDATE cells SET due_ns = min(due_ns, ?)",
    waits: "dirty = 1",
};

/// A registry has cells, every other kind of target lanes.
pub(super) const fn waiting(kind: KindId) -> &'static Waiting {
    match kind {
        KindId::DiscoveryRegistry => &CELLS,
        _ => &LANES,
    }
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

const DUE_LANES: &str =
    "SELECT due.*, IFNULL(name, '') AS name FROM (SELECT shard, subject, attempts, due_ns FROM lanes";
const DUE_CELLS: &str = "SELECT due.*, IFNULL(name, '') AS name FROM (
    SELECT shard, subject, generation, wanted, acked, attempted, attempts, due_ns FROM cells";
const NAMED: &str = ") AS due LEFT JOIN containers
    ON containers.engine = substr(due.shard, 8) AND containers.id = due.subject AND due.shard LIKE 'engine/%'
    ORDER BY due.due_ns";

/// What is due, in the order in which it fell due.
pub(super) fn due_query(
    target: &ObjectKey,
    owned: &OwnedShards,
    now: Nanos,
    most: i64,
) -> Result<Query, StoreError> {
    let mut query = Query::new(match target.kind {
        KindId::DiscoveryRegistry => DUE_CELLS,
        _ => DUE_LANES,
    });
    restrict(&mut query, target, owned)?;
    query.condition(waiting(target.kind).waits);
    query.and("due_ns <= ?", now.0);
    unless_held(&mut query, target, now);
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
    let rows = due_query(target, owned, now, rows_to_ask(limit, busy))?.rows(pool).await?;
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

pub(super) async fn next_due(
    pool: &SqlitePool,
    target: &ObjectKey,
    owned: &OwnedShards,
    now: Nanos,
) -> Result<Option<Nanos>, StoreError> {
    // Until the end of its hold nothing is due.
    if let Some(until) = held_until(pool, target, now).await? {
        return Ok(Some(until));
    }
    let waiting = waiting(target.kind);
    let mut query = Query::new(waiting.due);
    query.condition(waiting.waits);
    restrict(&mut query, target, owned)?;
    query.and("due_ns > ?", now.0);
    query.text("ORDER BY due_ns LIMIT 1");
    let row = query.rows(pool).await?;
    row.first().map(|row| Ok(Nanos(row.try_get("due_ns")?))).transpose()
}

/// Lets what falls due after `at` fall due then.
pub(super) async fn wake(
    pool: &SqlitePool,
    target: &ObjectKey,
    owned: &OwnedShards,
    at: Nanos,
) -> Result<u64, StoreError> {
    woken(target, owned, at)?.run(pool).await
}

fn woken(target: &ObjectKey, owned: &OwnedShards, at: Nanos) -> Result<Query, StoreError> {
    let waiting = waiting(target.kind);
    let mut query = Query::new(waiting.put);
    query.bind(at.0);
    query.condition(waiting.waits);
    restrict(&mut query, target, owned)?;
    query.and("due_ns > ?", at.0);
    Ok(query)
}

/// The same of what was never tried: only a clock that was set back can have said that it falls due later.
pub(super) async fn hasten(
    pool: &SqlitePool,
    target: &ObjectKey,
    owned: &OwnedShards,
    now: Nanos,
) -> Result<u64, StoreError> {
    let mut query = woken(target, owned, now)?;
    query.condition("attempts = 0");
    query.run(pool).await
}

pub(super) async fn due_cells(
    pool: &SqlitePool,
    target: &ObjectKey,
    owned: &OwnedShards,
    now: Nanos,
    busy: &[LaneSubject],
    limit: usize,
) -> Result<Vec<Cell>, StoreError> {
    let rows = due_query(target, owned, now, rows_to_ask(limit, busy))?.rows(pool).await?;
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
    query.condition("dirty = 0");
    restrict(&mut query, target, owned)?;
    query.run(pool).await
}
