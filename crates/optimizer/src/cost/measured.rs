//! What our executor's operations take next to each other, and what pages cost.
//!
//! The settings keep PostgreSQL's defaults and meanings, and its formulas their shape. What differs is measured: the constants here say how
//! many times the setting they go with an operation of our executor takes. A unit of cost is about a microsecond of it, as
//! `cpu_tuple_cost` is what a sequential scan takes for a row. The times, and how they were measured, are in the README beside.
//!
//! `seq_page_cost` and `random_page_cost` are for pages that have to be read. Of a table and an index that fit into
//! `effective_cache_size` nearly all pages are found in memory, where getting at one is work of the processor like any other.
//!
//! Scans of small tables are left PostgreSQL's costs: there any plan takes microseconds, and people know which ones to expect. For the same
//! reason the first page that a scan reads costs the full price whatever the table's size.

use crate::PlannerSettings;

/// Getting at a page in memory, in physical order: times `cpu_tuple_cost`.
const SEQUENTIAL_PAGE: f64 = 15.0;
/// Getting at a page in memory, in another order: times `cpu_tuple_cost`.
const RANDOM_PAGE: f64 = 15.0;
/// Share of pages that aren't in memory though there is room for them.
const MISSES: f64 = 0.01;
/// Scans of tables of fewer pages cost what PostgreSQL says, those of more than the other what is measured: in between some of each.
const SMALL: (f64, f64) = (256.0, 1024.0);

/// An entry of an index: times `cpu_index_tuple_cost`. Bounds are kept by the walk, so that no operator is run for them.
pub const INDEX_ENTRY: f64 = 4.0;
/// A row that an index points to: times `cpu_tuple_cost`.
pub const INDEXED_ROW: f64 = 2.0;
/// A key of an entry that is read on the way to the last one wanted of it: times `cpu_tuple_cost`.
pub const KEY_VALUE: f64 = 0.4;
/// A row that a bitmap points to, of a page with few of them: times `cpu_tuple_cost`.
pub const BITMAP_HEAP_ROW: f64 = 12.0;
/// A bitmap that is begun, with the scan of the table by it: times `cpu_tuple_cost`.
pub const BITMAP: f64 = 200.0;
/// A row that is put into a bitmap: times `cpu_tuple_cost`.
pub const BITMAP_ROW: f64 = 5.0;
/// A row that is put into a bitmap behind all others: times `cpu_tuple_cost`.
pub const SORTED_BITMAP_ROW: f64 = 0.5;
/// A value of varying width that is read from a row: times `cpu_tuple_cost`.
pub const VARYING_VALUE: f64 = 2.0;
/// Starting a plan again for another outer row: times `cpu_tuple_cost`.
pub const RESTART: f64 = 60.0;
/// Going through a materialised inner side again, for each outer row from the one on with this number: times `cpu_tuple_cost`.
pub const REWIND: f64 = 60.0;
pub const REWINDS_FREE: f64 = 5000.0;
/// A lookup in a cache of the results of a parameterised plan: times `cpu_tuple_cost`.
pub const MEMOIZED: f64 = 20.0;
/// A row that goes into a hash table: times `cpu_tuple_cost`.
pub const HASHED_ROW: f64 = 3.0;
/// A row that is looked up in a hash table: times `cpu_tuple_cost`.
pub const PROBING_ROW: f64 = 1.5;
/// A row that is added to its group: times `cpu_tuple_cost`.
pub const GROUPED_ROW: f64 = 0.75;
/// A group that is begun: times `cpu_tuple_cost`.
pub const GROUP: f64 = 1.5;
/// A row that passes through a merge join: times `cpu_tuple_cost`.
pub const MERGED_ROW: f64 = 0.7;
/// A pair that a merge join finds: times `cpu_tuple_cost`.
pub const MERGED_PAIR: f64 = 0.5;

/// Rows that nodes give at a time, and so the least that is read of what is not read to its end.
pub const BATCH: f64 = quarry_types::BATCH_ROWS as f64;

/// How far a table of so many pages has measured costs, from 0 to 1.
pub fn largeness(pages: f64) -> f64 {
    ((pages - SMALL.0) / (SMALL.1 - SMALL.0)).clamp(0.0, 1.0)
}

/// What something costs by a table's largeness: PostgreSQL's way, and ours.
pub fn between(theirs: f64, ours: f64, largeness: f64) -> f64 {
    theirs + (ours - theirs) * largeness
}

