//! Where an engine is as seen from this process: the facts, gathered once for each contact. What follows from them is
//! decided in [`crate::probe::place`].

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::sys::socket::SockaddrStorage;
use tokio::net::UnixStream;
use tracing::debug;

use super::answer::{self, Info};
use super::client::CALL;
use super::{Client, DockerError, own_containers};
use crate::observed::{Interface, Listener, Nanos, Network, Surroundings};

/// Longest wait for the socket of an engine that has just answered to take one connection more.
const LOOK: Duration = Duration::from_secs(5);

/// Processes whose sockets are an engine's: engines, and those that listen for an engine which they start.
const ENGINES: [&str; 4] = ["dockerd", "podman", "systemd", "init"];

impl Client {
    /// Looks around. What an engine or a proxy does not tell is left out.
    pub(super) async fn surroundings(&self, info: &Info, kernel: Option<&str>) -> Surroundings {
        let listener = match self.endpoint.strip_prefix("unix://") {
            Some(path) => listener(Path::new(path)).await,
            None => Listener::Unknown,
        };
        let mut own = None;
        for id in own_containers() {
            own = own.or(self.inspect(&id).await.ok().flatten().map(|(container, _)| Arc::new(container)));
        }
        let (networks, engine_started) = self.networks().await.unwrap_or_else(|error| {
            debug!(engine = %self.name, "its networks cannot be read: {error}");
            (BTreeMap::new(), None)
        });
        let options = info.security_options.iter().flatten();
        Surroundings {
            rootless: options.into_iter().any(|option| is_rootless(option)),
            same_host: is_this_host(info, kernel),
            listener,
            own,
            networks,
            engine_started,
        }
    }

    /// The networks, and when the engine started as far as they tell.
    async fn networks(&self) -> Result<(BTreeMap<String, Network>, Option<Nanos>), DockerError> {
        let all = self.wire.get("GET /networks", "/networks", CALL).await?.rows::<answer::Network>()?;
        let started = all.iter().flatten().filter_map(answer::Network::engine_started).max();
        let network = |known: answer::Network| {
            Some((known.id?, network(known.driver, known.options.unwrap_or_default())))
        };
        Ok((all.into_iter().flatten().filter_map(network).collect(), started))
    }

