//! How a probe speaks TLS, on every handler that can.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::http::host_name;
use crate::resource::check::Check;

/// TLS, and whether the server must prove who it is. `{}` asks for TLS and nothing more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct ProbeTls {
    /// Whether the server's certificate must be trusted, valid and, where there is a name to judge by, its own. Left out: yes
    /// as soon as the probe carries a secret or `ca` is given, for else any certificate will do. A name to judge by is
    /// `serverName`, or the host that is asked; an address counts as one only where no `ca` is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<bool>,
    /// A file with the authorities, or the very certificates, that are trusted instead of this system's: PEM, 1 MiB at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub ca: Option<String>,
    /// The name that the server is asked for (SNI), and that its certificate must be for; left out: the host that is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
}

impl ProbeTls {
    /// Whether the server must prove who it is, `secret` saying whether one goes over the connection.
    pub fn verifies(&self, secret: bool) -> bool {
        self.verify.unwrap_or(secret || self.ca.is_some())
    }

    pub(super) fn validate(&self, check: &mut Check) {
        if let Some(ca) = &self.ca {
            check.filled("ca", ca);
            if self.verify == Some(false) {
                check.field("ca", |check| check.refuse("says whom to trust, and `verify: false` that nobody is asked for it: give one of them"));
            }
        }
        if let Some(name) = &self.server_name {
            host_name("serverName", name, check);
        }
    }
}

/// `tls` of a handler, where it is given.
pub(super) fn tls(tls: Option<&ProbeTls>, check: &mut Check) {
    if let Some(tls) = tls {
        check.field("tls", |check| tls.validate(check));
    }
}
