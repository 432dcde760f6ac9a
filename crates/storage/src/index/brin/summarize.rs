//! Making summaries of ranges that have none, beside others who insert.
//!
//! A placeholder is put in first: an empty summary that inserts widen and that every scan takes for "maybe". Then the range is gone through, and what
//! it gave is united with what the placeholder has become. Whoever had its row in the table before the placeholder was there is seen by going
//! through; whoever comes to the index later finds the placeholder.

use super::Brin;
use super::summary::is_placeholder;
use quarry_common::{BlockNo, Result};
use std::ops::Range;

/// Takes a row's keys in.
pub type RowKeys<'a> = dyn FnMut(&[Option<&[u8]>]) -> Result<()> + 'a;
/// Gives the keys of every row version in some blocks that anyone may see, those of running transactions too.
pub type ScanBlocks<'a> = dyn FnMut(Range<BlockNo>, &mut RowKeys<'_>) -> Result<()> + 'a;

impl Brin {
    /// The first blocks of the ranges of a table of so many blocks that have no summary, or only the placeholder of somebody who did not
    /// finish. `include_partial`: also the last range if the table ends within it.
    pub fn unsummarized(&self, heap_blocks: BlockNo, include_partial: bool) -> Result<Vec<BlockNo>> {
        let per_range = self.pages_per_range()?;
        let ranges = if include_partial { heap_blocks.div_ceil(per_range) } else { heap_blocks / per_range };
        let mut missing = Vec::new();
        for range in 0..ranges {
            let start = range * per_range;
            let made = self.with_summary(range, start, |bytes| Ok(!is_placeholder(bytes)))?;
            if made != Some(true) {
                missing.push(start);
            }
        }
        Ok(missing)
    }

    /// Makes the summary of the range that `block` is in, if it has none; false if it has. The caller's lock keeps others from doing
    /// the same, and from taking summaries away.
    pub fn summarize(&self, block: BlockNo, scan: &mut ScanBlocks<'_>) -> Result<bool> {
        let rules = self.rules()?;
        let per_range = rules.options.pages_per_range;
        let range = block / per_range;
        let start = range * per_range;
        match self.with_summary(range, start, |bytes| Ok(is_placeholder(bytes)))? {
            Some(false) => return Ok(false),
            Some(true) => {}
            None => {
                let mut placeholder = rules.empty(start);
                placeholder.placeholder = true;
                if !self.put(range, &placeholder.to_bytes(&rules, self.name())?)? {
                    return Ok(false);
                }
            }
        }
        let mut made = rules.empty(start);
        scan(start..start.saturating_add(per_range), &mut |keys| made.add(&rules, keys))?;
        self.change(&rules, range, start, &mut |summary| {
            summary.placeholder = false;
            summary.unite(&rules, &made);
            Ok(())
        })
    }
}
