//! Why a file's schema keeps this program from using it.

use std::path::PathBuf;

/// The schema of a file is none that this program can use, or could not be made so. The file was not changed.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// A newer Portreeve has migrated it.
    #[error(
        "the store {} has schema {version} (\"{name}\"), and this Portreeve knows only up to schema {known}: use the newer Portreeve{}",
        file.display(), or_restore(backup.as_ref())
    )]
    Newer {
        /// The database.
        file: PathBuf,
        /// Number of its newest migration.
        version: i64,
        /// Name of that migration.
        name: String,
        /// Number of the newest migration that this program knows.
        known: i64,
        /// A backup beside it that this program can use.
        backup: Option<PathBuf>,
    },
    /// A migration has this program's number and another content.
    #[error(
        "schema {version} (\"{name}\") of the store {} is not the schema {version} of this Portreeve: use the Portreeve that made the file{}",
        file.display(), or_restore(backup.as_ref())
    )]
    Altered {
        /// The database.
        file: PathBuf,
        /// Number of the migration.
        version: i64,
        /// Name of the migration in the file.
        name: String,
        /// A backup beside it that this program can use.
        backup: Option<PathBuf>,
    },
    /// It has tables, and none of them says which migrations were applied.
    #[error("{} is a database of another program; name another --state-dir", .0.display())]
    Foreign(PathBuf),
    /// It could not be backed up, so it was not migrated.
    #[error(
        "the store {} has schema {from} and must be migrated to schema {to}, but cannot be backed up as {}: {why}; \
         a backup needs as much room as the store",
        file.display(), backup.display()
    )]
    NoBackup {
        /// The database.
        file: PathBuf,
        /// Its schema.
        from: i64,
        /// The schema of this program.
        to: i64,
        /// What the backup would have been called.
        backup: PathBuf,
        /// Why there is none.
        why: String,
    },
    /// A migration failed.
    #[error("the store {} cannot be migrated to schema {to}, and was not changed: {why}", file.display())]
    Failed {
        /// The database.
        file: PathBuf,
        /// The schema of this program.
        to: i64,
        /// Why not.
        why: sqlx::migrate::MigrateError,
    },
}

fn or_restore(backup: Option<&PathBuf>) -> String {
    backup.map_or_else(
        || {
            ", or restore a backup that was made before; none that this Portreeve can use lies beside it"
                .to_owned()
        },
        |backup| format!(", or restore the backup {}, which was made before", backup.display()),
    )
}
