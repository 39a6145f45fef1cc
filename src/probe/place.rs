//! Where to connect to reach a container's port. Pure.
//!
//! The container's own address where Portreeve shares a network with it, else the port published for it, else the host that
//! the probe itself names. Docker's bridges are a network that every process on the engine's host shares.

use std::fmt;

use crate::observed::{Container, World};

/// An address and why it is this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Host name or address.
    pub host: String,
    /// Port; 0 for protocols without ports.
    pub port: u16,
    /// Why it is asked here, for people.
    pub why: String,
}

/// From where Portreeve looks at an engine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stand<'a> {
    /// On the engine's own host, outside containers.
    Host,
    /// In a container of the engine.
    Inside(&'a Container),
    /// Elsewhere; the host name or address of the engine.
    Away(&'a str),
}

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
        Self { host: host.to_owned(), port, why: "the host that is declared".to_owned() }
    }

    /// Where `port` (with `protocol`: `tcp` or `udp`) of `container` is reached from `stand`.
    ///
    /// # Errors
    /// Why it cannot be reached, for people.
    pub fn of(
        container: &Container,
        world: &World,
        stand: Stand<'_>,
        port: u16,
        protocol: &str,
    ) -> Result<Self, String> {
        let container = network_owner(container, world)?;
        let here = |host: &str, why: String| Ok(Self { host: host.to_owned(), port, why });
        if container.network_mode == "host" {
            return match stand {
                Stand::Host => here("127.0.0.1", "it uses the network of this host".to_owned()),
                Stand::Away(engine) => here(engine, "it uses the network of its engine's host".to_owned()),
                Stand::Inside(own) if own.network_mode == "host" => {
                    here("127.0.0.1", "it uses the network of the host, as Portreeve does".to_owned())
                }
                Stand::Inside(_) => {
                    Err("it uses the network of the host, which Portreeve does not: name a host in the probe"
                        .to_owned())
                }
            };
        }
        let mut addresses = container.networks.iter().filter(|(_, address)| !address.is_empty());
        let shared = match stand {
            Stand::Host => addresses.next(),
            Stand::Inside(own) if own.network_mode == "host" => addresses.next(),
            Stand::Inside(own) => addresses.find(|(name, _)| own.networks.contains_key(*name)),
            Stand::Away(_) => None,
        };
        if let Some((name, address)) = shared {
            return here(address, format!("its address in the network {name}, which Portreeve reaches"));
        }
        let published = container
            .ports
            .iter()
            .filter(|known| known.container == port && known.protocol == protocol)
            .find_map(|known| known.host.map(|host| (host, known.host_ip.as_deref())));
        let unreachable =
            || format!("it publishes no port {port}/{protocol} and shares no network with Portreeve");
        let (published, ip) = published.ok_or_else(unreachable)?;
        let any = ip.is_none_or(|ip| matches!(ip, "" | "0.0.0.0" | "::"));
        let host = match (stand, ip) {
            (Stand::Host, _) if any => "127.0.0.1",
            (Stand::Away(engine), _) if any => engine,
            // Docker's name for the host; Linux engines know it where `--add-host=host.docker.internal:host-gateway` is given.
            (Stand::Inside(_), _) if any => "host.docker.internal",
            (_, ip) => ip.unwrap_or_default(),
        };
        Ok(Self {
            host: host.to_owned(),
            port: published,
            why: format!("its port {port} is published there as {published}"),
        })
    }
}

/// The container whose network `container` uses: another one, with `--network container:…`.
fn network_owner<'a>(container: &'a Container, world: &'a World) -> Result<&'a Container, String> {
    let mut owner = container;
    // A container can join one that has joined another; nobody builds long chains, and a circle has no end.
    for _ in 0..8 {
        let Some(parent) = owner.network_mode.strip_prefix("container:") else { return Ok(owner) };
        let found = world.containers.values().find(|other| {
            other.key.engine == owner.key.engine && (&*other.key.id == parent || other.name == parent)
        });
        let gone = || format!("it uses the network of the container {parent}, which is not there");
        owner = found.ok_or_else(gone)?;
    }
    Err("it uses the network of a container, which uses that of another, and so on".to_owned())
}
