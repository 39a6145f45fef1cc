//! How a probe speaks TLS, on every handler that can.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::host_name::host_name;
use crate::resource::check::Check;

/// TLS, and how the server's certificate is checked. `{}` asks for TLS with the defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct ProbeTls {
    /// `true`: the server's certificate must be trusted, valid and for the right name. `false`: any certificate is
    /// accepted. Left out: `true` if the probe sends a secret or `ca` is given, otherwise `false`. The right name is
    /// `serverName`, or the host of the connection. If that host is an IP address and `ca` is given, the name is not
    /// checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<bool>,
    /// A PEM file, 1 MiB at most, with the certificate authorities or server certificates to trust instead of the
    /// system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub ca: Option<String>,
    /// The name to send to the server (SNI), for which its certificate must be valid; left out: the host of the
    /// connection.
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
            check.file("ca", ca);
            if self.verify == Some(false) {
                check.field("ca", |check| {
                    check.refuse(
                        "contradicts `verify: false`, which accepts any certificate: give one of them",
                    )
                });
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

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(tls: &ProbeTls) -> Vec<String> {
        let mut check = Check::new();
        tls.validate(&mut check);
        check.finish().violations.into_iter().map(|violation| violation.path.to_string()).collect()
    }

    #[test]
    fn a_server_is_verified_as_soon_as_a_secret_goes_to_it_or_somebody_says_whom_to_trust() {
        let tls = |verify: Option<bool>, ca: Option<&str>| ProbeTls {
            verify,
            ca: ca.map(str::to_owned),
            server_name: None,
        };
        for (settings, secret, verifies) in [
            (tls(None, None), false, false),
            (tls(None, None), true, true),
            (tls(None, Some("/ca.pem")), false, true),
            (tls(Some(true), None), false, true),
            (tls(Some(false), None), true, false),
        ] {
            assert_eq!(settings.verifies(secret), verifies, "{settings:?} {secret}");
        }
        assert_eq!(wrong(&tls(Some(true), Some("/ca.pem"))), Vec::<String>::new());
        assert_eq!(wrong(&tls(Some(false), Some("/ca.pem"))), ["ca"]);
        assert_eq!(wrong(&tls(None, Some(" "))), ["ca"]);
        let named = ProbeTls { server_name: Some("db:5432".to_owned()), ..ProbeTls::default() };
        assert_eq!(wrong(&named), ["serverName"]);
    }
}
