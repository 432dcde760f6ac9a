//! Expressions that the catalog stores (keys and predicates of indexes, statistics on expressions), over the columns of a scan. A plan asks
//! for the same ones several times: for paths, for estimates; each is bound once.

use crate::planner::Planner;
use quarry_catalog::Relation;
use quarry_plan::{ColumnId, Expr, ScanColumn};
use quarry_types::SqlType;

/// An expression that was asked for, and what came of it.
struct Bound {
    sql: String,
    row: Vec<(ColumnId, ScanColumn)>,
    ty: Option<SqlType>,
    expr: Option<Expr>,
}

/// What one planning has bound.
#[derive(Default)]
pub struct StoredExprs {
    bound: Vec<Bound>,
}

impl Planner<'_> {
    /// A stored expression over a row of the relation; none if it reads a column that isn't in it.
    pub(crate) fn stored_expr(
        &mut self,
        sql: &str,
        relation: &Relation,
        row: Vec<(ColumnId, ScanColumn)>,
        ty: Option<SqlType>,
    ) -> Option<Expr> {
        // Columns belong to one scan, and so to one relation; without any, there is no telling.
        let known = self.stored.bound.iter().find(|b| b.ty == ty && b.row == row && b.sql == sql);
        if let Some(b) = known.filter(|b| !b.row.is_empty()) {
            return b.expr.clone();
        }
        let mut expr = (self.env.bind_stored)(self.env.catalog, sql, relation, &row, ty, &mut self.meta).ok();
        // As it stands in the statement.
        expr.iter_mut().for_each(quarry_plan::inline::expand_all);
        self.stored.bound.push(Bound { sql: sql.to_owned(), row, ty, expr: expr.clone() });
        expr
    }
}
