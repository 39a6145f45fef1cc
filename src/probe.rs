//! Probes: asking something whether it is healthy. One attempt per protocol, each in a file of its own behind
//! `Protocol`; thresholds and places are pure; the schedule belongs to the controller.

use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use tokio::time::Instant;

use crate::docker::Client;
use crate::guard::Guard;
use crate::observed::Container;
use crate::resource::probe::{Handler, ProbeSpec};
use crate::resource::{Login, SecretRef};

mod amqp;
mod connect;
mod dns;
mod docker_health;
mod encrypted;
mod exec;
mod grpc;
mod http;
mod icmp;
mod kafka;
mod mqtt;
mod mysql;
mod nats;
pub mod place;
mod postgres;
pub mod reach;
mod redis;
pub mod steps;
mod tcp;
pub mod threshold;
mod tls;
mod udp;
pub mod verdict;
mod wire;

pub use place::{Basis, NetworkPosition, Place};
pub use steps::{Step, Steps};
pub use threshold::{Streak, Verdict};
pub use verdict::{Cause, Here, Meaning, There};

use encrypted::speaks_tls;
use steps::quoted;

/// Why an attempt did not end well.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Failure {
    /// What was seen.
    pub cause: Cause,
    /// The same for people, in our words: what was expected and what came. It holds nothing that a server sent, but for its
    /// protocol's codes: reasons are told to everybody.
    pub reason: String,
    /// What the other side said, on one line and bounded; for those who may see bodies.
    pub output: Option<String>,
}

impl Failure {
    /// `cause`, and what it is for people.
    pub fn new(cause: impl Into<Cause>, reason: impl Into<String>) -> Self {
        Self { cause: cause.into(), reason: reason.into(), output: None }
    }

    /// Instead of what was `expected` this came, which its protocol has a code for.
    pub fn got(cause: impl Into<Cause>, expected: &str) -> Self {
        let cause = cause.into();
        let reason = format!("expected {expected}, got {cause}");
        Self::new(cause, reason)
    }

    /// With what the other side said, whatever that is.
    #[must_use]
    pub fn saying(self, output: impl Into<String>) -> Self {
        Self { output: Some(output.into()), ..self }
    }

    /// What this means for the target.
    pub fn means(&self) -> Meaning {
        verdict::meaning(&self.cause)
    }

    /// As it may be told: without secrets, and no longer than anybody reads.
    fn told(self, steps: &Steps) -> Self {
        let output = self.output.map(|said| quoted(&steps.without_secrets(said)));
        Self {
            reason: steps.without_secrets(self.reason),
            output: output.filter(|said| !said.is_empty()),
            cause: self.cause,
        }
    }
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// Where it is reached.
    pub place: Option<&'a Place>,
    /// The container, if it is one.
    pub container: Option<&'a Container>,
    /// Its engine, while that is connected.
    pub engine: Option<&'a Client>,
    /// What may be reached and read.
    pub guard: Guard,
}

impl Subject<'_> {
    /// Nothing that an engine or an address is known of; `guard` says what may be reached and read.
    pub const fn within(guard: Guard) -> Self {
        Self { place: None, container: None, engine: None, guard }
    }
}

/// A way of asking.
#[async_trait]
pub(crate) trait Protocol: Send + Sync {
    /// The port asked; `None` for a protocol without ports or one that asks the engine.
    fn port(&self) -> Option<u16>;

    /// `tcp` or `udp`, as published ports are told apart.
    fn transport(&self) -> &'static str {
        "tcp"
    }

    /// The host that the probe itself names.
    fn host(&self) -> Option<&str> {
        None
    }

    /// Whether it asks in the clear a server that may want TLS.
    fn is_clear(&self) -> bool {
        false
    }

    /// What it costs.
    fn cost(&self) -> Cost {
        Cost::Request
    }

    /// Asks once. The caller bounds the time; an attempt given up is dropped at its next await.
    async fn attempt(&self, subject: &Subject<'_>, steps: &mut Steps) -> Result<(), Failure>;
}

/// What an attempt costs, so that many of a dear kind do not run at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cost {
    /// A look at what is known already.
    Nothing,
    /// A connection and a few bytes.
    Request,
    /// A session with a server: authentication, queries.
    Session,
    /// A process in a container.
    Process,
}

/// How one check went: up to so many attempts, of which the last one counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How the last attempt ended.
    pub result: Result<(), Failure>,
    /// How long the last attempt took.
    pub took: Duration,
    /// What the last attempt did.
    pub steps: Vec<Step>,
}

