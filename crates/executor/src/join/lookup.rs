//! The inner side of a nested loop, for many outer rows in one go, where it is an index scan by equality.
//!
//! Keys of a stretch of outer rows are looked up in their order, so that those of one leaf need one descent; the rows found are fetched in
//! the order of their pages, each page once; conditions are tested for all of them together, outer columns beside inner ones. The joined
//! rows come in the order in which the loop would find them one after the other.
//!
//! Rows of which a key has many entries are left to the ordinary loop ([`Chunk::slow`]), as are stretches behind one in which most entries
//! led to no row: the ordinary scan leaves hints at such entries. Conditions of semi and anti joins are tested of rows behind a match, so
//! they must have a value for every row; those of other joins need not if all rows are wanted.

use super::output::has_inner;
use crate::build::Builder;
use crate::context::Cx;
use crate::expr::{Layout, Program};
use crate::index_entry::IndexShape;
use crate::operator::filter_batch;
use crate::rows::{NO_ROW, gather};
use crate::scan::filters::Filters;
use crate::scan::index::{Covered, is_harmless, place};
use crate::scan::key_value::{Carried, carry};
use crate::scan::page_filter::PageFilter;
use crate::scan::rows::{RowReader, open_heap, snapshot_for};
use quarry_catalog::{IndexDef, Relation};
use quarry_common::{Result, Tid, usage};
use quarry_plan::physical::{IndexCond, IndexTest};
use quarry_plan::total::cannot_fail;
use quarry_plan::volatility::is_volatile;
use quarry_plan::{ColumnId, Expr, JoinKind, PhysicalNode, PhysicalPlan, ScanColumn, walk};
use quarry_storage::Snapshot;
use quarry_storage::heap::{FetchRoom, Heap, PageRows};
use quarry_storage::index::BTree;
use quarry_storage::stats::Reads;
use quarry_types::key::{self, KeyOrder};
use quarry_types::{BATCH_ROWS, Batch, TypeRef, Vector};
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

/// Entries of one key up to which rows are looked up together; where one match is enough, fewer.
const ENTRIES_MAX: u32 = 256;
const ENTRIES_MAX_SINGLE: u32 = 8;
/// Outer rows of the first stretch.
const ROWS_FIRST: usize = 64;
/// Pages asked for ahead, and how few are left when the next ones are asked for.
const PAGES_AHEAD: usize = 8;

/// A value that a key of the index equals.
struct KeyPart {
    /// Over outer columns.
    value: Program,
    ty: TypeRef,
    order: KeyOrder,
    /// It has the key's form.
    same: bool,
}

/// An outer row's key.
struct Wanted {
    /// The first bytes.
    head: u64,
    bytes: Range<u32>,
    row: u32,
}

/// An index entry whose row is to be fetched.
#[derive(Clone, Copy)]
struct Hit {
    tid: Tid,
    tag: Tag,
}

/// Which key an inner row was found by, and at which of its entries.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Tag {
    group: u32,
    entry: u32,
}

/// Conditions over some outer columns, then some inner ones.
struct Conditions {
    /// The inner side's own, then the join's.
    filter: Vec<Program>,
    on: Vec<Program>,
    outer: Vec<usize>,
    inner: Vec<usize>,
}

struct Open {
    heap: Heap,
    snapshot: Snapshot,
    tree: BTree,
}

/// See the module.
pub struct Lookup {
    kind: JoinKind,
    relation: Arc<Relation>,
    index: Arc<IndexDef>,
    keys: Vec<KeyPart>,
    reader: RowReader,
    /// Set: all columns come out of the index.
    only: Option<Covered>,
    tests: PageFilter,
    joins: Filters,
    conditions: Conditions,
    /// Which of the scan's columns the inner side gives.
    picks: Vec<usize>,
    /// Joined rows that an outer row is thought to have.
    fanout: f64,
    /// No condition can fail.
    total: bool,
    /// No inner row is tested for anything.
    any_row: bool,
    node: usize,
    open: Option<Open>,
    /// The keys' values for the outer batch at hand.
    values: Vec<Arc<Vector>>,
    /// Outer rows of the next stretch.
    rows: usize,
    /// The next stretch is left to the ordinary loop.
    rest: bool,
    heap_fetches: u64,
    counts: Counts,
    room: Room,
}

