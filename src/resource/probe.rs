//! `Probe`: one way of finding out whether something is healthy, and how often.

pub mod handler;
pub(super) mod host_name;
pub mod http;
pub mod tls;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::Check;
use super::{Kind, schema};
use handler::{
    AmqpProbe, DnsProbe, DockerHealthProbe, ExecProbe, GrpcProbe, IcmpProbe, KafkaProbe, MqttProbe,
    MysqlProbe, NatsProbe, PostgresProbe, RedisProbe, TcpProbe, TlsProbe, UdpProbe,
};
use http::HttpProbe;

/// The fields of which exactly one says how to ask.
pub(crate) const HANDLERS: &[&str] = &[
    "httpGet",
    "tcpSocket",
    "exec",
    "dockerHealth",
    "mqtt",
    "kafka",
    "postgres",
    "mysql",
    "redis",
    "grpc",
    "amqp",
    "nats",
    "dns",
    "tls",
    "udp",
    "icmp",
];

/// Checks whether a container, or a host outside Docker, is healthy. Exactly one handler is given. Timings have
/// Kubernetes' names and meaning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[schemars(transform = schema::exactly_one(HANDLERS))]
pub struct ProbeSpec {
    /// An HTTP request; healthy if the answer is as expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_get: Option<HttpProbe>,
    /// A TCP connection. It can send a text and expect an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp_socket: Option<TcpProbe>,
    /// A command in the container; healthy if it exits with 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exec: Option<ExecProbe>,
    /// What Docker's own health check of the container says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub docker_health: Option<DockerHealthProbe>,
    /// An MQTT broker that accepts a connection and, if `topic` is given, a subscription.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mqtt: Option<MqttProbe>,
    /// A Kafka bootstrap server that answers with its cluster's metadata.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kafka: Option<KafkaProbe>,
    /// A PostgreSQL server that accepts a connection and answers a query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postgres: Option<PostgresProbe>,
    /// A MySQL or MariaDB server that accepts a connection and answers a query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mysql: Option<MysqlProbe>,
    /// A Redis server that answers PING.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis: Option<RedisProbe>,
    /// A gRPC server whose health service answers `SERVING`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grpc: Option<GrpcProbe>,
    /// An AMQP 0-9-1 broker, such as RabbitMQ, that accepts a connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amqp: Option<AmqpProbe>,
    /// A NATS server that accepts a connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nats: Option<NatsProbe>,
    /// A DNS server that answers a query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns: Option<DnsProbe>,
    /// A TLS server whose certificate is trusted and stays valid long enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsProbe>,
    /// A UDP port that answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub udp: Option<UdpProbe>,
    /// A host that answers an ICMP echo request (ping).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icmp: Option<IcmpProbe>,
    /// Seconds after the container's start before the first check.
    #[schemars(range(min = 0, max = 86400))]
    pub initial_delay_seconds: u32,
    /// Seconds from one check to the next.
    #[schemars(range(min = 1, max = 86400))]
    pub period_seconds: u32,
    /// Seconds from one check to the next while it fails; left out: `periodSeconds`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86400))]
    pub failure_period_seconds: Option<u32>,
    /// How many attempts one check makes before it fails. They follow each other at once.
    #[schemars(range(min = 1, max = 10))]
    pub attempts: u32,
    /// Seconds one attempt may take.
    #[schemars(range(min = 1, max = 3600))]
    pub timeout_seconds: u32,
    /// How many checks in a row must succeed before a failing probe is healthy again.
    #[schemars(range(min = 1, max = 1000))]
    pub success_threshold: u32,
    /// How many checks in a row must fail before the probe is unhealthy.
    #[schemars(range(min = 1, max = 1000))]
    pub failure_threshold: u32,
    /// Other timings until the probe first succeeds; until then failures do not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub startup: Option<Startup>,
}

