//! What a change of what is declared may change, so that nothing else is decided anew.

use std::collections::{BTreeMap, BTreeSet};

use super::Desired;
use crate::resource::selector::SelectorSet;
use crate::resource::{KindId, Selector, Subject};

/// About which containers and services something else may be decided than before.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// All containers.
    pub all: bool,
    /// Services that are new, gone, or declared otherwise.
    pub services: BTreeSet<String>,
    /// Whether a service means other containers than before.
    pub membership: bool,
    engines: BTreeSet<String>,
    selectors: SelectorSet<usize>,
}

/// The keys of what is not the same in both.
fn changed<'d, T: PartialEq>(
    old: &'d BTreeMap<String, T>,
    new: &'d BTreeMap<String, T>,
) -> impl Iterator<Item = &'d String> {
    let gone = old.keys().filter(|name| !new.contains_key(*name));
    gone.chain(new.iter().filter(|(name, spec)| old.get(*name) != Some(*spec)).map(|(name, _)| name))
}

impl Scope {
    /// Everything: nothing was in force before.
    pub fn everything(desired: &Desired) -> Self {
        let services = desired.services.keys().cloned().collect();
        Self { all: true, services, membership: true, ..Self::default() }
    }

    /// What `new` may change where `old` was in force.
    pub fn of(old: &Desired, new: &Desired) -> Self {
        let suspended = |kind: KindId| {
            old.suspended
                .symmetric_difference(&new.suspended)
                .filter(move |key| key.kind == kind)
                .map(|key| &key.name)
        };
        let near_miss = |desired: &Desired| -> Vec<BTreeMap<String, String>> {
            desired.policies.values().map(|spec| spec.selector.labels.clone()).collect()
        };
        // Whom a registry or a billing service was told about follows from its own memory, and a label that is nearly what a
        // policy asks for from all policies.
        let all = old.settings != new.settings
            || old.registries != new.registries
            || old.billing != new.billing
            || old.strange_hosts != new.strange_hosts
            || suspended(KindId::DiscoveryRegistry).chain(suspended(KindId::BillingService)).next().is_some()
            || near_miss(old) != near_miss(new);
        let engines: BTreeSet<String> =
            changed(&old.hosts, &new.hosts).chain(suspended(KindId::DockerHost)).cloned().collect();
        let services: BTreeSet<String> = changed(&old.services, &new.services).cloned().collect();
        let policies: BTreeSet<&String> =
            changed(&old.policies, &new.policies).chain(suspended(KindId::AutohealPolicy)).collect();
        let silences = changed(&old.silences, &new.silences).chain(suspended(KindId::Silence));
        let silences = silences.flat_map(|name| [old, new].map(|desired| desired.silences.get(name)));
        let mut selectors: Vec<&Selector> = silences.flatten().map(|silence| &silence.selector).collect();
        for name in &policies {
            let of = [old, new].map(|desired| desired.policies.get(*name));
            selectors.extend(of.into_iter().flatten().map(|policy| &policy.selector));
        }
        for desired in [old, new] {
            for (name, service) in &desired.services {
                let policy = service.spec.autoheal.as_ref().and_then(|autoheal| autoheal.policy_ref.as_ref());
                let concerned = services.contains(name)
                    || policy.is_some_and(|policy| policies.contains(policy))
                    || service.depends_on.iter().any(|needed| services.contains(needed));
                selectors.extend(service.spec.selector.as_ref().filter(|_| concerned));
            }
        }
        let selector = |desired: &Desired, name: &String| {
            desired.services.get(name).and_then(|service| service.spec.selector.clone())
        };
        let membership = services.iter().any(|name| selector(old, name) != selector(new, name));
        let selectors = SelectorSet::new(selectors.into_iter().enumerate());
        Self { all, services, membership, engines, selectors }
    }

    /// Whether engines are new, gone or declared otherwise.
    pub fn hosts_changed(&self) -> bool {
        !self.engines.is_empty()
    }

    /// Whether nothing else is decided about any container.
    pub fn is_empty(&self) -> bool {
        !self.all && self.engines.is_empty() && self.selectors.is_empty()
    }

    /// Whether something else may be decided about `subject`.
    pub fn touches(&self, subject: &Subject<'_>) -> bool {
        self.all || self.engines.contains(subject.engine) || self.selectors.any(subject)
    }
}
