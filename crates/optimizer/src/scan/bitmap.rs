//! Bitmap heap scans: one index, several ANDed, or the branches of an OR (PostgreSQL: `choose_bitmap_and`,
//! `generate_bitmap_or_paths`, `cost_bitmap_heap_scan`).

use super::{TableScan, order_quals};
use crate::cost::{self, ExprCost, measured};
use crate::planner::{Candidate, Planner};
use crate::stats::RelationSize;
use quarry_common::Result;
use quarry_plan::physical::BitmapSource;
use quarry_plan::{Expr, PhysicalNode, PhysicalPlan};

/// Sources looked at for combinations.
const PARTS_MAX: usize = 100;

/// Bytes that a page of a bitmap takes in memory (PostgreSQL: a page table entry and what the hash table adds).
const PAGE_BYTES: f64 = 64.0;

/// A source of a bitmap under consideration.
#[derive(Clone)]
pub(crate) struct BitmapPart {
    pub source: BitmapSource,
    /// Of making the bitmap.
    pub total_cost: f64,
    /// Share of the table's rows in it.
    pub selectivity: f64,
    /// How far its rows lie together, on as few pages as they fill: from 0 (anywhere) to 1.
    pub clustered: f64,
    /// Clauses that hold for every row in it (on pages that aren't lossy).
    pub used: Vec<usize>,
    /// Clauses that it has conditions from, these and others.
    pub touched: Vec<usize>,
    /// Clauses that the predicate of a partial index makes superfluous.
    pub implied: Vec<usize>,
    /// What to test on lossy pages.
    pub recheck: Vec<Expr>,
}

/// What a heap scan by a bitmap costs, and the rows it gives.
#[derive(Clone, Copy)]
struct HeapCost {
    rows: f64,
    startup: f64,
    total: f64,
}

impl BitmapPart {
    /// Whether a clause holds for every row in it.
    fn covers(&self, clause: usize) -> bool {
        self.used.contains(&clause) || self.implied.contains(&clause)
    }

    /// Both bitmaps' rows.
    fn and(&self, other: &BitmapPart, operator_cost: f64) -> BitmapPart {
        let parts = |p: &BitmapPart| match &p.source {
            BitmapSource::And(parts) => parts.clone(),
            other => vec![other.clone()],
        };
        let mut recheck = self.recheck.clone();
        recheck.extend(other.recheck.iter().filter(|e| !self.recheck.contains(e)).cloned());
        BitmapPart {
            source: BitmapSource::And([parts(self), parts(other)].concat()),
            total_cost: self.total_cost + other.total_cost + 100.0 * operator_cost,
            selectivity: self.selectivity * other.selectivity,
            clustered: 0.0,
            used: [self.used.as_slice(), &other.used].concat(),
            touched: [self.touched.as_slice(), &other.touched].concat(),
            implied: [self.implied.as_slice(), &other.implied].concat(),
            recheck,
        }
    }

    /// Whether both make use of a clause: together they would only do the same work twice.
    fn overlaps(&self, other: &BitmapPart) -> bool {
        let mine = || self.used.iter().chain(&self.touched).chain(&self.implied);
        mine().any(|u| other.touched.contains(u) || other.covers(*u))
            || other.recheck.iter().any(|e| self.recheck.contains(e))
    }
}

/// Whether rows must be tested again because the index answers only roughly.
fn unsure(source: &BitmapSource) -> bool {
    match source {
        BitmapSource::Index { index, .. } => index.method != "btree",
        BitmapSource::And(parts) | BitmapSource::Or(parts) => parts.iter().any(unsure),
    }
}

/// Whether a condition is a boolean column, or its opposite.
fn is_flag(e: &Expr) -> bool {
    match e {
        Expr::Column { ty, .. } => ty.oid == quarry_types::oids::BOOL,
        Expr::Not(arg) | Expr::IsBool { arg, .. } => matches!(**arg, Expr::Column { .. }),
        _ => false,
    }
}

/// The same for a condition or a branch of an OR.
fn has_flag(e: &Expr) -> bool {
    match e {
        Expr::Or(parts) | Expr::And(parts) => parts.iter().any(has_flag),
        e => is_flag(e),
    }
}

