//! The one integration-test binary: each module is a part of the project seen from outside.
// The bans of .clippy.toml are for the program; a test may look at a clock.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, unreachable_pub)]

mod e2e;
mod examples;
mod integration;
mod layout;
mod scenarios;
mod support;
