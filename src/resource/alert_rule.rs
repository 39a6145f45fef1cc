//! `AlertRule`: a figure, and when it is an alert.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::check::Check;
use super::event::{Notify, Severity};
use super::{Duration, Kind, Selector, schema};

/// Fires for each container, service or machine that meets the condition long enough. Resolves when the condition no
/// longer holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AlertRuleSpec {
    /// What is watched.
    pub subject: AlertSubject,
    /// When the alert fires.
    pub condition: AlertCondition,
    /// How long the condition must hold before the alert fires.
    #[serde(default, rename = "for")]
    pub duration: Duration,
    /// How much the alert matters.
    #[serde(default = "warning")]
    pub severity: Severity,
    /// Sinks that get the alert, besides the sinks whose selector matches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notify: Vec<Notify>,
}

/// What is watched: exactly one of these.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(transform = schema::exactly_one(&["containers", "services", "system"]))]
pub struct AlertSubject {
    /// Each of these containers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub containers: Option<ContainerSubject>,
    /// Each of these services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub services: Option<ServiceSubject>,
    /// Each machine that an engine runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<SystemSubject>,
}

/// Containers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ContainerSubject {
    /// Which containers.
    pub selector: Selector,
}

/// Services.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ServiceSubject {
    /// Patterns of the names of MonitoredServices, with `*` and `?`.
    #[schemars(length(min = 1))]
    pub names: Vec<String>,
}

/// The machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SystemSubject {}

/// When the alert fires: a metric compared with a value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Condition")]
pub struct AlertCondition {
    /// The figure.
    pub metric: Metric,
    /// How the metric is compared with `value`.
    pub op: Operator,
    /// What the metric is compared with: a number, or for `status` one of healthy, unhealthy, unknown, error,
    /// not_found.
    pub value: Threshold,
    /// With `>` and `>=`: the alert resolves only below this, so that a value at the threshold does not flap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clear_below: Option<f64>,
    /// With `<` and `<=`: the alert resolves only above this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clear_above: Option<f64>,
}

/// A figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// CPU use in percent of the container's limit, or of the machine if there is no limit.
    CpuPercent,
    /// Memory use in percent of the container's limit, or of the machine if there is no limit.
    MemoryPercent,
    /// Use of the machine's file system in percent.
    DiskPercent,
    /// The machine's load average of one minute.
    Load1,
    /// How long a service takes to answer, in milliseconds.
    ResponseTimeMs,
    /// How many of a service's checks succeed, in percent over 24 hours.
    SuccessRate,
    /// The health status.
    Status,
    /// Restarts within an hour.
    Restarts,
    /// How many days a service's certificate is still valid.
    CertDaysLeft,
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Operator {
    /// Greater.
    #[serde(rename = ">")]
    Greater,
    /// Greater or equal.
    #[serde(rename = ">=")]
    GreaterOrEqual,
    /// Less.
    #[serde(rename = "<")]
    Less,
    /// Less or equal.
    #[serde(rename = "<=")]
    LessOrEqual,
    /// Equal.
    #[serde(rename = "==")]
    Equal,
    /// Not equal.
    #[serde(rename = "!=")]
    NotEqual,
}

/// What a figure is compared to.
#[derive(Clone, Debug, PartialEq)]
pub enum Threshold {
    /// A number.
    Number(f64),
    /// A health status.
    Word(String),
}

/// The words of [`Metric::Status`].
const STATUSES: [&str; 5] = ["healthy", "unhealthy", "unknown", "error", "not_found"];

fn warning() -> Severity {
    Severity::Warning
}

impl Metric {
    /// The name as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CpuPercent => "cpu_percent",
            Self::MemoryPercent => "memory_percent",
            Self::DiskPercent => "disk_percent",
            Self::Load1 => "load1",
            Self::ResponseTimeMs => "response_time_ms",
            Self::SuccessRate => "success_rate",
            Self::Status => "status",
            Self::Restarts => "restarts",
            Self::CertDaysLeft => "cert_days_left",
        }
    }

    /// Whether it is a share of a hundred.
    const fn is_percent(self) -> bool {
        matches!(self, Self::CpuPercent | Self::MemoryPercent | Self::DiskPercent | Self::SuccessRate)
    }
}

impl Serialize for Threshold {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => serializer.serialize_f64(*number),
            Self::Word(word) => serializer.serialize_str(word),
        }
    }
}

impl<'de> Deserialize<'de> for Threshold {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ThresholdVisitor)
    }
}

struct ThresholdVisitor;

impl serde::de::Visitor<'_> for ThresholdVisitor {
    type Value = Threshold;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number or a health status")
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Threshold, E> {
        Ok(Threshold::Number(number))
    }

    // A threshold needs no more digits than a double has.
    #[allow(clippy::cast_precision_loss)]
    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Threshold, E> {
        Ok(Threshold::Number(number as f64))
    }

    #[allow(clippy::cast_precision_loss)]
    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Threshold, E> {
        Ok(Threshold::Number(number as f64))
    }

    fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Threshold, E> {
        Ok(Threshold::Word(word.to_owned()))
    }
}

