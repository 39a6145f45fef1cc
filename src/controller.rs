//! Wiring: what is declared and what is seen meet here, and the reconcilers are kept going.
//!
//! Everything that is reconciled has a key. Hints about keys (events, changes of what is declared, timers, other keys) go into
//! one queue, one inbox a key; one loop takes a key at a time and has the reconciler of its kind make a plan. The plan is
//! committed whole, and only then is anything logged, kept, woken, timed or done.
//!
//! ```text
//! hint ─► queue ─► gather (snapshots, perhaps an inspect) ─► decide (pure) ─► Plan ─► commit ─► keep, log, wake, act
//! ```
//!
//! # How to add a reconciler
//!
//! 1. Write the decision as a pure function, from what is declared, seen and remembered, and the time, to what is wanted. Its
//!    home is `crate::reconcile`; it is tested there as data.
//! 2. Write a file with a type that implements `reconcile::Reconcile`: `plan` gathers what the decision needs, calls it, and
//!    puts what it wants into a `plan::Plan`: `changes` to be committed, what is kept in memory once they are, `lines` for the
//!    log, `wakes` for other keys, `requeue_at`. It decides nothing that it does by itself: only what it has *seen* (the world, a
//!    target's health) is known at once, and a container that leaves a policy's group commits that by itself. It may be called
//!    again with the same hints, and is never called twice at once for one key. Times are those of the key's shard. An action on
//!    a container comes with its intent in `changes.intents`; while another one is open there the plan has to wait for it, and
//!    whether a kill or a stop was ours, whichever reconciler's, `parts.intents` knows.
//! 3. Add one line to `kinds.rs`: the key, a field, the shard, the type.
//! 4. Wherever something happens that matters to a key, add it to the queue: `parts.queue.add(Key::…, Work::default())`.
//!
//! Failures, backoff, panics, places, timers, commits and metrics are the mechanism's. `tests/lamp.rs` is such a reconciler.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use self::attachments::Attachments;
use self::commit::{Committer, Journal};
use self::engines::Engines;
use self::groups::Groups;
use self::intents::Intents;
use self::interfaces::InterfacesRead;
use self::mechanism::Mechanism;
use self::memories::Memories;
use self::own_fault::OwnFault;
use self::parts::Parts;
use self::probing::Prober;
use self::progress::Progress;
use self::reconcilers::Reconcilers;
use self::records::Records;
use self::targets::Targets;
use self::usage::Loads;
use self::wakers::Wakers;
use crate::desired::{Desired, Scope, difference};
use crate::guard::Guard;
use crate::observed::{Shard, World};
use crate::outbox::HttpClient;
use crate::store::{ChangeSet, IntentChange, Loaded, Store, StoreError};
use crate::vital;

#[macro_use]
mod kinds;

mod attachments;
mod changes;
mod commit;
mod container;
mod departed;
mod door;
mod engines;
mod event_feed;
mod groups;
mod halving;
mod intents;
mod interfaces;
mod key;
mod mechanism;
mod memories;
mod own_fault;
mod parts;
mod plan;
mod probing;
mod progress;
mod pruning;
mod queue;
mod reconcile;
mod reconcilers;
mod records;
mod registry_end;
mod requests;
mod requeue;
mod seen;
mod services;
mod targets;
#[cfg(test)]
mod tests;
mod timers;
mod usage;
mod view;
mod wakers;
mod work;
mod world;

pub use changes::{ChangesMissed, RowChange, RowChanges};
pub use commit::StoreHealth;
pub use event_feed::EventFeed;
pub use groups::Breakers;
pub use probing::{Trial, Tried};
pub use requests::Requests;
pub use usage::Load;
pub use view::View;

/// How late a timer may fire before Portreeve itself counts as what fails.
const LAG: Duration = Duration::from_secs(1);
/// How long nothing is healed after such a lag.
const LAG_REST: Duration = Duration::from_secs(10);

