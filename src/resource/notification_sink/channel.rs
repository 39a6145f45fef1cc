//! The channels of a sink. What gives access, a webhook's URL among it, is a reference to a secret.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::resource::check::Check;
use crate::resource::{Auth, Header, Login, SecretRef, Signing};

/// What every channel says about its own fields.
pub(super) trait Channel {
    fn validate(&self, check: &mut Check);
}

/// An HTTP POST.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Webhook {
    /// The URL to post to. It gives access, so it is a reference to a secret.
    pub url: SecretRef,
    /// Headers to send.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Header>,
    /// The body; left out: the event as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16384))]
    pub template: Option<String>,
    /// How bodies are signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing: Option<Signing>,
}

/// An incoming webhook of Slack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Slack {
    /// The incoming webhook's URL.
    pub url: SecretRef,
}

/// A webhook of Discord.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Discord {
    /// The webhook's URL.
    pub url: SecretRef,
}

/// Mail through an SMTP server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Email {
    /// The server: `smtp://host:port` or `smtps://host:port`; without a port: 587 or 465.
    #[schemars(regex(pattern = "^smtps?://."))]
    pub url: String,
    /// The sender's address.
    #[schemars(regex(pattern = "^[^@\\s]+@[^@\\s]+$"))]
    pub from: String,
    /// The recipients' addresses.
    #[schemars(length(min = 1), inner(regex(pattern = "^[^@\\s]+@[^@\\s]+$")))]
    pub to: Vec<String>,
    /// How the connection is protected; left out: `implicit` with `smtps://`, else `startTls`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<EmailTls>,
    /// User name and password for the SMTP server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Login>,
}

/// How a connection to an SMTP server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum EmailTls {
    /// TLS from the first byte.
    Implicit,
    /// Unencrypted until STARTTLS, which must succeed.
    StartTls,
    /// Unencrypted.
    None,
}

/// A topic of ntfy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Ntfy {
    /// Base URL of the server.
    #[serde(default = "ntfy_server")]
    #[schemars(regex(pattern = "^https?://."))]
    pub url: String,
    /// The topic.
    #[schemars(regex(pattern = "^[A-Za-z0-9_-]{1,64}$"))]
    pub topic: String,
    /// Credentials that are sent with each call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
}

/// A Gotify server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Gotify {
    /// Base URL of the server.
    #[schemars(regex(pattern = "^https?://."))]
    pub url: String,
    /// The application's token.
    pub token: SecretRef,
}

/// A Telegram chat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Telegram {
    /// The bot's token.
    pub token: SecretRef,
    /// The chat's id, or a channel's name such as `"@ops"`.
    #[schemars(length(min = 1))]
    pub chat_id: String,
}

/// A Pushover user or group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Pushover {
    /// The application's token.
    pub token: SecretRef,
    /// The user's or group's key.
    pub user: SecretRef,
}

/// A PagerDuty service, through its Events API v2.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PagerDuty {
    /// The integration's key.
    pub routing_key: SecretRef,
}

/// An Apprise API server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Apprise {
    /// The URL to post to. It may contain a key, so it is a reference to a secret.
    pub url: SecretRef,
}

/// A Prometheus Alertmanager, through its API v2.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Alertmanager {
    /// Base URL; `/api/v2/alerts` is appended.
    #[schemars(regex(pattern = "^https?://."))]
    pub url: String,
    /// Credentials that are sent with each call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
}

/// Portreeve's own log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Log {
    /// The level of the lines.
    #[serde(default)]
    pub level: LogLevel,
}

/// The level of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Only with `RUST_LOG=debug`.
    Debug,
    /// Shown by default.
    #[default]
    Info,
    /// Shown as a warning.
    Warn,
    /// Shown as an error.
    Error,
}

fn ntfy_server() -> String {
    "https://ntfy.sh".to_owned()
}

fn secret(key: &str, secret: &SecretRef, check: &mut Check) {
    check.field(key, |check| secret.validate(check));
}

fn auth(auth: Option<&Auth>, check: &mut Check) {
    if let Some(auth) = auth {
        check.field("auth", |check| auth.validate(check));
    }
}

