//! `mqtt`: a connection that the broker accepts, and where asked a subscription. MQTT 3.1.1, which every broker speaks.

use async_trait::async_trait;
use secrecy::ExposeSecret;

use super::wire::{Wire, random};
use super::{Cause, Failure, Here, Protocol, Steps, Subject, There, credentials};
use crate::resource::probe::handler::MqttProbe;

const CONNECT: u8 = 0x10;
const CONNACK: u8 = 0x20;
const SUBSCRIBE: u8 = 0x82;
const SUBACK: u8 = 0x90;
const DISCONNECT: u8 = 0xe0;
/// Messages that a broker may send before it answers a subscription.
const PATIENCE: usize = 1000;

#[async_trait]
impl Protocol for MqttProbe {
    fn port(&self) -> Option<u16> {
        Some(self.port.unwrap_or(1883))
    }

    fn is_clear(&self) -> bool {
        self.tls.is_none()
    }

    async fn attempt(&self, subject: &Subject<'_>, steps: &mut Steps) -> Result<(), Failure> {
        let (user, password) = credentials(self.auth.as_ref(), steps).await?;
        let secret = password.is_some();
        let mut wire = Wire::declared(subject.place()?, self.tls.as_ref(), secret, steps).await?;
        steps.begin("login");
        // A clean session that ends with the connection.
        let mut flags = 0x02;
        let id: String = random().iter().map(|byte| format!("{byte:02x}")).collect();
        let mut payload = text(&format!("portreeve{id}"))?;
        if let Some(password) = &password {
            // A password without a name is against the protocol; an empty name is not.
            flags |= 0xc0;
            payload.extend(text(user.as_deref().unwrap_or_default())?);
            payload.extend(text(password.expose_secret())?);
        }
        let keep_alive = [0, 60];
        let head = [&text("MQTT")?[..], &[4, flags], &keep_alive].concat();
        wire.send(&packet(CONNECT, &[head, payload].concat())).await?;
        let (kind, body) = read(&mut wire, "a CONNACK").await?;
        match (kind, &body[..]) {
            (CONNACK, [_, 0]) => steps.end("accepted"),
            // MQTT 5 has more to say behind the code.
            (CONNACK, [_, code, ..]) => return Err(Failure::got(Cause::Mqtt(*code), "a connection")),
            _ => return Err(wire.unexpected("a CONNACK", &[&[kind], &body[..]].concat())),
        }
        if let Some(topic) = &self.topic {
            steps.begin("query");
            let id = [0, 1];
            wire.send(&packet(SUBSCRIBE, &[&id[..], &text(topic)?, &[0]].concat())).await?;
            subscribed(&mut wire, topic).await?;
            steps.end(format!("subscribed to {topic}"));
        }
        // The check is done; a broker that does not hear this only logs it.
        let _ = wire.send(&[DISCONNECT, 0]).await;
        Ok(())
    }
}

/// Waits for the answer to the subscription; what is published meanwhile is let go by.
async fn subscribed(wire: &mut Wire, topic: &str) -> Result<(), Failure> {
    for _ in 0..PATIENCE {
        match read(wire, "a SUBACK").await? {
            (SUBACK, body) => {
                return match body[..] {
                    [_, _, 0..=2] => Ok(()),
                    [_, _, code] if code >= 0x80 => {
                        Err(Failure::got(Cause::Mqtt(code), &format!("a subscription to {topic}")))
                    }
                    _ => Err(wire.unexpected("a SUBACK", &[&[SUBACK], &body[..]].concat())),
                };
            }
            // PUBLISH
            (0x30..=0x3f, _) => {}
            (kind, body) => return Err(wire.unexpected("a SUBACK", &[&[kind], &body[..]].concat())),
        }
    }
    Err(Failure::new(There::Nonsense, format!("expected a SUBACK, got {PATIENCE} other messages")))
}

/// A text with its length in front.
fn text(text: &str) -> Result<Vec<u8>, Failure> {
    let too_long = |_| Failure::new(Here::Unsendable, "MQTT carries no text of more than 65535 bytes");
    let length = u16::try_from(text.len()).map_err(too_long)?;
    Ok([&length.to_be_bytes(), text.as_bytes()].concat())
}

/// A packet: its kind, how much follows in groups of seven bits, and that.
fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
    let (mut packet, mut left) = (vec![kind], body.len());
    loop {
        #[expect(clippy::cast_possible_truncation, reason = "seven bits")]
        let low = (left & 0x7f) as u8;
        left >>= 7;
        packet.push(if left > 0 { low | 0x80 } else { low });
        if left == 0 {
            break;
        }
    }
    packet.extend_from_slice(body);
    packet
}

/// The next packet, which should be `what`.
async fn read(wire: &mut Wire, what: &str) -> Result<(u8, Vec<u8>), Failure> {
    let kind = wire.exactly(1, what).await?;
    // What no broker says is not waited for to its end.
    if !matches!(kind[..], [CONNACK | SUBACK | 0x30..=0x3f]) {
        return Err(wire.unexpected(what, &kind));
    }
    let mut length = 0_usize;
    for group in 0..4 {
        let byte = usize::from(wire.exactly(1, what).await?[0]);
        length |= (byte & 0x7f) << (7 * group);
        if byte < 0x80 {
            return Ok((kind[0], wire.exactly(length, what).await?));
        }
    }
    Err(wire.unexpected(what, &kind))
}
