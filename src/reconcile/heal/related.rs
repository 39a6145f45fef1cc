//! What a container is related to: whose network it shares, what it depends on, and whether somebody asked for silence.

use std::sync::Arc;

use super::dependencies::{Readiness, is_ready};
use crate::observed::{Condition, Container, Nanos};
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
    /// Takes in a dependency by its name and how its containers are. One of which there is no container does not matter.
    pub fn depend(&mut self, container: &Container, name: &str, condition: Condition, members: Readiness) {
        if members.are_down(condition) {
            self.down.get_or_insert_with(|| name.to_owned());
        }
        if condition == Condition::Up && members.healed.is_some() && members.healed > container.started {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::heal::HealMemory;
    use crate::reconcile::heal::dependencies::{Dependencies, Dependency};

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

    fn members(web: &Container, states: &[serde_json::Value], memory: Option<&HealMemory>) -> Readiness {
        let (mut all, db) = (Dependencies::default(), Dependency::Service("db".into()));
        for (place, more) in states.iter().enumerate() {
            let mut other = Container::clone(&container("db", more.clone()));
            other.key.id = format!("db{place}").into();
            all.set(&other, vec![db.clone()], memory);
        }
        all.without(&db, &web.key)
    }

    #[test]
    fn a_dependency_is_down_when_none_of_its_containers_is_good() {
        let web = container("web", serde_json::json!({}));
        let down = |condition, states: &[serde_json::Value]| {
            let members = members(&web, states, None);
            let mut related = Related::default();
            related.depend(&web, "db", condition, members);
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
            related.depend(&web, "db", Condition::Up, members(&web, &[more], Some(&memory)));
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
