//! One dispatcher per declared DiscoveryRegistry and BillingService, and per deleted registry that is still to be told. What
//! waits for one that is otherwise no longer declared, or suspended, is held, visibly.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::parts::Parts;
use super::registry_end::see_off;
use crate::desired::Desired;
use crate::observed::Nanos;
use crate::outbox::billing::BillingQueue;
use crate::outbox::discovery::DiscoveryQueue;
use crate::outbox::{DeliveryContext, Dispatcher, HttpClient, Queue, Unrecorded, Waker};
use crate::resource::billing_service::BillingServiceSpec;
use crate::resource::discovery_registry::DiscoveryRegistrySpec;
use crate::resource::{KindId, ObjectKey};
use crate::store::OwnedShards;

#[derive(Clone, Debug, PartialEq)]
enum Target {
    Billing(String, BillingServiceSpec),
    Discovery(String, DiscoveryRegistrySpec),
}

/// Dispatchers of the targets declared now.
pub(super) struct Targets {
    pub parts: Arc<Parts>,
    pub http: HttpClient,
    pub stop: CancellationToken,
    pub running: BTreeMap<ObjectKey, Running>,
    /// Deleted registries whose end is seen to, by name and when they were deleted.
    pub seen_off: BTreeMap<(String, Nanos), JoinHandle<()>>,
    /// Dispatchers that were told to end and have calls in hand. None follows them before they have ended, however
    /// often their target goes and comes back meanwhile: a lane has one worker.
    pub ending: BTreeMap<ObjectKey, Ending>,
}

/// A dispatcher at its end, and what it leaves to the next one.
type Ending = JoinHandle<Vec<Unrecorded>>;

/// How long dispatchers may take to end with the process: a little longer than they give their calls.
const END: Duration = Duration::from_secs(8);

pub(super) struct Running {
    target: Target,
    stop: CancellationToken,
    task: Ending,
}

impl Targets {
    /// Starts, restarts and ends dispatchers so that the declared targets are served.
    pub(super) fn sync(&mut self, desired: &Desired) {
        let mut wanted = BTreeMap::new();
        let served = |kind, name: &str| !desired.is_suspended(kind, name);
        let key = |kind, name: &String| ObjectKey { kind, name: name.clone() };
        for (name, spec) in desired.billing.iter().filter(|(name, _)| served(KindId::BillingService, name)) {
            wanted.insert(key(KindId::BillingService, name), Target::Billing(name.clone(), spec.clone()));
        }
        let registries = desired.registries.iter();
        for (name, spec) in registries.filter(|(name, _)| served(KindId::DiscoveryRegistry, name)) {
            wanted
                .insert(key(KindId::DiscoveryRegistry, name), Target::Discovery(name.clone(), spec.clone()));
        }
        self.seen_off.retain(|_, task| !task.is_finished());
        for (name, (spec, gone)) in self.parts.departed.registries() {
            self.seen_off.entry((name.clone(), gone)).or_insert_with(|| {
                let (parts, held) = (self.parts.clone(), self.parts.held_by(&name));
                crate::vital::spawn(
                    "the end of a registry",
                    see_off(parts, (name.clone(), gone), held, self.stop.child_token()),
                )
            });
            wanted.insert(key(KindId::DiscoveryRegistry, &name), Target::Discovery(name, spec));
        }
        let stale: BTreeSet<ObjectKey> = self
            .running
            .iter()
            .filter(|(key, running)| wanted.get(*key) != Some(&running.target))
            .map(|(key, _)| key.clone())
            .collect();
        for key in stale {
            if let Some(running) = self.running.remove(&key) {
                running.stop.cancel();
                // It has itself waited for the one before it.
                self.ending.insert(key, running.task);
            }
        }
        for (key, target) in wanted {
            if !self.running.contains_key(&key) {
                let before = self.ending.remove(&key);
                let running = self.serve(&key, target, before);
                self.running.insert(key, running);
            }
        }
    }

    /// `before`: the last dispatcher of the same target, which must have ended first, so that no lane is worked on
    /// twice.
    fn serve(&self, key: &ObjectKey, target: Target, before: Option<Ending>) -> Running {
        let stop = self.stop.child_token();
        let waker = self.parts.wakers.of(key);
        let context = DeliveryContext {
            store: self.parts.store.clone(),
            owned: OwnedShards::All,
            commit: Arc::new(self.parts.committer.clone()),
            http: self.http.clone(),
        };
        let task = match target.clone() {
            Target::Billing(name, spec) => start(BillingQueue { name, spec, context }, waker, before, &stop),
            Target::Discovery(name, spec) => {
                start(DiscoveryQueue { name, spec, context }, waker, before, &stop)
            }
        };
        Running { target, stop, task }
    }

    /// Waits until every dispatcher has finished what it has in hand.
    pub(super) async fn finish(self) {
        let tasks = self.running.into_values().map(|running| running.task).chain(self.ending.into_values());
        let ended = async {
            for task in tasks {
                let _ = task.await;
            }
        };
        // A store that does not answer at all must not keep the process; what was under way counts as sent at its
        // next start.
        let _ = tokio::time::timeout(END, ended).await;
    }
}

fn start<Q: Queue>(queue: Q, waker: Waker, before: Option<Ending>, stop: &CancellationToken) -> Ending {
    let stop = stop.clone();
    crate::vital::spawn("a dispatcher", async move {
        let left = match before {
            Some(before) => before.await.unwrap_or_default(),
            None => Vec::new(),
        };
        Dispatcher::new(queue, waker).after(left).run(stop).await
    })
}
