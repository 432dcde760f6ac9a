//! Building an index from all rows, by rising block: a range's summary is written when the next range begins.

use super::Brin;
use super::summary::{Rules, Summary};
use quarry_common::{BlockNo, Result};
use std::sync::Arc;

/// Gathers the summaries of a new index.
pub struct BrinBuilder<'a> {
    index: &'a Brin,
    rules: Arc<Rules>,
    range: u32,
    summary: Summary,
    done: u64,
}

impl<'a> BrinBuilder<'a> {
    /// For an index without summaries.
    pub fn new(index: &'a Brin) -> Result<BrinBuilder<'a>> {
        let rules = index.rules()?;
        let summary = rules.empty(0);
        Ok(BrinBuilder { index, rules, range: 0, summary, done: 0 })
    }

    /// Takes a row in that is on `block` or a later one than the rows before.
    pub fn add(&mut self, block: BlockNo, keys: &[Option<&[u8]>]) -> Result<()> {
        let range = block / self.rules.options.pages_per_range;
        while self.range < range {
            self.write()?;
        }
        self.summary.add(&self.rules, keys)
    }

    fn write(&mut self) -> Result<()> {
        let bytes = self.summary.to_bytes(&self.rules, self.index.name())?;
        self.index.put(self.range, &bytes)?;
        self.done += 1;
        self.range += 1;
        self.summary = self.rules.empty(self.range.saturating_mul(self.rules.options.pages_per_range));
        Ok(())
    }

    /// Writes the summaries up to the table's end; how many there are.
    pub fn finish(mut self, heap_blocks: BlockNo) -> Result<u64> {
        while self.range < heap_blocks.div_ceil(self.rules.options.pages_per_range) {
            self.write()?;
        }
        Ok(self.done)
    }
}