/// What a stretch adds to the inner side's counts.
#[derive(Clone, Copy, Default)]
struct Counts {
    rows: usize,
    filtered: usize,
    loops: usize,
}

/// Buffers.
#[derive(Default)]
struct Room {
    bytes: Vec<u8>,
    wanted: Vec<Wanted>,
    /// Where each group of equal keys begins in `wanted`, and the end.
    groups: Vec<u32>,
    /// Groups with more entries than were taken.
    many: Vec<u32>,
    hits: Vec<Hit>,
    slots: Vec<u16>,
    pages: Vec<Range<usize>>,
    fetch: FetchRoom,
    /// Of the inner rows, in the order of the vectors.
    tags: Vec<Tag>,
    /// Of the rows that were seen, before tests: kept for EXPLAIN only.
    seen: Vec<Tag>,
    pairs: Vec<(u64, u32)>,
}

/// What a stretch of outer rows is joined with.
pub struct Chunk {
    /// Outer rows behind it begin here.
    pub end: usize,
    /// Joined rows: positions of outer and of inner ones; of semi and anti joins outer ones only.
    outer: Vec<u32>,
    inner: Vec<u32>,
    columns: Vec<Arc<Vector>>,
    at: usize,
    /// Outer rows that are left to the ordinary loop.
    slow: std::vec::IntoIter<u32>,
}

/// Some of a chunk's joined rows.
pub struct Joined<'c> {
    /// Positions in the outer batch.
    pub outer: &'c [u32],
    /// Positions in `columns`, of joins that give the inner side's columns.
    pub inner: &'c [u32],
    pub columns: &'c [Arc<Vector>],
}

impl Chunk {
    /// Joined rows up next, `max` at most, of outer rows before the next slow one.
    pub fn take(&mut self, max: usize) -> Option<Joined<'_>> {
        let limit = self.slow.as_slice().first().copied().unwrap_or(u32::MAX);
        let left = &self.outer[self.at..];
        let n = left[..left.len().min(max)].partition_point(|o| *o < limit);
        let from = self.at;
        self.at += n;
        let inner = if self.inner.is_empty() { &[][..] } else { &self.inner[from..from + n] };
        let outer = &self.outer[from..from + n];
        (n > 0).then_some(Joined { outer, inner, columns: &self.columns })
    }

    /// The outer row for the ordinary loop, when all before it have been taken.
    pub fn next_slow(&mut self) -> Option<usize> {
        self.slow.next().map(|row| row as usize)
    }
}

