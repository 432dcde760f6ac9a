//! Subqueries in expressions: run once (InitPlan), or with the row's columns set for each combination of values of these;
//! `= ANY` by hash where the subquery doesn't read the row.

mod answers;

use crate::build::Builder;
use crate::context::Cx;
use crate::correlation::{Dependence, scanned_ctes, values_of};
use crate::expr::{Input, Layout, Program};
use crate::null_match::{COLUMNS_MAX, Hashes, NullMatches, Side};
use crate::operator::{BoxOperator, dense, pull, pull_some};
use crate::rows::RowSet;
use answers::Answers;
use hashbrown::HashTable;
use parking_lot::Mutex;
use quarry_common::memory::Reservation;
use quarry_common::{Error, Oid, Result, bail};
use quarry_plan::expr::SubqueryPlan;
use quarry_plan::volatility::is_volatile;
use quarry_plan::{ColumnId, Expr, SubqueryExpr, SubqueryKind, walk};
use quarry_types::array::{ArrayBuilder, ArrayRef, Dimension};
use quarry_types::{
    BATCH_ROWS, Batch, Datum, PhysicalType, Rows, SqlType, TypeRef, Vector, compare, hash, record,
};
use std::sync::Arc;

/// Rows pulled together by who stops at one that decides: less than a batch tells that rows before one that fails are to be given first.
const UNTIL_DECIDED: usize = BATCH_ROWS - 1;

/// A subquery's place in an expression.
pub(crate) struct SubqueryNode {
    /// In `Runtime::subplans`.
    index: usize,
    kind: Kind,
    /// Columns of the row at hand that the subquery reads: id and slot.
    params: Vec<(ColumnId, usize)>,
    /// Whether it reads any enclosing row's column.
    correlated: bool,
    /// The columns whose values decide the answer; none if there is more that does.
    decided_by: Option<Vec<ColumnId>>,
    physical: PhysicalType,
}

enum Kind {
    Scalar,
    /// The value of a subquery that the crew's leader runs, by the plan's number.
    Given(usize),
    Exists,
    /// ANY (false) or ALL: conditions over the subquery's columns, the row's own read as outer columns.
    Quantified {
        all: bool,
        tests: Vec<Program>,
        left: Vec<(ColumnId, usize)>,
        hashed: Option<Hashed>,
    },
    Array {
        element: Oid,
        physical: PhysicalType,
        nested: bool,
    },
    Row {
        oid: Oid,
        types: Vec<SqlType>,
    },
}

/// How to look a row up in the table of the subquery's rows.
struct Hashed {
    left: Vec<Program>,
    right: Vec<Program>,
    types: Vec<TypeRef>,
}

/// A subquery's plan and what is known of its answers.
pub struct SubplanState {
    op: BoxOperator,
    /// The number of the plan's topmost node.
    plan: usize,
    fresh: bool,
    once: Option<Datum>,
    /// It reads no enclosing row, but common table expressions that do: it has another value for other rows.
    changes: bool,
    answers: Answers,
    /// What the rows that are kept depend on.
    depends: Dependence,
    rows: Option<Arc<HashedRows>>,
    kept: Option<KeptRows>,
    /// For the rows that are kept.
    reservation: Reservation,
}

/// The rows of a subquery that have been asked for so far.
#[derive(Default)]
struct KeptRows {
    batches: Vec<Batch>,
    bytes: usize,
    /// There are no more.
    complete: bool,
}

struct HashedRows {
    keys: Vec<Arc<Vector>>,
    table: HashTable<u32>,
    hashes: Vec<u64>,
    len: usize,
    /// What NULLs leave undecided.
    nulls: Mutex<NullMatches>,
}

impl SubplanState {
    fn restart(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        if !self.fresh {
            self.op.rescan(cx)?;
        }
        self.fresh = false;
        Ok(())
    }
}

/// What the leader has told of a subquery that is run once.
fn given(cx: &Cx<'_>, plan: usize) -> Result<Datum> {
    let value = known_value(cx, plan).cloned();
    value.ok_or_else(|| Error::internal("a subquery's value isn't there"))
}

