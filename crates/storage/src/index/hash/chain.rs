//! Finding a bucket's primary page, walking its chain, taking pages for it.

use super::meta::{bucket_of, parent_of};
use super::page::{self as hp, Kind};
use super::{HashIndex, META_BLOCK};
use crate::Fork;
use crate::buffer::{PageMut, PageRef};
use quarry_common::{BlockNo, Result};

/// A search that meets a bucket split since begins again; this many times in a row can only mean damage.
const RESTARTS_MAX: u32 = 10_000;

impl HashIndex {
    /// The primary page of the bucket that a code belongs to, latched shared.
    pub(super) fn read_bucket(&self, code: u64) -> Result<PageRef<'_>> {
        let mut buckets = self.buckets()?;
        for _ in 0..RESTARTS_MAX {
            let bucket = bucket_of(code, buckets);
            let page = self.storage().pool().read(self.page_id(self.known().block_of(bucket)))?;
            if holds(page.bytes(), bucket, code) {
                return Ok(page);
            }
            drop(page);
            buckets = self.refresh()?;
        }
        Err(self.corrupted("a code's bucket is never found"))
    }

    /// The same, latched exclusively.
    pub(super) fn write_bucket(&self, code: u64) -> Result<PageMut<'_>> {
        let mut buckets = self.buckets()?;
        for _ in 0..RESTARTS_MAX {
            let bucket = bucket_of(code, buckets);
            let page = self.storage().pool().write(self.page_id(self.known().block_of(bucket)))?;
            if holds(page.bytes(), bucket, code) {
                return Ok(page);
            }
            drop(page);
            buckets = self.refresh()?;
        }
        Err(self.corrupted("a code's bucket is never found"))
    }

    /// The primary page of a bucket that there is.
    pub(super) fn write_primary(&self, bucket: u32) -> Result<PageMut<'_>> {
        let page = self.storage().pool().write(self.page_id(self.known().block_of(bucket)))?;
        if !is_primary(page.bytes(), bucket) {
            return Err(self.not_primary(page.block(), bucket));
        }
        Ok(page)
    }

    /// The same, latched shared.
    pub(super) fn read_primary(&self, bucket: u32) -> Result<PageRef<'_>> {
        let page = self.storage().pool().read(self.page_id(self.known().block_of(bucket)))?;
        if !is_primary(page.bytes(), bucket) {
            return Err(self.not_primary(page.block(), bucket));
        }
        Ok(page)
    }

    #[cold]
    fn not_primary(&self, block: BlockNo, bucket: u32) -> quarry_common::Error {
        self.corrupted(format_args!("block {block}: it is not the first page of bucket {bucket}"))
    }

    /// The bucket whose entries belong partly to a bucket that is being populated.
    pub(super) fn source_of(&self, populated: u32) -> u32 {
        parent_of(populated)
    }

    /// Calls `f` with each page of a chain whose primary page is held, that one first. `f` says whether to go on.
    pub(super) fn walk(
        &self,
        primary: &[u8],
        block: BlockNo,
        f: &mut dyn FnMut(&[u8], BlockNo) -> Result<bool>,
    ) -> Result<()> {
        if !f(primary, block)? {
            return Ok(());
        }
        let mut next = hp::next(primary);
        let mut steps = 0;
        while next != 0 {
            let page = self.storage().pool().read(self.page_id(self.overflow_block(next, &mut steps)?))?;
            self.expect_overflow(page.bytes(), next)?;
            if !f(page.bytes(), next)? {
                return Ok(());
            }
            next = hp::next(page.bytes());
        }
        Ok(())
    }

    /// A page of the chain, latched exclusively.
    pub(super) fn write_overflow(&self, block: BlockNo) -> Result<PageMut<'_>> {
        let page = self.storage().pool().write(self.page_id(self.overflow_block(block, &mut 0)?))?;
        self.expect_overflow(page.bytes(), block)?;
        Ok(page)
    }

    /// A link's block, if it can be one; `steps` counts, so that no walk goes in a circle.
    pub(super) fn overflow_block(&self, block: BlockNo, steps: &mut BlockNo) -> Result<BlockNo> {
        *steps += 1;
        // The file's length is asked for rarely: a chain is short.
        if (*steps).is_multiple_of(1024) && *steps > self.blocks()? {
            return Err(self.corrupted("the pages of a bucket go in a circle"));
        }
        // Else one could wait for a latch that one holds.
        if block == META_BLOCK || self.known().is_place_of_bucket(block) {
            return Err(self.corrupted(format_args!(
                "block {block}: a bucket's link leads to it, but it is no overflow page"
            )));
        }
        Ok(block)
    }

    pub(super) fn expect_overflow(&self, p: &[u8], block: BlockNo) -> Result<()> {
        if hp::kind(p) == Some(Kind::Overflow) {
            return Ok(());
        }
        Err(self.corrupted(format_args!(
            "block {block}: a bucket's link leads to it, but it is no overflow page"
        )))
    }

    /// A page for a chain, latched exclusively.
    pub(super) fn take_page(&self) -> Result<PageMut<'_>> {
        let pool = self.storage().pool();
        loop {
            let Some(block) = self.state().free_pages.lock().pop() else { break };
            // Never wait for a latch here: the caller holds others, and whoever has this one may want them.
            let Some(page) = pool.try_write(self.page_id(block))? else { continue };
            if page.is_new() || hp::kind(page.bytes()) == Some(Kind::Free) {
                return Ok(page);
            }
        }
        pool.extend(self.rel(), Fork::Main, 1)
    }
}

fn is_primary(p: &[u8], bucket: u32) -> bool {
    hp::kind(p) == Some(Kind::Primary) && hp::bucket(p) == bucket
}

#[inline]
fn holds(p: &[u8], bucket: u32, code: u64) -> bool {
    is_primary(p, bucket) && hp::covers(bucket, hp::depth(p), code)
}
