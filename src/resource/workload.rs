//! `Workload`: containers kept running.

pub mod container;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::Check;
use super::{Amount, Duration, Kind};
use container::{EnvVar, Healthcheck, Port, PullPolicy, Resources, RestartPolicy};

/// The most replicas one workload can have.
const MOST_REPLICAS: u32 = 1_000;

/// Keeps a number of equal containers running. They are recreated when a field that concerns them changes. Only
/// containers with the workload's own labels are touched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct WorkloadSpec {
    /// The image, such as `nginx:alpine`.
    #[schemars(regex(pattern = "^\\S+$"))]
    pub image: String,
    /// How many containers; with `scale`, how many at first.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 1000))]
    pub replicas: u32,
    /// Replaces the image's command.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Environment variables of the containers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvVar>,
    /// Ports published on the host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Port>,
    /// How much each container may use.
    #[serde(default)]
    pub resources: Resources,
    /// Labels of the containers, besides Portreeve's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Names of networks that the containers join; left out: the engine's default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<String>,
    /// Volumes and directories of the host, as `source:/target` or `source:/target:ro`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(inner(regex(pattern = "^[^:]+:/[^:]*(:[a-zA-Z,]+)?$")))]
    pub volumes: Vec<String>,
    /// The containers' health check; left out: the image's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// When the engine itself starts a container again that exited.
    #[serde(default)]
    pub restart_policy: RestartPolicy,
    /// How containers are replaced when the workload changes.
    #[serde(default)]
    pub update: Update,
    /// How the number of containers follows their load; left out: it is `replicas`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<Scale>,
    /// When the image is pulled.
    #[serde(default)]
    pub pull_policy: PullPolicy,
}

/// How containers are replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Update {
    /// How many containers may be missing meanwhile: a count, or a share such as `"25%"`.
    pub max_unavailable: Amount,
    /// How many extra containers may run meanwhile: a count, or a share such as `"25%"`.
    pub max_surge: Amount,
}

/// How the number of containers follows their load.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Scale {
    /// The fewest containers.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1000))]
    pub min: u32,
    /// The most containers.
    #[schemars(range(min = 1, max = 1000))]
    pub max: u32,
    /// The average CPU use of the containers to aim for, in percent of their limit.
    #[serde(default = "seventy")]
    #[schemars(range(min = 1, max = 100))]
    pub cpu_percent: u32,
    /// How long to wait after a change before the next.
    #[serde(default = "three_minutes")]
    pub cooldown: Duration,
}

fn one() -> u32 {
    1
}

fn seventy() -> u32 {
    70
}

fn three_minutes() -> Duration {
    Duration::from_secs(180)
}

impl Default for Update {
    fn default() -> Self {
        Self { max_unavailable: Amount::Count(1), max_surge: Amount::Count(1) }
    }
}

impl Kind for WorkloadSpec {
    const KIND: &'static str = "Workload";
    const PLURAL: &'static str = "workloads";
    const SHORT: &'static [&'static str] = &["wl"];
    const DOC: &'static str = "Containers that are kept running. No effect yet: no container is started.";

    fn validate(&self, check: &mut Check) {
        if self.image.is_empty() || self.image.len() > 512 || self.image.contains(char::is_whitespace) {
            check.field("image", |check| check.refuse("is not the name of an image, such as nginx:alpine"));
        }
        check.within("replicas", self.replicas, 0..=MOST_REPLICAS);
        container::validate_env(&self.env, check);
        container::validate_ports(&self.ports, self.most(), check);
        check.field("resources", |check| self.resources.validate(check));
        check.field("labels", |check| {
            for key in self.labels.keys() {
                check.field(key, |check| {
                    if key.is_empty() {
                        check.refuse("a label needs a name");
                    } else if key == "managed-by"
                        || key.starts_with("portreeve.")
                        || key.starts_with("portreeve/")
                    {
                        check.refuse("is set by Portreeve itself");
                    }
                });
            }
        });
        check.distinct("networks", &self.networks);
        check.each("networks", &self.networks, |check, network| {
            if let Some(fault) = super::name_fault(network) {
                check.refuse(fault);
            }
        });
        container::validate_volumes(&self.volumes, check);
        if let Some(healthcheck) = &self.healthcheck {
            check.field("healthcheck", |check| healthcheck.validate(check));
        }
        check.field("update", |check| {
            if self.update.max_unavailable.is_zero() && self.update.max_surge.is_zero() {
                check.refuse("if both maxUnavailable and maxSurge are 0, no container can be replaced");
            }
        });
        if let Some(scale) = &self.scale {
            self.validate_scale(scale, check);
        }
    }
}

impl WorkloadSpec {
    /// The most containers there can be at once, updates aside.
    fn most(&self) -> u32 {
        self.scale.as_ref().map_or(self.replicas, |scale| scale.max.max(self.replicas))
    }

    fn validate_scale(&self, scale: &Scale, check: &mut Check) {
        check.field("scale", |check| {
            check.within("min", scale.min, 1..=MOST_REPLICAS);
            check.within("max", scale.max, 1..=MOST_REPLICAS);
            if scale.min > scale.max {
                let message = format!("must not be greater than max, which is {}", scale.max);
                check.field("min", |check| check.refuse(message));
            }
            check.within("cpuPercent", scale.cpu_percent, 1..=100);
            if self.resources.cpu.is_none() {
                check.field("cpuPercent", |check| {
                    check.warn("without resources.cpu it is a share of the whole machine");
                });
            }
        });
    }
}
