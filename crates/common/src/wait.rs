//! The one way to block a thread: row locks, table locks, disk reads.
//!
//! Statements run on the tokio worker that read them. A point that really waits hands the worker's other tasks
//! over first, for the length of the wait only.

use tokio::runtime::{Handle, RuntimeFlavor};

/// The stack of every thread that runs statements or parts of them: as deep as expressions and plans may be nested, they fit.
pub const STACK_BYTES: usize = 8 << 20;

/// Runs `f`, which may block the thread. On a multi-threaded tokio runtime the worker's other tasks move
/// elsewhere meanwhile; on any other thread `f` is just called.
pub fn blocking<R>(f: impl FnOnce() -> R) -> R {
    match Handle::try_current() {
        Ok(h) if h.runtime_flavor() == RuntimeFlavor::MultiThread => tokio::task::block_in_place(f),
        _ => f(),
    }
}
