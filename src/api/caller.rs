//! Who asks, and what that permits.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::catalogue::Outputs;
use crate::config::tokens::Role;

/// The other end of a connection, as the system tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Over TCP, from this address.
    Tcp(SocketAddr),
    /// Over the Unix socket: a process of this user (`SO_PEERCRED`).
    Unix {
        /// The user's id.
        uid: u32,
    },
}

/// How a caller is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// By a token with this name.
    Token(Arc<str>),
    /// By the token that Portreeve was started with.
    StartToken,
    /// By the Unix socket.
    User {
        /// The user's id.
        uid: u32,
        /// The user's name, if the system knows one.
        name: Option<String>,
    },
    /// Not at all, but for an address.
    Anonymous(Option<IpAddr>),
}

/// What a request is judged by, which can be judged again while its answer goes on.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Claim {
    /// The SHA-256 of the token that was brought.
    Token([u8; 32]),
    /// No token, and the other end of the connection.
    Peer(Option<Peer>),
    /// Nothing: the other end passes on what somebody else asks.
    Nobody(Option<Peer>),
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // It would help to guess a token that is no random one.
            Self::Token(_) => f.write_str("Token"),
            Self::Peer(peer) => f.debug_tuple("Peer").field(peer).finish(),
            Self::Nobody(peer) => f.debug_tuple("Nobody").field(peer).finish(),
        }
    }
}

/// How much is known of a client, the better the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum CallerStanding {
    /// It may do nothing that is not open to everybody.
    Nobody,
    /// It may do something without a token.
    Anonymous,
    /// It brought a token, or asks by the socket.
    Token,
}

/// Who asks, and what is permitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    /// How the caller is known.
    pub(super) who: Who,
    /// What is permitted; `None`: nothing that is not open to everybody.
    pub(super) role: Option<Role>,
    /// What that was judged by.
    pub(super) claim: Claim,
}

impl Caller {
    /// How much is known of the client by this.
    pub(super) fn standing(&self) -> CallerStanding {
        match (self.role, &self.who) {
            (None, _) => CallerStanding::Nobody,
            (Some(_), Who::Anonymous(_)) => CallerStanding::Anonymous,
            (Some(_), Who::Token(_) | Who::StartToken | Who::User { .. }) => CallerStanding::Token,
        }
    }

    /// Whether the caller is shown what targets said themselves.
    pub(super) fn outputs(&self) -> Outputs {
        if self.role == Some(Role::Edit) { Outputs::Shown } else { Outputs::Withheld }
    }
}

impl Who {
    /// The user of a process at the other end of the Unix socket.
    pub(super) fn user(uid: u32) -> Self {
        // A directory that does not answer has no name for the user, and the number is as good.
        let user = nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(uid)).ok().flatten();
        Self::User { uid, name: user.map(|user| user.name) }
    }
}

/// As events name the caller: `token ci`, `user alice (uid 1000)`, `anonymous at 127.0.0.1`.
impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(name) => write!(f, "token {name}"),
            Self::StartToken => f.write_str("the token given at start"),
            Self::User { uid, name: Some(name) } => write!(f, "user {name} (uid {uid})"),
            Self::User { uid, name: None } => write!(f, "uid {uid}"),
            Self::Anonymous(Some(address)) => write!(f, "anonymous at {address}"),
            Self::Anonymous(None) => f.write_str("anonymous"),
        }
    }
}

/// Handlers take the caller as an argument; without [`super::access::guard`] before them nobody asks.
impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let nobody = || Self { who: Who::Anonymous(None), role: None, claim: Claim::Nobody(None) };
        Ok(parts.extensions.get().cloned().unwrap_or_else(nobody))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_is_named_as_events_show_it() {
        assert_eq!(Who::user(0).to_string(), "user root (uid 0)");
        assert_eq!(Who::user(4_000_000_000).to_string(), "uid 4000000000");
        assert_eq!(Who::Token("ci".into()).to_string(), "token ci");
        assert_eq!(Who::Anonymous("::1".parse().ok()).to_string(), "anonymous at ::1");
    }
}
