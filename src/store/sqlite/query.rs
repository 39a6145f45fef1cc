//! A question whose conditions are those that are asked for, so that each finds its index.

use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteExecutor, SqlitePool, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, Encode, Type};

use crate::store::StoreError;

/// See the module's documentation. Its text is made of constants; values are arguments.
#[derive(Debug)]
pub(super) struct Query {
    sql: String,
    arguments: SqliteArguments,
    failed: Option<sqlx::error::BoxDynError>,
    conditions: bool,
}

impl Query {
    /// One that reads `select`.
    pub(super) fn new(select: &'static str) -> Self {
        Self {
            sql: select.to_owned(),
            arguments: SqliteArguments::default(),
            failed: None,
            conditions: false,
        }
    }

    /// Adds a value for a `?` in what was added without one.
    pub(super) fn bind<'v, T: Encode<'v, Sqlite> + Type<Sqlite>>(&mut self, value: T) {
        if let Err(error) = self.arguments.add(value) {
            self.failed = Some(error);
        }
    }

    /// Adds text, such as a condition without a value.
    pub(super) fn text(&mut self, text: &'static str) {
        self.sql.push(' ');
        self.sql.push_str(text);
    }

    /// Adds a condition.
    pub(super) fn condition(&mut self, condition: &'static str) {
        self.text(if self.conditions { "AND" } else { "WHERE" });
        self.conditions = true;
        self.text(condition);
    }

    /// Adds a condition with one value.
    pub(super) fn and<'v, T: Encode<'v, Sqlite> + Type<Sqlite>>(
        &mut self,
        condition: &'static str,
        value: T,
    ) {
        self.condition(condition);
        self.bind(value);
    }

    /// Adds what stands behind the conditions, with one value.
    pub(super) fn end<'v, T: Encode<'v, Sqlite> + Type<Sqlite>>(&mut self, text: &'static str, value: T) {
        self.text(text);
        self.bind(value);
    }

    /// The rows that it finds.
    pub(super) async fn rows(self, pool: &SqlitePool) -> Result<Vec<SqliteRow>, StoreError> {
        if let Some(error) = self.failed {
            return Err(sqlx::Error::Encode(error).into());
        }
        Ok(sqlx::query_with(AssertSqlSafe(self.sql), self.arguments).fetch_all(pool).await?)
    }

    /// Runs it: how many rows it changed.
    pub(super) async fn run<'e>(self, db: impl SqliteExecutor<'e>) -> Result<u64, StoreError> {
        if let Some(error) = self.failed {
            return Err(sqlx::Error::Encode(error).into());
        }
        Ok(sqlx::query_with(AssertSqlSafe(self.sql), self.arguments).execute(db).await?.rows_affected())
    }

    /// How it would be found: the lines of `EXPLAIN QUERY PLAN`.
    #[cfg(test)]
    pub(super) async fn explained(mut self, pool: &SqlitePool) -> Vec<String> {
        use sqlx::Row;

        self.sql.insert_str(0, "EXPLAIN QUERY PLAN ");
        let rows = self.rows(pool).await.expect("a plan");
        rows.iter().map(|row| row.try_get("detail").expect("a line")).collect()
    }
}
