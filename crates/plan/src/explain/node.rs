//! A physical plan as a tree of titles and properties.

use super::{Explain, ExplainFormat, NodeStats, measured};
use crate::deparse::Deparser;
use crate::expr::SubqueryPlan;
use crate::logical::{JoinKind, ScanColumn, SetOpKind};
use crate::physical::{AggregateStrategy, IndexTest, SetOpStrategy};
use crate::{ColumnId, Expr, PhysicalNode, PhysicalPlan, SubqueryKind, walk};
use quarry_catalog::{Relation, quote_identifier};
use std::collections::HashMap;
use std::sync::Arc;

mod indexes;

/// A property's value.
pub(super) enum Value {
    Text(String),
    List(Vec<String>),
    Number(String),
}

/// What a node shows.
pub(super) struct Node {
    /// "Seq Scan on t": the text form.
    pub title: String,
    /// "Node Type" and what belongs to it in the structured forms.
    pub head: Vec<(&'static str, String)>,
    pub costs: (f64, f64, f64, u32),
    pub stats: Option<NodeStats>,
    pub lines: Vec<(String, Value)>,
    /// Relationship to the parent, section title ("InitPlan 1 (returns $0)", "CTE x"), node.
    pub children: Vec<(&'static str, Option<String>, Node)>,
}

/// What a recheck has removed stands with it, before the filter.
const RECHECKED: &str = "Rows Removed by Index Recheck";

struct Builder<'a> {
    e: &'a Explain<'a>,
    qualify: bool,
    /// Whether the statement has several relations: output columns name theirs then.
    several: bool,
    /// Text of computed columns.
    computed: HashMap<ColumnId, String>,
}

pub(super) fn build(e: &Explain<'_>) -> Node {
    let mut scans = 0;
    count_scans(&e.statement.plan, &mut scans);
    for cte in &e.statement.ctes {
        count_scans(&cte.plan, &mut scans);
        scans += 1;
    }
    let several = scans > 1;
    let mut b = Builder { e, qualify: several || e.options.verbose, several, computed: HashMap::new() };
    for cte in &e.statement.ctes {
        b.collect(&cte.plan);
    }
    b.collect(&e.statement.plan);
    let mut root = b.node(&e.statement.plan, None);
    let mut sections = vec![];
    for cte in &e.statement.ctes {
        sections.push((
            "InitPlan",
            Some(format!("CTE {}", quote_identifier(&cte.name))),
            b.node(&cte.plan, None),
        ));
    }
    let mut init = vec![];
    b.init_plans(&e.statement.plan, &mut init);
    sections.extend(init);
    sections.append(&mut root.children);
    root.children = sections;
    root
}

fn count_scans(plan: &PhysicalPlan, out: &mut usize) {
    if matches!(
        plan.node,
        PhysicalNode::SeqScan { .. }
            | PhysicalNode::IndexScan { .. }
            | PhysicalNode::BitmapHeapScan { .. }
            | PhysicalNode::TidScan { .. }
            | PhysicalNode::TidRangeScan { .. }
            | PhysicalNode::ValuesScan { .. }
            | PhysicalNode::FunctionScan { .. }
            | PhysicalNode::CteScan { .. }
            | PhysicalNode::WorkTableScan { .. }
            | PhysicalNode::SubqueryScan { .. }
    ) {
        *out += 1;
    }
    for_each_subplan(plan, &mut |_, p, _, _, _| count_scans(p, out));
    for input in walk::physical_inputs(plan) {
        count_scans(input, out);
    }
}

/// The expressions of a node that may hold subplans.
fn exprs(plan: &PhysicalPlan) -> Vec<&Expr> {
    let mut out: Vec<&Expr> = plan.filter.iter().chain(plan.targets.iter().map(|(_, e)| e)).collect();
    match &plan.node {
        PhysicalNode::Result { one_time_filter, .. } => out.extend(one_time_filter),
        PhysicalNode::IndexScan { conds, .. } => out.extend(conds.iter().map(|c| &c.source)),
        PhysicalNode::BitmapHeapScan { recheck, .. } => out.extend(recheck),
        PhysicalNode::TidScan { tids, .. } => out.extend(tids),
        PhysicalNode::TidRangeScan { conds, .. } => out.extend(conds),
        PhysicalNode::ValuesScan { rows, .. } => out.extend(rows.iter().flatten()),
        PhysicalNode::FunctionScan { calls, .. } => out.extend(calls.iter().flat_map(|(c, _)| &c.args)),
        PhysicalNode::NestLoop { on, .. } => out.extend(on),
        PhysicalNode::HashJoin { hash_conds, on, .. } => out.extend(hash_conds.iter().chain(on)),
        PhysicalNode::MergeJoin { merge_conds, on, .. } => out.extend(merge_conds.iter().chain(on)),
        PhysicalNode::Aggregate { group, aggregates, .. } => {
            out.extend(group.iter().map(|(_, e)| e));
            out.extend(aggregates.iter().flat_map(|(_, a)| walk::aggregate_exprs(a)));
        }
        PhysicalNode::WindowAgg { calls, .. } => {
            out.extend(calls.iter().flat_map(|(_, c)| c.args.iter().chain(&c.filter)))
        }
        PhysicalNode::ProjectSet { calls, .. } => out.extend(calls.iter().flat_map(|(_, c)| &c.args)),
        PhysicalNode::Limit { limit, offset, .. } => out.extend(limit.iter().chain(offset)),
        PhysicalNode::Update { set, returning, .. } => {
            out.extend(set.iter().map(|(_, e)| e));
            out.extend(returning.iter().flat_map(|r| r.targets.iter().map(|(_, e)| e)));
        }
        PhysicalNode::Insert { returning, .. } | PhysicalNode::Delete { returning, .. } => {
            out.extend(returning.iter().flat_map(|r| r.targets.iter().map(|(_, e)| e)))
        }
        _ => {}
    }
    out
}

type OnSubplan<'f> = &'f mut dyn FnMut(usize, &PhysicalPlan, &SubqueryKind, &[ColumnId], bool);

/// Calls `f` (number, plan, kind, parameters, hashed) for each subplan of a node's expressions, once.
fn for_each_subplan(plan: &PhysicalPlan, f: OnSubplan<'_>) {
    let mut seen: Vec<usize> = vec![];
    for e in exprs(plan) {
        walk::visit(e, &mut |e| {
            if let Expr::Subquery(s) = e
                && let SubqueryPlan::Physical { plan, params, hashed, number } = &s.plan
                && !seen.contains(number)
            {
                seen.push(*number);
                f(*number, plan, &s.kind, params, *hashed);
            }
        });
    }
}

fn is_init(kind: &SubqueryKind, params: &[ColumnId]) -> bool {
    params.is_empty() && !matches!(kind, SubqueryKind::Any { .. } | SubqueryKind::All { .. })
}

impl Builder<'_> {
    fn deparse<T>(&self, f: impl FnOnce(&Deparser<'_>) -> T) -> T {
        self.deparse_in(&[], f)
    }
    /// What a lower node computed stands in parentheses; what the node itself computed (`own`) doesn't.
    fn deparse_in<T>(&self, own: &[ColumnId], f: impl FnOnce(&Deparser<'_>) -> T) -> T {
        let columns = |id: ColumnId| {
            let text = self.computed.get(&id)?;
            Some(if own.contains(&id) || text.starts_with('$') || plain(text) {
                text.clone()
            } else {
                format!("({text})")
            })
        };
        f(&Deparser {
            meta: &self.e.statement.meta,
            qualify: self.qualify,
            names: self.e.names,
            io: self.e.io,
            columns: Some(&columns),
        })
    }
    /// An output column: with its relation only where there are several.
    fn output_in(&self, own: &[ColumnId], e: &Expr) -> String {
        self.deparse_in(own, |d| Deparser { qualify: self.several, ..*d }.expr(e))
    }
    /// Conditions of a scan: its own columns stand without the table's name, unless VERBOSE.
    fn scan_conditions(&self, plan: &PhysicalPlan, list: &[Expr]) -> String {
        let own = match &plan.node {
            PhysicalNode::SubqueryScan { .. } => vec![],
            node if walk::physical_inputs(plan).is_empty() => walk::raw_columns(node),
            _ => vec![],
        };
        if own.is_empty() || self.e.options.verbose {
            return self.conditions(list);
        }
        let meta = &self.e.statement.meta;
        let columns = |id: ColumnId| {
            if own.contains(&id) {
                return Some(quote_identifier(&meta.get(id).name));
            }
            let text = self.computed.get(&id)?;
            Some(if text.starts_with('$') || plain(text) { text.clone() } else { format!("({text})") })
        };
        let d = Deparser {
            meta,
            qualify: self.qualify,
            names: self.e.names,
            io: self.e.io,
            columns: Some(&columns),
        };
        d.conditions(list)
    }
    fn expr(&self, e: &Expr) -> String {
        self.deparse(|d| d.expr(e))
    }
    fn conditions(&self, list: &[Expr]) -> String {
        self.deparse(|d| d.conditions(list))
    }

    /// Learns what computed columns stand for, bottom up.
    fn collect(&mut self, plan: &PhysicalPlan) {
        for input in walk::physical_inputs(plan) {
            self.collect(input);
        }
        let mut subplans: Vec<Arc<PhysicalPlan>> = vec![];
        for e in exprs(plan) {
            walk::visit(e, &mut |e| {
                if let Expr::Subquery(s) = e
                    && let SubqueryPlan::Physical { plan, .. } = &s.plan
                {
                    subplans.push(plan.clone());
                }
            });
        }
        for p in subplans {
            self.collect(&p);
        }
        let mut found: Vec<(ColumnId, String)> = vec![];
        match &plan.node {
            PhysicalNode::Aggregate { aggregates, group, .. } => {
                for (id, e) in group {
                    if !matches!(e, Expr::Column { id: same, .. } if same == id) {
                        found.push((*id, self.expr(e)));
                    }
                }
                found.extend(aggregates.iter().map(|(id, a)| (*id, self.deparse(|d| d.aggregate(a)))));
            }
            PhysicalNode::WindowAgg { calls, .. } => {
                found.extend(calls.iter().map(|(id, c)| (*id, self.deparse(|d| d.window_call(c)))));
            }
            PhysicalNode::ProjectSet { calls, .. } => found.extend(calls.iter().map(|(id, c)| {
                let args: Vec<String> = c.args.iter().map(|a| self.expr(a)).collect();
                (*id, format!("{}({})", c.function.def().name, args.join(", ")))
            })),
            PhysicalNode::Append { inputs, output } | PhysicalNode::MergeAppend { inputs, output, .. } => {
                if let Some((first, ids)) = inputs.first() {
                    for (o, i) in output.iter().zip(ids) {
                        let text = match first.targets.iter().find(|(t, _)| t == i) {
                            Some((_, e)) => self.expr(e),
                            None => self.deparse(|d| d.column(*i)),
                        };
                        found.push((*o, text));
                    }
                }
            }
            _ => {}
        }
        for (id, text) in found {
            self.define(id, text);
        }
        let targets: Vec<(ColumnId, String)> = plan
            .targets
            .iter()
            .filter(|(id, e)| !matches!(e, Expr::Column { id: same, .. } if same == id))
            .map(|(id, e)| (*id, self.expr(e)))
            .collect();
        for (id, text) in targets {
            self.define(id, text);
        }
    }
    fn define(&mut self, id: ColumnId, text: String) {
        let meta = self.e.statement.meta.get(id);
        if meta.relation.is_none() {
            self.computed.insert(id, text);
        }
    }

    /// InitPlans below a node, in the order of their numbers.
    fn init_plans(&self, plan: &PhysicalPlan, out: &mut Vec<(&'static str, Option<String>, Node)>) {
        let mut found: Vec<(usize, Node)> = vec![];
        self.gather_init(plan, &mut found);
        found.sort_by_key(|(n, _)| *n);
        found.dedup_by_key(|(n, _)| *n);
        out.extend(
            found
                .into_iter()
                .map(|(n, node)| ("InitPlan", Some(format!("InitPlan {n} (returns ${})", n - 1)), node)),
        );
    }
    fn gather_init(&self, plan: &PhysicalPlan, out: &mut Vec<(usize, Node)>) {
        for_each_subplan(plan, &mut |number, p, kind, params, _| {
            if is_init(kind, params) {
                let mut node = self.node(p, None);
                let mut inner = vec![];
                self.init_plans(p, &mut inner);
                inner.append(&mut node.children);
                node.children = inner;
                out.push((number, node));
            }
        });
        for input in walk::physical_inputs(plan) {
            self.gather_init(input, out);
        }
    }

    fn relation_title(&self, relation: &Relation, alias: &str) -> String {
        let mut out = quote_identifier(&relation.name);
        if self.e.options.verbose {
            out = format!("{}.{out}", quote_identifier(&relation.schema_name));
        }
        if alias != relation.name {
            out += &format!(" {}", quote_identifier(alias));
        }
        out
    }
    fn relation_head(&self, relation: &Relation, alias: &str, head: &mut Vec<(&'static str, String)>) {
        head.push(("Relation Name", relation.name.clone()));
        if self.e.options.verbose {
            head.push(("Schema", relation.schema_name.clone()));
        }
        head.push(("Alias", alias.to_string()));
    }

    fn node(&self, plan: &PhysicalPlan, _parent: Option<&PhysicalPlan>) -> Node {
        let mut lines: Vec<(String, Value)> = vec![];
        let mut children: Vec<(&'static str, Option<String>, Node)> = vec![];
        let mut head: Vec<(&'static str, String)> = vec![];
        let text = |s: String| Value::Text(s);
        let mut inputs: Vec<(&'static str, &PhysicalPlan)> = vec![];
        let mut filter_label = "Filter";
        let join = |kind: JoinKind| match kind {
            JoinKind::Inner => ("", "Inner"),
            JoinKind::Left => (" Left", "Left"),
            JoinKind::Right => (" Right", "Right"),
            JoinKind::Full => (" Full", "Full"),
            JoinKind::Semi => (" Semi", "Semi"),
            JoinKind::Anti => (" Anti", "Anti"),
            JoinKind::RightSemi => (" Right Semi", "Right Semi"),
            JoinKind::RightAnti => (" Right Anti", "Right Anti"),
        };
        let (ty, title) = match &plan.node {
            PhysicalNode::Result { input, one_time_filter } => {
                if !one_time_filter.is_empty() {
                    lines.push(("One-Time Filter".into(), text(self.conditions(one_time_filter))));
                }
                inputs.extend(input.iter().map(|i| ("Outer", &**i)));
                ("Result", "Result".to_string())
            }
            PhysicalNode::SeqScan { relation, alias, .. } => {
                self.relation_head(relation, alias, &mut head);
                ("Seq Scan", format!("Seq Scan on {}", self.relation_title(relation, alias)))
            }
            PhysicalNode::IndexScan { relation, alias, index, conds, backward, index_only, .. } => {
                let ty = if *index_only { "Index Only Scan" } else { "Index Scan" };
                head.push(("Scan Direction", if *backward { "Backward" } else { "Forward" }.into()));
                head.push(("Index Name", index.name.clone()));
                self.relation_head(relation, alias, &mut head);
                if conds.iter().any(|c| c.test != IndexTest::Skip) {
                    lines.push(("Index Cond".into(), text(self.index_conditions(plan, conds))));
                }
                let back = if *backward { " Backward" } else { "" };
                (
                    ty,
                    format!(
                        "{ty}{back} using {} on {}",
                        quote_identifier(&index.name),
                        self.relation_title(relation, alias)
                    ),
                )
            }
            PhysicalNode::BitmapHeapScan { relation, alias, bitmap, recheck, .. } => {
                self.relation_head(relation, alias, &mut head);
                if !recheck.is_empty() {
                    lines.push(("Recheck Cond".into(), text(self.scan_conditions(plan, recheck))));
                }
                children.push(("Outer", None, self.bitmap(plan, bitmap)));
                ("Bitmap Heap Scan", format!("Bitmap Heap Scan on {}", self.relation_title(relation, alias)))
            }
            PhysicalNode::TidScan { relation, alias, tids, columns } => {
                self.relation_head(relation, alias, &mut head);
                let ctid = columns
                    .iter()
                    .find(|(_, c)| *c == ScanColumn::Ctid)
                    .map_or("ctid".to_string(), |(id, _)| self.deparse(|d| d.column(*id)));
                let conds: Vec<String> = tids
                    .iter()
                    .map(|t| {
                        let value = self.expr(t);
                        if t.ty() == quarry_types::SqlType::TID {
                            format!("({ctid} = {value})")
                        } else {
                            format!("({ctid} = ANY ({value}))")
                        }
                    })
                    .collect();
                let several = conds.len() > 1;
                let conds = conds.join(" OR ");
                lines.push(("TID Cond".into(), text(if several { format!("({conds})") } else { conds })));
                ("Tid Scan", format!("Tid Scan on {}", self.relation_title(relation, alias)))
            }
            PhysicalNode::TidRangeScan { relation, alias, conds, .. } => {
                self.relation_head(relation, alias, &mut head);
                lines.push(("TID Cond".into(), text(self.scan_conditions(plan, conds))));
                ("Tid Range Scan", format!("Tid Range Scan on {}", self.relation_title(relation, alias)))
            }
            PhysicalNode::ValuesScan { alias, .. } => {
                head.push(("Alias", alias.clone()));
                ("Values Scan", format!("Values Scan on {}", quote_identifier(alias)))
            }
            PhysicalNode::FunctionScan { calls, alias, .. } => {
                let name = calls.first().map_or("", |(c, _)| c.function.def().name);
                head.push(("Function Name", name.to_string()));
                head.push(("Alias", alias.clone()));
                let mut shown = if calls.len() == 1 { quote_identifier(name) } else { String::new() };
                if calls.len() == 1 && self.e.options.verbose {
                    shown = format!("pg_catalog.{shown}");
                }
                if calls.len() != 1 || alias != name {
                    shown = format!("{shown} {}", quote_identifier(alias)).trim_start().to_string();
                }
                if self.e.options.verbose {
                    let list: Vec<String> = calls
                        .iter()
                        .map(|(c, _)| {
                            let args: Vec<String> = c.args.iter().map(|a| self.expr(a)).collect();
                            format!("{}({})", c.function.def().name, args.join(", "))
                        })
                        .collect();
                    lines.push(("Function Call".into(), text(list.join(", "))));
                }
                ("Function Scan", format!("Function Scan on {shown}"))
            }
            PhysicalNode::CteScan { name, alias, .. } => {
                head.push(("CTE Name", name.clone()));
                head.push(("Alias", alias.clone()));
                ("CTE Scan", scan_title("CTE Scan", name, alias))
            }
            PhysicalNode::WorkTableScan { cte, alias, .. } => {
                let name = self
                    .e
                    .statement
                    .ctes
                    .iter()
                    .find(|c| c.id == *cte)
                    .map_or(alias.clone(), |c| c.name.clone());
                head.push(("CTE Name", name.clone()));
                head.push(("Alias", alias.clone()));
                ("WorkTable Scan", scan_title("WorkTable Scan", &name, alias))
            }
            PhysicalNode::SubqueryScan { input, alias } => {
                head.push(("Alias", alias.clone()));
                inputs.push(("Subquery", input));
                ("Subquery Scan", format!("Subquery Scan on {}", quote_identifier(alias)))
            }
            PhysicalNode::NestLoop { kind, outer, inner, on, .. } => {
                let (word, ty) = join(*kind);
                head.push(("Join Type", ty.into()));
                if !on.is_empty() {
                    lines.push(("Join Filter".into(), text(self.conditions(on))));
                }
                inputs.extend([("Outer", &**outer), ("Inner", &**inner)]);
                (
                    "Nested Loop",
                    if word.is_empty() { "Nested Loop".into() } else { format!("Nested Loop{word} Join") },
                )
            }
            PhysicalNode::HashJoin { kind, outer, inner, hash_conds, on, .. } => {
                let (word, ty) = join(*kind);
                head.push(("Join Type", ty.into()));
                if !hash_conds.is_empty() {
                    lines.push(("Hash Cond".into(), text(self.conditions(hash_conds))));
                }
                if !on.is_empty() {
                    lines.push(("Join Filter".into(), text(self.conditions(on))));
                }
                children.push(("Outer", None, self.node(outer, Some(plan))));
                children.push(("Inner", None, self.hash(plan, inner)));
                ("Hash Join", format!("Hash{word} Join"))
            }
            PhysicalNode::MergeJoin { kind, outer, inner, merge_conds, on, .. } => {
                let (word, ty) = join(*kind);
                head.push(("Join Type", ty.into()));
                lines.push(("Merge Cond".into(), text(self.conditions(merge_conds))));
                if !on.is_empty() {
                    lines.push(("Join Filter".into(), text(self.conditions(on))));
                }
                inputs.extend([("Outer", &**outer), ("Inner", &**inner)]);
                ("Merge Join", format!("Merge{word} Join"))
            }
            PhysicalNode::Materialize { input } => {
                inputs.push(("Outer", input));
                ("Materialize", "Materialize".into())
            }
            PhysicalNode::Memoize { input, keys } => {
                let keys: Vec<String> = keys.iter().map(|id| self.deparse(|d| d.column(*id))).collect();
                lines.push(("Cache Key".into(), text(keys.join(", "))));
                // Rows found by anything but equality may differ for keys that are equal.
                let by_equality = match &input.node {
                    PhysicalNode::IndexScan { conds, .. } => {
                        conds.iter().all(|c| matches!(c.test, IndexTest::Eq(_)))
                    }
                    _ => true,
                };
                let mode = if by_equality { "logical" } else { "binary" };
                lines.push(("Cache Mode".into(), text(mode.into())));
                inputs.push(("Outer", input));
                ("Memoize", "Memoize".into())
            }
            PhysicalNode::Sort { input, keys, presorted, .. } => {
                let shown: Vec<String> = keys.iter().map(|k| self.deparse(|d| d.sort_key(k))).collect();
                let first = shown[..(*presorted).min(shown.len())].to_vec();
                lines.push(("Sort Key".into(), Value::List(shown)));
                inputs.push(("Outer", input));
                if *presorted > 0 {
                    lines.push(("Presorted Key".into(), Value::List(first)));
                    ("Incremental Sort", "Incremental Sort".into())
                } else {
                    ("Sort", "Sort".into())
                }
            }
            PhysicalNode::Aggregate { input, strategy, group, sets, aggregates, .. } => {
                let (name, kind) = match (strategy, sets) {
                    (AggregateStrategy::Plain, None) => ("Aggregate", "Plain"),
                    (AggregateStrategy::Sorted, None) if aggregates.is_empty() => ("Group", "Sorted"),
                    (AggregateStrategy::Sorted, None) => ("GroupAggregate", "Sorted"),
                    (AggregateStrategy::Hashed, None) => ("HashAggregate", "Hashed"),
                    (AggregateStrategy::Hashed, Some(s)) if s.iter().all(|s| !s.is_empty()) => {
                        ("HashAggregate", "Hashed")
                    }
                    (_, Some(_)) => ("MixedAggregate", "Mixed"),
                };
                if name != "Group" {
                    head.push(("Strategy", kind.into()));
                    head.push(("Partial Mode", "Simple".into()));
                }
                let keys: Vec<String> = group.iter().map(|(_, e)| self.expr(e)).collect();
                match sets {
                    None if !keys.is_empty() => lines.push(("Group Key".into(), Value::List(keys))),
                    None => {}
                    Some(sets) => {
                        for set in sets {
                            let part: Vec<String> =
                                set.iter().filter_map(|i| keys.get(*i).cloned()).collect();
                            let label = if part.is_empty() { "Group Key" } else { "Hash Key" };
                            lines.push((
                                label.into(),
                                if part.is_empty() { text("()".into()) } else { Value::List(part) },
                            ));
                        }
                    }
                }
                inputs.push(("Outer", input));
                (if name == "Group" { "Group" } else { "Aggregate" }, name.into())
            }
            PhysicalNode::WindowAgg { input, .. } => {
                inputs.push(("Outer", input));
                ("WindowAgg", "WindowAgg".into())
            }
            PhysicalNode::ProjectSet { input, .. } => {
                inputs.push(("Outer", input));
                ("ProjectSet", "ProjectSet".into())
            }
            PhysicalNode::Unique { input, .. } => {
                inputs.push(("Outer", input));
                ("Unique", "Unique".into())
            }
            PhysicalNode::SetOp { kind, all, strategy, left, right, .. } => {
                let command = format!(
                    "{}{}",
                    match kind {
                        SetOpKind::Union => "Union",
                        SetOpKind::Intersect => "Intersect",
                        SetOpKind::Except => "Except",
                    },
                    if *all { " All" } else { "" }
                );
                let name = if *strategy == SetOpStrategy::Hashed { "HashSetOp" } else { "SetOp" };
                head.push((
                    "Strategy",
                    if *strategy == SetOpStrategy::Hashed { "Hashed" } else { "Sorted" }.into(),
                ));
                head.push(("Command", command.clone()));
                inputs.extend([("Outer", &**left), ("Inner", &**right)]);
                ("SetOp", format!("{name} {command}"))
            }
            PhysicalNode::Append { inputs: parts, .. } => {
                inputs.extend(parts.iter().map(|(p, _)| ("Member", p)));
                ("Append", "Append".into())
            }
            PhysicalNode::MergeAppend { inputs: parts, keys, .. } => {
                let keys: Vec<String> = keys.iter().map(|k| self.deparse(|d| d.sort_key(k))).collect();
                lines.push(("Sort Key".into(), Value::List(keys)));
                inputs.extend(parts.iter().map(|(p, _)| ("Member", p)));
                ("Merge Append", "Merge Append".into())
            }
            PhysicalNode::RecursiveUnion { base, step, .. } => {
                inputs.extend([("Outer", &**base), ("Inner", &**step)]);
                ("Recursive Union", "Recursive Union".into())
            }
            PhysicalNode::Limit { input, .. } => {
                inputs.push(("Outer", input));
                ("Limit", "Limit".into())
            }
            PhysicalNode::LockRows { input, .. } => {
                inputs.push(("Outer", input));
                ("LockRows", "LockRows".into())
            }
            PhysicalNode::Insert { target, input, on_conflict, .. } => {
                head.push(("Operation", "Insert".into()));
                self.relation_head(&target.relation, &target.relation.name, &mut head);
                if let Some(c) = on_conflict {
                    let nothing = matches!(c.action, crate::OnConflictAction::Nothing);
                    lines.push((
                        "Conflict Resolution".into(),
                        text(if nothing { "NOTHING" } else { "UPDATE" }.into()),
                    ));
                    let arbiters: Vec<String> = c
                        .arbiters
                        .iter()
                        .filter_map(|i| target.indexes.get(*i))
                        .map(|i| quote_identifier(&i.index.name))
                        .collect();
                    if !arbiters.is_empty() {
                        lines.push(("Conflict Arbiter Indexes".into(), Value::List(arbiters)));
                    }
                    if let crate::OnConflictAction::Update { filter: Some(f), .. } = &c.action {
                        lines.push(("Conflict Filter".into(), text(self.expr(f))));
                    }
                }
                inputs.push(("Outer", input));
                (
                    "ModifyTable",
                    format!("Insert on {}", self.relation_title(&target.relation, &target.relation.name)),
                )
            }
            PhysicalNode::Update { target, input, ctid, .. } => {
                head.push(("Operation", "Update".into()));
                let alias = self.target_alias(*ctid, &target.relation);
                self.relation_head(&target.relation, &alias, &mut head);
                inputs.push(("Outer", input));
                ("ModifyTable", format!("Update on {}", self.relation_title(&target.relation, &alias)))
            }
            PhysicalNode::Delete { target, input, ctid, .. } => {
                head.push(("Operation", "Delete".into()));
                let alias = self.target_alias(*ctid, &target.relation);
                self.relation_head(&target.relation, &alias, &mut head);
                inputs.push(("Outer", input));
                ("ModifyTable", format!("Delete on {}", self.relation_title(&target.relation, &alias)))
            }
        };
        if matches!(
            plan.node,
            PhysicalNode::Insert { .. } | PhysicalNode::Update { .. } | PhysicalNode::Delete { .. }
        ) {
            filter_label = "";
        }
        if self.e.options.verbose && filter_label == "Filter" && !plan.targets.is_empty() {
            let own = own_columns(plan);
            let shown: Vec<String> = plan.targets.iter().map(|(_, e)| self.output_in(&own, e)).collect();
            lines.insert(0, ("Output".into(), Value::List(shown)));
        }
        self.join_lines(plan, &mut lines);
        let stats = if self.e.options.analyze { (self.e.stats)(plan.id) } else { None };
        let removed = |(label, _): &&(String, String)| label == RECHECKED;
        if let Some((label, value)) = stats.iter().flat_map(|s| &s.extra).find(removed) {
            lines.push((label.clone(), Value::Number(value.clone())));
        }
        if !plan.filter.is_empty() && filter_label == "Filter" {
            let own = own_columns(plan);
            let shown = match own.is_empty() {
                true => self.scan_conditions(plan, &plan.filter),
                false => self.deparse_in(&own, |d| d.conditions(&plan.filter)),
            };
            lines.push(("Filter".into(), text(shown)));
            if let Some(s) = &stats
                && s.filtered > 0.0
                && s.loops > 0.0
            {
                lines.push((
                    "Rows Removed by Filter".into(),
                    Value::Number(format!("{:.0}", s.filtered / s.loops)),
                ));
            }
        }
        if let Some(s) = &stats {
            // A hash table's size is shown where the table is made.
            let own = s.extra.iter().filter(|(label, _)| label != "Buckets" && label != RECHECKED);
            lines.extend(own.flat_map(|(label, value)| self.measured(label, value)));
        }
        for (relationship, input) in inputs {
            children.push((relationship, None, self.node(input, Some(plan))));
        }
        for_each_subplan(plan, &mut |number, p, kind, params, _| {
            if !is_init(kind, params) {
                children.push(("SubPlan", Some(format!("SubPlan {number}")), self.node(p, None)));
            }
        });
        head.insert(0, ("Node Type", ty.to_string()));
        Node {
            title,
            head,
            costs: (plan.startup_cost, plan.total_cost, plan.rows, plan.width),
            stats,
            lines,
            children,
        }
    }

    /// Whether a join's inner side has one match at most: in text only where that is asked for and true. And what hash joins above a
    /// scan say of its columns.
    fn join_lines(&self, plan: &PhysicalPlan, lines: &mut Vec<(String, Value)>) {
        let at = lines.iter().take_while(|(label, _)| label == "Output").count();
        if let PhysicalNode::NestLoop { inner_unique, .. }
        | PhysicalNode::HashJoin { inner_unique, .. }
        | PhysicalNode::MergeJoin { inner_unique, .. } = &plan.node
        {
            let text = self.e.options.format == ExplainFormat::Text;
            if !text || self.e.options.verbose && *inner_unique {
                lines.insert(at, ("Inner Unique".into(), Value::Number(inner_unique.to_string())));
            }
        }
        if self.e.options.verbose && matches!(plan.node, PhysicalNode::SeqScan { .. }) {
            let filters = self.e.statement.runtime_filters.iter().filter(|f| f.scan == plan.id);
            let columns: Vec<String> = filters.map(|f| self.deparse(|d| d.column(f.column))).collect();
            if !columns.is_empty() {
                lines.insert(at, ("Runtime Filter".into(), Value::Text(columns.join(", "))));
            }
        }
    }

    fn target_alias(&self, ctid: ColumnId, relation: &Relation) -> String {
        self.e.statement.meta.get(ctid).relation.clone().unwrap_or_else(|| relation.name.clone())
    }

    fn measured(&self, label: &str, value: &str) -> Vec<(String, Value)> {
        measured::lines(label, value, self.e.options.format != ExplainFormat::Text)
    }

    /// The hash table of a join, a node of its own in PostgreSQL.
    fn hash(&self, join: &PhysicalPlan, inner: &PhysicalPlan) -> Node {
        let child = self.node(inner, None);
        let measured = if self.e.options.analyze { (self.e.stats)(join.id) } else { None };
        let extra = measured.map(|s| s.extra).unwrap_or_default();
        let table = extra.iter().filter(|(label, _)| label == "Buckets");
        let stats = child.stats.clone().map(|s| NodeStats {
            startup_ms: s.total_ms,
            filtered: 0.0,
            extra: vec![],
            ..s
        });
        Node {
            title: "Hash".into(),
            head: vec![("Node Type", "Hash".into())],
            costs: (inner.total_cost, inner.total_cost, inner.rows, inner.width),
            stats,
            lines: table.flat_map(|(label, value)| self.measured(label, value)).collect(),
            children: vec![("Outer", None, child)],
        }
    }
}

/// The columns a node computes by itself.
fn own_columns(plan: &PhysicalPlan) -> Vec<ColumnId> {
    match &plan.node {
        PhysicalNode::Aggregate { .. } | PhysicalNode::WindowAgg { .. } | PhysicalNode::ProjectSet { .. } => {
            walk::raw_columns(&plan.node)
        }
        _ => vec![],
    }
}

/// Whether a text is a column's name.
fn plain(text: &str) -> bool {
    text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '"'))
}

fn scan_title(kind: &str, name: &str, alias: &str) -> String {
    if alias == name {
        format!("{kind} on {}", quote_identifier(name))
    } else {
        format!("{kind} on {} {}", quote_identifier(name), quote_identifier(alias))
    }
}
