//! Services' health: in memory for faces and decisions, a document each in the store.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tracing::warn;

use crate::desired::Service;
use crate::locked::locked;
use crate::observed::{
    ContainerKey, HealthWord, Nanos, ProbeState, ProbeTarget, Route, ServiceState, Standing,
};
use crate::probe::Streak;

/// All services. Faces read it, the prober writes.
#[derive(Debug)]
pub(in crate::controller) struct HealthCache {
    services: RwLock<BTreeMap<String, Arc<ServiceState>>>,
    /// What the last process knew of services that were not looked at yet.
    remembered: RwLock<BTreeMap<String, Remembered>>,
    pub(super) changed: watch::Sender<u64>,
    /// Services of which something else may be shown since somebody last asked.
    turned: Mutex<BTreeSet<String>>,
    /// Services to be stored with the next decision on each.
    due: Mutex<BTreeSet<String>>,
}

/// What outlives the process.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Remembered {
    health: HealthWord,
    since: Nanos,
    told_down: bool,
    rates: crate::observed::Rates,
    targets: Vec<RememberedTarget>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    reached: BTreeSet<Route>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RememberedTarget {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    container: Option<ContainerKey>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started: Option<Nanos>,
    probes: BTreeMap<String, Streak>,
}

impl HealthCache {
    pub(in crate::controller) fn new(stored: &BTreeMap<String, String>) -> Self {
        let mut remembered = BTreeMap::new();
        for (name, document) in stored {
            match serde_json::from_str(document) {
                Ok(known) => drop(remembered.insert(name.clone(), known)),
                Err(error) => {
                    warn!(target: "portreeve::services", service = %name, "its stored health cannot be read: {error}");
                }
            }
        }
        Self {
            services: RwLock::default(),
            remembered: RwLock::new(remembered),
            changed: watch::Sender::new(0),
            turned: Mutex::default(),
            due: Mutex::default(),
        }
    }

