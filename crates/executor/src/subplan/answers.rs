//! The answers of a correlated subquery by the values that it was asked with: equal ones need not be computed again.

use quarry_common::memory::Reservation;
use quarry_types::Datum;
use std::collections::HashMap;

/// Answers after which it shows whether values come again.
const TRIAL: usize = 1024;
/// Where fewer than one in so many is found, only the last answer is kept.
const ASKED_PER_FOUND: usize = 16;
/// About what an entry takes besides its values.
const ENTRY_BYTES: usize = 96;

#[derive(Default)]
pub(super) struct Answers {
    by_values: HashMap<Vec<u8>, Datum>,
    asked: usize,
    found: usize,
    bytes: usize,
    reservation: Reservation,
}

impl Answers {
    pub fn find(&mut self, values: &[u8]) -> Option<&Datum> {
        let found = self.by_values.get(values);
        self.asked += 1;
        self.found += usize::from(found.is_some());
        found
    }

    /// `allowed`: bytes that all may take.
    pub fn keep(&mut self, values: Vec<u8>, answer: &Datum, allowed: usize) {
        let taken = match answer {
            Datum::Bytes(b) => b.len(),
            _ => 0,
        };
        let bytes = ENTRY_BYTES + values.len() + taken;
        let rare = self.asked > TRIAL && self.found * ASKED_PER_FOUND < self.asked;
        if rare || self.bytes + bytes > allowed || !self.reservation.may_hold(self.bytes + bytes) {
            self.by_values.clear();
            self.bytes = 0;
        }
        self.bytes += bytes;
        self.reservation.holds(self.bytes);
        self.by_values.insert(values, answer.clone());
    }
}
