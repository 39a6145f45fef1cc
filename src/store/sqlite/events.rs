//! The event log: numbered as it is written, read by people newest first and by readers in order, and forgotten.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqlitePool, SqliteRow};

use super::script::{Script, document};
use crate::observed::{Nanos, Shard};
use crate::resource::event::Severity;
use crate::store::{EventCursor, EventFilter, EventRow, NewEvent, StoreError, StoredEvent};

/// How many events are forgotten at once: commits wait no longer than that takes.
const SLICE: usize = 1000;

/// Adds an event with its number in its shard, which is given here, by the one writer, within the transaction.
pub(super) fn put_event(db: &mut Script, event: &NewEvent) -> Result<(), StoreError> {
    let shard = event.shard().to_string();
    let StoredEvent {
        at,
        engine,
        container_id,
        container_name,
        image,
        host,
        ports,
        object,
        event_type,
        reason,
        status,
        message,
        severity,
        restart_count,
        caller,
        output,
    } = event.stored();
    db.add("INSERT INTO event_ends (shard, seq) VALUES (?, 1) ON CONFLICT DO UPDATE SET seq = seq + 1")
        .bind(&shard)?;
    db.add(
        "INSERT INTO event_log (at_ns, engine, container_id, container_name, image, host, ports, object, event_type, reason,
             status, message, severity, restart_count, caller, output, shard, seq)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, (SELECT seq FROM event_ends WHERE shard = ?))",
    )
    .bind(at.0)?
    .bind(engine)?
    .bind(container_id)?
    .bind(container_name)?
    .bind(image)?
    .bind(host)?
    .bind(document("port", &ports)?)?
    .bind(object)?
    .bind(event_type)?
    .bind(reason)?
    .bind(status)?
    .bind(message)?
    .bind(severity.as_str())?
    .bind(restart_count)?
    .bind(caller)?
    .bind(output)?
    .bind(&shard)?
    .bind(&shard)?;
    Ok(())
}

/// Moves a reader on. One without any cursor was not opened, or was forgotten: it gets none by this.
pub(super) fn put_cursor(db: &mut Script, cursor: &EventCursor) -> Result<(), StoreError> {
    let EventCursor { reader, shard, seq } = cursor;
    db.add(
        "INSERT INTO event_cursors (reader, shard, seq)
         SELECT ?, ?, ? WHERE EXISTS (SELECT 1 FROM event_cursors WHERE reader = ?)
         ON CONFLICT DO UPDATE SET seq = max(seq, excluded.seq)",
    )
    .bind(reader)?
    .bind(shard.to_string())?
    .bind(*seq)?
    .bind(reader)?;
    Ok(())
}

pub(super) async fn events(pool: &SqlitePool, filter: &EventFilter) -> Result<Vec<EventRow>, StoreError> {
    let EventFilter { event_type, container, since, until, limit } = filter;
    let rows = sqlx::query(
        "SELECT * FROM event_log
         WHERE (?1 IS NULL OR event_type = ?1)
           AND (?2 IS NULL OR container_name = ?2 OR (length(?2) >= 6 AND substr(container_id, 1, length(?2)) = ?2))
           AND (?3 IS NULL OR at_ns >= ?3) AND (?4 IS NULL OR at_ns < ?4)
         ORDER BY at_ns DESC, id DESC LIMIT ?5",
    )
    .bind(event_type)
    .bind(container)
    .bind(since.map(|at| at.0))
    .bind(until.map(|at| at.0))
    .bind(limit)
    .fetch_all(pool)
    .await?;
    rows.iter().map(row).collect()
}

pub(super) async fn read_events(
    pool: &SqlitePool,
    shard: &Shard,
    after: i64,
    limit: u32,
) -> Result<Vec<EventRow>, StoreError> {
    let rows = sqlx::query("SELECT * FROM event_log WHERE shard = ? AND seq > ? ORDER BY seq LIMIT ?")
        .bind(shard.to_string())
        .bind(after)
        .bind(limit)
        .fetch_all(pool)
        .await?;
    rows.iter().map(row).collect()
}

