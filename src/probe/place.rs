//! Where to connect to reach a container's port. Pure.
//!
//! In this order: its address on a bridge that this process is on, be it as the host or as another container there; its
//! address in another network that it shares with Portreeve's own container; the port published for it, by what its
//! binding means from where Portreeve is; its address in some other network.
//!
//! # Guarantees
//! - A place is [certain](Basis) only if it was declared, or if it is an address on a bridge of which this process has the
//!   interface or is a member. Every other place is assumed.
//! - A failure at an assumed place says nothing about the container until a check has passed there
//!   ([`Place::doubt`]): no container is healed because an assumption was wrong.
//! - Addresses in an engine's networks are never asked from outside its network namespace: in this one they may be a
//!   stranger's.

mod position;

use std::fmt;
use std::net::IpAddr;

use crate::observed::{
    Container, Interface, Network, NetworkEndpoint, Port, Route, Surroundings, World, bridge_of,
};
use crate::resource::docker_host::DockerHostSpec;

pub use position::NetworkPosition;

/// An address and why it is this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Host name or address.
    pub host: String,
    /// Port; 0 for protocols without ports.
    pub port: u16,
    /// Why it is asked here, for people.
    pub why: String,
    /// Why what answers here is what is meant.
    pub basis: Basis,
}

/// Why what answers at a place is what is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Basis {
    /// Somebody said so.
    Declared,
    /// It is the container's address on a bridge that this process is on.
    Bridge,
    /// Nothing: it is likely.
    Assumed {
        /// What makes it certain, for people: `share a network with it, or …`.
        remedy: String,
    },
}

/// Docker's name for the host; Linux engines know it in containers with `--add-host=host.docker.internal:host-gateway`.
const DOCKER_HOST_NAME: &str = "host.docker.internal";

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.port, self.host.contains(':')) {
            (0, _) => f.write_str(&self.host),
            (port, true) => write!(f, "[{}]:{port}", self.host),
            (port, false) => write!(f, "{}:{port}", self.host),
        }
    }
}

impl Place {
    /// A host that was declared.
    pub fn declared(host: &str, port: u16) -> Self {
        let why = "the host that is declared".to_owned();
        Self { host: host.to_owned(), port, why, basis: Basis::Declared }
    }

    /// Where `port` (with `protocol`: `tcp` or `udp`) of `container` is reached; `spec` is the DockerHost of its engine.
    ///
    /// # Errors
    /// Why it cannot be reached, and what helps, for people.
    pub fn of(
        container: &Container,
        world: &World,
        spec: &DockerHostSpec,
        port: u16,
        protocol: &str,
    ) -> Result<Self, String> {
        let container = world.network_owner(container)?;
        let engine = &*container.key.engine;
        let position = NetworkPosition::of(engine, &spec.endpoint, world);
        let surroundings = world.engines.get(engine).map(|engine| &*engine.surroundings);
        let view = View { container, world, spec, position, surroundings };
        if container.network_mode == "host" {
            return view.on_the_host(port);
        }
        let assumed = match view.in_a_shared_network(port) {
            Some(place) if place.basis == Basis::Bridge => return Ok(place),
            assumed => assumed,
        };
        let published = assumed.map_or_else(|| view.published(port, protocol), Ok);
        published.or_else(|why| view.in_any_network(port).ok_or(why))
    }

    /// The way on which `probe` comes to `container` here, if it is only assumed.
    pub fn route(&self, probe: &str, container: &Container, port: u16, protocol: &str) -> Option<Route> {
        matches!(self.basis, Basis::Assumed { .. }).then(|| Route {
            probe: probe.to_owned(),
            container: container.logical_id(),
            host: self.host.clone(),
            port,
            protocol: protocol.to_owned(),
        })
    }

    /// Why a failure here says nothing about what is asked, if it does not. `reached`: whether a check of this probe that came
    /// this way has ever passed.
    pub fn doubt(&self, failure: &str, reached: bool) -> Option<String> {
        match &self.basis {
            Basis::Assumed { remedy } if !reached => Some(format!(
                "{failure}; {self} is only assumed, and no check has passed there yet ({}): \
                    {remedy}",
                self.why
            )),
            Basis::Assumed { .. } | Basis::Declared | Basis::Bridge => None,
        }
    }
}

/// A container as it is seen from where this process is.
struct View<'a> {
    container: &'a Container,
    world: &'a World,
    spec: &'a DockerHostSpec,
    position: NetworkPosition,
    surroundings: Option<&'a Surroundings>,
}

