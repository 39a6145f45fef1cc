//! Feeding the healing decision, and keeping its memory.

use std::sync::Arc;

use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

use super::gathered::Case;
use super::group::Held;
use super::reconciler::Reconciler;
use super::recording::{record_group_note, record_note};
use crate::controller::attachments::Attachment;
use crate::controller::intents::Intents;
use crate::controller::key::Key;
use crate::controller::memories::Slot;
use crate::controller::parts::Parts;
use crate::controller::plan::Plan;
use crate::controller::work::{Arrival, Break, Work};
use crate::observed::{Container, ContainerKey, EventKind, Health, Nanos};
use crate::reconcile::cause::{Fact, Seen, StopHabits};
use crate::reconcile::discovery::Wanted;
use crate::reconcile::heal::{HealMemory, Healing, PolicyGroup, catch_up, decide};
use crate::reconcile::intent::Intent;
use crate::reconcile::record::Record;
use crate::resource::Duration;
use crate::store::{IntentChange, OpenIntent};

/// Healing memory that was decided on, to be kept once it is committed. Holds the memory's lock until then, and that of
/// the group if it changed.
#[derive(Default)]
pub(super) struct Pending {
    memory: Option<(OwnedMutexGuard<()>, Arc<Slot>, HealMemory)>,
    group: Option<Held>,
    /// Intents whose calls have ended.
    concluded: Vec<String>,
}

impl Pending {
    /// Whether the container is to be out of the registries for an attempt.
    pub(super) fn drains(&self) -> bool {
        self.memory.as_ref().is_some_and(|(.., memory)| memory.draining.is_some())
    }

    pub(super) fn keep(mut self, parts: &Parts) {
        if let Some((_lock, slot, memory)) = self.memory.take() {
            slot.memory.store(Arc::new(memory));
        }
        self.concluded.iter().for_each(|intent| parts.intents.forget_call(intent));
        if let Some(mut held) = self.group.take() {
            held.keep();
            parts.show_group(&held);
        }
    }
}

impl Reconciler {
    pub(super) async fn heal(
        &self,
        record: &mut Record,
        container: Option<&Container>,
        attachment: Option<&Attachment>,
        work: &Work,
        plan: &mut Plan,
    ) -> Pending {
        let parts = &*self.parts;
        let concluded = work.concluded.iter().map(|ended| ended.intent.clone()).collect();
        let Some(container) = container else {
            self.leave_group(record, None, parts.world.engine_now(&record.key.engine)).await;
            return Pending { concluded, ..Pending::default() };
        };
        let key = &container.key;
        let (logical_id, slot) = parts.memories.slot(container, &parts.world.load());
        let lock = slot.lock.clone().lock_owned().await;
        let mut memory = HealMemory::clone(&slot.memory.load());
        // What is being done to the container, or was to one that it took the place of.
        let open = parts.intents.of(key).or_else(|| parts.intents.of_owner(&logical_id));
        memory.intent = open.as_ref().map(|open| open.intent.clone());
        let before = memory.clone();
        feed(record, container, &mut memory, work, &parts.intents);
        let now = parts.world.engine_now(&key.engine);
        let caller = work.releases.first().map(|release| release.caller.as_str());
        let (caught_up, released, mut notes) = catch_up(memory, caller, &work.concluded, now);
        if let Some(released) = released {
            record_note(record, now, &released, caller.unwrap_or_default(), plan);
        }
        let case = Case {
            container,
            memory: &caught_up,
            marks: &record.marks,
            registered: record.wanted.values().any(|wanted| *wanted != Wanted::Absent),
            now,
            seed: seed(&logical_id),
        };
        // Until all that happened before the contact has been heard nothing is decided: then everything is.
        let catching_up = attachment.is_some() && !parts.world.read(|world| world.is_connected(&key.engine));
        // A call in hand will be concluded, and then everything is decided, too.
        let in_hand = |id: &String| parts.intents.is_in_hand(id) && !work.concludes(id);
        let later = catching_up || caught_up.intent.as_ref().is_some_and(|open| in_hand(&open.id));
        let Decided { healing, policy, group } = if later {
            Decided {
                healing: Healing { memory: caught_up.clone(), ..Healing::default() },
                ..Decided::default()
            }
        } else {
            self.decide_now(case, record, attachment).await
        };
        plan.decided = (!later).then(|| healing.plan());
        let Healing { memory, action: _, blocked: _, notes: decided, group_notes, next, requeue_at } =
            healing;
        notes.extend(decided);
        let group = group.and_then(|held| plan.store_group(held));
        for note in &notes {
            record_note(record, now, note, "", plan);
        }
        for note in &group_notes {
            record_group_note(record, policy.as_deref().unwrap_or_default(), now, note, plan);
        }
        plan.changes.intents = changes(&logical_id, open.as_ref(), memory.intent.as_ref());
        if memory != before
            && let Ok(document) = serde_json::to_string(&memory)
        {
            plan.changes.healing.push((logical_id, Some(document)));
        }
        let others = next.into_iter().map(|id| ContainerKey::new(key.engine.clone(), id));
        plan.wakes.extend(others.map(Key::from));
        plan.requeue_at = requeue_at;
        Pending { memory: Some((lock, slot, memory)), group, concluded }
    }

