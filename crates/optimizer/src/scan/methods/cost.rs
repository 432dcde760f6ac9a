//! What scans of hash, GIN and BRIN indexes cost (PostgreSQL: `hashcostestimate`, `gincostestimate`, `brincostestimate`).

use super::super::index::{IndexCost, IndexMatch, distinct_sources};
use crate::cost::{self, Pages, measured};
use crate::planner::Planner;
use crate::stats::RelationSize;
use quarry_catalog::builtin::opclass;
use quarry_functions::gin::{self, GinEntryQuery, GinMode};
use quarry_functions::{EvalContext, SessionEnv};
use quarry_plan::Expr;
use quarry_plan::physical::{IndexCond, IndexTest};
use quarry_types::{Datum, IoContext};

/// Bytes of an item pointer in a posting list, on average.
const ITEM_BYTES: f64 = 3.0;
/// Entries that a partial match is thought to cover.
const PARTIAL_ENTRIES: f64 = 100.0;

/// Estimates are made for no session in particular.
struct Nobody;

impl SessionEnv for Nobody {
    fn transaction_timestamp(&self) -> i64 {
        0
    }
    fn statement_timestamp(&self) -> i64 {
        0
    }
    fn clock_timestamp(&self) -> i64 {
        0
    }
}

/// What the conditions on a GIN index search for.
#[derive(Default)]
struct GinCounts {
    exact: f64,
    partial: f64,
    searches: f64,
    /// Nothing can match.
    nothing: bool,
    /// Keys with conditions that all items satisfy as far as the index can tell, and keys with others.
    full: Vec<usize>,
    normal: Vec<usize>,
}

