//! A transaction as one script of set-wise statements, each over one JSON array of rows (`json_each`, or where many rows come
//! `jsonb_each`, which does not write each of them as text again).

use serde::Serialize;
use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{Arguments, AssertSqlSafe};

use crate::store::StoreError;

/// The rows of one statement: a JSON array of arrays.
#[derive(Debug, Default)]
pub(super) struct Rows(String);

impl Rows {
    /// Adds a row, most simply a tuple of its columns.
    pub(super) fn push(&mut self, row: &impl Serialize) -> Result<(), StoreError> {
        self.0.push(if self.0.is_empty() { '[' } else { ',' });
        self.0.push_str(&document("row", row)?);
        Ok(())
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn json(&self) -> String {
        let mut json = self.0.clone();
        json.push_str(if json.is_empty() { "[]" } else { "]" });
        json
    }
}

/// The statements of one transaction, which go to the database's thread together. Sent one by one, each would wait until
/// two threads are woken, which takes longer than most statements.
#[derive(Debug, Default)]
pub(super) struct Script {
    sql: String,
    arguments: Vec<String>,
}

impl Script {
    /// Adds a statement over `rows`, its one argument; none if there are none.
    pub(super) fn over(&mut self, rows: &Rows, statement: &'static str) {
        if !rows.is_empty() {
            self.sql.push_str(statement);
            self.sql.push_str(";\n");
            self.arguments.push(rows.json());
        }
    }

    /// Runs it as a transaction of its own. After an error the connection may be anywhere between begin and end.
    pub(super) async fn commit(mut self, db: &mut SqliteConnection) -> Result<(), StoreError> {
        // IMMEDIATE: the write lock is taken at the start, so that no commit fails half-way for want of it.
        self.sql.insert_str(0, "BEGIN IMMEDIATE;\n");
        self.sql.push_str("COMMIT");
        self.run(db).await
    }

    /// Runs it within a transaction that is begun and ended elsewhere.
    pub(super) async fn run(self, db: &mut SqliteConnection) -> Result<(), StoreError> {
        let Self { sql, arguments } = self;
        if sql.is_empty() {
            return Ok(());
        }
        let mut values = SqliteArguments::default();
        for argument in arguments {
            values.add(argument).map_err(sqlx::Error::Encode)?;
        }
        // The text is made of constants only, and the same few come again and again: they stay prepared.
        sqlx::query_with(AssertSqlSafe(sql), values).execute(db).await?;
        Ok(())
    }
}

/// A value as it is stored.
pub(super) fn document<T: Serialize + ?Sized>(what: &'static str, value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|source| StoreError::Damaged { what, source })
}
