//! Containers that exist, and the ways to find them without a look at all of them.
//!
//! # Guarantees
//! Cloning costs nothing: two clones share what they have in common. Each lookup and each change costs the logarithm of the
//! number of containers, and what it finds.

use std::sync::{Arc, LazyLock};

use rpds::{RedBlackTreeMapSync, RedBlackTreeSetSync};

use super::{Container, ContainerKey};

/// What containers are found by, beside their keys: each within one engine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Link {
    /// Its name.
    Name(Arc<str>, Arc<str>),
    /// Its logical identity.
    Identity(Arc<str>, Arc<str>),
    /// It depends on this Compose project and service.
    NeedsCompose(Arc<str>, Arc<str>, Arc<str>),
    /// It shares the network of the container with this id or name.
    SharesNetwork(Arc<str>, Arc<str>),
}

/// The containers, in the order of their keys.
#[derive(Clone, Debug, Default)]
pub struct Containers {
    by_key: RedBlackTreeMapSync<ContainerKey, Arc<Container>>,
    links: RedBlackTreeSetSync<(Link, ContainerKey)>,
}

/// Before every key.
static FIRST: LazyLock<ContainerKey> = LazyLock::new(|| ContainerKey::new("", ""));

fn links(container: &Container) -> Vec<Link> {
    let engine = &container.key.engine;
    let mut links = vec![
        Link::Name(engine.clone(), container.name.as_str().into()),
        Link::Identity(engine.clone(), container.logical_id().into()),
    ];
    if let Some(project) = container.compose_project() {
        let needs = container.compose_dependencies().map(|(service, _)| service);
        links.extend(needs.map(|needed| Link::NeedsCompose(engine.clone(), project.into(), needed.into())));
    }
    links.extend(container.network_parent().map(|of| Link::SharesNetwork(engine.clone(), of.into())));
    links
}

/// Whether two have the same links: labels and what network is shared never change, names do.
fn same_links(one: &Container, other: &Container) -> bool {
    one.name == other.name && one.network_mode == other.network_mode && one.labels == other.labels
}

impl Containers {
    /// The container with this key.
    pub fn get(&self, key: &ContainerKey) -> Option<&Arc<Container>> {
        self.by_key.get(key)
    }

    /// Whether there is one with this key.
    pub fn contains_key(&self, key: &ContainerKey) -> bool {
        self.by_key.contains_key(key)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_key.size()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// All of them.
    pub fn values(&self) -> impl Iterator<Item = &Arc<Container>> {
        self.by_key.values()
    }

    /// The keys of all of them.
    pub fn keys(&self) -> impl Iterator<Item = &ContainerKey> {
        self.by_key.keys()
    }

    /// Those of one engine.
    pub fn of_engine<'a>(&'a self, engine: &'a str) -> impl Iterator<Item = &'a Arc<Container>> + 'a {
        let of_it = self.by_key.range(ContainerKey::new(engine, "")..);
        of_it.take_while(move |(key, _)| &*key.engine == engine).map(|(_, container)| container)
    }

    /// Those after `key`.
    pub fn after<'a>(&'a self, key: &ContainerKey) -> impl Iterator<Item = &'a Arc<Container>> + 'a {
        let bounds = (std::ops::Bound::Excluded(key.clone()), std::ops::Bound::Unbounded);
        self.by_key.range(bounds).map(|(_, container)| container)
    }

    /// One of `engine` whose id begins with `start`.
    pub fn starting_with(&self, engine: &Arc<str>, start: &str) -> Option<&Arc<Container>> {
        let (key, found) = self.by_key.range(ContainerKey::new(engine.clone(), start)..).next()?;
        (key.engine == *engine && key.id.starts_with(start)).then_some(found)
    }

    /// One of `engine` with this name; of several, the first by its id.
    pub fn named(&self, engine: &Arc<str>, name: &str) -> Option<&Arc<Container>> {
        self.linked(Link::Name(engine.clone(), name.into())).next()
    }

    /// Those of `engine` with this logical identity: several while one takes another's place.
    pub fn identified(&self, engine: &Arc<str>, identity: &str) -> impl Iterator<Item = &Arc<Container>> {
        self.linked(Link::Identity(engine.clone(), identity.into()))
    }

    /// Those that depend on a Compose service.
    pub fn needing_compose(
        &self,
        engine: &Arc<str>,
        project: &str,
        service: &str,
    ) -> impl Iterator<Item = &Arc<Container>> {
        self.linked(Link::NeedsCompose(engine.clone(), project.into(), service.into()))
    }

    /// Those that share the network of the container with this id, or this name.
    pub fn sharing_network(&self, engine: &Arc<str>, of: &str) -> impl Iterator<Item = &Arc<Container>> {
        self.linked(Link::SharesNetwork(engine.clone(), of.into()))
    }

    fn linked(&self, link: Link) -> impl Iterator<Item = &Arc<Container>> {
        let of_it = self.links.range((link.clone(), FIRST.clone())..);
        of_it.take_while(move |(other, _)| *other == link).filter_map(|(_, key)| self.by_key.get(key))
    }

    /// Puts in one, and gives what was there with its key.
    pub fn insert(&mut self, container: Arc<Container>) -> Option<Arc<Container>> {
        let was = self.by_key.get(&container.key).cloned();
        if !was.as_ref().is_some_and(|was| same_links(was, &container)) {
            if let Some(was) = &was {
                self.unlink(was);
            }
            for link in links(&container) {
                self.links.insert_mut((link, container.key.clone()));
            }
        }
        self.by_key.insert_mut(container.key.clone(), container);
        was
    }

    /// Takes one out.
    pub fn remove(&mut self, key: &ContainerKey) -> Option<Arc<Container>> {
        let was = self.by_key.get(key).cloned()?;
        self.unlink(&was);
        self.by_key.remove_mut(key);
        Some(was)
    }

    fn unlink(&mut self, container: &Container) {
        for link in links(container) {
            self.links.remove_mut(&(link, container.key.clone()));
        }
    }
}

