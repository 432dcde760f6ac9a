//! Updating, deleting and locking rows: one loop that looks at the version under its page's exclusive latch, waits without latches,
//! and looks again.

use super::insert::{kind, room};
use super::row_lock::{Line, RowLockMode};
use super::tuple::{self, HEADER_BYTES, TupleHeader};
use super::visibility::{Modifiable, modifiable};
use super::{Heap, ModifyResult, UpdateOptions, VersionRef, page as hp, prune, wal};
use crate::buffer::PageMut;
use crate::lock::{LockManager, RowOperation};
use crate::page::slotted::with_scratch;
use crate::row::{RowRef, ToastPointer};
use crate::txn::{Snapshot, Transaction, XidStatus};
use crate::{WaitPolicy, toast, vm};
use quarry_common::{BlockNo, Error, Result, Tid};
use std::borrow::Cow;

/// Each time the way through a row's versions is lost, someone has removed some. More often than this is a mistake.
const WAYS_MAX: usize = 10_000;

/// What one look at a version led to.
enum Look {
    /// It may be changed: the header as it is.
    Go(TupleHeader),
    /// Final answer.
    Answer(ModifyResult),
    /// Waited; look again.
    Again,
}

/// Whether the version is there.
fn holds(p: &[u8], at: VersionRef) -> bool {
    match hp::tuple(p, at.tid.slot) {
        Some(t) => at.is(&TupleHeader::read(t)),
        // Whoever comes with a place only is told so where the version is judged.
        None => at == VersionRef::from(at.tid),
    }
}

/// A committed transaction has ended the version with this header.
fn updated(at: VersionRef, h: &TupleHeader) -> ModifyResult {
    match h.next() {
        Some(next) => ModifyResult::Updated { next: next.reached_from(at) },
        None => ModifyResult::Deleted,
    }
}

