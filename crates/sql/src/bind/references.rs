//! Which relations a statement mentions, found in its syntax alone: FROM items that no WITH clause in between takes for its own.
//! Each comes with the kind of place it was found in, which decides whether a recursive query may refer to itself there
//! (PostgreSQL: `checkWellFormedRecursionWalker`).

use crate::ast::{
    self, Expr, ExprKind, GroupItem, Indirection, JoinKind, Query, QueryBody, RangeVar, SetOp, Statement,
    TableRef,
};

/// What stands between a reference and the query it was looked for in. The outermost hindrance is kept for joins, the last one
/// for subqueries and set operations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Within {
    Plain,
    /// The first term of the recursive UNION.
    NonRecursiveTerm,
    Subquery,
    /// The side of an outer join that may come out NULL.
    OuterJoin,
    Intersect,
    Except,
}

impl Within {
    /// As the message about a misplaced recursive reference ends.
    pub fn place(self) -> &'static str {
        match self {
            Within::Plain => "its recursive term",
            Within::NonRecursiveTerm => "its non-recursive term",
            Within::Subquery => "a subquery",
            Within::OuterJoin => "an outer join",
            Within::Intersect => "INTERSECT",
            Within::Except => "EXCEPT",
        }
    }
}

/// Calls `f` on every unqualified relation name of a statement that no WITH clause inside defines.
pub(super) fn walk_statement(s: &Statement, within: Within, f: &mut dyn FnMut(&RangeVar, Within)) {
    Walker { hidden: vec![], within, f }.statement(s);
}

/// The same for a query.
pub(super) fn walk_query(q: &Query, within: Within, f: &mut dyn FnMut(&RangeVar, Within)) {
    Walker { hidden: vec![], within, f }.query(q);
}

struct Walker<'f> {
    /// Names that WITH clauses between here and the start define.
    hidden: Vec<String>,
    within: Within,
    f: &'f mut dyn FnMut(&RangeVar, Within),
}

