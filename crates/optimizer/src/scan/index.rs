//! Index scans: which indexes fit, what they cost, and the order of their rows (PostgreSQL: indxpath.c, `cost_index`,
//! `genericcostestimate`, `btcostestimate`).

use super::{TableScan, order_quals};
use crate::cost;
use crate::exprs::{binary, strip_relabel};
use crate::planner::{Candidate, Planner, Want};
use crate::stats::RelationSize;
use quarry_catalog::IndexDef;
use quarry_common::Result;
use quarry_plan::physical::{IndexCond, IndexTest};
use quarry_plan::{ColumnId, Expr, PhysicalNode, PhysicalPlan, ScanColumn, SortKey};
use quarry_types::SqlType;
use std::sync::Arc;

/// An index's keys and predicate as expressions over the scan's columns.
pub(super) struct BoundKeys {
    pub keys: Vec<Option<Expr>>,
    pub predicate: Vec<Expr>,
}

/// An index scan under consideration.
pub(super) struct IndexMatch {
    pub index: Arc<IndexDef>,
    pub conds: Vec<IndexCond>,
    /// Positions in the list of clauses that the index takes care of entirely.
    pub used: Vec<usize>,
    /// Conditions the predicate of a partial index implies.
    pub implied: Vec<usize>,
    pub keys: Vec<Option<Expr>>,
}

impl IndexMatch {
    /// The conditions that bound the walk: those up to the first key without equality. The others are tested entry by entry.
    fn bounding(&self) -> &[IndexCond] {
        let mut open_key = 0;
        for c in &self.conds {
            if c.key == open_key && matches!(c.test, IndexTest::Eq(_) | IndexTest::In(_) | IndexTest::IsNull)
            {
                open_key += 1;
            }
        }
        let n = self.conds.iter().take_while(|c| c.key <= open_key).count();
        &self.conds[..n]
    }
}

