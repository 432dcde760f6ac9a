//! Ranges of BRIN indexes with `autosummarize` that inserts have left behind, for autovacuum to summarise (PostgreSQL: AutoVacuumRequestWork).

use parking_lot::Mutex;
use quarry_common::{BlockNo, Oid};

/// Requests kept; VACUUM comes to the others.
const REQUESTS_MAX: usize = 256;

/// A range of an index's table, by its first block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SummaryRequest {
    pub database: Oid,
    pub index: Oid,
    pub block: BlockNo,
}

/// What waits to be summarised.
#[derive(Default)]
pub struct SummaryRequests(Mutex<Vec<SummaryRequest>>);

impl SummaryRequests {
    /// Adds a request; false: there are too many.
    pub fn add(&self, request: SummaryRequest) -> bool {
        let mut all = self.0.lock();
        if all.contains(&request) {
            return true;
        }
        let fits = all.len() < REQUESTS_MAX;
        if fits {
            all.push(request);
        }
        fits
    }

    /// Takes them all.
    pub fn take(&self) -> Vec<SummaryRequest> {
        std::mem::take(&mut self.0.lock())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_once_and_not_too_many() {
        let all = SummaryRequests::default();
        let request = |block| SummaryRequest { database: Oid(1), index: Oid(2), block };
        assert!((0..REQUESTS_MAX as u32).all(|b| all.add(request(b))));
        assert!(all.add(request(7)));
        assert!(!all.add(request(1000)));
        assert_eq!(all.take().len(), REQUESTS_MAX);
        assert!(all.take().is_empty());
    }
}
