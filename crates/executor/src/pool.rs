//! What executions of a plan are lent: workspaces, operators.

use parking_lot::Mutex;

/// Workspaces kept for later: as many sessions may run one plan at a time without making new ones.
const KEPT_MAX: usize = 64;

/// The workspaces of one plan that nobody uses now.
pub struct Pool<T> {
    // Locked to take or give back a pointer, never while a statement runs.
    idle: Mutex<Vec<Box<T>>>,
    max: usize,
}

impl<T> Default for Pool<T> {
    fn default() -> Pool<T> {
        Pool::new()
    }
}

impl<T> Pool<T> {
    /// An empty one.
    pub fn new() -> Pool<T> {
        Pool::of(KEPT_MAX)
    }
    /// One that keeps so many at the most.
    pub fn of(max: usize) -> Pool<T> {
        Pool { idle: Mutex::new(Vec::new()), max }
    }
    /// A workspace that was given back, if there is one.
    pub fn take(&self) -> Option<Box<T>> {
        self.idle.lock().pop()
    }
    /// Keeps a workspace. One whose execution failed is better dropped.
    pub fn give(&self, work: Box<T>) {
        let mut idle = self.idle.lock();
        if idle.len() < self.max {
            idle.push(work);
        }
    }
}