impl Heap {
    /// Replaces the version at `tid` (visible to `snap`) by `new_row`. Waits for concurrent changers as `wait` says.
    pub fn update(
        &self,
        txn: &Transaction,
        snap: &Snapshot,
        tid: Tid,
        new_row: &[u8],
        opts: UpdateOptions,
        wait: WaitPolicy,
    ) -> Result<ModifyResult> {
        let mode = if opts.key_unchanged { RowLockMode::NoKeyUpdate } else { RowLockMode::Update };
        let mut body: Cow<'_, [u8]> = Cow::Borrowed(new_row);
        let mut prepared = false;
        let mut target: Option<BlockNo> = None;
        let mut line = Line::new(RowOperation::Update);
        loop {
            let (mut page, other) = self.latch_pair(tid.block, target)?;
            let header = match self.look(txn, snap, tid.into(), mode, &page)? {
                Look::Go(h) => h,
                Look::Answer(a) => {
                    drop((page, other));
                    self.discard_new_values(txn, new_row, &body)?;
                    return Ok(a);
                }
                Look::Again => {
                    drop((page, other));
                    match self.wait_for_turn(txn, snap, tid, mode, wait, &mut line)? {
                        true => continue,
                        false => {
                            self.discard_new_values(txn, new_row, &body)?;
                            return Ok(ModifyResult::WouldBlock);
                        }
                    }
                }
            };
            if !prepared {
                prepared = true;
                if toast::is_needed(new_row) {
                    drop((page, other));
                    body = self.prepare_row(txn, new_row)?;
                    continue;
                }
                body = self.prepare_row(txn, new_row)?;
            }
            txn.check_change(self.rel, tid)?;
            let shown_to_all = self.vm_of(&page) != wal::NO_VM;
            let need = HEADER_BYTES + body.len();
            let old_external = if header.has(tuple::HAS_EXTERNAL) {
                self.external_values(page.bytes(), tid.slot)
            } else {
                Vec::new()
            };
            let xid = txn.assign_xid_to_note();
            self.keep_outer_lock(txn, tid, &header)?;
            let command = txn.command_id();
            let (old_command, paired) = txn.end_in(&header);
            let mut old_bits = mode.key_bit() | paired;
            if header.has(tuple::XMAX_LOCK_ONLY) && txn.is_mine(header.xmax) {
                old_bits |= header.flags & tuple::XMAX_KEY;
            }
            let mut new_flags = tuple::UPDATED | self.external_flag(&body);
            if opts.hot_allowed && self.stands_for_next(txn, &header) {
                new_flags |= tuple::STOOD_FOR;
            }
            let (new_tid, hot);
            match other {
                None => {
                    if room(page.bytes()) < need {
                        prune::prune_in_passing(&self.storage, &mut page)?;
                    }
                    if room(page.bytes()) < need {
                        drop(page);
                        target = Some(self.page_with_space(need, false, None)?.id().block);
                        continue;
                    }
                    hot = opts.hot_allowed;
                    if hot {
                        old_bits |= tuple::HOT_UPDATED;
                        new_flags |= tuple::HEAP_ONLY;
                    }
                    let slot = hp::free_slot(page.bytes());
                    new_tid = Tid { block: tid.block, slot };
                    let old =
                        &hp::tuple(page.bytes(), tid.slot).unwrap_or(&[0; HEADER_BYTES])[HEADER_BYTES..];
                    let prefix = old.iter().zip(body.iter()).take_while(|(a, b)| a == b).count();
                    let most = old.len().min(body.len()) - prefix;
                    let suffix = old
                        .iter()
                        .rev()
                        .zip(body.iter().rev())
                        .take(most)
                        .take_while(|(a, b)| a == b)
                        .count();
                    with_scratch(|payload| {
                        wal::UpdateLocal {
                            vm: self.vm_of(&page),
                            block: tid.block,
                            old_slot: tid.slot,
                            new_slot: slot,
                            update: wal::Update { xid, command, old_command, old_bits, new_flags },
                            prefix: prefix as u16,
                            suffix: suffix as u16,
                        }
                        .write(payload, &body);
                        self.log(txn, xid, wal::UPDATE_LOCAL, payload, &mut page)
                    })?;
                }
                Some(mut new_page) => {
                    if room(new_page.bytes()) < need {
                        self.state.record(new_page.id().block, room(new_page.bytes()));
                        if self.state.target() == target {
                            self.state.set_target(None);
                        }
                        drop((page, new_page));
                        target = Some(self.page_with_space(need, false, None)?.id().block);
                        continue;
                    }
                    hot = false;
                    let slot = hp::free_slot(new_page.bytes());
                    new_tid = Tid { block: new_page.id().block, slot };
                    let record = wal::UpdateCross {
                        vm_old: self.vm_of(&page),
                        vm_new: self.vm_of(&new_page),
                        old_slot: tid.slot,
                        new: new_tid,
                        update: wal::Update { xid, command, old_command, old_bits, new_flags },
                    };
                    self.log_cross(txn, &mut page, &mut new_page, &record, &body)?;
                }
            }
            if shown_to_all {
                // Index-only readers that came before the bit was cleared are found now (rule S6).
                txn.check_change(self.rel, tid)?;
            }
            txn.count(self.rel, &self.state, |a| {
                a.updated += 1;
                a.hot_updated += u64::from(hot);
            });
            if self.storage.locks().has_row_locks() {
                let prepared = self.storage.locks().carry_row_locks(self.rel, tid, new_tid);
                let tag = LockManager::row_tag(self.rel, new_tid);
                self.storage.log_carried_locks(tag, &prepared)?;
            }
            drop(page);
            if !old_external.is_empty() {
                let kept = RowRef::new(&self.layout, &body);
                let gone: Vec<ToastPointer> =
                    old_external.into_iter().filter(|p| !kept.externals().any(|k| k == *p)).collect();
                toast::delete_values(self, txn, &gone)?;
            }
            return Ok(ModifyResult::Done { tid: new_tid, hot });
        }
    }

