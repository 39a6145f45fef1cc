//! `icmp`: an echo request, as `ping` sends it.
//!
//! Linux lets the groups of `net.ipv4.ping_group_range` send them (Docker: everybody); elsewhere it takes `CAP_NET_RAW`.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};

use async_trait::async_trait;
use socket2::{Domain, Protocol as Transport, Socket, Type};
use tokio::net::UdpSocket;

use super::connect::{first, plain, resolve, seen};
use super::wire::random;
use super::{Failure, Protocol, Steps, Subject};
use crate::resource::probe::handler::IcmpProbe;

/// A header, and what tells the answer from all others.
const HEADER: usize = 8;

#[async_trait]
impl Protocol for IcmpProbe {
    fn port(&self) -> Option<u16> {
        None
    }

    async fn attempt(&self, subject: &Subject<'_>, steps: &mut Steps) -> Result<(), Failure> {
        let place = subject.place()?;
        let addresses = resolve(place, steps).await?;
        steps.begin("send");
        let mark = random();
        let ask = |address, steps: &mut Steps| {
            let socket = sent(address, mark)?;
            if steps.doing() == "send" {
                steps.end("an echo request");
                steps.begin("receive");
            }
            Ok(reply(socket, address.ip(), mark))
        };
        first(addresses, steps, ask).await?;
        steps.end("an echo reply");
        Ok(())
    }
}

/// A socket through which a request with this mark has been sent.
fn sent(address: SocketAddr, mark: [u8; 6]) -> Result<UdpSocket, Failure> {
    let open = || {
        let socket = open(address)?;
        socket.send(&request(address.ip(), mark))?;
        UdpSocket::from_std(socket.into())
    };
    open().map_err(|error| {
        let why = plain(&error);
        let reason = match error.kind() {
            ErrorKind::PermissionDenied => format!(
                "no echo request may be sent ({why}): allow it with net.ipv4.ping_group_range or CAP_NET_RAW"
            ),
            _ => format!("no echo request can be sent to {}: {why}", address.ip()),
        };
        Failure::new(seen(&error), reason)
    })
}

/// Waits for the reply to it. A raw socket hears whatever else comes from there.
async fn reply(socket: UdpSocket, from: IpAddr, mark: [u8; 6]) -> Result<(), Failure> {
    loop {
        let mut bytes = [0; 1024];
        let length = socket.recv(&mut bytes).await.map_err(|error| {
            Failure::new(seen(&error), format!("no answer from {from}: {}", plain(&error)))
        })?;
        if answers(bytes.get(..length).unwrap_or_default(), from, mark) {
            return Ok(());
        }
    }
}

/// A socket for messages to and from one address.
fn open(address: SocketAddr) -> io::Result<Socket> {
    let (domain, transport) = match address {
        SocketAddr::V4(_) => (Domain::IPV4, Transport::ICMPV4),
        SocketAddr::V6(_) => (Domain::IPV6, Transport::ICMPV6),
    };
    let socket = match Socket::new(domain, Type::DGRAM, Some(transport)) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            Socket::new(domain, Type::RAW, Some(transport))?
        }
        opened => opened?,
    };
    socket.set_nonblocking(true)?;
    socket.connect(&address.into())?;
    Ok(socket)
}

/// Type 8 (IPv6: 128), code 0, checksum, the mark's first bytes as name and number, the mark.
fn request(address: IpAddr, mark: [u8; 6]) -> Vec<u8> {
    let [a, b, c, d, ..] = mark;
    let kind = if address.is_ipv4() { 8 } else { 128 };
    let mut request = [&[kind, 0, 0, 0, a, b, c, d][..], &mark].concat();
    // The kernel does it for IPv6, where it takes the addresses to know it.
    if address.is_ipv4() {
        let sum = checksum(&request).to_be_bytes();
        request[2..4].copy_from_slice(&sum);
    }
    request
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 =
        bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// Whether this is the reply to the request with this mark.
fn answers(bytes: &[u8], from: IpAddr, mark: [u8; 6]) -> bool {
    // Raw sockets of IPv4 show the packet with its header, whose length is in words of four bytes.
    let skip = match bytes.first() {
        Some(first) if from.is_ipv4() && first >> 4 == 4 => usize::from(first & 0xf) * 4,
        _ => 0,
    };
    let message = bytes.get(skip..).unwrap_or_default();
    let reply = if from.is_ipv4() { 0 } else { 129 };
    message.first() == Some(&reply) && message.get(HEADER..).is_some_and(|data| data == mark)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    #[test]
    fn a_request_sums_up_to_nothing_and_only_its_own_reply_answers_it() {
        let (v4, v6) = (IpAddr::from([127, 0, 0, 1]), IpAddr::V6(Ipv6Addr::LOCALHOST));
        let mark = *b"abcdef";
        let mut reply = request(v4, mark);
        assert_eq!((checksum(&reply), reply.len()), (0, HEADER + mark.len()));
        assert!(!answers(&reply, v4, mark), "a request is no reply");
        reply[0] = 0;
        assert!(answers(&reply, v4, mark) && !answers(&reply, v4, *b"abcdeg") && !answers(&reply, v6, mark));
        let raw = [&[0x45][..], &[0; 19], &reply].concat();
        assert!(answers(&raw, v4, mark));
        let mut six = request(v6, mark);
        six[0] = 129;
        assert!(answers(&six, v6, mark));
        for end in 0..raw.len() {
            assert!(!answers(&raw[..end], v4, mark), "{end}");
        }
    }
}
