//! `amqp`: the handshake of AMQP 0-9-1 up to an open connection, and its end. Without `auth` the login is the protocol's
//! usual one, `guest`, which RabbitMQ takes from its own host only.

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};

use super::steps::shown;
use super::wire::{Fields, Wire, said};
use super::{Cause, Cost, Failure, Here, Protocol, Steps, Subject, There, credentials};
use crate::resource::probe::handler::AmqpProbe;

/// What a client begins with: the protocol, and its version.
const HEADER: &[u8; 8] = b"AMQP\0\0\x09\x01";
/// The methods of the class `connection` (10).
const START: u16 = 10;
const START_OK: u16 = 11;
const SECURE: u16 = 20;
const TUNE: u16 = 30;
const TUNE_OK: u16 = 31;
const OPEN: u16 = 40;
const OPEN_OK: u16 = 41;
const CLOSE: u16 = 50;
const CLOSE_OK: u16 = 51;
/// How a frame with a method begins, and how any frame ends.
const METHOD: u8 = 1;
const HEARTBEAT: u8 = 8;
const END: u8 = 0xce;

#[async_trait]
impl Protocol for AmqpProbe {
    fn port(&self) -> Option<u16> {
        Some(self.port.unwrap_or(5672))
    }

    fn cost(&self) -> Cost {
        Cost::Session
    }

    fn is_clear(&self) -> bool {
        self.tls.is_none()
    }

    async fn attempt(&self, subject: &Subject<'_>, steps: &mut Steps) -> Result<(), Failure> {
        let (user, password) = credentials(self.auth.as_ref(), steps).await?;
        let (user, password) = match password {
            Some(password) => (user.unwrap_or_default(), password),
            None => ("guest".to_owned(), SecretString::from("guest")),
        };
        let mut wire =
            Wire::declared(subject.place()?, self.tls.as_ref(), self.auth.is_some(), steps).await?;
        steps.begin("receive");
        wire.send(HEADER).await?;
        let start = expect(&mut wire, START, "a greeting").await?;
        let mechanisms = mechanisms(&start).ok_or_else(|| malformed(&start))?;
        steps.end(format!("offers {mechanisms}"));
        if !mechanisms.split(' ').any(|mechanism| mechanism == "PLAIN") {
            let why = "this probe logs in with PLAIN, which the broker does not offer";
            return Err(Failure::new(Here::Unsupported, why).saying(mechanisms));
        }
        steps.begin("login");
        let response = format!("\0{user}\0{}", password.expose_secret());
        // A broker that may say why it refuses does so; others close the connection.
        let capability = [&short("authentication_failure_close")[..], b"t\x01"].concat();
        let capabilities = [&short("capabilities")[..], b"F", &long(&capability)].concat();
        let answer =
            [long(&capabilities), short("PLAIN"), long(response.as_bytes()), short("en_US")].concat();
        send(&mut wire, START_OK, &answer).await?;
        let tune =
            expect(&mut wire, TUNE, "an accepted login").await.map_err(|failure| match failure.cause {
                // As the protocol has it; RabbitMQ says why.
                Cause::There(There::HungUp | There::Broken) => Failure::new(
                    There::HungUpOnLogin,
                    "expected an accepted login, the broker closed the connection",
                ),
                _ => failure,
            })?;
        // What it proposes is good enough for a connection that ends at once, without heartbeats.
        let limits = Fields(&tune).take(6).ok_or_else(|| malformed(&tune))?;
        send(&mut wire, TUNE_OK, &[limits, &[0, 0]].concat()).await?;
        let reserved = [0, 0];
        send(&mut wire, OPEN, &[&short("/")[..], &reserved].concat()).await?;
        expect(&mut wire, OPEN_OK, "an open connection").await?;
        steps.end(format!("as {user}"));
        steps.begin("close");
        let fine = [&200_u16.to_be_bytes()[..], &short("done"), &[0; 4]].concat();
        send(&mut wire, CLOSE, &fine).await?;
        expect(&mut wire, CLOSE_OK, "a closed connection").await?;
        steps.end("closed");
        Ok(())
    }
}

fn malformed(method: &[u8]) -> Failure {
    Failure::new(There::Nonsense, "expected an AMQP method, got something else").saying(said(method))
}

/// The ways to log in that a greeting offers.
fn mechanisms(start: &[u8]) -> Option<String> {
    let mut fields = Fields(start);
    let _version = fields.u16()?;
    let properties = fields.u32()?;
    fields.take(properties as usize)?;
    let length = fields.u32()?;
    Some(shown(&String::from_utf8_lossy(fields.take(length as usize)?)))
}

/// The arguments of the next method, which should be `wanted`.
async fn expect(wire: &mut Wire, wanted: u16, what: &str) -> Result<Vec<u8>, Failure> {
    loop {
        let head = wire.exactly(7, what).await?;
        // A broker answers the version that it does not know with the one that it does; an echo does so with ours.
        if head.starts_with(b"AMQP") && !HEADER.starts_with(&head) {
            let why = format!("expected {what}, the broker speaks another version of AMQP than 0-9-1");
            return Err(Failure::new(Here::Unsupported, why).saying(said(&head)));
        }
        let mut fields = Fields(&head);
        let (kind, channel, length) = (fields.u8(), fields.u16(), fields.u32().unwrap_or_default());
        if !matches!((kind, channel), (Some(METHOD | HEARTBEAT), Some(0))) {
            return Err(wire.unexpected(what, &head));
        }
        let mut frame = wire.exactly((length as usize).saturating_add(1), what).await?;
        if frame.pop() != Some(END) {
            return Err(wire.unexpected(what, &[head, frame].concat()));
        }
        if kind == Some(HEARTBEAT) {
            continue;
        }
        let mut fields = Fields(&frame);
        return match (fields.u16(), fields.u16()) {
            (Some(10), Some(method)) if method == wanted => Ok(fields.0.to_vec()),
            (Some(10), Some(CLOSE)) => {
                let code = fields.u16().unwrap_or_default();
                let length = fields.u8().unwrap_or_default();
                let text = fields.take(length.into()).unwrap_or_default();
                Err(Failure::got(Cause::Amqp(code), what).saying(said(text)))
            }
            (Some(10), Some(SECURE)) => {
                Err(Failure::new(Here::Unsupported, "the broker asks for more than a name and a password"))
            }
            _ => Err(malformed(&frame)),
        };
    }
}

/// Sends a method.
async fn send(wire: &mut Wire, method: u16, arguments: &[u8]) -> Result<(), Failure> {
    let payload = [&10_u16.to_be_bytes()[..], &method.to_be_bytes(), arguments].concat();
    let frame = [&[METHOD, 0, 0][..], &long(&payload), &[END]].concat();
    wire.send(&frame).await
}

/// A text with its length in one byte; only the probe's own are sent so.
fn short(text: &str) -> Vec<u8> {
    #[expect(clippy::cast_possible_truncation, reason = "a few letters")]
    let length = text.len() as u8;
    [&[length], text.as_bytes()].concat()
}

/// Bytes with their length in four.
fn long(bytes: &[u8]) -> Vec<u8> {
    #[expect(clippy::cast_possible_truncation, reason = "no secret has gigabytes")]
    let length = bytes.len() as u32;
    [&length.to_be_bytes(), bytes].concat()
}
