//! `BillingService`: a service that is told of every start, stop and removal, once and in order.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::discovery_registry::five_seconds;
use super::{Auth, Duration, Selector, Signing};

/// Posts lifecycle events to a Billing Service (document R1). None is lost: events are stored in the same
/// transaction as their cause and sent until the service takes them, each with its `Idempotency-Key`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct BillingServiceSpec {
    /// Base URL of the service, `http://` or `https://`; `path` is appended.
    pub url: String,
    /// Path that events are posted to.
    #[serde(default = "events_path")]
    pub path: String,
    /// Whose events are sent; left out: all containers'.
    #[serde(default = "Selector::everything")]
    pub selector: Selector,
    /// Which events are sent.
    #[serde(default = "default_events")]
    pub events: Vec<BillingEvent>,
    /// How long one call may take.
    #[serde(default = "five_seconds")]
    pub timeout: Duration,
    /// How long to wait between tries of one call. There is no last try.
    #[serde(default)]
    pub retry: Retry,
    /// The host named in events; left out: the engine's name for its host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// How calls prove who they come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// How bodies are signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing: Option<Signing>,
}

/// What can happen to a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum BillingEvent {
    /// It was created; sent only where listed.
    Created,
    /// A run began.
    Started,
    /// A run ended, whatever state follows.
    Stopped,
    /// It was removed.
    Removed,
}

impl BillingEvent {
    /// The word used on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Started => "started",
            Self::Stopped => "stopped",
            Self::Removed => "removed",
        }
    }
}

/// Waits between tries: exponential from `initial` to `max`, with jitter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Retry {
    /// The first wait.
    pub initial: Duration,
    /// The longest wait.
    pub max: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { initial: Duration::from_secs(1), max: Duration::from_secs(300) }
    }
}

fn events_path() -> String {
    "/events".to_owned()
}

fn default_events() -> Vec<BillingEvent> {
    vec![BillingEvent::Started, BillingEvent::Stopped, BillingEvent::Removed]
}