/// The lookups that stand for the inner side of a nested loop, if that can be done.
pub fn build(
    b: &mut Builder<'_>,
    kind: JoinKind,
    outer: &PhysicalPlan,
    inner: &PhysicalPlan,
    on: &[Expr],
) -> Result<Option<Lookup>> {
    let PhysicalNode::IndexScan {
        relation,
        index,
        columns,
        conds,
        backward: false,
        index_only,
        first_only: false,
        ..
    } = &inner.node
    else {
        return Ok(None);
    };
    if is_one_row(outer) {
        return Ok(None);
    }
    let raw: Vec<ColumnId> = columns.iter().map(|(id, _)| *id).collect();
    let conditions = || inner.filter.iter().chain(on);
    let total = conditions().all(is_total);
    let fit = total || has_inner(kind) && conditions().all(|e| !is_volatile(e) && !has_subquery(e));
    let held: Vec<ColumnId> =
        columns.iter().filter(|(_, c)| place(index, *c).is_some()).map(|(id, _)| *id).collect();
    // Entries that are tested before their rows are visited are left to the scan.
    let by_entry = !index_only && inner.filter.iter().any(|e| is_harmless(e, &held));
    if index.method != "btree" || relation.is_catalog || !fit || by_entry {
        return Ok(None);
    }
    let outer_layout = Layout::new(outer.output());
    let Some(keys) = key_parts(b, index, conds, &outer_layout)? else { return Ok(None) };
    // The scan's column behind one that the inner side gives; the join's conditions name the latter.
    let column_of = |id: ColumnId, e: &Expr| {
        let own = raw.iter().position(|r| *r == id);
        own.or_else(|| match e {
            Expr::Column { id, .. } => raw.iter().position(|r| r == id),
            _ => None,
        })
    };
    let picks = match has_inner(kind) {
        true => inner.targets.iter().map(|(id, e)| column_of(*id, e)).collect::<Option<Vec<_>>>(),
        false => Some(vec![]),
    };
    let Some(picks) = picks else { return Ok(None) };
    let wanted: Vec<ScanColumn> = columns.iter().map(|(_, c)| *c).collect();
    let only = match index_only {
        true => Covered::new(index, IndexShape::new(relation, index, b.io())?, &wanted),
        false => None,
    };
    // Conditions that stored rows are tested for: not those that an outer row's values decide, nor of entries.
    let mut reads_outer = |id| outer_layout.slot(id).is_some();
    let tested: Vec<Expr> = match total && only.is_none() {
        true => inner.filter.iter().filter(|e| !walk::reads_any(e, &mut reads_outer)).cloned().collect(),
        false => vec![],
    };
    let (tests, left) = PageFilter::compile(b, relation, columns, &tested)?;
    let mut filter: Vec<&Expr> = left;
    if tested.is_empty() {
        filter.extend(&inner.filter);
    } else {
        filter.extend(inner.filter.iter().filter(|e| walk::reads_any(e, &mut reads_outer)));
    }
    let joins = b.scan_filters(inner.id, relation, columns, None)?;
    let mut read = vec![];
    filter.iter().copied().chain(on).for_each(|e| walk::columns_of(e, &mut read));
    read.sort_unstable();
    read.dedup();
    let of_outer: Vec<(ColumnId, usize)> =
        read.iter().filter_map(|id| Some((*id, outer_layout.slot(*id)?))).collect();
    let mut of_inner = vec![];
    for id in &read {
        let target = inner.targets.iter().find(|(given, _)| given == id);
        match (raw.iter().position(|r| r == id), target) {
            (Some(at), _) => of_inner.push((*id, at)),
            (None, Some((_, e))) => match column_of(*id, e) {
                Some(at) => of_inner.push((*id, at)),
                None => return Ok(None),
            },
            (None, None) => {}
        }
    }
    let layout = Layout::new(of_outer.iter().chain(&of_inner).map(|(id, _)| *id));
    let any_row = inner.filter.is_empty() && on.is_empty();
    let conditions = Conditions {
        filter: b.exprs(filter, &layout)?,
        on: b.exprs(on, &layout)?,
        outer: of_outer.iter().map(|(_, slot)| *slot).collect(),
        inner: of_inner.iter().map(|(_, slot)| *slot).collect(),
    };
    let mut reader = b.reader(relation, columns)?;
    if only.is_none() {
        reader = reader.without(|i| conditions.inner.contains(&i) || picks.contains(&i));
    }
    Ok(Some(Lookup {
        kind,
        relation: relation.clone(),
        index: index.clone(),
        keys,
        reader,
        only,
        tests,
        joins,
        conditions,
        picks,
        fanout: if has_inner(kind) { inner.rows.max(1.0) } else { 1.0 },
        total,
        any_row,
        node: inner.id,
        open: None,
        values: vec![],
        rows: ROWS_FIRST,
        rest: false,
        heap_fetches: 0,
        counts: Counts::default(),
        room: Room::default(),
    }))
}

/// Whether a condition has a value for every row, and no effects.
fn is_total(e: &Expr) -> bool {
    cannot_fail(e, &[]) && !is_volatile(e) && !has_subquery(e)
}

/// Whether a plan gives no more than one row, so that nothing goes together.
fn is_one_row(plan: &PhysicalPlan) -> bool {
    match &plan.node {
        PhysicalNode::SeqScan { one_row, .. } => *one_row,
        PhysicalNode::IndexScan { index, conds, .. } => {
            let equal = |k| conds.iter().any(|c| c.key == k && matches!(c.test, IndexTest::Eq(_)));
            index.unique && (0..index.keys.len()).all(equal)
        }
        PhysicalNode::NestLoop { outer, inner_unique: true, .. } => is_one_row(outer),
        PhysicalNode::Result { input: None, .. } => true,
        _ => false,
    }
}

fn has_subquery(e: &Expr) -> bool {
    walk::any(e, &|e| matches!(e, Expr::Subquery(_)))
}

