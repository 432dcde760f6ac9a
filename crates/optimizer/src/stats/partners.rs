//! Semi and anti joins: which share of the outer rows has a partner that meets all conditions (PostgreSQL: `eqjoinsel_semi`).
//!
//! Equalities say whether there are rows of the same key at all. What else is asked of a partner is asked of each of them, so that
//! one of several is enough. A row that is to find others of its own table by its own key, but not itself (`EXISTS (... WHERE b.key =
//! a.key AND b.id <> a.id)`), finds one if its key has more rows than that one. PostgreSQL takes the latter for certain, and the
//! anti join for empty.

use super::variable::distinct_after;
use crate::exprs::{binary, columns};
use crate::planner::Planner;
use quarry_common::Oid;
use quarry_plan::{ColumnId, Expr};

impl Planner<'_> {
    /// Share of the outer rows that a semi join keeps; `inner`: the columns of its other side.
    pub fn match_share(&mut self, on: &[Expr], inner: &[ColumnId], inner_rows: f64) -> f64 {
        let reads = |e: &Expr| columns(e).iter().any(|id| inner.contains(id));
        // Of the keys: whether there are any partners; how likely one of them meets the rest.
        let (mut share, mut one) = (1.0, 1.0);
        let mut keys = vec![];
        let (mut own_key, mut not_itself) = (false, false);
        for e in on {
            let sides = binary(e).filter(|(_, l, r)| reads(l) != reads(r));
            let Some((op, l, r)) = sides else {
                one *= self.selectivity_of(e);
                continue;
            };
            let (outer, own) = if reads(r) { (l, r) } else { (r, l) };
            let same = self.table_column(outer).is_some_and(|c| self.table_column(own) == Some(c));
            if op.join == "eqjoinsel" {
                let (a, b) = (self.variable(outer), self.variable(own));
                share *= self.has_partner(&a, &b, inner_rows);
                own_key |= same;
                keys.push((own.clone(), b));
            } else {
                not_itself |= same && op.join == "neqjoinsel";
                one *= self.selectivity_of(e);
            }
        }
        if one >= 1.0 {
            return share.clamp(0.0, 1.0);
        }
        let Some((_, first)) = keys.first() else {
            return (1.0 - (1.0 - one).powf(inner_rows)).clamp(0.0, 1.0);
        };
        let rows = first.rows.max(inner_rows).max(1.0);
        let exprs: Vec<Expr> = keys.iter().map(|(e, _)| e.clone()).collect();
        let distinct = self.combinations(&exprs).clamp(1.0, rows);
        if own_key && not_itself {
            // Rows of the key besides the one: none of a unique key.
            let others = inner_rows / distinct * (1.0 - (distinct / rows).powi(2));
            return 1.0 - (-others * one).exp();
        }
        let partners = (inner_rows / distinct_after(distinct, rows, inner_rows)).max(1.0);
        (share * (1.0 - (1.0 - one).powf(partners))).clamp(0.0, 1.0)
    }

    /// The column of a table that an expression is.
    fn table_column(&self, e: &Expr) -> Option<(Oid, i16)> {
        let Expr::Column { id, .. } = crate::exprs::strip_relabel(e) else { return None };
        self.meta.get(self.plain(*id)).source
    }
}
