//! Sort by order-preserving keys: in memory, by external merge beyond the memory allowed, or the first N rows only.

use crate::build::Builder;
use crate::context::Cx;
use crate::expr::{Layout, Program};
use crate::operator::{BoxOperator, Operator, pull};
use crate::rows::RowSet;
use crate::sort_entries::{self, Entry};
use crate::spill::told_of_files;
use quarry_common::Result;
use quarry_common::memory::Reservation;
use quarry_plan::{PhysicalPlan, SortKey};
use quarry_storage::row::{RowBuilder, RowLayout, RowRef};
use quarry_storage::sort::{ExternalSort, SortedRun};
use quarry_storage::stats::DatabaseCount;
use quarry_types::key::{self, KeyOrder};
use quarry_types::row::{decode_column_into, encode_vectors, layout_of, no_detoast};
use quarry_types::{BATCH_ROWS, Batch, PhysicalType, Rows, TypeRef, Vector};
use std::sync::Arc;

/// Sort keys, compiled.
pub struct Keys {
    programs: Vec<Program>,
    types: Vec<(TypeRef, KeyOrder)>,
}

impl Keys {
    pub fn compile(b: &mut Builder<'_>, keys: &[SortKey], layout: &Layout) -> Result<Keys> {
        let programs = b.exprs(keys.iter().map(|k| &k.expr), layout)?;
        let types = keys
            .iter()
            .map(|k| {
                let order = KeyOrder { desc: k.descending, nulls_first: k.nulls_first };
                Ok((b.type_ref(k.expr.ty().oid)?, order))
            })
            .collect::<Result<_>>()?;
        Ok(Keys { programs, types })
    }
    pub fn is_empty(&self) -> bool {
        self.programs.is_empty()
    }
    /// The keys' values for a batch.
    pub fn values(&self, cx: &mut Cx<'_>, batch: &Batch) -> Result<Vec<Arc<Vector>>> {
        self.programs.iter().map(|p| p.eval(cx, batch)).collect()
    }
    /// Appends the key of row `i` of [`Keys::values`].
    pub fn encode(&self, values: &[Arc<Vector>], i: usize, out: &mut Vec<u8>) -> Result<()> {
        self.encode_first(values.len(), values, i, out)
    }
    /// Appends the key's first columns.
    pub fn encode_first(&self, n: usize, values: &[Arc<Vector>], i: usize, out: &mut Vec<u8>) -> Result<()> {
        for (v, (ty, order)) in values.iter().zip(&self.types).take(n) {
            key::encode_at(v, i, ty, *order, out)?;
        }
        Ok(())
    }
}

/// Rows being gathered, with their keys.
struct Gathered {
    /// The first batch as it came, as long as it is the only one.
    first: Option<Batch>,
    rows: RowSet,
    keys: Vec<u8>,
    entries: Vec<Entry>,
}

