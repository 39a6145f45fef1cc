//! Events as they are recorded.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::{self, error::RecvError};
use tracing::debug;

use super::item::item;
use crate::api::Api;
use crate::api::status::Failure;
use crate::api::watching::{self, Source, WatchLines, Word};
use crate::catalogue::Outputs;
use crate::controller::View;
use crate::store::{EventFilter, EventRow};

/// So many events are read at once.
const PAGE: u32 = 256;
/// Between two tries of a store that cannot be read.
const AGAIN: Duration = Duration::from_secs(1);

/// Every event with a higher number than one of them, in the order of their numbers.
pub(super) struct EventChanges {
    view: View,
    filter: EventFilter,
    outputs: Outputs,
    told: broadcast::Receiver<Arc<[EventRow]>>,
    /// The last event that was told, or that the filter does not let through.
    last: i64,
    /// Whether what follows is to be read from the store, not heard.
    behind: bool,
    /// Whether it is to be said how far it has come, once that is far enough.
    catching_up: bool,
}

impl EventChanges {
    /// Those after the event with the number `after`; `None`: from now on.
    pub(super) async fn new(
        api: &Api,
        filter: EventFilter,
        outputs: Outputs,
        after: Option<i64>,
    ) -> Result<Self, Failure> {
        let view = api.view.clone();
        let told = view.feed().subscribe();
        let newest = view.newest_event().await?;
        if let Some(after) = after {
            if after > newest {
                return Err(watching::gone(&after.to_string(), "no event has had that number yet"));
            }
            if !view.keeps_events_after(after).await? {
                return Err(watching::gone(&after.to_string(), "not all events since then are kept"));
            }
        }
        view.feed().begin(newest);
        let last = after.unwrap_or(newest);
        Ok(Self { view, filter, outputs, told, last, behind: last < newest, catching_up: true })
    }

    fn tell(&mut self, rows: &[EventRow], lines: &mut WatchLines) {
        // What is heard may have been read before.
        let last = self.last;
        for row in rows.iter().filter(|row| row.id > last) {
            self.last = row.id;
            if self.filter.admits(&row.event) {
                lines.add(Word::Added, &item(row.clone(), self.outputs));
            }
        }
    }
}

impl Source for EventChanges {
    fn kind(&self) -> &'static str {
        "Event"
    }

    fn id(&self) -> Option<String> {
        Some(self.last.to_string())
    }

    async fn more(&mut self, lines: &mut WatchLines) -> bool {
        if !self.behind && std::mem::take(&mut self.catching_up) {
            lines.bookmark(self.kind(), &self.last.to_string());
        } else if self.behind {
            match self.view.events_after(self.last, PAGE).await {
                Ok(rows) => {
                    self.behind = u32::try_from(rows.len()).is_ok_and(|count| count >= PAGE);
                    self.tell(&rows, lines);
                }
                Err(error) => {
                    debug!(target: "portreeve::api", "events cannot be read for a watch: {error}");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        } else {
            match self.told.recv().await {
                Ok(rows) => self.tell(&rows, lines),
                Err(RecvError::Lagged(_)) => self.behind = true,
                Err(RecvError::Closed) => return false,
            }
        }
        true
    }
}
