//! How far an engine's event stream has been dealt with, although its containers are dealt with side by side.
//!
//! Events are numbered as they are read and finish in any order. The cursor is the last event before which all are
//! finished; it is committed with the changes that the events caused.

use std::collections::{BTreeSet, VecDeque};

use crate::observed::{Cursor, EngineEvent};

/// A number for each event read, unique while the process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Ticket(u64);

/// Events of one engine that are read and not all finished.
#[derive(Debug)]
pub(super) struct Progress {
    committed: Cursor,
    open: VecDeque<(Ticket, Cursor)>,
    finished: BTreeSet<Ticket>,
    /// Whether `committed` is ahead of what the store holds.
    dirty: bool,
    next: u64,
}

impl Progress {
    /// Starts from a cursor; `stored` says whether the store holds it already.
    pub(super) fn new(cursor: Cursor, stored: bool) -> Self {
        Self { committed: cursor, open: VecDeque::new(), finished: BTreeSet::new(), dirty: !stored, next: 0 }
    }

    /// The cursor as far as it is settled.
    pub(super) fn cursor(&self) -> &Cursor {
        &self.committed
    }

    /// Numbers an event that was read.
    pub(super) fn begin(&mut self, event: &EngineEvent) -> Ticket {
        self.next += 1;
        let ticket = Ticket(self.next);
        let cursor = Cursor {
            first_contact: self.committed.first_contact,
            at: event.at,
            anchor: Some(event.anchor()),
        };
        self.open.push_back((ticket, cursor));
        ticket
    }

    /// The stream is read anew from the cursor: what was open will come again.
    pub(super) fn restart(&mut self) {
        self.open.clear();
        self.finished.clear();
    }

    /// The cursor to commit together with the work on `tickets`, if it moves or was not stored yet.
    pub(super) fn with(&self, tickets: &BTreeSet<Ticket>) -> Option<Cursor> {
        let done = |ticket: &Ticket| self.finished.contains(ticket) || tickets.contains(ticket);
        let moved = self.open.iter().take_while(|(ticket, _)| done(ticket)).last();
        moved.map(|(_, cursor)| cursor.clone()).or_else(|| self.dirty.then(|| self.committed.clone()))
    }

    /// The work on `tickets` is finished; `stored` says whether [`Self::with`]'s cursor was committed with it.
    pub(super) fn finish(&mut self, tickets: &BTreeSet<Ticket>, stored: bool) {
        // Tickets are given in turn, so the open ones are one range; thousands may be open while the store is slow.
        if let (Some((first, _)), Some((last, _))) = (self.open.front(), self.open.back()) {
            self.finished.extend(tickets.range(*first..=*last));
        }
        let mut moved = false;
        while let Some((ticket, _)) = self.open.front() {
            if !self.finished.remove(ticket) {
                break;
            }
            if let Some((_, cursor)) = self.open.pop_front() {
                // Time never runs back, even if the engine's clock does.
                if cursor.at >= self.committed.at {
                    self.committed = cursor;
                }
                moved = true;
            }
        }
        self.dirty = if stored { false } else { self.dirty || moved };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observed::{ContainerKey, EventKind, Nanos};

    fn event(at: i64) -> EngineEvent {
        EngineEvent {
            key: ContainerKey::new("local", "c1"),
            at: Nanos(at),
            kind: EventKind::Start,
            name: String::new(),
            image: String::new(),
            labels: Default::default(),
        }
    }

    fn progress() -> Progress {
        Progress::new(Cursor { first_contact: Nanos(0), at: Nanos(0), anchor: None }, true)
    }

    fn set(tickets: &[Ticket]) -> BTreeSet<Ticket> {
        tickets.iter().copied().collect()
    }

    #[test]
    fn the_cursor_waits_for_the_slowest_event() {
        let mut progress = progress();
        let tickets: Vec<Ticket> = (1..=3).map(|at| progress.begin(&event(at))).collect();
        assert_eq!(progress.with(&set(&tickets[1..])), None);
        progress.finish(&set(&tickets[1..]), false);
        let cursor = progress.with(&set(&tickets[..1])).expect("all are done");
        assert_eq!(cursor.at, Nanos(3));
        progress.finish(&set(&tickets[..1]), true);
        assert_eq!(progress.cursor().at, Nanos(3));
        assert_eq!(progress.with(&BTreeSet::new()), None);
    }

    #[test]
    fn a_cursor_that_moved_without_a_commit_goes_with_the_next() {
        let mut progress = progress();
        let ticket = progress.begin(&event(1));
        progress.finish(&set(&[ticket]), false);
        assert_eq!(progress.with(&BTreeSet::new()).map(|cursor| cursor.at), Some(Nanos(1)));
        progress.finish(&BTreeSet::new(), true);
        assert_eq!(progress.with(&BTreeSet::new()), None);
    }

    #[test]
    fn a_failed_commit_moves_nothing_and_a_restart_forgets_what_will_come_again() {
        let mut progress = progress();
        let ticket = progress.begin(&event(1));
        assert!(progress.with(&set(&[ticket])).is_some());
        progress.restart();
        progress.finish(&set(&[ticket]), false);
        assert_eq!(progress.cursor().at, Nanos(0));
    }
}
