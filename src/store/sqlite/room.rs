//! Room on the disk: what is no longer needed is given back, and a little is kept back for bad times.
//!
//! # Guarantees
//! - Files grow and shrink in small steps: what is freed is given back in slices between which commits pass.
//! - Pruning works on a full disk. It needs room itself before it frees any, in the write-ahead log; for that a reserve lies
//!   beside the database, which commits cannot use up. It is given up to the pruning that finds the disk full, and made again
//!   once there is room.

use std::fs::File;
use std::future::Future;
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::fs::{FallocateFlags, fallocate, statvfs};
use sqlx::Connection;
use sqlx::sqlite::SqlitePool;
use tokio::time::Instant;
use tracing::{info, warn};

use super::write::unless_failed;
use crate::store::{Pruned, StoreError};

/// Free pages that are given back at once: commits wait no longer than that takes.
const SLICE: i64 = 128;
/// Free pages that stay for what comes next.
const REST: i64 = 256;
/// How much is kept for pruning. On a full disk the log, of a thousand pages and a transaction, could not be written back, for
/// which the database may have to grow by as much; only then there is room in the log again.
const RESERVE: u64 = 8 * 1024 * 1024;

/// A file beside the database whose room pruning gets when the disk is full.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    /// Whether it was said that there is none.
    told: AtomicBool,
}

impl Reserve {
    pub(super) fn beside(database: &Path) -> Self {
        Self { path: database.with_extension("reserve"), told: AtomicBool::new(false) }
    }

    /// Makes it, unless it is there or would take the last room from commits.
    pub(super) async fn make(&self) {
        let path = self.path.clone();
        let made = tokio::task::spawn_blocking(move || make(&path)).await;
        match made.map_err(io::Error::other).flatten() {
            Ok(()) => self.told.store(false, Ordering::Relaxed),
            Err(error) => {
                if !self.told.swap(true, Ordering::Relaxed) {
                    warn!(target: "portreeve::store", "no reserve for pruning on a full disk: cannot keep {} MiB in {}: {error}",
                        RESERVE / 1024 / 1024, self.path.display());
                }
            }
        }
    }

    /// Gives its room up: whether there was any.
    pub(super) fn give_up(&self) -> bool {
        let there = is_there(&self.path);
        let truncated = File::options().write(true).truncate(true).open(&self.path);
        there && truncated.and_then(|file| file.sync_all()).is_ok()
    }
}

fn is_there(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|entry| entry.len() >= RESERVE && entry.blocks() * 512 >= RESERVE)
}

fn make(path: &Path) -> io::Result<()> {
    if is_there(path) {
        return Ok(());
    }
    let file = File::options().create(true).truncate(true).write(true).mode(0o600).open(path)?;
    let made = if free(path)? < 2 * RESERVE { Err(io::ErrorKind::StorageFull.into()) } else { take(&file) };
    if made.is_err() {
        file.set_len(0)?;
    }
    made
}

/// Takes the room for a file that is empty.
fn take(file: &File) -> io::Result<()> {
    match fallocate(file, FallocateFlags::empty(), 0, RESERVE) {
        // Room that is not promised can at least be written to.
        Err(rustix::io::Errno::OPNOTSUPP) => {
            io::copy(&mut io::Read::take(io::repeat(0), RESERVE), &mut &*file)?;
        }
        other => other?,
    }
    file.sync_all()
}

/// Free bytes where a file lies, for a user without privileges.
fn free(path: &Path) -> io::Result<u64> {
    let disk = statvfs(path)?;
    Ok(disk.f_bavail * disk.f_frsize)
}

/// Prunes, and gives back what that freed. If the disk is too full for it, the reserve is given up and it is tried again.
pub(super) async fn prune<F>(
    writer: &SqlitePool,
    reserve: &Reserve,
    pruning: impl Fn() -> F,
) -> Result<Pruned, StoreError>
where
    F: Future<Output = Result<Pruned, StoreError>>,
{
    let mut on_reserve = false;
    let mut pruned = match pruning().await {
        Err(error) if error.is_full() && reserve.give_up() => {
            on_reserve = true;
            info!(target: "portreeve::store", "the disk is full: pruning has the reserve");
            checkpoint(writer).await;
            pruning().await
        }
        other => other,
    };
    let mut held = Duration::ZERO;
    let given = match give_back(writer, &mut held).await {
        Err(error) if error.is_full() && reserve.give_up() => {
            on_reserve = true;
            give_back(writer, &mut held).await
        }
        other => other,
    };
    if let Err(error) = given {
        warn!(target: "portreeve::store", "free room in the store could not be given back to the disk: {error}");
    }
    if on_reserve {
        checkpoint(writer).await;
    }
    // Also after a pruning that failed: the next one needs it too.
    reserve.make().await;
    if let Ok(pruned) = &mut pruned {
        pruned.longest = pruned.longest.max(held);
    }
    pruned
}

