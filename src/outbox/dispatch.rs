//! Working on what is due: at most eight calls at once per target, each container's on its own.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::fault::Faults;
use super::{DeliveryContext, DeliveryOutcome, Due, Turn, Waker};
use crate::clock;
use crate::observed::Nanos;
use crate::resource::ObjectKey;
use crate::store::{LaneSubject, Settlement, StoreError};

/// Calls at once per target.
const AT_ONCE: usize = 8;
/// Between two wakings of all waiting lanes, so that one that always fails is not tried with every success of others.
const WAKE_EVERY: Duration = Duration::from_secs(1);
/// Between two looks at a store that fails.
const STORE_DOWN: Duration = Duration::from_secs(1);
/// A look at the queue even if nobody rang and nothing is due: a safety net, cheap.
const LOOK_EVERY: Duration = Duration::from_secs(300);
/// Between two tries of what the store refuses.
const REFUSED: Duration = Duration::from_secs(60);
/// How long calls in flight may take once everything stops.
const LAST_CALLS: Duration = Duration::from_secs(5);

/// The queue of one target.
#[async_trait]
pub trait Queue: Send + Sync + 'static {
    /// What is worked on at once: all that is due of one container.
    type Item: Send + 'static;
    /// The target's name.
    fn name(&self) -> &str;
    /// The target.
    fn target(&self) -> ObjectKey;
    /// Where the queue is, and whose lanes and cells are worked on.
    fn context(&self) -> &DeliveryContext;
    /// What may be worked on now.
    async fn due(
        &self,
        now: Nanos,
        busy: &[LaneSubject],
        limit: usize,
    ) -> Result<Due<Self::Item>, StoreError>;
    /// When something falls due next.
    async fn next(&self, now: Nanos) -> Result<Option<Nanos>, StoreError> {
        let DeliveryContext { store, owned, .. } = self.context();
        store.next_due(&self.target(), owned, now).await
    }
    /// Lets what waits be tried from `from` on.
    async fn wake(&self, from: Nanos) -> Result<u64, StoreError> {
        let DeliveryContext { store, owned, .. } = self.context();
        store.wake(&self.target(), owned, from).await
    }
    /// Lets what was never tried be tried from `now` on: the clock was set back.
    async fn hasten(&self, now: Nanos) -> Result<u64, StoreError> {
        let DeliveryContext { store, owned, .. } = self.context();
        store.hasten(&self.target(), owned, now).await
    }
    /// Lets everything be sent again.
    async fn resend(&self) -> Result<u64, StoreError> {
        Ok(0)
    }
    /// How often that is to be.
    fn resend_period(&self) -> Option<Duration> {
        None
    }
    /// Makes the calls that `turn` gives leave to, and commits what came of them.
    async fn work(&self, item: Self::Item, turn: &Turn) -> DeliveryOutcome;
    /// What is to be stored of an attempt for `key` that panicked, `times` in a row.
    fn panicked(&self, key: &LaneSubject, times: u32, wait: Duration, why: String) -> Settlement;
    /// Commits what [`Self::work`] could not.
    async fn record(&self, settlement: Settlement) -> Result<(), StoreError> {
        self.context().settle(settlement).await
    }
}

/// Calls under way, and results that are not stored yet.
#[derive(Debug, Default)]
struct InFlight {
    /// Containers that are worked on, or whose last result is not stored yet.
    busy: Vec<LaneSubject>,
    calls: JoinSet<DeliveryOutcome>,
    /// Whose calls they are.
    whose: HashMap<Id, LaneSubject>,
    unrecorded: Vec<Unrecorded>,
    /// What the store refuses: only its own lane or cell waits for it.
    aside: Vec<(Unrecorded, Instant)>,
    faults: Faults,
    /// When the queue was last looked at, by the clock of its due times.
    looked: Nanos,
}

/// What came of a call and is not stored yet.
pub type Unrecorded = (LaneSubject, Settlement);

/// Works on one queue until told to stop.
#[derive(Debug)]
pub struct Dispatcher<Q> {
    queue: Arc<Q>,
    waker: Waker,
    before: Vec<Unrecorded>,
}

impl<Q: Queue> Dispatcher<Q> {
    /// A dispatcher that is woken by `waker`.
    pub fn new(queue: Q, waker: Waker) -> Self {
        Self { queue: Arc::new(queue), waker, before: Vec::new() }
    }

