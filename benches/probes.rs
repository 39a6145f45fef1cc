//! What a probe costs: beside prometheus-blackbox-exporter in one run, and among thousands.
//!
//! Both ask the same servers on loopback, equally often, and do all that belongs to it: the exporter answers its
//! scrapes, Portreeve schedules, judges and remembers. CPU is read from `/proc`, user and system time; who serves and
//! who scrapes is this process, and is not counted. The servers close each connection, so both make one for each check.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use clap::{Parser, ValueEnum};
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::client::conn::http1::SendRequest;
use hyper::header::HOST;
use hyper_util::rt::TokioIo;
use support::portreeve::Portreeve;
use support::server::{Server, program};
use support::wait;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, interval};

use crate::figures::{Common, Table, cpu_seconds};

mod figures;
// Its unit tests are compiled here without their attributes meaning anything.
#[allow(unused_imports)]
#[path = "../tests/support.rs"]
mod support;

/// How many are asked every second, here and there, when the two are compared.
const COMPARED: usize = 500;
/// How many are asked every ten seconds; the last is compared with the first.
const SIZES: [usize; 3] = [500, 1_000, 5_000];
const PERIOD: u64 = 10;
/// Loopback addresses of the server: connections that are closed linger, so many to one address would use up its ports.
const ADDRESSES: usize = 50;
/// How many scrape the exporter at once.
const SCRAPERS: usize = 10;
/// What a rig that does not work is given.
const LIMIT: Duration = Duration::from_secs(120);

/// Connections that the server took.
static CONNECTIONS: AtomicU64 = AtomicU64::new(0);

fn connections() -> u64 {
    CONNECTIONS.load(Ordering::Relaxed)
}

/// What probes cost.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    common: Common,
    /// How long each is looked at
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Only this part
    #[arg(long)]
    only: Option<Part>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Part {
    /// Beside the exporter
    Compare,
    /// By the thousand
    Grow,
}

#[derive(Clone, Copy)]
enum Kind {
    Http,
    Tcp,
}

impl Kind {
    /// As much of what the exporter uses as a check may cost.
    fn bar(self) -> f64 {
        match self {
            Self::Http => 0.18,
            Self::Tcp => 0.12,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::Tcp => "TCP",
        }
    }

    /// A service that is asked so every `period` seconds.
    fn service(self, n: usize, port: u16, period: u64) -> String {
        let probe = match self {
            Self::Http => format!("httpGet: {{path: /, port: {port}}}"),
            Self::Tcp => format!("tcpSocket: {{port: {port}}}"),
        };
        format!(
            "---\napiVersion: portreeve/v1\nkind: MonitoredService\nmetadata: {{name: s{n}}}\nspec:\n  \
             target: {{host: {}, port: {port}}}\n  probes: [{{name: p, {probe}, periodSeconds: {period}}}]\n",
            address(n)
        )
    }
}

fn address(n: usize) -> String {
    format!("127.0.0.{}", n % ADDRESSES + 1)
}

#[tokio::main]
async fn main() -> ExitCode {
    let Args { common, seconds, only } = Args::parse();
    let mut table = Table::default();
    if only != Some(Part::Grow) {
        // A connection each, as the exporter has it in any case.
        let port = serve(false).await;
        for kind in [Kind::Http, Kind::Tcp] {
            compare(&common, kind, port, seconds, &mut table).await;
        }
    }
    if only != Some(Part::Compare) {
        grow(&common, serve(true).await, seconds, &mut table).await;
    }
    table.finish("probes: CPU per check", &common)
}