/// The values that the leading keys of an index equal; none if the conditions are of another kind.
fn key_parts(
    b: &mut Builder<'_>,
    index: &IndexDef,
    conds: &[IndexCond],
    outer: &Layout,
) -> Result<Option<Vec<KeyPart>>> {
    let mut parts = vec![];
    for (i, k) in index.keys.iter().enumerate().take(conds.len()) {
        let mut equal = conds.iter().filter(|c| c.key == i);
        let (Some(IndexCond { test: IndexTest::Eq(value), .. }), None) = (equal.next(), equal.next()) else {
            return Ok(None);
        };
        if !is_total(value) {
            return Ok(None);
        }
        let ty = b.type_ref(k.ty.oid)?;
        let order = KeyOrder { desc: k.descending, nulls_first: k.nulls_first };
        let value = b.expr(value, outer)?;
        let same = value.physical == ty.physical;
        parts.push(KeyPart { value, ty, order, same });
    }
    Ok((!parts.is_empty() && parts.len() == conds.len()).then_some(parts))
}

impl Lookup {
    /// To be called for each outer batch before its first stretch.
    pub fn begin(&mut self, cx: &mut Cx<'_>, batch: &Batch) -> Result<()> {
        self.values.clear();
        for part in &self.keys {
            self.values.push(part.value.eval(cx, batch)?);
        }
        Ok(())
    }

    /// To be called before the join begins again: values of enclosing rows may be others.
    pub fn reset(&mut self) {
        self.tests.reset();
    }

    /// As it was when it was built, for another execution ([`crate::operator::Operator::renew`]).
    pub fn renew(&mut self) -> bool {
        self.tests.renew();
        (self.open, self.rows, self.rest) = (None, ROWS_FIRST, false);
        (self.heap_fetches, self.counts) = (0, Counts::default());
        self.values.clear();
        self.room = Room::default();
        self.joins.is_empty()
    }

    /// What the rows of the batch from `at` on are joined with, as many as go together; none: they are left to the ordinary loop.
    pub fn chunk(&mut self, cx: &mut Cx<'_>, batch: &Batch, at: usize) -> Result<Option<Chunk>> {
        if self.open.is_none() {
            let heap = open_heap(cx.env, &self.relation)?;
            let snapshot = snapshot_for(cx.env, &self.relation);
            let tree = BTree::open(&cx.env.storage, self.index.storage, self.index.unique);
            self.open = Some(Open { heap, snapshot, tree });
        }
        let watched = self.open.as_ref().is_some_and(|o| o.snapshot.is_watched());
        let all = cx.want >= BATCH_ROWS;
        // Where few rows are wanted, no more are looked up than probably make these.
        let enough = if all { BATCH_ROWS } else { (cx.want as f64 / self.fanout).ceil() as usize };
        let n = (batch.len - at).min(self.rows).min(enough);
        if watched || n < 2 || !(all || self.total) {
            return Ok(None);
        }
        if std::mem::take(&mut self.rest) {
            let slow: Vec<u32> = (at..at + n).map(|row| row as u32).collect();
            return Ok(Some(Chunk {
                end: at + n,
                outer: vec![],
                inner: vec![],
                columns: vec![],
                at: 0,
                slow: slow.into_iter(),
            }));
        }
        let used = (Instant::now(), usage::now());
        self.joins.begin(cx);
        if !self.tests.is_complete() {
            self.tests.begin(cx)?;
        }
        let watching = cx.rt.stats.get(self.node).is_some();
        self.room.seen.clear();
        self.group(at..at + n)?;
        let mut columns = self.reader.vectors(0);
        let inner = self.fetch(cx, &mut columns, watching)?;
        let mut chunk = self.pair(cx, batch, at..at + n, inner, watching)?;
        if watching {
            self.report(cx, &used);
        }
        if self.joins.are_active() {
            self.joins.report(cx);
        }
        chunk.end = at + n;
        Ok(Some(chunk))
    }

