//! Foreign keys: checks and actions (PostgreSQL: ri_triggers.c), and unique constraints that may wait.

use crate::context::Cx;
use crate::deferred::Timing;
use crate::env::ExecEnv;
use crate::modify::errors::{self, shown};
use crate::stats::TriggerStats;
use quarry_catalog::{ConstraintDef, ConstraintKind, IndexDef, ReferentialAction, Relation};
use quarry_common::{Error, Oid, Result, Tid, err};
use quarry_storage::index::BTree;
use quarry_types::Datum;
use std::sync::Arc;
use std::time::Instant;

/// Something to be checked when the statement, or the transaction, ends.
#[derive(Clone)]
pub enum RiCheck {
    /// A row of `relation` references; the referenced row must be there.
    References {
        relation: Arc<Relation>,
        constraint: Arc<ConstraintDef>,
        values: Vec<Datum>,
        /// The row; one that is no longer current needs no check. None: values not from one stored row.
        tid: Option<Tid>,
    },
    /// A referenced row of `relation` is gone or has another key.
    Referenced {
        relation: Arc<Relation>,
        constraint: Arc<ConstraintDef>,
        old: Vec<Datum>,
        new: Option<Vec<Datum>>,
        action: ReferentialAction,
    },
    /// A row stored under a key that must be unique by then.
    Unique { relation: Arc<Relation>, index: Arc<IndexDef>, key: Vec<u8>, keys: Vec<Datum>, tid: Tid },
}

/// Queues a check for the statement's end, or for commit.
pub fn queue(cx: &mut Cx<'_>, check: RiCheck, timing: Timing) {
    let mut deferred = cx.env.deferred.lock();
    if deferred.defers(timing) {
        deferred.push(timing, check);
    } else {
        drop(deferred);
        cx.rt.statement.ri.push(check);
    }
}

impl RiCheck {
    /// The table whose row's change is to be checked.
    pub fn relation(&self) -> &Relation {
        match self {
            RiCheck::References { relation, .. }
            | RiCheck::Referenced { relation, .. }
            | RiCheck::Unique { relation, .. } => relation,
        }
    }
    /// The trigger that PostgreSQL has for it.
    fn trigger(&self) -> TriggerStats {
        let (relation, name, constraint) = match self {
            RiCheck::References { relation, constraint, .. } => {
                (relation, format!("RI_ConstraintTrigger_c_{}", constraint.oid), &constraint.name)
            }
            RiCheck::Referenced { relation, constraint, .. } => {
                (relation, format!("RI_ConstraintTrigger_a_{}", constraint.oid), &constraint.name)
            }
            RiCheck::Unique { relation, index, .. } => {
                (relation, format!("PK_ConstraintTrigger_{}", index.oid), &index.name)
            }
        };
        TriggerStats {
            name,
            constraint: constraint.clone(),
            relation: relation.name.clone(),
            calls: 0.0,
            total_ms: 0.0,
        }
    }
}

/// Runs checks; their changes (cascades) are commands of their own. `counted`: what each constraint's took is added there.
pub fn run(env: &ExecEnv, checks: Vec<RiCheck>, mut counted: Option<&mut Vec<TriggerStats>>) -> Result<()> {
    env.txn.advance_command();
    for check in checks {
        let place = counted.as_mut().map(|list| {
            let trigger = check.trigger();
            let same = |t: &TriggerStats| t.name == trigger.name && t.relation == trigger.relation;
            list.iter().position(same).unwrap_or_else(|| {
                list.push(trigger);
                list.len() - 1
            })
        });
        let began = place.map(|_| Instant::now());
        run_one(env, check)?;
        if let (Some(list), Some(place), Some(began)) = (&mut counted, place, began) {
            list[place].calls += 1.0;
            list[place].total_ms += began.elapsed().as_secs_f64() * 1000.0;
        }
    }
    Ok(())
}

fn run_one(env: &ExecEnv, check: RiCheck) -> Result<()> {
    match check {
        RiCheck::References { relation, constraint, values, tid } => {
            if let Some(tid) = tid {
                // The row may have been changed or deleted since: then its successor has a check of its own.
                let heap = crate::scan::rows::open_heap(env, &relation)?;
                if heap.fetch_visible(&env.txn.catalog_snapshot(), tid, |_, _| ())?.is_none() {
                    return Ok(());
                }
            }
            check_reference(env, &relation, &constraint, &values)
        }
        RiCheck::Referenced { relation, constraint, old, new, action } => {
            act(env, &relation, &constraint, &old, new.as_deref(), action)
        }
        RiCheck::Unique { relation, index, key, keys, tid } => {
            check_unique(env, &relation, &index, &key, &keys, tid)
        }
    }
}