impl Subject<'_> {
    fn place(&self) -> Result<&Place, Failure> {
        self.place.ok_or_else(|| Failure::new(Here::NothingToAsk, "there is no address to ask at"))
    }
}

/// The way of asking that `handler` declares.
pub(crate) fn protocol(handler: Handler<'_>) -> &dyn Protocol {
    match handler {
        Handler::Http(http) => http,
        Handler::Tcp(tcp) => tcp,
        Handler::Exec(exec) => exec,
        Handler::DockerHealth(health) => health,
        Handler::Mqtt(mqtt) => mqtt,
        Handler::Kafka(kafka) => kafka,
        Handler::Postgres(postgres) => postgres,
        Handler::Redis(redis) => redis,
        Handler::Tls(tls) => tls,
        Handler::Grpc(grpc) => grpc,
        Handler::Dns(dns) => dns,
        Handler::Mysql(mysql) => mysql,
        Handler::Amqp(amqp) => amqp,
        Handler::Nats(nats) => nats,
        Handler::Icmp(icmp) => icmp,
        Handler::Udp(udp) => udp,
    }
}

/// Carries out one check: attempts follow each other at once until one ends well or there have been `attempts` of them.
pub async fn check(spec: &ProbeSpec, subject: &Subject<'_>) -> Outcome {
    let Some(handler) = spec.handler() else {
        let result = Err(Failure::new(Here::NothingToAsk, "the probe has no handler"));
        return Outcome { result, took: Duration::ZERO, steps: Vec::new() };
    };
    let protocol = protocol(handler);
    let limit = Duration::from_secs(u64::from(spec.timeout_seconds));
    let mut left = spec.attempts.max(1);
    loop {
        left -= 1;
        let (began, mut steps) = (Instant::now(), Steps::within(subject.guard.clone()));
        let ended = tokio::time::timeout(limit, protocol.attempt(subject, &mut steps)).await;
        let mut result =
            ended.unwrap_or_else(|_| Err(steps.concluded().unwrap_or_else(|| out_of_time(limit, &steps))));
        if let (Err(failure), Some(place)) = (&result, subject.place.filter(|_| protocol.is_clear()))
            && steps.heard_nothing(&failure.cause)
            && speaks_tls(place, limit, steps.afresh()).await
        {
            let remedy = if matches!(handler, Handler::Http(_)) { "scheme: https" } else { "tls: {}" };
            let reason = format!("{}; the server uses TLS there: set `{remedy}`", failure.reason);
            result = Err(Failure::new(There::WantsTls, reason));
        }
        let result = result.map_err(|failure| failure.told(&steps));
        let again = |failure: &Failure| matches!(failure.means(), Meaning::Unhealthy | Meaning::Unanswered);
        // Neither a fault nor a refusal is cured by trying again at once.
        if left == 0 || !result.as_ref().is_err_and(again) {
            return Outcome { result, took: began.elapsed(), steps: steps.done().to_vec() };
        }
    }
}

/// Why there was no end, by how far the attempt has come.
fn out_of_time(limit: Duration, steps: &Steps) -> Failure {
    let cause: Cause = match steps.doing() {
        "resolve" => Here::Resolver.into(),
        exec::ENGINE => Here::Engine.into(),
        exec::COMMAND => There::Hangs.into(),
        // Whoever takes a connection was reached.
        _ if steps.done().iter().any(|step| step.name == "connect") => There::Hangs.into(),
        _ => There::Silent.into(),
    };
    Failure::new(cause, format!("nothing within {} s, at the step `{}`", limit.as_secs(), steps.doing()))
}

/// A secret, read anew each time; a server that repeats it is not quoted with it.
pub(crate) async fn secret(reference: &SecretRef, steps: &mut Steps) -> Result<SecretString, Failure> {
    let read = steps.guard().clone().secret(reference).await;
    let secret = read.map_err(|error| Failure::new(Here::Secret, format!("no secret: {error}")))?;
    steps.conceal(&secret);
    Ok(secret)
}

/// User and password of a protocol's own login.
pub(crate) async fn credentials(
    login: Option<&Login>,
    steps: &mut Steps,
) -> Result<(Option<String>, Option<SecretString>), Failure> {
    let Some(login) = login else { return Ok((None, None)) };
    let password = secret(&login.password, steps).await?;
    Ok((login.username.clone(), Some(password)))
}
