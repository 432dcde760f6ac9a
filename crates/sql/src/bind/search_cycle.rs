//! SEARCH and CYCLE of WITH RECURSIVE: columns that follow a row's way through the recursion (PostgreSQL: rewriteSearchCycle.c,
//! and the checks of parse_cte.c).
//!
//! * SEARCH DEPTH FIRST: an array of the rows from the first term to this one.
//! * SEARCH BREADTH FIRST: a row of the number of rounds and the columns searched by.
//! * CYCLE: an array of the rows so far (the path), and a mark on rows whose values are on the path already; marked rows are
//!   not followed further.
//!
//! The first term computes the columns' first values over its own result; the recursive term takes the columns of the row it comes
//! from up from the scan of the CTE and computes the next values over them.

use super::coerce::at;
use super::{Binder, Bound};
use crate::ast::{self, QueryBody, TableRef};
use quarry_common::{Error, Oid, Result, err};
use quarry_functions::registry;
use quarry_plan::{CallForm, ColumnId, CteId, Expr, FunctionRef, JoinKind, LogicalPlan};
use quarry_types::{Datum, SqlType, oids};

/// `array_cat`, and `=` of records.
const ARRAY_CAT: Oid = Oid(383);
const RECORD_EQUAL: Oid = Oid(2988);

const PATH: SqlType = SqlType::of(oids::RECORD_ARRAY);

/// The columns that a CTE's SEARCH and CYCLE clauses add.
pub(super) struct Tracking {
    search: Option<Search>,
    cycle: Option<Cycle>,
}

struct Search {
    name: String,
    id: ColumnId,
    breadth_first: bool,
    /// Positions of the columns searched by.
    by: Vec<usize>,
}

struct Cycle {
    mark: (String, ColumnId, SqlType),
    path: (String, ColumnId),
    by: Vec<usize>,
    /// The mark of a row that closes a cycle, and of others.
    value: Expr,
    default: Expr,
    /// `<>` of marks.
    differs: &'static quarry_functions::OperatorDef,
}

type NamedColumn = (String, ColumnId, SqlType);

impl Tracking {
    /// The added columns, in their order.
    pub fn columns(&self) -> Vec<NamedColumn> {
        let mut out = vec![];
        if let Some(s) = &self.search {
            out.push((s.name.clone(), s.id, s.ty()));
        }
        if let Some(c) = &self.cycle {
            out.push(c.mark.clone());
            out.push((c.path.0.clone(), c.path.1, PATH));
        }
        out
    }

    /// The added columns of the first term, whose targets are given.
    pub fn first(&self, targets: &[(ColumnId, Expr)]) -> Vec<(ColumnId, Expr)> {
        let values: Vec<Expr> = targets.iter().map(|(_, e)| e.clone()).collect();
        let mut out = vec![];
        if let Some(s) = &self.search {
            let value = match s.breadth_first {
                true => row(std::iter::once(int8(0)).chain(pick(&values, &s.by))),
                false => array(row(pick(&values, &s.by))),
            };
            out.push((s.id, value));
        }
        if let Some(c) = &self.cycle {
            out.push((c.mark.1, c.default.clone()));
            out.push((c.path.1, array(row(pick(&values, &c.by)))));
        }
        out
    }
}

impl Search {
    fn ty(&self) -> SqlType {
        if self.breadth_first { SqlType::RECORD } else { PATH }
    }
}

