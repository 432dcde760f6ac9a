//! SELECT: clauses in PostgreSQL's order of binding, then the plan from FROM up to LIMIT (PostgreSQL: analyze.c).

use super::coerce::at;
use super::locking::{LevelLocks, Pushed};
use super::postpone::Postponed;
use super::scope::{ExprKind as Place, NsColumn, NsItem, Scope};
use super::target::TargetEntry;
use super::{Binder, Bound, Typed, record};
use crate::ast::{self, ExprKind, Literal, Pos, QueryBody, SortDirection};
use quarry_common::{Result, err};
use quarry_functions::CastContext;
use quarry_plan::{ColumnId, Expr, LogicalPlan, Recheck, SetCall, SortKey, walk};
use quarry_types::{SqlType, oids};

/// A select with everything bound, before its plan is put together.
pub(super) struct BoundSelect {
    pub from: LogicalPlan,
    pub targets: Vec<TargetEntry>,
    pub group: Vec<Typed>,
    pub sets: Option<Vec<Vec<usize>>>,
    pub having: Option<Expr>,
    /// WHERE, if the binder records.
    pub filter: Option<Expr>,
    /// Sort keys as positions in `targets`.
    pub order: Vec<OrderItem>,
    pub distinct: Option<ast::Distinct>,
    pub distinct_on: Vec<usize>,
}

/// A sort key: a target and its direction.
#[derive(Clone, Copy)]
pub(super) struct OrderItem {
    pub target: usize,
    pub descending: bool,
    pub nulls_first: bool,
}

/// Positions of the group expressions in each set.
type GroupingSets = Vec<Vec<usize>>;