/// Timings until a probe first succeeds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Startup {
    /// Seconds from one check to the next.
    #[schemars(range(min = 1, max = 86400))]
    pub period_seconds: u32,
    /// How many checks may fail in a row; after that the probe is unhealthy.
    #[schemars(range(min = 1, max = 100000))]
    pub failure_threshold: u32,
}

impl Default for ProbeSpec {
    fn default() -> Self {
        Self {
            http_get: None,
            tcp_socket: None,
            exec: None,
            docker_health: None,
            mqtt: None,
            kafka: None,
            postgres: None,
            mysql: None,
            redis: None,
            grpc: None,
            amqp: None,
            nats: None,
            dns: None,
            tls: None,
            udp: None,
            icmp: None,
            initial_delay_seconds: 0,
            period_seconds: 10,
            failure_period_seconds: None,
            attempts: 1,
            timeout_seconds: 5,
            success_threshold: 1,
            failure_threshold: 3,
            startup: None,
        }
    }
}

impl Default for Startup {
    fn default() -> Self {
        Self { period_seconds: 1, failure_threshold: 30 }
    }
}

/// How a probe asks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Handler<'a> {
    /// `httpGet`
    Http(&'a HttpProbe),
    /// `tcpSocket`
    Tcp(&'a TcpProbe),
    /// `exec`
    Exec(&'a ExecProbe),
    /// `dockerHealth`
    DockerHealth(&'a DockerHealthProbe),
    /// `mqtt`
    Mqtt(&'a MqttProbe),
    /// `kafka`
    Kafka(&'a KafkaProbe),
    /// `postgres`
    Postgres(&'a PostgresProbe),
    /// `mysql`
    Mysql(&'a MysqlProbe),
    /// `redis`
    Redis(&'a RedisProbe),
    /// `grpc`
    Grpc(&'a GrpcProbe),
    /// `amqp`
    Amqp(&'a AmqpProbe),
    /// `nats`
    Nats(&'a NatsProbe),
    /// `dns`
    Dns(&'a DnsProbe),
    /// `tls`
    Tls(&'a TlsProbe),
    /// `udp`
    Udp(&'a UdpProbe),
    /// `icmp`
    Icmp(&'a IcmpProbe),
}

impl ProbeSpec {
    /// Every handler that is given; a valid spec has exactly one.
    pub fn handlers(&self) -> impl Iterator<Item = Handler<'_>> {
        [
            self.http_get.as_ref().map(Handler::Http),
            self.tcp_socket.as_ref().map(Handler::Tcp),
            self.exec.as_ref().map(Handler::Exec),
            self.docker_health.as_ref().map(Handler::DockerHealth),
            self.mqtt.as_ref().map(Handler::Mqtt),
            self.kafka.as_ref().map(Handler::Kafka),
            self.postgres.as_ref().map(Handler::Postgres),
            self.mysql.as_ref().map(Handler::Mysql),
            self.redis.as_ref().map(Handler::Redis),
            self.grpc.as_ref().map(Handler::Grpc),
            self.amqp.as_ref().map(Handler::Amqp),
            self.nats.as_ref().map(Handler::Nats),
            self.dns.as_ref().map(Handler::Dns),
            self.tls.as_ref().map(Handler::Tls),
            self.udp.as_ref().map(Handler::Udp),
            self.icmp.as_ref().map(Handler::Icmp),
        ]
        .into_iter()
        .flatten()
    }

    /// How to ask.
    pub fn handler(&self) -> Option<Handler<'_>> {
        self.handlers().next()
    }
}

impl Handler<'_> {
    /// The field it is written in.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Http(_) => "httpGet",
            Self::Tcp(_) => "tcpSocket",
            Self::Exec(_) => "exec",
            Self::DockerHealth(_) => "dockerHealth",
            Self::Mqtt(_) => "mqtt",
            Self::Kafka(_) => "kafka",
            Self::Postgres(_) => "postgres",
            Self::Mysql(_) => "mysql",
            Self::Redis(_) => "redis",
            Self::Grpc(_) => "grpc",
            Self::Amqp(_) => "amqp",
            Self::Nats(_) => "nats",
            Self::Dns(_) => "dns",
            Self::Tls(_) => "tls",
            Self::Udp(_) => "udp",
            Self::Icmp(_) => "icmp",
        }
    }

    /// The port that is written down; left out, the protocol's own is meant.
    pub const fn port(self) -> Option<u16> {
        match self {
            Self::Http(probe) => probe.port,
            Self::Tcp(probe) => Some(probe.port),
            Self::Mqtt(probe) => probe.port,
            Self::Kafka(probe) => probe.port,
            Self::Postgres(probe) => probe.port,
            Self::Mysql(probe) => probe.port,
            Self::Redis(probe) => probe.port,
            Self::Grpc(probe) => Some(probe.port),
            Self::Amqp(probe) => probe.port,
            Self::Nats(probe) => probe.port,
            Self::Dns(probe) => probe.port,
            Self::Tls(probe) => probe.port,
            Self::Udp(probe) => Some(probe.port),
            Self::Exec(_) | Self::DockerHealth(_) | Self::Icmp(_) => None,
        }
    }

    /// Whether only a container can be asked so, and not a host outside Docker.
    pub const fn needs_container(self) -> bool {
        matches!(self, Self::Exec(_) | Self::DockerHealth(_))
    }

    fn validate(self, check: &mut Check) {
        check.field(self.field(), |check| match self {
            Self::Http(http) => http.validate(check),
            Self::Tcp(tcp) => tcp.validate(check),
            Self::Exec(exec) => exec.validate(check),
            Self::DockerHealth(DockerHealthProbe {}) | Self::Icmp(IcmpProbe {}) => {}
            Self::Mqtt(mqtt) => mqtt.validate(check),
            Self::Kafka(kafka) => kafka.validate(check),
            Self::Postgres(postgres) => postgres.validate(check),
            Self::Mysql(mysql) => mysql.validate(check),
            Self::Redis(redis) => redis.validate(check),
            Self::Grpc(grpc) => grpc.validate(check),
            Self::Amqp(amqp) => amqp.validate(check),
            Self::Nats(nats) => nats.validate(check),
            Self::Dns(dns) => dns.validate(check),
            Self::Tls(tls) => tls.validate(check),
            Self::Udp(udp) => udp.validate(check),
        });
    }
}

impl Kind for ProbeSpec {
    const KIND: &'static str = "Probe";
    const PLURAL: &'static str = "probes";
    const SHORT: &'static [&'static str] = &["pr"];
    const DOC: &'static str = "A check whether something is healthy, and how often it runs.";

    fn validate(&self, check: &mut Check) {
        let given: Vec<&str> = self.handlers().map(Handler::field).collect();
        let fields: Vec<(&str, bool)> =
            HANDLERS.iter().map(|field| (*field, given.contains(field))).collect();
        check.exactly_one("handler", &fields);
        for handler in self.handlers() {
            handler.validate(check);
        }
        check.within("initialDelaySeconds", self.initial_delay_seconds, 0..=86_400);
        check.within("periodSeconds", self.period_seconds, 1..=86_400);
        if let Some(period) = self.failure_period_seconds {
            check.within("failurePeriodSeconds", period, 1..=86_400);
        }
        check.within("attempts", self.attempts, 1..=10);
        check.within("timeoutSeconds", self.timeout_seconds, 1..=3_600);
        check.within("successThreshold", self.success_threshold, 1..=1_000);
        check.within("failureThreshold", self.failure_threshold, 1..=1_000);
        if let Some(startup) = &self.startup {
            check.field("startup", |check| {
                check.within("periodSeconds", startup.period_seconds, 1..=86_400);
                check.within("failureThreshold", startup.failure_threshold, 1..=100_000);
            });
        }
    }
}
