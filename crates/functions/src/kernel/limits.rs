//! What bounds a kernel's work: the size of one value, the size of a batch's values, and how often a cancel is looked for.

use quarry_common::{Error, Result, SqlState};

/// Rows that a kernel computes between two looks for a cancel.
pub const CHECK_EVERY: usize = 16;
/// Bytes that the values of one vector may take before its batch is computed in smaller parts.
pub const BATCH_BYTES_MAX: usize = 64 << 20;
/// PostgreSQL's `MaxAllocSize`.
pub const ALLOC_MAX: usize = 0x3fff_ffff;

const TOO_LARGE: &str = "batch_too_large";

/// Not an error that a user sees: the batch must be computed again in smaller parts. A single row never gives it.
#[cold]
pub fn batch_too_large() -> Error {
    Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, "values of a batch take too much memory").routine(TOO_LARGE)
}

/// Whether this is [`batch_too_large`].
pub fn is_batch_too_large(e: &Error) -> bool {
    e.sqlstate() == SqlState::PROGRAM_LIMIT_EXCEEDED && e.fields().routine == Some(TOO_LARGE)
}

/// PostgreSQL's error for a value that is larger than it allocates, header included.
#[inline]
pub fn check_value_size(bytes: usize) -> Result<()> {
    if bytes > ALLOC_MAX - 4 {
        return Err(Error::internal(format!(
            "invalid memory alloc request size {}",
            bytes.saturating_add(4)
        )));
    }
    Ok(())
}

/// PostgreSQL's error for a string that grows beyond what a string buffer holds.
#[inline]
pub fn check_buffer(bytes: usize, more: usize) -> Result<()> {
    if more >= ALLOC_MAX.saturating_sub(bytes) {
        return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, "out of memory")
            .detail(format!("Cannot enlarge string buffer containing {bytes} bytes by {more} more bytes.")));
    }
    Ok(())
}
