//! Grouping: grouping sets, and the rule that ungrouped columns can't be put out (PostgreSQL: parse_agg.c).

use super::coerce::at;
use super::target::TargetEntry;
use super::{Binder, Typed};
use crate::ast::{self, GroupItem, NO_POS, Pos};
use quarry_common::{Error, Result, err};
use quarry_plan::expr::SubqueryPlan;
use quarry_plan::{ColumnId, Expr, LogicalPlan, SetCall, walk};
use quarry_types::SqlType;

/// Most grouping sets one query may expand to (PostgreSQL's limit).
const SETS_MAX: usize = 4096;

impl Binder<'_> {
    /// GROUPING SETS, ROLLUP, CUBE, expanded: each set as positions in `group`.
    pub(super) fn grouping_sets(
        &mut self,
        items: &[GroupItem],
        targets: &mut Vec<TargetEntry>,
        group: &mut Vec<Typed>,
        distinct: bool,
    ) -> Result<Option<Vec<Vec<usize>>>> {
        let mut product: Vec<Vec<usize>> = vec![vec![]];
        let mut special = false;
        for item in items {
            special |= !matches!(item, GroupItem::Expr(_));
            let sets = self.item_sets(item, targets, group)?;
            let mut next = vec![];
            for have in &product {
                for set in &sets {
                    let mut joined = have.clone();
                    for i in set {
                        if !joined.contains(i) {
                            joined.push(*i);
                        }
                    }
                    next.push(joined);
                }
            }
            if next.len() > SETS_MAX {
                return Err(err!(
                    STATEMENT_TOO_COMPLEX,
                    "too many grouping sets present (maximum {SETS_MAX})"
                ));
            }
            product = next;
        }
        if !special {
            return Ok(None);
        }
        for set in &mut product {
            set.sort_unstable();
        }
        if distinct {
            let mut seen: Vec<Vec<usize>> = vec![];
            product.retain(|s| {
                let new = !seen.contains(s);
                seen.push(s.clone());
                new
            });
        }
        Ok(Some(product))
    }

    fn item_sets(
        &mut self,
        item: &GroupItem,
        targets: &mut Vec<TargetEntry>,
        group: &mut Vec<Typed>,
    ) -> Result<Vec<Vec<usize>>> {
        Ok(match item {
            GroupItem::Empty(_) => vec![vec![]],
            GroupItem::Expr(e) => vec![self.element(e, targets, group)?],
            GroupItem::Rollup(list, _) => {
                let elements =
                    list.iter().map(|e| self.element(e, targets, group)).collect::<Result<Vec<_>>>()?;
                (0..=elements.len()).rev().map(|n| elements[..n].concat()).collect()
            }
            GroupItem::Cube(list, pos) => {
                if list.len() > 12 {
                    return Err(at(err!(TOO_MANY_COLUMNS, "CUBE is limited to 12 elements"), *pos));
                }
                let elements =
                    list.iter().map(|e| self.element(e, targets, group)).collect::<Result<Vec<_>>>()?;
                let n = elements.len();
                (0..1usize << n)
                    .rev()
                    .map(|mask| {
                        (0..n)
                            .filter(|i| mask >> (n - 1 - i) & 1 == 1)
                            .flat_map(|i| elements[i].clone())
                            .collect()
                    })
                    .collect()
            }
            GroupItem::Sets(items, _) => {
                let mut all = vec![];
                for i in items {
                    all.extend(self.item_sets(i, targets, group)?);
                }
                all
            }
        })
    }

    /// An expression, or a parenthesised list that counts as one.
    fn element(
        &mut self,
        e: &ast::Expr,
        targets: &mut Vec<TargetEntry>,
        group: &mut Vec<Typed>,
    ) -> Result<Vec<usize>> {
        match &e.kind {
            ast::ExprKind::Row { fields, explicit: false } => {
                fields.iter().map(|f| self.group_expr(f, targets, group)).collect()
            }
            _ => Ok(vec![self.group_expr(e, targets, group)?]),
        }
    }

    /// Adds the Aggregate node, and rewrites the expressions above it to read its output.
    pub(super) fn aggregate_plan(
        &mut self,
        input: LogicalPlan,
        group: Vec<Typed>,
        sets: Option<Vec<Vec<usize>>>,
        above: &mut [(&mut Expr, Pos)],
    ) -> Result<LogicalPlan> {
        let with_sets = sets.is_some();
        // Set-returning calls that are grouped by come before the grouping.
        let mut grouped: Vec<ColumnId> = vec![];
        group.iter().for_each(|g| walk::columns_of(&g.expr, &mut grouped));
        let (before, mut set_calls) = split_calls(std::mem::take(&mut self.scope().set_calls), grouped);
        let mut own = self.own_columns();
        own.extend(before.iter().map(|(id, _)| *id));
        let input = super::query::project_sets(input, before);
        // With grouping sets a column may come out NULL: it gets an id of its own. Otherwise plain columns keep theirs.
        let group: Vec<(ColumnId, Expr)> = group
            .into_iter()
            .map(|g| {
                let id = match &g.expr {
                    Expr::Column { id, .. } if !with_sets && !self.is_outer_column(*id) => *id,
                    Expr::Column { id, .. } => {
                        let meta = self.meta.get(*id).clone();
                        self.meta.add(quarry_plan::ColumnMeta { not_null: false, ..meta })
                    }
                    other => self.meta.computed("?column?", other.ty()),
                };
                (id, g.expr)
            })
            .collect();
        let scope = self.scope();
        let aggregates = std::mem::take(&mut scope.aggregates);
        let groupings = std::mem::take(&mut scope.groupings);
        let mut windows = std::mem::take(&mut scope.windows);
        let mut outputs: Vec<ColumnId> = aggregates.iter().map(|(id, _)| *id).collect();
        outputs.extend(group.iter().map(|(id, _)| *id));
        outputs.extend(groupings.iter().map(|(id, _, _)| *id));
        outputs.extend(windows.iter().map(|(id, _, _)| *id));
        outputs.extend(set_calls.iter().map(|(id, _)| *id));
        let mut grouping = vec![];
        for (id, args, pos) in groupings {
            let positions = args
                .iter()
                .map(|a| {
                    group.iter().position(|(_, g)| *g == a.expr).ok_or_else(|| {
                        let e = err!(
                            GROUPING_ERROR,
                            "arguments to GROUPING must be grouping expressions of the associated query level"
                        );
                        at(e, if a.pos == NO_POS { pos } else { a.pos })
                    })
                })
                .collect::<Result<Vec<_>>>()?;
            grouping.push((id, positions));
        }
        // A primary key among the group columns determines the table's other columns.
        let determined = self.determined_columns(&group, sets.as_deref());
        let extra = {
            let check = Grouped { group: &group, outputs: &outputs, own: &own, determined: &determined };
            let mut extra = vec![];
            for direct in aggregates.iter().flat_map(|(_, a)| &a.direct_args) {
                self.replace_grouped(&mut direct.clone(), &check, &mut extra).map_err(|e| {
                    e.detail("Direct arguments of an ordered-set aggregate must use only grouped columns.")
                })?;
            }
            for (e, _) in above.iter_mut() {
                self.replace_grouped(e, &check, &mut extra)?;
            }
            for (_, spec, call) in &mut windows {
                let exprs = spec.partition_by.iter_mut().chain(spec.order_by.iter_mut().map(|k| &mut k.expr));
                for e in exprs.chain(call.args.iter_mut()).chain(call.filter.iter_mut()) {
                    self.replace_grouped(e, &check, &mut extra)?;
                }
            }
            for (_, call) in &mut set_calls {
                for e in &mut call.args {
                    self.replace_grouped(e, &check, &mut extra)?;
                }
            }
            extra
        };
        let scope = self.scope();
        scope.windows = windows;
        scope.set_calls = set_calls;
        let (mut group, mut sets) = (group, sets);
        for (id, ty) in extra {
            if !group.iter().any(|(g, _)| *g == id) {
                sets.iter_mut().flatten().for_each(|s| s.push(group.len()));
                group.push((id, Expr::column(id, ty)));
            }
        }
        // HAVING alone makes one row, whatever the rows below.
        if group.is_empty() && sets.is_none() && aggregates.is_empty() && grouping.is_empty() {
            return Ok(LogicalPlan::OneRow);
        }
        Ok(LogicalPlan::Aggregate { input: Box::new(input), group, sets, aggregates, grouping })
    }

    /// The columns that this level's FROM items make.
    fn own_columns(&self) -> Vec<ColumnId> {
        let mut own = vec![];
        if let Some(scope) = self.scopes.last() {
            for item in &scope.items {
                for c in &item.columns {
                    walk::columns_of(&c.expr, &mut own);
                }
                own.extend(item.system.iter().map(|(_, id, _)| *id));
            }
        }
        own.sort_unstable();
        own.dedup();
        own
    }

    /// The columns of tables whose primary key is among the columns of every grouping set.
    fn determined_columns(&self, group: &[(ColumnId, Expr)], sets: Option<&[Vec<usize>]>) -> Vec<ColumnId> {
        let mut out = vec![];
        let Some(scope) = self.scopes.last() else { return out };
        let in_all = |i: &usize| sets.is_none_or(|sets| sets.iter().all(|s| s.contains(i)));
        let group: Vec<&(ColumnId, Expr)> =
            group.iter().enumerate().filter(|(i, _)| in_all(i)).map(|(_, g)| g).collect();
        for item in &scope.items {
            let Some(relation) = &item.relation else { continue };
            let Some(pk) = relation.primary_key() else { continue };
            let columns = super::query::relation_columns(item);
            let grouped = |attribute: usize| {
                columns.iter().any(|(id, c)| {
                    *c == quarry_plan::ScanColumn::Attribute(attribute)
                        && group.iter().any(|(_, e)| matches!(e, Expr::Column { id: g, .. } if g == id))
                })
            };
            if !pk.deferrable && pk.keys.iter().all(|k| k.column.is_some_and(grouped)) {
                out.extend(columns.iter().map(|(id, _)| *id));
            }
        }
        out
    }

    /// Replaces grouping expressions by their columns; errors at a column that is neither grouped nor aggregated.
    fn replace_grouped(
        &mut self,
        e: &mut Expr,
        check: &Grouped<'_>,
        extra: &mut Vec<(ColumnId, SqlType)>,
    ) -> Result<()> {
        if let Some((id, g)) = check.group.iter().find(|(_, g)| g == e) {
            *e = Expr::column(*id, g.ty());
            return Ok(());
        }
        if let Expr::Column { id, ty } = e {
            if check.outputs.contains(id) || !check.own.contains(id) {
                return Ok(());
            }
            if check.determined.contains(id) {
                extra.push((*id, *ty));
                return Ok(());
            }
            return Err(self.ungrouped(*id, false));
        }
        if let Expr::Subquery(s) = e
            && let SubqueryPlan::Logical(plan) = &mut s.plan
        {
            // A correlated subquery may use grouped columns only.
            for id in walk::free_columns(plan) {
                if check.outputs.contains(&id) || !check.own.contains(&id) {
                    continue;
                }
                if check.determined.contains(&id) {
                    extra.push((id, self.meta.get(id).ty));
                    continue;
                }
                match check.group.iter().find(|(_, g)| matches!(g, Expr::Column { id: c, .. } if *c == id)) {
                    Some((new, _)) => replace_column(plan, id, *new),
                    None => return Err(self.ungrouped(id, true)),
                }
            }
        }
        let mut result = Ok(());
        walk::for_each_child_mut(e, &mut |child| {
            if result.is_ok() {
                result = self.replace_grouped(child, check, extra);
            }
        });
        result
    }

    fn ungrouped(&self, id: ColumnId, in_subquery: bool) -> Error {
        let meta = self.meta.get(id);
        let mut name = meta.name.clone();
        let mut pos = NO_POS;
        if let Some(scope) = self.scopes.last() {
            for item in &scope.items {
                let hit =
                    item.columns.iter().find(|c| matches!(&c.expr, Expr::Column { id: i, .. } if *i == id));
                if let (Some(c), Some(alias)) = (hit, &item.alias) {
                    name = format!("{alias}.{}", c.name);
                    break;
                }
            }
            pos = scope.position_of(id);
        }
        let e = if in_subquery {
            err!(GROUPING_ERROR, "subquery uses ungrouped column \"{name}\" from outer query")
        } else {
            err!(
                GROUPING_ERROR,
                "column \"{name}\" must appear in the GROUP BY clause or be used in an aggregate function"
            )
        };
        at(e, pos)
    }
}

