//! How the containers are that others depend on, counted: no decision looks at all of them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::HealMemory;
use crate::observed::{Condition, Container, ContainerKey, Health, Nanos, State};

/// What a container can depend on as a whole.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dependency {
    /// A MonitoredService, by its name.
    Service(Arc<str>),
    /// A service of a Compose project on an engine.
    Compose(Arc<str>, Arc<str>, Arc<str>),
}

impl Dependency {
    /// A service of a Compose project on an engine.
    pub fn compose(engine: &Arc<str>, project: &str, service: &str) -> Self {
        Self::Compose(engine.clone(), project.into(), service.into())
    }

    /// What is to be counted of `container`, a member of `services`.
    pub fn of(container: &Container, services: &[Arc<str>]) -> Vec<Self> {
        let compose = container.compose_service();
        let compose =
            compose.map(|(project, service)| Self::compose(&container.key.engine, project, service));
        services.iter().cloned().map(Self::Service).chain(compose).collect()
    }
}

/// How the containers of a dependency are, taken together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// How many there are.
    pub count: usize,
    /// How many run and are neither unhealthy nor starting.
    pub up: usize,
    /// How many have not ended with an error.
    pub done: usize,
    /// The newest run that Portreeve began and that is ready.
    pub healed: Option<Nanos>,
}

impl Readiness {
    /// Whether none is good enough for those that depend on them. Without a container nothing is.
    pub const fn are_down(&self, condition: Condition) -> bool {
        let good = match condition {
            Condition::Up => self.up,
            Condition::Completed => self.done,
        };
        self.count > 0 && good == 0
    }

    /// Whether something else follows for those that depend on them.
    fn differ(&self, other: &Self) -> bool {
        let down = |members: &Self| {
            [Condition::Up, Condition::Completed].map(|condition| members.are_down(condition))
        };
        down(self) != down(other) || self.healed != other.healed
    }
}

/// Whether a container runs and is neither unhealthy nor starting.
pub(super) fn is_ready(container: &Container) -> bool {
    container.state == State::Running && matches!(container.health, None | Some(Health::Healthy))
}

/// What one container adds to its dependencies, and what those see that share its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Share {
    up: bool,
    done: bool,
    healed: Option<Nanos>,
    seen: (State, Option<Nanos>, Option<Health>),
}

impl Share {
    fn of(container: &Container, memory: Option<&HealMemory>) -> Self {
        let healed = memory.and_then(|memory| memory.healed);
        Self {
            up: container.state.is_up() && matches!(container.health, None | Some(Health::Healthy)),
            done: container.state != State::Exited || container.exit_code == 0,
            healed: healed.filter(|_| healed == container.started && is_ready(container)),
            seen: (container.state, container.started, container.health),
        }
    }
}

#[derive(Debug, Default)]
struct Counted {
    members: Readiness,
    healed: BTreeSet<(Nanos, ContainerKey)>,
}

#[derive(Debug)]
struct Member {
    of: Vec<Dependency>,
    share: Share,
    identity: String,
    /// The logical identity of the container whose network it shares.
    parent: Option<String>,
}

/// What has become another for those that depend on a container.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Turned {
    /// Dependencies that are down, or up again, or were healed.
    pub dependencies: Vec<Dependency>,
    /// Whether those that share its network see another state or run.
    pub seen: bool,
    /// Containers that share the network of whatever has this logical identity.
    pub followers: Vec<ContainerKey>,
}

/// How everything is that containers depend on.
#[derive(Debug, Default)]
pub struct Dependencies {
    counted: HashMap<Dependency, Counted>,
    members: HashMap<ContainerKey, Member>,
    followers: HashMap<String, BTreeSet<ContainerKey>>,
}

impl Dependencies {
    /// A container is so, and of these dependencies; what that turned.
    pub fn set(&mut self, container: &Container, of: Vec<Dependency>, memory: Option<&HealMemory>) -> Turned {
        let share = Share::of(container, memory);
        let parent = memory.and_then(|memory| memory.parent.clone());
        let known = self.members.get(&container.key);
        let same = known.is_some_and(|known| {
            (&known.of, &known.share, &known.parent) == (&of, &share, &parent)
                && known.identity == container.logical_id()
        });
        if same {
            return Turned::default();
        }
        let seen = known.is_none_or(|known| known.share.seen != share.seen);
        let identity = container.logical_id();
        let member = Member { of, share, identity, parent };
        self.replace(&container.key, Some(member), seen)
    }

    /// A container is gone; what that turned.
    pub fn remove(&mut self, key: &ContainerKey) -> Turned {
        if self.members.contains_key(key) { self.replace(key, None, true) } else { Turned::default() }
    }

    fn replace(&mut self, key: &ContainerKey, member: Option<Member>, seen: bool) -> Turned {
        let was = self.members.remove(key);
        let touched: BTreeSet<Dependency> =
            was.iter().chain(&member).flat_map(|member| member.of.iter().cloned()).collect();
        let before: Vec<Readiness> = touched.iter().map(|dependency| self.members_of(dependency)).collect();
        if let Some(was) = &was {
            self.count(key, was, false);
        }
        if let Some(member) = &member {
            self.count(key, member, true);
        }
        let identity = member.as_ref().or(was.as_ref()).map(|member| member.identity.clone());
        let followers = identity.filter(|_| seen).and_then(|identity| self.followers.get(&identity));
        let followers = followers.into_iter().flatten().cloned().collect();
        if let Some(member) = member {
            self.members.insert(key.clone(), member);
        }
        let turned =
            |(dependency, before): &(Dependency, Readiness)| self.members_of(dependency).differ(before);
        let dependencies = touched.into_iter().zip(before).filter(turned).map(|(dependency, _)| dependency);
        Turned { dependencies: dependencies.collect(), seen, followers }
    }

