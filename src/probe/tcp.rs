//! `tcpSocket`: a connection, perhaps with something sent and an answer expected.
//!
//! A MySQL server counts connections that end before a login, and in the end takes none any more from that address: on
//! its port, and wherever its greeting was read, the conversation is ended as it wants it.

use async_trait::async_trait;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::connect::{connection, plain, seen, tcp};
use super::mysql::take_leave;
use super::steps::shown;
use super::wire::said;
use super::{Failure, Protocol, Steps, Subject, There};
use crate::resource::probe::handler::TcpProbe;

/// As much as is read while looking for what is expected.
const LONGEST: usize = 64 * 1024;

/// MySQL's port.
const MYSQL: u16 = 3306;

async fn leave(stream: TcpStream, heard: &[u8], steps: &mut Steps) {
    steps.begin("leave");
    if take_leave(stream, heard).await {
        steps.end("a MySQL server: with a login that it refuses, so that it does not block this address");
    }
}

#[async_trait]
impl Protocol for TcpProbe {
    fn port(&self) -> Option<u16> {
        Some(self.port)
    }

    fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    async fn attempt(&self, subject: &Subject<'_>, steps: &mut Steps) -> Result<(), Failure> {
        let place = subject.place()?;
        let mut stream = match &self.send {
            Some(_) => tcp(place, steps).await?,
            None => connection(place, steps).await?,
        };
        if let Some(text) = &self.send {
            steps.begin("send");
            let sent = stream.write_all(text.as_bytes()).await;
            sent.map_err(|error| Failure::new(seen(&error), format!("sending failed: {}", plain(&error))))?;
            steps.end(format!("{} bytes", text.len()));
        }
        let Some(expected) = &self.expect else {
            if self.send.is_none() && [self.port, place.port].contains(&MYSQL) {
                leave(stream, &[], steps).await;
            }
            return Ok(());
        };
        steps.begin("receive");
        let mut answer = Vec::new();
        loop {
            let read = stream.read_buf(&mut answer).await;
            let text = String::from_utf8_lossy(&answer);
            if text.contains(expected.as_str()) {
                steps.end(&text);
                if self.send.is_none() {
                    leave(stream, &answer, steps).await;
                }
                return Ok(());
            }
            let (cause, why) = match read {
                Ok(0) => (There::HungUp.into(), "the connection was closed".to_owned()),
                Ok(_) if answer.len() > LONGEST => {
                    (There::Unexpected.into(), format!("it is not in {LONGEST} bytes"))
                }
                Ok(_) => continue,
                Err(error) => (seen(&error), plain(&error)),
            };
            let failure = Failure::new(cause, format!("expected {:?}; {why}", shown(expected)));
            return Err(if answer.is_empty() { failure } else { failure.saying(said(&answer)) });
        }
    }
}
