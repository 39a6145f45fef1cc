//! Resolving a name and connecting, the first steps of most probes.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::{TcpStream, UdpSocket};

use super::{Failure, Place, Steps};

/// The addresses of `place`.
pub(super) async fn resolve(place: &Place, steps: &mut Steps) -> Result<Vec<SocketAddr>, Failure> {
    steps.begin("resolve");
    let found = tokio::net::lookup_host((place.host.as_str(), place.port)).await.map_err(|error| {
        let text = format!("{} cannot be resolved: {}", place.host, plain(&error));
        // What the resolver itself suffers from says nothing about the target.
        if text.contains("Temporary failure in name resolution") {
            Failure::Fault(text)
        } else {
            Failure::Unhealthy(text)
        }
    })?;
    let allowed = steps.guard().allowed(&place.host, found.collect());
    let allowed = allowed.map_err(|error| Failure::Fault(error.to_string()))?;
    if allowed.is_empty() {
        return Err(Failure::Fault(format!("{} has no address", place.host)));
    }
    let ips: Vec<String> = allowed.iter().map(|address| address.ip().to_string()).collect();
    steps.end(ips.join(", "));
    Ok(allowed)
}

/// A TCP connection to `place`.
pub(super) async fn tcp(place: &Place, steps: &mut Steps) -> Result<TcpStream, Failure> {
    let addresses = resolve(place, steps).await?;
    steps.begin("connect");
    let stream = TcpStream::connect(&addresses[..])
        .await
        .map_err(|error| refused(&error, format!("no connection to {place}: {}", plain(&error))))?;
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
        refused(&error, format!("nothing can be sent to {place}: {}", plain(&error)))
    })
}

/// Whether an error of the network is the target's or our own.
pub(super) fn refused(error: &io::Error, text: String) -> Failure {
    match error.kind() {
        // No route, no address to speak from, no descriptors: ours.
        ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown | ErrorKind::AddrNotAvailable => {
            Failure::Fault(text)
        }
        ErrorKind::TimedOut | ErrorKind::HostUnreachable => Failure::Unanswered(text),
        // EMFILE, ENFILE
        _ if matches!(error.raw_os_error(), Some(23 | 24)) => Failure::Fault(text),
        _ => Failure::Unhealthy(text),
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
