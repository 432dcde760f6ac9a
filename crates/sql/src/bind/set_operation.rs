//! UNION, INTERSECT, EXCEPT (PostgreSQL: transformSetOperationTree).

use super::coerce::at;
use super::scope::{ExprKind as Place, NsColumn, NsItem, Scope};
use super::{Binder, Bound, Typed, record};
use crate::ast::{self, ExprKind, Literal, QueryBody, SetOp, SortDirection};
use quarry_common::{Error, Result, err};
use quarry_plan::tree::OrderTree;
use quarry_plan::{ColumnId, Expr, LogicalPlan, SetOpKind, SortKey};
use quarry_types::{SqlType, oids};

impl Binder<'_> {
    pub(super) fn set_operation_query(&mut self, q: &ast::Query) -> Result<Bound> {
        let QueryBody::SetOperation(op) = &q.body else { return Err(Error::internal("no set operation")) };
        // Hints for its ORDER BY name the columns of its sides.
        let sides = (!q.order_by.is_empty()).then(Vec::new);
        let outside = std::mem::replace(&mut self.set_sides, sides);
        let made = self.set_operation(op);
        let sides = std::mem::replace(&mut self.set_sides, outside);
        let mut bound = made?;
        // Its sides are subqueries to PostgreSQL.
        self.meta.nested = true;
        self.scopes.push(Scope::new(Place::OrderBy));
        let columns = bound.output.iter().map(|(id, name, ty)| NsColumn {
            name: name.clone(),
            expr: Expr::column(*id, *ty),
            hidden: false,
        });
        let item = NsItem::new(None, columns.collect());
        self.scope().items.push(item);
        let sides = sides.into_iter().flatten().zip(1..);
        let side = |(columns, n)| NsItem::new(Some(format!("*SELECT* {n}")), columns);
        self.scope().out_of_reach = sides.map(side).collect();
        let finished = self.finish_set_operation(q, &mut bound);
        self.scopes.pop();
        finished?;
        Ok(bound)
    }

    fn finish_set_operation(&mut self, q: &ast::Query, bound: &mut Bound) -> Result<()> {
        let mut keys: Vec<SortKey> = vec![];
        for s in &q.order_by {
            let column = match &s.expr.kind {
                ExprKind::ColumnRef { names, star: false } if names.len() == 1 => {
                    bound.output.iter().position(|(_, n, _)| *n == names[0])
                }
                ExprKind::Const(Literal::Integer(n)) => {
                    if *n < 1 || *n as usize > bound.output.len() {
                        let e = err!(INVALID_COLUMN_REFERENCE, "ORDER BY position {n} is not in select list");
                        return Err(at(e, s.expr.pos));
                    }
                    Some(*n as usize - 1)
                }
                _ => None,
            };
            let Some(column) = column else {
                if !matches!(s.expr.kind, ExprKind::Const(_)) {
                    // Names that are no output columns are looked up as usual, for their errors.
                    self.expr(&s.expr)?;
                }
                let e = err!(FEATURE_NOT_SUPPORTED, "invalid UNION/INTERSECT/EXCEPT ORDER BY clause")
                    .detail("Only result column names can be used, not expressions or functions.")
                    .hint(
                        "Add the expression/function to every SELECT, or move the UNION into a FROM clause.",
                    );
                return Err(at(e, s.expr.location()));
            };
            let (id, _, ty) = &bound.output[column];
            self.require_ordering(ty.oid, s.expr.location(), "ordering")?;
            let descending = matches!(&s.direction, SortDirection::Desc)
                || matches!(&s.direction, SortDirection::Using(op) if op.name == ">");
            let nulls_first = s.nulls.map_or(descending, |n| n == ast::NullsOrder::First);
            keys.push(SortKey { expr: Expr::column(*id, *ty), descending, nulls_first });
            if let Some(tree) = &mut bound.tree {
                tree.order_by.push(OrderTree { target: column, descending, nulls_first });
            }
        }
        let limit = self.limit_expr(q.limit.as_ref(), Place::Limit, "LIMIT")?;
        let offset = self.limit_expr(q.offset.as_ref(), Place::Offset, "OFFSET")?;
        record::limits(q, bound, &limit, &offset);
        let mut plan = std::mem::replace(&mut bound.plan, LogicalPlan::OneRow);
        if !keys.is_empty() {
            plan = LogicalPlan::Sort { input: Box::new(plan), keys: keys.clone() };
        }
        if limit.is_some() || offset.is_some() {
            let ties = q.with_ties.then_some(keys);
            plan = LogicalPlan::Limit { input: Box::new(plan), limit, offset, ties };
        }
        bound.plan = plan;
        Ok(())
    }

    /// One side: a plain query, or a nested operation.
    fn side(&mut self, q: &ast::Query) -> Result<Bound> {
        let bare = q.with.is_none()
            && q.order_by.is_empty()
            && q.limit.is_none()
            && q.offset.is_none()
            && q.locking.is_empty();
        if let (QueryBody::SetOperation(op), true) = (&q.body, bare) {
            return self.nested(|b| b.set_operation(op));
        }
        if let QueryBody::Select(s) = &q.body
            && let Some(into) = &s.into
        {
            let e = err!(SYNTAX_ERROR, "INTO is only allowed on first SELECT of UNION/INTERSECT/EXCEPT");
            return Err(at(e, into.relation.pos));
        }
        super::locking::check_set_operation(q, None)?;
        let outside = self.set_sides.take();
        let bound = self.query_keeping_unknown(q);
        self.set_sides = outside;
        let bound = bound?;
        if let Some(sides) = &mut self.set_sides {
            let column = |(id, name, ty): &(ColumnId, String, SqlType)| NsColumn {
                name: name.clone(),
                expr: Expr::column(*id, *ty),
                hidden: false,
            };
            sides.push(bound.output.iter().map(column).collect());
        }
        Ok(bound)
    }

    pub(super) fn set_operation(&mut self, op: &ast::SetOperation) -> Result<Bound> {
        let left = self.side(&op.left)?;
        let right = self.side(&op.right)?;
        self.combine(op, left, right)
    }

    /// Lines up the columns of both sides and brings each pair to its common type.
    fn combine(&mut self, written: &ast::SetOperation, mut left: Bound, mut right: Bound) -> Result<Bound> {
        let ast::SetOperation { op, all, left: left_query, right: right_query, .. } = written;
        let (op, all, pos) = (*op, *all, query_pos(right_query));
        let name = match op {
            SetOp::Union => "UNION",
            SetOp::Intersect => "INTERSECT",
            SetOp::Except => "EXCEPT",
        };
        if left.output.len() != right.output.len() {
            let e = err!(SYNTAX_ERROR, "each {name} query must have the same number of columns");
            return Err(at(e, pos));
        }
        let (mut left_exprs, mut right_exprs, mut output) = (vec![], vec![], vec![]);
        for (i, (l, r)) in left.output.iter().zip(&right.output).enumerate() {
            let lv = Typed { expr: Expr::column(l.0, l.2), pos: target_pos(left_query, i) };
            let rv = Typed { expr: Expr::column(r.0, r.2), pos: target_pos(right_query, i) };
            let oid = self.common_type(&[&lv, &rv], name)?;
            let typmod = self.common_typmod(&[&lv, &rv], oid);
            let ty = SqlType::with_typmod(oid, typmod);
            self.record_side_type(&mut left.tree, l.2, i, oid, name)?;
            self.record_side_type(&mut right.tree, r.2, i, oid, name)?;
            left_exprs.push(self.coerce_to_common(lv, oid, name)?);
            right_exprs.push(self.coerce_to_common(rv, oid, name)?);
            if !(op == SetOp::Union && all) {
                self.require_ordering(oid, pos, "equality")?;
            }
            output.push((self.meta.computed(l.1.clone(), ty), l.1.clone(), ty));
        }
        let tree = record::set_operation(op, all, left.tree.take(), right.tree.take());
        let (left_plan, left_columns) = self.project_side(left.plan, left_exprs);
        let (right_plan, right_columns) = self.project_side(right.plan, right_exprs);
        let kind = match op {
            SetOp::Union => SetOpKind::Union,
            SetOp::Intersect => SetOpKind::Intersect,
            SetOp::Except => SetOpKind::Except,
        };
        let plan = LogicalPlan::SetOp {
            kind,
            all,
            left: Box::new(left_plan),
            right: Box::new(right_plan),
            output: output.iter().map(|(id, _, _)| *id).collect(),
            left_columns,
            right_columns,
        };
        Ok(Bound { tree, ..Bound::new(plan, output) })
    }

    /// A projection where a side's columns need coercion.
    pub(super) fn project_side(
        &mut self,
        plan: LogicalPlan,
        exprs: Vec<Expr>,
    ) -> (LogicalPlan, Vec<ColumnId>) {
        let ids: Vec<ColumnId> = exprs
            .iter()
            .map(|e| match e {
                Expr::Column { id, .. } => *id,
                other => self.meta.computed("?column?", other.ty()),
            })
            .collect();
        if exprs.iter().all(|e| matches!(e, Expr::Column { .. })) {
            return (plan, ids);
        }
        let mut targets: Vec<(ColumnId, Expr)> = vec![];
        for (id, e) in ids.iter().zip(exprs) {
            if !targets.iter().any(|(have, _)| have == id) {
                targets.push((*id, e));
            }
        }
        (LogicalPlan::Project { input: Box::new(plan), targets }, ids)
    }

    /// A side whose unknown literals wait for the other side's type. (A literal's column is text when bound alone: literals are
    /// bound again as unknown where the whole target is one.)
    fn query_keeping_unknown(&mut self, q: &ast::Query) -> Result<Bound> {
        let mut bound = self.query(q, None)?;
        let QueryBody::Select(s) = &q.body else { return Ok(bound) };
        let has_star = s.targets.iter().any(|t| {
            matches!(&t.expr.kind, ExprKind::ColumnRef { star: true, .. })
                || matches!(&t.expr.kind, ExprKind::Indirection { steps, .. } if matches!(steps.last(), Some(ast::Indirection::Star)))
        });
        if has_star || s.distinct.is_some() || !s.group_by.is_empty() {
            return Ok(bound);
        }
        let mut literals = vec![];
        for (i, t) in s.targets.iter().enumerate() {
            let value = match &t.expr.kind {
                ExprKind::Const(Literal::String(text)) => quarry_types::Datum::text(text),
                ExprKind::Const(Literal::Null) => quarry_types::Datum::Null,
                _ => continue,
            };
            literals.push((i, value));
        }
        if literals.is_empty() {
            return Ok(bound);
        }
        // The literal becomes a column of type unknown above the side; coercing that column coerces the literal.
        let mut targets: Vec<(ColumnId, Expr)> = vec![];
        for (i, (id, name, ty)) in bound.output.iter_mut().enumerate() {
            match literals.iter().find(|(l, _)| *l == i) {
                Some((_, value)) => {
                    *ty = SqlType::of(oids::UNKNOWN);
                    *id = self.meta.computed(name.clone(), *ty);
                    targets.push((*id, Expr::Const { value: value.clone(), ty: *ty }));
                }
                None if targets.iter().any(|(t, _)| t == id) => {}
                None => targets.push((*id, Expr::column(*id, *ty))),
            }
        }
        bound.plan = LogicalPlan::Project { input: Box::new(bound.plan), targets };
        Ok(bound)
    }
}

pub(super) fn query_pos(q: &ast::Query) -> ast::Pos {
    match &q.body {
        QueryBody::Select(s) => s.targets.first().map_or(q.pos, |t| t.expr.location()),
        QueryBody::Values(rows) => rows.first().and_then(|r| r.first()).map_or(q.pos, |e| e.location()),
        QueryBody::SetOperation(s) => query_pos(&s.left),
    }
}

/// Where a column of a side was written, for errors.
pub(super) fn target_pos(q: &ast::Query, column: usize) -> ast::Pos {
    match &q.body {
        QueryBody::Select(s) => s.targets.get(column).map_or(ast::NO_POS, |t| t.expr.location()),
        QueryBody::Values(rows) => {
            rows.first().and_then(|r| r.get(column)).map_or(ast::NO_POS, |e| e.location())
        }
        QueryBody::SetOperation(s) => target_pos(&s.left, column),
    }
}