/// The number of a scalar subquery's plan, if it is run once.
pub(crate) fn run_once(s: &SubqueryExpr) -> Option<usize> {
    match &s.plan {
        SubqueryPlan::Physical { plan, params, .. }
            if params.is_empty() && matches!(s.kind, SubqueryKind::Scalar) =>
        {
            Some(plan.id)
        }
        _ => None,
    }
}

/// The value of such a subquery, if it has been run.
pub(crate) fn known_value<'a>(cx: &'a Cx<'_>, plan: usize) -> Option<&'a Datum> {
    let given = cx.rt.given.iter().find(|(of, _)| *of == plan).map(|(_, value)| value);
    given.or_else(|| cx.rt.subplans.iter().flatten().find(|s| s.plan == plan)?.once.as_ref())
}

impl Builder<'_> {
    pub(crate) fn subquery(&mut self, s: &SubqueryExpr, layout: &Layout) -> Result<SubqueryNode> {
        let SubqueryPlan::Physical { plan, params, .. } = &s.plan else {
            return Err(Error::internal("a subquery was not planned"));
        };
        if self.member.is_some() {
            return self.shared_subquery(s);
        }
        let op = self.plan(plan)?;
        let types: Vec<SqlType> = s
            .output
            .iter()
            .map(|id| {
                let target = plan.targets.iter().find(|(t, _)| t == id);
                target
                    .map(|(_, e)| e.ty())
                    .ok_or_else(|| Error::internal("a subquery lacks an output column"))
            })
            .collect::<Result<_>>()?;
        let depends = Dependence::of(plan);
        let mut decided_by = depends.columns().map(<[ColumnId]>::to_vec);
        let through_ctes = if params.is_empty() { self.read_by_ctes(plan) } else { None };
        let changes = through_ctes.is_some();
        if let Some(reads) = through_ctes {
            decided_by = reads;
        }
        // The visible columns come first in what follows.
        let slots: Vec<usize> =
            s.output.iter().filter_map(|id| plan.targets.iter().position(|(t, _)| t == id)).collect();
        let op: BoxOperator = if slots.iter().copied().eq(0..plan.targets.len()) {
            op
        } else {
            Box::new(crate::project::Columns::new(op, slots))
        };
        let own =
            |ids: &[ColumnId]| ids.iter().filter_map(|id| Some((*id, layout.slot(*id)?))).collect::<Vec<_>>();
        let kind = match &s.kind {
            SubqueryKind::Scalar => Kind::Scalar,
            SubqueryKind::Exists => Kind::Exists,
            SubqueryKind::Row => Kind::Row { oid: s.ty.oid, types },
            SubqueryKind::Array => {
                let info = self.type_ref(types[0].oid)?;
                let nested = info.is_array();
                let element = if nested { info.element } else { types[0].oid };
                Kind::Array { element, physical: self.physical(SqlType::of(element))?, nested }
            }
            SubqueryKind::Any { tests } | SubqueryKind::All { tests } => {
                let all = matches!(s.kind, SubqueryKind::All { .. });
                let inner = Layout::new(s.output.iter().copied());
                let mut ids = Vec::new();
                tests.iter().for_each(|t| walk::columns_of(t, &mut ids));
                let left = own(&ids);
                // Its rows can be kept while rows further out stay the same.
                let keeps = params.is_empty() || own(params).is_empty() && depends.columns().is_some();
                let hashed = if all || !keeps { None } else { self.hashed(tests, &inner, layout)? };
                ids.retain(|id| inner.slot(*id).is_none());
                decided_by = decided_by.filter(|_| !tests.iter().any(is_volatile));
                decided_by.iter_mut().for_each(|by| by.append(&mut ids));
                Kind::Quantified { all, tests: self.exprs(tests, &inner)?, left, hashed }
            }
        };
        let reservation = Reservation::default();
        let state = SubplanState {
            op,
            plan: plan.id,
            fresh: true,
            once: None,
            changes,
            answers: Answers::default(),
            depends,
            rows: None,
            kept: None,
            reservation,
        };
        let index = self.add_subplan(state);
        Ok(SubqueryNode {
            index,
            kind,
            params: own(params),
            correlated: !params.is_empty() || changes,
            decided_by,
            physical: self.physical(s.ty)?,
        })
    }

    /// The columns of enclosing rows that a plan's common table expressions depend on; none inside if there is more. None if there are
    /// none of either.
    fn read_by_ctes(&self, plan: &quarry_plan::PhysicalPlan) -> Option<Option<Vec<ColumnId>>> {
        let scanned = scanned_ctes(plan);
        let of = self.runtime.ctes.iter().filter(|c| scanned.contains(&c.id));
        let (mut reads, mut by_rounds) = (vec![], false);
        for cte in of {
            reads.extend(&cte.reads);
            by_rounds |= !cte.rounds_of.is_empty();
        }
        reads.sort_unstable();
        reads.dedup();
        match (by_rounds, reads.is_empty()) {
            (true, _) => Some(None),
            (false, true) => None,
            (false, false) => Some(Some(reads)),
        }
    }

    /// The place of a subquery in a plan that a crew runs: the leader's is as ever, others are given its value.
    fn shared_subquery(&mut self, s: &SubqueryExpr) -> Result<SubqueryNode> {
        let Some(plan) = run_once(s) else {
            return Err(Error::internal("several threads ask a subquery that isn't one value"));
        };
        if self.member.as_ref().is_none_or(|member| !member.leads) {
            let physical = self.physical(s.ty)?;
            return Ok(SubqueryNode::plain(0, Kind::Given(plan), physical));
        }
        // It is run by the leader alone.
        let member = self.member.take();
        let node = self.subquery(s, &Layout::default());
        self.member = member;
        let node = node?;
        self.asked.push(SubqueryNode::plain(node.index, Kind::Scalar, node.physical));
        Ok(node)
    }

    /// Both sides of equality tests, where hashing gives what the operator gives.
    fn hashed(&mut self, tests: &[Expr], inner: &Layout, outer: &Layout) -> Result<Option<Hashed>> {
        let (mut left, mut right, mut types) = (vec![], vec![], vec![]);
        if tests.len() > COLUMNS_MAX {
            return Ok(None);
        }
        for test in tests {
            let Expr::Call { function, args, .. } = test else { return Ok(None) };
            let [l, r] = args.as_slice() else { return Ok(None) };
            let (mut lc, mut rc) = (vec![], vec![]);
            walk::columns_of(l, &mut lc);
            walk::columns_of(r, &mut rc);
            if lc.iter().any(|c| inner.slot(*c).is_some()) || rc.iter().any(|c| inner.slot(*c).is_none()) {
                return Ok(None);
            }
            let def = function.def();
            let ty = self.type_ref(r.ty().oid)?;
            if l.ty().oid != r.ty().oid || !def.name.ends_with("eq") || ty.functions.hash.is_none() {
                return Ok(None);
            }
            left.push(self.expr(l, outer)?);
            right.push(self.expr(r, inner)?);
            types.push(ty);
        }
        Ok(Some(Hashed { left, right, types }))
    }
}

