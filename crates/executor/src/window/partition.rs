//! One partition's rows, by number: in memory, or as pages of a store whose rows beyond `work_mem` lie in a file.
//!
//! What calls compute of a row (arguments, FILTER, ORDER BY) is computed once, when the row comes, and kept as further columns
//! beside the input's. Where a call's argument or FILTER fails, the error is kept, too, and raised by who asks for it: PostgreSQL computes
//! these for rows of frames alone. A few pages that were read last stay decoded; whoever walks over rows holds a [`Cursor`], so that reading
//! neighbours costs nothing.

use crate::context::Cx;
use crate::expr::{Program, true_positions};
use crate::spill::BatchStore;
use quarry_common::memory::Reservation;
use quarry_common::{Error, Result};
use quarry_functions::internal;
use quarry_types::{BATCH_ROWS, Batch, Datum, PhysicalType, Rows, TypeRef, Vector, compare};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

/// Decoded pages kept.
const CACHED_PAGES: usize = 4;

/// Where a value of a row is found.
enum Source {
    Column(usize),
    Constant(Datum, PhysicalType),
}

/// What a call reads of a row, and the column of its errors if it may fail.
struct Asked {
    value: Source,
    error: Option<usize>,
}

/// A computed column; the next one has its errors if they are kept.
struct Computed {
    program: Program,
    keeps_errors: bool,
}

/// What of a partition's rows is wanted, for all partitions of a window.
#[derive(Default)]
pub(super) struct Shape {
    inputs: usize,
    /// Computed columns, kept beside the input's.
    computed: Vec<Computed>,
    /// All columns.
    width: usize,
    order: Vec<(Source, TypeRef)>,
    /// By call.
    args: Vec<Vec<Asked>>,
    filters: Vec<Option<Asked>>,
}

impl Shape {
    pub fn new(inputs: usize) -> Shape {
        Shape { inputs, width: inputs, ..Shape::default() }
    }
    fn asked(&mut self, program: Program, may_fail: bool) -> Asked {
        if let Some(slot) = program.slot() {
            return Asked { value: Source::Column(slot), error: None };
        }
        if let Some(value) = program.constant() {
            return Asked { value: Source::Constant(value.clone(), program.physical), error: None };
        }
        // What has effects is computed once for each row.
        let keeps_errors = may_fail && !program.has_effects();
        let column = self.width;
        self.width += 1 + usize::from(keeps_errors);
        self.computed.push(Computed { program, keeps_errors });
        Asked { value: Source::Column(column), error: keeps_errors.then_some(column + 1) }
    }
    pub fn add_order(&mut self, key: Program, ty: TypeRef) {
        let key = self.asked(key, false).value;
        self.order.push((key, ty));
    }
    /// Programs with whether they may fail.
    pub fn add_call(&mut self, args: Vec<(Program, bool)>, filter: Option<(Program, bool)>) {
        let args = args.into_iter().map(|(arg, may_fail)| self.asked(arg, may_fail)).collect();
        let filter = filter.map(|(filter, may_fail)| self.asked(filter, may_fail));
        self.args.push(args);
        self.filters.push(filter);
    }
    /// The input's columns and the computed ones.
    fn widen(&self, cx: &mut Cx<'_>, batch: &Batch) -> Result<Batch> {
        let mut columns = batch.columns.clone();
        for c in &self.computed {
            match c.program.eval(cx, batch) {
                Ok(values) => {
                    columns.push(values);
                    let no_errors =
                        || Arc::new(Vector::constant(PhysicalType::Bytes, &Datum::Null, batch.len));
                    columns.extend(c.keeps_errors.then(no_errors));
                }
                Err(e) if c.keeps_errors => {
                    internal::kept(e)?;
                    columns.extend(c.one_by_one(cx, batch)?);
                }
                Err(e) => return Err(e),
            }
        }
        Ok(Batch::new(columns, batch.len))
    }
}

impl Computed {
    /// Each row's value, or its error.
    fn one_by_one(&self, cx: &mut Cx<'_>, batch: &Batch) -> Result<[Arc<Vector>; 2]> {
        let mut values = Vector::with_capacity(self.program.physical, batch.len);
        let mut errors = Vector::with_capacity(PhysicalType::Bytes, batch.len);
        for r in 0..batch.len as u32 {
            if r % 256 == 0 {
                cx.check_cancelled()?;
            }
            let one = Rows::Selected { positions: &[r], len: batch.len };
            let (value, error) = match self.program.eval_rows(cx, &batch.columns, one) {
                Ok(v) => (v.datum(r as usize), Datum::Null),
                Err(e) => (Datum::Null, internal::kept(e)?),
            };
            values.push_datum(&value);
            errors.push_datum(&error);
        }
        Ok([Arc::new(values), Arc::new(errors)])
    }
}