    /// Encodes the rows' keys and puts them in order; rows with a NULL, or a value that the key's type doesn't have, have none.
    fn group(&mut self, rows: Range<usize>) -> Result<()> {
        let Room { bytes, wanted, groups, .. } = &mut self.room;
        bytes.clear();
        wanted.clear();
        groups.clear();
        for row in rows {
            let from = bytes.len();
            let mut some = true;
            for (part, values) in self.keys.iter().zip(&self.values) {
                some &= encode(part, values, row, bytes)?;
            }
            if !some {
                bytes.truncate(from);
                continue;
            }
            let mut head = [0; 8];
            let key = &bytes[from..];
            let n = key.len().min(8);
            head[..n].copy_from_slice(&key[..n]);
            let head = u64::from_be_bytes(head);
            wanted.push(Wanted { head, bytes: from as u32..bytes.len() as u32, row: row as u32 });
        }
        let key = |w: &Wanted| &bytes[w.bytes.start as usize..w.bytes.end as usize];
        let order = |a: &Wanted, b: &Wanted| {
            a.head.cmp(&b.head).then_with(|| key(a).cmp(key(b))).then(a.row.cmp(&b.row))
        };
        if !wanted.is_sorted_by(|a, b| order(a, b).is_le()) {
            wanted.sort_unstable_by(order);
        }
        for (i, w) in wanted.iter().enumerate() {
            if i == 0 || wanted[i - 1].head != w.head || key(&wanted[i - 1]) != key(w) {
                groups.push(i as u32);
            }
        }
        groups.push(wanted.len() as u32);
        Ok(())
    }

    /// The inner rows of all groups, as far as tests of stored rows leave them; their tags are in `room.tags`.
    fn fetch(&mut self, cx: &mut Cx<'_>, out: &mut [Vector], watching: bool) -> Result<Batch> {
        let Lookup {
            kind, reader, only, tests, joins, room, open, any_row, heap_fetches, rows, rest, ..
        } = self;
        let Some(Open { heap, snapshot, tree }) = open else { return Ok(Batch::new(vec![], 0)) };
        let single = !has_inner(*kind);
        let most = if single { ENTRIES_MAX_SINGLE } else { ENTRIES_MAX };
        let Room { bytes, wanted, groups, many, hits, slots, pages, fetch, tags, seen, .. } = room;
        hits.clear();
        tags.clear();
        many.clear();
        let keys = groups[..groups.len() - 1].iter().map(|first| {
            let Range { start, end } = wanted[*first as usize].bytes;
            &bytes[start as usize..end as usize]
        });
        let mut last = Tag { group: u32::MAX, entry: 0 };
        let (mut returned, mut whole) = (0, only.is_some());
        if let Some(covered) = only {
            whole = covered.reads_any();
        }
        tree.find_each(snapshot, only.as_ref().map(|_| &*heap), whole, keys, |group, e| {
            let group = group as u32;
            let entry = if last.group == group { last.entry + 1 } else { 0 };
            last = Tag { group, entry };
            if entry >= most {
                many.push(group);
                return Ok(false);
            }
            returned += 1;
            if let Some(covered) = only.as_ref().filter(|_| e.all_visible) {
                covered.read(e.key, e.payload, out)?;
                tags.push(last);
                return Ok(!(single && *any_row));
            }
            hits.push(Hit { tid: e.tid, tag: last });
            Ok(true)
        })?;
        if watching {
            seen.extend_from_slice(tags);
        }
        if !single {
            hits.retain(|h| many.binary_search(&h.tag.group).is_err());
        }
        if !hits.is_sorted_by_key(|h| h.tid) {
            hits.sort_unstable_by_key(|h| h.tid);
        }
        slots.clear();
        slots.extend(hits.iter().map(|h| h.tid.slot));
        pages.clear();
        let mut from = 0;
        for part in hits.chunk_by(|a, b| a.tid.block == b.tid.block) {
            pages.push(from..from + part.len());
            from += part.len();
        }
        let filtered = joins.are_active();
        let (mut asked, mut fetched) = (0, 0);
        for (i, range) in pages.iter().enumerate() {
            if asked <= i + PAGES_AHEAD / 2 {
                let next = (asked.max(i + 1) + PAGES_AHEAD / 2).min(pages.len());
                let ahead = pages[asked.min(next)..next].iter();
                heap.prefetch(ahead.map(|r| (hits[r.start].tid.block, &slots[r.clone()])));
                asked = next;
            }
            let part = &hits[range.clone()];
            heap.fetch_rows(snapshot, part[0].tid.block, &slots[range.clone()], fetch, |page, entries| {
                fetched += page.len();
                let left = if filtered { joins.pass(heap, page)? } else { page };
                if watching {
                    each_left(&page, entries, &left, |e| seen.push(part[e].tag));
                }
                let left = tests.pass(heap, left)?;
                each_left(&page, entries, &left, |e| tags.push(part[e].tag));
                reader.push_page(heap, &left, out)
            })?;
            if i % 64 == 63 {
                cx.check_cancelled()?;
            }
        }
        let scans = groups.len() as u64 - 1;
        tree.count_reads(snapshot, Reads { scans, returned, fetched: fetched as u64 });
        if only.is_some() {
            *heap_fetches += hits.len() as u64;
        }
        // As many entries as make about a batch.
        let each = returned as usize / (groups.len() - 1).max(1);
        *rows = (BATCH_ROWS / each.max(1)).clamp(16, (*rows * 4).min(BATCH_ROWS));
        *rest = hits.len() >= 16 && fetched * 2 < hits.len();
        let columns = out.iter_mut().map(|v| {
            let empty = Vector::with_capacity(v.physical(), 0);
            std::mem::replace(v, empty)
        });
        Ok(reader.batch(columns.collect(), tags.len()))
    }

