//! The interfaces of this process's network namespace, read anew when they matter.

use std::sync::Mutex;

use tokio::time::Instant;

/// When they were last read.
#[derive(Debug, Default)]
pub(in crate::controller) struct Interfaces {
    pub(in crate::controller) read: Mutex<Option<Instant>>,
}
