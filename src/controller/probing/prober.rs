//! What the prober holds.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use tokio::sync::{Semaphore, mpsc};
use tokio::task::AbortHandle;

use crate::controller::parts::Parts;
use crate::observed::{Nanos, ProbeTarget};
use crate::probe::Cost;
use crate::probe::reach::Reach;
use crate::resource::monitored_service::Target;
use crate::resource::probe::ProbeSpec;
use crate::store::ChangeSet;

/// One probe of one target.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct CheckId {
    pub(super) service: Arc<str>,
    pub(super) target: ProbeTarget,
    pub(super) probe: Arc<str>,
}

/// What a check is about; another one means a check of its own.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Check {
    pub(super) spec: ProbeSpec,
    pub(super) outside: Option<Target>,
    pub(super) started: Option<Nanos>,
}

pub(super) struct RunningCheck {
    pub(super) check: Arc<Check>,
    pub(super) task: AbortHandle,
}

/// Keeps the checks going.
pub(in crate::controller) struct Prober {
    pub(super) parts: Arc<Parts>,
    pub(super) running: Mutex<BTreeMap<CheckId, RunningCheck>>,
    pub(super) places: Mutex<(usize, HashMap<Cost, Arc<Semaphore>>)>,
    pub(super) unsaved: Mutex<BTreeSet<String>>,
    pub(super) reach: Mutex<Reach>,
    pub(super) changes: mpsc::UnboundedSender<ChangeSet>,
}
