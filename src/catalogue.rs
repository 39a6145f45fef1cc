//! Every object in force with its identity and status, as faces show it; and the one way by which the API writes.
//!
//! What is in force is decided by [`crate::desired::Desired`] alone. The catalogue follows it ([`Catalogue::sync`]) and adds what
//! a pure function cannot know: uids, generations, revisions and times. An API write is committed first, shows here at
//! once, and is then decided on with everything else.
//!
//! # Guarantees
//! - A write that was answered is stored, and every read after the answer shows it.
//! - Writes to one object are made one after the other; writes to different objects share commits.
//! - Identities of objects of directories and environment survive restarts too.
//! - The store gives revisions in the order in which it stores. What was shown with a revision before it was stored keeps it,
//!   unless something else was stored in between: then it is shown with the one that the store gave.
//!
//! # Objects that outlive their file
//! Of an object of a directory that says `portreeve/prune: disabled` a copy is kept ([`Catalogue::hold`]) as if the API
//! had written it: below the directory's, and so in force once no file declares the object any more, whether Portreeve
//! ran when it vanished or not. From then on it is the API's to change and to delete.
//!
//! # Objects that a file takes over
//! An object that the API wrote and a directory declares is the directory's from then on: what the API wrote is let go, with
//! an event, or it would come back when the file goes and is meant to take the object with it. `Settings` alone are both's.
//!
//! # Caveats
//! The time of transition of a condition does not survive a restart.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde_json::Value;
use tokio::sync::{Mutex as AsyncMutex, Notify, broadcast, watch};
use tracing::warn;

use self::identity::Identity;
use self::state::{Declared, Inner, LANES};
use crate::desired::Layers;
use crate::manifest::{Draft, draft};
use crate::resource::secret::policy::Trust;
use crate::resource::{KindId, Object, ObjectKey, Origin};
use crate::store::{Expected, Objects, StoreError, StoredObject};

mod document;
mod follow;
mod hold;
mod identity;
mod keep;
mod refused;
mod shown;
mod state;
#[cfg(test)]
mod tests;
mod write;

pub use refused::{Match, Refused};
pub use shown::{Outputs, figures};
pub use state::{Catalogue, Change};
pub use write::{Outcome, Request, Wish, Written};

/// Changes a watcher may fall behind before it has to compare everything.
const BEHIND: usize = 1024;

impl Catalogue {
    /// What `store` remembers. Nothing is shown before the first [`Catalogue::sync`].
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn load(store: &dyn Objects, layers: Layers) -> Result<Arc<Self>, StoreError> {
        let (revision, rows) = store.objects().await?;
        let mut inner = Inner { revision, ..Inner::default() };
        for row in rows {
            // One of a later version is left where it is.
            let Some(kind) = KindId::of(&row.kind) else { continue };
            let key = ObjectKey { kind, name: row.name.clone() };
            if let Some(text) = &row.document {
                match declared(text, &layers) {
                    Ok(declared) => drop(inner.declared.insert(key.clone(), declared)),
                    Err(why) => {
                        warn!(target: "portreeve::manifests", "{key}, written through the API before, is no longer \
                            valid and not in force: {why}");
                        inner.unreadable.insert(key, row.written);
                        continue;
                    }
                }
            }
            inner.identities.insert(key, Identity::of(row));
        }
        Ok(Arc::new(Self {
            inner: RwLock::new(inner),
            layers,
            lanes: std::array::from_fn(|_| AsyncMutex::default()),
            applied: watch::Sender::new(0),
            told: broadcast::Sender::new(BEHIND),
            unsaved: Notify::new(),
        }))
    }

    /// Objects the API wrote, and how many of its writes that takes in: to be handed to [`Catalogue::sync`].
    pub fn declared(&self) -> (u64, Vec<Object>) {
        let inner = self.read();
        (inner.applied, inner.declared.values().map(|declared| declared.object.clone()).collect())
    }

    /// Changes with every API write.
    pub fn writes(&self) -> watch::Receiver<u64> {
        self.applied.subscribe()
    }

    /// One object.
    pub fn get(&self, key: &ObjectKey) -> Option<Arc<Object>> {
        self.read().objects.get(key).cloned()
    }

    /// Every object of `kind` in the order of names, and the revision this holds at.
    pub fn list(&self, kind: KindId) -> (u64, Vec<Arc<Object>>) {
        let inner = self.read();
        (inner.revision, of_kind(&inner, kind))
    }

    /// The same, and every change from then on.
    pub fn watch(&self, kind: KindId) -> (u64, Vec<Arc<Object>>, broadcast::Receiver<Change>) {
        // Changes are told under the write lock, so that none falls between.
        let inner = self.read();
        (inner.revision, of_kind(&inner, kind), self.told.subscribe())
    }

    /// Names of the objects of `kind`.
    pub fn names(&self, kind: KindId) -> Vec<String> {
        self.list(kind).1.iter().map(|object| object.metadata.name.clone()).collect()
    }

    fn lane(&self, key: &ObjectKey) -> usize {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        usize::try_from(hasher.finish() % LANES as u64).unwrap_or(0)
    }

    /// Tells a change to whoever watches; nobody may.
    fn notify(&self, object: Arc<Object>, gone: bool) {
        let _ = self.told.send(Change { object, gone });
    }

    // What is guarded is changed whole or not at all: a panic elsewhere leaves nothing half done.
    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn of_kind(inner: &Inner, kind: KindId) -> Vec<Arc<Object>> {
    let first = ObjectKey { kind, name: String::new() };
    let found = inner.objects.range(first..).take_while(|(key, _)| key.kind == kind);
    found.map(|(_, object)| object.clone()).collect()
}

fn declared(text: &str, layers: &Layers) -> Result<Declared, String> {
    let mut document: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let copied = hold::file(&document);
    // A copy of what a file declared names what its file might.
    let trust = hold::take_trust(&mut document);
    let restricted = |draft: Draft| match trust {
        Trust::Trusted => Ok(draft),
        Trust::Restricted => draft.restricted(&layers.secrets),
    };
    let mut draft = draft(document, Origin::Api).and_then(restricted).map_err(|faulty| {
        faulty.faults.into_iter().map(|fault| fault.message).collect::<Vec<_>>().join("; ")
    })?;
    draft.object.trust = trust;
    Ok(Declared { object: draft.object, document: Arc::new(draft.document), copied })
}

impl Inner {
    fn next_revision(&mut self) -> u64 {
        self.revision += 1;
        self.revision
    }

    /// What the store is expected to hold of an object. Of what is still to be stored nothing is known there.
    fn expected(&self, key: &ObjectKey) -> Expected {
        match self.identities.get(key) {
            _ if self.unsaved.contains(key) => Expected::Any,
            Some(identity) => Expected::Written(identity.written),
            None => self.unreadable.get(key).map_or(Expected::Absent, |written| Expected::Written(*written)),
        }
    }

    /// The row of an object as it is now; `None` if it is gone.
    fn row(&self, key: &ObjectKey) -> Option<StoredObject> {
        let document = self.declared.get(key).map(hold::stored);
        Some(self.identities.get(key)?.row(key, document))
    }
}
