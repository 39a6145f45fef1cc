//! How whoever delivers to a target is woken.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::locked::locked;
use crate::outbox::Waker;
use crate::resource::ObjectKey;

/// One for each target that was ever served.
#[derive(Debug, Default)]
pub(super) struct Wakers(Mutex<HashMap<ObjectKey, Waker>>);

impl Wakers {
    pub(super) fn of(&self, target: &ObjectKey) -> Waker {
        locked(&self.0).entry(target.clone()).or_default().clone()
    }

    pub(super) fn wake(&self, target: &ObjectKey) {
        if let Some(waker) = locked(&self.0).get(target) {
            waker.wake();
        }
    }
}
