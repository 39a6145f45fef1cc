//! Storing identities of objects that come from elsewhere than the API.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::state::Catalogue;
use crate::observed::Shard;
use crate::resource::ObjectKey;
use crate::store::{ChangeSet, Commit, Expected, ObjectChange, ObjectWrite, ObjectWritten};

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
        let stored = self.save_events(commit).await;
        let lanes: BTreeSet<usize> = self.read().unsaved.iter().map(|key| self.lane(key)).collect();
        // While the lanes are ours no API write can put a row that this one, read before it, would undo. Whoever writes holds one
        // lane, so in their order all can be had.
        let mut turns = Vec::with_capacity(lanes.len());
        for lane in &lanes {
            turns.push(self.lanes[*lane].lock().await);
        }
        let (keys, writes) = self.unsaved_writes(&lanes);
        if keys.is_empty() {
            return stored;
        }
        // They share transactions all the same, in this order; and one that is refused keeps no other from being stored.
        let each = writes.into_iter().map(async |write| {
            let asked = write.change.revision();
            (asked, commit.write_objects(vec![write]).await)
        });
        let mut all = stored;
        for (key, (asked, written)) in keys.into_iter().zip(futures_util::future::join_all(each).await) {
            match written {
                Ok(written) => written.into_iter().for_each(|written| self.adopt(&key, asked, written)),
                Err(error) => {
                    debug!(target: "portreeve::store", %key, "its identity is stored later: {error}");
                    self.change().unsaved.insert(key);
                    all = false;
                }
            }
        }
        if !all {
            // Whoever keeps them may have looked meanwhile and found nothing.
            self.unsaved.notify_one();
        }
        all
    }

    /// Takes what is not stored yet of the objects of `lanes`: in the order of their revisions, in which the store gives them.
    fn unsaved_writes(&self, lanes: &BTreeSet<usize>) -> (Vec<ObjectKey>, Vec<ObjectWrite>) {
        let now = crate::clock::now();
        let mut inner = self.change();
        let revision = inner.revision;
        let keys = std::mem::take(&mut inner.unsaved);
        let (keys, others) =
            keys.into_iter().partition::<BTreeSet<_>, _>(|key| lanes.contains(&self.lane(key)));
        inner.unsaved = others;
        let change = |key: &ObjectKey| match inner.row(key) {
            Some(row) => ObjectChange::Put(Box::new(row)),
            None => {
                ObjectChange::Gone { kind: key.kind.as_str().to_owned(), name: key.name.clone(), revision }
            }
        };
        let mut writes: Vec<_> = keys.into_iter().map(|key| (change(&key), key)).collect();
        writes.sort_by_key(|(change, _)| change.revision());
        let write = |(change, key)| {
            // What is in force decides, whatever is stored.
            (key, ObjectWrite { expected: Expected::Any, change, event: None, at: now })
        };
        writes.into_iter().map(write).unzip()
    }

    /// Takes over the revision that the store gave, if it is not the one that was asked for: others may have been given meanwhile.
    fn adopt(&self, key: &ObjectKey, asked: u64, written: ObjectWritten) {
        let ObjectWritten::Stored(revision) = written else { return };
        let mut inner = self.change();
        inner.revision = inner.revision.max(revision);
        let Some(identity) = inner.identities.get_mut(key) else { return };
        if revision == asked || identity.revision != asked {
            return;
        }
        identity.renumber(revision);
        let identity = identity.clone();
        let Some(object) = inner.objects.get_mut(key) else { return };
        identity.stamp(Arc::make_mut(object));
        let object = object.clone();
        self.notify(object, false);
    }

    async fn save_events(&self, commit: &dyn Commit) -> bool {
        let events = std::mem::take(&mut self.change().events);
        if events.is_empty() {
            return true;
        }
        // They are about objects: the fleet's.
        let of_objects =
            ChangeSet { events: events.clone(), at: crate::clock::now(), ..ChangeSet::of(Shard::Fleet) };
        let stored = commit.commit(of_objects).await;
        let later = stored.as_ref().is_err_and(|error| !error.is_refused());
        if later {
            self.change().events.splice(0..0, events);
            self.unsaved.notify_one();
        }
        !later
    }
}
