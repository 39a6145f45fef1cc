//! `BillingService`: a service that is told of every start, stop and removal, once and in order.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::Check;
use super::discovery_registry::five_seconds;
use super::{Auth, Duration, Kind, Selector, Signing};

/// Posts lifecycle events to a Billing Service. No event is lost: it is stored in the same transaction as its cause and
/// sent until the service accepts it, always with the same `Idempotency-Key`. An event that the service refuses
/// permanently is parked: it waits until it is replayed or skipped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct BillingServiceSpec {
    /// Base URL of the service, `http://` or `https://`; `path` is appended.
    #[schemars(regex(pattern = "^https?://."))]
    pub url: String,
    /// Path that events are posted to.
    #[serde(default = "events_path")]
    #[schemars(regex(pattern = "^/[^?#]*$"))]
    pub path: String,
    /// Containers whose events are sent; left out: all.
    #[serde(default = "Selector::everything")]
    pub selector: Selector,
    /// Which events are sent.
    #[serde(default = "default_events")]
    #[schemars(length(min = 1))]
    pub events: Vec<BillingEvent>,
    /// How long one call may take.
    #[serde(default = "five_seconds")]
    pub timeout: Duration,
    /// How long to wait between attempts of one call. Their number has no limit.
    #[serde(default)]
    pub retry: Retry,
    /// The host name in events; left out: the engine's host name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Credentials that are sent with each call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// How bodies are signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing: Option<Signing>,
}

/// A change of a container that is sent as an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum BillingEvent {
    /// It was created. Sent only if listed.
    Created,
    /// A run began.
    Started,
    /// A run ended: the container exited, died or is restarting.
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

/// Waits between attempts: exponential from `initial` to `max`, with jitter.
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

impl Kind for BillingServiceSpec {
    const KIND: &'static str = "BillingService";
    const PLURAL: &'static str = "billingservices";
    const SHORT: &'static [&'static str] = &["bill"];
    const DOC: &'static str = "A Billing Service that gets every start, stop and removal, once and in order.";

    fn validate(&self, check: &mut Check) {
        check.base_url("url", &self.url);
        if !self.path.starts_with('/') || self.path.contains(['?', '#']) {
            check.field("path", |check| check.refuse("must be a path that starts with / and has no ? or #"));
        }
        check.field("selector", |check| self.selector.validate_filled(check));
        if self.events.is_empty() {
            check.field("events", |check| {
                check.refuse("must name an event: created, started, stopped, removed")
            });
        }
        check.positive("timeout", self.timeout);
        check.field("retry", |check| {
            check.positive("initial", self.retry.initial);
            if self.retry.initial > self.retry.max {
                let message = format!("must not be longer than max, which is {}", self.retry.max);
                check.field("initial", |check| check.refuse(message));
            }
        });
        if let Some(host) = &self.host {
            check.filled("host", host);
        }
        if let Some(auth) = &self.auth {
            check.field("auth", |check| auth.validate(check));
        }
        if let Some(signing) = &self.signing {
            check.field("signing", |check| check.field("secret", |check| signing.secret.validate(check)));
        }
    }
}
