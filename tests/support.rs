//! What tests on a real engine stand on: engines, containers, the receivers, the program itself, and waiting.
//!
//! Test-only and free of the crate's internals, so that examples and benches can take it in too:
//!
//! ```ignore
//! #[path = "../tests/support.rs"]
//! mod support;
//! ```
//!
//! Everything here panics with a message when the ground it needs is missing: a test has no better answer.
//! The paths are spelled out because a file taken in through `#[path]` would look for its children elsewhere.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods
)]

#[path = "support/alone.rs"]
pub mod alone;
#[path = "support/builder.rs"]
pub mod builder;
#[path = "support/container.rs"]
pub mod container;
#[path = "support/disk.rs"]
pub mod disk;
#[path = "support/engine.rs"]
pub mod engine;
#[path = "support/fake_engine.rs"]
pub mod fake_engine;
#[path = "support/git.rs"]
pub mod git;
#[path = "support/hooked.rs"]
pub mod hooked;
#[path = "support/http.rs"]
pub mod http;
#[path = "support/image.rs"]
pub mod image;
#[path = "support/lab.rs"]
pub mod lab;
#[path = "support/leftovers.rs"]
pub mod leftovers;
#[path = "support/machine.rs"]
pub mod machine;
#[path = "support/own.rs"]
pub mod own;
#[path = "support/podman.rs"]
pub mod podman;
#[path = "support/portreeve.rs"]
pub mod portreeve;
#[path = "support/proxy.rs"]
pub mod proxy;
#[path = "support/record.rs"]
pub mod record;
#[path = "support/requests.rs"]
mod requests;
#[path = "support/rows.rs"]
pub mod rows;
#[path = "support/server.rs"]
pub mod server;
#[path = "support/sshd.rs"]
pub mod sshd;
#[path = "support/strict_proxy.rs"]
pub mod strict_proxy;
#[path = "support/tar.rs"]
pub mod tar;
#[path = "support/wait.rs"]
pub mod wait;

/// The strict Discovery and Billing services.
#[path = "../examples/receiver/strict.rs"]
pub mod receiver;
