//! Pruning: removing versions that no snapshot can see, page by page, whenever someone who needs space passes by.
//!
//! For each HOT chain the dead versions at its head go; the root's line pointer, which index entries point to, becomes a redirect to
//! the first version that stays, or dead if none does. Versions without index entries free their slots at once. Vacuum uses
//! the same plan and then frees dead root slots after removing their index entries. Follows PostgreSQL's
//! pruneheap.c; the exclusive latch suffices here, since no one holds pointers into a page without its latch.
//! Unlike there, an old snapshot doesn't hold back versions made after it: see [`crate::txn::LiveSnapshots`]. Those behind a version that it sees go too,
//! and the chain is closed over the gap.

use super::links::VersionRef;
use super::page::{self as hp, Slot};
use super::tuple::{self, TupleHeader};
use super::visibility::{Fate, fate_between, made_at};
use super::wal;
use crate::buffer::PageMut;
use crate::page::slotted::{PayloadWriter, with_scratch};
use crate::txn::{LiveSnapshots, XidStatus};
use crate::wal::RecordKind;
use crate::wal::rmgr;
use crate::{RelId, Storage};
use quarry_common::{Result, Tid};

/// What to change on a page.
#[derive(Default, Debug, PartialEq)]
pub struct PrunePlan {
    pub redirects: Vec<(u16, u16)>,
    pub dead: Vec<u16>,
    pub unused: Vec<u16>,
    /// Versions that lead on to others now, with the lower half of those writers' ids.
    pub links: Vec<(u16, u16, u32)>,
    /// Of `unused`, those between the versions that now lead past them.
    pub between: Vec<u16>,
    /// The next prune hint.
    pub prune_xid: u64,
    /// Versions removed.
    pub removed: u32,
}

impl PrunePlan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.redirects.is_empty() && self.dead.is_empty() && self.unused.is_empty()
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.wvar(self.prune_xid);
        for count in [self.redirects.len(), self.dead.len(), self.unused.len(), self.links.len()] {
            out.wvar(count as u64);
        }
        for (from, to) in &self.redirects {
            out.wvar(*from).wvar(*to);
        }
        for s in self.dead.iter().chain(&self.unused) {
            out.wvar(*s);
        }
        for (from, to, low) in &self.links {
            out.wvar(*from).wvar(*to).wvar(*low);
        }
    }
}

/// Says what a version is; the flag: a version before it in its chain stays that covers it.
type Judge<'a> = dyn FnMut(&TupleHeader, bool) -> Verdict + 'a;

/// What is to become of a version.
struct Verdict {
    fate: Fate,
    /// As long as it stays, serializable readers need nothing behind it in its chain but what they see: each of them sees it or one behind it, or
    /// learns of its writer, who comes before those of the later ones (`../ssi/README.md`, S15).
    covers: bool,
}

impl From<Fate> for Verdict {
    fn from(fate: Fate) -> Verdict {
        Verdict { fate, covers: false }
    }
}

/// Whether a version, the first of its chain, is the only one, made so long ago that everybody sees it, and ended by nobody: most rows of most
/// pages, of which nothing is to be asked.
#[inline]
fn is_old_and_whole(t: &[u8], is_root: bool) -> bool {
    let flags = tuple::flags(t);
    flags & (tuple::XMIN_FROZEN | tuple::HOT_UPDATED) == tuple::XMIN_FROZEN
        && (is_root || flags & tuple::HEAP_ONLY != 0)
        && !tuple::xmax(t).is_valid()
}

