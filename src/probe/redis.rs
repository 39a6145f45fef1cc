//! `redis`: PING, after AUTH where a login is declared.

use async_trait::async_trait;
use secrecy::ExposeSecret;

use super::wire::Wire;
use super::{Cause, Failure, Protocol, Steps, Subject, credentials};
use crate::resource::probe::handler::RedisProbe;

/// The longest line that answers these commands.
const LONGEST: usize = 4096;

#[async_trait]
impl Protocol for RedisProbe {
    fn port(&self) -> Option<u16> {
        Some(self.port.unwrap_or(6379))
    }

    fn is_clear(&self) -> bool {
        self.tls.is_none()
    }

    async fn attempt(&self, subject: &Subject<'_>, steps: &mut Steps) -> Result<(), Failure> {
        let (user, password) = credentials(self.auth.as_ref(), steps).await?;
        let secret = password.is_some();
        let mut wire = Wire::declared(subject.place()?, self.tls.as_ref(), secret, steps).await?;
        if let Some(password) = &password {
            steps.begin("login");
            // Servers before version 6 know a password alone.
            let words = ["AUTH"].into_iter().chain(user.as_deref()).chain([password.expose_secret()]);
            ask(&mut wire, words, "OK").await?;
            steps.end("accepted");
        }
        steps.begin("query");
        ask(&mut wire, ["PING"], "PONG").await?;
        steps.end("PONG");
        Ok(())
    }
}

/// Sends a command to which the answer is one line.
async fn ask<'a>(
    wire: &mut Wire,
    words: impl IntoIterator<Item = &'a str>,
    expected: &str,
) -> Result<(), Failure> {
    let words: Vec<String> = words.into_iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
    wire.send(format!("*{}\r\n{}", words.len(), words.concat()).as_bytes()).await?;
    let line = wire.line(LONGEST, expected).await?;
    match line.split_at_checked(1) {
        Some(("+", answer)) if answer == expected => Ok(()),
        Some(("-", error)) => Err(Failure::got(Cause::Redis(error.to_owned()), expected).saying(error)),
        _ => Err(wire.unexpected(expected, line.as_bytes())),
    }
}
