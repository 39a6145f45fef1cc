//! Everything declared → what is in force: defaults applied, origins ranked, references resolved. Pure.
//!
//! Of two objects with one kind and name the one with the higher-ranked origin wins: a directory's over the API's
//! over the environment's over what is built in. `Settings` is merged field by field in the same order.

mod layer;
mod policy;
mod rank;
mod reference;

use std::collections::BTreeMap;

pub use layer::Layers;
pub use policy::{PolicyChoice, builtin_policy};

use crate::manifest::LoadedSet;
pub use crate::manifest::Problem;
use crate::resource::autoheal_policy::AutohealPolicySpec;
use crate::resource::billing_service::BillingServiceSpec;
use crate::resource::discovery_registry::DiscoveryRegistrySpec;
use crate::resource::docker_host::DockerHostSpec;
use crate::resource::settings::SettingsSpec;
use crate::resource::{Object, Spec};

/// Name of the policy that applies when nothing else is said.
pub const DEFAULT_POLICY: &str = "default";
/// Name of the engine that is watched when none is declared.
pub const LOCAL_HOST: &str = "local";

/// Where declared objects come from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sources<'a> {
    /// The configuration directories.
    pub directory: Option<&'a LoadedSet>,
    /// Objects written through the API.
    pub api: &'a [Object],
    /// Objects made from environment variables.
    pub environment: &'a [Object],
    /// The flag `--observe`: whatever `Settings` says, nothing is acted on.
    pub observe: bool,
}

/// What is in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// Intervals, retentions, thresholds.
    pub settings: SettingsSpec,
    /// Engines by name; at least one: `local` when none is declared.
    pub hosts: BTreeMap<String, DockerHostSpec>,
    /// Discovery Services by name.
    pub registries: BTreeMap<String, DiscoveryRegistrySpec>,
    /// Billing Services by name.
    pub billing: BTreeMap<String, BillingServiceSpec>,
    /// Autoheal policies by name; always one named `default`.
    pub policies: BTreeMap<String, AutohealPolicySpec>,
    /// Everything in force, by kind and name, each with its origin and conditions. What is built in is among it.
    pub objects: Vec<Object>,
    /// What is wrong with what was declared, in the order of files and lines.
    pub problems: Vec<Problem>,
}

impl Default for Desired {
    /// What is in force when nothing is declared.
    fn default() -> Self {
        Self::of(Sources::default())
    }
}

impl Desired {
    /// What is in force, given everything declared.
    pub fn of(sources: Sources<'_>) -> Self {
        let mut problems = sources.directory.map_or_else(Vec::new, |set| set.problems.clone());
        let mut objects = rank::ranked(sources);
        if let Some(set) = sources.directory {
            problems.extend(reference::dangling(set, &objects));
            problems.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
        }
        reference::judge(&mut objects, sources.directory);
        let mut desired = Self {
            settings: SettingsSpec::default(),
            hosts: BTreeMap::new(),
            registries: BTreeMap::new(),
            billing: BTreeMap::new(),
            policies: BTreeMap::new(),
            objects: Vec::new(),
            problems,
        };
        for object in &objects {
            let name = object.metadata.name.clone();
            match &object.spec {
                Spec::AutohealPolicy(spec) => drop(desired.policies.insert(name, (**spec).clone())),
                Spec::BillingService(spec) => drop(desired.billing.insert(name, (**spec).clone())),
                Spec::DiscoveryRegistry(spec) => drop(desired.registries.insert(name, (**spec).clone())),
                Spec::DockerHost(spec) => drop(desired.hosts.insert(name, (**spec).clone())),
                Spec::Settings(spec) => desired.settings = (**spec).clone(),
                Spec::AlertRule(_)
                | Spec::MonitoredService(_)
                | Spec::NotificationSink(_)
                | Spec::Probe(_)
                | Spec::Silence(_)
                | Spec::Workload(_) => {}
            }
        }
        desired.objects = objects;
        desired
    }
}

#[cfg(test)]
mod tests;