/// Rows that lie together, with what is wanted of them.
pub(super) struct Page {
    pub rows: Range<usize>,
    /// The input's columns.
    pub inputs: Vec<Arc<Vector>>,
    pub order: Vec<Arc<Vector>>,
    /// For each row the number of its group of peers.
    pub groups: Vec<u64>,
    /// By call.
    pub args: Vec<Vec<Arc<Vector>>>,
    /// By call: the rows that pass FILTER.
    pub keep: Vec<Option<Vec<bool>>>,
    /// By call; FILTER's come first, then those of each argument. None if no row has one.
    errors: Vec<Option<Vec<Option<Arc<Vector>>>>>,
}

impl Page {
    /// `last`: the order keys of the row before and its group.
    fn new(shape: &Shape, batch: Batch, first: usize, group: impl FnOnce(&[Arc<Vector>]) -> u64) -> Page {
        let n = batch.len;
        let vector = |s: &Source| match s {
            Source::Column(i) => batch.columns[*i].clone(),
            Source::Constant(value, physical) => Arc::new(Vector::constant(*physical, value, n)),
        };
        let order: Vec<Arc<Vector>> = shape.order.iter().map(|(s, _)| vector(s)).collect();
        let mut groups = Vec::with_capacity(n);
        let mut at = group(&order);
        groups.push(at);
        for r in 1..n {
            let same = order.iter().zip(&shape.order).all(|(k, (_, t))| compare::same_at(k, r, k, r - 1, t));
            at += u64::from(!same);
            groups.push(at);
        }
        let flags = |f: &Asked| {
            let mut keep = vec![false; n];
            true_positions(&vector(&f.value), Rows::All(n)).iter().for_each(|r| keep[*r as usize] = true);
            keep
        };
        let errors = |filter: &Option<Asked>, args: &[Asked]| {
            let of = |asked: Option<&Asked>| {
                let errors = &batch.columns[asked?.error?];
                (0..n).any(|r| !errors.is_null(r)).then(|| errors.clone())
            };
            let all: Vec<_> =
                std::iter::once(of(filter.as_ref())).chain(args.iter().map(|a| of(Some(a)))).collect();
            all.iter().any(Option::is_some).then_some(all)
        };
        Page {
            rows: first..first + n,
            args: shape.args.iter().map(|a| a.iter().map(|a| vector(&a.value)).collect()).collect(),
            errors: shape
                .filters
                .iter()
                .zip(&shape.args)
                .map(|(filter, args)| errors(filter, args))
                .collect(),
            keep: shape.filters.iter().map(|f| f.as_ref().map(flags)).collect(),
            order,
            groups,
            inputs: batch.columns[..shape.inputs].to_vec(),
        }
    }
}

impl Page {
    /// Whether something of a call fails for some row.
    pub fn has_errors(&self, call: usize) -> bool {
        self.errors[call].is_some()
    }
    /// Raises the error that a call's argument has for this row of the partition.
    pub fn ask(&self, call: usize, arg: usize, row: usize) -> Result<()> {
        self.raise(call, arg + 1, row)
    }
    /// Raises the error that a call's FILTER has.
    pub fn ask_filter(&self, call: usize, row: usize) -> Result<()> {
        self.raise(call, 0, row)
    }
    fn raise(&self, call: usize, which: usize, row: usize) -> Result<()> {
        let errors = self.errors[call].as_ref().and_then(|all| all.get(which)?.as_ref());
        match errors.map(|e| e.datum(row - self.rows.start)) {
            None | Some(Datum::Null) => Ok(()),
            Some(error) => Err(internal::raised(&error)),
        }
    }
}

/// A partition under construction.
pub(super) struct Pages {
    shape: Arc<Shape>,
    store: BatchStore,
    /// The number of each page's first row, and its group.
    firsts: Vec<usize>,
    first_groups: Vec<u64>,
    len: usize,
    /// Of the row that came last: its order keys and group.
    last: Option<(Vec<Arc<Vector>>, usize, u64)>,
    nulls: usize,
}

impl Pages {
    pub fn new(shape: &Arc<Shape>) -> Pages {
        Pages {
            shape: shape.clone(),
            store: BatchStore::default(),
            firsts: Vec::new(),
            first_groups: Vec::new(),
            len: 0,
            last: None,
            nulls: 0,
        }
    }
    pub fn memory_bytes(&self) -> usize {
        self.store.memory_bytes() + self.firsts.len() * 16
    }
    fn page(&mut self, batch: Batch) -> Page {
        let last = &self.last;
        let shape = &*self.shape;
        let page = Page::new(shape, batch, self.len, |order| match last {
            None => 0,
            Some((keys, row, group)) => {
                let mut both = order.iter().zip(keys).zip(&shape.order);
                group + u64::from(!both.all(|((a, b), (_, t))| compare::same_at(a, 0, b, *row, t)))
            }
        });
        if let Some(key) = page.order.first() {
            self.nulls += (0..key.len()).filter(|r| key.is_null(*r)).count();
        }
        let n = page.groups.len();
        self.last = Some((page.order.clone(), n - 1, page.groups[n - 1]));
        self.len = page.rows.end;
        page
    }
    /// Adds rows to the store, in pages of a size that suits the memory allowed.
    pub fn push(&mut self, cx: &mut Cx<'_>, rows: &Batch) -> Result<()> {
        let bytes: usize = rows.columns.iter().map(|c| c.memory_bytes()).sum();
        let page_bytes = page_bytes(cx);
        let size = (page_bytes * rows.len / bytes.max(1)).clamp(1, BATCH_ROWS);
        let all: Vec<u32> = (0..rows.len as u32).collect();
        for positions in all.chunks(size) {
            cx.check_cancelled()?;
            let part = Rows::Selected { positions, len: rows.len };
            let columns = rows.columns.iter().map(|c| Arc::new(c.gather(part))).collect();
            let batch = self.shape.widen(cx, &Batch::new(columns, positions.len()))?;
            let page = self.page(batch.clone());
            self.firsts.push(page.rows.start);
            self.first_groups.push(page.groups[0]);
            self.store.push(cx.env, batch)?;
        }
        Ok(())
    }
    pub fn finish(self) -> Partition {
        Partition {
            len: self.len,
            groups: self.last.map_or(0, |l| l.2 + 1),
            nulls: self.nulls,
            shape: self.shape,
            store: self.store,
            memory: None,
            firsts: self.firsts,
            first_groups: self.first_groups,
            cache: RefCell::default(),
        }
    }
}

