//! Why a call did not do what was asked.

use std::path::PathBuf;

use super::refusal::Refused;
use crate::tls;

/// Why a call did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum ClientError {
    /// Nobody answers, or not in time. Normal while Portreeve is down.
    #[error(
        "cannot reach Portreeve at {server}: {why}; is `portreeve run` running there? If it listens elsewhere, set \
        --server or PORTREEVE_SERVER"
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
        "the server at {server} is not Portreeve ({why}); set --server or PORTREEVE_SERVER to its address"
    )]
    Stranger {
        /// Its address.
        server: String,
        /// What is odd.
        why: String,
    },
    /// Somebody else may listen at the socket that was named: nothing was sent there.
    #[error("{} is not used: {why}", path.display())]
    Untrusted {
        /// The socket.
        path: PathBuf,
        /// Who may listen there.
        why: String,
    },
}

impl ClientError {
    /// Whether the caller is what is refused, so that every other call of his is refused too.
    pub(in crate::cli) const fn refuses_caller(&self) -> bool {
        matches!(self, Self::Refused(Refused { code: 401 | 403, .. }))
    }
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

/// What to do about the innermost cause, where that is known. Libraries name it by what went wrong between the machines.
pub(super) fn hint(why: &str, scheme: &str, by_socket: bool) -> Option<&'static str> {
    let says = |word: &str| why.contains(word);
    if by_socket && (says("Permission denied") || says("permission denied")) {
        return Some(
            "only root, Portreeve's user and the group docker may open this socket: `sudo usermod -aG docker $USER`, then log \
            in again",
        );
    }
    match scheme {
        "https" if says("InvalidContentType") || says("wrong version number") => Some(tls::WITHOUT),
        "http" if tls::is_no_http(why) => Some(tls::NO_HTTP),
        _ => None,
    }
}

impl ClientError {
    /// Whether what was asked for does not exist.
    pub(in crate::cli) const fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused(Refused { code: 404, .. }))
    }

    /// Whether what was to be gone on after is not known or not kept any more.
    pub(in crate::cli) const fn is_gone(&self) -> bool {
        matches!(self, Self::Refused(Refused { code: 410, .. }))
    }

    /// Whether it may pass by itself: nobody answered, or somebody who cannot just now.
    pub(in crate::cli) const fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Stranger { .. } => true,
            // 429: others have all the places.
            Self::Refused(Refused { code, .. }) => *code >= 500 || *code == 429,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_slips_are_answered_with_what_to_do() {
        let plain = "received corrupt message of type InvalidContentType";
        assert!(hint(plain, "https", false).is_some_and(|hint| hint.ends_with("write http://")));
        let odd = "invalid HTTP version parsed";
        assert!(hint(odd, "http", false).is_some_and(|hint| hint.ends_with("write https://")));
        assert!(
            hint("Permission denied (os error 13)", "http", true)
                .is_some_and(|hint| hint.contains("group docker"))
        );
        assert_eq!(hint("Permission denied (os error 13)", "http", false), None);
        assert_eq!(hint("Connection refused (os error 111)", "https", false), None);
    }
}