    fn count(&mut self, key: &ContainerKey, member: &Member, comes: bool) {
        let step = |count: &mut usize, counts: bool| match (counts, comes) {
            (true, true) => *count += 1,
            (true, false) => *count = count.saturating_sub(1),
            (false, _) => {}
        };
        for dependency in &member.of {
            let counted = self.counted.entry(dependency.clone()).or_default();
            step(&mut counted.members.count, true);
            step(&mut counted.members.up, member.share.up);
            step(&mut counted.members.done, member.share.done);
            if let Some(healed) = member.share.healed {
                let entry = (healed, key.clone());
                if comes {
                    counted.healed.insert(entry)
                } else {
                    counted.healed.remove(&entry)
                };
            }
            counted.members.healed = counted.healed.last().map(|(healed, _)| *healed);
            if counted.members.count == 0 {
                self.counted.remove(dependency);
            }
        }
        if let Some(parent) = &member.parent {
            let followers = self.followers.entry(parent.clone()).or_default();
            if comes {
                followers.insert(key.clone())
            } else {
                followers.remove(key)
            };
            if followers.is_empty() {
                self.followers.remove(parent);
            }
        }
    }

    fn members_of(&self, dependency: &Dependency) -> Readiness {
        self.counted.get(dependency).map(|counted| counted.members).unwrap_or_default()
    }

    /// How the containers of a dependency are, without `except`: nothing depends on itself.
    pub fn without(&self, dependency: &Dependency, except: &ContainerKey) -> Readiness {
        let Some(counted) = self.counted.get(dependency) else { return Readiness::default() };
        let own = self.members.get(except).filter(|member| member.of.contains(dependency));
        let Some(own) = own else { return counted.members };
        let newest = counted.healed.iter().rev().find(|(_, key)| key != except).map(|(healed, _)| *healed);
        Readiness {
            count: counted.members.count.saturating_sub(1),
            up: counted.members.up.saturating_sub(usize::from(own.share.up)),
            done: counted.members.done.saturating_sub(usize::from(own.share.done)),
            healed: newest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(id: &str, more: serde_json::Value) -> Container {
        let mut value = serde_json::json!({
            "key": {"engine": "local", "id": id}, "name": id, "image": "", "state": "running", "created": 0, "started": 10,
        });
        let fields = value.as_object_mut().expect("fields");
        fields.extend(more.as_object().cloned().into_iter().flatten());
        serde_json::from_value(value).expect("a container")
    }

    fn db() -> Vec<Dependency> {
        vec![Dependency::Service("db".into())]
    }

    fn down() -> serde_json::Value {
        serde_json::json!({"state": "exited", "exit_code": 1})
    }

    #[test]
    fn a_dependency_turns_with_the_last_that_goes_down_and_the_first_that_is_up_again() {
        let mut all = Dependencies::default();
        let up = serde_json::json!({});
        let mut turns = |id: &str, more: &serde_json::Value| {
            !all.set(&container(id, more.clone()), db(), None).dependencies.is_empty()
        };
        assert!(!turns("a", &up), "nothing was down without a container either");
        assert!(!turns("b", &up));
        assert!(!turns("a", &down()), "the other one is up");
        assert!(turns("b", &down()));
        assert!(turns("a", &up));
        assert!(!all.remove(&ContainerKey::new("local", "b")).dependencies.contains(&db()[0]));
        assert!(all.remove(&ContainerKey::new("local", "a")).dependencies.is_empty());
        assert!(all.counted.is_empty() && all.members.is_empty());
    }

    #[test]
    fn nothing_depends_on_itself_and_a_run_that_portreeve_began_is_seen_once_it_is_ready() {
        let mut all = Dependencies::default();
        let (a, b) = (container("a", down()), container("b", serde_json::json!({"started": 20})));
        let memory = HealMemory { healed: Some(Nanos(20)), ..HealMemory::default() };
        all.set(&a, db(), None);
        let turned = all.set(&b, db(), Some(&memory));
        assert_eq!(turned.dependencies, db());
        let seen_by = |key: &ContainerKey| all.without(&db()[0], key);
        assert_eq!(seen_by(&a.key), Readiness { count: 1, up: 1, done: 1, healed: Some(Nanos(20)) });
        assert_eq!(seen_by(&b.key), Readiness { count: 1, up: 0, done: 0, healed: None });
    }

    #[test]
    fn those_that_share_a_network_hear_of_each_run_and_of_a_container_made_anew() {
        let mut all = Dependencies::default();
        let child = HealMemory { parent: Some("local/name/vpn".to_owned()), ..HealMemory::default() };
        all.set(&container("child", serde_json::json!({})), Vec::new(), Some(&child));
        let vpn =
            |id: &str, started: i64| container(id, serde_json::json!({"name": "vpn", "started": started}));
        let followers = |turned: Turned| (turned.seen, turned.followers.len());
        assert_eq!(followers(all.set(&vpn("1", 5), Vec::new(), None)), (true, 1));
        assert_eq!(followers(all.set(&vpn("1", 5), Vec::new(), None)), (false, 0), "nothing new");
        assert_eq!(followers(all.set(&vpn("1", 6), Vec::new(), None)), (true, 1));
        assert_eq!(followers(all.remove(&ContainerKey::new("local", "1"))), (true, 1));
        assert_eq!(followers(all.set(&vpn("2", 7), Vec::new(), None)), (true, 1), "made anew");
    }
}
