//! Addresses that nothing is sent to: cloud metadata services hand out credentials to whoever asks from the machine, and live
//! on link-local and a few other addresses; no service that anybody declares lives there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Metadata services outside the link-local ranges: Alibaba Cloud, Azure's wire server, Oracle Cloud (formerly), Equinix Metal.
const METADATA_V4: [Ipv4Addr; 4] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(192, 80, 8, 124),
];

/// The same over IPv6: AWS, its credentials of containers (EKS), Google Cloud, Oracle Cloud, Scaleway.
const METADATA_V6: [Ipv6Addr; 5] = [
    Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254),
    Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0023),
    Ipv6Addr::new(0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254),
    Ipv6Addr::new(0xfd00, 0x00c1, 0, 0, 0, 0, 0xa9fe, 0xa9fe),
    Ipv6Addr::new(0xfd00, 0x0042, 0, 0, 0, 0, 0, 0x0042),
];

/// Whether `address`, or the IPv4 address in it, is link-local, unspecified, broadcast or a known metadata service.
pub fn is_forbidden(address: IpAddr) -> bool {
    match address {
        // All of 0.0.0.0/8: the system takes its first for this host.
        IpAddr::V4(address) => {
            address.is_link_local()
                || address.is_broadcast()
                || address.octets()[0] == 0
                || METADATA_V4.contains(&address)
        }
        IpAddr::V6(address) => {
            address.is_unspecified()
                || address.is_unicast_link_local()
                || METADATA_V6.contains(&address)
                || within(address).is_some_and(|within| is_forbidden(within.into()))
        }
    }
}

/// The IPv4 address that an IPv6 one stands for.
fn within(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let parts = address.segments();
    let of = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match parts {
        // Mapped (RFC 4291, 2.5.5.2), and compatible, which is no longer used but may be taken for it.
        [0, 0, 0, 0, 0, 0xffff, high, low] => Some(of(high, low)),
        [0, 0, 0, 0, 0, 0, high, low] if address != Ipv6Addr::LOCALHOST => Some(of(high, low)),
        // Translated (RFC 2765).
        [0, 0, 0, 0, 0xffff, 0, high, low] => Some(of(high, low)),
        // NAT64, the well-known prefix (RFC 6052) and those for local use (RFC 8215).
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x64, 0xff9b, 1, _, _, _, high, low] => Some(of(high, low)),
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => Some(of(high, low)),
        _ => None,
    }
}

/// Whether a host of a manifest is such an address, in any spelling; a name is judged when it is resolved.
pub(super) fn names_forbidden(host: &str) -> bool {
    // What no URL takes for a host is refused elsewhere.
    let bare = host.parse::<IpAddr>().ok();
    let address = bare.or_else(|| match url::Host::parse(host).ok()? {
        url::Host::Ipv4(address) => Some(address.into()),
        url::Host::Ipv6(address) => Some(address.into()),
        url::Host::Domain(_) => None,
    });
    address.is_some_and(is_forbidden)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::manifest::draft;
    use crate::resource::Origin;

    #[test]
    fn wherever_a_host_is_declared_an_address_that_nothing_is_sent_to_is_warned_of() {
        let warned = |kind: &str, spec: serde_json::Value| -> Vec<String> {
            let document =
                json!({"apiVersion": "portreeve/v1", "kind": kind, "metadata": {"name": "a"}, "spec": spec});
            let draft = draft(document, Origin::Api).expect("valid");
            let warnings = draft.object.validate().warnings;
            warnings.into_iter().map(|warning| warning.path.to_string()).collect()
        };
        let service = |spec: serde_json::Value| warned("MonitoredService", spec);
        for host in ["169.254.169.254", "0.0.0.0", "[fe80::1]", "0xa9fea9fe"] {
            let url = format!("http://{host}:80/");
            assert_eq!(warned("BillingService", json!({"url": url})), ["spec.url"], "{host}");
            assert_eq!(warned("DiscoveryRegistry", json!({"url": url})), ["spec.url"], "{host}");
            let endpoint = format!("tcp://{host}:2375");
            assert_eq!(warned("DockerHost", json!({"endpoint": endpoint})), ["spec.endpoint"], "{host}");
        }
        assert_eq!(service(json!({"target": {"host": "169.254.1.1", "port": 1}})), ["spec.target.host"]);
        for probe in [
            json!({"name": "p", "tcpSocket": {"host": "fe80::1", "port": 1}}),
            json!({"name": "p", "httpGet": {"host": "::", "port": 1}}),
        ] {
            let spec = json!({"selector": {"names": ["a"]}, "probes": [probe]});
            let found = service(spec);
            assert!(found.iter().any(|path| path.ends_with(".host")), "{probe}: {found:?}");
        }
        for url in ["http://10.0.0.1/", "http://127.0.0.1:1/", "http://[::1]/", "http://billing/"] {
            assert_eq!(warned("BillingService", json!({"url": url})), Vec::<String>::new(), "{url}");
        }
    }
}
