//! Reconciling one container: look if need be, decide, commit, and only then say and do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::debug;

use super::commit::{Journal, Tickets};
use super::queue::Work;
use super::shared::{Attachment, Shared, locked};
use crate::docker::DockerError;
use crate::observed::{Container, ContainerKey, EventKind, Nanos};
use crate::reconcile::lifecycle::{Answer, advance};
use crate::reconcile::plan::Action;
use crate::reconcile::record::Record;
use crate::store::{ChangeSet, StoreError};

mod acting;
mod checks;
mod group;
mod healing;
mod informing;
mod making;
mod monitoring;
mod networks;
mod refused;
mod related;
mod telling;

/// Containers of one engine that are worked on side by side.
const AT_ONCE: usize = 16;
/// Of those that the engine refuses to tell of, so many are asked about side by side: each may take as long as a call may.
const REFUSED_AT_ONCE: usize = 2;
/// Ended runs of a container that replays are matched against.
const RUNS_KEPT: usize = 16;

/// Why the work on a container has to be done again later.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// The engine is away; its return resumes the work.
    #[error("the engine is not connected")]
    Detached,
    /// The engine did not answer, or not with sense.
    #[error(transparent)]
    Engine(#[from] DockerError),
    /// The store could not read or commit.
    #[error(transparent)]
    Store(#[from] Arc<StoreError>),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

/// What was decided about one container and is to be committed, then said and done.
#[derive(Default)]
struct Outcome {
    changes: ChangeSet,
    lines: Vec<telling::Line>,
    action: Option<Action>,
    requeue_at: Option<Nanos>,
    wake_targets: Vec<String>,
}

/// One container's reconciler.
pub(super) struct Reconciler {
    pub shared: Arc<Shared>,
    pub journal: Journal,
}

impl Reconciler {
    /// Works until the process ends, on so many containers of each engine side by side: one that hangs delays no other.
    pub(super) async fn run(self: Arc<Self>) {
        let mut places: BTreeMap<(Arc<str>, bool), Arc<Semaphore>> = BTreeMap::new();
        let mut tasks = JoinSet::new();
        loop {
            let (key, work) = self.shared.queue.take().await;
            while tasks.try_join_next().is_some() {}
            let at_once = if work.let_go { REFUSED_AT_ONCE } else { AT_ONCE };
            let place = places.entry((key.engine.clone(), work.let_go));
            let place = place.or_insert_with(|| Arc::new(Semaphore::new(at_once)));
            let (place, reconciler) = (place.clone(), self.clone());
            tasks.spawn(async move {
                // It is never closed.
                let _place = place.acquire().await;
                match reconciler.reconcile(&key, &work).await {
                    Ok(()) => reconciler.shared.queue.done(&key),
                    Err(trouble) => reconciler.later(&key, work, &trouble).await,
                }
            });
        }
    }

    async fn reconcile(&self, key: &ContainerKey, work: &Work) -> Result<(), Trouble> {
        let shared = &*self.shared;
        // Of an engine that is not declared any more nothing can be asked, and nothing waits.
        let watched = shared.is_watched(&key.engine);
        let alone = if watched { None } else { Some(work.without_engine()) };
        let work = alone.as_ref().unwrap_or(work);
        let attachment = shared.attachment(&key.engine);
        let mut inspected = self.look(key, work, attachment.as_ref()).await?;
        if self.is_in_the_making(key, work, &inspected) {
            return self.finish(ChangeSet::default(), work).await;
        }
        let mut checks = shared.record(key).map(|record| record.checks.clone()).unwrap_or_default();
        let heard = match (&mut inspected, &attachment) {
            (Inspected::Shown(container), Some(attachment)) => {
                self.learn_networks(container, attachment).await;
                self.hear_checks(Arc::make_mut(container), &mut checks, attachment, work)
            }
            (Inspected::Shown(_) | Inspected::Gone | Inspected::NotAsked, _) => Vec::new(),
        };
        let mut changed = match &inspected {
            Inspected::Shown(container) => {
                let now = container.clone();
                let was = shared.change_world(|world| world.containers.insert(key.clone(), now));
                let matters = |seen: &Container| (seen.state, seen.started, seen.health);
                let same = was.is_some_and(|was| matters(&was) == matters(container));
                (!same).then(|| container.clone())
            }
            Inspected::Gone => shared.change_world(|world| world.containers.remove(key)),
            Inspected::NotAsked => None,
        };
        if !matches!(inspected, Inspected::NotAsked) {
            shared.probing.container(key);
        }
        let before = self.remembered(key, work, &inspected).await?;
        let Some(before) = before else {
            // Gone before anything was known of it but a row in a list.
            self.finish(ChangeSet::default(), work).await?;
            work.committed();
            return Ok(());
        };
        let mut record = (*before).clone();
        record.followers.retain(|target, _| !work.forgets.iter().any(|forget| forget.target == *target));
        let container = match inspected {
            Inspected::Shown(ref container) => Some(container.clone()),
            Inspected::Gone => None,
            Inspected::NotAsked => shared.with_world(|world| world.containers.get(key).cloned()),
        };
        let answer = match (&inspected, &container) {
            (Inspected::Shown(_), Some(container)) => Answer::Shown(container),
            (Inspected::Gone, _) => Answer::Gone,
            (Inspected::Shown(_) | Inspected::NotAsked, _) => Answer::NotAsked,
        };
        let first_contact = self.first_contact(&key.engine);
        let up_to = self.heard(key, work, container.as_deref());
        let entered = advance(&mut record.ledger, &self.facts(key, work), answer, first_contact, up_to);
        if let Some(attachment) = attachment.as_ref().filter(|_| entered.ahead) {
            // Should the start event never come, the next list has it looked at again.
            attachment.seen.forget(&key.id);
        }
        if let Some(container) = &container {
            record.name.clone_from(&container.name);
        }
        record.checks.clone_from(&checks);
        if let Some(host) = self.host(&key.engine) {
            record.host = host;
        }
        let container = container.filter(|_| record.ledger.removed.is_none());
        let mut outcome = Outcome::default();
        if watched {
            self.bill(&mut record, &entered, &mut outcome);
        }
        telling::lifecycle(&record, &entered, &mut outcome);
        for note in &heard {
            let now = shared.engine_now(&key.engine);
            healing::tell(&record, now, note, "", &mut outcome);
        }
        if let Some(container) = &container {
            self.monitor(&mut record, container, &mut outcome);
        }
        let heal =
            self.heal(&mut record, container.as_deref(), attachment.as_ref(), work, &mut outcome).await;
        self.register(&mut record, container.as_deref(), heal.drains(), &mut outcome);
        if record != *before || shared.record(key).is_none() {
            record.last_known = record.last_known.max(shared.engine_now(&key.engine));
            outcome.changes.records.push(Arc::new(record.clone()));
        }
        if !outcome.changes.healing.is_empty() {
            changed = changed.or_else(|| container.clone());
        }
        let Outcome { changes, lines, action, requeue_at, wake_targets } = outcome;
        self.finish(changes, work).await?;
        locked(&shared.making).remove(key);
        heal.store(self, &key.engine);
        work.committed();
        let name = record.name.clone();
        self.remember(record);
        if !watched {
            locked(&shared.blocked).remove(key);
        }
        self.look_again(key, container.as_deref(), &checks, attachment.as_ref());
        lines.iter().for_each(|line| line.say(&name));
        wake_targets.iter().for_each(|target| shared.wake_target(target));
        self.requeue(key, requeue_at);
        if let Some(changed) = &changed {
            self.wake_dependents(changed);
        }
        if let (Some(action), Some(attachment)) = (action, attachment) {
            self.act(action, attachment);
        }
        Ok(())
    }

    /// Inspects, unless what came needs none.
    async fn look(
        &self,
        key: &ContainerKey,
        work: &Work,
        attachment: Option<&Attachment>,
    ) -> Result<Inspected, Trouble> {
        // Ids are never reused: what was destroyed is gone.
        if work.absent.is_some() || work.events.iter().any(|arrival| arrival.event.kind == EventKind::Destroy)
        {
            if let Some(attachment) = attachment {
                attachment.seen.forget(&key.id);
            }
            return Ok(Inspected::Gone);
        }
        let tells = |kind: &EventKind| match kind {
            EventKind::Create
            | EventKind::Start
            | EventKind::Die { .. }
            | EventKind::Pause
            | EventKind::Unpause
            | EventKind::Rename
            | EventKind::Update
            | EventKind::Health(_) => true,
            EventKind::Kill { .. }
            | EventKind::Stop
            | EventKind::Restart
            | EventKind::Oom
            | EventKind::Destroy => false,
        };
        // What its events mean can only be told of a container that was looked at.
        let unseen = || !self.shared.with_world(|world| world.containers.contains_key(key));
        let asked = work.look.is_some() || work.events.iter().any(|arrival| tells(&arrival.event.kind));
        if !asked && (work.events.is_empty() || !unseen()) {
            return Ok(Inspected::NotAsked);
        }
        let attachment = attachment.ok_or(Trouble::Detached)?;
        counter!("portreeve_inspects_total", "engine" => key.engine.to_string()).increment(1);
        match attachment.client.inspect(&key.id).await? {
            Some((container, fingerprint)) => {
                attachment.seen.inspected(&container, fingerprint);
                Ok(Inspected::Shown(Arc::new(container)))
            }
            None => {
                debug!(container = %key, "the container vanished before it could be inspected");
                attachment.seen.forget(&key.id);
                Ok(Inspected::Gone)
            }
        }
    }

    /// What is known of the container from before, or the beginning of what will be.
    async fn remembered(
        &self,
        key: &ContainerKey,
        work: &Work,
        inspected: &Inspected,
    ) -> Result<Option<Arc<Record>>, Trouble> {
        if let Some(record) = self.shared.record(key) {
            return Ok(Some(record));
        }
        // A replay may tell of a container whose removal was recorded long ago.
        if let Some(record) = self.shared.store.record(key).await? {
            return Ok(Some(Arc::new(record)));
        }
        let new = match (work.events.first(), inspected) {
            (_, Inspected::Shown(container)) => {
                Some(Record::of_container(container, self.shared.engine_now(&key.engine)))
            }
            (Some(arrival), Inspected::Gone | Inspected::NotAsked) => Some(Record::of_event(&arrival.event)),
            (None, Inspected::Gone | Inspected::NotAsked) => None,
        };
        Ok(new.map(Arc::new))
    }

    fn remember(&self, mut record: Record) {
        let (key, removed) = (record.key.clone(), record.ledger.removed.is_some());
        record.ledger.forget_all_but(RUNS_KEPT);
        if removed {
            self.shared.forget_healthy(&record.logical_id());
            locked(&self.shared.records).remove(&key);
            locked(&self.shared.blocked).remove(&key);
            self.shared.timers.set(&key, None);
        } else {
            locked(&self.shared.records).insert(key, Arc::new(record));
        }
    }

    fn first_contact(&self, engine: &str) -> Nanos {
        locked(&self.journal).get(engine).map_or(Nanos(0), |progress| progress.cursor().first_contact)
    }

    /// The engine time up to which all events of the container are in `work` or were in earlier work.
    fn heard(&self, key: &ContainerKey, work: &Work, container: Option<&Container>) -> Nanos {
        /// How far two clocks may be apart.
        const TOLERANCE: i64 = 1_000_000_000;
        let now = self.shared.engine_now(&key.engine);
        // The engine's clock stepped back: no start event will come that late.
        let future = |started: Nanos| started.0 > now.0.saturating_add(TOLERANCE);
        if container.and_then(|container| container.started).is_some_and(future) {
            return Nanos(i64::MAX);
        }
        let last = work.events.last().map(|arrival| arrival.event.at);
        last.max(work.look).unwrap_or_default()
    }

    /// What an engine calls its host, once it has said so.
    fn host(&self, engine: &str) -> Option<String> {
        let host =
            self.shared.with_world(|world| world.engines.get(engine).map(|engine| engine.host.clone()));
        host.filter(|host| !host.is_empty())
    }

    async fn finish(&self, mut changes: ChangeSet, work: &Work) -> Result<(), Trouble> {
        let mut tickets = Tickets::new();
        for arrival in &work.events {
            tickets.entry(arrival.event.key.engine.clone()).or_default().insert(arrival.ticket);
        }
        changes.at = crate::clock::now();
        Ok(self.shared.committer.commit_with(changes, tickets).await?)
    }

    fn requeue(&self, key: &ContainerKey, at: Option<Nanos>) {
        let now = self.shared.engine_now(&key.engine);
        // Never at once: what is decided for "now" was decided just now.
        let wait = |at: Nanos| {
            Duration::from_nanos(u64::try_from(at.since(now)).unwrap_or(0)).max(Duration::from_millis(10))
        };
        self.shared.timers.set(key, at.map(|at| Instant::now() + wait(at)));
    }
}

enum Inspected {
    Shown(Arc<Container>),
    Gone,
    NotAsked,
}
