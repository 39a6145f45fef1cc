//! Committing change sets.

use sqlx::Connection;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{Sqlite, SqlitePool};

use super::batch::Batch;
use crate::store::{ChangeSet, StoreError};

pub(super) async fn commit(pool: &SqlitePool, changes: &[ChangeSet]) -> Result<(), StoreError> {
    let mut batch = Batch::default();
    for change in changes {
        if let Some(what) = change.foreign() {
            return Err(StoreError::Rejected(what));
        }
        if change.epoch != 0 {
            return Err(StoreError::Overtaken { shard: change.shard.clone(), epoch: change.epoch });
        }
        batch.add(change)?;
    }
    let script = batch.script()?;
    let mut connection = pool.acquire().await?;
    let written = script.commit(&mut connection).await;
    unless_failed(connection, written).await
}

/// Parts with a connection on which a transaction failed: it may be open still, or ended by SQLite itself, as a full disk
/// makes it do, and the driver would not know.
pub(super) async fn unless_failed<T>(
    connection: PoolConnection<Sqlite>,
    written: Result<T, StoreError>,
) -> Result<T, StoreError> {
    if written.is_err() {
        // It holds nothing any more that could be lost.
        let _ = connection.detach().close_hard().await;
    }
    written
}
