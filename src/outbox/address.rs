//! Which addresses a user-given URL may reach. Cloud metadata services live on link-local addresses and hand out
//! credentials to whoever asks; no Discovery or Billing Service lives there.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// AWS's metadata service over IPv6, outside the link-local range.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254);

/// Whether `address` is link-local, unspecified or a known metadata service.
pub(crate) fn forbidden(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local() || address.is_broadcast(),
        IpAddr::V6(address) => {
            address == METADATA_V6
                || address.is_unicast_link_local()
                || address.to_ipv4_mapped().is_some_and(|mapped| forbidden(IpAddr::V4(mapped)))
        }
    }
}

/// Refuses URLs whose host is a forbidden address; names are checked when they are resolved.
pub(super) fn check(url: &url::Url) -> Result<(), String> {
    let address = match url.host() {
        Some(url::Host::Ipv4(address)) => IpAddr::V4(address),
        Some(url::Host::Ipv6(address)) => IpAddr::V6(address),
        Some(url::Host::Domain(_)) => return Ok(()),
        None => return Err("has no host".to_owned()),
    };
    if forbidden(address) {
        return Err(format!("points at {address}, a link-local or metadata address"));
    }
    Ok(())
}

/// The system's resolver, without the forbidden addresses.
#[derive(Debug)]
pub(crate) struct Guarded;

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            let allowed: Vec<SocketAddr> =
                found.iter().copied().filter(|address| !forbidden(address.ip())).collect();
            if allowed.is_empty() && !found.is_empty() {
                return Err(format!("{host} resolves to link-local or metadata addresses only").into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_local_and_metadata_addresses_are_forbidden_in_every_spelling() {
        for url in [
            "http://169.254.169.254/latest",
            "http://[fe80::1]/",
            "http://[fd00:ec2::254]/",
            "http://[::ffff:169.254.169.254]/",
            "http://0xa9fea9fe/",
        ] {
            assert!(check(&url.parse().expect(url)).is_err(), "{url}");
        }
        for url in ["http://127.0.0.1:7000", "http://10.0.0.1", "http://[::1]:8001", "http://billing:8001"] {
            assert!(check(&url.parse().expect(url)).is_ok(), "{url}");
        }
    }
}
