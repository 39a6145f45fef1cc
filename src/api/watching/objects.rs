//! Declared objects of a kind, and every change of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::broadcast::{self, error::RecvError};

use super::lines::{WatchLines, Word};
use crate::api::label_selector::LabelSelector;
use crate::api::watching::Source;
use crate::catalogue::{Catalogue, Change};
use crate::resource::{KindId, Object};

/// All there are, and then what changes.
pub(in crate::api) struct ObjectChanges {
    catalogue: Arc<Catalogue>,
    kind: KindId,
    selector: LabelSelector,
    changes: broadcast::Receiver<Change>,
    /// What is there, until it is told.
    first: Option<Vec<Arc<Object>>>,
    known: BTreeMap<String, Arc<Object>>,
    revision: u64,
}

impl ObjectChanges {
    pub(in crate::api) fn new(catalogue: &Arc<Catalogue>, kind: KindId, selector: LabelSelector) -> Self {
        let (revision, objects, changes) = catalogue.watch(kind);
        let (catalogue, first, known) = (catalogue.clone(), Some(objects), BTreeMap::new());
        Self { catalogue, kind, selector, changes, first, known, revision }
    }

    /// Takes in one object as it is now, or went.
    fn see(&mut self, object: Arc<Object>, gone: bool, lines: &mut WatchLines) {
        let revision = version(&object);
        self.revision = self.revision.max(revision);
        let name = object.metadata.name.clone();
        let known = self.known.get(&name);
        // After a comparison, changes may still come that it took in already.
        if !gone && known.is_some_and(|known| version(known) >= revision) {
            return;
        }
        let wanted = !gone && self.selector.matches(&object.metadata.labels);
        let word = match (known.is_some(), wanted) {
            (false, true) => Word::Added,
            (true, true) => Word::Modified,
            (true, false) => Word::Deleted,
            (false, false) => return,
        };
        lines.add(word, &object);
        if wanted {
            self.known.insert(name, object);
        } else {
            self.known.remove(&name);
        }
    }

    /// Too much has changed to be told one by one: finds the difference.
    fn compare(&mut self, lines: &mut WatchLines) {
        let (revision, objects, changes) = self.catalogue.watch(self.kind);
        self.changes = changes;
        let here: BTreeMap<&str, _> =
            objects.iter().map(|object| (object.metadata.name.as_str(), object)).collect();
        let gone: Vec<_> = self
            .known
            .values()
            .filter(|known| !here.contains_key(known.metadata.name.as_str()))
            .cloned()
            .collect();
        for object in gone {
            self.see(object, true, lines);
        }
        for object in objects {
            self.see(object, false, lines);
        }
        self.revision = revision;
    }
}

impl Source for ObjectChanges {
    fn kind(&self) -> &'static str {
        self.kind.as_str()
    }

    fn id(&self) -> Option<String> {
        Some(self.revision.to_string())
    }

    async fn more(&mut self, lines: &mut WatchLines) -> bool {
        if let Some(first) = self.first.take() {
            first.into_iter().for_each(|object| self.see(object, false, lines));
            lines.bookmark(self.kind(), &self.revision.to_string());
            return true;
        }
        match self.changes.recv().await {
            Ok(Change { object, gone }) => {
                if object.spec.kind() == self.kind {
                    self.see(object, gone, lines);
                }
            }
            Err(RecvError::Lagged(_)) => self.compare(lines),
            Err(RecvError::Closed) => return false,
        }
        true
    }
}

fn version(object: &Object) -> u64 {
    object.metadata.resource_version.as_ref().and_then(|version| version.parse().ok()).unwrap_or(0)
}
