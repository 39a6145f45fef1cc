//! How far an engine's event stream has been dealt with, although its containers are dealt with side by side.
//!
//! Events are numbered as they are read and finish in any order. The cursor is the last event before which all are
//! finished; it is committed with the changes that the events caused. Replays overlap what was read; what is known
//! already is not begun again.

use std::collections::{BTreeSet, VecDeque};

use crate::observed::{Anchor, Cursor, EngineEvent, Nanos};

/// A number for each event read, unique while the process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Ticket(u64);

/// Events of one engine that are read and not all finished.
#[derive(Debug)]
pub(super) struct Progress {
    committed: Cursor,
    open: VecDeque<(Ticket, Nanos, Anchor)>,
    finished: BTreeSet<Ticket>,
    /// Whether `committed` is ahead of what the store holds.
    dirty: bool,
    next: u64,
    /// The newest time read.
    newest: Nanos,
}

impl Progress {
    /// Starts from a cursor; `stored` says whether the store holds it already.
    pub(super) fn new(cursor: Cursor, stored: bool) -> Self {
        Self {
            committed: cursor,
            open: VecDeque::new(),
            finished: BTreeSet::new(),
            dirty: !stored,
            next: 0,
            newest: Nanos(0),
        }
    }

    /// The cursor as far as it is settled.
    pub(super) fn cursor(&self) -> &Cursor {
        &self.committed
    }

    /// Numbers an event that was read; `None` if it was read before.
    pub(super) fn begin(&mut self, event: &EngineEvent) -> Option<Ticket> {
        let anchor = event.anchor();
        let dealt_with = self.committed.recent.contains(&(event.at, anchor.clone()));
        let in_hand = || self.open.iter().any(|(_, at, open)| (*at, open) == (event.at, &anchor));
        // Only a replay brings what is older than the newest: thousands may be in hand.
        if dealt_with || (event.at <= self.newest && in_hand()) {
            return None;
        }
        self.newest = self.newest.max(event.at);
        self.next += 1;
        let ticket = Ticket(self.next);
        self.open.push_back((ticket, event.at, anchor));
        Some(ticket)
    }

    /// The stream is read anew from the cursor: what was open will come again.
    pub(super) fn restart(&mut self) {
        self.open.clear();
        self.finished.clear();
        self.newest = Nanos(0);
    }

    /// The engine's clock shows this at a new contact. Whether it went back: then nobody knows what happened since.
    pub(super) fn contact(&mut self, now: Nanos) -> bool {
        let back = self.committed.follow(now);
        self.dirty |= back;
        back
    }

    /// Nothing came and went unseen up to `at`. That is stored with the next change: an idle system is not written of.
    pub(super) fn seen(&mut self, at: Nanos) {
        self.committed.seen = self.committed.seen.max(Some(at));
    }

    /// The same, and it is the last word of this process.
    pub(super) fn end(&mut self, at: Nanos) {
        self.seen(at);
        self.dirty = true;
    }

    /// The cursor to commit together with the work on `tickets`, if it moves or was not stored yet.
    pub(super) fn with(&self, tickets: &BTreeSet<Ticket>) -> Option<Cursor> {
        let done = |ticket: &Ticket| self.finished.contains(ticket) || tickets.contains(ticket);
        let moves = self.open.front().is_some_and(|(ticket, ..)| done(ticket));
        if !moves && !self.dirty {
            return None;
        }
        let mut cursor = self.committed.clone();
        for (_, at, anchor) in self.open.iter().take_while(|(ticket, ..)| done(ticket)) {
            cursor.enter(*at, anchor.clone());
        }
        Some(cursor)
    }

    /// The work on `tickets` is finished; `stored` says whether [`Self::with`]'s cursor was committed with it.
    pub(super) fn finish(&mut self, tickets: &BTreeSet<Ticket>, stored: bool) {
        // Tickets are given in turn, so the open ones are one range; thousands may be open while the store is slow.
        if let (Some((first, ..)), Some((last, ..))) = (self.open.front(), self.open.back()) {
            self.finished.extend(tickets.range(*first..=*last));
        }
        let mut moved = false;
        while let Some((ticket, ..)) = self.open.front() {
            if !self.finished.remove(ticket) {
                break;
            }
            if let Some((_, at, anchor)) = self.open.pop_front() {
                self.committed.enter(at, anchor);
                moved = true;
            }
        }
        self.dirty = if stored { false } else { self.dirty || moved };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observed::{ContainerKey, EventKind};

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
        Progress::new(Cursor::new(Nanos(0)), true)
    }

