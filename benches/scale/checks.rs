//! Five thousand checks, each every ten seconds: does each start in its period?

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::net::TcpListener;

use crate::figures::{Common, Table, cpu_seconds};
use crate::support::portreeve::Portreeve;
use crate::support::wait;

const CHECKS: usize = 5_000;
const PERIOD: Duration = Duration::from_secs(10);
const PERIODS: u32 = 4;
/// How much later than a period after the one before a check may start.
const SLACK: Duration = Duration::from_secs(1);
/// What counts the checks that did not start in their period.
const LATE: &str = "portreeve_checks_late_total";
/// What a rig that does not work is given.
const LIMIT: Duration = Duration::from_secs(180);

/// When each address was asked.
type Seen = Arc<Mutex<BTreeMap<IpAddr, Vec<Instant>>>>;

pub(crate) async fn measure(common: &Common, table: &mut Table) {
    let (port, seen) = serve().await;
    // What is asked is outside Docker: no engine is needed, and none may disturb.
    let mut portreeve =
        Portreeve::new(&common.program).docker_host("unix:///nowhere/docker.sock").env("RUST_LOG", "warn");
    portreeve.manifest(
        "settings.yaml",
        "apiVersion: portreeve/v1\nkind: Settings\nmetadata: {name: portreeve}\nspec: {maxConcurrentChecks: 500}\n",
    );
    for first in (0..CHECKS).step_by(500) {
        let services: String = (first..first + 500).map(|n| service(n, port)).collect();
        portreeve.manifest(&format!("{first}.yaml"), &services);
    }
    portreeve.spawn();
    wait::until("all were asked", LIMIT, || async {
        let asked = seen.lock().unwrap().len();
        wait::is(asked == CHECKS, asked)
    })
    .await;
    // What comes of the start is over, and the checks have found their rhythm.
    tokio::time::sleep(2 * PERIOD).await;
    let (begin, cpu) = (Instant::now(), cpu_seconds(portreeve.pid()));
    let late = late(&portreeve).await;
    tokio::time::sleep(PERIODS * PERIOD).await;
    let (cpu, end) = (cpu_seconds(portreeve.pid()) - cpu, Instant::now());

    let seen = seen.lock().unwrap().clone();
    let during = |at: &&Instant| **at >= begin && **at < end;
    let count: usize = seen.values().map(|times| times.iter().filter(during).count()).sum();
    let due = CHECKS as f64 * (end - begin).as_secs_f64() / PERIOD.as_secs_f64();
    let gaps = seen.values().flat_map(|times| times.windows(2));
    let gaps: Vec<Duration> =
        gaps.filter(|pair| during(&&pair[1])).map(|pair| pair[1].duration_since(pair[0])).collect();
    let longest = gaps.iter().max().copied().unwrap_or_default().as_secs_f64();
    let far_apart = gaps.iter().filter(|gap| **gap > PERIOD + SLACK).count();
    let name = |what: &str| format!("{CHECKS} checks every {} s: {what}", PERIOD.as_secs());
    table.figure(name("seen of due"), format!("{count} of {due:.0}"));
    table.figure(name("longest between two of one"), format!("{longest:.2} s"));
    table.figure(name("CPU of each"), format!("{:.0} µs", cpu / count as f64 * 1e6));
    table.bounded(name("over a second behind the period, as seen"), far_apart as f64, 0.0);
    match (late, self::late(&portreeve).await) {
        (Some(before), Some(after)) => table.bounded(name("late by its own count"), after - before, 0.0),
        _ => table.figure(name("late by its own count"), format!("skipped: no {LATE}")),
    }
}

/// What it says of itself, if it does.
async fn late(portreeve: &Portreeve) -> Option<f64> {
    let page = portreeve.get("/metrics").await.unwrap().body;
    let values = page.lines().filter_map(|line| line.strip_prefix(LATE)?.rsplit_once(' '));
    values.map(|(_, value)| value.parse::<f64>().unwrap()).reduce(|sum, value| sum + value)
}

/// A loopback address of its own.
fn address(n: usize) -> String {
    format!("127.1.{}.{}", n / 250, n % 250 + 1)
}

fn service(n: usize, port: u16) -> String {
    format!(
        "---\napiVersion: portreeve/v1\nkind: MonitoredService\nmetadata: {{name: s{n}}}\nspec:\n  \
         target: {{host: {}, port: {port}}}\n  \
         probes: [{{name: p, tcpSocket: {{port: {port}}}, periodSeconds: {}}}]\n",
        address(n),
        PERIOD.as_secs()
    )
}

/// A server on all loopback addresses that remembers when each was asked.
async fn serve() -> (u16, Seen) {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Seen::default();
    tokio::spawn({
        let seen = seen.clone();
        async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let asked = stream.local_addr().unwrap().ip();
                seen.lock().unwrap().entry(asked).or_default().push(Instant::now());
            }
        }
    });
    (port, seen)
}
