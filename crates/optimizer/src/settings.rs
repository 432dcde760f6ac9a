//! The planner's settings, read once per planning.

use crate::rules::RuleSet;
use quarry_common::settings::{self, SettingValue, Settings};
use std::sync::LazyLock;

/// Cost units, switches and limits (PostgreSQL's names and meanings).
#[derive(Clone, Debug)]
pub struct PlannerSettings {
    pub seq_page_cost: f64,
    pub random_page_cost: f64,
    pub cpu_tuple_cost: f64,
    pub cpu_index_tuple_cost: f64,
    pub cpu_operator_cost: f64,
    pub hash_mem_multiplier: f64,
    /// In kilobytes.
    pub work_mem: f64,
    /// In pages.
    pub effective_cache_size: f64,
    pub from_collapse_limit: usize,
    pub join_collapse_limit: usize,
    pub enable_bitmapscan: bool,
    pub enable_hashagg: bool,
    pub enable_hashjoin: bool,
    pub enable_incremental_sort: bool,
    pub enable_indexonlyscan: bool,
    pub enable_indexscan: bool,
    pub enable_material: bool,
    pub enable_memoize: bool,
    pub enable_mergejoin: bool,
    pub enable_nestloop: bool,
    pub enable_seqscan: bool,
    pub enable_sort: bool,
    pub enable_tidscan: bool,
    /// `constraint_exclusion = on`.
    pub exclude_by_constraints: bool,
    pub disabled_rules: RuleSet,
    /// Rewrites that costs needn't justify.
    pub forced_rules: RuleSet,
    /// `quarry.random_joins`; 0: plans are chosen by cost.
    pub random_joins: u64,
    pub runtime_filters: bool,
    /// `max_parallel_workers_per_gather`.
    pub workers_per_gather: usize,
    /// `min_parallel_table_scan_size`, in pages.
    pub min_parallel_table_pages: f64,
    pub parallel_setup_cost: f64,
    pub parallel_tuple_cost: f64,
    pub enable_gathermerge: bool,
    pub enable_parallel_hash: bool,
    /// The share of the statement's rows that is expected to be fetched; 0: all. No setting: whoever plans a cursor knows it.
    pub fetched: f64,
}

impl Default for PlannerSettings {
    fn default() -> PlannerSettings {
        PlannerSettings {
            seq_page_cost: 1.0,
            random_page_cost: 4.0,
            cpu_tuple_cost: 0.01,
            cpu_index_tuple_cost: 0.005,
            cpu_operator_cost: 0.0025,
            hash_mem_multiplier: 2.0,
            work_mem: 4096.0,
            effective_cache_size: 524_288.0,
            from_collapse_limit: 8,
            join_collapse_limit: 8,
            enable_bitmapscan: true,
            enable_hashagg: true,
            enable_hashjoin: true,
            enable_incremental_sort: true,
            enable_indexonlyscan: true,
            enable_indexscan: true,
            enable_material: true,
            enable_memoize: true,
            enable_mergejoin: true,
            enable_nestloop: true,
            enable_seqscan: true,
            enable_sort: true,
            enable_tidscan: true,
            exclude_by_constraints: false,
            disabled_rules: RuleSet::default(),
            forced_rules: RuleSet::default(),
            random_joins: 0,
            runtime_filters: true,
            workers_per_gather: 2,
            min_parallel_table_pages: 1024.0,
            parallel_setup_cost: 1000.0,
            parallel_tuple_cost: 0.1,
            enable_gathermerge: true,
            enable_parallel_hash: true,
            fetched: 0.0,
        }
    }
}

const NAMES: [&str; 29] = [
    "seq_page_cost",
    "random_page_cost",
    "cpu_tuple_cost",
    "cpu_index_tuple_cost",
    "cpu_operator_cost",
    "hash_mem_multiplier",
    "work_mem",
    "effective_cache_size",
    "from_collapse_limit",
    "join_collapse_limit",
    "enable_bitmapscan",
    "enable_hashagg",
    "enable_hashjoin",
    "enable_incremental_sort",
    "enable_indexonlyscan",
    "enable_indexscan",
    "enable_material",
    "enable_memoize",
    "enable_mergejoin",
    "enable_nestloop",
    "enable_seqscan",
    "enable_sort",
    "enable_tidscan",
    "max_parallel_workers_per_gather",
    "min_parallel_table_scan_size",
    "parallel_setup_cost",
    "parallel_tuple_cost",
    "enable_gathermerge",
    "enable_parallel_hash",
];

