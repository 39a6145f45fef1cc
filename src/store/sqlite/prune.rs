//! Forgetting what is old, in slices: whoever commits waits for one of them at most.
//!
//! What may go is looked for beside the writer, however long that takes; the writer only deletes it, by key, and judges again
//! where something may have changed meanwhile. How much goes at once follows from how long the last slice took.

use std::collections::BTreeSet;
use std::time::Duration;

use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{Connection, Row};
use tokio::time::Instant;

use super::events;
use super::script::Rows;
use super::write::unless_failed;
use crate::observed::Nanos;
use crate::store::{Pruned, StoreError};

/// How long a slice is meant to hold the writer.
const AIM: Duration = Duration::from_millis(15);
/// Rows of the first slice.
const FIRST: usize = 200;
/// Rows of a slice, however fast.
const MOST: usize = 2000;
/// Rows that are looked at at once beside the writer.
const PAGE: i64 = 5000;

/// The writer, held a slice at a time.
struct Slices<'p> {
    writer: &'p SqlitePool,
    rows: usize,
    pruned: Pruned,
}

impl Slices<'_> {
    /// Deletes what `keys` name, each with all of `statements`.
    async fn delete<K: serde::Serialize>(
        &mut self,
        mut keys: &[K],
        statements: &[&'static str],
    ) -> Result<(), StoreError> {
        while !keys.is_empty() {
            let (slice, rest) = keys.split_at(self.rows.min(keys.len()));
            keys = rest;
            let mut rows = Rows::default();
            for key in slice {
                rows.push(key)?;
            }
            let mut connection = self.writer.acquire().await?;
            let begin = Instant::now();
            let deleted = async {
                let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
                let mut deleted = 0;
                for statement in statements {
                    let query = sqlx::query(*statement).bind(rows.json());
                    deleted += query.execute(&mut *transaction).await?.rows_affected();
                }
                transaction.commit().await?;
                Ok(deleted)
            }
            .await;
            let held = begin.elapsed();
            self.pruned.rows += unless_failed(connection, deleted).await?;
            self.pruned.slices += 1;
            self.pruned.longest = self.pruned.longest.max(held);
            self.rows = next(self.rows, held);
        }
        Ok(())
    }
}

/// How many rows the next slice has, after one of so many took so long.
fn next(rows: usize, held: Duration) -> usize {
    if held > AIM {
        (rows / 4).max(10)
    } else if held < AIM / 4 {
        (rows * 2).min(MOST)
    } else {
        rows
    }
}

pub(super) async fn prune(
    writer: &SqlitePool,
    readers: &SqlitePool,
    before: Nanos,
    declared: &BTreeSet<String>,
) -> Result<Pruned, StoreError> {
    events::forget_readers(writer, declared).await?;
    let mut slices = Slices { writer, rows: FIRST, pruned: Pruned::default() };
    delivered(&mut slices, readers, before).await?;
    containers(&mut slices, readers, before).await?;
    runs(&mut slices, readers, before).await?;
    log(&mut slices, readers, before).await?;
    objects(&mut slices, readers, before).await?;
    Ok(slices.pruned)
}

async fn delivered(slices: &mut Slices<'_>, readers: &SqlitePool, before: Nanos) -> Result<(), StoreError> {
    loop {
        let old: Vec<i64> = sqlx::query_scalar(
            "SELECT seq FROM outbox WHERE delivered_ns IS NOT NULL AND delivered_ns < ? LIMIT ?",
        )
        .bind(before.0)
        .bind(PAGE)
        .fetch_all(readers)
        .await?;
        if old.is_empty() {
            return Ok(());
        }
        slices.delete(&old, &["DELETE FROM outbox WHERE seq IN (SELECT value FROM json_each(?))"]).await?;
    }
}

type Key = (String, String);

fn key(row: &SqliteRow) -> Result<Key, sqlx::Error> {
    Ok((row.try_get("engine")?, row.try_get("id")?))
}

/// Containers that were removed, with their runs. One stays as long as a target has not heard all of it: as long as it has a lane.
async fn containers(slices: &mut Slices<'_>, readers: &SqlitePool, before: Nanos) -> Result<(), StoreError> {
    let (mut removed, mut last) = (i64::MIN, Key::default());
    loop {
        let rows = sqlx::query(
            "SELECT removed_ns, engine, id, EXISTS (SELECT 1 FROM lanes l
                 WHERE l.subject = containers.id AND l.shard = 'engine/' || containers.engine) AS held
             FROM containers WHERE removed_ns < ?1 AND (removed_ns, engine, id) > (?2, ?3, ?4)
             ORDER BY removed_ns, engine, id LIMIT ?5",
        )
        .bind(before.0)
        .bind(removed)
        .bind(&last.0)
        .bind(&last.1)
        .bind(PAGE)
        .fetch_all(readers)
        .await?;
        let Some(end) = rows.last() else { return Ok(()) };
        (removed, last) = (end.try_get("removed_ns")?, key(end)?);
        let mut gone = Vec::new();
        for row in &rows {
            if !row.try_get::<bool, _>("held")? {
                gone.push(key(row)?);
            }
        }
        // A lane may have opened meanwhile: by a replay of what the engine still remembers.
        slices
            .delete(
                &gone,
                &[
                    "DELETE FROM containers WHERE (engine, id) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?))
                         AND removed_ns IS NOT NULL AND NOT EXISTS (SELECT 1 FROM lanes l
                             WHERE l.subject = containers.id AND l.shard = 'engine/' || containers.engine)",
                    "DELETE FROM runs WHERE (engine, container_id) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?))
                         AND NOT EXISTS (SELECT 1 FROM containers c
                             WHERE c.engine = runs.engine AND c.id = runs.container_id)",
                ],
            )
            .await?;
    }
}