impl View<'_> {
    fn assumed(&self, host: impl Into<String>, port: u16, why: impl Into<String>) -> Place {
        let remedy = self.remedy();
        Place { host: host.into(), port, why: why.into(), basis: Basis::Assumed { remedy } }
    }

    fn remedy(&self) -> String {
        let engine = &self.container.key.engine;
        let address =
            format!("set spec.address of DockerHost/{engine} to where its published ports are reached");
        match &self.position {
            NetworkPosition::Host { .. } => "name a host in the probe".to_owned(),
            NetworkPosition::Container(_) => format!(
                "share a network with it, or run Portreeve with extra_hosts: [\"{DOCKER_HOST_NAME}:host-gateway\"], or {address}, or name a host in the probe"
            ),
            NetworkPosition::Elsewhere { .. } => format!("{address}, or name a host in the probe"),
        }
    }

    /// A container that uses the network of its engine's host.
    fn on_the_host(&self, port: u16) -> Result<Place, String> {
        let address = self.spec.address.as_deref();
        match (&self.position, address) {
            (_, Some(address)) => {
                let why = "it uses the network of its engine's host, whose address is declared".to_owned();
                Ok(Place { why, ..Place::declared(address, port) })
            }
            (NetworkPosition::Host { .. }, None) => {
                Ok(self.assumed("127.0.0.1", port, "it uses the network of this host"))
            }
            (NetworkPosition::Elsewhere { bridges: true, published: Ok(host) }, None) => {
                Ok(self.assumed(host, port, "it uses the network of its engine's host"))
            }
            _ => Err(format!(
                "it uses the network of its engine's host, which Portreeve does not: {}",
                self.remedy()
            )),
        }
    }

    /// Its address in a network that this process is on: on a bridge if there is one.
    fn in_a_shared_network(&self, port: u16) -> Option<Place> {
        let mut likely = None;
        for (name, endpoint) in &self.container.networks {
            let Some(address) = endpoint.address else { continue };
            let Some(membership) = self.membership(name, endpoint, address) else { continue };
            let why = format!("its address in the network {name}, which Portreeve reaches");
            if membership == Membership::Sure {
                return Some(Place { host: address.to_string(), port, why, basis: Basis::Bridge });
            }
            likely.get_or_insert_with(|| self.assumed(address.to_string(), port, why));
        }
        likely
    }

    fn membership(&self, name: &str, endpoint: &NetworkEndpoint, address: IpAddr) -> Option<Membership> {
        let network = self.surroundings.and_then(|surroundings| surroundings.networks.get(&endpoint.network));
        let sure = |sure: bool| Some(if sure { Membership::Sure } else { Membership::Likely });
        match &self.position {
            NetworkPosition::Container(own) => {
                // One that waits for its first start has no ids yet.
                let same = |own: &NetworkEndpoint| own.network == endpoint.network || own.network.is_empty();
                own.networks.get(name).filter(|own| same(own))?;
                sure(network.is_some_and(|network| network.is_bridge() && !network.isolated))
            }
            NetworkPosition::Host { .. } if self.has_bridge_of_its_own(endpoint, address) => sure(true),
            NetworkPosition::Host { known } => {
                let bridge = network.is_some_and(Network::is_bridge);
                if !bridge && network.is_some_and(Network::is_told) {
                    return None;
                }
                let named = network.and_then(|network| network.interface.as_deref());
                self.interfaces_to(address).find(|interface| {
                    // Podman does not say how its bridges are called.
                    named.map_or(endpoint.gateway == Some(interface.address), |name| name == interface.name)
                })?;
                sure(*known && bridge)
            }
            NetworkPosition::Elsewhere { bridges: true, .. } => {
                self.has_bridge_of_its_own(endpoint, address).then_some(Membership::Sure)
            }
            NetworkPosition::Elsewhere { bridges: false, .. } => None,
        }
    }

    /// Whether this process has an interface that is the bridge of that very network and no other's.
    fn has_bridge_of_its_own(&self, endpoint: &NetworkEndpoint, address: IpAddr) -> bool {
        let Some(name) = bridge_of(&endpoint.network) else { return false };
        self.interfaces_to(address).any(|interface| interface.name == name)
    }

    fn interfaces_to(&self, address: IpAddr) -> impl Iterator<Item = &Interface> {
        self.world.interfaces.iter().filter(move |interface| interface.reaches(address))
    }

    /// The port published for it.
    fn published(&self, port: u16, protocol: &str) -> Result<Place, String> {
        let wanted = |known: &&Port| known.container == port && known.protocol == protocol;
        let published = self.container.ports.iter().filter(wanted);
        let mut bindings: Vec<(Binding, u16)> =
            published.filter_map(|known| Some((Binding::of(known), known.host?))).collect();
        // What is bound to every address is the easiest to reach.
        bindings.sort_unstable();
        let mut refused = None;
        for (binding, number) in bindings {
            match self.bound(&binding) {
                Ok((host, basis)) => {
                    let why = format!("its port {port} is published there as {number}");
                    return Ok(Place { host, port: number, why, basis });
                }
                Err(why) => {
                    let told = || format!("its port {port} is published on {binding}, {why}");
                    refused.get_or_insert_with(told);
                }
            }
        }
        Err(refused.unwrap_or_else(|| {
            format!(
                "it publishes no port {port}/{protocol} and shares no network with Portreeve: publish it, share a network, or name a host in the probe"
            )
        }))
    }

    /// The host at which a port bound so is reached.
    fn bound(&self, binding: &Binding) -> Result<(String, Basis), String> {
        let assumed = |host: &str| Ok((host.to_owned(), Basis::Assumed { remedy: self.remedy() }));
        let local = |from: &str| {
            format!(
                "which is not reached from {from}: publish it on another address, share a network with it, or name a host in the probe"
            )
        };
        match (binding, &self.spec.address) {
            (Binding::Any { .. }, Some(address)) => return Ok((address.clone(), Basis::Declared)),
            (Binding::Loopback(_), Some(address)) if position::is_loopback(address) => {
                return Ok((address.clone(), Basis::Declared));
            }
            (Binding::Address(bound), Some(address)) if bound == address => {
                return Ok((address.clone(), Basis::Declared));
            }
            (Binding::Address(_), Some(address)) => return assumed(address),
            (Binding::Loopback(_), Some(address)) => return Err(local(address)),
            (_, None) => {}
        }
        match (&self.position, binding) {
            (NetworkPosition::Host { .. }, Binding::Any { six: false }) => assumed("127.0.0.1"),
            (NetworkPosition::Host { .. }, Binding::Any { six: true }) => assumed("::1"),
            (NetworkPosition::Host { .. }, Binding::Loopback(bound)) => assumed(bound),
            (NetworkPosition::Container(_), Binding::Any { .. }) => assumed(DOCKER_HOST_NAME),
            (NetworkPosition::Container(_), Binding::Loopback(_)) => Err(local("Portreeve's container")),
            (NetworkPosition::Elsewhere { published: Err(why), .. }, _) => {
                Err(format!("but {why}, and nothing says where its published ports are: {}", self.remedy()))
            }
            (NetworkPosition::Elsewhere { published: Ok(host), .. }, Binding::Any { .. }) => assumed(host),
            (NetworkPosition::Elsewhere { published: Ok(host), .. }, Binding::Loopback(bound)) => {
                if position::is_loopback(host) {
                    assumed(bound)
                } else {
                    Err(local("another machine"))
                }
            }
            (
                NetworkPosition::Host { .. }
                | NetworkPosition::Container(_)
                | NetworkPosition::Elsewhere { published: Ok(_), .. },
                Binding::Address(bound),
            ) => assumed(bound),
        }
    }

    /// Its address in a network that this process is most likely not on: a macvlan network, say, which hides its containers
    /// from their host alone.
    fn in_any_network(&self, port: u16) -> Option<Place> {
        if !matches!(self.position, NetworkPosition::Host { known: true }) {
            return None;
        }
        let addressed = |(name, endpoint): (&String, &NetworkEndpoint)| {
            // Behind a bridge of Docker's that is not this network's there is somebody else.
            let strange = |interface: &Interface| interface.is_of_docker();
            let address = endpoint.address.filter(|address| !self.interfaces_to(*address).any(strange))?;
            let networks = self.surroundings.map(|surroundings| &surroundings.networks);
            let network = networks.and_then(|networks| networks.get(&endpoint.network));
            let driver = network.map_or("", |network| &network.driver);
            let of = if driver.is_empty() { String::new() } else { format!(" ({driver})") };
            let why = format!("its address in the network {name}{of}, of which this host has no bridge");
            Some(self.assumed(address.to_string(), port, why))
        };
        self.container.networks.iter().find_map(addressed)
    }
}

/// Whether this process is on a network of a container.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Membership {
    Sure,
    Likely,
}

/// What a published port is bound to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Binding {
    /// Every address of the host, of IPv6 alone or not.
    Any { six: bool },
    /// An address of the host.
    Address(String),
    /// Only the host itself gets there.
    Loopback(String),
}

impl Binding {
    fn of(port: &Port) -> Self {
        match port.host_ip.as_deref().unwrap_or_default() {
            "" | "0.0.0.0" => Self::Any { six: false },
            "::" => Self::Any { six: true },
            address if position::is_loopback(address) => Self::Loopback(address.to_owned()),
            address => Self::Address(address.to_owned()),
        }
    }
}

impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any { .. } => f.write_str("every address of its host"),
            Self::Address(address) => write!(f, "the address {address}"),
            Self::Loopback(address) => write!(f, "{address} of its host"),
        }
    }
}

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod tests;
