//! What many objects cost: applied in one set, read, watched, kept over a restart. For 500, 1,000 and 2,000 of them,
//! because what matters more than each time is that an object costs no more among many than among few.
//!
//! The set is a mix that refers to itself: probes, services that use them, rules about the services, policies. A real
//! Portreeve is written to by the real command line, with watches open; every figure is the best of several rounds.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

use std::fmt::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use hyper::Method;
use serde_json::Value;
use support::portreeve::Portreeve;
use support::{http, wait};
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

/// Seconds that each thing took.
#[derive(Clone, Copy)]
struct Times {
    apply: f64,
    again: f64,
    decided: f64,
    list: f64,
    watch: f64,
    change: f64,
    restart: f64,
}

/// A name and where it stands.
type Figure = (&'static str, fn(&Times) -> f64);
const FIGURES: [Figure; 6] = [
    ("applied in one set", |times| times.apply),
    ("applied again, unchanged", |times| times.again),
    ("written until in force", |times| times.decided),
    ("listed", |times| times.list),
    ("watched, until all are told", |times| times.watch),
    ("restarted, until all are listed", |times| times.restart),
];

#[tokio::main]
async fn main() -> ExitCode {
    let Args { common, rounds } = Args::parse();
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let mut best: Vec<Times> = Vec::new();
    for size in SIZES {
        let mut times: Option<Times> = None;
        for _ in 0..rounds {
            let next = round(&common.program, size).await;
            times = Some(times.map_or(next, |known| known.better(next)));
        }
        best.extend(times);
    }
    let mut table = Table::default();
    for (name, figure) in FIGURES {
        for (size, times) in SIZES.iter().zip(&best) {
            let (seconds, each) = (figure(times), figure(times) / *size as f64);
            let text = format!("{:.0} ms, {:.0} µs each", seconds * 1e3, each * 1e6);
            table.figure(format!("{size} {name}"), text);
        }
        let each = |place: usize| figure(&best[place]) / SIZES[place] as f64;
        table.bounded(format!("{name}: each of the most to each of the fewest"), each(2) / each(0), NO_STEP);
    }
    for (size, times) in SIZES.iter().zip(&best) {
        table.figure(
            format!("a change among {size}, until it is told"),
            format!("{:.1} ms", times.change * 1e3),
        );
    }
    table.reading("2000 applied in one set", best[2].apply, LARGEST, "s");
    table.finish("objects: a mixed set, written by `portreeve apply` with a watch on every kind", &common)
}

impl Times {
    fn better(self, other: Self) -> Self {
        Self {
            apply: self.apply.min(other.apply),
            again: self.again.min(other.again),
            decided: self.decided.min(other.decided),
            list: self.list.min(other.list),
            watch: self.watch.min(other.watch),
            change: self.change.min(other.change),
            restart: self.restart.min(other.restart),
        }
    }
}

async fn round(program: &str, size: usize) -> Times {
    let mut portreeve = Portreeve::new(program).docker_host("unix:///nowhere/docker.sock");
    serve(&mut portreeve).await;
    let directory = tempfile::tempdir().unwrap();
    for (place, part) in documents(size).chunks(500).enumerate() {
        std::fs::write(directory.path().join(format!("{place}.yaml")), part.join("---\n")).unwrap();
    }
    let mut open = Vec::new();
    for kind in KINDS {
        open.push(Watch::open(&portreeve, kind).await);
    }

    let begin = Instant::now();
    apply(program, &portreeve, directory.path(), "created", size).await;
    let apply_time = begin.elapsed();
    let begin = Instant::now();
    wait::until("all are in force", LIMIT, || async {
        let known = get(&portreeve, "/health/detailed").await["manifests"]["objects"].clone();
        wait::is(known.as_u64() >= Some(size as u64), known)
    })
    .await;
    let decided = apply_time + begin.elapsed();
    // Whoever watched all the time knows everything too.
    for watch in &mut open {
        watch.until_known(size / KINDS.len()).await;
    }
    drop(open);

    let begin = Instant::now();
    apply(program, &portreeve, directory.path(), "unchanged", size).await;
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
    let [apply, again, decided, list, watch, change, restart] =
        [apply_time, again, decided, listed, watched, change, restart].map(|time| time.as_secs_f64());
    Times { apply, again, decided, list, watch, change, restart }
}

/// Starts it and waits until it answers; no engine is there to be ready.
async fn serve(portreeve: &mut Portreeve) {
    portreeve.spawn();
    wait::until("it answers", LIMIT, || async { portreeve.get("/livez").await.map(drop) }).await;
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
    let each = size / KINDS.len();
    let document = |kind: &str, name: String, spec: String| {
        let mut text = String::new();
        let labels = "{tier: bench, team: \"none\"}";
        writeln!(text, "apiVersion: portreeve/v1\nkind: {kind}").unwrap();
        writeln!(text, "metadata: {{name: {name}, labels: {labels}}}\nspec: {spec}").unwrap();
        text
    };
    let of = |n: usize| {
        [
            document("Probe", format!("probe-{n}"), "{httpGet: {path: /health, port: 8080}, periodSeconds: 30}".into()),
            document(
                "MonitoredService",
                format!("service-{n}"),
                format!("{{selector: {{names: [\"web-{n}\"]}}, probes: [{{probeRef: probe-{n}}}], dependsOn: [service-{}]}}", n / 10),
            )
            .replace(&format!(", dependsOn: [service-{n}]"), ""),
            document(
                "AlertRule",
                format!("rule-{n}"),
                format!("{{subject: {{services: {{names: [service-{n}]}}}}, condition: {{metric: response_time_ms, op: \">\", value: 500}}, for: 1m}}"),
            ),
            document(
                "AutohealPolicy",
                format!("policy-{n}"),
                format!("{{selector: {{names: [\"web-{n}\"]}}, minUnhealthy: 5s, backoff: {{initial: 5s, max: 1m}}}}"),
            ),
        ]
    };
    (0..each).flat_map(of).collect()
}
