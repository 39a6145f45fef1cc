//! Events as they are committed, for whoever watches them: read once for all, and only while somebody does.
//!
//! # Guarantees
//! Whoever subscribes, then reads the newest number, then says [`EventFeed::begin`] is given every event with a higher
//! number, in order, unless it lags: then it reads on from the store. Some may come that it knows already.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, broadcast};
use tracing::debug;

use crate::locked::locked;
use crate::store::{EventRow, Store};

/// How many events are read at once.
const PAGE: u32 = 256;
/// So many pages may wait for one that is slow.
const PAGES: usize = 64;
/// Between two tries of a store that cannot be read.
const AGAIN: Duration = Duration::from_secs(1);

/// See the module's documentation.
#[derive(Debug)]
pub struct EventFeed {
    told: broadcast::Sender<Arc<[EventRow]>>,
    committed: Notify,
    /// All events up to this number were told; `None` while nobody watches.
    last: Mutex<Option<i64>>,
}

impl Default for EventFeed {
    fn default() -> Self {
        Self { told: broadcast::Sender::new(PAGES), committed: Notify::new(), last: Mutex::default() }
    }
}

impl EventFeed {
    /// Events may have been committed.
    pub(super) fn committed(&self) {
        self.committed.notify_one();
    }

    /// Hears of every event from now on, once it has [begun](Self::begin).
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<[EventRow]>> {
        self.told.subscribe()
    }

    /// A subscriber knows, or reads for itself, all events up to the newest, which had the number `newest` after it subscribed.
    pub fn begin(&self, newest: i64) {
        locked(&self.last).get_or_insert(newest);
        // What was committed since then has been told of to nobody.
        self.committed();
    }

    /// Reads what is committed and tells it, until the process ends.
    pub(super) async fn run(self: Arc<Self>, store: Arc<dyn Store>) {
        loop {
            self.committed.notified().await;
            while let Some(last) = self.watched() {
                match store.events_after(last, PAGE).await {
                    Ok(rows) => {
                        let whole = u32::try_from(rows.len()).is_ok_and(|count| count < PAGE);
                        if let Some(newest) = rows.last().map(|row| row.id) {
                            *locked(&self.last) = Some(newest);
                            // Whoever watched may have gone.
                            let _ = self.told.send(rows.into());
                        }
                        if whole {
                            break;
                        }
                    }
                    Err(error) => {
                        debug!(target: "portreeve::store", "events cannot be read for those who watch them: {error}");
                        tokio::time::sleep(AGAIN).await;
                    }
                }
            }
        }
    }

    /// Where to read on, if anybody watches.
    fn watched(&self) -> Option<i64> {
        let mut last = locked(&self.last);
        if self.told.receiver_count() == 0 {
            *last = None;
        }
        *last
    }
}
