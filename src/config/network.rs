//! Networks as people write them.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

/// The bits before the IPv4 address in a mapped one (RFC 4291, 2.5.5.2).
const MAPPED: u8 = 96;

/// The network that `text` means, or the address as a network of its own; `None` if it is neither. `10.1.2.3/8` means the
/// network that the address is in. Addresses are compared in their canonical form, so a network of mapped ones is the IPv4
/// network; what is written as mapped and is wider than all of IPv4 means nothing that could be told.
pub(super) fn network(text: &str) -> Option<IpNet> {
    let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).ok()?;
    let network = match network {
        IpNet::V6(wide) => match wide.addr().to_ipv4_mapped() {
            Some(address) => Ipv4Net::new(address, wide.prefix_len().checked_sub(MAPPED)?).ok()?.into(),
            None => network,
        },
        IpNet::V4(_) => network,
    };
    Some(network.trunc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_mapped_addresses_is_the_ipv4_network() {
        for (text, meant) in [
            ("10.1.2.3/8", Some("10.0.0.0/8")),
            ("10.1.2.3", Some("10.1.2.3/32")),
            ("2001:db8::1/32", Some("2001:db8::/32")),
            ("::/0", Some("::/0")),
            ("::ffff:127.0.0.0/104", Some("127.0.0.0/8")),
            ("::ffff:169.254.169.254", Some("169.254.169.254/32")),
            ("::ffff:0:0/96", Some("0.0.0.0/0")),
            ("::ffff:127.0.0.0/95", None),
            ("::ffff:127.0.0.0/8", None),
            ("localhost", None),
        ] {
            assert_eq!(network(text), meant.map(|meant| meant.parse().expect(meant)), "{text}");
        }
    }
}
