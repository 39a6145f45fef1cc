//! One engine tells seven thousand events at once; meanwhile things happen on another. Both are billed, each to a
//! service of its own, so that ids may be the same: from an event to its bill on the wire.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::figures::{Common, Table, percentile};
use crate::support::fake_engine::{FakeEngine, fleet};
use crate::support::portreeve::Portreeve;
use crate::support::receiver::{Options, Receiver};
use crate::support::wait;

/// Events of the storm: half of them ends, half starts.
const STORM: usize = 7_000;
/// Containers of the engine that storms, and of the other.
const CONTAINERS: [usize; 2] = [1_000, 400];
/// On the other so many containers end, one at a time.
const OTHERS: usize = 200;
const APART: Duration = Duration::from_millis(50);
/// What a rig that does not work is given.
const LIMIT: Duration = Duration::from_secs(180);

pub(crate) async fn measure(common: &Common, table: &mut Table) {
    let engines = [FakeEngine::live(), FakeEngine::live()];
    let (loud, quiet) = (receiver().await, receiver().await);
    let mut portreeve = Portreeve::new(&common.program).arg("--observe").env("RUST_LOG", "warn");
    for (name, (engine, receiver)) in ["loud", "quiet"].into_iter().zip(engines.iter().zip([&loud, &quiet])) {
        portreeve.manifest(
            &format!("{name}.yaml"),
            &format!(
                "apiVersion: portreeve/v1\nkind: DockerHost\nmetadata: {{name: {name}}}\nspec: {{endpoint: '{}'}}\n---\n\
                 apiVersion: portreeve/v1\nkind: BillingService\nmetadata: {{name: {name}}}\n\
                 spec: {{url: '{}', selector: {{hosts: [{name}]}}}}\n",
                engine.endpoint(),
                receiver.billing.url()
            ),
        );
    }
    for (engine, count) in engines.iter().zip(CONTAINERS) {
        engine.populate(0..count, fleet::plain);
    }
    portreeve.start().await;
    billed(&loud, CONTAINERS[0]).await;
    billed(&quiet, CONTAINERS[1]).await;

    let calm = delays(&engines[1], &quiet, 0).await;
    let begin = Instant::now();
    let ids: Vec<String> = (0..STORM / 2).map(|n| fleet::id(n % CONTAINERS[0])).collect();
    let storm = async {
        engines[0].flap(&ids, None).await;
        billed(&loud, CONTAINERS[0] + STORM).await;
        begin.elapsed()
    };
    let (over, storm) = tokio::join!(storm, delays(&engines[1], &quiet, OTHERS));

    let ms = |seconds: f64| format!("{:.0} ms", seconds * 1e3);
    table.figure(
        format!("a storm of {STORM} events: all are billed after"),
        format!("{:.1} s", over.as_secs_f64()),
    );
    for (when, delays) in [("before it", &calm), ("meanwhile", &storm)] {
        let (p50, max) = (percentile(delays, 0.5), percentile(delays, 1.0));
        table.figure(format!("another engine's events until billed, {when}: p50"), ms(p50));
        table.figure(format!("another engine's events until billed, {when}: longest"), ms(max));
    }
    let lost = |receiver: &Receiver, due: usize| {
        receiver.look(|state| {
            state.assert_clean();
            due as f64 - state.billed.len() as f64
        })
    };
    table.held("longest delay of another engine's event", percentile(&storm, 1.0), 1.0, "s");
    table.bounded("events lost of the storm", lost(&loud, CONTAINERS[0] + STORM), 0.0);
    table.bounded("events lost of the other", lost(&quiet, CONTAINERS[1] + 2 * OTHERS), 0.0);
}

async fn receiver() -> Receiver {
    Receiver::start(Options::default()).await.unwrap()
}

async fn billed(receiver: &Receiver, count: usize) {
    wait::until("all is billed", LIMIT, || async {
        let billed = receiver.look(|state| state.billed.len());
        wait::is(billed >= count, billed)
    })
    .await;
}

/// Ends containers from the nth on, one after the other; the seconds from each event to its bill.
async fn delays(engine: &FakeEngine, receiver: &Receiver, first: usize) -> Vec<f64> {
    let mut ended = HashMap::new();
    let mut ticks = tokio::time::interval(APART);
    let before = receiver.look(|state| state.billed.len());
    for n in first..first + OTHERS {
        ticks.tick().await;
        let id = fleet::id(n);
        ended.insert(id.clone(), Instant::now());
        engine.die(&id, 0);
    }
    billed(receiver, before + OTHERS).await;
    receiver.look(|state| {
        let calls = state.calls.iter().filter_map(|call| {
            let body: serde_json::Value = serde_json::from_str(&call.request.body).ok()?;
            let stopped = body["event"] == "stopped";
            let told = ended.get(body["container_id"].as_str()?).filter(|_| stopped)?;
            Some(call.at.duration_since(*told).as_secs_f64())
        });
        calls.collect()
    })
}
