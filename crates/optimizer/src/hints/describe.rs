//! Hints as text: what became of them, and those from which a plan follows again.

use super::{Hint, Hints, Kind, State, Tree};
use hashbrown::HashMap;
use quarry_plan::expr::SubqueryPlan;
use quarry_plan::physical::{AggregateStrategy, BitmapSource};
use quarry_plan::{ColumnId, Expr, LogicalPlan, PhysicalNode, PhysicalPlan, Statement, walk};
use std::fmt::Write;
use std::sync::Arc;

/// Names of a statement's scans, by their columns, where several have one name.
pub type ScanNames = HashMap<ColumnId, String>;

impl Hints {
    /// Which hints were used and which not, as the setting `pg_hint_plan.debug_print` has it told.
    pub fn report(&self) -> String {
        let mut out = String::from("pg_hint_plan:\n");
        for (title, state) in [
            ("used hint", State::Used),
            ("not used hint", State::NotUsed),
            ("duplication hint", State::Duplicate),
            ("error hint", State::Error),
        ] {
            out.push_str(title);
            out.push_str(":\n");
            for hint in self.list.iter().filter(|h| h.state.get() == state) {
                hint.write(&mut out);
                out.push('\n');
            }
        }
        out
    }

    /// The same on one line, as its value `detailed` has it told.
    pub fn report_in_line(&self) -> String {
        let mut out = String::from("pg_hint_plan: HintStateDump: ");
        for (title, state) in [
            ("{used hints", State::Used),
            ("}, {not used hints", State::NotUsed),
            ("}, {duplicate hints", State::Duplicate),
            ("}, {error hints", State::Error),
        ] {
            out.push_str(title);
            out.push(':');
            let before = out.len();
            for hint in self.list.iter().filter(|h| h.state.get() == state) {
                hint.write(&mut out);
            }
            if out.len() == before {
                out.push_str("(none)");
            }
        }
        out.push('}');
        out
    }
}

impl Hint {
    fn write(&self, out: &mut String) {
        out.push_str(self.keyword);
        out.push('(');
        match &self.kind {
            Kind::Scan { table, indexes, .. } => {
                let words = [table].into_iter().filter(|t| !t.is_empty()).chain(indexes);
                write_words(out, words);
            }
            Kind::Join { tables, .. } | Kind::Memoize { tables, .. } => write_words(out, tables),
            Kind::Leading { tree: Some(tree), .. } => write_tree(out, tree),
            Kind::Leading { tree: None, list } => write_words(out, list),
            Kind::Set { words } => write_words(out, words),
            Kind::Rows { tables, spec, .. } => {
                write_words(out, tables);
                if !spec.is_empty() {
                    out.push(' ');
                    out.push_str(spec);
                }
            }
            Kind::Parallel { words, hard } => {
                write_words(out, words.iter().take(2));
                out.push_str(if *hard { " hard" } else { " soft" });
            }
        }
        out.push(')');
    }
}

fn write_words<'w>(out: &mut String, words: impl IntoIterator<Item = &'w String>) {
    for (i, word) in words.into_iter().enumerate() {
        if i > 0 {
            out.push(' ');
        }
        write_word(out, word);
    }
}

/// A word, between quotes where it would be taken for something else.
fn write_word(out: &mut String, word: &str) {
    let plain = |c: char| !"()\"".contains(c) && !c.is_ascii_whitespace();
    match !word.is_empty() && word.chars().all(plain) {
        true => out.push_str(word),
        false => {
            out.push('"');
            out.push_str(&word.replace('"', "\"\""));
            out.push('"');
        }
    }
}

fn write_tree(out: &mut String, tree: &Tree) {
    match tree {
        Tree::Table(name) => write_word(out, name),
        Tree::Pair(sides) => {
            out.push('(');
            for (i, side) in sides.iter().enumerate() {
                if i > 0 {
                    out.push(' ');
                }
                write_tree(out, side);
            }
            out.push(')');
        }
    }
}