/// Positions of [`NAMES`] in the settings table.
static INDEXES: LazyLock<[Option<usize>; 29]> =
    LazyLock::new(|| NAMES.map(|n| settings::find(n).map(|(i, _)| i)));

/// `constraint_exclusion`, `quarry.disabled_rules` and `quarry.forced_rules` in the settings table.
static CHOICES: LazyLock<[Option<usize>; 3]> = LazyLock::new(|| {
    let names = ["constraint_exclusion", "quarry.disabled_rules", "quarry.forced_rules"];
    names.map(|n| settings::find(n).map(|(i, _)| i))
});

/// `quarry.random_joins` and `quarry.runtime_filters` in the settings table.
static JOINS: LazyLock<[Option<usize>; 2]> = LazyLock::new(|| {
    ["quarry.random_joins", "quarry.runtime_filters"].map(|n| settings::find(n).map(|(i, _)| i))
});

impl PlannerSettings {
    /// Reads the session's settings.
    pub fn from_settings(s: &Settings) -> PlannerSettings {
        let mut out = PlannerSettings::default();
        let at = |i: usize| INDEXES[i].map(|i| s.value(i));
        let real = |i: usize, place: &mut f64| match at(i) {
            Some(SettingValue::Real(v)) => *place = *v,
            Some(SettingValue::Int(v)) => *place = *v as f64,
            _ => {}
        };
        let count = |i: usize, place: &mut usize| {
            if let Some(SettingValue::Int(v)) = at(i) {
                *place = (*v).max(1) as usize
            }
        };
        let switch = |i: usize, place: &mut bool| {
            if let Some(SettingValue::Bool(v)) = at(i) {
                *place = *v
            }
        };
        real(0, &mut out.seq_page_cost);
        real(1, &mut out.random_page_cost);
        real(2, &mut out.cpu_tuple_cost);
        real(3, &mut out.cpu_index_tuple_cost);
        real(4, &mut out.cpu_operator_cost);
        real(5, &mut out.hash_mem_multiplier);
        real(6, &mut out.work_mem);
        real(7, &mut out.effective_cache_size);
        count(8, &mut out.from_collapse_limit);
        count(9, &mut out.join_collapse_limit);
        switch(10, &mut out.enable_bitmapscan);
        switch(11, &mut out.enable_hashagg);
        switch(12, &mut out.enable_hashjoin);
        switch(13, &mut out.enable_incremental_sort);
        switch(14, &mut out.enable_indexonlyscan);
        switch(15, &mut out.enable_indexscan);
        switch(16, &mut out.enable_material);
        switch(17, &mut out.enable_memoize);
        switch(18, &mut out.enable_mergejoin);
        switch(19, &mut out.enable_nestloop);
        switch(20, &mut out.enable_seqscan);
        switch(21, &mut out.enable_sort);
        switch(22, &mut out.enable_tidscan);
        if let Some(SettingValue::Int(v)) = at(23) {
            out.workers_per_gather = (*v).max(0) as usize;
        }
        real(24, &mut out.min_parallel_table_pages);
        real(25, &mut out.parallel_setup_cost);
        real(26, &mut out.parallel_tuple_cost);
        switch(27, &mut out.enable_gathermerge);
        switch(28, &mut out.enable_parallel_hash);
        let text = |i: usize| match CHOICES[i].map(|i| s.value(i)) {
            Some(SettingValue::Text(text)) => text.as_str(),
            _ => "",
        };
        if let Some(SettingValue::Int(n)) = JOINS[0].map(|i| s.value(i)) {
            out.random_joins = (*n).max(0) as u64;
        }
        if let Some(SettingValue::Bool(on)) = JOINS[1].map(|i| s.value(i)) {
            out.runtime_filters = *on;
        }
        out.exclude_by_constraints = text(0) == "on";
        out.disabled_rules = RuleSet::parse(text(1)).unwrap_or_default();
        out.forced_rules = RuleSet::parse(text(2)).unwrap_or_default();
        out
    }
    /// Memory a hash table may take, in bytes.
    pub fn hash_mem(&self) -> f64 {
        self.work_mem * 1024.0 * self.hash_mem_multiplier
    }
    /// Memory a sort may take, in bytes.
    pub fn sort_mem(&self) -> f64 {
        self.work_mem * 1024.0
    }
}
