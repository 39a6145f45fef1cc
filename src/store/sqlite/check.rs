//! A look at a whole database, beside the process that has it open.

use std::fmt::Display;
use std::path::Path;

use futures_util::TryStreamExt;
use serde::de::{DeserializeOwned, IgnoredAny};
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Connection, Row};

use super::copy::{self, CopyError};
use super::schema::{self, SchemaState};
use crate::observed::{Cursor, Nanos, Shard, State};
use crate::reconcile::discovery::Wanted;
use crate::reconcile::heal::HealMemory;
use crate::reconcile::intent::Intent;
use crate::reconcile::record::Record;
use crate::store::{Damage, QueueCheck, StoreCheck, StoreError};

/// The migration by which lanes and cells became those of any kind. Before it they had the name of their service and a container.
const OF_ANY_KIND: i64 = 10;
/// What stands for the table of cells before that.
const CELLS_BEFORE: &str = "cells before they were of any kind";

/// As many damages are told: where there are more, one backup is worth more than a longer list.
const MOST: usize = 20;

/// A column of documents: where it is, how a row is named, and what reads it.
struct Documents {
    table: &'static str,
    sql: &'static str,
    read: fn(&str, &str) -> Result<(), String>,
}

fn reads<T: DeserializeOwned>(text: &str) -> Result<(), String> {
    serde_json::from_str::<T>(text).map(drop).map_err(|error| error.to_string())
}

/// Each document with its name and what it is read as.
const DOCUMENTS: [Documents; 11] = [
    Documents {
        table: "containers",
        sql: "SELECT 'record of container ' || engine || '/' || id, record FROM containers",
        read: |_, text| reads::<Record>(text),
    },
    Documents {
        table: "containers",
        sql: "SELECT 'state of container ' || engine || '/' || id, json_quote(state) FROM containers
              WHERE state IS NOT NULL",
        read: |_, text| reads::<State>(text),
    },
    Documents {
        table: "healing",
        sql: "SELECT 'healing memory ' || logical_id, memory FROM healing",
        // What is remembered of a policy's group begins with a slash; one that cannot be read starts afresh.
        read: |name, text| match name.strip_prefix("healing memory /") {
            Some(_) => reads::<IgnoredAny>(text),
            None => reads::<HealMemory>(text),
        },
    },
    Documents {
        table: "intents",
        sql: "SELECT 'intent ' || id || ' of ' || owner, intent FROM intents",
        read: |_, text| reads::<Intent>(text),
    },
    Documents {
        table: "service_health",
        sql: "SELECT 'health of service ' || name, document FROM service_health",
        read: |_, text| reads::<IgnoredAny>(text),
    },
    Documents {
        table: "last_specs",
        sql: "SELECT 'last spec of ' || kind || '/' || name, document FROM last_specs",
        read: |_, text| reads::<IgnoredAny>(text),
    },
    Documents {
        table: "cells",
        sql: "SELECT 'cell of container ' || substr(shard, 8) || '/' || subject || ' in ' || target, wanted FROM cells
              UNION ALL SELECT 'acknowledged cell of container ' || substr(shard, 8) || '/' || subject || ' in ' || target,
                  acked FROM cells WHERE acked IS NOT NULL",
        read: |_, text| reads::<Wanted>(text),
    },
    Documents {
        table: CELLS_BEFORE,
        sql: "SELECT 'cell of container ' || engine || '/' || container_id || ' in ' || registry, wanted FROM cells
              UNION ALL SELECT 'acknowledged cell of container ' || engine || '/' || container_id || ' in ' || registry,
                  acked FROM cells WHERE acked IS NOT NULL",
        read: |_, text| reads::<Wanted>(text),
    },
    Documents {
        table: "cursors",
        sql: "SELECT 'cursor of engine ' || engine, cursor FROM cursors",
        read: |_, text| reads::<Cursor>(text),
    },
    Documents {
        table: "objects",
        sql: "SELECT 'object ' || kind || '/' || name, document FROM objects WHERE document IS NOT NULL",
        read: |_, text| reads::<IgnoredAny>(text),
    },
    Documents {
        table: "event_ends",
        sql: "SELECT 'shard of events ' || shard, shard FROM event_ends",
        read: |_, text| Shard::parse(text).map(drop).ok_or_else(|| "it is the name of no shard".to_owned()),
    },
];

