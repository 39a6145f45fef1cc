//! A service with what it refers to in place.

use std::collections::BTreeMap;

use super::cycle::Cycles;
use crate::resource::monitored_service::{MonitoredServiceSpec, ServiceProbe};
use crate::resource::probe::handler::TcpProbe;
use crate::resource::probe::{Handler, ProbeSpec};

/// A service in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// What was declared.
    pub spec: MonitoredServiceSpec,
    /// Its probes by their names within it, wherever they stand; those that are not there, or suspended, are left out.
    pub probes: BTreeMap<String, ProbeSpec>,
    /// The services that it depends on: those that are there, and no circle among them.
    pub depends_on: Vec<String>,
    /// Whether nobody is asked, and nobody told.
    pub suspended: bool,
}

impl Service {
    pub(super) fn new<'p>(
        name: &str,
        spec: &'p MonitoredServiceSpec,
        probe_named: impl Fn(&str) -> Option<&'p ProbeSpec>,
        known: impl Fn(&str) -> bool,
        cycles: &Cycles,
    ) -> Self {
        let resolved = spec.probes.iter().filter_map(|probe| {
            let found = match probe {
                ServiceProbe::Reference(name) => probe_named(name),
                ServiceProbe::Inline { spec, .. } => Some(&**spec),
            };
            found.map(|found| (probe.name().to_owned(), found.clone()))
        });
        let mut probes: BTreeMap<String, ProbeSpec> = resolved.collect();
        // Something outside Docker of which only the port is named must take connections there.
        if let Some(port) =
            spec.target.as_ref().filter(|_| spec.probes.is_empty()).and_then(|target| target.port)
        {
            let tcp_socket = Some(TcpProbe { port, host: None, send: None, expect: None });
            probes.insert("port".to_owned(), ProbeSpec { tcp_socket, ..ProbeSpec::default() });
        }
        let usable = |needed: &&String| {
            known(needed) && !cycles.refused.contains(&(name.to_owned(), (*needed).clone()))
        };
        Self {
            probes,
            depends_on: spec.depends_on.iter().filter(usable).cloned().collect(),
            spec: spec.clone(),
            suspended: false,
        }
    }

    /// The probes that ask by themselves.
    pub fn asking(&self) -> impl Iterator<Item = (&str, &ProbeSpec)> {
        let asks = |spec: &ProbeSpec| !matches!(spec.handler(), Some(Handler::DockerHealth(_)));
        self.probes.iter().filter(move |(_, spec)| asks(spec)).map(|(name, spec)| (name.as_str(), spec))
    }

    /// Whether Docker's own health check has a say: where a probe says so, or nothing else is asked.
    pub fn asks_docker(&self) -> bool {
        self.probes.is_empty() || self.asking().count() < self.probes.len()
    }
}
