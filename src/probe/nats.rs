//! `nats`: the server's greeting, a login, and PING.
//!
//! A server greets in the clear, and offers TLS there; or it says nothing before the handshake (`handshake_first`).

use std::time::Duration;

use async_trait::async_trait;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::encrypted::Demand;
use super::wire::Wire;
use super::{Cause, Failure, Place, Protocol, Steps, Subject, There, credentials};
use crate::resource::probe::handler::NatsProbe;

/// The longest line: a greeting names all servers of a cluster.
const LONGEST: usize = 64 * 1024;
/// Lines that a server may send before it answers PING.
const PATIENCE: usize = 100;
/// So long a server has to greet before it is taken for one that wants its handshake first. One that takes either waits for
/// 50 ms itself.
const GREETING: Duration = Duration::from_millis(300);

#[async_trait]
impl Protocol for NatsProbe {
    fn port(&self) -> Option<u16> {
        Some(self.port.unwrap_or(4222))
    }

    fn is_clear(&self) -> bool {
        self.tls.is_none()
    }

    async fn attempt(&self, subject: &Subject<'_>, steps: &mut Steps) -> Result<(), Failure> {
        let (user, password) = credentials(self.auth.as_ref(), steps).await?;
        let place = subject.place()?;
        let demand = Demand { settings: self.tls.as_ref(), secret: password.is_some(), alpn: &[] };
        let (mut wire, encrypted) = connected(place, &demand, steps).await?;
        steps.begin("receive");
        let line = wire.line(LONGEST, "a NATS server's INFO").await?;
        if let Some(error) = error(&line) {
            return Err(Failure::got(Cause::Nats(error.to_owned()), "a NATS server's INFO").saying(error));
        }
        let greeting = line.strip_prefix("INFO ").and_then(|json| serde_json::from_str::<Value>(json).ok());
        let greeting = greeting.ok_or_else(|| wire.unexpected("a NATS server's INFO", line.as_bytes()))?;
        let text = |key: &str| greeting.get(key).and_then(Value::as_str).unwrap_or_default();
        steps.end(format!("version {} on {}", text("version"), text("server_name")));
        let says = |key: &str| greeting.get(key).and_then(Value::as_bool).unwrap_or_default();
        let offered = encrypted || says("tls_required") || says("tls_available");
        if self.tls.is_some() && !offered {
            return Err(Failure::new(There::NoTls, "expected TLS, the server offers none"));
        }
        // One that takes both gets it where it is declared, or where a secret is sent.
        let tls = says("tls_required") || offered && (self.tls.is_some() || password.is_some());
        if tls && !encrypted {
            wire = wire.encrypt(&place.host, &demand, steps).await?;
        }
        steps.begin("login");
        let mut connect = json!({
            "verbose": false, "pedantic": false, "tls_required": tls, "name": "portreeve-probe", "lang": "rust",
            "version": env!("CARGO_PKG_VERSION"), "protocol": 1,
        });
        if let Some(password) = &password {
            let secret = Value::from(password.expose_secret());
            match user {
                Some(user) => (connect["user"], connect["pass"]) = (user.into(), secret),
                None => connect["auth_token"] = secret,
            }
        }
        wire.send(format!("CONNECT {connect}\r\nPING\r\n").as_bytes()).await?;
        for _ in 0..PATIENCE {
            let line = wire.line(LONGEST, "PONG").await?;
            if let Some(error) = error(&line) {
                return Err(Failure::got(Cause::Nats(error.to_owned()), "PONG").saying(error));
            }
            match line.split_once(' ').map_or(line.as_str(), |(word, _)| word) {
                "PONG" => {
                    steps.end("accepted, PONG");
                    return Ok(());
                }
                // Servers ping and send news of their cluster when they like.
                "PING" | "INFO" | "+OK" => {}
                _ => return Err(wire.unexpected("PONG", line.as_bytes())),
            }
        }
        Err(Failure::new(There::Nonsense, format!("expected PONG, got {PATIENCE} other lines")))
    }
}

/// A connection, and whether it is TLS already.
async fn connected(place: &Place, demand: &Demand<'_>, steps: &mut Steps) -> Result<(Wire, bool), Failure> {
    let mut wire = Wire::to(place, steps).await?;
    steps.begin("receive");
    if demand.settings.is_none() || wire.speaks_within(GREETING).await {
        return Ok((wire, false));
    }
    match wire.encrypt(&place.host, demand, steps).await {
        Ok(wire) => Ok((wire, true)),
        // It was only slow to greet.
        Err(failure) if failure.cause == There::NotTls.into() => Ok((Wire::to(place, steps).await?, false)),
        Err(failure) => Err(failure),
    }
}

/// What a line says that is an error, without its quotes.
fn error(line: &str) -> Option<&str> {
    line.strip_prefix("-ERR").map(|said| said.trim().trim_matches('\''))
}