impl FromIterator<Arc<Container>> for Containers {
    fn from_iter<T: IntoIterator<Item = Arc<Container>>>(all: T) -> Self {
        let mut containers = Self::default();
        all.into_iter().for_each(|container| drop(containers.insert(container)));
        containers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(engine: &str, id: &str, more: serde_json::Value) -> Arc<Container> {
        let mut value = serde_json::json!({
            "key": {"engine": engine, "id": id}, "name": id, "image": "", "state": "running", "created": 0,
        });
        let fields = value.as_object_mut().expect("fields");
        fields.extend(more.as_object().cloned().into_iter().flatten());
        Arc::new(serde_json::from_value(value).expect("a container"))
    }

    fn of(project: &str, service: &str, needs: &str) -> serde_json::Value {
        serde_json::json!({"labels": {"com.docker.compose.project": project, "com.docker.compose.service": service,
            "com.docker.compose.depends_on": needs}})
    }

    fn ids<'a>(found: impl Iterator<Item = &'a Arc<Container>>) -> Vec<&'a str> {
        found.map(|container| &*container.key.id).collect()
    }

    #[test]
    fn what_is_linked_is_found_and_nothing_of_another_engine() {
        let containers: Containers = [
            container("a", "1", of("shop", "db", "")),
            container("a", "2", of("shop", "web", "db:service_healthy:false")),
            container("a", "3", of("blog", "web", "db:service_healthy:false")),
            container("b", "4", of("shop", "db", "")),
            container("b", "5", serde_json::json!({"network_mode": "container:4"})),
        ]
        .into_iter()
        .collect();
        let engine: Arc<str> = "a".into();
        assert_eq!(ids(containers.of_engine("a")), ["1", "2", "3"]);
        assert_eq!(ids(containers.needing_compose(&engine, "shop", "db")), ["2"]);
        assert!(ids(containers.sharing_network(&engine, "4")).is_empty());
        assert_eq!(ids(containers.sharing_network(&"b".into(), "4")), ["5"]);
        assert_eq!(containers.named(&"b".into(), "4").map(|found| &*found.key.id), Some("4"));
        assert!(containers.named(&engine, "4").is_none());
        assert_eq!(containers.starting_with(&"b".into(), "5").map(|found| &*found.key.id), Some("5"));
        assert_eq!(ids(containers.after(&ContainerKey::new("a", "3"))), ["4", "5"]);
    }

    #[test]
    fn a_new_name_replaces_the_old_one_and_a_clone_stays_as_it_was() {
        let mut containers: Containers = [container("a", "1", serde_json::json!({}))].into_iter().collect();
        let before = containers.clone();
        let engine: Arc<str> = "a".into();
        containers.insert(container("a", "1", serde_json::json!({"name": "web"})));
        assert!(containers.named(&engine, "1").is_none() && containers.named(&engine, "web").is_some());
        containers.remove(&ContainerKey::new("a", "1"));
        assert!(containers.is_empty() && containers.named(&engine, "web").is_none());
        assert!(containers.links.is_empty());
        assert_eq!((before.len(), before.named(&engine, "1").is_some()), (1, true));
    }
}
