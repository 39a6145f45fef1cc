//! What can go wrong between Portreeve and an engine: the client library's errors as ours.

use std::time::Duration;

use bollard::errors::Error;

/// What can go wrong between Portreeve and an engine.
#[derive(Debug, thiserror::Error)]
pub enum DockerError {
    /// The engine cannot be reached or broke off. Normal while it restarts; tried again for ever.
    #[error("the engine at {endpoint} cannot be reached: {reason}")]
    Unreachable {
        /// Where it should answer.
        endpoint: String,
        /// What happened instead.
        reason: String,
        /// Whether the call may have reached it.
        sent: bool,
    },
    /// The engine answered and refused.
    #[error("the engine refused: {message} (HTTP {status})")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The engine's own words.
        message: String,
    },
    /// The engine took longer than it may.
    #[error("the engine did not answer within {0:?}")]
    TimedOut(Duration),
    /// The engine is older than what is supported or asked for.
    #[error("the engine speaks API {found}; {needed} or later is needed")]
    TooOld {
        /// The newest version it speaks.
        found: String,
        /// The oldest version that will do.
        needed: String,
    },
    /// The DockerHost cannot be used as declared.
    #[error("the DockerHost cannot be used: {0}")]
    Unusable(String),
    /// An answer of the engine makes no sense.
    #[error("the engine's answer lacks {0}")]
    Incomplete(&'static str),
    /// An answer of the engine is something else than what was asked for.
    #[error("the engine's answer to {call} cannot be read: {reason}")]
    Unreadable {
        /// The question.
        call: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl DockerError {
    /// Whether somebody, most likely a proxy, does not let this be asked.
    pub(super) const fn is_forbidden(&self) -> bool {
        matches!(self, Self::Refused { status: 401 | 403 | 404 | 405, .. })
    }

    /// Whether the engine answers and will not, or cannot, tell of what it was asked about: asking for something else may
    /// well succeed.
    pub const fn is_of_this_alone(&self) -> bool {
        match self {
            Self::Refused { .. } | Self::TimedOut(_) | Self::Incomplete(_) | Self::Unreadable { .. } => true,
            Self::Unreachable { .. } | Self::TooOld { .. } | Self::Unusable(_) => false,
        }
    }
}

/// An error of the client library.
pub(super) fn from_library(endpoint: &str, error: Error) -> DockerError {
    match error {
        Error::DockerResponseServerError { status_code, message } => refused(status_code, message),
        other => {
            let sent = match &other {
                Error::HyperLegacyError { err } => !err.is_connect(),
                Error::SocketNotFoundError(_) => false,
                _ => true,
            };
            DockerError::Unreachable {
                endpoint: endpoint.to_owned(),
                reason: root_cause(&other, endpoint),
                sent,
            }
        }
    }
}

/// What to do about a port that has TLS.
const TLS_THERE: &str =
    "it speaks TLS there: give the DockerHost its `tls` (DOCKER_TLS_VERIFY and DOCKER_CERT_PATH)";

/// An engine says why in words; a page or a document is another server's, and nobody's to be shown.
pub(super) fn refused(status: u16, message: String) -> DockerError {
    let message = match () {
        () if crate::tls::asks_for_tls(&message) => TLS_THERE.to_owned(),
        () if message.trim_start().starts_with(['<', '{', '[']) => {
            "the answer is not from a Docker engine".to_owned()
        }
        () => message,
    };
    DockerError::Refused { status, message }
}

/// Names the call that was forbidden, and who most likely forbade it: proxies before an engine's socket let a few calls
/// through and answer others with a page of their own.
pub(super) fn naming(call: &'static str) -> impl Fn(DockerError) -> DockerError {
    move |error| match error {
        DockerError::Refused { status: 403, message } => {
            let message = format!(
                "{call} is forbidden: {message}; a proxy before the engine's socket must allow {}",
                sections(call)
            );
            DockerError::Refused { status: 403, message }
        }
        other => other,
    }
}

/// What proxies call the parts of the API that `call` needs: the first part of its path, a command's, and changes.
fn sections(call: &str) -> String {
    let (method, path) = call.split_once(' ').unwrap_or(("GET", call));
    let mut sections =
        vec![path.trim_start_matches('/').split('/').next().unwrap_or_default().to_uppercase()];
    if path.ends_with("/exec") {
        sections.push("EXEC".to_owned());
    }
    if method != "GET" {
        sections.push("POST".to_owned());
    }
    if method == "DELETE" {
        sections.push("DELETE".to_owned());
    }
    sections.join(", ")
}

/// The innermost cause: "connection refused" says more than "client error (Connect)".
fn root_cause(error: &(dyn std::error::Error + 'static), endpoint: &str) -> String {
    if let Some(why) = crate::tls::refused(error, host(endpoint)) {
        return why;
    }
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let denied = innermost
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied);
    match endpoint.strip_prefix("unix://") {
        Some(path) if denied => not_permitted(path),
        _ if crate::tls::is_plain(error) => {
            "it does not speak TLS there: the port is one for plain connections; name the one for TLS (mostly 2376), or leave `tls` out".to_owned()
        }
        _ => match innermost.to_string() {
            why if crate::tls::is_no_http(&why) && endpoint.starts_with("tcp://") => format!("the answer is no HTTP; if {TLS_THERE}"),
            why => why,
        },
    }
}

/// Who may open a socket that this user may not.
fn not_permitted(path: &str) -> String {
    use std::os::unix::fs::MetadataExt;
    let group = std::fs::metadata(path).ok().map(|file| nix::unistd::Gid::from_raw(file.gid()));
    let name =
        group.and_then(|group| nix::unistd::Group::from_gid(group).ok().flatten()).map(|group| group.name);
    let name = name.filter(|name| name != "root").unwrap_or_else(|| "docker".to_owned());
    format!("this user may not open the socket: become a member of the group `{name}`, or run as root")
}

/// `tcp://engine.example:2376` → `engine.example`
fn host(endpoint: &str) -> &str {
    let address = endpoint.split_once("://").map_or(endpoint, |(_, address)| address);
    address.rsplit_once(':').map_or(address, |(host, _)| host).trim_matches(['[', ']'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_server_answers_is_not_repeated() {
        let answered = |message: &str| {
            let message = message.to_owned();
            from_library("tcp://x:80", Error::DockerResponseServerError { status_code: 404, message })
                .to_string()
        };
        assert!(!answered("<html>secret</html>").contains("secret"));
        assert!(answered("No such container: web").contains("No such container: web"));
    }

    #[test]
    fn plain_and_encrypted_ports_that_are_mixed_up_are_told() {
        let message = "Client sent an HTTP request to an HTTPS server.\n".to_owned();
        let plain = refused(400, message).to_string();
        assert!(plain.contains("it speaks TLS there: give the DockerHost its `tls`"), "{plain}");
    }

    #[test]
    fn a_socket_that_may_not_be_opened_names_the_group_that_may() {
        let denied = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        let told = root_cause(&denied, "unix:///nowhere/docker.sock");
        assert!(told.contains("become a member of the group `docker`"), "{told}");
    }

    #[test]
    fn a_call_that_a_proxy_forbids_is_named_with_what_to_allow() {
        for (call, allow) in [
            ("GET /info", "INFO"),
            ("GET /events", "EVENTS"),
            ("GET /containers/{id}/json", "CONTAINERS"),
            ("GET /networks", "NETWORKS"),
            ("POST /containers/{id}/restart", "CONTAINERS, POST"),
            ("POST /containers/{id}/exec", "CONTAINERS, EXEC, POST"),
            ("DELETE /containers/{id}", "CONTAINERS, POST, DELETE"),
        ] {
            let error = naming(call)(refused(403, "<html>403 Forbidden</html>".to_owned())).to_string();
            assert!(error.contains(&format!("{call} is forbidden: ")), "{error}");
            assert!(error.ends_with(&format!("must allow {allow} (HTTP 403)")), "{error}");
            assert!(!error.contains("<html"), "{error}");
        }
    }
}
