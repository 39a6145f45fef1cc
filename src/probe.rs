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
mod wire;

pub use place::{Place, Stand};
pub use steps::{Step, Steps};
pub use threshold::{Streak, Verdict};

/// Why an attempt did not end well.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The target is not as it should be: what was expected and what came.
    #[error("{0}")]
    Unhealthy(String),
    /// Nothing came from the target, not even a refusal. It is as unhealthy as can be, unless nobody else answers either.
    #[error("{0}")]
    Unanswered(String),
    /// The target answers, and refuses the login that the probe brings. It is not as it should be, and no restart mends that.
    #[error("{0}")]
    Denied(String),
    /// The probe could not be carried out (a secret that is missing, an engine that is away, no route): this says nothing about
    /// the target and does not count.
    #[error("{0}")]
    Fault(String),
    /// It is too early to ask.
    #[error("{0}")]
    NotYet(String),
}

/// What is asked.
#[derive(Clone, Debug, Default)]
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
        self.place.ok_or_else(|| Failure::Fault("there is no address to ask at".to_owned()))
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
        let result = Err(Failure::Fault("the probe says no way of asking".to_owned()));
        return Outcome { result, took: Duration::ZERO, steps: Vec::new() };
    };
    let protocol = protocol(handler);
    let limit = Duration::from_secs(u64::from(spec.timeout_seconds));
    let mut left = spec.attempts.max(1);
    loop {
        left -= 1;
        let (began, mut steps) = (Instant::now(), Steps::within(subject.guard.clone()));
        let ended = tokio::time::timeout(limit, protocol.attempt(subject, &mut steps)).await;
        let result = ended.unwrap_or_else(|_| {
            let why = format!("nothing within {} s, at the step `{}`", limit.as_secs(), steps.doing());
            // Whoever takes a connection was reached.
            let reached = steps.done().iter().any(|step| step.name == "connect");
            Err(if reached { Failure::Unhealthy(why) } else { Failure::Unanswered(why) })
        });
        let result = result.map_err(|failure| match failure {
            Failure::Unhealthy(text) => Failure::Unhealthy(steps.without_secrets(text)),
            Failure::Unanswered(text) => Failure::Unanswered(steps.without_secrets(text)),
            Failure::Denied(text) => Failure::Denied(steps.without_secrets(text)),
            Failure::Fault(text) => Failure::Fault(steps.without_secrets(text)),
            Failure::NotYet(text) => Failure::NotYet(text),
        });
        // Neither a fault nor a refused login is cured by trying again at once.
        if left == 0 || !matches!(result, Err(Failure::Unhealthy(_) | Failure::Unanswered(_))) {
            return Outcome { result, took: began.elapsed(), steps: steps.done().to_vec() };
        }
    }
}

/// A secret, read anew each time; a server that repeats it is not quoted with it.
pub(crate) async fn secret(reference: &SecretRef, steps: &mut Steps) -> Result<SecretString, Failure> {
    let read = steps.guard().clone().secret(reference).await;
    let secret = read.map_err(|error| Failure::Fault(format!("no secret: {error}")))?;
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
