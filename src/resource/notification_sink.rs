//! `NotificationSink`: somewhere people are told.

pub mod channel;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::Check;
use super::event::{EventFilter, Severity};
use super::{Duration, Kind, Selector, schema};
use channel::{
    Alertmanager, Apprise, Discord, Email, Gotify, Log, Ntfy, PagerDuty, Pushover, Slack, Telegram, Webhook,
};

/// The fields of which exactly one says where.
pub(crate) const CHANNELS: &[&str] = &[
    "webhook",
    "slack",
    "discord",
    "email",
    "ntfy",
    "gotify",
    "telegram",
    "pushover",
    "pagerduty",
    "apprise",
    "alertmanager",
    "log",
];

/// Sends notifications through exactly one channel. It gets the events of what its selector matches, and of objects
/// that name it in `notify`. A sink with neither gets no events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[schemars(transform = schema::exactly_one(CHANNELS))]
pub struct NotificationSinkSpec {
    /// An HTTP request that you define.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
    /// A Slack channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slack: Option<Slack>,
    /// A Discord channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discord: Option<Discord>,
    /// Mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<Email>,
    /// A topic of ntfy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ntfy: Option<Ntfy>,
    /// A Gotify server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gotify: Option<Gotify>,
    /// A Telegram chat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub telegram: Option<Telegram>,
    /// A Pushover user or group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pushover: Option<Pushover>,
    /// A PagerDuty service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pagerduty: Option<PagerDuty>,
    /// An Apprise API server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apprise: Option<Apprise>,
    /// A Prometheus Alertmanager.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alertmanager: Option<Alertmanager>,
    /// Portreeve's own log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<Log>,
    /// Which events it gets: a list, or `"*"` for all.
    pub events: EventFilter,
    /// The containers, and services of them, whose events it gets; left out: only the events of objects that name it in
    /// `notify`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<Selector>,
    /// The lowest severity that is sent.
    pub min_severity: Severity,
    /// Combines related events into one message; left out: each event is a message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grouping: Option<Grouping>,
    /// How often a problem that persists is sent again; left out: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reminder: Option<Duration>,
    /// How many messages are sent. The rest is summed up in one message, never dropped silently.
    pub rate_limit: RateLimit,
}

/// Combines related events into one message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Grouping {
    /// What the events of one message have in common.
    #[schemars(length(min = 1))]
    pub by: Vec<GroupBy>,
    /// How long the first event of a group waits for others.
    pub wait: Duration,
    /// The shortest time between two messages of a group.
    pub interval: Duration,
}

/// What the events of a group have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum GroupBy {
    /// The service.
    Service,
    /// The container.
    Container,
    /// The engine.
    Host,
    /// The name of the event.
    Event,
    /// How much it matters.
    Severity,
}

impl std::fmt::Display for GroupBy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Service => "service",
            Self::Container => "container",
            Self::Host => "host",
            Self::Event => "event",
            Self::Severity => "severity",
        })
    }
}

/// How many messages are sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RateLimit {
    /// Messages within `per`.
    #[schemars(range(min = 1, max = 10000))]
    pub messages: u32,
    /// The time window in which messages are counted.
    pub per: Duration,
}

impl Default for NotificationSinkSpec {
    fn default() -> Self {
        Self {
            webhook: None,
            slack: None,
            discord: None,
            email: None,
            ntfy: None,
            gotify: None,
            telegram: None,
            pushover: None,
            pagerduty: None,
            apprise: None,
            alertmanager: None,
            log: None,
            events: EventFilter::All,
            selector: None,
            min_severity: Severity::Info,
            grouping: None,
            reminder: None,
            rate_limit: RateLimit::default(),
        }
    }
}

impl Default for Grouping {
    fn default() -> Self {
        Self { by: vec![GroupBy::Service], wait: Duration::from_secs(30), interval: Duration::from_secs(300) }
    }
}

impl Default for RateLimit {
    fn default() -> Self {
        Self { messages: 20, per: Duration::from_secs(60) }
    }
}

impl NotificationSinkSpec {
    /// Each channel with whether it is given, in the order of [`CHANNELS`].
    fn given(&self) -> [bool; CHANNELS.len()] {
        [
            self.webhook.is_some(),
            self.slack.is_some(),
            self.discord.is_some(),
            self.email.is_some(),
            self.ntfy.is_some(),
            self.gotify.is_some(),
            self.telegram.is_some(),
            self.pushover.is_some(),
            self.pagerduty.is_some(),
            self.apprise.is_some(),
            self.alertmanager.is_some(),
            self.log.is_some(),
        ]
    }

    fn validate_channels(&self, check: &mut Check) {
        let given: Vec<(&str, bool)> = CHANNELS.iter().copied().zip(self.given()).collect();
        check.exactly_one("channel", &given);
        let channel = |check: &mut Check, key: &str, channel: Option<&dyn channel::Channel>| {
            if let Some(channel) = channel {
                check.field(key, |check| channel.validate(check));
            }
        };
        channel(check, "webhook", self.webhook.as_ref().map(|it| it as _));
        channel(check, "slack", self.slack.as_ref().map(|it| it as _));
        channel(check, "discord", self.discord.as_ref().map(|it| it as _));
        channel(check, "email", self.email.as_ref().map(|it| it as _));
        channel(check, "ntfy", self.ntfy.as_ref().map(|it| it as _));
        channel(check, "gotify", self.gotify.as_ref().map(|it| it as _));
        channel(check, "telegram", self.telegram.as_ref().map(|it| it as _));
        channel(check, "pushover", self.pushover.as_ref().map(|it| it as _));
        channel(check, "pagerduty", self.pagerduty.as_ref().map(|it| it as _));
        channel(check, "apprise", self.apprise.as_ref().map(|it| it as _));
        channel(check, "alertmanager", self.alertmanager.as_ref().map(|it| it as _));
    }
}

impl Kind for NotificationSinkSpec {
    const KIND: &'static str = "NotificationSink";
    const PLURAL: &'static str = "notificationsinks";
    const SHORT: &'static [&'static str] = &["sink"];
    const DOC: &'static str = "A channel to which notifications are sent. No effect yet: no message is sent.";

    fn validate(&self, check: &mut Check) {
        self.validate_channels(check);
        self.events.validate("events", check);
        if let Some(selector) = &self.selector {
            check.field("selector", |check| selector.validate_filled(check));
        }
        if let Some(grouping) = &self.grouping {
            check.field("grouping", |check| {
                if grouping.by.is_empty() {
                    check.field("by", |check| {
                        check.refuse("must name what the events of a group have in common")
                    });
                }
                check.distinct("by", &grouping.by);
                check.positive("interval", grouping.interval);
                if grouping.wait > grouping.interval {
                    let message = format!("must not be longer than interval, which is {}", grouping.interval);
                    check.field("wait", |check| check.refuse(message));
                }
            });
        }
        if let Some(reminder) = self.reminder {
            check.positive("reminder", reminder);
        }
        check.field("rateLimit", |check| {
            check.within("messages", self.rate_limit.messages, 1..=10_000);
            check.positive("per", self.rate_limit.per);
        });
    }
}
