//! What people decide about deliveries: parked bills are sent again or passed over, waiting ones tried at once, and those of a
//! service that is gone dropped.

use std::collections::BTreeSet;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnection, SqlitePool};
use sqlx::{Connection, Row};

use super::batch::{LANES_DRAINED, LANES_GO_ON};
use super::deliver::waiting;
use super::events;
use super::query::Query;
use super::script::{Rows, Script};
use super::write::unless_failed;
use crate::observed::Nanos;
use crate::resource::ObjectKey;
use crate::store::{Discarded, LaneKey, LaneSubject, NewEvent, StoreError};

/// Bills that are dropped at once: commits wait no longer than that takes.
const SLICE: i64 = 1000;
/// Between two slices of what is dropped, so that whoever waits for the writer is let in.
const BREATH: Duration = Duration::from_millis(1);

/// Adds that only what is about `subject` is meant.
fn about(query: &mut Query, subject: &LaneSubject) {
    query.and("shard = ?", subject.shard().to_string());
    query.and("subject = ?", subject.word());
}

/// Frees parked lanes of a target, of one subject or of all: they fall due at `at`.
pub(super) async fn replay(
    pool: &SqlitePool,
    target: &ObjectKey,
    subject: Option<&LaneSubject>,
    at: Nanos,
) -> Result<u64, StoreError> {
    let mut query = Query::new("UPDATE lanes SET parked = 0, attempts = 0, last_error = NULL, due_ns = ?");
    query.bind(at.0);
    query.and("kind = ?", target.kind.as_str());
    query.and("target = ?", &target.name);
    query.condition("parked = 1");
    if let Some(subject) = subject {
        about(&mut query, subject);
    }
    query.run(pool).await
}

pub(super) async fn retry(
    pool: &SqlitePool,
    target: &ObjectKey,
    subject: Option<&LaneSubject>,
    at: Nanos,
) -> Result<u64, StoreError> {
    let waiting = waiting(target.kind);
    let mut query = Query::new(waiting.hasten);
    query.bind(at.0);
    query.and("kind = ?", target.kind.as_str());
    query.and("target = ?", &target.name);
    query.condition(waiting.waits);
    if let Some(subject) = subject {
        about(&mut query, subject);
    }
    let mut connection = pool.acquire().await?;
    let retried = async {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        let waiting = query.run(&mut *transaction).await?;
        let query = sqlx::query("DELETE FROM holds WHERE kind = ? AND target = ?").bind(target.kind.as_str());
        query.bind(&target.name).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(waiting)
    }
    .await;
    unless_failed(connection, retried).await
}

/// Tells of an event within a transaction.
async fn tell(db: &mut SqliteConnection, event: &NewEvent) -> Result<(), StoreError> {
    let mut script = Script::default();
    events::put(&mut script, std::iter::once(event))?;
    script.run(db).await
}

pub(super) async fn skip(
    pool: &SqlitePool,
    lane: &LaneKey,
    seq: i64,
    reason: &str,
    event: &NewEvent,
) -> Result<bool, StoreError> {
    let LaneKey { target, subject } = lane;
    let (shard, word) = (subject.shard().to_string(), subject.word());
    let mut connection = pool.acquire().await?;
    let skipped = async {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        let passed = sqlx::query(
            "UPDATE outbox SET delivered_ns = ?1, skipped = ?2
             WHERE seq = ?3 AND delivered_ns IS NULL AND kind = ?4 AND target = ?5 AND shard = ?6 AND subject = ?7
                 AND EXISTS (SELECT 1 FROM lanes l WHERE l.kind = ?4 AND l.target = ?5 AND l.shard = ?6
                     AND l.subject = ?7 AND l.parked = 1)
                 AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.kind = ?4 AND o.target = ?5 AND o.shard = ?6
                     AND o.subject = ?7 AND o.delivered_ns IS NULL AND o.seq < ?3)",
        )
        .bind(event.at().0)
        .bind(reason)
        .bind(seq)
        .bind(target.kind.as_str())
        .bind(&target.name)
        .bind(&shard)
        .bind(&word)
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        if passed == 0 {
            return Ok(false);
        }
        let mut lanes = Rows::default();
        lanes.push(&(target.kind.as_str(), &target.name, &shard, &word, seq, event.at().0))?;
        let mut script = Script::default();
        script.over(&lanes, LANES_GO_ON);
        script.over(&lanes, LANES_DRAINED);
        events::put(&mut script, std::iter::once(event))?;
        script.run(&mut transaction).await?;
        transaction.commit().await?;
        Ok(true)
    }
    .await;
    unless_failed(connection, skipped).await
}

/// Drops what is not delivered to a target by now, in slices, each with the lanes that it empties; the event comes with the
/// first. Whoever breaks it off leaves the rest waiting, and may ask again.
pub(super) async fn discard(
    pool: &SqlitePool,
    target: &ObjectKey,
    tells: &Discarded<'_>,
) -> Result<u64, StoreError> {
    let (mut last, mut dropped, mut all) = (None, 0, 0);
    loop {
        let mut connection = pool.acquire().await?;
        let slice = async {
            let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
            // What comes later is for whoever is declared under the name again.
            let up_to = match last {
                Some(last) => last,
                None => {
                    let row = sqlx::query(
                        "SELECT count(*) AS bills, coalesce(max(seq), 0) AS last FROM outbox
                         WHERE kind = ? AND target = ? AND (delivered_ns IS NULL) = 1",
                    )
                    .bind(target.kind.as_str())
                    .bind(&target.name)
                    .fetch_one(&mut *transaction)
                    .await?;
                    all = row.try_get::<i64, _>("bills")?.unsigned_abs();
                    if all > 0 {
                        tell(&mut transaction, &tells(all)).await?;
                    }
                    row.try_get::<i64, _>("last")?
                }
            };
            let rows = sqlx::query(
                "DELETE FROM outbox WHERE seq IN (SELECT seq FROM outbox
                     WHERE kind = ? AND target = ? AND (delivered_ns IS NULL) = 1 AND seq <= ? LIMIT ?)
                 RETURNING shard, subject",
            )
            .bind(target.kind.as_str())
            .bind(&target.name)
            .bind(up_to)
            .bind(SLICE)
            .fetch_all(&mut *transaction)
            .await?;
            let mut subjects = BTreeSet::new();
            for row in &rows {
                subjects.insert((row.try_get::<String, _>("shard")?, row.try_get::<String, _>("subject")?));
            }
            let mut lanes = Rows::default();
            for (shard, word) in &subjects {
                lanes.push(&(target.kind.as_str(), &target.name, shard, word))?;
            }
            let mut script = Script::default();
            script.over(&lanes, LANES_DRAINED);
            script.run(&mut transaction).await?;
            transaction.commit().await?;
            Ok((up_to, rows.len()))
        }
        .await;
        let (up_to, bills) = unless_failed(connection, slice).await?;
        last = Some(up_to);
        dropped += u64::try_from(bills).unwrap_or(0);
        if dropped >= all || bills == 0 {
            return Ok(dropped);
        }
        tokio::time::sleep(BREATH).await;
    }
}
