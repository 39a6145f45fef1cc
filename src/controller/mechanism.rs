//! The one loop: takes a key with what came for it, has its reconciler decide, commits, and only then says and does.
//!
//! # Guarantees
//! - The same key is never worked on twice at once. Nothing is said or done of what was decided and could not be committed: the
//!   work comes again, whole, with its wake-ups. What was only seen is known at once.
//! - A reconciler that panics sets its key aside, with an event and a metric, and nothing else.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use metrics::counter;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{debug, error, warn};

use super::commit::Tickets;
use super::container::{act, subject_of};
use super::key::Key;
use super::parts::Parts;
use super::plan::{About, Plan};
use super::reconcile::Trouble;
use super::reconcilers::Reconcilers;
use super::timers::Due;
use super::work::Work;
use crate::docker::DockerError;
use crate::observed::{Nanos, Shard};
use crate::resource::event::EventKind;
use crate::resource::event::subject::EventSubject;
use crate::store::{ChangeSet, NewEvent};

/// After so many failures in a row that are of one key alone nothing else waits for it.
const PATIENCE: u32 = 5;

/// The loop and what it needs.
pub(super) struct Mechanism {
    pub parts: Arc<Parts>,
    pub reconcilers: Reconcilers,
}

impl Mechanism {
    /// Works until the process ends.
    pub(super) async fn run(self: Arc<Self>) {
        let mut tasks = JoinSet::new();
        loop {
            let (key, work) = self.parts.queue.take().await;
            while tasks.try_join_next().is_some() {}
            let mechanism = self.clone();
            tasks.spawn(async move { mechanism.work_on(key, work).await });
        }
    }

    /// Takes up what is due.
    pub(super) async fn run_timers(self: Arc<Self>) {
        let parts = &self.parts;
        loop {
            match parts.timers.due().await {
                (key, Due::Decide) => drop(parts.queue.add(key, Work::default())),
                // It claims to have heard of nothing: what the inspect shows is all there is.
                (key, Due::Look) => {
                    parts.queue.add(key, Work { look: Some(Nanos(0)), ..Work::default() });
                }
                (key, Due::Resume) => parts.queue.resume(&key),
            }
        }
    }

    async fn work_on(&self, key: Key, work: Work) {
        let worked = AssertUnwindSafe(self.reconcile(&key, &work)).catch_unwind().await;
        let trouble = match worked {
            Ok(Ok(())) => return self.parts.queue.done(&key),
            Ok(Err(trouble)) => trouble,
            Err(panic) => Trouble::Panicked(crate::vital::panic_text(&*panic).to_owned()),
        };
        self.later(&key, work, &trouble).await;
    }

    async fn reconcile(&self, key: &Key, work: &Work) -> Result<(), Trouble> {
        let parts = &*self.parts;
        let Plan { changes, keep, lines, name, decided, wakes, wake_targets, requeue_at, look_at } =
            self.reconcilers.plan(key, work).await?;
        let actions = decided.iter().flat_map(|decided| &decided.actions);
        let called: Vec<&str> = actions.map(|action| action.intent.as_str()).collect();
        let reserved = parts.intents.reserve(&changes.intents, &called).ok_or(Trouble::Reserved)?;
        self.commit(changes, work).await?;
        reserved.keep();
        // What is kept shows in the container's row.
        let shown = key.container().filter(|_| !keep.is_empty());
        let mut actions = Vec::new();
        if let Some((decided, container)) = decided.zip(key.container()) {
            parts.records.block(container, decided.blocked);
            actions = decided.actions;
        }
        keep.into_iter().for_each(|keep| keep(parts));
        shown.into_iter().for_each(|container| parts.touch(container));
        work.committed();
        let about = key.container().map_or(About::Service, |_| About::Container(&name));
        lines.iter().for_each(|line| line.write(about));
        wake_targets.iter().for_each(|target| parts.wakers.wake(target));
        let now = parts.now_of(key);
        for (due, at) in [(Due::Decide, requeue_at), (Due::Look, look_at)] {
            parts.timers.set(key.clone(), due, at.map(|at| due.after(at.since(now))));
        }
        for key in wakes {
            parts.queue.add(key, Work::default());
        }
        for action in actions {
            act(&self.parts, action);
        }
        Ok(())
    }

    async fn commit(&self, mut changes: ChangeSet, work: &Work) -> Result<(), Trouble> {
        let mut tickets = Tickets::new();
        for arrival in &work.events {
            tickets.entry(arrival.event.key.engine.clone()).or_default().insert(arrival.ticket);
        }
        changes.at = crate::clock::now();
        Ok(self.parts.committer.commit_with(changes, tickets).await?)
    }