    /// Deletes the version at `tid` (visible to `snap`).
    pub fn delete(
        &self,
        txn: &Transaction,
        snap: &Snapshot,
        tid: Tid,
        wait: WaitPolicy,
    ) -> Result<ModifyResult> {
        let mut line = Line::new(RowOperation::Delete);
        loop {
            let mut page = self.storage.pool().write(self.page_id(tid.block))?;
            match self.look(txn, snap, tid.into(), RowLockMode::Update, &page)? {
                Look::Go(header) => {
                    let external = if header.has(tuple::HAS_EXTERNAL) {
                        self.external_values(page.bytes(), tid.slot)
                    } else {
                        Vec::new()
                    };
                    txn.check_change(self.rel, tid)?;
                    let shown_to_all = self.vm_of(&page) != wal::NO_VM;
                    let xid = txn.assign_xid_to_note();
                    self.keep_outer_lock(txn, tid, &header)?;
                    with_scratch(|payload| {
                        let (command, paired) = txn.end_in(&header);
                        let (vm, bits) = (self.vm_of(&page), tuple::XMAX_KEY | paired);
                        wal::SetXmax { vm, slot: tid.slot, bits, xmax: xid, command }.write(payload);
                        self.log(txn, xid, wal::SET_XMAX, payload, &mut page)
                    })?;
                    if shown_to_all {
                        // As for updates.
                        txn.check_change(self.rel, tid)?;
                    }
                    drop(page);
                    txn.count(self.rel, &self.state, |a| a.deleted += 1);
                    toast::delete_values(self, txn, &external)?;
                    return Ok(ModifyResult::Done { tid, hot: false });
                }
                Look::Answer(a) => return Ok(a),
                Look::Again => {
                    drop(page);
                    if !self.wait_for_turn(txn, snap, tid, RowLockMode::Update, wait, &mut line)? {
                        return Ok(ModifyResult::WouldBlock);
                    }
                }
            }
        }
    }

    /// Locks a version until the transaction ends: one that `snap` sees, or one that another led to. If that has been removed meanwhile, the next
    /// one that is there; `Done` tells which.
    pub fn lock(
        &self,
        txn: &Transaction,
        snap: &Snapshot,
        at: impl Into<VersionRef>,
        mode: RowLockMode,
        wait: WaitPolicy,
    ) -> Result<ModifyResult> {
        let mut at: VersionRef = at.into();
        if !mode.is_strong() {
            return Ok(match self.lock_shared(txn, snap, at, mode, wait)? {
                // A key-share lock could be had on a version in between: it is the last one that counts.
                ModifyResult::Updated { next } => ModifyResult::Updated { next: self.last_version(next)? },
                other => other,
            });
        }
        let mut line = Line::new(RowOperation::Lock);
        loop {
            let tid = at.tid;
            let mut page = self.storage.pool().write(self.page_id(tid.block))?;
            if !holds(page.bytes(), at) {
                drop(page);
                match self.way_on(at)? {
                    Some(next) => at = next,
                    None => return Ok(ModifyResult::Deleted),
                }
                continue;
            }
            match self.look(txn, snap, at, mode, &page)? {
                Look::Go(header) => {
                    let mine = header.has(tuple::XMAX_LOCK_ONLY) && txn.is_mine(header.xmax);
                    if !mine || header.flags & mode.key_bit() != mode.key_bit() {
                        // A stronger lock keeps the older holder's xid, so that it survives a subtransaction's end.
                        let current = txn.assign_xid_to_note();
                        let xid = if mine { header.xmax } else { current };
                        with_scratch(|payload| {
                            let (vm, bits) = (wal::NO_VM, tuple::XMAX_LOCK_ONLY | mode.key_bit());
                            let command = txn.command_id();
                            wal::SetXmax { vm, slot: tid.slot, bits, xmax: xid, command }.write(payload);
                            self.log(txn, current, wal::SET_XMAX, payload, &mut page)
                        })?;
                    }
                    return Ok(ModifyResult::Done { tid, hot: false });
                }
                Look::Answer(a) => return Ok(a),
                Look::Again => {
                    drop(page);
                    if !self.wait_for_turn(txn, snap, tid, mode, wait, &mut line)? {
                        return Ok(ModifyResult::WouldBlock);
                    }
                }
            }
        }
    }

    /// The last version of a row from `tid` on that was made by a committed transaction.
    fn last_version(&self, mut at: VersionRef) -> Result<VersionRef> {
        let mut last = at;
        while let Some(h) = self.header_of(&mut at)? {
            last = at;
            match h.next() {
                Some(next)
                    if h.may_be_ended()
                        && matches!(self.storage.txns().status(h.xmax), XidStatus::Committed(_)) =>
                {
                    at = next.reached_from(at);
                }
                _ => break,
            }
        }
        Ok(last)
    }

