//! Containers that an engine will not tell of, or the store not take in.

use super::reconciler::Reconciler;
use super::recording::subject_of;
use crate::controller::reconcile::Trouble;
use crate::controller::work::Work;
use crate::observed::ContainerKey;
use crate::resource::event::EventKind;
use crate::store::{ChangeSet, NewEvent};

impl Reconciler {
    /// The cursor goes on without what came for this container: what is not known of it from now on.
    pub(super) fn refused(&self, key: &ContainerKey, work: &Work, trouble: &Trouble) -> ChangeSet {
        // A list finds it again.
        if let Some(attachment) = self.parts.engines.get(&key.engine) {
            attachment.seen.refused(&key.id);
        }
        let (name, now) = (self.name_of(key, work), self.parts.world.engine_now(&key.engine));
        let from = work.events.first().map_or(now, |arrival| arrival.event.at);
        let (reason, what) = match trouble {
            Trouble::Store(_) => ("StoreRefused", "what happened to it cannot be stored"),
            Trouble::Engine(_) | Trouble::Detached | Trouble::Reserved | Trouble::Panicked(_) => {
                ("InspectRefused", "it cannot be inspected")
            }
        };
        let message = format!("unknown since {from}: {what}: {trouble}");
        let event = NewEvent::new(EventKind::Gap, subject_of(key, name), now).because(reason);
        let event = event.status("unknown").saying(message);
        ChangeSet::told(event)
    }

    fn name_of(&self, key: &ContainerKey, work: &Work) -> String {
        let of_event = work.events.last().map(|arrival| arrival.event.name.clone());
        let known = || self.parts.records.get(key).map(|record| record.name.clone());
        of_event.filter(|name| !name.is_empty()).or_else(known).unwrap_or_default()
    }
}
