//! Attempts that end by a fault of our own, a panic: each container's are made again later and later, and no other's wait.

use std::collections::BTreeMap;
use std::time::Duration;

use super::retry::{self, seed};
use crate::resource::billing_service::Retry;
use crate::store::LaneSubject;

/// How many attempts in a row panicked, by container.
#[derive(Debug, Default)]
pub(super) struct Faults(BTreeMap<LaneSubject, u32>);

impl Faults {
    /// The attempt of `target` for `key` panicked: how many in a row have, and how long no other is made.
    pub(super) fn panicked(&mut self, target: &str, key: &LaneSubject) -> (u32, Duration) {
        let times = self.0.entry(key.clone()).or_default();
        *times = times.saturating_add(1);
        (*times, retry::wait(&Retry::default(), *times, None, seed(target, key, *times)))
    }

    /// An attempt for `key` came to an end of its own.
    pub(super) fn over(&mut self, key: &LaneSubject) {
        self.0.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_with_each_panic_in_a_row_and_begin_anew_after_an_end() {
        let mut faults = Faults::default();
        let key = LaneSubject::from(crate::observed::ContainerKey::new("local", "a"));
        let waits: Vec<_> = (0..12).map(|_| faults.panicked("target", &key).1).collect();
        assert!(waits[0] < Duration::from_secs(2) && waits[0] * 8 < waits[5], "{waits:?}");
        assert!(waits[11] <= Duration::from_secs(375), "{waits:?}");
        faults.over(&key);
        let (times, wait) = faults.panicked("target", &key);
        assert!(times == 1 && wait < Duration::from_secs(2), "{times} {wait:?}");
    }
}
