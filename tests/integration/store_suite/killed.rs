//! A process killed without warning while it commits: what it was told is committed is there.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use portreeve::observed::Nanos;
use portreeve::reconcile::lifecycle::EventName;
use portreeve::store::{ChangeSet, Deliveries, Ledger, Sqlite};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::integration::fixtures::{ALL, bill, billing, bills, container, load, record};

const HOME: &str = "PORTREEVE_TEST_STORE";
const FROM: &str = "PORTREEVE_TEST_FROM";
const KILLS: u32 = 10;

/// Not a test: the process that is killed. Commits for ever and says each number once it is committed.
#[tokio::test]
#[ignore = "the child of another test"]
async fn the_child_that_commits_until_it_is_killed() {
    let (Ok(home), Ok(from)) = (std::env::var(HOME), std::env::var(FROM)) else { return };
    let store = Sqlite::open(&Path::new(&home).join("portreeve.db")).await.unwrap();
    for n in from.parse::<u32>().unwrap().. {
        let key = container(n);
        let change = ChangeSet {
            records: vec![record(&key, 10, None).into()],
            ..bills(vec![bill("billing", &key, EventName::Started, 1)])
        };
        store.commit(&[change]).await.unwrap();
        // Not through the test harness, which may keep it back.
        writeln!(std::io::stderr(), "committed {n}").unwrap();
    }
}

#[tokio::test]
async fn every_acknowledged_commit_survives_kill_9() {
    let home = TempDir::new().unwrap();
    let mut acknowledged = 0;
    for life in 0..KILLS {
        let from = acknowledged + 1;
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture"])
            .arg("integration::store_suite::killed::the_child_that_commits_until_it_is_killed")
            .env(HOME, home.path())
            .env(FROM, from.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        // Another number of commits in each life, so that the kill falls on other moments of the log's cycle.
        let enough = from + 3 + life * 7;
        while let Some(line) = lines.next_line().await.unwrap() {
            let Some(n) = line.strip_prefix("committed ") else { continue };
            acknowledged = n.parse().unwrap();
            if acknowledged == enough {
                child.start_kill().unwrap();
            }
        }
        child.wait().await.unwrap();
        assert!(acknowledged >= enough, "the child ended by itself after {acknowledged}");

        let store = Sqlite::open(&home.path().join("portreeve.db")).await.unwrap();
        let loaded = load(&store).await.records.len();
        let lanes =
            store.due_lanes(&billing("billing"), &ALL, Nanos(i64::MAX), &[], usize::MAX).await.unwrap();
        assert_eq!(loaded, lanes.len(), "a record and its bill are committed together");
        for n in 1..=acknowledged {
            let key = container(n);
            assert!(
                lanes.iter().any(|lane| lane.subject.container() == Some(&key) && lane.bills.len() == 1),
                "{n} is lost"
            );
        }
        // One may have been committed and not said.
        assert!(lanes.len() <= acknowledged as usize + 1, "{} of {acknowledged}", lanes.len());
        acknowledged = lanes.len() as u32;
    }
}
