//! Resolving a name and connecting, the first steps of most probes.

use std::borrow::Cow;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::{TcpStream, UdpSocket};

use super::encrypted::{is_no_tls, tls_error};
use super::{Cause, Failure, Here, Place, Steps, There};

/// The addresses of `place`.
pub(super) async fn resolve(place: &Place, steps: &mut Steps) -> Result<Vec<SocketAddr>, Failure> {
    steps.begin("resolve");
    let host = ascii(&place.host);
    let found = tokio::net::lookup_host((&*host, place.port)).await.map_err(|error| {
        Failure::new(unresolved(&error), format!("{} cannot be resolved: {}", place.host, plain(&error)))
    })?;
    let allowed = steps.guard().allowed(&place.host, found.collect());
    let allowed = allowed.map_err(|error| Failure::new(Here::Forbidden, error.to_string()))?;
    if allowed.is_empty() {
        return Err(Failure::new(Here::Resolver, format!("{} has no address", place.host)));
    }
    let ips: Vec<String> = allowed.iter().map(|address| address.ip().to_string()).collect();
    steps.end(ips.join(", "));
    Ok(allowed)
}

/// A host as name servers and TLS know it: `bücher.example` → `xn--bcher-kva.example`.
pub(super) fn ascii(host: &str) -> Cow<'_, str> {
    match url::Host::parse(host) {
        Ok(known) if !host.is_ascii() => known.to_string().into(),
        _ => host.into(),
    }
}

/// A TCP connection to `place`.
pub(super) async fn tcp(place: &Place, steps: &mut Steps) -> Result<TcpStream, Failure> {
    let addresses = resolve(place, steps).await?;
    steps.begin("connect");
    let stream = TcpStream::connect(&addresses[..]).await.map_err(|error| {
        Failure::new(seen(&error), format!("no connection to {place}: {}", plain(&error)))
    })?;
    let peer = match addresses[..] {
        [only] => only.to_string(),
        _ => stream.peer_addr().map_or_else(|_| place.to_string(), |peer| peer.to_string()),
    };
    steps.end(peer);
    // Small requests are not to wait for others.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// A UDP socket that hears from `place` alone: also that nobody listens there.
pub(super) async fn udp(place: &Place, steps: &mut Steps) -> Result<UdpSocket, Failure> {
    let addresses = resolve(place, steps).await?;
    let opened = async {
        let any: SocketAddr = match addresses.first() {
            Some(SocketAddr::V6(_)) => (Ipv6Addr::UNSPECIFIED, 0).into(),
            _ => (Ipv4Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(any).await?;
        // Trying the others would need an answer from the first.
        socket.connect(addresses.get(..1).unwrap_or_default()).await?;
        Ok(socket)
    };
    opened.await.map_err(|error: io::Error| {
        Failure::new(seen(&error), format!("nothing can be sent to {place}: {}", plain(&error)))
    })
}

/// What a resolver's error is: that there is no such name, or that it has trouble of its own.
///
/// The library tells its errors by texts alone: glibc's, musl's and Darwin's for EAI_NONAME, EAI_NODATA and
/// EAI_ADDRFAMILY, which is all that says something about the name.
pub(super) fn unresolved(error: &io::Error) -> Cause {
    const NO_SUCH_NAME: [&str; 7] = [
        "Name or service not known",
        "No address associated with hostname",
        "Address family for hostname not supported",
        "Name does not resolve",
        "Name has no usable address",
        "nodename nor servname provided, or not known",
        "No address associated with name",
    ];
    let text = error.to_string();
    if NO_SUCH_NAME.iter().any(|known| text.contains(known)) {
        There::NoSuchName.into()
    } else {
        Here::Resolver.into()
    }
}

/// What an error of the network, or of TLS over it, is.
pub(super) fn seen(error: &io::Error) -> Cause {
    if let Some(tls) = tls_error(error) {
        return match tls {
            _ if is_no_tls(error) => There::NotTls.into(),
            rustls::Error::AlertReceived(rustls::AlertDescription::CloseNotify) => There::HungUp.into(),
            rustls::Error::AlertReceived(_) => There::TlsAlert.into(),
            rustls::Error::DecryptError | rustls::Error::PeerSentOversizedRecord => There::Broken.into(),
            // What is left is about what the two sides know of TLS, or how strictly ours takes it.
            _ => Here::NoCommonTls.into(),
        };
    }
    match error.kind() {
        ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown | ErrorKind::AddrNotAvailable => {
            Here::NoRoute.into()
        }
        ErrorKind::PermissionDenied => Here::NotPermitted.into(),
        ErrorKind::OutOfMemory => Here::NoRoom.into(),
        // EMFILE, ENFILE, ENOBUFS
        _ if matches!(error.raw_os_error(), Some(23 | 24 | 105)) => Here::NoRoom.into(),
        ErrorKind::TimedOut | ErrorKind::HostUnreachable => There::Unreachable.into(),
        ErrorKind::ConnectionRefused => There::Refused.into(),
        ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::NotConnected
        | ErrorKind::UnexpectedEof => There::HungUp.into(),
        _ => There::Broken.into(),
    }
}

/// The system's words without its numbers: `Connection refused (os error 111)` → `connection refused`.
pub(super) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text
        .split(" (os error")
        .next()
        .unwrap_or(&text)
        .trim_start_matches("failed to lookup address information: ");
    let mut letters = text.chars();
    match letters.next() {
        Some(first) if !text.starts_with("Temporary failure") => {
            first.to_lowercase().chain(letters).collect()
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_in_any_script_has_a_name_in_ascii_and_others_are_left_alone() {
        for (host, name) in [
            ("bücher.example", "xn--bcher-kva.example"),
            ("web.example", "web.example"),
            ("my_service", "my_service"),
            ("db.1", "db.1"),
            ("0x7f.1", "0x7f.1"),
            ("::1", "::1"),
        ] {
            assert_eq!(ascii(host), name);
        }
    }
}
