//! A store that counts what is committed, and can be made slow.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use portreeve::store::{ChangeSet, Sqlite, StoreError};

use crate::support::hooked::{Hook, Hooked};

/// The real store, watched.
pub(crate) type Counted = Hooked<Commits>;

pub(crate) struct Commits {
    slowed: Duration,
    /// After each commit: when, and how many bills were in it.
    commits: Mutex<Vec<(Instant, usize)>>,
}

pub(crate) fn counted(inner: Sqlite, slowed: Duration) -> Counted {
    Hooked { inner, hook: Commits { slowed, commits: Mutex::default() } }
}

impl Commits {
    /// When that many bills were committed, and how many commits it took.
    pub(crate) fn after(&self, bills: usize) -> (Instant, usize) {
        let commits = self.commits.lock().unwrap();
        let mut sum = 0;
        let place = commits.iter().position(|(_, count)| {
            sum += count;
            sum >= bills
        });
        let place = place.unwrap_or_else(|| panic!("{sum} bills were committed, not {bills}"));
        (commits[place].0, place + 1)
    }
}

#[async_trait]
impl Hook for Commits {
    async fn commits(&self, _: &[ChangeSet]) -> Result<(), StoreError> {
        if !self.slowed.is_zero() {
            tokio::time::sleep(self.slowed).await;
        }
        Ok(())
    }

    fn committed(&self, changes: &[ChangeSet]) {
        let bills = changes.iter().map(|change| change.outbox.len()).sum();
        self.commits.lock().unwrap().push((Instant::now(), bills));
    }
}
