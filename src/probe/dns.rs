//! `dns`: a question to a server, over UDP, and over TCP where the answer is too long for that.

use std::fmt::Write;
use std::net::IpAddr;

use async_trait::async_trait;
use tokio::net::UdpSocket;

use super::connect::{first, plain, resolve, seen, sent};
use super::steps::count;
use super::verdict::rcode;
use super::wire::{Fields, Wire, random, said};
use super::{Cause, Failure, Here, Protocol, Steps, Subject, There};
use crate::resource::probe::handler::{DnsProbe, DnsRecord};

/// The longest answer over UDP to who asks for no longer one.
const DATAGRAM: usize = 512;
/// The bits of a header: an answer; cut off.
const ANSWER: u16 = 0x8000;
const CUT: u16 = 0x0200;

#[async_trait]
impl Protocol for DnsProbe {
    fn port(&self) -> Option<u16> {
        Some(self.port.unwrap_or(53))
    }

    fn transport(&self) -> &'static str {
        "udp"
    }

    async fn attempt(&self, subject: &Subject<'_>, steps: &mut Steps) -> Result<(), Failure> {
        let place = subject.place()?;
        let [high, low, ..] = random();
        let (id, number) = (u16::from_be_bytes([high, low]), number(self.record));
        let question = question(id, &self.name, number).ok_or_else(|| {
            Failure::new(Here::Unsendable, format!("{} is not a name that DNS can ask for", self.name))
        })?;
        let addresses = resolve(place, steps).await?;
        steps.begin("query");
        let silent = |error| Failure::new(seen(&error), format!("no answer from {place}: {}", plain(&error)));
        let answer = async |socket: UdpSocket| {
            loop {
                let mut bytes = [0; DATAGRAM];
                let length = socket.recv(&mut bytes).await.map_err(silent)?;
                let bytes = bytes.get(..length).unwrap_or_default();
                // What answers something else, such as a question given up earlier, is not the answer.
                if bytes.starts_with(&id.to_be_bytes()) {
                    let answer = read(bytes, number).ok_or_else(|| nonsense(bytes))?;
                    if answer.flags & ANSWER != 0 {
                        return Ok(answer);
                    }
                }
            }
        };
        let ask = |address, _: &mut Steps| Ok(answer(sent(place, address, &question)?));
        let mut answer = first(addresses, steps, ask).await?;
        if answer.flags & CUT != 0 {
            steps.end("cut off; asked again over TCP");
            let mut wire = Wire::to(place, steps).await?;
            steps.begin("query");
            let length = u16::try_from(question.len()).unwrap_or_default().to_be_bytes();
            wire.send(&[&length[..], &question].concat()).await?;
            let what = "a DNS server's answer";
            let length = Fields(&wire.exactly(2, what).await?).u16().unwrap_or_default();
            let bytes = wire.exactly(length.into(), what).await?;
            answer = read(&bytes, number).ok_or_else(|| nonsense(&bytes))?;
        }
        let (code, kind) = (answer.flags & 0xf, word(self.record));
        steps.end(format!("{}, {}", rcode(code), count(answer.found, &format!("{kind} record"))));
        steps.begin("expect");
        let expected = format!("{kind} records of {}", self.name);
        match (code, answer.found) {
            (0, 1..) => Ok(()),
            (0, 0) => Err(Failure::new(
                There::Unexpected,
                format!("expected {expected}, got an answer without {kind} records"),
            )),
            _ => Err(Failure::got(Cause::Dns(code), &expected)),
        }
    }
}

fn nonsense(bytes: &[u8]) -> Failure {
    Failure::new(There::Nonsense, "expected a DNS server's answer, got something else").saying(said(bytes))
}

/// What matters of an answer.
#[derive(Debug, PartialEq, Eq)]
struct DnsAnswer {
    flags: u16,
    /// How many of its records are of the type asked for.
    found: u16,
}

/// RFC 1035: a header, and the question; recursion is desired.
fn question(id: u16, name: &str, record: u16) -> Option<Vec<u8>> {
    let name = reversed(name, record).unwrap_or_else(|| name.to_owned());
    let mut question = [id, 0x0100, 1, 0, 0, 0].map(u16::to_be_bytes).concat();
    let begin = question.len();
    for label in name.trim_end_matches('.').split('.').filter(|_| name != ".") {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length))?;
        question.push(length);
        question.extend_from_slice(label.as_bytes());
    }
    question.push(0);
    if question.len() - begin > 255 || !name.is_ascii() {
        return None;
    }
    question.extend([record, 1].map(u16::to_be_bytes).concat());
    Some(question)
}

