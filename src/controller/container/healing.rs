//! Feeding the healing decision, and keeping its memory.

use std::sync::Arc;

use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

use super::group::Held;
use super::reconciler::Reconciler;
use super::recording::{record_group_note, record_note};
use crate::controller::key::Key;
use crate::controller::plan::Plan;
use crate::controller::shared::{Attachment, Shared, Slot};
use crate::controller::work::{Arrival, Break, Release, Work};
use crate::desired::PolicyChoice;
use crate::locked::locked;
use crate::observed::{Container, ContainerKey, EventKind, Health, Nanos};
use crate::reconcile::cause::{Fact, Seen, StopHabits};
use crate::reconcile::discovery::Wanted;
use crate::reconcile::heal::{
    HealMemory, Healing, PolicyGroup, PolicyView, ProbeVerdict, Related, Situation, conclude, decide,
};
use crate::reconcile::record::Record;
use crate::resource::Duration;

/// Healing memory that was decided on, to be kept once it is committed. Holds the memory's lock until then, and that of
/// the group if it changed.
#[derive(Default)]
pub(super) struct Pending {
    memory: Option<(OwnedMutexGuard<()>, Arc<Slot>, HealMemory)>,
    group: Option<Held>,
}

impl Pending {
    /// Whether the container is to be out of the registries for an attempt.
    pub(super) fn drains(&self) -> bool {
        self.memory.as_ref().is_some_and(|(.., memory)| memory.draining.is_some())
    }

