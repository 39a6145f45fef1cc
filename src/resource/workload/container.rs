//! What a workload's containers are made of.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::resource::check::Check;
use crate::resource::{Cpu, Duration, Memory, SecretRef, schema};

/// The least memory that an engine gives a container.
const LEAST_MEMORY: Memory = Memory::from_bytes(6 << 20);

/// An environment variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(transform = schema::exactly_one(&["value", "valueFrom"]))]
pub struct EnvVar {
    /// Its name.
    #[schemars(regex(pattern = "^[^=\\s]+$"))]
    pub name: String,
    /// Its value, if that is not a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The secret that holds its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<SecretRef>,
}

/// A port published on the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Port {
    /// The container's port.
    #[schemars(range(min = 1, max = 65535))]
    pub container: u16,
    /// The host's port; 0: any free port.
    #[serde(default)]
    pub host: u16,
    /// The protocol.
    #[serde(default)]
    pub protocol: Protocol,
}

/// The protocol of a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

/// How much a container may use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Resources {
    /// CPUs, such as `"0.5"` or `500m`; left out: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Cpu>,
    /// Memory, such as `256m`, `1g` or `256Mi`; at least `6m`; left out: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
}

/// A container's health check, as Docker runs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Healthcheck {
    /// `[CMD, program, argument…]`, `[CMD-SHELL, text]`, or `[NONE]` to switch off the image's health check.
    #[schemars(length(min = 1))]
    pub test: Vec<String>,
    /// Time from one check to the next.
    #[serde(default = "thirty_seconds")]
    pub interval: Duration,
    /// How long one check may take.
    #[serde(default = "thirty_seconds")]
    pub timeout: Duration,
    /// How many checks in a row must fail before the container is unhealthy.
    #[serde(default = "three")]
    #[schemars(range(min = 1, max = 1000))]
    pub retries: u32,
    /// How long after the start failures do not count.
    #[serde(default)]
    pub start_period: Duration,
}

/// When the engine itself starts a container again that exited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// Never.
    No,
    /// Always. A container that was stopped by hand is started again when the engine starts.
    Always,
    /// Unless it was stopped by hand.
    #[default]
    UnlessStopped,
    /// If its exit code is not 0.
    OnFailure,
}

/// When an image is pulled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PullPolicy {
    /// Before each container is created.
    Always,
    /// When the engine does not have it.
    #[default]
    IfNotPresent,
    /// Never.
    Never,
}

fn thirty_seconds() -> Duration {
    Duration::from_secs(30)
}

fn three() -> u32 {
    3
}

pub(super) fn validate_env(env: &[EnvVar], check: &mut Check) {
    let mut names = BTreeSet::new();
    check.each("env", env, |check, variable| {
        let EnvVar { name, value, value_from } = variable;
        if name.is_empty() || name.contains(|c: char| c == '=' || c.is_whitespace() || c.is_control()) {
            check.field("name", |check| check.refuse("is not the name of an environment variable"));
        } else if !names.insert(name) {
            check.field("name", |check| check.refuse(format!("`{name}` is given twice")));
        }
        check.exactly_one("field", &[("value", value.is_some()), ("valueFrom", value_from.is_some())]);
        if let Some(value) = value {
            if value.contains('\0') {
                check.field("value", |check| check.refuse("must not contain a NUL character"));
            } else if !value.is_empty() && sounds_secret(name) {
                check.field("name", |check| {
                    check.warn("looks like a secret: give it as valueFrom: {env: NAME} or {file: path}");
                });
            }
        }
        if let Some(from) = value_from {
            check.field("valueFrom", |check| from.validate(check));
        }
    });
}

fn sounds_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["PASSWORD", "PASSWD", "SECRET", "TOKEN", "API_KEY", "APIKEY", "PRIVATE_KEY", "CREDENTIALS"]
        .iter()
        .any(|word| name.ends_with(word))
}

/// `most`: how many containers there can be at once.
pub(super) fn validate_ports(ports: &[Port], most: u32, check: &mut Check) {
    let mut taken = BTreeSet::new();
    let mut published = BTreeSet::new();
    check.each("ports", ports, |check, port| {
        check.port("container", port.container);
        if !published.insert((port.container, port.host, port.protocol)) {
            check.refuse("is given twice");
        } else if port.host != 0 {
            if !taken.insert((port.host, port.protocol)) {
                check.field("host", |check| check.refuse("another port is published there"));
            }
            if most > 1 {
                let message =
                    format!("only one of {most} containers can have a fixed port: use 0 for free ports");
                check.field("host", |check| check.refuse(message));
            }
        }
    });
}

pub(super) fn validate_volumes(volumes: &[String], check: &mut Check) {
    let mut targets = BTreeSet::new();
    check.each("volumes", volumes, |check, volume| {
        let mut parts = volume.split(':');
        let (source, target, mode) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
        let source_good = source.starts_with('/') || crate::resource::name_fault(source).is_none();
        let mode_good = mode
            .is_none_or(|mode| !mode.is_empty() && mode.chars().all(|c| c.is_ascii_alphabetic() || c == ','));
        match target {
            Some(target) if source_good && target.starts_with('/') && mode_good && parts.next().is_none() => {
                if !targets.insert(target) {
                    check.refuse(format!("something else is mounted at {target} already"));
                }
            }
            _ => check.refuse("is not name:/target, /directory:/target or one of these and :ro"),
        }
    });
}

impl Resources {
    pub(super) fn validate(&self, check: &mut Check) {
        if self.cpu.is_some_and(|cpu| cpu.millis() == 0) {
            check.field("cpu", |check| check.refuse("must be more than 0; left out: no limit"));
        }
        if self.memory.is_some_and(|memory| memory < LEAST_MEMORY) {
            check.field("memory", |check| check.refuse(format!("the engine's minimum is {LEAST_MEMORY}")));
        }
    }
}

impl Healthcheck {
    pub(super) fn validate(&self, check: &mut Check) {
        let (how, rest) = self.test.split_first().map_or(("", &[][..]), |(how, rest)| (how.as_str(), rest));
        let fault = match how {
            "NONE" if rest.is_empty() => None,
            "CMD" if rest.first().is_some_and(|program| !program.is_empty()) => None,
            "CMD-SHELL" if rest.len() == 1 => None,
            "NONE" => Some("NONE takes no arguments"),
            "CMD" => Some("CMD is followed by a program and its arguments"),
            "CMD-SHELL" => Some("CMD-SHELL is followed by one text"),
            _ => Some("must start with CMD, CMD-SHELL or NONE"),
        };
        if let Some(fault) = fault {
            check.field("test", |check| check.refuse(fault));
        }
        check.positive("interval", self.interval);
        check.positive("timeout", self.timeout);
        check.within("retries", self.retries, 1..=1_000);
    }
}
