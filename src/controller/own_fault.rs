//! What is wrong with Portreeve itself: while it is, nothing is healed.

use std::sync::Mutex;

use tokio::time::Instant;

use crate::locked::locked;

/// The last fault, and until when it counts.
#[derive(Debug, Default)]
pub(super) struct OwnFault(Mutex<Option<(String, Instant)>>);

impl OwnFault {
    pub(super) fn set(&self, why: String, until: Instant) {
        *locked(&self.0) = Some((why, until));
    }

    /// What is wrong, if anything is.
    pub(super) fn get(&self) -> Option<String> {
        let fault = locked(&self.0);
        fault.as_ref().filter(|(_, until)| *until > Instant::now()).map(|(why, _)| why.clone())
    }
}
