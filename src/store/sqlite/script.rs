//! A transaction, or a part of one, as one script.

use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{Arguments, AssertSqlSafe, Encode, Sqlite, Type};

use crate::store::StoreError;

/// The statements of one transaction, which go to the database's thread together. Sent one by one, each would wait until
/// two threads are woken, which takes longer than most statements.
pub(super) struct Script {
    sql: String,
    arguments: SqliteArguments,
}

impl Script {
    /// Begins a transaction.
    pub(super) fn begin() -> Self {
        // IMMEDIATE: the write lock is taken at the start, so that no commit fails half-way for want of it.
        Self { sql: "BEGIN IMMEDIATE;\n".to_owned(), arguments: SqliteArguments::default() }
    }

    /// A part of a transaction that is begun and ended elsewhere.
    pub(super) fn part() -> Self {
        Self { sql: String::new(), arguments: SqliteArguments::default() }
    }

    /// Adds a statement; its arguments follow by [`Self::bind`], one for each `?`, in their order.
    pub(super) fn add(&mut self, statement: &'static str) -> &mut Self {
        self.sql.push_str(statement);
        self.sql.push_str(";\n");
        self
    }

    pub(super) fn bind<'t, T: Encode<'t, Sqlite> + Type<Sqlite>>(
        &mut self,
        value: T,
    ) -> Result<&mut Self, StoreError> {
        Arguments::add(&mut self.arguments, value).map_err(sqlx::Error::Encode)?;
        Ok(self)
    }

    /// Runs all of it and commits. After an error the connection may be anywhere between the two.
    pub(super) async fn commit(mut self, db: &mut SqliteConnection) -> Result<(), StoreError> {
        self.add("COMMIT");
        self.run(db).await
    }

    /// Runs all of it.
    pub(super) async fn run(self, db: &mut SqliteConnection) -> Result<(), StoreError> {
        let Self { sql, arguments } = self;
        // The text is made of constants only. It is hardly ever the same twice: not worth keeping prepared.
        sqlx::query_with(AssertSqlSafe(sql), arguments).persistent(false).execute(db).await?;
        Ok(())
    }
}

/// A value as it is stored.
pub(super) fn document<T: serde::Serialize>(what: &'static str, value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|source| StoreError::Damaged { what, source })
}