impl Binder<'_> {
    /// What a recursive CTE's SEARCH and CYCLE add to its `columns`; none if it has neither.
    pub(super) fn tracking(&mut self, cte: &ast::Cte, columns: &[NamedColumn]) -> Result<Option<Tracking>> {
        if cte.search.is_none() && cte.cycle.is_none() {
            return Ok(None);
        }
        let cycle = match &cte.cycle {
            Some(c) => Some(self.cycle(c, columns)?),
            None => None,
        };
        let search = match &cte.search {
            Some(s) => {
                let by = positions(&s.columns, columns, "search", s.pos)?;
                not_a_column(&s.sequence_column, columns, "search sequence", s.pos)?;
                if let Some(c) = &cycle {
                    for (other, what) in [(&c.mark.0, "mark"), (&c.path.0, "path")] {
                        if *other == s.sequence_column {
                            let e = err!(
                                SYNTAX_ERROR,
                                "search sequence column name and cycle {what} column name are the same"
                            );
                            return Err(at(e, s.pos));
                        }
                    }
                }
                let ty = if s.breadth_first { SqlType::RECORD } else { PATH };
                let id = self.meta.computed(s.sequence_column.clone(), ty);
                let name = s.sequence_column.clone();
                Some(Search { name, id, breadth_first: s.breadth_first, by })
            }
            None => None,
        };
        Ok(Some(Tracking { search, cycle }))
    }

    fn cycle(&mut self, c: &ast::CteCycle, columns: &[NamedColumn]) -> Result<Cycle> {
        let by = positions(&c.columns, columns, "cycle", c.pos)?;
        not_a_column(&c.mark_column, columns, "cycle mark", c.pos)?;
        not_a_column(&c.path_column, columns, "cycle path", c.pos)?;
        if c.mark_column == c.path_column {
            let e = err!(SYNTAX_ERROR, "cycle mark column name and cycle path column name are the same");
            return Err(at(e, c.pos));
        }
        let (value, default, ty) = match &c.mark_values {
            None => (Expr::bool_const(true), Expr::bool_const(false), SqlType::BOOL),
            Some((value, default)) => {
                let both = vec![self.expr(value)?, self.expr(default)?];
                let (exprs, ty) = self.unify(both, "CYCLE")?;
                let mut exprs = exprs.into_iter();
                match (exprs.next(), exprs.next()) {
                    (Some(value), Some(default)) => (value, default, ty),
                    _ => return Err(Error::internal("two values have a common type")),
                }
            }
        };
        let same = |o: &&&quarry_functions::OperatorDef| o.left == ty.oid && o.right == ty.oid;
        let Some(differs) = registry::operators_named("<>").iter().find(same) else {
            let name = self.type_name(ty.oid);
            return Err(err!(UNDEFINED_FUNCTION, "could not identify an equality operator for type {name}"));
        };
        let mark = self.meta.computed(c.mark_column.clone(), ty);
        let path = self.meta.computed(c.path_column.clone(), PATH);
        Ok(Cycle {
            mark: (c.mark_column.clone(), mark, ty),
            path: (c.path_column.clone(), path),
            by,
            value,
            default,
            differs,
        })
    }

    /// The recursive term with the added columns behind its own.
    pub(super) fn track(&mut self, t: &Tracking, cte: &ast::Cte, id: CteId, step: Bound) -> Result<Bound> {
        check_sides(cte)?;
        let Bound { mut plan, output, tree, .. } = step;
        let before: Vec<ColumnId> = t.columns().into_iter().map(|(_, id, _)| id).collect();
        let mut stop = None;
        if let Some(c) = &t.cycle {
            stop = Some((c.mark.1, c));
        }
        let Some(given) = take_up(&mut plan, id, &before, stop)? else {
            return Err(not_at_top(&cte.name));
        };
        let values: Vec<Expr> = output.iter().map(|(id, _, ty)| Expr::column(*id, *ty)).collect();
        let mut before = given.into_iter();
        let mut previous = |ty| before.next().map_or(Expr::null(ty), |id| Expr::column(id, ty));
        // Targets under ids of their own: a column may be put out twice.
        let mut targets: Vec<(ColumnId, Expr)> = vec![];
        let mut out = vec![];
        for (value, (_, name, ty)) in values.iter().zip(&output) {
            let id = self.meta.computed(name.clone(), *ty);
            targets.push((id, value.clone()));
            out.push((id, name.clone(), *ty));
        }
        let mut add = |b: &mut Self, name: &str, value: Expr| {
            let ty = value.ty();
            let id = b.meta.computed(name, ty);
            targets.push((id, value));
            out.push((id, name.to_owned(), ty));
        };
        if let Some(s) = &t.search {
            let last = previous(s.ty());
            let next = match s.breadth_first {
                true => {
                    let int8_type = SqlType::INT8;
                    let depth = Expr::FieldSelect {
                        arg: Box::new(last),
                        index: 0,
                        name: "*DEPTH*".into(),
                        ty: int8_type,
                    };
                    row(std::iter::once(plus_one(depth)?).chain(pick(&values, &s.by)))
                }
                false => appended(last, row(pick(&values, &s.by)))?,
            };
            add(self, &s.name, next);
        }
        if let Some(c) = &t.cycle {
            let _mark = previous(c.mark.2);
            let path = previous(PATH);
            let here = row(pick(&values, &c.by));
            let operator = registry::operator(RECORD_EQUAL)
                .and_then(|o| Some((o, registry::function(o.function)?)))
                .ok_or_else(|| Error::internal("records have no ="))?;
            let seen = Expr::ScalarArray {
                function: FunctionRef::Builtin(operator.1),
                operator: operator.0.oid,
                left: Box::new(here.clone()),
                array: Box::new(path.clone()),
                all: false,
            };
            let mark = Expr::Case {
                operand: None,
                whens: vec![(seen, c.value.clone())],
                otherwise: Some(Box::new(c.default.clone())),
                ty: c.mark.2,
            };
            add(self, &c.mark.0, mark);
            add(self, &c.path.0, appended(path, here)?);
        }
        let plan = LogicalPlan::Project { input: Box::new(plan), targets };
        Ok(Bound { tree, ..Bound::new(plan, out) })
    }
}