    /// The header of a version that another led to; if it has been removed meanwhile, `at` becomes the next one that is there. None: the row
    /// has ended.
    fn header_of(&self, at: &mut VersionRef) -> Result<Option<TupleHeader>> {
        loop {
            let page = self.storage.pool().read(self.page_id(at.tid.block))?;
            if holds(page.bytes(), *at) {
                return Ok(hp::tuple(page.bytes(), at.tid.slot).map(TupleHeader::read));
            }
            drop(page);
            match self.way_on(*at)? {
                Some(next) => *at = next,
                None => return Ok(None),
            }
        }
    }

    /// A version that has been removed was `gone`: where the row goes on. None: it has ended.
    fn way_on(&self, gone: VersionRef) -> Result<Option<VersionRef>> {
        if let Ok(there) = self.over_gap(gone)? {
            return Ok(Some(there));
        }
        // Nothing; or the gap has been closed, or has grown, since the link was read. From the way's beginning it is whole.
        let Some(origin) = gone.origin() else { return Ok(None) };
        let mut end = None;
        for _ in 0..WAYS_MAX {
            let mut stand = origin;
            let lost = loop {
                let Some(next) = self.link_of(stand)? else {
                    return Ok(Some(stand).filter(|s| *s != origin));
                };
                match self.over_gap(next)? {
                    Ok(there) => stand = there,
                    Err(lost) => break lost,
                }
            };
            // Twice at the same place: nobody was at work there in between.
            if end == Some(lost) {
                return Ok(None);
            }
            end = Some(lost);
        }
        Err(Error::internal(format!("the versions after {} of {} lead nowhere", gone.tid, self.rel)))
    }

    /// The first version that is there, from `at` on through what is noted of removed ones; else the last of these.
    fn over_gap(&self, mut at: VersionRef) -> Result<std::result::Result<VersionRef, VersionRef>> {
        loop {
            if holds(self.storage.pool().read(self.page_id(at.tid.block))?.bytes(), at) {
                return Ok(Ok(at));
            }
            match self.storage.removed_links().after(self.rel, at) {
                Some(next) => at = next,
                None => return Ok(Err(at)),
            }
        }
    }

    /// Where a version leads that has been ended by a committed transaction.
    fn link_of(&self, at: VersionRef) -> Result<Option<VersionRef>> {
        let page = self.storage.pool().read(self.page_id(at.tid.block))?;
        let Some(h) = hp::tuple(page.bytes(), at.tid.slot).map(TupleHeader::read) else { return Ok(None) };
        let ended = || matches!(self.storage.txns().status(h.xmax), XidStatus::Committed(_));
        if !at.is(&h) || !h.may_be_ended() || !ended() {
            return Ok(None);
        }
        Ok(h.next().map(|next| next.reached_from(at)))
    }

    /// The version that follows on one which the caller's snapshot sees, or which another led to. None: it is the last.
    pub fn next_version(&self, mut at: VersionRef) -> Result<Option<VersionRef>> {
        let Some(h) = self.header_of(&mut at)? else { return Ok(None) };
        let Some(next) = h.next().filter(|_| h.may_be_ended()) else { return Ok(None) };
        let mut next = next.reached_from(at);
        Ok(self.header_of(&mut next)?.map(|_| next))
    }

