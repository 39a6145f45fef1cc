//! What people decide about deliveries: parked bills are sent again or passed over, waiting ones tried at once, and those of a
//! service that is gone dropped.

use sqlx::Connection;
use sqlx::sqlite::SqlitePool;

use super::events::put_event;
use super::script::Script;
use super::write::unless_failed;
use crate::observed::ContainerKey;
use crate::resource::KindId;
use crate::store::{DeliveryKind, Discarded, NewEvent, RetryScope, StoreError};

pub(super) async fn replay(pool: &SqlitePool, target: &str) -> Result<u64, StoreError> {
    let freed = sqlx::query(
        "UPDATE lanes SET parked = 0, attempts = 0, next_ns = 0, last_error = NULL WHERE target = ? AND parked = 1",
    )
    .bind(target)
    .execute(pool)
    .await?;
    Ok(freed.rows_affected())
}

pub(super) async fn replay_lane(
    pool: &SqlitePool,
    target: &str,
    key: &ContainerKey,
) -> Result<u64, StoreError> {
    let freed = sqlx::query(
        "UPDATE lanes SET parked = 0, attempts = 0, next_ns = 0, last_error = NULL
         WHERE target = ? AND engine = ? AND container_id = ? AND parked = 1",
    )
    .bind(target)
    .bind(&*key.engine)
    .bind(&*key.id)
    .execute(pool)
    .await?;
    Ok(freed.rows_affected())
}

pub(super) async fn retry(pool: &SqlitePool, which: &RetryScope<'_>) -> Result<u64, StoreError> {
    let RetryScope { kind, target, key } = which;
    let (engine, container) = match key {
        Some(key) => (Some(&*key.engine), Some(&*key.id)),
        None => (None, None),
    };
    let (kind, statement) = match kind {
        DeliveryKind::Bill => (
            KindId::BillingService,
            "UPDATE lanes SET next_ns = 0 WHERE target = ?1 AND parked = 0
                 AND (?2 IS NULL OR (engine = ?2 AND container_id = ?3))",
        ),
        DeliveryKind::Cell => (
            KindId::DiscoveryRegistry,
            "UPDATE cells SET next_ns = 0 WHERE registry = ?1 AND dirty = 1
                 AND (?2 IS NULL OR (engine = ?2 AND container_id = ?3))",
        ),
    };
    let mut connection = pool.acquire().await?;
    let retried = async {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        let query = sqlx::query(statement).bind(target).bind(engine).bind(container);
        let waiting = query.execute(&mut *transaction).await?.rows_affected();
        let query = sqlx::query("DELETE FROM holds WHERE kind = ? AND target = ?").bind(kind.as_str());
        query.bind(target).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(waiting)
    }
    .await;
    unless_failed(connection, retried).await
}

pub(super) async fn skip(
    pool: &SqlitePool,
    seq: i64,
    reason: &str,
    event: &NewEvent,
) -> Result<bool, StoreError> {
    let mut connection = pool.acquire().await?;
    let skipped = async {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        let passed = sqlx::query(
            "UPDATE outbox SET delivered_ns = ?1, skipped = ?2 WHERE seq = ?3 AND delivered_ns IS NULL
                 AND EXISTS (SELECT 1 FROM lanes l WHERE l.target = outbox.target AND l.engine = outbox.engine
                     AND l.container_id = outbox.container_id AND l.parked = 1)
                 AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.target = outbox.target AND o.engine = outbox.engine
                     AND o.container_id = outbox.container_id AND o.delivered_ns IS NULL AND o.seq < outbox.seq)",
        )
        .bind(event.at().0)
        .bind(reason)
        .bind(seq)
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        if passed == 0 {
            return Ok(false);
        }
        for statement in [
            "UPDATE lanes SET parked = 0, attempts = 0, next_ns = 0, last_error = NULL
             WHERE (target, engine, container_id) = (SELECT target, engine, container_id FROM outbox WHERE seq = ?)",
            "DELETE FROM lanes
             WHERE (target, engine, container_id) = (SELECT target, engine, container_id FROM outbox WHERE seq = ?)
               AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.target = lanes.target AND o.engine = lanes.engine
                   AND o.container_id = lanes.container_id AND o.delivered_ns IS NULL)",
        ] {
            sqlx::query(statement).bind(seq).execute(&mut *transaction).await?;
        }
        let mut told = Script::part();
        put_event(&mut told, event)?;
        told.run(&mut transaction).await?;
        transaction.commit().await?;
        Ok(true)
    }
    .await;
    unless_failed(connection, skipped).await
}

pub(super) async fn discard(
    pool: &SqlitePool,
    target: &str,
    tells: &Discarded<'_>,
) -> Result<u64, StoreError> {
    let mut connection = pool.acquire().await?;
    let dropped = async {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        let bills = sqlx::query("DELETE FROM outbox WHERE target = ? AND delivered_ns IS NULL").bind(target);
        let bills = bills.execute(&mut *transaction).await?.rows_affected();
        sqlx::query("DELETE FROM lanes WHERE target = ?").bind(target).execute(&mut *transaction).await?;
        if bills > 0 {
            let mut told = Script::part();
            put_event(&mut told, &tells(bills))?;
            told.run(&mut transaction).await?;
        }
        transaction.commit().await?;
        Ok(bills)
    }
    .await;
    unless_failed(connection, dropped).await
}