impl Planner<'_> {
    /// Index paths; with `extra` (join conditions over other tables' columns) parameterised ones that use at least one of them.
    pub(crate) fn index_candidates(
        &mut self,
        scan: &TableScan,
        extra: &[Expr],
        rows: f64,
        loops: f64,
        want: &Want,
        out: &mut Vec<Candidate>,
    ) -> Result<()> {
        let relation = scan.relation.clone();
        if relation.indexes.is_empty() {
            return Ok(());
        }
        let size = self.relation_size(&relation);
        let clauses: Vec<Expr> = scan.filter.iter().chain(extra).cloned().collect();
        let mut bitmaps: Vec<(IndexMatch, f64, f64)> = vec![];
        for index in &relation.indexes {
            if !self.env.catalog.may_use_index(index) || index.method != "btree" {
                continue;
            }
            let Some(bound) = self.bound_keys(scan, index)? else { continue };
            let mut implied = vec![];
            if !self.predicate_implied(&bound.predicate, &clauses, &mut implied) {
                continue;
            }
            let m = self.match_index(scan, index, bound.keys, &clauses, implied);
            if !extra.is_empty() && !m.used.iter().any(|u| *u >= scan.filter.len()) {
                continue;
            }
            let order: Vec<SortKey> = index_order(&m);
            let useful_order =
                extra.is_empty() && want.orders.iter().any(|w| self.common_order(&order, w) > 0);
            let back: Vec<SortKey> = order
                .iter()
                .map(|k| SortKey {
                    expr: k.expr.clone(),
                    descending: !k.descending,
                    nulls_first: !k.nulls_first,
                })
                .collect();
            let useful_back = extra.is_empty() && want.orders.iter().any(|w| self.common_order(&back, w) > 0);
            let index_only = self.index_only(scan, &m, &clauses);
            let partial = !bound.predicate.is_empty();
            if m.conds.is_empty() && !useful_order && !useful_back && !index_only && !partial {
                continue;
            }
            for (backward, useful, order) in [(false, useful_order, order), (true, useful_back, back)] {
                if backward && !useful {
                    continue;
                }
                if m.conds.is_empty() && !useful && !index_only && !partial {
                    continue;
                }
                let (plan, index_cost, index_rows) = self.index_scan(
                    scan,
                    &m,
                    &clauses,
                    size,
                    rows,
                    loops,
                    backward,
                    index_only,
                    extra.is_empty(),
                );
                // An order is kept even if nobody below LIMIT asked for it: merge joins look for it.
                out.push(Candidate { plan, order });
                if !backward && !m.conds.is_empty() {
                    let key = IndexMatch {
                        index: m.index.clone(),
                        conds: m.conds.clone(),
                        used: m.used.clone(),
                        implied: m.implied.clone(),
                        keys: vec![],
                    };
                    bitmaps.push((key, index_cost, index_rows));
                }
            }
        }
        self.bitmap_candidates(scan, &clauses, bitmaps, size, rows, out);
        if extra.is_empty() {
            self.bitmap_or_candidates(scan, size, rows, out)?;
        }
        Ok(())
    }

    /// Whether the filter says what each key of a unique index equals.
    pub(super) fn pins_unique_key(&mut self, scan: &TableScan) -> Result<bool> {
        if scan.filter.is_empty() {
            return Ok(false);
        }
        let relation = scan.relation.clone();
        for index in &relation.indexes {
            if !index.valid || !index.unique || index.method != "btree" || index.predicate_sql.is_some() {
                continue;
            }
            let Some(bound) = self.bound_keys(scan, index)? else { continue };
            let m = self.match_index(scan, index, bound.keys, &scan.filter, vec![]);
            let is_pinned = |key| m.conds.iter().any(|c| c.key == key && matches!(c.test, IndexTest::Eq(_)));
            if (0..index.keys.len()).all(is_pinned) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) fn bound_keys(&mut self, scan: &TableScan, index: &IndexDef) -> Result<Option<BoundKeys>> {
        let mut keys = vec![];
        for k in &index.keys {
            keys.push(match (&k.column, &k.expr_sql) {
                (Some(c), _) => scan
                    .columns
                    .iter()
                    .find(|(_, s)| *s == ScanColumn::Attribute(*c))
                    .map(|(id, _)| Expr::column(*id, scan.relation.columns[*c].ty)),
                (None, Some(sql)) => self.bind_over(scan, sql, None)?,
                (None, None) => None,
            });
        }
        let predicate = match &index.predicate_sql {
            None => vec![],
            Some(sql) => match self.bind_over(scan, sql, Some(SqlType::BOOL))? {
                Some(mut e) => {
                    crate::rules::fold_constants::fold(&mut e, self.env.folder);
                    e.into_conjuncts()
                }
                None => return Ok(None),
            },
        };
        Ok(Some(BoundKeys { keys, predicate }))
    }

    /// An index's stored expression over this scan's columns; none if it reads a column the query doesn't.
    fn bind_over(&mut self, scan: &TableScan, sql: &str, ty: Option<SqlType>) -> Result<Option<Expr>> {
        let row: Vec<(ColumnId, ScanColumn)> =
            scan.columns.iter().filter(|(_, c)| matches!(c, ScanColumn::Attribute(_))).copied().collect();
        Ok((self.env.bind_stored)(self.env.catalog, sql, &scan.relation, &row, ty, &mut self.meta).ok())
    }

    /// Whether the clauses imply a partial index's predicate. `implied` gets the clauses the predicate makes superfluous.
    pub(super) fn predicate_implied(
        &self,
        predicate: &[Expr],
        clauses: &[Expr],
        implied: &mut Vec<usize>,
    ) -> bool {
        predicate.iter().all(|p| {
            if let Some(i) = clauses.iter().position(|c| same(c, p)) {
                implied.push(i);
                return true;
            }
            clauses.iter().any(|c| self.implies(c, p))
        })
    }

    /// Simple implications: strict comparison of a column implies IS NOT NULL; tighter bounds imply looser ones.
    pub(super) fn implies(&self, c: &Expr, p: &Expr) -> bool {
        if let Expr::Or(parts) = p
            && parts.iter().any(|part| same(c, part) || self.implies(c, part))
        {
            return true;
        }
        if let Expr::And(parts) = p {
            return parts.iter().all(|part| same(c, part) || self.implies(c, part));
        }
        if let Expr::IsNull { arg, negated: true } = p
            && let Expr::Column { id, .. } = strip_relabel(arg)
        {
            let mut strict = vec![];
            crate::exprs::nonnullable(c, true, &mut strict);
            return strict.contains(id);
        }
        let (Some((pop, pl, pr)), Some((cop, cl, cr))) = (binary(p), binary(c)) else { return false };
        if !same(strip_relabel(pl), strip_relabel(cl)) {
            return false;
        }
        let (Expr::Const { value: pv, ty: pt }, Expr::Const { value: cv, ty: ct }) = (pr, cr) else {
            return false;
        };
        if pt.oid != ct.oid || pv.is_null() || cv.is_null() {
            return false;
        }
        let Ok(info) = self.env.catalog.type_ref(pt.oid) else { return false };
        if info.functions.compare.is_none() {
            return false;
        }
        let order = quarry_types::compare::compare_datums(cv, pv, &info);
        match (cop.name, pop.name) {
            ("=", "=") => order.is_eq(),
            ("=", "<>") => order.is_ne(),
            ("=" | "<" | "<=", "<") => order.is_lt() || order.is_eq() && cop.name == "<",
            ("=" | "<" | "<=", "<=") => order.is_le(),
            ("=" | ">" | ">=", ">") => order.is_gt() || order.is_eq() && cop.name == ">",
            ("=" | ">" | ">=", ">=") => order.is_ge(),
            _ => false,
        }
    }

    /// Whether every needed column is in the index (as a column, not only inside an expression).
    pub(super) fn index_only(&self, scan: &TableScan, m: &IndexMatch, _clauses: &[Expr]) -> bool {
        self.env.settings.enable_indexonlyscan
            && scan.columns.iter().all(|(_, c)| match c {
                ScanColumn::Attribute(a) => {
                    m.index.keys.iter().any(|k| k.column == Some(*a)) || m.index.include.contains(a)
                }
                _ => false,
            })
    }

    /// Cost of the index part (genericcostestimate, btcostestimate): (startup, total, selectivity, index pages, correlation).
    pub(super) fn index_cost(
        &mut self,
        m: &IndexMatch,
        size: RelationSize,
        loops: f64,
    ) -> (f64, f64, f64, f64, f64) {
        let (pages, tuples) = self.index_size(&m.index, size);
        let bounding = m.bounding();
        let sources = distinct_sources(&m.conds);
        let mut selectivity = self.selectivity(&sources);
        // Conditions beyond the first key without equality don't narrow the walk.
        let mut walked = match bounding.len() == m.conds.len() {
            true => selectivity,
            false => self.selectivity(&distinct_sources(bounding)),
        };
        let eq_keys = m.conds.iter().filter(|c| matches!(c.test, IndexTest::Eq(_))).count();
        if m.index.unique && eq_keys == m.index.keys.len() && m.conds.len() == eq_keys {
            selectivity = 1.0 / tuples.max(1.0);
            walked = selectivity;
        }
        let s = &self.env.settings;
        let scans: f64 = bounding
            .iter()
            .map(|c| match &c.test {
                IndexTest::In(e) => crate::stats::array_length(e).max(1.0),
                _ => 1.0,
            })
            .product();
        let partial = if m.index.predicate_sql.is_some() { tuples / size.rows.max(1.0) } else { 1.0 };
        let index_selectivity = if bounding.is_empty() { 1.0 } else { (walked / partial.max(1e-9)).min(1.0) };
        let touched = (tuples * index_selectivity / scans).round().max(1.0);
        let leaf_pages = if tuples > 1.0 && pages > 1.0 { (touched * pages / tuples).ceil() } else { 1.0 };
        let mut total = if scans * loops > 1.0 {
            // Scanned again and again, the index's pages stay in the cache.
            cost::index_pages_fetched(leaf_pages * scans * loops, pages, pages, pages, s) * s.random_page_cost
                / loops
        } else {
            leaf_pages * s.random_page_cost
        };
        let operators = sources.len() as f64 * s.cpu_operator_cost;
        let values = cost::exprs(
            m.conds.iter().filter_map(|c| match &c.test {
                IndexTest::Eq(e)
                | IndexTest::Lt(e)
                | IndexTest::Le(e)
                | IndexTest::Gt(e)
                | IndexTest::Ge(e)
                | IndexTest::In(e) => Some(e),
                _ => None,
            }),
            s,
        );
        let mut startup = values.startup + values.per_row;
        total += startup + touched * scans * (s.cpu_index_tuple_cost + operators);
        // Descending the tree.
        let descent = if tuples > 1.0 { tuples.log2().ceil() * s.cpu_operator_cost } else { 0.0 };
        let height = if pages > 1.0 { (pages.ln() / 300f64.ln()).ceil().max(0.0) } else { 0.0 };
        let page_cpu = (height + 1.0) * 50.0 * s.cpu_operator_cost;
        startup += descent + page_cpu;
        total += (descent + page_cpu) * scans;
        let correlation = match m.index.keys.first().and_then(|k| k.column) {
            Some(_) => match m.keys.first() {
                Some(Some(Expr::Column { id, .. })) => {
                    let id = *id;
                    let c = self.column_stats(id).map_or(0.0, |s| f64::from(s.correlation));
                    if m.index.keys.len() > 1 { c * 0.75 } else { c }
                }
                _ => 0.0,
            },
            None => 0.0,
        };
        (startup, total, if m.conds.is_empty() { partial.min(1.0) } else { selectivity }, pages, correlation)
    }

    #[allow(clippy::too_many_arguments)]
    pub(super) fn index_scan(
        &mut self,
        scan: &TableScan,
        m: &IndexMatch,
        clauses: &[Expr],
        size: RelationSize,
        rows: f64,
        loops: f64,
        backward: bool,
        index_only: bool,
        plain: bool,
    ) -> (PhysicalPlan, f64, f64) {
        let (istartup, itotal, selectivity, index_pages, correlation) = self.index_cost(m, size, loops);
        let s = &self.env.settings;
        let tuples = cost::clamp_rows(selectivity * size.rows);
        let visible = if index_only { 1.0 - size.all_visible } else { 1.0 };
        let pages = cost::index_pages_fetched(tuples * loops, size.pages, index_pages, size.pages, s);
        let max_io = (pages * visible).ceil() * s.random_page_cost / loops;
        let sequential = (selectivity * size.pages).ceil();
        if loops > 1.0 {
            let pages = cost::index_pages_fetched(sequential * loops, size.pages, index_pages, size.pages, s);
            let min_io = (pages * visible).ceil() * s.random_page_cost / loops;
            return self.finish_index_scan(
                scan,
                m,
                clauses,
                size,
                rows,
                backward,
                index_only,
                plain,
                (istartup, itotal, correlation, tuples, max_io, min_io),
            );
        }
        let sequential = (sequential * visible).ceil();
        let min_io = if sequential > 0.0 {
            s.random_page_cost + (sequential - 1.0).max(0.0) * s.seq_page_cost
        } else {
            0.0
        };
        self.finish_index_scan(
            scan,
            m,
            clauses,
            size,
            rows,
            backward,
            index_only,
            plain,
            (istartup, itotal, correlation, tuples, max_io, min_io),
        )
    }

    #[allow(clippy::too_many_arguments)]
    pub(super) fn finish_index_scan(
        &mut self,
        scan: &TableScan,
        m: &IndexMatch,
        clauses: &[Expr],
        size: RelationSize,
        rows: f64,
        backward: bool,
        index_only: bool,
        plain: bool,
        costs: (f64, f64, f64, f64, f64, f64),
    ) -> (PhysicalPlan, f64, f64) {
        let s = &self.env.settings;
        let (istartup, itotal, correlation, tuples, max_io, min_io) = costs;
        let io = max_io + correlation * correlation * (min_io.min(max_io) - max_io);
        let filter: Vec<Expr> = clauses
            .iter()
            .enumerate()
            .filter(|(i, _)| !m.used.contains(i) && !m.implied.contains(i))
            .map(|(_, c)| c.clone())
            .collect();
        let c = cost::exprs(&filter, s);
        let mut startup = istartup + c.startup;
        let mut total = itotal + c.startup + io + tuples * (s.cpu_tuple_cost + c.per_row);
        if !s.enable_indexscan {
            startup += cost::DISABLED;
            total += cost::DISABLED;
        }
        let out_rows = if plain {
            rows
        } else {
            cost::clamp_rows(self.selectivity(clauses) * size.rows).min(tuples.max(1.0))
        };
        let node = PhysicalNode::IndexScan {
            relation: scan.relation.clone(),
            alias: scan.alias.clone(),
            index: m.index.clone(),
            columns: scan.columns.clone(),
            conds: m.conds.clone(),
            backward,
            index_only,
        };
        let mut plan = self.make(node, out_rows, startup, total);
        plan.filter = order_quals(filter, &self.env.settings);
        (plan, itotal, tuples)
    }
}

