//! The one integration-test binary: each module is a part of the project seen from outside.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod e2e;
mod examples;
mod purity;
mod scenarios;
mod support;