/// Names for the scans of a bound statement that share one: the second `t` is `t_1`.
pub fn scan_names(plan: &LogicalPlan) -> ScanNames {
    let mut scans: Vec<(String, Vec<ColumnId>)> = vec![];
    collect_scans(plan, &mut scans);
    // In the order in which they were bound, which rewrites don't change.
    scans.sort_by_key(|(_, columns)| columns.iter().min().copied());
    let mut out = ScanNames::new();
    let mut count: HashMap<String, usize> = HashMap::new();
    for (name, columns) in &scans {
        let n = count.entry(name.clone()).or_insert(0);
        if *n > 0 {
            let mut unique = format!("{name}_{n}");
            while scans.iter().any(|(other, _)| *other == unique) {
                unique.push('_');
            }
            out.extend(columns.iter().map(|id| (*id, unique.clone())));
        }
        *n += 1;
    }
    out
}

fn collect_scans(plan: &LogicalPlan, out: &mut Vec<(String, Vec<ColumnId>)>) {
    if let LogicalPlan::Scan { alias, columns, .. } = plan {
        out.push((alias.clone(), columns.iter().map(|(id, _)| *id).collect()));
    }
    for e in walk::exprs(plan) {
        walk::visit(e, &mut |e| {
            if let Expr::Subquery(s) = e
                && let SubqueryPlan::Logical(p) = &s.plan
            {
                collect_scans(p, out);
            }
        });
    }
    for input in walk::inputs(plan) {
        collect_scans(input, out);
    }
}

/// Hints from which this plan follows again: how each table is read, how and in which order they are joined. What stands in a join without
/// a name leaves the order around it open.
pub fn hints_of(statement: &Statement, names: &ScanNames) -> String {
    let mut w = Writer { names, out: String::new(), sorted: false, hashed: false };
    let mut roots = vec![statement.plan.clone()];
    roots.extend(statement.ctes.iter().map(|c| c.plan.clone()));
    while let Some(root) = roots.pop() {
        w.root(&root, &mut roots);
    }
    if w.sorted && !w.hashed {
        w.line(|out| out.push_str("Set(enable_hashagg off)"));
    }
    w.out
}

struct Writer<'n> {
    names: &'n ScanNames,
    out: String,
    /// How rows are grouped.
    sorted: bool,
    hashed: bool,
}