    /// Decides, in the group of the policy that selects the container.
    async fn decide_now(&self, case: Case<'_>, record: &Record, attachment: Option<&Attachment>) -> Decided {
        let gathered = self.gather(case, attachment);
        let policy = gathered.policy().map(str::to_owned);
        self.leave_group(record, policy.as_deref(), case.now).await;
        let situation = gathered.situation(case);
        match &policy {
            Some(name) => {
                let mut held = self.hold_group(&case.container.key.engine, name).await;
                Decided { healing: decide(&situation, &mut held.group), policy, group: Some(held) }
            }
            None => {
                Decided { healing: decide(&situation, &mut PolicyGroup::default()), ..Decided::default() }
            }
        }
    }
}

/// A decision, and in whose group it was made.
#[derive(Default)]
struct Decided {
    healing: Healing,
    policy: Option<String>,
    group: Option<Held>,
}

/// What becomes of the intent that was `open`, now that the memory of `owner` has this one.
fn changes(owner: &str, open: Option<&OpenIntent>, now: Option<&Intent>) -> Vec<IntentChange> {
    let over = open.filter(|open| now.is_none_or(|now| now.id != open.intent.id));
    let now = now.map(|now| OpenIntent { owner: owner.to_owned(), intent: now.clone() });
    let put = now.filter(|now| open != Some(now));
    over.map(|over| IntentChange::Close(over.intent.id.clone()))
        .into_iter()
        .chain(put.map(Box::new).map(IntentChange::Put))
        .collect()
}

/// Enters what the events, and the breaks between them, said about stops and health.
fn feed(record: &mut Record, container: &Container, memory: &mut HealMemory, work: &Work, intents: &Intents) {
    let habits = StopHabits::of(container);
    let Work {
        events,
        look: _,
        absent: _,
        breaks,
        concluded: _,
        releases: _,
        forgets: _,
        failures: _,
        let_go: _,
    } = work;
    let enter = |record: &mut Record, at: Nanos, fact: Fact, replayed: bool| {
        let ours = intents.claims(&container.key, &record.marks, at);
        record.marks.feed(&Seen { at, fact, ours, replayed_from_outage: replayed }, habits);
    };
    for place in 0..=events.len() {
        for (_, broken) in breaks.iter().filter(|(position, _)| *position == place) {
            match broken {
                Break::StreamEnded(at) => enter(record, *at, Fact::StreamEnded, false),
                Break::Gap(at) => {
                    // What was healthy before and is healthy now may have been sick in between.
                    memory.interrupt_health();
                    enter(record, *at, Fact::Gap, false);
                }
                // Who stopped it was not told, as if that event had been missed.
                Break::CauseUntold(at) => enter(record, *at, Fact::Gap, false),
            }
        }
        let Some(Arrival { event, replayed, from_outage, ticket: _ }) = events.get(place) else { break };
        match &event.kind {
            EventKind::Kill { signal } => {
                enter(record, event.at, Fact::Kill { signal: *signal }, *from_outage);
            }
            EventKind::Stop => enter(record, event.at, Fact::Stop, *from_outage),
            EventKind::Die { exit_code } => {
                let oom = out_of_memory(record, event.at);
                enter(record, event.at, Fact::Die { exit_code: *exit_code, oom }, *from_outage);
            }
            EventKind::Start => enter(record, event.at, Fact::Start, *from_outage),
            EventKind::Oom => record.out_of_memory = Some(event.at),
            EventKind::Health(Health::Unhealthy) if *replayed => memory.interrupt_health(),
            EventKind::Create
            | EventKind::Restart
            | EventKind::Pause
            | EventKind::Unpause
            | EventKind::Rename
            | EventKind::Update
            | EventKind::Health(_)
            | EventKind::Destroy => {}
        }
    }
}

/// `oom` comes just before `die`; one long before was of a child that did not matter.
fn out_of_memory(record: &Record, died: Nanos) -> bool {
    record
        .out_of_memory
        .is_some_and(|killed| died >= killed && died.since(killed) <= Duration::from_secs(10).as_nanos())
}

/// The same for the same logical identity, in every process and version.
fn seed(logical_id: &str) -> u64 {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, logical_id.as_bytes()).as_u64_pair().0
}
