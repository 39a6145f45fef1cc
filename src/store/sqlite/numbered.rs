//! Events by their numbers, as they are read by whoever follows the whole log.

use sqlx::sqlite::SqlitePool;

use super::events::row;
use crate::store::{EventRow, StoreError};

pub(super) async fn events_after(
    pool: &SqlitePool,
    after: i64,
    limit: u32,
) -> Result<Vec<EventRow>, StoreError> {
    let rows = sqlx::query("SELECT * FROM event_log WHERE id > ? ORDER BY id LIMIT ?");
    rows.bind(after).bind(limit).fetch_all(pool).await?.iter().map(row).collect()
}

pub(super) async fn newest_event(pool: &SqlitePool) -> Result<i64, StoreError> {
    // SQLite keeps the last number that it gave, whatever became of its event.
    let newest = sqlx::query_scalar("SELECT seq FROM sqlite_sequence WHERE name = 'event_log'");
    Ok(newest.fetch_optional(pool).await?.unwrap_or(0))
}

pub(super) async fn keeps_events_after(pool: &SqlitePool, after: i64) -> Result<bool, StoreError> {
    // Numbers have no holes but those of events that were forgotten: a transaction that fails gives its numbers back. What is
    // recorded between the two questions is kept.
    let given = newest_event(pool).await? - after;
    let kept: i64 =
        sqlx::query_scalar("SELECT count(*) FROM event_log WHERE id > ?").bind(after).fetch_one(pool).await?;
    Ok(kept >= given)
}