impl Planner<'_> {
    /// Cost of the index part of a scan by an index that is no B-tree.
    pub(in crate::scan) fn method_cost(
        &mut self,
        m: &IndexMatch,
        size: RelationSize,
        loops: f64,
    ) -> IndexCost {
        match m.index.method {
            "gin" => self.gin_cost(m, size, loops),
            "brin" => self.brin_cost(m, size),
            _ => self.hash_cost(m, size, loops),
        }
    }

    /// Selectivity of the conditions and of what the predicate adds to them.
    fn method_selectivity(&mut self, m: &IndexMatch) -> f64 {
        let mut quals = distinct_sources(m.conds.iter());
        for p in &m.predicate {
            if !self.clauses_imply(&quals, std::slice::from_ref(p)) {
                quals.push(p.clone());
            }
        }
        self.selectivity(&quals)
    }

    /// What it takes to compute the values compared with, once a scan.
    fn values_cost(&self, m: &IndexMatch) -> f64 {
        let values = m.conds.iter().filter_map(|c| value_of(c));
        let c = cost::exprs(values, &self.env.settings);
        c.startup + c.per_row
    }

    fn hash_cost(&mut self, m: &IndexMatch, size: RelationSize, loops: f64) -> IndexCost {
        let selectivity = self.method_selectivity(m);
        let (pages, tuples) = self.index_size(&m.index, size);
        let lookups: f64 = m.conds.iter().map(|c| lookups(&c.test)).product();
        let values = self.values_cost(m);
        let s = &self.env.settings;
        let found = (selectivity * size.rows / lookups).round_ties_even().min(tuples).max(1.0);
        let read = if pages > 1.0 && tuples > 1.0 { (found * pages / tuples).ceil() } else { 1.0 };
        let scans = lookups * loops;
        let distinct = match scans > 1.0 {
            true => cost::index_pages_fetched(read * scans, pages, pages, pages, s),
            false => read,
        };
        let fetched = Pages::of(size.pages, pages, s).random(distinct, read * scans) / loops;
        // Hashing the value and getting at its bucket, by way of the page that says where buckets are.
        let descent = 100.0 * s.cpu_operator_cost * measured::largeness(size.pages);
        let per_entry = self.entry_cost(m.conds.len() as f64, 0.0, size);
        let total = fetched + values + descent * lookups + found * lookups * per_entry;
        IndexCost { startup: values, total, selectivity, pages, correlation: 0.0, in_order: false }
    }

    fn gin_cost(&mut self, m: &IndexMatch, size: RelationSize, loops: f64) -> IndexCost {
        let selectivity = self.method_selectivity(m);
        let (pages, tuples) = self.index_size(&m.index, size);
        let stats = self.env.catalog.gin_stats(&m.index).unwrap_or_default();
        let pending =
            if f64::from(stats.pending_pages) < pages { f64::from(stats.pending_pages) } else { 0.0 };
        let known = f64::from(stats.total_pages);
        let usable =
            known <= pages && known > (pages / 4.0).floor() && stats.entry_pages > 0 && stats.entries > 0;
        let (entry_pages, data_pages, entries) = if usable {
            let scale = pages / known;
            let entry_pages = (f64::from(stats.entry_pages) * scale).ceil().min(pages - pending);
            let data_pages = (f64::from(stats.data_pages) * scale).ceil().min(pages - pending - entry_pages);
            (entry_pages, data_pages, (stats.entries as f64 * scale).ceil())
        } else {
            // Something plausible: nine tenths of the pages in the entry tree, a hundred entries each.
            let pages = pages.max(10.0);
            let entry_pages = ((pages - pending) * 0.9).floor();
            (entry_pages, pages - pending - entry_pages, (entry_pages * 100.0).floor())
        };
        let entries = entries.max(1.0);
        let mut counts = self.gin_counts(m);
        if counts.nothing {
            return IndexCost {
                startup: 0.0,
                total: 0.0,
                selectivity: 0.0,
                pages: 0.0,
                correlation: 0.0,
                in_order: false,
            };
        }
        let full = counts.full.iter().any(|k| !counts.normal.contains(k));
        if full || m.conds.is_empty() {
            (counts.partial, counts.exact, counts.searches) = (0.0, entries, entries);
        }
        let values = self.values_cost(m);
        let s = &self.env.settings;
        let prices = Pages::of(size.pages, pages, s);
        let cached = |fetched: f64, pages: f64| match loops > 1.0 {
            true => cost::index_pages_fetched(fetched * loops, pages, pages, pages, s),
            false => fetched,
        };
        let partial = (counts.partial / entries).min(1.0);
        let searched = counts.searches * entry_pages.powf(0.15).round_ties_even();
        let of_entries = pending + searched.ceil() + (entry_pages * partial).ceil();
        let of_partial = (data_pages * partial).ceil();
        let distinct = cached(of_entries, entry_pages) + cached(of_partial, data_pages);
        let startup = prices.random(distinct, (of_entries + of_partial) * loops) / loops;
        let by_entries = (data_pages * counts.exact / entries).ceil();
        let by_rows = (selectivity * (tuples / (8192.0 / ITEM_BYTES))).ceil();
        let read = by_entries.max(by_rows);
        let of_data = prices.random(cached(read, data_pages), read * loops) / loops;
        let operators = m.conds.len() as f64 * s.cpu_operator_cost;
        // Each entry's list is found by a descent, and gone through as far as rows are in all of them.
        let large = measured::largeness(size.pages);
        let descents = counts.searches * 100.0 * s.cpu_operator_cost * large;
        let of_lists = counts.searches * 2.0 * s.cpu_operator_cost * large;
        let per_row = s.cpu_index_tuple_cost + operators + of_lists;
        let total = startup + descents + of_data + values + tuples * selectivity * per_row;
        IndexCost {
            startup: startup + values,
            total,
            selectivity,
            pages: read,
            correlation: 0.0,
            in_order: false,
        }
    }

    fn gin_counts(&self, m: &IndexMatch) -> GinCounts {
        let mut counts = GinCounts::default();
        for c in &m.conds {
            let IndexTest::Operator { strategy, value } = &c.test else { continue };
            let known = match value {
                Expr::Const { value, .. } => Some(value.clone()),
                other => self.env.folder.estimate(other),
            };
            let Some(value) = known else {
                counts.exact += 1.0;
                counts.searches += 1.0;
                counts.normal.push(c.key);
                continue;
            };
            if value.is_null() {
                counts.nothing = true;
                return counts;
            }
            self.count_entries(m, c, *strategy, &value, &mut counts);
        }
        counts
    }

    fn count_entries(&self, m: &IndexMatch, c: &IndexCond, strategy: u16, value: &Datum, to: &mut GinCounts) {
        let key = &m.index.keys[c.key];
        let class = opclass::opclass(key.opclass).and_then(|c| gin::class(c.name));
        let io = IoContext { names: self.env.catalog, ..IoContext::default() };
        let cx = EvalContext::new(&io, &Nobody);
        let Some(query) = class.and_then(|c| c.extract_query(&cx, value, strategy).ok()) else {
            to.exact += 1.0;
            to.searches += 1.0;
            to.normal.push(c.key);
            return;
        };
        for e in &query.entries {
            match e {
                GinEntryQuery::Range { .. } => to.partial += PARTIAL_ENTRIES,
                GinEntryQuery::Key(_) | GinEntryQuery::Null => to.exact += 1.0,
            }
            to.searches += 1.0;
        }
        match query.mode {
            GinMode::Nothing => to.nothing = true,
            GinMode::Default if query.entries.is_empty() => to.nothing = true,
            GinMode::Default => to.normal.push(c.key),
            GinMode::IncludeEmpty => {
                to.normal.push(c.key);
                to.exact += 1.0;
                to.searches += 1.0;
            }
            GinMode::All => to.full.push(c.key),
        }
    }
}

