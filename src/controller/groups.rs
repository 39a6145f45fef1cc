//! What the containers of a policy on an engine have in common, and in whose group each of them is.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use tokio::sync::Mutex as AsyncMutex;

use crate::locked::locked;
use crate::observed::ContainerKey;
use crate::reconcile::heal::PolicyGroup;

/// What keys of groups begin with among those of healing memory, which begin with the name of an engine. The word is stored, and
/// stays.
const GROUP: &str = "/crowd/";

/// The key under which a group is stored.
pub(super) fn group_key(engine: &str, policy: &str) -> String {
    format!("{GROUP}{engine}/{policy}")
}

/// Whether a key of healing memory is that of a group.
pub(super) fn is_group(key: &str) -> bool {
    key.starts_with(GROUP)
}

/// Whether each breaker is open, by engine and policy.
pub type Breakers = BTreeMap<(Arc<str>, String), bool>;

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Groups {
    all: Mutex<HashMap<String, Arc<AsyncMutex<PolicyGroup>>>>,
    /// The policy in whose group a container is.
    of: Mutex<HashMap<ContainerKey, String>>,
    breakers: Mutex<Breakers>,
}

impl Groups {
    /// What an earlier process knew of them. One that cannot be read starts afresh: its members tell the rest.
    pub(super) fn of_stored(stored: BTreeMap<String, String>) -> Self {
        let group = |document: &str| PolicyGroup::of(serde_json::from_str(document).unwrap_or_default());
        let all =
            stored.into_iter().map(|(key, document)| (key, Arc::new(AsyncMutex::new(group(&document)))));
        Self { all: Mutex::new(all.collect()), ..Self::default() }
    }

    /// The group of a policy on an engine.
    pub(super) fn get(&self, engine: &str, policy: &str) -> Arc<AsyncMutex<PolicyGroup>> {
        locked(&self.all).entry(group_key(engine, policy)).or_default().clone()
    }

    /// A container is in the group of this policy now, or in none: the policy whose group it has left, if it has.
    pub(super) fn assign(&self, key: &ContainerKey, policy: Option<&str>) -> Option<String> {
        let mut of = locked(&self.of);
        match policy {
            Some(policy) if of.get(key).is_some_and(|was| was == policy) => None,
            Some(policy) => of.insert(key.clone(), policy.to_owned()),
            None => of.remove(key),
        }
    }

    /// Whether each breaker is open.
    pub(super) fn breakers(&self) -> Breakers {
        locked(&self.breakers).clone()
    }

    pub(super) fn show_breaker(&self, engine: Arc<str>, policy: String, open: bool) {
        locked(&self.breakers).insert((engine, policy), open);
    }

    pub(super) fn hide_breaker(&self, engine: Arc<str>, policy: String) {
        locked(&self.breakers).remove(&(engine, policy));
    }
}