/// A controller that was started.
#[derive(Debug)]
pub struct Controller {
    parts: Arc<Parts>,
    stop: CancellationToken,
    supervisor: tokio::task::JoinHandle<()>,
    prober: tokio::task::JoinHandle<()>,
    writer: tokio::task::JoinHandle<()>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Controller {
    /// Loads what is remembered and begins to watch, decide, act and deliver, as `desired` says from now on, and to reach
    /// what `guard` lets be reached.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn start(
        store: Arc<dyn Store>,
        desired: watch::Receiver<Arc<Desired>>,
        guard: Guard,
    ) -> Result<Self, StoreError> {
        let mut loaded = Loaded::default();
        for shard in store.shards().await? {
            loaded.append(store.load(&shard).await?);
        }
        let journal: Journal = Arc::new(Mutex::new(
            loaded
                .cursors
                .into_iter()
                .map(|(engine, cursor)| (engine, Progress::new(cursor, true)))
                .collect::<BTreeMap<_, _>>(),
        ));
        let (groups, memories) = loaded.healing.into_iter().partition(|(key, _)| groups::is_group(key));
        let (intents, unreadable) = Intents::load(loaded.intents);
        let feed = Arc::new(EventFeed::default());
        let (committer, writer) = Committer::start(store.clone(), journal.clone(), feed.clone());
        let departed = departed::Departed::new(&loaded.last_specs, guard.secrets());
        let parts = Arc::new(Parts {
            desired: ArcSwap::new(desired.borrow().clone()),
            store,
            committer,
            feed: feed.clone(),
            guard,
            world: world::WorldCell::new(World {
                own: Arc::new(crate::docker::own_containers()),
                ..World::default()
            }),
            interfaces: InterfacesRead::default(),
            dependencies: Mutex::default(),
            queue: queue::Queue::default(),
            timers: timers::Timers::default(),
            engines: Attachments::default(),
            records: Records::of_stored(loaded.records),
            memories: Memories::of_stored(memories, &intents),
            groups: Groups::of_stored(groups),
            intents: Arc::new(intents),
            making: Mutex::default(),
            wakers: Wakers::default(),
            own_fault: OwnFault::default(),
            departed,
            health_cache: services::HealthCache::new(&loaded.services),
            probing: probing::ProbeInbox::default(),
            loads: Loads::default(),
        });
        let intents = unreadable.into_iter().map(IntentChange::Close).collect();
        remember(&parts, ChangeSet { intents, ..ChangeSet::of(Shard::Fleet) });
        let stop = CancellationToken::new();
        let mut tasks = Vec::new();
        let reconcilers = Reconcilers::new(&parts, &journal);
        let mechanism = Arc::new(Mechanism { parts: parts.clone(), reconcilers });
        tasks.push(vital::spawn("the loop of reconcilers", mechanism.clone().run()));
        tasks.push(vital::spawn("the timers", mechanism.run_timers()));
        tasks.push(vital::spawn("the watch on own delays", watch_own_lag(parts.clone())));
        tasks.push(vital::spawn("pruning", pruning::prune(parts.clone())));
        tasks.push(vital::spawn("the feed of events", feed.run(parts.store.clone())));
        let prober = vital::spawn("the prober", Prober::run(parts.clone(), stop.child_token()));
        let supervising = supervise(parts.clone(), journal, desired, stop.clone());
        let supervisor = vital::spawn("the supervisor", supervising);
        Ok(Self { parts, stop, supervisor, prober, writer, tasks })
    }

    /// What faces read.
    pub fn view(&self) -> View {
        View::of(&self.parts)
    }

    /// What faces may have done.
    pub fn requests(&self) -> Requests {
        Requests::to(&self.parts)
    }

