//! Locks that no panic elsewhere spoils.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is guarded is replaced whole or not at all: a panic elsewhere leaves nothing half done.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