    /// Joins outer rows with what was found for them.
    fn pair(
        &mut self,
        cx: &mut Cx<'_>,
        batch: &Batch,
        rows: Range<usize>,
        inner: Batch,
        watched: bool,
    ) -> Result<Chunk> {
        let single = !has_inner(self.kind);
        let Room { wanted, groups, many, tags, pairs, .. } = &mut self.room;
        pairs.clear();
        for (i, tag) in tags.iter().enumerate() {
            let (from, to) = (groups[tag.group as usize], groups[tag.group as usize + 1]);
            if !single && many.binary_search(&tag.group).is_ok() {
                continue;
            }
            for w in &wanted[from as usize..to as usize] {
                pairs.push((u64::from(w.row) << 32 | u64::from(tag.entry), i as u32));
            }
        }
        if !pairs.is_sorted() {
            pairs.sort_unstable();
        }
        let mut o: Vec<u32> = pairs.iter().map(|(key, _)| (key >> 32) as u32).collect();
        let mut i: Vec<u32> = pairs.iter().map(|(_, i)| *i).collect();
        self.conditions.keep(&self.conditions.filter, cx, batch, &inner, (&mut o, &mut i))?;
        // Rows whose key has further entries that weren't looked at.
        let Room { wanted, groups, many, .. } = &self.room;
        let mut slow: Vec<u32> = vec![];
        for group in many {
            let (from, to) = (groups[*group as usize], groups[*group as usize + 1]);
            slow.extend(wanted[from as usize..to as usize].iter().map(|w| w.row));
        }
        slow.sort_unstable();
        if watched {
            self.count(&o, &i, rows.len(), &slow);
        }
        let before = o.len();
        self.conditions.keep(&self.conditions.on, cx, batch, &inner, (&mut o, &mut i))?;
        cx.rt.note_join_filtered(before - o.len());
        if single {
            o.dedup();
            i.clear();
            slow.retain(|row| o.binary_search(row).is_err());
        }
        let rows = rows.start as u32..rows.end as u32;
        match self.kind {
            JoinKind::Anti => {
                let mut matched = o.iter().chain(&slow).copied().collect::<Vec<_>>();
                matched.sort_unstable();
                let mut matched = matched.into_iter().peekable();
                o = rows.filter(|row| matched.next_if_eq(row).is_none()).collect();
            }
            JoinKind::Left => {
                let mut slow = slow.iter().peekable();
                let (mut outer, mut with) = (Vec::with_capacity(o.len()), Vec::with_capacity(o.len()));
                let mut at = 0;
                for row in rows {
                    let from = at;
                    while at < o.len() && o[at] == row {
                        outer.push(row);
                        with.push(i[at]);
                        at += 1;
                    }
                    if at == from && slow.next_if_eq(&&row).is_none() {
                        outer.push(row);
                        with.push(NO_ROW);
                    }
                }
                (o, i) = (outer, with);
            }
            _ => {}
        }
        let columns = self.picks.iter().map(|p| inner.columns[*p].clone()).collect();
        Ok(Chunk { end: 0, outer: o, inner: i, columns, at: 0, slow: slow.into_iter() })
    }