/// What pages of a relation cost, by the share of them in memory.
#[derive(Clone, Copy, Debug)]
pub struct Pages {
    /// The share that must be read.
    missing: f64,
    sequential: Price,
    random: Price,
}

#[derive(Clone, Copy, Debug)]
struct Price {
    read: f64,
    in_memory: f64,
}

impl Pages {
    /// Of a table and an index, or of one of them.
    pub fn of(table: f64, index: f64, s: &PlannerSettings) -> Pages {
        let share = s.effective_cache_size / (table + index).max(1.0);
        let in_memory = share.clamp(0.0, 1.0) * (1.0 - MISSES) * largeness(table);
        let price = |read: f64, factor: f64| Price { read, in_memory: read.min(factor * s.cpu_tuple_cost) };
        Pages {
            missing: 1.0 - in_memory,
            sequential: price(s.seq_page_cost, SEQUENTIAL_PAGE),
            random: price(s.random_page_cost, RANDOM_PAGE),
        }
    }

    /// Pages in physical order, each once.
    pub fn sequential(&self, pages: f64) -> f64 {
        self.cost(self.sequential, pages, pages)
    }

    /// The part of that which the disk takes.
    pub fn disk_share(&self, pages: f64) -> f64 {
        pages * self.missing * self.sequential.read
    }

    /// So many visits to pages in any order, `distinct` of which are to pages not visited before.
    pub fn random(&self, distinct: f64, visits: f64) -> f64 {
        self.cost(self.random, distinct, visits)
    }

    /// Pages in physical order with gaps, `share` of the relation's (PostgreSQL: `cost_bitmap_heap_scan`).
    pub fn in_order(&self, pages: f64, share: f64) -> f64 {
        self.in_order_again(pages, pages, share)
    }

    /// The same again and again: so many visits, `distinct` of which are to pages not visited before. `share`: of each time.
    pub fn in_order_again(&self, distinct: f64, visits: f64, share: f64) -> f64 {
        let share = share.clamp(0.0, 1.0).sqrt();
        let price = Price {
            read: match distinct >= 2.0 {
                true => between(self.random.read, self.sequential.read, share),
                false => self.random.read,
            },
            in_memory: between(self.random.in_memory, self.sequential.in_memory, share),
        };
        self.cost(price, distinct, visits)
    }

    fn cost(&self, price: Price, distinct: f64, visits: f64) -> f64 {
        if visits <= 0.0 {
            return 0.0;
        }
        let of_distinct = self.missing * price.read;
        let of_visit = (1.0 - self.missing) * price.in_memory;
        let first = (price.read - of_distinct - of_visit).max(0.0);
        first + of_distinct * distinct + of_visit * visits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_page_costs_what_the_settings_say() {
        let s = PlannerSettings::default();
        for table in [10.0, 500.0, 5000.0] {
            let pages = Pages::of(table, 0.0, &s);
            let is = |cost: f64, wanted: f64| assert!((cost - wanted).abs() < 1e-9, "{cost}, not {wanted}");
            is(pages.sequential(1.0), 1.0);
            is(pages.random(1.0, 1.0), 4.0);
            is(pages.in_order(1.0, 1.0 / table), 4.0);
            is(pages.random(0.0, 0.0), 0.0);
        }
    }

    #[test]
    fn small_tables_have_postgresqls_prices() {
        let s = PlannerSettings::default();
        assert_eq!(Pages::of(200.0, 50.0, &s).sequential(200.0), 200.0);
        assert_eq!(Pages::of(200.0, 50.0, &s).random(30.0, 40.0), 120.0);
        assert!(Pages::of(2000.0, 50.0, &s).random(30.0, 40.0) < 12.0);
    }

    #[test]
    fn pages_beyond_the_cache_are_read() {
        let s = PlannerSettings { effective_cache_size: 10_000.0, ..PlannerSettings::default() };
        let small = Pages::of(10_000.0, 0.0, &s).random(50.0, 50.0);
        let large = Pages::of(10_000_000.0, 0.0, &s).random(50.0, 50.0);
        assert!(small < 14.0, "{small}");
        assert!((199.0..=200.0).contains(&large), "{large}");
    }

    #[test]
    fn free_pages_are_free() {
        let s = PlannerSettings { seq_page_cost: 0.0, random_page_cost: 0.0, ..PlannerSettings::default() };
        assert_eq!(Pages::of(2000.0, 10.0, &s).sequential(1000.0), 0.0);
        assert_eq!(Pages::of(2000.0, 10.0, &s).random(10.0, 1000.0), 0.0);
    }
}
