//! What a container is related to: whose network it shares, what it depends on, and whether somebody asked for silence.

use std::sync::Arc;

use super::HealMemory;
use crate::observed::{Container, Health, Nanos, State};
use crate::reconcile::plan::Cause;
use crate::resource::autoheal_policy::Cascade;

/// What matters of the world around one container when it is decided on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Related {
    /// Whose network it shares, if anybody's.
    pub parent: Option<Parent>,
    /// What it depends on and is down, for people.
    pub down: Option<String>,
    /// What it depends on and was restarted by Portreeve since it began itself, for people.
    pub restarted: Option<String>,
    /// The silence that covers it.
    pub silence: Option<Silenced>,
}

/// The container whose network another one shares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parent {
    /// Its name.
    pub name: String,
    /// Its logical identity: what is remembered, so that it is known again after it was made anew.
    pub identity: String,
    /// Its id.
    pub id: Arc<str>,
    /// Whether it is another container than the one that the configuration names.
    pub replaced: bool,
    /// When its run began.
    pub started: Option<Nanos>,
    /// Whether it runs and is not unhealthy or starting.
    pub ready: bool,
}

/// A silence that is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silenced {
    /// Its name.
    pub by: String,
    /// When it ends.
    pub until: Nanos,
}

/// When a dependency is good enough for those that depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It runs, and is neither unhealthy nor starting.
    Up,
    /// It has done its work.
    Completed,
}

/// The id, or the name, of the container whose network `container` shares.
pub fn parent_id(container: &Container) -> Option<&str> {
    container.network_mode.strip_prefix("container:")
}

/// The services of its Compose project that a container depends on, by the label that Compose sets:
/// `db:service_healthy:false,cache:service_started:true`.
pub fn compose_dependencies(container: &Container) -> impl Iterator<Item = (&str, Condition)> {
    let label = container.labels.get("com.docker.compose.depends_on");
    label.into_iter().flat_map(|label| label.split(',')).filter_map(|entry| {
        let mut parts = entry.split(':');
        let service = parts.next().filter(|service| !service.is_empty())?;
        let completed = parts.next() == Some("service_completed_successfully");
        Some((service, if completed { Condition::Completed } else { Condition::Up }))
    })
}

/// Whether `container` is one of a service of the Compose project of `other`, on the same engine.
pub fn is_of_compose(container: &Container, other: &Container, service: &str) -> bool {
    let label = |of: &Container, part: &str| of.labels.get(&format!("com.docker.compose.{part}")).cloned();
    container.key.engine == other.key.engine
        && label(container, "project").is_some()
        && label(container, "project") == label(other, "project")
        && label(container, "service").as_deref() == Some(service)
        && label(container, "oneoff").as_deref() != Some("True")
}

/// Whether a change of `other` may change what is decided about `container`.
pub fn depends_on(container: &Container, other: &Container) -> bool {
    container.key.engine == other.key.engine
        && (parent_id(container).is_some()
            || compose_dependencies(container).any(|(service, _)| is_of_compose(other, container, service)))
}

impl Parent {
    /// `other` as whose network a container shares that names `id`, which may be its name.
    pub fn of(other: &Container, id: &str) -> Self {
        Self {
            name: other.name.clone(),
            identity: other.logical_id(),
            id: other.key.id.clone(),
            replaced: *other.key.id != *id && other.name != id,
            started: other.started,
            ready: is_ready(other),
        }
    }
}

impl Related {
    /// Takes in a dependency by its containers, each with what healing remembers of it. One of which there is no container is
    /// nobody's concern.
    pub fn depend(
        &mut self,
        container: &Container,
        name: &str,
        condition: Condition,
        containers: &[(Arc<Container>, Option<Arc<HealMemory>>)],
    ) {
        let good = |(other, _): &(Arc<Container>, _)| match condition {
            Condition::Up => other.state.is_up() && matches!(other.health, None | Some(Health::Healthy)),
            Condition::Completed => other.state != State::Exited || other.exit_code == 0,
        };
        if !containers.is_empty() && !containers.iter().any(good) {
            self.down.get_or_insert_with(|| name.to_owned());
        }
        let by_us = |(other, memory): &(Arc<Container>, Option<Arc<HealMemory>>)| {
            let healed = memory.as_ref().and_then(|memory| memory.healed);
            healed.is_some()
                && healed == other.started
                && other.started > container.started
                && is_ready(other)
        };
        if condition == Condition::Up && containers.iter().any(by_us) {
            self.restarted.get_or_insert_with(|| name.to_owned());
        }
    }

    /// Why a container that is well has to be restarted with another one.
    pub(super) fn cascade(&self, container: &Container, cascade: &Cascade) -> Option<Cause> {
        let parent = self.parent.as_ref().filter(|parent| cascade.network_mode && parent.ready);
        if let Some(Parent { name, replaced, started, .. }) = parent {
            let name = name.clone();
            if *replaced {
                return Some(Cause::ParentReplaced { name });
            }
            if *started > container.started {
                return Some(Cause::ParentRestarted { name });
            }
        }
        let name = self.restarted.clone().filter(|_| cascade.compose && self.down.is_none())?;
        Some(Cause::DependencyRestarted { name })
    }