/// Plans the pruning of a page. `aborted` says whether a version's `xmax` was rolled back.
fn plan(p: &[u8], judge: &mut Judge<'_>, aborted: &mut dyn FnMut(&TupleHeader) -> bool) -> PrunePlan {
    let n = hp::slot_count(p);
    let mut plan = PrunePlan::default();
    let mut visited = vec![false; n as usize + 1];
    let mut members: Vec<(u16, Fate, u32)> = Vec::new();
    let mut oldest_end = 0u64;
    for root in 1..=n {
        let first = match hp::slot(p, root) {
            Slot::Redirect(to) => to,
            Slot::Normal { .. } => match hp::tuple(p, root) {
                Some(t) if tuple::flags(t) & tuple::HEAP_ONLY == 0 => root,
                _ => continue,
            },
            Slot::Unused | Slot::Dead => continue,
        };
        if hp::tuple(p, first).is_some_and(|t| is_old_and_whole(t, first == root)) && !visited[first as usize]
        {
            visited[first as usize] = true;
            continue;
        }
        members.clear();
        let mut at = first;
        let mut expected: Option<VersionRef> = None;
        let mut covered = false;
        while let Some(t) = hp::tuple(p, at) {
            let h = TupleHeader::read(t);
            if visited[at as usize]
                || (at != root && !h.has(tuple::HEAP_ONLY))
                || expected.is_some_and(|v| !v.is(&h))
            {
                break;
            }
            visited[at as usize] = true;
            let Verdict { fate: f, covers } = judge(&h, covered);
            covered |= covers && f != Fate::Dead;
            if matches!(f, Fate::RecentlyDead | Fate::DeleteInProgress)
                && (oldest_end == 0 || h.xmax.0 < oldest_end)
            {
                oldest_end = h.xmax.0;
            }
            members.push((at, f, h.xmin.0 as u32));
            if !h.has(tuple::HOT_UPDATED) || aborted(&h) {
                break;
            }
            expected = h.next();
            at = h.ctid.slot;
        }
        let mut last_kept = None;
        let mut gap = false;
        let mut removed_before = plan.unused.len();
        for (slot, fate, low) in &members {
            if *fate == Fate::Dead {
                plan.removed += 1;
                gap = true;
                if *slot != root {
                    plan.unused.push(*slot);
                }
                continue;
            }
            match last_kept {
                None if gap => plan.redirects.push((root, *slot)),
                Some(kept) if gap => {
                    plan.links.push((kept, *slot, *low));
                    plan.between.extend(&plan.unused[removed_before..]);
                }
                _ => {}
            }
            (last_kept, gap, removed_before) = (Some(*slot), false, plan.unused.len());
        }
        // Behind the last one that stays the chain just ends: where that leads to, nothing will be that it could be taken for.
        if last_kept.is_none() {
            plan.dead.push(root);
        }
    }
    // Heap-only versions that no chain reaches: left by rolled back updates.
    for s in 1..=n {
        if visited[s as usize] {
            continue;
        }
        if let Some(t) = hp::tuple(p, s) {
            let h = TupleHeader::read(t);
            if h.has(tuple::HEAP_ONLY) && judge(&h, false).fate == Fate::Dead {
                plan.unused.push(s);
                plan.removed += 1;
            }
        }
    }
    plan.prune_xid = oldest_end;
    plan
}

/// In the prune hint: every ended version left is held back by a snapshot known exactly. They go when that does, so the hint's transaction
/// must lie below the horizon of all.
const HELD: u64 = 1 << 63;

/// The plan for a page while these snapshots are alive.
pub fn plan_page(p: &[u8], storage: &Storage, live: &LiveSnapshots) -> PrunePlan {
    let txns = storage.txns();
    let mut first_waiting = 0u64;
    let watcher = live.watcher();
    let unwatched = live.clone().watched_from(None);
    let mut judge = |h: &TupleHeader, covered: bool| {
        let live = if covered { &unwatched } else { live };
        let fate = fate_between(h, storage, live);
        let waits = match fate {
            Fate::DeleteInProgress => true,
            Fate::RecentlyDead => {
                !matches!(txns.status(h.xmax), XidStatus::Committed(csn) if csn <= live.limit())
            }
            _ => false,
        };
        if waits && (first_waiting == 0 || h.xmax.0 < first_waiting) {
            first_waiting = h.xmax.0;
        }
        let covers =
            watcher.is_some_and(|watcher| made_at(h, txns) <= watcher || storage.ssi().knows_writer(h.xmin));
        Verdict { fate, covers }
    };
    let mut plan =
        plan(p, &mut judge, &mut |h| h.has(tuple::XMAX_ABORTED) || txns.status(h.xmax) == XidStatus::Aborted);
    if plan.prune_xid != 0 {
        plan.prune_xid = if first_waiting != 0 { first_waiting } else { plan.prune_xid | HELD };
    }
    plan
}

/// Whether pruning the page can be worth it: its prune hint is a finished transaction old enough.
pub fn is_promising(p: &[u8], storage: &Storage, rel: RelId) -> bool {
    promise(p, storage, rel).is_some()
}

/// The snapshots to prune with, if that can be worth it.
fn promise(p: &[u8], storage: &Storage, rel: RelId) -> Option<LiveSnapshots> {
    let xid = hp::prune_xid(p);
    if xid == 0 || hp::is_new(p) {
        return None;
    }
    let status = storage.txns().status(quarry_common::Xid(xid & !HELD));
    if status == XidStatus::InProgress {
        return None;
    }
    let live = storage.live_snapshots(rel.db);
    let worth_it = match status {
        XidStatus::Aborted => true,
        XidStatus::InProgress => false,
        XidStatus::Committed(csn) if xid & HELD != 0 => csn <= live.horizon(),
        XidStatus::Committed(csn) => csn <= live.limit(),
    };
    worth_it.then_some(live)
}

/// Carries a plan out and logs it. `live`: what it was made with.
pub fn execute(
    storage: &Storage,
    page: &mut PageMut<'_>,
    plan: &PrunePlan,
    live: &LiveSnapshots,
) -> Result<()> {
    note_gaps(storage, page, plan, live);
    with_scratch(|payload| {
        plan.encode(payload);
        storage.log_change(None, RecordKind { rmgr: rmgr::HEAP, op: wal::PRUNE }, payload, &mut [page])?;
        Ok(())
    })
}