pub(super) async fn check(path: &Path, migrator: &Migrator) -> Result<StoreCheck, StoreError> {
    let mut found = StoreCheck {
        backup: schema::restorable(path, migrator).await,
        bytes: std::fs::metadata(path).map(|entry| entry.len()).map_err(|error| missing(path, &error))?,
        ..StoreCheck::default()
    };
    let mut db = match SqliteConnection::connect_with(&copy::reading(path)).await {
        Ok(db) => db,
        Err(error) => {
            found.note("database", damaged(error)?);
            return Ok(found);
        }
    };
    let looked = look(&mut db, path, migrator, &mut found).await;
    // Whatever is wrong with the file, it was only read.
    let _ = db.close().await;
    if let Err(error) = looked {
        found.note("database", damaged(error)?);
    }
    Ok(found)
}

fn missing(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Unfit(match error.kind() {
        std::io::ErrorKind::NotFound => {
            format!("there is no store {}: no Portreeve has run with this --state-dir", path.display())
        }
        _ => format!("cannot read the store {}: {error}", path.display()),
    })
}

/// What an error says about the file: `SQLITE_CORRUPT` and `SQLITE_NOTADB`, with their extended codes, and what reading found
/// to be of another type. Others are no damage.
fn damaged(error: sqlx::Error) -> Result<String, StoreError> {
    let is_damage = match &error {
        sqlx::Error::Database(error) => {
            let code: Option<u32> = error.code().and_then(|code| code.parse().ok());
            matches!(code.map(|code| code & 0xff), Some(11 | 26))
        }
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => true,
        _ => false,
    };
    if is_damage { Ok(error.to_string()) } else { Err(error.into()) }
}

impl StoreCheck {
    fn note(&mut self, place: impl Into<String>, why: impl Display) {
        if self.damages.len() < MOST {
            self.damages.push(Damage { place: place.into(), why: why.to_string() });
        }
    }
}

async fn look(
    db: &mut SqliteConnection,
    path: &Path,
    migrator: &Migrator,
    found: &mut StoreCheck,
) -> Result<(), sqlx::Error> {
    let number = async |db: &mut SqliteConnection, sql: &'static str| -> Result<u64, sqlx::Error> {
        Ok(sqlx::query_scalar::<_, i64>(sql).fetch_one(db).await?.unsigned_abs())
    };
    found.free = number(db, "PRAGMA freelist_count").await? * number(db, "PRAGMA page_size").await?;
    let state = schema::look(db, migrator).await?;
    found.refusal = schema::refusal(path, &state, migrator).await;
    match state {
        SchemaState::Known { version, pending } => (found.schema, found.pending) = (version, pending),
        SchemaState::Empty => found.pending = migrator.iter().map(|migration| migration.version).collect(),
        SchemaState::Newer { version, .. } | SchemaState::Altered { version, .. } => found.schema = version,
        SchemaState::Foreign => {}
    }
    let said: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check").fetch_all(&mut *db).await?;
    for said in said.iter().filter(|said| *said != "ok") {
        found.note("database", said);
    }
    for row in sqlx::query("PRAGMA foreign_key_check").fetch_all(&mut *db).await? {
        let (table, parent): (String, String) = (row.try_get(0)?, row.try_get(2)?);
        found.note(format!("table {table}"), format!("a row refers to one of {parent} that is not there"));
    }
    // The tables of a newer schema, or of another program, may be any.
    if found.refusal.is_some() || matches!(found.pending.first(), Some(1)) {
        return Ok(());
    }
    let before = found.schema < OF_ANY_KIND;
    count(db, found, before).await?;
    let tables = sqlx::query_scalar("SELECT name FROM sqlite_master WHERE type = 'table'");
    let mut tables: Vec<String> = tables.fetch_all(&mut *db).await?;
    for table in tables.iter_mut().filter(|table| before && *table == "cells") {
        *table = CELLS_BEFORE.to_owned();
    }
    for documents in DOCUMENTS.iter().filter(|documents| tables.iter().any(|table| table == documents.table))
    {
        let mut rows = sqlx::query(documents.sql).fetch(&mut *db);
        while let Some(row) = rows.try_next().await? {
            let (name, text): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            if let Err(why) = (documents.read)(&name, &text) {
                found.note(name, why);
            }
        }
    }
    Ok(())
}

