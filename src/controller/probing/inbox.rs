//! What the prober has to look at anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use crate::locked::locked;
use crate::observed::ContainerKey;

/// What may have to be asked otherwise than before.
#[derive(Debug, Default)]
pub(in crate::controller) struct News {
    /// Services that are new, gone or declared otherwise.
    pub services: BTreeSet<String>,
    /// Whether an engine is connected, or none of it is known any more.
    pub engines: bool,
    /// Services whose targets are to be asked now, whenever they were to be.
    pub anew: BTreeSet<Arc<str>>,
    /// Containers that were looked at or are gone, with the services that they are or were of.
    pub containers: BTreeMap<ContainerKey, BTreeSet<Arc<str>>>,
}

impl News {
    fn is_empty(&self) -> bool {
        self.services.is_empty() && !self.engines && self.anew.is_empty() && self.containers.is_empty()
    }
}

/// Where the prober finds it.
#[derive(Debug, Default)]
pub(in crate::controller) struct ProbeInbox {
    inner: Mutex<News>,
    notify: Notify,
}

impl ProbeInbox {
    /// A container was looked at, or is gone; it is, or was, of these services.
    pub(in crate::controller) fn container(
        &self,
        key: &ContainerKey,
        services: impl IntoIterator<Item = Arc<str>>,
    ) {
        let mut services = services.into_iter().peekable();
        if services.peek().is_some() {
            locked(&self.inner).containers.entry(key.clone()).or_default().extend(services);
            self.notify.notify_one();
        }
    }

    /// Services are declared otherwise.
    pub(in crate::controller) fn declared(&self, services: impl IntoIterator<Item = String>) {
        locked(&self.inner).services.extend(services);
        self.notify.notify_one();
    }

    /// All targets of a service are to be asked now.
    pub(in crate::controller) fn ask_anew(&self, service: &Arc<str>) {
        locked(&self.inner).anew.insert(service.clone());
        self.notify.notify_one();
    }

    /// An engine is connected, or none of it is known any more.
    pub(in crate::controller) fn engines(&self) {
        locked(&self.inner).engines = true;
        self.notify.notify_one();
    }

    pub(super) async fn next(&self) -> News {
        loop {
            let news = std::mem::take(&mut *locked(&self.inner));
            if !news.is_empty() {
                return news;
            }
            self.notify.notified().await;
        }
    }
}
