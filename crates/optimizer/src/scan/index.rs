//! Index scans: which indexes fit, what they cost, and the order of their rows (PostgreSQL: indxpath.c, `cost_index`,
//! `genericcostestimate`, `btcostestimate`).

use super::bitmap::BitmapPart;
use super::{TableScan, clauses, order_quals};
use crate::cost::{self, measured};
use crate::planner::{Candidate, Planner, Want};
use crate::stats::RelationSize;
use quarry_catalog::IndexDef;
use quarry_common::Result;
use quarry_plan::physical::{BitmapSource, IndexCond, IndexTest};
use quarry_plan::{ColumnId, Expr, PhysicalNode, PhysicalPlan, ScanColumn, SortKey};
use quarry_types::SqlType;
use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

/// Share of a table's pages that all snapshots must see all of before conditions on an indexed expression are reason for an index-only
/// scan.
const EXPRESSION_VISIBLE: f64 = 0.5;

/// An index's keys and predicate as expressions over the scan's columns.
pub(super) struct BoundKeys {
    pub keys: Vec<Option<Expr>>,
    pub predicate: Vec<Expr>,
}

/// An index scan under consideration.
#[derive(Clone)]
pub(super) struct IndexMatch {
    pub index: Arc<IndexDef>,
    pub conds: Vec<IndexCond>,
    /// Positions in the list of clauses that the index takes care of entirely.
    pub used: Vec<usize>,
    /// Positions of those that gave any condition.
    pub touched: Vec<usize>,
    /// Conditions the predicate of a partial index implies.
    pub implied: Vec<usize>,
    pub keys: Vec<Option<Expr>>,
    /// The predicate of a partial index.
    pub predicate: Vec<Expr>,
    /// The clause behind each condition; empty: the conditions are the clauses.
    pub behind: Vec<usize>,
}

/// What the index part of a scan costs.
#[derive(Clone, Copy)]
pub(super) struct IndexCost {
    pub startup: f64,
    pub total: f64,
    /// Share of the table's rows that come out.
    pub selectivity: f64,
    pub pages: f64,
    pub correlation: f64,
    /// Rows come in physical order, as those of a single key do.
    pub in_order: bool,
}

impl IndexMatch {
    /// The conditions that bound the walk: those up to the first key without equality. The others are tested entry by entry.
    fn bounding(&self) -> Vec<&IndexCond> {
        let mut open_key = 0;
        while self.conds.iter().any(|c| c.key == open_key && pins(&c.test)) {
            open_key += 1;
        }
        // A row comparison bounds by its first key only, as far as can be told beforehand.
        self.conds.iter().filter(|c| c.key <= open_key).collect()
    }

    /// Leading keys whose values are visited in turn.
    pub(super) fn skipped(&self) -> usize {
        self.conds.iter().filter(|c| c.test == IndexTest::Skip).count()
    }

    /// The same scan as one that visits the values of the leading keys that have no equality, each with the conditions behind it.
    fn skipping(&self) -> Option<IndexMatch> {
        let fixed = |k: usize| self.conds.iter().any(|c| c.key == k && pins(&c.test));
        let first = (0..self.keys.len()).find(|k| !fixed(*k))?;
        let next = self.conds.iter().map(|c| c.key).filter(|k| *k > first).min()?;
        // Behind equalities the gain is small, and the executor skips from the first key on.
        if first > 0 || self.conds.iter().any(|c| matches!(c.test, IndexTest::Row(..))) {
            return None;
        }
        let mut out = self.clone();
        for key in (0..next).rev() {
            let source = Expr::bool_const(true);
            out.conds.insert(0, IndexCond { key, test: IndexTest::Skip, source });
            out.behind.insert(0, usize::MAX);
        }
        Some(out)
    }
}

