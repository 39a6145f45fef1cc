//! What there is to do about one key: hints, in the order in which they came.

use std::sync::Arc;

use tokio::sync::Notify;

use super::progress::Ticket;
use crate::observed::{EngineEvent, EventKind, Nanos};
use crate::reconcile::intent::EndedCall;
use crate::reconcile::lifecycle::Fact;

/// Events that are kept of a container which the engine does not let be inspected.
pub(super) const KEPT: usize = 16;

/// An event, and what is known of how it came.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    /// The event.
    pub event: EngineEvent,
    /// Its number in the engine's progress.
    pub ticket: Ticket,
    /// Whether it happened before the contact after which it was read.
    pub replayed: bool,
    /// Whether the engine may have shut down between it and that contact.
    pub from_outage: bool,
}

/// A break in the stream of events, in its place among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Break {
    /// The engine's connection ended at this time.
    StreamEnded(Nanos),
    /// Events up to this time may have been missed.
    Gap(Nanos),
    /// The run that ended at this time may have been ended by anybody: the engine does not say.
    CauseUntold(Nanos),
}

/// What there is to do about one key. Without anything in it: to decide again. Only containers have more than that.
#[derive(Clone, Debug, Default)]
pub(super) struct Work {
    /// Events, oldest first.
    pub events: Vec<Arrival>,
    /// An inspect is wanted; all events up to this engine time are in this work or in earlier work.
    pub look: Option<Nanos>,
    /// A list made at the first engine time does not hold it; the one made at the second was the last that could.
    pub absent: Option<(Nanos, Nanos)>,
    /// Where the stream of events was broken: how many of `events` came before, and how.
    pub breaks: Vec<(usize, Break)>,
    /// Actions that have ended.
    pub concluded: Vec<EndedCall>,
    /// Who lifts its quarantine.
    pub releases: Vec<Release>,
    /// What services were told of it that is to be forgotten.
    pub forgets: Vec<Forget>,
    /// Failures in a row of this work.
    pub failures: u32,
    /// The cursor waits for it no longer: it waits for what the engine refuses to tell.
    pub let_go: bool,
}

/// Somebody lifts a quarantine.
#[derive(Clone, Debug)]
pub(super) struct Release {
    /// Who.
    pub caller: String,
    /// Notified when that is committed.
    pub done: Arc<Notify>,
}

/// What a BillingService was told is forgotten.
#[derive(Clone, Debug)]
pub(super) struct Forget {
    /// The service.
    pub target: String,
    /// Notified when that is committed.
    pub done: Arc<Notify>,
}

impl Work {
    /// Tells those who wait for it that it is committed.
    pub(super) fn committed(&self) {
        let releases = self.releases.iter().map(|release| &release.done);
        releases.chain(self.forgets.iter().map(|forget| &forget.done)).for_each(|done| done.notify_one());
    }

    /// What it says of the container's life.
    pub(super) fn facts(&self) -> Vec<Fact> {
        let of_event = |kind: &EventKind, at: Nanos| match kind {
            EventKind::Create => Some(Fact::Created(at)),
            EventKind::Start => Some(Fact::Started(at)),
            EventKind::Die { exit_code } => Some(Fact::Died(at, *exit_code)),
            EventKind::Destroy => Some(Fact::Destroyed(at)),
            EventKind::Kill { .. }
            | EventKind::Stop
            | EventKind::Restart
            | EventKind::Pause
            | EventKind::Unpause
            | EventKind::Oom
            | EventKind::Rename
            | EventKind::Update
            | EventKind::Health(_) => None,
        };
        let mut facts: Vec<Fact> = self
            .events
            .iter()
            .filter_map(|arrival| of_event(&arrival.event.kind, arrival.event.at))
            .collect();
        facts.extend(self.absent.map(|(listed, last_known)| Fact::Absent { listed, last_known }));
        facts
    }

    /// What of it concerns us alone: all else has to be heard again, should the engine be declared again.
    pub(super) fn without_engine(&self) -> Self {
        let Self {
            events: _,
            look: _,
            absent: _,
            breaks: _,
            concluded,
            releases,
            forgets,
            failures,
            let_go: _,
        } = self.clone();
        Self { concluded, releases, forgets, failures, ..Self::default() }
    }

    /// Whether the call of an intent has ended by it.
    pub(super) fn concludes(&self, intent: &str) -> bool {
        self.concluded.iter().any(|ended| ended.intent == intent)
    }

    pub(super) fn is_of_a_stop(&self) -> bool {
        self.events.iter().any(|arrival| {
            matches!(arrival.event.kind, EventKind::Kill { .. } | EventKind::Stop | EventKind::Destroy)
        })
    }

    /// Puts `newer` behind this.
    pub(super) fn append(&mut self, newer: Self) {
        let Self { events, look, absent, breaks, concluded, releases, forgets, failures, let_go } = newer;
        let before = self.events.len();
        self.breaks.extend(breaks.into_iter().map(|(position, how)| (before + position, how)));
        self.events.extend(events);
        self.look = self.look.max(look);
        self.absent = absent.or(self.absent);
        self.concluded.extend(concluded);
        self.releases.extend(releases);
        self.forgets.extend(forgets);
        self.failures = self.failures.max(failures);
        self.let_go |= let_go;
    }

    /// Lets go of it for good or ill: its newest events are kept, and that older ones are not.
    pub(super) fn let_go(&mut self) {
        self.let_go = true;
        let dropped = self.events.len().saturating_sub(KEPT);
        if let Some(last) = self.events.drain(..dropped).next_back() {
            for (position, _) in &mut self.breaks {
                *position = position.saturating_sub(dropped);
            }
            self.breaks.insert(0, (0, Break::Gap(last.event.at)));
            // What each of them said is said by the last.
            self.breaks.dedup();
        }
    }
}
