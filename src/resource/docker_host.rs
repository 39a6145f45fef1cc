//! `DockerHost`: an engine that Portreeve watches and acts on.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::Check;
use super::probe::host_name::is_host_name;
use super::{DeletionPolicy, Kind};

/// One Docker engine, API 1.41 (Docker 20.10) or later. If no DockerHost is declared there is one, named `local`, from
/// `DOCKER_HOST` or the default socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct DockerHostSpec {
    /// Where the engine listens: `unix:///path`, `tcp://host:port` (with `tls`: over TLS) or
    /// `ssh://user@host:port/path`. For `ssh://` the system's `ssh`, with its own configuration and keys, runs `docker`
    /// on that host. User, port and the path of the engine's socket may be left out.
    #[serde(default = "default_endpoint")]
    #[schemars(regex(pattern = "^(unix|tcp|ssh)://."))]
    pub endpoint: String,
    /// Host name or address where Portreeve reaches the published ports of the containers, such as `10.0.0.7` or
    /// `host.docker.internal`. Left out: this machine, or the host of a `tcp://` or `ssh://` endpoint. Set it if
    /// Portreeve and the engine are in different network namespaces or virtual machines, if there is a tunnel, or if
    /// only `ssh` knows the endpoint's host. Containers on a bridge of this machine are still probed at their own
    /// address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub address: Option<String>,
    /// `true`: Portreeve makes no call that changes the engine.
    #[serde(default)]
    pub read_only: bool,
    /// Certificates for a `tcp://` endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<DockerTls>,
    /// The lowest API version that the engine must support, such as `"1.41"`; an older engine is refused. Calls name no
    /// version, so the engine uses its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^1\\.[0-9]{1,3}$"))]
    pub api_version: Option<String>,
    /// What happens to the registrations of its containers when it is deleted: `deregister` removes them from every registry;
    /// with `retain` they stay as they are.
    #[serde(default, skip_serializing_if = "DeletionPolicy::is_default")]
    pub deletion_policy: DeletionPolicy,
    /// Free labels, for people.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// Paths of PEM files, as in a Docker certificate directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct DockerTls {
    /// The certificate authority (CA) that signed the engine's certificate.
    pub ca: String,
    /// The client's certificate.
    pub cert: String,
    /// The client's key.
    pub key: String,
}

impl Default for DockerHostSpec {
    fn default() -> Self {
        Self {
            endpoint: default_endpoint(),
            address: None,
            read_only: false,
            tls: None,
            api_version: None,
            deletion_policy: DeletionPolicy::Deregister,
            labels: BTreeMap::new(),
        }
    }
}

fn default_endpoint() -> String {
    "unix:///var/run/docker.sock".to_owned()
}

impl Kind for DockerHostSpec {
    const KIND: &'static str = "DockerHost";
    const PLURAL: &'static str = "dockerhosts";
    const SHORT: &'static [&'static str] = &["host"];
    const DOC: &'static str = "A Docker engine that Portreeve watches and acts on.";

    fn validate(&self, check: &mut Check) {
        if let Some(fault) = endpoint_fault(&self.endpoint) {
            check.field("endpoint", |check| check.refuse_url(&self.endpoint, fault.to_string()));
        }
        check.url_host("endpoint", &self.endpoint);
        if self.address.as_ref().is_some_and(|address| !is_host_name(address)) {
            let why = "must be a host name or an address without a port; the ports are those that containers publish";
            check.field("address", |check| check.refuse(why));
        }
        if let Some(tls) = &self.tls {
            check.field("tls", |check| {
                check.file("ca", &tls.ca);
                check.file("cert", &tls.cert);
                check.file("key", &tls.key);
                if !self.endpoint.starts_with("tcp://") {
                    check.refuse("only a tcp:// endpoint speaks TLS");
                }
            });
        }
        if let Some(fault) = self.api_version.as_deref().and_then(api_version_fault) {
            check.field("apiVersion", |check| check.refuse(fault));
        }
    }
}

/// Why a text is not the address of an engine. The text itself is never repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointFault {
    /// None of the schemes that are spoken.
    #[error("must be unix:///path, tcp://host:port or ssh://user@host")]
    Scheme,
    /// What speaks TLS is told by `tls`, not by the scheme.
    #[error("must be tcp://host:port, with `tls` beside it where the engine speaks TLS there")]
    Web,
    /// A relative socket path depends on where Portreeve was started.
    #[error("needs an absolute path: unix:///var/run/docker.sock")]
    Path,
    /// No host, or no port where one is needed.
    #[error("needs a host and a port: tcp://host:2375")]
    HostAndPort,
    /// No host.
    #[error("needs a host: ssh://user@host")]
    Host,
    /// What follows the host is told to a shell there.
    #[error(
        "only the path of the engine's socket may follow the host, with letters, digits and `/._-`: \
        ssh://user@host/run/docker.sock"
    )]
    RemotePath,
    /// It holds a password, which would show wherever the object is shown.
    #[error("must not contain a password or a token: engines are reached by key or certificate")]
    Password,
}

