//! Why a delivery failed.

use std::time::Duration;

use crate::guard::SecretError;

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
    pub(super) const fn hold(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            Self::Transport { .. } | Self::Secret { .. } | Self::Url(_) | Self::BrokenOff => None,
        }
    }
}
