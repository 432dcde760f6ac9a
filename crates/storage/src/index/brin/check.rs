//! Verifying an index that nobody is changing: every place in the range map has its summary, every summary its place, and all of them can be read.

use super::page::{self as bp, Kind, RANGES_PER_PAGE};
use super::{Brin, META_BLOCK};
use quarry_common::Result;
use std::collections::HashSet;

impl Brin {
    /// Verifies the structure; nothing else may change the index meanwhile. Gives the number of summaries.
    pub fn check(&self) -> Result<u64> {
        let rules = self.rules()?;
        let pool = self.storage().pool();
        let mut places = HashSet::new();
        let mut at = 0;
        while let Some(page) = self.places(at)? {
            for (n, place) in page.into_iter().enumerate() {
                let Some(place) = place else { continue };
                let range = at * RANGES_PER_PAGE + n as u32;
                let start = range as u64 * rules.options.pages_per_range as u64;
                let found = pool.read(self.page_id(place.block))?;
                if start > u32::MAX as u64 || !Brin::is_summary_of(found.bytes(), place.slot, start as u32) {
                    return Err(self.corrupted(format_args!(
                        "block {}: slot {} is not the summary of block {start}",
                        place.block, place.slot
                    )));
                }
                places.insert((place.block, place.slot));
            }
            at += 1;
        }
        for block in META_BLOCK + 1..self.blocks()? {
            let page = pool.read(self.page_id(block))?;
            let p: &[u8] = page.bytes();
            if page.is_new() {
                continue;
            }
            match bp::kind(p) {
                None => return Err(self.corrupted(format_args!("block {block}: it is no BRIN page"))),
                Some(Kind::Summaries) => {}
                Some(Kind::RangeMap | Kind::Directory) => continue,
            }
            let at = |what: &str| self.corrupted(format_args!("block {block}: {what}"));
            bp::check(p).map_err(|what| at(&what))?;
            for slot in 0..bp::slot_count(p) as u16 {
                let Some(bytes) = bp::item(p, slot) else { continue };
                if !places.contains(&(block, slot)) {
                    return Err(at(&format!("the summary in slot {slot} has no place in the range map")));
                }
                rules.read(bytes).map_err(|e| at(&format!("slot {slot}: {}", e.message())))?;
            }
        }
        Ok(places.len() as u64)
    }
}
