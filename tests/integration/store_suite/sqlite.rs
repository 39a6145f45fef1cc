//! The suite on SQLite.

use async_trait::async_trait;
use portreeve::store::{Sqlite, Store};
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tempfile::TempDir;

use super::Bench;

pub struct SqliteBench {
    home: TempDir,
    store: Option<Sqlite>,
}

impl SqliteBench {
    async fn execute(&self, sql: &'static str) {
        let options = SqliteConnectOptions::new().filename(self.home.path().join("portreeve.db"));
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}

#[async_trait]
impl Bench for SqliteBench {
    async fn new() -> Self {
        let mut bench = Self { home: TempDir::new().unwrap(), store: None };
        bench.reopen().await;
        bench
    }

    fn store(&self) -> &dyn Store {
        self.store.as_ref().unwrap()
    }

    async fn reopen(&mut self) {
        self.store = None;
        self.store = Some(Sqlite::open(&self.home.path().join("portreeve.db")).await.unwrap());
    }

    async fn refuse_poison(&self) {
        self.execute(
            // As on a full disk: SQLite itself rolls back, behind the driver's back.
            "CREATE TRIGGER poisoned BEFORE INSERT ON event_log WHEN NEW.message = 'poison'
             BEGIN SELECT RAISE(ROLLBACK, 'poisoned'); END",
        )
        .await;
    }

    async fn relent(&self) {
        self.execute("DROP TRIGGER poisoned").await;
    }

    async fn fail(&self) {
        self.execute("ALTER TABLE healing RENAME TO away").await;
    }
}

all_guarantees!(super::SqliteBench);
