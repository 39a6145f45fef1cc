//! The one integration-test binary: what needs more than the library alone.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod e2e;
mod integration;
mod layout;
mod support;
