//! From a DockerHost to a client, and from the client library's errors to ours.

use std::path::Path;

use bollard::errors::Error;
use bollard::{API_DEFAULT_VERSION, ClientVersion, Docker};

use super::DockerError;
use crate::resource::docker_host::DockerHostSpec;

/// Seconds the client library waits for the head of an answer. Calls have tighter bounds of their own; actions
/// such as a slow stop need longer than any fixed value, so this one is out of their way.
const HEAD_SECONDS: u64 = 24 * 3600;

/// A client for `spec`'s endpoint. The socket is opened anew with each connection, by path: the file behind a
/// mounted socket changes when the engine restarts.
pub(super) async fn docker(spec: &DockerHostSpec) -> Result<Docker, DockerError> {
    let endpoint = spec.endpoint.as_str();
    let unusable = |error: Error| DockerError::Unusable(error.to_string());
    let version = API_DEFAULT_VERSION;
    if let Some(path) = endpoint.strip_prefix("unix://") {
        // The library refuses a missing socket at once; that is an engine that is not up yet.
        if !Path::new(path).exists() {
            return Err(DockerError::Unreachable {
                endpoint: endpoint.to_owned(),
                reason: "there is no such socket: is the engine running?".to_owned(),
                sent: false,
            });
        }
        return Docker::connect_with_unix(path, HEAD_SECONDS, version).map_err(unusable);
    }
    if endpoint.starts_with("tcp://") || endpoint.starts_with("http://") || endpoint.starts_with("https://") {
        return match &spec.tls {
            None => Docker::connect_with_http(endpoint, HEAD_SECONDS, version).map_err(unusable),
            Some(tls) => Docker::connect_with_ssl(
                endpoint,
                Path::new(&tls.key),
                Path::new(&tls.cert),
                Path::new(&tls.ca),
                HEAD_SECONDS,
                version,
            )
            .map_err(unusable),
        };
    }
    if endpoint.starts_with("ssh://") {
        return Err(DockerError::Unusable(
            "ssh:// endpoints are not available in this version; forward the socket with `ssh -NL /run/remote.sock:/var/run/docker.sock HOST` and declare unix:///run/remote.sock".to_owned(),
        ));
    }
    Err(DockerError::Unusable(format!(
        "{endpoint:?} is no endpoint: write unix:///path, tcp://host:port or ssh://user@host"
    )))
}

/// Refuses engines before API 1.41.
pub(super) fn check_version(found: &str) -> Result<(), DockerError> {
    let too_old = || DockerError::TooOld { found: found.to_owned() };
    let (major, minor) = found.split_once('.').ok_or_else(too_old)?;
    let version = ClientVersion {
        major_version: major.parse().map_err(|_| too_old())?,
        minor_version: minor.parse().map_err(|_| too_old())?,
    };
    if (version.major_version, version.minor_version) < (1, 41) { Err(too_old()) } else { Ok(()) }
}

pub(super) fn error(endpoint: &str, error: Error) -> DockerError {
    match error {
        Error::DockerResponseServerError { status_code, message } => {
            DockerError::Refused { status: status_code, message }
        }
        other => {
            let sent = match &other {
                Error::HyperLegacyError { err } => !err.is_connect(),
                Error::SocketNotFoundError(_) => false,
                _ => true,
            };
            DockerError::Unreachable { endpoint: endpoint.to_owned(), reason: root_cause(&other), sent }
        }
    }
}

/// The innermost cause: "connection refused" says more than "client error (Connect)".
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_before_20_10_are_refused() {
        for (version, accepted) in
            [("1.41", true), ("1.52", true), ("2.0", true), ("1.40", false), ("", false)]
        {
            assert_eq!(check_version(version).is_ok(), accepted, "{version}");
        }
    }
}
