//! One inbox per key: the same key is never worked on twice at once, different keys are.
//!
//! Room is per shard: an engine that floods or hangs takes neither memory nor places from another. Within a shard what
//! happened comes before what is only to be decided again ([`Queue::add_behind`]), which has every eighth turn all the same.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::Mutex;

use tokio::sync::Notify;

use super::key::Key;
use super::work::Work;
use crate::locked::locked;
use crate::observed::Shard;

/// Events waiting in all inboxes of a shard together; beyond this they are dropped and the stream is read again.
const ROOM: usize = 20_000;
/// An overrun stream is read again when there is room for so many.
const ROOM_AGAIN: usize = ROOM / 2;
/// Keys of a shard that are worked on side by side.
const AT_ONCE: usize = 16;
/// Of those that an engine refuses to tell of, so many are asked about side by side, and so many in all of an engine whose calls
/// time out: each may take as long as a call may.
const FEW: usize = 2;
/// Every eighth turn of a shard is for what waits behind, if anything does.
const TURNS: u32 = 8;

/// Where a key waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Lane {
    /// Nowhere: nothing is to be done about it, or it is being worked on, or held.
    #[default]
    Nowhere,
    /// Among those that come next.
    Ready,
    /// Behind them.
    Behind,
    /// Among those that an engine refuses to tell of.
    Refused,
}

#[derive(Debug, Default)]
struct Inbox {
    work: Work,
    /// How many events of `work` count against the room of the shard.
    counted: usize,
    /// Something is to be done, if only to decide again.
    waiting: bool,
    lane: Lane,
    running: bool,
    /// The work in hand tells of somebody stopping the container.
    stopping: bool,
    /// Put back after a failure: not ready before [`Queue::resume`].
    held: bool,
    /// What is worked on is something that the engine refuses to tell of.
    refused: bool,
}

/// What waits in one shard.
#[derive(Debug, Default)]
struct Room {
    ready: VecDeque<Key>,
    behind: VecDeque<Key>,
    refused: VecDeque<Key>,
    running: usize,
    refused_running: usize,
    events: usize,
    turns: u32,
    /// Its calls time out: few are made at once until one is answered.
    slow: bool,
}

impl Room {
    /// Whether anything waits in it.
    fn waits(&self) -> bool {
        !(self.ready.is_empty() && self.behind.is_empty() && self.refused.is_empty())
    }

    /// The next key to be worked on, if there is a place for it.
    fn next(&mut self) -> Option<(Key, Lane)> {
        if self.refused_running < FEW
            && let Some(key) = self.refused.pop_front()
        {
            return Some((key, Lane::Refused));
        }
        if self.running >= if self.slow { FEW } else { AT_ONCE } {
            return None;
        }
        self.turns = self.turns.wrapping_add(1);
        let behind_first = self.turns.is_multiple_of(TURNS);
        let behind = |room: &mut Self| Some((room.behind.pop_front()?, Lane::Behind));
        let ready = |room: &mut Self| Some((room.ready.pop_front()?, Lane::Ready));
        if behind_first { behind(self).or_else(|| ready(self)) } else { ready(self).or_else(|| behind(self)) }
    }
}

#[derive(Debug, Default)]
struct Inner {
    inboxes: HashMap<Key, Inbox>,
    rooms: BTreeMap<Shard, Room>,
    /// The shard whose turn was last.
    last: Option<Shard>,
}

impl Inner {
    fn wait(&mut self, key: &Key, lane: Lane) {
        let room = self.rooms.entry(key.shard()).or_default();
        match lane {
            Lane::Nowhere => return,
            Lane::Ready => room.ready.push_back(key.clone()),
            Lane::Behind => room.behind.push_back(key.clone()),
            Lane::Refused => room.refused.push_back(key.clone()),
        }
        if let Some(inbox) = self.inboxes.get_mut(key) {
            inbox.lane = lane;
        }
    }

    /// The next key of the shard `of`; one that has moved since it was put where it is found is passed over.
    fn next_of(&mut self, of: &Shard) -> Option<Key> {
        loop {
            let (key, lane) = self.rooms.get_mut(of)?.next()?;
            if self.inboxes.get(&key).is_some_and(|inbox| inbox.lane == lane) {
                return Some(key);
            }
        }
    }

