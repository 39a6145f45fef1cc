//! Which containers belong to which services.

use std::sync::{Arc, LazyLock};

use rpds::{HashTrieMapSync, RedBlackTreeSetSync};

use super::ContainerKey;

/// Services by container, and containers by service. Clones share what they have in common.
#[derive(Clone, Debug, Default)]
pub struct Members {
    by_container: HashTrieMapSync<ContainerKey, Arc<[Arc<str>]>>,
    by_service: RedBlackTreeSetSync<(Arc<str>, ContainerKey)>,
}

/// Before every key.
static FIRST: LazyLock<ContainerKey> = LazyLock::new(|| ContainerKey::new("", ""));

impl Members {
    /// The services of a container, in the order of their names.
    pub fn services(&self, key: &ContainerKey) -> &[Arc<str>] {
        self.by_container.get(key).map_or(&[], |services| services)
    }

    /// The containers of a service.
    pub fn containers<'a>(&'a self, service: &'a str) -> impl Iterator<Item = &'a ContainerKey> + 'a {
        let of_it = self.by_service.range((Arc::from(service), FIRST.clone())..);
        of_it.take_while(move |(name, _)| &**name == service).map(|(_, key)| key)
    }

    /// Says of which services a container is, in the order of their names; whether that is something new.
    pub fn set(&mut self, key: &ContainerKey, services: Vec<Arc<str>>) -> bool {
        let before: Arc<[Arc<str>]> = self.by_container.get(key).cloned().unwrap_or_default();
        if *before == *services {
            return false;
        }
        for name in before.iter().filter(|name| !services.contains(name)) {
            self.by_service.remove_mut(&(name.clone(), key.clone()));
        }
        for name in services.iter().filter(|name| !before.contains(name)) {
            self.by_service.insert_mut((name.clone(), key.clone()));
        }
        if services.is_empty() {
            self.by_container.remove_mut(key);
        } else {
            self.by_container.insert_mut(key.clone(), services.into());
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_say_the_same() {
        let (mut members, a, b) =
            (Members::default(), ContainerKey::new("e", "a"), ContainerKey::new("e", "b"));
        assert!(members.set(&a, vec!["db".into(), "web".into()]));
        assert!(members.set(&b, vec!["web".into()]));
        assert!(!members.set(&b, vec!["web".into()]), "nothing new");
        assert_eq!(members.containers("web").collect::<Vec<_>>(), [&a, &b]);
        assert!(members.set(&a, vec!["cache".into(), "db".into()]));
        assert_eq!(members.containers("web").collect::<Vec<_>>(), [&b]);
        assert_eq!(members.services(&a), [Arc::from("cache"), Arc::from("db")]);
        members.set(&a, Vec::new());
        assert_eq!((members.services(&a).len(), members.containers("db").count()), (0, 0));
    }
}
