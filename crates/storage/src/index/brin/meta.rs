//! The meta page, and what a process remembers of it and of the directories.
//!
//! | offset | size | content |
//! | --- | --- | --- |
//! | 32 | 4 | magic |
//! | 36 | 6 + 19 a column | options ([`super::options`]) |
//! | 656 | 4 each | blocks of the directory pages, 0: none |

use super::options::{BrinOptions, COLUMNS_MAX, KIND_BYTES};
use super::page::{PAGES_PER_DIRECTORY, RANGES_PER_PAGE};
use super::summary::Rules;
use super::{Brin, META_BLOCK, damaged};
use crate::page::slotted::{get_u32, put_u32};
use crate::page::{PAGE_HEADER, PAGE_SIZE, Page};
use parking_lot::{Mutex, RwLock};
use quarry_common::{BlockNo, Result};
use std::sync::{Arc, OnceLock};

const MAGIC: u32 = 0x5142_4d50;
const MAGIC_AT: usize = PAGE_HEADER;
const OPTIONS: usize = PAGE_HEADER + 4;
const DIRECTORIES: usize = 656;
const OPTIONS_BYTES_MAX: usize = 6 + COLUMNS_MAX * KIND_BYTES;
/// Directory pages there can be.
pub const DIRECTORIES_MAX: u32 = ((PAGE_SIZE - DIRECTORIES) / 4) as u32;

const _: () = assert!(OPTIONS + OPTIONS_BYTES_MAX <= DIRECTORIES);
// Every block of a table has its range.
const _: () =
    assert!(DIRECTORIES_MAX as u64 * PAGES_PER_DIRECTORY as u64 * RANGES_PER_PAGE as u64 > u32::MAX as u64);

/// Whether the page is a BRIN index's meta page.
pub fn is_meta(page: &Page) -> bool {
    get_u32(page.bytes(), MAGIC_AT) == MAGIC && page.lower() as usize == PAGE_SIZE
}

/// Makes it.
pub fn init(page: &mut Page, options: &[u8]) -> Result<()> {
    if options.len() > OPTIONS_BYTES_MAX {
        return Err(damaged("its options are too long"));
    }
    BrinOptions::from_bytes(options)?;
    page.init(0);
    page.set_lower(PAGE_SIZE as u16);
    put_u32(page.bytes_mut(), MAGIC_AT, MAGIC);
    page.bytes_mut()[OPTIONS..OPTIONS + options.len()].copy_from_slice(options);
    Ok(())
}

/// What the index was made with.
pub fn options(page: &Page) -> Result<BrinOptions> {
    if !is_meta(page) {
        return Err(damaged("its first page is not a BRIN index's meta page"));
    }
    BrinOptions::from_bytes(&page.bytes()[OPTIONS..OPTIONS + OPTIONS_BYTES_MAX])
}

/// The block of the `at`th directory page; 0: none.
pub fn directory(page: &Page, at: u32) -> BlockNo {
    if at >= DIRECTORIES_MAX { 0 } else { get_u32(page.bytes(), DIRECTORIES + at as usize * 4) }
}

/// Names a directory page.
pub fn set_directory(page: &mut Page, at: u32, block: BlockNo) -> Result<()> {
    if !is_meta(page) || at >= DIRECTORIES_MAX {
        return Err(damaged("no such directory"));
    }
    put_u32(page.bytes_mut(), DIRECTORIES + at as usize * 4, block);
    Ok(())
}

/// What is remembered. Pages of the range map are never given up, so what is known of them stays true.
#[derive(Default)]
pub(crate) struct Known {
    rules: OnceLock<Arc<Rules>>,
    /// Blocks of the range map's pages; 0: not known.
    pub map: RwLock<Vec<BlockNo>>,
    /// Held by who adds pages to the range map.
    pub extending: Mutex<()>,
}

impl Brin {
    /// What its summaries are made by.
    pub(super) fn rules(&self) -> Result<Arc<Rules>> {
        let known = self.known();
        if let Some(rules) = known.rules.get() {
            return Ok(rules.clone());
        }
        let meta = self.storage().pool().read(self.page_id(META_BLOCK))?;
        let options = options(&meta).map_err(|e| self.corrupted(e.message()))?;
        drop(meta);
        Ok(known.rules.get_or_init(|| Arc::new(Rules::new(options))).clone())
    }
}
