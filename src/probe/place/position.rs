//! From where Portreeve sees an engine's networks. Pure: the facts are gathered elsewhere.
//!
//! An endpoint's look says little: a socket may be mounted from another network namespace, relayed by a proxy or tunnelled
//! from another machine, and Docker's default addresses are the same everywhere. What counts, in this order: a container
//! of the engine that this process runs in; that the engine says it is rootless; whose socket the endpoint is; and only
//! then the endpoint's host.

use std::net::IpAddr;
use std::sync::Arc;

use crate::observed::{Container, ContainerKey, Interface, Listener, Surroundings, World};

/// From where Portreeve sees an engine's networks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkPosition {
    /// In the engine's own network namespace: its bridges are interfaces of this process.
    Host {
        /// Whether that is known, and not only likely: something may stand between this process and the engine.
        known: bool,
    },
    /// In this container of the engine (or in the network of it), which has networks of its own.
    Container(Arc<Container>),
    /// Elsewhere: another machine, another network namespace, a virtual machine.
    Elsewhere {
        /// Whether its bridges may be interfaces of this process after all, if they have names that no others have.
        bridges: bool,
        /// The host at which its published ports most likely are, or why nobody knows.
        published: Result<String, &'static str>,
    },
}

/// The names of this process's own host.
const LOOPBACK: &str = "127.0.0.1";

const APART: &str = "its engine is in another network namespace";
const INSIDE_ANOTHER: &str = "its engine is not the one in whose container Portreeve runs";

impl NetworkPosition {
    /// The position to the engine called `engine`, which answers at `endpoint`.
    pub fn of(engine: &str, endpoint: &str, world: &World) -> Self {
        let surroundings = world.engines.get(engine).map(|engine| &*engine.surroundings);
        let unknown = Surroundings::default();
        let Surroundings { rootless, same_host, listener, own, networks: _, engine_started: _ } =
            surroundings.unwrap_or(&unknown);
        if let Some(own) = own_container(engine, world).or_else(|| own.clone()) {
            return if own.network_mode == "host" {
                Self::Host { known: true }
            } else {
                Self::Container(own)
            };
        }
        // This process's own loopback interface is that of its container.
        let contained = !world.own.is_empty();
        let here = || if contained { Err(INSIDE_ANOTHER) } else { Ok(LOOPBACK.to_owned()) };
        match endpoint_host(endpoint) {
            None if *rootless => Self::Elsewhere { bridges: false, published: here() },
            None => match listener {
                Listener::Here => Self::Host { known: true },
                Listener::Apart => Self::Elsewhere { bridges: false, published: Err(APART) },
                Listener::Unknown if *same_host => Self::Host { known: false },
                Listener::Unknown => Self::Elsewhere { bridges: true, published: here() },
            },
            Some(host) if is_own(&host, &world.interfaces) => match (rootless, same_host) {
                (false, true) => Self::Host { known: false },
                (true, _) | (_, false) => Self::Elsewhere { bridges: !*rootless, published: Ok(host) },
            },
            Some(host) => Self::Elsewhere { bridges: !*rootless, published: Ok(host) },
        }
    }
}

/// The container of `engine` that this process runs in, or the one whose network that uses.
fn own_container(engine: &str, world: &World) -> Option<Arc<Container>> {
    let of = |id: &Arc<str>| world.containers.get(&ContainerKey::new(engine, id.clone()));
    let own = world.own.iter().find_map(of)?;
    world.network_owner(own).ok().cloned().map(Arc::new)
}

/// The host that an endpoint names; `None` for a socket.
fn endpoint_host(endpoint: &str) -> Option<String> {
    let url = url::Url::parse(endpoint).ok()?;
    if url.scheme() == "unix" {
        return None;
    }
    url.host_str().filter(|host| !host.is_empty()).map(|host| host.trim_matches(['[', ']']).to_owned())
}

/// Whether `host` is this process's own host, as far as its name or address tells.
fn is_own(host: &str, interfaces: &[Interface]) -> bool {
    match host.parse::<IpAddr>() {
        Ok(address) => {
            address.is_loopback() || interfaces.iter().any(|interface| interface.address == address)
        }
        Err(_) => is_loopback(host),
    }
}

