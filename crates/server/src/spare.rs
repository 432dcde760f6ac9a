//! Buffers for messages that no connection of this thread needs just now.
//!
//! Thousands of connections idle while a few are served: those share a few buffers, which stay in the processor's cache.

use bytes::BytesMut;
use std::cell::RefCell;

/// A new buffer's size.
const BYTES: usize = 8 * 1024;
/// Buffers that have grown past this are not kept.
const KEEP_BYTES: usize = 32 * 1024;
/// Buffers kept by a thread.
const KEEP_MAX: usize = 8;

thread_local! {
    static SPARE: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer with room.
pub(crate) fn take() -> BytesMut {
    SPARE.with_borrow_mut(Vec::pop).unwrap_or_else(|| BytesMut::with_capacity(BYTES))
}

/// Gives a buffer back, whatever is in it.
pub(crate) fn give(mut buffer: BytesMut) {
    buffer.clear();
    // What was consumed at its front comes back by this: nobody else holds a part of it.
    if !buffer.try_reclaim(BYTES) || buffer.capacity() > KEEP_BYTES {
        return;
    }
    SPARE.with_borrow_mut(|spare| {
        if spare.len() < KEEP_MAX {
            spare.push(buffer);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Buf;

    #[test]
    fn consumed_room_comes_back() {
        let mut buffer = take();
        buffer.extend_from_slice(&[1; 5000]);
        buffer.advance(5000);
        give(buffer);
        let again = take();
        assert!(again.is_empty() && again.capacity() >= BYTES);
        // Neither none nor too much room is worth keeping.
        give(BytesMut::new());
        give(BytesMut::with_capacity(KEEP_BYTES * 2));
        SPARE.with_borrow(|spare| assert!(spare.is_empty()));
    }
}