impl Binder<'_> {
    /// Binds a query. `wanted`: types that unknown outputs should take (INSERT's columns), where given.
    pub(super) fn query(&mut self, q: &ast::Query, wanted: Option<&[SqlType]>) -> Result<Bound> {
        self.nested(|b| {
            let visible = b.ctes.len();
            let bound = b.query_inner(q, wanted);
            b.ctes.truncate(visible);
            bound
        })
    }

    fn query_inner(&mut self, q: &ast::Query, wanted: Option<&[SqlType]>) -> Result<Bound> {
        let pushed = self.pushed_lock.take();
        let first_cte = self.recorded_ctes.len();
        let ctes = match &q.with {
            Some(with) => self.with_clause(with)?,
            None => vec![],
        };
        let own_ctes = self.recorded_ctes.split_off(first_cte);
        let mut bound = match &q.body {
            QueryBody::Select(s) => self.select(q, s, wanted, pushed)?,
            QueryBody::Values(rows) => self.values_query(q, rows, wanted)?,
            QueryBody::SetOperation(_) => {
                super::locking::check_set_operation(q, pushed)?;
                self.set_operation_query(q)?
            }
        };
        bound.plan = self.wrap_ctes(ctes, bound.plan);
        if let (Some(tree), Some(with)) = (&mut bound.tree, &q.with) {
            tree.recursive = with.recursive;
            tree.ctes = own_ctes;
        }
        Ok(bound)
    }

    fn select(
        &mut self,
        q: &ast::Query,
        s: &ast::Select,
        wanted: Option<&[SqlType]>,
        pushed: Option<Pushed>,
    ) -> Result<Bound> {
        let mut scope = Scope::new(Place::Target);
        for (i, w) in s.windows.iter().enumerate() {
            if let Some(name) = &w.name
                && s.windows[..i].iter().any(|before| before.name == w.name)
            {
                return Err(at(err!(WINDOWING_ERROR, "window \"{name}\" is already defined"), w.pos));
            }
        }
        scope.window_defs = s.windows.clone();
        scope.locking = super::locking::requests(q, pushed);
        self.scopes.push(scope);
        let result = self.select_in_scope(q, s, wanted);
        self.scopes.pop();
        result
    }

    fn select_in_scope(
        &mut self,
        q: &ast::Query,
        s: &ast::Select,
        wanted: Option<&[SqlType]>,
    ) -> Result<Bound> {
        let mut from = self.bind_from_clause(&s.from)?;
        let mut targets = self.target_list(&s.targets, Place::Target)?;
        if let Some(wanted) = wanted {
            self.give_types(&mut targets, wanted)?;
        }
        let mut filter = None;
        if let Some(w) = &s.where_clause {
            let condition = self.condition(w, Place::Where, "WHERE")?;
            filter = self.record.then(|| condition.clone());
            from = LogicalPlan::Filter { input: Box::new(from), predicates: condition.into_conjuncts() };
        }
        let having = match &s.having {
            Some(h) => Some(self.condition(h, Place::Having, "HAVING")?),
            None => None,
        };
        // ORDER BY comes before GROUP BY so that output names can be found by both.
        let order = self.order_items(&q.order_by, &mut targets)?;
        let (group, sets) = self.group_clause(s, &mut targets)?;
        let (distinct, distinct_on) = self.distinct_clause(s, &mut targets, &order)?;
        self.settle_targets(&mut targets)?;
        let select = BoundSelect { from, targets, group, sets, having, filter, order, distinct, distinct_on };
        let limit = self.limit_expr(q.limit.as_ref(), Place::Limit, "LIMIT")?;
        let null = |e: &ast::Expr| matches!(e.kind, ExprKind::Const(Literal::Null));
        if q.with_ties && q.limit.as_ref().is_some_and(null) {
            let text = "row count cannot be null in FETCH FIRST ... WITH TIES clause";
            return Err(err!(INVALID_ROW_COUNT_IN_LIMIT_CLAUSE, "{text}"));
        }
        let offset = self.limit_expr(q.offset.as_ref(), Place::Offset, "OFFSET")?;
        let tree = self.record_select(q, s, &select, &limit, &offset)?;
        let mut bound = self.assemble(q, select, limit, offset)?;
        bound.tree = tree;
        Ok(bound)
    }

    /// Unknown literals of INSERT ... SELECT 'x' take the column's type, as PostgreSQL does by coercing afterwards.
    fn give_types(&mut self, targets: &mut [TargetEntry], wanted: &[SqlType]) -> Result<()> {
        for (t, ty) in targets.iter_mut().zip(wanted) {
            let from = t.expr.ty().oid;
            if from == oids::UNKNOWN && self.can_coerce(from, ty.oid, CastContext::Assignment)? {
                let expr = std::mem::replace(&mut t.expr, Expr::bool_const(false));
                let value = Typed { expr, pos: t.pos };
                t.expr = self.coerce_to(value, SqlType::of(ty.oid), CastContext::Assignment, t.pos)?;
            }
        }
        Ok(())
    }

    /// ORDER BY: output names first, then ordinals, then expressions over the input (SQL92 before SQL99).
    fn order_items(
        &mut self,
        order_by: &[ast::SortBy],
        targets: &mut Vec<TargetEntry>,
    ) -> Result<Vec<OrderItem>> {
        let mut out: Vec<OrderItem> = vec![];
        for s in order_by {
            let target = self.find_target(&s.expr, targets, Place::OrderBy)?;
            self.settle_targets(&mut targets[target..=target])?;
            let oid = targets[target].expr.ty().oid;
            let (descending, nulls_first) = self.sort_direction(s, oid)?;
            self.require_ordering(oid, s.expr.location(), "ordering")?;
            if !out.iter().any(|o| o.target == target) {
                out.push(OrderItem { target, descending, nulls_first });
            }
        }
        Ok(out)
    }

    /// The target an ORDER BY, GROUP BY or DISTINCT ON item means; a new junk target if it is none of them.
    fn find_target(&mut self, e: &ast::Expr, targets: &mut Vec<TargetEntry>, place: Place) -> Result<usize> {
        if let ExprKind::ColumnRef { names, star: false } = &e.kind
            && let [name] = &names[..]
        {
            // GROUP BY prefers an input column of that name.
            let skip = place == Place::GroupBy && self.find_column(name, e.pos)?.is_some();
            if !skip && let Some(i) = named_target(targets, name, place, e.pos)? {
                return Ok(i);
            }
        }
        if let ExprKind::Const(literal) = &e.kind {
            match literal {
                Literal::Integer(n) => {
                    let visible = targets.iter().filter(|t| !t.junk).count();
                    if *n < 1 || *n as usize > visible {
                        let clause = place.clause();
                        let e2 =
                            err!(INVALID_COLUMN_REFERENCE, "{clause} position {n} is not in select list");
                        return Err(at(e2, e.pos));
                    }
                    return Ok(*n as usize - 1);
                }
                Literal::Null => {}
                _ => {
                    let e2 = err!(SYNTAX_ERROR, "non-integer constant in {}", place.clause());
                    return Err(at(e2, e.pos));
                }
            }
        }
        let bound = self.expr_in(e, place)?;
        let bound = self.settle_unknown(bound)?;
        if let Some(i) = targets.iter().position(|t| t.expr == bound.expr) {
            return Ok(i);
        }
        targets.push(TargetEntry { name: "?column?".into(), expr: bound.expr, pos: bound.pos, junk: true });
        Ok(targets.len() - 1)
    }

    /// GROUP BY as expressions, and grouping sets as positions in them.
    fn group_clause(
        &mut self,
        s: &ast::Select,
        targets: &mut Vec<TargetEntry>,
    ) -> Result<(Vec<Typed>, Option<GroupingSets>)> {
        let mut group: Vec<Typed> = vec![];
        let plain = s.group_by.iter().all(|g| matches!(g, ast::GroupItem::Expr(e) if !matches!(e.kind, ExprKind::Row { explicit: false, .. })));
        if plain {
            for item in &s.group_by {
                if let ast::GroupItem::Expr(e) = item {
                    self.group_expr(e, targets, &mut group)?;
                }
            }
            return Ok((group, None));
        }
        let sets = self.grouping_sets(&s.group_by, targets, &mut group, s.group_distinct)?;
        Ok((group, sets))
    }

    /// One grouping expression: its position in `group`.
    pub(super) fn group_expr(
        &mut self,
        e: &ast::Expr,
        targets: &mut Vec<TargetEntry>,
        group: &mut Vec<Typed>,
    ) -> Result<usize> {
        let before = targets.len();
        let i = self.find_target(e, targets, Place::GroupBy)?;
        self.settle_targets(&mut targets[i..=i])?;
        let expr = targets[i].expr.clone();
        let pos = e.location();
        // Grouping needs no junk targets: the expression is kept in the group list.
        targets.truncate(before.max(if i < before { before } else { i }));
        self.require_ordering(expr.ty().oid, pos, "equality")?;
        self.check_groupable(&expr, pos)?;
        let at = group.iter().position(|g| g.expr == expr).unwrap_or(group.len());
        if at == group.len() {
            group.push(Typed { expr, pos });
        }
        self.scope().recorded.groups.push(at);
        Ok(at)
    }

    /// A grouping expression that the target list has may hold aggregates and window calls of this level, also in subqueries.
    fn check_groupable(&mut self, expr: &Expr, pos: Pos) -> Result<()> {
        let mut read = vec![];
        walk::columns_of(expr, &mut read);
        let scope = self.scope();
        let place = |id: &ColumnId| match scope.position_of(*id) {
            ast::NO_POS => pos,
            place => place,
        };
        if let Some(id) = read.iter().find(|id| scope.aggregates.iter().any(|(a, _)| a == *id)) {
            let e = err!(GROUPING_ERROR, "aggregate functions are not allowed in GROUP BY");
            return Err(at(e, place(id)));
        }
        if let Some(id) = read.iter().find(|id| scope.windows.iter().any(|(w, _, _)| w == *id)) {
            let e = err!(WINDOWING_ERROR, "window functions are not allowed in GROUP BY");
            return Err(at(e, place(id)));
        }
        Ok(())
    }

    fn distinct_clause(
        &mut self,
        s: &ast::Select,
        targets: &mut Vec<TargetEntry>,
        order: &[OrderItem],
    ) -> Result<(Option<ast::Distinct>, Vec<usize>)> {
        match &s.distinct {
            None => Ok((None, vec![])),
            Some(ast::Distinct::All) => {
                if let Some(o) = order.iter().find(|o| targets[o.target].junk) {
                    let e = err!(
                        INVALID_COLUMN_REFERENCE,
                        "for SELECT DISTINCT, ORDER BY expressions must appear in select list"
                    );
                    return Err(at(e, targets[o.target].pos));
                }
                for t in targets.iter() {
                    self.require_ordering(t.expr.ty().oid, t.pos, "equality")?;
                }
                Ok((Some(ast::Distinct::All), vec![]))
            }
            Some(ast::Distinct::On(exprs)) => {
                let mut on = vec![];
                for e in exprs {
                    let i = self.find_target(e, targets, Place::DistinctOn)?;
                    if !on.contains(&i) {
                        on.push(i);
                    }
                }
                // ORDER BY must begin with the DISTINCT ON expressions, in any order.
                let mut seen = 0;
                for o in order {
                    if on.contains(&o.target) {
                        seen += 1;
                    } else if seen < on.len() {
                        let e = err!(
                            INVALID_COLUMN_REFERENCE,
                            "SELECT DISTINCT ON expressions must match initial ORDER BY expressions"
                        );
                        let p = exprs.iter().zip(&on).find(|(_, i)| !order.iter().any(|o| o.target == **i));
                        return Err(at(e, p.map_or(targets[o.target].pos, |(e, _)| e.location())));
                    }
                }
                Ok((Some(ast::Distinct::On(vec![])), on))
            }
        }
    }

    pub(super) fn limit_expr(
        &mut self,
        e: Option<&ast::Expr>,
        place: Place,
        name: &str,
    ) -> Result<Option<Expr>> {
        let Some(e) = e else { return Ok(None) };
        let bound = self.expr_in(e, place)?;
        let pos = bound.pos;
        let has_column = {
            let scope = self.scopes.last().expect("LIMIT belongs to a query");
            let own = |id: &ColumnId| {
                scope.items.iter().any(|i| {
                    i.columns.iter().any(|c| matches!(&c.expr, Expr::Column { id: c, .. } if c == id))
                })
            };
            walk::any(&bound.expr, &|e| matches!(e, Expr::Column { id, .. } if own(id)))
        };
        // A wrong type is the first error.
        let value = self.coerce_to_specific(bound, oids::INT8, name)?;
        if has_column {
            return Err(at(
                err!(INVALID_COLUMN_REFERENCE, "argument of {name} must not contain variables"),
                pos,
            ));
        }
        Ok(Some(value))
    }

    /// Puts the plan together: FROM/WHERE, grouping, HAVING, windows, set-returning calls, targets, DISTINCT, ORDER BY, locks, LIMIT.
    fn assemble(
        &mut self,
        q: &ast::Query,
        mut select: BoundSelect,
        limit: Option<Expr>,
        offset: Option<Expr>,
    ) -> Result<Bound> {
        let from = std::mem::replace(&mut select.from, LogicalPlan::OneRow);
        let mut plan = self.make_rows(from);
        let scope = self.scope();
        super::window_order::arrange(&select, scope);
        let grouped = !scope.aggregates.is_empty()
            || !select.group.is_empty()
            || select.having.is_some()
            || select.sets.is_some();
        if grouped {
            let has_groups = !select.group.is_empty() || select.sets.is_some();
            self.lock_conflict(match (has_groups, &select.having) {
                (true, _) => "GROUP BY clause",
                (false, Some(_)) => "HAVING clause",
                (false, None) => "aggregate functions",
            })?;
            let group = std::mem::take(&mut select.group);
            let sets = select.sets.take();
            let mut exprs: Vec<(&mut Expr, Pos)> =
                select.targets.iter_mut().map(|t| (&mut t.expr, t.pos)).collect();
            let mut having = select.having.take();
            if let Some(h) = &mut having {
                exprs.push((h, ast::NO_POS));
            }
            plan = self.aggregate_plan(plan, group, sets, &mut exprs)?;
            if let Some(h) = having {
                plan = LogicalPlan::Filter { input: Box::new(plan), predicates: h.into_conjuncts() };
            }
        }
        let windows = std::mem::take(&mut self.scope().windows);
        if !windows.is_empty() {
            self.lock_conflict("window functions")?;
        }
        plan = window_plan(plan, windows);
        let mut set_calls = std::mem::take(&mut self.scope().set_calls);
        if !set_calls.is_empty() {
            self.lock_conflict("set-returning functions in the target list")?;
        }
        let postponed = Postponed::choose(&select, &mut set_calls);
        plan = project_sets(plan, set_calls);
        // Targets: every entry gets an id; sort keys and DISTINCT work on these ids.
        let ids: Vec<ColumnId> = select.targets.iter().map(|t| self.output_id(&t.name, &t.expr)).collect();
        let LevelLocks { locks, any: locking } = self.row_locks(&select)?;
        let mut entries: Vec<(ColumnId, Expr)> = vec![];
        for (id, t) in ids.iter().zip(&select.targets) {
            if !entries.iter().any(|(have, _)| have == id) {
                entries.push((*id, t.expr.clone()));
            }
        }
        for l in &locks {
            if !entries.iter().any(|(have, _)| *have == l.ctid) {
                entries.push((l.ctid, Expr::column(l.ctid, SqlType::TID)));
            }
        }
        let above = !locks.is_empty() && self.locks_above(q, &plan, &entries);
        let targets = postponed.before(self, &plan, &select, &ids, &entries);
        plan = LogicalPlan::Project { input: Box::new(plan), targets };
        let column = |i: usize| Expr::column(ids[i], select.targets[i].expr.ty());
        let keys: Vec<SortKey> = select
            .order
            .iter()
            .map(|o| SortKey { expr: column(o.target), descending: o.descending, nulls_first: o.nulls_first })
            .collect();
        match select.distinct {
            Some(ast::Distinct::All) => plan = LogicalPlan::Distinct { input: Box::new(plan), on: None },
            Some(ast::Distinct::On(_)) => {
                // The rows of a group must come together, in the order asked for.
                let mut sort = keys.clone();
                for i in &select.distinct_on {
                    if !sort.iter().any(|k| k.expr == column(*i)) {
                        sort.push(SortKey { expr: column(*i), descending: false, nulls_first: false });
                    }
                }
                plan = LogicalPlan::Sort { input: Box::new(plan), keys: sort };
                let on = select.distinct_on.iter().map(|i| column(*i)).collect();
                plan = LogicalPlan::Distinct { input: Box::new(plan), on: Some(on) };
            }
            None => {}
        }
        let distinct_on = matches!(select.distinct, Some(ast::Distinct::On(_)));
        if !keys.is_empty() && !distinct_on {
            plan = LogicalPlan::Sort { input: Box::new(plan), keys: keys.clone() };
        }
        plan = postponed.after(plan, entries.clone(), &ids);
        if above {
            let output = output_of(&ids, &select.targets);
            return Ok(Bound { locks, ..Bound::new(plan, output) });
        }
        // What is wanted from outside is in the plans below, if not here.
        if !locks.is_empty() || (locking && !q.locking.is_empty()) {
            let pushed = q.locking.is_empty();
            plan =
                LogicalPlan::LockRows { input: Box::new(plan), locks, pushed, recheck: Recheck::default() };
        }
        if q.with_ties && keys.is_empty() {
            return Err(err!(SYNTAX_ERROR, "WITH TIES cannot be specified without ORDER BY clause"));
        }
        if limit.is_some() || offset.is_some() {
            let ties = q.with_ties.then(|| keys.clone());
            plan = LogicalPlan::Limit { input: Box::new(plan), limit, offset, ties };
        }
        let output = output_of(&ids, &select.targets);
        if entries.iter().any(|(id, _)| !output.iter().any(|(o, _, _)| o == id)) {
            let mut visible: Vec<(ColumnId, Expr)> = vec![];
            for (id, _, ty) in &output {
                if !visible.iter().any(|(have, _)| have == id) {
                    visible.push((*id, Expr::column(*id, *ty)));
                }
            }
            plan = LogicalPlan::Project { input: Box::new(plan), targets: visible };
        }
        Ok(Bound::new(plan, output))
    }

    /// VALUES as a query.
    fn values_query(
        &mut self,
        q: &ast::Query,
        rows: &[Vec<ast::Expr>],
        wanted: Option<&[SqlType]>,
    ) -> Result<Bound> {
        if !q.locking.is_empty() {
            let text = format!("{} cannot be applied to VALUES", q.locking[0].strength.as_str());
            return Err(err!(FEATURE_NOT_SUPPORTED, "{text}"));
        }
        self.scopes.push(Scope::new(Place::Values));
        let result = self.values_in_scope(q, rows, wanted);
        self.scopes.pop();
        result
    }

    fn values_in_scope(
        &mut self,
        q: &ast::Query,
        rows: &[Vec<ast::Expr>],
        wanted: Option<&[SqlType]>,
    ) -> Result<Bound> {
        let width = rows.first().map_or(0, Vec::len);
        let mut bound: Vec<Vec<Typed>> = vec![];
        for row in rows {
            if row.len() != width {
                let p = row.first().map_or(ast::NO_POS, |e| e.location());
                return Err(at(err!(SYNTAX_ERROR, "VALUES lists must all be the same length"), p));
            }
            bound.push(row.iter().map(|e| self.expr(e)).collect::<Result<_>>()?);
        }
        let mut columns: Vec<Vec<Expr>> = vec![];
        let mut output = vec![];
        for c in 0..width {
            let values: Vec<Typed> = bound.iter().map(|r| r[c].clone()).collect();
            let all_unknown = values.iter().all(|v| v.expr.ty().oid == oids::UNKNOWN);
            let (exprs, ty) = match wanted.and_then(|w| w.get(c)) {
                Some(ty) if all_unknown => {
                    let exprs = values
                        .into_iter()
                        .map(|v| {
                            let p = v.pos;
                            self.coerce_to(v, SqlType::of(ty.oid), CastContext::Assignment, p)
                        })
                        .collect::<Result<Vec<_>>>()?;
                    (exprs, SqlType::of(ty.oid))
                }
                _ => self.unify(values, "VALUES")?,
            };
            let name = format!("column{}", c + 1);
            output.push((self.meta.computed(name.clone(), ty), name, ty));
            columns.push(exprs);
        }
        let mut columns: Vec<_> = columns.into_iter().map(Vec::into_iter).collect();
        let rows: Vec<Vec<Expr>> = (0..rows.len())
            .map(|_| columns.iter_mut().map(|c| c.next().expect("as many values as rows")).collect())
            .collect();
        let ids: Vec<ColumnId> = output.iter().map(|(id, _, _)| *id).collect();
        let recorded = self.record.then(|| rows.clone());
        let mut plan =
            LogicalPlan::Values { rows: rows.into(), output: ids.clone(), alias: "*VALUES*".into() };
        let mut targets: Vec<TargetEntry> = output
            .iter()
            .map(|(id, name, ty)| TargetEntry {
                name: name.clone(),
                expr: Expr::column(*id, *ty),
                pos: ast::NO_POS,
                junk: false,
            })
            .collect();
        let columns = output.iter().map(|(id, name, ty)| NsColumn {
            name: name.clone(),
            expr: Expr::column(*id, *ty),
            hidden: false,
        });
        let item = NsItem::new(Some("*VALUES*".into()), columns.collect());
        self.scope().items.push(item);
        let order = self.order_items(&q.order_by, &mut targets)?;
        let values = recorded.map(|rows| record::values(rows, &output, &targets, &order));
        if targets.len() > output.len() {
            let entries =
                targets.iter().map(|t| (self.output_id(&t.name, &t.expr), t.expr.clone())).collect();
            plan = LogicalPlan::Project { input: Box::new(plan), targets: entries };
        }
        if !order.is_empty() {
            let keys = order
                .iter()
                .map(|o| SortKey {
                    expr: targets[o.target].expr.clone(),
                    descending: o.descending,
                    nulls_first: o.nulls_first,
                })
                .collect();
            plan = LogicalPlan::Sort { input: Box::new(plan), keys };
        }
        let limit = self.limit_expr(q.limit.as_ref(), Place::Limit, "LIMIT")?;
        let offset = self.limit_expr(q.offset.as_ref(), Place::Offset, "OFFSET")?;
        let tree = values.map(|v| Box::new(record::with_limits(q, v, &limit, &offset)));
        if limit.is_some() || offset.is_some() {
            plan = LogicalPlan::Limit { input: Box::new(plan), limit, offset, ties: None };
        }
        Ok(Bound { tree, ..Bound::new(plan, output) })
    }

    /// Sort keys over plain expressions (aggregates, windows): no ordinals, no output names.
    pub(super) fn sort_keys_plain(&mut self, order_by: &[ast::SortBy]) -> Result<Vec<SortKey>> {
        let mut keys = vec![];
        for s in order_by {
            let bound = self.expr(&s.expr)?;
            let bound = self.settle_unknown(bound)?;
            let oid = bound.expr.ty().oid;
            let (descending, nulls_first) = self.sort_direction(s, oid)?;
            self.require_ordering(oid, bound.pos, "ordering")?;
            keys.push(SortKey { expr: bound.expr, descending, nulls_first });
        }
        Ok(keys)
    }

    /// Direction and NULLs' place of a sort item over values of type `oid`; NULLs are largest.
    fn sort_direction(&mut self, s: &ast::SortBy, oid: quarry_common::Oid) -> Result<(bool, bool)> {
        let descending = match &s.direction {
            SortDirection::Default | SortDirection::Asc => false,
            SortDirection::Desc => true,
            SortDirection::Using(op) => {
                let def = self.resolve_operator(op, Some(oid), oid, s.pos)?;
                match def.name {
                    "<" | "~<~" => false,
                    ">" | "~>~" => true,
                    _ => {
                        let e = err!(
                            WRONG_OBJECT_TYPE,
                            "operator {} is not a valid ordering operator",
                            op.schema
                                .iter()
                                .chain([&op.name])
                                .map(String::as_str)
                                .collect::<Vec<_>>()
                                .join(".")
                        )
                        .hint(
                            "Ordering operators must be \"<\" or \">\" members of btree operator families.",
                        );
                        return Err(at(e, s.pos));
                    }
                }
            }
        };
        let nulls_first = match s.nulls {
            Some(ast::NullsOrder::First) => true,
            Some(ast::NullsOrder::Last) => false,
            None => descending,
        };
        Ok((descending, nulls_first))
    }
}

