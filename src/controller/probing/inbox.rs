//! What the prober is told.

use std::collections::BTreeSet;
use std::sync::Mutex;

use tokio::sync::Notify;

use crate::controller::shared::locked;
use crate::observed::ContainerKey;

/// What may have to be asked otherwise than before.
#[derive(Debug, Default)]
pub(in crate::controller) struct ProbeInbox {
    inner: Mutex<(bool, BTreeSet<ContainerKey>)>,
    notify: Notify,
}

impl ProbeInbox {
    /// A container was looked at, or is gone.
    pub(in crate::controller) fn container(&self, key: &ContainerKey) {
        locked(&self.inner).1.insert(key.clone());
        self.notify.notify_one();
    }

    /// What is declared has changed.
    pub(in crate::controller) fn requeue_all(&self) {
        locked(&self.inner).0 = true;
        self.notify.notify_one();
    }

    pub(super) async fn next(&self) -> (bool, BTreeSet<ContainerKey>) {
        loop {
            let told = std::mem::take(&mut *locked(&self.inner));
            if told.0 || !told.1.is_empty() {
                return told;
            }
            self.notify.notified().await;
        }
    }
}