/// Gives free pages back to the file system, but for a few, slice by slice; the longest that the writer is `held` for that. The file
/// shrinks with the next checkpoint.
pub(super) async fn give_back(writer: &SqlitePool, held: &mut Duration) -> Result<(), StoreError> {
    let mut freed = false;
    loop {
        let before = freelist(writer).await?;
        if before <= REST {
            break;
        }
        let slice = SLICE.min(before - REST);
        // Each row that is fetched is a page that is freed.
        let sql = sqlx::AssertSqlSafe(format!("PRAGMA incremental_vacuum({slice})"));
        let mut connection = writer.acquire().await?;
        let begin = Instant::now();
        let given = sqlx::query(sql).persistent(false).fetch_all(&mut *connection).await.map(drop);
        *held = (*held).max(begin.elapsed());
        unless_failed(connection, given.map_err(StoreError::from)).await?;
        if freelist(writer).await? >= before {
            // The file was not converted yet: it keeps what it has.
            break;
        }
        freed = true;
    }
    if freed {
        // It waits for nobody who reads, and what it writes back nobody waits for but who commits next.
        let mut connection = writer.acquire().await?;
        let begin = Instant::now();
        let written =
            sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").fetch_all(&mut *connection).await.map(drop);
        *held = (*held).max(begin.elapsed());
        unless_failed(connection, written.map_err(StoreError::from)).await?;
    }
    Ok(())
}

async fn freelist(writer: &SqlitePool) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("PRAGMA freelist_count").fetch_one(writer).await
}

/// Writes the log back and gives up its room, as far as nobody reads from it.
async fn checkpoint(writer: &SqlitePool) {
    if let Err(error) = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_all(writer).await {
        warn!(target: "portreeve::store", "the write-ahead log could not be shortened: {error}");
    }
}

/// Makes a file able to give room back, once. One for which there is no room to be rewritten works on as it is.
pub(super) async fn convert(writer: &SqlitePool, database: &Path) {
    if let Err(error) = try_convert(writer, database).await {
        warn!(target: "portreeve::store", "the store cannot give room back to the disk yet, and is to be rewritten for that at \
            the next start: {error}");
    }
}

async fn try_convert(writer: &SqlitePool, database: &Path) -> Result<(), StoreError> {
    let mode: i64 = sqlx::query_scalar("PRAGMA auto_vacuum").fetch_one(writer).await?;
    if mode == INCREMENTAL {
        return Ok(());
    }
    let pages: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(writer).await?;
    let size: i64 = sqlx::query_scalar("PRAGMA page_size").fetch_one(writer).await?;
    // Beside a temporary copy it is written to the log, page by page.
    let size = pages.saturating_mul(size).unsigned_abs();
    let needed = size + size / 8 + 1024 * 1024;
    let has = free(database).map_err(|error| StoreError::Unfit(error.to_string()))?;
    if pages > FEW && has < needed {
        return Err(StoreError::Unfit(format!("{needed} bytes are needed, and {has} are free")));
    }
    let mut connection = writer.acquire().await?;
    let converted = async {
        if size <= IN_MEMORY {
            sqlx::query("PRAGMA temp_store = MEMORY").execute(&mut *connection).await?;
        }
        sqlx::query("PRAGMA auto_vacuum = 2").execute(&mut *connection).await?;
        sqlx::query("VACUUM").execute(&mut *connection).await?;
        sqlx::query("PRAGMA temp_store = DEFAULT").execute(&mut *connection).await
    }
    .await;
    if converted.is_err() {
        let _ = connection.detach().close_hard().await;
    } else {
        drop(connection);
    }
    converted?;
    checkpoint(writer).await;
    if pages > FEW {
        info!(target: "portreeve::store", "the store was rewritten, so that it can give room back to the disk");
    }
    Ok(())
}

/// The mode in which free pages are given back on demand.
const INCREMENTAL: i64 = 2;
/// The copy of a file of so many bytes is made in memory: what may be written to is the state directory alone.
const IN_MEMORY: u64 = 64 * 1024 * 1024;
/// A new file has so few pages that it is made in that mode, and not converted.
const FEW: i64 = 2;

#[cfg(test)]
mod tests {
    use sqlx::sqlite::{SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};

    use super::*;

    #[tokio::test]
    async fn what_is_free_is_given_back_in_slices_between_which_commits_pass() {
        let directory = tempfile::tempdir().expect("a directory");
        let options = SqliteConnectOptions::new()
            .filename(directory.path().join("portreeve.db"))
            .create_if_missing(true)
            .auto_vacuum(SqliteAutoVacuum::Incremental)
            .journal_mode(SqliteJournalMode::Wal);
        let writer =
            SqlitePoolOptions::new().max_connections(1).connect_with(options).await.expect("a database");
        let script = "CREATE TABLE filled (x); CREATE TABLE committed (n);
            WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 3000)
                INSERT INTO filled SELECT randomblob(4000) FROM numbers;
            DELETE FROM filled";
        sqlx::raw_sql(script).execute(&writer).await.expect("free pages");
        let free = freelist(&writer).await.expect("a number");
        let slices = (free - REST) / SLICE;
        assert!(slices > 10, "{free}");

        let done = AtomicBool::new(false);
        let giving = async {
            give_back(&writer, &mut Duration::default()).await.expect("it is given back");
            done.store(true, Ordering::Relaxed);
        };
        let committing = async {
            let mut passed = 0;
            while !done.load(Ordering::Relaxed) {
                sqlx::query("INSERT INTO committed VALUES (1)").execute(&writer).await.expect("a commit");
                passed += 1;
            }
            passed
        };
        let ((), passed) = tokio::join!(giving, committing);
        assert_eq!(freelist(&writer).await.expect("a number"), REST);
        assert!(passed >= slices, "{passed} commits passed in {slices} slices");
    }
}
