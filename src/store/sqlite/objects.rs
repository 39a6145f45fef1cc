//! Objects and their identities.

use sqlx::Row;
use sqlx::sqlite::SqlitePool;

use super::script::Script;
use crate::observed::Nanos;
use crate::store::{ObjectChange, StoreError, StoredObject};

/// SQLite's integers are signed.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) async fn objects(pool: &SqlitePool) -> Result<(u64, Vec<StoredObject>), StoreError> {
    let revision: Option<i64> =
        sqlx::query_scalar("SELECT revision FROM object_revision").fetch_optional(pool).await?;
    let rows = sqlx::query("SELECT * FROM objects ORDER BY kind, name").fetch_all(pool).await?;
    let objects = rows.iter().map(|row| {
        let number = |column: &str| Ok::<_, sqlx::Error>(row.try_get::<i64, _>(column)?.unsigned_abs());
        Ok(StoredObject {
            kind: row.try_get("kind")?,
            name: row.try_get("name")?,
            uid: row.try_get("uid")?,
            generation: number("generation")?,
            revision: number("revision")?,
            written: number("written")?,
            created: Nanos(row.try_get("created_ns")?),
            spec_hash: row.try_get("spec_hash")?,
            whole_hash: row.try_get("whole_hash")?,
            document: row.try_get("document")?,
        })
    });
    Ok((revision.unwrap_or(0).unsigned_abs(), objects.collect::<Result<_, StoreError>>()?))
}

pub(super) fn change(db: &mut Script, change: &ObjectChange) -> Result<(), StoreError> {
    let revision = match change {
        ObjectChange::Put(object) => {
            put(db, object)?;
            object.revision
        }
        ObjectChange::Gone { kind, name, revision } => {
            db.add("DELETE FROM objects WHERE kind = ? AND name = ?").bind(kind)?.bind(name)?;
            *revision
        }
    };
    db.add("UPDATE object_revision SET revision = max(revision, ?)").bind(signed(revision))?;
    Ok(())
}

fn put(db: &mut Script, object: &StoredObject) -> Result<(), StoreError> {
    let StoredObject {
        kind,
        name,
        uid,
        generation,
        revision,
        written,
        created,
        spec_hash,
        whole_hash,
        document,
    } = object;
    db.add(
        "INSERT OR REPLACE INTO objects (kind, name, uid, generation, revision, written, created_ns, spec_hash,
             whole_hash, document) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(kind)?
    .bind(name)?
    .bind(uid)?
    .bind(signed(*generation))?
    .bind(signed(*revision))?
    .bind(signed(*written))?
    .bind(created.0)?
    .bind(spec_hash)?
    .bind(whole_hash)?
    .bind(document)?;
    Ok(())
}
