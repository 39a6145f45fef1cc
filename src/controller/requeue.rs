//! Having containers decided on again.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::key::Key;
use super::parts::Parts;
use crate::desired::Scope;
use crate::reconcile::record::Record;

impl Parts {
    /// Has everything about every container decided again, also about those of which nothing is remembered yet because
    /// they are being decided on for the first time.
    pub(super) fn requeue_all(&self) {
        let at_work = self.queue.at_work();
        let known = self.records.keys(|_| true);
        self.queue.add_behind(known.iter().map(Key::from).chain(at_work).collect::<BTreeSet<Key>>());
    }

    /// Has the containers decided again about which something else may be decided than before, behind what happens meanwhile.
    pub(super) fn requeue(&self, scope: &Scope) {
        if scope.is_empty() {
            return;
        }
        let at_work = self.queue.at_work();
        let world = self.world.load();
        let touched = |record: &Arc<Record>| {
            let known = world.containers.get(&record.key);
            scope.touches(&known.map_or_else(|| record.subject(), |known| known.subject()))
        };
        let touched = self.records.keys(touched);
        self.queue.add_behind(touched.iter().map(Key::from).chain(at_work).collect::<BTreeSet<Key>>());
    }
}
