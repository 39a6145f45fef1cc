//! Sending what was committed: bills, one lane per container and service, and discovery cells.
//!
//! # Guarantees
//! Nothing is sent that is not committed, and nothing committed is given up. Bills of one container reach one
//! service in order: the next is sent after the answer to the one before has been stored. A container whose call
//! fails delays no other; a service that fails delays no other. A time that a service names (`Retry-After`) holds all
//! calls to it. While the store fails nothing new is sent.

use std::sync::Arc;
use std::time::Duration;

use crate::observed::{Nanos, Shard};
use crate::resource::{SecretRef, Signing};
use crate::store::{ChangeSet, Commit, Deliveries, OwnedShards, Settlement, StoreError};

pub mod billing;
mod call;
mod credentials;
pub mod discovery;
mod dispatch;
mod error;
mod fault;
mod outage;
mod outcome;
pub mod retry;
mod turn;
mod waker;

pub use call::HttpClient;
pub use dispatch::{Dispatcher, Queue, Unrecorded};
pub use error::DeliveryError;
pub use outcome::{DeliveryOutcome, Due};
pub use turn::Turn;
pub use waker::Waker;

/// What every delivery needs.
#[derive(Clone)]
pub struct DeliveryContext {
    /// Where the queues are read.
    pub store: Arc<dyn Deliveries>,
    /// Whose lanes and cells are worked on.
    pub owned: OwnedShards,
    /// Where results are committed.
    pub commit: Arc<dyn Commit>,
    /// For the calls.
    pub http: HttpClient,
}

impl DeliveryContext {
    /// Stores what came of a call.
    async fn settle(&self, settlement: Settlement) -> Result<(), StoreError> {
        let shard = settlement.shard().unwrap_or(Shard::Fleet);
        let changes =
            ChangeSet { settled: vec![settlement], at: crate::clock::now(), ..ChangeSet::of(shard) };
        self.commit.commit(changes).await
    }

    /// Stores what came of a call, or gives it back to be stored before anything else is sent.
    async fn settled(&self, settlement: Settlement, outcome: DeliveryOutcome) -> DeliveryOutcome {
        match self.settle(settlement.clone()).await {
            Ok(()) => outcome,
            Err(error) => DeliveryOutcome::Unrecorded(settlement, error.to_string()),
        }
    }
}

impl std::fmt::Debug for DeliveryContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeliveryContext").finish_non_exhaustive()
    }
}

/// A signature key in use.
fn signing_key(signing: Option<&Signing>) -> Option<&SecretRef> {
    signing.map(|signing| &signing.secret)
}

/// `wait` from now, as a point in time.
fn after(wait: Duration) -> Nanos {
    Nanos(crate::clock::now().0.saturating_add(i64::try_from(wait.as_nanos()).unwrap_or(i64::MAX)))
}