/// Equality of expressions but for positions.
pub(super) fn same(a: &Expr, b: &Expr) -> bool {
    let clean = |e: &Expr| {
        let mut e = e.clone();
        quarry_plan::walk::rewrite(&mut e, &mut |e| {
            if let Expr::Call { pos, .. } = e {
                *pos = Default::default()
            }
        });
        e
    };
    a == b || clean(a) == clean(b)
}

/// The conditions as written, each once: one clause may give several (LIKE, row comparison).
fn distinct_sources(conds: &[IndexCond]) -> Vec<Expr> {
    let mut out: Vec<Expr> = vec![];
    for c in conds {
        if !out.contains(&c.source) {
            out.push(c.source.clone());
        }
    }
    out
}

/// The order an index scan gives: keys fixed by equality order nothing but are harmless.
pub(super) fn index_order(m: &IndexMatch) -> Vec<SortKey> {
    let mut out = vec![];
    // Several lookups give their rows one after the other, in no common order.
    let arrays = m.conds.iter().any(|c| matches!(c.test, IndexTest::In(_)));
    if arrays {
        return out;
    }
    for (k, key) in m.keys.iter().enumerate() {
        let fixed = m.bounding().iter().any(|c| c.key == k && matches!(c.test, IndexTest::Eq(_)));
        match key {
            Some(_) if fixed => {}
            Some(e) => out.push(SortKey {
                expr: e.clone(),
                descending: m.index.keys[k].descending,
                nulls_first: m.index.keys[k].nulls_first,
            }),
            None => break,
        }
    }
    out
}
