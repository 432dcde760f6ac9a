//! An OR over a join whose branches are about different tables becomes a union of joins, each of which can begin with the table that
//! its branch is about:
//!
//! ```text
//! SELECT ... FROM a JOIN b ON b.a = a.id WHERE a.x = 1 OR b.y = 2
//!   -> SELECT ... FROM a JOIN b ON b.a = a.id WHERE a.x = 1
//!      UNION ALL SELECT ... FROM a JOIN b ON b.a = a.id WHERE b.y = 2 AND (a.x = 1) IS NOT TRUE
//! ```
//!
//! PostgreSQL joins everything and then filters. ORs over one table are left to bitmaps. It is tried where each branch has a condition
//! that an index knows; costs decide.

use super::copy_plan::copy;
use super::inner_joins::{filtered, uses};
use super::{Rule, Rules};
use crate::exprs::{binary, columns, has_columns, has_subquery, is_volatile};
use quarry_plan::{BoolTest, ColumnId, Expr, JoinKind, LogicalPlan, QueryMeta, ScanColumn, SetOpKind, walk};

/// Most branches and tables for which it is tried.
const BRANCHES_MAX: usize = 4;
const TABLES_MAX: usize = 6;

/// Runs over the plan of a statement (not inside subqueries of expressions), whose output are these columns. True if an OR was split.
pub fn run(
    plan: &mut LogicalPlan,
    output: &[ColumnId],
    meta: &mut QueryMeta,
    forced: bool,
    rules: &Rules,
) -> bool {
    if rules.rows_change() || !rules.allows(Rule::SplitOrs) || !(forced || may_apply(plan)) {
        return false;
    }
    let all = uses(plan, output);
    let read_above = |part: &LogicalPlan| -> Vec<ColumnId> {
        let within = uses(part, &[]);
        let count = |id: &ColumnId| all.get(id).copied().unwrap_or(0) > within.get(id).copied().unwrap_or(0);
        walk::output_columns(part).into_iter().filter(count).collect()
    };
    descend(plan, &read_above, meta, forced, rules)
}

/// Whether there is anything in a plan that the rule could be about.
pub fn may_apply(plan: &LogicalPlan) -> bool {
    candidate(plan, false).is_some() || walk::inputs(plan).into_iter().any(may_apply)
}

fn descend(
    plan: &mut LogicalPlan,
    read_above: &dyn Fn(&LogicalPlan) -> Vec<ColumnId>,
    meta: &mut QueryMeta,
    forced: bool,
    rules: &Rules,
) -> bool {
    let mut any = false;
    if let Some(at) = candidate(plan, forced)
        && rules.allows_costly(Rule::SplitOrs)
        && let Some(split) = split(plan, at, read_above(plan), meta)
    {
        *plan = split;
        rules.fire(Rule::SplitOrs);
        return true;
    }
    for input in walk::inputs_mut(plan) {
        any |= descend(input, read_above, meta, forced, rules);
    }
    any
}

/// The place of a condition that could be split. `forced`: whether or not indexes help.
fn candidate(plan: &LogicalPlan, forced: bool) -> Option<usize> {
    let LogicalPlan::Filter { input, predicates } = plan else { return None };
    let is_or = |e: &Expr| matches!(e, Expr::Or(branches) if branches.len() <= BRANCHES_MAX);
    if !matches!(**input, LogicalPlan::Join { .. }) || !predicates.iter().any(is_or) {
        return None;
    }
    let mut scans = vec![];
    if !tables(input, &mut scans) || scans.len() < 2 || scans.len() > TABLES_MAX {
        return None;
    }
    predicates.iter().position(|p| {
        let Expr::Or(branches) = p else { return false };
        if !is_or(p) {
            return false;
        }
        let about: Vec<Option<usize>> = branches.iter().map(|b| indexed_table(b, &scans)).collect();
        let several = about.iter().any(|a| *a != about[0]);
        (forced || several && about.iter().all(Option::is_some)) && !has_subquery(p) && !is_volatile(p)
    })
}