impl Channel for Webhook {
    fn validate(&self, check: &mut Check) {
        secret("url", &self.url, check);
        check.each("headers", &self.headers, |check, header| header.validate(check));
        if let Some(template) = &self.template {
            check.bounded("template", template, 16 * 1024);
        }
        if let Some(signing) = &self.signing {
            check.field("signing", |check| secret("secret", &signing.secret, check));
        }
    }
}

impl Channel for Slack {
    fn validate(&self, check: &mut Check) {
        secret("url", &self.url, check);
    }
}

impl Channel for Discord {
    fn validate(&self, check: &mut Check) {
        secret("url", &self.url, check);
    }
}

impl Channel for Email {
    fn validate(&self, check: &mut Check) {
        if let Some(fault) = smtp_fault(&self.url) {
            check.field("url", |check| check.refuse_url(&self.url, fault.to_string()));
        }
        let address = |text: &str| {
            let parts = text.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
            parts
                && text.matches('@').count() == 1
                && !text.contains(|c: char| c.is_whitespace() || c.is_control())
        };
        let unusable = "is not an address such as \"ops@example.org\"";
        if !address(&self.from) {
            check.field("from", |check| check.refuse(unusable));
        }
        if self.to.is_empty() {
            check.field("to", |check| check.refuse("must name a recipient"));
        }
        check.each("to", &self.to, |check, to| {
            if !address(to) {
                check.refuse(unusable);
            }
        });
        if self.tls == Some(EmailTls::None) && self.auth.is_some() {
            check.field("tls", |check| check.warn("the password is sent unencrypted"));
        }
        if self.url.starts_with("smtps://") && self.tls.is_some_and(|tls| tls != EmailTls::Implicit) {
            check.field("tls", |check| {
                check.refuse("smtps:// is TLS from the first byte: implicit, or smtp://")
            });
        }
        if let Some(login) = &self.auth {
            check.field("auth", |check| login.validate(check));
        }
    }
}

/// Why a text is not the address of an SMTP server. The text itself is never repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum SmtpFault {
    #[error("must be smtp://host:port or smtps://host:port")]
    Malformed,
    #[error("contains a user or password; give them as auth: {{username: …, password: {{env: NAME}}}}")]
    Password,
}

fn smtp_fault(url: &str) -> Option<SmtpFault> {
    let Ok(parsed) = url::Url::parse(url) else { return Some(SmtpFault::Malformed) };
    if parsed.password().is_some() || !parsed.username().is_empty() {
        return Some(SmtpFault::Password);
    }
    let bare = matches!(parsed.path(), "" | "/") && parsed.query().is_none() && parsed.fragment().is_none();
    let host = parsed.host_str().is_some_and(|host| !host.is_empty());
    (!matches!(parsed.scheme(), "smtp" | "smtps") || !bare || !host).then_some(SmtpFault::Malformed)
}

impl Channel for Ntfy {
    fn validate(&self, check: &mut Check) {
        check.base_url("url", &self.url);
        let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if self.topic.is_empty() || self.topic.len() > 64 || !self.topic.chars().all(part) {
            check.field("topic", |check| check.refuse("has 1 to 64 letters, digits, '_' and '-'"));
        }
        auth(self.auth.as_ref(), check);
    }
}

impl Channel for Gotify {
    fn validate(&self, check: &mut Check) {
        check.base_url("url", &self.url);
        secret("token", &self.token, check);
    }
}

impl Channel for Telegram {
    fn validate(&self, check: &mut Check) {
        secret("token", &self.token, check);
        check.filled("chatId", &self.chat_id);
    }
}

impl Channel for Pushover {
    fn validate(&self, check: &mut Check) {
        secret("token", &self.token, check);
        secret("user", &self.user, check);
    }
}

impl Channel for PagerDuty {
    fn validate(&self, check: &mut Check) {
        secret("routingKey", &self.routing_key, check);
    }
}

impl Channel for Apprise {
    fn validate(&self, check: &mut Check) {
        secret("url", &self.url, check);
    }
}

impl Channel for Alertmanager {
    fn validate(&self, check: &mut Check) {
        check.base_url("url", &self.url);
        auth(self.auth.as_ref(), check);
    }
}
