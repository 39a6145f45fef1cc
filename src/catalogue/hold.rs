//! What becomes of the API's objects that files declare, too: they are let go, but for copies of those that are to outlive
//! their files.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::document::normal;
use super::state::{Catalogue, Declared};
use crate::manifest::LoadedSet;
use crate::observed::Nanos;
use crate::resource::annotation::{PRUNE, PRUNE_DISABLED};
use crate::resource::condition::Condition;
use crate::resource::event::EventKind;
use crate::resource::secret::policy::Trust;
use crate::resource::{KindId, Object, ObjectKey, Origin};
use crate::store::NewEvent;

/// In the store: only root or Portreeve's own user can have written the file that this is a copy from.
const TRUSTED: &str = "trusted";
/// Whether an object that no file declares any more has been pruned.
const PRUNED: &str = "Pruned";

impl Catalogue {
    /// Keeps copies of the objects that are to outlive their files, as `set` declares them now, and lets go of what the API
    /// wrote of objects that are the files' from now on. To be called before it is decided what is in force.
    pub fn hold(&self, set: &LoadedSet) {
        let mut inner = self.change();
        let inner = &mut *inner;
        for loaded in &set.objects {
            let key = loaded.object.key();
            // Of `Settings` the API's fields stay in force beside the file's.
            let adopted = inner.declared.get(&key).is_some_and(|known| known.copied.is_none())
                && key.kind != KindId::Settings;
            if adopted {
                inner.declared.remove(&key);
                inner.events.push(adoption(&key, &loaded.place.file));
                inner.unsaved.insert(key);
            }
        }
        let objects = || set.objects.iter().map(|loaded| &loaded.object);
        for object in objects().filter(|object| object.metadata.is_kept()) {
            let (key, copy) = (object.key(), copy(object));
            let same =
                |known: &Declared| known.document == copy.document && known.object.trust == copy.object.trust;
            if !inner.declared.get(&key).is_some_and(same) {
                inner.declared.insert(key.clone(), copy);
                inner.unsaved.insert(key);
            }
        }
        let mut copies: BTreeSet<ObjectKey> = inner.declared.iter().filter_map(copied).collect();
        if copies.is_empty() {
            return;
        }
        // What a file declares without the annotation goes with its file again.
        let pruned: BTreeSet<ObjectKey> =
            objects().filter(|object| !object.metadata.is_kept()).map(Object::key).collect();
        copies.retain(|key| pruned.contains(key));
        for key in copies {
            inner.declared.remove(&key);
            inner.unsaved.insert(key);
        }
    }
}

fn copied((key, declared): (&ObjectKey, &Declared)) -> Option<ObjectKey> {
    declared.copied.is_some().then(|| key.clone())
}

/// The copy of an object of a file. Its document is the API's, but for the file's name.
fn copy(object: &Object) -> Declared {
    let mut spec = serde_json::to_value(&object.spec).unwrap_or_default();
    if let Some(fields) = spec.as_object_mut() {
        fields.retain(|name, _| object.given.contains(name));
    }
    let mut document = normal(object, &json!({ "spec": spec }));
    document["metadata"]["origin"] = json!(object.origin());
    let mut object = object.clone();
    object.metadata.origin = Some(Origin::Api);
    Declared { object, copied: file(&document), document: Arc::new(document) }
}

/// The document of an object as the store has it: with whom a copy may be trusted, since its file can no more be asked.
pub(super) fn stored(declared: &Declared) -> String {
    if declared.copied.is_none() || declared.object.trust == Trust::Restricted {
        return declared.document.to_string();
    }
    let mut document = Value::clone(&declared.document);
    document[TRUSTED] = json!(true);
    document.to_string()
}

/// What [`stored`] said of a document, which is without it then. What nothing is said of strangers may have written.
pub(super) fn take_trust(document: &mut Value) -> Trust {
    let said = document.as_object_mut().and_then(|fields| fields.remove(TRUSTED));
    if file(document).is_some() && said == Some(json!(true)) { Trust::Trusted } else { Trust::Restricted }
}

/// The file that a document is a copy from, if it is one.
pub(super) fn file(document: &Value) -> Option<String> {
    match document.pointer("/metadata/origin")?.as_str()?.parse() {
        Ok(Origin::Directory(file)) => Some(file),
        Ok(Origin::BuiltIn | Origin::Label | Origin::Environment | Origin::Api) | Err(_) => None,
    }
}

/// What the API wrote of an object is no more: otherwise it would come back when its file goes.
fn adoption(key: &ObjectKey, file: &str) -> NewEvent {
    let message = format!("{file} declares {key} now and replaces what was applied before");
    tracing::info!(target: "portreeve::manifests", "{message}");
    let event = NewEvent::new(EventKind::Adopted, key, crate::clock::now());
    event.because("DeclaredInFile").status("adopted").saying(message)
}

/// What is said of an object that its file declares no longer.
pub(super) fn condition(file: &str) -> Condition {
    let message =
        format!("{file} no longer declares it; {PRUNE}: {PRUNE_DISABLED} keeps it until it is deleted");
    Condition::new(PRUNED, false, "PruneDisabled", &message)
}

/// The same as an event, once.
pub(super) fn event(key: &ObjectKey, file: &str, at: Nanos) -> NewEvent {
    let message = format!(
        "{key} stays although {file} no longer declares it: {PRUNE}: {PRUNE_DISABLED}; `portreeve delete {key}` \
        removes it"
    );
    NewEvent::new(EventKind::Kept, key, at).because("PruneDisabled").status("kept").saying(message)
}
