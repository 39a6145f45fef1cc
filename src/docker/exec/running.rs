//! Commands that are under way.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Commands that were started and not seen to end, by container and command line. An engine cannot end a command, so one
/// that hangs would get company with every check.
#[derive(Debug, Default)]
pub(in crate::docker) struct RunningExecs(Mutex<HashMap<(String, Vec<String>), String>>);

impl RunningExecs {
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut HashMap<(String, Vec<String>), String>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
