//! Which relations a query mentions, found in its syntax alone.

use crate::ast::{
    self, Expr, ExprKind, GroupItem, Indirection, Query, QueryBody, RangeVar, Statement, TableRef,
};

/// Calls `f` on every relation name in a query: FROM items, subqueries, CTEs.
pub(super) fn walk_range_vars(q: &Query, f: &mut dyn FnMut(&RangeVar)) {
    if let Some(with) = &q.with {
        for cte in &with.ctes {
            if let Statement::Select(inner) = &*cte.statement {
                walk_range_vars(inner, f);
            }
        }
    }
    match &q.body {
        QueryBody::Select(s) => {
            s.from.iter().for_each(|t| table_ref(t, f));
            s.targets.iter().for_each(|t| expr(&t.expr, f));
            s.where_clause.iter().chain(&s.having).for_each(|e| expr(e, f));
            s.group_by.iter().for_each(|g| group_item(g, f));
            if let Some(ast::Distinct::On(list)) = &s.distinct {
                list.iter().for_each(|e| expr(e, f));
            }
        }
        QueryBody::Values(rows) => rows.iter().flatten().for_each(|e| expr(e, f)),
        QueryBody::SetOperation(op) => {
            walk_range_vars(&op.left, f);
            walk_range_vars(&op.right, f);
        }
    }
    q.order_by.iter().for_each(|s| expr(&s.expr, f));
    q.limit.iter().chain(&q.offset).for_each(|e| expr(e, f));
}

fn group_item(g: &GroupItem, f: &mut dyn FnMut(&RangeVar)) {
    match g {
        GroupItem::Expr(e) => expr(e, f),
        GroupItem::Empty(_) => {}
        GroupItem::Rollup(list, _) | GroupItem::Cube(list, _) => list.iter().for_each(|e| expr(e, f)),
        GroupItem::Sets(items, _) => items.iter().for_each(|i| group_item(i, f)),
    }
}

fn table_ref(t: &TableRef, f: &mut dyn FnMut(&RangeVar)) {
    match t {
        TableRef::Relation(r) => f(r),
        TableRef::TableSample(s) => f(&s.relation),
        TableRef::Subquery(s) => walk_range_vars(&s.query, f),
        TableRef::Function(func) => func.functions.iter().for_each(|i| expr(&i.function, f)),
        TableRef::Join(j) => {
            table_ref(&j.left, f);
            table_ref(&j.right, f);
            if let ast::JoinCondition::On(e) = &j.condition {
                expr(e, f);
            }
        }
        TableRef::XmlTable(_) => {}
    }
}

fn expr(e: &Expr, f: &mut dyn FnMut(&RangeVar)) {
    use ExprKind::*;
    match &e.kind {
        ColumnRef { .. } | Param(_) | Const(_) | SqlValue(_) | SetToDefault | CurrentOf(_) | Xml(_) => {}
        TypeCast { arg, .. }
        | Collate { arg, .. }
        | Not(arg)
        | NullTest { arg, .. }
        | BooleanTest { arg, .. } => expr(arg, f),
        Op { left, right, .. } => {
            left.iter().for_each(|l| expr(l, f));
            expr(right, f);
        }
        OpArray { left, array, .. } => {
            expr(left, f);
            expr(array, f);
        }
        Distinct { left, right, .. } | NullIf { left, right } => {
            expr(left, f);
            expr(right, f);
        }
        In { left, list, .. } => {
            expr(left, f);
            list.iter().for_each(|e| expr(e, f));
        }
        Like { left, pattern, .. } => {
            expr(left, f);
            expr(pattern, f);
        }
        Between { arg, low, high, .. } => {
            expr(arg, f);
            expr(low, f);
            expr(high, f);
        }
        And(args) | Or(args) | Coalesce(args) | Array(args) | Grouping(args) => {
            args.iter().for_each(|e| expr(e, f))
        }
        MinMax { args, .. } => args.iter().for_each(|e| expr(e, f)),
        Row { fields, .. } => fields.iter().for_each(|e| expr(e, f)),
        SubLink(s) => {
            s.test.iter().for_each(|t| expr(t, f));
            walk_range_vars(&s.query, f);
        }
        Indirection { arg, steps } => {
            expr(arg, f);
            for step in steps {
                match step {
                    self::Indirection::Index(i) => expr(i, f),
                    self::Indirection::Slice { lower, upper } => {
                        lower.iter().chain(upper).for_each(|e| expr(e, f))
                    }
                    self::Indirection::Field(_) | self::Indirection::Star => {}
                }
            }
        }
        Case(c) => {
            c.arg.iter().chain(&c.default).for_each(|e| expr(e, f));
            for w in &c.whens {
                expr(&w.condition, f);
                expr(&w.result, f);
            }
        }
        FuncCall(c) => {
            c.args.iter().for_each(|a| expr(&a.expr, f));
            c.order_by.iter().for_each(|s| expr(&s.expr, f));
            c.filter.iter().for_each(|e| expr(e, f));
        }
    }
}
