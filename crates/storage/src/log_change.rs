//! The one way to change a page durably: apply, log, stamp.
//!
//! Pages of relations that are not in the log ([`crate::Persistence`]) take the same way and leave the log out; instead of an LSN
//! they count their changes. The pages of one change are all of one relation, so they are all logged or none is.

use crate::buffer::PageMut;
use crate::engine::Storage;
use crate::ids::PageId;
use crate::page::{PAGE_SIZE, Page};
use crate::wal::Room;
use crate::wal::record::{PAGES_MAX, PAYLOAD_MAX, RecordKind};
use crate::wal::rmgr::{self, PAGE, XLOG};
use quarry_common::{Error, Lsn, Result, Xid};

/// XLOG operation: whole pages.
pub const XLOG_PAGES: u8 = 2;
/// PAGE operation: bytes at offsets.
pub const PATCH: u8 = 0;

impl Storage {
    /// Changes `pages` by the operation `kind` with `payload` and logs it; the end of the record.
    ///
    /// Runs the manager's `apply` on each page (with its index), inserts the record with whole images of the pages
    /// that have none since the last checkpoint, stamps the pages and marks them dirty. A page that is new before is
    /// logged as starting from zeroes. If `apply` refuses the first page, nothing has happened.
    pub fn log_change(
        &self,
        xid: Option<Xid>,
        kind: RecordKind,
        payload: &[u8],
        pages: &mut [&mut PageMut<'_>],
    ) -> Result<Lsn> {
        self.fatal().check()?;
        if pages.len() > PAGES_MAX || payload.len() > PAYLOAD_MAX {
            return Err(Error::internal(format!(
                "change of {} pages with {} bytes",
                pages.len(),
                payload.len()
            )));
        }
        let room = match is_logged(pages) {
            true => Some(self.admit_change(payload.len(), pages.len())?),
            false => None,
        };
        let apply = rmgr::of(kind)?.apply;
        let mut init = [false; PAGES_MAX];
        let mut counts = [0; PAGES_MAX];
        for (index, page) in pages.iter_mut().enumerate() {
            init[index] = page.is_new();
            counts[index] = page.lsn().0;
            if let Err(e) = apply(kind.op, payload, index, page) {
                if index > 0 {
                    // The pages before are changed already, and nothing can take that back.
                    return Err(self
                        .fatal()
                        .raise(&format!("WAL operation {kind:?} failed half-way: {}", e.message())));
                }
                return Err(e);
            }
        }
        let Some(room) = room else { return Ok(count_changes(pages, &counts)) };
        self.log_pages(&room, xid, kind, payload, pages, &init, false)
    }

    /// Logs a page anew: replay starts from zeroes, whatever is on the disk. `make` makes the page what the operation makes of zeroes.
    pub fn log_whole_page(
        &self,
        xid: Option<Xid>,
        kind: RecordKind,
        payload: &[u8],
        page: &mut PageMut<'_>,
        make: impl FnOnce(&mut Page) -> Result<()>,
    ) -> Result<Lsn> {
        self.fatal().check()?;
        let count = page.lsn().0;
        let room = if page.is_logged() { Some(self.admit_change(payload.len(), 1)?) } else { None };
        make(page)?;
        let Some(room) = room else { return Ok(count_changes(&mut [page], &[count])) };
        let mut init = [false; PAGES_MAX];
        init[0] = true;
        self.log_pages(&room, xid, kind, payload, &mut [page], &init, false)
    }

    /// Logs whole images of new pages that the caller has filled by hand. If the log has no room for them, they are empty again.
    pub fn log_full_page(&self, xid: Option<Xid>, pages: &mut [&mut PageMut<'_>]) -> Result<Lsn> {
        if pages.len() > PAGES_MAX {
            return Err(Error::internal(format!("images of {} pages", pages.len())));
        }
        if !is_logged(pages) {
            return Ok(count_changes(pages, &[0; PAGES_MAX]));
        }
        let room = self.admit_change(0, pages.len()).inspect_err(|_| {
            for page in pages.iter_mut() {
                page.zero();
            }
        })?;
        self.log_pages(&room, xid, RecordKind::new(XLOG, XLOG_PAGES), &[], pages, &[false; PAGES_MAX], true)
    }

    /// Before a change: the log has room for it. If it can't grow, a checkpoint may free some.
    fn admit_change(&self, payload: usize, pages: usize) -> Result<Room<'_>> {
        self.wal().admit(payload, pages).inspect_err(|_| self.request_checkpoint())
    }

    #[allow(clippy::too_many_arguments, reason = "a record's parts")]
    fn log_pages(
        &self,
        room: &Room<'_>,
        xid: Option<Xid>,
        kind: RecordKind,
        payload: &[u8],
        pages: &mut [&mut PageMut<'_>],
        init: &[bool; PAGES_MAX],
        images: bool,
    ) -> Result<Lsn> {
        for page in pages.iter_mut() {
            // Before the record has a place: a checkpoint that begins after it must find the page dirty (B4).
            page.mark_dirty();
        }
        let inserted = {
            let page =
                |index: usize| -> (PageId, bool, &Page) { (pages[index].id(), init[index], pages[index]) };
            self.wal().insert_pages(room, xid, kind, payload, pages.len(), page, images)
        };
        match inserted {
            Ok(place) => {
                for page in pages.iter_mut() {
                    page.set_lsn(place.end);
                }
                Ok(place.end)
            }
            Err(e) => {
                Err(self.fatal().raise(&format!("could not log a change that was made: {}", e.message())))
            }
        }
    }

    /// Overwrites bytes of one page (initialising a new one) under the log.
    pub fn log_patch(
        &self,
        xid: Option<Xid>,
        page: &mut PageMut<'_>,
        patches: &[(u16, &[u8])],
    ) -> Result<Lsn> {
        let mut payload = Vec::new();
        for (offset, bytes) in patches {
            payload.extend_from_slice(&offset.to_le_bytes());
            payload.extend_from_slice(&(bytes.len() as u16).to_le_bytes());
            payload.extend_from_slice(bytes);
        }
        self.log_change(xid, RecordKind::new(PAGE, PATCH), &payload, &mut [page])
    }
}

fn is_logged(pages: &[&mut PageMut<'_>]) -> bool {
    let logged = pages.first().is_none_or(|page| page.is_logged());
    assert!(pages.iter().all(|page| page.is_logged() == logged), "a change is in the log or not");
    logged
}

/// The end of a change that isn't in the log (B10): the position in it that there is to wait for is none.
fn count_changes(pages: &mut [&mut PageMut<'_>], before: &[u64]) -> Lsn {
    for (page, before) in pages.iter_mut().zip(before) {
        page.mark_dirty();
        page.set_lsn(Lsn(before + 1));
    }
    Lsn(0)
}

fn patches(payload: &[u8]) -> Result<Vec<(usize, &[u8])>> {
    let mut list = Vec::new();
    let mut rest = payload;
    while !rest.is_empty() {
        let bad = || Error::corrupted("page patch is damaged");
        let (head, tail) = rest.split_first_chunk::<4>().ok_or_else(bad)?;
        let offset = u16::from_le_bytes([head[0], head[1]]) as usize;
        let len = u16::from_le_bytes([head[2], head[3]]) as usize;
        let (bytes, tail) = tail.split_at_checked(len).ok_or_else(bad)?;
        if offset < crate::page::PAGE_HEADER || offset + len > PAGE_SIZE {
            return Err(bad());
        }
        list.push((offset, bytes));
        rest = tail;
    }
    Ok(list)
}

/// The PAGE manager's apply.
pub fn apply_patch(op: u8, payload: &[u8], _index: usize, page: &mut Page) -> Result<()> {
    if op != PATCH {
        return Err(Error::corrupted(format!("unknown page record {op}")));
    }
    let list = patches(payload)?;
    if page.is_new() {
        page.init(0);
        // Patches go anywhere: nothing of the page is a hole that an image could leave out.
        page.set_lower(PAGE_SIZE as u16);
    }
    for (offset, bytes) in list {
        page.bytes_mut()[offset..offset + bytes.len()].copy_from_slice(bytes);
    }
    Ok(())
}

pub fn describe_patch(_op: u8, payload: &[u8]) -> String {
    match patches(payload) {
        Ok(list) => {
            format!("PATCH {} places, {} bytes", list.len(), list.iter().map(|(_, b)| b.len()).sum::<usize>())
        }
        Err(e) => e.message().to_string(),
    }
}
