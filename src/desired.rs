//! Everything declared → what is in force: defaults applied, origins ranked, references resolved. Pure.
//!
//! Of two objects with one kind and name the one with the higher-ranked origin wins: a directory's over the API's
//! over the environment's over what is built in. `Settings` is merged field by field in the same order.

mod condition;
mod cycle;
mod difference;
mod inert;
mod layer;
mod policy;
mod private;
mod rank;
mod reference;
mod scope;
mod selection;
mod service;
mod silence;
mod suspended;
mod unused;

use std::collections::{BTreeMap, BTreeSet};

use condition::Grounds;
use cycle::Cycles;
pub use difference::difference;
pub use inert::{INERT, inert};
pub use layer::Layers;
pub use policy::{PolicyChoice, builtin_policy};
use private::Private;
pub use reference::{missing_from, not_there};
pub use scope::Scope;
pub use selection::Selection;
pub use service::Service;

use crate::manifest::LoadedSet;
pub use crate::manifest::Problem;
use crate::resource::alert_rule::AlertRuleSpec;
use crate::resource::autoheal_policy::AutohealPolicySpec;
use crate::resource::billing_service::BillingServiceSpec;
use crate::resource::discovery_registry::DiscoveryRegistrySpec;
use crate::resource::docker_host::DockerHostSpec;
use crate::resource::monitored_service::MonitoredServiceSpec;
use crate::resource::notification_sink::NotificationSinkSpec;
use crate::resource::probe::ProbeSpec;
use crate::resource::secret::policy::{SecretPolicy, Trust};
use crate::resource::settings::SettingsSpec;
use crate::resource::silence::SilenceSpec;
use crate::resource::workload::WorkloadSpec;
use crate::resource::{KindId, Object, ObjectKey, Origin, Spec};

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
    /// Which secrets everybody's objects may use; left out: that is not judged.
    pub secrets: Option<&'a SecretPolicy>,
}

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

impl Default for Desired {
    /// What is in force when nothing is declared.
    fn default() -> Self {
        Self::of(Sources::default())
    }
}

impl Desired {
    /// What is in force, given everything declared.
    pub fn of(sources: Sources<'_>) -> Self {
        let mut objects = rank::ranked(sources);
        let findings: Vec<_> = objects.iter().map(Object::validate).collect();
        let cycles = Cycles::of(&objects);
        let unused = unused::unused(&objects, &findings);
        let private = sources.secrets.map(|secrets| Private::of(objects.iter().zip(&findings), secrets));
        let private = private.unwrap_or_default();
        let (mut problems, mut warnings) = (Vec::new(), Vec::new());
        if let Some(set) = sources.directory {
            problems.clone_from(&set.problems);
            warnings.clone_from(&set.warnings);
            problems.extend(reference::dangling(set, &objects));
            problems.extend(reference::circular(set, &cycles));
            problems.extend(private.problems(set));
            for loaded in &set.objects {
                warnings.extend(loaded.warnings.iter().cloned());
                warnings.extend(unused.get(&loaded.object.key()).map(|why| loaded.place.warning(why)));
                let without = inert(&loaded.object).or_else(|| inert::idle(&loaded.object));
                warnings.extend(without.map(|why| loaded.place.warning(&why)));
            }
        }
        for found in [&mut problems, &mut warnings] {
            found.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
        }
        let grounds = Grounds {
            findings: &findings,
            cycles: &cycles,
            unused: &unused,
            private: &private,
            directory: sources.directory,
        };
        condition::judge(&mut objects, &grounds);
        let unresolved = reference::unresolved(&objects, &findings);
        let mut desired = Self::typed(&objects, &cycles, &private);
        desired.unresolved = unresolved;
        (desired.objects, desired.problems, desired.warnings) = (objects, problems, warnings);
        desired
    }

    fn typed(objects: &[Object], cycles: &Cycles, private: &Private) -> Self {
        let mut desired = Self {
            settings: SettingsSpec::default(),
            hosts: BTreeMap::new(),
            strange_hosts: BTreeSet::new(),
            registries: BTreeMap::new(),
            billing: BTreeMap::new(),
            policies: BTreeMap::new(),
            services: BTreeMap::new(),
            selection: Selection::default(),
            probes: BTreeMap::new(),
            sinks: BTreeMap::new(),
            rules: BTreeMap::new(),
            silences: BTreeMap::new(),
            workloads: BTreeMap::new(),
            suspended: suspended::keys(objects),
            objects: Vec::new(),
            problems: Vec::new(),
            warnings: Vec::new(),
            unresolved: Vec::new(),
        };
        let mut services: BTreeMap<&str, (&MonitoredServiceSpec, Trust)> = BTreeMap::new();
        for object in objects {
            let name = object.metadata.name.clone();
            let suspended = object.metadata.is_suspended();
            match &object.spec {
                Spec::AlertRule(_) | Spec::NotificationSink(_) | Spec::Probe(_) | Spec::Silence(_)
                    if suspended => {}
                Spec::AlertRule(spec) => drop(desired.rules.insert(name, (**spec).clone())),
                Spec::AutohealPolicy(spec) => drop(desired.policies.insert(name, (**spec).clone())),
                Spec::BillingService(spec) => drop(desired.billing.insert(name, (**spec).clone())),
                Spec::DiscoveryRegistry(spec) => drop(desired.registries.insert(name, (**spec).clone())),
                Spec::DockerHost(spec) => {
                    if object.trust == Trust::Restricted
                        && !matches!(object.origin(), Origin::BuiltIn | Origin::Environment)
                    {
                        desired.strange_hosts.insert(name.clone());
                    }
                    desired.hosts.insert(name, (**spec).clone());
                }
                Spec::MonitoredService(spec) => {
                    services.insert(&object.metadata.name, (spec, object.trust));
                }
                Spec::NotificationSink(spec) => drop(desired.sinks.insert(name, (**spec).clone())),
                Spec::Probe(spec) => drop(desired.probes.insert(name, (**spec).clone())),
                Spec::Settings(spec) => desired.settings = (**spec).clone(),
                Spec::Silence(spec) => drop(desired.silences.insert(name, (**spec).clone())),
                Spec::Workload(spec) => drop(desired.workloads.insert(name, (**spec).clone())),
            }
        }
        let known = |name: &str| services.contains_key(name);
        let resolved = |(name, (spec, trust)): (&&str, &(&MonitoredServiceSpec, Trust))| {
            let probe = |name: &str| desired.probes.get(name).filter(|_| !private.keeps(name, *trust));
            let mut service = Service::new(name, spec, probe, known, cycles);
            service.suspended = desired.is_suspended(KindId::MonitoredService, name);
            ((*name).to_owned(), service)
        };
        desired.services = services.iter().map(resolved).collect();
        desired.selection = Selection::of(desired.services.iter());
        desired
    }
}

#[cfg(test)]
mod tests;
