//! `quote_all_identifiers` for the code that prints names, which has no settings at hand.
//!
//! A session runs on one thread between two messages; it says on entry what holds for it ([`set_quote_all`]), so that what another
//! session left on the thread doesn't matter.

use std::cell::Cell;

thread_local! {
    static QUOTE_ALL: Cell<bool> = const { Cell::new(false) };
}

/// Whether names are quoted that don't need it.
pub fn quote_all() -> bool {
    QUOTE_ALL.get()
}

/// Sets that for the session that runs on this thread from now on.
pub fn set_quote_all(on: bool) {
    QUOTE_ALL.set(on);
}
