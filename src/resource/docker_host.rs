//! `DockerHost`: an engine that Portreeve watches and acts on.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One Docker engine, API 1.41 (Docker 20.10) or later. With none declared there is one, named `local`, from
/// `DOCKER_HOST` or the default socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct DockerHostSpec {
    /// Where the engine answers: `unix:///path`, `tcp://host:port` (with `tls`: over TLS) or `ssh://user@host`.
    #[serde(default = "default_endpoint")]
    pub endpoint: String,
    /// With `true`, no call that changes the engine is ever made.
    #[serde(default)]
    pub read_only: bool,
    /// Certificates for a `tcp://` endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<DockerTls>,
    /// The engine API version spoken, such as `"1.41"`; left out: the newest both sides know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// Free labels, for people.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// Paths of PEM files, as in a Docker certificate directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct DockerTls {
    /// The authority that signed the engine's certificate.
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
            read_only: false,
            tls: None,
            api_version: None,
            labels: BTreeMap::new(),
        }
    }
}

fn default_endpoint() -> String {
    "unix:///var/run/docker.sock".to_owned()
}
