//! Stored objects: identities of everything in force, and the documents that the API wrote.

use crate::observed::Nanos;

/// What is kept of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredObject {
    /// Name of its kind; one of a later version may be unknown here.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Given once.
    pub uid: String,
    /// Counts changes of the spec, from 1.
    pub generation: u64,
    /// Revision of its last change, of whatever part.
    pub revision: u64,
    /// Revision of the last change of spec, labels, annotations or origin.
    pub written: u64,
    /// When it was first stored.
    pub created: Nanos,
    /// Fingerprint of the spec with its defaults.
    pub spec_hash: String,
    /// Fingerprint of spec, labels, annotations and origin.
    pub whole_hash: String,
    /// The JSON document the API wrote, as it was given; `None` for objects from elsewhere.
    pub document: Option<String>,
}

/// A change to the stored objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectChange {
    /// It is so from now on.
    Put(Box<StoredObject>),
    /// It is gone.
    Gone {
        /// Name of its kind.
        kind: String,
        /// Its name.
        name: String,
        /// Revision of this change.
        revision: u64,
    },
}
