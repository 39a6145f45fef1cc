//! What makes an object the same one as before, and tells whether it has changed.

use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::observed::Nanos;
use crate::resource::{Object, ObjectKey};
use crate::store::StoredObject;

/// Identity and version of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub uid: String,
    pub generation: u64,
    pub revision: u64,
    pub written: u64,
    pub created: Nanos,
    spec_hash: String,
    whole_hash: String,
}

impl Identity {
    pub(super) fn of(row: StoredObject) -> Self {
        let StoredObject { uid, generation, revision, written, created, spec_hash, whole_hash, .. } = row;
        Self { uid, generation, revision, written, created, spec_hash, whole_hash }
    }

    /// What `before` becomes when the object reads `object`; the same if it read so before.
    ///
    /// `revision` is taken for the change if there is one.
    pub(super) fn next(before: Option<&Self>, object: &Object, revision: u64, now: Nanos) -> Self {
        let spec_hash = hash(&object.spec);
        let metadata = &object.metadata;
        let whole_hash =
            hash(&(&spec_hash, &metadata.labels, &metadata.annotations, object.origin().to_string()));
        match before {
            Some(before) if before.whole_hash == whole_hash => before.clone(),
            Some(before) => Self {
                generation: before.generation + u64::from(before.spec_hash != spec_hash),
                revision,
                written: revision,
                spec_hash,
                whole_hash,
                ..before.clone()
            },
            None => Self {
                uid: Uuid::now_v7().to_string(),
                generation: 1,
                revision,
                written: revision,
                created: now,
                spec_hash,
                whole_hash,
            },
        }
    }

    /// Gives the revision of its last change another number.
    pub(super) fn renumber(&mut self, revision: u64) {
        if self.written == self.revision {
            self.written = revision;
        }
        self.revision = revision;
    }

    /// Writes itself into `object`.
    pub(super) fn stamp(&self, object: &mut Object) {
        object.metadata.uid = Some(self.uid.clone());
        object.metadata.generation = self.generation;
        object.metadata.resource_version = Some(self.revision.to_string());
        // Whole seconds, as everywhere in Kubernetes.
        object.metadata.creation_timestamp =
            jiff::Timestamp::from_second(self.created.0.div_euclid(1_000_000_000)).ok();
        object.status.observed_generation = self.generation;
        for condition in &mut object.status.conditions {
            condition.observed_generation = self.generation;
        }
    }

    pub(super) fn row(&self, key: &ObjectKey, document: Option<String>) -> StoredObject {
        let Self { uid, generation, revision, written, created, spec_hash, whole_hash } = self.clone();
        StoredObject {
            kind: key.kind.as_str().to_owned(),
            name: key.name.clone(),
            uid,
            generation,
            revision,
            written,
            created,
            spec_hash,
            whole_hash,
            document,
        }
    }
}

/// A fingerprint that stays the same across restarts.
fn hash(value: &impl Serialize) -> String {
    // Specs and text maps are always JSON.
    let text = serde_json::to_vec(value).unwrap_or_default();
    hex::encode(&Sha256::digest(text)[..16])
}
