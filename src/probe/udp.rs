//! `udp`: a datagram, and an answer to it.

use async_trait::async_trait;

use super::connect::{plain, seen, udp};
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
        let socket = udp(place, steps).await?;
        steps.begin("send");
        let silent = |error| Failure::new(seen(&error), format!("no answer from {place}: {}", plain(&error)));
        let sent = socket.send(self.send.as_bytes()).await.map_err(silent)?;
        steps.end(count(sent as u64, "byte"));
        steps.begin("receive");
        let mut answer = vec![0; LONGEST];
        let length = socket.recv(&mut answer).await.map_err(silent)?;
        answer.truncate(length);
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
