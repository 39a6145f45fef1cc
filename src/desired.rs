//! Everything declared → what is in force: defaults applied, origins ranked, references resolved. Pure.
//!
//! Of two objects with one kind and name the one with the higher-ranked origin wins: a directory's over the API's
//! over the environment's over what is built in. `Settings` is merged field by field in the same order.

mod condition;
mod cycle;
mod difference;
mod in_force;
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
mod sources;
mod suspended;
mod unused;

use std::collections::{BTreeMap, BTreeSet};

use condition::Grounds;
use cycle::Cycles;
pub use difference::difference;
pub use in_force::Desired;
pub use inert::{INERT, inert};
pub use layer::Layers;
pub use policy::{DEFAULT_POLICY, PolicyChoice, builtin_policy};
use private::Private;
pub use rank::LOCAL_HOST;
pub use reference::{missing_from, not_there};
pub use scope::Scope;
pub use selection::Selection;
pub use service::Service;
pub use sources::Sources;

pub use crate::manifest::Problem;
use crate::resource::monitored_service::MonitoredServiceSpec;
use crate::resource::secret::policy::Trust;
use crate::resource::settings::SettingsSpec;
use crate::resource::{KindId, Object, Origin, Spec};

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