/// Columns of a table item as a scan reads them.
pub(super) fn relation_columns(item: &super::scope::NsItem) -> Vec<(ColumnId, quarry_plan::ScanColumn)> {
    let Some(relation) = &item.relation else { return vec![] };
    let live = relation.columns.iter().enumerate().filter(|(_, c)| !c.dropped).map(|(i, _)| i);
    let mut out: Vec<(ColumnId, quarry_plan::ScanColumn)> = item
        .columns
        .iter()
        .zip(live)
        .filter_map(|(c, i)| match &c.expr {
            Expr::Column { id, .. } => Some((*id, quarry_plan::ScanColumn::Attribute(i))),
            _ => None,
        })
        .collect();
    out.extend(item.system.iter().map(|(s, id, _)| (*id, *s)));
    out
}

fn named_target(targets: &[TargetEntry], name: &str, place: Place, pos: Pos) -> Result<Option<usize>> {
    let mut found: Option<usize> = None;
    for (i, t) in targets.iter().enumerate() {
        if t.junk || t.name != name {
            continue;
        }
        match found {
            Some(f) if targets[f].expr != t.expr => {
                let e = err!(AMBIGUOUS_COLUMN, "{} \"{name}\" is ambiguous", place.clause());
                return Err(at(e, pos));
            }
            Some(_) => {}
            None => found = Some(i),
        }
    }
    Ok(found)
}

