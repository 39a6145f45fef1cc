//! Working on what is due: at most eight calls at once per target, each container's on its own.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{Bell, Due, Worked};
use crate::clock;
use crate::observed::{ContainerKey, Nanos};
use crate::store::StoreError;

/// Calls at once per target.
const AT_ONCE: usize = 8;
/// Between two wakings of all waiting lanes, so that one that always fails is not tried with every success of others.
const WAKE_EVERY: Duration = Duration::from_secs(1);
/// Between two looks at a store that fails.
const STORE_DOWN: Duration = Duration::from_secs(1);
/// A look at the queue even if nobody rang and nothing is due: a safety net, cheap.
const LOOK_EVERY: Duration = Duration::from_secs(300);
/// How long calls in hand may take once everything stops.
const LAST_CALLS: Duration = Duration::from_secs(8);

/// The queue of one target.
#[async_trait]
pub trait Queue: Send + Sync + 'static {
    /// What is worked on at once: all that is due of one container.
    type Item: Send + 'static;
    /// The target's name.
    fn name(&self) -> &str;
    /// What may be worked on now.
    async fn due(
        &self,
        now: Nanos,
        busy: &[ContainerKey],
        limit: usize,
    ) -> Result<Due<Self::Item>, StoreError>;
    /// When something falls due next.
    async fn next(&self, now: Nanos) -> Result<Option<Nanos>, StoreError>;
    /// Lets what waits be tried from `from` on.
    async fn wake(&self, from: Nanos) -> Result<u64, StoreError>;
    /// Lets everything be sent again.
    async fn resend(&self) -> Result<u64, StoreError> {
        Ok(0)
    }
    /// How often that is to be.
    fn resend_period(&self) -> Option<Duration> {
        None
    }
    /// Makes the calls and commits what came of them.
    async fn work(&self, item: Self::Item) -> Worked;
}

/// Works on one queue until told to stop.
#[derive(Debug)]
pub struct Dispatcher<Q> {
    queue: Arc<Q>,
    bell: Bell,
}

impl<Q: Queue> Dispatcher<Q> {
    /// A dispatcher that is woken by `bell`.
    pub fn new(queue: Q, bell: Bell) -> Self {
        Self { queue: Arc::new(queue), bell }
    }

    /// Works until `stop`; then finishes the calls in hand.
    pub async fn run(self, stop: CancellationToken) {
        let mut busy: Vec<ContainerKey> = Vec::new();
        let mut calls: JoinSet<(ContainerKey, Worked)> = JoinSet::new();
        // What failed before this process began waits as well: the first success wakes it.
        let (mut failing, mut woken) = (true, None::<Instant>);
        let mut resend = self.queue.resend_period().map(|period| Instant::now() + period);
        while !stop.is_cancelled() {
            let next_look = match self.fill(&mut busy, &mut calls).await {
                Ok(next) => next,
                Err(error) => {
                    warn!(target: "portreeve::outbox", queue = self.queue.name(), "{error}");
                    Instant::now() + STORE_DOWN
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                Some(done) = calls.join_next() => {
                    let Ok((key, worked)) = done else {
                        // A call panicked: nobody knows whose it was. All others are let finish, then all is free.
                        while calls.join_next().await.is_some() {}
                        busy.clear();
                        continue;
                    };
                    busy.retain(|other| *other != key);
                    match worked {
                        Worked::Failed => failing = true,
                        Worked::Delivered => {
                            let rested = woken.is_none_or(|at| at.elapsed() >= WAKE_EVERY);
                            if failing && rested && self.queue.wake(clock::now()).await.is_ok() {
                                failing = false;
                                woken = Some(Instant::now());
                            }
                        }
                    }
                }
                () = self.bell.rung() => {}
                () = tokio::time::sleep_until(next_look) => {}
                () = due_at(resend) => {
                    resend = self.queue.resend_period().map(|period| Instant::now() + period);
                    if let Err(error) = self.queue.resend().await {
                        warn!(target: "portreeve::outbox", queue = self.queue.name(), "{error}");
                    }
                }
            }
        }
        let rest = async { while calls.join_next().await.is_some() {} };
        if tokio::time::timeout(LAST_CALLS, rest).await.is_err() {
            // They are pending still, and will be sent again with the same ids.
            calls.abort_all();
        }
    }

    /// Takes on what is due, and says when to look again.
    async fn fill(
        &self,
        busy: &mut Vec<ContainerKey>,
        calls: &mut JoinSet<(ContainerKey, Worked)>,
    ) -> Result<Instant, StoreError> {
        let now = clock::now();
        let free = AT_ONCE.saturating_sub(busy.len());
        if free == 0 {
            return Ok(Instant::now() + LOOK_EVERY);
        }
        for (key, item) in self.queue.due(now, busy, free).await? {
            busy.push(key.clone());
            let queue = self.queue.clone();
            calls.spawn(async move { (key, queue.work(item).await) });
        }
        let wait = match self.queue.next(now).await? {
            Some(next) => Duration::from_nanos(u64::try_from(next.since(now)).unwrap_or(0)),
            None => LOOK_EVERY,
        };
        Ok(Instant::now() + wait.clamp(Duration::from_millis(5), LOOK_EVERY))
    }
}

async fn due_at(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
