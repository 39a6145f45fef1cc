//! When to decide again about a container although nothing was heard. One instant per container; none: no timer runs.

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::shared::locked;
use crate::observed::ContainerKey;

#[derive(Debug, Default)]
struct Inner {
    by_time: BTreeSet<(Instant, ContainerKey)>,
    by_key: HashMap<ContainerKey, Instant>,
}

/// At most one instant per container.
#[derive(Debug, Default)]
pub(super) struct Timers {
    inner: Mutex<Inner>,
    changed: Notify,
}

impl Timers {
    /// Sets, replaces or (`None`) clears the instant of a container.
    pub(super) fn set(&self, key: &ContainerKey, at: Option<Instant>) {
        let mut inner = locked(&self.inner);
        if let Some(old) = inner.by_key.remove(key) {
            inner.by_time.remove(&(old, key.clone()));
        }
        if let Some(at) = at {
            inner.by_key.insert(key.clone(), at);
            inner.by_time.insert((at, key.clone()));
            drop(inner);
            self.changed.notify_one();
        }
    }

    /// The next container whose instant has come; waits for it.
    pub(super) async fn due(&self) -> ContainerKey {
        loop {
            let next = locked(&self.inner).by_time.first().cloned();
            match next {
                Some((at, key)) if at <= Instant::now() => {
                    self.set(&key, None);
                    return key;
                }
                Some((at, _)) => tokio::select! {
                    () = tokio::time::sleep_until(at) => {}
                    () = self.changed.notified() => {}
                },
                None => self.changed.notified().await,
            }
        }
    }
}