impl Walker<'_> {
    fn inside(&mut self, within: Within, run: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.within, within);
        run(self);
        self.within = before;
    }

    fn relation(&mut self, r: &RangeVar) {
        if r.schema.is_none() && !self.hidden.contains(&r.name) {
            (self.f)(r, self.within);
        }
    }

    /// A WITH clause and what it stands before.
    fn with(&mut self, with: &Option<ast::With>, body: impl FnOnce(&mut Self)) {
        let visible = self.hidden.len();
        if let Some(with) = with {
            if with.recursive {
                self.hidden.extend(with.ctes.iter().map(|c| c.name.clone()));
            }
            for cte in &with.ctes {
                self.statement(&cte.statement);
                if !with.recursive {
                    self.hidden.push(cte.name.clone());
                }
            }
        }
        body(self);
        self.hidden.truncate(visible);
    }

    fn statement(&mut self, s: &Statement) {
        match s {
            Statement::Select(q) => self.query(q),
            Statement::Insert(i) => self.with(&i.with, |w| {
                if let ast::InsertSource::Query(q) = &i.source {
                    w.query(q);
                }
                if let Some(ast::OnConflict {
                    action: ast::ConflictAction::Update { sets, where_clause },
                    ..
                }) = &i.on_conflict
                {
                    sets.iter().for_each(|s| w.set(s));
                    where_clause.iter().for_each(|e| w.expr(e));
                }
                i.returning.iter().for_each(|t| w.expr(&t.expr));
            }),
            Statement::Update(u) => self.with(&u.with, |w| {
                u.sets.iter().for_each(|s| w.set(s));
                u.from.iter().for_each(|t| w.table_ref(t));
                u.where_clause.iter().for_each(|e| w.expr(e));
                u.returning.iter().for_each(|t| w.expr(&t.expr));
            }),
            Statement::Delete(d) => self.with(&d.with, |w| {
                d.using.iter().for_each(|t| w.table_ref(t));
                d.where_clause.iter().for_each(|e| w.expr(e));
                d.returning.iter().for_each(|t| w.expr(&t.expr));
            }),
            _ => {}
        }
    }

    fn set(&mut self, s: &ast::SetClause) {
        match s {
            ast::SetClause::Single { value, .. } => self.expr(value),
            ast::SetClause::Multi { source, .. } => self.expr(source),
        }
    }

    fn query(&mut self, q: &Query) {
        self.with(&q.with, |w| {
            match &q.body {
                QueryBody::Select(s) => w.select(s),
                QueryBody::Values(rows) => rows.iter().flatten().for_each(|e| w.expr(e)),
                QueryBody::SetOperation(op) => w.set_operation(op),
            }
            q.order_by.iter().for_each(|s| w.expr(&s.expr));
            q.limit.iter().chain(&q.offset).for_each(|e| w.expr(e));
        });
    }

    fn set_operation(&mut self, op: &ast::SetOperation) {
        let (left, right) = match (op.op, op.all) {
            (SetOp::Intersect, true) => (Within::Intersect, Within::Intersect),
            (SetOp::Except, true) => (Within::Except, Within::Except),
            (SetOp::Except, false) => (self.within, Within::Except),
            _ => (self.within, self.within),
        };
        self.inside(left, |w| w.query(&op.left));
        self.inside(right, |w| w.query(&op.right));
    }

    fn select(&mut self, s: &ast::Select) {
        s.from.iter().for_each(|t| self.table_ref(t));
        s.targets.iter().for_each(|t| self.expr(&t.expr));
        s.where_clause.iter().chain(&s.having).for_each(|e| self.expr(e));
        s.group_by.iter().for_each(|g| self.group_item(g));
        if let Some(ast::Distinct::On(list)) = &s.distinct {
            list.iter().for_each(|e| self.expr(e));
        }
    }

    fn group_item(&mut self, g: &GroupItem) {
        match g {
            GroupItem::Expr(e) => self.expr(e),
            GroupItem::Empty(_) => {}
            GroupItem::Rollup(list, _) | GroupItem::Cube(list, _) => list.iter().for_each(|e| self.expr(e)),
            GroupItem::Sets(items, _) => items.iter().for_each(|i| self.group_item(i)),
        }
    }

    fn table_ref(&mut self, t: &TableRef) {
        match t {
            TableRef::Relation(r) => self.relation(r),
            TableRef::TableSample(s) => self.relation(&s.relation),
            TableRef::Subquery(s) => self.query(&s.query),
            TableRef::Function(func) => func.functions.iter().for_each(|i| self.expr(&i.function)),
            TableRef::Join(j) => {
                let outer = match self.within {
                    Within::Plain => Within::OuterJoin,
                    other => other,
                };
                let (left, right) = match j.kind {
                    JoinKind::Inner => (self.within, self.within),
                    JoinKind::Left => (self.within, outer),
                    JoinKind::Right => (outer, self.within),
                    JoinKind::Full => (outer, outer),
                };
                self.inside(left, |w| w.table_ref(&j.left));
                self.inside(right, |w| w.table_ref(&j.right));
                if let ast::JoinCondition::On(e) = &j.condition {
                    self.expr(e);
                }
            }
            TableRef::XmlTable(_) => {}
        }
    }

    fn expr(&mut self, e: &Expr) {
        use ExprKind::*;
        match &e.kind {
            ColumnRef { .. } | Param(_) | Const(_) | SqlValue(_) | SetToDefault | CurrentOf(_) | Xml(_) => {}
            TypeCast { arg, .. }
            | Collate { arg, .. }
            | Not(arg)
            | NullTest { arg, .. }
            | BooleanTest { arg, .. } => self.expr(arg),
            Op { left, right, .. } => {
                left.iter().for_each(|l| self.expr(l));
                self.expr(right);
            }
            OpArray { left, array, .. } => {
                self.expr(left);
                self.expr(array);
            }
            Distinct { left, right, .. } | NullIf { left, right } => {
                self.expr(left);
                self.expr(right);
            }
            In { left, list, .. } => {
                self.expr(left);
                list.iter().for_each(|e| self.expr(e));
            }
            Like { left, pattern, .. } => {
                self.expr(left);
                self.expr(pattern);
            }
            Between { arg, low, high, .. } => {
                self.expr(arg);
                self.expr(low);
                self.expr(high);
            }
            And(args) | Or(args) | Coalesce(args) | Array(args) | Grouping(args) => {
                args.iter().for_each(|e| self.expr(e))
            }
            MinMax { args, .. } => args.iter().for_each(|e| self.expr(e)),
            Row { fields, .. } => fields.iter().for_each(|e| self.expr(e)),
            SubLink(s) => {
                self.inside(Within::Subquery, |w| w.query(&s.query));
                s.test.iter().for_each(|t| self.expr(t));
            }
            Indirection { arg, steps } => {
                self.expr(arg);
                for step in steps {
                    match step {
                        self::Indirection::Index(i) => self.expr(i),
                        self::Indirection::Slice { lower, upper } => {
                            lower.iter().chain(upper).for_each(|e| self.expr(e))
                        }
                        self::Indirection::Field(_) | self::Indirection::Star => {}
                    }
                }
            }
            Case(c) => {
                c.arg.iter().chain(&c.default).for_each(|e| self.expr(e));
                for w in &c.whens {
                    self.expr(&w.condition);
                    self.expr(&w.result);
                }
            }
            FuncCall(c) => {
                c.args.iter().for_each(|a| self.expr(&a.expr));
                c.order_by.iter().for_each(|s| self.expr(&s.expr));
                c.filter.iter().for_each(|e| self.expr(e));
            }
        }
    }
}