    /// The next key, in turn of the shards: there are as many as engines.
    fn next(&mut self) -> Option<Key> {
        let after = self.last.clone().map_or(Bound::Unbounded, Bound::Excluded);
        let turn = self.rooms.range((after, Bound::Unbounded)).chain(&self.rooms);
        let turn: Vec<Shard> =
            turn.filter(|(_, room)| room.waits()).map(|(shard, _)| shard.clone()).collect();
        let (shard, key) = turn.into_iter().find_map(|shard| {
            let key = self.next_of(&shard)?;
            Some((shard, key))
        })?;
        self.last = Some(shard);
        Some(key)
    }
}

/// Inboxes of all keys.
#[derive(Debug, Default)]
pub(super) struct Queue {
    inner: Mutex<Inner>,
    /// A key became ready, or a place free.
    changed: Notify,
    /// A shard has room again.
    emptied: Notify,
}

impl Queue {
    /// Adds to a key's inbox; an empty `work` asks to decide again. Refuses when the inboxes of its shard are full.
    pub(super) fn add(&self, key: impl Into<Key>, work: Work) -> bool {
        self.put(key.into(), work, Lane::Ready)
    }

    /// Asks to decide again about many keys, behind what happens meanwhile.
    pub(super) fn add_behind(&self, keys: impl IntoIterator<Item = impl Into<Key>>) {
        for key in keys {
            self.put(key.into(), Work::default(), Lane::Behind);
        }
    }

    fn put(&self, key: Key, work: Work, lane: Lane) -> bool {
        let mut inner = locked(&self.inner);
        let inner = &mut *inner;
        let room = inner.rooms.entry(key.shard()).or_default();
        // What holds no events takes no room, and nobody would bring it again.
        if !work.events.is_empty() && room.events + work.events.len() > ROOM {
            return false;
        }
        room.events += work.events.len();
        let inbox = inner.inboxes.entry(key.clone()).or_default();
        inbox.counted += work.events.len();
        inbox.work.append(work);
        inbox.waiting = true;
        let idle = !inbox.running && !inbox.held;
        let sooner = inbox.lane == Lane::Behind && lane == Lane::Ready;
        if idle && (inbox.lane == Lane::Nowhere || sooner) {
            inner.wait(&key, lane);
            self.changed.notify_one();
        }
        true
    }

    /// The next key to work on, with all that came for it. [`Self::done`] or [`Self::put_back`] must follow.
    pub(super) async fn take(&self) -> (Key, Work) {
        loop {
            if let Some(taken) = self.try_take() {
                return taken;
            }
            self.changed.notified().await;
        }
    }

    fn try_take(&self) -> Option<(Key, Work)> {
        let mut inner = locked(&self.inner);
        let inner = &mut *inner;
        let key = inner.next()?;
        let inbox = inner.inboxes.get_mut(&key)?;
        inbox.refused = inbox.lane == Lane::Refused;
        (inbox.waiting, inbox.running, inbox.lane) = (false, true, Lane::Nowhere);
        let work = std::mem::take(&mut inbox.work);
        inbox.stopping = work.is_of_a_stop();
        let counted = std::mem::take(&mut inbox.counted);
        let refused = inbox.refused;
        if let Some(room) = inner.rooms.get_mut(&key.shard()) {
            room.events = room.events.saturating_sub(counted);
            *if refused { &mut room.refused_running } else { &mut room.running } += 1;
            if room.events <= ROOM_AGAIN {
                self.emptied.notify_waiters();
            }
        }
        Some((key, work))
    }

    /// Gives up the place of a key that was worked on.
    fn leave(&self, inner: &mut Inner, key: &Key) {
        let Some(inbox) = inner.inboxes.get_mut(key) else { return };
        let refused = std::mem::take(&mut inbox.refused);
        (inbox.running, inbox.stopping) = (false, false);
        if let Some(room) = inner.rooms.get_mut(&key.shard()) {
            let running = if refused { &mut room.refused_running } else { &mut room.running };
            *running = running.saturating_sub(1);
        }
        self.changed.notify_one();
    }

    /// The work on a key is finished.
    pub(super) fn done(&self, key: &Key) {
        let mut inner = locked(&self.inner);
        self.leave(&mut inner, key);
        match inner.inboxes.get(key) {
            Some(inbox) if inbox.waiting => inner.wait(key, Lane::Ready),
            Some(_) => drop(inner.inboxes.remove(key)),
            None => {}
        }
    }

