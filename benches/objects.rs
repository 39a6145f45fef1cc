//! What many objects cost: applied in one set, read, watched, kept over a restart. For 500, 1,000 and 2,000 of them,
//! because what matters more than each time is that an object costs no more among many than among few.
//!
//! The set is a mix that refers to itself: probes, services that use them, rules about the services, policies. A real
//! Portreeve is written to by the real command line, with watches open; every figure is the best of several rounds.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use hyper::Method;
use serde_json::Value;
use support::http;
use support::portreeve::Portreeve;
use tokio::process::Command;

use crate::figures::{Common, Table};

mod figures;
// Its unit tests are compiled here without their attributes meaning anything.
#[allow(unused_imports)]
#[path = "../tests/support.rs"]
mod support;

/// What is applied of each kind: the set is equal parts of them.
const KINDS: [&str; 4] = ["probes", "monitoredservices", "alertrules", "autohealpolicies"];
/// How many objects; the last is compared with the first.
const SIZES: [usize; 3] = [500, 1_000, 2_000];
/// How much more an object may cost among the most than among the fewest.
const NO_STEP: f64 = 1.5;
/// The same where half of them name another in vain: each is told which was meant.
const NO_STEP_IN_VAIN: f64 = 1.3;
/// How long the largest set may take.
const LARGEST: f64 = 2.0;
/// What a rig that does not work is given.
const LIMIT: Duration = Duration::from_secs(120);

/// Objects by the thousand.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    common: Common,
    /// How often everything is done; the best of each figure counts
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

const VAIN: &str = "applied, half of them naming another in vain";

/// What is timed, and whether a time is shared by all objects.
const TIMED: [(&str, bool); 8] = [
    ("applied in one set", true),
    ("applied again, unchanged", true),
    ("applied until in force", true),
    ("listed", true),
    ("watched until all are told", true),
    ("restarted until all are listed", true),
    (VAIN, true),
    ("one changed until that is told", false),
];

/// Seconds, in the order of [`TIMED`].
type Times = [f64; TIMED.len()];

#[tokio::main]
async fn main() -> ExitCode {
    let Args { common, rounds } = Args::parse();
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let mut best = [[f64::INFINITY; TIMED.len()]; SIZES.len()];
    for _ in 0..rounds {
        for (best, size) in best.iter_mut().zip(SIZES) {
            let times = round(&common.program, size).await;
            for (best, time) in best.iter_mut().zip(times) {
                *best = best.min(time);
            }
        }
    }
    let mut table = Table::default();
    for (place, (name, shared)) in TIMED.into_iter().enumerate() {
        for (size, times) in SIZES.iter().zip(&best) {
            let (time, each) = (times[place] * 1e3, times[place] * 1e6 / *size as f64);
            let each = if shared { format!(", {each:.0} µs each") } else { String::new() };
            table.figure(format!("of {size}: {name}"), format!("{time:.0} ms{each}"));
        }
        if shared {
            let each = |at: usize| best[at][place] / SIZES[at] as f64;
            let step = each(SIZES.len() - 1) / each(0);
            let bar = if name == VAIN { NO_STEP_IN_VAIN } else { NO_STEP };
            table.bounded("one among the most to one among the fewest", step, bar);
        }
    }
    table.reading("of 2000: applied in one set", best[SIZES.len() - 1][0], LARGEST, "s");
    table.finish("objects: a mixed set, written by `portreeve apply` with a watch on every kind", &common)
}

async fn round(program: &str, size: usize) -> Times {
    let mut portreeve = serving(program).await;
    let set = files(&documents(size));
    let mut open = Vec::new();
    for kind in KINDS {
        open.push(Watch::open(&portreeve, kind).await);
    }

    let begin = Instant::now();
    apply(program, &portreeve, set.path(), "created", size).await;
    let applied = begin.elapsed();
    let begin = Instant::now();
    soon("all are in force", async || {
        let known = get(&portreeve, "/health/detailed").await["manifests"]["objects"].as_u64();
        known >= Some(size as u64)
    })
    .await;
    let decided = applied + begin.elapsed();
    // Whoever watched all the time knows everything too.
    for watch in &mut open {
        watch.until_known(size / KINDS.len()).await;
    }
    drop(open);

    let begin = Instant::now();
    apply(program, &portreeve, set.path(), "unchanged", size).await;
    let again = begin.elapsed();

    let begin = Instant::now();
    let before = list(&portreeve).await;
    let listed = begin.elapsed();
    assert!(before.len() >= size, "{}", before.len());

    let begin = Instant::now();
    let mut watches = Vec::new();
    for kind in KINDS {
        let mut watch = Watch::open(&portreeve, kind).await;
        watch.until_known(size / KINDS.len()).await;
        watches.push(watch);
    }
    let watched = begin.elapsed();
    let begin = Instant::now();
    let patch = r#"{"metadata": {"labels": {"bench": "changed"}}}"#;
    let url = portreeve.url("/apis/portreeve/v1/probes/probe-7");
    let answer = http::request(Method::PATCH, &url, &[], patch).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    watches[0].until_changed("probe-7").await;
    let change = begin.elapsed();
    drop(watches);

    assert!(portreeve.terminate().await.success());
    let begin = Instant::now();
    serve(&mut portreeve).await;
    let after = list(&portreeve).await;
    let restart = begin.elapsed();
    assert!(before == after, "another identity after the restart");
    let vain = vain(program, size).await;
    [applied, again, decided, listed, watched, restart, vain, change].map(|time| time.as_secs_f64())
}

