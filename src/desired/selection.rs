//! What is declared, compiled once for the many containers it is asked about.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::Service;
use crate::resource::Subject;
use crate::resource::selector::SelectorSet;

/// Which services a container belongs to, and which services need which.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    services: SelectorSet<Arc<str>>,
    needed_by: HashMap<String, Vec<Arc<str>>>,
}

/// It follows from the services alone, which are compared.
impl PartialEq for Selection {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Selection {
    pub(super) fn of<'s>(services: impl Iterator<Item = (&'s String, &'s Service)> + Clone) -> Self {
        let selecting = services
            .clone()
            .filter_map(|(name, service)| Some((Arc::from(name.as_str()), service.spec.selector.as_ref()?)));
        let mut needed_by: HashMap<String, Vec<Arc<str>>> = HashMap::new();
        for (name, service) in services.clone() {
            let name: Arc<str> = name.as_str().into();
            for needed in &service.depends_on {
                needed_by.entry(needed.clone()).or_default().push(name.clone());
            }
        }
        Self { services: SelectorSet::new(selecting), needed_by }
    }

    /// The services that `subject` belongs to, in the order of their names.
    pub fn services_of(&self, subject: &Subject<'_>) -> Vec<Arc<str>> {
        self.services.matching(subject)
    }

    /// The services that say that they depend on `service`.
    pub fn needing(&self, service: &str) -> &[Arc<str>] {
        self.needed_by.get(service).map_or(&[], Vec::as_slice)
    }

    /// A service and those that depend on it, directly or not.
    pub fn needing_in_turn<'a>(&'a self, service: &'a str) -> BTreeSet<&'a str> {
        let (mut found, mut next) = (BTreeSet::from([service]), vec![service]);
        while let Some(service) = next.pop() {
            for needing in self.needing(service) {
                if found.insert(&**needing) {
                    next.push(&**needing);
                }
            }
        }
        found
    }
}
