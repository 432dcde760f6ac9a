//! WITH clauses (PostgreSQL: parse_cte.c).

use super::coerce::at;
use super::{Binder, Bound, Typed, VisibleCte};
use crate::ast::{self, Pos, QueryBody, Statement};
use quarry_common::{Error, Result, err};
use quarry_plan::{ColumnId, Cte, Expr, LogicalPlan};
use quarry_types::SqlType;

impl Binder<'_> {
    /// Binds a WITH clause; its CTEs stay visible until the caller takes them out of `self.ctes`.
    pub(super) fn with_clause(&mut self, with: &ast::With) -> Result<Vec<Cte>> {
        let mut out = vec![];
        for (i, cte) in with.ctes.iter().enumerate() {
            if with.ctes[..i].iter().any(|c| c.name == cte.name) {
                let e = err!(DUPLICATE_ALIAS, "WITH query name \"{}\" specified more than once", cte.name);
                return Err(at(e, cte.pos));
            }
            if cte.search.is_some() {
                return Err(at(Error::unsupported("SEARCH in WITH RECURSIVE"), cte.pos));
            }
            if cte.cycle.is_some() {
                return Err(at(Error::unsupported("CYCLE in WITH RECURSIVE"), cte.pos));
            }
            let bound = match &*cte.statement {
                Statement::Select(q) if with.recursive && refers_to(q, &cte.name) => {
                    self.recursive_cte(cte, q)?
                }
                _ => self.plain_cte(cte)?,
            };
            out.push(bound);
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
        // The statement is on a level of its own: it sees outer levels, as a subquery does.
        let visible = self.ctes.len();
        let bound = self.statement(&cte.statement);
        self.ctes.truncate(visible);
        let bound = bound?;
        let id = self.new_cte_id();
        let names = column_names(cte, &bound.output)?;
        let has_rows = !bound.output.is_empty() || matches!(*cte.statement, Statement::Select(_));
        let columns: Vec<(String, ColumnId, SqlType)> =
            names.into_iter().zip(&bound.output).map(|(n, (id, _, ty))| (n, *id, *ty)).collect();
        let output = columns.iter().map(|(_, id, _)| *id).collect();
        self.ctes.push(VisibleCte { name: cte.name.clone(), id, columns, has_rows });
        Ok(Cte {
            id,
            name: cte.name.clone(),
            plan: bound.plan,
            output,
            recursive: None,
            materialized: cte.materialized,
            references: 0,
        })
    }

    /// `base UNION [ALL] step`, the step referring to the CTE itself.
    fn recursive_cte(&mut self, cte: &ast::Cte, q: &ast::Query) -> Result<Cte> {
        let visible = self.ctes.len();
        let inner = match &q.with {
            Some(with) => self.with_clause(with)?,
            None => vec![],
        };
        let QueryBody::SetOperation(op) = &q.body else {
            return Err(bad_form(&cte.name, cte.pos));
        };
        if op.op != ast::SetOp::Union {
            return Err(bad_form(&cte.name, cte.pos));
        }
        if refers_to(&op.left, &cte.name) {
            let e = err!(
                INVALID_RECURSION,
                "recursive reference to query \"{}\" must not appear within its non-recursive term",
                cte.name
            );
            return Err(at(e, reference_pos(&op.left, &cte.name).unwrap_or(cte.pos)));
        }
        if let Some(s) = q.order_by.first() {
            return Err(at(
                err!(FEATURE_NOT_SUPPORTED, "ORDER BY in a recursive query is not implemented"),
                s.expr.location(),
            ));
        }
        if let Some(o) = &q.offset {
            return Err(at(
                err!(FEATURE_NOT_SUPPORTED, "OFFSET in a recursive query is not implemented"),
                o.location(),
            ));
        }
        if let Some(l) = &q.limit {
            return Err(at(
                err!(FEATURE_NOT_SUPPORTED, "LIMIT in a recursive query is not implemented"),
                l.location(),
            ));
        }
        let base = self.query(&op.left, None)?;
        let id = self.new_cte_id();
        let names = column_names(cte, &base.output)?;
        // Ids of the CTE's own, as base and step each have theirs.
        let columns: Vec<(String, ColumnId, SqlType)> = names
            .iter()
            .zip(&base.output)
            .map(|(n, (_, _, ty))| (n.clone(), self.meta.computed(n.clone(), *ty), *ty))
            .collect();
        let base_targets: Vec<(ColumnId, Expr)> = columns
            .iter()
            .zip(&base.output)
            .map(|((_, own, _), (id, _, ty))| (*own, Expr::column(*id, *ty)))
            .collect();
        let base_plan = LogicalPlan::Project { input: Box::new(base.plan), targets: base_targets };
        self.ctes.push(VisibleCte { name: cte.name.clone(), id, columns: columns.clone(), has_rows: true });
        let step = self.query(&op.right, None)?;
        if step.output.len() != columns.len() {
            let e = err!(SYNTAX_ERROR, "each UNION query must have the same number of columns");
            return Err(at(e, op.right.pos));
        }
        let step = self.match_step(&cte.name, &columns, step, &op.right)?;
        self.ctes.truncate(visible);
        self.cte_references[id.0 as usize] = 0;
        self.ctes.push(VisibleCte { name: cte.name.clone(), id, columns: columns.clone(), has_rows: true });
        let base_plan = self.wrap_ctes(inner, base_plan);
        let output: Vec<ColumnId> = columns.iter().map(|(_, id, _)| *id).collect();
        Ok(Cte {
            id,
            name: cte.name.clone(),
            plan: base_plan,
            output,
            recursive: Some((step.plan, step.output.iter().map(|(id, _, _)| *id).collect(), !op.all)),
            materialized: cte.materialized,
            references: 0,
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
            let l = Typed { expr: Expr::null(*ty), pos: q.pos };
            let r = Typed { expr: Expr::column(*id, *step_ty), pos: q.pos };
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
                return Err(e);
            }
            exprs.push(self.coerce_to_common(r, common, "UNION")?);
        }
        let (plan, ids) = self.project_side(step.plan, exprs);
        let output = ids.into_iter().zip(step.output).map(|(id, (_, n, t))| (id, n, t)).collect();
        Ok(Bound { plan, output })
    }
}

fn bad_form(name: &str, pos: Pos) -> Error {
    let e = err!(
        INVALID_RECURSION,
        "recursive query \"{name}\" does not have the form non-recursive-term UNION [ALL] recursive-term"
    );
    at(e, pos)
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

/// Whether a query mentions a table of that name anywhere.
fn refers_to(q: &ast::Query, name: &str) -> bool {
    reference_pos(q, name).is_some()
}

fn reference_pos(q: &ast::Query, name: &str) -> Option<Pos> {
    let mut found = None;
    super::references::walk_range_vars(q, &mut |r| {
        if r.schema.is_none() && r.name == name && found.is_none() {
            found = Some(r.pos);
        }
    });
    found
}