/// How long a set takes, each of whose services names a probe that is nearly one that is there.
async fn vain(program: &str, size: usize) -> Duration {
    let mut portreeve = serving(program).await;
    let probe = |n: usize| document("Probe", &format!("probe-{n}"), "{tcpSocket: {port: 80}}");
    let service = |n: usize| {
        let spec = format!("{{selector: {{names: [web-{n}]}}, probes: [{{probeRef: prove-{n}x}}]}}");
        document("MonitoredService", &format!("service-{n}"), &spec)
    };
    let set = files(&(0..size / 2).flat_map(|n| [probe(n), service(n)]).collect::<Vec<_>>());
    let begin = Instant::now();
    apply(program, &portreeve, set.path(), "created", size).await;
    let time = begin.elapsed();
    assert!(portreeve.terminate().await.success());
    time
}

async fn serving(program: &str) -> Portreeve {
    let mut portreeve = Portreeve::new(program).docker_host("unix:///nowhere/docker.sock");
    // Builds that lack the option let this machine write in any case.
    let help = Command::new(program).args(["run", "--help"]).output().await.unwrap();
    if String::from_utf8_lossy(&help.stdout).contains("--anonymous") {
        portreeve = portreeve.arg("--anonymous").arg("edit");
    }
    serve(&mut portreeve).await;
    portreeve
}

/// A directory of these documents.
fn files(documents: &[String]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (place, part) in documents.chunks(500).enumerate() {
        std::fs::write(directory.path().join(format!("{place}.yaml")), part.join("---\n")).unwrap();
    }
    directory
}

/// Starts it and waits until it answers; no engine is there to be ready.
async fn serve(portreeve: &mut Portreeve) {
    portreeve.spawn();
    soon("it answers", async || portreeve.get("/livez").await.is_ok()).await;
}

/// Looks every few milliseconds: what is timed here may take no longer than that.
async fn soon(what: &str, look: impl AsyncFn() -> bool) {
    let looking = async {
        while !look().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(LIMIT, looking).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

async fn apply(program: &str, portreeve: &Portreeve, directory: &std::path::Path, word: &str, size: usize) {
    let mut command = Command::new(program);
    command.args(["apply", "--server", &portreeve.url(""), "-f"]).arg(directory);
    let output = command.output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let count = text.lines().filter(|line| line.ends_with(word)).count();
    assert!(
        output.status.success() && count == size,
        "{count} {word}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

async fn get(portreeve: &Portreeve, path: &str) -> Value {
    let answer = portreeve.get(path).await.unwrap();
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer.json()
}

/// Kind, name and uid of everything that was applied.
async fn list(portreeve: &Portreeve) -> Vec<[String; 3]> {
    let mut all = Vec::new();
    for kind in KINDS {
        let list = get(portreeve, &format!("/apis/portreeve/v1/{kind}")).await;
        let text = |item: &Value, pointer| item.pointer(pointer).unwrap().as_str().unwrap().to_owned();
        let items = list["items"].as_array().unwrap().iter();
        all.extend(
            items.map(|item| ["/kind", "/metadata/name", "/metadata/uid"].map(|place| text(item, place))),
        );
    }
    all
}

/// A watch, and how many objects it knows of.
struct Watch {
    answer: reqwest::Response,
    rest: Vec<u8>,
    known: std::collections::BTreeSet<String>,
}

impl Watch {
    async fn open(portreeve: &Portreeve, kind: &str) -> Self {
        let url = portreeve.url(&format!("/apis/portreeve/v1/{kind}?watch=true"));
        let answer = reqwest::Client::builder().no_proxy().build().unwrap().get(url).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        Self { answer, rest: Vec::new(), known: Default::default() }
    }

    /// The next object told, and the word for it.
    async fn next(&mut self) -> (String, String) {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                let line: Value = serde_json::from_slice(&line).unwrap();
                let name = line["object"]["metadata"]["name"].as_str().unwrap_or_default().to_owned();
                let word = line["type"].as_str().unwrap().to_owned();
                if word == "ADDED" {
                    self.known.insert(name.clone());
                }
                return (word, name);
            }
            let chunk = tokio::time::timeout(LIMIT, self.answer.chunk()).await.expect("in time");
            self.rest.extend_from_slice(&chunk.unwrap().expect("the watch goes on"));
        }
    }

    async fn until_known(&mut self, count: usize) {
        while self.known.len() < count {
            self.next().await;
        }
    }

    async fn until_changed(&mut self, name: &str) {
        while self.next().await != ("MODIFIED".to_owned(), name.to_owned()) {}
    }
}

/// `size` objects, as many of each kind.
fn documents(size: usize) -> Vec<String> {
    let of = |n: usize| {
        let needs = if n == 0 { String::new() } else { format!("service-{}", n / 10) };
        let service = format!(
            "{{selector: {{names: [web-{n}]}}, probes: [{{probeRef: probe-{n}}}], dependsOn: [{needs}]}}"
        );
        let rule = format!(
            "{{subject: {{services: {{names: [service-{n}]}}}}, for: 1m, \
             condition: {{metric: response_time_ms, op: '>', value: 500}}}}"
        );
        let policy = format!(
            "{{selector: {{names: [web-{n}]}}, minUnhealthy: 5s, backoff: {{initial: 5s, max: 1m}}}}"
        );
        [
            document(
                "Probe",
                &format!("probe-{n}"),
                "{httpGet: {path: /health, port: 80}, periodSeconds: 30}",
            ),
            document("MonitoredService", &format!("service-{n}"), &service),
            document("AlertRule", &format!("rule-{n}"), &rule),
            document("AutohealPolicy", &format!("policy-{n}"), &policy),
        ]
    };
    (0..size / KINDS.len()).flat_map(of).collect()
}

fn document(kind: &str, name: &str, spec: &str) -> String {
    format!(
        "apiVersion: portreeve/v1\nkind: {kind}\nmetadata: {{name: {name}, labels: {{tier: bench}}}}\nspec: {spec}\n"
    )
}
