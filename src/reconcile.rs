//! Deciding: what is wanted and what is seen go in, a plan comes out. Pure: no async, clock, randomness, I/O or logging.
//!
//! One decision a file. `now` and a seed are inputs, memory is input and output, so every decision is a value that
//! a test can state, `diff` can show and `describe` can explain.

pub mod billing;
pub mod cause;
pub mod discovery;
pub mod heal;
pub mod health;
pub mod intent;
pub mod lifecycle;
pub mod plan;
pub mod record;