/// Makes the CTE's columns `wanted` come up to the plan's output; their ids there, none if the CTE isn't scanned at the plan's own
/// level. With `stop`, rows whose mark says so are not taken.
fn take_up(
    plan: &mut LogicalPlan,
    cte: CteId,
    wanted: &[ColumnId],
    stop: Option<(ColumnId, &Cycle)>,
) -> Result<Option<Vec<ColumnId>>> {
    match plan {
        LogicalPlan::CteScan { cte: id, columns, .. } if *id == cte => {
            let own = |w: &ColumnId| columns.iter().find(|(_, from)| from == w).map(|(own, _)| *own);
            let given: Vec<ColumnId> = wanted.iter().filter_map(own).collect();
            if let Some((mark, c)) = stop
                && let Some(mark) = own(&mark)
            {
                let call = operator_call(c.differs, Expr::column(mark, c.mark.2), c.value.clone())?;
                let scan = std::mem::replace(plan, LogicalPlan::OneRow);
                *plan = LogicalPlan::Filter { input: Box::new(scan), predicates: vec![call] };
            }
            Ok(Some(given))
        }
        LogicalPlan::Filter { input, .. }
        | LogicalPlan::Sort { input, .. }
        | LogicalPlan::Limit { input, .. }
        | LogicalPlan::Distinct { input, on: Some(_) }
        | LogicalPlan::Window { input, .. }
        | LogicalPlan::ProjectSet { input, .. } => take_up(input, cte, wanted, stop),
        LogicalPlan::With { body, .. } => take_up(body, cte, wanted, stop),
        LogicalPlan::Distinct { input, on: None } => take_up(input, cte, wanted, stop),
        LogicalPlan::Join { left, right, kind, .. } => {
            let found = take_up(left, cte, wanted, stop)?;
            if found.is_some() || matches!(kind, JoinKind::Semi | JoinKind::Anti) {
                return Ok(found);
            }
            take_up(right, cte, wanted, stop)
        }
        LogicalPlan::Project { input, targets } => {
            let found = take_up(input, cte, wanted, stop)?;
            for id in found.iter().flatten() {
                if !targets.iter().any(|(have, _)| have == id) {
                    let ty = type_of(input, *id);
                    targets.push((*id, Expr::column(*id, ty)));
                }
            }
            Ok(found)
        }
        LogicalPlan::Aggregate { .. } => {
            Err(Error::unsupported("GROUP BY in the recursive term of a query with a SEARCH or CYCLE clause"))
        }
        _ => Ok(None),
    }
}

/// The type under which a column comes out of a plan that has it.
fn type_of(plan: &LogicalPlan, id: ColumnId) -> SqlType {
    if let LogicalPlan::Project { targets, .. } = plan
        && let Some((_, e)) = targets.iter().find(|(have, _)| *have == id)
    {
        return e.ty();
    }
    quarry_plan::walk::inputs(plan).into_iter().map(|p| type_of(p, id)).next().unwrap_or(PATH)
}

