//! `store check` and `store backup`, with and without a Portreeve that holds the store.

use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use portreeve::store::{EventFilter, EventLog, Sqlite};
use tempfile::TempDir;

use super::BINARY;
use super::transcript::Shell;
use crate::integration::fixtures::load;
use crate::support::fake_engine::{FakeEngine, fleet};
use crate::support::portreeve::Portreeve;
use crate::support::rows::{content, execute, number, restore};
use crate::support::wait;

const DUMP: &str = include_str!("../store_suite/of_5551a0c.sql");

/// A shell in whose directory the store of an earlier build lies, in `state`, with which a Portreeve of this build has run.
async fn with_state() -> (Shell, TempDir) {
    let home = TempDir::with_prefix("portreeve-store-").unwrap();
    let state = home.path().join("state");
    std::fs::DirBuilder::new().mode(0o700).create(&state).unwrap();
    execute(&state.join("portreeve.db"), DUMP).await;
    drop(Sqlite::open(&state.join("portreeve.db")).await.unwrap());
    (Shell::new("http://127.0.0.1:1").mask(&home.path().display().to_string(), "HOME"), home)
}

#[tokio::test]
async fn a_store_at_rest_is_checked_and_backed_up() {
    let (shell, home) = with_state().await;
    shell.file("home", &home.path().display().to_string());
    shell.assert_transcript("store.txt");
    let (state, backup) = (home.path().join("state/portreeve.db"), home.path().join("copy.db"));
    assert_eq!(content(&backup).await, content(&state).await);
    assert_eq!(std::fs::metadata(&backup).unwrap().mode() & 0o777, 0o600);
    let copy = Sqlite::open(&backup).await.expect("a backup opens");
    assert_eq!(copy.events(&EventFilter { limit: 100, ..EventFilter::default() }).await.unwrap().len(), 29);
}