impl Planner<'_> {
    fn brin_cost(&mut self, m: &IndexMatch, size: RelationSize) -> IndexCost {
        let (pages, _) = self.index_size(&m.index, size);
        let facts = self.env.catalog.brin_costs(&m.index).ok();
        let per_range = f64::from(facts.map_or(128, |f| f.pages_per_range).max(1));
        let ranges = (size.pages / per_range).ceil().max(1.0);
        let mut correlation = 0.0f64;
        for key in m.conds.iter().filter_map(|c| m.keys.get(c.key)) {
            if let Some(Expr::Column { id, .. }) = key {
                let id = *id;
                let of_column =
                    self.column_stats(id).map_or(0.0, |s| f64::from(s.correlation.unwrap_or(0.0)));
                correlation = correlation.max(of_column.abs());
            }
        }
        let matching = self.selectivity(&distinct_sources(m.conds.iter()));
        let least = (ranges * matching).ceil();
        let touched = if correlation < 1e-10 { ranges } else { (least / correlation).min(ranges) };
        let values = self.values_cost(m);
        let s = &self.env.settings;
        let revmap = f64::from(facts.map_or(1, |f| f.map_pages));
        let prices = Pages::of(size.pages, pages, s);
        let startup = prices.sequential(revmap) + values;
        let rest = (pages - revmap).max(0.0);
        let total = startup + prices.random(rest, rest) + 0.1 * s.cpu_operator_cost * touched * per_range;
        let selectivity = (touched / ranges).clamp(0.0, 1.0);
        IndexCost { startup, total, selectivity, pages, correlation, in_order: false }
    }
}

fn value_of(c: &IndexCond) -> Option<&Expr> {
    match &c.test {
        IndexTest::Eq(e)
        | IndexTest::Lt(e)
        | IndexTest::Le(e)
        | IndexTest::Gt(e)
        | IndexTest::Ge(e)
        | IndexTest::In(e)
        | IndexTest::Row(_, e)
        | IndexTest::Operator { value: e, .. } => Some(e),
        IndexTest::IsNull | IndexTest::IsNotNull | IndexTest::Skip => None,
    }
}

/// Lookups of one condition.
fn lookups(test: &IndexTest) -> f64 {
    match test {
        IndexTest::In(array) => crate::stats::array_length(array).max(1.0),
        _ => 1.0,
    }
}
