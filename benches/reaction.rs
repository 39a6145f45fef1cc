//! How long an event takes to its consequence, beside a bare loop that does the same and nothing else: from the engine's
//! `unhealthy` to the restart's first deed, the `kill`, by the engine's own event times; and from `start` to the bill on the
//! wire.
//!
//! What Portreeve does in between is look, decide, commit the intent, and look again. Both are measured in one run,
//! in turns, on containers of the same make.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

use std::collections::HashMap;
use std::process::ExitCode;
use std::time::Duration;

use bollard::Docker;
use bollard::models::EventMessage;
use bollard::query_parameters::{EventsOptionsBuilder, RestartContainerOptions};
use clap::Parser;
use futures_util::StreamExt;
use support::container::Container;
use support::lab::{LABEL, Lab};
use support::portreeve::Portreeve;
use tokio::sync::mpsc;

use crate::figures::{Common, Table, percentile};

#[path = "reaction/bills.rs"]
mod bills;
mod figures;
// Its unit tests are compiled here without their attributes meaning anything.
#[allow(unused_imports)]
#[path = "../tests/support.rs"]
mod support;

/// Who heals a container.
const HEALER: &str = "bench.healer";
const BARE: &str = "bare";
const PORTREEVE: &str = "portreeve";

/// No waits and no end: every flip is to be healed at once.
const POLICY: &str = "apiVersion: portreeve/v1
kind: AutohealPolicy
metadata: {name: default}
spec:
  selector: {labels: {bench.healer: portreeve}}
  backoff: {initial: 0s, multiplier: 1, jitter: 0}
  budget: {restarts: 1000, per: 1h}
  pace: {restarts: 1000, per: 1h}
";

/// From an unhealthy container to the restart that an event loop makes of it, and from a start to its bill.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    common: Common,
    /// Samples of each
    #[arg(long, default_value_t = 40)]
    samples: usize,
    /// Containers of each, taken in turns
    #[arg(long, default_value_t = 4)]
    containers: usize,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Args { common, samples, containers } = Args::parse();
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let engine = figures::quiet_engine().await;
    let lab = Lab::new(&engine).await;
    let mut portreeve =
        Portreeve::new(&common.program).docker_host(engine.endpoint()).env("RUST_LOG", "info");
    portreeve.manifest("policy.yaml", POLICY);
    portreeve.start().await;

    let mut events = Events::of(engine.docker(), lab.run());
    let bare = tokio::spawn(bare_loop(engine.docker()));
    let mut healed = HashMap::from([(BARE, Vec::new()), (PORTREEVE, Vec::new())]);
    for (healer, made) in &mut healed {
        for n in 0..containers {
            let container = lab
                .container(&format!("{healer}{n}"))
                .label(HEALER, healer)
                // A restart cures it.
                .shell("rm -f /tmp/sick; exec /bin/idle")
                .switched_health(Duration::from_millis(200), 1)
                .start()
                .await;
            events.next(container.id(), "health_status: healthy").await;
            made.push(container);
        }
    }

    let mut waits = HashMap::from([(BARE, Vec::new()), (PORTREEVE, Vec::new())]);
    for n in 0..samples {
        let turns = if n % 2 == 0 { [BARE, PORTREEVE] } else { [PORTREEVE, BARE] };
        for healer in turns {
            let wait = events.flip(&healed[healer][n % containers]).await;
            waits.get_mut(healer).unwrap().push(wait);
        }
    }
    bare.abort();

    let mut table = Table::default();
    let ms = |value: f64| format!("{value:.1} ms");
    for (word, share) in [("p50", 0.5), ("p95", 0.95)] {
        let [bare, ours] = [BARE, PORTREEVE].map(|healer| percentile(&waits[healer], share));
        table.figure(format!("bare event loop, {word}"), ms(bare));
        table.figure(format!("Portreeve, {word}"), ms(ours));
        if share == 0.5 {
            table.bounded(format!("ratio of {word}"), ours / bare, 1.2);
        } else {
            table.figure(format!("ratio of {word}"), format!("{:.2}", ours / bare));
        }
    }
    portreeve.kill9().await;
    bills::measure(&common, &engine, samples, &mut table).await;
    let title =
        format!("reaction: `unhealthy` to `kill`, `start` to its bill, {samples} samples each in turns");
    table.finish(&title, &common)
}

/// The least that can react: a stream and a call.
async fn bare_loop(docker: Docker) {
    let label = format!("{HEALER}={BARE}");
    let filters = HashMap::from([("label", vec![label.as_str()]), ("event", vec!["health_status"])]);
    let mut events = docker.events(Some(EventsOptionsBuilder::default().filters(&filters).build()));
    while let Some(Ok(event)) = events.next().await {
        if event.action.as_deref() == Some("health_status: unhealthy") {
            let id = event.actor.unwrap().id.unwrap();
            docker.restart_container(&id, None::<RestartContainerOptions>).await.expect("a restart");
        }
    }
}

/// What the engine says of this run's containers.
struct Events(mpsc::UnboundedReceiver<EventMessage>);

impl Events {
    fn of(docker: Docker, run: &str) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        let label = format!("{LABEL}={run}");
        tokio::spawn(async move {
            let filters = HashMap::from([("label", vec![label.as_str()]), ("type", vec!["container"])]);
            let mut events =
                docker.events(Some(EventsOptionsBuilder::default().since("1").filters(&filters).build()));
            while let Some(Ok(event)) = events.next().await {
                let _ = sender.send(event);
            }
        });
        Self(receiver)
    }

    /// Skips to the next `action` of the container; the engine's time of it.
    async fn next(&mut self, id: &str, action: &str) -> i64 {
        let read = async {
            loop {
                let event = self.0.recv().await.expect("the stream flows");
                let of = event.actor.and_then(|actor| actor.id);
                if of.as_deref() == Some(id) && event.action.as_deref() == Some(action) {
                    return event.time_nano.expect("engines say when");
                }
            }
        };
        let limit = Duration::from_secs(30);
        tokio::time::timeout(limit, read)
            .await
            .unwrap_or_else(|_| panic!("no `{action}` of {id} in {limit:?}"))
    }

    /// Makes the container sick and sees it healed; milliseconds from `unhealthy` to the restart's `kill`.
    async fn flip(&mut self, container: &Container) -> f64 {
        container.sicken().await;
        let unhealthy = self.next(container.id(), "health_status: unhealthy").await;
        let kill = self.next(container.id(), "kill").await;
        self.next(container.id(), "health_status: healthy").await;
        (kill - unhealthy) as f64 / 1e6
    }
}