struct ForeignKey<'c> {
    columns: &'c [usize],
    ref_table: Oid,
    ref_columns: &'c [usize],
    match_full: bool,
    set_columns: &'c [usize],
}

fn parts(c: &ConstraintDef) -> Result<ForeignKey<'_>> {
    match &c.kind {
        ConstraintKind::ForeignKey { columns, ref_table, ref_columns, match_full, set_columns, .. } => {
            Ok(ForeignKey {
                columns,
                ref_table: *ref_table,
                ref_columns,
                match_full: *match_full,
                set_columns,
            })
        }
        _ => Err(Error::internal("not a foreign key")),
    }
}

fn table(env: &ExecEnv, oid: Oid) -> Result<Arc<Relation>> {
    env.reader
        .relation(oid)?
        .ok_or_else(|| Error::internal(format!("relation {oid} of a foreign key is gone")))
}

fn names(relation: &Relation, columns: &[usize]) -> String {
    columns.iter().map(|c| relation.columns[*c].name.as_str()).collect::<Vec<_>>().join(", ")
}

fn values_text(env: &ExecEnv, relation: &Relation, columns: &[usize], values: &[Datum]) -> String {
    let io = env.io();
    columns
        .iter()
        .zip(values)
        .map(|(c, v)| shown(v, relation.columns[*c].ty, &io))
        .collect::<Vec<_>>()
        .join(", ")
}

fn runner(env: &ExecEnv) -> Result<Arc<dyn crate::InternalSql>> {
    env.sql_runner.clone().ok_or_else(|| Error::internal("no SQL runner for referential actions"))
}

/// A name in quotes, whether it needs them or not: PostgreSQL's texts have them, and users see these in errors' contexts.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn quoted_relation(relation: &Relation) -> String {
    format!("{}.{}", quoted(&relation.schema_name), quoted(&relation.name))
}

/// Equality of a key's columns with parameters from number `first` on. The referenced side stands on the left.
fn condition(relation: &Relation, columns: &[usize], is_referenced: bool, first: usize) -> String {
    let one = |(i, c): (usize, &usize)| {
        let (column, parameter) = (quoted(&relation.columns[*c].name), format!("${}", first + i));
        let (left, right) = if is_referenced { (column, parameter) } else { (parameter, column) };
        format!("{left} OPERATOR(pg_catalog.=) {right}")
    };
    columns.iter().enumerate().map(one).collect::<Vec<_>>().join(" AND ")
}

fn parameters(types: &[Oid], values: &[Datum]) -> Vec<(Oid, Datum)> {
    types.iter().copied().zip(values.iter().cloned()).collect()
}

fn types_of(relation: &Relation, columns: &[usize]) -> Vec<Oid> {
    columns.iter().map(|c| relation.columns[*c].ty.oid).collect()
}

fn check_reference(
    env: &ExecEnv,
    relation: &Arc<Relation>,
    constraint: &ConstraintDef,
    values: &[Datum],
) -> Result<()> {
    let fk = parts(constraint)?;
    let nulls = values.iter().filter(|v| v.is_null()).count();
    if nulls > 0 {
        if fk.match_full && nulls < values.len() {
            return Err(err!(
                FOREIGN_KEY_VIOLATION,
                "insert or update on table \"{}\" violates foreign key constraint \"{}\"",
                relation.name,
                constraint.name
            )
            .detail("MATCH FULL does not allow mixing of null and nonnull key values.")
            .schema(&relation.schema_name)
            .table(&relation.name)
            .constraint(&constraint.name));
        }
        return Ok(());
    }
    let referenced = table(env, fk.ref_table)?;
    let params = parameters(&types_of(relation, fk.columns), values);
    let sql = match_text(&referenced, fk.ref_columns);
    if runner(env)?.run(&sql, &params, env, false)? > 0 {
        return Ok(());
    }
    Err(err!(
        FOREIGN_KEY_VIOLATION,
        "insert or update on table \"{}\" violates foreign key constraint \"{}\"",
        relation.name,
        constraint.name
    )
    .detail(format!(
        "Key ({})=({}) is not present in table \"{}\".",
        names(relation, fk.columns),
        values_text(env, relation, fk.columns, values),
        referenced.name
    ))
    .schema(&relation.schema_name)
    .table(&relation.name)
    .constraint(&constraint.name))
}

