//! What is known of each container that is not known to be gone, and why nothing is done about it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};

use crate::locked::locked;
use crate::observed::ContainerKey;
use crate::reconcile::plan::{Blocked, Reason};
use crate::reconcile::record::Record;

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Records {
    known: Mutex<HashMap<ContainerKey, Arc<Record>>>,
    blocked: Mutex<BTreeMap<ContainerKey, Vec<Blocked>>>,
}

impl Records {
    /// What an earlier process knew.
    pub(super) fn of_stored(records: Vec<Record>) -> Self {
        let known = records.into_iter().map(|record| (record.key.clone(), Arc::new(record))).collect();
        Self { known: Mutex::new(known), blocked: Mutex::default() }
    }

    pub(super) fn get(&self, key: &ContainerKey) -> Option<Arc<Record>> {
        locked(&self.known).get(key).cloned()
    }

    pub(super) fn put(&self, record: Arc<Record>) {
        locked(&self.known).insert(record.key.clone(), record);
    }

    pub(super) fn remove(&self, key: &ContainerKey) {
        locked(&self.known).remove(key);
        self.unblock(key);
    }

    /// Those that are meant.
    pub(super) fn keys(&self, meant: impl Fn(&Arc<Record>) -> bool) -> Vec<ContainerKey> {
        let known = locked(&self.known);
        known.iter().filter(|(_, record)| meant(record)).map(|(key, _)| key.clone()).collect()
    }

    pub(super) fn ids(&self) -> HashSet<Arc<str>> {
        locked(&self.known).keys().map(|key| key.id.clone()).collect()
    }

    /// Why nothing is done about a container, as last decided.
    pub(super) fn blocked(&self, key: &ContainerKey) -> Vec<Blocked> {
        locked(&self.blocked).get(key).cloned().unwrap_or_default()
    }

    pub(super) fn block(&self, key: &ContainerKey, why: Vec<Blocked>) {
        locked(&self.blocked).insert(key.clone(), why);
    }

    pub(super) fn unblock(&self, key: &ContainerKey) {
        locked(&self.blocked).remove(key);
    }

    /// How many containers nothing is done about, by reason.
    pub(super) fn blocked_by_reason(&self) -> BTreeMap<Reason, usize> {
        let mut counts = BTreeMap::new();
        for blocked in locked(&self.blocked).values().flatten() {
            *counts.entry(blocked.reason).or_insert(0) += 1;
        }
        counts
    }
}
