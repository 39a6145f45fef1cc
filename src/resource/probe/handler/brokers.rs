//! The ways of asking brokers of messages.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{login, text};
use crate::resource::Login;
use crate::resource::check::Check;
use crate::resource::probe::tls::{ProbeTls, tls};

/// An MQTT broker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MqttProbe {
    /// The broker's port; left out: 1883.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u16>,
    /// Topic to subscribe to; left out: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// User name and password of the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Login>,
    /// TLS from the first byte; left out: no TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ProbeTls>,
}

/// A Kafka bootstrap server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct KafkaProbe {
    /// The server's port; left out: 9092.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u16>,
    /// Topic that must exist. Each of its partitions must have a leader.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[A-Za-z0-9._-]{1,249}$"))]
    pub topic: Option<String>,
    /// TLS from the first byte; left out: no TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ProbeTls>,
}

/// An AMQP 0-9-1 broker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AmqpProbe {
    /// The broker's port; left out: 5672.
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

/// A NATS server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NatsProbe {
    /// The server's port; left out: 4222.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u16>,
    /// User name and password of the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Login>,
    /// TLS that the server must offer, and how its certificate is checked; left out: TLS if the server offers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ProbeTls>,
}

impl MqttProbe {
    pub(in crate::resource::probe) fn validate(&self, check: &mut Check) {
        check.port("port", self.port);
        tls(self.tls.as_ref(), check);
        text("topic", self.topic.as_ref(), check);
        login(self.auth.as_ref(), check);
    }
}

impl KafkaProbe {
    pub(in crate::resource::probe) fn validate(&self, check: &mut Check) {
        check.port("port", self.port);
        tls(self.tls.as_ref(), check);
        let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if self
            .topic
            .as_ref()
            .is_some_and(|topic| topic.is_empty() || topic.len() > 249 || !topic.chars().all(part))
        {
            check.field("topic", |check| {
                check.refuse("is not the name of a topic: letters, digits, '.', '_', '-'")
            });
        }
    }
}

impl AmqpProbe {
    pub(in crate::resource::probe) fn validate(&self, check: &mut Check) {
        check.port("port", self.port);
        tls(self.tls.as_ref(), check);
        login(self.auth.as_ref(), check);
    }
}

impl NatsProbe {
    pub(in crate::resource::probe) fn validate(&self, check: &mut Check) {
        check.port("port", self.port);
        tls(self.tls.as_ref(), check);
        login(self.auth.as_ref(), check);
    }
}
