//! Work that failed, and containers that an engine will not tell of.

use std::time::Duration;

use tracing::{debug, warn};

use super::{Reconciler, Trouble};
use crate::controller::queue::Work;
use crate::observed::ContainerKey;
use crate::resource::event::EventKind;
use crate::resource::event::subject::EventSubject;
use crate::store::{ChangeSet, NewEvent};

/// After so many failures in a row that are of one container alone nothing else waits for it.
const PATIENCE: u32 = 5;

impl Trouble {
    /// Whether the engine answers and will not tell of this container.
    const fn is_of_this_container(&self) -> bool {
        match self {
            Self::Engine(error) => error.is_of_this_alone(),
            Self::Detached | Self::Store(_) => false,
        }
    }
}

impl Reconciler {
    /// Has the work done again after a while.
    pub(super) async fn later(&self, key: &ContainerKey, mut work: Work, trouble: &Trouble) {
        debug!(container = %key, failures = work.failures, "will be tried again: {trouble}");
        if work.failures == 3 && !matches!(trouble, Trouble::Detached) {
            warn!(container = %key, "cannot be processed: {trouble}; Portreeve keeps trying");
        }
        if trouble.is_of_this_container() && work.failures + 1 >= PATIENCE {
            self.let_go(key, &mut work, trouble).await;
        }
        let wait = Duration::from_millis(100 << work.failures.min(if work.let_go { 7 } else { 5 }));
        self.shared.queue.put_back(key, work);
        let (shared, key) = (self.shared.clone(), key.clone());
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            shared.queue.resume(&key);
        });
    }

    /// The engine will not tell of this container. What came for it is kept as far as there is room and tried again, but the
    /// cursor goes on without it: should this process end meanwhile, what happened to it is not known, and that is said now.
    async fn let_go(&self, key: &ContainerKey, work: &mut Work, trouble: &Trouble) {
        let mut changes = ChangeSet::default();
        if !work.let_go {
            let (name, now) = (self.name_of(key, work), self.shared.engine_now(&key.engine));
            let from = work.events.first().map_or(now, |arrival| arrival.event.at);
            let subject = EventSubject::Container {
                engine: key.engine.to_string(),
                id: key.id.to_string(),
                name,
                image: String::new(),
                host: String::new(),
            };
            let message = format!("unknown since {from}: it cannot be inspected: {trouble}");
            let gap = NewEvent::new(EventKind::Gap, subject, now).because("InspectRefused");
            changes.events.push(gap.status("unknown").saying(message));
        }
        if let Err(error) = self.finish(changes, work).await {
            debug!(container = %key, "it is waited for: {error}");
            return;
        }
        work.let_go();
        if let Some(attachment) = self.shared.attachment(&key.engine) {
            attachment.seen.refused(&key.id);
        }
    }

    fn name_of(&self, key: &ContainerKey, work: &Work) -> String {
        let of_event = work.events.last().map(|arrival| arrival.event.name.clone());
        let known = || self.shared.record(key).map(|record| record.name.clone());
        of_event.filter(|name| !name.is_empty()).or_else(known).unwrap_or_default()
    }
}
