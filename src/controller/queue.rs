//! The work queue: one inbox per container. The same container is never worked on twice at once; others are.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use super::progress::Ticket;
use super::shared::locked;
use crate::observed::{ContainerKey, EngineEvent, EventKind, Nanos};
use crate::reconcile::heal::ActionOutcome;
use crate::reconcile::lifecycle::Fact;

/// Events waiting in all inboxes together; beyond this they are dropped and the stream is read again.
const ROOM: usize = 20_000;
/// Events that are kept of a container which the engine does not let be inspected.
const KEPT: usize = 16;

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

/// What there is to do about one container.
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
    /// How actions ended, by intent.
    pub concluded: Vec<(String, ActionOutcome)>,
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

    fn tells_of_a_stop(&self) -> bool {
        self.events.iter().any(|arrival| {
            matches!(arrival.event.kind, EventKind::Kill { .. } | EventKind::Stop | EventKind::Destroy)
        })
    }

    /// Puts `newer` behind this.
    fn append(&mut self, newer: Self) {
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

#[derive(Debug, Default)]
struct Inbox {
    work: Work,
    /// How many events of `work` count against the room that all share.
    counted: usize,
    /// Something is to be done, if only to decide again.
    waiting: bool,
    running: bool,
    /// The work in hand tells of somebody stopping the container.
    stopping: bool,
    /// Put back after a failure: not ready before somebody says so.
    held: bool,
}

#[derive(Debug, Default)]
struct Inner {
    inboxes: HashMap<ContainerKey, Inbox>,
    ready: VecDeque<ContainerKey>,
    events: usize,
}

/// Inboxes of all containers.
#[derive(Debug, Default)]
pub(super) struct Queue {
    inner: Mutex<Inner>,
    ready_changed: Notify,
}

impl Queue {
    /// Adds to a container's inbox; an empty `work` asks to decide again. Refuses when the inboxes are full.
    pub(super) fn add(&self, key: &ContainerKey, work: Work) -> bool {
        let mut inner = locked(&self.inner);
        // What holds no events takes no room, and nobody would bring it again.
        if !work.events.is_empty() && inner.events + work.events.len() > ROOM {
            return false;
        }
        inner.events += work.events.len();
        let inbox = inner.inboxes.entry(key.clone()).or_default();
        inbox.counted += work.events.len();
        inbox.work.append(work);
        let ready = !inbox.waiting && !inbox.running && !inbox.held;
        inbox.waiting = true;
        if ready {
            inner.ready.push_back(key.clone());
            drop(inner);
            self.ready_changed.notify_one();
        }
        true
    }

    /// The next container to work on, with all that came for it. [`Self::done`] or [`Self::put_back`] must follow.
    pub(super) async fn take(&self) -> (ContainerKey, Work) {
        loop {
            if let Some(taken) = self.try_take() {
                return taken;
            }
            self.ready_changed.notified().await;
        }
    }

    fn try_take(&self) -> Option<(ContainerKey, Work)> {
        let mut inner = locked(&self.inner);
        let key = inner.ready.pop_front()?;
        let more = !inner.ready.is_empty();
        let inbox = inner.inboxes.get_mut(&key)?;
        inbox.waiting = false;
        inbox.running = true;
        let work = std::mem::take(&mut inbox.work);
        inbox.stopping = work.tells_of_a_stop();
        let counted = std::mem::take(&mut inbox.counted);
        inner.events -= counted;
        drop(inner);
        if more {
            self.ready_changed.notify_one();
        }
        Some((key, work))
    }

    /// The work on a container is finished.
    pub(super) fn done(&self, key: &ContainerKey) {
        let mut inner = locked(&self.inner);
        let Some(inbox) = inner.inboxes.get_mut(key) else { return };
        (inbox.running, inbox.stopping) = (false, false);
        if inbox.waiting {
            inner.ready.push_back(key.clone());
            drop(inner);
            self.ready_changed.notify_one();
        } else {
            inner.inboxes.remove(key);
        }
    }

    /// The work failed and comes first when [`Self::resume`] is called; what comes meanwhile waits behind it.
    pub(super) fn put_back(&self, key: &ContainerKey, mut work: Work) {
        let mut inner = locked(&self.inner);
        // What may wait for ever takes no room from others.
        let counted = if work.let_go { 0 } else { work.events.len() };
        inner.events += counted;
        let inbox = inner.inboxes.entry(key.clone()).or_default();
        inbox.counted += counted;
        work.failures = work.failures.saturating_add(1);
        let failures = work.failures;
        work.append(std::mem::take(&mut inbox.work));
        work.failures = failures;
        inbox.work = work;
        (inbox.running, inbox.waiting, inbox.held) = (false, true, true);
    }

    /// Lets work that was put back be taken again.
    pub(super) fn resume(&self, key: &ContainerKey) {
        let mut inner = locked(&self.inner);
        let Some(inbox) = inner.inboxes.get_mut(key).filter(|inbox| inbox.held) else { return };
        inbox.held = false;
        inner.ready.push_back(key.clone());
        drop(inner);
        self.ready_changed.notify_one();
    }

    /// Whether an event waits, or is being dealt with, that tells of somebody stopping the container.
    pub(super) fn stop_waits(&self, key: &ContainerKey) -> bool {
        let inner = locked(&self.inner);
        inner.inboxes.get(key).is_some_and(|inbox| inbox.stopping || inbox.work.tells_of_a_stop())
    }

    /// Containers with work waiting or in progress.
    pub(super) fn at_work(&self) -> Vec<ContainerKey> {
        locked(&self.inner).inboxes.keys().cloned().collect()
    }

    /// Containers with work waiting or in progress, and events waiting.
    pub(super) fn depth(&self) -> (usize, usize) {
        let inner = locked(&self.inner);
        (inner.inboxes.len(), inner.events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str) -> ContainerKey {
        ContainerKey::new("local", id)
    }

    fn look() -> Work {
        Work { look: Some(Nanos(0)), ..Work::default() }
    }

    #[tokio::test]
    async fn one_container_is_worked_on_once_at_a_time_and_others_meanwhile() {
        let queue = Queue::default();
        assert!(queue.add(&key("a"), look()));
        let (taken, _) = queue.take().await;
        assert_eq!(taken, key("a"));
        queue.add(&key("a"), Work::default());
        queue.add(&key("b"), look());
        assert_eq!(queue.take().await.0, key("b"));
        assert!(queue.try_take().is_none());
        queue.done(&key("a"));
        let (again, work) = queue.take().await;
        assert_eq!((again, work.look), (key("a"), None));
        queue.done(&key("a"));
        queue.done(&key("b"));
        assert_eq!(queue.depth(), (0, 0));
    }

    /// What is decided in hand may be decided by what was in force a moment ago, and nothing is remembered of it yet.
    #[tokio::test]
    async fn a_container_seen_for_the_first_time_is_decided_on_again_when_all_are() {
        let queue = Queue::default();
        queue.add(&key("new"), look());
        queue.take().await;
        let at_work = queue.at_work();
        assert_eq!(at_work, [key("new")]);
        assert!(at_work.iter().all(|key| queue.add(key, Work::default())));
        queue.done(&key("new"));
        assert_eq!(queue.take().await.0, key("new"));
        queue.done(&key("new"));
        assert_eq!(queue.at_work(), []);
    }

    fn arrival(at: i64) -> Arrival {
        let event = EngineEvent {
            key: key("a"),
            at: Nanos(at),
            kind: EventKind::Oom,
            name: String::new(),
            image: String::new(),
            labels: std::collections::BTreeMap::new(),
        };
        let ticket = super::super::progress::Progress::new(crate::observed::Cursor::new(Nanos(0)), true)
            .begin(&event)
            .expect("it is new");
        Arrival { event, ticket, replayed: false, from_outage: false }
    }

    #[tokio::test]
    async fn what_waits_for_ever_takes_no_room_from_others_and_says_what_it_lost() {
        let queue = Queue::default();
        let events =
            |times: std::ops::Range<i64>| Work { events: times.map(arrival).collect(), ..Work::default() };
        queue.add(&key("a"), Work { breaks: vec![(99, Break::Gap(Nanos(99)))], ..events(0..100) });
        let (_, mut work) = queue.take().await;
        work.let_go();
        queue.put_back(&key("a"), work);
        assert_eq!(queue.depth(), (1, 0));
        queue.add(&key("a"), events(100..101));
        assert_eq!(queue.depth(), (1, 1));
        queue.resume(&key("a"));
        let (_, work) = queue.take().await;
        assert_eq!((work.events.len(), work.let_go, queue.depth()), (KEPT + 1, true, (1, 0)));
        assert_eq!(work.breaks, [(0, Break::Gap(Nanos(83))), (15, Break::Gap(Nanos(99)))]);
    }

    #[test]
    fn a_break_keeps_its_place_among_the_events() {
        let ended = |at| Work { breaks: vec![(0, Break::StreamEnded(Nanos(at)))], ..Work::default() };
        let mut work = ended(1);
        work.append(ended(2));
        assert_eq!(work.breaks, [(0, Break::StreamEnded(Nanos(1))), (0, Break::StreamEnded(Nanos(2)))]);
    }

    #[tokio::test]
    async fn work_put_back_keeps_its_place_before_what_came_later() {
        let queue = Queue::default();
        let concluded = |word: &str| Work {
            concluded: vec![(word.to_owned(), ActionOutcome::Succeeded)],
            ..Work::default()
        };
        queue.add(&key("a"), concluded("first"));
        let (_, work) = queue.take().await;
        queue.add(&key("a"), concluded("second"));
        queue.put_back(&key("a"), work);
        assert!(queue.try_take().is_none());
        queue.resume(&key("a"));
        let (_, work) = queue.take().await;
        let order: Vec<_> = work.concluded.iter().map(|(word, _)| word.as_str()).collect();
        assert_eq!((order, work.failures), (vec!["first", "second"], 1));
    }
}
