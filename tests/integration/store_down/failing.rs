//! A store that fails on command.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use portreeve::store::{Sqlite, StoreError};
use tempfile::TempDir;

use crate::support::hooked::{Hook, Hooked};

pub type Failing = Hooked<Faults>;

pub struct Faults {
    writes_fail: AtomicBool,
    reads_fail: AtomicBool,
    refused: AtomicUsize,
    log_reads: AtomicUsize,
    _home: TempDir,
}

pub async fn failing() -> Arc<Failing> {
    let home = TempDir::new().unwrap();
    let inner = Sqlite::open(&home.path().join("portreeve.db")).await.unwrap();
    let hook = Faults {
        writes_fail: AtomicBool::new(false),
        reads_fail: AtomicBool::new(false),
        refused: AtomicUsize::new(0),
        log_reads: AtomicUsize::new(0),
        _home: home,
    };
    Arc::new(Hooked { inner, hook })
}

impl Faults {
    pub fn fail_writes(&self, fail: bool) {
        self.writes_fail.store(fail, Ordering::SeqCst);
    }

    pub fn fail_reads(&self, fail: bool) {
        self.reads_fail.store(fail, Ordering::SeqCst);
    }

    /// Calls refused so far.
    pub fn refused(&self) -> usize {
        self.refused.load(Ordering::SeqCst)
    }

    /// How often the log of events was read on so far.
    pub fn log_reads(&self) -> usize {
        self.log_reads.load(Ordering::SeqCst)
    }

    fn unless(&self, fails: &AtomicBool, why: &str) -> Result<(), StoreError> {
        if fails.load(Ordering::SeqCst) {
            self.refused.fetch_add(1, Ordering::SeqCst);
            return Err(StoreError::Unfit(why.to_owned()));
        }
        Ok(())
    }
}

#[async_trait]
impl Hook for Faults {
    async fn reads(&self, call: &'static str) -> Result<(), StoreError> {
        if call == "events_after" {
            self.log_reads.fetch_add(1, Ordering::SeqCst);
        }
        self.unless(&self.reads_fail, "disk I/O error")
    }

    async fn writes(&self, _: &'static str) -> Result<(), StoreError> {
        self.unless(&self.writes_fail, "database or disk is full")
    }
}
