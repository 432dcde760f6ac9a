//! Inserting an entry: on the primary page, on the first overflow page, or on a new one between the two.
//!
//! So an insert looks at two pages however long the chain is; vacuum and splits close the gaps behind.

use super::page::{self as hp, Entry, Kind};
use super::{HashIndex, code_of, kind, wal};
use crate::buffer::PageMut;
use crate::page::slotted::{PayloadWriter, with_scratch};
use crate::txn::Transaction;
use quarry_common::{Error, Result, Tid};
use std::sync::atomic::Ordering;

impl HashIndex {
    /// Adds an entry for the row at `tid`.
    pub fn insert(&self, txn: &Transaction, key: &[u8], tid: Tid) -> Result<()> {
        self.insert_entry(txn, key, tid, false)
    }

    /// As [`HashIndex::insert`] for a row that may have its entry already: then nothing happens.
    pub fn insert_missing(&self, txn: &Transaction, key: &[u8], tid: Tid) -> Result<()> {
        self.insert_entry(txn, key, tid, true)
    }

    fn insert_entry(&self, txn: &Transaction, key: &[u8], tid: Tid, if_missing: bool) -> Result<()> {
        if !hp::is_indexable(tid) {
            return Err(Error::internal(format!("row {tid} can't be indexed")));
        }
        let entry = Entry::new(code_of(key), tid);
        let known = self.known();
        loop {
            let page = self.write_bucket(entry.code())?;
            if hp::flags(page.bytes()) & (hp::SPLITTING | hp::POPULATING) != 0 {
                // Either somebody is at it, or whoever was is gone. An entry that may be in two buckets is waited for.
                let bucket = hp::bucket(page.bytes());
                let moving = known.moving.try_lock();
                if moving.is_some() || if_missing {
                    drop(page);
                    let moving = moving.unwrap_or_else(|| known.moving.lock());
                    self.finish_split(&moving, bucket)?;
                    continue;
                }
            }
            if if_missing && self.has_entry(&page, entry)? {
                return Ok(());
            }
            self.insert_in(txn, page, entry)?;
            break;
        }
        let entries = known.entries.fetch_add(1, Ordering::Relaxed) + 1;
        if entries > known.target() * known.buckets() as u64 {
            self.split_one()?;
        }
        Ok(())
    }

    fn has_entry(&self, primary: &PageMut<'_>, entry: Entry) -> Result<bool> {
        let mut there = false;
        self.walk(primary.bytes(), primary.block(), &mut |p, _| {
            let at = hp::lower_bound(p, hp::depth(p), entry);
            there = at < hp::count(p) && hp::entry(p, at) == entry;
            Ok(!there)
        })?;
        Ok(there)
    }

    /// Puts the entry into the bucket whose primary page is held.
    fn insert_in<'a>(&'a self, txn: &Transaction, mut page: PageMut<'a>, entry: Entry) -> Result<()> {
        txn.check_entry(self.rel(), page.block())?;
        let storage = self.storage();
        let record = entry.to_bytes();
        if self.make_room(&mut page)? {
            storage.log_change(None, kind(wal::INSERT), &record, &mut [&mut page])?;
            return Ok(());
        }
        let next = hp::next(page.bytes());
        if next != 0 {
            let mut overflow = self.write_overflow(next)?;
            if self.make_room(&mut overflow)? {
                storage.log_change(None, kind(wal::INSERT), &record, &mut [&mut overflow])?;
                return Ok(());
            }
        }
        self.add_overflow(&mut page, &record)?;
        Ok(())
    }

    /// Puts a new page with some entries behind the primary page of a bucket.
    pub(super) fn add_overflow<'a>(
        &'a self,
        primary: &mut PageMut<'a>,
        entries: &[u8],
    ) -> Result<PageMut<'a>> {
        debug_assert_eq!(
            hp::kind(primary.bytes()),
            Some(Kind::Primary),
            "overflow pages come behind primary ones"
        );
        let mut page = self.take_page()?;
        with_scratch(|payload| {
            let p: &[u8] = primary.bytes();
            payload
                .w32(page.block())
                .w32(hp::next(p))
                .w32(hp::bucket(p))
                .w8(hp::depth(p) as u8)
                .wbytes(entries);
            self.storage().log_change(None, kind(wal::OVERFLOW), payload, &mut [primary, &mut page])
        })?;
        Ok(page)
    }

    /// Whether the page has room for an entry, without those known to be dead to all if it must be.
    fn make_room(&self, page: &mut PageMut<'_>) -> Result<bool> {
        let p: &[u8] = page.bytes();
        let count = hp::count(p);
        if count < hp::CAPACITY {
            return Ok(true);
        }
        if !hp::has_flag(p, hp::HAS_DEAD) {
            return Ok(false);
        }
        let dead: Vec<usize> = (0..count).filter(|i| hp::is_dead(p, *i)).collect();
        hp::set_flag(page.bytes_mut(), hp::HAS_DEAD, false);
        if dead.is_empty() {
            return Ok(false);
        }
        self.remove_from(page, &dead)?;
        self.known().forget(dead.len() as u64);
        Ok(true)
    }

    /// Removes the entries at `slots`, rising.
    pub(super) fn remove_from(&self, page: &mut PageMut<'_>, slots: &[usize]) -> Result<()> {
        with_scratch(|payload| {
            for slot in slots {
                payload.w16(*slot as u16);
            }
            self.storage().log_change(None, kind(wal::DELETE), payload, &mut [page])
        })?;
        Ok(())
    }
}
