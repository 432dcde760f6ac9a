//! SET LOGGED and SET UNLOGGED: a table and all that belongs to it is written anew as the other kind (PostgreSQL: tablecmds.c,
//! ATPrepChangePersistence; sequence.c, SequenceChangePersistence).

use super::alter_table::needs_table;
use super::{Ddl, alter_column, sequence};
use quarry_catalog::{ConstraintDef, ConstraintKind, LockMode, Persistence, RelKind, Relation};
use quarry_common::{Error, Result, bail, err};
use quarry_sql::ast::AlterTableAction as A;
use std::sync::Arc;

/// 0A000 if one command would change it more than once.
pub fn check_once(r: &Relation, actions: &[A]) -> Result<()> {
    let mut changes = false;
    for action in actions {
        let wanted = match action {
            A::SetLogged => Persistence::Permanent,
            A::SetUnlogged => Persistence::Unlogged,
            _ => continue,
        };
        if changes {
            bail!(FEATURE_NOT_SUPPORTED, "cannot change persistence setting twice");
        }
        changes = r.persistence != wanted;
    }
    Ok(())
}

pub fn set(d: &Ddl, r: &Arc<Relation>, wanted: Persistence) -> Result<()> {
    if r.kind != RelKind::Sequence {
        needs_table(r, if wanted == Persistence::Permanent { "SET LOGGED" } else { "SET UNLOGGED" })?;
    }
    if r.persistence == Persistence::Temporary {
        let e = err!(
            INVALID_TABLE_DEFINITION,
            "cannot change logged status of table \"{}\" because it is temporary",
            r.name
        );
        return Err(e.schema(&r.schema_name).table(&r.name));
    }
    if r.persistence == wanted {
        return Ok(());
    }
    check_references(d, r, wanted)?;
    change(d, r, wanted)
}

/// What is in the log may refer only to what is, too.
fn check_references(d: &Ddl, r: &Relation, wanted: Persistence) -> Result<()> {
    let refuse = |c: &ConstraintDef, text: String| -> Error {
        err!(INVALID_TABLE_DEFINITION, "{text}").schema(&r.schema_name).table(&r.name).constraint(&c.name)
    };
    match wanted {
        Persistence::Permanent => {
            for c in &r.constraints {
                let ConstraintKind::ForeignKey { ref_table, .. } = &c.kind else { continue };
                let other = d.relation(*ref_table)?;
                if other.oid != r.oid && other.persistence != Persistence::Permanent {
                    return Err(refuse(
                        c,
                        format!(
                            "could not change table \"{}\" to logged because it references unlogged table \"{}\"",
                            r.name, other.name
                        ),
                    ));
                }
            }
        }
        _ => {
            for c in &r.referenced_by {
                let other = d.relation(c.table)?;
                if other.oid != r.oid && other.persistence == Persistence::Permanent {
                    return Err(refuse(
                        c,
                        format!(
                            "could not change table \"{}\" to unlogged because it references logged table \"{}\"",
                            r.name, other.name
                        ),
                    ));
                }
            }
        }
    }
    Ok(())
}

fn change(d: &Ddl, r: &Arc<Relation>, wanted: Persistence) -> Result<()> {
    if r.kind == RelKind::Sequence {
        return sequence::set_persistence(d, r.oid, wanted);
    }
    d.w.set_persistence(r.oid, wanted)?;
    for index in &r.indexes {
        d.w.set_persistence(index.oid, wanted)?;
    }
    alter_column::rewrite_rows(d, r)?;
    for column in r.columns.iter().filter(|c| !c.dropped) {
        for owned in d.w.owned_sequences(r.oid, column.number)? {
            d.w.lock_relation_oid(owned, LockMode::AccessExclusive)?;
            sequence::set_persistence(d, owned, wanted)?;
        }
    }
    Ok(())
}
