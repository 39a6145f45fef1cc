//! The event log: numbered as it is written, read by people newest first and by readers in order.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sqlx::Row;
use sqlx::sqlite::{SqlitePool, SqliteRow};

use super::named::{Named, beyond, ways};
use super::query::Query;
use super::script::{Rows, Script, document};
use crate::observed::{Nanos, Shard};
use crate::resource::event::Severity;
use crate::store::{EventCursor, EventFilter, EventRow, NewEvent, StoreError, StoredEvent};

/// An event as it is written.
#[derive(Serialize)]
struct Written {
    at: i64,
    engine: String,
    container_id: String,
    container_name: String,
    image: String,
    host: String,
    ports: String,
    object: String,
    event_type: String,
    reason: String,
    status: String,
    message: String,
    severity: &'static str,
    restart_count: u32,
    caller: String,
    output: String,
    shard: String,
    /// Its place among those of its shard that are written together, from the last: 0, -1, …
    place: i64,
}

const ENDS: &str =
    "INSERT INTO event_ends (shard, seq) SELECT value ->> 0, value ->> 1 FROM jsonb_each(?) WHERE true
    ON CONFLICT DO UPDATE SET seq = seq + excluded.seq";

const LOG: &str = "INSERT INTO event_log (at_ns, engine, container_id, container_name, image, host, ports, object, event_type,
        reason, status, message, severity, restart_count, caller, output, shard, seq)
    SELECT value ->> 'at', value ->> 'engine', value ->> 'container_id', value ->> 'container_name', value ->> 'image',
        value ->> 'host', value ->> 'ports', value ->> 'object', value ->> 'event_type', value ->> 'reason', value ->> 'status',
        value ->> 'message', value ->> 'severity', value ->> 'restart_count', value ->> 'caller', value ->> 'output',
        value ->> 'shard', (SELECT seq FROM event_ends e WHERE e.shard = value ->> 'shard') + (value ->> 'place')
    FROM jsonb_each(?)";

/// Adds events with their numbers in their shards, which are given here, by the one writer, within the transaction.
pub(super) fn put<'e>(
    script: &mut Script,
    events: impl Iterator<Item = &'e NewEvent> + Clone,
) -> Result<(), StoreError> {
    let mut ends: BTreeMap<Shard, i64> = BTreeMap::new();
    for event in events.clone() {
        *ends.entry(event.shard()).or_default() += 1;
    }
    let (mut counts, mut log) = (Rows::default(), Rows::default());
    for (shard, count) in &ends {
        counts.push(&(shard.to_string(), count))?;
    }
    for event in events {
        let shard = event.shard();
        let left = ends.entry(shard.clone()).or_default();
        *left -= 1;
        let place = -*left;
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
        log.push(&Written {
            at: at.0,
            engine,
            container_id,
            container_name,
            image,
            host,
            ports: document("port", &ports)?,
            object,
            event_type,
            reason,
            status,
            message,
            severity: severity.as_str(),
            restart_count,
            caller,
            output,
            shard: shard.to_string(),
            place,
        })?;
    }
    script.over(&counts, ENDS);
    script.over(&log, LOG);
    Ok(())
}

pub(super) async fn events(pool: &SqlitePool, filter: &EventFilter) -> Result<Vec<EventRow>, StoreError> {
    // What two ways find is told once.
    let mut found = BTreeMap::new();
    for named in ways(filter.container.as_deref()) {
        for event in select(filter, named).rows(pool).await?.iter().map(row) {
            let event = event?;
            found.insert((event.event.at, event.id), event);
        }
    }
    let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX);
    Ok(found.into_values().rev().take(limit).collect())
}

pub(super) fn select(filter: &EventFilter, named: Option<Named<'_>>) -> Query {
    let EventFilter { event_type, container: _, since, until, limit } = filter;
    let mut query = Query::new("SELECT * FROM event_log");
    match named {
        Some(Named::Name("")) => query.condition("container_name = ''"),
        Some(Named::Name(name)) => query.and("container_name <> '' AND container_name = ?", name),
        Some(Named::Id(id)) => {
            query.and("container_id <> '' AND container_id >= ?", id);
            query.and("container_id < ?", beyond(id));
        }
        None => {}
    }
    match (event_type, named.is_some()) {
        (Some(event_type), false) => query.and("event_type = ?", event_type),
        // The container's index is the narrower one.
        (Some(event_type), true) => query.and("+event_type = ?", event_type),
        (None, _) => {}
    }
    // Also without a beginning it has its place in the index: what is read ends with the page. Events of one id are looked at all.
    let by_id = matches!(named, Some(Named::Id(_)));
    let from = if by_id { "+at_ns >= ?" } else { "at_ns >= ?" };
    query.and(from, since.map_or(i64::MIN, |since| since.0));
    if let Some(until) = until {
        query.and(if by_id { "+at_ns < ?" } else { "at_ns < ?" }, until.0);
    }
    query.end("ORDER BY at_ns DESC, id DESC LIMIT ?", *limit);
    query
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
    writer: &SqlitePool,
    declared: &BTreeSet<String>,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM event_cursors WHERE reader NOT IN (SELECT value FROM json_each(?))")
        .bind(document("reader", declared)?)
        .execute(writer)
        .await?;
    Ok(())
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
