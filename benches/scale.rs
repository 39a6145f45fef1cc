//! What ten thousand containers cost, against an engine made of air: what an event, the first look, one object more
//! and a page of the API cost among many beside what they cost among few; whether five thousand checks start in time;
//! and whether one engine's storm is felt on another.
//!
//! The engines and the receivers live in this process: CPU and memory are Portreeve's alone, from `/proc`.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use crate::figures::{Common, Table};

#[path = "scale/checks.rs"]
mod checks;
mod figures;
#[path = "scale/fleet.rs"]
mod fleet;
#[path = "scale/storm.rs"]
mod storm;
// Its unit tests are compiled here without their attributes meaning anything.
#[allow(unused_imports)]
#[path = "../tests/support.rs"]
mod support;

/// What ten thousand containers cost beside a thousand.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    common: Common,
    /// Only this part
    #[arg(long)]
    only: Option<Part>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Part {
    /// Events, first looks, objects, pages and memory
    Fleet,
    /// Thousands of checks
    Checks,
    /// One engine's storm beside another engine
    Storm,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Args { common, only } = Args::parse();
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let mut table = Table::default();
    let wanted = |part| only.is_none_or(|only| only == part);
    if wanted(Part::Fleet) {
        fleet::measure(&common, &mut table).await;
    }
    if wanted(Part::Checks) {
        checks::measure(&common, &mut table).await;
    }
    if wanted(Part::Storm) {
        storm::measure(&common, &mut table).await;
    }
    table.finish("scale: an engine made of air", &common)
}
