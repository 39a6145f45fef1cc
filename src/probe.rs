//! Probes: asking something whether it is healthy. One attempt per protocol, each in a file of its own behind
//! `Protocol`; thresholds and places are pure; the schedule belongs to the controller.

use std::time::Duration;

use tokio::time::Instant;

use crate::resource::probe::{Handler, ProbeSpec};

mod amqp;
mod connect;
mod dns;
mod docker_health;
mod duplex;
mod encrypted;
mod exec;
mod failure;
mod grpc;
mod http;
mod icmp;
mod kafka;
mod login;
mod mqtt;
mod mysql;
mod nats;
pub mod place;
mod postgres;
mod protocol;
pub mod reach;
mod redis;
pub mod steps;
mod tcp;
pub mod threshold;
mod tls;
mod udp;
pub mod verdict;
mod wire;

pub use crate::observed::{Streak, Verdict};
pub use failure::Failure;
pub(crate) use login::{credentials, secret};
pub use place::{Basis, NetworkPosition, Place};
pub(crate) use protocol::Protocol;
pub use protocol::{Cost, Subject};
pub use steps::{Step, Steps};
pub use verdict::{Cause, Here, Meaning, There};

use encrypted::speaks_tls;
use steps::quoted;

/// How one check went: up to so many attempts, of which the last one counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckOutcome {
    /// How the last attempt ended.
    pub result: Result<(), Failure>,
    /// How long the last attempt took.
    pub took: Duration,
    /// What the last attempt did.
    pub steps: Vec<Step>,
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
pub async fn check(spec: &ProbeSpec, subject: &Subject<'_>) -> CheckOutcome {
    let Some(handler) = spec.handler() else {
        let result = Err(Failure::new(Here::NothingToAsk, "the probe has no handler"));
        return CheckOutcome { result, took: Duration::ZERO, steps: Vec::new() };
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
        let result = result.map_err(|failure| told(failure, &steps));
        let again = |failure: &Failure| matches!(failure.means(), Meaning::Unhealthy | Meaning::Unanswered);
        // Neither a fault nor a refusal is cured by trying again at once.
        if left == 0 || !result.as_ref().is_err_and(again) {
            return CheckOutcome { result, took: began.elapsed(), steps: steps.done().to_vec() };
        }
    }
}

/// A failure as it may be told: without secrets, and no longer than anybody reads.
fn told(failure: Failure, steps: &Steps) -> Failure {
    let output = failure.output.map(|said| quoted(&steps.without_secrets(said)));
    Failure {
        reason: steps.without_secrets(failure.reason),
        output: output.filter(|said| !said.is_empty()),
        cause: failure.cause,
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