/// Writes over a page of the file.
fn spoil(path: &Path, page: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[page * 4096..(page + 1) * 4096].fill(0xa5);
    std::fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn what_is_damaged_is_told_with_its_place_and_exit_code_3() {
    let (shell, home) = with_state().await;
    let check = || {
        shell.run_raw(&format!(
            "portreeve store check --state-dir {}/state; echo exit $?",
            home.path().display()
        ))
    };
    let path = home.path().join("state/portreeve.db");
    assert!(check().contains("the store is sound\nexit 0\n"), "{}", check());
    let whole = std::fs::read(&path).unwrap();

    execute(
        &path,
        "UPDATE healing SET memory = '{' WHERE logical_id = 'local/name/fixture-web';
         UPDATE containers SET record = '[]' WHERE name = 'fixture-sick'; UPDATE cells SET wanted = 'up' WHERE target = 'away'",
    )
    .await;
    let said = check();
    for part in [
        "healing memory local/name/fixture-web: ",
        "record of container local/",
        " in away: ",
        "stop Portreeve and restore a backup",
        "before-11",
        "exit 3",
    ] {
        assert!(said.contains(part), "{part} is not in {said}");
    }

    std::fs::write(&path, &whole).unwrap();
    let page = number(&path, "SELECT rootpage FROM sqlite_master WHERE name = 'event_log_at'").await;
    spoil(&path, usize::try_from(page).unwrap() - 1);
    let said = check();
    assert!(said.contains("database: ") && said.contains("exit 3"), "{said}");

    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let said = check();
    assert!(said.contains("error: database: ") && said.contains("exit 3"), "{said}");

    std::fs::write(&path, "no database at all, and longer than any header of one would be".repeat(100))
        .unwrap();
    let said = check();
    assert!(said.contains("file is not a database") && said.contains("exit 3"), "{said}");
    let backup = shell.run_raw(&format!(
        "portreeve store backup --state-dir {0}/state {0}/no.db; echo exit $?",
        home.path().display()
    ));
    assert!(backup.contains("cannot back up") && backup.contains("exit 1"), "{backup}");
    assert!(!home.path().join("no.db").exists() && !home.path().join("no.db.part").exists());
}

#[tokio::test]
async fn a_newer_schema_is_refused_by_name_and_an_older_one_is_told() {
    let (shell, home) = with_state().await;
    let check = || {
        shell.run_raw(&format!(
            "portreeve store check --state-dir {}/state; echo exit $?",
            home.path().display()
        ))
    };
    let path = home.path().join("state/portreeve.db");
    execute(&path, "INSERT INTO _sqlx_migrations VALUES (99, 'wonders', '2030-01-01', 1, x'00', 1)").await;
    let said = check();
    assert!(
        said.contains("has schema 99 (\"wonders\")") && said.contains("before-11") && said.contains("exit 3"),
        "{said}"
    );
    let run = shell.run_raw(&format!(
        "portreeve run --state-dir {}/state --listen 127.0.0.1:0; echo exit $?",
        home.path().display()
    ));
    assert!(run.contains("has schema 99 (\"wonders\")") && run.contains("exit 1"), "{run}");

    restore(&home.path().join("state/portreeve.db.before-11"), &path);
    let said = check();
    assert!(
        said.contains("schema      3, and the next start migrates it to 11") && said.contains("exit 0"),
        "{said}"
    );
    assert!(said.contains("billing  BillingService"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_checked_and_backed_up_while_a_portreeve_writes_to_it() {
    let engine = FakeEngine::live();
    engine.populate(0..40, fleet::plain);
    let mut portreeve = Portreeve::new(BINARY).docker_host(&engine.endpoint());
    portreeve.manifest(
        "billing.yaml",
        "apiVersion: portreeve/v1\nkind: BillingService\nmetadata: {name: billing}\nspec: {url: \"http://127.0.0.1:9\"}\n",
    );
    portreeve.start().await;
    let state = portreeve.state_dir();
    let events = async || {
        let known = portreeve.get("/api/events?limit=1000").await?.json().as_array().map_or(0, Vec::len);
        Ok::<usize, String>(known)
    };
    wait::until("all are known", wait::SOON, async || {
        let known = portreeve.get("/api/containers").await?.json().as_array().map_or(0, Vec::len);
        wait::is(known == 40, known.to_string())
    })
    .await;
    let ids: Vec<String> = (0..400).map(|n| fleet::id(n % 40)).collect();
    engine.flap(&ids[..40], None).await;
    wait::until("some is stored", wait::SOON, async || {
        let known = events().await?;
        wait::is(known > 40, known.to_string())
    })
    .await;
    let shell = Shell::new("http://127.0.0.1:1");
    let (busy, _) = tokio::join!(
        tokio::task::spawn_blocking({
            let state = state.display().to_string();
            move || {
                let check =
                    shell.run_raw(&format!("portreeve store check --state-dir {state}; echo exit $?"));
                let backup = shell
                    .run_raw(&format!("portreeve store backup --state-dir {state} copy.db; echo exit $?"));
                let again = shell
                    .run_raw(&format!("portreeve store backup --state-dir {state} copy.db; echo exit $?"));
                (shell, check, backup, again)
            }
        }),
        engine.flap(&ids, None),
    );
    let (shell, check, backup, again) = busy.unwrap();
    assert!(check.contains("the store is sound\nexit 0"), "{check}");
    assert!(
        check.contains("containers  40, and 0 removed") && check.contains("billing  BillingService"),
        "{check}"
    );
    assert!(backup.contains("copy.db is a sound copy of") && backup.contains("exit 0"), "{backup}");
    assert!(
        again.contains("copy.db is there already; name a new file") && again.contains("exit 2"),
        "{again}"
    );
    // The copy is of one moment in between: all that was there before, and nothing that is not there now.
    portreeve.terminate().await;
    let copy = shell.directory().join("copy.db");
    let (now, then) = (content(&state.join("portreeve.db")).await, content(&copy).await);
    assert!(then["event_log"].len() > 40);
    assert!(then["event_log"].iter().all(|row| now["event_log"].contains(row)));
    assert_eq!(then.keys().collect::<Vec<_>>(), now.keys().collect::<Vec<_>>());
    let opened = Sqlite::open(&copy).await.expect("a backup opens");
    assert_eq!(load(&opened).await.records.len(), 40);
}
