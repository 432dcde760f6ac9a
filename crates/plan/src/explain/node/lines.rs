//! The lines of a node that don't depend on its kind alone: what it gives, its filter, what was measured, in PostgreSQL's order.

use super::keys::Asked;
use super::{Builder, Node, Value, own_columns};
use crate::explain::{NodeStats, measured, usage};
use crate::physical::IndexTest;
use crate::{ColumnId, Expr, PhysicalNode, PhysicalPlan};

type Lines = Vec<(String, Value)>;

/// What a recheck has removed stands with it, before the filter.
const RECHECKED: &str = "Rows Removed by Index Recheck";

fn number(label: &str, shown: impl ToString) -> (String, Value) {
    (label.to_string(), Value::Number(shown.to_string()))
}

/// A sum over all loops as an average.
fn average(sum: f64, loops: f64) -> f64 {
    if loops > 0.0 { sum / loops } else { 0.0 }
}

impl Builder<'_> {
    /// Puts what comes before and after a node's own lines around them.
    pub(super) fn complete(
        &self,
        plan: &PhysicalPlan,
        asked: &Asked<'_>,
        stats: Option<&NodeStats>,
        lines: &mut Lines,
    ) {
        let (writes, given) = match &plan.node {
            PhysicalNode::Insert { returning, .. }
            | PhysicalNode::Update { returning, .. }
            | PhysicalNode::Delete { returning, .. } => (true, returning.as_ref().map(|r| &r.targets)),
            // What these give is what each of their inputs gives.
            PhysicalNode::Append { .. }
            | PhysicalNode::MergeAppend { .. }
            | PhysicalNode::RecursiveUnion { .. } => (false, None),
            _ => (false, Some(&plan.targets)),
        };
        if let Some(taken) = asked.taken.as_ref().filter(|_| self.e.options.verbose) {
            let own = own_columns(plan);
            let columns: Vec<Expr> = taken.columns.iter().map(|id| self.column(*id)).collect();
            let all = taken.values.iter().copied().chain(&columns);
            let shown = all.map(|e| self.output_in(&own, e)).collect();
            lines.insert(0, ("Output".into(), Value::List(shown)));
        } else if let Some(given) = given.filter(|g| self.e.options.verbose && !g.is_empty()) {
            let own = own_columns(plan);
            let wanted = given.iter().filter(|(id, _)| asked.wants(*id));
            let mut shown: Vec<String> = wanted.map(|(_, e)| self.output_in(&own, e)).collect();
            if !writes {
                let hidden = hidden_columns(plan);
                shown.extend(hidden.iter().map(|id| self.output_in(&own, &self.column(*id))));
            }
            self.add_asked(plan, asked, &mut shown);
            lines.insert(0, ("Output".into(), Value::List(shown)));
        }
        self.join_lines(plan, lines);
        let s = stats.cloned().unwrap_or_default();
        let mut extra: Vec<(String, String)> = s.extra.clone();
        let mut take = |label: &str| {
            let at = extra.iter().position(|(l, _)| l == label)?;
            Some(extra.remove(at).1)
        };
        if let Some(at) = lines.iter().position(|(label, _)| label == "Join Filter") {
            lines.splice(
                at + 1..at + 1,
                self.removed("Rows Removed by Join Filter", s.join_filtered, s.loops),
            );
        }
        let label = "Rows Removed by Conflict Filter";
        let removed = take(label).and_then(|t| t.parse().ok()).unwrap_or(0.0);
        if let Some(at) = lines.iter().position(|(label, _)| label == "Conflict Filter") {
            lines.splice(at + 1..at + 1, self.removed(label, removed, s.loops));
        }
        let removed = take(RECHECKED).and_then(|t| t.parse().ok()).unwrap_or(0.0);
        if is_rechecked(plan) {
            // Counted by loop already.
            lines.extend(self.removed(RECHECKED, removed, 1.0));
        }
        let has_filter = !plan.filter.is_empty() && !writes;
        // What a window stops by comes after its filter.
        let run = lines.iter().position(|(label, _)| label == "Run Condition").map(|at| lines.remove(at));
        if has_filter {
            let own = own_columns(plan);
            let shown = match own.is_empty() {
                true => self.scan_conditions(plan, &plan.filter),
                false => self.deparse_in(&own, self.qualify, |d| d.conditions(&plan.filter)),
            };
            lines.push(("Filter".into(), Value::Text(shown)));
        }
        if self.is_hashed(plan) && !self.e.is_text() && self.e.options.costs {
            lines.push(number("Planned Partitions", 0));
        }
        // PostgreSQL has what hashing took before what the filter removed.
        if let Some(value) = take("Batches") {
            lines.extend(self.measured("Batches", &value));
        }
        if has_filter {
            lines.extend(self.removed("Rows Removed by Filter", s.filtered, s.loops));
        }
        lines.extend(run);
        if let PhysicalNode::IndexScan { index_only: true, .. } = plan.node
            && self.e.options.analyze
        {
            lines.push(number("Heap Fetches", take("Heap Fetches").unwrap_or("0".into())));
        }
        // A hash table's size is shown where the table is made.
        let ours = |label: &str| label.ends_with("by Runtime Filter") && !self.e.options.verbose;
        let shown = extra.iter().filter(|(label, _)| label != "Buckets" && !ours(label));
        lines.extend(shown.flat_map(|(label, value)| self.measured(label, value)));
        self.used(stats, Some(plan.rows), lines);
        if let (PhysicalNode::Append { .. } | PhysicalNode::MergeAppend { .. }, false) =
            (&plan.node, self.e.is_text())
        {
            lines.push(number("Subplans Removed", 0));
        }
    }

    fn column(&self, id: ColumnId) -> Expr {
        Expr::column(id, self.e.statement.meta.get(id).ty)
    }

    /// What a node has used, and how far its estimate was from the truth.
    pub(super) fn used(&self, stats: Option<&NodeStats>, estimate: Option<f64>, lines: &mut Lines) {
        let o = self.e.options;
        if let (true, Some(s), Some(rows)) = (o.q_error, stats, estimate)
            && s.loops > 0.0
        {
            lines.push(number("Q-Error", format!("{:.2}", q_error(rows, s.rows / s.loops))));
        }
        let used = stats.map(|s| s.usage).unwrap_or_default();
        if o.buffers {
            match self.e.is_text() {
                true => lines.extend(usage::buffer_lines(&used)),
                false => lines.extend(usage::buffer_properties(&used, o.io_timing)),
            }
        }
        if o.wal {
            match self.e.is_text() {
                true => lines.extend(usage::wal_line(&used)),
                false => lines.extend(usage::wal_properties(&used)),
            }
        }
    }

    /// Rows that a condition has removed: in text only if there are any.
    fn removed(&self, label: &str, sum: f64, loops: f64) -> Option<(String, Value)> {
        let shown = self.e.options.analyze && (sum > 0.0 || !self.e.is_text());
        shown.then(|| number(label, format!("{:.0}", average(sum, loops))))
    }

    fn is_hashed(&self, plan: &PhysicalPlan) -> bool {
        use crate::physical::AggregateStrategy;
        match &plan.node {
            PhysicalNode::Aggregate { strategy, sets, .. } => {
                *strategy == AggregateStrategy::Hashed || sets.is_some()
            }
            _ => false,
        }
    }

    fn measured(&self, label: &str, value: &str) -> Lines {
        measured::lines(label, value, !self.e.is_text())
    }

    /// Whether a join's inner side has one match at most: in text only where that is asked for and true. And what hash joins above a
    /// scan say of its columns.
    fn join_lines(&self, plan: &PhysicalPlan, lines: &mut Lines) {
        let at = lines.iter().take_while(|(label, _)| label == "Output").count();
        if let PhysicalNode::NestLoop { inner_unique, .. }
        | PhysicalNode::HashJoin { inner_unique, .. }
        | PhysicalNode::MergeJoin { inner_unique, .. } = &plan.node
            && (!self.e.is_text() || self.e.options.verbose && *inner_unique)
        {
            lines.insert(at, number("Inner Unique", inner_unique));
        }
        if self.e.options.verbose {
            let filters = self.e.statement.runtime_filters.iter().filter(|f| f.scan == plan.id);
            let columns: Vec<String> = filters.map(|f| self.deparse(|d| d.column(f.column))).collect();
            if !columns.is_empty() {
                lines.insert(at, ("Runtime Filter".into(), Value::Text(columns.join(", "))));
            }
        }
    }

    /// The sets of GROUPING SETS, each with its columns.
    pub(super) fn grouping_sets(&self, sets: &[Vec<usize>], keys: &[String]) -> Lines {
        let one = |set: &Vec<usize>| -> (&'static str, Vec<String>) {
            let part: Vec<String> = set.iter().filter_map(|i| keys.get(*i).cloned()).collect();
            (if part.is_empty() { "Group" } else { "Hash" }, part)
        };
        let sets = sets.iter().map(one);
        if self.e.is_text() {
            let line = |(kind, part): (&str, Vec<String>)| {
                let shown = if part.is_empty() { Value::Text("()".into()) } else { Value::List(part) };
                (format!("{kind} Key"), shown)
            };
            return sets.map(line).collect();
        }
        let group = |(kind, part): (&'static str, Vec<String>)| {
            let item = if kind == "Hash" { "Hash-Key" } else { "Group-Key" };
            vec![(format!("{kind} Keys"), Value::Lists(item, vec![part]))]
        };
        vec![("Grouping Sets".into(), Value::Groups("Grouping-Set", sets.map(group).collect()))]
    }

    /// The hash table of a join, a node of its own in PostgreSQL.
    pub(super) fn hash(&self, join: &PhysicalPlan, inner: &PhysicalPlan, asked: &Asked<'_>) -> Node {
        let child = self.node_asked(inner, asked);
        let measured = if self.e.options.analyze { (self.e.stats)(join.id) } else { None };
        let extra = measured.map(|s| s.extra).unwrap_or_default();
        let table = extra.iter().filter(|(label, _)| label == "Buckets");
        let stats = child.stats.clone().map(|s| NodeStats {
            startup_ms: s.total_ms,
            filtered: 0.0,
            extra: vec![],
            ..s
        });
        let mut lines: Lines = child.lines.iter().filter(|(label, _)| label == "Output").cloned().collect();
        lines.extend(table.flat_map(|(label, value)| self.measured(label, value)));
        self.used(stats.as_ref(), None, &mut lines);
        Node {
            title: "Hash".into(),
            head: vec![("Node Type", "Hash".into())],
            costs: (inner.total_cost, inner.total_cost, inner.rows, inner.width),
            stats,
            lines,
            children: vec![("Outer", None, child)],
        }
    }
}

