//! Locks that a panic elsewhere does not take from everybody.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks `mutex`. What it guards is consistent between any two statements here, so a panic while it
/// was held spoils nothing.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
