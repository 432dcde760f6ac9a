//! Loose index scans: where only the different values of an index's leading keys are asked for (DISTINCT, GROUP BY without aggregates), the
//! scan goes from each value straight to the next one.
//!
//! Keys before these may have one value each (`WHERE a = 1` with an index of `a, b` and `DISTINCT b`). The keys are skipped over as in any
//! skip scan, and of the entries behind each combination of their values only the first whose row is
//! seen is given ([`PhysicalNode::IndexScan`]'s `first_only`). Conditions must be the index's own, as one that is tested later could
//! throw away the row that was to stand for the others.

use super::TableScan;
use super::index::{IndexMatch, index_order, pins};
use crate::cost::{self, measured};
use crate::orders::OrderKey;
use crate::planner::{Candidate, Planner, Want};
use crate::stats::RelationSize;
use quarry_plan::physical::{IndexCond, IndexTest};
use quarry_plan::{Expr, PhysicalNode, ScanColumn, SortKey};

impl Planner<'_> {
    /// The scan that gives one row for each combination of the wanted values, if the index's first keys are these.
    pub(super) fn loose_candidates(
        &mut self,
        scan: &TableScan,
        m: &IndexMatch,
        clauses: &[Expr],
        size: RelationSize,
        want: &Want,
        out: &mut Vec<Candidate>,
    ) {
        let one_value = |k: &usize| m.conds.iter().any(|c| c.key == *k && matches!(c.test, IndexTest::Eq(_)));
        let fixed = (0..m.keys.len()).take_while(one_value).count();
        let Some(count) = self.leading_keys(m, fixed, &want.distinct) else { return };
        let keys = fixed..fixed + count;
        let covered = |i: usize| m.used.contains(&i) || m.implied.contains(&i);
        let bounded = m
            .conds
            .iter()
            .any(|c| keys.contains(&c.key) && (pins(&c.test) || matches!(c.test, IndexTest::Row(..))));
        if bounded
            || !(0..clauses.len()).all(covered)
            || scan.columns.iter().any(|(_, c)| !matches!(c, ScanColumn::Attribute(_)))
        {
            return;
        }
        let mut m = m.clone();
        for key in keys.clone().rev() {
            m.conds.insert(0, IndexCond { key, test: IndexTest::Skip, source: Expr::bool_const(true) });
            m.behind.insert(0, usize::MAX);
        }
        let matching = cost::clamp_rows(size.rows * self.selectivity(clauses));
        let groups = self.key_groups(&m, keys, size, matching);
        let columns = self.covered_columns(scan, &m, clauses, size);
        let index_only = columns.is_some();
        let (pages, tuples) = self.index_size(&m.index, size);
        let switches = self.scan_switches(scan);
        let s = &self.env.settings;
        // Each value is looked up, and then its first entry.
        let lookups = 2.0 * groups;
        let descent = tuples.max(2.0).log2().ceil() * s.cpu_operator_cost + 100.0 * s.cpu_operator_cost;
        let of_index = cost::Pages::of(size.pages, pages, s).random(lookups.min(pages.max(1.0)), lookups);
        let visited = if index_only { (groups * (1.0 - size.all_visible)).ceil() } else { groups };
        let of_rows = cost::Pages::of(size.pages, pages, s).random(visited.min(size.pages.max(1.0)), visited);
        let per_row = match index_only {
            true => s.cpu_tuple_cost,
            false => measured::INDEXED_ROW * s.cpu_tuple_cost,
        } + self.entry_cost(1.0, 0.0, size);
        let mut startup = descent;
        let mut total = of_index + of_rows + lookups * descent + groups * per_row;
        if !switches.index {
            startup += cost::DISABLED;
            total += cost::DISABLED;
        }
        let order = index_order(&m);
        let back: Vec<SortKey> = order
            .iter()
            .map(|k| SortKey { expr: k.expr.clone(), descending: !k.descending, nulls_first: !k.nulls_first })
            .collect();
        for (backward, mut order) in [(false, order), (true, back)] {
            order.truncate(count);
            if backward && !want.orders.iter().any(|w| self.common_order(&order, w) > 0) {
                continue;
            }
            let node = PhysicalNode::IndexScan {
                relation: scan.relation.clone(),
                alias: scan.alias.clone(),
                index: m.index.clone(),
                columns: columns.clone().unwrap_or_else(|| scan.columns.clone()),
                conds: m.conds.clone(),
                backward,
                index_only,
                first_only: true,
            };
            out.push(Candidate { plan: self.make(node, groups, startup, total), order });
        }
    }

    /// How many of the index's keys from `first` on are just the wanted expressions.
    fn leading_keys(&self, m: &IndexMatch, first: usize, wanted: &[Expr]) -> Option<usize> {
        let wanted: Vec<OrderKey> =
            wanted.iter().map(|e| self.order_key(e)).filter(|k| *k != OrderKey::Constant).collect();
        let mut found = vec![false; wanted.len()];
        let mut keys = 0;
        while found.contains(&false) {
            let key = self.order_key(m.keys.get(first + keys)?.as_ref()?);
            let mut any = false;
            wanted.iter().zip(&mut found).filter(|(w, _)| **w == key).for_each(|(_, f)| {
                any = true;
                *f = true;
            });
            if !any {
                return None;
            }
            keys += 1;
        }
        (keys > 0).then_some(keys)
    }
}
