//! What runtime filters save (`crate::runtime_filters` finds the filters of the finished plan, `executor::join::filter` makes them): a
//! hash join tells the sequential scan that drives its outer side which keys it has, before the scan begins. Rows with other keys are
//! given up for the price of a look at the key, pages without any of a few keys aren't read at all if an index says where they are.
//!
//! Only the scan at the beginning of the outer side's outer sides is looked at, and each key by itself. It may stand inside an item that was
//! planned by itself, below a grouping by the key: groups that no row will be joined with aren't made then.

use super::conditions::Keyed;
use super::{Method, Path, Search, Step};
use crate::cost::{self, measured};
use crate::{PlannerSettings, runtime_filters};
use quarry_catalog::Relation;
use quarry_plan::{ColumnId, JoinKind, PhysicalNode, PhysicalPlan, ScanColumn, walk};
use quarry_types::oids;
use std::sync::Arc;

/// A look at a row's key, and at the filter: times `cpu_tuple_cost`.
const LOOK: f64 = 1.0;

/// Share of the rows from which on a filter is given up (as in `executor::join::filter`).
const USELESS_SHARE: f64 = 0.8;

/// Different keys up to which they are looked up in an index, and the share of a table's pages up to which others aren't read.
const KEYS_MAX: f64 = 1024.0;
const PAGES_SHARE: f64 = 0.25;

/// What a join's filters do to the scan that drives it.
#[derive(Clone, Copy)]
pub(super) struct Sieve {
    /// Share of the rows that pass.
    pub passing: f64,
    /// Cost that the scan, and what stands between, don't have then.
    pub saved: f64,
    /// The part of it that comes before the outer side's first row.
    pub early: f64,
}

impl Sieve {
    pub(super) const NONE: Sieve = Sieve { passing: 1.0, saved: 0.0, early: 0.0 };
}

/// A sequential scan that drives joins.
pub(super) struct Driven<'p> {
    scan: &'p PhysicalPlan,
    relation: &'p Arc<Relation>,
    columns: &'p [(ColumnId, ScanColumn)],
    /// The plan of the item that the scan is, or stands in.
    item: &'p PhysicalPlan,
    /// Share of its rows that the joins' filters let pass.
    passing: f64,
    /// What they save already.
    saved: f64,
    /// Cost of what stands between for the rows that come from below.
    joining: f64,
    /// Whether something in between reads all its rows before it gives one.
    blocked: bool,
}

impl Driven<'_> {
    /// Whether something in between reads all its rows before it gives one.
    pub(super) fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// The scan's attribute that a column of the item is, where it is one for filters.
    fn attribute(&self, id: ColumnId) -> Option<usize> {
        let at_scan = match std::ptr::eq(self.item, self.scan) {
            true => id,
            false => {
                let mut scans = vec![];
                runtime_filters::scans_of(self.item, id, &mut scans);
                scans.into_iter().find(|(scan, _)| std::ptr::eq(*scan, self.scan))?.1
            }
        };
        self.columns.iter().find_map(|(c, what)| match what {
            ScanColumn::Attribute(n) if *c == at_scan => Some(*n),
            _ => None,
        })
    }
}

impl Search<'_, '_> {
    /// What a hash join's filters save in its outer side.
    pub(super) fn sieve(&self, kind: JoinKind, outer: &Path, inner: &Path, keyed: &Keyed) -> Sieve {
        if inner.params != 0 || !runtime_filters::drops_outer(kind) || !chooses(inner) {
            return Sieve::NONE;
        }
        let Some(driven) = self.driven(outer) else { return Sieve::NONE };
        let shares = keyed.keys.iter().zip(&keyed.distinct).filter_map(|(key, (outer, own))| {
            let id =
                runtime_filters::column_of(&key.outer).filter(|_| !runtime_filters::is_costly(&key.inner))?;
            let attribute = driven.attribute(id)?;
            let (outer, own) = ((*outer)?, (*own)?);
            let found = own.min(inner.rows);
            let whole = matches!(key.outer.ty().oid, oids::INT2 | oids::INT4 | oids::INT8);
            let keys = if whole { found } else { f64::INFINITY };
            Some((found / outer.max(own).max(1.0), keys, attribute))
        });
        let Some((share, keys, attribute)) = shares.min_by(|a, b| a.0.total_cmp(&b.0)) else {
            return Sieve::NONE;
        };
        if share >= USELESS_SHARE {
            return Sieve::NONE;
        }
        let Some(size) = self.p.known_size(driven.relation) else { return Sieve::NONE };
        let s = &self.p.env.settings;
        let whole = cost::Pages::of(size.pages, 0.0, s);
        let run = driven.scan.total_cost - driven.scan.startup_cost;
        let pages = whole.sequential(size.pages);
        let per_row = ((run - pages) / size.rows.max(1.0) - s.cpu_tuple_cost).max(0.0);
        let look = LOOK * s.cpu_tuple_cost;
        let rows = size.rows * driven.passing;
        let joining = (1.0 - share) * driven.joining * driven.passing;
        let mut saved = rows * ((1.0 - share) * per_row - look) + joining;
        // What can't be saved: pages are read, and keys looked at.
        let mut least = pages + size.rows * s.cpu_tuple_cost + rows * look;
        let read = (size.rows * share).min(size.pages);
        if keys <= KEYS_MAX && read <= size.pages * PAGES_SHARE && leads_index(driven.relation, attribute) {
            let entries = size.rows * share * measured::INDEX_ENTRY * s.cpu_index_tuple_cost;
            let tested = size.rows * (read / size.pages.max(1.0)) * (s.cpu_tuple_cost + look);
            let narrow = whole.random(read, read) + entries + tested + size.rows * share * per_row;
            saved = saved.max(run - driven.saved - narrow + joining);
            least = least.min(narrow);
        }
        let early = if driven.blocked { outer.startup } else { 0.0 };
        let saved = saved.min(outer.total - outer.startup + early - least);
        if saved <= 0.0 || !self.is_steady(inner) {
            return Sieve::NONE;
        }
        Sieve { passing: share, saved, early: saved.min(early) }
    }