/// The columns that a select puts out.
fn output_of(ids: &[ColumnId], targets: &[TargetEntry]) -> Vec<(ColumnId, String, SqlType)> {
    let visible = ids.iter().zip(targets).filter(|(_, t)| !t.junk);
    visible.map(|(id, t)| (*id, t.name.clone(), t.expr.ty())).collect()
}

/// One Window node per distinct spec, in order of first use.
fn window_plan(
    mut plan: LogicalPlan,
    windows: Vec<(ColumnId, quarry_plan::WindowSpec, quarry_plan::WindowCall)>,
) -> LogicalPlan {
    let mut specs: Vec<(quarry_plan::WindowSpec, Vec<(ColumnId, quarry_plan::WindowCall)>)> = vec![];
    for (id, spec, call) in windows {
        match specs.iter_mut().find(|(s, _)| *s == spec) {
            Some((_, calls)) => calls.push((id, call)),
            None => specs.push((spec, vec![(id, call)])),
        }
    }
    for (spec, calls) in specs {
        plan = LogicalPlan::Window { input: Box::new(plan), spec, calls };
    }
    plan
}

/// Set-returning calls in layers: a call that reads another's column goes above it.
pub(super) fn project_sets(mut plan: LogicalPlan, calls: Vec<(ColumnId, SetCall)>) -> LogicalPlan {
    let mut rest = calls;
    while !rest.is_empty() {
        let ids: Vec<ColumnId> = rest.iter().map(|(id, _)| *id).collect();
        let depends = |c: &SetCall| {
            let mut columns = vec![];
            c.args.iter().for_each(|a| walk::columns_of(a, &mut columns));
            columns.iter().any(|c| ids.contains(c))
        };
        let (later, now): (Vec<_>, Vec<_>) = rest.into_iter().partition(|(_, c)| depends(c));
        plan = LogicalPlan::ProjectSet { input: Box::new(plan), calls: now };
        rest = later;
    }
    plan
}
