//! Workspaces lent to executions.

use parking_lot::Mutex;

/// Workspaces kept for later: as many sessions may run one plan at a time without making new ones.
const KEPT_MAX: usize = 64;

/// The workspaces of one plan that nobody uses now.
pub struct Pool<T> {
    // Locked to take or give back a pointer, never while a statement runs.
    idle: Mutex<Vec<Box<T>>>,
}

impl<T> Pool<T> {
    pub fn new() -> Pool<T> {
        Pool { idle: Mutex::new(Vec::new()) }
    }
    /// A workspace that was given back, if there is one.
    pub fn take(&self) -> Option<Box<T>> {
        self.idle.lock().pop()
    }
    /// Keeps a workspace. One whose execution failed is better dropped.
    pub fn give(&self, work: Box<T>) {
        let mut idle = self.idle.lock();
        if idle.len() < KEPT_MAX {
            idle.push(work);
        }
    }
}