/// Why `endpoint` is not the address of an engine, if it is not.
pub fn endpoint_fault(endpoint: &str) -> Option<EndpointFault> {
    if let Some(path) = endpoint.strip_prefix("unix://") {
        return (!path.starts_with('/') || path.ends_with('/')).then_some(EndpointFault::Path);
    }
    let url = match url::Url::parse(endpoint) {
        Ok(url) if matches!(url.scheme(), "tcp" | "ssh") => url,
        Ok(url) if url.password().is_some() => return Some(EndpointFault::Password),
        Ok(url) if matches!(url.scheme(), "http" | "https") => return Some(EndpointFault::Web),
        Ok(_) => return Some(EndpointFault::Scheme),
        Err(_) if endpoint.starts_with("tcp://") => return Some(EndpointFault::HostAndPort),
        Err(_) if endpoint.starts_with("ssh://") => return Some(EndpointFault::Host),
        Err(_) => return Some(EndpointFault::Scheme),
    };
    let hostless = url.host_str().is_none_or(str::is_empty);
    let user = !url.username().is_empty();
    if url.password().is_some() || user && url.scheme() == "tcp" {
        Some(EndpointFault::Password)
    } else if url.scheme() == "ssh" {
        if hostless {
            return Some(EndpointFault::Host);
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
        let path_only = url.query().is_none() && url.fragment().is_none() && url.path().chars().all(plain);
        (!path_only).then_some(EndpointFault::RemotePath)
    } else if url.query().is_some() || url.fragment().is_some() {
        Some(EndpointFault::Password)
    } else {
        let beyond = !matches!(url.path(), "" | "/");
        (hostless || beyond || url.port().is_none()).then_some(EndpointFault::HostAndPort)
    }
}

/// Why `version` is not an engine API version that is spoken, if it is not.
pub fn api_version_fault(version: &str) -> Option<String> {
    let minor = version.strip_prefix("1.").and_then(|minor| minor.parse::<u16>().ok());
    match minor {
        None => Some("is not an engine API version such as \"1.41\"".to_owned()),
        Some(..41) => Some("is too old: API 1.41 (Docker 20.10) is the oldest that is supported".to_owned()),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_socket_a_host_with_a_port_or_an_ssh_host() {
        for (endpoint, expected) in [
            ("unix:///var/run/docker.sock", None),
            ("tcp://10.0.0.1:2375", None),
            ("tcp://[::1]:2375", None),
            ("ssh://root@host", None),
            ("ssh://host:22", None),
            ("ssh://root@host:22/run/user/1000/docker.sock", None),
            ("ssh://host/run/$(reboot)", Some(EndpointFault::RemotePath)),
            ("ssh://host/run/docker.sock?x", Some(EndpointFault::RemotePath)),
            ("unix://docker.sock", Some(EndpointFault::Path)),
            ("unix:///", Some(EndpointFault::Path)),
            ("tcp://host", Some(EndpointFault::HostAndPort)),
            ("tcp://:2375", Some(EndpointFault::HostAndPort)),
            ("tcp://host:99999", Some(EndpointFault::HostAndPort)),
            ("ssh://", Some(EndpointFault::Host)),
            ("ssh://root:hunter2@host", Some(EndpointFault::Password)),
            ("tcp://token@host:2375", Some(EndpointFault::Password)),
            ("tcp://host:2375?token=x", Some(EndpointFault::Password)),
            ("tcp://host:2375#token=x", Some(EndpointFault::Password)),
            ("tcp://host:2375/token", Some(EndpointFault::HostAndPort)),
            ("tcp://host:2375/", None),
            ("http://host:1", Some(EndpointFault::Web)),
            ("https://host:2376", Some(EndpointFault::Web)),
            ("https://:hunter2@host:2376", Some(EndpointFault::Password)),
            ("/var/run/docker.sock", Some(EndpointFault::Scheme)),
            ("", Some(EndpointFault::Scheme)),
        ] {
            assert_eq!(endpoint_fault(endpoint), expected, "{endpoint}");
        }
    }

    #[test]
    fn an_address_is_a_host_alone() {
        let refused = |address: &str| {
            let spec = DockerHostSpec { address: Some(address.to_owned()), ..DockerHostSpec::default() };
            let mut check = Check::new();
            spec.validate(&mut check);
            check.finish().violations.iter().map(|found| found.path.to_string()).collect::<Vec<_>>()
        };
        for good in ["10.0.0.7", "fd00::7", "engine.example", "host.docker.internal"] {
            assert_eq!(refused(good), Vec::<String>::new(), "{good}");
        }
        for bad in ["", "http://10.0.0.7", "10.0.0.7:80", "[fd00::7]", "a b", "engine/x"] {
            assert_eq!(refused(bad), ["address"], "{bad}");
        }
    }

    #[test]
    fn engines_older_than_20_10_are_refused() {
        for good in ["1.41", "1.55"] {
            assert_eq!(api_version_fault(good), None);
        }
        for bad in ["1.40", "1.4", "2.0", "1.", "", "v1.41", "1.+41x"] {
            assert!(api_version_fault(bad).is_some(), "{bad}");
        }
    }
}