/// Bytes of a page of a partition that doesn't fit.
pub(super) fn page_bytes(cx: &Cx<'_>) -> usize {
    (Reservation::default().allowance(cx.env.work_mem_bytes) / 16).clamp(8 << 10, 1 << 20)
}

/// A sorted partition.
pub(super) struct Partition {
    pub len: usize,
    /// Groups of peers.
    pub groups: u64,
    /// Rows whose first order key is NULL.
    pub nulls: usize,
    shape: Arc<Shape>,
    /// The only page of a partition in memory.
    memory: Option<Arc<Page>>,
    store: BatchStore,
    firsts: Vec<usize>,
    first_groups: Vec<u64>,
    /// Pages used last, the latest at the end.
    cache: RefCell<VecDeque<(usize, Arc<Page>)>>,
}

impl Partition {
    /// A partition that stays in memory.
    pub fn in_memory(cx: &mut Cx<'_>, shape: &Arc<Shape>, rows: &Batch) -> Result<Partition> {
        let mut pages = Pages::new(shape);
        let batch = shape.widen(cx, rows)?;
        let page = pages.page(batch);
        let mut partition = pages.finish();
        partition.memory = Some(Arc::new(page));
        Ok(partition)
    }
    /// The page that holds a row.
    pub fn page_of(&self, row: usize) -> Result<Arc<Page>> {
        if let Some(page) = &self.memory {
            return Ok(page.clone());
        }
        let i = self.firsts.partition_point(|f| *f <= row).saturating_sub(1);
        let mut cache = self.cache.borrow_mut();
        if let Some(at) = cache.iter().position(|c| c.0 == i)
            && let Some(hit) = cache.remove(at)
        {
            let page = hit.1.clone();
            cache.push_back(hit);
            return Ok(page);
        }
        let Some(batch) = self.store.get(i)? else {
            return Err(Error::internal("a window partition lacks one of its rows"));
        };
        let page = Arc::new(Page::new(&self.shape, batch, self.firsts[i], |_| self.first_groups[i]));
        cache.push_back((i, page.clone()));
        if cache.len() > CACHED_PAGES {
            cache.pop_front();
        }
        Ok(page)
    }
    /// The first row of group `g` or later; the partition's end if there is none.
    pub fn group_start(&self, g: u64) -> Result<usize> {
        if let Some(page) = &self.memory {
            return Ok(page.groups.partition_point(|x| *x < g));
        }
        // The group begins in the last page that begins before it, or with the page after.
        let next = self.first_groups.partition_point(|f| *f < g);
        let Some(before) = next.checked_sub(1) else { return Ok(0) };
        let page = self.page_of(self.firsts[before])?;
        Ok(page.rows.start + page.groups.partition_point(|x| *x < g))
    }
}

/// A place in a partition: holds the page last used.
#[derive(Default)]
pub(super) struct Cursor(Option<Arc<Page>>);

impl Cursor {
    pub fn page(&mut self, partition: &Partition, row: usize) -> Result<&Arc<Page>> {
        let page = match self.0.take() {
            Some(p) if p.rows.contains(&row) => p,
            _ => partition.page_of(row)?,
        };
        Ok(self.0.insert(page))
    }
}

/// Finds the peers of rows that are asked for in order.
#[derive(Default)]
pub(super) struct Peers {
    cursor: Cursor,
    rows: Range<usize>,
}

impl Peers {
    pub fn of(&mut self, partition: &Partition, row: usize) -> Result<Range<usize>> {
        if self.rows.contains(&row) {
            return Ok(self.rows.clone());
        }
        let page = self.cursor.page(partition, row)?;
        let at = row - page.rows.start;
        let group = page.groups[at];
        let start = if row == self.rows.end { row } else { partition.group_start(group)? };
        let end = match page.groups[at..].iter().position(|g| *g != group) {
            Some(n) => row + n,
            None if page.rows.end == partition.len => partition.len,
            None => partition.group_start(group + 1)?,
        };
        self.rows = start..end;
        Ok(start..end)
    }
}
