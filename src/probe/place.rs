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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::observed::ContainerKey;

    fn container(id: &str, mode: &str, networks: &[(&str, &str)], published: Option<u16>) -> Container {
        let ports = published
            .map(|host| json!({"container": 80, "protocol": "tcp", "host": host, "host_ip": "0.0.0.0"}));
        let networks: serde_json::Map<String, serde_json::Value> =
            networks.iter().map(|(name, address)| ((*name).to_owned(), json!(address))).collect();
        serde_json::from_value(json!({
            "key": ContainerKey::new("local", id), "name": format!("name-{id}"), "image": "i", "state": "running", "created": 1,
            "network_mode": mode, "networks": networks, "ports": ports.into_iter().collect::<Vec<_>>(),
        }))
        .expect("a container")
    }

    fn world(containers: &[&Container]) -> World {
        let containers = containers.iter().map(|&one| (one.key.clone(), Arc::new(one.clone()))).collect();
        World { containers, ..World::default() }
    }

    fn place(container: &Container, world: &World, stand: Stand<'_>) -> Result<String, String> {
        Place::of(container, world, stand, 80, "tcp").map(|place| place.to_string())
    }

    #[test]
    fn a_shared_network_comes_before_a_published_port_and_nothing_before_an_error() {
        let own = container("own", "shop", &[("shop", "172.20.0.2")], None);
        let shared = container("a", "shop", &[("back", "172.21.0.3"), ("shop", "172.20.0.3")], Some(8080));
        let published = container("b", "back", &[("back", "172.21.0.4")], Some(8080));
        let hidden = container("c", "back", &[("back", "172.21.0.5")], None);
        let world = world(&[&own, &shared, &published, &hidden]);
        for (container, stand, expected) in [
            (&shared, Stand::Host, Ok("172.21.0.3:80")),
            (&shared, Stand::Inside(&own), Ok("172.20.0.3:80")),
            (&shared, Stand::Away("engine.example"), Ok("engine.example:8080")),
            (&published, Stand::Inside(&own), Ok("host.docker.internal:8080")),
            (&hidden, Stand::Host, Ok("172.21.0.5:80")),
            (
                &hidden,
                Stand::Inside(&own),
                Err("it publishes no port 80/tcp and shares no network with Portreeve"),
            ),
            (
                &hidden,
                Stand::Away("e"),
                Err("it publishes no port 80/tcp and shares no network with Portreeve"),
            ),
        ] {
            let found = place(container, &world, stand);
            assert_eq!(found.as_deref().map_err(String::as_str), expected, "{} {stand:?}", container.name);
        }
    }

    #[test]
    fn who_uses_the_network_of_another_or_of_the_host_is_asked_there() {
        let parent = container("p", "bridge", &[("bridge", "172.17.0.2")], None);
        let child = container("c", "container:p", &[], None);
        let by_name = container("n", "container:name-c", &[], None);
        let orphan = container("o", "container:gone", &[], None);
        let (one, two) = (container("x", "container:y", &[], None), container("y", "container:x", &[], None));
        let host = container("h", "host", &[("host", "")], None);
        let world = world(&[&parent, &child, &by_name, &orphan, &one, &two, &host]);
        assert_eq!(place(&child, &world, Stand::Host).as_deref(), Ok("172.17.0.2:80"));
        assert_eq!(place(&by_name, &world, Stand::Host).as_deref(), Ok("172.17.0.2:80"));
        assert!(place(&orphan, &world, Stand::Host).is_err_and(|why| why.contains("is not there")));
        assert!(place(&one, &world, Stand::Host).is_err_and(|why| why.contains("and so on")));
        assert_eq!(place(&host, &world, Stand::Host).as_deref(), Ok("127.0.0.1:80"));
        assert_eq!(place(&host, &world, Stand::Away("e")).as_deref(), Ok("e:80"));
        assert!(place(&host, &world, Stand::Inside(&parent)).is_err());
    }

    #[test]
    fn an_address_of_ip_version_6_is_bracketed_and_one_without_a_port_is_bare() {
        assert_eq!(Place::declared("fd00::1", 80).to_string(), "[fd00::1]:80");
        assert_eq!(Place::declared("fd00::1", 0).to_string(), "fd00::1");
    }
}