impl Writer<'_> {
    fn line(&mut self, write: impl FnOnce(&mut String)) {
        if !self.out.is_empty() {
            self.out.push(' ');
        }
        write(&mut self.out);
    }

    /// A query of its own: its order of joins.
    fn root(&mut self, plan: &PhysicalPlan, more: &mut Vec<Arc<PhysicalPlan>>) {
        if let Some(tree @ Tree::Pair(_)) = self.node(plan, more) {
            self.line(|out| {
                out.push_str("Leading(");
                write_tree(out, &tree);
                out.push(')');
            });
        }
    }

    /// Writes hints for a node and those below; gives the joins that it stands for.
    fn node(&mut self, plan: &PhysicalPlan, more: &mut Vec<Arc<PhysicalPlan>>) -> Option<Tree> {
        for e in walk::physical_exprs(plan) {
            walk::visit(e, &mut |e| {
                if let Expr::Subquery(s) = e
                    && let SubqueryPlan::Physical { plan, .. } = &s.plan
                {
                    more.push(plan.clone());
                }
            });
        }
        use PhysicalNode as N;
        match &plan.node {
            N::SeqScan { .. } => self.scan(plan, "SeqScan", &[]),
            N::IndexScan { index, index_only: false, .. } => self.scan(plan, "IndexScan", &[&index.name]),
            N::IndexScan { index, .. } => self.scan(plan, "IndexOnlyScan", &[&index.name]),
            N::BitmapHeapScan { bitmap, .. } => {
                let mut indexes = vec![];
                bitmap_indexes(bitmap, &mut indexes);
                self.scan(plan, "BitmapScan", &indexes)
            }
            N::TidScan { .. } | N::TidRangeScan { .. } => self.scan(plan, "TidScan", &[]),
            N::ValuesScan { alias, .. }
            | N::FunctionScan { alias, .. }
            | N::CteScan { alias, .. }
            | N::WorkTableScan { alias, .. } => Some(Tree::Table(alias.clone())),
            N::SubqueryScan { input, alias } => {
                self.root(input, more);
                Some(Tree::Table(alias.clone()))
            }
            N::NestLoop { outer, inner, params, .. } => {
                let memoize = match inner.node {
                    N::Memoize { .. } => Some("Memoize"),
                    _ if !params.is_empty() => Some("NoMemoize"),
                    _ => None,
                };
                self.join("NestLoop", memoize, outer, inner, more)
            }
            N::HashJoin { outer, inner, .. } => self.join("HashJoin", None, outer, inner, more),
            N::MergeJoin { outer, inner, .. } => self.join("MergeJoin", None, outer, inner, more),
            N::Sort { input, .. } | N::Materialize { input } | N::Memoize { input, .. } => {
                self.node(input, more)
            }
            // Duplicates that are removed before a join.
            N::Aggregate { input, strategy: AggregateStrategy::Hashed, aggregates, sets: None, .. }
                if aggregates.is_empty() =>
            {
                self.hashed = true;
                self.node(input, more)
            }
            node => {
                match node {
                    N::Aggregate { strategy: AggregateStrategy::Hashed, .. } => self.hashed = true,
                    N::Aggregate { strategy: AggregateStrategy::Sorted, .. } | N::Unique { .. } => {
                        self.sorted = true;
                    }
                    _ => {}
                }
                for input in walk::physical_inputs(plan) {
                    self.root(input, more);
                }
                None
            }
        }
    }

    fn scan(&mut self, plan: &PhysicalPlan, keyword: &str, indexes: &[&String]) -> Option<Tree> {
        let name = self.name(plan)?;
        self.line(|out| {
            out.push_str(keyword);
            out.push('(');
            write_words(out, [&name].into_iter().chain(indexes.iter().copied()));
            out.push(')');
        });
        Some(Tree::Table(name))
    }

    fn name(&self, plan: &PhysicalPlan) -> Option<String> {
        let known = walk::raw_columns(&plan.node).into_iter().find_map(|id| self.names.get(&id).cloned());
        match &plan.node {
            PhysicalNode::SeqScan { alias, .. }
            | PhysicalNode::IndexScan { alias, .. }
            | PhysicalNode::BitmapHeapScan { alias, .. }
            | PhysicalNode::TidScan { alias, .. }
            | PhysicalNode::TidRangeScan { alias, .. } => Some(known.unwrap_or_else(|| alias.clone())),
            _ => None,
        }
    }

    fn join(
        &mut self,
        keyword: &str,
        memoize: Option<&str>,
        outer: &PhysicalPlan,
        inner: &PhysicalPlan,
        more: &mut Vec<Arc<PhysicalPlan>>,
    ) -> Option<Tree> {
        let (outer, inner) = (self.node(outer, more), self.node(inner, more));
        let (Some(outer), Some(inner)) = (outer.clone(), inner.clone()) else {
            // The order of the named side at least.
            for tree in [outer, inner].into_iter().flatten().filter(|t| matches!(t, Tree::Pair(_))) {
                self.line(|out| {
                    out.push_str("Leading(");
                    write_tree(out, &tree);
                    out.push(')');
                });
            }
            return None;
        };
        let tree = Tree::Pair(vec![outer, inner]);
        let mut tables = vec![];
        tree.tables(&mut tables);
        let list = tables.iter().fold(String::new(), |mut list, t| {
            if !list.is_empty() {
                list.push(' ');
            }
            write_word(&mut list, t);
            list
        });
        for keyword in [Some(keyword), memoize].into_iter().flatten() {
            self.line(|out| {
                // Writing to a string can't fail.
                let _ = write!(out, "{keyword}({list})");
            });
        }
        Some(tree)
    }
}

fn bitmap_indexes<'b>(source: &'b BitmapSource, out: &mut Vec<&'b String>) {
    match source {
        BitmapSource::Index { index, .. } if !out.contains(&&index.name) => out.push(&index.name),
        BitmapSource::Index { .. } => {}
        BitmapSource::And(parts) | BitmapSource::Or(parts) => {
            parts.iter().for_each(|p| bitmap_indexes(p, out));
        }
    }
}