    /// Whether a path without parameters reads nothing from outside, so that its rows are the same each time it runs.
    fn is_steady(&self, path: &Path) -> bool {
        *path.steady.get_or_init(|| self.find_steady(path))
    }

    fn find_steady(&self, path: &Path) -> bool {
        let within = |id: &ColumnId| self.region.items.iter().any(|item| item.columns.contains(id));
        match &path.step {
            Step::Leaf(plan) => {
                runtime_filters::outside_columns(plan).is_some_and(|read| read.iter().all(within))
            }
            Step::Join { outer, inner, on, keys, post, .. } => {
                let mut read = vec![];
                let conditions = keys.iter().map(|k| &k.condition).chain(on.iter()).chain(post.iter());
                conditions.for_each(|c| walk::columns_of(c, &mut read));
                read.iter().all(within) && self.is_steady(outer) && self.is_steady(inner)
            }
            Step::Sort(input, _)
            | Step::Materialize(input)
            | Step::Memoize(input, ..)
            | Step::Unique(input, _) => self.is_steady(input),
        }
    }

    /// The scan that drives a path, if it is one that filters are for.
    pub(super) fn driven<'p>(&self, mut path: &'p Path) -> Option<Driven<'p>> {
        let s = &self.p.env.settings;
        let (mut passing, mut saved, mut joining, mut blocked) = (1.0, 0.0, 0.0, false);
        loop {
            match &path.step {
                Step::Leaf(item) => {
                    let (scan, within, first) = scan_below(item, s)?;
                    let PhysicalNode::SeqScan { relation, columns, .. } = &scan.node else { return None };
                    (joining, blocked) = (joining + within, blocked || first);
                    return Some(Driven { scan, relation, columns, item, passing, saved, joining, blocked });
                }
                Step::Join { kind, method, outer, sieve, .. } => {
                    if !drives(*kind) {
                        return None;
                    }
                    if *method == Method::Hash {
                        joining += s.cpu_tuple_cost * (measured::PROBING_ROW * outer.rows + path.rows);
                    }
                    passing *= sieve.passing;
                    saved += sieve.saved;
                    path = outer;
                }
                Step::Sort(input, _) => {
                    blocked = true;
                    path = input;
                }
                Step::Materialize(input) => path = input,
                Step::Memoize(..) | Step::Unique(..) => return None,
            }
        }
    }
}

/// Whether the rows of an item's plan come from a scan that filters are for.
pub fn is_driven(item: &PhysicalPlan, s: &PlannerSettings) -> bool {
    scan_below(item, s).is_some()
}

/// The scan from which an item's rows come, if it is one that filters are for; what stands between takes so much for them, and
/// whether it reads them all first.
fn scan_below<'p>(item: &'p PhysicalPlan, s: &PlannerSettings) -> Option<(&'p PhysicalPlan, f64, bool)> {
    let (mut joining, mut blocked) = (0.0, false);
    let scan = driving(item, s, &mut joining, &mut blocked)?;
    let PhysicalNode::SeqScan { relation, one_row: false, .. } = &scan.node else { return None };
    let filtered = runtime_filters::is_worth(scan) && !relation.is_catalog;
    filtered.then_some((scan, joining, blocked))
}

/// Whether a join of this kind gives rows for its outer ones as they come.
fn drives(kind: JoinKind) -> bool {
    matches!(kind, JoinKind::Inner | JoinKind::Left | JoinKind::Semi | JoinKind::Anti)
}

