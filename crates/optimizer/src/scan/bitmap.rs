//! Bitmap heap scans: one index, several ANDed, or the branches of an OR (PostgreSQL: `choose_bitmap_and`, `cost_bitmap_heap_scan`).

use super::index::IndexMatch;
use super::{TableScan, order_quals};
use crate::cost;
use crate::planner::{Candidate, Planner};
use crate::stats::RelationSize;
use quarry_common::Result;
use quarry_plan::physical::BitmapSource;
use quarry_plan::{Expr, PhysicalNode, PhysicalPlan};

impl Planner<'_> {
    pub(super) fn bitmap_candidates(
        &mut self,
        scan: &TableScan,
        clauses: &[Expr],
        bitmaps: Vec<(IndexMatch, f64, f64)>,
        size: RelationSize,
        rows: f64,
        out: &mut Vec<Candidate>,
    ) {
        let mut single: Vec<(BitmapSource, f64, f64, Vec<usize>)> = vec![];
        for (m, total, tuples) in bitmaps {
            let total = total + 0.1 * self.env.settings.cpu_operator_cost * tuples;
            let mut used = m.used.clone();
            used.extend(&m.implied);
            let source = BitmapSource::Index {
                index: m.index,
                conds: m.conds,
                rows: tuples,
                total_cost: total,
                id: 0,
            };
            let selectivity = tuples / size.rows.max(1.0);
            single.push((source, total, selectivity, used));
        }
        let plain = clauses.len() == scan.filter.len();
        for (source, total, selectivity, used) in &single {
            let plan = self.bitmap_heap(
                scan,
                clauses,
                source.clone(),
                *total,
                *selectivity,
                used,
                size,
                rows,
                plain,
            );
            out.push(Candidate { plan, order: vec![] });
        }
        // The two most selective indexes over different conditions together.
        single.sort_by(|a, b| a.2.total_cmp(&b.2));
        for i in 1..single.len() {
            if single[i].3.iter().any(|u| single[0].3.contains(u)) || single[i].3.is_empty() {
                continue;
            }
            let (a, b) = (&single[0], &single[i]);
            let used: Vec<usize> = a.3.iter().chain(&b.3).copied().collect();
            let source = BitmapSource::And(vec![a.0.clone(), b.0.clone()]);
            let plan =
                self.bitmap_heap(scan, clauses, source, a.1 + b.1, a.2 * b.2, &used, size, rows, plain);
            out.push(Candidate { plan, order: vec![] });
            break;
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn bitmap_heap(
        &mut self,
        scan: &TableScan,
        clauses: &[Expr],
        source: BitmapSource,
        index_total: f64,
        selectivity: f64,
        used: &[usize],
        size: RelationSize,
        rows: f64,
        plain: bool,
    ) -> PhysicalPlan {
        let out_rows = if plain { rows } else { cost::clamp_rows(self.selectivity(clauses) * size.rows) };
        let s = &self.env.settings;
        let tuples = cost::clamp_rows(selectivity * size.rows);
        let t = size.pages.max(1.0);
        let fetched = (2.0 * t * tuples / (2.0 * t + tuples)).min(t).ceil();
        let per_page = if fetched >= 2.0 {
            s.random_page_cost - (s.random_page_cost - s.seq_page_cost) * (fetched / t).sqrt()
        } else {
            s.random_page_cost
        };
        let filter: Vec<Expr> =
            clauses.iter().enumerate().filter(|(i, _)| !used.contains(i)).map(|(_, c)| c.clone()).collect();
        // In the order of the index's keys.
        let recheck = used.iter().map(|i| clauses[*i].clone()).collect();
        let c = cost::exprs(clauses, s);
        let mut startup = index_total + c.startup;
        if !s.enable_bitmapscan {
            startup += cost::DISABLED;
        }
        let total = startup + fetched * per_page + (s.cpu_tuple_cost + c.per_row) * tuples;
        let node = PhysicalNode::BitmapHeapScan {
            relation: scan.relation.clone(),
            alias: scan.alias.clone(),
            columns: scan.columns.clone(),
            bitmap: source,
            recheck,
        };
        let mut plan = self.make(node, out_rows, startup, total);
        plan.filter = order_quals(filter, s);
        plan
    }

    /// `a = 1 OR b = 2` by a bitmap per branch.
    pub(super) fn bitmap_or_candidates(
        &mut self,
        scan: &TableScan,
        size: RelationSize,
        rows: f64,
        out: &mut Vec<Candidate>,
    ) -> Result<()> {
        for (at, clause) in scan.filter.iter().enumerate() {
            let Expr::Or(branches) = clause else { continue };
            let mut sources = vec![];
            let (mut total, mut selectivity) = (0.0, 0.0);
            for branch in branches {
                let parts = branch.clone().into_conjuncts();
                let mut best: Option<(BitmapSource, f64, f64)> = None;
                for index in &scan.relation.indexes {
                    let usable = self.env.catalog.may_use_index(index);
                    if !usable || index.method != "btree" || index.predicate_sql.is_some() {
                        continue;
                    }
                    let Some(bound) = self.bound_keys(scan, index)? else { continue };
                    let m = self.match_index(scan, index, bound.keys, &parts, vec![]);
                    if m.conds.is_empty() {
                        continue;
                    }
                    let (_, itotal, sel, _, _) = self.index_cost(&m, size, 1.0);
                    let tuples = cost::clamp_rows(sel * size.rows);
                    let itotal = itotal + 0.1 * self.env.settings.cpu_operator_cost * tuples;
                    if best.as_ref().is_none_or(|(_, c, _)| itotal < *c) {
                        let source = BitmapSource::Index {
                            index: m.index,
                            conds: m.conds,
                            rows: tuples,
                            total_cost: itotal,
                            id: 0,
                        };
                        best = Some((source, itotal, sel));
                    }
                }
                let Some((source, c, sel)) = best else {
                    sources.clear();
                    break;
                };
                total += c;
                selectivity += sel - selectivity * sel;
                sources.push(source);
            }
            if sources.is_empty() {
                continue;
            }
            let plan = self.bitmap_heap(
                scan,
                &scan.filter.clone(),
                BitmapSource::Or(sources),
                total,
                selectivity,
                &[at],
                size,
                rows,
                true,
            );
            out.push(Candidate { plan, order: vec![] });
        }
        Ok(())
    }
}
