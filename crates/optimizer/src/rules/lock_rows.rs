//! Row locks: what they can't be applied to, and what is computed from the rows locked.
//!
//! A row that somebody else has changed is read again when it is locked. What is computed of its columns is therefore computed above
//! the LockRows node; only the order of the rows is that of the old ones. Rows that an outer join may make up can't be locked (PostgreSQL:
//! `make_outerjoininfo`); that is known only when the joins have been reduced.

use crate::exprs::substitute;
use quarry_common::{Result, bail};
use quarry_plan::{ColumnId, Expr, JoinKind, LockStrength, LogicalPlan, QueryMeta, RowLock, SortKey, walk};
use std::collections::HashMap;

/// Runs over the whole plan.
pub fn run(plan: &mut LogicalPlan, meta: &mut QueryMeta) -> Result<()> {
    for input in walk::inputs_mut(plan) {
        run(input, meta)?;
    }
    if let LogicalPlan::LockRows { input, locks, pushed, .. } = plan {
        if !*pushed {
            check(input, locks, false)?;
        }
        compute_above(plan, meta);
    }
    Ok(())
}

/// 0A000 if rows that are locked may be made up; `nullable`: those of `plan` may.
fn check(plan: &LogicalPlan, locks: &[RowLock], nullable: bool) -> Result<()> {
    match plan {
        LogicalPlan::Join { kind, left, right, .. } => {
            check(left, locks, nullable || matches!(kind, JoinKind::Right | JoinKind::Full))?;
            check(right, locks, nullable || matches!(kind, JoinKind::Left | JoinKind::Full))
        }
        LogicalPlan::Scan { columns, .. } => {
            let locked = |l: &&RowLock| columns.iter().any(|(id, _)| *id == l.ctid);
            match locks.iter().find(locked) {
                Some(l) if nullable => refuse(l.strength),
                _ => Ok(()),
            }
        }
        // Another clause's business.
        LogicalPlan::LockRows { pushed: false, .. } => Ok(()),
        LogicalPlan::LockRows { input, locks: below, .. } => match below.first() {
            Some(l) if nullable => refuse(l.strength),
            _ => check(input, below, false),
        },
        other => walk::inputs(other).into_iter().try_for_each(|input| check(input, locks, nullable)),
    }
}

fn refuse(strength: LockStrength) -> Result<()> {
    let clause = match strength {
        LockStrength::KeyShare => "FOR KEY SHARE",
        LockStrength::Share => "FOR SHARE",
        LockStrength::NoKeyUpdate => "FOR NO KEY UPDATE",
        LockStrength::Update => "FOR UPDATE",
    };
    bail!(FEATURE_NOT_SUPPORTED, "{clause} cannot be applied to the nullable side of an outer join")
}

/// Moves what is computed below the node above it; what the rows are sorted by is computed in both places.
fn compute_above(plan: &mut LogicalPlan, meta: &mut QueryMeta) {
    let LogicalPlan::LockRows { input, locks, .. } = plan else { return };
    let mut sorts = vec![];
    let mut below = &mut **input;
    while let LogicalPlan::Sort { input, keys } = below {
        sorts.push(keys);
        below = input;
    }
    let LogicalPlan::Project { input: rows, targets } = below else { return };
    let locked = |id: &ColumnId| locks.iter().any(|l| l.columns.iter().any(|(c, _)| c == id));
    let given = walk::output_columns(rows);
    let (mut above, mut kept, mut read) = (vec![], vec![], vec![]);
    let mut renamed = HashMap::new();
    for (id, e) in std::mem::take(targets) {
        let mut used = vec![];
        walk::columns_of(&e, &mut used);
        let passed_on = matches!(&e, Expr::Column { id: same, .. } if *same == id);
        if passed_on || !used.iter().any(locked) {
            above.push((id, Expr::column(id, e.ty())));
            kept.push((id, e));
            continue;
        }
        read.extend(used.into_iter().filter(|id| given.contains(id)));
        let sorted_by =
            |k: &SortKey| walk::any(&k.expr, &|k| matches!(k, Expr::Column { id: c, .. } if *c == id));
        if sorts.iter().any(|keys| keys.iter().any(sorted_by)) {
            let key = if let Expr::Column { .. } = e {
                e.clone()
            } else {
                let key = meta.computed(meta.get(id).name.clone(), e.ty());
                kept.push((key, e.clone()));
                Expr::column(key, e.ty())
            };
            renamed.insert(id, key);
        }
        above.push((id, e));
    }
    for id in read {
        if !kept.iter().any(|(have, _)| *have == id) {
            kept.push((id, Expr::column(id, meta.get(id).ty)));
        }
    }
    *targets = kept;
    for k in sorts.into_iter().flatten() {
        substitute(&mut k.expr, &renamed);
    }
    if above.iter().all(|(id, e)| matches!(e, Expr::Column { id: same, .. } if same == id)) {
        return;
    }
    let locking = std::mem::replace(plan, LogicalPlan::OneRow);
    *plan = LogicalPlan::Project { input: Box::new(locking), targets: above };
}