async fn compare(common: &Common, kind: Kind, port: u16, seconds: u64, table: &mut Table) {
    let ours = {
        let portreeve = watching(&common.program, COMPARED, |n| kind.service(n, port, 1)).await;
        measure(&portreeve, seconds).await
    };
    let theirs = exporter(kind, port, seconds).await;
    let micros = |cost: &Cost| format!("{:.0} µs", cost.each() * 1e6);
    table.figure(format!("{}: Portreeve, {} checks", kind.name(), ours.checks), micros(&ours));
    table.figure(format!("{}: blackbox_exporter, {} checks", kind.name(), theirs.checks), micros(&theirs));
    table.bounded(
        format!("{}: Portreeve to blackbox_exporter", kind.name()),
        ours.each() / theirs.each(),
        kind.bar(),
    );
    let each = |cost: &Cost| format!("{:.2}", cost.connections as f64 / cost.checks as f64);
    table.figure(format!("{}: connections a check, Portreeve", kind.name()), each(&ours));
    table.figure(format!("{}: connections a check, blackbox_exporter", kind.name()), each(&theirs));
}

async fn grow(common: &Common, port: u16, seconds: u64, table: &mut Table) {
    let mut costs = Vec::new();
    for size in SIZES {
        let kind = |n: usize| if n.is_multiple_of(2) { Kind::Http } else { Kind::Tcp };
        let portreeve = watching(&common.program, size, |n| kind(n).service(n, port, PERIOD)).await;
        let cost = measure(&portreeve, seconds.max(2 * PERIOD)).await;
        let share = cost.cpu / cost.seconds * 100.0;
        table.figure(
            format!("{size} every {PERIOD} s: CPU of each check"),
            format!("{:.0} µs", cost.each() * 1e6),
        );
        let name = format!("{size} every {PERIOD} s: CPU of a core");
        if Some(&size) == SIZES.last() {
            table.reading(name, share, 50.0, "%");
        } else {
            table.figure(name, format!("{share:.1} %"));
        }
        let due = size as f64 * cost.seconds / PERIOD as f64;
        table.bounded(
            format!("{size} every {PERIOD} s: share of checks left out"),
            1.0 - cost.checks as f64 / due,
            0.03,
        );
        costs.push(cost.each());
    }
    table.bounded("a check among the most to one among the fewest", costs[SIZES.len() - 1] / costs[0], 1.2);
}

/// What some checks took.
struct Cost {
    checks: u64,
    connections: u64,
    cpu: f64,
    seconds: f64,
}

impl Cost {
    fn each(&self) -> f64 {
        self.cpu / self.checks as f64
    }
}

/// Portreeve with these services, once all of them are healthy and its start is over.
async fn watching(path: &str, count: usize, service: impl Fn(usize) -> String) -> Portreeve {
    // What it asks is outside Docker: no engine is needed, and none may disturb.
    let mut portreeve =
        Portreeve::new(path).docker_host("unix:///nonexistent/docker.sock").env("RUST_LOG", "info");
    // A file holds a thousand documents at most.
    for first in (0..count).step_by(500) {
        let services: String = (first..count.min(first + 500)).map(&service).collect();
        portreeve.manifest(&format!("{first}.yaml"), &services);
    }
    portreeve.serve().await;
    wait::until("all are healthy", LIMIT, || async {
        let page = portreeve.get("/metrics").await.unwrap().body;
        let healthy = page.lines().find_map(|line| line.strip_prefix("system_healthy_services "));
        wait::is(healthy == Some(&count.to_string()), healthy.map(str::to_owned))
    })
    .await;
    // What comes of the start, its logs and the store's writes, is no probe's.
    tokio::time::sleep(Duration::from_secs(3)).await;
    portreeve
}

async fn measure(portreeve: &Portreeve, seconds: u64) -> Cost {
    let (begin, checks, cpu) = (Instant::now(), passed(portreeve).await, cpu_seconds(portreeve.pid()));
    let before = connections();
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let (cpu, seconds) = (cpu_seconds(portreeve.pid()) - cpu, begin.elapsed().as_secs_f64());
    let connections = connections() - before;
    Cost { checks: passed(portreeve).await - checks, connections, cpu, seconds }
}