/// The name under which an address is asked for its name.
fn reversed(name: &str, record: u16) -> Option<String> {
    if record != number(DnsRecord::Ptr) {
        return None;
    }
    let mut reversed = String::new();
    match name.parse().ok()? {
        IpAddr::V4(address) => {
            for byte in address.octets().iter().rev() {
                let _ = write!(reversed, "{byte}.");
            }
            reversed.push_str("in-addr.arpa");
        }
        IpAddr::V6(address) => {
            for byte in address.octets().iter().rev() {
                let _ = write!(reversed, "{:x}.{:x}.", byte & 0xf, byte >> 4);
            }
            reversed.push_str("ip6.arpa");
        }
    }
    Some(reversed)
}

/// Reads an answer; `None` where it ends too early.
fn read(bytes: &[u8], record: u16) -> Option<DnsAnswer> {
    let mut fields = Fields(bytes);
    let (_id, flags, questions, answers) = (fields.u16()?, fields.u16()?, fields.u16()?, fields.u16()?);
    let _others = fields.u32()?;
    if flags & CUT != 0 {
        // Whatever is there of it, it is asked for again.
        return Some(DnsAnswer { flags, found: 0 });
    }
    for _ in 0..questions {
        skip_name(&mut fields)?;
        fields.u32()?;
    }
    let mut found = 0;
    for _ in 0..answers {
        skip_name(&mut fields)?;
        let (kind, _class, _ttl, length) = (fields.u16()?, fields.u16()?, fields.u32()?, fields.u16()?);
        fields.take(length.into())?;
        // An alias may come along with what it stands for.
        found += u16::from(kind == record);
    }
    Some(DnsAnswer { flags, found })
}

/// Labels up to the root, or up to a pointer to the rest, which is not followed.
fn skip_name(fields: &mut Fields<'_>) -> Option<()> {
    loop {
        match fields.u8()? {
            0 => return Some(()),
            0xc0.. => return fields.u8().map(drop),
            length => fields.take(length.into())?,
        };
    }
}

fn number(record: DnsRecord) -> u16 {
    match record {
        DnsRecord::A => 1,
        DnsRecord::Ns => 2,
        DnsRecord::Cname => 5,
        DnsRecord::Soa => 6,
        DnsRecord::Ptr => 12,
        DnsRecord::Mx => 15,
        DnsRecord::Txt => 16,
        DnsRecord::Aaaa => 28,
        DnsRecord::Srv => 33,
    }
}

fn word(record: DnsRecord) -> &'static str {
    match record {
        DnsRecord::A => "A",
        DnsRecord::Aaaa => "AAAA",
        DnsRecord::Cname => "CNAME",
        DnsRecord::Mx => "MX",
        DnsRecord::Ns => "NS",
        DnsRecord::Ptr => "PTR",
        DnsRecord::Soa => "SOA",
        DnsRecord::Srv => "SRV",
        DnsRecord::Txt => "TXT",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_holds_the_name_in_labels_and_an_address_is_turned_round() {
        let asked = |name: &str, record| {
            let bytes = question(7, name, number(record))?;
            Some(String::from_utf8_lossy(&bytes[12..bytes.len() - 4]).into_owned())
        };
        assert_eq!(asked("web.test", DnsRecord::A).unwrap(), "\x03web\x04test\0");
        assert_eq!(asked("web.test.", DnsRecord::A).unwrap(), "\x03web\x04test\0");
        assert_eq!(asked(".", DnsRecord::Ns).unwrap(), "\0");
        assert_eq!(asked("10.0.0.9", DnsRecord::Ptr).unwrap(), "\x019\x010\x010\x0210\x07in-addr\x04arpa\0");
        assert!(asked("fd00::1", DnsRecord::Ptr).unwrap().starts_with("\x011\x010\x010"));
        let long = "x".repeat(64);
        let longer = "abc.".repeat(64);
        for bad in ["a..b", "", long.as_str(), longer.as_str(), "bücher.test"] {
            assert_eq!(asked(bad, DnsRecord::A), None, "{bad}");
        }
    }

    #[test]
    fn an_answer_cut_anywhere_is_none() {
        let mut whole = question(7, "web.test", 1).unwrap();
        whole[2..8].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 2]);
        whole.extend(b"\xc0\x0c\0\x05\0\x01\0\0\0\x0a\0\x03\x01x\0");
        whole.extend(b"\x01x\0\0\x01\0\x01\0\0\0\x0a\0\x04\x7f\0\0\x01");
        assert_eq!(read(&whole, 1), Some(DnsAnswer { flags: 0x8180, found: 1 }));
        for end in 0..whole.len() {
            assert_eq!(read(&whole[..end], 1), None, "{end}");
        }
    }
}