async fn count(db: &mut SqliteConnection, found: &mut StoreCheck, before: bool) -> Result<(), sqlx::Error> {
    let row = sqlx::query(
        "SELECT (SELECT count(*) FROM event_log) AS events, (SELECT min(at_ns) FROM event_log) AS oldest,
             (SELECT count(*) FROM containers WHERE removed_ns IS NULL) AS containers,
             (SELECT count(*) FROM containers WHERE removed_ns IS NOT NULL) AS removed",
    )
    .fetch_one(&mut *db)
    .await?;
    let number = |row: &SqliteRow, column: &str| row.try_get::<i64, _>(column).map(i64::unsigned_abs);
    let time = |row: &SqliteRow| row.try_get::<Option<i64>, _>("oldest").map(|at| at.map(Nanos));
    found.events = number(&row, "events")?;
    found.oldest = time(&row)?;
    found.containers = number(&row, "containers")?;
    found.removed = number(&row, "removed")?;
    for row in sqlx::query(if before { QUEUES_BEFORE } else { QUEUES }).fetch_all(&mut *db).await? {
        let (pending, parked) = (number(&row, "pending")?, number(&row, "parked")?);
        let target = (row.try_get("kind")?, row.try_get("target")?);
        found.queues.insert(target, QueueCheck { pending, parked, oldest: time(&row)? });
    }
    Ok(())
}

const QUEUES: &str = "SELECT o.kind, o.target, max(0, count(*) - coalesce(p.parked, 0)) AS pending,
        coalesce(p.parked, 0) AS parked, min(o.created_ns) AS oldest
    FROM outbox o LEFT JOIN (SELECT kind, target, count(*) AS parked FROM lanes WHERE parked = 1 GROUP BY kind, target) p
        ON p.kind = o.kind AND p.target = o.target
    WHERE o.delivered_ns IS NULL GROUP BY o.kind, o.target
    UNION ALL SELECT kind, target, count(*), 0, min(changed_ns) FROM cells WHERE dirty = 1 GROUP BY kind, target";

const QUEUES_BEFORE: &str = "SELECT 'BillingService' AS kind, o.target, max(0, count(*) - coalesce(p.parked, 0)) AS pending,
        coalesce(p.parked, 0) AS parked, min(o.created_ns) AS oldest
    FROM outbox o LEFT JOIN (SELECT target, count(*) AS parked FROM lanes WHERE parked = 1 GROUP BY target) p
        ON p.target = o.target
    WHERE o.delivered_ns IS NULL GROUP BY o.target
    UNION ALL SELECT 'DiscoveryRegistry', registry, count(*), 0, min(changed_ns) FROM cells WHERE dirty = 1 GROUP BY registry";

pub(super) async fn back_up(path: &Path, to: &Path) -> Result<u64, StoreError> {
    std::fs::metadata(path).map_err(|error| missing(path, &error))?;
    let taken = || StoreError::Unfit(format!("{} is there already; name a new file", to.display()));
    if std::fs::symlink_metadata(to).is_ok() {
        return Err(taken());
    }
    copy::copy(path, to, copy::Target::New).await.map_err(|error| match error {
        CopyError::File(error) if error.kind() == std::io::ErrorKind::AlreadyExists => taken(),
        error => StoreError::Unfit(format!("cannot back up {} as {}: {error}", path.display(), to.display())),
    })
}
