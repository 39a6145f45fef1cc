//! The ways of asking that are not HTTP. Ports left out are the protocols' own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::host_name::host_name;
use super::tls::{ProbeTls, tls};
use crate::resource::Login;
use crate::resource::check::Check;

mod brokers;

pub use brokers::{AmqpProbe, KafkaProbe, MqttProbe, NatsProbe};

/// The longest text sent or expected, in bytes.
const LONGEST: usize = 4096;

/// A TCP connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TcpProbe {
    /// The container's port.
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,
    /// The host to connect to; left out: the container's address, or the service's target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Text to send after connecting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub send: Option<String>,
    /// Text that the answer must contain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub expect: Option<String>,
}

/// A command in the container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ExecProbe {
    /// Program and arguments, run without a shell.
    #[schemars(length(min = 1))]
    pub command: Vec<String>,
}

/// What Docker's health check of the container says. A container without a health check counts as healthy while it
/// runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DockerHealthProbe {}

/// A PostgreSQL server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PostgresProbe {
    /// The server's port; left out: 5432.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u16>,
    /// The database to connect to; left out: the one named like the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// A query that must succeed; left out: `SELECT 1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub query: Option<String>,
    /// User name and password of the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Login>,
    /// TLS that the server must offer, and how its certificate is checked; left out: TLS if the server offers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ProbeTls>,
}

/// A MySQL or MariaDB server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MysqlProbe {
    /// The server's port; left out: 3306.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u16>,
    /// The database to connect to; left out: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// A query that must succeed; left out: `SELECT 1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub query: Option<String>,
    /// User name and password of the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Login>,
    /// TLS that the server must offer, and how its certificate is checked; left out: TLS if the server offers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ProbeTls>,
}

/// A Redis server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RedisProbe {
    /// The server's port; left out: 6379.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u16>,
    /// User name and password of the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Login>,
    /// TLS from the first byte; left out: no TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ProbeTls>,
}

/// A server that speaks gRPC's health protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct GrpcProbe {
    /// The server's port.
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,
    /// The service to check; left out: the whole server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// TLS from the first byte; left out: no TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ProbeTls>,
}

/// A query to a DNS server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct DnsProbe {
    /// The server's port; left out: 53.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u16>,
    /// The name to look up.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The type of record that the answer must contain.
    #[serde(default, rename = "type")]
    pub record: DnsRecord,
}

/// A type of DNS record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum DnsRecord {
    /// An IPv4 address.
    #[default]
    A,
    /// An IPv6 address.
    Aaaa,
    /// An alias.
    Cname,
    /// Mail servers.
    Mx,
    /// Name servers.
    Ns,
    /// The name of an address.
    Ptr,
    /// The zone's start of authority.
    Soa,
    /// Hosts and ports of a service.
    Srv,
    /// Free text.
    Txt,
}

/// A TLS server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct TlsProbe {
    /// The server's port; left out: 443.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u16>,
    /// How many days the certificate must still be valid.
    #[schemars(range(min = 0, max = 3650))]
    pub min_valid_days: u32,
}

/// A UDP port that answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct UdpProbe {
    /// The port to send to.
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,
    /// Text to send.
    #[schemars(length(min = 1, max = 4096))]
    pub send: String,
    /// Text that the answer must contain; left out: any answer is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub expect: Option<String>,
}

/// An ICMP echo request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IcmpProbe {}

impl Default for TlsProbe {
    fn default() -> Self {
        Self { port: None, min_valid_days: 7 }
    }
}

fn text(key: &str, text: Option<&String>, check: &mut Check) {
    if let Some(text) = text {
        check.bounded(key, text, LONGEST);
    }
}

fn login(login: Option<&Login>, check: &mut Check) {
    if let Some(login) = login {
        check.field("auth", |check| login.validate(check));
    }
}

/// MySQL's port, which is asked better otherwise.
pub(in crate::resource) fn hint_at_mysql(key: &str, port: Option<u16>, check: &mut Check) {
    if port == Some(3306) {
        check.field(key, |check| {
            check.warn(
                "is MySQL's: each check tries a login that is refused, because the server blocks clients that only \
                connect; `mysql: {}` checks whether MySQL works",
            );
        });
    }
}

impl TcpProbe {
    pub(super) fn validate(&self, check: &mut Check) {
        check.port("port", self.port);
        hint_at_mysql("port", Some(self.port), check);
        if let Some(host) = &self.host {
            host_name("host", host, check);
            check.host("host", host);
        }
        // Both may be nothing but a line break.
        for (key, text) in [("send", &self.send), ("expect", &self.expect)] {
            if text.as_ref().is_some_and(|text| text.is_empty() || text.len() > LONGEST) {
                check.field(key, |check| check.refuse(format!("must have 1 to {LONGEST} bytes")));
            }
        }
    }
}

impl ExecProbe {
    pub(super) fn validate(&self, check: &mut Check) {
        if self.command.first().is_none_or(|program| program.trim().is_empty()) {
            check.field("command", |check| check.refuse("must name a program"));
        }
    }
}

impl PostgresProbe {
    pub(super) fn validate(&self, check: &mut Check) {
        check.port("port", self.port);
        tls(self.tls.as_ref(), check);
        text("database", self.database.as_ref(), check);
        text("query", self.query.as_ref(), check);
        login(self.auth.as_ref(), check);
    }
}

impl MysqlProbe {
    pub(super) fn validate(&self, check: &mut Check) {
        check.port("port", self.port);
        tls(self.tls.as_ref(), check);
        text("database", self.database.as_ref(), check);
        text("query", self.query.as_ref(), check);
        login(self.auth.as_ref(), check);
    }
}

impl GrpcProbe {
    pub(super) fn validate(&self, check: &mut Check) {
        check.port("port", self.port);
        tls(self.tls.as_ref(), check);
    }
}

impl RedisProbe {
    pub(super) fn validate(&self, check: &mut Check) {
        check.port("port", self.port);
        tls(self.tls.as_ref(), check);
        login(self.auth.as_ref(), check);
    }
}

impl DnsProbe {
    pub(super) fn validate(&self, check: &mut Check) {
        check.port("port", self.port);
        check.bounded("name", &self.name, 253);
    }
}

impl TlsProbe {
    pub(super) fn validate(&self, check: &mut Check) {
        check.port("port", self.port);
        check.within("minValidDays", self.min_valid_days, 0..=3_650);
    }
}

impl UdpProbe {
    pub(super) fn validate(&self, check: &mut Check) {
        check.port("port", self.port);
        check.bounded("send", &self.send, LONGEST);
        text("expect", self.expect.as_ref(), check);
    }
}
