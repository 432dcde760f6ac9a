//! UPDATE and DELETE (PostgreSQL: analyze.c).

use super::change_view::{Change, ViewTarget};
use super::coerce::at;
use super::insert::find_column;
use super::scope::{ExprKind as Place, NsItem, Scope};
use super::{Binder, Bound, Typed};
use crate::ast::{self, AssignTarget, ExprKind, SetClause, SubLinkKind};
use quarry_catalog::{Identity, RelKind, Relation};
use quarry_common::{Error, Result, err};
use quarry_plan::expr::SubqueryPlan;
use quarry_plan::{ColumnId, Expr, JoinKind, LogicalPlan, Recheck, ScanColumn, SubqueryExpr, SubqueryKind};
use quarry_types::SqlType;
use std::sync::Arc;

/// Assigned columns, and the rows that multi-column assignments take their values from: a column for each, and the subquery.
type Sets = (Vec<(usize, Expr)>, Vec<(ColumnId, Expr)>);

/// A field of the row that a multi-column assignment takes its values from.
enum Field<'e> {
    Written(&'e ast::Expr),
    Expanded(Typed),
}

/// The target's columns that the scan gives.
type TargetColumns = Vec<(ColumnId, ScanColumn)>;

impl Binder<'_> {
    pub(super) fn update(&mut self, u: &ast::Update) -> Result<Bound> {
        let visible = self.ctes.len();
        self.scopes.push(Scope::new(Place::UpdateSource));
        let bound = self.update_inner(u);
        self.scopes.pop();
        self.ctes.truncate(visible);
        bound
    }

    fn update_inner(&mut self, u: &ast::Update) -> Result<Bound> {
        let ctes = match &u.with {
            Some(w) => self.with_clause(w)?,
            None => vec![],
        };
        let relation = self.write_target(&u.relation, "update")?;
        let view = match relation.kind {
            RelKind::View => Some(self.view_target(&relation, Change::Update)?),
            _ => None,
        };
        let alias = u.relation.alias.as_ref().map_or(relation.name.clone(), |a| a.name.clone());
        let (mut source, old, ctid, sources) =
            self.change_source(&relation, &u.relation, &alias, view.as_ref(), &u.from)?;
        if let Some(w) = &u.where_clause {
            let condition = self.condition(w, Place::Where, "WHERE")?;
            source = LogicalPlan::Filter { input: Box::new(source), predicates: condition.into_conjuncts() };
        }
        // What is assigned comes after WHERE, as in PostgreSQL: WHERE decides of parameters' types, and its errors come first.
        let (set, subqueries) = match &view {
            Some(v) => self.set_clauses(&v.set_clauses(&u.sets)?, &v.with_defaults, &old)?,
            None => self.set_clauses(&u.sets, &relation, &old)?,
        };
        let target = self.change_target(&relation, view.as_ref())?;
        let (returning, output) = self.returning(&u.returning, &target, &alias, view.as_ref(), sources)?;
        source = self.make_rows(source);
        // The row of a multi-column subquery is computed once for all columns assigned from it.
        if !subqueries.is_empty() {
            let mut targets: Vec<(ColumnId, Expr)> = quarry_plan::walk::output_columns(&source)
                .into_iter()
                .map(|id| (id, Expr::column(id, self.meta.get(id).ty)))
                .collect();
            targets.extend(subqueries);
            source = LogicalPlan::Project { input: Box::new(source), targets };
        }
        let plan = LogicalPlan::Update {
            target: Box::new(target),
            source: Box::new(source),
            ctid,
            old,
            set,
            returning,
            recheck: Recheck::default(),
        };
        Ok(Bound::new(self.wrap_ctes(ctes, plan), output))
    }

    pub(super) fn delete(&mut self, d: &ast::Delete) -> Result<Bound> {
        let visible = self.ctes.len();
        self.scopes.push(Scope::new(Place::Where));
        let bound = self.delete_inner(d);
        self.scopes.pop();
        self.ctes.truncate(visible);
        bound
    }

    fn delete_inner(&mut self, d: &ast::Delete) -> Result<Bound> {
        let ctes = match &d.with {
            Some(w) => self.with_clause(w)?,
            None => vec![],
        };
        let relation = self.write_target(&d.relation, "delete from")?;
        let view = match relation.kind {
            RelKind::View => Some(self.view_target(&relation, Change::Delete)?),
            _ => None,
        };
        let alias = d.relation.alias.as_ref().map_or(relation.name.clone(), |a| a.name.clone());
        let (mut source, old, ctid, sources) =
            self.change_source(&relation, &d.relation, &alias, view.as_ref(), &d.using)?;
        if let Some(w) = &d.where_clause {
            let condition = self.condition(w, Place::Where, "WHERE")?;
            source = LogicalPlan::Filter { input: Box::new(source), predicates: condition.into_conjuncts() };
        }
        let target = self.change_target(&relation, view.as_ref())?;
        let (returning, output) = self.returning(&d.returning, &target, &alias, view.as_ref(), sources)?;
        source = self.make_rows(source);
        let plan = LogicalPlan::Delete {
            target: Box::new(target),
            source: Box::new(source),
            ctid,
            old,
            returning,
            recheck: Recheck::default(),
        };
        Ok(Bound::new(self.wrap_ctes(ctes, plan), output))
    }

    /// The target's scan joined with FROM or USING; also the target's columns, its ctid, and the other items for RETURNING.
    fn change_source(
        &mut self,
        relation: &Arc<Relation>,
        r: &ast::RangeVar,
        alias: &str,
        view: Option<&ViewTarget>,
        from: &[ast::TableRef],
    ) -> Result<(LogicalPlan, TargetColumns, ColumnId, Vec<NsItem>)> {
        let (scan, mut item) = match view {
            Some(v) => self.scan(&v.table, &v.alias),
            None => self.scan(relation, alias),
        };
        let LogicalPlan::Scan { columns: old, .. } = &scan else {
            return Err(Error::internal("a scan is a scan"));
        };
        let old = old.clone();
        self.note_range(view.map_or(relation, |v| &v.table), old.clone());
        let Some((ctid, _)) = old.iter().find(|(_, c)| *c == ScanColumn::Ctid).copied() else {
            return Err(Error::internal("a scan without ctid"));
        };
        let mut plan = scan;
        if let Some(v) = view {
            let opened = self.open_view(&v.view, item, alias)?;
            self.note_view_item(&v.view, &opened.item, opened.levels.iter().flat_map(|l| &l.quals));
            item = opened.item.clone();
            let predicates = opened.conditions();
            if !predicates.is_empty() {
                plan = LogicalPlan::Filter { input: Box::new(plan), predicates };
            }
        }
        if r.alias.is_none() {
            item.schema = Some(relation.schema_name.clone());
        }
        if !from.is_empty() {
            let others = self.bind_from_clause(from)?;
            plan = LogicalPlan::Join {
                kind: JoinKind::Inner,
                left: Box::new(plan),
                right: Box::new(others),
                on: vec![],
            };
        }
        let sources = self.scope().items.clone();
        if sources.iter().any(|s| s.table_visible && s.alias == item.alias) {
            let name = item.alias.unwrap_or_default();
            return Err(err!(DUPLICATE_ALIAS, "table name \"{name}\" specified more than once"));
        }
        self.scope().items.insert(0, item);
        Ok((plan, old, ctid, sources))
    }

    /// SET clauses: column index and value each.
    pub(super) fn set_clauses(
        &mut self,
        sets: &[SetClause],
        relation: &Arc<Relation>,
        current: &[(ColumnId, ScanColumn)],
    ) -> Result<Sets> {
        let mut out: Vec<(usize, Expr)> = vec![];
        let mut whole: Vec<usize> = vec![];
        let mut subqueries = vec![];
        for s in sets {
            match s {
                SetClause::Single { target, value } => {
                    self.one_assignment(target, value, relation, current, &mut out, &mut whole)?;
                }
                SetClause::Multi { targets, source } => match &source.kind {
                    ExprKind::Row { fields, .. } => {
                        let fields = self.expand_fields(fields)?;
                        if fields.len() != targets.len() {
                            let e = err!(SYNTAX_ERROR, "number of columns does not match number of values");
                            return Err(at(e, source.pos));
                        }
                        for (t, field) in targets.iter().zip(fields) {
                            match field {
                                Field::Written(v) => {
                                    self.one_assignment(t, v, relation, current, &mut out, &mut whole)?
                                }
                                Field::Expanded(v) => {
                                    self.bound_assignment(t, v, relation, current, &mut out, &mut whole)?
                                }
                            }
                        }
                    }
                    ExprKind::SubLink(link) if link.kind == SubLinkKind::Expr => {
                        let bound = self.subquery(&link.query)?;
                        if bound.output.len() != targets.len() {
                            let e = err!(SYNTAX_ERROR, "number of columns does not match number of values");
                            return Err(at(e, source.pos));
                        }
                        let row = self.meta.computed("?column?", SqlType::RECORD);
                        for (i, (t, (_, name, ty))) in targets.iter().zip(&bound.output).enumerate() {
                            let field = Expr::FieldSelect {
                                arg: Box::new(Expr::column(row, SqlType::RECORD)),
                                index: i,
                                name: name.clone(),
                                ty: *ty,
                            };
                            let value = Typed { expr: field, pos: source.pos };
                            self.bound_assignment(t, value, relation, current, &mut out, &mut whole)?;
                        }
                        let subquery = SubqueryExpr {
                            kind: SubqueryKind::Row,
                            plan: SubqueryPlan::Logical(Box::new(bound.plan)),
                            output: bound.output.iter().map(|(id, _, _)| *id).collect(),
                            ty: SqlType::RECORD,
                            tree: bound.tree.map(|t| Arc::new(*t)),
                        };
                        subqueries.push((row, Expr::Subquery(Box::new(subquery))));
                    }
                    _ => {
                        let e = err!(
                            FEATURE_NOT_SUPPORTED,
                            "source for a multiple-column UPDATE item must be a sub-SELECT or ROW() expression"
                        );
                        return Err(at(e, source.location()));
                    }
                },
            }
        }
        Ok((out, subqueries))
    }

    /// The fields of ROW(...), with those of `item.*` in its place.
    fn expand_fields<'e>(&mut self, fields: &'e [ast::Expr]) -> Result<Vec<Field<'e>>> {
        let mut out = vec![];
        for f in fields {
            match &f.kind {
                ExprKind::ColumnRef { star: true, .. } => {
                    let pos = f.pos;
                    let columns = self.expand_star_expr(f)?;
                    out.extend(columns.into_iter().map(|(_, expr)| Field::Expanded(Typed { expr, pos })));
                }
                _ => out.push(Field::Written(f)),
            }
        }
        Ok(out)
    }

    fn one_assignment(
        &mut self,
        target: &AssignTarget,
        value: &ast::Expr,
        relation: &Arc<Relation>,
        current: &[(ColumnId, ScanColumn)],
        out: &mut Vec<(usize, Expr)>,
        whole: &mut Vec<usize>,
    ) -> Result<()> {
        if matches!(value.kind, ExprKind::SetToDefault) {
            let column = find_column(relation, &target.name, target.pos)?;
            self.check_once(target, column, out, whole)?;
            if relation.columns[column].generated {
                return Ok(());
            }
            let default = self.default_value(relation, column)?;
            out.push((column, default));
            return Ok(());
        }
        let bound = self.expr_in(value, Place::UpdateSource)?;
        self.bound_assignment(target, bound, relation, current, out, whole)
    }

    fn check_once(
        &self,
        target: &AssignTarget,
        column: usize,
        out: &[(usize, Expr)],
        whole: &mut Vec<usize>,
    ) -> Result<()> {
        let again = out.iter().any(|(c, _)| *c == column);
        if again && (target.indirection.is_empty() || whole.contains(&column)) || whole.contains(&column) {
            let e = err!(SYNTAX_ERROR, "multiple assignments to same column \"{}\"", target.name);
            return Err(e);
        }
        if target.indirection.is_empty() {
            whole.push(column);
        }
        Ok(())
    }

    fn bound_assignment(
        &mut self,
        target: &AssignTarget,
        value: Typed,
        relation: &Arc<Relation>,
        current: &[(ColumnId, ScanColumn)],
        out: &mut Vec<(usize, Expr)>,
        whole: &mut Vec<usize>,
    ) -> Result<()> {
        let column = find_column(relation, &target.name, target.pos)?;
        self.check_once(target, column, out, whole)?;
        let c = &relation.columns[column];
        // Assignments to parts build on each other, the first on the stored value.
        let before = match out.iter().position(|(have, _)| *have == column) {
            Some(i) => Some(out.remove(i).1),
            None => current
                .iter()
                .find(|(_, s)| *s == ScanColumn::Attribute(column))
                .map(|(id, _)| Expr::column(*id, c.ty)),
        };
        let value = self.assign(relation, column, &target.indirection, value, before)?;
        let made = match (c.generated, c.identity) {
            (true, _) => "a generated column",
            (_, Some(Identity::Always)) => "an identity column defined as GENERATED ALWAYS",
            _ => {
                out.push((column, value));
                return Ok(());
            }
        };
        Err(err!(GENERATED_ALWAYS, "column \"{}\" can only be updated to DEFAULT", c.name)
            .detail(format!("Column \"{}\" is {made}.", c.name)))
    }
}
