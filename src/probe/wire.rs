//! A conversation with a server: what is sent and read, and what to say when something else comes than was expected.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::connect::{plain, seen, tcp};
use super::duplex::Duplex;
use super::encrypted::{Demand, encrypt, handshake, is_record};
use super::{Cause, Failure, Place, Steps, There};
use crate::resource::probe::tls::ProbeTls;

/// As much as is read of one message, whatever length it claims.
pub(super) const LONGEST: usize = 4 * 1024 * 1024;
/// Bytes shown of what is not text.
const BYTES: usize = 16;
/// Bytes kept of what a server said where something else was expected.
const KEPT: usize = 4096;

/// A connection to a server.
pub(super) struct Wire {
    stream: BufReader<Box<dyn Duplex>>,
    /// Whether anything has come yet.
    heard: bool,
    /// Whether it is TLS.
    encrypted: bool,
}

impl Wire {
    /// Connects.
    pub(super) async fn to(place: &Place, steps: &mut Steps) -> Result<Self, Failure> {
        Ok(Self::of(tcp(place, steps).await?))
    }

    /// Connects, through TLS from the first byte where `tls` is declared. `secret`: whether one will be sent.
    pub(super) async fn declared(
        place: &Place,
        tls: Option<&ProbeTls>,
        secret: bool,
        steps: &mut Steps,
    ) -> Result<Self, Failure> {
        let wire = Self::to(place, steps).await?;
        match tls {
            None => Ok(wire),
            Some(_) => wire.encrypt(&place.host, &Demand { settings: tls, secret, alpn: &[] }, steps).await,
        }
    }

    /// A connection that was made already.
    pub(super) fn of(stream: TcpStream) -> Self {
        Self::over(Box::new(stream), false)
    }

    fn over(stream: Box<dyn Duplex>, encrypted: bool) -> Self {
        Self { stream: BufReader::new(stream), heard: false, encrypted }
    }

    /// The same connection through TLS, after both sides have agreed on that.
    pub(super) async fn encrypt(
        self,
        host: &str,
        demand: &Demand<'_>,
        steps: &mut Steps,
    ) -> Result<Self, Failure> {
        let stream = encrypt(self.plainly()?, host, demand, steps).await?;
        Ok(Self::over(Box::new(stream), true))
    }

    /// The same, and whether the demand is met: where a conversation must be ended well also with a server that is not
    /// verified.
    pub(super) async fn handshake(
        self,
        host: &str,
        demand: &Demand<'_>,
        steps: &mut Steps,
    ) -> Result<(Self, Result<(), Failure>), Failure> {
        let (stream, verified) = handshake(self.plainly()?, host, demand, steps).await?;
        Ok((Self::over(Box::new(stream), true), verified))
    }

    /// What is below. Whoever sends on before the handshake wants to be taken for what comes after it.
    fn plainly(self) -> Result<Box<dyn Duplex>, Failure> {
        if !self.stream.buffer().is_empty() {
            return Err(self.unexpected("a TLS handshake", &[]));
        }
        Ok(self.stream.into_inner())
    }

    /// Whether the other side says something, or ends it, before `patience` is over.
    pub(super) async fn speaks_within(&mut self, patience: Duration) -> bool {
        timeout(patience, self.stream.fill_buf()).await.is_ok()
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let sent = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        sent.await.map_err(|error| {
            let cause = self.ended(Some(&error));
            Failure::new(cause, format!("sending failed: {}", plain(&error)))
        })
    }

    /// The next `count` bytes, which are (part of) `what`.
    pub(super) async fn exactly(&mut self, count: usize, what: &str) -> Result<Vec<u8>, Failure> {
        if count > LONGEST {
            return Err(Failure::new(
                There::Nonsense,
                format!("expected {what}, got one that claims {count} bytes"),
            ));
        }
        let mut bytes = Vec::new();
        // Memory is taken as bytes come, not as they are announced.
        let read = (&mut self.stream).take(count as u64).read_to_end(&mut bytes).await;
        if bytes.len() == count {
            self.heard = true;
            return Ok(bytes);
        }
        Err(self.broken(what, &bytes, read.err()))
    }

