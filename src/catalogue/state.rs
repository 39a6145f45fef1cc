//! What the catalogue holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, RwLock};

use serde_json::{Map, Value};
use tokio::sync::{Mutex as AsyncMutex, Notify, broadcast, watch};

use super::identity::Identity;
use crate::desired::Layers;
use crate::resource::condition::Condition;
use crate::resource::{Object, ObjectKey};
use crate::store::NewEvent;

/// Writers side by side, each responsible for some of the names.
pub(super) const LANES: usize = 32;

/// The part of a status that is seen, not declared.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Shown {
    pub(super) conditions: Vec<Condition>,
    pub(super) figures: Map<String, Value>,
}

/// A change to what is in force.
#[derive(Clone, Debug)]
pub struct Change {
    /// The object as it is now; of one that is gone, as it was, with the revision at which it went.
    pub object: Arc<Object>,
    /// Whether it is gone.
    pub gone: bool,
}

/// An object that the API wrote, or a copy of one of a directory.
#[derive(Clone, Debug)]
pub(super) struct Declared {
    pub(super) object: Object,
    pub(super) document: Arc<Value>,
    /// The file it is a copy from.
    pub(super) copied: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct Inner {
    /// The highest revision given.
    pub(super) revision: u64,
    /// Counts API writes in the order in which they show.
    pub(super) applied: u64,
    pub(super) objects: BTreeMap<ObjectKey, Arc<Object>>,
    pub(super) identities: BTreeMap<ObjectKey, Identity>,
    pub(super) declared: BTreeMap<ObjectKey, Declared>,
    /// What the store holds and this version cannot read, and at which revision it was written: a write may replace it.
    pub(super) unreadable: BTreeMap<ObjectKey, u64>,
    /// API writes that what is in force may not know of yet.
    pub(super) touched: BTreeMap<ObjectKey, u64>,
    /// Identities that are not stored as they are now.
    pub(super) unsaved: BTreeSet<ObjectKey>,
    /// What is seen of objects while they are in force.
    pub(super) shown: BTreeMap<ObjectKey, Shown>,
    /// Events to be stored with them.
    pub(super) events: Vec<NewEvent>,
}

/// All objects. See the module's documentation.
#[derive(Debug)]
pub struct Catalogue {
    pub(super) inner: RwLock<Inner>,
    pub(super) layers: Layers,
    pub(super) lanes: [AsyncMutex<()>; LANES],
    pub(super) applied: watch::Sender<u64>,
    pub(super) told: broadcast::Sender<Change>,
    pub(super) unsaved: Notify,
}