    /// Whose network a container shares that has a new one since, and is not ready: it is followed once it is.
    pub(super) fn cut_off_from(&self, container: &Container, cascade: &Cascade) -> Option<&str> {
        let parent = self.parent.as_ref().filter(|parent| cascade.network_mode && !parent.ready)?;
        (parent.replaced || parent.started > container.started).then_some(&*parent.name)
    }

    /// What has to be up before the container is healed, and is not.
    pub(super) fn missing(&self) -> Option<&str> {
        let parent = self.parent.as_ref().filter(|parent| !parent.ready).map(|parent| parent.name.as_str());
        parent.or(self.down.as_deref())
    }
}

fn is_ready(container: &Container) -> bool {
    container.state == State::Running && matches!(container.health, None | Some(Health::Healthy))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn container(service: &str, more: serde_json::Value) -> Arc<Container> {
        let mut value = serde_json::json!({
            "key": {"engine": "local", "id": service}, "name": service, "image": "", "state": "running", "created": 0,
            "started": 10,
            "labels": {"com.docker.compose.project": "shop", "com.docker.compose.service": service},
        });
        value
            .as_object_mut()
            .into_iter()
            .for_each(|value| value.extend(more.as_object().cloned().into_iter().flatten()));
        Arc::new(serde_json::from_value(value).unwrap_or_else(|error| panic!("{error}")))
    }

    #[test]
    fn composes_label_names_services_and_what_they_have_to_be() {
        let labels: BTreeMap<&str, &str> = BTreeMap::from([(
            "com.docker.compose.depends_on",
            "db:service_healthy:false,seed:service_completed_successfully:false,,cache",
        )]);
        let web = container("web", serde_json::json!({ "labels": labels }));
        let found: Vec<_> = compose_dependencies(&web).collect();
        assert_eq!(found, [("db", Condition::Up), ("seed", Condition::Completed), ("cache", Condition::Up)]);
    }

    #[test]
    fn a_dependency_is_down_when_none_of_its_containers_is_good() {
        let web = container("web", serde_json::json!({}));
        let down = |condition, states: &[serde_json::Value]| {
            let containers: Vec<_> =
                states.iter().map(|more| (container("db", more.clone()), None)).collect();
            let mut related = Related::default();
            related.depend(&web, "db", condition, &containers);
            related.down.is_some()
        };
        let (up, sick) = (serde_json::json!({}), serde_json::json!({"health": "unhealthy"}));
        let ended = |code: i64| serde_json::json!({"state": "exited", "exit_code": code});
        assert!(!down(Condition::Up, &[]));
        assert!(!down(Condition::Up, &[sick.clone(), up]));
        assert!(down(Condition::Up, &[sick, ended(0)]));
        assert!(!down(Condition::Completed, &[ended(0)]));
        assert!(down(Condition::Completed, &[ended(1)]));
    }

    #[test]
    fn dependents_follow_a_restart_of_ours_once_it_is_ready_and_no_other() {
        let web = container("web", serde_json::json!({}));
        let follows = |more: serde_json::Value, healed: Option<i64>| {
            let memory = HealMemory { healed: healed.map(Nanos), ..HealMemory::default() };
            let mut related = Related::default();
            related.depend(&web, "db", Condition::Up, &[(container("db", more), Some(Arc::new(memory)))]);
            related.cascade(&web, &Cascade::default()).is_some()
        };
        let later = serde_json::json!({"started": 20});
        assert!(follows(later.clone(), Some(20)));
        assert!(!follows(later, None), "somebody else's restart");
        assert!(!follows(serde_json::json!({"started": 20, "health": "starting"}), Some(20)));
        assert!(!follows(serde_json::json!({"started": 5}), Some(5)), "before it began itself");
    }

    #[test]
    fn who_shares_a_network_follows_every_restart_of_whose_it_is() {
        let web = container("web", serde_json::json!({}));
        let cause = |more: serde_json::Value, id: &str| {
            let related =
                Related { parent: Some(Parent::of(&container("vpn", more), id)), ..Related::default() };
            related.cascade(&web, &Cascade::default()).map(|cause| cause.to_string())
        };
        assert_eq!(cause(serde_json::json!({}), "vpn"), None);
        let restarted = cause(serde_json::json!({"started": 20}), "vpn");
        assert_eq!(restarted.as_deref(), Some("vpn, whose network it shares, was restarted"));
        let replaced = cause(serde_json::json!({}), "gone");
        assert_eq!(replaced.as_deref(), Some("vpn, whose network it shares, was recreated"));
        assert_eq!(cause(serde_json::json!({"started": 20, "health": "starting"}), "vpn"), None);
        // Until then it is said what it waits for.
        let waits = |more: serde_json::Value, id: &str, cascade: &Cascade| {
            let related =
                Related { parent: Some(Parent::of(&container("vpn", more), id)), ..Related::default() };
            related.cut_off_from(&web, cascade).map(str::to_owned)
        };
        let sick = serde_json::json!({"started": 20, "health": "unhealthy"});
        let alone = Cascade { network_mode: false, ..Cascade::default() };
        assert_eq!(waits(sick.clone(), "vpn", &Cascade::default()).as_deref(), Some("vpn"));
        assert_eq!(waits(sick, "vpn", &alone), None);
        assert_eq!(
            waits(serde_json::json!({"started": 20}), "vpn", &Cascade::default()),
            None,
            "it is ready"
        );
        assert_eq!(
            waits(serde_json::json!({"health": "unhealthy"}), "vpn", &Cascade::default()),
            None,
            "its network is the same"
        );
    }
}
