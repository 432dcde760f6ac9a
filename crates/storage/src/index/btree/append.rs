//! Entries above all that a tree has, many in one change of its rightmost leaf: what rows with rising keys bring.

use super::key::{Key, Packed};
use super::page::{self as bp, Target, ord};
use super::{BTree, kind, wal};
use crate::page::slotted::{PayloadWriter, put_u16, with_scratch};
use crate::txn::Transaction;
use quarry_common::{Result, Tid};

/// An entry on its way into a tree.
#[derive(Clone, Copy)]
pub struct NewEntry<'a> {
    pub key: &'a [u8],
    pub payload: &'a [u8],
    pub tid: Tid,
}

/// Where a record of one splice without removals has its number of items.
const ITEM_COUNT: usize = 6;

impl BTree {
    /// Adds entries, from the first on, as long as they lie behind everything on the rightmost leaf and it has room for them; how many.
    /// What is left is for [`BTree::insert`], which finds the place or makes the room.
    ///
    /// In a unique tree each key is above all others, so no row can be in its way and no check is needed.
    pub fn append<'e>(
        &self,
        txn: &Transaction,
        entries: impl Iterator<Item = NewEntry<'e>>,
    ) -> Result<usize> {
        let mut entries = entries.peekable();
        let Some(first) = entries.peek() else { return Ok(0) };
        let place = Target::new(first.key, ord::of(first.tid));
        let Some((mut page, _)) = self.rightmost_for(&place, !self.is_unique())? else { return Ok(0) };
        with_scratch(|record| {
            let at = bp::slot_count(page.bytes());
            record.w16(1).w16(at as u16).w16(0).w16(0);
            let mut free = bp::free(page.bytes());
            let mut count: u16 = 0;
            let mut last: Option<NewEntry<'e>> = None;
            for entry in entries {
                if last.is_some_and(|l| !self.is_behind(&l, &entry)) {
                    break;
                }
                let (key, payload) = (Packed::key(entry.key), Packed::payload(entry.payload));
                let (key, len): (Key<'_>, _) = (key.as_key(), bp::leaf_item_len(&key.as_key(), &payload));
                if free < len + 2 || !fits(&key, &payload) {
                    break;
                }
                free -= len + 2;
                record.w16(len as u16);
                bp::write_leaf_item(&key, &payload, entry.tid, record);
                count += 1;
                last = Some(entry);
            }
            if count == 0 {
                return Ok(0);
            }
            txn.check_entry(self.rel(), page.id().block)?;
            put_u16(record, ITEM_COUNT, count);
            self.storage().log_change(None, kind(wal::SPLICE), record, &mut [&mut page])?;
            Ok(usize::from(count))
        })
    }

    /// Whether an entry may stand directly behind another one without looking at the tree.
    fn is_behind(&self, last: &NewEntry<'_>, next: &NewEntry<'_>) -> bool {
        match next.key.cmp(last.key) {
            std::cmp::Ordering::Greater => true,
            std::cmp::Ordering::Equal => !self.is_unique() && next.tid > last.tid,
            std::cmp::Ordering::Less => false,
        }
    }
}

/// Whether an entry is short enough for a page; [`BTree::insert`] has the error.
fn fits(key: &Key<'_>, payload: &Packed<'_>) -> bool {
    key.bytes().len() + payload.bytes().len() <= bp::ENTRY_BYTES_MAX
}
