//! In which order a query's windows are computed, which shows in the order of its rows (PostgreSQL: select_active_windows).
//!
//! Windows that begin with the same keys stand together, those with more keys first, so that a sort serves several. Which keys come
//! first is decided by numbers that expressions get as clauses name them: ORDER BY, GROUP BY, DISTINCT, then each window's ORDER BY and
//! PARTITION BY. The greatest number is computed first.

use super::query::BoundSelect;
use super::scope::Scope;
use crate::ast;
use quarry_plan::{ColumnId, Expr, SortKey, WindowCall, WindowSpec};
use std::cmp::Ordering;

/// A key of a window: its expression's number, its direction and where NULLs stand.
type Key = (usize, bool, bool);

/// Puts the calls of a query level in the order in which their windows are to be computed.
pub(super) fn arrange(select: &BoundSelect, scope: &mut Scope) {
    if scope.windows.windows(2).all(|w| w[0].1 == w[1].1) {
        return;
    }
    let mut known: Vec<Expr> = vec![];
    let mut number = |e: &Expr| match known.iter().position(|k| k == e) {
        Some(at) => at,
        None => {
            known.push(e.clone());
            known.len() - 1
        }
    };
    for o in &select.order {
        number(&select.targets[o.target].expr);
    }
    select.group.iter().for_each(|g| {
        number(&g.expr);
    });
    match &select.distinct {
        Some(ast::Distinct::All) => select.targets.iter().for_each(|t| {
            number(&t.expr);
        }),
        Some(ast::Distinct::On(_)) => select.distinct_on.iter().for_each(|i| {
            number(&select.targets[*i].expr);
        }),
        None => {}
    }
    // Named windows are bound before those of calls.
    let defs = &scope.window_defs;
    let place = |spec: &WindowSpec| {
        let named = |w: &ast::WindowDef| w.name.is_some() && w.name == spec.name;
        defs.iter().position(named).unwrap_or(usize::MAX)
    };
    scope.windows.sort_by_key(|(_, spec, _)| place(spec));
    for (_, spec, _) in &scope.windows {
        for e in spec.order_by.iter().map(|k| &k.expr).chain(&spec.partition_by) {
            number(e);
        }
    }
    let windows = std::mem::take(&mut scope.windows);
    let mut keyed: Vec<(Vec<Key>, (ColumnId, WindowSpec, WindowCall))> =
        windows.into_iter().map(|w| (keys(&w.1, &mut number), w)).collect();
    keyed.sort_by(|a, b| by_prefix(&a.0, &b.0));
    scope.windows = keyed.into_iter().map(|(_, w)| w).collect();
}

/// PARTITION BY, in the direction of ORDER BY where that has the same expression, then the rest of ORDER BY.
fn keys(spec: &WindowSpec, number: &mut impl FnMut(&Expr) -> usize) -> Vec<Key> {
    let mut order = vec![];
    for SortKey { expr, descending, nulls_first } in &spec.order_by {
        order.push((number(expr), *descending, *nulls_first));
    }
    let mut out: Vec<Key> = vec![];
    for e in &spec.partition_by {
        let n = number(e);
        let key = order.iter().find(|k| k.0 == n).copied().unwrap_or((n, false, false));
        if !out.contains(&key) {
            out.push(key);
        }
    }
    for key in order {
        if !out.contains(&key) {
            out.push(key);
        }
    }
    out
}

/// Greater numbers first, descending keys and NULLS FIRST first, and longer lists before those they begin with.
fn by_prefix(a: &[Key], b: &[Key]) -> Ordering {
    for (a, b) in a.iter().zip(b) {
        match b.cmp(a) {
            Ordering::Equal => {}
            order => return order,
        }
    }
    b.len().cmp(&a.len())
}
