//! All that is in force.

use std::collections::{BTreeMap, BTreeSet};

use super::selection::Selection;
use super::service::Service;
use crate::manifest::Problem;
use crate::resource::alert_rule::AlertRuleSpec;
use crate::resource::autoheal_policy::AutohealPolicySpec;
use crate::resource::billing_service::BillingServiceSpec;
use crate::resource::discovery_registry::DiscoveryRegistrySpec;
use crate::resource::docker_host::DockerHostSpec;
use crate::resource::notification_sink::NotificationSinkSpec;
use crate::resource::probe::ProbeSpec;
use crate::resource::settings::SettingsSpec;
use crate::resource::silence::SilenceSpec;
use crate::resource::workload::WorkloadSpec;
use crate::resource::{Object, ObjectKey};

/// What is in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// Intervals, retentions, thresholds.
    pub settings: SettingsSpec,
    /// Engines by name; at least one: `local` when none is declared.
    pub hosts: BTreeMap<String, DockerHostSpec>,
    /// Those among them that strangers may have declared: what they show as a container may be anything.
    pub strange_hosts: BTreeSet<String>,
    /// Discovery Services by name.
    pub registries: BTreeMap<String, DiscoveryRegistrySpec>,
    /// Billing Services by name.
    pub billing: BTreeMap<String, BillingServiceSpec>,
    /// Autoheal policies by name; always one named `default`.
    pub policies: BTreeMap<String, AutohealPolicySpec>,
    /// Services by name, their probes and dependencies resolved.
    pub services: BTreeMap<String, Service>,
    /// Which services a container belongs to, compiled.
    pub selection: Selection,
    /// Probes by name, without those suspended.
    pub probes: BTreeMap<String, ProbeSpec>,
    /// Notification sinks by name, without those suspended.
    pub sinks: BTreeMap<String, NotificationSinkSpec>,
    /// Alert rules by name, without those suspended.
    pub rules: BTreeMap<String, AlertRuleSpec>,
    /// Silences by name, without those suspended.
    pub silences: BTreeMap<String, SilenceSpec>,
    /// Workloads by name.
    pub workloads: BTreeMap<String, WorkloadSpec>,
    /// Objects that are suspended. Where a kind's absence would be an order of its own (a registry that is gone, a
    /// workload to be removed) they are among its specs all the same.
    pub suspended: BTreeSet<ObjectKey>,
    /// Everything in force, by kind and name, each with its origin and conditions. What is built in is among it.
    pub objects: Vec<Object>,
    /// What is wrong with what was declared, in the order of files and lines.
    pub problems: Vec<Problem>,
    /// What is odd about it, in the same order: allowed, and most likely not meant.
    pub warnings: Vec<Problem>,
    /// What objects name that is not there, wherever they come from, with the nearest name.
    pub unresolved: Vec<(ObjectKey, String)>,
}
