//! `udp`: a datagram, and an answer to it.

use async_trait::async_trait;
use tokio::net::UdpSocket;

use super::connect::{first, plain, resolve, seen, sent};
use super::steps::{count, shown};
use super::wire::said;
use super::{Failure, Protocol, Steps, Subject, There};
use crate::resource::probe::handler::UdpProbe;

/// The longest datagram there is.
const LONGEST: usize = 65_535;

#[async_trait]
impl Protocol for UdpProbe {
    fn port(&self) -> Option<u16> {
        Some(self.port)
    }

    fn transport(&self) -> &'static str {
        "udp"
    }

    async fn attempt(&self, subject: &Subject<'_>, steps: &mut Steps) -> Result<(), Failure> {
        let place = subject.place()?;
        let addresses = resolve(place, steps).await?;
        steps.begin("send");
        let silent = |error| Failure::new(seen(&error), format!("no answer from {place}: {}", plain(&error)));
        let answer = async |socket: UdpSocket| {
            let mut answer = vec![0; LONGEST];
            let length = socket.recv(&mut answer).await.map_err(silent)?;
            answer.truncate(length);
            Ok(answer)
        };
        let ask = |address, steps: &mut Steps| {
            let socket = sent(place, address, self.send.as_bytes())?;
            if steps.doing() == "send" {
                steps.end(count(self.send.len() as u64, "byte"));
                steps.begin("receive");
            }
            Ok(answer(socket))
        };
        let answer = first(addresses, steps, ask).await?;
        steps.end(said(&answer));
        let Some(expected) = &self.expect else { return Ok(()) };
        steps.begin("expect");
        if String::from_utf8_lossy(&answer).contains(expected.as_str()) {
            return Ok(());
        }
        let reason = format!("expected {:?}, got something else", shown(expected));
        Err(Failure::new(There::Unexpected, reason).saying(said(&answer)))
    }
}
