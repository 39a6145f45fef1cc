//! Objects and their identities.

use std::collections::BTreeMap;

use sqlx::sqlite::{SqliteConnection, SqlitePool, SqliteRow};
use sqlx::{Connection, Row};

use super::events;
use super::script::{Rows, Script};
use super::write::unless_failed;
use crate::observed::Nanos;
use crate::store::{
    NewEvent, ObjectChange, ObjectFollowed, ObjectWrite, ObjectWritten, StoreError, StoredObject,
};

/// SQLite's integers are signed.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn object(row: &SqliteRow) -> Result<StoredObject, StoreError> {
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
}

pub(super) async fn objects(pool: &SqlitePool) -> Result<(u64, Vec<StoredObject>), StoreError> {
    let revision: Option<i64> =
        sqlx::query_scalar("SELECT revision FROM object_revision").fetch_optional(pool).await?;
    let rows = sqlx::query("SELECT * FROM objects ORDER BY kind, name").fetch_all(pool).await?;
    let objects = rows.iter().map(object).collect::<Result<_, _>>()?;
    Ok((revision.unwrap_or(0).unsigned_abs(), objects))
}

pub(super) async fn write(
    pool: &SqlitePool,
    writes: &[ObjectWrite],
) -> Result<Vec<ObjectWritten>, StoreError> {
    let mut connection = pool.acquire().await?;
    let written = async {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        let mut stored = stored(&mut transaction, writes).await?;
        let mut last: i64 =
            sqlx::query_scalar("SELECT revision FROM object_revision").fetch_one(&mut *transaction).await?;
        let (mut put, mut gone, mut said) = (BTreeMap::new(), BTreeMap::new(), Vec::<&NewEvent>::new());
        let mut written = Vec::with_capacity(writes.len());
        for ObjectWrite { expected, change, event, at } in writes {
            let key = (change.key().0.to_owned(), change.key().1.to_owned());
            let known = stored.get(&key).copied();
            if !expected.is_met(known) {
                written.push(ObjectWritten::Conflict(known));
                continue;
            }
            last = (last + 1).max(signed(change.revision()));
            let revision = last.unsigned_abs();
            match change {
                ObjectChange::Put(object) => {
                    // What was to be written by this is written at the revision that this was given.
                    let written = if object.written == object.revision { revision } else { object.written };
                    gone.remove(&key);
                    stored.insert(key.clone(), written);
                    put.insert(key, PutRow { object, revision, written });
                }
                ObjectChange::Gone { .. } => {
                    put.remove(&key);
                    stored.remove(&key);
                    gone.insert(key, (revision, *at));
                }
            }
            said.extend(event);
            written.push(ObjectWritten::Stored(revision));
        }
        let mut script = Script::default();
        put_all(&mut script, &put)?;
        forget_all(&mut script, &gone)?;
        let mut newest = Rows::default();
        newest.push(&last)?;
        script.over(&newest, "UPDATE object_revision SET revision = (SELECT max(value) FROM json_each(?))");
        events::put(&mut script, said.into_iter())?;
        script.run(&mut transaction).await?;
        transaction.commit().await?;
        Ok(written)
    }
    .await;
    unless_failed(connection, written).await
}

type Key = (String, String);

/// An object with the revisions that it was given.
struct PutRow<'a> {
    object: &'a StoredObject,
    revision: u64,
    written: u64,
}

/// The revisions at which the objects that are to be written were last written.
async fn stored(db: &mut SqliteConnection, writes: &[ObjectWrite]) -> Result<BTreeMap<Key, u64>, StoreError> {
    let mut keys = Rows::default();
    for write in writes {
        keys.push(&write.change.key())?;
    }
    let rows = sqlx::query(
        "SELECT kind, name, written FROM objects
         WHERE (kind, name) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?))",
    )
    .bind(keys.json())
    .fetch_all(db)
    .await?;
    let stored = |row: &SqliteRow| {
        let written = row.try_get::<i64, _>("written")?.unsigned_abs();
        Ok(((row.try_get("kind")?, row.try_get("name")?), written))
    };
    rows.iter().map(stored).collect()
}

fn put_all(script: &mut Script, put: &BTreeMap<Key, PutRow<'_>>) -> Result<(), StoreError> {
    let (mut rows, mut keys) = (Rows::default(), Rows::default());
    for (key, PutRow { object, revision, written }) in put {
        let StoredObject {
            kind,
            name,
            uid,
            generation,
            revision: _,
            written: _,
            created,
            spec_hash,
            whole_hash,
            document,
        } = object;
        rows.push(&(
            kind,
            name,
            uid,
            signed(*generation),
            signed(*revision),
            signed(*written),
            created.0,
            spec_hash,
            whole_hash,
            document,
        ))?;
        keys.push(key)?;
    }
    script.over(
        &rows,
        "INSERT OR REPLACE INTO objects (kind, name, uid, generation, revision, written, created_ns, spec_hash, whole_hash,
             document)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
             value ->> 8, value ->> 9 FROM json_each(?)",
    );
    script.over(
        &keys,
        "DELETE FROM objects_gone WHERE (kind, name) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?))",
    );
    Ok(())
}

fn forget_all(script: &mut Script, gone: &BTreeMap<Key, (u64, Nanos)>) -> Result<(), StoreError> {
    let mut rows = Rows::default();
    for ((kind, name), (revision, at)) in gone {
        rows.push(&(kind, name, signed(*revision), at.0))?;
    }
    script.over(
        &rows,
        "DELETE FROM objects WHERE (kind, name) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?))",
    );
    script.over(
        &rows,
        "INSERT OR REPLACE INTO objects_gone (kind, name, revision, gone_ns)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?)",
    );
    Ok(())
}

pub(super) async fn changes(
    pool: &SqlitePool,
    after: u64,
    limit: u32,
) -> Result<Option<Vec<ObjectFollowed>>, StoreError> {
    // In one transaction: what is forgotten between two questions would be missed.
    let mut transaction = pool.begin().await?;
    let forgotten: i64 =
        sqlx::query_scalar("SELECT forgotten FROM object_revision").fetch_one(&mut *transaction).await?;
    if signed(after) < forgotten {
        return Ok(None);
    }
    let put = sqlx::query("SELECT * FROM objects WHERE revision > ? ORDER BY revision LIMIT ?");
    let put = put.bind(signed(after)).bind(limit).fetch_all(&mut *transaction).await?;
    let gone = sqlx::query("SELECT * FROM objects_gone WHERE revision > ? ORDER BY revision LIMIT ?");
    let gone = gone.bind(signed(after)).bind(limit).fetch_all(&mut *transaction).await?;
    let mut followed = Vec::with_capacity(put.len() + gone.len());
    for row in &put {
        let object = object(row)?;
        followed
            .push(ObjectFollowed { revision: object.revision, change: ObjectChange::Put(Box::new(object)) });
    }
    for row in &gone {
        let revision = row.try_get::<i64, _>("revision")?.unsigned_abs();
        let change = ObjectChange::Gone { kind: row.try_get("kind")?, name: row.try_get("name")?, revision };
        followed.push(ObjectFollowed { revision, change });
    }
    followed.sort_by_key(|followed| followed.revision);
    followed.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(Some(followed))
}
