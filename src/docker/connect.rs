//! From a DockerHost to a client, and from the client library's errors to ours.

use std::path::Path;

use bollard::Docker;
use bollard::errors::Error;

use super::ssh::Target;
use super::wire::Wire;
use super::{DockerError, unix};
use crate::guard::Guard;
use crate::resource::docker_host::DockerHostSpec;

/// A client for `spec`'s endpoint. The socket is opened anew with each connection, by path: the file behind a
/// mounted socket changes when the engine restarts.
pub(super) async fn docker(spec: &DockerHostSpec, guard: &Guard) -> Result<(Docker, Wire), DockerError> {
    let endpoint = spec.endpoint.as_str();
    if let Some(path) = endpoint.strip_prefix("unix://") {
        // That is an engine that is not up yet.
        if !Path::new(path).exists() {
            return Err(DockerError::Unreachable {
                endpoint: endpoint.to_owned(),
                reason: "there is no such socket: is the engine running?".to_owned(),
                sent: false,
            });
        }
        return unix::docker(endpoint, path);
    }
    if endpoint.starts_with("tcp://") || endpoint.starts_with("http://") || endpoint.starts_with("https://") {
        super::tcp::check(endpoint, guard).await?;
        return match &spec.tls {
            None => super::tcp::docker(endpoint, guard),
            Some(tls) => super::tls::docker(endpoint, tls, guard).await,
        };
    }
    if let Some(target) = Target::parse(endpoint) {
        return super::ssh::docker(endpoint, target);
    }
    Err(DockerError::Unusable(format!(
        "{endpoint:?} is not an endpoint: write unix:///path, tcp://host:port or ssh://user@host"
    )))
}

/// The oldest engine API that is supported: Docker 20.10.
const OLDEST: (u32, u32) = (1, 41);

/// Refuses engines before API 1.41, and before what the DockerHost asks for.
pub(super) fn check_version(found: &str, asked: Option<&str>) -> Result<(), DockerError> {
    let parse = |version: &str| {
        let (major, minor) = version.split_once('.')?;
        Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
    };
    let needed = asked.and_then(parse).unwrap_or(OLDEST).max(OLDEST);
    if parse(found).is_some_and(|found| found >= needed) {
        return Ok(());
    }
    Err(DockerError::TooOld { found: found.to_owned(), needed: format!("{}.{}", needed.0, needed.1) })
}

pub(super) fn error(endpoint: &str, error: Error) -> DockerError {
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
            error("tcp://x:80", Error::DockerResponseServerError { status_code: 404, message }).to_string()
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

    #[test]
    fn engines_before_20_10_or_before_what_is_asked_for_are_refused() {
        for (found, asked, accepted) in [
            ("1.41", None, true),
            ("1.52", Some("1.41"), true),
            ("2.0", None, true),
            ("1.40", None, false),
            ("", None, false),
            ("1.41", Some("1.45"), false),
            ("1.40", Some("1.24"), false),
        ] {
            assert_eq!(check_version(found, asked).is_ok(), accepted, "{found} {asked:?}");
        }
    }
}
