//! The meta page, block 0: the B-tree's ([`crate::index::btree::wal`]) and behind it GIN's part.
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 48 | 4 | magic |
//! | 52 | 4 + 4 | pending list's head: block ([`bp::NONE`]: the list is empty), generation |
//! | 60 | 4 + 4 | its tail |
//! | 68 | 4 | its pages |
//! | 72 | 4 | pages of the index when it was last counted; 0: never |
//! | 76 | 4 | those of the tree where keys are |
//! | 80 | 4 | leaves with one long list's tids only |
//! | 88 | 8 | distinct keys |

use crate::index::btree::page::{self as bp, Link};
use crate::page::slotted::{get_u32, get_u64, put_u32, put_u64};

const MAGIC: u32 = 0x5147_4e31;
const MAGIC_AT: usize = 48;
const HEAD: usize = 52;
const TAIL: usize = 60;
const PENDING_PAGES: usize = 68;
const TOTAL_PAGES: usize = 72;
const ENTRY_PAGES: usize = 76;
const DATA_PAGES: usize = 80;
const ENTRIES: usize = 88;
/// Where the meta page's contents end.
pub const END: usize = 96;

/// Numbers for estimates.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct GinStats {
    /// Pages of the pending list, now.
    pub pending_pages: u32,
    /// Pages of the index when it was last counted; 0: never.
    pub total_pages: u32,
    /// Pages of the tree with keys.
    pub entry_pages: u32,
    /// Leaves that have tids of one long list only.
    pub data_pages: u32,
    /// Distinct keys.
    pub entries: u64,
}

/// The pending list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PendingList {
    pub head: Link,
    pub tail: Link,
    pub pages: u32,
}

/// Whether a page is a GIN index's meta page.
pub fn is_gin(p: &[u8]) -> bool {
    get_u32(p, MAGIC_AT) == MAGIC
}

/// Makes GIN's part of the page: an empty list, nothing counted.
pub fn init(p: &mut [u8]) {
    put_u32(p, MAGIC_AT, MAGIC);
    set_list(p, &PendingList { head: Link::NONE, tail: Link::NONE, pages: 0 });
    set_counted(p, &GinStats::default());
}

fn link(p: &[u8], at: usize) -> Link {
    Link { block: get_u32(p, at), generation: get_u32(p, at + 4) }
}

fn put_link(p: &mut [u8], at: usize, to: Link) {
    put_u32(p, at, to.block);
    put_u32(p, at + 4, to.generation);
}

/// The pending list.
pub fn list(p: &[u8]) -> PendingList {
    PendingList { head: link(p, HEAD), tail: link(p, TAIL), pages: get_u32(p, PENDING_PAGES) }
}

/// Changes the pending list.
pub fn set_list(p: &mut [u8], list: &PendingList) {
    put_link(p, HEAD, list.head);
    put_link(p, TAIL, list.tail);
    put_u32(p, PENDING_PAGES, list.pages);
}

/// What has been counted.
pub fn stats(p: &[u8]) -> GinStats {
    GinStats {
        pending_pages: get_u32(p, PENDING_PAGES),
        total_pages: get_u32(p, TOTAL_PAGES),
        entry_pages: get_u32(p, ENTRY_PAGES),
        data_pages: get_u32(p, DATA_PAGES),
        entries: get_u64(p, ENTRIES),
    }
}

/// Changes what has been counted, which the length of the pending list is not part of.
pub fn set_counted(p: &mut [u8], stats: &GinStats) {
    put_u32(p, TOTAL_PAGES, stats.total_pages);
    put_u32(p, ENTRY_PAGES, stats.entry_pages);
    put_u32(p, DATA_PAGES, stats.data_pages);
    put_u64(p, ENTRIES, stats.entries);
}

const _: () = assert!(END <= bp::ITEMS_END);
