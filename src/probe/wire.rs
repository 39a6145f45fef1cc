//! A conversation with a server: what is sent and read, and what to say when something else comes than was expected.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

use super::connect::{plain, tcp};
use super::encrypted::encrypt;
use super::steps::shown;
use super::{Failure, Place, Steps};

/// As much as is read of one message, whatever length it claims.
pub(super) const LONGEST: usize = 4 * 1024 * 1024;
/// Bytes shown of what is not text.
const BYTES: usize = 16;

/// What bytes go through: TCP, or TLS over it.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> Duplex for S {}

/// A connection to a server.
pub(super) struct Wire(BufReader<Box<dyn Duplex>>);

impl Wire {
    /// Connects.
    pub(super) async fn to(place: &Place, steps: &mut Steps) -> Result<Self, Failure> {
        Ok(Self(BufReader::new(Box::new(tcp(place, steps).await?))))
    }

    /// The same connection through TLS, after both sides have agreed on that.
    pub(super) async fn encrypt(self, host: &str, steps: &mut Steps) -> Result<Self, Failure> {
        // Whoever sends on before the handshake wants to be taken for what comes after it.
        if !self.0.buffer().is_empty() {
            return Err(self.unexpected("a TLS handshake", &[]));
        }
        Ok(Self(BufReader::new(Box::new(encrypt(self.0.into_inner(), host, steps).await?))))
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let sent = async {
            self.0.write_all(bytes).await?;
            self.0.flush().await
        };
        sent.await.map_err(|error| Failure::Unhealthy(format!("sending failed: {}", plain(&error))))
    }

    /// The next `count` bytes, which are (part of) `what`.
    pub(super) async fn exactly(&mut self, count: usize, what: &str) -> Result<Vec<u8>, Failure> {
        if count > LONGEST {
            return Err(Failure::Unhealthy(format!("expected {what}, got one that claims {count} bytes")));
        }
        let mut bytes = Vec::new();
        // Memory is taken as bytes come, not as they are announced.
        let read = (&mut self.0).take(count as u64).read_to_end(&mut bytes).await;
        if bytes.len() == count {
            return Ok(bytes);
        }
        Err(broken(what, &bytes, read.err()))
    }

    /// The next line of at most `longest` bytes, without its end.
    pub(super) async fn line(&mut self, longest: usize, what: &str) -> Result<String, Failure> {
        let mut bytes = Vec::new();
        let read = (&mut self.0).take(longest as u64).read_until(b'\n', &mut bytes).await;
        if bytes.last() == Some(&b'\n') {
            return Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned());
        }
        if bytes.len() == longest {
            return Err(self.unexpected(what, &bytes));
        }
        Err(broken(what, &bytes, read.err()))
    }

    /// That not `what` but these bytes came, and whatever has come behind them.
    pub(super) fn unexpected(&self, what: &str, got: &[u8]) -> Failure {
        let all = [got, self.0.buffer()].concat();
        Failure::Unhealthy(format!("expected {what}, got {}", seen(&all)))
    }
}

fn broken(what: &str, got: &[u8], error: Option<io::Error>) -> Failure {
    let end = error.map_or("the connection was closed".to_owned(), |error| plain(&error));
    let after = if got.is_empty() { String::new() } else { format!(" after {}", seen(got)) };
    Failure::Unhealthy(format!("expected {what}, {end}{after}"))
}

/// What came, as text if it is text.
pub(super) fn seen(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "nothing".to_owned();
    }
    let text = String::from_utf8_lossy(bytes);
    let foreign = |letter: char| {
        letter == char::REPLACEMENT_CHARACTER || letter.is_control() && !letter.is_whitespace()
    };
    if !text.contains(foreign) {
        return format!("{:?}", shown(&text));
    }
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
    fn what_came_is_shown_as_text_or_as_bytes_and_bounded() {
        assert_eq!(seen(b""), "nothing");
        assert_eq!(seen(b"HTTP/1.1 400\r\n\r\nno"), r#""HTTP/1.1 400 no""#);
        assert_eq!(seen(b"\x15\x03\x03"), "the bytes 15 03 03");
        assert_eq!(seen(&[0; 17]), format!("the bytes {}…", ["00"; 16].join(" ")));
        assert!(seen(&[b'a'; 100_000]).len() < 300);
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
