//! What a container uses, as measured on demand. Plain data.

use super::Nanos;

/// One measurement. CPU time only grows during a run: two measurements tell how much is used between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// When it was measured, by the engine's clock.
    pub at: Nanos,
    /// CPU time used since the run began, in nanoseconds.
    pub cpu: u64,
    /// Memory in use, in bytes, without what the kernel would give back at once, as `docker stats` counts it.
    pub memory: u64,
    /// The memory it may use, in bytes: its limit, or all that its host has.
    pub memory_limit: u64,
}
