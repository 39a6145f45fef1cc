//! Intervals, retentions and thresholds (documents R2 and R3).

use std::collections::BTreeSet;

use super::Reader;
use crate::resource::settings::{NAME, SettingsSpec};
use crate::resource::{Duration, Object, Origin};

/// The settings a variable gives; the others are left to YAML and the defaults.
pub(super) fn settings(read: &mut Reader<'_>) -> Option<Object> {
    let mut spec = SettingsSpec::default();
    let mut given = BTreeSet::new();
    let mut number = |name, range, field: &str, set: &mut dyn FnMut(u32)| {
        if let Some(value) = read.whole(name, range) {
            set(value);
            given.insert(field.to_owned());
        }
    };
    let seconds = |value: u32| Duration::from_secs(value.into());
    number("HEALTH_INTERVAL_SECONDS", 1..=86_400, "resync", &mut |value| spec.resync = seconds(value));
    number("SYSTEM_CHECK_INTERVAL", 1..=86_400, "systemCheckInterval", &mut |value| {
        spec.system_check_interval = seconds(value);
    });
    number("SERVICE_CHECK_INTERVAL", 1..=86_400, "serviceCheckInterval", &mut |value| {
        spec.service_check_interval = seconds(value);
    });
    number("HEALTH_RETENTION_DAYS", 1..=3650, "healthRetentionDays", &mut |value| {
        spec.health_retention_days = value;
    });
    number("METRICS_RETENTION_DAYS", 1..=3650, "metricsRetentionDays", &mut |value| {
        spec.metrics_retention_days = value;
    });
    number("CRITICAL_CPU_THRESHOLD", 1..=100, "criticalCpu", &mut |value| spec.critical_cpu = value);
    number("CRITICAL_MEMORY_THRESHOLD", 1..=100, "criticalMemory", &mut |value| spec.critical_memory = value);
    if let Some(alerting) = read.flag("ENABLE_ALERTING") {
        spec.alerting = alerting;
        given.insert("alerting".to_owned());
    }
    if given.is_empty() {
        return None;
    }
    Some(Object { given, ..Object::new(NAME, Origin::Environment, spec) })
}