    /// The work failed and comes first when [`Self::resume`] is called; what comes meanwhile waits behind it.
    pub(super) fn put_back(&self, key: &Key, mut work: Work) {
        let mut inner = locked(&self.inner);
        self.leave(&mut inner, key);
        // What may wait for ever takes no room from others.
        let counted = if work.let_go { 0 } else { work.events.len() };
        inner.rooms.entry(key.shard()).or_default().events += counted;
        let inbox = inner.inboxes.entry(key.clone()).or_default();
        inbox.counted += counted;
        work.failures = work.failures.saturating_add(1);
        let failures = work.failures;
        work.append(std::mem::take(&mut inbox.work));
        work.failures = failures;
        inbox.work = work;
        (inbox.waiting, inbox.held) = (true, true);
    }

    /// Lets work that was put back be taken again.
    pub(super) fn resume(&self, key: &Key) {
        let mut inner = locked(&self.inner);
        let Some(inbox) = inner.inboxes.get_mut(key).filter(|inbox| inbox.held) else { return };
        inbox.held = false;
        let lane = if inbox.work.let_go { Lane::Refused } else { Lane::Ready };
        inner.wait(key, lane);
        self.changed.notify_one();
    }

    /// Calls of a shard's engine time out, or are answered again.
    pub(super) fn slow(&self, shard: &Shard, slow: bool) {
        let mut inner = locked(&self.inner);
        let Some(room) = inner.rooms.get_mut(shard).filter(|room| room.slow != slow) else { return };
        room.slow = slow;
        self.changed.notify_one();
    }

    /// Waits until a shard has room again after [`Self::add`] has refused.
    pub(super) async fn room(&self, shard: &Shard) {
        loop {
            let emptied = self.emptied.notified();
            tokio::pin!(emptied);
            emptied.as_mut().enable();
            if locked(&self.inner).rooms.get(shard).is_none_or(|room| room.events <= ROOM_AGAIN) {
                return;
            }
            emptied.await;
        }
    }

    /// Whether an event waits, or is being dealt with, that tells of somebody stopping the container.
    pub(super) fn stop_waits(&self, key: &Key) -> bool {
        let inner = locked(&self.inner);
        inner.inboxes.get(key).is_some_and(|inbox| inbox.stopping || inbox.work.is_of_a_stop())
    }

    /// Keys with work waiting or in progress.
    pub(super) fn at_work(&self) -> Vec<Key> {
        locked(&self.inner).inboxes.keys().cloned().collect()
    }

