//! The one integration-test binary: each module is a part of the project seen from outside.
// The bans are for the program; a test may look at a clock, and say what it measured.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, unreachable_pub)]
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod e2e;
mod examples;
mod integration;
mod layout;
mod scenarios;
mod support;
