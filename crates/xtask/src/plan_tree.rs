//! Plans as EXPLAIN's text shows them, read back as trees: nodes with their estimated and real rows, and the relations below them.

/// A node of a plan.
#[derive(Debug, Default, PartialEq)]
pub struct PlanNode {
    /// What stands before the costs, as `Hash Join` or `Seq Scan on lineitem l1`.
    pub head: String,
    pub estimate: f64,
    /// A loop's average; none: it never ran, or EXPLAIN ran nothing.
    pub rows: Option<f64>,
    /// Whether it is a subplan's, an initplan's or a CTE's first node.
    pub apart: bool,
    pub children: Vec<PlanNode>,
}

impl PlanNode {
    pub fn is_join(&self) -> bool {
        self.head.contains(" Join") || self.head.contains("Nested Loop")
    }

    /// How many times the estimate is off, either way, both being 1 at least; none if it didn't run.
    pub fn q_error(&self) -> Option<f64> {
        let (estimate, rows) = (self.estimate.max(1.0), self.rows?.max(1.0));
        Some((estimate / rows).max(rows / estimate))
    }

    /// The aliases of what is scanned below, sorted; without subplans.
    pub fn relations(&self) -> Vec<&str> {
        let mut out = vec![];
        self.add_relations(&mut out);
        out.sort_unstable();
        out
    }

    fn add_relations<'n>(&'n self, out: &mut Vec<&'n str>) {
        if let Some((kind, what)) = self.head.split_once(" on ")
            && !kind.starts_with("Bitmap Index")
        {
            out.push(what.rsplit(' ').next().unwrap_or(what));
        }
        // What a scan of a subquery reads has its own names.
        if !self.head.starts_with("Subquery Scan") {
            self.children.iter().filter(|c| !c.apart).for_each(|c| c.add_relations(out));
        }
    }

    /// Every node, this one first.
    pub fn visit<'n>(&'n self, see: &mut dyn FnMut(&'n PlanNode)) {
        see(self);
        self.children.iter().for_each(|c| c.visit(see));
    }
}

/// Reads a plan's lines; none if there is no node among them.
pub fn parse<'l>(lines: impl IntoIterator<Item = &'l str>) -> Option<PlanNode> {
    // Open nodes with their indentation; a new one closes those that are not left of it.
    let mut open: Vec<(usize, PlanNode)> = vec![];
    let mut apart_at = None;
    for line in lines {
        let indent = line.len() - line.trim_start().len();
        let text = line.trim_start();
        let Some((head, costs)) = text.split_once("  (cost=") else {
            if ["InitPlan ", "SubPlan ", "CTE "].iter().any(|l| text.starts_with(l)) {
                apart_at = Some(indent);
            }
            continue;
        };
        close(&mut open, indent);
        let (estimated, actual) = match costs.split_once("(actual ") {
            Some((estimated, actual)) => (estimated, number(actual)),
            None => (costs, None),
        };
        let apart = apart_at.take().is_some_and(|at| at + 2 == indent);
        let node = PlanNode {
            head: head.trim_start_matches("->").trim_start().to_owned(),
            estimate: number(estimated).unwrap_or(1.0),
            rows: actual,
            apart,
            children: vec![],
        };
        open.push((indent, node));
    }
    close(&mut open, 1);
    open.pop().map(|(_, node)| node)
}

fn close(open: &mut Vec<(usize, PlanNode)>, indent: usize) {
    while open.len() > 1 && open.last().is_some_and(|(at, _)| *at >= indent) {
        let Some((_, done)) = open.pop() else { return };
        if let Some((_, parent)) = open.last_mut() {
            parent.children.push(done);
        }
    }
}

fn number(text: &str) -> Option<f64> {
    let rest = text.split_once("rows=")?.1;
    rest.split(|c: char| !c.is_ascii_digit() && c != '.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: &str = "\
Hash Join  (cost=1.0..2.0 rows=10 width=4) (actual rows=40 loops=1)
  Hash Cond: (a.x = b.x)
  ->  Seq Scan on films a  (cost=1.0..2.0 rows=10 width=4) (actual rows=40 loops=1)
        Filter: (x > (SubPlan 1))
        SubPlan 1
          ->  Nested Loop  (cost=1.0..2.0 rows=7 width=4) (never executed)
                ->  Seq Scan on c  (cost=1.0..2.0 rows=7 width=4) (never executed)
  ->  Hash  (cost=1.0..2.0 rows=5 width=4) (actual rows=0 loops=1)
        ->  Bitmap Heap Scan on b  (cost=1.0..2.0 rows=5 width=4) (actual rows=0 loops=1)
              ->  Bitmap Index Scan on b_x  (cost=1.0..2.0 rows=5 width=0) (actual rows=0 loops=1)
Planning Time: 1 ms";

    #[test]
    fn trees() {
        let plan = parse(PLAN.lines()).expect("a plan");
        assert!(plan.is_join());
        assert_eq!(plan.q_error(), Some(4.0));
        assert_eq!(plan.relations(), ["a", "b"]);
        let mut nodes = vec![];
        plan.visit(&mut |n| nodes.push((n.head.as_str(), n.q_error(), n.apart)));
        assert_eq!(nodes[2], ("Nested Loop", None, true));
        assert_eq!(nodes[4], ("Hash", Some(5.0), false));
        assert_eq!(nodes.len(), 7);
        assert_eq!(parse(["Planning Time: 1 ms"]), None);
    }
}
