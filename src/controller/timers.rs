//! When to look again at a key although nothing was heard. One instant per key and reason; none: no timer runs.

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::key::Key;
use crate::locked::locked;

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Due {
    /// To decide again.
    Decide,
    /// To inspect it although nothing was heard of it.
    Look,
    /// To take up again what failed.
    Resume,
}

impl Due {
    /// The instant that is so many nanoseconds away: never at once, for what is due now was decided, or looked at, just now.
    pub(super) fn after(self, nanos: i64) -> Instant {
        let soonest = match self {
            Self::Decide | Self::Resume => Duration::from_millis(10),
            Self::Look => Duration::from_secs(1),
        };
        Instant::now() + Duration::from_nanos(u64::try_from(nanos).unwrap_or(0)).max(soonest)
    }
}

type Timer = (Key, Due);

#[derive(Debug, Default)]
struct Inner {
    by_time: BTreeSet<(Instant, Timer)>,
    by_key: HashMap<Timer, Instant>,
}

/// At most one instant per key and reason.
#[derive(Debug, Default)]
pub(super) struct Timers {
    inner: Mutex<Inner>,
    changed: Notify,
}

impl Timers {
    /// Sets, replaces or (`None`) clears an instant.
    pub(super) fn set(&self, key: impl Into<Key>, due: Due, at: Option<Instant>) {
        let timer = (key.into(), due);
        let mut inner = locked(&self.inner);
        if let Some(old) = inner.by_key.remove(&timer) {
            inner.by_time.remove(&(old, timer.clone()));
        }
        if let Some(at) = at {
            inner.by_key.insert(timer.clone(), at);
            inner.by_time.insert((at, timer));
            drop(inner);
            self.changed.notify_one();
        }
    }

    /// The next that is due; waits for it.
    pub(super) async fn due(&self) -> Timer {
        loop {
            let next = locked(&self.inner).by_time.first().cloned();
            match next {
                Some((at, (key, due))) if at <= Instant::now() => {
                    self.set(key.clone(), due, None);
                    return (key, due);
                }
                Some((at, _)) => tokio::select! {
                    () = tokio::time::sleep_until(at) => {}
                    () = self.changed.notified() => {}
                },
                None => self.changed.notified().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_key_has_one_instant_for_each_reason_and_they_come_in_order() {
        let (timers, web, now) = (Timers::default(), Key::service("web"), Instant::now());
        let at = |seconds| Some(now + Duration::from_secs(seconds));
        timers.set(web.clone(), Due::Decide, at(30));
        timers.set(web.clone(), Due::Look, at(20));
        timers.set(web.clone(), Due::Decide, at(10));
        assert_eq!(timers.due().await, (web.clone(), Due::Decide));
        assert_eq!(timers.due().await, (web.clone(), Due::Look));
        assert_eq!(now.elapsed(), Duration::from_secs(20));
        timers.set(web.clone(), Due::Decide, at(30));
        timers.set(web, Due::Decide, None);
        assert!(tokio::time::timeout(Duration::from_secs(60), timers.due()).await.is_err());
    }
}
