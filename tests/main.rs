//! The one integration-test binary: what needs more than the library alone.
// The bans of .clippy.toml are for the program; a test may look at a clock.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, unreachable_pub)]

mod e2e;
mod integration;
mod layout;
mod support;