impl Planner<'_> {
    /// Heap scans by these sources: each alone, and the best combination.
    pub(super) fn bitmap_candidates(
        &mut self,
        scan: &TableScan,
        clauses: &[Expr],
        parts: Vec<BitmapPart>,
        size: RelationSize,
        (rows, loops): (f64, f64),
        out: &mut Vec<Candidate>,
    ) {
        let costs: Vec<HeapCost> =
            parts.iter().map(|part| self.heap_cost(scan, clauses, part, size, (rows, loops))).collect();
        for (i, (part, cost)) in parts.iter().zip(&costs).enumerate() {
            // None of them gives an order.
            let beaten = |(j, other): (usize, &HeapCost)| {
                other.startup <= cost.startup
                    && (other.total < cost.total || other.total == cost.total && j < i)
            };
            // Scans found before come first if they are as good.
            let known = out.iter().any(|c| {
                c.plan.startup_cost <= cost.startup
                    && c.plan.total_cost <= cost.total
                    && c.plan.rows <= cost.rows
            });
            if !known && !costs.iter().enumerate().any(beaten) {
                let plan = self.bitmap_heap(scan, clauses, part, *cost);
                out.push(Candidate { plan, order: vec![] });
            }
        }
        if let Some((part, cost)) = self.best_combination(scan, clauses, parts, size, (rows, loops)) {
            let plan = self.bitmap_heap(scan, clauses, &part, cost);
            out.push(Candidate { plan, order: vec![] });
        }
    }

    /// The best scan by several sources ANDed. `rows_loops`: the rows it gives, and how often it is run.
    fn best_combination(
        &mut self,
        scan: &TableScan,
        clauses: &[Expr],
        mut parts: Vec<BitmapPart>,
        size: RelationSize,
        rows_loops: (f64, f64),
    ) -> Option<(BitmapPart, HeapCost)> {
        if parts.len() < 2 {
            return None;
        }
        parts.sort_by(|a, b| {
            a.total_cost.total_cmp(&b.total_cost).then(a.selectivity.total_cmp(&b.selectivity))
        });
        parts.truncate(PARTS_MAX);
        let operator_cost = self.env.settings.cpu_operator_cost;
        let mut best: Option<(BitmapPart, HeapCost)> = None;
        for (i, first) in parts.iter().enumerate() {
            let mut together: Option<(BitmapPart, HeapCost)> = None;
            let mut least = None;
            for other in &parts[i + 1..] {
                let so_far = together.as_ref().map_or(first, |(part, _)| part);
                if so_far.overlaps(other) {
                    continue;
                }
                let cost_of = |part: &BitmapPart| self.heap_cost(scan, clauses, part, size, rows_loops);
                let total = *least.get_or_insert_with(|| cost_of(so_far).total);
                let more = so_far.and(other, operator_cost);
                let cost = cost_of(&more);
                if cost.total < total {
                    least = Some(cost.total);
                    together = Some((more, cost));
                }
            }
            if let Some((_, cost)) = &together
                && best.as_ref().is_none_or(|(_, b)| cost.total < b.total)
            {
                best = together;
            }
        }
        best
    }

    /// What a scan of the table by one source costs.
    fn heap_cost(
        &self,
        scan: &TableScan,
        clauses: &[Expr],
        part: &BitmapPart,
        size: RelationSize,
        (rows, loops): (f64, f64),
    ) -> HeapCost {
        let enabled = self.scan_switches(scan).bitmap;
        let s = &self.env.settings;
        let mut tuples = cost::clamp_rows(part.selectivity * size.rows);
        let t = size.pages.max(1.0);
        let together = (part.selectivity * t).ceil();
        let clustered = part.clustered * measured::largeness(size.pages);
        let touched = |tuples: f64| {
            let apart = (2.0 * t * tuples / (2.0 * t + tuples)).min(t).ceil();
            measured::between(apart, together.min(apart), clustered)
        };
        let fetched = match loops > 1.0 {
            true => {
                (cost::index_pages_fetched(tuples * loops, size.pages, 0.0, size.pages, s) / loops).min(t)
            }
            false => touched(tuples),
        };
        // A bitmap that does not fit forgets which rows of a page it means: then all of the page's rows are looked at.
        let fit = (s.work_mem * 1024.0 / PAGE_BYTES).max(1.0);
        let visited = touched(tuples);
        let lossy = fit < visited;
        if lossy {
            let lossy = (visited - fit / 2.0).max(0.0);
            let exact = visited - lossy;
            if lossy > 0.0 {
                let share = exact / visited;
                tuples = cost::clamp_rows(tuples * share + (lossy / t) * size.rows);
            }
        }
        // Each execution goes to all its pages, however many of them others have read before.
        let prices = cost::Pages::of(size.pages, 0.0, s);
        let of_pages = match loops > 1.0 {
            true => {
                let share = measured::between(fetched / t, visited / t, measured::largeness(size.pages));
                prices.in_order_again(fetched * loops, visited * loops, share) / loops
            }
            false => prices.in_order(fetched, fetched / t),
        };
        // Where the index can't be sure, or the bitmap has forgotten, all conditions are tested.
        let all = cost::exprs(clauses, s);
        let c = match lossy || unsure(&part.source) {
            true => all,
            false => {
                let open = clauses.iter().enumerate().filter(|(i, _)| !part.covers(*i)).map(|(_, c)| c);
                let rest = cost::exprs(open, s);
                let large = measured::largeness(size.pages);
                ExprCost {
                    startup: all.startup,
                    per_row: measured::between(all.per_row, rest.per_row, large),
                }
            }
        };
        let begun = measured::BITMAP * s.cpu_tuple_cost * measured::largeness(size.pages);
        let mut startup = part.total_cost + c.startup + begun;
        if !enabled {
            startup += cost::DISABLED;
        }
        // Few rows of a page are apart in memory, all of them are read one after the other.
        let of_page = (tuples / visited.max(1.0)) / (size.rows / size.pages.max(1.0)).max(1.0);
        let ours = measured::between(measured::BITMAP_HEAP_ROW, 1.0, of_page.clamp(0.0, 1.0));
        let row = measured::between(1.0, ours, measured::largeness(size.pages));
        let per_row = row * s.cpu_tuple_cost + self.reading_cost(scan, size);
        let total = startup + of_pages + (per_row + c.per_row) * tuples;
        HeapCost { rows, startup, total }
    }

    /// The scan of the table by one source.
    fn bitmap_heap(
        &self,
        scan: &TableScan,
        clauses: &[Expr],
        part: &BitmapPart,
        cost: HeapCost,
    ) -> PhysicalPlan {
        // A boolean column by itself is not the comparison that the index does: PostgreSQL tests it of every row.
        let open = clauses
            .iter()
            .enumerate()
            .filter(|(i, c)| !part.covers(*i) || part.used.contains(i) && has_flag(c));
        let filter: Vec<Expr> = open.map(|(_, c)| c.clone()).collect();
        let recheck = part.recheck.iter().filter(|e| !is_flag(e)).cloned().collect();
        let node = PhysicalNode::BitmapHeapScan {
            relation: scan.relation.clone(),
            alias: scan.alias.clone(),
            columns: scan.columns.clone(),
            bitmap: part.source.clone(),
            recheck,
        };
        let mut plan = self.make(node, cost.rows, cost.startup, cost.total);
        plan.filter = order_quals(filter, &self.env.settings);
        plan
    }

    /// `a = 1 OR b = 2` by a bitmap for each branch, if there is an index for each.
    pub(super) fn bitmap_or_parts(
        &mut self,
        scan: &TableScan,
        clauses: &[Expr],
        size: RelationSize,
        out: &mut Vec<BitmapPart>,
    ) -> Result<()> {
        for (at, clause) in clauses.iter().enumerate() {
            let Expr::Or(branches) = clause else { continue };
            if super::clauses::is_row_comparison(clause) {
                continue;
            }
            let mut sources = vec![];
            let mut rechecks = vec![];
            let mut exact = true;
            let (mut total, mut selectivity) = (0.0, 0.0);
            for branch in branches {
                let parts = branch.clone().into_conjuncts();
                let Some(best) = self.branch_part(scan, clauses, at, &parts, size)? else {
                    sources.clear();
                    break;
                };
                exact &= (0..parts.len()).all(|i| best.used.contains(&i) || best.implied.contains(&i));
                total += best.total_cost;
                selectivity += best.selectivity;
                let mut recheck = best.recheck;
                rechecks.push(if recheck.len() == 1 { recheck.remove(0) } else { Expr::And(recheck) });
                sources.push(best.source);
            }
            if sources.is_empty() {
                continue;
            }
            out.push(BitmapPart {
                source: BitmapSource::Or(sources),
                total_cost: total,
                selectivity: selectivity.min(1.0),
                clustered: 0.0,
                used: if exact { vec![at] } else { vec![] },
                touched: vec![at],
                implied: vec![],
                recheck: vec![Expr::Or(rechecks)],
            });
        }
        Ok(())
    }

    /// The cheapest source for one branch of an OR, several ANDed if that is better. The other conditions of the table may help it along.
    fn branch_part(
        &mut self,
        scan: &TableScan,
        clauses: &[Expr],
        or: usize,
        branch: &[Expr],
        size: RelationSize,
    ) -> Result<Option<BitmapPart>> {
        let mut all = branch.to_vec();
        all.extend(clauses.iter().enumerate().filter(|(i, _)| *i != or).map(|(_, c)| c.clone()));
        let mut parts: Vec<BitmapPart> = vec![];
        let relation = scan.relation.clone();
        for index in &relation.indexes {
            if !self.env.catalog.may_use_index(index) || !self.hint_allows_index(scan, index) {
                continue;
            }
            let Some(bound) = self.bound_keys(scan, index)? else { continue };
            if !self.clauses_imply(&all, &bound.predicate) {
                continue;
            }
            let implied = self.implied_by(&bound.predicate, branch);
            let mut m = self.match_index(scan, index, bound.keys, &all, vec![]);
            m.predicate = bound.predicate;
            // The branch must have a part in it, or every other index would serve as well.
            if m.touched.iter().all(|i| *i >= branch.len()) && implied.is_empty() {
                continue;
            }
            if m.conds.is_empty() && self.needs_condition(index) {
                continue;
            }
            m.implied = implied;
            let cost = self.index_cost(&m, size, 1.0);
            parts.push(self.index_bitmap((&m, cost), &all, true, size));
        }
        let least = |a: &&BitmapPart, b: &&BitmapPart| a.total_cost.total_cmp(&b.total_cost);
        let Some(single) = parts.iter().min_by(least).cloned() else { return Ok(None) };
        if parts.len() == 1 {
            return Ok(Some(single));
        }
        let alone = self.heap_cost(scan, &all, &single, size, (1.0, 1.0)).total;
        Ok(match self.best_combination(scan, &all, parts, size, (1.0, 1.0)) {
            Some((combined, cost)) if cost.total < alone => Some(combined),
            _ => Some(single),
        })
    }
}
