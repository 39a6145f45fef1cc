//! From a DockerHost to a client.

use std::path::Path;

use bollard::Docker;

use super::error::DockerError;
use super::ssh::SshTarget;
use super::unix;
use super::wire::Wire;
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
    if let Some(target) = SshTarget::parse(endpoint) {
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

#[cfg(test)]
mod tests {
    use super::*;

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