/// The tables of a FROM clause that consists of tables only.
fn tables<'p>(plan: &'p LogicalPlan, out: &mut Vec<&'p LogicalPlan>) -> bool {
    match plan {
        LogicalPlan::Filter { input, predicates } => {
            tables(input, out) && !predicates.iter().any(|e| has_subquery(e) || is_volatile(e))
        }
        LogicalPlan::Join { kind, left, right, on } => {
            *kind == JoinKind::Inner
                && tables(left, out)
                && tables(right, out)
                && !on.iter().any(|e| has_subquery(e) || is_volatile(e))
        }
        LogicalPlan::Scan { .. } => {
            out.push(plan);
            true
        }
        _ => false,
    }
}

/// The table whose index knows one of a branch's conditions.
fn indexed_table(branch: &Expr, scans: &[&LogicalPlan]) -> Option<usize> {
    if let Expr::And(parts) = branch {
        return parts.iter().find_map(|e| indexed_table(e, scans));
    }
    let compared = match branch {
        Expr::ScalarArray { left, array, all: false, .. } if !has_columns(array) => columns(left),
        e => {
            let (op, left, right) = binary(e)?;
            let known = matches!(op.name, "=" | "<" | "<=" | ">" | ">=");
            match (has_columns(left), has_columns(right)) {
                (true, false) if known => columns(left),
                (false, true) if known => columns(right),
                _ => return None,
            }
        }
    };
    let [column] = compared[..] else { return None };
    scans.iter().position(|scan| leads_an_index(scan, column))
}

fn leads_an_index(scan: &LogicalPlan, column: ColumnId) -> bool {
    let LogicalPlan::Scan { relation, columns, .. } = scan else { return false };
    relation
        .indexes
        .iter()
        .filter_map(|i| i.keys.first()?.column)
        .any(|n| columns.iter().any(|(id, c)| *id == column && *c == ScanColumn::Attribute(n)))
}

fn split(
    plan: &LogicalPlan,
    at: usize,
    mut output: Vec<ColumnId>,
    meta: &mut QueryMeta,
) -> Option<LogicalPlan> {
    let LogicalPlan::Filter { input, predicates } = plan else { return None };
    let Some(Expr::Or(branches)) = predicates.get(at) else { return None };
    if output.is_empty() {
        // Rows alone are wanted: any column will do.
        output.push(*walk::output_columns(plan).first()?);
    }
    let mut rest = predicates.clone();
    rest.remove(at);
    let mut union: Option<(LogicalPlan, Vec<ColumnId>)> = None;
    for (n, branch) in branches.iter().enumerate() {
        let mut conditions = rest.clone();
        conditions.push(branch.clone());
        for before in &branches[..n] {
            conditions.push(Expr::IsBool { arg: Box::new(before.clone()), test: BoolTest::NotTrue });
        }
        let conditions = conditions.into_iter().flat_map(Expr::into_conjuncts).collect();
        let (part, ids) = copy(&filtered((**input).clone(), conditions), meta)?;
        let columns: Vec<ColumnId> = output.iter().map(|id| ids.get(id).copied()).collect::<Option<_>>()?;
        union = Some(match union {
            None => (part, columns),
            Some((left, left_columns)) => {
                let last = n + 1 == branches.len();
                let own: Vec<ColumnId> = match last {
                    true => output.clone(),
                    false => output.iter().map(|id| meta.add(meta.get(*id).clone())).collect(),
                };
                let both = LogicalPlan::SetOp {
                    kind: SetOpKind::Union,
                    all: true,
                    left: Box::new(left),
                    right: Box::new(part),
                    output: own.clone(),
                    left_columns,
                    right_columns: columns,
                };
                (both, own)
            }
        });
    }
    Some(union?.0)
}