/// Both sides of the UNION must be single SELECTs, the recursive one with the CTE in its own FROM.
fn check_sides(cte: &ast::Cte) -> Result<()> {
    let ast::Statement::Select(q) = &*cte.statement else { return Ok(()) };
    let QueryBody::SetOperation(op) = &q.body else { return Ok(()) };
    if matches!(op.left.body, QueryBody::SetOperation(_)) {
        return Err(err!(
            FEATURE_NOT_SUPPORTED,
            "with a SEARCH or CYCLE clause, the left side of the UNION must be a SELECT"
        ));
    }
    let QueryBody::Select(right) = &op.right.body else {
        return Err(err!(
            SYNTAX_ERROR,
            "with a SEARCH or CYCLE clause, the right side of the UNION must be a SELECT"
        ));
    };
    if right.from.iter().any(|t| names(t, &cte.name)) { Ok(()) } else { Err(not_at_top(&cte.name)) }
}

fn names(t: &TableRef, name: &str) -> bool {
    match t {
        TableRef::Relation(r) => r.schema.is_none() && r.name == name,
        TableRef::Join(j) => names(&j.left, name) || names(&j.right, name),
        _ => false,
    }
}

fn not_at_top(name: &str) -> Error {
    err!(
        FEATURE_NOT_SUPPORTED,
        "with a SEARCH or CYCLE clause, the recursive reference to WITH query \"{name}\" must be at the top level of its right-hand SELECT"
    )
}

fn positions(wanted: &[ast::Name], columns: &[NamedColumn], what: &str, pos: ast::Pos) -> Result<Vec<usize>> {
    let mut out = vec![];
    for name in wanted {
        let Some(i) = columns.iter().position(|(n, _, _)| *n == name.value) else {
            let e = err!(SYNTAX_ERROR, "{what} column \"{}\" not in WITH query column list", name.value);
            return Err(at(e, pos));
        };
        if out.contains(&i) {
            let e = err!(DUPLICATE_COLUMN, "{what} column \"{}\" specified more than once", name.value);
            return Err(at(e, pos));
        }
        out.push(i);
    }
    Ok(out)
}

fn not_a_column(name: &str, columns: &[NamedColumn], what: &str, pos: ast::Pos) -> Result<()> {
    if columns.iter().any(|(n, _, _)| n == name) {
        let e = err!(SYNTAX_ERROR, "{what} column name \"{name}\" already used in WITH query column list");
        return Err(at(e, pos));
    }
    Ok(())
}

fn pick<'v>(values: &'v [Expr], by: &'v [usize]) -> impl Iterator<Item = Expr> + 'v {
    by.iter().filter_map(|i| values.get(*i).cloned())
}

fn row(fields: impl Iterator<Item = Expr>) -> Expr {
    let fields: Vec<Expr> = fields.collect();
    let names = (1..=fields.len()).map(|n| format!("f{n}")).collect();
    Expr::Row { fields, names, ty: SqlType::RECORD }
}

fn array(element: Expr) -> Expr {
    Expr::Array { elements: vec![element], nested: false, ty: PATH }
}

fn int8(value: i64) -> Expr {
    Expr::Const { value: Datum::I64(value), ty: SqlType::INT8 }
}

/// `path || ARRAY[element]`.
fn appended(path: Expr, element: Expr) -> Result<Expr> {
    let def = registry::function(ARRAY_CAT).ok_or_else(|| Error::internal("array_cat is missing"))?;
    Ok(Expr::Call {
        function: FunctionRef::Builtin(def),
        args: vec![path, array(element)],
        ty: PATH,
        form: CallForm::Function,
        variadic: false,
        pos: Default::default(),
    })
}

fn plus_one(depth: Expr) -> Result<Expr> {
    let int8_type = depth.ty().oid;
    let plus = registry::operators_named("+").iter().find(|o| o.left == int8_type && o.right == int8_type);
    let plus = plus.ok_or_else(|| Error::internal("bigint has no +"))?;
    operator_call(plus, depth, int8(1))
}

fn operator_call(op: &'static quarry_functions::OperatorDef, left: Expr, right: Expr) -> Result<Expr> {
    let def =
        registry::function(op.function).ok_or_else(|| Error::internal("an operator has no function"))?;
    Ok(Expr::Call {
        function: FunctionRef::Builtin(def),
        args: vec![left, right],
        ty: SqlType::of(op.ret),
        form: CallForm::Operator(op.oid),
        variadic: false,
        pos: Default::default(),
    })
}
