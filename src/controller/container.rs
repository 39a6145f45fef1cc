//! Reconciling one container: look if need be, and decide.

use std::sync::Arc;

use metrics::counter;
use tracing::debug;

use super::attachments::Attachment;
use super::commit::Journal;
use super::key::Key;
use super::parts::Parts;
use super::plan::Plan;
use super::reconcile::{Reconcile, Trouble};
use super::work::Work;
use crate::locked::locked;
use crate::observed::{Container, ContainerKey, EventKind, Nanos, Shard};
use crate::reconcile::lifecycle::{Answer, advance};
use crate::reconcile::record::Record;
use crate::store::{ChangeSet, RecordChange};

mod acting;
mod checks;
mod gathered;
mod group;
mod healing;
mod informing;
mod making;
mod monitoring;
mod networks;
mod reconciler;
mod recording;
mod refused;
mod related;

pub(super) use acting::act;
use reconciler::Inspected;
pub(super) use reconciler::Reconciler;
pub(super) use recording::subject_of;
pub(super) use related::wake_related;

/// Ended runs of a container that replays are matched against.
const RUNS_KEPT: usize = 16;

impl Reconciler {
    async fn decide(&self, key: &ContainerKey, work: &Work) -> Result<Plan, Trouble> {
        let (parts, shard) = (&*self.parts, Shard::Engine(key.engine.clone()));
        // Of an engine that is not declared any more nothing can be asked, and nothing waits.
        let watched = parts.world.is_watched(&key.engine);
        let alone = if watched { None } else { Some(work.without_engine()) };
        let work = alone.as_ref().unwrap_or(work);
        let attachment = parts.engines.get(&key.engine);
        let mut inspected = self.look(key, work, attachment.as_ref()).await?;
        if self.is_in_the_making(key, work, &inspected) {
            return Ok(Plan::of(shard));
        }
        let mut checks = parts.records.get(key).map(|record| record.checks.clone()).unwrap_or_default();
        let heard = match (&mut inspected, &attachment) {
            (Inspected::Shown(container), Some(attachment)) => {
                self.learn_networks(container, attachment).await;
                self.observe_checks(Arc::make_mut(container), &mut checks, attachment, work)
            }
            (Inspected::Shown(_) | Inspected::Gone | Inspected::NotAsked, _) => Vec::new(),
        };
        match &inspected {
            Inspected::Shown(container) => self.parts.show(container.clone()),
            Inspected::Gone => self.parts.show_gone(key),
            Inspected::NotAsked => {}
        }
        let before = self.remembered(key, work, &inspected).await?;
        let Some(before) = before else {
            // Gone before anything was known of it but a row in a list.
            return Ok(Plan::of(shard));
        };
        let mut record = (*before).clone();
        record.followers.retain(|target, _| !work.forgets.iter().any(|forget| forget.target == *target));
        let container = match inspected {
            Inspected::Shown(ref container) => Some(container.clone()),
            Inspected::Gone => None,
            Inspected::NotAsked => parts.world.read(|world| world.containers.get(key).cloned()),
        };
        let answer = match (&inspected, &container) {
            (Inspected::Shown(_), Some(container)) => Answer::Shown(container),
            (Inspected::Gone, _) => Answer::Gone,
            (Inspected::Shown(_) | Inspected::NotAsked, _) => Answer::NotAsked,
        };
        let first_contact = self.first_contact(&key.engine);
        let up_to = self.observed_up_to(key, work, container.as_deref());
        let entered = advance(&mut record.ledger, &self.facts(key, work), answer, first_contact, up_to);
        if let Some(attachment) = attachment.as_ref().filter(|_| entered.ahead) {
            // Should the start event never come, the next list has it looked at again.
            attachment.seen.forget(&key.id);
        }
        if let Some(container) = &container {
            record.name.clone_from(&container.name);
            // One that does not run shows none: those that it had are still what its events are about. A run that is still to be
            // entered brings its own.
            if container.state.is_up() && !entered.ahead {
                record.ports = container.published();
            }
        }
        record.checks.clone_from(&checks);
        if let Some(host) = self.host(&key.engine) {
            record.host = host;
        }
        let container = container.filter(|_| record.ledger.removed.is_none());
        let mut plan = Plan { name: record.name.clone(), ..Plan::of(shard) };
        if watched {
            self.bill(&mut record, &entered, &mut plan);
        }
        recording::lifecycle(&record, &before.ports, &entered, &mut plan);
        for note in &heard {
            let now = parts.world.engine_now(&key.engine);
            recording::record_note(&record, now, note, "", &mut plan);
        }
        if let Some(container) = &container {
            self.monitor(&mut record, container, &mut plan);
        }
        let heal = self.heal(&mut record, container.as_deref(), attachment.as_ref(), work, &mut plan).await;
        self.register(&mut record, container.as_deref(), heal.drains(), &mut plan);
        if record != *before || parts.records.get(key).is_none() {
            record.last_known = record.last_known.max(parts.world.engine_now(&key.engine));
            plan.changes.records.push(RecordChange::since(&before, record.clone()));
        }
        plan.look_at = self.next_look(container.as_deref(), &checks, attachment.as_ref());
        let (parts, key) = (self.parts.clone(), key.clone());
        plan.keep.push(Box::new(move |_| {
            locked(&parts.making).remove(&key);
            heal.keep(&parts);
            let name = record.name.clone();
            remember(&parts, record);
            if !watched {
                parts.records.unblock(&key);
            }
            wake_related(&parts, &key, &name, container.as_deref());
        }));
        Ok(plan)
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
        let unseen = || !self.parts.world.read(|world| world.containers.contains_key(key));
        let asked = work.look.is_some() || work.events.iter().any(|arrival| tells(&arrival.event.kind));
        if !asked && (work.events.is_empty() || !unseen()) {
            return Ok(Inspected::NotAsked);
        }
        let attachment = attachment.ok_or(Trouble::Detached)?;
        counter!("portreeve_inspects_total", "engine" => key.engine.to_string()).increment(1);
        match attachment.client.inspect(&key.id).await? {
            Some((container, fingerprint)) => {
                self.parts.queue.slow(&Key::from(key).shard(), false);
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
        if let Some(record) = self.parts.records.get(key) {
            return Ok(Some(record));
        }
        // A replay may tell of a container whose removal was recorded long ago.
        if let Some(record) = self.parts.store.record(key).await? {
            return Ok(Some(Arc::new(record)));
        }
        let new = match (work.events.first(), inspected) {
            (_, Inspected::Shown(container)) => {
                Some(Record::of_container(container, self.parts.world.engine_now(&key.engine)))
            }
            (Some(arrival), Inspected::Gone | Inspected::NotAsked) => Some(Record::of_event(&arrival.event)),
            (None, Inspected::Gone | Inspected::NotAsked) => None,
        };
        Ok(new.map(Arc::new))
    }

    fn first_contact(&self, engine: &str) -> Nanos {
        locked(&self.journal).get(engine).map_or(Nanos(0), |progress| progress.cursor().first_contact)
    }

    /// The engine time up to which all events of the container are in `work` or were in earlier work.
    fn observed_up_to(&self, key: &ContainerKey, work: &Work, container: Option<&Container>) -> Nanos {
        /// How far two clocks may be apart.
        const TOLERANCE: i64 = 1_000_000_000;
        let now = self.parts.world.engine_now(&key.engine);
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
        let host = self.parts.world.read(|world| world.engines.get(engine).map(|engine| engine.host.clone()));
        host.filter(|host| !host.is_empty())
    }
}

impl Reconcile for Reconciler {
    type Id = ContainerKey;

    fn new(parts: &Arc<Parts>, journal: &Journal) -> Self {
        Self { parts: parts.clone(), journal: journal.clone() }
    }

    async fn plan(&self, key: &ContainerKey, work: &Work) -> Result<Plan, Trouble> {
        self.decide(key, work).await
    }

    fn let_go(&self, key: &ContainerKey, work: &Work, trouble: &Trouble) -> Option<ChangeSet> {
        Some(self.refused(key, work, trouble))
    }
}

/// What is known of a container from now on.
fn remember(parts: &Parts, mut record: Record) {
    let (key, removed) = (record.key.clone(), record.ledger.removed.is_some());
    record.ledger.forget_all_but(RUNS_KEPT);
    if removed {
        parts.memories.forget_healthy(&record.logical_id());
        parts.records.remove(&key);
    } else {
        parts.records.put(Arc::new(record));
    }
}
