//! Conditions over an expression of one column, tried on the values that the column's statistics have. PostgreSQL does so for patterns
//! only, and takes defaults for what has no statistics of its own.

use super::Facts;
use super::answers::{lasts, own};
use crate::exprs::{columns, has_subquery, is_volatile, substitute};
use crate::planner::Planner;
use quarry_catalog::ColumnStats;
use quarry_plan::{ColumnId, Expr, walk};
use quarry_types::Datum;
use std::collections::HashMap;
use std::sync::Arc;

/// A condition on a column, whichever, that was tried on the values in these statistics: the share of the rows for which it holds.
pub(super) type TriedOn = (Arc<ColumnStats>, Expr, f64);

/// Some column that no statement has.
const ANY_COLUMN: ColumnId = ColumnId(u32::MAX);

/// Values that must be there.
const VALUES_MIN: usize = 10;

impl Planner<'_> {
    /// Share of the rows for which a condition over an expression of one column holds; none if that can't be told.
    pub(super) fn share_of_values(&mut self, e: &Expr) -> Option<f64> {
        if let Some((_, share)) = self.stats.known.by_values.iter().find(|(known, _)| known == e) {
            return *share;
        }
        let share = self.tried_on_values(e);
        self.stats.known.by_values.push((e.clone(), share));
        share
    }

    fn tried_on_values(&mut self, e: &Expr) -> Option<f64> {
        let [id] = columns(e)[..] else { return None };
        let source = self.plain(id);
        if let Some(d) = self.definitions.get(&source).filter(|d| !matches!(d, Expr::Column { .. })) {
            let mut e = e.clone();
            substitute(&mut e, &HashMap::from([(id, d.clone())]));
            return if columns(&e).contains(&id) { None } else { self.tried_on_values(&e) };
        }
        if is_volatile(e) || has_subquery(e) || walk::any(e, &|e| matches!(e, Expr::Param { .. })) {
            return None;
        }
        let column = Expr::column(id, self.meta.get(id).ty);
        let stats = self.variable(&column).stats?;
        // Several scans of a table may have the same condition.
        let mut anywhere = e.clone();
        walk::rewrite(&mut anywhere, &mut |e| {
            if let Expr::Column { id, .. } = e {
                *id = ANY_COLUMN;
            }
        });
        let same = |(of, condition, _): &&TriedOn| Arc::ptr_eq(of, &stats) && *condition == anywhere;
        if let Some((.., share)) = self.stats.known.tried.iter().find(same) {
            return Some(*share);
        }
        let facts = stats.derived.get::<Facts>().filter(|_| lasts(&anywhere));
        let share = match facts.and_then(|facts| facts.tried.find(|asked| *asked == anywhere)) {
            Some(share) => share,
            None => {
                let share = self.tried_on(e, id, &stats)?;
                if let Some(facts) = facts {
                    let mut question = anywhere.clone();
                    walk::rewrite(&mut question, &mut |e| {
                        if let Expr::Const { value, .. } = e {
                            *value = own(value);
                        }
                    });
                    facts.tried.keep(question, share);
                }
                share
            }
        };
        self.stats.known.tried.push((stats.clone(), anywhere, share));
        Some(share)
    }

    fn tried_on(&self, e: &Expr, id: ColumnId, stats: &ColumnStats) -> Option<f64> {
        let listed = stats.mcv.len();
        // A histogram's ends are extremes, and stand for half as many rows.
        let bounds = match stats.histogram.len() {
            0..=2 => &[],
            n => &stats.histogram[1..n - 1],
        };
        let known: f64 = stats.mcv.iter().map(|m| f64::from(m.1)).sum();
        let rest = (1.0 - known - f64::from(stats.null_fraction)).max(0.0);
        let complete = bounds.is_empty() && rest < 0.01;
        if !complete && bounds.len() < VALUES_MIN {
            return None;
        }
        let values: Vec<&Datum> =
            stats.mcv.iter().map(|m| &m.0).chain(bounds).chain([&Datum::Null]).collect();
        let holds = self.env.folder.holds_for(e, id, &values)?;
        let mut share: f64 =
            stats.mcv.iter().zip(&holds).filter(|(_, h)| **h).map(|(m, _)| f64::from(m.1)).sum();
        if !bounds.is_empty() {
            let hits = holds[listed..listed + bounds.len()].iter().filter(|h| **h).count() as f64;
            let n = bounds.len() as f64;
            // What none of the values shows, and what all do, may be otherwise for as many rows as half a value stands for.
            share += rest * hits.clamp(0.5, n - 0.5) / n;
        }
        if holds.last() == Some(&true) {
            share += f64::from(stats.null_fraction);
        }
        Some(share.clamp(0.0, 1.0))
    }
}
