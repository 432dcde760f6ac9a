//! Verifying an index that nobody is changing: every bucket's pages, their order and codes, no page in two chains.

use super::HashIndex;
use super::meta::{depth_of, parent_of};
use super::page::{self as hp, Kind};
use quarry_common::Result;
use std::collections::HashSet;

impl HashIndex {
    /// Verifies order and structure; nothing else may change the index meanwhile. Gives the number of entries.
    pub fn check(&self) -> Result<u64> {
        let buckets = self.refresh()?;
        let blocks = self.blocks()?;
        let places = self.places_of_groups()?;
        if places.iter().any(|place| place.end > blocks) {
            return Err(self.corrupted("a group of buckets lies behind the file's end"));
        }
        let mut seen = HashSet::new();
        let mut entries = 0;
        for bucket in 0..buckets {
            let primary = self.read_primary(bucket)?;
            let p: &[u8] = primary.bytes();
            let at = |what: &str| self.corrupted(format_args!("bucket {bucket}: {what}"));
            // Buckets of this round have its depth, the others one less.
            let round = depth_of(buckets);
            let half = 1u32 << (round - 1);
            let depth = if bucket >= half || bucket | half < buckets { round } else { round - 1 };
            if hp::depth(p) != depth {
                return Err(at(&format!("its depth is {}, not {depth}", hp::depth(p))));
            }
            if hp::has_flag(p, hp::POPULATING) {
                let parent = self.read_primary(parent_of(bucket))?;
                if !hp::has_flag(parent.bytes(), hp::SPLITTING) || hp::depth(parent.bytes()) != depth {
                    return Err(at("the bucket that it comes from is not being split"));
                }
            }
            // While its upper half is on the way, its codes are those of before.
            let range = if hp::has_flag(p, hp::SPLITTING) { depth - 1 } else { depth };
            self.walk(p, primary.block(), &mut |p, block| {
                hp::check(p).map_err(|what| self.corrupted(format_args!("block {block}: {what}")))?;
                if !seen.insert(block) {
                    return Err(self.corrupted(format_args!("block {block} is in two chains")));
                }
                if hp::bucket(p) != bucket {
                    return Err(self.corrupted(format_args!("block {block}: it belongs to another bucket")));
                }
                if hp::kind(p) == Some(Kind::Overflow) && places.iter().any(|place| place.contains(&block)) {
                    return Err(self.corrupted(format_args!("block {block} is a bucket's own place")));
                }
                let count = hp::count(p);
                if (0..count).any(|i| !hp::covers(bucket, range, hp::entry(p, i).code())) {
                    return Err(
                        self.corrupted(format_args!("block {block}: an entry belongs to another bucket"))
                    );
                }
                entries += count as u64;
                Ok(true)
            })?;
        }
        Ok(entries)
    }
}
