//! Decisions, as pure functions: what was seen and remembered in, what to record and do out. One decision a file.

pub mod billing;
pub mod discovery;
pub mod lifecycle;
pub mod record;
