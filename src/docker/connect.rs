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
        "{endpoint:?} is no endpoint: write unix:///path, tcp://host:port or ssh://user@host"
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

/// An engine says why in words; a page or a document is another server's, and nobody's to be shown.
pub(super) fn refused(status: u16, message: String) -> DockerError {
    let strange = message.trim_start().starts_with(['<', '{', '[']);
    let message = if strange { "no engine answers like that".to_owned() } else { message };
    DockerError::Refused { status, message }
}

/// Names the call that was forbidden, and who most likely forbade it: proxies before an engine's socket let a few calls
/// through and answer others with a page of their own.
pub(super) fn naming(call: &'static str) -> impl Fn(DockerError) -> DockerError {
    move |error| match error {
        DockerError::Refused { status: 403, message } => {
            let message = format!(
                "{call} is forbidden, {message}; a proxy before the engine's socket has to allow VERSION, INFO, EVENTS, CONTAINERS and NETWORKS, and POST for what is to be done"
            );
            DockerError::Refused { status: 403, message }
        }
        other => other,
    }
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
    innermost.to_string()
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

    /// Documented by the proxies: what is not allowed is a 403 with an HTML page.
    #[tokio::test]
    async fn a_call_that_a_proxy_forbids_is_named() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};

        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let endpoint = format!("tcp://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 4096];
                let read = stream.read(&mut request).await.unwrap_or(0);
                let (status, body) = if request[..read].starts_with(b"GET /version") {
                    ("200 OK", r#"{"ApiVersion": "1.41"}"#)
                } else {
                    ("403 Forbidden", "<html><body><h1>403 Forbidden</h1></body></html>")
                };
                let answer = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        let spec = DockerHostSpec { endpoint, ..DockerHostSpec::default() };
        let connected = super::super::Client::connect(&"local".into(), &spec, &Guard::default()).await;
        let refused = connected.expect_err("no /info");
        let text = refused.to_string();
        for part in ["GET /info is forbidden", "allow VERSION, INFO", "HTTP 403"] {
            assert!(text.contains(part), "no `{part}`: {text}");
        }
        assert!(!text.contains("<html"), "{text}");
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