    /// Stops taking work, finishes what is in hand and flushes the cursor.
    pub async fn finish(self) {
        let Self { parts, stop, supervisor, prober, writer, tasks } = self;
        stop.cancel();
        let _ = supervisor.await;
        let _ = prober.await;
        let idle = async {
            while parts.queue.depth().0 > 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        // What cannot be finished (engine or store away) comes again by replay.
        let _ = tokio::time::timeout(Duration::from_secs(1), idle).await;
        for task in &tasks {
            task.abort();
        }
        for task in tasks {
            let _ = task.await;
        }
        drop(parts);
        let _ = tokio::time::timeout(Duration::from_secs(2), writer).await;
    }
}

/// Keeps engines and targets as declared, until told to stop.
async fn supervise(
    parts: Arc<Parts>,
    journal: Journal,
    mut desired: watch::Receiver<Arc<Desired>>,
    stop: CancellationToken,
) {
    let (resync, resync_receiver) = watch::channel(parts.desired.load().settings.resync.get());
    let mut engines = Engines {
        parts: parts.clone(),
        journal,
        resync: resync_receiver,
        stop: stop.child_token(),
        running: BTreeMap::new(),
    };
    let mut targets = Targets {
        parts: parts.clone(),
        http: HttpClient::new(parts.guard.clone()),
        stop: stop.child_token(),
        running: BTreeMap::new(),
        seen_off: BTreeMap::new(),
        ending: BTreeMap::new(),
    };
    let mut before: Option<Arc<Desired>> = None;
    loop {
        let now: Arc<Desired> = desired.borrow_and_update().clone();
        resync.send_if_modified(|period| {
            let new = now.settings.resync.get();
            std::mem::replace(period, new) != new
        });
        // Before any cell of theirs: the writer keeps the order.
        remember(&parts, parts.departed.follow(&now));
        targets.sync(&now);
        engines.sync(&now.hosts).await;
        let scope = match &before {
            Some(before) => Scope::of(before, &now),
            None => Scope::everything(&now),
        };
        let differs = before.as_ref().is_none_or(|before| !difference(before, &now).is_empty());
        before = Some(now.clone());
        parts.desired.store(now.clone());
        if scope.membership {
            parts.select(&now);
        }
        if differs {
            parts.touch_all();
        }
        parts.requeue(&scope);
        if scope.hosts_changed() {
            // Whether a service may have containers somewhere was judged by what was declared before.
            parts.probing.engines();
        }
        parts.probing.declared(scope.services);
        tokio::select! {
            () = stop.cancelled() => break,
            changed = desired.changed() => {
                if changed.is_err() {
                    stop.cancelled().await;
                    break;
                }
                match difference(&parts.desired.load(), &desired.borrow()).as_str() {
                    // Problems and conditions alone are told elsewhere.
                    "" => {}
                    what => info!(target: "portreeve::manifests", "the declared objects changed: {what}"),
                }
            }
            () = parts.departed.changed.notified() => {}
        }
    }
    engines.finish().await;
    targets.finish().await;
}

/// Stores what is to be known at the next start, however long the store fails.
fn remember(parts: &Arc<Parts>, changes: ChangeSet) {
    if changes.is_empty() {
        return;
    }
    let parts = parts.clone();
    tokio::spawn(async move { parts.committer.commit_until_stored(changes).await });
}

/// While this process does not get to run, probes and events look late: nothing is healed on such evidence.
async fn watch_own_lag(parts: Arc<Parts>) {
    const TICK: Duration = Duration::from_secs(1);
    loop {
        let before = Instant::now();
        tokio::time::sleep(TICK).await;
        let lag = before.elapsed().saturating_sub(TICK);
        if lag > LAG {
            warn!(target: "portreeve::healing", "this process was blocked for {lag:.1?}: no container is healed for {LAG_REST:?}");
            let why = format!("Portreeve itself was blocked for {lag:.1?}");
            parts.own_fault.set(why, Instant::now() + LAG_REST);
            let parts = parts.clone();
            tokio::spawn(async move {
                tokio::time::sleep(LAG_REST + TICK).await;
                // What was put off has no event of its own to come back by.
                parts.requeue_all();
            });
        }
    }
}
