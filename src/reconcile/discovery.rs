//! What each Discovery registry should hold of a container: the latest state, never a queue of changes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::observed::{Container, Health, HealthWord, Port};
use crate::resource::discovery_registry::{DiscoveryRegistrySpec, RegisterWhen};
use crate::resource::monitored_service::ServiceDiscovery;

/// What a registry should hold of one container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE", tag = "state", content = "body")]
pub enum Wanted {
    /// Registered, with these exact bytes as the body of the POST.
    Up(String),
    /// Registered, status DOWN.
    Down,
    /// Not there.
    Absent,
}

impl Wanted {
    /// The word stored and shown.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Up(_) => "UP",
            Self::Down => "DOWN",
            Self::Absent => "ABSENT",
        }
    }

    /// Host and port under which it is registered, for people.
    pub fn address(&self) -> Option<String> {
        let Self::Up(body) = self else { return None };
        let body: serde_json::Value = serde_json::from_str(body).ok()?;
        let host = body["host"].as_str()?;
        Some(body["port"].as_u64().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
    }
}

/// Document R1's body, in its field order.
#[derive(Serialize)]
struct Body<'a> {
    id: &'a str,
    image_id: &'a str,
    host: &'a str,
    port: Option<u16>,
    caps: Caps,
}

#[derive(Serialize)]
struct Caps {
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mem: Option<String>,
}

/// What a MonitoredService says of one of its containers.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// Its verdict on the container.
    pub health: HealthWord,
    /// Where the service wants it registered.
    pub discovery: Option<&'a ServiceDiscovery>,
}

/// What is known of a container, for registries.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The last inspect; `None` once it is removed.
    pub container: Option<&'a Container>,
    /// Whether it is about to be healed, and its callers are to go elsewhere.
    pub drains: bool,
    /// What the services it belongs to say of it, which then decides over Docker's own health check.
    pub services: &'a [Member<'a>],
    /// The engine's name for its host.
    pub host: &'a str,
}

/// Sets `wanted` to what every registry should hold and returns the names of those for which it changed. A registry that
/// never heard of a container is not told that it is down.
pub fn update(
    seen: &Seen<'_>,
    registries: &BTreeMap<String, DiscoveryRegistrySpec>,
    wanted: &mut BTreeMap<String, Wanted>,
) -> Vec<String> {
    let Seen { container, drains, services, host } = *seen;
    let mut changed = Vec::new();
    for (name, spec) in registries {
        let known = wanted.get(name);
        let by_service = services.iter().find_map(|member| {
            member.discovery.filter(|discovery| discovery.registry_ref == *name).map(|of| (member, of))
        });
        let now = match (container, by_service) {
            (Some(container), Some((member, discovery))) => {
                if container.state.is_up() && !drains && member.health == HealthWord::Healthy {
                    Wanted::Up(body(container, host, spec, discovery.port.or(spec.port)))
                } else {
                    Wanted::Down
                }
            }
            (Some(container), None) if spec.selects(&container.subject()) => {
                if !drains && registered(container, services, spec) {
                    Wanted::Up(body(container, host, spec, spec.port))
                } else {
                    Wanted::Down
                }
            }
            (Some(_) | None, _) => Wanted::Absent,
        };
        let changes = match (known, &now) {
            (None, Wanted::Down | Wanted::Absent) => false,
            (None, Wanted::Up(_)) => true,
            (Some(known), now) => known != now,
        };
        if changes {
            wanted.insert(name.clone(), now);
            changed.push(name.clone());
        }
    }
    // One that is no longer declared may come back, and must then find what is true: its cells are held meanwhile.
    for (name, known) in wanted.iter_mut().filter(|(name, _)| !registries.contains_key(*name)) {
        let now = match container {
            Some(container) if container.state.is_up() => continue,
            Some(_) => Wanted::Down,
            None => Wanted::Absent,
        };
        if *known != now && *known != Wanted::Absent {
            *known = now;
            changed.push(name.clone());
        }
    }
    changed
}