    /// One network; `None` when there is none of this id.
    pub async fn network(&self, id: &str) -> Result<Option<Network>, DockerError> {
        match self.wire.get("GET /networks/{id}", &format!("/networks/{id}"), CALL).await {
            Ok(answer) => {
                let known: answer::Network = answer.read()?;
                Ok(Some(network(known.driver, known.options.unwrap_or_default())))
            }
            Err(DockerError::Refused { status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn network(driver: Option<String>, mut options: HashMap<String, String>) -> Network {
    let mut option = |name: &str| options.remove(&format!("com.docker.network.bridge.{name}"));
    Network {
        driver: driver.unwrap_or_default(),
        interface: option("name").filter(|name| !name.is_empty()),
        isolated: option("enable_icc").is_some_and(|value| value == "false"),
    }
}

/// `name=rootless`, among other properties.
fn is_rootless(option: &str) -> bool {
    option.split(',').any(|property| property == "name=rootless")
}

/// Whether the engine's host has the name and the kernel of this process's.
fn is_this_host(info: &Info, kernel: Option<&str>) -> bool {
    let own = rustix::system::uname();
    info.name.as_deref().is_some_and(|name| own.nodename().to_bytes() == name.as_bytes())
        && kernel.is_some_and(|kernel| own.release().to_bytes() == kernel.as_bytes())
}

/// Whose socket it is. What the kernel tells of it: the name under which it listens, and its process as far as that is
/// visible here.
async fn listener(path: &Path) -> Listener {
    let Ok(Ok(stream)) = tokio::time::timeout(LOOK, UnixStream::connect(path)).await else {
        return Listener::Unknown;
    };
    let Some(name) = stream.peer_addr().ok().and_then(|peer| peer.as_pathname().map(Path::to_owned)) else {
        return Listener::Unknown;
    };
    let Ok(sockets) = std::fs::read_to_string("/proc/net/unix") else { return Listener::Unknown };
    let pid = stream.peer_cred().ok().and_then(|peer| peer.pid()).filter(|pid| *pid > 0);
    let of = |file: &str| pid.map(|pid| format!("/proc/{pid}/{file}"));
    let process = of("comm").and_then(|path| std::fs::read_to_string(path).ok());
    // Of the processes of others only root is told.
    let namespace = of("ns/net").and_then(|path| std::fs::read_link(path).ok());
    let same = namespace.zip(std::fs::read_link("/proc/self/ns/net").ok()).map(|(one, own)| one == own);
    whose(listens(&sockets, &name), process.as_deref().map(str::trim_end), same)
}

/// What follows. `here`: whether a socket of that name listens in this network namespace; `same`: whether its process
/// lives in it, where that is known.
fn whose(here: bool, process: Option<&str>, same: Option<bool>) -> Listener {
    if process.is_some_and(|name| !ENGINES.contains(&name)) {
        return Listener::Unknown;
    }
    if here && same != Some(false) { Listener::Here } else { Listener::Apart }
}

/// Whether `table` (`/proc/net/unix`, of one network namespace) has a socket that listens under this name. A line is
/// `Num RefCount Protocol Flags Type St Inode Path`; the flag 0x10000 is of those that listen (`__SO_ACCEPTCON`).
fn listens(table: &str, name: &Path) -> bool {
    table.lines().skip(1).any(|line| {
        // Fields are padded; a path may hold blanks.
        let mut fields = line.split_whitespace();
        let flags = fields.nth(3).and_then(|flags| u32::from_str_radix(flags, 16).ok());
        let path = fields.skip(3).collect::<Vec<_>>().join(" ");
        flags.is_some_and(|flags| flags & 0x1_0000 != 0) && Path::new(&path) == name
    })
}

/// The interfaces in this process's network namespace, an entry for each address. None where they cannot be read.
pub async fn interfaces() -> Arc<[Interface]> {
    let read = || getifaddrs().map(|found| found.filter_map(interface).collect());
    tokio::task::spawn_blocking(read).await.unwrap_or_else(|_| Ok(Arc::default())).unwrap_or_default()
}

/// An entry that is an IP address with a network.
fn interface(found: InterfaceAddress) -> Option<Interface> {
    let (address, mask) = (found.address?, found.netmask?);
    let ip = |address: &SockaddrStorage| {
        let v4 = address.as_sockaddr_in().map(|address| IpAddr::from(address.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|address| address.ip().into()))
    };
    let prefix = match ip(&mask)? {
        IpAddr::V4(mask) => mask.to_bits().leading_ones(),
        IpAddr::V6(mask) => mask.to_bits().leading_ones(),
    };
    let prefix = u8::try_from(prefix).unwrap_or(u8::MAX);
    Some(Interface { name: found.interface_name, address: ip(&address)?, prefix })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_that_listens_in_this_network_namespace_is_here_and_a_relay_tells_nothing() {
        use Listener::{Apart, Here, Unknown};
        for (here, process, same, expected) in [
            (true, Some("dockerd"), Some(true), Here),
            (true, Some("dockerd"), None, Here),
            // Somebody else's engine has a socket of the same name here.
            (true, Some("dockerd"), Some(false), Apart),
            (false, Some("dockerd"), Some(false), Apart),
            (false, Some("dockerd"), None, Apart),
            (true, Some("systemd"), None, Here),
            // From within a container processes are not seen, and a mounted socket is another namespace's.
            (false, None, None, Apart),
            (true, None, None, Here),
            (true, Some("socat"), Some(true), Unknown),
            (false, Some("haproxy"), Some(false), Unknown),
        ] {
            assert_eq!(whose(here, process, same), expected, "{here} {process:?} {same:?}");
        }
    }

    #[test]
    fn only_a_socket_that_listens_counts() {
        let table = "\
Num       RefCount Protocol Flags    Type St Inode Path
00000000f0c1a5d2: 00000002 00000000 00010000 0001 01 20001 /run/docker.sock
0000000011111111: 00000003 00000000 00000000 0001 03 20002 /run/other.sock
0000000022222222: 00000002 00000000 00010000 0001 01    13 @/abstract
0000000033333333: 00000002 00000000 00000000 0002 01 20004
";
        for (name, expected) in
            [("/run/docker.sock", true), ("/run/other.sock", false), ("/abstract", false), ("/run", false)]
        {
            assert_eq!(listens(table, Path::new(name)), expected, "{name}");
        }
    }

    #[test]
    fn a_network_is_as_its_options_say() {
        let options = |these: &[(&str, &str)]| {
            let option = |(name, value): &(&str, &str)| {
                (format!("com.docker.network.bridge.{name}"), (*value).to_owned())
            };
            these.iter().map(option).collect()
        };
        let found =
            network(Some("bridge".to_owned()), options(&[("name", "docker0"), ("enable_icc", "true")]));
        assert_eq!((found.interface.as_deref(), found.isolated), (Some("docker0"), false));
        let found = network(Some("bridge".to_owned()), options(&[("enable_icc", "false")]));
        assert!(found.is_bridge() && found.isolated && found.interface.is_none());
        assert_eq!(network(None, HashMap::new()), Network::default());
    }

    #[test]
    fn rootless_is_one_of_an_engines_security_options() {
        assert!(is_rootless("name=rootless"));
        assert!(!is_rootless("name=seccomp,profile=default"));
    }

    #[tokio::test]
    async fn the_loopback_interface_is_among_ours() {
        let found = interfaces().await;
        let loopback = found.iter().find(|interface| interface.address.is_loopback());
        assert!(
            loopback.is_some_and(|interface| interface.reaches("127.0.0.2".parse().expect("an address")))
        );
    }
}