/// What a node has of its input and doesn't give: PostgreSQL's, which pass rows through as they are, do.
fn hidden_columns(plan: &PhysicalPlan) -> Vec<ColumnId> {
    let (PhysicalNode::Sort { input, .. }
    | PhysicalNode::Gather { input, .. }
    | PhysicalNode::Limit { input, .. }
    | PhysicalNode::Unique { input, .. }
    | PhysicalNode::LockRows { input, .. }) = &plan.node
    else {
        return vec![];
    };
    let given: Vec<ColumnId> = plan.output().collect();
    let mut all: Vec<ColumnId> = input.output().collect();
    all.extend(hidden_columns(input));
    all.retain(|id| !given.contains(id));
    all
}

/// Whether a node tests its index's conditions once more on rows.
fn is_rechecked(plan: &PhysicalPlan) -> bool {
    match &plan.node {
        PhysicalNode::IndexScan { conds, .. } => conds.iter().any(|c| c.test != IndexTest::Skip),
        PhysicalNode::BitmapHeapScan { recheck, .. } => !recheck.is_empty(),
        _ => false,
    }
}

/// By which factor an estimated number of rows misses the real one; less than a row counts as one.
fn q_error(estimate: f64, rows: f64) -> f64 {
    let (estimate, rows) = (estimate.max(1.0), rows.max(1.0));
    (estimate / rows).max(rows / estimate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q_errors_are_factors_whichever_way() {
        assert_eq!([q_error(10.0, 100.0), q_error(100.0, 10.0), q_error(0.2, 0.0)], [10.0, 10.0, 1.0]);
        assert_eq!((average(3.0, 2.0), average(3.0, 0.0)), (1.5, 0.0));
    }
}
