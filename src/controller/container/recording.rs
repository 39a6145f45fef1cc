//! What is said about a container once it is committed: log lines and events for people.

use std::collections::BTreeMap;

use metrics::counter;

use crate::controller::plan::{Line, Plan};
use crate::observed::{ContainerKey, Nanos};
use crate::reconcile::lifecycle::{Advance, Transition};
use crate::reconcile::plan::Note;
use crate::reconcile::record::Record;
use crate::resource::event::subject::EventSubject;
use crate::resource::event::{EventKind, Severity};
use crate::store::NewEvent;

/// A container of which no more than this is known.
pub(in crate::controller) fn subject_of(key: &ContainerKey, name: String) -> EventSubject {
    EventSubject::container(&*key.engine, &*key.id, name)
}

/// An event about a container.
pub(super) fn event(record: &Record, kind: EventKind, at: Nanos) -> NewEvent {
    event_with(record, &record.ports, kind, at)
}

/// An event about a container that had these ports then.
fn event_with(record: &Record, ports: &BTreeMap<String, u16>, kind: EventKind, at: Nanos) -> NewEvent {
    let subject = EventSubject::Container {
        engine: record.key.engine.to_string(),
        id: record.key.id.to_string(),
        name: record.name.clone(),
        image: record.image.clone(),
        host: record.host.clone(),
        ports: ports.clone(),
    };
    NewEvent::new(kind, subject, at)
}

/// Lifecycle events (`create`, `start`, `stop`, `remove`: document R5), gaps, and document R1's log lines. `before` are the ports
/// that were published until the last of the starts.
pub(super) fn lifecycle(record: &Record, before: &BTreeMap<String, u16>, entered: &Advance, plan: &mut Plan) {
    let last_start = entered.transitions.iter().rposition(|one| matches!(one, Transition::Started { .. }));
    let id = &record.key.id;
    for (old, new) in &entered.states {
        let old = old.map_or("None", |state| state.as_str());
        let new = new.map_or("removed", |state| state.as_str());
        plan.lines.push(Line::Named(format!("Container {id} state changed: {old} -> {new}")));
    }
    for (place, transition) in entered.transitions.iter().enumerate() {
        let (kind, status, message) = match transition {
            Transition::Created { .. } => (EventKind::Create, "created", "created".to_owned()),
            Transition::Started { .. } => (EventKind::Start, "running", "started".to_owned()),
            Transition::Stopped { exit_code: Some(code), .. } => {
                (EventKind::Stop, "exited", format!("stopped with exit code {code}"))
            }
            Transition::Stopped { exit_code: None, .. } => (EventKind::Stop, "exited", "stopped".to_owned()),
            Transition::Removed { .. } => (EventKind::Remove, "removed", "removed".to_owned()),
        };
        let (_, _, at) = transition.parts();
        // Ephemeral ports are others in each run, and what an inspect shows are those of the last.
        let ports = if last_start.is_some_and(|last| place < last) { before } else { &record.ports };
        let told = event_with(record, ports, kind, at)
            .status(status)
            .saying(format!("{} was {message}", record.name));
        plan.changes.events.push(told);
    }
    for gap in &entered.gaps {
        let message = format!("unknown between {} and {}: {}", gap.from, gap.to, gap.what);
        let told = event(record, EventKind::Gap, gap.to).because("Unseen").status("unknown").saying(message);
        plan.changes.events.push(told);
    }
}

/// What a decision recorded about a container.
pub(super) fn record_note(record: &Record, now: Nanos, note: &Note, caller: &str, plan: &mut Plan) {
    let kind = note.kind.as_str();
    let line = format!("{kind} '{}' ({}): {}", record.name, record.key.short_id(), note.message);
    write(line, note, event(record, note.kind, now).asked_by(caller), plan);
}

/// What is about the policy and the engine, and not about the container that showed it.
pub(super) fn record_group_note(record: &Record, policy: &str, now: Nanos, note: &Note, plan: &mut Plan) {
    let policy = EventSubject::Policy {
        engine: record.key.engine.to_string(),
        host: record.host.clone(),
        policy: policy.to_owned(),
    };
    let about = NewEvent::new(note.kind, policy, now);
    write(format!("{}: {}", note.kind, note.message), note, about, plan);
}

fn write(line: String, note: &Note, about: NewEvent, plan: &mut Plan) {
    let kind = note.kind.as_str();
    let reason = note.reason.map_or(kind, |reason| reason.as_str());
    plan.lines.push(match note.severity {
        Severity::Info => Line::Info(line),
        Severity::Warning | Severity::Critical => Line::Warn(line),
    });
    counter!("portreeve_healing_notes_total", "kind" => kind, "reason" => reason).increment(1);
    let told =
        about.because(reason).status(kind.to_lowercase()).saying(&note.message).weighing(note.severity);
    let output = note.output.clone().unwrap_or_default();
    plan.changes.events.push(told.after_restarts(note.restart_count).with_output(output));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observed::ContainerKey;
    use crate::resource::event::EventKind::{Create, Remove, Start, Stop};

    #[test]
    fn an_event_names_the_ports_that_were_published_at_its_time() {
        let started = |run: &str| Transition::Started { run: run.to_owned(), at: Nanos(1) };
        let stopped =
            |run: &str| Transition::Stopped { run: run.to_owned(), at: Nanos(2), exit_code: Some(0) };
        let ports = |host: u16| BTreeMap::from([("80/tcp".to_owned(), host)]);
        let told = |before: &BTreeMap<String, u16>, transitions: Vec<Transition>| {
            let key = ContainerKey::new("local", "c1");
            let mut record: Record = serde_json::from_value(serde_json::json!({
                "key": key, "name": "web", "image": "nginx:alpine", "labels": {}, "lastKnown": 1,
            }))
            .expect("a record");
            record.ports = ports(2);
            let (mut plan, entered) =
                (Plan::of(crate::observed::Shard::Fleet), Advance { transitions, ..Advance::default() });
            lifecycle(&record, before, &entered, &mut plan);
            let stored = plan.changes.events.iter().map(NewEvent::stored);
            stored.map(|event| (event.kind(), event.ports.get("80/tcp").copied())).collect::<Vec<_>>()
        };
        let none = BTreeMap::new();
        let begun = told(&none, vec![Transition::Created { at: Nanos(0) }, started("a")]);
        assert_eq!(begun, [(Some(Create), None), (Some(Start), Some(2))]);
        let restarted = told(&ports(1), vec![stopped("a"), started("b")]);
        assert_eq!(restarted, [(Some(Stop), Some(1)), (Some(Start), Some(2))]);
        let twice = told(&ports(1), vec![started("a"), stopped("a"), started("b"), stopped("b")]);
        assert_eq!(
            twice.iter().map(|(_, port)| *port).collect::<Vec<_>>(),
            [Some(1), Some(1), Some(2), Some(2)]
        );
        let gone = told(&ports(2), vec![stopped("b"), Transition::Removed { at: Nanos(3) }]);
        assert_eq!(gone, [(Some(Stop), Some(2)), (Some(Remove), Some(2))]);
    }
}
