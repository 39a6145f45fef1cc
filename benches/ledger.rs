//! Thousands of transitions through everything but a real engine: read, inspected, entered into the ledger, billed,
//! committed, delivered to a Billing Service that answers and checks; and whether the reader of the event stream
//! waits for the store.
//!
//! The same is done twice: with the store as it is, and with one that takes 20 ms longer for every commit. The reader
//! must not care: what the engine writes is taken as fast.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use portreeve::controller::Controller;
use portreeve::desired::Desired;
use portreeve::guard::Guard;
use portreeve::resource::Selector;
use portreeve::resource::billing_service::{BillingEvent, BillingServiceSpec, Retry};
use portreeve::resource::docker_host::DockerHostSpec;
use portreeve::store::Sqlite;
use support::fake_engine::{Container, FakeEngine};
use support::receiver::{Options, Receiver};
use support::wait;
use tokio::sync::watch;

use crate::counted::counted;
use crate::figures::{Common, Table};

#[path = "ledger/counted.rs"]
mod counted;
mod figures;
// Its unit tests are compiled here without their attributes meaning anything.
#[allow(unused_imports)]
#[path = "../tests/support.rs"]
mod support;

/// Time of every commit in the second run, on top of its own.
const SLOW: Duration = Duration::from_millis(20);
/// Between two transitions, by the engine's clock.
const STEP: i64 = 100_000;
/// How much longer the reader may take with a slow store; the two runs share a machine with everybody else.
const SAME_ORDER: f64 = 3.0;

/// Transitions through ledger and outbox.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    common: Common,
    /// How many transitions; each container has ten
    #[arg(long, default_value_t = 5000)]
    transitions: usize,
}

/// What one replay came to.
struct Replay {
    transitions: usize,
    /// Until the engine was rid of all events.
    read: Duration,
    bytes: usize,
    committed: Duration,
    delivered: Duration,
    commits: usize,
    calls: usize,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Args { common, transitions } = Args::parse();
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let containers = transitions / LIFE.len();
    let fast = replay(containers, Duration::ZERO).await;
    let slow = replay(containers, SLOW).await;

    let mut table = Table::default();
    for (word, run) in [("", &fast), (", slow store", &slow)] {
        let rate = |time: Duration| format!("{:.0} /s", run.transitions as f64 / time.as_secs_f64());
        table.figure(format!("events read{word}"), rate(run.read));
        table.figure(format!("transitions committed{word}"), rate(run.committed));
        table.figure(format!("bills delivered{word}"), rate(run.delivered));
        table.figure(
            format!("commits{word}"),
            format!("{}, {:.1} transitions each", run.commits, run.transitions as f64 / run.commits as f64),
        );
    }
    table.bounded("calls per bill", fast.calls as f64 / fast.transitions as f64, 1.0);
    let millis = |time: Duration| format!("{:.0} ms", time.as_secs_f64() * 1000.0);
    table.figure("reading it all", format!("{} for {} KiB", millis(fast.read), fast.bytes / 1024));
    table.figure("reading it all, slow store", millis(slow.read));
    table.bounded("ratio of the two", slow.read.as_secs_f64() / fast.read.as_secs_f64(), SAME_ORDER);
    let title = format!("ledger: {} transitions of {containers} containers, each billed", fast.transitions);
    table.finish(&title, &common)
}

/// A container's life, each word a transition that is billed.
const LIFE: [&str; 10] =
    ["create", "start", "die", "start", "die", "start", "die", "start", "die", "destroy"];

async fn replay(containers: usize, slowed: Duration) -> Replay {
    let directory = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&directory.path().join("portreeve.db")).await.unwrap();
    let store = Arc::new(counted(store, slowed));
    let receiver = Receiver::start(Options::default()).await.unwrap();
    let mut engine = FakeEngine::start();
    let (_desired, desired) = watch::channel(Arc::new(desired(&engine, &receiver)));
    let controller = Controller::start(store.clone(), desired, Guard::default()).await.unwrap();
    let mut feed = engine.subscribed().await;

    let base = i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap();
    let begin = Instant::now();
    let mut shown: BTreeMap<String, Container> = BTreeMap::new();
    for (turn, action) in LIFE.iter().enumerate() {
        for n in 0..containers {
            let at = base + i64::try_from(turn * containers + n).unwrap() * STEP;
            let (id, name) = (format!("{n:064x}"), format!("bench-{n}"));
            let container = shown.entry(id.clone()).or_default();
            match *action {
                "create" => {
                    *container = Container { name: name.clone(), created: at, ..Container::default() }
                }
                "start" => (container.started, container.running) = (at - STEP / 2, true),
                // As the engine has it: a hair before the event.
                "die" => (container.finished, container.running) = (at - STEP / 2, false),
                _ => {}
            }
            engine.show(&id, (*action != "destroy").then(|| container.clone()));
            feed.event(&id, &name, action, at).await;
        }
    }
    let bytes = feed.bytes();
    feed.flush().await;
    let read = begin.elapsed();

    let transitions = containers * LIFE.len();
    let limit = Duration::from_secs(240);
    wait::until("all is delivered", limit, || async {
        let billed = receiver.look(|state| state.billed.len());
        wait::is(billed >= transitions, billed)
    })
    .await;
    let delivered = receiver.look(|state| {
        state.assert_clean();
        state.calls.last().unwrap().at.duration_since(begin)
    });
    let (committed, commits) = store.hook.after(transitions);
    controller.finish().await;
    let calls = receiver.look(|state| state.calls.len());
    Replay { transitions, read, bytes, committed: committed.duration_since(begin), delivered, commits, calls }
}

fn desired(engine: &FakeEngine, receiver: &Receiver) -> Desired {
    let mut desired = Desired::default();
    let host = DockerHostSpec { endpoint: engine.endpoint(), ..DockerHostSpec::default() };
    desired.hosts = BTreeMap::from([("local".to_owned(), host)]);
    let billing = BillingServiceSpec {
        url: receiver.billing.url(),
        path: "/events".to_owned(),
        selector: Selector::everything(),
        events: vec![
            BillingEvent::Created,
            BillingEvent::Started,
            BillingEvent::Stopped,
            BillingEvent::Removed,
        ],
        timeout: portreeve::resource::Duration::from_secs(5),
        retry: Retry::default(),
        host: None,
        auth: None,
        signing: None,
    };
    desired.billing = BTreeMap::from([("billing".to_owned(), billing)]);
    desired
}
