//! What all calls of one dispatcher have in common: how they are ended, how they are held, and what is said of them.

use std::fmt::Display;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::DeliveryError;
use super::outage::{Outage, Said};
use crate::clock;
use crate::resource::KindId;

#[derive(Debug, Default)]
struct Common {
    /// Nothing new is begun once this is cancelled.
    stop: CancellationToken,
    /// What is under way is broken off once this is cancelled.
    cut: CancellationToken,
    /// How often the target has named a time before which it is not to be called.
    holds: AtomicU64,
    /// Such times that are not stored yet.
    unstored: AtomicUsize,
    outage: Mutex<Outage>,
}

/// The leave to make calls, as of the moment in which it was given.
#[derive(Clone, Debug, Default)]
pub struct Turn {
    common: Arc<Common>,
    holds: u64,
}

impl Turn {
    pub(super) fn new(stop: CancellationToken) -> Self {
        Self { common: Arc::new(Common { stop, ..Common::default() }), holds: 0 }
    }

    /// The leave to begin calls, if nothing holds them but perhaps what is stored.
    pub(super) fn next(&self) -> Option<Self> {
        let holds = self.common.holds.load(Ordering::SeqCst);
        let held = self.common.unstored.load(Ordering::SeqCst) > 0;
        (!held).then(|| Self { common: self.common.clone(), holds })
    }

    /// Whether a further call may be begun: nobody has said stop or wait since this was given.
    pub(super) fn may_begin(&self) -> bool {
        !self.common.stop.is_cancelled() && self.common.holds.load(Ordering::SeqCst) == self.holds
    }

    /// Makes `call`, unless it is broken off.
    pub(super) async fn make<T>(
        &self,
        call: impl Future<Output = Result<T, DeliveryError>>,
    ) -> Result<T, DeliveryError> {
        tokio::select! {
            biased;
            answer = call => answer,
            () = self.common.cut.cancelled() => Err(DeliveryError::BrokenOff),
        }
    }

    /// Breaks off what is under way.
    pub(super) fn cut(&self) {
        self.common.cut.cancel();
    }

    /// The target named a time before which it is not to be called: nothing is begun until that is stored, which it is
    /// once the answer of this is dropped.
    pub(super) fn hold(&self) -> Hold {
        self.common.holds.fetch_add(1, Ordering::SeqCst);
        self.common.unstored.fetch_add(1, Ordering::SeqCst);
        Hold(self.common.clone())
    }

    /// Says that a call failed: of each bill or state the `first` time by `line`, then as a number.
    pub(super) fn failed(
        &self,
        first: bool,
        kind: KindId,
        name: &str,
        error: &dyn Display,
        line: impl FnOnce(),
    ) {
        let said = self.outage().failed(clock::now(), first);
        match said {
            Said::Itself => line(),
            Said::Nothing => {
                debug!(target: "portreeve::outbox", "{kind}/{name}: a call failed again: {error}")
            }
            Said::Again { calls, within } => {
                warn!(target: "portreeve::outbox", calls, "{kind}/{name}: {calls} more calls failed in the last {} s; the last: {error}", within.as_secs());
            }
        }
    }

    /// Says that the target answers again, if it was said that it does not.
    pub(super) fn answered(&self, kind: KindId, name: &str) {
        let over = self.outage().answered(clock::now());
        if let Some((lasted, failures)) = over {
            info!(target: "portreeve::outbox", failures, "{kind}/{name}: accepts calls again after {} s and {failures} failed calls", lasted.as_secs());
        }
    }

    fn outage(&self) -> std::sync::MutexGuard<'_, Outage> {
        self.common.outage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A time that a target named and that is not stored yet.
pub(super) struct Hold(Arc<Common>);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.unstored.fetch_sub(1, Ordering::SeqCst);
    }
}