    /// Has the work done again after a while.
    async fn later(&self, key: &Key, mut work: Work, trouble: &Trouble) {
        debug!(%key, failures = work.failures, "will be tried again: {trouble}");
        if let Trouble::Panicked(why) = trouble {
            counter!("portreeve_reconcile_panics_total", "kind" => key.kind()).increment(1);
            error!(%key, "deciding about it panicked: {why}; it is set aside and tried again");
            if work.failures == 0 {
                // What cannot be stored is in the log.
                let _ = self.parts.committer.commit_with(panicked(key, why), Tickets::new()).await;
            }
        }
        let next = after(work.failures, trouble);
        if next.warns {
            warn!(%key, "cannot be processed: {trouble}; Portreeve keeps trying");
        }
        if let Trouble::Engine(DockerError::TimedOut(_)) = trouble {
            self.parts.queue.slow(&key.shard(), true);
        }
        if next.lets_go {
            self.let_go(key, &mut work, trouble).await;
        }
        let wait = wait(work.failures, work.let_go);
        self.parts.queue.put_back(key, work);
        self.parts.timers.set(key.clone(), Due::Resume, Some(Instant::now() + wait));
    }

    /// What came for the key is kept as far as there is room and tried again, but the cursor goes on without it: should this
    /// process end meanwhile, what happened to it is not known, and that is said now.
    async fn let_go(&self, key: &Key, work: &mut Work, trouble: &Trouble) {
        let told = if work.let_go { None } else { self.reconcilers.let_go(key, work, trouble) };
        // What tells of it may be what the store refuses: then only that something of the engine is unknown, or nothing.
        let nothing = ChangeSet::of(key.shard());
        let gap = told.as_ref().and_then(|_| gap(key));
        for changes in told.into_iter().chain(gap).chain([nothing]) {
            match self.commit(changes, work).await {
                Ok(()) => return work.let_go(),
                Err(Trouble::Store(error)) if error.is_refused() => {}
                Err(error) => return debug!(%key, "it is waited for: {error}"),
            }
        }
    }
}

/// What follows from a failure, beside the next try.
#[derive(Debug, PartialEq, Eq)]
struct Next {
    /// Whether people are told.
    warns: bool,
    /// Whether nothing else waits for it any more.
    lets_go: bool,
}

/// What follows from one more failure after so many.
fn after(failures: u32, trouble: &Trouble) -> Next {
    let awaited = matches!(trouble, Trouble::Detached | Trouble::Panicked(_));
    Next { warns: failures == 3 && !awaited, lets_go: trouble.is_of_this_alone() && failures + 1 >= PATIENCE }
}

/// How long the next try is waited for: twice as long each time, up to three seconds, or thirteen where nothing waits for it.
fn wait(failures: u32, let_go: bool) -> Duration {
    Duration::from_millis(100 << failures.min(if let_go { 7 } else { 5 }))
}

/// What is told of a key if nothing else can be stored.
fn gap(key: &Key) -> Option<ChangeSet> {
    let Shard::Engine(engine) = key.shard() else { return None };
    let event = NewEvent::new(EventKind::Gap, EventSubject::Engine(engine.to_string()), crate::clock::now());
    let event = event.because("StoreRefused").status("unknown");
    Some(ChangeSet::told(event.saying("what happened to one of its containers cannot be stored")))
}

fn panicked(key: &Key, why: &str) -> ChangeSet {
    let now = crate::clock::now();
    let subject = key.container().map_or(EventSubject::Portreeve, |key| subject_of(key, String::new()));
    let message =
        format!("a fault of Portreeve's own: deciding about {key} panicked: {why}; it is tried again");
    let event = NewEvent::new(EventKind::InternalError, subject, now).because("Panicked");
    ChangeSet::told(event.status("failed").saying(message))
}

impl Parts {
    /// The clock by which a key's times are told.
    pub(super) fn now_of(&self, key: &Key) -> Nanos {
        match key.shard() {
            Shard::Engine(engine) => self.world.engine_now(&engine),
            Shard::Fleet => crate::clock::now(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_for_itself_alone_is_let_go_after_a_while_and_what_waits_for_an_engine_never() {
        let panicked = Trouble::Panicked("no ink".to_owned());
        let refused = Trouble::Engine(DockerError::TimedOut(Duration::from_secs(30)));
        let follows = |failures, trouble: &Trouble| {
            let Next { warns, lets_go } = after(failures, trouble);
            (warns, lets_go)
        };
        assert_eq!([3, 4].map(|failures| follows(failures, &panicked)), [(false, false), (false, true)]);
        assert_eq!(
            [2, 3, 4].map(|failures| follows(failures, &refused)),
            [(false, false), (true, false), (false, true)]
        );
        assert_eq!([3, 4, 99].map(|failures| follows(failures, &Trouble::Detached)), [(false, false); 3]);
        let waits = |let_go| [0, 5, 9].map(|failures| wait(failures, let_go).as_millis());
        assert_eq!((waits(false), waits(true)), ([100, 3_200, 3_200], [100, 3_200, 12_800]));
    }
}