/// Notes where those go on who follow rows to versions that are about to be removed.
fn note_gaps(storage: &Storage, page: &PageMut<'_>, plan: &PrunePlan, live: &LiveSnapshots) {
    let links = storage.removed_links();
    links.clean(live);
    if live.follower().is_none() {
        return;
    }
    let (rel, block): (RelId, _) = (page.id().rel, page.id().block);
    let redirected = plan.redirects.iter().map(|(root, _)| root);
    for slot in plan.unused.iter().chain(&plan.dead).chain(redirected) {
        if plan.between.contains(slot) {
            continue;
        }
        let Some(t) = hp::tuple(page.bytes(), *slot) else { continue };
        let h = TupleHeader::read(t);
        // Nothing leads to a row's first version, and a rolled back one is the end.
        let ended = h.may_be_ended() && matches!(storage.txns().status(h.xmax), XidStatus::Committed(_));
        if h.has(tuple::UPDATED) && ended {
            links.removed(rel, Tid { block, slot: *slot }, &h, made_at(&h, storage.txns()), live);
        }
    }
}

/// Prunes the page if its hint promises anything; gives whether it did.
pub fn prune_in_passing(storage: &Storage, page: &mut PageMut<'_>) -> Result<bool> {
    let Some(live) = promise(page.bytes(), storage, page.id().rel) else { return Ok(false) };
    let plan = plan_page(page.bytes(), storage, &live);
    if plan.is_empty() {
        // The hint was stale; correct it without a record.
        if plan.prune_xid != hp::prune_xid(page.bytes()) {
            hp::set_prune_xid(page.bytes_mut(), plan.prune_xid);
            page.mark_dirty_hint();
        }
        return Ok(false);
    }
    execute(storage, page, &plan, &live)?;
    // Those that leave an entry in an index still need a vacuum.
    let gone = u64::from(plan.removed).saturating_sub(plan.dead.len() as u64);
    if gone > 0
        && let Some(state) = storage.relation_states().known(page.id().rel)
    {
        state.counters().note_pruned(gone);
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::PAGE_SIZE;
    use quarry_common::{CommandId, Tid, Xid};

    /// A page with versions given as (flags, xmin, xmax, next slot).
    fn page(versions: &[(u16, u64, u64, u16)]) -> Vec<u8> {
        let mut p = vec![0u8; PAGE_SIZE];
        hp::init(&mut p);
        for (i, (flags, xmin, xmax, next)) in versions.iter().enumerate() {
            let mut h = TupleHeader::new(Xid(*xmin), CommandId(0), *flags);
            h.xmax = Xid(*xmax);
            if *next != 0 {
                h.ctid = Tid { block: 0, slot: *next };
            }
            h.write(hp::add_tuple(&mut p, i as u16 + 1, 40).expect("fits"));
        }
        p
    }

    /// Transactions below 100 are old and committed, 100..200 aborted, above recent.
    fn plan_of(p: &[u8]) -> PrunePlan {
        plan(
            p,
            &mut |h, _| {
                Verdict::from(match (h.xmin.0, h.xmax.0) {
                    (100..200, _) => Fate::Dead,
                    (_, 1..100) => Fate::Dead,
                    (_, 200..) => Fate::RecentlyDead,
                    _ => Fate::Live { visible_to_all: true },
                })
            },
            &mut |h| (100..200).contains(&h.xmax.0),
        )
    }

    #[test]
    fn dead_heads_become_redirects() {
        let hot = tuple::HOT_UPDATED;
        let only = tuple::HEAP_ONLY;
        let p = page(&[
            (hot, 10, 11, 2),
            (only | hot, 11, 12, 3),
            (only, 12, 0, 0),  // chain 1-2-3, 3 lives
            (0, 10, 20, 0),    // deleted
            (hot, 10, 150, 6), // update rolled back
            (only, 150, 0, 0), // its remains
            (hot, 10, 300, 8), // recently updated
            (only, 300, 0, 0),
        ]);
        let plan = plan_of(&p);
        assert_eq!(plan.redirects, [(1, 3)]);
        assert_eq!(plan.dead, [4]);
        assert_eq!(plan.unused, [2, 6]);
        assert_eq!(plan.removed, 4);
        assert_eq!(plan.prune_xid, 300);
        // The same page, pruned: a redirect whose chain dies turns dead.
        let mut p = p;
        hp::change_slots(&mut p, [(1, 3)].into_iter(), [4].into_iter(), [2, 6].into_iter())
            .expect("in range");
        let mut h = TupleHeader::read(hp::tuple(&p, 3).expect("lives"));
        h.xmax = Xid(13);
        h.write(hp::tuple_mut(&mut p, 3).expect("lives"));
        let again = plan_of(&p);
        assert_eq!((again.dead, again.unused, again.redirects), (vec![1], vec![3], vec![]));
    }
}
