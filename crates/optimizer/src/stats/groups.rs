//! How many groups some expressions make (PostgreSQL: `estimate_num_groups`, `estimate_multivariate_ndistinct`).

use super::variable::{Variable, distinct_after};
use crate::exprs::{columns, is_volatile, strip_relabel};
use crate::planner::Planner;
use quarry_plan::{ColumnId, Expr};
use quarry_types::SqlType;

/// Something grouped by, and what is known of it.
type Part = (Expr, Variable);

impl Planner<'_> {
    /// Number of groups that `exprs` make of `rows` rows.
    pub fn group_count(&mut self, exprs: &[&Expr], rows: f64) -> f64 {
        if exprs.is_empty() {
            return 1.0;
        }
        let mut groups = 1.0;
        let mut seen: Vec<Expr> = vec![];
        let mut tables: Vec<(Option<usize>, Vec<Part>)> = vec![];
        for e in exprs {
            if e.ty() == SqlType::BOOL {
                groups *= 2.0;
                continue;
            }
            if columns(e).is_empty() && is_volatile(e) {
                return rows.max(1.0);
            }
            for part in self.grouped_parts(e) {
                if seen.contains(&part) {
                    continue;
                }
                let v = self.variable(&part);
                seen.push(part.clone());
                match tables.iter_mut().find(|t| t.0.is_some() && t.0 == v.scan) {
                    Some(t) => t.1.push((part, v)),
                    None => tables.push((v.scan, vec![(part, v)])),
                }
            }
        }
        for (scan, parts) in tables {
            let mut distinct = self.combined(scan, &parts, 0.1);
            if let Some(i) = scan {
                let (all, kept) = (self.stats.scans[i].rows, self.stats.scans[i].kept);
                distinct = distinct_after(distinct, all, kept);
            }
            groups *= distinct.round_ties_even().max(1.0);
        }
        groups.ceil().min(rows).max(1.0)
    }

    /// Whether how many values an expression has is a mere guess.
    pub fn is_guessed(&mut self, e: &Expr) -> bool {
        let v = self.variable(e);
        self.distinct(&v).1
    }

    /// Distinct combinations of expressions over one table.
    pub(super) fn combinations(&mut self, exprs: &[Expr]) -> f64 {
        let parts: Vec<Part> = exprs.iter().map(|e| (e.clone(), self.variable(e))).collect();
        let scan = parts.first().and_then(|p| p.1.scan);
        self.combined(scan, &parts, 1.0)
    }

    /// The product of the parts' distinct values, but what statistics objects know of them together, and no more than a share of
    /// the table's rows (or the largest part's).
    fn combined(&mut self, scan: Option<usize>, parts: &[Part], share: f64) -> f64 {
        let (mut distinct, mut most, mut count) = (1.0, 0.0f64, 0);
        let mut left: Vec<&Part> = parts.iter().collect();
        if let Some(scan) = scan {
            while left.len() > 1 {
                let exprs: Vec<&Expr> = left.iter().map(|p| &p.0).collect();
                let Some((value, used)) = self.known_combinations(scan, &exprs) else { break };
                distinct *= value;
                most = most.max(value);
                count += 1;
                let mut i = 0;
                left.retain(|_| {
                    i += 1;
                    !used[i - 1]
                });
            }
        }
        for (_, v) in left {
            let (d, _) = self.distinct(v);
            distinct *= d;
            most = most.max(d);
            count += 1;
        }
        let Some(scan) = scan else { return distinct };
        let rows = self.stats.scans[scan].rows;
        if rows <= 0.0 {
            return distinct;
        }
        let bound = if count > 1 { (rows * share).max(most) } else { rows };
        distinct.min(bound.min(rows)).max(1.0)
    }

    /// What a grouping expression is made of: itself where statistics know it, else its columns.
    fn grouped_parts(&mut self, e: &Expr) -> Vec<Expr> {
        let e = strip_relabel(e);
        match e {
            Expr::Column { id, .. } => match self.definitions.get(id).cloned() {
                Some(d) if !matches!(&d, Expr::Column { id: same, .. } if same == id) => {
                    self.grouped_parts(&d)
                }
                _ => vec![e.clone()],
            },
            e if self.variable(e).stats.is_some() => vec![e.clone()],
            e => {
                let ids: Vec<ColumnId> = columns(e);
                ids.into_iter()
                    .flat_map(|id| {
                        let ty = self.meta.get(id).ty;
                        self.grouped_parts(&Expr::column(id, ty))
                    })
                    .collect()
            }
        }
    }
}
