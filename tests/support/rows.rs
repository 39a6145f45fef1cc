//! A database read with plain SQL, as nobody's types see it.

use std::collections::BTreeMap;
use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Connection, Row};

pub async fn connect(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    SqliteConnection::connect_with(&options).await.unwrap()
}

pub async fn execute(path: &Path, sql: &str) {
    let mut db = connect(path).await;
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut db).await.unwrap();
    db.close().await.unwrap();
}

pub async fn select(path: &Path, sql: &str) -> Vec<SqliteRow> {
    let mut db = connect(path).await;
    let rows = sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_all(&mut db).await.unwrap();
    db.close().await.unwrap();
    rows
}

/// Puts a backup in the place of a database, as the README says.
pub fn restore(backup: &Path, path: &Path) {
    for log in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{log}", path.display()));
    }
    std::fs::copy(backup, path).unwrap();
}

pub async fn number(path: &Path, sql: &str) -> i64 {
    select(path, sql).await[0].get(0)
}

/// Every row of every table, as SQL literals; with the statements that made the tables.
pub async fn content(path: &Path) -> BTreeMap<String, Vec<String>> {
    let mut db = connect(path).await;
    let tables = "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_stat%' ESCAPE '\\'";
    let mut content = BTreeMap::new();
    for table in sqlx::query(tables).fetch_all(&mut db).await.unwrap() {
        let (name, sql): (String, Option<String>) = (table.get(0), table.get(1));
        let columns = format!(
            "SELECT group_concat(format('quote(\"%w\")', name), ' || '', '' || ') FROM pragma_table_info('{name}')"
        );
        let columns: String = sqlx::query_scalar(AssertSqlSafe(columns)).fetch_one(&mut db).await.unwrap();
        let rows = format!("SELECT {columns} AS row FROM \"{name}\" ORDER BY row");
        let mut rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(rows)).fetch_all(&mut db).await.unwrap();
        rows.insert(0, sql.unwrap_or_default());
        content.insert(name, rows);
    }
    db.close().await.unwrap();
    content
}
