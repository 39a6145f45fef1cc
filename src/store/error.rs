//! Errors of stores.

use super::schema::SchemaError;
use crate::observed::Shard;

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database failed: disk full, file gone, locked. Normal while a disk is full; tried again.
    #[error("the store failed: {0}")]
    Database(sqlx::Error),
    /// The database refused what it was given: a constraint, a type, a size. A fault of Portreeve's own, and of this alone.
    #[error("the store refused it: {0}")]
    Refused(sqlx::Error),
    /// What was given is not fit to be stored, such as a change set with something of another shard. A fault of Portreeve's own.
    #[error("the store refused it: {0}")]
    Rejected(String),
    /// The shard has another owner now. Normal when a process that was taken for dead comes back.
    #[error("the shard {shard} is no longer owned under epoch {epoch}")]
    Overtaken {
        /// The shard.
        shard: Shard,
        /// The epoch that is over, or never was.
        epoch: u64,
    },
    /// Its schema is not for this program.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The place is not fit for a database.
    #[error("{0}")]
    Unfit(String),
    /// A stored document cannot be read.
    #[error("the store holds a damaged {what}: {source}")]
    Damaged {
        /// What was read.
        what: &'static str,
        /// Why it cannot be read.
        source: serde_json::Error,
    },
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if code(&error).is_some_and(|code| REFUSALS.contains(&(code & 0xff))) {
            Self::Refused(error)
        } else {
            Self::Database(error)
        }
    }
}

/// The primary codes, in the low byte of extended ones, by which SQLite refuses what it is given: `SQLITE_TOOBIG`,
/// `SQLITE_CONSTRAINT` and `SQLITE_MISMATCH`. All others (full, I/O, busy, read-only, corrupt, a table that is not there) are
/// about the database.
const REFUSALS: [u32; 3] = [18, 19, 20];
/// `SQLITE_FULL`, and `SQLITE_IOERR_SHMSIZE`, which is the same of the index of the write-ahead log.
const FULL: [u32; 2] = [13, 4874];

/// The code that the database gave.
fn code(error: &sqlx::Error) -> Option<u32> {
    error.as_database_error()?.code()?.parse().ok()
}

impl StoreError {
    /// Whether it is about what was given, and not about the database: the same would be refused again, and all else is taken.
    pub const fn is_refused(&self) -> bool {
        match self {
            Self::Refused(_) | Self::Rejected(_) => true,
            Self::Database(_)
            | Self::Overtaken { .. }
            | Self::Schema(_)
            | Self::Unfit(_)
            | Self::Damaged { .. } => false,
        }
    }

    /// Whether it failed for want of room on the disk.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Database(error) if code(error).is_some_and(|code| FULL.contains(&code)))
    }
}
