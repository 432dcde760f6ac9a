//! The ids of a transaction's subtransactions, as its snapshots share them.
//!
//! Each new id makes a new list; a transaction with a hundred thousand of them must not copy as many for each statement. So full
//! chunks are shared by all snapshots that have them, and only the rest is copied.

use quarry_common::Xid;
use std::sync::Arc;

/// Ids in a chunk.
const CHUNK: usize = 512;

type Chunk = Arc<[Xid]>;

/// Full chunks; none are no object, so that a transaction without savepoints makes none.
type Full = Option<Arc<Vec<Chunk>>>;

fn chunks(full: &Full) -> &[Chunk] {
    full.as_deref().map_or(&[], Vec::as_slice)
}

/// Rising ids.
#[derive(Clone)]
pub struct SubIds {
    full: Full,
    /// Above those in `full`.
    rest: Chunk,
}

impl SubIds {
    #[inline]
    pub fn contains(&self, xid: Xid) -> bool {
        // Chunks and the rest are never empty.
        if self.rest.first().is_some_and(|first| xid >= *first) {
            return self.rest.binary_search(&xid).is_ok();
        }
        let full = chunks(&self.full);
        let at = full.partition_point(|chunk| chunk[0] <= xid);
        at > 0 && full[at - 1].binary_search(&xid).is_ok()
    }
}

/// What has been made for snapshots of a list that grows and is cut at its end.
#[derive(Default)]
pub(super) struct SharedIds {
    full: Full,
    rest: Option<Chunk>,
}

impl SharedIds {
    /// The list has grown.
    pub fn grown(&mut self) {
        self.rest = None;
    }

    /// Only the first `len` ids stay.
    pub fn cut(&mut self, len: usize) {
        self.rest = None;
        if let Some(full) = self.full.as_mut().filter(|full| full.len() > len / CHUNK) {
            Arc::make_mut(full).truncate(len / CHUNK);
        }
    }

    /// The list as a snapshot keeps it.
    pub fn of(&mut self, list: &[Xid]) -> SubIds {
        let rest = match &self.rest {
            Some(rest) => rest.clone(),
            None => {
                let mut new = list[chunks(&self.full).len() * CHUNK..].chunks_exact(CHUNK);
                for chunk in &mut new {
                    Arc::make_mut(self.full.get_or_insert_default()).push(chunk.into());
                }
                self.rest.insert(new.remainder().into()).clone()
            }
        };
        SubIds { full: self.full.clone(), rest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_keep_what_they_had() {
        let (mut list, mut shared) = (vec![], SharedIds::default());
        let mut snapshots: Vec<(SubIds, Vec<Xid>)> = vec![];
        for n in 0..3 * CHUNK as u64 {
            list.push(Xid(10 + 2 * n));
            shared.grown();
            if n % 100 == 99 || n % CHUNK as u64 == CHUNK as u64 - 1 {
                snapshots.push((shared.of(&list), list.clone()));
            }
        }
        for len in [2 * CHUNK + 5, CHUNK, 7, 0] {
            list.truncate(len);
            shared.cut(len);
            snapshots.push((shared.of(&list), list.clone()));
            list.push(Xid(1_000_000 - len as u64));
            shared.grown();
            snapshots.push((shared.of(&list), list.clone()));
        }
        for (made, expected) in &snapshots {
            let candidates = (0..4000).chain(998_000..1_000_001);
            let found: Vec<Xid> = candidates.map(Xid).filter(|xid| made.contains(*xid)).collect();
            assert_eq!(&found, expected);
        }
    }
}
