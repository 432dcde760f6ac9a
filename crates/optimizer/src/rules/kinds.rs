//! What kinds of nodes and expressions a statement has, found in one walk: rules about others needn't look at it.

use quarry_common::Oid;
use quarry_plan::expr::SubqueryPlan;
use quarry_plan::{Expr, JoinKind, LogicalPlan, SubqueryKind, walk};

/// Kinds that are somewhere in a plan or in subqueries of its expressions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Kinds(u16);

impl Kinds {
    pub const SUBQUERY: Kinds = Kinds(1);
    /// OR, or NOT, which may become one.
    pub const OR: Kinds = Kinds(1 << 1);
    pub const JOIN: Kinds = Kinds(1 << 2);
    /// Left, right and full joins.
    pub const OUTER_JOIN: Kinds = Kinds(1 << 3);
    /// Subqueries of FROM.
    pub const ALIAS: Kinds = Kinds(1 << 4);
    /// DISTINCT, of aggregates too.
    pub const DISTINCT: Kinds = Kinds(1 << 5);
    pub const SORT: Kinds = Kinds(1 << 6);
    pub const LIMIT: Kinds = Kinds(1 << 7);
    pub const WITH: Kinds = Kinds(1 << 8);
    pub const AGGREGATE: Kinds = Kinds(1 << 9);
    /// Rows are added.
    pub const INSERT: Kinds = Kinds(1 << 10);
    /// Rows that are read are changed or locked.
    pub const CHANGE: Kinds = Kinds(1 << 11);
    /// A table that foreign keys refer to.
    pub const REFERENCED: Kinds = Kinds(1 << 12);
    /// A table that is read twice.
    pub const REPEATED: Kinds = Kinds(1 << 13);
    /// IN, ANY and ALL over subqueries.
    pub const QUANTIFIED: Kinds = Kinds(1 << 14);

    /// The kinds of a plan.
    pub fn of(plan: &LogicalPlan) -> Kinds {
        let mut found = Finding { kinds: Kinds::default(), tables: vec![] };
        found.plan(plan);
        found.kinds
    }

    /// Whether there is any of these.
    pub fn has(self, any: Kinds) -> bool {
        self.0 & any.0 != 0
    }

    /// The kinds of both.
    pub const fn and(self, other: Kinds) -> Kinds {
        Kinds(self.0 | other.0)
    }

    fn add(&mut self, other: Kinds) {
        self.0 |= other.0;
    }
}

struct Finding {
    kinds: Kinds,
    tables: Vec<Oid>,
}

impl Finding {
    fn plan(&mut self, plan: &LogicalPlan) {
        let kinds = &mut self.kinds;
        match plan {
            LogicalPlan::Scan { relation, .. } => {
                if !relation.referenced_by.is_empty() {
                    kinds.add(Kinds::REFERENCED);
                }
                match self.tables.contains(&relation.oid) {
                    true => kinds.add(Kinds::REPEATED),
                    false => self.tables.push(relation.oid),
                }
                return;
            }
            LogicalPlan::Join { kind, .. } => {
                kinds.add(Kinds::JOIN);
                if matches!(kind, JoinKind::Left | JoinKind::Right | JoinKind::Full) {
                    kinds.add(Kinds::OUTER_JOIN);
                }
            }
            LogicalPlan::SubqueryAlias { .. } => kinds.add(Kinds::ALIAS),
            LogicalPlan::Distinct { .. } => kinds.add(Kinds::DISTINCT),
            LogicalPlan::Aggregate { aggregates, .. } => {
                kinds.add(Kinds::AGGREGATE);
                if aggregates.iter().any(|(_, a)| a.distinct) {
                    kinds.add(Kinds::DISTINCT);
                }
            }
            LogicalPlan::Sort { .. } => kinds.add(Kinds::SORT),
            LogicalPlan::Limit { .. } => kinds.add(Kinds::LIMIT),
            LogicalPlan::With { .. } => kinds.add(Kinds::WITH),
            LogicalPlan::Insert { .. } => kinds.add(Kinds::INSERT),
            LogicalPlan::Update { .. } | LogicalPlan::Delete { .. } | LogicalPlan::LockRows { .. } => {
                kinds.add(Kinds::CHANGE)
            }
            _ => {}
        }
        walk::exprs(plan).into_iter().for_each(|e| self.expr(e));
        walk::inputs(plan).into_iter().for_each(|input| self.plan(input));
    }

    fn expr(&mut self, e: &Expr) {
        match e {
            Expr::Column { .. } | Expr::Const { .. } | Expr::Param { .. } => return,
            Expr::Or(_) | Expr::Not(_) => self.kinds.add(Kinds::OR),
            Expr::Subquery(s) => {
                self.kinds.add(Kinds::SUBQUERY);
                if matches!(s.kind, SubqueryKind::Any { .. } | SubqueryKind::All { .. }) {
                    self.kinds.add(Kinds::QUANTIFIED);
                }
                if let SubqueryPlan::Logical(sub) = &s.plan {
                    self.plan(sub);
                }
            }
            _ => {}
        }
        walk::for_each_child(e, &mut |child| self.expr(child));
    }
}