/// Checks that passed so far; any other means that the rig is broken.
async fn passed(portreeve: &Portreeve) -> u64 {
    let page = portreeve.get("/metrics").await.unwrap().body;
    let counts = page.lines().filter(|line| line.starts_with("portreeve_probes_total{"));
    counts
        .map(|line| {
            let count = line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap();
            assert!(count == 0 || line.contains("outcome=\"passed\""), "{line}");
            count
        })
        .sum()
}

/// The exporter, scraped as often as Portreeve asks, over connections that are kept.
async fn exporter(kind: Kind, target: u16, seconds: u64) -> Cost {
    let server = Server::start("blackbox", |home, port| {
        let config = home.join("blackbox.yml");
        // The first of its own probers' defaults, without a look for IPv6 that fails.
        let modules = "modules:\n  http: {prober: http, http: {preferred_ip_protocol: ip4}}\n  \
                       tcp: {prober: tcp, tcp: {preferred_ip_protocol: ip4}}\n";
        std::fs::write(&config, modules).unwrap();
        let mut command = program("prometheus-blackbox-exporter");
        command.arg(format!("--config.file={}", config.display()));
        command.arg(format!("--web.listen-address=127.0.0.1:{port}")).arg("--log.level=error");
        command
    })
    .await;
    let port = server.port;
    let scrape = |worker: usize| async move {
        let mut connection = connection(port).await;
        let mut ticks = interval(Duration::from_secs(1) * SCRAPERS as u32 / COMPARED as u32);
        let (begin, mut count) = (Instant::now(), 0);
        while begin.elapsed() < Duration::from_secs(seconds) {
            ticks.tick().await;
            scraped(&mut connection, kind, worker + count * SCRAPERS, target).await;
            count += 1;
        }
        count as u64
    };
    // What it does only once is done then.
    scraped(&mut connection(port).await, kind, 0, target).await;
    let (begin, cpu, before) = (Instant::now(), cpu_seconds(server.id()), connections());
    let counts = futures_util::future::join_all((0..SCRAPERS).map(scrape)).await;
    let (cpu, seconds) = (cpu_seconds(server.id()) - cpu, begin.elapsed().as_secs_f64());
    Cost { checks: counts.into_iter().sum(), connections: connections() - before, cpu, seconds }
}

/// A connection to the exporter that is kept.
async fn connection(port: u16) -> SendRequest<Empty<Bytes>> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (sender, driver) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(driver);
    sender
}

async fn scraped(connection: &mut SendRequest<Empty<Bytes>>, kind: Kind, n: usize, target: u16) {
    let (module, url) = match kind {
        Kind::Http => ("http", format!("http://{}:{target}/", address(n))),
        Kind::Tcp => ("tcp", format!("{}:{target}", address(n))),
    };
    let path = format!("/probe?module={module}&target={url}");
    connection.ready().await.unwrap();
    let request = Request::get(path).header(HOST, "blackbox").body(Empty::new()).unwrap();
    let answer = connection.send_request(request).await.unwrap();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8_lossy(&body);
    assert!(text.contains("probe_success 1"), "{text}");
}

/// A server on all loopback addresses that answers every request, and keeps the connection or ends it.
async fn serve(keeps: bool) -> u16 {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let Ok((mut stream, _)) = listener.accept().await else { continue };
            CONNECTIONS.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                let mut request = Vec::with_capacity(512);
                while stream.read_buf(&mut request).await.is_ok_and(|read| read > 0) {
                    if !request.ends_with(b"\r\n\r\n") {
                        continue;
                    }
                    request.clear();
                    let connection = if keeps { "keep-alive" } else { "close" };
                    let answer = format!(
                        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nConnection: {connection}\r\n\r\nok\n"
                    );
                    if stream.write_all(answer.as_bytes()).await.is_err() || !keeps {
                        return;
                    }
                }
            });
        }
    });
    port
}
