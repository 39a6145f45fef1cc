//! `Settings`: what can change while Portreeve runs. One object, named `portreeve`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::Check;
use super::{Duration, Kind};

/// Intervals, retentions and thresholds. Listen address, storage and tokens are flags.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct SettingsSpec {
    /// How often each engine is listed again, besides its event stream.
    pub resync: Duration,
    /// How long health snapshots are kept. No effect yet.
    #[schemars(range(min = 1, max = 3650))]
    pub health_retention_days: u32,
    /// How long samples, events and delivered calls are kept.
    #[schemars(range(min = 1, max = 3650))]
    pub metrics_retention_days: u32,
    /// How often the machine's metrics are read. No effect yet.
    pub system_check_interval: Duration,
    /// How often registered services are checked. No effect yet: a probe has its own `periodSeconds`.
    pub service_check_interval: Duration,
    /// How long a check may take unless it says otherwise. No effect yet: a probe has its own `timeoutSeconds`.
    pub default_timeout: Duration,
    /// How many checks run at once.
    #[schemars(range(min = 1, max = 10000))]
    pub max_concurrent_checks: u32,
    /// How many times a failed check is repeated at once. No effect yet: a probe has its own `attempts`.
    #[schemars(range(min = 0, max = 100))]
    pub retry_attempts: u32,
    /// Whether alerts are raised. No effect yet: this version raises no alerts.
    pub alerting: bool,
    /// CPU use in percent from which a container or the machine is critical. No effect yet.
    #[schemars(range(min = 1, max = 100))]
    pub critical_cpu: u32,
    /// Memory use in percent from which a container or the machine is critical. No effect yet.
    #[schemars(range(min = 1, max = 100))]
    pub critical_memory: u32,
    /// Decide and report, but touch no container.
    pub observe: bool,
    /// Whether samples are stored. No effect yet.
    pub metrics_persistence: bool,
}

impl Default for SettingsSpec {
    fn default() -> Self {
        Self {
            resync: Duration::from_secs(60),
            health_retention_days: 7,
            metrics_retention_days: 30,
            system_check_interval: Duration::from_secs(10),
            service_check_interval: Duration::from_secs(30),
            default_timeout: Duration::from_secs(5),
            max_concurrent_checks: 10,
            retry_attempts: 3,
            alerting: true,
            critical_cpu: 90,
            critical_memory: 85,
            observe: false,
            metrics_persistence: true,
        }
    }
}

/// The one name an object of this kind can have.
pub const NAME: &str = "portreeve";

impl Kind for SettingsSpec {
    const KIND: &'static str = "Settings";
    const PLURAL: &'static str = "settings";
    const SHORT: &'static [&'static str] = &["set"];
    const DOC: &'static str = "Intervals, retentions and thresholds that can change while Portreeve runs.";
    const ONLY: Option<&'static str> = Some(NAME);

    fn validate(&self, check: &mut Check) {
        check.positive("resync", self.resync);
        check.positive("systemCheckInterval", self.system_check_interval);
        check.positive("serviceCheckInterval", self.service_check_interval);
        check.positive("defaultTimeout", self.default_timeout);
        check.within("healthRetentionDays", self.health_retention_days, 1..=3650);
        check.within("metricsRetentionDays", self.metrics_retention_days, 1..=3650);
        check.within("maxConcurrentChecks", self.max_concurrent_checks, 1..=10_000);
        check.within("retryAttempts", self.retry_attempts, 0..=100);
        check.within("criticalCpu", self.critical_cpu, 1..=100);
        check.within("criticalMemory", self.critical_memory, 1..=100);
    }
}
