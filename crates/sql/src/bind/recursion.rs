//! WITH RECURSIVE before anything in it is bound: in which order its queries can be bound, and whether those that refer to themselves
//! do it where a recursion can be computed (PostgreSQL: `makeDependencyGraph`, `checkWellFormedRecursion` in parse_cte.c).

use super::coerce::at;
use super::references::{Within, walk_query, walk_statement};
use crate::ast::{self, Pos, Query, QueryBody, Statement};
use quarry_common::{Error, Result, err};

/// The CTEs by position in an order in which each comes after those it refers to, and which of them refer to themselves.
pub(super) fn order(with: &ast::With) -> Result<Vec<(usize, bool)>> {
    let n = with.ctes.len();
    let mut needs: Vec<Vec<usize>> = vec![];
    for cte in &with.ctes {
        let mut mine = vec![];
        walk_statement(&cte.statement, Within::Plain, &mut |r, _| {
            if let Some(i) = with.ctes.iter().position(|c| c.name == r.name)
                && !mine.contains(&i)
            {
                mine.push(i);
            }
        });
        needs.push(mine);
    }
    let mut rest: Vec<usize> = (0..n).collect();
    let mut out: Vec<(usize, bool)> = vec![];
    while let Some(first) = rest.first().copied() {
        let free = |i: &usize| needs[*i].iter().all(|d| d == i || out.iter().any(|(done, _)| done == d));
        let Some(at_position) = rest.iter().position(free) else {
            let e = err!(FEATURE_NOT_SUPPORTED, "mutual recursion between WITH items is not implemented");
            return Err(at(e, with.ctes[first].pos));
        };
        // The one that was first changes places with the one taken, as PostgreSQL's sort does.
        let taken = rest[at_position];
        rest[at_position] = first;
        rest.remove(0);
        out.push((taken, needs[taken].contains(&taken)));
    }
    Ok(out)
}

/// 42P19 and 0A000 for a self-reference that cannot be computed.
pub(super) fn check(cte: &ast::Cte) -> Result<()> {
    let name = &cte.name;
    let Statement::Select(q) = &*cte.statement else {
        let e =
            err!(INVALID_RECURSION, "recursive query \"{name}\" must not contain data-modifying statements");
        return Err(at(e, cte.pos));
    };
    let QueryBody::SetOperation(op) = &q.body else { return Err(bad_form(name, cte.pos)) };
    if op.op != ast::SetOp::Union {
        return Err(bad_form(name, cte.pos));
    }
    references(&op.left, Within::NonRecursiveTerm, name)?;
    references(&op.right, Within::Plain, name)?;
    if let Some(with) = &q.with {
        let mut visible = true;
        for inner in &with.ctes {
            if visible && !(with.recursive && with.ctes.iter().any(|c| c.name == *name)) {
                in_statement(&inner.statement, Within::Subquery, name)?;
            }
            visible &= inner.name != *name;
        }
    }
    let unsupported = |what: &str, pos: Pos| {
        Err(at(err!(FEATURE_NOT_SUPPORTED, "{what} in a recursive query is not implemented"), pos))
    };
    if let Some(s) = q.order_by.first() {
        return unsupported("ORDER BY", s.expr.location());
    }
    if let Some(o) = &q.offset {
        return unsupported("OFFSET", o.location());
    }
    if let Some(l) = &q.limit {
        return unsupported("LIMIT", l.location());
    }
    if !q.locking.is_empty() {
        return unsupported("FOR UPDATE/SHARE", ast::NO_POS);
    }
    Ok(())
}

fn references(q: &Query, within: Within, name: &str) -> Result<()> {
    let mut judge = Judge::new(name);
    walk_query(q, within, &mut |r, w| judge.see(r, w));
    judge.outcome
}

fn in_statement(s: &Statement, within: Within, name: &str) -> Result<()> {
    let mut judge = Judge::new(name);
    walk_statement(s, within, &mut |r, w| judge.see(r, w));
    judge.outcome
}

/// Looks at references to one name until one is out of place.
struct Judge<'n> {
    name: &'n str,
    seen: usize,
    outcome: Result<()>,
}

impl<'n> Judge<'n> {
    fn new(name: &'n str) -> Judge<'n> {
        Judge { name, seen: 0, outcome: Ok(()) }
    }

    fn see(&mut self, r: &ast::RangeVar, within: Within) {
        if r.name != self.name || self.outcome.is_err() {
            return;
        }
        self.seen += 1;
        let trouble = match within {
            Within::Plain if self.seen == 1 => return,
            Within::Plain => "more than once".to_owned(),
            other => format!("within {}", other.place()),
        };
        let e = err!(
            INVALID_RECURSION,
            "recursive reference to query \"{}\" must not appear {trouble}",
            self.name
        );
        self.outcome = Err(at(e, r.pos));
    }
}

fn bad_form(name: &str, pos: Pos) -> Error {
    let e = err!(
        INVALID_RECURSION,
        "recursive query \"{name}\" does not have the form non-recursive-term UNION [ALL] recursive-term"
    );
    at(e, pos)
}