/// Old runs of containers that have many: the newest of each are what a replay is matched against. All runs are looked at,
/// beside the writer, container by container.
async fn runs(slices: &mut Slices<'_>, readers: &SqlitePool, before: Nanos) -> Result<(), StoreError> {
    let mut last = Key::default();
    loop {
        let rows = sqlx::query(
            "SELECT engine, container_id AS id, count(*) AS runs FROM runs WHERE (engine, container_id) > (?, ?)
             GROUP BY engine, container_id LIMIT ?",
        )
        .bind(&last.0)
        .bind(&last.1)
        .bind(PAGE)
        .fetch_all(readers)
        .await?;
        let Some(end) = rows.last() else { return Ok(()) };
        last = key(end)?;
        for row in &rows {
            if row.try_get::<i64, _>("runs")? <= KEPT {
                continue;
            }
            let (engine, id) = key(row)?;
            let old: Vec<String> = sqlx::query_scalar(
                "SELECT key FROM (SELECT key, ended_ns, row_number() OVER (ORDER BY started_ns DESC) AS place FROM runs
                     WHERE engine = ? AND container_id = ?) WHERE place > ? AND ended_ns < ?",
            )
            .bind(&engine)
            .bind(&id)
            .bind(KEPT)
            .bind(before.0)
            .fetch_all(readers)
            .await?;
            let keys: Vec<_> = old.into_iter().map(|run| (&engine, &id, run)).collect();
            slices
                .delete(
                    &keys,
                    &["DELETE FROM runs WHERE (engine, container_id, key) IN
                           (SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?))"],
                )
                .await?;
        }
    }
}

/// Runs of a living container that are kept however old they are.
const KEPT: i64 = 16;

/// Events that every reader has passed; what one has passed it has passed for good. All old events are looked at, beside the
/// writer, those too that a slow reader keeps.
async fn log(slices: &mut Slices<'_>, readers: &SqlitePool, before: Nanos) -> Result<(), StoreError> {
    let (mut at, mut last) = (i64::MIN, 0_i64);
    loop {
        let rows = sqlx::query(
            "SELECT at_ns, id, EXISTS (
                 SELECT 1 FROM (SELECT DISTINCT reader FROM event_cursors) r WHERE event_log.seq > coalesce(
                     (SELECT c.seq FROM event_cursors c WHERE c.reader = r.reader AND c.shard = event_log.shard), 0)) AS held
             FROM event_log WHERE at_ns < ?1 AND (at_ns, id) > (?2, ?3) ORDER BY at_ns, id LIMIT ?4",
        )
        .bind(before.0)
        .bind(at)
        .bind(last)
        .bind(PAGE)
        .fetch_all(readers)
        .await?;
        let Some(end) = rows.last() else { return Ok(()) };
        (at, last) = (end.try_get("at_ns")?, end.try_get("id")?);
        let mut passed = Vec::new();
        for row in &rows {
            if !row.try_get::<bool, _>("held")? {
                passed.push(row.try_get::<i64, _>("id")?);
            }
        }
        slices
            .delete(&passed, &["DELETE FROM event_log WHERE id IN (SELECT value FROM json_each(?))"])
            .await?;
    }
}

/// What is known of objects that are gone. From then on a follower that has not heard of them is told that it missed something.
async fn objects(slices: &mut Slices<'_>, readers: &SqlitePool, before: Nanos) -> Result<(), StoreError> {
    let gone: Vec<i64> =
        sqlx::query_scalar("SELECT revision FROM objects_gone WHERE gone_ns < ? ORDER BY revision")
            .bind(before.0)
            .fetch_all(readers)
            .await?;
    slices
        .delete(
            &gone,
            &[
                "UPDATE object_revision SET forgotten = max(forgotten, (SELECT max(value) FROM json_each(?)))",
                "DELETE FROM objects_gone WHERE revision IN (SELECT value FROM json_each(?))",
            ],
        )
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_that_took_long_is_followed_by_smaller_ones() {
        let after = |millis| next(400, Duration::from_millis(millis));
        assert_eq!([0, 3, 4, 15, 16].map(after), [800, 800, 400, 400, 100]);
        assert_eq!((next(MOST, Duration::ZERO), next(12, AIM * 9)), (MOST, 10));
    }
}