/// Has deleted registries hold nothing of a container any more; gives the names of those for which that changed.
pub fn withdraw<'r>(
    deleted: impl IntoIterator<Item = &'r String>,
    wanted: &mut BTreeMap<String, Wanted>,
) -> Vec<String> {
    let mut changed = Vec::new();
    for name in deleted {
        if let Some(known) = wanted.get_mut(name).filter(|known| **known != Wanted::Absent) {
            *known = Wanted::Absent;
            changed.push(name.clone());
        }
    }
    changed
}

fn registered(container: &Container, services: &[Member<'_>], spec: &DiscoveryRegistrySpec) -> bool {
    let healthy = || {
        if services.is_empty() {
            return matches!(container.health, None | Some(Health::Healthy));
        }
        services.iter().all(|member| member.health == HealthWord::Healthy)
    };
    container.state.is_up()
        && match spec.register_when {
            RegisterWhen::Running => true,
            RegisterWhen::Healthy => healthy(),
        }
}

fn body(container: &Container, host: &str, spec: &DiscoveryRegistrySpec, wanted: Option<u16>) -> String {
    let body = Body {
        id: &container.key.id,
        image_id: &container.image,
        host: spec.host.as_deref().unwrap_or(host),
        port: port(&container.ports, wanted),
        caps: Caps {
            cpu: container.nano_cpus.filter(|limit| *limit > 0).map(cpu),
            mem: container
                .memory
                .filter(|limit| *limit > 0)
                .map(|bytes| format!("{}m", bytes / (1024 * 1024))),
        },
    };
    // A struct of strings and numbers always serialises.
    serde_json::to_string(&body).unwrap_or_default()
}

/// `wanted` mapped to its published port (itself when it is not published), else the lowest published port, else
/// the lowest exposed one.
fn port(ports: &[Port], wanted: Option<u16>) -> Option<u16> {
    match wanted {
        Some(wanted) => {
            let published = ports.iter().filter(|port| port.container == wanted).find_map(|port| port.host);
            Some(published.unwrap_or(wanted))
        }
        None => {
            let published = ports.iter().filter_map(|port| port.host).min();
            published.or_else(|| ports.iter().map(|port| port.container).min())
        }
    }
}

/// Billionths of a CPU as the shortest decimal number of CPUs.
fn cpu(nano: i64) -> String {
    let (whole, part) = (nano / 1_000_000_000, nano % 1_000_000_000);
    if part == 0 {
        return whole.to_string();
    }
    format!("{whole}.{}", format!("{part:09}").trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observed::{ContainerKey, Nanos, State};

    fn container(state: State) -> Container {
        serde_json::from_value(serde_json::json!({
            "key": ContainerKey::new("local", "c1"), "name": "web", "image": "nginx:alpine",
            "state": state, "created": Nanos(1),
        }))
        .expect("a container")
    }

    fn update(
        container: Option<&Container>,
        services: &[Member<'_>],
        host: &str,
        registries: &BTreeMap<String, DiscoveryRegistrySpec>,
        wanted: &mut BTreeMap<String, Wanted>,
    ) -> Vec<String> {
        super::update(&Seen { container, drains: false, services, host }, registries, wanted)
    }

    #[test]
    fn who_drains_is_down_until_its_new_run() {
        let (all, web) = (registries(serde_json::json!({})), container(State::Running));
        let mut wanted = BTreeMap::new();
        let mut seen = Seen { container: Some(&web), drains: true, services: &[], host: "box" };
        assert!(super::update(&seen, &all, &mut wanted).is_empty(), "nobody was told of it");
        for (drains, expected) in [(false, "UP"), (true, "DOWN"), (false, "UP")] {
            seen.drains = drains;
            assert_eq!(super::update(&seen, &all, &mut wanted), ["reg"]);
            assert_eq!(wanted["reg"].as_str(), expected);
        }
    }

    fn registries(spec: serde_json::Value) -> BTreeMap<String, DiscoveryRegistrySpec> {
        let mut full = serde_json::json!({"url": "http://localhost:7000"});
        for (key, value) in spec.as_object().expect("an object") {
            full[key] = value.clone();
        }
        BTreeMap::from([("reg".to_owned(), serde_json::from_value(full).expect("a spec"))])
    }

    fn published(container: u16, host: Option<u16>) -> Port {
        Port { container, protocol: "tcp".into(), host, host_ip: None }
    }

    #[test]
    fn the_body_is_that_of_document_r1() {
        let mut web = container(State::Running);
        web.nano_cpus = Some(500_000_000);
        web.memory = Some(256 * 1024 * 1024 + 5);
        web.ports = vec![published(80, Some(8000)), published(443, Some(8443)), published(22, None)];
        assert_eq!(
            body(&web, "box", &registries(serde_json::json!({}))["reg"], None),
            r#"{"id":"c1","image_id":"nginx:alpine","host":"box","port":8000,"caps":{"cpu":"0.5","mem":"256m"}}"#
        );
        let bare = container(State::Running);
        assert_eq!(
            body(&bare, "box", &registries(serde_json::json!({"host": "edge"}))["reg"], None),
            r#"{"id":"c1","image_id":"nginx:alpine","host":"edge","port":null,"caps":{}}"#
        );
    }

    #[test]
    fn the_port_is_the_wanted_one_else_the_lowest_published_else_the_lowest_exposed() {
        let ports = [published(80, Some(32768)), published(443, Some(8443)), published(22, None)];
        assert_eq!(port(&ports, Some(80)), Some(32768));
        assert_eq!(port(&ports, Some(22)), Some(22));
        assert_eq!(port(&ports, None), Some(8443));
        assert_eq!(port(&[published(9000, None), published(22, None)], None), Some(22));
        assert_eq!(port(&[], None), None);
    }

    #[test]
    fn cpu_limits_are_the_shortest_decimal() {
        for (nano, text) in
            [(500_000_000, "0.5"), (1_000_000_000, "1"), (1_250_000_000, "1.25"), (10_000_000, "0.01")]
        {
            assert_eq!(cpu(nano), text);
        }
    }

    #[test]
    fn a_registry_is_told_the_latest_state_and_only_of_what_it_has_heard_of() {
        let all = registries(serde_json::json!({}));
        let mut wanted = BTreeMap::new();
        assert!(update(Some(&container(State::Exited)), &[], "box", &all, &mut wanted).is_empty());
        assert!(update(None, &[], "box", &all, &mut wanted).is_empty());
        assert_eq!(update(Some(&container(State::Running)), &[], "box", &all, &mut wanted), ["reg"]);
        assert!(update(Some(&container(State::Paused)), &[], "box", &all, &mut wanted).is_empty());
        assert_eq!(update(Some(&container(State::Exited)), &[], "box", &all, &mut wanted), ["reg"]);
        assert_eq!(wanted["reg"], Wanted::Down);
        assert_eq!(update(None, &[], "box", &all, &mut wanted), ["reg"]);
        assert_eq!(wanted["reg"], Wanted::Absent);
    }

    #[test]
    fn register_when_healthy_waits_for_the_health_check() {
        let healthy = registries(serde_json::json!({"registerWhen": "healthy"}));
        let (mut wanted, mut web) = (BTreeMap::new(), container(State::Running));
        web.health = Some(Health::Starting);
        assert!(update(Some(&web), &[], "box", &healthy, &mut wanted).is_empty());
        web.health = Some(Health::Healthy);
        assert_eq!(update(Some(&web), &[], "box", &healthy, &mut wanted), ["reg"]);
        web.health = Some(Health::Unhealthy);
        assert_eq!(update(Some(&web), &[], "box", &healthy, &mut wanted), ["reg"]);
        assert_eq!(wanted["reg"], Wanted::Down);
    }

    #[test]
    fn a_registry_that_is_not_declared_for_a_while_misses_nothing() {
        let (mut wanted, none) = (BTreeMap::new(), BTreeMap::new());
        update(Some(&container(State::Running)), &[], "box", &registries(serde_json::json!({})), &mut wanted);
        assert!(update(Some(&container(State::Running)), &[], "box", &none, &mut wanted).is_empty());
        assert_eq!(update(Some(&container(State::Exited)), &[], "box", &none, &mut wanted), ["reg"]);
        assert_eq!(update(None, &[], "box", &none, &mut wanted), ["reg"]);
        assert_eq!(wanted["reg"], Wanted::Absent);
        assert!(update(None, &[], "box", &none, &mut wanted).is_empty());
    }

    #[test]
    fn what_a_deleted_registry_holds_is_taken_out_whatever_runs() {
        let (mut wanted, web) = (BTreeMap::new(), container(State::Running));
        let all = registries(serde_json::json!({}));
        let deleted = ["reg".to_owned()];
        assert!(super::withdraw(&deleted, &mut wanted).is_empty(), "it was never told");
        update(Some(&web), &[], "box", &all, &mut wanted);
        assert_eq!(super::withdraw(&deleted, &mut wanted), deleted);
        assert!(super::withdraw(&deleted, &mut wanted).is_empty());
        assert!(update(Some(&web), &[], "box", &BTreeMap::new(), &mut wanted).is_empty());
        assert_eq!(wanted["reg"], Wanted::Absent);
        assert_eq!(update(Some(&web), &[], "box", &all, &mut wanted), ["reg"], "it came back");
    }

    #[test]
    fn what_is_no_longer_selected_is_taken_out() {
        let (mut wanted, web) = (BTreeMap::new(), container(State::Running));
        update(Some(&web), &[], "box", &registries(serde_json::json!({})), &mut wanted);
        let others = registries(serde_json::json!({"selector": {"names": ["db"]}}));
        assert_eq!(update(Some(&web), &[], "box", &others, &mut wanted), ["reg"]);
        assert_eq!(wanted["reg"], Wanted::Absent);
    }

    #[test]
    fn who_asks_not_to_be_registered_is_not_unless_a_service_says_so() {
        let (mut wanted, mut web) = (BTreeMap::new(), container(State::Running));
        let all = registries(serde_json::json!({}));
        assert_eq!(update(Some(&web), &[], "box", &all, &mut wanted), ["reg"]);
        web.labels.insert("SERVICE_IGNORE".to_owned(), "true".to_owned());
        assert_eq!(update(Some(&web), &[], "box", &all, &mut wanted), ["reg"]);
        assert_eq!(wanted["reg"], Wanted::Absent);
        let discovery = ServiceDiscovery { registry_ref: "reg".to_owned(), port: None };
        let service = Member { health: HealthWord::Healthy, discovery: Some(&discovery) };
        assert_eq!(update(Some(&web), &[service], "box", &all, &mut wanted), ["reg"]);
        assert_eq!(wanted["reg"].address().as_deref(), Some("box"));
    }

    #[test]
    fn what_a_service_says_of_its_container_decides_over_dockers_own_health_check() {
        let all = registries(serde_json::json!({"registerWhen": "healthy"}));
        let mut web = container(State::Running);
        web.health = Some(Health::Unhealthy);
        let member = |health| [Member { health, discovery: None }];
        let mut wanted = BTreeMap::new();
        assert_eq!(update(Some(&web), &member(HealthWord::Healthy), "box", &all, &mut wanted), ["reg"]);
        assert!(matches!(wanted["reg"], Wanted::Up(_)));
        for health in [HealthWord::Unhealthy, HealthWord::Unknown, HealthWord::Error] {
            update(Some(&web), &member(health), "box", &all, &mut wanted);
            assert_eq!(wanted["reg"], Wanted::Down, "{health:?}");
        }
    }

    #[test]
    fn a_service_registers_its_containers_where_and_as_it_says() {
        let none = registries(serde_json::json!({"selector": {"names": ["other"]}, "port": 1}));
        let discovery = ServiceDiscovery { registry_ref: "reg".to_owned(), port: Some(9092) };
        let web = container(State::Running);
        let mut wanted = BTreeMap::new();
        let mut tell = |health| {
            let member = [Member { health, discovery: Some(&discovery) }];
            update(Some(&web), &member, "box", &none, &mut wanted);
            wanted.get("reg").cloned()
        };
        assert_eq!(tell(HealthWord::Unknown), None);
        let Some(Wanted::Up(body)) = tell(HealthWord::Healthy) else { panic!("it is registered") };
        assert!(body.contains(r#""port":9092"#), "{body}");
        assert_eq!(tell(HealthWord::Unhealthy), Some(Wanted::Down));
    }
}
