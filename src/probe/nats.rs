//! `nats`: the server's greeting, a login, and PING.

use async_trait::async_trait;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::steps::shown;
use super::wire::Wire;
use super::{Failure, Protocol, Steps, Subject, credentials};
use crate::resource::probe::handler::NatsProbe;

/// The longest line: a greeting names all servers of a cluster.
const LONGEST: usize = 64 * 1024;
/// Lines that a server may send before it answers PING.
const PATIENCE: usize = 100;

#[async_trait]
impl Protocol for NatsProbe {
    fn port(&self) -> Option<u16> {
        Some(self.port.unwrap_or(4222))
    }

    async fn attempt(&self, subject: &Subject<'_>, steps: &mut Steps) -> Result<(), Failure> {
        let (user, password) = credentials(self.auth.as_ref(), steps).await?;
        let place = subject.place()?;
        let mut wire = Wire::to(place, steps).await?;
        steps.begin("receive");
        let line = wire.line(LONGEST, "a NATS server's INFO").await?;
        let greeting = line.strip_prefix("INFO ").and_then(|json| serde_json::from_str::<Value>(json).ok());
        let greeting = greeting.ok_or_else(|| wire.unexpected("a NATS server's INFO", line.as_bytes()))?;
        let text = |key: &str| greeting.get(key).and_then(Value::as_str).unwrap_or_default();
        steps.end(format!("version {} on {}", text("version"), text("server_name")));
        let tls = greeting.get("tls_required").and_then(Value::as_bool).unwrap_or_default();
        if tls {
            wire = wire.encrypt(&place.host, steps).await?;
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
            match line.split_once(' ').map_or(line.as_str(), |(word, _)| word) {
                "PONG" => {
                    steps.end("accepted, PONG");
                    return Ok(());
                }
                // Servers ping and send news of their cluster when they like.
                "PING" | "INFO" | "+OK" => {}
                "-ERR" => {
                    let said = shown(line.trim_start_matches("-ERR "));
                    let text = format!("expected PONG, got the error {said}");
                    let denied = line.to_ascii_lowercase().contains("authorization violation");
                    return Err(if denied { Failure::Denied(text) } else { Failure::Unhealthy(text) });
                }
                _ => return Err(wire.unexpected("PONG", line.as_bytes())),
            }
        }
        Err(Failure::Unhealthy(format!("expected PONG, got {PATIENCE} other lines")))
    }
}
