//! A container as an inspect shows it.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::endpoint::NetworkEndpoint;
use super::key::ContainerKey;
use super::nanos::Nanos;
use crate::resource::{Duration, Subject};

/// `State.Status` of an inspect. `Running` of the same answer is not used: it is true while `restarting`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Created and never started.
    Created,
    /// A run is open.
    Running,
    /// A run is open, its processes frozen; counts as running.
    Paused,
    /// Between two runs of Docker's own restart policy.
    Restarting,
    /// Being removed.
    Removing,
    /// Not running.
    Exited,
    /// Not running and beyond repair by a start.
    Dead,
}

impl State {
    /// The engine's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Removing => "removing",
            Self::Exited => "exited",
            Self::Dead => "dead",
        }
    }

    /// Whether a run is open: running or paused.
    pub const fn is_up(self) -> bool {
        matches!(self, Self::Running | Self::Paused)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What Docker's own health check says of the current run. Exited containers keep their last value.
///
/// The engine has the first three words only. The others are made of one of them that no check stands behind any more: see
/// [`crate::reconcile::health::checks`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Within the start period or before the first result.
    Starting,
    /// The last check passed.
    Healthy,
    /// As many checks failed in a row as the image's `retries`.
    Unhealthy,
    /// What it said is of a time before a pause, or before the engine was away: the next check is waited for.
    Awaited,
    /// The engine makes no checks, though they are long due: nobody knows.
    Silent,
}

impl Health {
    /// The word for it. That a check is waited for is called `starting`, whatever was before.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting | Self::Awaited => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Silent => "silent",
        }
    }
}

/// How a container's health check is configured; what is left out is as Docker has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HealthCheck {
    /// From the end of one check to the beginning of the next.
    pub interval: Duration,
    /// How long a check may take.
    pub timeout: Duration,
    /// How many must fail in a row.
    pub retries: u32,
    /// How long after the start failures do not count.
    pub start_period: Duration,
}

impl Default for HealthCheck {
    /// Docker's own defaults.
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(30),
            timeout: Duration::from_secs(30),
            retries: 3,
            start_period: Duration::ZERO,
        }
    }
}

/// A port of a container, exposed or published.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ContainerPort")]
pub struct Port {
    /// The port inside the container.
    pub container: u16,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
    /// The port on the host, if published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<u16>,
    /// The address on the host, if published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_ip: Option<String>,
}

/// Docker's own restart policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// Never restarted by the engine.
    #[default]
    No,
    /// Always restarted, but for stops by hand.
    Always,
    /// As `Always`, and not started with the engine after a stop by hand.
    UnlessStopped,
    /// Restarted after an exit code other than 0, at most `max` times (0: no limit).
    OnFailure {
        /// `MaximumRetryCount`.
        max: u32,
    },
}

/// One container as an inspect showed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// Engine and id.
    pub key: ContainerKey,
    /// Name without a leading slash.
    pub name: String,
    /// `Config.Image`: the image as named at creation.
    pub image: String,
    /// The image itself, by its content: `sha256:…`; it changes when the name came to mean another.
    #[serde(default)]
    pub image_id: String,
    /// Labels, all of them.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// `State.Status`.
    pub state: State,
    /// What its health check says, as far as a check stands behind it; `None` without a health check.
    #[serde(default)]
    pub health: Option<Health>,
    /// The last health check's output, bounded; for people.
    #[serde(default)]
    pub health_output: Option<String>,
    /// When the last health check ended, if one has ended since the engine last forgot them.
    #[serde(default)]
    pub last_check: Option<Nanos>,
    /// How many checks have failed in a row by then.
    #[serde(default)]
    pub failing_streak: Option<u32>,
    /// How its health check is configured; `None` without one.
    #[serde(default)]
    pub health_check: Option<HealthCheck>,
    /// When it was created.
    pub created: Nanos,
    /// When the last run began; `None` before the first.
    #[serde(default)]
    pub started: Option<Nanos>,
    /// When the last *ended* run ended: while a run is open this belongs to the run before it.
    #[serde(default)]
    pub finished: Option<Nanos>,
    /// Exit code of the last ended run.
    #[serde(default)]
    pub exit_code: i64,
    /// The engine's error text of a failed start; empty when there was none.
    #[serde(default)]
    pub error: String,
    /// Restarts by Docker's own policy since the last start by hand.
    #[serde(default)]
    pub restart_count: u32,
    /// Docker's own restart policy.
    #[serde(default)]
    pub restart_policy: RestartPolicy,
    /// Whether it is removed when it ends (`--rm`).
    #[serde(default)]
    pub auto_remove: bool,
    /// Ports, exposed and published, sorted.
    #[serde(default)]
    pub ports: Vec<Port>,
    /// CPU limit in billionths of a CPU; `None` without a limit.
    #[serde(default)]
    pub nano_cpus: Option<i64>,
    /// Memory limit in bytes; `None` without a limit.
    #[serde(default)]
    pub memory: Option<i64>,
    /// `HostConfig.NetworkMode`.
    #[serde(default)]
    pub network_mode: String,
    /// Networks it is attached to, by name.
    #[serde(default)]
    pub networks: BTreeMap<String, NetworkEndpoint>,
    /// Signal that stops it, as its configuration names it; `None`: SIGTERM.
    #[serde(default)]
    pub stop_signal: Option<String>,
    /// Seconds the engine waits after that signal; `None`: 10.
    #[serde(default)]
    pub stop_timeout: Option<i64>,
}

impl Container {
    /// The lowest port of the host for each port that is published, such as `80/tcp`.
    pub fn published(&self) -> BTreeMap<String, u16> {
        let mut published = BTreeMap::new();
        for port in &self.ports {
            if let Some(host) = port.host {
                let lowest = published.entry(format!("{}/{}", port.container, port.protocol)).or_insert(host);
                *lowest = host.min(*lowest);
            }
        }
        published
    }

    /// What selectors look at.
    pub fn subject(&self) -> Subject<'_> {
        Subject { engine: &self.key.engine, name: &self.name, image: &self.image, labels: &self.labels }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_published_at_the_lowest_of_the_ports_that_lead_to_it() {
        let port = |container, protocol: &str, host| Port {
            container,
            protocol: protocol.to_owned(),
            host,
            host_ip: None,
        };
        let ports = vec![
            port(53, "udp", Some(5353)),
            port(80, "tcp", Some(8081)),
            port(80, "tcp", Some(8080)),
            port(443, "tcp", None),
        ];
        let container = serde_json::json!({
            "key": ContainerKey::new("local", "c1"), "name": "web", "image": "i", "state": "running", "created": 0, "ports": ports,
        });
        let container: Container = serde_json::from_value(container).expect("a container");
        let published = [("53/udp".to_owned(), 5353), ("80/tcp".to_owned(), 8080)];
        assert_eq!(container.published(), published.into());
    }
}
