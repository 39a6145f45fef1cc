//! Feeding the healing decision, and keeping its memory.

use metrics::counter;
use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

use super::telling::{Line, event};
use super::{Outcome, Reconciler};
use crate::controller::queue::{Arrival, Work};
use crate::controller::shared::{Attachment, locked};
use crate::desired::PolicyChoice;
use crate::observed::{Container, EventKind, Nanos};
use crate::reconcile::cause::{Fact, Seen, StopHabits};
use crate::reconcile::heal::{ActionOutcome, HealMemory, Healing, PolicyView, Situation, conclude, decide};
use crate::reconcile::plan::{Note, Severity as NoteSeverity};
use crate::reconcile::record::Record;
use crate::resource::Duration;
use crate::store::{NewEvent, Severity};

/// Healing memory that was decided on, to be kept once it is committed. Holds the memory's lock until then.
pub(super) struct Pending(Option<(OwnedMutexGuard<HealMemory>, HealMemory)>);

impl Pending {
    pub(super) fn store(self) {
        if let Some((mut slot, memory)) = self.0 {
            *slot = memory;
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
        outcome: &mut Outcome,
    ) -> Pending {
        let Some(container) = container else { return Pending(None) };
        let shared = &*self.shared;
        let key = &container.key;
        let logical_id = container.logical_id();
        let slot = shared.healing_slot(&logical_id).lock_owned().await;
        let mut memory = slot.clone();
        feed(record, container, &memory, work);
        let now = shared.engine_now(&key.engine);
        let mut notes = Vec::new();
        if !work.releases.is_empty() {
            notes.extend(memory.release(now));
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
            let connected = world.engines.get(&key.engine).is_some_and(|engine| engine.connected);
            (connected, world.own.contains(&key.id))
        });
        let own_fault = shared.own_fault();
        let healing = decide(&Situation {
            container,
            policy,
            memory: &memory,
            marks: &record.marks,
            engine_connected: connected && attachment.is_some(),
            own_fault: own_fault.as_deref(),
            is_own,
            observe: desired.settings.observe,
            read_only: attachment.is_some_and(|attachment| attachment.read_only),
            now,
            seed: seed(&logical_id),
        });
        let Healing { memory, action, blocked, notes: decided, requeue_at } = healing;
        notes.extend(decided);
        let host = self.host(&key.engine);
        for note in &notes {
            tell(record, &host, now, note, outcome);
        }
        locked(&shared.blocked).insert(key.clone(), blocked);
        if memory != *slot
            && let Ok(document) = serde_json::to_string(&memory)
        {
            outcome.changes.healing.push((logical_id, document));
        }
        outcome.action = action;
        outcome.requeue_at = requeue_at;
        Pending(Some((slot, memory)))
    }
}

/// Enters what the events said about stops.
fn feed(record: &mut Record, container: &Container, memory: &HealMemory, work: &Work) {
    let habits = StopHabits::of(container);
    let Work { events, look: _, absent: _, stream_ended, gap, concluded: _, releases: _, failures: _ } = work;
    let enter = |record: &mut Record, at: Nanos, fact: Fact, replayed: bool| {
        let ours = memory.claims(&container.key, &record.marks, at);
        record.marks.feed(&Seen { at, fact, ours, replayed_from_outage: replayed }, habits);
    };
    if let Some(at) = gap {
        enter(record, *at, Fact::Gap, false);
    }
    for Arrival { event, replayed, ticket: _ } in events {
        let oom = |record: &Record| {
            // `oom` comes just before `die`, or a child was killed long before.
            record.out_of_memory.is_some_and(|killed| {
                event.at.since(killed) <= Duration::from_secs(10).as_nanos() && event.at >= killed
            })
        };
        let fact = match &event.kind {
            EventKind::Kill { signal } => Fact::Kill { signal: *signal },
            EventKind::Stop => Fact::Stop,
            EventKind::Die { exit_code } => Fact::Die { exit_code: *exit_code, oom: oom(record) },
            EventKind::Start => Fact::Start,
            EventKind::Oom => {
                record.out_of_memory = Some(event.at);
                continue;
            }
            EventKind::Create
            | EventKind::Restart
            | EventKind::Pause
            | EventKind::Unpause
            | EventKind::Rename
            | EventKind::Update
            | EventKind::Health(_)
            | EventKind::Destroy => continue,
        };
        enter(record, event.at, fact, *replayed);
    }
    if let Some(at) = stream_ended {
        enter(record, *at, Fact::StreamEnded, false);
    }
}

fn tell(record: &Record, host: &str, now: Nanos, note: &Note, outcome: &mut Outcome) {
    let kind = note.kind.as_str();
    let reason = note.reason.map_or(kind, |reason| reason.as_str());
    let line = format!("{kind} '{}' ({}): {}", record.name, record.key.short_id(), note.message);
    let severity = match note.severity {
        NoteSeverity::Info => Severity::Info,
        NoteSeverity::Warning => Severity::Warning,
        NoteSeverity::Critical => Severity::Error,
    };
    outcome.lines.push(match severity {
        Severity::Info => Line::Info(line),
        Severity::Warning | Severity::Error => Line::Warn(line),
    });
    counter!("portreeve_healing_notes_total", "kind" => kind, "reason" => reason).increment(1);
    outcome.changes.events.push(NewEvent {
        at: now,
        reason: reason.to_owned(),
        status: kind.to_lowercase(),
        message: note.message.clone(),
        severity,
        restart_count: note.restart_count,
        ..event(record, host, kind)
    });
}

/// The same for the same logical identity, in every process and version.
fn seed(logical_id: &str) -> u64 {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, logical_id.as_bytes()).as_u64_pair().0
}

/// The word by which an outcome is counted.
pub(super) const fn word(outcome: &ActionOutcome) -> &'static str {
    match outcome {
        ActionOutcome::Succeeded => "succeeded",
        ActionOutcome::Failed { .. } => "failed",
        ActionOutcome::Lost { .. } => "lost",
        ActionOutcome::Superseded { .. } => "superseded",
    }
}
