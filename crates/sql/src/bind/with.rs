//! WITH clauses (PostgreSQL: parse_cte.c).

use super::coerce::at;
use super::{Binder, Bound, Typed, VisibleCte, recursion};
use crate::ast::{self, QueryBody, Statement};
use quarry_common::{Error, Result, err};
use quarry_plan::{ColumnId, Cte, Expr, LogicalPlan};
use quarry_types::SqlType;

impl Binder<'_> {
    /// Binds a WITH clause; its CTEs stay visible until the caller takes them out of `self.ctes`.
    pub(super) fn with_clause(&mut self, with: &ast::With) -> Result<Vec<Cte>> {
        for (i, cte) in with.ctes.iter().enumerate() {
            if with.ctes[..i].iter().any(|c| c.name == cte.name) {
                let e = err!(DUPLICATE_ALIAS, "WITH query name \"{}\" specified more than once", cte.name);
                return Err(at(e, cte.pos));
            }
            if !matches!(*cte.statement, Statement::Select(_)) && self.top_with != Some(with.pos) {
                let e = err!(
                    FEATURE_NOT_SUPPORTED,
                    "WITH clause containing a data-modifying statement must be at the top level"
                );
                return Err(at(e, cte.pos));
            }
        }
        let order = match with.recursive {
            true => recursion::order(with)?,
            false => (0..with.ctes.len()).map(|i| (i, false)).collect(),
        };
        for (i, recursive) in &order {
            if *recursive {
                recursion::check(&with.ctes[*i])?;
            }
        }
        let mut out = vec![];
        // What a reference to a later one is told.
        let future = self.future_ctes.len();
        if !with.recursive {
            self.future_ctes.extend(with.ctes.iter().rev().map(|c| c.name.clone()));
        }
        for (i, recursive) in order {
            let cte = &with.ctes[i];
            let bound = match &*cte.statement {
                Statement::Select(q) if recursive => self.recursive_cte(cte, q),
                _ => self.plain_cte(cte),
            };
            match bound {
                Ok(bound) => out.push(bound),
                Err(e) => {
                    self.future_ctes.truncate(future);
                    return Err(e);
                }
            }
            if !with.recursive {
                self.future_ctes.pop();
            }
        }
        Ok(out)
    }

    /// Puts the CTEs around the plan that uses them.
    pub(super) fn wrap_ctes(&mut self, mut ctes: Vec<Cte>, plan: LogicalPlan) -> LogicalPlan {
        if ctes.is_empty() {
            return plan;
        }
        for c in &mut ctes {
            c.references = self.cte_references[c.id.0 as usize];
        }
        LogicalPlan::With { ctes, body: Box::new(plan) }
    }

    fn plain_cte(&mut self, cte: &ast::Cte) -> Result<Cte> {
        if cte.search.is_some() || cte.cycle.is_some() {
            return Err(at(err!(SYNTAX_ERROR, "WITH query is not recursive"), cte.pos));
        }
        // The statement is on a level of its own: it sees outer levels, as a subquery does.
        let visible = self.ctes.len();
        let bound = self.statement(&cte.statement);
        self.ctes.truncate(visible);
        let mut bound = bound?;
        self.record_cte(cte, bound.tree.take());
        let id = self.new_cte_id();
        let names = column_names(cte, &bound.output)?;
        let has_rows = !bound.output.is_empty() || matches!(*cte.statement, Statement::Select(_));
        let columns: Vec<(String, ColumnId, SqlType)> =
            names.into_iter().zip(&bound.output).map(|(n, (id, _, ty))| (n, *id, *ty)).collect();
        let output = columns.iter().map(|(_, id, _)| *id).collect();
        let name = cte.name.clone();
        self.ctes.push(VisibleCte { name, id, columns, has_rows, being_defined: false });
        Ok(Cte {
            id,
            name: cte.name.clone(),
            plan: bound.plan,
            output,
            recursive: None,
            materialized: cte.materialized,
            references: 0,
            caught: None,
        })
    }

    /// `base UNION [ALL] step`, the step referring to the CTE itself.
    fn recursive_cte(&mut self, cte: &ast::Cte, q: &ast::Query) -> Result<Cte> {
        let visible = self.ctes.len();
        let first_cte = self.recorded_ctes.len();
        let inner = match &q.with {
            Some(with) => self.with_clause(with)?,
            None => vec![],
        };
        let inner_trees = self.recorded_ctes.split_off(first_cte);
        let QueryBody::SetOperation(op) = &q.body else {
            return Err(Error::internal("a recursive query is a UNION"));
        };
        let mut base = self.query(&op.left, None)?;
        let base_tree = base.tree.take();
        let id = self.new_cte_id();
        let names = column_names(cte, &base.output)?;
        // Ids of the CTE's own, as base and step each have theirs.
        let columns: Vec<(String, ColumnId, SqlType)> = names
            .iter()
            .zip(&base.output)
            .map(|(n, (_, _, ty))| (n.clone(), self.meta.computed(n.clone(), *ty), *ty))
            .collect();
        let mut base_targets: Vec<(ColumnId, Expr)> = columns
            .iter()
            .zip(&base.output)
            .map(|((_, own, _), (id, _, ty))| (*own, Expr::column(*id, *ty)))
            .collect();
        let tracked = self.tracking(cte, &columns)?;
        let mut all_columns = columns.clone();
        if let Some(t) = &tracked {
            all_columns.extend(t.columns());
            base_targets.extend(t.first(&base_targets));
        }
        let base_plan = LogicalPlan::Project { input: Box::new(base.plan), targets: base_targets };
        let visible_cte = |being_defined| VisibleCte {
            name: cte.name.clone(),
            id,
            columns: all_columns.clone(),
            has_rows: true,
            being_defined,
        };
        self.ctes.push(visible_cte(true));
        let step = self.query(&op.right, None)?;
        if step.output.len() != columns.len() {
            let e = err!(SYNTAX_ERROR, "each UNION query must have the same number of columns");
            return Err(at(e, super::set_operation::query_pos(&op.right)));
        }
        let mut step = self.match_step(&cte.name, &columns, step, &op.left)?;
        let mut tree = super::record::set_operation(op.op, op.all, base_tree, step.tree.take());
        if let (Some(tree), Some(with)) = (&mut tree, &q.with) {
            tree.recursive = with.recursive;
            tree.ctes = inner_trees;
        }
        self.record_cte(cte, tree);
        self.ctes.truncate(visible);
        self.cte_references[id.0 as usize] = 0;
        self.ctes.push(visible_cte(false));
        if let Some(t) = &tracked {
            step = self.track(t, cte, id, step)?;
        }
        let base_plan = self.wrap_ctes(inner, base_plan);
        let output: Vec<ColumnId> = all_columns.iter().map(|(_, id, _)| *id).collect();
        Ok(Cte {
            id,
            name: cte.name.clone(),
            plan: base_plan,
            output,
            recursive: Some((step.plan, step.output.iter().map(|(id, _, _)| *id).collect(), !op.all)),
            materialized: cte.materialized,
            references: 0,
            caught: None,
        })
    }

    /// Coerces the step's columns to the base's types; 42804 where the union's type would differ from the base's.
    fn match_step(
        &mut self,
        name: &str,
        columns: &[(String, ColumnId, SqlType)],
        step: Bound,
        q: &ast::Query,
    ) -> Result<Bound> {
        let mut exprs = vec![];
        for (i, ((_, _, ty), (id, _, step_ty))) in columns.iter().zip(&step.output).enumerate() {
            let pos = super::set_operation::target_pos(q, i);
            let l = Typed { expr: Expr::null(*ty), pos };
            let r = Typed { expr: Expr::column(*id, *step_ty), pos };
            let common = self.common_type(&[&l, &r], "UNION")?;
            let typmod_differs = common == ty.oid && ty.typmod >= 0 && step_ty.typmod != ty.typmod;
            if common != ty.oid || typmod_differs {
                let shown = |t: SqlType| self.reader.format_type(t.oid, t.typmod).unwrap_or_default();
                let overall = SqlType::of(common);
                let e = err!(
                    DATATYPE_MISMATCH,
                    "recursive query \"{name}\" column {} has type {} in non-recursive term but type {} overall",
                    i + 1,
                    shown(*ty),
                    shown(overall)
                )
                .hint("Cast the output of the non-recursive term to the correct type.");
                return Err(at(e, pos));
            }
            exprs.push(self.coerce_to_common(r, common, "UNION")?);
        }
        let (plan, ids) = self.project_side(step.plan, exprs);
        let output = ids.into_iter().zip(step.output).map(|(id, (_, n, t))| (id, n, t)).collect();
        Ok(Bound { tree: step.tree, ..Bound::new(plan, output) })
    }
}

/// The CTE's column names: those given, then the query's.
fn column_names(cte: &ast::Cte, output: &[(ColumnId, String, SqlType)]) -> Result<Vec<String>> {
    if cte.columns.len() > output.len() {
        let e = err!(
            INVALID_COLUMN_REFERENCE,
            "WITH query \"{}\" has {} columns available but {} columns specified",
            cte.name,
            output.len(),
            cte.columns.len()
        );
        return Err(at(e, cte.pos));
    }
    let given = cte.columns.iter().map(|n| n.value.clone());
    let rest = output.iter().skip(cte.columns.len()).map(|(_, n, _)| n.clone());
    Ok(given.chain(rest).collect())
}