    /// The same, but first it stores what the one before it could not.
    #[must_use]
    pub fn after(self, before: Vec<Unrecorded>) -> Self {
        Self { before, ..self }
    }

    /// Works until `stop`; then finishes the calls in flight. Until then nobody else may work on the target. What could
    /// not be stored is for whoever comes next.
    pub async fn run(mut self, stop: CancellationToken) -> Vec<Unrecorded> {
        let turn = Turn::new(stop.clone());
        let unrecorded = std::mem::take(&mut self.before);
        let busy = unrecorded.iter().map(|(subject, _)| subject.clone()).collect();
        let mut in_flight = InFlight { busy, unrecorded, ..InFlight::default() };
        // What waits may have failed in an earlier life: the first success wakes it too.
        let mut failing = true;
        let (mut woken, mut wake) = (None::<Instant>, None::<Instant>);
        let mut resend = self.queue.resend_period().map(|period| Instant::now() + period);
        while !stop.is_cancelled() {
            let next_look = match self.fill(&mut in_flight, &turn).await {
                Ok(next) => next,
                Err(error) => {
                    warn!(target: "portreeve::outbox", queue = self.queue.name(), "{error}");
                    Instant::now() + STORE_DOWN
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                Some(done) = in_flight.calls.join_next_with_id() => {
                    let Some((key, outcome)) = self.ended(&mut in_flight, done) else { continue };
                    match outcome {
                        DeliveryOutcome::Failed => {
                            failing = true;
                            in_flight.free(&key);
                        }
                        DeliveryOutcome::NotBegun => in_flight.free(&key),
                        DeliveryOutcome::Delivered => {
                            if failing && wake.is_none() {
                                let now = Instant::now();
                                wake = Some(woken.map_or(now, |at| now.max(at + WAKE_EVERY)));
                            }
                            in_flight.free(&key);
                        }
                        DeliveryOutcome::Unrecorded(settlement, error) => {
                            warn!(target: "portreeve::outbox", queue = self.queue.name(), id = key.id(), "the \
                                result of a call cannot be stored, and nothing more is sent until it is tried again: {error}");
                            in_flight.unrecorded.push((key, settlement));
                        }
                    }
                }
                () = self.waker.woken() => {}
                () = tokio::time::sleep_until(next_look) => {}
                () = due_at(wake) => {
                    (wake, woken) = (None, Some(Instant::now()));
                    // One that fails again is woken by the next success.
                    failing = self.queue.wake(clock::now()).await.is_err();
                }
                () = due_at(resend) => {
                    resend = self.queue.resend_period().map(|period| Instant::now() + period);
                    if let Err(error) = self.queue.resend().await {
                        warn!(target: "portreeve::outbox", queue = self.queue.name(), "{error}");
                    }
                }
            }
        }
        self.finish(in_flight, &turn).await
    }

    async fn finish(&self, mut in_flight: InFlight, turn: &Turn) -> Vec<Unrecorded> {
        let last = tokio::time::sleep(LAST_CALLS);
        tokio::pin!(last);
        let mut cut = false;
        loop {
            tokio::select! {
                done = in_flight.calls.join_next_with_id() => match done {
                    Some(done) => {
                        if let Some((key, DeliveryOutcome::Unrecorded(settlement, _))) = self.ended(&mut in_flight, done) {
                            in_flight.unrecorded.push((key, settlement));
                        }
                    }
                    None => break,
                },
                () = &mut last, if !cut => {
                    // They end by themselves now, and store that nobody knows whether they were heard.
                    turn.cut();
                    cut = true;
                }
            }
        }
        // What was refused is tried once more.
        let aside = std::mem::take(&mut in_flight.aside);
        in_flight.unrecorded.extend(aside.into_iter().map(|(unrecorded, _)| unrecorded));
        // After the end of the process what cannot be stored now either is sent again, with the same ids.
        let _ = self.catch_up(&mut in_flight).await;
        let aside = in_flight.aside.into_iter().map(|(unrecorded, _)| unrecorded);
        in_flight.unrecorded.into_iter().chain(aside).collect()
    }

    /// Whose call has ended, and what came of it. One that panicked is told of, and stored as a failure.
    fn ended(
        &self,
        in_flight: &mut InFlight,
        done: Result<(Id, DeliveryOutcome), JoinError>,
    ) -> Option<(LaneSubject, DeliveryOutcome)> {
        let id = done.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        // Each was noted when it began.
        let key = in_flight.whose.remove(&id)?;
        let error = match done {
            Ok((_, outcome)) => {
                in_flight.faults.over(&key);
                return Some((key, outcome));
            }
            Err(error) => error,
        };
        // Nobody else ends a call than a runtime that shuts down.
        let Ok(panic) = error.try_into_panic() else {
            in_flight.free(&key);
            return None;
        };
        let (times, wait) = in_flight.faults.panicked(self.queue.name(), &key);
        let why = format!("a fault of Portreeve's own: {}", crate::vital::panic_text(&*panic));
        error!(target: "portreeve::outbox", queue = self.queue.name(), id = key.id(), "an attempt to deliver panicked, {why}; the next one is in {:.1} s", wait.as_secs_f64());
        // Stored like any other failure, so that it is seen, and waits also over a restart.
        let settlement = self.queue.panicked(&key, times, wait, why);
        in_flight.unrecorded.push((key, settlement));
        None
    }

    /// Stores what could not be stored before.
    async fn catch_up(&self, in_flight: &mut InFlight) -> Result<(), StoreError> {
        let now = Instant::now();
        let due =
            in_flight.aside.extract_if(.., |(_, again)| *again <= now).map(|(unrecorded, _)| unrecorded);
        let due: Vec<_> = due.collect();
        in_flight.unrecorded.extend(due);
        while let Some((key, settlement)) = in_flight.unrecorded.first().cloned() {
            if self.recorded(settlement.clone()).await? {
                in_flight.free(&key);
            } else {
                in_flight.aside.push(((key, settlement), now + REFUSED));
            }
            in_flight.unrecorded.remove(0);
        }
        Ok(())
    }

    /// Stores what came of a call, if need be without what the target said of it: whether the store takes it.
    async fn recorded(&self, settlement: Settlement) -> Result<bool, StoreError> {
        match self.queue.record(settlement.clone()).await {
            Err(error) if error.is_refused() => {
                match self.queue.record(settlement.saying("the store refuses what went wrong")).await {
                    Err(error) if error.is_refused() => {
                        error!(target: "portreeve::outbox", queue = self.queue.name(), "the result of a call is refused by the \
                            store, so nothing of its container is sent; it is tried again: {error}");
                        Ok(false)
                    }
                    other => other.map(|()| true),
                }
            }
            other => other.map(|()| true),
        }
    }

    /// Takes on what is due, and says when to look again.
    async fn fill(&self, in_flight: &mut InFlight, turn: &Turn) -> Result<Instant, StoreError> {
        self.catch_up(in_flight).await?;
        // Given before the store is read: who is held by what is stored later makes no call.
        let Some(turn) = turn.next() else {
            // Whoever stores the time that the target named comes back here with the end of its work.
            return Ok(Instant::now() + LOOK_EVERY);
        };
        let now = clock::now();
        if now < in_flight.looked || in_flight.looked == Nanos::default() {
            // What was enqueued before the clock was set back would wait until it is that late again. A store that cannot say
            // so now is asked again; what is due is sent meanwhile.
            if self.queue.hasten(now).await.is_ok() {
                in_flight.looked = now;
            }
        } else {
            in_flight.looked = now;
        }
        let again = in_flight.aside.iter().map(|(_, again)| *again).min();
        let latest = again.unwrap_or_else(|| Instant::now() + LOOK_EVERY);
        let free = AT_ONCE.saturating_sub(in_flight.busy.len().saturating_sub(in_flight.aside.len()));
        if free == 0 {
            return Ok(latest);
        }
        for (key, item) in self.queue.due(now, &in_flight.busy, free).await? {
            in_flight.busy.push(key.clone());
            let (queue, turn) = (self.queue.clone(), turn.clone());
            let call = in_flight.calls.spawn(async move { queue.work(item, &turn).await });
            in_flight.whose.insert(call.id(), key);
        }
        let wait = match self.queue.next(now).await? {
            Some(next) => Duration::from_nanos(u64::try_from(next.since(now)).unwrap_or(0)),
            None => LOOK_EVERY,
        };
        Ok(latest.min(Instant::now() + wait.clamp(Duration::from_millis(5), LOOK_EVERY)))
    }
}

impl InFlight {
    fn free(&mut self, key: &LaneSubject) {
        self.busy.retain(|other| other != key);
    }
}

async fn due_at(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
