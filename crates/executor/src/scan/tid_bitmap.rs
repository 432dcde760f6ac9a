//! Sets of rows by their places, as bitmap scans combine them (PostgreSQL: tidbitmap.c).
//!
//! A page is either exact (a bit for each line pointer) or lossy: all of its rows may be meant, and the conditions must be tested again.
//! When a bitmap outgrows its memory, exact pages become lossy ones. A page can also be exact and yet in need of a test, where the index
//! can't be sure of its rows.

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use quarry_common::{BlockNo, Tid};

/// Words of a page's bits: line pointers beyond make the page lossy.
const WORDS: usize = 5;
/// What a page takes, hash table included.
const PAGE_BYTES: usize = 80;

#[derive(Clone, Copy)]
struct Page {
    bits: [u64; WORDS],
    lossy: bool,
    recheck: bool,
}

impl Page {
    const EMPTY: Page = Page { bits: [0; WORDS], lossy: false, recheck: false };
    const LOSSY: Page = Page { bits: [0; WORDS], lossy: true, recheck: true };

    fn is_empty(&self) -> bool {
        !self.lossy && self.bits == [0; WORDS]
    }
}

/// A page of a finished bitmap.
pub enum Visit {
    /// These line pointers; `recheck`: their rows must be tested.
    Exact { block: BlockNo, slots: Vec<u16>, recheck: bool },
    /// Any row of the page.
    Lossy { block: BlockNo },
}

/// A set of rows.
pub struct TidBitmap {
    pages: HashMap<BlockNo, Page>,
    /// Exact pages that fit.
    exact_max: usize,
    exact: usize,
    /// The page last added to, to spare looking it up for each of its rows.
    last: Option<(BlockNo, Page)>,
}

impl TidBitmap {
    /// An empty set that may take so much memory.
    pub fn new(memory_bytes: usize) -> TidBitmap {
        TidBitmap {
            pages: HashMap::new(),
            exact_max: (memory_bytes / PAGE_BYTES).max(16),
            exact: 0,
            last: None,
        }
    }

    /// Adds a row; `recheck`: the index isn't sure of it.
    #[inline]
    pub fn add(&mut self, tid: Tid, recheck: bool) {
        let slot = usize::from(tid.slot);
        if slot >= WORDS * 64 {
            return self.add_page(tid.block);
        }
        if let Some((block, page)) = &mut self.last
            && *block == tid.block
        {
            page.bits[slot / 64] |= 1 << (slot % 64);
            page.recheck |= recheck;
            return;
        }
        self.settle();
        let mut page = Page { recheck, ..Page::EMPTY };
        page.bits[slot / 64] |= 1 << (slot % 64);
        self.last = Some((tid.block, page));
    }

    /// Adds all rows of a page.
    pub fn add_page(&mut self, block: BlockNo) {
        self.settle();
        self.merge(block, Page::LOSSY);
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty() && self.last.is_none()
    }

    fn settle(&mut self) {
        if let Some((block, page)) = self.last.take() {
            self.merge(block, page);
        }
    }

    /// Adds a page's rows to those there are.
    fn merge(&mut self, block: BlockNo, page: Page) {
        match self.pages.entry(block) {
            Entry::Occupied(mut e) => {
                let old = e.get_mut();
                if old.lossy {
                    return;
                }
                if page.lossy {
                    *old = Page::LOSSY;
                    self.exact -= 1;
                    return;
                }
                old.bits.iter_mut().zip(page.bits).for_each(|(a, b)| *a |= b);
                old.recheck |= page.recheck;
            }
            Entry::Vacant(e) => {
                e.insert(page);
                self.exact += usize::from(!page.lossy);
            }
        }
        if self.exact > self.exact_max {
            self.lossify();
        }
    }

    /// Makes exact pages lossy until half of the memory is free again.
    fn lossify(&mut self) {
        for page in self.pages.values_mut() {
            if self.exact <= self.exact_max / 2 {
                break;
            }
            if !page.lossy {
                *page = Page::LOSSY;
                self.exact -= 1;
            }
        }
    }

