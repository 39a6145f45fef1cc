//! What the benches have in common: their options, their engine, and the table each prints.
#![allow(dead_code, unreachable_pub, clippy::print_stdout)]

use std::process::ExitCode;

use crate::support::engine::Engine;

/// Options of a bench: `cargo bench --bench idle -- --seconds 30`.
#[derive(clap::Args, Debug)]
pub struct Common {
    /// Fail when a bar is missed; most bars on times, CPU and memory are only printed, for machines differ
    #[arg(long)]
    pub check: bool,
    /// Measure another build of the program, to compare the two
    #[arg(long, value_name = "PATH", default_value = env!("CARGO_BIN_EXE_portreeve"))]
    pub program: String,
    /// Measure this older build, too, in the same run, where two are compared
    #[arg(long, value_name = "PATH")]
    pub against: Option<String>,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

/// An engine that nobody else disturbs, where that can be had; the shared one otherwise.
pub async fn quiet_engine() -> Engine {
    if rustix::process::geteuid().is_root() {
        return Engine::own().await;
    }
    println!("Not root, so on the shared engine: what others do there shows in the figures.");
    Engine::shared().await
}

/// Figures, their bars, and whether they were reached.
#[derive(Default)]
pub struct Table {
    rows: Vec<[String; 4]>,
    missed: bool,
}

impl Table {
    /// A figure without a bar.
    pub fn figure(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.rows.push([name.into(), value.into(), String::new(), String::new()]);
    }

    /// A ratio or a count that must not exceed `bar`.
    pub fn bounded(&mut self, name: impl Into<String>, value: f64, bar: f64) {
        self.missed |= !self.row(name.into(), value, bar, "");
    }

    /// A reading that should not exceed `bar`, and depends on the machine.
    pub fn reading(&mut self, name: impl Into<String>, value: f64, bar: f64, unit: &str) {
        self.row(name.into(), value, bar, unit);
    }

    /// A reading that must not exceed `bar`: on any machine there is far less to do than it allows for.
    pub fn held(&mut self, name: impl Into<String>, value: f64, bar: f64, unit: &str) {
        self.missed |= !self.row(name.into(), value, bar, unit);
    }

    fn row(&mut self, name: String, value: f64, bar: f64, unit: &str) -> bool {
        let reached = value <= bar;
        let verdict = if reached { "reached" } else { "MISSED" };
        let text = |number: f64| format!("{} {unit}", short(number)).trim().to_owned();
        self.rows.push([name, text(value), format!("≤ {}", text(bar)), verdict.to_owned()]);
        reached
    }

    /// Prints it; failure if a bar that counts was missed and `--check` was given.
    pub fn finish(self, title: &str, common: &Common) -> ExitCode {
        let width =
            |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let (name, value, bar) = (width(0), width(1), width(2));
        println!("\n{title}");
        for [a, b, c, d] in &self.rows {
            let line = format!("  {a:name$}  {b:>value$}  {c:bar$}  {d}");
            println!("{}", line.trim_end());
        }
        if self.missed && common.check { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

fn short(number: f64) -> String {
    if number.fract() == 0.0 { format!("{number}") } else { format!("{number:.2}") }
}

/// The value below which `share` of the samples lie.
pub fn percentile(samples: &[f64], share: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
    let index = ((sorted.len() - 1) as f64 * share).round() as usize;
    sorted[index]
}

/// A size that `/proc` tells of a process, as `VmRSS`, in MiB.
pub fn megabytes(pid: u32, field: &str) -> f64 {
    let text = status(pid, field);
    text.trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

/// A field of a process's status.
pub fn status(pid: u32, field: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap().trim().to_owned()
}

/// User and system time of a process so far. `/proc` counts in ticks of 10 ms on every Linux there is.
pub fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The second field is the command, in parentheses, and may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11..13].iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    ticks as f64 / 100.0
}
