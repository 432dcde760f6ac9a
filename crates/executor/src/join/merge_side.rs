//! One sorted input of a merge join, and the place in it.
//!
//! Rows are seen through a window: a batch of the input, or a copy of all rows of one key where those don't end with a batch. Rows
//! are numbered within the window. A single key that is a whole number, and has no NULLs in the window, is compared as an `i64`.

use crate::build::Builder;
use crate::context::Cx;
use crate::expr::{Layout, Program};
use crate::operator::{BoxOperator, dense, pull};
use crate::rows::RowSet;
use quarry_common::Result;
use quarry_common::memory::Reservation;
use quarry_plan::{Expr, PhysicalPlan};
use quarry_types::{Batch, PhysicalType, Rows, TypeRef, Vector, VectorData, compare, oids};
use std::cmp::Ordering;
use std::sync::Arc;

pub(super) struct Side {
    op: BoxOperator,
    programs: Vec<Program>,
    types: Vec<TypeRef>,
    /// Per key: descending, nulls first.
    order: Vec<(bool, bool)>,
    physicals: Vec<PhysicalType>,
    window: Window,
    /// The current row of the window.
    pub row: usize,
    /// What comes after the window of a single key: a batch and its first row that isn't of the key.
    rest: Option<(Window, usize)>,
    /// The input has no more.
    ended: bool,
    /// For a window of one key's rows.
    reservation: Reservation,
}

struct Window {
    batch: Batch,
    keys: Vec<Arc<Vector>>,
    codes: Option<Vec<i64>>,
}

impl Window {
    fn empty(physicals: &[PhysicalType]) -> Window {
        let columns = physicals.iter().map(|p| Arc::new(Vector::with_capacity(*p, 0))).collect();
        Window { batch: Batch::new(columns, 0), keys: vec![], codes: None }
    }
    fn new(batch: Batch, keys: Vec<Arc<Vector>>, types: &[TypeRef], order: &[(bool, bool)]) -> Window {
        let codes = match (&keys[..], types, order) {
            ([key], [ty], [(descending, _)]) => codes(key, ty, *descending),
            _ => None,
        };
        Window { batch, keys, codes }
    }
}

/// Numbers that are ordered as the values are; none for values that aren't whole numbers.
fn codes(key: &Vector, ty: &TypeRef, descending: bool) -> Option<Vec<i64>> {
    if key.may_have_nulls() {
        return None;
    }
    let base = ty.base.map_or(ty.oid, |base| base.oid);
    if matches!(base, oids::XID8 | oids::PG_LSN) {
        return None;
    }
    let n = key.len();
    macro_rules! of {
        ($values:expr) => {
            (0..n).map(|i| i64::from($values[key.slot(i)])).collect()
        };
    }
    let mut out: Vec<i64> = match key.data() {
        VectorData::Bool(v) => of!(v),
        VectorData::I16(v) => of!(v),
        VectorData::I32(v) => of!(v),
        VectorData::U32(v) => of!(v),
        VectorData::I64(v) => of!(v),
        _ => return None,
    };
    if descending {
        out.iter_mut().for_each(|code| *code = !*code);
    }
    Some(out)
}

impl Side {
    pub fn build(
        b: &mut Builder<'_>,
        plan: &PhysicalPlan,
        own: Vec<&Expr>,
        keys: &[(Expr, Expr)],
        order: &[(bool, bool)],
    ) -> Result<Side> {
        let mut order = order.to_vec();
        order.resize(keys.len(), (false, false));
        let physicals = b.output_physicals(plan)?;
        Ok(Side {
            programs: b.exprs(own, &Layout::new(plan.output()))?,
            types: keys.iter().map(|k| b.type_ref(k.1.ty().oid)).collect::<Result<_>>()?,
            order,
            op: b.plan(plan)?,
            window: Window::empty(&physicals),
            physicals,
            row: 0,
            rest: None,
            ended: false,
            reservation: Reservation::default(),
        })
    }

    pub fn physicals(&self) -> &[PhysicalType] {
        &self.physicals
    }
    /// The window's columns.
    pub fn columns(&self) -> &[Arc<Vector>] {
        &self.window.batch.columns
    }
    /// Rows of the window.
    #[inline]
    pub fn len(&self) -> usize {
        self.window.batch.len
    }
    /// Whether nothing comes after the window.
    pub fn at_end(&self) -> bool {
        self.ended && self.rest.is_none()
    }
    /// Whether the window is used up and there may be another.
    #[inline]
    pub fn needs_rows(&self) -> bool {
        self.row >= self.len() && !self.at_end()
    }
    /// Whether there is no current row, nor will be one.
    #[inline]
    pub fn is_over(&self) -> bool {
        self.row >= self.len() && self.at_end()
    }

