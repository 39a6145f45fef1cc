//! Resolving a name and connecting, the first steps of most probes.
//!
//! A host may have several addresses, of which it need not serve all: they are tried as RFC 8305 has it, and what holds of
//! the host is what the best of them says.

use std::borrow::Cow;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::encrypted::error::{in_tls, tls_error};
use super::{Cause, Failure, Here, Place, Steps, There};

/// So long an address is waited for before the next one has its turn, too (RFC 8305, 5).
const TURN: Duration = Duration::from_millis(250);

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
    if host.is_ascii() {
        return host.into();
    }
    url::Host::parse(host).map_or_else(|_| host.into(), |known| known.to_string().into())
}

/// A TCP connection to `place`, for requests.
pub(super) async fn tcp(place: &Place, steps: &mut Steps) -> Result<TcpStream, Failure> {
    let stream = connection(place, steps).await?;
    // Small ones are not to wait for others.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// A TCP connection to `place`.
pub(super) async fn connection(place: &Place, steps: &mut Steps) -> Result<TcpStream, Failure> {
    let addresses = resolve(place, steps).await?;
    steps.begin("connect");
    let connect = async |address| {
        let connected = TcpStream::connect(address).await;
        connected.map(|stream| (stream, address)).map_err(|error| {
            Failure::new(seen(&error), format!("no connection to {place}: {}", plain(&error)))
        })
    };
    let (stream, peer) = first(addresses, steps, |address, _| Ok(connect(address))).await?;
    steps.end(peer.to_string());
    Ok(stream)
}

/// A UDP socket that hears from `address`, one of `place`'s, alone: also that nobody listens there. `request` is sent.
pub(super) fn sent(place: &Place, address: SocketAddr, request: &[u8]) -> Result<UdpSocket, Failure> {
    let any: SocketAddr = match address {
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
    };
    let send = || {
        let socket = std::net::UdpSocket::bind(any)?;
        socket.set_nonblocking(true)?;
        socket.connect(address)?;
        socket.send(request)?;
        UdpSocket::from_std(socket)
    };
    send().map_err(|error: io::Error| {
        Failure::new(seen(&error), format!("nothing can be sent to {place}: {}", plain(&error)))
    })
}

/// What comes first of asking all `addresses`: the next one is begun with as soon as one has failed or none has answered for a
/// while; what is still going on then is dropped.
///
/// That one address refuses says more of the host than that another is silent, and either says more than trouble of ours
/// with a third.
pub(super) async fn first<T, F: Future<Output = Result<T, Failure>>>(
    addresses: Vec<SocketAddr>,
    steps: &mut Steps,
    mut begin: impl FnMut(SocketAddr, &mut Steps) -> Result<F, Failure>,
) -> Result<T, Failure> {
    if let [address] = addresses.as_slice() {
        let answer = begin(*address, steps)?.await?;
        steps.concluded();
        return Ok(answer);
    }
    let mut waiting = alternating(addresses).into_iter();
    let (mut asked, mut worst) = (FuturesUnordered::new(), None);
    loop {
        let begun = waiting.next().map(|address| begin(address, steps));
        let ended = match begun.transpose() {
            Err(failure) => Some(Err(failure)),
            Ok(attempt) => {
                asked.extend(attempt);
                match waiting.len() {
                    0 => asked.next().await,
                    _ => match timeout(TURN, asked.next()).await {
                        Ok(ended) => ended,
                        Err(_) => continue,
                    },
                }
            }
        };
        match ended {
            Some(Ok(answer)) => {
                steps.concluded();
                return Ok(answer);
            }
            Some(Err(failure)) => {
                let known: Option<&Failure> = worst.as_ref();
                if known.is_none_or(|known| known.cause.reached() < failure.cause.reached()) {
                    // Should another be silent until the time is over.
                    if failure.cause.reached() == Some(true) {
                        steps.conclude(failure.clone());
                    }
                    worst = Some(failure);
                }
            }
            None => {
                let none = || Failure::new(Here::Resolver, "there is no address to ask at");
                return Err(worst.unwrap_or_else(none));
            }
        }
    }
}

/// The addresses in their order, those of IPv4 and of IPv6 by turns (RFC 8305, 4): a host whose IPv6 does not work may have many.
fn alternating(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let (all, six) = (addresses.len(), addresses.first().is_some_and(SocketAddr::is_ipv6));
    let (like, unlike): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == six);
    let (mut like, mut unlike) = (like.into_iter(), unlike.into_iter());
    let mut order = Vec::with_capacity(all);
    while order.len() < all {
        order.extend(like.next());
        order.extend(unlike.next());
    }
    order
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
        return in_tls(tls);
    }
    match error.kind() {
        ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown | ErrorKind::AddrNotAvailable => {
            Here::NoRoute.into()
        }
        ErrorKind::PermissionDenied => Here::NotPermitted.into(),
        ErrorKind::OutOfMemory => Here::NoRoom.into(),
        // EMFILE, ENFILE, ENOBUFS
        _ if matches!(error.raw_os_error(), Some(23 | 24 | 105)) => Here::NoRoom.into(),
        // EAFNOSUPPORT: without IPv6; EINVAL: an address of a link, and it is not said of which one
        _ if matches!(error.raw_os_error(), Some(22 | 97)) => Here::NoRoute.into(),
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

    #[test]
    fn addresses_have_their_turns_by_family() {
        for (given, order) in [
            ("", ""),
            ("::1", "::1"),
            ("::1 ::2 ::3 1.1.1.1", "::1 1.1.1.1 ::2 ::3"),
            ("1.1.1.1 ::1 ::2 2.2.2.2 3.3.3.3", "1.1.1.1 ::1 2.2.2.2 ::2 3.3.3.3"),
        ] {
            let parsed = given.split_whitespace().map(|ip| SocketAddr::new(ip.parse().unwrap(), 1)).collect();
            let turns: Vec<_> = alternating(parsed).iter().map(|address| address.ip().to_string()).collect();
            assert_eq!(turns.join(" "), order);
        }
    }

    #[test]
    fn an_address_that_this_machine_cannot_speak_from_or_to_is_its_own_trouble() {
        // EINVAL, EAFNOSUPPORT, EADDRNOTAVAIL, ENETDOWN, ENETUNREACH
        for number in [22, 97, 99, 100, 101] {
            assert_eq!(seen(&io::Error::from_raw_os_error(number)), Here::NoRoute.into(), "{number}");
        }
    }
}
