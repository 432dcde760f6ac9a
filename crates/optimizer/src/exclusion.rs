//! Tables that needn't be read because the conditions on them let no row through.

use crate::planner::Planner;
use crate::rules::{Rule, detect_contradictions};
use crate::scan::TableScan;
use quarry_catalog::ConstraintKind;
use quarry_plan::{Expr, ScanColumn};

impl Planner<'_> {
    /// Whether no row of the table passes its conditions.
    pub fn scan_is_empty(&mut self, scan: &TableScan) -> bool {
        if scan.filter.is_empty() {
            return false;
        }
        let folder = self.env.folder;
        if self.rules.run(Rule::DetectContradictions, || detect_contradictions::exclude(&scan.filter, folder))
        {
            return true;
        }
        if !self.env.settings.exclude_by_constraints {
            return false;
        }
        let checks = self.checks(scan);
        self.rules.run(Rule::ExcludeByChecks, || {
            detect_contradictions::exclude_by_checks(&scan.filter, &checks, folder)
        })
    }

    /// The table's CHECK constraints that hold for all its rows, over the scan's columns.
    fn checks(&mut self, scan: &TableScan) -> Vec<Expr> {
        let relation = &scan.relation;
        let mut row = scan.columns.clone();
        for (n, column) in relation.columns.iter().enumerate() {
            let at = ScanColumn::Attribute(n);
            if !column.dropped && !row.iter().any(|(_, have)| *have == at) {
                row.push((self.meta.computed(column.name.clone(), column.ty), at));
            }
        }
        let mut out = vec![];
        for constraint in relation.constraints.iter().filter(|c| c.validated) {
            if let ConstraintKind::Check { expr_sql } = &constraint.kind
                && let Ok(mut check) =
                    (self.env.bind_stored)(self.env.catalog, expr_sql, relation, &row, None, &mut self.meta)
            {
                crate::rules::fold_constants::fold(&mut check, self.env.folder);
                out.extend(check.into_conjuncts());
            }
        }
        out
    }
}