    /// Keeps what is in both.
    pub fn intersect(&mut self, mut other: TidBitmap) {
        self.settle();
        other.settle();
        self.pages.retain(|block, page| {
            let Some(theirs) = other.pages.get(block) else { return false };
            match (page.lossy, theirs.lossy) {
                (_, true) if page.lossy => {}
                // What one side names exactly are the only rows that can be in both; the other side's conditions are open.
                (false, true) => page.recheck = true,
                (true, false) => *page = Page { recheck: true, ..*theirs },
                _ => {
                    page.bits.iter_mut().zip(theirs.bits).for_each(|(a, b)| *a &= b);
                    page.recheck |= theirs.recheck;
                }
            }
            !page.is_empty()
        });
        self.exact = self.pages.values().filter(|p| !p.lossy).count();
    }

    /// Adds what is in the other.
    pub fn unite(&mut self, mut other: TidBitmap) {
        self.settle();
        other.settle();
        if self.pages.is_empty() {
            let exact_max = self.exact_max;
            *self = other;
            self.exact_max = self.exact_max.max(exact_max);
            return;
        }
        for (block, page) in other.pages.drain() {
            self.merge(block, page);
        }
    }

    /// The pages in physical order.
    pub fn into_pages(mut self) -> impl Iterator<Item = Visit> + Send {
        self.settle();
        let mut pages: Vec<(BlockNo, Page)> = self.pages.into_iter().collect();
        pages.sort_unstable_by_key(|(block, _)| *block);
        pages.into_iter().map(|(block, page)| {
            if page.lossy {
                return Visit::Lossy { block };
            }
            let mut slots = Vec::with_capacity(page.bits.iter().map(|w| w.count_ones() as usize).sum());
            for (i, word) in page.bits.iter().enumerate() {
                let mut word = *word;
                while word != 0 {
                    slots.push((i * 64) as u16 + word.trailing_zeros() as u16);
                    word &= word - 1;
                }
            }
            Visit::Exact { block, slots, recheck: page.recheck }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tid(block: BlockNo, slot: u16) -> Tid {
        Tid { block, slot }
    }
    fn of(tids: &[(BlockNo, u16)]) -> TidBitmap {
        let mut out = TidBitmap::new(1 << 20);
        tids.iter().for_each(|(b, s)| out.add(tid(*b, *s), false));
        out
    }
    fn shown(b: TidBitmap) -> Vec<String> {
        b.into_pages()
            .map(|v| match v {
                Visit::Exact { block, slots, recheck } => {
                    format!("{block}:{slots:?}{}", if recheck { "?" } else { "" })
                }
                Visit::Lossy { block } => format!("{block}:*"),
            })
            .collect()
    }

    #[test]
    fn rows_come_in_physical_order_once() {
        assert_eq!(shown(of(&[(7, 3), (2, 70), (7, 1), (2, 1), (7, 3)])), ["2:[1, 70]", "7:[1, 3]"]);
    }

    #[test]
    fn sets_are_combined() {
        let mut a = of(&[(1, 1), (1, 2), (2, 1)]);
        a.intersect(of(&[(1, 2), (3, 1)]));
        assert_eq!(shown(a), ["1:[2]"]);
        let mut a = of(&[(1, 1)]);
        a.unite(of(&[(1, 2), (3, 1)]));
        assert_eq!(shown(a), ["1:[1, 2]", "3:[1]"]);
    }

    #[test]
    fn lossy_pages() {
        let mut a = of(&[(1, 1), (2, 1)]);
        let mut b = TidBitmap::new(1 << 20);
        b.add_page(1);
        a.intersect(b);
        assert_eq!(shown(a), ["1:[1]?"]);
        let mut a = of(&[(1, 1), (2, 1)]);
        a.add_page(2);
        assert_eq!(shown(a), ["1:[1]", "2:*"]);
        let mut a = TidBitmap::new(0);
        (0..100).for_each(|i| a.add(tid(i, 1), false));
        assert_eq!(a.into_pages().count(), 100);
    }

    #[test]
    fn memory_is_kept() {
        let mut a = TidBitmap::new(100 * PAGE_BYTES);
        (0..1000).for_each(|i| a.add(tid(i, 1), false));
        let lossy = a.into_pages().filter(|v| matches!(v, Visit::Lossy { .. })).count();
        assert!((850..1000).contains(&lossy), "{lossy}");
    }
}
