//! What the reconciler of containers holds, and what an inspect showed.

use std::sync::Arc;

use crate::controller::commit::Journal;
use crate::controller::parts::Parts;
use crate::observed::Container;

/// One container's reconciler.
pub(in crate::controller) struct Reconciler {
    pub(super) parts: Arc<Parts>,
    pub(super) journal: Journal,
}

/// What an inspect showed.
pub(super) enum Inspected {
    Shown(Arc<Container>),
    Gone,
    NotAsked,
}
