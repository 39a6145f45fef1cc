//! Plays a Discovery and a Billing Service on two ports and prints each call as a line, until it is stopped.
//! Used by `make demo`; the checks behind it are those that the tests use.
#![allow(clippy::print_stdout)]

// Spelled out so that the file finds its children here as it does from the tests.
#[path = "strict.rs"]
mod strict;

use clap::Parser;
use strict::{Options, Receiver};

/// A Discovery and a Billing Service that say what they are told.
#[derive(Parser)]
struct Args {
    /// Where the Discovery Service answers
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8081")]
    discovery_listen: String,
    /// Where the Billing Service answers
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8082")]
    billing_listen: String,
    /// Accept a container that is registered as down again, instead of answering 409
    #[arg(long)]
    accept_again: bool,
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let Args { discovery_listen, billing_listen, accept_again } = Args::parse();
    let on_call = Box::new(|call: &strict::book::Call| println!("{call}"));
    let receiver =
        Receiver::start(Options { discovery_listen, billing_listen, accept_again, on_call }).await?;
    println!("Discovery  listens at {}", receiver.discovery.url());
    println!("Billing    listens at {}", receiver.billing.url());

    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    Ok(())
}