impl SubqueryNode {
    /// The place of a subquery that reads no enclosing row.
    fn plain(index: usize, kind: Kind, physical: PhysicalType) -> SubqueryNode {
        SubqueryNode { index, kind, params: vec![], correlated: false, decided_by: None, physical }
    }

    /// The value of a subquery that is run once, with the plan's number.
    pub(crate) fn answer(&self, cx: &mut Cx<'_>) -> Result<(usize, Datum)> {
        self.with_state(cx, |s, cx| Ok((s.plan, self.once(s, cx)?)))
    }

    /// The value for each row of the input.
    pub(crate) fn batch(&self, cx: &mut Cx<'_>, i: Input<'_>) -> Result<Arc<Vector>> {
        let n = i.rows.len();
        if i.rows.is_empty() {
            return Ok(Arc::new(Vector::zeroed(self.physical, n)));
        }
        if let Kind::Quantified { hashed: Some(h), .. } = &self.kind {
            let rows = self.hashed_rows(cx, h)?;
            // Among no rows nothing is looked for.
            if rows.len == 0 {
                return Ok(Arc::new(Vector::constant(PhysicalType::Bool, &Datum::Bool(false), n)));
            }
            let left =
                h.left.iter().map(|p| p.eval_rows(cx, i.columns, i.rows)).collect::<Result<Vec<_>>>()?;
            return Ok(Arc::new(rows.probe(&left, &h.types, i.rows)));
        }
        if let Kind::Given(plan) = self.kind {
            return Ok(Arc::new(Vector::constant(self.physical, &given(cx, plan)?, n)));
        }
        let quantified = matches!(self.kind, Kind::Quantified { .. });
        if !self.correlated && !quantified {
            let v = self.with_state(cx, |s, cx| self.once(s, cx))?;
            return Ok(Arc::new(Vector::constant(self.physical, &v, n)));
        }
        let mut out = Vector::with_capacity(self.physical, n);
        for r in i.rows.iter() {
            if out.len() < r {
                out.resize(r);
            }
            let v = self.value(cx, &|slot| i.columns[slot].datum(r))?;
            out.push_datum(&v);
        }
        out.resize(n);
        Ok(Arc::new(out))
    }