    /// Counts what the inner side would have given to so many outer rows, one after the other; `o` and `i`: the rows that passed its filter.
    fn count(&mut self, o: &[u32], i: &[u32], rows: usize, slow: &[u32]) {
        let Room { wanted, groups, many, tags, seen, .. } = &mut self.room;
        let mut counts = Counts::default();
        seen.sort_unstable();
        let mut at = 0;
        for (group, range) in groups.windows(2).enumerate() {
            let from = at;
            at += seen[at..].iter().take_while(|t| t.group == group as u32).count();
            let seen = &seen[from..at];
            for w in &wanted[range[0] as usize..range[1] as usize] {
                let first = o.partition_point(|row| *row < w.row);
                let given = o[first..].iter().take_while(|row| **row == w.row).count();
                if has_inner(self.kind) {
                    counts.rows += given;
                    counts.filtered += seen.len() - given;
                } else if given > 0 {
                    let entry = tags[i[first] as usize].entry;
                    counts.rows += 1;
                    counts.filtered += seen.iter().take_while(|t| t.entry < entry).count();
                } else if many.binary_search(&(group as u32)).is_err() {
                    counts.filtered += seen.len();
                }
            }
        }
        let alone = slow.iter().filter(|row| has_inner(self.kind) || o.binary_search(row).is_err()).count();
        counts.loops = rows - alone;
        self.counts = counts;
    }

    /// Shows in EXPLAIN what was counted.
    fn report(&mut self, cx: &mut Cx<'_>, (start, used): &(Instant, usage::Usage)) {
        let Some(s) = cx.rt.stats.get_mut(self.node) else { return };
        let Counts { rows, filtered, loops } = self.counts;
        let spent = start.elapsed().as_secs_f64() * 1000.0;
        s.usage = s.usage.plus(&usage::now().since(used));
        s.rows += rows as f64;
        s.filtered += filtered as f64;
        s.loops += loops as f64;
        s.startup_ms += spent;
        s.total_ms += spent;
        if self.only.is_some() {
            crate::stats::set(s, "Heap Fetches", self.heap_fetches.to_string());
        }
    }
}

impl Conditions {
    /// Leaves those pairs of rows for which all of some conditions hold.
    fn keep(
        &self,
        programs: &[Program],
        cx: &mut Cx<'_>,
        outer: &Batch,
        inner: &Batch,
        (o, i): (&mut Vec<u32>, &mut Vec<u32>),
    ) -> Result<()> {
        if programs.is_empty() || o.is_empty() {
            return Ok(());
        }
        let mut kept = 0;
        for from in (0..o.len()).step_by(BATCH_ROWS) {
            let range = from..o.len().min(from + BATCH_ROWS);
            let (po, pi) = (&o[range.clone()], &i[range.clone()]);
            let outer = self.outer.iter().map(|c| Arc::new(gather(&outer.columns[*c], po)));
            let inner = self.inner.iter().map(|c| Arc::new(gather(&inner.columns[*c], pi)));
            let pairs = Batch::new(outer.chain(inner).collect(), range.len());
            let Some(left) = filter_batch(programs, cx, pairs)? else { continue };
            for p in left.rows().iter() {
                (o[kept], i[kept]) = (o[from + p], i[from + p]);
                kept += 1;
            }
        }
        o.truncate(kept);
        i.truncate(kept);
        Ok(())
    }
}

/// Appends a row's value as a key's bytes; false if no key has that value.
fn encode(part: &KeyPart, values: &Vector, row: usize, out: &mut Vec<u8>) -> Result<bool> {
    if values.is_null(row) {
        return Ok(false);
    }
    if part.same {
        key::encode_at(values, row, &part.ty, part.order, out)?;
        return Ok(true);
    }
    let Carried::Exact(value) = carry(values.datum(row), part.ty.oid) else { return Ok(false) };
    key::encode_datum(&value, &part.ty, part.order, out)?;
    Ok(true)
}

/// Shows the positions, as index entries, of those rows of a page that are left; they are in the page's order.
fn each_left(page: &PageRows<'_>, entries: &[u32], left: &PageRows<'_>, mut show: impl FnMut(usize)) {
    let mut at = 0;
    for row in 0..left.len() {
        while at < page.len() && page.tid(at) != left.tid(row) {
            at += 1;
        }
        if let Some(entry) = entries.get(at) {
            show(*entry as usize);
        }
        at += 1;
    }
}
