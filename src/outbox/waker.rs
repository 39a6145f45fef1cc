//! How a dispatcher hears of what was committed.

use std::sync::Arc;

use tokio::sync::Notify;

/// Wakes a dispatcher: something was committed for its target.
#[derive(Clone, Debug, Default)]
pub struct Waker(Arc<Notify>);

impl Waker {
    /// There may be work.
    pub fn wake(&self) {
        self.0.notify_one();
    }

    pub(super) async fn woken(&self) {
        self.0.notified().await;
    }
}
