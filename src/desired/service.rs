//! A service with what it refers to in place.

use std::collections::BTreeMap;

use super::cycle::Cycles;
use crate::resource::monitored_service::{MonitoredServiceSpec, ServiceProbe};
use crate::resource::probe::ProbeSpec;

/// A service in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// What was declared.
    pub spec: MonitoredServiceSpec,
    /// Its probes by their names within it, wherever they stand; those that are not there are left out.
    pub probes: BTreeMap<String, ProbeSpec>,
    /// The services that it depends on: those that are there, and no circle among them.
    pub depends_on: Vec<String>,
}

impl Service {
    pub(super) fn new(
        name: &str,
        spec: &MonitoredServiceSpec,
        probes: &BTreeMap<String, ProbeSpec>,
        known: impl Fn(&str) -> bool,
        cycles: &Cycles,
    ) -> Self {
        let resolved = spec.probes.iter().filter_map(|probe| {
            let found = match probe {
                ServiceProbe::Reference(name) => probes.get(name),
                ServiceProbe::Inline { spec, .. } => Some(&**spec),
            };
            found.map(|found| (probe.name().to_owned(), found.clone()))
        });
        let usable = |needed: &&String| {
            known(needed) && !cycles.refused.contains(&(name.to_owned(), (*needed).clone()))
        };
        Self {
            probes: resolved.collect(),
            depends_on: spec.depends_on.iter().filter(usable).cloned().collect(),
            spec: spec.clone(),
        }
    }
}
