//! Who something counts for, where what one client may take is bounded.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::caller::Peer;

/// Whoever has one of the addresses has them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum ClientSource {
    /// An IPv4 address, or the /64 of an IPv6 one. All addresses of loopback are one: every local user has sixteen million.
    Address(IpAddr),
    /// A user of the socket.
    User(u32),
}

impl ClientSource {
    pub(super) fn of(peer: Peer) -> Self {
        match peer {
            Peer::Unix { uid } => Self::User(uid),
            Peer::Tcp(address) => match address.ip().to_canonical() {
                address if address.is_loopback() => Self::Address(Ipv4Addr::LOCALHOST.into()),
                IpAddr::V6(address) => {
                    let network = u128::from(address) & !u128::from(u64::MAX);
                    Self::Address(Ipv6Addr::from(network).into())
                }
                address @ IpAddr::V4(_) => Self::Address(address),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(address: &str) -> ClientSource {
        ClientSource::of(Peer::Tcp(address.parse().expect(address)))
    }

    #[test]
    fn an_ipv6_network_is_one_source_and_a_mapped_address_is_the_address() {
        assert_eq!(source("[2001:db8::1]:1"), source("[2001:db8::ffff:2]:9"));
        assert_ne!(source("[2001:db8::1]:1"), source("[2001:db8:0:1::1]:1"));
        assert_eq!(source("[::ffff:10.0.0.1]:1"), source("10.0.0.1:2"));
        assert_ne!(source("10.0.0.1:1"), source("10.0.0.2:1"));
        assert_ne!(source("[::1]:1"), source("[::2]:1"));
    }

    #[test]
    fn this_machine_is_one_source() {
        for address in ["127.0.1.9:1", "127.255.255.254:2", "[::1]:3", "[::ffff:127.8.0.1]:4"] {
            assert_eq!(source(address), source("127.0.0.1:1"), "{address}");
        }
        assert_ne!(ClientSource::of(Peer::Unix { uid: 0 }), ClientSource::of(Peer::Unix { uid: 1 }));
    }
}
