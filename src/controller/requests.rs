//! What faces may ask the controller to do: each thing in its turn among all decisions.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::commit::Committer;
use super::key::Key;
use super::parts::Parts;
use super::probing::{Trial, Tried};
use super::work::{Forget, Release, Work};
use crate::observed::ContainerKey;
use crate::resource::ObjectKey;
use crate::resource::probe::ProbeSpec;
use crate::store::Deliveries;

/// How long whoever lifts a quarantine, or has something forgotten, waits to hear that it is committed.
const RELEASE: Duration = Duration::from_secs(5);

/// The way by which faces have something done.
#[derive(Clone, Debug)]
pub struct Requests(Arc<Parts>);

impl Requests {
    pub(super) fn to(parts: &Arc<Parts>) -> Self {
        Self(parts.clone())
    }

    /// The way into the store for what is committed with nothing else.
    pub fn committer(&self) -> &Committer {
        &self.0.committer
    }

    /// The store, for decisions about deliveries. What writes events by it says so: [`events_committed`](Self::events_committed).
    pub fn store(&self) -> &dyn Deliveries {
        &*self.0.store
    }

    /// Events were committed past the committer.
    pub fn events_committed(&self) {
        self.0.feed.committed();
    }

    /// Lifts the quarantine of a container in turn with all decisions about it, and waits five seconds at most for
    /// that to be committed; later it comes without anybody waiting. Whether it was in time. `caller` is who wishes it.
    pub async fn release(&self, key: &ContainerKey, caller: &str) -> bool {
        let done = Arc::new(Notify::new());
        let release = Release { caller: caller.to_owned(), done: done.clone() };
        self.0.queue.add(key, Work { releases: vec![release], ..Work::default() });
        tokio::time::timeout(RELEASE, done.notified()).await.is_ok()
    }

    /// Forgets, in turn with all decisions about each container, what a BillingService that is gone was told of it, so that
    /// it is told of no end; waits five seconds at most for that to be committed. Whether it was in time.
    pub async fn forget_follower(&self, target: &str) -> bool {
        // Nothing is decided about those of an engine that is away.
        let mut at_work = self.0.queue.at_work();
        at_work.retain(|key| key.container().is_some_and(|key| self.0.engines.get(&key.engine).is_some()));
        let told = self.0.records.keys(|record| record.followers.contains_key(target));
        let told: BTreeSet<Key> = told.iter().map(Key::from).chain(at_work).collect();
        let mut waiting = Vec::new();
        for key in told {
            let done = Arc::new(Notify::new());
            let forget = Forget { target: target.to_owned(), done: done.clone() };
            self.0.queue.add(key, Work { forgets: vec![forget], ..Work::default() });
            waiting.push(done);
        }
        let all = async {
            for done in waiting {
                done.notified().await;
            }
        };
        tokio::time::timeout(RELEASE, all).await.is_ok()
    }

    /// Wakes whoever delivers to a target: something that waited may be sent.
    pub fn wake_target(&self, target: &ObjectKey) {
        self.0.wakers.wake(target);
    }

    /// One check outside the schedule: it is shown, and counts for nothing.
    pub async fn try_probe(&self, spec: &ProbeSpec, whom: &Tried) -> Trial {
        self.0.try_probe(spec, whom).await
    }
}
