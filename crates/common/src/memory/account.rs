//! What one session's statements hold. A thread says on whose account it works; helpers work on that of whoever started them.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A session's count.
#[derive(Debug, Default)]
pub struct Account {
    held: AtomicUsize,
    peak: AtomicUsize,
}

impl Account {
    /// An empty one.
    pub fn new() -> Arc<Account> {
        Arc::default()
    }

    /// Bytes held on it.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// The most bytes that were held on it at once.
    pub fn peak(&self) -> usize {
        self.peak.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, bytes: usize) {
        let held = self.held.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.peak.fetch_max(held, Ordering::Relaxed);
    }

    pub(super) fn give_back(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }
}

thread_local! {
    static ACCOUNT: RefCell<Option<Arc<Account>>> = const { RefCell::new(None) };
    /// Where the account is that [`charge_from_now_on`] has put into `ACCOUNT`, as long as it is there.
    static LASTING: Cell<*const Account> = const { Cell::new(std::ptr::null()) };
}

/// The account that the calling thread works on.
pub fn charged() -> Option<Arc<Account>> {
    ACCOUNT.with_borrow(Clone::clone)
}

/// As long as it lives, its thread works on an account; then on the one before again.
#[derive(Debug)]
pub struct Charged {
    before: Option<Arc<Account>>,
}

/// Has the calling thread work on an account.
pub fn charge(account: &Arc<Account>) -> Charged {
    LASTING.set(std::ptr::null());
    Charged { before: ACCOUNT.replace(Some(account.clone())) }
}

/// Has the calling thread work on an account until it is given another one: for threads that serve one session after the other, and nothing
/// else. Mostly it is the account of the last message.
#[inline]
pub fn charge_from_now_on(account: &Arc<Account>) {
    if LASTING.get() != Arc::as_ptr(account) {
        ACCOUNT.set(Some(account.clone()));
        LASTING.set(Arc::as_ptr(account));
    }
}

impl Drop for Charged {
    fn drop(&mut self) {
        LASTING.set(std::ptr::null());
        ACCOUNT.set(self.before.take());
    }
}
