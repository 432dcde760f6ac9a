//! What a plan of a text depends on besides the text: the schema, who asks, settings, and how large tables are.

use crate::query::StatementContext;
use quarry_catalog::{CatalogReader, Relation, SessionView};
use quarry_common::settings::{self, SettingValue, Settings};
use quarry_plan::{PhysicalNode, PhysicalPlan, Statement, walk};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, LazyLock};

/// Where a plan may be used.
pub(super) struct Scope {
    schema_version: u64,
    view: Arc<SessionView>,
    /// The digest of the settings that texts and plans depend on.
    settings: u64,
}

impl Scope {
    pub fn of(st: &StatementContext) -> Scope {
        Scope {
            schema_version: st.reader.schema_version(),
            view: st.reader.session().clone(),
            settings: st.session.digested(|d| d.planning),
        }
    }
    /// Whether a statement's context is one of these.
    pub fn is_of(&self, st: &StatementContext) -> bool {
        !self.is_outdated(st)
            && self.settings == st.session.digested(|d| d.planning)
            && (Arc::ptr_eq(&self.view, st.reader.session()) || same_names(&self.view, st.reader.session()))
    }
    /// Whether no statement is any more.
    pub fn is_outdated(&self, st: &StatementContext) -> bool {
        self.schema_version != st.reader.schema_version()
    }
}

/// Whether names mean the same to both, and the rights are the same.
pub(crate) fn same_names(a: &SessionView, b: &SessionView) -> bool {
    a.user == b.user
        && a.search_path == b.search_path
        && a.temp_schema == b.temp_schema
        && a.transform_null_equals == b.transform_null_equals
}

/// Settings that what a text means, or its plan, depends on.
static SETTINGS: LazyLock<Vec<usize>> = LazyLock::new(|| {
    let counts = |d: &settings::SettingDef| {
        d.category.starts_with("Query Tuning")
            || d.name.starts_with("pg_hint_plan.")
            || d.name.starts_with("quarry.")
            || matches!(
                d.name,
                "work_mem"
                    | "hash_mem_multiplier"
                    | "DateStyle"
                    | "IntervalStyle"
                    | "TimeZone"
                    | "array_nulls"
                    | "xmloption"
                    | "bytea_output"
                    | "extra_float_digits"
                    | "default_text_search_config"
                    | "compute_query_id"
            )
    };
    settings::all().enumerate().filter(|(_, d)| counts(d)).map(|(i, _)| i).collect()
});

/// A digest of these settings' values.
pub(crate) fn settings_digest(settings: &Settings) -> u64 {
    let mut hasher = DefaultHasher::new();
    for i in SETTINGS.iter() {
        match settings.value(*i) {
            SettingValue::Bool(v) => v.hash(&mut hasher),
            SettingValue::Int(v) => v.hash(&mut hasher),
            SettingValue::Real(v) => v.to_bits().hash(&mut hasher),
            SettingValue::Text(v) => v.hash(&mut hasher),
        }
    }
    hasher.finish()
}

/// How many blocks tables had when a plan was made.
pub(crate) struct Sizes(Vec<(Arc<Relation>, u32)>);

/// Blocks by which a table may grow or shrink in any case.
const SLACK_BLOCKS: u32 = 8;

impl Sizes {
    /// Of the tables that a plan reads other than by a unique key; none if there are none.
    pub fn of(statement: &Statement, reader: &CatalogReader) -> Option<Sizes> {
        let mut out = vec![];
        collect(&statement.plan, reader, &mut out);
        statement.ctes.iter().for_each(|c| collect(&c.plan, reader, &mut out));
        (!out.is_empty()).then_some(Sizes(out))
    }

    /// Whether a table has half or double the size, so that another plan may be better.
    pub fn have_changed(&self, reader: &CatalogReader) -> bool {
        self.0.iter().any(|(relation, then)| {
            let now = blocks(relation, reader);
            now / 2 > *then + SLACK_BLOCKS || then / 2 > now + SLACK_BLOCKS
        })
    }
}

fn blocks(relation: &Relation, reader: &CatalogReader) -> u32 {
    reader.relation_blocks(relation.storage).unwrap_or(0)
}

fn collect(plan: &PhysicalPlan, reader: &CatalogReader, out: &mut Vec<(Arc<Relation>, u32)>) {
    let relation = match &plan.node {
        PhysicalNode::IndexScan { index, conds, relation, .. } => {
            // A key that picks one row is the way for any size.
            let pins = index.unique
                && conds.len() == index.keys.len()
                && conds.iter().all(|c| matches!(c.test, quarry_plan::physical::IndexTest::Eq(_)));
            (!pins).then_some(relation)
        }
        PhysicalNode::SeqScan { relation, .. }
        | PhysicalNode::BitmapHeapScan { relation, .. }
        | PhysicalNode::TidRangeScan { relation, .. } => Some(relation),
        _ => None,
    };
    if let Some(relation) = relation
        && !relation.is_catalog
        && !out.iter().any(|(r, _)| r.oid == relation.oid)
    {
        out.push((relation.clone(), blocks(relation, reader)));
    }
    for e in walk::physical_exprs(plan) {
        walk::visit(e, &mut |e| {
            if let quarry_plan::Expr::Subquery(s) = e
                && let quarry_plan::expr::SubqueryPlan::Physical { plan, .. } = &s.plan
            {
                collect(plan, reader, out);
            }
        });
    }
    for input in walk::physical_inputs(plan) {
        collect(input, reader, out);
    }
}
