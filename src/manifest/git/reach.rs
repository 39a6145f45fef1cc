//! Whether the server of a repository may be reached, and where it is asked then.

use std::net::SocketAddr;

use url::{Host, Url};

use super::Address;
use crate::guard::{AddressError, Guard};

/// What the name of an HTTP server stands for, as libcurl's `RESOLVE` writes it, so that Git asks what was looked at here and
/// not what the name stands for a moment later. `None` for what has no such name: an address, a directory, a name that
/// `ssh` alone may know.
pub(super) async fn pinned(address: &Address, guard: &Guard) -> Result<Option<String>, AddressError> {
    let (host, port, http) = match Url::parse(address.as_str()) {
        Ok(url) if url.scheme() == "file" => return Ok(None),
        Ok(url) if url.has_host() => {
            guard.check(&url)?;
            let http = matches!(url.scheme(), "http" | "https");
            let host = match url.host_str().map(Host::parse) {
                Some(Ok(Host::Domain(host))) => host,
                Some(Ok(Host::Ipv4(_) | Host::Ipv6(_)) | Err(_)) | None => return Ok(None),
            };
            (host, url.port_or_known_default().unwrap_or(22), http)
        }
        // `user@host:path`, or a directory.
        Ok(_) | Err(_) => match address.as_str().split_once(':') {
            Some((host, _)) if !host.contains('/') => {
                let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
                (host.trim_matches(['[', ']']).to_owned(), 22, false)
            }
            Some(_) | None => return Ok(None),
        },
    };
    // A name that cannot be resolved is told by Git itself; `ssh` may know it by another.
    let Ok(found) = tokio::net::lookup_host((host.as_str(), port)).await else { return Ok(None) };
    let allowed = guard.allowed(&host, found.collect())?;
    Ok((http && !allowed.is_empty()).then(|| entry(&host, port, &allowed)))
}

fn entry(host: &str, port: u16, addresses: &[SocketAddr]) -> String {
    let ip = |address: &SocketAddr| match address {
        SocketAddr::V4(address) => address.ip().to_string(),
        SocketAddr::V6(address) => format!("[{}]", address.ip()),
    };
    format!("{host}:{port}:{}", addresses.iter().map(ip).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn pinned(address: &str) -> Result<Option<String>, AddressError> {
        super::pinned(&Address::parse(address).expect(address), &Guard::default()).await
    }

    #[tokio::test]
    async fn a_repository_at_an_address_that_may_not_be_reached_is_not_asked() {
        for address in [
            "http://169.254.169.254/ops.git",
            "https://0xa9fea9fe/ops.git",
            "ssh://git@169.254.169.254/ops.git",
            "git://169.254.169.254/ops.git",
            "git@169.254.169.254:ops.git",
        ] {
            assert!(pinned(address).await.is_err(), "{address}");
        }
        for address in
            ["/srv/ops.git", "file:///srv/ops.git", "http://127.0.0.1:1/x", "ssh://git@no.such.invalid/x"]
        {
            assert_eq!(pinned(address).await, Ok(None), "{address}");
        }
        let found = pinned("http://localhost:3000/ops.git").await.expect("allowed").expect("a name");
        assert!(found.starts_with("localhost:3000:"), "{found}");
    }

    #[test]
    fn addresses_are_written_as_libcurl_reads_them() {
        let addresses = ["10.0.0.1:443", "[2001:db8::1]:443"].map(|text| text.parse().expect(text));
        assert_eq!(entry("git.example", 443, &addresses), "git.example:443:10.0.0.1,[2001:db8::1]");
    }
}
