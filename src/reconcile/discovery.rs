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
pub struct Registrant<'a> {
    /// The last inspect; `None` once it is removed.
    pub container: Option<&'a Container>,
    /// The container whose network it uses, if that is known and another one.
    pub owner: Option<&'a Container>,
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
    seen: &Registrant<'_>,
    registries: &BTreeMap<String, DiscoveryRegistrySpec>,
    wanted: &mut BTreeMap<String, Wanted>,
) -> Vec<String> {
    let Registrant { container, owner, drains, services, host } = *seen;
    let mut changed = Vec::new();
    for (name, spec) in registries {
        let known = wanted.get(name);
        let by_service = services.iter().find_map(|member| {
            member.discovery.filter(|discovery| discovery.registry_ref == *name).map(|of| (member, of))
        });
        let now = match (container, by_service) {
            (Some(container), Some((_, discovery)))
                if hidden(container, owner, spec, discovery.port.or(spec.port)).is_some() =>
            {
                Wanted::Absent
            }
            (Some(container), None)
                if spec.selects(&container.subject())
                    && hidden(container, owner, spec, spec.port).is_some() =>
            {
                Wanted::Absent
            }
            (Some(container), Some((member, discovery))) => {
                if container.state.is_up() && !drains && member.health == HealthWord::Healthy {
                    Wanted::Up(body(container, owner, host, spec, discovery.port.or(spec.port)))
                } else {
                    Wanted::Down
                }
            }
            (Some(container), None) if spec.selects(&container.subject()) => {
                if !drains && registered(container, services, spec) {
                    Wanted::Up(body(container, owner, host, spec, spec.port))
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

/// Why a registry with `publishedOnly` does not get to know a container that runs, though it selects it; `None`: it does, or
/// the container is down. `wanted` is the port that is to be registered.
pub fn hidden(
    container: &Container,
    owner: Option<&Container>,
    spec: &DiscoveryRegistrySpec,
    wanted: Option<u16>,
) -> Option<String> {
    if !spec.published_only || !container.state.is_up() {
        return None;
    }
    let owner = owner.unwrap_or(container);
    // All ports of one that uses the network of its host are that one's.
    if owner.network_mode == "host" {
        return None;
    }
    let ports = &owner.ports;
    let of_interest = |port: &&Port| wanted.is_none_or(|wanted| is_tcp(port) && port.container == wanted);
    let mut published = ports.iter().filter(of_interest).filter(|port| port.host.is_some()).peekable();
    let which = || wanted.map_or("no port of it is".to_owned(), |port| format!("its port {port} is not"));
    if published.peek().is_none() {
        return Some(format!("{} published", which()));
    }
    let reaches = |port: &Port| is_reachable(port, spec);
    let only = || wanted.map_or("its ports are".to_owned(), |port| format!("its port {port} is"));
    (!published.any(reaches)).then(|| format!("{} published on a loopback address only", only()))
}

fn body(
    container: &Container,
    owner: Option<&Container>,
    host: &str,
    spec: &DiscoveryRegistrySpec,
    wanted: Option<u16>,
) -> String {
    let body = Body {
        id: &container.key.id,
        image_id: &container.image,
        host: spec.host.as_deref().unwrap_or(host),
        port: port(container, owner, spec, wanted),
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
/// the lowest exposed one; TCP goes before other protocols. What a container that uses another's network exposes itself tells
/// which of the other's published ports are its own.
fn port(
    container: &Container,
    owner: Option<&Container>,
    spec: &DiscoveryRegistrySpec,
    wanted: Option<u16>,
) -> Option<u16> {
    let ports = &owner.unwrap_or(container).ports;
    let published = |port: &Port| port.host.filter(|_| is_reachable(port, spec));
    if let Some(wanted) = wanted {
        let its_own = ports.iter().filter(|port| is_tcp(port) && port.container == wanted);
        return Some(its_own.filter_map(published).min().unwrap_or(wanted));
    }
    let exposes = |port: &Port| {
        container.ports.iter().any(|own| own.container == port.container && own.protocol == port.protocol)
    };
    let lowest = |of: &dyn Fn(&Port) -> Option<u16>, ports: &[Port]| {
        let of_protocol = |tcp: bool| ports.iter().filter(|port| is_tcp(port) == tcp).filter_map(of).min();
        of_protocol(true).or_else(|| of_protocol(false))
    };
    lowest(&|port| published(port).filter(|_| exposes(port)), ports)
        .or_else(|| lowest(&published, ports))
        .or_else(|| lowest(&|port| Some(port.container), &container.ports))
        .or_else(|| lowest(&|port| Some(port.container), ports))
}

fn is_tcp(port: &Port) -> bool {
    port.protocol == "tcp"
}

/// Whether a published port is one for those to whom the registry tells it: what is published on a loopback address is reached
/// from its own machine only.
fn is_reachable(port: &Port, spec: &DiscoveryRegistrySpec) -> bool {
    let is_loopback = |host: &str| {
        let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
        address.map_or(host.eq_ignore_ascii_case("localhost"), |address| address.to_canonical().is_loopback())
    };
    !port.host_ip.as_deref().is_some_and(is_loopback) || spec.host.as_deref().is_some_and(is_loopback)
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
        super::update(
            &Registrant { container, owner: None, drains: false, services, host },
            registries,
            wanted,
        )
    }

    #[test]
    fn who_drains_is_down_until_its_new_run() {
        let (all, web) = (registries(serde_json::json!({})), container(State::Running));
        let mut wanted = BTreeMap::new();
        let mut seen =
            Registrant { container: Some(&web), owner: None, drains: true, services: &[], host: "box" };
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
            body(&web, None, "box", &registries(serde_json::json!({}))["reg"], None),
            r#"{"id":"c1","image_id":"nginx:alpine","host":"box","port":8000,"caps":{"cpu":"0.5","mem":"256m"}}"#
        );
        let bare = container(State::Running);
        assert_eq!(
            body(&bare, None, "box", &registries(serde_json::json!({"host": "edge"}))["reg"], None),
            r#"{"id":"c1","image_id":"nginx:alpine","host":"edge","port":null,"caps":{}}"#
        );
    }

    #[test]
    fn the_port_is_the_wanted_one_else_the_lowest_published_else_the_lowest_exposed() {
        let ports = [published(80, Some(32768)), published(443, Some(8443)), published(22, None)];
        assert_eq!(port_of(&ports, Some(80)), Some(32768));
        assert_eq!(port_of(&ports, Some(22)), Some(22));
        assert_eq!(port_of(&ports, None), Some(8443));
        assert_eq!(port_of(&[published(9000, None), published(22, None)], None), Some(22));
        assert_eq!(port_of(&[], None), None);
    }

    fn port_of(ports: &[Port], wanted: Option<u16>) -> Option<u16> {
        let web = Container { ports: ports.to_vec(), ..container(State::Running) };
        port(&web, None, &registries(serde_json::json!({}))["reg"], wanted)
    }

    #[test]
    fn a_udp_binding_never_answers_for_a_tcp_port() {
        let udp = |container, host| Port { protocol: "udp".into(), ..published(container, host) };
        assert_eq!(port_of(&[udp(53, Some(5353)), published(53, Some(5300))], Some(53)), Some(5300));
        assert_eq!(port_of(&[udp(53, Some(5353))], Some(53)), Some(53));
        assert_eq!(port_of(&[udp(53, Some(53)), published(80, Some(8080))], None), Some(8080));
        assert_eq!(port_of(&[udp(53, Some(5353))], None), Some(5353), "the only one that it has");
        assert_eq!(port_of(&[udp(53, None), published(80, None)], None), Some(80));
    }

    #[test]
    fn what_is_published_on_a_loopback_address_is_for_its_own_machine() {
        let on = |address: &str, host| Port { host_ip: Some(address.into()), ..published(80, Some(host)) };
        for loopback in ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(port_of(&[on(loopback, 8080)], Some(80)), Some(80), "{loopback}");
            assert_eq!(port_of(&[on(loopback, 8080)], None), Some(80), "{loopback}");
            assert_eq!(
                port_of(&[on(loopback, 8080), on("0.0.0.0", 8081)], Some(80)),
                Some(8081),
                "{loopback}"
            );
        }
        assert_eq!(port_of(&[on("::", 8080)], Some(80)), Some(8080));
        assert_eq!(port_of(&[on("192.0.2.1", 8080)], Some(80)), Some(8080));
        let web = Container { ports: vec![on("127.0.0.1", 8080)], ..container(State::Running) };
        for host in ["localhost", "127.0.0.1", "::1"] {
            let local = registries(serde_json::json!({ "host": host }));
            assert_eq!(port(&web, None, &local["reg"], Some(80)), Some(8080), "{host}");
        }
    }

    #[test]
    fn who_uses_anothers_network_has_that_ones_published_ports_and_follows_them() {
        let (mut app, mut vpn) = (container(State::Running), container(State::Running));
        vpn.ports = vec![published(80, Some(8080)), published(9000, Some(900))];
        let all = registries(serde_json::json!({}));
        let address = |app: &Container, vpn: &Container, registries: &BTreeMap<String, _>| {
            let seen = Registrant {
                container: Some(app),
                owner: Some(vpn),
                drains: false,
                services: &[],
                host: "box",
            };
            let mut wanted = BTreeMap::new();
            super::update(&seen, registries, &mut wanted);
            wanted.get("reg").and_then(Wanted::address)
        };
        assert_eq!(
            address(&app, &vpn, &registries(serde_json::json!({"port": 80}))).as_deref(),
            Some("box:8080")
        );
        assert_eq!(address(&app, &vpn, &all).as_deref(), Some("box:900"));
        app.ports = vec![published(80, None)];
        assert_eq!(address(&app, &vpn, &all).as_deref(), Some("box:8080"), "it exposes 80 itself");
        vpn.ports = vec![published(80, Some(8081))];
        assert_eq!(address(&app, &vpn, &all).as_deref(), Some("box:8081"));
        vpn.ports.clear();
        assert_eq!(address(&app, &vpn, &all).as_deref(), Some("box:80"));
    }

    #[test]
    fn published_only_registers_what_others_can_reach_and_says_why_not() {
        let only = registries(serde_json::json!({"publishedOnly": true}));
        let (mut wanted, mut web) = (BTreeMap::new(), container(State::Running));
        web.ports = vec![published(80, None)];
        assert!(update(Some(&web), &[], "box", &only, &mut wanted).is_empty());
        let why = |web: &Container, port| hidden(web, None, &only["reg"], port);
        assert_eq!(why(&web, None).as_deref(), Some("no port of it is published"));
        web.ports = vec![Port { host_ip: Some("127.0.0.1".into()), ..published(80, Some(8080)) }];
        assert!(update(Some(&web), &[], "box", &only, &mut wanted).is_empty());
        assert_eq!(why(&web, None).as_deref(), Some("its ports are published on a loopback address only"));
        assert_eq!(why(&web, Some(443)).as_deref(), Some("its port 443 is not published"));
        web.ports = vec![published(80, Some(8080))];
        assert_eq!(update(Some(&web), &[], "box", &only, &mut wanted), ["reg"]);
        assert_eq!(why(&web, None), None);
        // Down it has no published ports; that is no reason to forget it.
        let down = container(State::Exited);
        assert_eq!(update(Some(&down), &[], "box", &only, &mut wanted), ["reg"]);
        assert_eq!(wanted["reg"], Wanted::Down);
        // A new run without published ports.
        assert_eq!(update(Some(&container(State::Running)), &[], "box", &only, &mut wanted), ["reg"]);
        assert_eq!(wanted["reg"], Wanted::Absent);
        let host = Container { network_mode: "host".to_owned(), ..container(State::Running) };
        assert_eq!(why(&host, None), None);
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
