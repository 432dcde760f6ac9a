//! Sets of rows by their places, as bitmap scans combine them (PostgreSQL: tidbitmap.c).
//!
//! A page is either exact (a bit for each line pointer) or lossy: all of its rows may be meant, and the conditions must be tested again.
//! When a bitmap outgrows its memory, exact pages become lossy ones. A page can also be exact and yet in need of a test, where the index
//! can't be sure of its rows.

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use quarry_common::memory::Reservation;
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

/// The pages of a set.
enum Pages {
    /// By rising block, as long as they come so.
    Rising(Vec<(BlockNo, Page)>),
    Any(HashMap<BlockNo, Page>),
}

/// A set of rows.
pub struct TidBitmap {
    pages: Pages,
    /// Exact pages that fit.
    exact_max: usize,
    exact: usize,
    reservation: Reservation,
    /// The page last added to, to spare looking it up for each of its rows.
    last: Option<(BlockNo, Page)>,
}

impl TidBitmap {
    /// An empty set that may take so much memory.
    pub fn new(memory_bytes: usize) -> TidBitmap {
        TidBitmap {
            pages: Pages::Rising(Vec::new()),
            exact_max: (memory_bytes / PAGE_BYTES).max(16),
            exact: 0,
            reservation: Reservation::default(),
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
        self.last.is_none()
            && match &self.pages {
                Pages::Rising(list) => list.is_empty(),
                Pages::Any(map) => map.is_empty(),
            }
    }

    #[inline]
    fn settle(&mut self) {
        if let Some((block, page)) = self.last.take() {
            self.merge(block, page);
        }
    }

    /// The pages, to be looked up.
    fn map(&mut self) -> &mut HashMap<BlockNo, Page> {
        let pages = std::mem::replace(&mut self.pages, Pages::Any(HashMap::new()));
        self.pages = match pages {
            Pages::Rising(list) => Pages::Any(list.into_iter().collect()),
            any => any,
        };
        match &mut self.pages {
            Pages::Any(map) => map,
            Pages::Rising(_) => unreachable!("just made a map"),
        }
    }

    /// Adds a page's rows to those there are.
    fn merge(&mut self, block: BlockNo, page: Page) {
        match &mut self.pages {
            Pages::Rising(list) if list.last().is_none_or(|(last, _)| *last < block) => {
                list.push((block, page));
                self.exact += usize::from(!page.lossy);
            }
            _ => self.merge_any(block, page),
        }
        if self.exact > self.exact_max || !self.reservation.may_hold(self.exact * PAGE_BYTES) {
            self.lossify();
        }
    }

    fn merge_any(&mut self, block: BlockNo, page: Page) {
        let lost = match self.map().entry(block) {
            Entry::Occupied(mut e) => {
                let old = e.get_mut();
                if old.lossy {
                    return;
                }
                if page.lossy {
                    *old = Page::LOSSY;
                    true
                } else {
                    old.bits.iter_mut().zip(page.bits).for_each(|(a, b)| *a |= b);
                    old.recheck |= page.recheck;
                    return;
                }
            }
            Entry::Vacant(e) => {
                e.insert(page);
                false
            }
        };
        if lost {
            self.exact -= 1;
        } else {
            self.exact += usize::from(!page.lossy);
        }
    }

    /// Makes exact pages lossy until half of the memory is free again.
    fn lossify(&mut self) {
        let goal = self.exact.min(self.exact_max) / 2;
        let exact = &mut self.exact;
        let mut give_up = |page: &mut Page| {
            if !page.lossy && *exact > goal {
                *page = Page::LOSSY;
                *exact -= 1;
            }
        };
        match &mut self.pages {
            Pages::Rising(list) => list.iter_mut().for_each(|(_, page)| give_up(page)),
            Pages::Any(map) => map.values_mut().for_each(&mut give_up),
        }
    }

    /// Keeps what is in both.
    pub fn intersect(&mut self, mut other: TidBitmap) {
        self.settle();
        other.settle();
        let keep = |page: &mut Page, theirs: Option<&Page>| {
            let Some(theirs) = theirs else { return false };
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
        };
        let rest = &mut 0;
        let find = |block: BlockNo| match &other.pages {
            Pages::Rising(list) => list.binary_search_by_key(&block, |(b, _)| *b).ok().map(|at| &list[at].1),
            Pages::Any(map) => map.get(&block),
        };
        match (&mut self.pages, &other.pages) {
            // Side by side.
            (Pages::Rising(list), Pages::Rising(theirs)) => list.retain_mut(|(block, page)| {
                *rest += theirs[*rest..].iter().take_while(|(b, _)| b < block).count();
                keep(page, theirs.get(*rest).filter(|(b, _)| b == block).map(|(_, p)| p))
            }),
            (Pages::Rising(list), _) => list.retain_mut(|(block, page)| keep(page, find(*block))),
            (Pages::Any(map), _) => map.retain(|block, page| keep(page, find(*block))),
        }
        self.exact = match &self.pages {
            Pages::Rising(list) => list.iter().filter(|(_, p)| !p.lossy).count(),
            Pages::Any(map) => map.values().filter(|p| !p.lossy).count(),
        };
    }

    /// Adds what is in the other.
    pub fn unite(&mut self, mut other: TidBitmap) {
        self.settle();
        other.settle();
        if self.is_empty() {
            let exact_max = self.exact_max;
            *self = other;
            self.exact_max = self.exact_max.max(exact_max);
            return;
        }
        match other.pages {
            Pages::Rising(list) => list.into_iter().for_each(|(block, page)| self.merge(block, page)),
            Pages::Any(map) => map.into_iter().for_each(|(block, page)| self.merge(block, page)),
        }
    }

    /// The pages in physical order.
    pub fn into_pages(mut self) -> impl Iterator<Item = Visit> + Send {
        self.settle();
        let pages = match self.pages {
            Pages::Rising(list) => list,
            Pages::Any(map) => {
                let mut list: Vec<(BlockNo, Page)> = map.into_iter().collect();
                list.sort_unstable_by_key(|(block, _)| *block);
                list
            }
        };
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
    fn sets_are_combined_in_whatever_order_their_pages_came() {
        let places: Vec<(BlockNo, u16)> = (0..200u32).map(|i| (i * 7 % 40, (i % 13) as u16)).collect();
        let mut rising = places.clone();
        rising.sort_unstable();
        let part = |list: &[(BlockNo, u16)], n: u32| -> Vec<(BlockNo, u16)> {
            list.iter().filter(|(b, s)| (b + u32::from(*s)) % n != 0).copied().collect()
        };
        for (a, b) in [(&places, &rising), (&rising, &places), (&rising, &rising), (&places, &places)] {
            let mut both = of(&part(a, 2));
            both.intersect(of(&part(b, 3)));
            assert_eq!(shown(both), shown(of(&part(&part(&rising, 2), 3))));
            let mut either = of(&part(a, 2));
            either.unite(of(&part(b, 3)));
            let expected: Vec<_> =
                rising.iter().filter(|(b, s)| (b + u32::from(*s)) % 6 != 0).copied().collect();
            assert_eq!(shown(either), shown(of(&expected)));
        }
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
