//! Why a call did not do what was asked.

use std::path::PathBuf;

use super::refusal::Refused;

/// Why a call did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum ClientError {
    /// Nobody answers, or not in time. Normal while Portreeve is down.
    #[error(
        "cannot reach Portreeve at {server}: {why}; is `portreeve run` running there? --server or PORTREEVE_SERVER says where it listens"
    )]
    Unreachable {
        /// Its address.
        server: String,
        /// What went wrong.
        why: String,
    },
    /// Portreeve answered, and not with yes.
    #[error("{0}")]
    Refused(Refused),
    /// Somebody else answered.
    #[error(
        "{server} does not answer as Portreeve does ({why}); --server or PORTREEVE_SERVER says where it listens"
    )]
    Stranger {
        /// Its address.
        server: String,
        /// What is odd.
        why: String,
    },
    /// Somebody else may listen at the socket that was named: nothing was sent there.
    #[error("{} is not asked: {why}", path.display())]
    Untrusted {
        /// The socket.
        path: PathBuf,
        /// Who may listen there.
        why: String,
    },
}

/// The innermost cause, which is the one that says something.
pub(super) fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

impl ClientError {
    /// Whether what was asked for does not exist.
    pub(in crate::cli) const fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused(Refused { code: 404, .. }))
    }

    /// Whether it may pass by itself: nobody answered, or somebody who cannot just now.
    pub(in crate::cli) const fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Stranger { .. } => true,
            Self::Refused(Refused { code, .. }) => *code >= 500,
            Self::Untrusted { .. } => false,
        }
    }

    /// What went wrong, without what to do about it.
    pub(in crate::cli) fn why(&self) -> String {
        match self {
            Self::Unreachable { why, .. } | Self::Stranger { why, .. } | Self::Untrusted { why, .. } => {
                why.clone()
            }
            Self::Refused(refused) => refused.one_line(),
        }
    }
}
