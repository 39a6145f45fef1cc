//! `MonitoredService`: what is watched, and what follows from its health.

mod service_probe;

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use service_probe::ServiceProbe;

use super::check::Check;
use super::event::Notify;
use super::probe::Handler;
use super::probe::handler::hint_at_mysql;
use super::probe::host_name::host_name;
use super::{Amount, Kind, KindId, Selector, schema};

/// One health verdict for several containers, or for something outside Docker. Healing, registration, alerts and
/// notifications follow it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[schemars(transform = schema::exactly_one(&["selector", "target"]))]
pub struct MonitoredServiceSpec {
    /// Its containers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<Selector>,
    /// The address of something outside Docker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// The probes that check it; all must succeed. Left out: a container is healthy while it runs and Docker's own
    /// health check does not say otherwise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub probes: Vec<ServiceProbe>,
    /// How many of its containers must be healthy for the service to be healthy: a count, or a share such as `"50%"`.
    pub min_healthy: Amount,
    /// Names of MonitoredServices that it needs. While one of them is down, this service is not healed and raises no
    /// alert. It is also not healed until the probes of all of them have passed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
    /// Whether and how its containers are healed; left out: as the policies that select them say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autoheal: Option<ServiceAutoheal>,
    /// Where its containers are registered while it is healthy; left out: as the registries that select them say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discovery: Option<ServiceDiscovery>,
    /// Sinks that get its events, besides the sinks whose selector matches. No effect yet: no message is sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notify: Vec<Notify>,
}

/// Something outside Docker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Target {
    /// Host name or address.
    #[schemars(length(min = 1))]
    pub host: String,
    /// The port for probes that do not name one. Without probes, the port that must accept connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u16>,
}

/// Whether and how a service's containers are healed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(transform = schema::exactly_one(&["policyRef", "enabled"]))]
pub struct ServiceAutoheal {
    /// Name of the AutohealPolicy that heals them, even if another policy selects them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_ref: Option<String>,
    /// With `false` they are never healed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// Where a service's containers are registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ServiceDiscovery {
    /// Name of a DiscoveryRegistry.
    pub registry_ref: String,
    /// The container port to register; left out: as the registry's `port` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u16>,
}

impl Default for MonitoredServiceSpec {
    fn default() -> Self {
        Self {
            selector: None,
            target: None,
            probes: Vec::new(),
            min_healthy: Amount::Count(1),
            depends_on: Vec::new(),
            autoheal: None,
            discovery: None,
            notify: Vec::new(),
        }
    }
}

impl Kind for MonitoredServiceSpec {
    const KIND: &'static str = "MonitoredService";
    const PLURAL: &'static str = "monitoredservices";
    const SHORT: &'static [&'static str] = &["svc"];
    const DOC: &'static str = "A service that is checked, and what follows from its health.";

    fn validate(&self, check: &mut Check) {
        check.exactly_one(
            "field",
            &[("selector", self.selector.is_some()), ("target", self.target.is_some())],
        );
        if let Some(selector) = &self.selector {
            check.field("selector", |check| selector.validate_filled(check));
        }
        if let Some(target) = &self.target {
            check.field("target", |check| {
                host_name("host", &target.host, check);
                check.host("host", &target.host);
                check.port("port", target.port);
            });
            self.validate_outside(target, check);
        }
        self.validate_probes(check);
        if let Amount::Percent(0) = self.min_healthy {
            check.field("minHealthy", |check| check.warn("with 0% the service is always healthy"));
        }
        check.distinct("dependsOn", &self.depends_on);
        check.each("dependsOn", &self.depends_on, |check, name| check.refer(KindId::MonitoredService, name));
        if let Some(autoheal) = &self.autoheal {
            check.field("autoheal", |check| {
                let ServiceAutoheal { policy_ref, enabled } = autoheal;
                check.exactly_one(
                    "field",
                    &[("policyRef", policy_ref.is_some()), ("enabled", enabled.is_some())],
                );
                if let Some(name) = policy_ref {
                    check.field("policyRef", |check| check.refer(KindId::AutohealPolicy, name));
                }
            });
        }
        if let Some(discovery) = &self.discovery {
            check.field("discovery", |check| {
                let name = &discovery.registry_ref;
                check.field("registryRef", |check| check.refer(KindId::DiscoveryRegistry, name));
                check.port("port", discovery.port);
            });
        }
        check.each("notify", &self.notify, |check, notify| notify.validate(check));
    }
}

impl MonitoredServiceSpec {
    /// What makes no sense for something outside Docker.
    fn validate_outside(&self, target: &Target, check: &mut Check) {
        if self.autoheal.as_ref().is_some_and(|autoheal| autoheal.policy_ref.is_some()) {
            check.field("autoheal", |check| check.refuse("a target outside Docker has no container to heal"));
        }
        if self.discovery.is_some() {
            check.field("discovery", |check| {
                check.refuse("a target outside Docker has no container to register")
            });
        }
        if self.probes.is_empty() && target.port.is_none() {
            check.refuse("a target needs a probe or a port, otherwise its health cannot be checked");
        }
        if self.probes.is_empty() {
            check.field("target", |check| hint_at_mysql("port", target.port, check));
        }
        check.each("probes", &self.probes, |check, probe| {
            let container =
                probe.inline().and_then(|spec| spec.handlers().find(|handler| handler.needs_container()));
            if let Some(field) = container.map(Handler::field) {
                check.field(field, |check| {
                    check.refuse("needs a container, and a target outside Docker has none")
                });
            }
        });
    }

    fn validate_probes(&self, check: &mut Check) {
        let mut names = BTreeSet::new();
        check.each("probes", &self.probes, |check, probe| {
            let (field, name) = match probe {
                ServiceProbe::Reference(name) => {
                    check.field("probeRef", |check| check.refer(KindId::Probe, name));
                    ("probeRef", name)
                }
                ServiceProbe::Inline { name, spec } => {
                    if let Some(fault) = super::name_fault(name) {
                        check.field("name", |check| check.refuse(fault));
                    }
                    Kind::validate(&**spec, check);
                    ("name", name)
                }
            };
            if !names.insert(name) {
                check.field(field, |check| check.refuse("two probes of a service cannot share a name"));
            }
        });
    }
}
