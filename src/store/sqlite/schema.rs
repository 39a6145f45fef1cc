//! Which migrations a file has, and how it gets those that it lacks.
//!
//! # Guarantees
//! - A file is looked at before anything is written to it. One with a migration that this program does not know, or knows
//!   with another content, is refused and stays as it is.
//! - A file that has a schema already is backed up beside itself before it is migrated; without a backup it is not.
//! - All migrations that a file lacks are applied in one transaction: one that fails leaves the file as it was, also for the
//!   program that it comes from.

use std::path::{Path, PathBuf};

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnection, SqlitePool};
use sqlx::{Connection, Row};
use tracing::{info, warn};

use super::copy;
use crate::store::{SchemaError, StoreError};

/// How many backups made before migrations are kept beside the file: those before its two latest migrations.
const BACKUPS: usize = 2;

/// What a file's schema is to this program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SchemaState {
    /// There is none yet.
    Empty,
    /// There are tables, and nothing that says which migrations made them.
    Foreign,
    /// Its newest migration is unknown here.
    Newer {
        /// Its number.
        version: i64,
        /// Its name.
        name: String,
    },
    /// A migration is another one here.
    Altered {
        /// Its number.
        version: i64,
        /// Its name in the file.
        name: String,
    },
    /// All its migrations are known.
    Known {
        /// The newest of them.
        version: i64,
        /// Those that it lacks.
        pending: Vec<i64>,
    },
}

/// The newest migration of a program.
pub(super) fn newest(migrator: &Migrator) -> i64 {
    migrator.iter().map(|migration| migration.version).max().unwrap_or(0)
}

pub(super) async fn look(db: &mut SqliteConnection, migrator: &Migrator) -> Result<SchemaState, sqlx::Error> {
    let tables =
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut *db).await?;
    if !tables.iter().any(|table| table == "_sqlx_migrations") {
        return Ok(if tables.is_empty() { SchemaState::Empty } else { SchemaState::Foreign });
    }
    let rows =
        sqlx::query("SELECT version, description, checksum FROM _sqlx_migrations ORDER BY version DESC");
    let (mut applied, mut altered) = (Vec::new(), None);
    for row in rows.fetch_all(&mut *db).await? {
        let (version, name): (i64, String) = (row.try_get("version")?, row.try_get("description")?);
        let checksum: Vec<u8> = row.try_get("checksum")?;
        match migrator.iter().find(|migration| migration.version == version) {
            None => return Ok(SchemaState::Newer { version, name }),
            Some(known) if *known.checksum != *checksum => altered = Some((version, name)),
            Some(_) => applied.push(version),
        }
    }
    if let Some((version, name)) = altered {
        return Ok(SchemaState::Altered { version, name });
    }
    let Some(version) = applied.first().copied() else { return Ok(SchemaState::Empty) };
    let pending = migrator.iter().map(|migration| migration.version);
    let pending = pending.filter(|version| !applied.contains(version)).collect();
    Ok(SchemaState::Known { version, pending })
}

/// Looks at the file without writing to it.
///
/// # Errors
/// It is not for this program.
pub(super) async fn admit(file: &Path, migrator: &Migrator) -> Result<SchemaState, StoreError> {
    if std::fs::metadata(file).map_or(0, |entry| entry.len()) == 0 {
        return Ok(SchemaState::Empty);
    }
    let mut db = SqliteConnection::connect_with(&copy::reading(file)).await?;
    let state = look(&mut db, migrator).await?;
    db.close().await?;
    if let Some(refusal) = refusal(file, &state, migrator).await {
        return Err(refusal.into());
    }
    Ok(state)
}

/// Why a file in this state is not for this program, if it is not.
pub(super) async fn refusal(file: &Path, state: &SchemaState, migrator: &Migrator) -> Option<SchemaError> {
    let file = file.to_owned();
    match state {
        SchemaState::Empty | SchemaState::Known { .. } => None,
        SchemaState::Foreign => Some(SchemaError::Foreign(file)),
        SchemaState::Newer { version, name } => {
            let backup = restorable(&file, migrator).await;
            let (version, name, known) = (*version, name.clone(), newest(migrator));
            Some(SchemaError::Newer { file, version, name, known, backup })
        }
        SchemaState::Altered { version, name } => {
            let backup = restorable(&file, migrator).await;
            Some(SchemaError::Altered { file, version: *version, name: name.clone(), backup })
        }
    }
}

/// Applies what the file lacks, with a backup before.
pub(super) async fn bring_up_to_date(
    writer: &SqlitePool,
    file: &Path,
    state: &SchemaState,
    migrator: &Migrator,
) -> Result<(), StoreError> {
    let to = newest(migrator);
    if let SchemaState::Known { version: from, pending } = state {
        if pending.is_empty() {
            return Ok(());
        }
        let backup = backup_before(file, to);
        for interrupted in beside(file).filter(|(end, _)| end.contains(".part")) {
            let _ = std::fs::remove_file(interrupted.1);
        }
        if let Err(error) = copy::copy(file, &backup, copy::Target::Replaced).await {
            let (file, from, why) = (file.to_owned(), *from, error.to_string());
            return Err(SchemaError::NoBackup { file, from, to, backup, why }.into());
        }
        info!(target: "portreeve::store", "the store is migrated from schema {from} to {to}; a backup is {}",
            backup.display());
    }
    let mut connection = writer.acquire().await?;
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    // Each migration is a savepoint in it.
    let migrated = migrator.run_direct(None, &mut *transaction, false).await;
    let failed = |why| SchemaError::Failed { file: file.to_owned(), to, why };
    migrated.map_err(failed)?;
    transaction.commit().await.map_err(|error| failed(error.into()))?;
    drop(connection);
    for (_, old) in backups(file).into_iter().skip(BACKUPS) {
        if let Err(error) = std::fs::remove_file(&old) {
            warn!(target: "portreeve::store", "the old backup {} cannot be deleted: {error}", old.display());
        }
    }
    Ok(())
}

/// What the backup of a file is called that is made before it is migrated to a schema.
fn backup_before(file: &Path, schema: i64) -> PathBuf {
    copy::beside(file, &format!(".before-{schema}"))
}

/// What lies beside a file with a backup's name, after `before-`.
fn beside(file: &Path) -> impl Iterator<Item = (String, PathBuf)> {
    let name = file.file_name().and_then(|name| name.to_str()).map(|name| format!("{name}.before-"));
    let entries = file.parent().map(std::fs::read_dir).into_iter().flatten().flatten().flatten();
    entries.filter_map(move |entry| {
        let end = entry.file_name().to_str()?.strip_prefix(name.as_ref()?)?.to_owned();
        Some((end, entry.path()))
    })
}

/// The backups beside a file with the schemas before which they were made, newest first.
fn backups(file: &Path) -> Vec<(i64, PathBuf)> {
    let mut backups: Vec<(i64, PathBuf)> =
        beside(file).filter_map(|(end, path)| Some((end.parse().ok()?, path))).collect();
    backups.sort_by_key(|(schema, _)| std::cmp::Reverse(*schema));
    backups
}

/// The newest backup beside a file that this program can use.
pub(super) async fn restorable(file: &Path, migrator: &Migrator) -> Option<PathBuf> {
    for (_, backup) in backups(file) {
        let Ok(mut db) = SqliteConnection::connect_with(&copy::reading(&backup)).await else { continue };
        let state = look(&mut db, migrator).await;
        let _ = db.close().await;
        if matches!(state, Ok(SchemaState::Known { .. })) {
            return Some(backup);
        }
    }
    None
}
