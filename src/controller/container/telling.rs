//! What is said about a container once it is committed: log lines and events for people.

use crate::controller::plan::{Line, Plan};
use crate::reconcile::lifecycle::{Advance, Transition};
use crate::reconcile::record::Record;
use crate::store::{NewEvent, Severity};

/// An event about a container, with everything but what happened filled in.
pub(super) fn event(record: &Record, event_type: &str) -> NewEvent {
    NewEvent {
        engine: record.key.engine.to_string(),
        container_id: record.key.id.to_string(),
        container_name: record.name.clone(),
        image: record.image.clone(),
        host: record.host.clone(),
        event_type: event_type.to_owned(),
        ..NewEvent::default()
    }
}

/// Lifecycle events (`create`, `start`, `stop`, `remove`: document R5), gaps, and document R1's log lines.
pub(super) fn lifecycle(record: &Record, entered: &Advance, plan: &mut Plan) {
    let id = &record.key.id;
    for (old, new) in &entered.states {
        let old = old.map_or("None", |state| state.as_str());
        let new = new.map_or("removed", |state| state.as_str());
        plan.lines.push(Line::Named(format!("Container {id} state changed: {old} -> {new}")));
    }
    for transition in &entered.transitions {
        let (word, status, message) = match transition {
            Transition::Created { .. } => ("create", "created", "created".to_owned()),
            Transition::Started { .. } => ("start", "running", "started".to_owned()),
            Transition::Stopped { exit_code: Some(code), .. } => {
                ("stop", "exited", format!("stopped with exit code {code}"))
            }
            Transition::Stopped { exit_code: None, .. } => ("stop", "exited", "stopped".to_owned()),
            Transition::Removed { .. } => ("remove", "removed", "removed".to_owned()),
        };
        let (_, _, at) = transition.parts();
        let told = NewEvent {
            at,
            status: status.to_owned(),
            message: format!("{} was {message}", record.name),
            ..event(record, word)
        };
        plan.changes.events.push(told);
    }
    for gap in &entered.gaps {
        let told = NewEvent {
            at: gap.to,
            status: "unknown".to_owned(),
            reason: "Unseen".to_owned(),
            message: format!("unknown between {} and {}: {}", gap.from, gap.to, gap.what),
            severity: Severity::Warning,
            ..event(record, "gap")
        };
        plan.changes.events.push(told);
    }
}