pub(super) async fn open_reader(pool: &SqlitePool, reader: &str) -> Result<BTreeMap<Shard, i64>, StoreError> {
    // One of the fleet's in any case: what has no cursor at all has not begun.
    sqlx::query(
        "INSERT INTO event_cursors (reader, shard, seq)
         SELECT ?1, shard, max(seq) FROM (SELECT shard, seq FROM event_ends UNION ALL SELECT ?2, 0)
         WHERE NOT EXISTS (SELECT 1 FROM event_cursors WHERE reader = ?1) GROUP BY shard",
    )
    .bind(reader)
    .bind(Shard::Fleet.to_string())
    .execute(pool)
    .await?;
    // A shard without a cursor came later: all of it is still to be read.
    let rows = sqlx::query(
        "SELECT shard, max(seq) AS seq FROM (SELECT shard, 0 AS seq FROM event_ends
             UNION ALL SELECT shard, seq FROM event_cursors WHERE reader = ?) GROUP BY shard",
    )
    .bind(reader)
    .fetch_all(pool)
    .await?;
    rows.iter().map(|row| Ok((shard(row)?, row.try_get("seq")?))).collect()
}

pub(super) async fn readers(pool: &SqlitePool) -> Result<Vec<EventCursor>, StoreError> {
    let rows = sqlx::query("SELECT reader, shard, seq FROM event_cursors ORDER BY reader, shard");
    let cursor = |row: &SqliteRow| {
        Ok(EventCursor { reader: row.try_get("reader")?, shard: shard(row)?, seq: row.try_get("seq")? })
    };
    rows.fetch_all(pool).await?.iter().map(cursor).collect()
}

/// Forgets the cursors of readers that are not declared.
pub(super) async fn forget_readers(
    db: &mut SqliteConnection,
    declared: &BTreeSet<String>,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM event_cursors WHERE reader NOT IN (SELECT value FROM json_each(?))")
        .bind(document("reader", declared)?)
        .execute(db)
        .await?;
    Ok(())
}

/// Forgets events that are old and that every reader has passed: how many. They are looked for beside the writer, which
/// would otherwise be held for all that a slow reader keeps; what a reader has passed it has passed for good.
pub(super) async fn forget(
    writer: &SqlitePool,
    readers: &SqlitePool,
    before: Nanos,
) -> Result<u64, StoreError> {
    let passed: Vec<i64> = sqlx::query_scalar(
        "SELECT id FROM event_log WHERE at_ns < ? AND NOT EXISTS (
             SELECT 1 FROM (SELECT DISTINCT reader FROM event_cursors) r WHERE event_log.seq > coalesce(
                 (SELECT c.seq FROM event_cursors c WHERE c.reader = r.reader AND c.shard = event_log.shard), 0))",
    )
    .bind(before.0)
    .fetch_all(readers)
    .await?;
    let mut forgotten = 0;
    for ids in passed.chunks(SLICE) {
        let slice = sqlx::query("DELETE FROM event_log WHERE id IN (SELECT value FROM json_each(?))");
        forgotten += slice.bind(document("event", &ids)?).execute(writer).await?.rows_affected();
    }
    Ok(forgotten)
}

fn shard(row: &SqliteRow) -> Result<Shard, StoreError> {
    let text: &str = row.try_get("shard")?;
    let damaged = || sqlx::Error::Decode(format!("`{text}` is no shard").into());
    Ok(Shard::parse(text).ok_or_else(damaged)?)
}

pub(super) fn row(row: &SqliteRow) -> Result<EventRow, StoreError> {
    let ports = serde_json::from_str(row.try_get("ports")?);
    Ok(EventRow {
        id: row.try_get("id")?,
        shard: shard(row)?,
        seq: row.try_get("seq")?,
        event: StoredEvent {
            at: Nanos(row.try_get("at_ns")?),
            engine: row.try_get("engine")?,
            container_id: row.try_get("container_id")?,
            container_name: row.try_get("container_name")?,
            image: row.try_get("image")?,
            host: row.try_get("host")?,
            ports: ports.map_err(|source| StoreError::Damaged { what: "port", source })?,
            object: row.try_get("object")?,
            event_type: row.try_get("event_type")?,
            reason: row.try_get("reason")?,
            status: row.try_get("status")?,
            message: row.try_get("message")?,
            severity: Severity::parse(row.try_get("severity")?).unwrap_or(Severity::Info),
            restart_count: row.try_get("restart_count")?,
            caller: row.try_get("caller")?,
            output: row.try_get("output")?,
        },
    })
}
