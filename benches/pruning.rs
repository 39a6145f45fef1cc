//! What pruning costs whoever commits: a target has been down for a week, so 100,000 bills wait for it, and there is as much
//! that is old and may go: events, delivered bills, and containers that were removed, of which some have bills that wait.
//!
//! While all of it is pruned, small change sets are committed one after the other, as a busy engine would have them; and once
//! more without pruning, for comparison.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use portreeve::observed::{ContainerKey, Nanos, Shard};
use portreeve::reconcile::lifecycle::{Ledger as Life, Run};
use portreeve::reconcile::record::Record;
use portreeve::resource::event::EventKind;
use portreeve::resource::event::subject::EventSubject;
use portreeve::store::{ChangeSet, Deliveries, LaneKey, Ledger, NewEvent, OutboxRow, Settlement, Sqlite};
use uuid::Uuid;

use crate::figures::{Common, Table, percentile};

mod figures;
// Its unit tests are compiled here without their attributes meaning anything.
#[allow(unused_imports)]
#[path = "../tests/support.rs"]
mod support;

/// How long pruning may hold the writer at once.
const HELD: f64 = 50.0;
/// What is older than this is pruned.
const BEFORE: Nanos = Nanos(1_000_000);
/// Containers with bills that wait; each has ten.
const WAITING: usize = 10_000;
const BILLS_EACH: usize = 10;

/// Pruning beside commits.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    common: Common,
    /// How many containers are removed and heard of by every target
    #[arg(long, default_value_t = 2_000)]
    removed: usize,
    /// How many events are old
    #[arg(long, default_value_t = 100_000)]
    events: usize,
}

fn engine() -> Shard {
    Shard::Engine("local".into())
}

fn key(n: usize) -> ContainerKey {
    ContainerKey::new("local", format!("{n:064x}"))
}

/// A container that was removed long ago.
fn removed(n: usize) -> Record {
    let document = serde_json::json!({
        "key": {"engine": "local", "id": format!("{n:064x}")}, "name": format!("bench-{n}"), "image": "nginx:alpine",
        "labels": {"app": "bench"}, "lastKnown": 10,
    });
    let run = |at: i64| Run {
        key: format!("s:{at}"),
        started: Nanos(at),
        start_event: Some(Nanos(at)),
        ended: Some(Nanos(at + 1)),
        end_event: Some(Nanos(at + 1)),
        exit_code: Some(0),
        restart_count: 0,
    };
    let ledger = Life { runs: vec![run(1), run(5)], state: None, removed: Some(Nanos(9)), created: true };
    Record { ledger, ..serde_json::from_value(document).unwrap() }
}

fn bill(target: &str, container: usize, n: usize) -> OutboxRow {
    OutboxRow {
        lane: LaneKey::billing(target, key(container)),
        id: Uuid::from_u128(((container as u128) << 32) | n as u128),
        event: "started".to_owned(),
        body: format!(r#"{{"event":"started","container_id":"{container:064x}","image":"nginx:alpine"}}"#)
            .into_bytes(),
    }
}

fn event(n: usize) -> NewEvent {
    let subject = EventSubject::Container {
        engine: "local".to_owned(),
        id: format!("{:064x}", n % WAITING),
        name: format!("bench-{}", n % WAITING),
        image: "nginx:alpine".to_owned(),
        host: "bench".to_owned(),
        ports: Default::default(),
    };
    NewEvent::new(EventKind::Start, subject, Nanos(n as i64)).saying("bench was started")
}

async fn fill(store: &Sqlite, args: &Args) {
    let all: Vec<usize> = (0..WAITING + args.removed).collect();
    for part in all.chunks(500) {
        let records = part.iter().map(|n| removed(*n).into()).collect();
        let waiting = part.iter().filter(|n| **n < WAITING);
        let outbox = waiting.flat_map(|n| (0..BILLS_EACH).map(|bill_of| bill("down", *n, bill_of))).collect();
        store
            .commit(&[ChangeSet { records, outbox, at: Nanos(10), ..ChangeSet::of(engine()) }])
            .await
            .unwrap();
        let heard = part.iter().map(|n| bill("up", *n, 0)).collect();
        store.commit(&[ChangeSet { outbox: heard, at: Nanos(10), ..ChangeSet::of(engine()) }]).await.unwrap();
    }
    let up = portreeve::resource::ObjectKey {
        kind: portreeve::resource::KindId::BillingService,
        name: "up".to_owned(),
    };
    loop {
        let lanes = store.due_lanes(&up, &Default::default(), Nanos(i64::MAX), &[], 1000).await.unwrap();
        if lanes.is_empty() {
            break;
        }
        let settled = lanes.iter().flat_map(|lane| {
            let key = LaneKey { target: up.clone(), subject: lane.subject.clone() };
            lane.bills.iter().map(move |bill| Settlement::Delivered { lane: key.clone(), seq: bill.seq })
        });
        let settled = ChangeSet { settled: settled.collect(), at: Nanos(20), ..ChangeSet::of(engine()) };
        store.commit(&[settled]).await.unwrap();
    }
    let events: Vec<usize> = (0..args.events).collect();
    for part in events.chunks(1000) {
        let events = part.iter().map(|n| event(*n)).collect();
        store.commit(&[ChangeSet { events, ..ChangeSet::of(engine()) }]).await.unwrap();
    }
}

/// Commits small sets until told to stop: how long each took, in milliseconds.
async fn commits(store: Arc<Sqlite>, stop: Arc<AtomicBool>) -> Vec<f64> {
    let mut took = Vec::new();
    for n in 0.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let memory = vec![(format!("local/busy-{}", n % 50), Some(format!("{{\"streak\":{n}}}")))];
        let begin = Instant::now();
        store.commit(&[ChangeSet { healing: memory, ..ChangeSet::of(engine()) }]).await.unwrap();
        took.push(begin.elapsed().as_secs_f64() * 1000.0);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    took
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(Sqlite::open(&directory.path().join("portreeve.db")).await.unwrap());
    fill(&store, &args).await;

    let stop = Arc::new(AtomicBool::new(false));
    let idle = tokio::spawn(commits(store.clone(), stop.clone()));
    tokio::time::sleep(Duration::from_secs(3)).await;
    stop.store(true, Ordering::SeqCst);
    let idle = idle.await.unwrap();

    let stop = Arc::new(AtomicBool::new(false));
    let busy = tokio::spawn(commits(store.clone(), stop.clone()));
    let begin = Instant::now();
    let pruned = store.prune(BEFORE, &BTreeSet::new()).await.unwrap();
    let took = begin.elapsed();
    stop.store(true, Ordering::SeqCst);
    let busy = busy.await.unwrap();

    let mut table = Table::default();
    let millis = |samples: &[f64], share| format!("{:.1} ms", percentile(samples, share));
    table.figure("pruned", format!("{} rows in {:.1} s", pruned.rows, took.as_secs_f64()));
    table.figure("slices", format!("{}", pruned.slices));
    table.held("longest hold of the writer", pruned.longest.as_secs_f64() * 1000.0, HELD, "ms");
    for (word, samples) in [("beside pruning", &busy), ("without it", &idle)] {
        table.figure(format!("commits {word}, half of them"), millis(samples, 0.5));
        table.figure(format!("commits {word}, 99 of 100"), millis(samples, 0.99));
        table.figure(format!("commits {word}, the longest"), millis(samples, 1.0));
    }
    let title = format!(
        "pruning: {} events, {} removed containers, {} more of which {} bills wait",
        args.events,
        args.removed,
        WAITING,
        WAITING * BILLS_EACH
    );
    table.finish(&title, &args.common)
}