    /// The value for one row.
    pub(crate) fn row(&self, cx: &mut Cx<'_>, row: &[Datum]) -> Result<Datum> {
        self.value(cx, &|slot| row[slot].clone())
    }

    fn with_state<R>(
        &self,
        cx: &mut Cx<'_>,
        f: impl FnOnce(&mut SubplanState, &mut Cx<'_>) -> Result<R>,
    ) -> Result<R> {
        let mut state = cx.rt.subplans[self.index]
            .take()
            .ok_or_else(|| Error::internal("a subquery runs within itself"))?;
        let out = f(&mut state, cx);
        cx.rt.subplans[self.index] = Some(state);
        out
    }

    fn value(&self, cx: &mut Cx<'_>, column: &dyn Fn(usize) -> Datum) -> Result<Datum> {
        if let Kind::Given(plan) = self.kind {
            return given(cx, plan);
        }
        for (id, slot) in &self.params {
            cx.set_outer(*id, column(*slot));
        }
        if let Kind::Quantified { left, .. } = &self.kind {
            for (id, slot) in left {
                cx.set_outer(*id, column(*slot));
            }
        }
        self.with_state(cx, |s, cx| {
            if !self.correlated && !matches!(self.kind, Kind::Quantified { .. }) {
                return self.once(s, cx);
            }
            let Some(ids) = &self.decided_by else { return self.asked(s, cx) };
            let values = values_of(ids, cx);
            if let Some(v) = s.answers.find(&values) {
                return Ok(v.clone());
            }
            let v = self.asked(s, cx)?;
            s.answers.keep(values, &v, cx.env.work_mem_bytes);
            Ok(v)
        })
    }

    /// The value for the row whose columns are set, whatever is known already.
    fn asked(&self, s: &mut SubplanState, cx: &mut Cx<'_>) -> Result<Datum> {
        if let Kind::Quantified { all, tests, .. } = &self.kind {
            return self.quantified(s, cx, *all, tests);
        }
        s.restart(cx)?;
        self.compute(s, cx)
    }

    /// Whether rows that were kept are those that the subquery would give.
    fn holds(&self, s: &SubplanState, cx: &Cx<'_>) -> bool {
        !self.correlated || s.depends.holds(cx)
    }

    fn once(&self, s: &mut SubplanState, cx: &mut Cx<'_>) -> Result<Datum> {
        if let Some(v) = &s.once {
            return Ok(v.clone());
        }
        s.restart(cx)?;
        let v = self.compute(s, cx)?;
        if !s.changes {
            s.once = Some(v.clone());
        }
        Ok(v)
    }

    /// Runs the plan, which has been restarted.
    fn compute(&self, s: &mut SubplanState, cx: &mut Cx<'_>) -> Result<Datum> {
        let too_many = "more than one row returned by a subquery used as an expression";
        match &self.kind {
            Kind::Exists => Ok(Datum::Bool(pull_some(&mut s.op, cx, 1)?.is_some())),
            Kind::Scalar | Kind::Row { .. } => {
                let Some(batch) = pull_some(&mut s.op, cx, 2)? else { return Ok(Datum::Null) };
                if batch.row_count() > 1 || pull_some(&mut s.op, cx, 1)?.is_some() {
                    bail!(CARDINALITY_VIOLATION, "{too_many}");
                }
                let r = batch.rows().iter().next().unwrap_or(0);
                Ok(match &self.kind {
                    Kind::Row { oid, types } => {
                        let values: Vec<Datum> = batch.columns.iter().map(|c| c.datum(r)).collect();
                        record::from_fields(*oid, types.iter().map(|t| t.oid).zip(&values))
                    }
                    _ => batch.columns[0].datum(r),
                })
            }
            Kind::Array { element, physical, nested } => {
                let mut out = ArrayBuilder::new(*element, *physical);
                let (mut inner, mut count): (Option<Vec<Dimension>>, usize) = (None, 0);
                while let Some(batch) = pull(&mut s.op, cx)? {
                    for r in batch.rows().iter() {
                        match batch.columns[0].datum(r) {
                            Datum::Null if *nested => {
                                bail!(NULL_VALUE_NOT_ALLOWED, "cannot accumulate null arrays")
                            }
                            Datum::Null => out.push_null(),
                            v if *nested => {
                                let a = ArrayRef::of(&v);
                                match &inner {
                                    None => inner = Some(a.dims()),
                                    Some(d) if *d == a.dims() => {}
                                    Some(_) => bail!(
                                        ARRAY_SUBSCRIPT_ERROR,
                                        "cannot accumulate arrays of different dimensionality"
                                    ),
                                }
                                (0..a.len()).for_each(|i| out.push_from(&a, i));
                            }
                            v => out.push(&v),
                        }
                        count += 1;
                    }
                }
                match inner {
                    Some(d) => {
                        let mut dims = vec![Dimension { len: count as _, lower: 1 }];
                        dims.extend(d);
                        out.finish(&dims)
                    }
                    None => out.finish_1d(),
                }
            }
            Kind::Quantified { .. } | Kind::Given(_) => {
                Err(Error::internal("a quantified or another thread's subquery has no value of its own"))
            }
        }
    }

    /// The quantified comparison for the row whose columns are set.
    fn quantified(
        &self,
        s: &mut SubplanState,
        cx: &mut Cx<'_>,
        all: bool,
        tests: &[Program],
    ) -> Result<Datum> {
        let mut unknown = false;
        if !self.correlated || self.params.is_empty() && self.decided_by.is_some() {
            let mut kept = match s.kept.take() {
                Some(kept) if self.holds(s, cx) => kept,
                _ => {
                    s.depends.note(cx);
                    s.restart(cx)?;
                    KeptRows::default()
                }
            };
            let decided = kept.decide(s, cx, all, tests, &mut unknown);
            s.kept = Some(kept);
            if decided? {
                return Ok(Datum::Bool(!all));
            }
        } else {
            s.restart(cx)?;
            while let Some(b) = pull_some(&mut s.op, cx, UNTIL_DECIDED)? {
                if decide(cx, &b, all, tests, &mut unknown)? {
                    return Ok(Datum::Bool(!all));
                }
            }
        }
        Ok(if unknown { Datum::Null } else { Datum::Bool(all) })
    }

    fn hashed_rows(&self, cx: &mut Cx<'_>, h: &Hashed) -> Result<Arc<HashedRows>> {
        self.with_state(cx, |s, cx| {
            if let Some(rows) = s.rows.take()
                && self.holds(s, cx)
            {
                return Ok(s.rows.insert(rows).clone());
            }
            s.depends.note(cx);
            s.restart(cx)?;
            let physicals: Vec<PhysicalType> = h.right.iter().map(|p| p.physical).collect();
            let mut set = RowSet::new(&physicals);
            while let Some(b) = pull(&mut s.op, cx)? {
                let keys = h.right.iter().map(|p| p.eval(cx, &b)).collect::<Result<Vec<_>>>()?;
                set.push_rows(&keys, b.rows());
                // Beside the values: a row's hash and its places in the table and among the NULLs.
                s.reservation.must_hold(set.allocated_bytes() + set.len * 20)?;
            }
            let len = set.len;
            let keys: Vec<Arc<Vector>> = set.columns.into_iter().map(Arc::new).collect();
            let mut hashes = vec![0; len];
            for (v, ty) in keys.iter().zip(&h.types) {
                hash::hash_vector(v, ty, Rows::All(len), &mut hashes);
            }
            let mut table = HashTable::with_capacity(len);
            for r in 0..len {
                if keys.iter().any(|c| c.is_null(r)) {
                    continue;
                }
                let same = |o: &u32| {
                    keys.iter().zip(&h.types).all(|(c, t)| compare::equal_at(c, r, c, *o as usize, t))
                };
                if table.find(hashes[r], same).is_none() {
                    table.insert_unique(hashes[r], r as u32, |o| hashes[*o as usize]);
                }
            }
            let nulls = Mutex::new(NullMatches::new(Side { columns: &keys, types: &h.types, len }));
            let rows = Arc::new(HashedRows { keys, table, hashes, len, nulls });
            s.rows = Some(rows.clone());
            Ok(rows)
        })
    }
}

impl KeptRows {
    /// Tests the rows until one settles the comparison; only then others are asked for that haven't been.
    fn decide(
        &mut self,
        s: &mut SubplanState,
        cx: &mut Cx<'_>,
        all: bool,
        tests: &[Program],
        unknown: &mut bool,
    ) -> Result<bool> {
        for b in &self.batches {
            if decide(cx, b, all, tests, unknown)? {
                return Ok(true);
            }
        }
        while !self.complete {
            let Some(b) = pull_some(&mut s.op, cx, UNTIL_DECIDED)? else {
                self.complete = true;
                break;
            };
            let b = dense(b);
            self.bytes += b.columns.iter().map(|c| c.memory_bytes()).sum::<usize>();
            s.reservation.must_hold(self.bytes)?;
            let decided = decide(cx, &b, all, tests, unknown)?;
            self.batches.push(b);
            if decided {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Tests one batch of the subquery's rows; true if a row settles the comparison.
fn decide(cx: &mut Cx<'_>, b: &Batch, all: bool, tests: &[Program], unknown: &mut bool) -> Result<bool> {
    let once = tests.iter().any(Program::has_effects);
    let flags = match once {
        true => None,
        false => tests.iter().map(|t| t.eval(cx, b)).collect::<Result<Vec<_>>>().ok(),
    };
    for r in b.rows().iter() {
        let mut result = Some(true);
        for (i, test) in tests.iter().enumerate() {
            let flag = match &flags {
                Some(flags) => flags[i].datum(r),
                // Some row fails, perhaps one behind that which settles it.
                None => {
                    let one = Rows::Selected { positions: &[r as u32], len: b.len };
                    test.eval_rows(cx, &b.columns, one)?.datum(r)
                }
            };
            match flag {
                Datum::Bool(false) => {
                    result = Some(false);
                    break;
                }
                Datum::Bool(true) => {}
                _ => result = None,
            }
        }
        match result {
            Some(v) if v != all => return Ok(true),
            Some(_) => {}
            None => *unknown = true,
        }
    }
    Ok(false)
}

impl HashedRows {
    fn probe(&self, left: &[Arc<Vector>], types: &[TypeRef], rows: Rows<'_>) -> Vector {
        let n = rows.len();
        let mut hashes = vec![0; n];
        for (v, ty) in left.iter().zip(types) {
            hash::hash_vector(v, ty, rows, &mut hashes);
        }
        let mut out = Vector::zeroed(PhysicalType::Bool, n);
        if self.len == 0 {
            return out;
        }
        let side = Side { columns: &self.keys, types, len: self.len };
        let probe = Side { columns: left, types, len: n };
        let (mut nulls, mut by_columns) = (self.nulls.lock(), Hashes::default());
        for r in rows.iter() {
            let same = |o: &u32| {
                self.hashes[*o as usize] == hashes[r]
                    && left
                        .iter()
                        .zip(&self.keys)
                        .zip(types)
                        .all(|((l, k), t)| compare::equal_at(l, r, k, *o as usize, t))
            };
            let whole = !left.iter().any(|c| c.is_null(r));
            if whole && self.table.find(hashes[r], same).is_some() {
                if let (quarry_types::VectorData::Bool(d), _) = out.parts_mut() {
                    d[r] = true;
                }
            } else if nulls.find(side, probe, r, &mut by_columns).is_some() {
                out.set_null(r);
            }
        }
        out
    }
}
