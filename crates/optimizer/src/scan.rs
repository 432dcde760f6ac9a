//! Access paths of one table: sequential, by index, by bitmap, by tid.

use crate::cost;
use crate::exprs::{binary, columns, commuted, strip_relabel};
use crate::planner::{Candidate, Planner, Want};
use crate::stats::RelationSize;
use quarry_catalog::{IndexDef, IndexKey, Relation};
use quarry_common::Result;
use quarry_functions::registry;
use quarry_plan::physical::{BitmapSource, IndexCond, IndexTest};
use quarry_plan::{CallForm, ColumnId, Expr, PhysicalNode, PhysicalPlan, ScanColumn, SortKey};
use quarry_types::{Datum, SqlType, oids};
use std::sync::Arc;

/// A table to be scanned, with the conditions on it alone.
#[derive(Clone)]
pub struct TableScan {
    pub relation: Arc<Relation>,
    pub alias: String,
    pub columns: Vec<(ColumnId, ScanColumn)>,
    pub filter: Vec<Expr>,
}

/// An index's keys and predicate as expressions over the scan's columns.
struct BoundKeys {
    keys: Vec<Option<Expr>>,
    predicate: Vec<Expr>,
}

/// An index scan under consideration.
struct IndexMatch {
    index: Arc<IndexDef>,
    conds: Vec<IndexCond>,
    /// Positions in the list of clauses that the index takes care of entirely.
    used: Vec<usize>,
    /// Conditions the predicate of a partial index implies.
    implied: Vec<usize>,
    keys: Vec<Option<Expr>>,
}

