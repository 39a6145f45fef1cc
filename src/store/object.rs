//! Stored objects: identities of everything in force, and the documents that the API wrote.

use super::NewEvent;
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

/// What becomes of a stored object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectChange {
    /// It is so from now on. Its `revision` is the least that it is to have; if another one is given, and `written` was the same,
    /// that is the other one too.
    Put(Box<StoredObject>),
    /// It is gone.
    Gone {
        /// Name of its kind.
        kind: String,
        /// Its name.
        name: String,
        /// The least revision that this change is to have.
        revision: u64,
    },
}

impl ObjectChange {
    /// Kind and name of the object.
    pub fn key(&self) -> (&str, &str) {
        match self {
            Self::Put(object) => (&object.kind, &object.name),
            Self::Gone { kind, name, revision: _ } => (kind, name),
        }
    }

    /// The least revision that it is to have.
    pub const fn revision(&self) -> u64 {
        match self {
            Self::Put(object) => object.revision,
            Self::Gone { revision, .. } => *revision,
        }
    }
}

/// What is stored of an object before a write, or the write is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Whatever is there.
    Any,
    /// Nothing.
    Absent,
    /// The object as it was [written](StoredObject::written) at this revision; its status may have changed since.
    Written(u64),
}

impl Expected {
    /// Whether it is so, if the object is stored as it was written at this revision.
    pub fn is_met(self, stored: Option<u64>) -> bool {
        match self {
            Self::Any => true,
            Self::Absent => stored.is_none(),
            Self::Written(revision) => stored == Some(revision),
        }
    }
}

/// A write of one object.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectWrite {
    /// What must be stored before.
    pub expected: Expected,
    /// What becomes of it.
    pub change: ObjectChange,
    /// What tells of it, in the same transaction.
    pub event: Option<NewEvent>,
    /// When it was decided.
    pub at: Nanos,
}

/// What came of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectWritten {
    /// It is stored, at this revision: higher than every one given before.
    Stored(u64),
    /// Something else is stored than was expected: nothing, or the object as it was written at this revision.
    Conflict(Option<u64>),
}

/// A change as whoever follows them reads it: the last one of its object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectFollowed {
    /// Its revision.
    pub revision: u64,
    /// What the object is since then.
    pub change: ObjectChange,
}
