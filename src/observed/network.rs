//! What is known of networks: where a container is in them, how an engine makes them, and where this process is.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Container, Nanos};

/// A network as its engine makes it. None of this changes while the network exists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// `bridge`, `macvlan`, `ipvlan`, `overlay`, `host`, `null` or a plugin's name; empty when the engine does not say.
    pub driver: String,
    /// For a bridge, the name of its interface in the engine's network namespace.
    pub interface: Option<String>,
    /// Whether its containers are kept from talking to each other (`com.docker.network.bridge.enable_icc=false`).
    pub isolated: bool,
}

/// An address of an interface in this process's network namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// The interface's name.
    pub name: String,
    /// The address.
    pub address: IpAddr,
    /// Length of the prefix that is reached directly.
    pub prefix: u8,
}

/// Whose socket an engine's endpoint is, as far as this process can see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Listener {
    /// An engine's, in the network namespace of this process.
    Here,
    /// An engine's, in another network namespace.
    Apart,
    /// Something between this process and the engine listens (a proxy, a tunnel, a virtual machine's front), or nobody can
    /// tell.
    #[default]
    Unknown,
}

/// Where an engine is as seen from this process: what was found out at the last contact, and networks met since.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Whether the engine runs without root: its bridges are then in a network namespace of its own.
    pub rootless: bool,
    /// Whether it says the same name and kernel of its host as this process's.
    pub same_host: bool,
    /// Whose socket a `unix://` endpoint is.
    pub listener: Listener,
    /// The container of the engine in which this process runs, as it was then.
    pub own: Option<Arc<Container>>,
    /// Its networks by their ids.
    pub networks: BTreeMap<String, Network>,
    /// When the engine started, by its own clock, if that is known: it has run ever since.
    pub engine_started: Option<Nanos>,
}

impl Interface {
    /// Whether its name is one that Docker gives a bridge.
    pub fn is_of_docker(&self) -> bool {
        let hex = |id: &str| id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        self.name.starts_with("docker") || self.name.strip_prefix("br-").is_some_and(hex)
    }

    /// Whether `other` is reached through this interface without a router.
    pub fn reaches(&self, other: IpAddr) -> bool {
        fn shared(one: u128, other: u128, width: u32, prefix: u8) -> bool {
            let rest = width.saturating_sub(u32::from(prefix));
            one.checked_shr(rest).unwrap_or(0) == other.checked_shr(rest).unwrap_or(0)
        }
        match (self.address, other) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                shared(u32::from(own).into(), u32::from(other).into(), 32, self.prefix)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => shared(own.into(), other.into(), 128, self.prefix),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl Network {
    /// Whether the engine told of it.
    pub fn is_told(&self) -> bool {
        !self.driver.is_empty()
    }

    /// Whether it is a bridge of Docker's or Podman's.
    pub fn is_bridge(&self) -> bool {
        self.driver == "bridge"
    }
}

/// The name that Docker gives the bridge of a network unless it is told another: nobody else's network has it.
pub fn bridge_of(network: &str) -> Option<String> {
    network.get(..12).map(|start| format!("br-{start}"))
}

/// A way to a container of a service that led to the container itself once: there it was as this probe expects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    /// The probe. What is as one expects may be as another does not, and then somebody else's.
    pub probe: String,
    /// Logical identity of the container: one made anew is reached in the same way.
    pub container: String,
    /// The host that was asked. The port there may be another with each run.
    pub host: String,
    /// The container's own port.
    pub port: u16,
    /// `tcp` or `udp`.
    pub protocol: String,
}

/// As many routes are kept for a service; of one that is dropped the next check that passes tells again.
const ROUTES: usize = 512;

/// Notes a route.
pub fn note_route(routes: &mut BTreeSet<Route>, route: Route) {
    routes.insert(route);
    while routes.len() > ROUTES {
        routes.pop_first();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_reaches_what_shares_its_prefix() {
        let interface = |address: &str, prefix| Interface {
            name: "br".to_owned(),
            address: address.parse().expect("an address"),
            prefix,
        };
        for (address, prefix, other, reaches) in [
            ("172.17.0.1", 16, "172.17.255.2", true),
            ("172.17.0.1", 16, "172.18.0.2", false),
            ("10.0.0.1", 32, "10.0.0.1", true),
            ("10.0.0.1", 32, "10.0.0.2", false),
            ("10.0.0.1", 0, "192.168.0.1", true),
            ("fd00::1", 64, "fd00::2:3", true),
            ("fd00::1", 64, "fd00:0:0:1::2", false),
            ("fd00::1", 0, "fd01::", true),
            ("172.17.0.1", 16, "fd00::2", false),
        ] {
            let found = interface(address, prefix).reaches(other.parse().expect("an address"));
            assert_eq!(found, reaches, "{address}/{prefix} {other}");
        }
    }

    #[test]
    fn routes_stay_bounded() {
        let route = |port| Route {
            probe: "p".into(),
            container: "c".into(),
            host: "h".into(),
            port,
            protocol: "tcp".into(),
        };
        let mut routes = BTreeSet::new();
        (0..2_000).for_each(|port| note_route(&mut routes, route(port)));
        assert_eq!(routes.len(), ROUTES);
    }
}
