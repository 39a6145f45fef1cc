//! Storing identities of objects that come from elsewhere than the API.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::state::{Catalogue, LANES};
use crate::outbox::Commit;
use crate::resource::ObjectKey;
use crate::store::{ChangeSet, ObjectChange};

/// Between two tries while the store cannot commit.
const AGAIN: Duration = Duration::from_secs(1);

impl Catalogue {
    /// Stores what changes until `stop`. What cannot be stored by then is found to have changed at the next start.
    pub async fn keep(self: Arc<Self>, commit: Arc<dyn Commit>, stop: CancellationToken) {
        let keeping = async {
            loop {
                self.unsaved.notified().await;
                while !self.save(&*commit).await {
                    tokio::time::sleep(AGAIN).await;
                }
            }
        };
        stop.run_until_cancelled(keeping).await;
        self.save(&*commit).await;
    }

    /// Stores what is not stored yet; whether all of it could be.
    pub(super) async fn save(&self, commit: &dyn Commit) -> bool {
        let mut unsaved: Vec<Vec<ObjectKey>> = vec![Vec::new(); LANES];
        for key in &self.read().unsaved {
            unsaved[self.lane(key)].push(key.clone());
        }
        let mut all = self.save_events(commit).await;
        for (lane, keys) in unsaved.into_iter().enumerate().filter(|(_, keys)| !keys.is_empty()) {
            // While the lane is ours no API write can put a row that this one, read before it, would undo.
            let _turn = self.lanes[lane].lock().await;
            let objects = {
                let mut inner = self.change();
                let revision = inner.revision;
                let change = |key: &ObjectKey| match inner.row(key) {
                    Some(row) => ObjectChange::Put(Box::new(row)),
                    None => ObjectChange::Gone {
                        kind: key.kind.as_str().to_owned(),
                        name: key.name.clone(),
                        revision,
                    },
                };
                let objects = keys.iter().map(change).collect();
                for key in &keys {
                    inner.unsaved.remove(key);
                }
                objects
            };
            let changes = ChangeSet { objects, at: crate::clock::now(), ..ChangeSet::default() };
            if let Err(error) = commit.commit(changes).await {
                debug!(target: "portreeve::store", "identities are stored later: {error}");
                self.change().unsaved.extend(keys);
                all = false;
            }
        }
        all
    }

    async fn save_events(&self, commit: &dyn Commit) -> bool {
        let events = std::mem::take(&mut self.change().events);
        if events.is_empty() {
            return true;
        }
        let changes = ChangeSet { events: events.clone(), at: crate::clock::now(), ..ChangeSet::default() };
        let stored = commit.commit(changes).await.is_ok();
        if !stored {
            self.change().events.splice(0..0, events);
        }
        stored
    }
}
