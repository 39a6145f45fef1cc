//! A consistent copy of a database, made beside whoever writes to it.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};

/// What may be at the place where the copy is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// An earlier copy, which is replaced.
    Replaced,
    /// Nothing. The copy is checked before it has its name.
    New,
}

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub(super) enum CopyError {
    /// The database cannot be read, or there is no room for a copy.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// The file cannot be written.
    #[error(transparent)]
    File(#[from] io::Error),
    /// The copy is not sound.
    #[error("the copy is damaged: {0}")]
    Damaged(String),
}

/// How a file is opened by whoever only reads, beside a process that writes to it: no lock of Portreeve's is taken.
pub(super) fn reading(file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .read_only(true)
        .busy_timeout(Duration::from_secs(5))
        .disable_statement_logging()
}

/// The path with `end` added to its name.
pub(super) fn beside(file: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(end);
    PathBuf::from(name)
}

/// Copies the database `from` to `to`, as of one moment: its size.
///
/// # Guarantees
/// The copy is private, on the disk and whole once it has its name; after an error nothing of it is left.
pub(super) async fn copy(from: &Path, to: &Path, target: Target) -> Result<u64, CopyError> {
    let part = beside(to, ".part");
    let copied = fill(from, &part, target).await.and_then(|bytes| {
        name(&part, to, target)?;
        Ok(bytes)
    });
    if copied.is_err() {
        clear(&part);
    }
    copied
}

/// Removes what an interrupted try left.
fn clear(part: &Path) {
    for file in [part.to_owned(), beside(part, "-journal")] {
        let _ = std::fs::remove_file(file);
    }
}

async fn fill(from: &Path, part: &Path, target: Target) -> Result<u64, CopyError> {
    clear(part);
    let file = File::options().create_new(true).write(true).mode(0o600).open(part)?;
    let mut db = SqliteConnection::connect_with(&reading(from)).await?;
    // Of a path that is no text there is no SQL.
    let text = part.to_str().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidFilename))?;
    let filled = sqlx::query("VACUUM INTO ?").bind(text).execute(&mut db).await;
    db.close().await?;
    filled?;
    if target == Target::New {
        check(part).await?;
    }
    file.sync_all()?;
    Ok(file.metadata()?.len())
}

async fn check(part: &Path) -> Result<(), CopyError> {
    let mut db = SqliteConnection::connect_with(&reading(part)).await?;
    let found: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check").fetch_all(&mut db).await?;
    db.close().await?;
    if found == ["ok"] { Ok(()) } else { Err(CopyError::Damaged(found.join("; "))) }
}

/// Gives the copy its name, durably.
fn name(part: &Path, to: &Path, target: Target) -> io::Result<()> {
    match target {
        Target::Replaced => std::fs::rename(part, to)?,
        Target::New => match renameat_with(CWD, part, CWD, to, RenameFlags::NOREPLACE) {
            // Not every file system knows how.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) if !to.exists() => {
                std::fs::rename(part, to)?;
            }
            other => other?,
        },
    }
    let directory = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}