    /// The next line of at most `longest` bytes, without its end.
    pub(super) async fn line(&mut self, longest: usize, what: &str) -> Result<String, Failure> {
        let mut bytes = Vec::new();
        let read = (&mut self.stream).take(longest as u64).read_until(b'\n', &mut bytes).await;
        if bytes.last() == Some(&b'\n') {
            self.heard = true;
            return Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned());
        }
        if bytes.len() == longest {
            return Err(self.unexpected(what, &bytes));
        }
        Err(self.broken(what, &bytes, read.err()))
    }

    /// That not `what` but these bytes came, and whatever has come behind them.
    pub(super) fn unexpected(&self, what: &str, got: &[u8]) -> Failure {
        let all = [got, self.stream.buffer()].concat();
        if !self.encrypted && !self.heard && is_record(&all) {
            return Failure::new(
                There::WantsTls,
                format!("expected {what}, got the beginning of TLS: set `tls: {{}}`"),
            );
        }
        let kind = if all.is_empty() { "nothing" } else { "something else" };
        Failure::new(There::Nonsense, format!("expected {what}, got {kind}")).saying(said(&all))
    }

    fn broken(&self, what: &str, got: &[u8], error: Option<io::Error>) -> Failure {
        if !got.is_empty() && !self.encrypted && !self.heard && is_record(got) {
            return self.unexpected(what, got);
        }
        let cause = if got.is_empty() { self.ended(error.as_ref()) } else { There::Broken.into() };
        let end = error.map_or("the connection was closed".to_owned(), |error| plain(&error));
        let after = if got.is_empty() { "" } else { " after something else" };
        let failure = Failure::new(cause, format!("expected {what}, {end}{after}"));
        if got.is_empty() { failure } else { failure.saying(said(got)) }
    }

    /// How the other side ended it.
    fn ended(&self, error: Option<&io::Error>) -> Cause {
        let cause = error.map_or(There::HungUp.into(), seen);
        // In the middle of a conversation it is no longer a port that wants something else from the first byte.
        let early = !self.heard && !self.encrypted;
        if cause == Cause::There(There::HungUp) && !early { There::Broken.into() } else { cause }
    }
}

/// What a server said, as an output may hold it: text as it is, bytes by their numbers.
pub(super) fn said(bytes: &[u8]) -> String {
    let kept = bytes.get(..KEPT).unwrap_or(bytes);
    let text = String::from_utf8_lossy(kept);
    // The last letter may be cut in two.
    let whole =
        if kept.len() < bytes.len() { text.trim_end_matches(char::REPLACEMENT_CHARACTER) } else { &text };
    if is_text(whole) { whole.to_owned() } else { numbers(kept) }
}

fn is_text(text: &str) -> bool {
    let foreign = |letter: char| {
        letter == char::REPLACEMENT_CHARACTER || letter.is_control() && !letter.is_whitespace()
    };
    !text.contains(foreign)
}

fn numbers(bytes: &[u8]) -> String {
    let hex: Vec<String> = bytes.iter().take(BYTES).map(|byte| format!("{byte:02x}")).collect();
    let more = if bytes.len() > BYTES { "…" } else { "" };
    format!("the bytes {}{more}", hex.join(" "))
}

/// The fields of a message, front to back; `None` where it ends too early.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// As in `fields.array().map(u16::from_be_bytes)`.
    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// Up to a zero byte, which is left out.
    pub(super) fn until_zero(&mut self) -> Option<&'a [u8]> {
        let text = self.take(self.0.iter().position(|byte| *byte == 0)?)?;
        self.take(1)?;
        Some(text)
    }
}

/// Bytes that nobody can guess: names and marks of one conversation.
pub(super) fn random() -> [u8; 6] {
    let mut bytes = [0; 6];
    bytes.copy_from_slice(&uuid::Uuid::now_v7().as_bytes()[10..]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_is_kept_as_text_or_as_numbers_and_bounded() {
        assert_eq!(said(b""), "");
        assert_eq!(said(b"HTTP/1.1 400\r\n\r\nno"), "HTTP/1.1 400\r\n\r\nno");
        assert_eq!(said(b"\x15\x03\x03"), "the bytes 15 03 03");
        assert_eq!(said(&[0; BYTES + 1]), format!("the bytes {}…", ["00"; BYTES].join(" ")));
        assert_eq!(said(&[b'a'; 100_000]).len(), KEPT);
    }

    #[test]
    fn fields_end_where_the_message_ends() {
        let mut fields = Fields(&[1, 0, 2, 0, 0, 0, 3, b'a', 0, 9]);
        assert_eq!((fields.u8(), fields.u16(), fields.u32()), (Some(1), Some(2), Some(3)));
        assert_eq!((fields.until_zero(), fields.until_zero()), (Some(&b"a"[..]), None));
        assert_eq!((fields.take(2), fields.take(usize::MAX), fields.take(1)), (None, None, Some(&[9][..])));
        assert_eq!((fields.u8(), fields.array::<4>()), (None, None));
    }
}
