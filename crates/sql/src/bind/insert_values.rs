//! The VALUES lists of an INSERT.

use super::Binder;
use super::coerce::at;
use super::insert::Assigned;
use super::scope::{ExprKind as Place, Scope};
use crate::ast::{self, ExprKind, NO_POS, Overriding, Pos};
use quarry_catalog::Relation;
use quarry_common::{Result, err};
use quarry_plan::{ColumnId, Expr, LogicalPlan, ValueRows};
use quarry_types::SqlType;
use std::sync::Arc;

impl Binder<'_> {
    /// VALUES lists, each value coerced to its column; DEFAULT allowed.
    pub(super) fn insert_values(
        &mut self,
        ins: &ast::Insert,
        relation: &Arc<Relation>,
        assigned: &[Assigned<'_>],
        rows: &[Vec<ast::Expr>],
    ) -> Result<(LogicalPlan, Vec<ColumnId>)> {
        let width = rows.first().map_or(0, Vec::len);
        let several = rows.len() > 1;
        self.scopes.push(Scope::new(if several { Place::Values } else { Place::InsertTarget }));
        if several && assigned.iter().all(|a| a.steps.is_empty()) {
            let result = self.insert_lists(ins, relation, assigned, rows, width);
            self.scopes.pop();
            return result;
        }
        let result = self.insert_rows(ins, relation, assigned, rows, width);
        let scope = self.scopes.pop();
        let rows = result?;
        let sets = scope.map_or(vec![], |s| s.set_calls);
        if sets.is_empty() {
            return Ok(self.one_row_source(relation, rows));
        }
        // INSERT ... VALUES (generate_series(..)): one row becomes several.
        let input = super::query::project_sets(LogicalPlan::OneRow, sets);
        let row = rows.into_iter().next().unwrap_or_default();
        let targets: Vec<(ColumnId, Expr)> =
            row.into_iter().map(|e| (self.meta.computed("column", e.ty()), e)).collect();
        let ids = targets.iter().map(|(id, _)| *id).collect();
        Ok((LogicalPlan::Project { input: Box::new(input), targets }, ids))
    }

    fn insert_rows(
        &mut self,
        ins: &ast::Insert,
        relation: &Arc<Relation>,
        assigned: &[Assigned<'_>],
        rows: &[Vec<ast::Expr>],
        width: usize,
    ) -> Result<Vec<Vec<Expr>>> {
        let mut out = vec![];
        for row in rows {
            let values = self.given_values(ins, relation, assigned, row, width)?;
            out.push(self.insert_row(
                relation,
                &assigned[..row.len()],
                values,
                ins.overriding == Some(Overriding::User),
            )?);
        }
        Ok(out)
    }

    /// Several VALUES lists: a column for each value that the lists give, and the defaults of other columns around them.
    fn insert_lists(
        &mut self,
        ins: &ast::Insert,
        relation: &Arc<Relation>,
        assigned: &[Assigned<'_>],
        rows: &[Vec<ast::Expr>],
        width: usize,
    ) -> Result<(LogicalPlan, Vec<ColumnId>)> {
        let by_user = ins.overriding == Some(Overriding::User);
        let lists = match self.constant_lists(relation, assigned, rows, ins) {
            Some(constants) => constants,
            None => self.computed_lists(ins, relation, assigned, rows, width)?,
        };
        let assigned = &assigned[..width];
        let column = |a: &Assigned<'_>| {
            let c = &relation.columns[a.column];
            (self.meta.computed(c.name.clone(), c.ty), c.ty)
        };
        let columns: Vec<(ColumnId, SqlType)> = assigned.iter().map(column).collect();
        let values = columns.iter().map(|(id, ty)| Some(Expr::column(*id, *ty))).collect();
        let row = self.insert_row(relation, assigned, values, by_user)?;
        let output = columns.iter().map(|(id, _)| *id).collect();
        let input = Box::new(LogicalPlan::Values { rows: lists, output, alias: "*VALUES*".into() });
        let live = relation.columns.iter().filter(|c| !c.dropped);
        let targets: Vec<(ColumnId, Expr)> =
            live.zip(row).map(|(c, e)| (self.meta.computed(c.name.clone(), c.ty), e)).collect();
        let ids = targets.iter().map(|(id, _)| *id).collect();
        Ok((LogicalPlan::Project { input, targets }, ids))
    }

    fn computed_lists(
        &mut self,
        ins: &ast::Insert,
        relation: &Arc<Relation>,
        assigned: &[Assigned<'_>],
        rows: &[Vec<ast::Expr>],
        width: usize,
    ) -> Result<ValueRows> {
        let by_user = ins.overriding == Some(Overriding::User);
        let mut lists = vec![];
        for row in rows {
            let mut list = vec![];
            for (a, value) in assigned.iter().zip(self.given_values(ins, relation, assigned, row, width)?) {
                let c = &relation.columns[a.column];
                list.push(match value {
                    Some(v) => v,
                    // What nobody reads.
                    _ if c.generated || by_user && c.identity.is_some() => Expr::null(c.ty),
                    _ => self.default_value(relation, a.column)?,
                });
            }
            lists.push(list);
        }
        Ok(lists.into())
    }

    /// The values of a VALUES list, each coerced to its column; none for DEFAULT.
    fn given_values(
        &mut self,
        ins: &ast::Insert,
        relation: &Arc<Relation>,
        assigned: &[Assigned<'_>],
        row: &[ast::Expr],
        width: usize,
    ) -> Result<Vec<Option<Expr>>> {
        if row.len() != width {
            let p = row.first().map_or(NO_POS, |e| e.location());
            return Err(at(err!(SYNTAX_ERROR, "VALUES lists must all be the same length"), p));
        }
        let extra = row.get(assigned.len()).map_or(NO_POS, |e| e.location());
        self.check_width(ins, assigned, row.len(), extra)?;
        let mut values = vec![];
        for (a, e) in assigned.iter().zip(row) {
            let column = &relation.columns[a.column];
            if matches!(e.kind, ExprKind::SetToDefault) {
                if !a.steps.is_empty() {
                    let e2 = err!(FEATURE_NOT_SUPPORTED, "cannot set an array element to DEFAULT");
                    return Err(at(e2, a.pos));
                }
                values.push(None);
                continue;
            }
            let value = self.expr(e)?;
            values.push(Some(self.assign(relation, a.column, a.steps, value, None)?));
            self.check_assignable(column, ins.overriding, e.location())?;
        }
        Ok(values)
    }

    pub(super) fn check_width(
        &self,
        ins: &ast::Insert,
        assigned: &[Assigned<'_>],
        given: usize,
        extra: Pos,
    ) -> Result<()> {
        if given > assigned.len() {
            return Err(at(err!(SYNTAX_ERROR, "INSERT has more expressions than target columns"), extra));
        }
        if given < assigned.len() && !ins.columns.is_empty() {
            let p = assigned[given].pos;
            return Err(at(err!(SYNTAX_ERROR, "INSERT has more target columns than expressions"), p));
        }
        Ok(())
    }

    /// Rows as a Values node with ids of their own.
    pub(super) fn one_row_source(
        &mut self,
        relation: &Relation,
        rows: Vec<Vec<Expr>>,
    ) -> (LogicalPlan, Vec<ColumnId>) {
        let live = relation.columns.iter().filter(|c| !c.dropped);
        let ids: Vec<ColumnId> = live.map(|c| self.meta.computed(c.name.clone(), c.ty)).collect();
        (LogicalPlan::Values { rows: rows.into(), output: ids.clone(), alias: "*VALUES*".into() }, ids)
    }
}
