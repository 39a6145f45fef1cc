//! What a healthy idle system costs: a hundred containers, everything delivered, nothing happens.
//!
//! Calls are counted by a proxy on the engine's socket, CPU and memory read from `/proc`, writes seen by the
//! database's files.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use bollard::models::HealthStatusEnum;
use clap::Parser;
use futures_util::{StreamExt, stream};
use support::container::Container;
use support::lab::Lab;
use support::portreeve::Portreeve;
use support::proxy::Proxy;
use support::receiver::{Options, Receiver};
use support::wait;

use crate::figures::{Common, Table, cpu_seconds, megabytes, status};

mod figures;
// Its unit tests are compiled here without their attributes meaning anything.
#[allow(unused_imports)]
#[path = "../tests/support.rs"]
mod support;

/// What idling with many containers costs.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    common: Common,
    /// How long to look, after everything has settled
    #[arg(long, default_value_t = 120)]
    seconds: u64,
    /// How many containers run; every fifth has a health check, every tenth is to be healed
    #[arg(long, default_value_t = 100)]
    containers: usize,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Args { common, seconds, containers } = Args::parse();
    let engine = figures::quiet_engine().await;
    let proxy = Proxy::new(engine.socket().expect("an engine with a socket")).await;
    let receiver = Receiver::start(Options::default()).await.unwrap();
    let lab = Lab::new(&engine).await;
    let running: Vec<Container> = stream::iter(0..containers)
        .map(|n| {
            let name = format!("idle{n}");
            let mut builder = if n % 10 == 0 { lab.healed(&name) } else { lab.container(&name) };
            if n % 5 == 0 {
                builder = builder.switched_health(Duration::from_secs(30), 3);
            }
            builder.start()
        })
        .buffer_unordered(4)
        .collect()
        .await;

    let mut portreeve = Portreeve::new(&common.program)
        .docker_host(&proxy.endpoint())
        .env("RUST_LOG", "info")
        .healing_only(&lab);
    let (discovery, billing) = (receiver.discovery.url(), receiver.billing.url());
    let services = format!(
        "apiVersion: portreeve/v1\nkind: DiscoveryRegistry\nmetadata: {{name: discovery}}\nspec: {{url: {discovery}}}\n---\n\
         apiVersion: portreeve/v1\nkind: BillingService\nmetadata: {{name: billing}}\nspec: {{url: {billing}}}\n"
    );
    portreeve.manifest("services.yaml", &services);
    let begin = Instant::now();
    portreeve.start().await;
    wait::until("everything is delivered", Duration::from_secs(120), || async {
        let told = receiver.look(|state| (state.billed.len(), state.up().len()));
        wait::is(told.0 >= containers && told.1 >= containers, told)
    })
    .await;
    let delivered = begin.elapsed();
    wait::until("all are healthy", Duration::from_secs(120), || async {
        let mut pending = Vec::new();
        for container in running.iter().step_by(5) {
            if matches!(container.health().await, HealthStatusEnum::STARTING | HealthStatusEnum::UNHEALTHY) {
                pending.push(container.name());
            }
        }
        wait::is(pending.is_empty(), pending)
    })
    .await;
    // A cursor that moved alone is stored within ten seconds: what is quiet for longer has settled.
    wait::until("nothing is written any more", Duration::from_secs(120), || async {
        let before = database(&portreeve.state_dir());
        tokio::time::sleep(Duration::from_secs(15)).await;
        let after = database(&portreeve.state_dir());
        wait::is(before == after, after)
    })
    .await;

    proxy.clear();
    let (files, cpu) = (database(&portreeve.state_dir()), cpu_seconds(portreeve.pid()));
    let said = portreeve.lines().len();
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let calls = proxy.calls();
    let cpu = cpu_seconds(portreeve.pid()) - cpu;
    let written: Vec<_> =
        database(&portreeve.state_dir()).into_iter().filter(|file| !files.contains(file)).collect();

    let mut table = Table::default();
    table.figure("everything delivered after the start", format!("{:.1} s", delivered.as_secs_f64()));
    table.bounded("engine calls", calls.len() as f64, 3.0);
    table.bounded("database files written", written.len() as f64, 0.0);
    table.reading("CPU of a core", cpu / seconds as f64 * 100.0, 0.5, "%");
    table.reading("memory (RSS)", megabytes(portreeve.pid(), "VmRSS"), 40.0, "MiB");
    table.figure("memory, highest (HWM)", format!("{:.1} MiB", megabytes(portreeve.pid(), "VmHWM")));
    table.figure("threads", status(portreeve.pid(), "Threads"));
    for call in &calls {
        println!("{:>7.1} s before the end: {} {}", call.at.elapsed().as_secs_f64(), call.method, call.path);
    }
    for (name, size, at) in &written {
        let before_the_end = at.elapsed().unwrap_or_default().as_secs_f64();
        println!("{before_the_end:>7.1} s before the end: {name} was written, {size} bytes now");
    }
    for line in portreeve.lines().iter().skip(said) {
        println!("it said: {line}");
    }
    receiver.look(|state| state.assert_clean());
    table.finish(&format!("idle: {containers} containers, {seconds} s"), &common)
}

/// Names, sizes and times of the files in the state directory.
fn database(directory: &Path) -> Vec<(String, u64, SystemTime)> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| {
        let entry = entry.unwrap();
        let about = entry.metadata().unwrap();
        (entry.file_name().to_string_lossy().into_owned(), about.len(), about.modified().unwrap())
    });
    // Readers mark their place in the shared memory file; it is no write to the database.
    entries.filter(|(name, ..)| !name.ends_with("-shm")).collect()
}
