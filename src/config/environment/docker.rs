//! The engine, by the variables that Docker's own client reads.

use super::Reader;
use crate::desired::LOCAL_HOST;
use crate::resource::docker_host::{DockerHostSpec, DockerTls, api_version_fault, endpoint_fault};
use crate::resource::{Object, Origin};

/// Where Docker's own client looks when no variable says anything.
pub const DOCKER_SOCKET: &str = "/var/run/docker.sock";

/// The engine `local`, if a variable says anything about it.
pub(super) fn host(read: &mut Reader<'_>) -> Option<Object> {
    let (variable, endpoint) = match (read.text("DOCKER_HOST"), read.text("DOCKER_SOCK")) {
        (Some(endpoint), _) => ("DOCKER_HOST", Some(endpoint.to_owned())),
        // docker-autoheal takes a path here, or an address with its scheme.
        (None, Some(socket)) if socket.contains("://") => ("DOCKER_SOCK", Some(socket.to_owned())),
        (None, Some(socket)) => ("DOCKER_SOCK", Some(format!("unix://{socket}"))),
        (None, None) => ("DOCKER_HOST", None),
    };
    let api_version = read.text("DOCKER_API_VERSION").map(str::to_owned);
    if endpoint.is_none() && api_version.is_none() {
        return None;
    }
    let mut spec = DockerHostSpec::default();
    if let Some(endpoint) = endpoint {
        if let Some(fault) = endpoint_fault(&endpoint) {
            read.refuse(variable, fault.to_string());
        }
        spec.endpoint = endpoint;
    }
    if let Some(fault) = api_version.as_deref().and_then(api_version_fault) {
        read.refuse("DOCKER_API_VERSION", fault);
    }
    spec.api_version = api_version;
    spec.tls = tls(read, &spec.endpoint);
    Some(Object::new(LOCAL_HOST, Origin::Environment, spec))
}

/// Docker's client speaks TLS when `DOCKER_TLS_VERIFY` is set to anything, with the files of `DOCKER_CERT_PATH`.
fn tls(read: &mut Reader<'_>, endpoint: &str) -> Option<DockerTls> {
    read.text("DOCKER_TLS_VERIFY").filter(|_| endpoint.starts_with("tcp://"))?;
    let Some(directory) = read.text("DOCKER_CERT_PATH") else {
        read.refuse(
            "DOCKER_CERT_PATH",
            "must name the directory of ca.pem, cert.pem and key.pem when DOCKER_TLS_VERIFY is set",
        );
        return None;
    };
    let file = |name: &str| format!("{}/{name}", directory.trim_end_matches('/'));
    Some(DockerTls { ca: file("ca.pem"), cert: file("cert.pem"), key: file("key.pem") })
}
