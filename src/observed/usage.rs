//! What a container uses, as measured on demand. Plain data.

use super::Nanos;

/// One measurement; what the engine did not give is `None` and takes nothing else with it. CPU time only grows during a run:
/// two measurements tell how much is used between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// When it was measured, by the engine's clock.
    pub at: Nanos,
    /// CPU time used since the run began, in nanoseconds.
    pub cpu: Option<u64>,
    /// Memory in use, in bytes, without what the kernel would give back at once, as `docker stats` counts it.
    pub memory: Option<u64>,
    /// The memory it may use, in bytes: its limit, or all that its host has.
    pub memory_limit: Option<u64>,
}