    fn lock_shared(
        &self,
        txn: &Transaction,
        snap: &Snapshot,
        mut at: VersionRef,
        mode: RowLockMode,
        wait: WaitPolicy,
    ) -> Result<ModifyResult> {
        let mut line = Line::new(RowOperation::Lock);
        loop {
            let tid = at.tid;
            let page = self.storage.pool().read(self.page_id(tid.block))?;
            if !holds(page.bytes(), at) {
                drop(page);
                match self.way_on(at)? {
                    Some(next) => at = next,
                    None => return Ok(ModifyResult::Deleted),
                }
                continue;
            }
            let Some(t) = hp::tuple(page.bytes(), tid.slot) else { return Ok(ModifyResult::Deleted) };
            let h = TupleHeader::read(t);
            match modifiable(&h, txn, snap, self.storage.txns(), mode == RowLockMode::KeyShare) {
                Modifiable::Yes { held_by_me: true, .. } => {
                    return Ok(ModifyResult::Done { tid, hot: false });
                }
                Modifiable::Yes { shared_with, .. } => {
                    // As in PostgreSQL, who locks rows has an id.
                    txn.assign_xid_to_note();
                    if self.try_share(txn, tid, mode)? {
                        drop(page);
                        if let (Some(_), true) = (shared_with, h.ctid.slot != 0)
                            && let Some(other) = self.share_newer(txn, at, h, mode, wait, &mut line)?
                        {
                            return Ok(other);
                        }
                        return Ok(ModifyResult::Done { tid, hot: false });
                    }
                    drop(page);
                    if !self.wait_in_line(txn, tid, None, mode, wait, &mut line)? {
                        return Ok(ModifyResult::WouldBlock);
                    }
                }
                Modifiable::Wait(xid) => {
                    drop(page);
                    if !self.wait_in_line(txn, tid, Some(xid), mode, wait, &mut line)? {
                        return Ok(ModifyResult::WouldBlock);
                    }
                }
                Modifiable::SelfModified { same_command } => {
                    return Ok(ModifyResult::SelfModified { same_command });
                }
                Modifiable::Updated => return Ok(updated(at, &h)),
                Modifiable::Deleted => return Ok(ModifyResult::Deleted),
            }
        }
    }

