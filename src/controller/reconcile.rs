//! What a reconciler is: gather, and decide.

use std::sync::Arc;

use super::commit::Journal;
use super::parts::Parts;
use super::plan::Plan;
use super::work::Work;
use crate::docker::DockerError;
use crate::store::{ChangeSet, StoreError};

/// Why the work on a key has to be done again later.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// The engine is away; its return resumes the work.
    #[error("the engine is not connected")]
    Detached,
    /// The engine did not answer, or not with sense.
    #[error(transparent)]
    Engine(#[from] DockerError),
    /// The store could not read or commit.
    #[error(transparent)]
    Store(#[from] Arc<StoreError>),
    /// Another reconciler acts on the container; when that is over this is decided again.
    #[error("something else is being done to the container")]
    Reserved,
    /// A fault of Portreeve's own.
    #[error("a fault of Portreeve's own: {0}")]
    Panicked(String),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl Trouble {
    /// Whether it is of this key alone: everything else goes on, and so may it.
    pub(super) fn is_of_this_alone(&self) -> bool {
        match self {
            Self::Engine(error) => error.is_of_this_alone(),
            Self::Store(error) => error.is_refused(),
            Self::Panicked(_) => true,
            Self::Detached | Self::Reserved => false,
        }
    }
}

/// What decides about one kind of key.
pub(super) trait Reconcile: Send + Sync {
    /// By what one of the kind is known.
    type Id: Sync;

    /// A reconciler; `journal` says how far each engine's events are dealt with.
    fn new(parts: &Arc<Parts>, journal: &Journal) -> Self;

    /// Gathers what is known (snapshots, perhaps an inspect) and decides; `work` is what came for the key.
    fn plan(&self, id: &Self::Id, work: &Work) -> impl Future<Output = Result<Plan, Trouble>> + Send;

    /// What is recorded when `work` is let go: the cursor no longer waits for it.
    fn let_go(&self, _id: &Self::Id, _work: &Work, _trouble: &Trouble) -> Option<ChangeSet> {
        None
    }
}