    pub(super) fn keep(mut self, shared: &Shared) {
        if let Some((_lock, slot, memory)) = self.memory.take() {
            slot.memory.store(Arc::new(memory));
        }
        if let Some(mut held) = self.group.take() {
            held.keep();
            shared.show_group(&held);
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
        for (intent, _) in &work.concluded {
            locked(&self.shared.acting).remove(intent);
        }
        let shared = &*self.shared;
        let Some(container) = container else {
            self.leave_group(record, None, shared.engine_now(&record.key.engine)).await;
            return Pending::default();
        };
        let key = &container.key;
        let (logical_id, slot) = shared.healing_slot(container);
        let lock = slot.lock.clone().lock_owned().await;
        let mut memory = HealMemory::clone(&slot.memory.load());
        let before = memory.clone();
        // Until the call in hand has been sent nothing that happens is its doing.
        let sent = |memory: &HealMemory| {
            let open = memory.intent.as_ref();
            open.is_none_or(|open| locked(&shared.acting).get(&open.id).copied().unwrap_or(true))
        };
        feed(record, container, &mut memory, work, sent);
        let now = shared.engine_now(&key.engine);
        let mut notes = Vec::new();
        if let Some(Release { caller, .. }) = work.releases.first()
            && let Some(released) = memory.release(now, caller)
        {
            record_note(record, now, &released, caller, plan);
        }
        for (intent, ended) in &work.concluded {
            if memory.intent.as_ref().is_some_and(|open| open.id == *intent) {
                let concluded = conclude(&memory, ended, now);
                memory = concluded.memory;
                notes.extend(concluded.notes);
            }
        }
        let desired = shared.desired.load();
        let choice = desired.policy_for(container);
        let policy = match &choice {
            PolicyChoice::Selected { name, spec, .. } => PolicyView::Selected { name, spec },
            PolicyChoice::Excluded { why, .. } => PolicyView::Excluded { by: why },
            PolicyChoice::NotSelected { .. } => PolicyView::NotSelected,
        };
        let (connected, is_own) = shared.with_world(|world| {
            let connected = world.is_connected(&key.engine);
            (connected, world.own.contains(&key.id))
        });
        let own_fault = shared.own_fault();
        let suspended = match &choice {
            PolicyChoice::Selected { name, .. } => desired.healing_suspended(&key.engine, name),
            PolicyChoice::Excluded { .. } | PolicyChoice::NotSelected { .. } => None,
        };
        // Until all that happened before the contact has been heard nothing is decided: then everything is.
        let catching_up = attachment.is_some() && !connected;
        // A call in hand will be concluded, and then everything is decided, too.
        let acting = memory.intent.as_ref().is_some_and(|open| locked(&shared.acting).contains_key(&open.id));
        let later = catching_up || acting;
        let mut related = if later { Related::default() } else { self.related(container, &memory, now) };
        let ahead = shared.clock_ahead(&key.engine);
        let probed = shared.probed(container, &desired);
        let by = probed.as_ref().map(|probed| format!("service {}", probed.service)).unwrap_or_default();
        let probe_verdict = probed.as_ref().map(|probed| ProbeVerdict {
            health: probed.health,
            since: Nanos(probed.since.0.saturating_add(ahead)),
            by: &by,
            why: &probed.reason,
            denied: probed.denied,
            early_since: probed.early_since.map(|since| Nanos(since.0.saturating_add(ahead))),
        });
        if let Some(root) = shared.waits_for(&container.key).filter(|_| related.down.is_none()) {
            related.down = Some(format!("the service {root}"));
        }
        let situation = Situation {
            container,
            related: &related,
            probe_verdict,
            policy,
            memory: &memory,
            marks: &record.marks,
            engine_connected: connected && attachment.is_some(),
            registered: record.wanted.values().any(|wanted| *wanted != Wanted::Absent),
            own_fault: own_fault.as_deref(),
            is_own,
            observe: desired.settings.observe,
            read_only: attachment.is_some_and(|attachment| attachment.read_only),
            suspended: suspended.as_deref(),
            now,
            seed: seed(&logical_id),
        };
        let group_policy = match &policy {
            PolicyView::Selected { name, .. } => Some(*name),
            PolicyView::Excluded { .. } | PolicyView::NotSelected => None,
        };
        let mut held = None;
        let healing = if later {
            Healing { memory: memory.clone(), ..Healing::default() }
        } else {
            self.leave_group(record, group_policy, now).await;
            match group_policy {
                Some(policy) => {
                    let held = held.insert(self.hold_group(&key.engine, policy).await);
                    decide(&situation, &mut held.group)
                }
                None => decide(&situation, &mut PolicyGroup::default()),
            }
        };
        let Healing { memory, action, blocked, notes: decided, group_notes, next, requeue_at } = healing;
        notes.extend(decided);
        let held = held.and_then(|held| plan.store_group(held));
        for note in &notes {
            record_note(record, now, note, "", plan);
        }
        for note in &group_notes {
            record_group_note(record, group_policy.unwrap_or_default(), now, note, plan);
        }
        plan.blocked = (!later).then_some(blocked);
        if memory != before
            && let Ok(document) = serde_json::to_string(&memory)
        {
            plan.changes.healing.push((logical_id, Some(document)));
        }
        let others = next.into_iter().map(|id| ContainerKey::new(key.engine.clone(), id));
        plan.wakes.extend(others.map(Key::from));
        plan.actions.extend(action);
        plan.requeue_at = requeue_at;
        Pending { memory: Some((lock, slot, memory)), group: held }
    }
}

/// Enters what the events, and the breaks between them, said about stops and health.
fn feed(
    record: &mut Record,
    container: &Container,
    memory: &mut HealMemory,
    work: &Work,
    sent: impl Fn(&HealMemory) -> bool,
) {
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
    let enter = |record: &mut Record, memory: &HealMemory, at: Nanos, fact: Fact, replayed: bool| {
        let ours = memory.claims(&container.key, &record.marks, at) && sent(memory);
        record.marks.feed(&Seen { at, fact, ours, replayed_from_outage: replayed }, habits);
    };
    for place in 0..=events.len() {
        for (_, broken) in breaks.iter().filter(|(position, _)| *position == place) {
            match broken {
                Break::StreamEnded(at) => enter(record, memory, *at, Fact::StreamEnded, false),
                Break::Gap(at) => {
                    // What was healthy before and is healthy now may have been sick in between.
                    memory.interrupt_health();
                    enter(record, memory, *at, Fact::Gap, false);
                }
                // Who stopped it was not told, as if that event had been missed.
                Break::CauseUntold(at) => enter(record, memory, *at, Fact::Gap, false),
            }
        }
        let Some(Arrival { event, replayed, from_outage, ticket: _ }) = events.get(place) else { break };
        match &event.kind {
            EventKind::Kill { signal } => {
                enter(record, memory, event.at, Fact::Kill { signal: *signal }, *from_outage);
            }
            EventKind::Stop => enter(record, memory, event.at, Fact::Stop, *from_outage),
            EventKind::Die { exit_code } => {
                let oom = out_of_memory(record, event.at);
                enter(record, memory, event.at, Fact::Die { exit_code: *exit_code, oom }, *from_outage);
            }
            EventKind::Start => enter(record, memory, event.at, Fact::Start, *from_outage),
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
