//! How long from the engine's `start` to the bill on the wire: Portreeve against a bare loop that inspects what an event
//! says has started, and posts it. What Portreeve does in between is decide, and commit the bill before it is sent.

use std::collections::HashMap;
use std::time::SystemTime;

use bollard::Docker;
use bollard::query_parameters::{EventsOptionsBuilder, InspectContainerOptions};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::{BARE, Events, PORTREEVE};
use crate::figures::{Common, Table, percentile};
use crate::support::engine::Engine;
use crate::support::lab::Lab;
use crate::support::portreeve::Portreeve;
use crate::support::receiver::{Options, Receiver};

/// Who bills a container.
const BILLER: &str = "bench.biller";

/// A service, and what it was told: the event, the container, and when in nanoseconds.
struct Told {
    receiver: Receiver,
    calls: UnboundedReceiver<(String, String, i64)>,
}

impl Told {
    async fn start() -> Self {
        let (sender, calls) = unbounded_channel();
        let on_call = Box::new(move |call: &crate::support::receiver::book::Call| {
            let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
            let body: Value = serde_json::from_str(&call.request.body).unwrap_or_default();
            let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
            let at = i64::try_from(since.as_nanos()).unwrap();
            let _ = sender.send((text("event"), text("container_id"), at));
        });
        let receiver = Receiver::start(Options { on_call, ..Options::default() }).await.unwrap();
        Self { receiver, calls }
    }

    /// Skips to the next such bill; when it came.
    async fn next(&mut self, event: &str, id: &str) -> i64 {
        let read = async {
            loop {
                let (what, of, at) = self.calls.recv().await.expect("it serves");
                if what == event && of == id {
                    return at;
                }
            }
        };
        let limit = std::time::Duration::from_secs(30);
        tokio::time::timeout(limit, read).await.unwrap_or_else(|_| panic!("no bill `{event}` of {id}"))
    }
}

pub(crate) async fn measure(common: &Common, engine: &Engine, samples: usize, table: &mut Table) {
    let lab = Lab::new(engine).await;
    let mut told = HashMap::from([(BARE, Told::start().await), (PORTREEVE, Told::start().await)]);
    let mut portreeve = Portreeve::new(&common.program)
        .docker_host(engine.endpoint())
        .arg("--observe")
        .env("RUST_LOG", "info");
    portreeve.manifest(
        "billing.yaml",
        &format!(
            "apiVersion: portreeve/v1\nkind: BillingService\nmetadata: {{name: b}}\n\
             spec: {{url: '{}', selector: {{labels: {{{BILLER}: {PORTREEVE}}}}}}}\n",
            told[PORTREEVE].receiver.billing.url()
        ),
    );
    portreeve.start().await;
    let bare = tokio::spawn(bare_loop(engine.docker(), told[BARE].receiver.billing.url()));
    let mut events = Events::of(engine.docker(), lab.run());
    let mut containers = HashMap::new();
    for biller in [BARE, PORTREEVE] {
        let container = lab.container(&format!("bill-{biller}")).label(BILLER, biller).start().await;
        told.get_mut(biller).unwrap().next("started", container.id()).await;
        events.next(container.id(), "start").await;
        containers.insert(biller, container);
    }

    let mut waits = HashMap::from([(BARE, Vec::new()), (PORTREEVE, Vec::new())]);
    for n in 0..samples {
        let turns = if n % 2 == 0 { [BARE, PORTREEVE] } else { [PORTREEVE, BARE] };
        for biller in turns {
            let (container, told) = (&containers[biller], told.get_mut(biller).unwrap());
            container.kill("KILL").await;
            events.next(container.id(), "die").await;
            if biller == PORTREEVE {
                told.next("stopped", container.id()).await;
            }
            container.start().await;
            let started = events.next(container.id(), "start").await;
            let billed = told.next("started", container.id()).await;
            waits.get_mut(biller).unwrap().push((billed - started) as f64 / 1e6);
        }
    }
    bare.abort();
    told[PORTREEVE].receiver.look(|state| state.assert_clean());

    let [bare, ours] = [BARE, PORTREEVE].map(|biller| percentile(&waits[biller], 0.5));
    table.figure("start to bill: bare event loop, p50", format!("{bare:.1} ms"));
    table.figure("start to bill: Portreeve, p50", format!("{ours:.1} ms"));
    table.bounded("start to bill: ratio of p50", ours / bare, 2.0);
}

/// The least that can bill: a stream, an inspect, and a call.
async fn bare_loop(docker: Docker, url: String) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let label = format!("{BILLER}={BARE}");
    let filters = HashMap::from([("label", vec![label.as_str()]), ("event", vec!["start"])]);
    let mut events = docker.events(Some(EventsOptionsBuilder::default().filters(&filters).build()));
    while let Some(Ok(event)) = events.next().await {
        let id = event.actor.unwrap().id.unwrap();
        let shown = docker.inspect_container(&id, None::<InspectContainerOptions>).await.expect("an inspect");
        let started = shown.state.and_then(|state| state.started_at).unwrap_or_default();
        let image = shown.config.and_then(|config| config.image).unwrap_or_default();
        let body = json!({"event": "started", "container_id": id, "image": image, "timestamp": started, "host": "bench"});
        let call =
            client.post(format!("{url}/events")).header("Idempotency-Key", uuid::Uuid::now_v7().to_string());
        let call = call.header("content-type", "application/json").body(body.to_string());
        call.send().await.expect("an answer");
    }
}