/// Whether a condition leaves a key no range of values.
pub(super) fn pins(test: &IndexTest) -> bool {
    matches!(test, IndexTest::Eq(_) | IndexTest::In(_) | IndexTest::IsNull | IndexTest::Skip)
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
        let clauses = match extra {
            [] => Cow::Borrowed(&scan.filter[..]),
            extra => Cow::Owned(scan.filter.iter().chain(extra).cloned().collect()),
        };
        let outside = |m: &IndexMatch| m.touched.iter().any(|u| *u >= scan.filter.len());
        let mut bitmaps: Vec<BitmapPart> = vec![];
        // Rows that pass the conditions from outside as well; found once an index can do something about these.
        let mut known = extra.is_empty().then_some(rows);
        let read = attributes(scan, extra);
        // Conditions from outside are of use to an index with a key that they read.
        let has_key = |index: &IndexDef| {
            extra.is_empty()
                || index.keys.iter().any(|k| k.column.is_none_or(|column| read.contains(&column)))
        };
        for index in self.by_size(&relation, size).iter().filter(|index| has_key(index)) {
            if !self.env.catalog.may_use_index(index) || !self.hint_allows_index(scan, index) {
                continue;
            }
            let Some(bound) = self.bound_keys(scan, index)? else { continue };
            if !self.clauses_imply(&clauses, &bound.predicate) {
                continue;
            }
            let implied = self.implied_by(&bound.predicate, &clauses);
            let mut m = self.match_index(scan, index, bound.keys, &clauses, implied);
            m.predicate = bound.predicate;
            if !extra.is_empty() && !outside(&m) {
                continue;
            }
            let rows = match known {
                Some(rows) => rows,
                None => *known.insert(cost::clamp_rows(self.selectivity(&clauses) * size.rows)),
            };
            if index.method != "btree" {
                self.method_candidates(
                    (scan, &clauses),
                    &m,
                    size,
                    rows,
                    loops,
                    extra.is_empty(),
                    out,
                    &mut bitmaps,
                );
                continue;
            }
            if extra.is_empty() && !want.distinct.is_empty() {
                self.loose_candidates(scan, &m, &clauses, size, want, out);
            }
            let skipping = m.skipping();
            for m in [Some(m), skipping].into_iter().flatten() {
                let cost = self.index_cost(&m, size, loops);
                self.btree_candidates(
                    scan,
                    (&m, cost),
                    &clauses,
                    size,
                    rows,
                    loops,
                    extra.is_empty(),
                    want,
                    out,
                );
                if !m.conds.is_empty() || !m.predicate.is_empty() {
                    bitmaps.push(self.index_bitmap((&m, cost), &clauses, false, size));
                }
            }
        }
        if extra.is_empty() {
            self.bitmap_or_parts(scan, &clauses, size, &mut bitmaps)?;
        }
        self.bitmap_candidates(scan, &clauses, bitmaps, size, (known.unwrap_or(rows), loops), out);
        Ok(())
    }

    /// A table's indexes: of equal costs the first wins. Smaller ones come first, then unique ones, those of fewer columns, and the newest,
    /// as PostgreSQL has them.
    fn by_size(&mut self, relation: &quarry_catalog::Relation, size: RelationSize) -> Rc<[Arc<IndexDef>]> {
        if let Some(known) = self.stats.known.indexes.get(&relation.oid) {
            return known.clone();
        }
        let mut out: Vec<(u64, bool, usize, Arc<IndexDef>)> = vec![];
        for index in relation.indexes.iter().rev() {
            let (pages, _) = self.index_size(index, size);
            out.push((pages as u64, !index.unique, index.keys.len() + index.include.len(), index.clone()));
        }
        out.sort_by_key(|(pages, unique, columns, _)| (*pages, *unique, *columns));
        let sorted: Rc<[Arc<IndexDef>]> = out.into_iter().map(|(.., index)| index).collect();
        self.stats.known.indexes.insert(relation.oid, sorted.clone());
        sorted
    }

    /// Plain and index-only scans of one B-tree, in the directions that are of use.
    #[allow(clippy::too_many_arguments)]
    fn btree_candidates(
        &mut self,
        scan: &TableScan,
        (m, cost): (&IndexMatch, IndexCost),
        clauses: &[Expr],
        size: RelationSize,
        rows: f64,
        loops: f64,
        plain: bool,
        want: &Want,
        out: &mut Vec<Candidate>,
    ) {
        let order: Vec<SortKey> = index_order(m);
        let back: Vec<SortKey> = order
            .iter()
            .map(|k| SortKey { expr: k.expr.clone(), descending: !k.descending, nulls_first: !k.nulls_first })
            .collect();
        let index_only = self.covered_columns(scan, m, clauses, size).is_some();
        let partial = !m.predicate.is_empty();
        for (backward, order) in [(false, order), (true, back)] {
            let useful = plain && want.orders.iter().any(|w| self.common_order(&order, w) > 0);
            if backward && !useful {
                continue;
            }
            if m.conds.is_empty() && !useful && !index_only && !partial {
                continue;
            }
            let (m, directed) = ((m, cost), (backward, index_only));
            let plan = self.index_scan(scan, m, clauses, size, rows, loops, directed, plain);
            // An order is kept even if nobody below LIMIT asked for it: merge joins look for it.
            out.push(Candidate { plan, order });
        }
    }

    /// An index as a source of a bitmap. What must be tested on lossy pages are the clauses it covers, and (`all`) those it doesn't: outside
    /// of an OR these stay in the filter anyway.
    pub(super) fn index_bitmap(
        &mut self,
        (m, cost): (&IndexMatch, IndexCost),
        clauses: &[Expr],
        all: bool,
        size: RelationSize,
    ) -> BitmapPart {
        let rows = cost::clamp_rows(cost.selectivity * size.rows);
        let s = &self.env.settings;
        // A BRIN index names whole pages.
        let of_rows = match m.index.method {
            "brin" => 0.1 * s.cpu_operator_cost * rows,
            _ => {
                // Places that come in physical order are easy to add: those of GIN's lists do, and those of one key.
                let sorted = match m.index.method == "gin" || cost.in_order {
                    true => 1.0,
                    false => cost.correlation * cost.correlation,
                };
                let ours = measured::between(measured::BITMAP_ROW, measured::SORTED_BITMAP_ROW, sorted);
                let ours = ours * s.cpu_tuple_cost;
                measured::between(0.1 * s.cpu_operator_cost, ours, measured::largeness(size.pages)) * rows
            }
        };
        let mut recheck: Vec<Expr> = vec![];
        for (i, c) in m.conds.iter().enumerate().filter(|(_, c)| c.test != IndexTest::Skip) {
            // A row comparison is shown as one.
            let clause = m.behind.get(i).filter(|_| !matches!(c.test, IndexTest::Row(..)));
            if m.behind.get(i).is_some_and(|b| !all && !m.used.contains(b)) {
                continue;
            }
            let test = clause.map_or(&c.source, |b| &clauses[*b]);
            if !recheck.contains(test) {
                recheck.push(test.clone());
            }
        }
        let missing: Vec<Expr> =
            m.predicate.iter().filter(|p| !self.clauses_imply(&recheck, &[(*p).clone()])).cloned().collect();
        recheck.extend(missing);
        let source = BitmapSource::Index {
            index: m.index.clone(),
            conds: m.conds.clone(),
            rows,
            total_cost: cost.total,
            id: 0,
        };
        BitmapPart {
            source,
            total_cost: cost.total + of_rows,
            selectivity: cost.selectivity,
            // What a BRIN index selects are ranges of pages.
            clustered: if m.index.method == "brin" { 1.0 } else { cost.correlation * cost.correlation },
            used: m.used.clone(),
            touched: m.touched.clone(),
            implied: m.implied.clone(),
            recheck,
        }
    }

    /// The clauses that a predicate implies.
    pub(super) fn implied_by(&self, predicate: &[Expr], clauses: &[Expr]) -> Vec<usize> {
        if predicate.is_empty() {
            return vec![];
        }
        (0..clauses.len()).filter(|i| self.clauses_imply(predicate, &clauses[*i..*i + 1])).collect()
    }

    /// Whether the filter says what each key of a unique index equals.
    pub(super) fn pins_unique_key(&mut self, scan: &TableScan) -> Result<bool> {
        if scan.filter.is_empty() {
            return Ok(false);
        }
        let relation = scan.relation.clone();
        let read = attributes(scan, &scan.filter);
        for index in &relation.indexes {
            if !index.valid || !index.unique || index.method != "btree" || index.predicate_sql.is_some() {
                continue;
            }
            // Each key is pinned by a condition of its own that reads it.
            let read = |column: Option<usize>| column.is_none_or(|column| read.contains(&column));
            if index.keys.len() > scan.filter.len() || !index.keys.iter().all(|k| read(k.column)) {
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
                (None, Some(sql)) => self.bind_over(scan, sql, None),
                (None, None) => None,
            });
        }
        let predicate = match &index.predicate_sql {
            None => vec![],
            Some(sql) => match self.bind_over(scan, sql, Some(SqlType::BOOL)) {
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
    fn bind_over(&mut self, scan: &TableScan, sql: &str, ty: Option<SqlType>) -> Option<Expr> {
        let row: Vec<(ColumnId, ScanColumn)> =
            scan.columns.iter().filter(|(_, c)| matches!(c, ScanColumn::Attribute(_))).copied().collect();
        self.stored_expr(sql, &scan.relation, row, ty)
    }

    /// The columns an index-only scan would give, if the index has all that are needed (as columns, not only inside expressions).
    /// What is read only by conditions that the index takes care of, or that its predicate makes superfluous, isn't needed.
    pub(super) fn covered_columns(
        &self,
        scan: &TableScan,
        m: &IndexMatch,
        clauses: &[Expr],
        size: RelationSize,
    ) -> Option<Vec<(ColumnId, ScanColumn)>> {
        if !self.scan_switches(scan).index_only {
            return None;
        }
        let mut out = vec![];
        for (id, c) in &scan.columns {
            let ScanColumn::Attribute(a) = c else { return None };
            let reads = |e: &Expr| {
                crate::exprs::has_subquery(e) || quarry_plan::walk::reads_any(e, &mut |c| c == *id)
            };
            let done = |i: usize| m.implied.contains(&i) || m.used.contains(&i);
            let needed = !self.filter_only.contains(id)
                || clauses.iter().enumerate().any(|(i, e)| !done(i) && reads(e));
            let has = m.index.keys.iter().any(|k| k.column == Some(*a)) || m.index.include.contains(a);
            let implied = || clauses.iter().enumerate().all(|(i, e)| m.implied.contains(&i) || !reads(e));
            match (needed, has) {
                (true, true) => out.push((*id, *c)),
                (true, false) => return None,
                (false, true) => {}
                // PostgreSQL wants the column itself of an indexed expression. Ours can do without, where that spares looking at the table.
                (false, false) if size.all_visible < EXPRESSION_VISIBLE && !implied() => return None,
                (false, false) => {}
            }
        }
        Some(out)
    }

    /// Cost of the index part (genericcostestimate, btcostestimate).
    pub(super) fn index_cost(&mut self, m: &IndexMatch, size: RelationSize, loops: f64) -> IndexCost {
        if m.index.method != "btree" {
            return self.method_cost(m, size, loops);
        }
        let (pages, tuples) = self.index_size(&m.index, size);
        let bounding = m.bounding();
        let of_predicate = |planner: &Self, quals: &mut Vec<Expr>| {
            for p in &m.predicate {
                if !planner.clauses_imply(quals, std::slice::from_ref(p)) {
                    quals.push(p.clone());
                }
            }
        };
        let mut quals = distinct_sources(m.conds.iter());
        let operators = quals.len() as f64;
        of_predicate(self, &mut quals);
        let mut selectivity = self.selectivity(&quals);
        // Conditions beyond the first key without equality don't narrow the walk.
        let mut walked = match bounding.len() == m.conds.len() {
            true => selectivity,
            false => {
                let mut quals = distinct_sources(bounding.iter().copied());
                of_predicate(self, &mut quals);
                self.selectivity(&quals)
            }
        };
        let eq_keys = m.conds.iter().filter(|c| matches!(c.test, IndexTest::Eq(_))).count();
        let one = m.index.unique
            && (0..m.index.keys.len())
                .all(|k| m.conds.iter().any(|c| c.key == k && matches!(c.test, IndexTest::Eq(_))));
        if one && m.conds.len() == eq_keys {
            selectivity = 1.0 / size.rows.max(1.0);
        }
        if one {
            walked = 1.0 / size.rows.max(1.0);
        }
        // Lookups in the tree: one for each combination of array elements and of values skipped over.
        let mut scans: f64 = bounding
            .iter()
            .map(|c| match &c.test {
                IndexTest::In(e) => crate::stats::array_length(e).max(1.0),
                _ => 1.0,
            })
            .product();
        let skipped = m.skipped();
        let mut descents = scans;
        if skipped > 0 {
            let own: Vec<Expr> =
                distinct_sources(m.conds.iter().filter(|c| c.key < skipped && c.test != IndexTest::Skip));
            let rows = cost::clamp_rows(size.rows * self.selectivity(&own));
            let groups = self.key_groups(m, 0..skipped, size, rows);
            scans *= groups;
            // Each value is found by a descent of its own.
            descents = scans + groups;
        }
        let s = &self.env.settings;
        let touched = (size.rows * walked / scans).round_ties_even().max(1.0);
        let leaf_pages = if tuples > 1.0 && pages > 1.0 { (touched * pages / tuples).ceil() } else { 1.0 };
        // Scanned again and again, the index's pages stay in the cache.
        let visits = leaf_pages * scans * loops;
        let distinct = match scans * loops > 1.0 {
            true => cost::index_pages_fetched(visits, pages, pages, pages, s),
            false => leaf_pages,
        };
        let mut total = cost::Pages::of(size.pages, pages, s).random(distinct, visits) / loops;
        let per_entry = self.entry_cost(operators, (m.conds.len() - bounding.len()) as f64, size);
        let values = cost::exprs(
            m.conds.iter().filter_map(|c| match &c.test {
                IndexTest::Eq(e)
                | IndexTest::Lt(e)
                | IndexTest::Le(e)
                | IndexTest::Gt(e)
                | IndexTest::Ge(e)
                | IndexTest::In(e)
                | IndexTest::Row(_, e) => Some(e),
                _ => None,
            }),
            s,
        );
        let mut startup = values.startup + values.per_row;
        total += startup + touched * scans * per_entry;
        // Descending the tree.
        let descent = if tuples > 1.0 { tuples.log2().ceil() * s.cpu_operator_cost } else { 0.0 };
        let height = if pages > 1.0 { (pages.ln() / 300f64.ln()).ceil().max(0.0) } else { 0.0 };
        let page_cpu = (height + 1.0) * 50.0 * s.cpu_operator_cost;
        startup += descent + page_cpu;
        total += (descent + page_cpu) * descents;
        let correlation = match m.keys.first() {
            Some(Some(Expr::Column { id, .. })) => {
                let id = *id;
                let c = self.column_stats(id).and_then(|s| s.correlation).map_or(0.0, f64::from);
                if m.index.keys.len() > 1 { c * 0.75 } else { c }
            }
            _ => 0.0,
        };
        // The entries of one key are in the order of their places.
        let in_order = eq_keys == m.index.keys.len() && scans <= 1.0;
        IndexCost { startup, total, selectivity, pages, correlation, in_order }
    }

    /// What an entry of an index costs that has so many conditions, of which entries are tested for `tests`: our walk keeps to the others
    /// by itself.
    pub(super) fn entry_cost(&self, conditions: f64, tests: f64, size: RelationSize) -> f64 {
        let s = &self.env.settings;
        let theirs = s.cpu_index_tuple_cost + conditions * s.cpu_operator_cost;
        let ours = measured::INDEX_ENTRY * s.cpu_index_tuple_cost + tests * s.cpu_operator_cost;
        measured::between(theirs, ours, measured::largeness(size.pages))
    }

    /// Combinations of values that keys have among `rows` rows.
    pub(super) fn key_groups(
        &mut self,
        m: &IndexMatch,
        keys: std::ops::Range<usize>,
        size: RelationSize,
        rows: f64,
    ) -> f64 {
        let mut groups = 1.0;
        for k in keys {
            let def = &m.index.keys[k];
            groups *= match (&m.keys[k], def.column) {
                (Some(e), _) => {
                    let e = e.clone();
                    self.group_count(&[&e], rows)
                }
                // The query has no use for the column, but its statistics are there.
                (None, Some(column)) => {
                    let stats = self.env.catalog.column_stats(m.index.table, column).ok().flatten();
                    stats.map_or(rows, |s| {
                        let distinct = f64::from(s.distinct);
                        if distinct == 0.0 {
                            rows
                        } else if distinct < 0.0 {
                            -distinct * size.rows
                        } else {
                            distinct
                        }
                    })
                }
                (None, None) => rows,
            };
        }
        groups.clamp(1.0, rows.max(1.0))
    }

    /// A scan of the table by an index, backward or not, of the index only or not (`cost_index`).
    #[allow(clippy::too_many_arguments)]
    pub(super) fn index_scan(
        &mut self,
        scan: &TableScan,
        (m, index): (&IndexMatch, IndexCost),
        clauses: &[Expr],
        size: RelationSize,
        rows: f64,
        loops: f64,
        (backward, index_only): (bool, bool),
        plain: bool,
    ) -> PhysicalPlan {
        let s = &self.env.settings;
        let tuples = cost::clamp_rows(index.selectivity * size.rows);
        // An index-only scan visits the heap for pages that some snapshot may not see all of.
        let visited = |pages: f64| if index_only { (pages * (1.0 - size.all_visible)).ceil() } else { pages };
        let fetched = |tuples: f64| cost::index_pages_fetched(tuples, size.pages, index.pages, size.pages, s);
        let sequential = (index.selectivity * size.pages).ceil();
        let prices = cost::Pages::of(size.pages, index.pages, s);
        // Rows that lie anywhere are a visit each, whether their page has been visited before or not.
        let apart = |tuples: f64| prices.random(visited(fetched(tuples)), visited(tuples));
        let (max_io, min_io) = if loops > 1.0 {
            let together = visited(sequential * loops);
            let pages = visited(fetched(sequential * loops));
            (apart(tuples * loops) / loops, prices.random(pages, together) / loops)
        } else {
            let in_order = visited(sequential);
            let first = prices.random(1.0, 1.0).max(prices.sequential(1.0)) - prices.sequential(1.0);
            let min_io = if in_order > 0.0 { first + prices.sequential(in_order) } else { 0.0 };
            (apart(tuples), min_io)
        };
        let mut io = max_io + index.correlation * index.correlation * (min_io.min(max_io) - max_io);
        if index.in_order && loops <= 1.0 {
            // Each page is visited once.
            let pages = visited(fetched(tuples));
            let once = prices.in_order(pages, pages / size.pages.max(1.0)).min(io);
            io = measured::between(io, once, measured::largeness(size.pages));
        }
        // Rows that are changed or locked may be read again in another version, which the index says nothing about.
        let keeps_implied = scan.columns.iter().any(|(_, c)| *c == ScanColumn::Ctid);
        let filter: Vec<Expr> = clauses
            .iter()
            .enumerate()
            .filter(|(i, _)| !m.used.contains(i) && (keeps_implied || !m.implied.contains(i)))
            .map(|(_, c)| c.clone())
            .collect();
        let c = cost::exprs(&filter, s);
        let mut startup = index.startup + c.startup;
        let covered = match index_only {
            true => self.covered_columns(scan, m, clauses, size),
            false => None,
        };
        let per_row = match &covered {
            Some(columns) => {
                let keys = measured::KEY_VALUE * keys_read(m, columns) * measured::largeness(size.pages);
                (1.0 + keys) * s.cpu_tuple_cost
            }
            None => {
                let row = measured::between(1.0, measured::INDEXED_ROW, measured::largeness(size.pages));
                row * s.cpu_tuple_cost + self.reading_cost(scan, size)
            }
        };
        let mut total = index.total + c.startup + io + tuples * (per_row + c.per_row);
        if !self.scan_switches(scan).index {
            startup += cost::DISABLED;
            total += cost::DISABLED;
        }
        let out_rows = if plain { rows } else { rows.min(tuples.max(1.0)) };
        let node = PhysicalNode::IndexScan {
            relation: scan.relation.clone(),
            alias: scan.alias.clone(),
            index: m.index.clone(),
            columns: covered.unwrap_or_else(|| scan.columns.clone()),
            conds: m.conds.clone(),
            backward,
            index_only,
            first_only: false,
        };
        let mut plan = self.make(node, out_rows, startup, total);
        plan.filter = order_quals(filter, &self.env.settings);
        plan
    }
}

/// The attributes of the scanned table that conditions read.
fn attributes(scan: &TableScan, conditions: &[Expr]) -> Vec<usize> {
    let mut columns = vec![];
    conditions.iter().for_each(|e| quarry_plan::walk::columns_of(e, &mut columns));
    let of = |(id, column): &(ColumnId, ScanColumn)| match column {
        ScanColumn::Attribute(n) if columns.contains(id) => Some(*n),
        _ => None,
    };
    scan.columns.iter().filter_map(of).collect()
}

/// Keys of an entry that are gone through to read these columns of it.
fn keys_read(m: &IndexMatch, columns: &[(ColumnId, ScanColumn)]) -> f64 {
    let wanted = |attribute| columns.iter().any(|(_, c)| *c == ScanColumn::Attribute(attribute));
    let last = m.index.keys.iter().rposition(|k| k.column.is_some_and(wanted));
    last.map_or(0.0, |k| k as f64 + 1.0)
}

/// Equality of expressions but for positions, which [`quarry_plan::expr::CallPos`] keeps out of it.
pub(super) fn same(a: &Expr, b: &Expr) -> bool {
    a == b
}

/// The conditions as written, each once: one clause may give several (LIKE, row comparison).
pub(super) fn distinct_sources<'c>(conds: impl Iterator<Item = &'c IndexCond>) -> Vec<Expr> {
    let mut out: Vec<Expr> = vec![];
    for c in conds.filter(|c| c.test != IndexTest::Skip) {
        let source = clauses::estimable(c);
        if !out.contains(&source) {
            out.push(source);
        }
    }
    out
}

/// The order an index scan gives. Lookups of several values go through them in the key's order; keys fixed by equality order nothing.
pub(super) fn index_order(m: &IndexMatch) -> Vec<SortKey> {
    let mut out = vec![];
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
