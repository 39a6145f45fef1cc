//! Sending what was committed: bills, one lane per container and service, and discovery cells.
//!
//! # Guarantees
//! Nothing is sent that is not committed, and nothing committed is given up. Bills of one container reach one
//! service in order: the next is sent after the answer to the one before has been stored. A container whose call
//! fails delays no other; a service that fails delays no other. A time that a service names (`Retry-After`) holds all
//! calls to it. While the store fails nothing new is sent.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;

use crate::guard::SecretError;
use crate::observed::{ContainerKey, Nanos};
use crate::resource::{SecretRef, Signing};
use crate::store::{ChangeSet, Settlement, Store, StoreError};

pub mod billing;
mod call;
mod credentials;
pub mod discovery;
mod dispatch;
mod fault;
mod outage;
pub mod retry;
mod turn;

pub use call::HttpClient;
pub use dispatch::{Dispatcher, Queue, Unrecorded};
pub use turn::Turn;

/// Why a call was not made or not taken.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The service cannot be reached, broke off or took too long. Normal while it restarts; tried again for ever.
    #[error("{asked}: {why}")]
    Transport {
        /// Method and URL, without what may be secret in it.
        asked: String,
        /// What went wrong.
        why: String,
    },
    /// The service answered, but not with success.
    #[error("{asked}: HTTP {status}{}", .retry_after.map(|wait| format!(", to be tried again in {} s", wait.as_secs())).unwrap_or_default())]
    Status {
        /// Method and URL, without what may be secret in it.
        asked: String,
        /// HTTP status.
        status: u16,
        /// Its `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// The secret a call needs is not there now. Tried again: it may be mounted later.
    #[error("{asked}: no secret: {source}")]
    Secret {
        /// Method and URL, without what may be secret in it.
        asked: String,
        /// Why there is none.
        source: SecretError,
    },
    /// The resource's URL cannot be used.
    #[error("the URL {0}")]
    Url(String),
    /// It was under way when Portreeve was stopped or the service was declared otherwise. The service may have heard it.
    #[error("the call was broken off: Portreeve stopped, or the service was declared otherwise")]
    BrokenOff,
}

impl DeliveryError {
    /// How long the service does not want to be called, by any container's account.
    const fn hold(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            Self::Transport { .. } | Self::Secret { .. } | Self::Url(_) | Self::BrokenOff => None,
        }
    }
}

/// Who commits what deliveries came to; batches with everybody else.
#[async_trait]
pub trait Commit: Send + Sync + 'static {
    /// Commits `changes` durably before it returns.
    async fn commit(&self, changes: ChangeSet) -> Result<(), StoreError>;
}

/// What every delivery needs.
#[derive(Clone)]
pub struct DeliveryContext {
    /// Where the queues are read.
    pub store: Arc<dyn Store>,
    /// Where results are committed.
    pub commit: Arc<dyn Commit>,
    /// For the calls.
    pub http: HttpClient,
}

impl DeliveryContext {
    /// Stores what came of a call.
    async fn settle(&self, settlement: Settlement) -> Result<(), StoreError> {
        let changes =
            ChangeSet { settled: vec![settlement], at: crate::clock::now(), ..ChangeSet::default() };
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

/// Wakes a dispatcher: something was committed for its target.
#[derive(Clone, Debug, Default)]
pub struct Waker(Arc<Notify>);

impl Waker {
    /// There may be work.
    pub fn wake(&self) {
        self.0.notify_one();
    }

    async fn woken(&self) {
        self.0.notified().await;
    }
}

/// A signature key in use.
fn signing_key(signing: Option<&Signing>) -> Option<&SecretRef> {
    signing.map(|signing| &signing.secret)
}

/// What came of working on one lane or cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// Everything in hand was taken.
    Delivered,
    /// It has to wait, or is parked.
    Failed,
    /// Nothing was begun: it is not the time.
    NotBegun,
    /// What came of the call could not be stored, and why. It is stored before anything else is sent: a store that
    /// fails must not make the same call again and again.
    Unrecorded(Settlement, String),
}

/// The key and due time by which queues are told apart; re-exported for implementors of [`Queue`].
pub type Due<T> = Vec<(ContainerKey, T)>;

/// Seed for jitter: differs by lane, not by time.
fn seed(name: &str, key: &ContainerKey, attempts: u32) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    (name, &key.engine, &key.id, attempts).hash(&mut hasher);
    hasher.finish()
}

/// `wait` from now, as a point in time.
fn after(wait: Duration) -> Nanos {
    Nanos(crate::clock::now().0.saturating_add(i64::try_from(wait.as_nanos()).unwrap_or(i64::MAX)))
}
