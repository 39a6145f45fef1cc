//! Attempts that end by a fault of our own, a panic: each container's are made again later and later, and no other's wait.
//!
//! What the attempt was to store is not stored, so that none of this is in the store: after a restart it is tried at once.

use std::any::Any;
use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::{retry, seed};
use crate::observed::ContainerKey;
use crate::resource::billing_service::Retry;

/// Who rests after a panic.
#[derive(Debug, Default)]
pub(super) struct Faults(BTreeMap<ContainerKey, Fault>);

#[derive(Debug)]
struct Fault {
    /// In a row.
    times: u32,
    until: Instant,
}

impl Faults {
    /// The attempt of `target` for `key` panicked; how long no other is made.
    pub(super) fn panicked(&mut self, target: &str, key: &ContainerKey, now: Instant) -> Duration {
        let fault = self.0.entry(key.clone()).or_insert(Fault { times: 0, until: now });
        fault.times = fault.times.saturating_add(1);
        let wait = retry::wait(&Retry::default(), fault.times, None, seed(target, key, fault.times));
        fault.until = now + wait;
        wait
    }

    /// An attempt for `key` came to an end of its own.
    pub(super) fn over(&mut self, key: &ContainerKey) {
        self.0.remove(key);
    }

    /// For whom no attempt is made now.
    pub(super) fn resting(&self, now: Instant) -> impl Iterator<Item = &ContainerKey> {
        self.0.iter().filter(move |(_, fault)| fault.until > now).map(|(key, _)| key)
    }

    /// When the next of them has rested.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        self.0.values().map(|fault| fault.until).filter(|until| *until > now).min()
    }
}

/// What a panic said.
pub(super) fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("it did not say why")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_grow_with_each_panic_in_a_row_and_begin_anew_after_an_end() {
        let (mut faults, now) = (Faults::default(), Instant::now());
        let key = ContainerKey { engine: "local".into(), id: "a".into() };
        let waits: Vec<_> = (0..12).map(|_| faults.panicked("target", &key, now)).collect();
        assert!(waits[0] < Duration::from_secs(2) && waits[0] * 8 < waits[5], "{waits:?}");
        assert!(waits[11] <= Duration::from_secs(375), "{waits:?}");
        assert_eq!(faults.resting(now).count(), 1);
        assert_eq!(faults.next(now), Some(now + waits[11]));
        assert_eq!(faults.resting(now + waits[11]).count(), 0);
        faults.over(&key);
        assert!(faults.panicked("target", &key, now) < Duration::from_secs(2));
    }

    #[test]
    fn what_a_panic_said_is_told() {
        assert_eq!(said(&"a"), "a");
        assert_eq!(said(&"b".to_owned()), "b");
        assert_eq!(said(&7), "it did not say why");
    }
}