    fn set(tickets: &[Ticket]) -> BTreeSet<Ticket> {
        tickets.iter().copied().collect()
    }

    #[test]
    fn the_cursor_waits_for_the_slowest_event() {
        let mut progress = progress();
        let tickets: Vec<Ticket> = (1..=3).map(|at| progress.begin(&event(at)).expect("new")).collect();
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
        let ticket = progress.begin(&event(1)).expect("new");
        progress.finish(&set(&[ticket]), false);
        assert_eq!(progress.with(&BTreeSet::new()).map(|cursor| cursor.at), Some(Nanos(1)));
        progress.finish(&BTreeSet::new(), true);
        assert_eq!(progress.with(&BTreeSet::new()), None);
    }

    #[test]
    fn a_failed_commit_moves_nothing_and_a_restart_forgets_what_will_come_again() {
        let mut progress = progress();
        let ticket = progress.begin(&event(1)).expect("new");
        assert!(progress.with(&set(&[ticket])).is_some());
        progress.restart();
        progress.finish(&set(&[ticket]), false);
        assert_eq!(progress.cursor().at, Nanos(0));
    }

    /// The engine stamps an event before it puts it in the stream: another may slip in between.
    #[test]
    fn an_event_that_another_overtook_is_in_the_next_replay_and_what_was_dealt_with_is_no_news_in_it() {
        let overtaking = progress().begin(&event(5_000_000_000));
        let mut progress = progress();
        assert_eq!(progress.begin(&event(5_000_000_000)), overtaking);
        progress.finish(&set(&overtaking.into_iter().collect::<Vec<_>>()), true);
        assert!(progress.cursor().since() <= Nanos(4_999_000_000));
        progress.restart();
        assert_eq!(progress.begin(&event(5_000_000_000)), None);
        assert!(progress.begin(&event(4_999_000_000)).is_some());
        assert_eq!(progress.begin(&event(4_999_000_000)), None, "it is in hand");
    }

    #[test]
    fn a_clock_that_went_back_is_followed() {
        let mut progress = progress();
        for at in [100, 101, 40, 41] {
            let ticket = progress.begin(&event(at * 1_000_000_000)).expect("new");
            progress.finish(&set(&[ticket]), true);
        }
        assert_eq!(progress.cursor().since(), Nanos(39_000_000_000));
        assert!(!progress.contact(Nanos(40_000_000_000)));
        assert!(progress.contact(Nanos(20_000_000_000)));
        assert_eq!(
            (progress.cursor().since(), progress.cursor().anchor.as_ref()),
            (Nanos(20_000_000_000), None)
        );
        assert!(progress.with(&BTreeSet::new()).is_some(), "it is to be stored");
    }

    #[test]
    fn what_a_list_or_a_proper_end_showed_bounds_what_can_be_unknown() {
        let mut progress = progress();
        let ticket = progress.begin(&event(5)).expect("new");
        progress.finish(&set(&[ticket]), true);
        assert_eq!(progress.cursor().known(), Nanos(5));
        progress.seen(Nanos(9));
        assert_eq!(progress.with(&BTreeSet::new()), None, "a list alone is not written of");
        progress.end(Nanos(7));
        let stored = progress.with(&BTreeSet::new()).expect("it is to be stored");
        assert_eq!((stored.at, stored.known()), (Nanos(5), Nanos(9)));
    }

    #[test]
    fn a_replay_begins_where_all_that_was_dealt_with_is_named() {
        let mut progress = progress();
        for at in 1..=300 {
            let ticket = progress.begin(&event(1_000_000_000 + at)).expect("new");
            progress.finish(&set(&[ticket]), true);
        }
        assert_eq!(progress.cursor().recent.len(), 256);
        let since = progress.cursor().since();
        assert!(progress.cursor().recent.iter().all(|(at, _)| *at >= since));
        let ticket = progress.begin(&event(60_000_000_000)).expect("new");
        progress.finish(&set(&[ticket]), true);
        assert_eq!((progress.cursor().recent.len(), progress.cursor().since()), (1, Nanos(58_000_000_000)));
    }
}