impl Gathered {
    fn new(physicals: &[PhysicalType]) -> Gathered {
        Gathered { first: None, rows: RowSet::new(physicals), keys: Vec::new(), entries: Vec::new() }
    }
    fn memory_bytes(&self) -> usize {
        let entries = self.entries.capacity() * std::mem::size_of::<Entry>();
        self.row_bytes() + self.keys.capacity() + entries
    }
    /// What the rows take.
    fn row_bytes(&self) -> usize {
        let first = self.first.iter().flat_map(|b| &b.columns).map(|c| c.allocated_bytes()).sum::<usize>();
        self.rows.allocated_bytes() + first
    }
    /// All rows in one place.
    fn collected(&mut self) -> &RowSet {
        if let Some(first) = self.first.take() {
            self.rows.push(&first);
        }
        &self.rows
    }
    /// The rows, as they were numbered.
    fn into_rows(mut self) -> Batch {
        match self.first.take() {
            Some(first) => first,
            None => self.rows.take(),
        }
    }
    /// Writes the rows to a run of a sort; there are none left.
    fn write(&mut self, to: &mut ExternalSort, layout: &RowLayout, builder: &mut RowBuilder) -> Result<()> {
        self.sort();
        self.collected();
        let mut run = to.begin_run()?;
        for e in &self.entries {
            let row = encode_vectors(&self.rows.columns, e.row as usize, layout, builder);
            run.push(e.key(&self.keys), row)?;
        }
        to.end_run(run)?;
        *self = Gathered::new(&self.rows.physicals());
        Ok(())
    }
    fn push(&mut self, keys: &Keys, values: &[Arc<Vector>], batch: &Batch) -> Result<()> {
        let first = self.entries.len() as u32;
        self.entries.reserve(batch.row_count());
        for (row, i) in (first..).zip(batch.rows().iter()) {
            let at = self.keys.len();
            keys.encode(values, i, &mut self.keys)?;
            self.entries.push(Entry::new(&self.keys, at, row));
        }
        if first == 0 && batch.selection.is_none() {
            self.first = Some(batch.clone());
        } else {
            self.collected();
            self.rows.push(batch);
        }
        Ok(())
    }
    fn sort(&mut self) {
        sort_entries::sort(&mut self.entries, &self.keys);
    }
    /// Keeps the first `n` rows only.
    fn cut(&mut self, n: usize) {
        self.sort();
        self.entries.truncate(n);
        let order: Vec<u32> = self.entries.iter().map(|e| e.row).collect();
        let kept = self.collected().gather(&order);
        let mut next = Gathered::new(&self.rows.physicals());
        next.rows.push(&kept);
        for (row, e) in self.entries.iter().enumerate() {
            let at = next.keys.len();
            next.keys.extend_from_slice(e.key(&self.keys));
            next.entries.push(Entry::new(&next.keys, at, row as u32));
        }
        *self = next;
    }
    /// The key that a row must stay below, once there are `n` rows.
    fn greatest(&self) -> Option<&[u8]> {
        self.entries.iter().map(|e| e.key(&self.keys)).max()
    }
}

pub struct Sort {
    node: usize,
    input: BoxOperator,
    keys: Keys,
    physicals: Vec<PhysicalType>,
    bound: Option<usize>,
    presorted: usize,
    /// What the groups of an incremental sort took.
    groups: Groups,
    state: State,
    /// Incremental sort: what was read beyond the group under way.
    pending: Option<Batch>,
    input_done: bool,
    /// For rows in memory.
    reservation: Reservation,
}

enum State {
    Start,
    Memory { rows: Batch, order: Vec<u32>, at: usize },
    Disk { run: SortedRun, layout: RowLayout, bytes: u64 },
    Done,
}

/// Sorts of an incremental sort's groups, for EXPLAIN.
#[derive(Default)]
struct Groups {
    count: u64,
    methods: Vec<&'static str>,
    /// In memory, and on disk: groups, kilobytes of all, of the largest.
    spaces: [(u64, u64, u64); 2],
}

impl Groups {
    fn add(&mut self, (method, space): (&'static str, &'static str), kb: u64) {
        self.count += 1;
        if !self.methods.contains(&method) {
            self.methods.push(method);
        }
        let (groups, sum, peak) = &mut self.spaces[usize::from(space == "Disk")];
        *groups += 1;
        *sum += kb;
        *peak = (*peak).max(kb);
    }
}

impl std::fmt::Display for Groups {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let s = if self.methods.len() > 1 { "s" } else { "" };
        write!(f, "{}  Sort Method{s}: {}", self.count, self.methods.join(", "))?;
        for ((groups, sum, peak), name) in self.spaces.iter().zip(["Memory", "Disk"]) {
            if *groups > 0 {
                write!(f, "  Average {name}: {}kB  Peak {name}: {peak}kB", sum / groups)?;
            }
        }
        Ok(())
    }
}

