//! What indexes do in a scan: their conditions, and the nodes under a bitmap heap scan.

use super::{Builder, Node, Value};
use crate::explain::NodeStats;
use crate::physical::{BitmapSource, IndexCond, IndexTest};
use crate::{Expr, PhysicalPlan};
use quarry_catalog::quote_identifier;
use quarry_common::usage::Usage;

impl Builder<'_> {
    pub(super) fn index_conditions(&self, plan: &PhysicalPlan, conds: &[IndexCond]) -> String {
        let mut list: Vec<Expr> = vec![];
        for c in conds {
            if c.test != IndexTest::Skip && !list.contains(&c.source) {
                list.push(c.source.clone());
            }
        }
        self.scan_conditions(plan, &list)
    }

    pub(super) fn bitmap(&self, plan: &PhysicalPlan, b: &BitmapSource) -> Node {
        match b {
            BitmapSource::Index { index, conds, rows, total_cost, id } => {
                let stats = if self.e.options.analyze { (self.e.stats)(*id) } else { None };
                let mut lines = vec![];
                if !conds.is_empty() {
                    lines.push(("Index Cond".into(), Value::Text(self.index_conditions(plan, conds))));
                }
                self.used(stats.as_ref(), Some(*rows), &mut lines);
                Node {
                    title: format!("Bitmap Index Scan on {}", quote_identifier(&index.name)),
                    head: vec![("Node Type", "Bitmap Index Scan".into()), ("Index Name", index.name.clone())],
                    costs: (0.0, *total_cost, *rows, 0),
                    stats,
                    lines,
                    children: vec![],
                }
            }
            BitmapSource::And(parts) => self.bitmap_group(plan, "BitmapAnd", parts),
            BitmapSource::Or(parts) => self.bitmap_group(plan, "BitmapOr", parts),
        }
    }
    fn bitmap_group(&self, plan: &PhysicalPlan, name: &str, parts: &[BitmapSource]) -> Node {
        let children: Vec<Node> = parts.iter().map(|p| self.bitmap(plan, p)).collect();
        let total: f64 = children.iter().map(|c| c.costs.1).sum();
        // It runs whenever its first part does, and takes what its parts take; rows are counted where they are fetched.
        let stats = children.first().and_then(|c| c.stats.as_ref()).map(|first| {
            let parts = || children.iter().filter_map(|c| c.stats.as_ref());
            let ms: f64 = parts().map(|s| s.total_ms).sum();
            let usage = parts().fold(Usage::default(), |sum, s| sum.plus(&s.usage));
            NodeStats { startup_ms: ms, total_ms: ms, loops: first.loops, usage, ..NodeStats::default() }
        });
        let mut lines = vec![];
        self.used(stats.as_ref(), None, &mut lines);
        Node {
            title: name.into(),
            head: vec![("Node Type", name.into())],
            costs: (total, total, 0.0, 0),
            stats,
            lines,
            children: children.into_iter().map(|c| ("Member", None, c)).collect(),
        }
    }
}