type SetCalls = Vec<(ColumnId, SetCall)>;

/// Parts set-returning calls into those that make one of these columns, or an argument for one that does, and the others.
fn split_calls(calls: SetCalls, mut wanted: Vec<ColumnId>) -> (SetCalls, SetCalls) {
    for (id, call) in calls.iter().rev() {
        if wanted.contains(id) {
            call.args.iter().for_each(|a| walk::columns_of(a, &mut wanted));
        }
    }
    calls.into_iter().partition(|(id, _)| wanted.contains(id))
}

/// What an expression above the grouping may read.
struct Grouped<'a> {
    group: &'a [(ColumnId, Expr)],
    /// The Aggregate node's own columns, and those made above it.
    outputs: &'a [ColumnId],
    /// Columns of this level's FROM items.
    own: &'a [ColumnId],
    /// Columns determined by a grouped primary key.
    determined: &'a [ColumnId],
}

/// Renames a column throughout a logical plan.
fn replace_column(plan: &mut LogicalPlan, from: ColumnId, to: ColumnId) {
    let mut rename = |e: &mut Expr| {
        walk::rewrite(e, &mut |e| match e {
            Expr::Column { id, .. } if *id == from => *id = to,
            Expr::Subquery(s) => {
                if let SubqueryPlan::Logical(p) = &mut s.plan {
                    replace_column(p, from, to);
                }
            }
            _ => {}
        })
    };
    walk::exprs_mut(plan).into_iter().for_each(&mut rename);
    for input in walk::inputs_mut(plan) {
        replace_column(input, from, to);
    }
}