pub fn build(
    b: &mut Builder<'_>,
    node: usize,
    input: &PhysicalPlan,
    keys: &[SortKey],
    bound: Option<u64>,
    presorted: usize,
) -> Result<BoxOperator> {
    let layout = Layout::new(input.output());
    Ok(Box::new(Sort {
        node,
        keys: Keys::compile(b, keys, &layout)?,
        physicals: b.output_physicals(input)?,
        input: b.plan(input)?,
        bound: bound.and_then(|n| usize::try_from(n).ok()),
        presorted: if presorted < keys.len() { presorted } else { 0 },
        groups: Groups::default(),
        state: State::Start,
        pending: None,
        input_done: false,
        reservation: Reservation::default(),
    }))
}

impl Sort {
    fn pull(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        if let Some(b) = self.pending.take() {
            return Ok(Some(b));
        }
        if self.input_done {
            return Ok(None);
        }
        let b = pull(&mut self.input, cx)?;
        self.input_done = b.is_none();
        Ok(b)
    }

    /// Reads and sorts: everything, or with presorted keys the next rows that agree in these.
    fn fill(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        let mut gathered = Gathered::new(&self.physicals);
        let mut external: Option<ExternalSort> = None;
        let layout = layout_of(&self.physicals);
        let mut builder = RowBuilder::new();
        let mut limit_key: Option<Vec<u8>> = None;
        let mut group: Option<Vec<u8>> = None;
        while let Some(batch) = self.pull(cx)? {
            cx.check_cancelled()?;
            let mut values = self.keys.values(cx, &batch)?;
            let mut batch = batch;
            if self.presorted > 0 {
                let (mine, rest) = self.split(&batch, &values, &mut group)?;
                self.pending = rest;
                let Some(mine) = mine else { break };
                if self.pending.is_some() {
                    values = self.keys.values(cx, &mine)?;
                }
                batch = mine;
            }
            if let Some(limit) = &limit_key {
                let mut keep = Vec::new();
                let mut k = Vec::new();
                for i in batch.rows().iter() {
                    k.clear();
                    self.keys.encode(&values, i, &mut k)?;
                    if k.as_slice() < limit.as_slice() {
                        keep.push(i as u32);
                    }
                }
                match crate::operator::select(batch, keep) {
                    Some(b) => batch = b,
                    None => continue,
                }
            }
            gathered.push(&self.keys, &values, &batch)?;
            if let Some(n) = self.bound
                && n <= 100_000
                && gathered.entries.len() > (2 * n).max(BATCH_ROWS)
            {
                gathered.cut(n);
                limit_key = gathered.greatest().map(<[u8]>::to_vec);
                if n == 0 {
                    break;
                }
            } else {
                let held = gathered.memory_bytes();
                if !self.reservation.may_hold(held) || held > cx.env.work_mem_bytes {
                    let sort = external.get_or_insert_with(|| {
                        ExternalSort::new(cx.env.storage.disk().clone(), cx.env.work_mem_bytes)
                            .told(told_of_files(cx.env))
                    });
                    gathered.write(sort, &layout, &mut builder)?;
                }
            }
            if self.pending.is_some() {
                break;
            }
        }
        let memory = gathered.memory_bytes();
        let method;
        self.state = match external {
            Some(mut sort) => {
                if !gathered.entries.is_empty() {
                    gathered.write(&mut sort, &layout, &mut builder)?;
                }
                self.reservation.holds(0);
                method = ("external merge", "Disk");
                let run = sort.finish()?;
                let (files, bytes) = run.on_disk();
                let counters = cx.env.storage.database_stats().get(cx.env.reader.db());
                counters.add(DatabaseCount::TempFiles, files as i64);
                counters.add(DatabaseCount::TempBytes, bytes as i64);
                State::Disk { run, layout, bytes }
            }
            None => {
                gathered.sort();
                if let Some(n) = self.bound {
                    gathered.entries.truncate(n);
                }
                method = (if self.bound.is_some() { "top-N heapsort" } else { "quicksort" }, "Memory");
                let order: Vec<u32> = gathered.entries.iter().map(|e| e.row).collect();
                self.reservation.holds(gathered.row_bytes() + order.len() * 4);
                let mut rows = gathered.into_rows();
                if order.len() <= BATCH_ROWS && order.len() * 2 > rows.len {
                    rows.columns.iter_mut().filter_map(Arc::get_mut).for_each(Vector::seal);
                }
                State::Memory { rows, order, at: 0 }
            }
        };
        let used = match &self.state {
            State::Disk { bytes, .. } => *bytes,
            _ => memory as u64,
        };
        if let Some(s) = cx.rt.stats.get_mut(self.node) {
            let kb = used.div_ceil(1024);
            if self.presorted > 0 {
                self.groups.add(method, kb);
                crate::stats::set(s, "Pre-sorted Groups", self.groups.to_string());
            } else {
                crate::stats::set(s, "Sort Method", format!("{}  {}: {kb}kB", method.0, method.1));
            }
        }
        Ok(())
    }