/// Whether `host` names a loopback interface.
pub(super) fn is_loopback(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{ENGINE, container, interface, world};
    use super::*;

    fn of(endpoint: &str, surroundings: Surroundings, own: &[&str]) -> NetworkPosition {
        let mut world = world(&[], surroundings);
        world.own = Arc::new(own.iter().map(|id| Arc::from(*id)).collect());
        world.interfaces = vec![interface("eth0", "192.0.2.2", 24)].into();
        NetworkPosition::of(ENGINE, endpoint, &world)
    }

    #[test]
    fn whose_socket_it_is_decides_and_not_that_it_is_one() {
        let elsewhere = |bridges, published| NetworkPosition::Elsewhere { bridges, published };
        let at = |host: &str| Ok(host.to_owned());
        let is = |listener| Surroundings { listener, ..Surroundings::default() };
        let (rootless, same_host) = (true, true);
        let unix = "unix:///run/docker.sock";
        for (endpoint, surroundings, expected) in [
            (unix, is(Listener::Here), NetworkPosition::Host { known: true }),
            (unix, is(Listener::Apart), elsewhere(false, Err(APART))),
            (unix, is(Listener::Unknown), elsewhere(true, at("127.0.0.1"))),
            (
                unix,
                Surroundings { same_host, ..Surroundings::default() },
                NetworkPosition::Host { known: false },
            ),
            (
                unix,
                Surroundings { rootless, same_host, ..is(Listener::Apart) },
                elsewhere(false, at("127.0.0.1")),
            ),
            (
                "tcp://10.0.0.7:2376",
                Surroundings { same_host, ..is(Listener::Unknown) },
                elsewhere(true, at("10.0.0.7")),
            ),
            ("tcp://[fd00::7]:2376", is(Listener::Unknown), elsewhere(true, at("fd00::7"))),
            ("tcp://127.0.0.1:2375", is(Listener::Unknown), elsewhere(true, at("127.0.0.1"))),
            (
                "tcp://127.0.0.1:2375",
                Surroundings { same_host, ..Surroundings::default() },
                NetworkPosition::Host { known: false },
            ),
            (
                "tcp://192.0.2.2:2375",
                Surroundings { same_host, ..Surroundings::default() },
                NetworkPosition::Host { known: false },
            ),
            (
                "tcp://localhost:2375",
                Surroundings { same_host, rootless, ..Surroundings::default() },
                elsewhere(false, at("localhost")),
            ),
            ("ssh://ops@nas", is(Listener::Unknown), elsewhere(true, at("nas"))),
        ] {
            assert_eq!(of(endpoint, surroundings.clone(), &[]), expected, "{endpoint} {surroundings:?}");
        }
        // A container of another engine has a loopback interface of its own.
        let inside = of(unix, is(Listener::Unknown), &["other"]);
        assert_eq!(inside, elsewhere(true, Err(INSIDE_ANOTHER)));
    }

    #[test]
    fn a_container_of_the_engine_beats_the_endpoints_look() {
        let own = container("own", "mon", &[("mon", "172.20.0.2")]);
        let host = container("own", "host", &[]);
        let proxy = "tcp://socket-proxy:2375";
        let mut world = world(&[&own], Surroundings::default());
        assert!(matches!(NetworkPosition::of(ENGINE, proxy, &world), NetworkPosition::Elsewhere { .. }));
        world.own = Arc::new([Arc::from("own")].into());
        for endpoint in [proxy, "unix:///run/docker.sock", "ssh://box"] {
            let expected = NetworkPosition::Container(Arc::new(own.clone()));
            assert_eq!(NetworkPosition::of(ENGINE, endpoint, &world), expected);
        }
        // An engine of the same id elsewhere is another one.
        assert!(matches!(NetworkPosition::of("edge", proxy, &world), NetworkPosition::Elsewhere { .. }));
        let world = super::super::fixtures::world(
            &[],
            Surroundings { own: Some(Arc::new(host)), rootless: true, ..Surroundings::default() },
        );
        assert_eq!(NetworkPosition::of(ENGINE, proxy, &world), NetworkPosition::Host { known: true });
    }

    #[test]
    fn who_runs_in_the_network_of_another_container_is_where_that_is() {
        let vpn = container("vpn", "mon", &[("mon", "172.20.0.2")]);
        let own = container("own", "container:vpn", &[]);
        let mut world = world(&[&own, &vpn], Surroundings::default());
        world.own = Arc::new([Arc::from("own")].into());
        let expected = NetworkPosition::Container(Arc::new(vpn));
        assert_eq!(NetworkPosition::of(ENGINE, "unix:///run/docker.sock", &world), expected);
    }
}
