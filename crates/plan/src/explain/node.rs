//! A physical plan as a tree of titles and properties.

use super::{Explain, NodeStats};
use crate::deparse::Deparser;
use crate::expr::SubqueryPlan;
use crate::logical::{JoinKind, ScanColumn, SetOpKind};
use crate::physical::{AggregateStrategy, IndexTest, SetOpStrategy};
use crate::{ColumnId, Expr, PhysicalNode, PhysicalPlan, walk};
use keys::{Asked, own_columns};
use quarry_catalog::{Relation, quote_identifier};
use relations::{collect_aliases, count_scans, is_bare_values};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use subplans::{exprs, for_each_subplan, is_init, parts};

mod indexes;
mod keys;
mod lines;
mod parallel;
mod relations;
mod subplans;

/// A property's value.
#[derive(Clone)]
pub(super) enum Value {
    Text(String),
    List(Vec<String>),
    /// A number or a boolean, as written.
    Number(String),
    /// Of the structured formats only, as the following ones: lists, and what each is called in XML.
    Lists(&'static str, Vec<Vec<String>>),
    Group(Vec<(String, Value)>),
    Groups(&'static str, Vec<Vec<(String, Value)>>),
}

/// Stands in a node's head where it is so.
pub(super) const PARALLEL_AWARE: &str = "Parallel Aware";

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

struct Builder<'a> {
    e: &'a Explain<'a>,
    qualify: bool,
    /// Whether the statement has several relations: output columns name theirs then.
    several: bool,
    /// Text of computed columns.
    computed: HashMap<ColumnId, String>,
    /// The same as output columns show it, where that is without relations.
    unqualified: HashMap<ColumnId, String>,
    /// Columns that go by another name than the query has for them, and by another relation: those of VALUES, and of `excluded`.
    renamed: HashMap<ColumnId, (String, String)>,
    /// The relations that the plan reads, by the names it shows.
    aliases: HashSet<String>,
}

pub(super) fn build(e: &Explain<'_>) -> Node {
    let mut scans = 0;
    count_scans(&e.statement.plan, &mut scans);
    for cte in &e.statement.ctes {
        count_scans(&cte.plan, &mut scans);
        scans += 1;
    }
    let several = (scans > 1 || e.statement.meta.nested) && !is_bare_values(e.statement);
    let mut b = Builder {
        e,
        qualify: several || e.options.verbose,
        several,
        computed: HashMap::new(),
        unqualified: HashMap::new(),
        renamed: HashMap::new(),
        aliases: HashSet::new(),
    };
    collect_aliases(&e.statement.plan, &mut b.aliases);
    e.statement.ctes.iter().for_each(|cte| collect_aliases(&cte.plan, &mut b.aliases));
    if b.qualify != several {
        let qualify = std::mem::replace(&mut b.qualify, several);
        b.collect_all();
        b.unqualified = std::mem::take(&mut b.computed);
        b.qualify = qualify;
    }
    b.collect_all();
    let mut root = b.node(&e.statement.plan);
    let mut sections = vec![];
    for cte in &e.statement.ctes {
        sections.push(("InitPlan", Some(format!("CTE {}", quote_identifier(&cte.name))), b.node(&cte.plan)));
    }
    let mut init = vec![];
    b.init_plans(&e.statement.plan, &mut init);
    sections.extend(init);
    sections.append(&mut root.children);
    root.children = sections;
    root
}

impl Builder<'_> {
    fn deparse<T>(&self, f: impl FnOnce(&Deparser<'_>) -> T) -> T {
        self.deparse_in(&[], self.qualify, f)
    }
    /// What a lower node computed stands in parentheses; what the node itself computed (`own`) doesn't.
    fn deparse_in<T>(&self, own: &[ColumnId], qualify: bool, f: impl FnOnce(&Deparser<'_>) -> T) -> T {
        let columns = |id: ColumnId| {
            if let Some((relation, name)) = self.renamed.get(&id) {
                let relation =
                    if qualify { format!("{}.", quote_identifier(relation)) } else { String::new() };
                return Some(format!("{relation}{}", quote_identifier(name)));
            }
            let computed = if qualify == self.qualify { &self.computed } else { &self.unqualified };
            let text = computed.get(&id)?;
            Some(if own.contains(&id) || text.starts_with('$') || plain(text) {
                text.clone()
            } else {
                format!("({text})")
            })
        };
        f(&Deparser {
            meta: &self.e.statement.meta,
            qualify,
            names: self.e.names,
            io: self.e.io,
            columns: Some(&columns),
        })
    }
    /// An output column: with its relation only where there are several.
    fn output_in(&self, own: &[ColumnId], e: &Expr) -> String {
        self.deparse_in(own, self.several, |d| d.expr(e))
    }
    /// Conditions of a scan: its own columns stand without the table's name, unless VERBOSE.
    fn scan_conditions(&self, plan: &PhysicalPlan, list: &[Expr]) -> String {
        let own = match &plan.node {
            PhysicalNode::SubqueryScan { .. } => vec![],
            node if walk::physical_inputs(plan).is_empty() => {
                let mut own = walk::raw_columns(node);
                // An index-only scan need not give the columns that its conditions are about.
                if let PhysicalNode::IndexScan { conds, index_only: true, .. } = node {
                    conds.iter().for_each(|c| walk::columns_of(left_side(&c.source), &mut own));
                }
                own
            }
            _ => vec![],
        };
        if own.is_empty() || self.e.options.verbose {
            return self.conditions(list);
        }
        let meta = &self.e.statement.meta;
        let columns = |id: ColumnId| {
            if let Some((relation, name)) = self.renamed.get(&id) {
                let relation = match self.qualify && !own.contains(&id) {
                    true => format!("{}.", quote_identifier(relation)),
                    false => String::new(),
                };
                return Some(format!("{relation}{}", quote_identifier(name)));
            }
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

    fn collect_all(&mut self) {
        for cte in &self.e.statement.ctes {
            self.collect(&cte.plan);
        }
        self.collect(&self.e.statement.plan);
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
            PhysicalNode::Aggregate { aggregates, group, grouping, .. } => {
                for (id, keys) in grouping {
                    let keys = keys.iter().filter_map(|k| group.get(*k));
                    let keys: Vec<String> = keys.map(|(_, e)| self.expr(e)).collect();
                    found.push((*id, format!("GROUPING({})", keys.join(", "))));
                }
                for (id, e) in group {
                    if !matches!(e, Expr::Column { id: same, .. } if same == id) {
                        found.push((*id, self.expr(e)));
                    }
                }
                found.extend(aggregates.iter().map(|(id, a)| (*id, self.deparse(|d| d.aggregate(a)))));
            }
            PhysicalNode::SeqScan { columns, alias, .. }
            | PhysicalNode::IndexScan { columns, alias, .. }
            | PhysicalNode::BitmapHeapScan { columns, alias, .. }
            | PhysicalNode::TidScan { columns, alias, .. }
            | PhysicalNode::TidRangeScan { columns, alias, .. } => {
                let rows = columns.iter().filter(|(_, c)| *c == ScanColumn::WholeRow);
                self.computed.extend(rows.map(|(id, _)| (*id, format!("{}.*", quote_identifier(alias)))));
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
            PhysicalNode::ValuesScan { columns, alias, .. } => {
                let name = |(i, id): (usize, &ColumnId)| (*id, (alias.clone(), format!("column{}", i + 1)));
                self.renamed.extend(columns.iter().enumerate().map(name));
                let passed = plan.targets.iter().filter_map(|(id, e)| match e {
                    Expr::Column { id: of, .. } => Some((*id, self.renamed.get(of)?.clone())),
                    _ => None,
                });
                let passed: Vec<_> = passed.collect();
                self.renamed.extend(passed);
            }
            // A row changed through a view goes by the table's name.
            PhysicalNode::Update { target, ctid, returning: Some(r), .. }
            | PhysicalNode::Delete { target, ctid, returning: Some(r), .. } => {
                let meta = &self.e.statement.meta;
                let alias = self.target_alias(*ctid, &target.relation);
                for (id, column) in &r.row {
                    if let (ScanColumn::Attribute(n), Some(relation)) = (column, &meta.get(*id).relation)
                        && *relation != alias
                        && let Some(column) = target.relation.columns.get(*n)
                    {
                        self.renamed.insert(*id, (alias.clone(), column.name.clone()));
                    }
                }
            }
            PhysicalNode::Insert { target, on_conflict: Some(_), .. } => {
                let meta = &self.e.statement.meta;
                let name = |id: ColumnId| (id, ("excluded".to_string(), meta.get(id).name.clone()));
                self.renamed.extend(target.row.iter().map(|(id, _)| name(*id)));
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
        let relation = &self.e.statement.meta.get(id).relation;
        // A subquery that went into the query around it has no name any more.
        if relation.as_ref().is_none_or(|r| !self.aliases.contains(r)) {
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
            if is_init(plan, kind, params) {
                out.push((number, self.subplan(p)));
            }
        });
        for input in walk::physical_inputs(plan) {
            self.gather_init(input, out);
        }
    }

    /// A subquery's plan, with the InitPlans in it.
    fn subplan(&self, plan: &PhysicalPlan) -> Node {
        let mut node = self.node(plan);
        let mut children = vec![];
        self.init_plans(plan, &mut children);
        children.append(&mut node.children);
        node.children = children;
        node
    }

    fn relation_title(&self, relation: &Relation, alias: &str) -> String {
        let mut out = quote_identifier(&relation.name);
        if self.e.options.verbose {
            out = format!("{}.{out}", quote_identifier(schema_of(relation)));
        }
        if alias != relation.name {
            out += &format!(" {}", quote_identifier(alias));
        }
        out
    }
    fn relation_head(&self, relation: &Relation, alias: &str, head: &mut Vec<(&'static str, String)>) {
        head.push(("Relation Name", relation.name.clone()));
        if self.e.options.verbose {
            head.push(("Schema", schema_of(relation).to_string()));
        }
        head.push(("Alias", alias.to_string()));
    }

    fn node(&self, plan: &PhysicalPlan) -> Node {
        self.node_asked(plan, &Asked::default())
    }

    /// A node of which the one above it wants more than its targets.
    fn node_asked(&self, plan: &PhysicalPlan, asked: &Asked<'_>) -> Node {
        let mut lines: Vec<(String, Value)> = vec![];
        let mut children: Vec<(&'static str, Option<String>, Node)> = vec![];
        let mut head: Vec<(&'static str, String)> = vec![];
        let text = |s: String| Value::Text(s);
        let mut inputs: Vec<(&'static str, &PhysicalPlan)> = vec![];
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
                let direction = match (index.method, *backward) {
                    // Its entries have no order.
                    ("hash", _) => "NoMovement",
                    (_, true) => "Backward",
                    (_, false) => "Forward",
                };
                head.push(("Scan Direction", direction.into()));
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
                if calls.len() == 1 {
                    head.push(("Function Name", name.to_string()));
                    if self.e.options.verbose {
                        head.push(("Schema", "pg_catalog".to_string()));
                    }
                }
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
            PhysicalNode::HashJoin { kind, outer, inner, hash_conds, on, in_parts, .. } => {
                let (word, ty) = join(*kind);
                head.push(("Join Type", ty.into()));
                if !hash_conds.is_empty() {
                    lines.push(("Hash Cond".into(), text(self.conditions(hash_conds))));
                }
                if !on.is_empty() {
                    lines.push(("Join Filter".into(), text(self.conditions(on))));
                }
                let asked = keys::asked_of_input(plan, asked);
                children.push(("Outer", None, self.node_asked(outer, &asked)));
                children.push(("Inner", None, self.hash(plan, inner, &asked)));
                let parallel = if *in_parts { "Parallel " } else { "" };
                ("Hash Join", format!("{parallel}Hash{word} Join"))
            }
            PhysicalNode::MergeJoin { kind, outer, inner, merge_conds, on, .. } => {
                let (word, ty) = join(*kind);
                head.push(("Join Type", ty.into()));
                lines.push(("Merge Cond".into(), text(self.merge_conditions(merge_conds, outer, inner))));
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
                // Rows found by anything but equality may differ for keys that are equal, and so may those of LATERAL items.
                let by_equality = match &input.node {
                    PhysicalNode::IndexScan { conds, .. } => {
                        conds.iter().all(|c| matches!(c.test, IndexTest::Eq(_)))
                    }
                    PhysicalNode::BitmapHeapScan { .. }
                    | PhysicalNode::NestLoop { .. }
                    | PhysicalNode::HashJoin { .. }
                    | PhysicalNode::MergeJoin { .. } => true,
                    _ => false,
                };
                let mode = if by_equality { "logical" } else { "binary" };
                lines.push(("Cache Mode".into(), text(mode.into())));
                inputs.push(("Outer", input));
                ("Memoize", "Memoize".into())
            }
            PhysicalNode::Sort { input, keys, presorted, .. } => {
                let shown: Vec<String> = keys.iter().map(|k| self.sort_key(k)).collect();
                let first =
                    keys[..(*presorted).min(keys.len())].iter().map(|k| self.below(&k.expr)).collect();
                lines.push(("Sort Key".into(), Value::List(shown)));
                inputs.push(("Outer", input));
                if *presorted > 0 {
                    lines.push(("Presorted Key".into(), Value::List(first)));
                    ("Incremental Sort", "Incremental Sort".into())
                } else {
                    ("Sort", "Sort".into())
                }
            }
            PhysicalNode::Gather { input, keys, .. } => {
                inputs.push(("Outer", input));
                let name = if keys.is_empty() { "Gather" } else { "Gather Merge" };
                (name, name.into())
            }
            PhysicalNode::Aggregate { input, strategy, group, determined, sets, aggregates, .. } => {
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
                let compared = group.iter().enumerate().filter(|(i, _)| !determined.contains(i));
                let keys: Vec<String> = compared.map(|(_, (_, e))| self.group_key(e, input)).collect();
                match sets {
                    None if !keys.is_empty() => lines.push(("Group Key".into(), Value::List(keys))),
                    None => {}
                    Some(sets) => lines.extend(self.grouping_sets(sets, &keys)),
                }
                inputs.push(("Outer", input));
                (if name == "Group" { "Group" } else { "Aggregate" }, name.into())
            }
            PhysicalNode::WindowAgg { input, run, .. } => {
                if !run.is_empty() {
                    let own = own_columns(plan);
                    let shown = self.deparse_in(&own, self.qualify, |d| d.conditions(run));
                    lines.push(("Run Condition".into(), text(shown)));
                }
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
        let stats = if self.e.options.analyze { (self.e.stats)(plan.id) } else { None };
        self.complete(plan, asked, stats.as_ref(), &mut lines);
        for (relationship, input) in inputs {
            children.push((relationship, None, self.node_asked(input, &keys::asked_of_input(plan, asked))));
        }
        for_each_subplan(plan, &mut |number, p, kind, params, _| {
            if !is_init(plan, kind, params) {
                children.push(("SubPlan", Some(format!("SubPlan {number}")), self.subplan(p)));
            }
        });
        head.insert(0, ("Node Type", ty.to_string()));
        let node = Node {
            title,
            head,
            costs: (plan.startup_cost, plan.total_cost, plan.rows, plan.width),
            stats,
            lines,
            children,
        };
        match &plan.node {
            PhysicalNode::Gather { input, workers, keys } => {
                self.gather(node, input, *workers, keys.is_empty())
            }
            _ => self.gathered(plan, node),
        }
    }

    fn target_alias(&self, ctid: ColumnId, relation: &Relation) -> String {
        self.e.statement.meta.get(ctid).relation.clone().unwrap_or_else(|| relation.name.clone())
    }
}

/// What a condition of an index compares: the index's key.
fn left_side(condition: &Expr) -> &Expr {
    match condition {
        Expr::Call { args, .. } => args.first().unwrap_or(condition),
        Expr::ScalarArray { left, .. } => left,
        Expr::IsNull { arg, .. } => arg,
        other => other,
    }
}

/// The schema that users write: each session's temporary one has the same name for it.
fn schema_of(relation: &Relation) -> &str {
    if relation.schema_name.starts_with("pg_temp_") { "pg_temp" } else { &relation.schema_name }
}

/// Whether a text is a column's name, or a whole row.
fn plain(text: &str) -> bool {
    text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '"' | '*'))
}

fn scan_title(kind: &str, name: &str, alias: &str) -> String {
    if alias == name {
        format!("{kind} on {}", quote_identifier(name))
    } else {
        format!("{kind} on {} {}", quote_identifier(name), quote_identifier(alias))
    }
}
