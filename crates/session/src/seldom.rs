//! What hardly any session has anything in, asked about by every statement.

use parking_lot::{Mutex, MutexGuard};
use std::sync::atomic::{AtomicBool, Ordering};

/// A value that is mostly its default. Whether it may be another is known without the lock.
///
/// Invariant: while it isn't touched, the value is the default. Whoever asks must be the session, or come after what others did for
/// it: the flag orders nothing.
#[derive(Default)]
pub(crate) struct Seldom<T> {
    touched: AtomicBool,
    value: Mutex<T>,
}

impl<T: Default> Seldom<T> {
    /// The value, to be read or changed.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        let value = self.value.lock();
        self.touched.store(true, Ordering::Relaxed);
        value
    }

    /// Whether it is the default for sure.
    #[inline]
    pub fn is_untouched(&self) -> bool {
        !self.touched.load(Ordering::Relaxed)
    }

    /// Takes the value and leaves the default.
    #[inline]
    pub fn take(&self) -> T {
        if self.is_untouched() {
            return T::default();
        }
        let mut value = self.value.lock();
        self.touched.store(false, Ordering::Relaxed);
        std::mem::take(&mut *value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_was_taken_is_untouched() {
        let list: Seldom<Vec<i32>> = Seldom::default();
        assert!(list.is_untouched() && list.take().is_empty());
        list.lock().push(1);
        assert!(!list.is_untouched());
        assert_eq!(list.take(), [1]);
        assert!(list.is_untouched());
    }
}
