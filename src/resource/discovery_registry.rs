//! `DiscoveryRegistry`: a service that is told which containers run, and where.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::Check;
use super::{Auth, DeletionPolicy, Duration, Kind, Selector, Subject};

/// Keeps a Discovery Service up to date with what runs: `POST`, `PUT` and `DELETE` on `/registry/endpoints`.
///
/// Only the latest state of each container is sent, however many changes came before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct DiscoveryRegistrySpec {
    /// Base URL of the service, `http://` or `https://`; `/registry/endpoints` is appended.
    #[schemars(regex(pattern = "^https?://."))]
    pub url: String,
    /// Which containers are registered; left out: all. A container with the label `SERVICE_IGNORE` (as in registrator;
    /// any value) is not registered, unless a MonitoredService registers it.
    #[serde(default = "Selector::everything")]
    pub selector: Selector,
    /// When a container is registered.
    #[serde(default)]
    pub register_when: RegisterWhen,
    /// How long one call may take.
    #[serde(default = "five_seconds")]
    pub timeout: Duration,
    /// The host to register; left out: the engine's host name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The container's TCP port to register, translated to its published port; left out: the lowest published port,
    /// else the lowest exposed one. A container that uses another's network has that one's published ports. A port published
    /// on a loopback address only counts as not published, unless `host` is the loopback, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u16>,
    /// `true`: a container is registered only if `port` is published (if `port` is left out: any port), so that other machines
    /// can reach it.
    #[serde(default)]
    pub published_only: bool,
    /// How often everything is sent again, for a registry that forgets; `0s`: never.
    #[serde(default)]
    pub resync_period: Duration,
    /// What happens to its registrations when it is deleted: `deregister` removes them, which is tried for ten minutes,
    /// also across a restart of Portreeve; with `retain` they stay as they are.
    #[serde(default, skip_serializing_if = "DeletionPolicy::is_default")]
    pub deletion_policy: DeletionPolicy,
    /// Credentials that are sent with each call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
}

/// When a container is registered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RegisterWhen {
    /// As soon as it runs.
    #[default]
    Running,
    /// Only while its health check says `healthy`. A container without a health check counts as healthy.
    Healthy,
}

/// registrator's label by which a container asks not to be registered.
const IGNORE: &str = "SERVICE_IGNORE";

/// Whether a container with these labels asks not to be registered.
pub fn ignores(labels: &BTreeMap<String, String>) -> bool {
    labels.get(IGNORE).is_some_and(|value| !value.is_empty())
}

impl DiscoveryRegistrySpec {
    /// Whether a container is registered by the selector.
    pub fn selects(&self, subject: &Subject<'_>) -> bool {
        self.selector.matches(subject) && !ignores(subject.labels)
    }
}

pub(super) fn five_seconds() -> Duration {
    Duration::from_secs(5)
}

impl Kind for DiscoveryRegistrySpec {
    const KIND: &'static str = "DiscoveryRegistry";
    const PLURAL: &'static str = "discoveryregistries";
    const SHORT: &'static [&'static str] = &["reg"];
    const DOC: &'static str = "A Discovery Service in which running containers are registered.";

    fn validate(&self, check: &mut Check) {
        check.base_url("url", &self.url);
        check.field("selector", |check| self.selector.validate_filled(check));
        check.positive("timeout", self.timeout);
        if let Some(host) = &self.host {
            check.filled("host", host);
        }
        if let Some(port) = self.port {
            check.within("port", port, 1..=u16::MAX);
        }
        if let Some(auth) = &self.auth {
            check.field("auth", |check| auth.validate(check));
        }
    }
}