    /// Keys with work waiting or in progress, and events waiting.
    pub(super) fn depth(&self) -> (usize, usize) {
        let inner = locked(&self.inner);
        (inner.inboxes.len(), inner.rooms.values().map(|room| room.events).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::progress::Progress;
    use crate::controller::work::{Arrival, Break, KEPT};
    use crate::observed::{ContainerKey, Cursor, EngineEvent, EventKind, Nanos};
    use crate::reconcile::intent::{ActionOutcome, EndedCall};

    fn key(id: &str) -> Key {
        ContainerKey::new("local", id).into()
    }

    fn of(engine: &str, id: usize) -> Key {
        ContainerKey::new(engine, id.to_string()).into()
    }

    fn look() -> Work {
        Work { look: Some(Nanos(0)), ..Work::default() }
    }

    #[tokio::test]
    async fn one_container_is_worked_on_once_at_a_time_and_others_meanwhile() {
        let queue = Queue::default();
        assert!(queue.add(key("a"), look()));
        let (taken, _) = queue.take().await;
        assert_eq!(taken, key("a"));
        queue.add(key("a"), Work::default());
        queue.add(key("b"), look());
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
        queue.add(key("new"), look());
        queue.take().await;
        let at_work = queue.at_work();
        assert_eq!(at_work, [key("new")]);
        assert!(at_work.iter().all(|key| queue.add(key.clone(), Work::default())));
        queue.done(&key("new"));
        assert_eq!(queue.take().await.0, key("new"));
        queue.done(&key("new"));
        assert_eq!(queue.at_work(), []);
    }

    fn arrival(at: i64) -> Arrival {
        let event = EngineEvent {
            key: ContainerKey::new("local", "a"),
            at: Nanos(at),
            kind: EventKind::Oom,
            name: String::new(),
            image: String::new(),
            labels: std::collections::BTreeMap::new(),
        };
        let ticket = Progress::new(Cursor::new(Nanos(0)), true).begin(&event).expect("it is new");
        Arrival { event, ticket, replayed: false, from_outage: false }
    }

    #[tokio::test]
    async fn what_waits_for_ever_takes_no_room_from_others_and_says_what_it_lost() {
        let queue = Queue::default();
        let events =
            |times: std::ops::Range<i64>| Work { events: times.map(arrival).collect(), ..Work::default() };
        queue.add(key("a"), Work { breaks: vec![(99, Break::Gap(Nanos(99)))], ..events(0..100) });
        let (_, mut work) = queue.take().await;
        work.let_go();
        queue.put_back(&key("a"), work);
        assert_eq!(queue.depth(), (1, 0));
        queue.add(key("a"), events(100..101));
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
            concluded: vec![EndedCall {
                intent: word.to_owned(),
                outcome: ActionOutcome::Succeeded,
                at: Nanos(0),
            }],
            ..Work::default()
        };
        queue.add(key("a"), concluded("first"));
        let (_, work) = queue.take().await;
        queue.add(key("a"), concluded("second"));
        queue.put_back(&key("a"), work);
        assert!(queue.try_take().is_none());
        queue.resume(&key("a"));
        let (_, work) = queue.take().await;
        let order: Vec<_> = work.concluded.iter().map(|ended| ended.intent.as_str()).collect();
        assert_eq!((order, work.failures), (vec!["first", "second"], 1));
    }

    #[tokio::test]
    async fn an_engine_that_hangs_or_floods_takes_no_place_and_no_room_from_another() {
        let queue = Queue::default();
        for id in 0..100 {
            queue.add(of("a", id), look());
        }
        let taken =
            |queue: &Queue| std::iter::from_fn(|| queue.try_take()).map(|(key, _)| key).collect::<Vec<_>>();
        assert_eq!(taken(&queue).len(), AT_ONCE, "none of them ends");
        queue.add(of("b", 0), look());
        assert_eq!(taken(&queue), [of("b", 0)]);
        let many = |at: i64| Work { events: (at..at + 10_000).map(arrival).collect(), ..Work::default() };
        assert!(queue.add(of("a", 200), many(0)) && queue.add(of("a", 201), many(10_000)));
        assert!(
            !queue.add(of("a", 202), Work { events: vec![arrival(30_000)], ..Work::default() }),
            "it is full"
        );
        assert!(queue.add(of("b", 1), many(40_000)));
    }

    #[tokio::test]
    async fn an_engine_whose_calls_time_out_has_few_places_until_one_is_answered() {
        let queue = Queue::default();
        let shard = of("a", 0).shard();
        for id in 0..20 {
            queue.add(of("a", id), look());
        }
        queue.slow(&shard, true);
        let taken: Vec<Key> = std::iter::from_fn(|| queue.try_take()).map(|(key, _)| key).collect();
        assert_eq!(taken.len(), FEW);
        queue.done(&taken[0]);
        assert!(queue.try_take().is_some() && queue.try_take().is_none());
        queue.slow(&shard, false);
        assert_eq!(std::iter::from_fn(|| queue.try_take()).count(), AT_ONCE - FEW);
    }

    #[tokio::test]
    async fn what_happens_comes_before_what_is_only_decided_again_and_does_not_starve_it() {
        let queue = Queue::default();
        queue.add_behind((0..3).map(|id| of("a", id)));
        queue.add(of("a", 2), look());
        for id in 10..20 {
            queue.add(of("a", id), look());
        }
        let mut order = Vec::new();
        while let Some((key, _)) = queue.try_take() {
            queue.done(&key);
            order.push(key);
        }
        assert_eq!(order.len(), 13, "each once: {order:?}");
        assert_eq!(order[0], of("a", 2), "something happened to it meanwhile");
        let place = |id| order.iter().position(|key| *key == of("a", id));
        assert!(place(0) < place(19) && place(10) < place(0), "{order:?}");
    }

    #[tokio::test]
    async fn an_overrun_shard_has_room_again_once_half_of_it_is_free() {
        let queue = Queue::default();
        let shard = of("a", 0).shard();
        let many = |at: i64| Work { events: (at..at + 10_000).map(arrival).collect(), ..Work::default() };
        queue.add(of("a", 0), many(0));
        queue.add(of("a", 1), many(10_000));
        let waiting = queue.room(&shard);
        tokio::pin!(waiting);
        assert!(futures_util::poll!(&mut waiting).is_pending());
        assert!(queue.try_take().is_some());
        waiting.await;
    }
}
