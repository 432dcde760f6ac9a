//! The limit that a plan must stay below to be of use, where another plan is there already (`crate::plan` tries rewrites that costs
//! decide on): paths are dropped that no such plan has.
//!
//! What a path costs before its first row, every plan with it costs as well, but for what runtime filters of joins further up spare a
//! sequential scan below a grouping or a sort (`sieve`). What it costs until its last row a plan may go without: under LIMIT, if it comes in
//! the right order; on the right side of a semi join; and where such filters spare any sequential scan rows.

use super::graph::{first, members};
use super::{Path, Search};
use crate::cost;
use crate::exprs::{binary, equality, has_subquery, is_equality};
use crate::region::{RelSet, Source};
use quarry_common::Error;
use quarry_plan::{Expr, JoinKind};

/// Runs of a subquery below which a statement isn't put off.
const RUNS_MIN: f64 = 100.0;

/// The least that such a run costs, in random pages: looking a row up takes two or so.
const RUN_PAGES_MIN: f64 = 3.0;

/// What paths are held against.
#[derive(Default)]
pub(super) struct Bound {
    /// No plan may cost so much; none: there is no limit.
    limit: Option<f64>,
    /// Right sides of semi and anti joins.
    partial: Vec<RelSet>,
    /// Whether paths were dropped.
    pub dropped: bool,
}

/// The error that ends a try.
pub(super) fn too_much() -> Error {
    Error::internal("another plan costs less")
}

impl Search<'_, '_> {
    /// Finds the limit that holds for the region.
    pub(super) fn find_bound(&mut self) {
        // Outside of what the statement pays for, costs of parts say nothing; random ones say nothing anywhere.
        if self.p.whole && self.p.env.settings.random_joins == 0 {
            self.bound.limit = self.p.rules.limit();
        }
        let specials = self.region.specials.iter();
        let partial = specials.filter(|s| matches!(s.kind, JoinKind::Semi | JoinKind::Anti));
        self.bound.partial = partial.map(|s| s.right).collect();
    }

    /// Whether rows of a subset may not all be read, because it is (a part of) the right side of a semi or anti join.
    pub(super) fn stops_within(&self, set: RelSet) -> bool {
        self.bound.partial.iter().any(|right| set & right != 0 && set & !right == 0)
    }

    /// Whether no plan of use has a path, which is one of this subset.
    pub(super) fn is_too_much(&mut self, path: &Path, set: RelSet) -> bool {
        let Some(limit) = self.bound.limit else { return false };
        if path.params != 0 || path.total < limit {
            return false;
        }
        let too_much = match self.driven(path) {
            Some(driven) => path.startup >= limit && !driven.is_blocked(),
            None => {
                let whole = || (path.order.ids.is_empty() || self.p.reads_all) && !self.stops_within(set);
                path.startup >= limit || whole()
            }
        };
        self.bound.dropped |= too_much;
        too_much
    }

    /// What subqueries cost that are run for each row of a join of tables, by the fewest rows for which that seems possible; 0 where it isn't
    /// much or can't be told.
    pub(super) fn subqueries_cost(&mut self) -> f64 {
        let settings = &self.p.env.settings;
        let all_rows = self.p.whole && !self.stops_early && settings.random_joins == 0;
        let tables = self.region.items.iter().all(|i| matches!(i.source, Source::Table(_)));
        if !all_rows || !tables || !self.region.specials.is_empty() {
            return 0.0;
        }
        let all = first(self.region.items.len());
        let mut most: f64 = 0.0;
        for n in 0..self.region.clauses.len() {
            let clause = &self.region.clauses[n];
            if clause.refs.count_ones() < 2 || !has_subquery(&clause.expr) {
                continue;
            }
            let run = cost::expr(&clause.expr, settings).per_row;
            if run < RUN_PAGES_MIN * settings.random_page_cost {
                continue;
            }
            // What rows are hashed by is computed for those of one side.
            let refs = clause.refs;
            let hashed = binary(&clause.expr).is_some_and(|(op, ..)| is_equality(op));
            let mut runs = self.joined_rows(refs);
            if refs != all {
                runs = runs.min(self.joined_rows(all));
            }
            if hashed {
                runs = members(refs).map(|i| self.rows[i]).fold(runs, f64::min);
            }
            if runs >= RUNS_MIN {
                most = most.max(runs * run);
            }
        }
        most
    }

    /// Rows of a set of items, joined by their conditions without subqueries.
    fn joined_rows(&mut self, set: RelSet) -> f64 {
        let pairs: f64 = members(set).map(|i| self.rows[i]).product();
        let mut conditions: Vec<Expr> = vec![];
        for class in self.region.classes.iter().filter(|class| class.constant.is_none()) {
            let column = |id| Expr::column(id, self.p.meta.get(id).ty);
            let within: Vec<_> = class.members.iter().filter(|(_, i)| set >> i & 1 == 1).collect();
            let steps = within.windows(2).filter(|pair| pair[0].1 != pair[1].1);
            conditions.extend(steps.filter_map(|pair| equality(column(pair[0].0), column(pair[1].0))));
        }
        let joins = self.region.clauses.iter().filter(|c| c.refs.count_ones() > 1 && c.refs & !set == 0);
        conditions.extend(joins.filter(|c| !has_subquery(&c.expr)).map(|c| c.expr.clone()));
        pairs * self.p.selectivity(&conditions)
    }
}