/// What a referenced row's end or change does to the rows that reference it.
fn act(
    env: &ExecEnv,
    relation: &Arc<Relation>,
    constraint: &ConstraintDef,
    old: &[Datum],
    new: Option<&[Datum]>,
    action: ReferentialAction,
) -> Result<()> {
    let fk = parts(constraint)?;
    let child = table(env, constraint.table)?;
    let child_name = quoted_relation(&child);
    let old_types = types_of(relation, fk.ref_columns);
    let params = parameters(&old_types, old);
    let condition_1 = condition(&child, fk.columns, false, 1);
    let runner = runner(env)?;
    let assigned = |value: &dyn Fn(usize) -> String, columns: &[usize]| {
        columns
            .iter()
            .enumerate()
            .map(|(i, c)| format!("{} = {}", quoted(&child.columns[*c].name), value(i)))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let settable = if fk.set_columns.is_empty() || new.is_some() { fk.columns } else { fk.set_columns };
    match action {
        ReferentialAction::NoAction | ReferentialAction::Restrict => {
            if action == ReferentialAction::NoAction && key_is_back(env, relation, fk.ref_columns, old)? {
                return Ok(());
            }
            let sql = format!("SELECT 1 FROM ONLY {child_name} x WHERE {condition_1} FOR KEY SHARE OF x");
            if runner.run(&sql, &params, env, true)? == 0 {
                return Ok(());
            }
            Err(err!(
                FOREIGN_KEY_VIOLATION,
                "update or delete on table \"{}\" violates foreign key constraint \"{}\" on table \"{}\"",
                relation.name,
                constraint.name,
                child.name
            )
            .detail(format!(
                "Key ({})=({}) is still referenced from table \"{}\".",
                names(relation, fk.ref_columns),
                values_text(env, relation, fk.ref_columns, old),
                child.name
            ))
            .schema(&child.schema_name)
            .table(&child.name)
            .constraint(&constraint.name))
        }
        ReferentialAction::Cascade => {
            let (sql, params) = match new {
                None => (format!("DELETE FROM ONLY {child_name} WHERE {condition_1}"), params),
                Some(new) => {
                    let set = assigned(&|i| format!("${}", i + 1), fk.columns);
                    let condition = condition(&child, fk.columns, false, fk.columns.len() + 1);
                    let mut both = parameters(&old_types, new);
                    both.extend(params);
                    (format!("UPDATE ONLY {child_name} SET {set} WHERE {condition}"), both)
                }
            };
            runner.run(&sql, &params, env, true).map(|_| ())
        }
        ReferentialAction::SetNull => {
            let set = assigned(&|_| "NULL".to_string(), settable);
            runner
                .run(&format!("UPDATE ONLY {child_name} SET {set} WHERE {condition_1}"), &params, env, true)
                .map(|_| ())
        }
        ReferentialAction::SetDefault => {
            let set = assigned(&|_| "DEFAULT".to_string(), settable);
            runner.run(
                &format!("UPDATE ONLY {child_name} SET {set} WHERE {condition_1}"),
                &params,
                env,
                true,
            )?;
            // The default must itself be a key: rows that now have the old one again are checked as NO ACTION would.
            act(env, relation, constraint, old, new, ReferentialAction::NoAction)
        }
    }
}

/// Whether another row has the key by now.
fn key_is_back(env: &ExecEnv, relation: &Arc<Relation>, columns: &[usize], key: &[Datum]) -> Result<bool> {
    let params = parameters(&types_of(relation, columns), key);
    Ok(runner(env)?.run(&match_text(relation, columns), &params, env, true)? > 0)
}

/// Finds a referenced row by its key.
fn match_text(referenced: &Relation, columns: &[usize]) -> String {
    let (name, condition) = (quoted_relation(referenced), condition(referenced, columns, true, 1));
    format!("SELECT 1 FROM ONLY {name} x WHERE {condition} FOR KEY SHARE OF x")
}

fn check_unique(
    env: &ExecEnv,
    relation: &Arc<Relation>,
    index: &Arc<IndexDef>,
    key: &[u8],
    keys: &[Datum],
    tid: Tid,
) -> Result<()> {
    let tree = BTree::open(&env.storage, index.storage, false);
    let heap = crate::scan::rows::open_heap(env, relation)?;
    // The row itself may have been deleted or got another key since; a successor under the same index entry still counts.
    let snapshot = env.txn.catalog_snapshot();
    if heap.fetch(&snapshot, tid, |_, _| ())?.is_none() {
        return Ok(());
    }
    match tree.find_conflict(&env.txn, key, &heap, Some(tid))? {
        None => Ok(()),
        Some(_) => Err(errors::unique_violation(relation, index, keys, &env.io())),
    }
}
