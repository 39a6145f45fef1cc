//! What is said about a container once it is committed: log lines and events for people.

use tracing::{info, warn};

use super::Outcome;
use crate::observed::Nanos;
use crate::reconcile::lifecycle::{Advance, Transition};
use crate::reconcile::record::Record;
use crate::resource::event::EventKind;
use crate::resource::event::subject::EventSubject;
use crate::store::NewEvent;

/// A log line that waits for its commit.
pub(super) enum Line {
    /// INFO, as it stands.
    Info(String),
    /// WARN, as it stands.
    Warn(String),
    /// INFO in the words of document R1, which have no name: it stands beside them.
    Named(String),
}

impl Line {
    /// `container`: its name.
    pub(super) fn say(&self, container: &str) {
        match self {
            Self::Info(text) => info!(target: "portreeve::containers", "{text}"),
            Self::Named(text) => info!(target: "portreeve::containers", container, "{text}"),
            Self::Warn(text) => warn!(target: "portreeve::containers", "{text}"),
        }
    }
}

/// An event about a container.
pub(super) fn event(record: &Record, kind: EventKind, at: Nanos) -> NewEvent {
    let subject = EventSubject::Container {
        engine: record.key.engine.to_string(),
        id: record.key.id.to_string(),
        name: record.name.clone(),
        image: record.image.clone(),
        host: record.host.clone(),
    };
    NewEvent::new(kind, subject, at)
}

/// Lifecycle events (`create`, `start`, `stop`, `remove`: document R5), gaps, and document R1's log lines.
pub(super) fn lifecycle(record: &Record, entered: &Advance, outcome: &mut Outcome) {
    let id = &record.key.id;
    for (old, new) in &entered.states {
        let old = old.map_or("None", |state| state.as_str());
        let new = new.map_or("removed", |state| state.as_str());
        outcome.lines.push(Line::Named(format!("Container {id} state changed: {old} -> {new}")));
    }
    for transition in &entered.transitions {
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
        let told = event(record, kind, at).status(status).saying(format!("{} was {message}", record.name));
        outcome.changes.events.push(told);
    }
    for gap in &entered.gaps {
        let message = format!("unknown between {} and {}: {}", gap.from, gap.to, gap.what);
        let told = event(record, EventKind::Gap, gap.to).because("Unseen").status("unknown").saying(message);
        outcome.changes.events.push(told);
    }
}