/// The node of an item's plan from which all its rows come. Adds what stands between takes for them, what the filters within save left
/// out, and whether it reads them all first.
fn driving<'p>(
    mut plan: &'p PhysicalPlan,
    s: &PlannerSettings,
    joining: &mut f64,
    blocked: &mut bool,
) -> Option<&'p PhysicalPlan> {
    loop {
        let input = match &plan.node {
            PhysicalNode::HashJoin { kind, outer, .. } if drives(*kind) => {
                *joining += s.cpu_tuple_cost * (measured::PROBING_ROW + 1.0) * plan.rows.min(outer.rows);
                outer
            }
            PhysicalNode::MergeJoin { kind, outer, .. } | PhysicalNode::NestLoop { kind, outer, .. }
                if drives(*kind) =>
            {
                outer
            }
            PhysicalNode::Aggregate { input, sets: None, group, .. } if !group.is_empty() => {
                *blocked = true;
                *joining += (plan.total_cost - input.total_cost).max(0.0);
                input
            }
            PhysicalNode::Sort { input, bound: None, .. } => {
                *blocked = true;
                *joining += (plan.total_cost - input.total_cost).max(0.0);
                input
            }
            PhysicalNode::SubqueryScan { input, .. } => {
                *joining += (plan.total_cost - input.total_cost).max(0.0);
                input
            }
            PhysicalNode::Materialize { input } => input,
            _ => return Some(plan),
        };
        plan = input;
    }
}

/// Whether something in a path leaves rows out.
fn chooses(path: &Path) -> bool {
    match &path.step {
        Step::Leaf(plan) => runtime_filters::chooses(plan),
        Step::Join { .. } => true,
        Step::Sort(input, _)
        | Step::Materialize(input)
        | Step::Memoize(input, ..)
        | Step::Unique(input, _) => chooses(input),
    }
}

fn leads_index(relation: &Relation, attribute: usize) -> bool {
    relation.indexes.iter().any(|i| {
        let first = i.keys.first().and_then(|k| k.column);
        i.method == "btree" && i.predicate_sql.is_none() && first == Some(attribute)
    })
}

/// Takes what is saved off the nodes from a join's outer side to the scan that drives it. Each loses the same part of what it costs by
/// itself, so that none comes to cost less than what it reads.
pub(super) fn discount(plan: &mut PhysicalPlan, saved: f64) {
    let own = plan.total_cost - beside(plan);
    if own > 0.0 {
        take_off(plan, (saved / own).min(1.0));
    }
}

/// What the inputs cost that stand beside the way to the scan: nothing of it is saved.
fn beside(plan: &PhysicalPlan) -> f64 {
    match &plan.node {
        PhysicalNode::HashJoin { outer, inner, .. }
        | PhysicalNode::MergeJoin { outer, inner, .. }
        | PhysicalNode::NestLoop { outer, inner, .. } => inner.total_cost + beside(outer),
        PhysicalNode::Sort { input, .. }
        | PhysicalNode::Aggregate { input, .. }
        | PhysicalNode::Materialize { input }
        | PhysicalNode::SubqueryScan { input, .. } => beside(input),
        _ => 0.0,
    }
}

/// Takes this part off; what the node costs before its first row then, if something in it reads all its rows first.
fn take_off(plan: &mut PhysicalPlan, part: f64) -> Option<f64> {
    let saved = part * (plan.total_cost - beside(plan)).max(0.0);
    let first = match &mut plan.node {
        PhysicalNode::HashJoin { outer, .. }
        | PhysicalNode::MergeJoin { outer, .. }
        | PhysicalNode::NestLoop { outer, .. } => take_off(outer, part),
        PhysicalNode::Sort { input, .. } | PhysicalNode::Aggregate { input, .. } => {
            take_off(input, part);
            Some(input.total_cost)
        }
        PhysicalNode::Materialize { input } | PhysicalNode::SubqueryScan { input, .. } => {
            take_off(input, part)
        }
        _ => None,
    };
    if let Some(first) = first {
        plan.startup_cost = (plan.startup_cost - saved).max(first);
    }
    plan.total_cost = plan.startup_cost.max(plan.total_cost - saved);
    first.map(|_| plan.startup_cost)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(node: PhysicalNode, startup_cost: f64, total_cost: f64) -> PhysicalPlan {
        let (filter, targets) = (vec![], vec![]);
        PhysicalPlan { node, filter, targets, rows: 10.0, width: 4, startup_cost, total_cost, id: 0 }
    }

    #[test]
    fn what_is_saved_leaves_no_node_cheaper_than_its_input() {
        let rows = node(PhysicalNode::Result { input: None, one_time_filter: vec![] }, 0.0, 60.0);
        let sort = PhysicalNode::Sort { input: Box::new(rows), keys: vec![], bound: None, presorted: 0 };
        let sort = node(sort, 90.0, 100.0);
        let mut above = node(PhysicalNode::Materialize { input: Box::new(sort) }, 90.0, 110.0);
        discount(&mut above, 88.0);
        assert!((above.total_cost - 22.0).abs() < 1e-9);
        let PhysicalNode::Materialize { input: sort } = &above.node else { unreachable!() };
        let PhysicalNode::Sort { input: rows, .. } = &sort.node else { unreachable!() };
        assert!((sort.total_cost - 20.0).abs() < 1e-9 && (rows.total_cost - 12.0).abs() < 1e-9);
        assert!(rows.total_cost <= sort.startup_cost && sort.startup_cost <= above.startup_cost);
    }
}