    /// The leading rows of the batch that belong to the group, and the others.
    #[allow(clippy::type_complexity)]
    fn split(
        &self,
        batch: &Batch,
        values: &[Arc<Vector>],
        group: &mut Option<Vec<u8>>,
    ) -> Result<(Option<Batch>, Option<Batch>)> {
        let mut key = Vec::new();
        let mut at = 0;
        for i in batch.rows().iter() {
            key.clear();
            self.keys.encode_first(self.presorted, values, i, &mut key)?;
            match group {
                None => *group = Some(key.clone()),
                Some(g) if *g == key => {}
                Some(_) => break,
            }
            at += 1;
        }
        let positions: Vec<u32> = batch.rows().iter().map(|p| p as u32).collect();
        let part = |p: &[u32]| crate::operator::select(batch.clone(), p.to_vec());
        Ok((part(&positions[..at]), part(&positions[at..])))
    }
}

impl Operator for Sort {
    fn next(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        loop {
            match &mut self.state {
                State::Start => self.fill(cx)?,
                State::Memory { rows, order, at } => {
                    let n = (order.len() - *at).min(BATCH_ROWS).min(cx.want.max(64));
                    if n > 0 {
                        *at += n;
                        // Where about all come at once, long values stay where they are.
                        let most = n * 2 > rows.len;
                        let order = &order[*at - n..*at];
                        let picked = Rows::Selected { positions: order, len: rows.len };
                        let columns = rows.columns.iter().map(|c| match most {
                            true => Arc::new(c.sharing(picked)),
                            false => Arc::new(c.gather(picked)),
                        });
                        return Ok(Some(Batch::new(columns.collect(), n)));
                    }
                    self.reservation.holds(0);
                    self.state = if self.pending.is_some() { State::Start } else { State::Done };
                }
                State::Disk { run, layout, .. } => {
                    let mut out = RowSet::new(&self.physicals);
                    while out.len < BATCH_ROWS {
                        let Some((_, row)) = run.next()? else { break };
                        let row = RowRef::new(layout, row);
                        for (i, c) in out.columns.iter_mut().enumerate() {
                            decode_column_into(&row, i, c, &mut no_detoast)?;
                        }
                        out.len += 1;
                    }
                    if !out.is_empty() {
                        return Ok(Some(out.take()));
                    }
                    self.state = if self.pending.is_some() { State::Start } else { State::Done };
                }
                State::Done => return Ok(None),
            }
        }
    }
    fn rescan(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        self.state = State::Start;
        self.reservation.holds(0);
        self.pending = None;
        self.input_done = false;
        self.input.rescan(cx)
    }
    fn renew(&mut self) -> bool {
        self.state = State::Start;
        self.reservation.holds(0);
        (self.pending, self.input_done, self.groups) = (None, false, Groups::default());
        self.input.renew()
    }
}