    pub(in crate::controller) fn read<T>(
        &self,
        read: impl FnOnce(&BTreeMap<String, Arc<ServiceState>>) -> T,
    ) -> T {
        read(&self.services.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What is known of every service.
    pub(in crate::controller) fn all(&self) -> BTreeMap<String, Arc<ServiceState>> {
        self.read(Clone::clone)
    }

    /// What is known of one service.
    pub(in crate::controller) fn get(&self, name: &str) -> Option<Arc<ServiceState>> {
        self.read(|services| services.get(name).cloned())
    }

    /// Changes one service's state; one that is not known yet begins with what is remembered of it.
    pub(in crate::controller) fn with<T>(
        &self,
        name: &str,
        change: impl FnOnce(&mut ServiceState) -> T,
    ) -> T {
        let mut services = self.services.write().unwrap_or_else(PoisonError::into_inner);
        let state = services.entry(name.to_owned()).or_insert_with(|| Arc::new(self.begin(name)));
        // A reader may hold what was: then this goes on with a copy.
        change(Arc::make_mut(state))
    }

    /// Changes the state of a service that is known; one that is gone does not come back by that.
    pub(in crate::controller) fn with_known<T>(
        &self,
        name: &str,
        change: impl FnOnce(&mut ServiceState) -> T,
    ) -> Option<T> {
        let mut services = self.services.write().unwrap_or_else(PoisonError::into_inner);
        services.get_mut(name).map(|state| change(Arc::make_mut(state)))
    }

    /// What is known of these services is to be stored with the next decision on each.
    pub(in crate::controller) fn save(&self, names: impl IntoIterator<Item = String>) {
        locked(&self.due).extend(names);
    }

    /// Whether a service is to be stored, whatever is decided; asked once.
    pub(in crate::controller) fn is_due(&self, name: &str) -> bool {
        locked(&self.due).remove(name)
    }

    /// Sees that there is a state of a service: what is remembered, if nothing else is known.
    pub(in crate::controller) fn begin_with(&self, name: &str) {
        self.with(name, |_| ());
    }

    fn begin(&self, name: &str) -> ServiceState {
        let remembered = self.remembered.read().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = remembered.get(name) else {
            return ServiceState { since: crate::clock::now(), ..ServiceState::default() };
        };
        ServiceState {
            health: known.health,
            since: known.since,
            told_down: known.told_down,
            standing: if known.health.is_down() { Standing::Down } else { Standing::Fine },
            rates: known.rates.clone(),
            reached: known.reached.clone(),
            ..ServiceState::default()
        }
    }

    /// The states in which the probes of one run were left by the last process.
    pub(in crate::controller) fn left(
        &self,
        name: &str,
        target: &ProbeTarget,
        started: Option<Nanos>,
    ) -> BTreeMap<String, ProbeState> {
        let remembered = self.remembered.read().unwrap_or_else(PoisonError::into_inner);
        let found = remembered.get(name).and_then(|known| {
            known.targets.iter().find(|known| {
                let same = match target {
                    ProbeTarget::Outside => known.container.is_none(),
                    ProbeTarget::Container(key) => known.container.as_ref() == Some(key),
                };
                same && known.started == started
            })
        });
        let states = found.into_iter().flat_map(|target| &target.probes);
        states
            .map(|(probe, streak)| {
                (probe.clone(), ProbeState { streak: streak.clone(), ..ProbeState::default() })
            })
            .collect()
    }

    /// Services that were to be shown anew since the last call.
    pub(in crate::controller) fn turned(&self) -> BTreeSet<String> {
        std::mem::take(&mut *locked(&self.turned))
    }

    /// Forgets services that are not among `names`; gives those forgotten.
    pub(in crate::controller) fn keep(&self, names: &BTreeMap<String, Service>) -> Vec<String> {
        let mut services = self.services.write().unwrap_or_else(PoisonError::into_inner);
        let mut remembered = self.remembered.write().unwrap_or_else(PoisonError::into_inner);
        let known = services.keys().chain(remembered.keys());
        let mut gone: Vec<String> = known.filter(|name| !names.contains_key(*name)).cloned().collect();
        gone.sort_unstable();
        gone.dedup();
        for name in &gone {
            services.remove(name);
            remembered.remove(name);
        }
        gone
    }

    /// What of a service outlives the process; `told_down` is what it is once that is committed.
    pub(in crate::controller) fn document(&self, name: &str, told_down: Option<bool>) -> Option<String> {
        let remembered = self.read(|services| {
            let state = services.get(name)?;
            let targets = state.targets.iter().map(|(target, state)| RememberedTarget {
                container: match target {
                    ProbeTarget::Outside => None,
                    ProbeTarget::Container(key) => Some(key.clone()),
                },
                started: state.started,
                probes: state
                    .probes
                    .iter()
                    .map(|(probe, state)| (probe.clone(), state.streak.clone()))
                    .collect(),
            });
            Some(Remembered {
                health: state.health,
                since: state.since,
                told_down: told_down.unwrap_or(state.told_down),
                rates: state.rates.clone(),
                targets: targets.collect(),
                reached: state.reached.clone(),
            })
        })?;
        serde_json::to_string(&remembered).ok()
    }

    /// Has faces show these services anew.
    pub(in crate::controller) fn notify<'n>(&self, names: impl IntoIterator<Item = &'n str>) {
        locked(&self.turned).extend(names.into_iter().map(str::to_owned));
        self.changed.send_modify(|count| *count += 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_that_led_there_is_known_to_the_next_process() {
        let health_cache = HealthCache::new(&BTreeMap::new());
        let route = Route {
            probe: "page".to_owned(),
            container: "local/name/web".to_owned(),
            host: "host.docker.internal".to_owned(),
            port: 80,
            protocol: "tcp".to_owned(),
        };
        health_cache.with("web", |state| crate::observed::note_route(&mut state.reached, route.clone()));
        let document = health_cache.document("web", None).expect("a document");
        let next = HealthCache::new(&[("web".to_owned(), document)].into());
        next.begin_with("web");
        assert!(next.read(|services| services["web"].reached.contains(&route)));
    }

    #[test]
    fn a_service_that_was_down_is_so_for_those_that_depend_on_it_before_it_is_asked_again() {
        let stored = |health: &str| format!(r#"{{"health": "{health}", "since": 1, "toldDown": true}}"#);
        let documents = [("db", stored("unhealthy")), ("web", stored("healthy"))];
        let health_cache =
            HealthCache::new(&documents.map(|(name, document)| (name.to_owned(), document)).into());
        ["db", "web", "new"].into_iter().for_each(|name| health_cache.begin_with(name));
        let standing = |name: &str| health_cache.read(|services| services[name].standing);
        assert_eq!(["db", "web", "new"].map(standing), [Standing::Down, Standing::Fine, Standing::Fine]);
    }
}