impl Planner<'_> {
    /// Rows of a table that pass its own conditions.
    pub fn scan_rows(&mut self, scan: &TableScan) -> f64 {
        let size = self.relation_size(&scan.relation);
        for (id, _) in &scan.columns {
            self.stats.column_rows.insert(*id, size.rows.max(1.0));
            self.column_stats(*id);
        }
        let s = self.selectivity(&scan.filter);
        cost::clamp_rows(size.rows * s)
    }

    /// All useful paths of a table without parameters from other tables.
    pub fn scan_candidates(&mut self, scan: &TableScan, want: &Want) -> Result<Vec<Candidate>> {
        let rows = self.scan_rows(scan);
        let size = self.relation_size(&scan.relation);
        let mut out = vec![];
        if let Some(tid) = self.tid_scan(scan, size) {
            out.push(Candidate { plan: tid, order: vec![] });
        }
        out.push(Candidate { plan: self.seq_scan(scan, rows, size), order: vec![] });
        self.index_candidates(scan, &[], rows, 1.0, want, &mut out)?;
        Ok(out)
    }

    fn seq_scan(&self, scan: &TableScan, rows: f64, size: RelationSize) -> PhysicalPlan {
        let s = &self.env.settings;
        let c = cost::exprs(&scan.filter, s);
        let mut startup = c.startup;
        if !s.enable_seqscan {
            startup += cost::DISABLED;
        }
        let total = startup + s.seq_page_cost * size.pages + (s.cpu_tuple_cost + c.per_row) * size.rows;
        let node = PhysicalNode::SeqScan {
            relation: scan.relation.clone(),
            alias: scan.alias.clone(),
            columns: scan.columns.clone(),
        };
        let mut plan = self.make(node, rows, startup, total);
        plan.filter = order_quals(scan.filter.clone(), s);
        plan
    }

    fn tid_scan(&self, scan: &TableScan, size: RelationSize) -> Option<PhysicalPlan> {
        let s = &self.env.settings;
        let ctid = scan.columns.iter().find(|(_, c)| *c == ScanColumn::Ctid)?.0;
        let own = |e: &Expr| columns(e).iter().any(|id| scan.columns.iter().any(|(c, _)| c == id));
        for (i, f) in scan.filter.iter().enumerate() {
            let (tid, count) = match f {
                Expr::ScalarArray { left, array, all: false, operator, .. }
                    if matches!(&**left, Expr::Column { id, .. } if *id == ctid)
                        && registry::operator(*operator).is_some_and(|o| o.name == "=")
                        && !own(array) =>
                {
                    ((**array).clone(), crate::stats::array_length(array))
                }
                _ => match binary(f) {
                    Some((op, Expr::Column { id, .. }, r)) if op.name == "=" && *id == ctid && !own(r) => {
                        (r.clone(), 1.0)
                    }
                    Some((op, l, Expr::Column { id, .. })) if op.name == "=" && *id == ctid && !own(l) => {
                        (l.clone(), 1.0)
                    }
                    _ => continue,
                },
            };
            let mut filter = scan.filter.clone();
            filter.remove(i);
            let c = cost::exprs(&filter, s);
            let mut startup = c.startup;
            if !s.enable_tidscan {
                startup += cost::DISABLED;
            }
            let total = startup + count * (s.random_page_cost + s.cpu_tuple_cost + c.per_row);
            let node = PhysicalNode::TidScan {
                relation: scan.relation.clone(),
                alias: scan.alias.clone(),
                columns: scan.columns.clone(),
                tids: vec![tid],
            };
            let mut plan = self.make(node, count.min(size.rows.max(1.0)), startup, total);
            plan.filter = order_quals(filter, s);
            return Some(plan);
        }
        None
    }

    /// Index paths; with `extra` (join conditions over other tables' columns) parameterised ones that use at least one of them.
    pub fn index_candidates(
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
            if !index.valid || index.method != "btree" {
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

    fn bound_keys(&mut self, scan: &TableScan, index: &IndexDef) -> Result<Option<BoundKeys>> {
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
        let io = quarry_types::IoContext { names: self.env.catalog, ..Default::default() };
        let cx = quarry_sql::bind::BindContext {
            reader: self.env.catalog,
            io: &io,
            param_types: &[],
            params_allowed: false,
        };
        let row: Vec<(ColumnId, ScanColumn)> =
            scan.columns.iter().filter(|(_, c)| matches!(c, ScanColumn::Attribute(_))).copied().collect();
        Ok(quarry_sql::bind::bind_stored_expression(sql, &scan.relation, &row, ty, &mut self.meta, &cx).ok())
    }

    /// Whether the clauses imply a partial index's predicate. `implied` gets the clauses the predicate makes superfluous.
    fn predicate_implied(&self, predicate: &[Expr], clauses: &[Expr], implied: &mut Vec<usize>) -> bool {
        predicate.iter().all(|p| {
            if let Some(i) = clauses.iter().position(|c| same(c, p)) {
                implied.push(i);
                return true;
            }
            clauses.iter().any(|c| self.implies(c, p))
        })
    }

    /// Simple implications: strict comparison of a column implies IS NOT NULL; tighter bounds imply looser ones.
    fn implies(&self, c: &Expr, p: &Expr) -> bool {
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

    fn match_index(
        &self,
        scan: &TableScan,
        index: &Arc<IndexDef>,
        keys: Vec<Option<Expr>>,
        clauses: &[Expr],
        implied: Vec<usize>,
    ) -> IndexMatch {
        let mut conds: Vec<IndexCond> = vec![];
        let mut used = vec![];
        for (k, key) in keys.iter().enumerate() {
            let Some(key) = key else { continue };
            let start = conds.len();
            for (i, clause) in clauses.iter().enumerate() {
                if used.contains(&i) || implied.contains(&i) {
                    continue;
                }
                let before = conds.len();
                let exact = match_clause(clause, key, &index.keys[k], scan, k, &mut conds);
                if conds.len() > before && exact {
                    used.push(i);
                }
            }
            let mine = &conds[start..];
            let bound = mine
                .iter()
                .any(|c| matches!(c.test, IndexTest::Eq(_) | IndexTest::In(_) | IndexTest::IsNull));
            if mine.is_empty() && k == 0 {
                break;
            }
            // One array condition per scan at most, and equality wins over ranges on the same key.
            if let Some(eq) = mine.iter().position(|c| matches!(c.test, IndexTest::Eq(_))) {
                let keep = conds[start + eq].clone();
                let dropped: Vec<Expr> =
                    conds.drain(start..).filter(|c| c.source != keep.source).map(|c| c.source).collect();
                used.retain(|u| !dropped.contains(&clauses[*u]));
                conds.push(keep);
            }
            if !bound {
                break;
            }
        }
        IndexMatch { index: index.clone(), conds, used, implied, keys }
    }

    /// Whether every needed column is in the index (as a column, not only inside an expression).
    fn index_only(&self, scan: &TableScan, m: &IndexMatch, _clauses: &[Expr]) -> bool {
        self.env.settings.enable_indexonlyscan
            && scan.columns.iter().all(|(_, c)| match c {
                ScanColumn::Attribute(a) => {
                    m.index.keys.iter().any(|k| k.column == Some(*a)) || m.index.include.contains(a)
                }
                _ => false,
            })
    }

    /// Cost of the index part (genericcostestimate, btcostestimate): (startup, total, selectivity, index pages, correlation).
    fn index_cost(&mut self, m: &IndexMatch, size: RelationSize, loops: f64) -> (f64, f64, f64, f64, f64) {
        let (pages, tuples) = self.index_size(&m.index, size);
        let sources: Vec<Expr> = m.conds.iter().map(|c| c.source.clone()).collect();
        let mut distinct_sources: Vec<Expr> = vec![];
        for s in sources {
            if !distinct_sources.contains(&s) {
                distinct_sources.push(s);
            }
        }
        let mut selectivity = self.selectivity(&distinct_sources);
        // Conditions beyond the first key without equality don't narrow the walk.
        let eq_keys = m.conds.iter().filter(|c| matches!(c.test, IndexTest::Eq(_))).count();
        if m.index.unique && eq_keys == m.index.keys.len() && m.conds.len() == eq_keys {
            selectivity = 1.0 / tuples.max(1.0);
        }
        let s = &self.env.settings;
        let scans: f64 = m
            .conds
            .iter()
            .map(|c| match &c.test {
                IndexTest::In(e) => crate::stats::array_length(e).max(1.0),
                _ => 1.0,
            })
            .product();
        let partial = if m.index.predicate_sql.is_some() { tuples / size.rows.max(1.0) } else { 1.0 };
        let index_selectivity =
            if m.conds.is_empty() { 1.0 } else { (selectivity / partial.max(1e-9)).min(1.0) };
        let touched = (tuples * index_selectivity / scans).round().max(1.0);
        let leaf_pages = if tuples > 1.0 && pages > 1.0 { (touched * pages / tuples).ceil() } else { 1.0 };
        let mut total = if scans * loops > 1.0 {
            // Scanned again and again, the index's pages stay in the cache.
            cost::index_pages_fetched(leaf_pages * scans * loops, pages, pages, pages, s) * s.random_page_cost
                / loops
        } else {
            leaf_pages * s.random_page_cost
        };
        let operators = distinct_sources.len() as f64 * s.cpu_operator_cost;
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
    fn index_scan(
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
    fn finish_index_scan(
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

    fn bitmap_candidates(
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
        let mut filter = vec![];
        let mut recheck = vec![];
        for (i, c) in clauses.iter().enumerate() {
            if used.contains(&i) { recheck.push(c.clone()) } else { filter.push(c.clone()) }
        }
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
    fn bitmap_or_candidates(
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
                    if !index.valid || index.method != "btree" || index.predicate_sql.is_some() {
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

/// Equality of expressions but for positions.
fn same(a: &Expr, b: &Expr) -> bool {
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

/// The order an index scan gives: keys fixed by equality order nothing but are harmless.
fn index_order(m: &IndexMatch) -> Vec<SortKey> {
    let mut out = vec![];
    // Several lookups give their rows one after the other, in no common order.
    let arrays = m.conds.iter().any(|c| matches!(c.test, IndexTest::In(_)));
    if arrays {
        return out;
    }
    for (k, key) in m.keys.iter().enumerate() {
        let fixed = m.conds.iter().any(|c| c.key == k && matches!(c.test, IndexTest::Eq(_)));
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

/// Cheap conditions first, subqueries last; PostgreSQL keeps the order otherwise.
pub fn order_quals(filter: Vec<Expr>, s: &crate::PlannerSettings) -> Vec<Expr> {
    if filter.len() < 2 {
        return filter;
    }
    let mut keyed: Vec<(f64, Expr)> = filter.into_iter().map(|e| (cost::expr(&e, s).per_row, e)).collect();
    keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
    keyed.into_iter().map(|(_, e)| e).collect()
}

/// Whether values of these types are one to a B-tree comparison.
fn value_for_key(value: &Expr, key: &IndexKey) -> Option<Expr> {
    let from = value.ty().oid;
    let to = key.ty.oid;
    let text = |o| matches!(o, oids::TEXT | oids::VARCHAR);
    if from == to || text(from) && text(to) {
        return Some(value.clone());
    }
    // Enums, arrays and records come as they are; other pairs only where the value can be carried over.
    let int = |o| matches!(o, oids::INT2 | oids::INT4 | oids::INT8);
    if int(from) && int(to) {
        if let Expr::Const { value, .. } = value {
            let v = match value {
                Datum::I16(v) => i64::from(*v),
                Datum::I32(v) => i64::from(*v),
                Datum::I64(v) => *v,
                _ => return None,
            };
            let value = match to {
                oids::INT2 => Datum::I16(i16::try_from(v).ok()?),
                oids::INT4 => Datum::I32(i32::try_from(v).ok()?),
                _ => Datum::I64(v),
            };
            return Some(Expr::Const { value, ty: SqlType::of(to) });
        }
        let widens = matches!((from, to), (oids::INT2, oids::INT4 | oids::INT8) | (oids::INT4, oids::INT8));
        if widens {
            let cast = registry::cast(from, to)?;
            return Some(Expr::Call {
                function: quarry_plan::FunctionRef::Builtin(registry::function(cast.function)?),
                args: vec![value.clone()],
                ty: SqlType::of(to),
                form: CallForm::ImplicitCast,
                variadic: false,
                pos: Default::default(),
            });
        }
        return None;
    }
    if quarry_types::type_info(to).is_none() || quarry_types::type_info(from).is_none() {
        return None;
    }
    None
}

/// Adds the conditions a clause gives for an index key. True: the clause is covered entirely.
fn match_clause(
    clause: &Expr,
    key: &Expr,
    def: &IndexKey,
    scan: &TableScan,
    position: usize,
    out: &mut Vec<IndexCond>,
) -> bool {
    let is_key = |e: &Expr| same(strip_relabel(e), strip_relabel(key));
    let own = |e: &Expr| columns(e).iter().any(|id| scan.columns.iter().any(|(c, _)| c == id));
    let usable = |e: &Expr| !own(e) && !crate::exprs::is_volatile(e) && !has_correlated_subquery(e);
    let mut push =
        |test: IndexTest, source: &Expr| out.push(IndexCond { key: position, test, source: source.clone() });
    match clause {
        Expr::IsNull { arg, negated } if is_key(arg) && !crate::exprs::is_row_type(arg) => {
            push(if *negated { IndexTest::IsNotNull } else { IndexTest::IsNull }, clause);
            true
        }
        Expr::ScalarArray { left, array, all: false, operator, .. } if is_key(left) && usable(array) => {
            let Some(op) = registry::operator(*operator) else { return false };
            if op.name != "=" || !op.merges {
                return false;
            }
            let element = match quarry_types::type_info(array.ty().oid) {
                Some(t) => t.element,
                None => return false,
            };
            let text = |o| matches!(o, oids::TEXT | oids::VARCHAR);
            if element != def.ty.oid && !(text(element) && text(def.ty.oid)) {
                return false;
            }
            push(IndexTest::In((**array).clone()), clause);
            true
        }
        // A boolean key by itself.
        Expr::Column { ty, .. } if *ty == SqlType::BOOL && is_key(clause) => {
            push(IndexTest::Eq(Expr::bool_const(true)), clause);
            true
        }
        Expr::Not(arg) if arg.ty() == SqlType::BOOL && is_key(arg) => {
            push(IndexTest::Eq(Expr::bool_const(false)), clause);
            true
        }
        Expr::Call { .. } => {
            let flipped;
            let (clause_as, source) = match binary(clause) {
                Some((_, l, r)) if is_key(l) && usable(r) => (clause, clause.clone()),
                Some((_, l, r)) if is_key(r) && usable(l) => match commuted(clause) {
                    Some(c) => {
                        flipped = c;
                        (&flipped, flipped.clone())
                    }
                    None => return false,
                },
                _ => return false,
            };
            let Some((op, _, value)) = binary(clause_as) else { return false };
            if matches!(op.name, "~~") {
                return like_range(value, def, &source, position, out);
            }
            let ordered = matches!(
                op.restrict,
                "eqsel" | "scalarltsel" | "scalarlesel" | "scalargtsel" | "scalargesel"
            );
            if !ordered {
                return false;
            }
            let Some(value) = value_for_key(value, def) else { return false };
            let test = match op.name {
                "=" => IndexTest::Eq(value),
                "<" => IndexTest::Lt(value),
                "<=" => IndexTest::Le(value),
                ">" => IndexTest::Gt(value),
                ">=" => IndexTest::Ge(value),
                _ => return false,
            };
            out.push(IndexCond { key: position, test, source });
            true
        }
        _ => false,
    }
}

fn has_correlated_subquery(e: &Expr) -> bool {
    quarry_plan::walk::any(
        e,
        &|e| matches!(e, Expr::Subquery(s) if matches!(&s.plan, quarry_plan::expr::SubqueryPlan::Physical { params, .. } if !params.is_empty())),
    )
}

/// `key LIKE 'prefix%'`: a range of keys; the LIKE itself stays a filter unless the pattern is just that.
fn like_range(
    pattern: &Expr,
    def: &IndexKey,
    source: &Expr,
    position: usize,
    out: &mut Vec<IndexCond>,
) -> bool {
    if !matches!(def.ty.oid, oids::TEXT | oids::VARCHAR) {
        return false;
    }
    let Expr::Const { value: Datum::Bytes(text), .. } = pattern else { return false };
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let mut prefix = String::new();
    let mut exact = true;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '%' | '_' => {
                exact = false;
                break;
            }
            '\\' => match chars.next() {
                Some(c) => prefix.push(c),
                None => return false,
            },
            c => prefix.push(c),
        }
    }
    if prefix.is_empty() {
        return false;
    }
    let constant = |s: &str| Expr::Const { value: Datum::text(s), ty: SqlType::of(def.ty.oid) };
    if exact {
        out.push(IndexCond { key: position, test: IndexTest::Eq(constant(&prefix)), source: source.clone() });
        return true;
    }
    out.push(IndexCond { key: position, test: IndexTest::Ge(constant(&prefix)), source: source.clone() });
    // The least text after all texts with this prefix: its last character, one up.
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        let next = if last == '\u{d7ff}' { Some('\u{e000}') } else { char::from_u32(last as u32 + 1) };
        if let Some(next) = next {
            let mut upper: String = chars.iter().collect();
            upper.push(next);
            out.push(IndexCond {
                key: position,
                test: IndexTest::Lt(constant(&upper)),
                source: source.clone(),
            });
            break;
        }
    }
    false
}