    /// Goes on to the next window, if there is one.
    pub fn load(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        if let Some((window, row)) = self.rest.take() {
            (self.window, self.row) = (window, row);
        } else if let Some(window) = self.read(cx)? {
            (self.window, self.row) = (window, 0);
        }
        Ok(())
    }

    fn read(&mut self, cx: &mut Cx<'_>) -> Result<Option<Window>> {
        let Some(batch) = pull(&mut self.op, cx)? else {
            self.ended = true;
            return Ok(None);
        };
        let batch = dense(batch);
        let keys = self.programs.iter().map(|k| k.eval(cx, &batch)).collect::<Result<Vec<_>>>()?;
        Ok(Some(Window::new(batch, keys, &self.types, &self.order)))
    }

    /// Whether the current row has no value in a key.
    #[inline]
    pub fn is_null(&self) -> bool {
        self.window.codes.is_none() && self.window.keys.iter().any(|k| k.is_null(self.row))
    }

    /// The order of the current rows of two sides, none of whose keys is NULL.
    #[inline]
    pub fn compare(&self, other: &Side) -> Ordering {
        let (mine, theirs) = (&self.window, &other.window);
        if let (Some(a), Some(b)) = (&mine.codes, &theirs.codes) {
            return a[self.row].cmp(&b[other.row]);
        }
        let keys = mine.keys.iter().zip(&theirs.keys).zip(&self.types).zip(&self.order);
        for (((a, b), ty), (desc, nulls_first)) in keys {
            let column = compare::SortColumn { ty, desc: *desc, nulls_first: *nulls_first };
            let order = column.compare(a, self.row, b, other.row);
            if order != Ordering::Equal {
                return order;
            }
        }
        Ordering::Equal
    }

    /// Whether the current row's keys are those of a row of the other side.
    #[inline]
    pub fn equals(&self, other: &Side, row: usize) -> bool {
        same(&self.window, self.row, &other.window, row, &self.types)
    }

    /// The end of the window's rows of the current row's keys.
    pub fn group_end(&self) -> usize {
        let (window, first) = (&self.window, self.row);
        let differs = |r: &usize| !same(window, first, window, *r, &self.types);
        (first + 1..self.len()).find(differs).unwrap_or(self.len())
    }

    /// Makes a window of all rows of the current row's keys, which reach to the end of the one that is there; gives its end.
    pub fn extend_group(&mut self, cx: &mut Cx<'_>) -> Result<usize> {
        let mut rows = RowSet::new(&self.physicals);
        let key_physicals: Vec<PhysicalType> = self.window.keys.iter().map(|k| k.physical()).collect();
        let mut keys = RowSet::new(&key_physicals);
        let mut take = |from: &Window, range: std::ops::Range<usize>| {
            let positions: Vec<u32> = (range.start as u32..range.end as u32).collect();
            let picked = Rows::Selected { positions: &positions, len: from.batch.len };
            rows.push_rows(&from.batch.columns, picked);
            keys.push_rows(&from.keys, picked);
        };
        take(&self.window, self.row..self.len());
        let window = &self.window.batch;
        let row_bytes = window.columns.iter().map(|c| c.memory_bytes()).sum::<usize>() / window.len.max(1);
        let mut gathered = 0;
        while self.rest.is_none() {
            cx.check_cancelled()?;
            let Some(next) = self.read(cx)? else { break };
            let differs = |r: &usize| !same(&self.window, self.row, &next, *r, &self.types);
            let end = (0..next.batch.len).find(differs).unwrap_or(next.batch.len);
            take(&next, 0..end);
            if end < next.batch.len {
                self.rest = Some((next, end));
            }
            gathered += end * row_bytes;
            self.reservation.must_hold(gathered)?;
        }
        let (rows, keys) = (rows.take(), keys.take());
        self.window = Window::new(rows, keys.columns, &self.types, &self.order);
        self.row = 0;
        Ok(self.len())
    }

    pub fn rescan(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        self.window = Window::empty(&self.physicals);
        self.row = 0;
        self.rest = None;
        self.ended = false;
        self.op.rescan(cx)
    }
}

/// Whether two rows have the same keys.
#[inline]
fn same(a: &Window, i: usize, b: &Window, j: usize, types: &[TypeRef]) -> bool {
    if let (Some(a), Some(b)) = (&a.codes, &b.codes) {
        return a[i] == b[j];
    }
    a.keys.iter().zip(&b.keys).zip(types).all(|((a, b), ty)| compare::same_at(a, i, b, j, ty))
}