    /// Others have made newer versions of a row whose key they keep: those get the share lock too. `Some`: it would block, or the row
    /// was deleted or got another key in the end.
    fn share_newer<'t>(
        &self,
        txn: &'t Transaction,
        from: VersionRef,
        old: TupleHeader,
        mode: RowLockMode,
        wait: WaitPolicy,
        line: &mut Line<'t>,
    ) -> Result<Option<ModifyResult>> {
        let Some(mut at) = old.next().map(|next| next.reached_from(from)) else { return Ok(None) };
        loop {
            let page = self.storage.pool().read(self.page_id(at.tid.block))?;
            if !holds(page.bytes(), at) {
                drop(page);
                match self.way_on(at)? {
                    Some(next) => at = next,
                    None => return Ok(None),
                }
                continue;
            }
            let Some(t) = hp::tuple(page.bytes(), at.tid.slot) else { return Ok(None) };
            let h = TupleHeader::read(t);
            let end = h.may_be_ended().then(|| self.storage.txns().status(h.xmax));
            if h.has(tuple::XMAX_KEY)
                && let Some(XidStatus::Committed(csn)) = end
            {
                txn.follow(csn);
                return Ok(Some(updated(at, &h)));
            }
            let running = end == Some(XidStatus::InProgress);
            if running && h.has(tuple::XMAX_KEY) && !txn.is_mine(h.xmax) {
                // The same transaction then deleted it or changed its key.
                let holder = h.xmax;
                drop(page);
                if !self.wait_in_line(txn, at.tid, Some(holder), mode, wait, line)? {
                    return Ok(Some(ModifyResult::WouldBlock));
                }
                continue;
            }
            if !self.try_share(txn, at.tid, mode)? {
                drop(page);
                if !self.wait_in_line(txn, at.tid, None, mode, wait, line)? {
                    return Ok(Some(ModifyResult::WouldBlock));
                }
                continue;
            }
            match h.next() {
                Some(next) if h.may_be_ended() => at = next.reached_from(at),
                _ => return Ok(None),
            }
        }
    }

    /// Judges the version under its page's exclusive latch.
    fn look(
        &self,
        txn: &Transaction,
        snap: &Snapshot,
        at: VersionRef,
        mode: RowLockMode,
        page: &PageMut<'_>,
    ) -> Result<Look> {
        let tid = at.tid;
        let Some(t) = hp::tuple(page.bytes(), tid.slot) else {
            return Ok(Look::Answer(ModifyResult::Deleted));
        };
        let h = TupleHeader::read(t);
        Ok(match modifiable(&h, txn, snap, self.storage.txns(), false) {
            Modifiable::Yes { .. } if self.is_shared(txn, tid, mode)? => Look::Again,
            Modifiable::Yes { .. } => Look::Go(h),
            Modifiable::Wait(_) => Look::Again,
            Modifiable::SelfModified { same_command } => {
                Look::Answer(ModifyResult::SelfModified { same_command })
            }
            Modifiable::Updated => Look::Answer(updated(at, &h)),
            Modifiable::Deleted => Look::Answer(ModifyResult::Deleted),
        })
    }

    /// Waits for whoever keeps `look` from going on. False: would block. No latch may be held.
    fn wait_for_turn<'t>(
        &self,
        txn: &'t Transaction,
        snap: &Snapshot,
        tid: Tid,
        mode: RowLockMode,
        wait: WaitPolicy,
        line: &mut Line<'t>,
    ) -> Result<bool> {
        let page = self.storage.pool().read(self.page_id(tid.block))?;
        let Some(t) = hp::tuple(page.bytes(), tid.slot) else { return Ok(true) };
        let judged = modifiable(&TupleHeader::read(t), txn, snap, self.storage.txns(), false);
        drop(page);
        match judged {
            Modifiable::Wait(xid) => self.wait_in_line(txn, tid, Some(xid), mode, wait, line),
            Modifiable::Yes { .. } => self.wait_in_line(txn, tid, None, mode, wait, line),
            Modifiable::SelfModified { .. } | Modifiable::Updated | Modifiable::Deleted => Ok(true),
        }
    }

    /// Latches the page of `block` and, if it is another one, of `target`, in rising order.
    fn latch_pair(
        &self,
        block: BlockNo,
        target: Option<BlockNo>,
    ) -> Result<(PageMut<'_>, Option<PageMut<'_>>)> {
        let pool = self.storage.pool();
        Ok(match target {
            Some(t) if t < block => {
                let other = pool.write(self.page_id(t))?;
                (pool.write(self.page_id(block))?, Some(other))
            }
            Some(t) if t > block => {
                let page = pool.write(self.page_id(block))?;
                (page, Some(pool.write(self.page_id(t))?))
            }
            _ => (pool.write(self.page_id(block))?, None),
        })
    }

    /// Logs UPDATE_CROSS with whatever map pages it needs. The record must name the xid: recovery never hands out an id again
    /// that it has seen.
    fn log_cross<'a>(
        &'a self,
        txn: &Transaction,
        old: &mut PageMut<'a>,
        new: &mut PageMut<'a>,
        record: &wal::UpdateCross,
        body: &[u8],
    ) -> Result<()> {
        let (vm_old, vm_new) = (record.vm_old, record.vm_new);
        txn.note_change(new);
        with_scratch(|payload| {
            record.write(payload, body);
            let mut maps: Vec<PageMut<'a>> = Vec::new();
            // Map pages rise with their blocks, so latching them in block order is latching them in page order.
            let mut needed: Vec<BlockNo> =
                [vm_old, vm_new].into_iter().filter(|b| *b != wal::NO_VM).collect();
            if needed.len() == 2 && wal::same_map_page(needed[0], needed[1]) {
                needed.pop();
            }
            let descending = needed.len() == 2 && needed[0] > needed[1];
            if descending {
                needed.reverse();
            }
            for b in needed {
                maps.push(vm::write_page(&self.storage, self.rel, b)?);
            }
            if descending {
                maps.reverse();
            }
            let mut pages: Vec<&mut PageMut<'a>> = Vec::with_capacity(4);
            pages.push(old);
            pages.push(new);
            pages.extend(maps.iter_mut());
            self.storage.log_change(Some(record.update.xid), kind(wal::UPDATE_CROSS), payload, &mut pages)?;
            Ok(())
        })
    }

    /// Out-of-line values of the tuple in `slot`.
    pub(crate) fn external_values(&self, p: &[u8], slot: u16) -> Vec<ToastPointer> {
        match hp::tuple(p, slot) {
            Some(t) if tuple::flags(t) & tuple::HAS_EXTERNAL != 0 => {
                RowRef::new(&self.layout, &t[HEADER_BYTES..]).externals().collect()
            }
            _ => Vec::new(),
        }
    }

    /// The update came to nothing: deletes the values that were moved out of line for it.
    fn discard_new_values(&self, txn: &Transaction, given: &[u8], body: &[u8]) -> Result<()> {
        if !toast::is_needed(given) || self.toast.is_none() || given.len() == body.len() {
            return Ok(());
        }
        let given = RowRef::new(&self.layout, given);
        let made: Vec<ToastPointer> = RowRef::new(&self.layout, body)
            .externals()
            .filter(|p| !given.externals().any(|g| g == *p))
            .collect();
        toast::delete_values(self, txn, &made)
    }
}