impl JsonSchema for Threshold {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Threshold".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["number", "string"], "examples": [90, "unhealthy"]})
    }
}

impl AlertSubject {
    /// The subject's field and the figures that it has.
    fn figures(&self) -> Option<(&'static str, &'static [Metric])> {
        use Metric::{
            CertDaysLeft, CpuPercent, DiskPercent, Load1, MemoryPercent, ResponseTimeMs, Restarts, Status,
            SuccessRate,
        };
        if self.containers.is_some() {
            Some(("containers", &[CpuPercent, MemoryPercent, Status, Restarts]))
        } else if self.services.is_some() {
            let figures =
                &[CpuPercent, MemoryPercent, ResponseTimeMs, SuccessRate, Status, Restarts, CertDaysLeft];
            Some(("services", figures))
        } else {
            self.system
                .as_ref()
                .map(|SystemSubject {}| ("system", &[CpuPercent, MemoryPercent, DiskPercent, Load1][..]))
        }
    }
}

impl Kind for AlertRuleSpec {
    const KIND: &'static str = "AlertRule";
    const PLURAL: &'static str = "alertrules";
    const SHORT: &'static [&'static str] = &["rule"];
    const DOC: &'static str =
        "An alert on a metric of containers, services or machines. No effect yet: no alert fires.";

    fn validate(&self, check: &mut Check) {
        check.field("subject", |check| {
            let AlertSubject { containers, services, system } = &self.subject;
            let given = [
                ("containers", containers.is_some()),
                ("services", services.is_some()),
                ("system", system.is_some()),
            ];
            check.exactly_one("subject", &given);
            if let Some(ContainerSubject { selector }) = containers {
                check.field("containers", |check| {
                    check.field("selector", |check| selector.validate_filled(check))
                });
            }
            if let Some(ServiceSubject { names }) = services {
                check.field("services", |check| {
                    if names.is_empty() {
                        check.field("names", |check| {
                            check.refuse("must name a service; \"*\" means every one")
                        });
                    }
                    check.each("names", names, |check, name| {
                        if name.is_empty() {
                            check.refuse("an empty pattern matches nothing");
                        }
                    });
                });
            }
        });
        check.field("condition", |check| {
            let metric = self.condition.metric;
            if let Some((subject, figures)) = self.subject.figures()
                && !figures.contains(&metric)
            {
                let known: Vec<&str> = figures.iter().map(|metric| metric.as_str()).collect();
                let message = format!("{subject} have no {}; there is {}", metric.as_str(), known.join(", "));
                check.field("metric", |check| {
                    check.refuse(message.replacen("system have", "the system has", 1))
                });
            }
            self.condition.validate(check);
        });
        check.each("notify", &self.notify, |check, notify| notify.validate(check));
    }
}

impl AlertCondition {
    fn validate(&self, check: &mut Check) {
        match (&self.value, self.metric) {
            (Threshold::Word(word), Metric::Status) => self.validate_status(word, check),
            (Threshold::Number(_), Metric::Status) => {
                check.field("value", |check| {
                    check.refuse(format!("status is one of {}", STATUSES.join(", ")))
                });
            }
            (Threshold::Word(_), _) => check.field("value", |check| check.refuse("must be a number")),
            (Threshold::Number(value), metric) => {
                if metric.is_percent() {
                    check.within(
                        "value",
                        *value,
                        0.0..=100.0 * if metric == Metric::CpuPercent { 100.0 } else { 1.0 },
                    );
                }
                self.validate_clear(*value, check);
            }
        }
    }

    fn validate_status(&self, word: &str, check: &mut Check) {
        if !STATUSES.contains(&word) {
            let hint = super::nearest(word, STATUSES).map_or_else(
                || format!("is not one of {}", STATUSES.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            check.field("value", |check| check.refuse(hint));
        }
        if !matches!(self.op, Operator::Equal | Operator::NotEqual) {
            check.field("op", |check| check.refuse("a status is compared with == or !="));
        }
        for (key, clear) in [("clearBelow", self.clear_below), ("clearAbove", self.clear_above)] {
            if clear.is_some() {
                check.field(key, |check| check.refuse("a status has no order"));
            }
        }
    }

    fn validate_clear(&self, value: f64, check: &mut Check) {
        let above = matches!(self.op, Operator::Greater | Operator::GreaterOrEqual);
        let below = matches!(self.op, Operator::Less | Operator::LessOrEqual);
        if let Some(clear) = self.clear_below {
            check.field("clearBelow", |check| {
                if !above {
                    check.refuse("is used with > and >=; with < and <= use clearAbove");
                } else if clear > value {
                    check.refuse(format!("must not be greater than value, which is {value}"));
                }
            });
        }
        if let Some(clear) = self.clear_above {
            check.field("clearAbove", |check| {
                if !below {
                    check.refuse("is used with < and <=; with > and >= use clearBelow");
                } else if clear < value {
                    check.refuse(format!("must not be less than value, which is {value}"));
                }
            });
        }
    }
}
