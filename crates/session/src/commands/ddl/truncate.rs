//! TRUNCATE: new, empty storage for tables and their indexes.

use super::{Ddl, parts_of};
use crate::session::Session;
use quarry_catalog::{LockMode, Privilege, RelKind, Relation};
use quarry_common::{Result, bail, err};
use quarry_sql::ast::{self, DropBehavior};
use std::sync::Arc;

/// Whether the relation can be emptied, and may be by the user.
fn check(d: &Ddl, r: &Relation) -> Result<()> {
    if r.kind != RelKind::Table {
        bail!(WRONG_OBJECT_TYPE, "\"{}\" is not a table", r.name);
    }
    d.w.check_relation(r, Privilege::Truncate)?;
    if r.is_catalog {
        bail!(INSUFFICIENT_PRIVILEGE, "permission denied: \"{}\" is a system catalog", r.name);
    }
    Ok(())
}

pub fn run(s: &mut Session, t: &ast::Truncate) -> Result<()> {
    let d = Ddl::new(s)?;
    let mut tables: Vec<Arc<Relation>> = vec![];
    for r in &t.relations {
        let parts = parts_of(r);
        // Nobody waits, or holds others up, for a lock that he may not have.
        check(&d, &*d.w.resolve_relation_strict(&parts, None)?)?;
        let r = d.w.lock_relation(&parts, None, LockMode::AccessExclusive)?;
        check(&d, &r)?;
        d.st.session.check_not_in_use(&r, "TRUNCATE")?;
        if !tables.iter().any(|o| o.oid == r.oid) {
            tables.push(r);
        }
    }
    // Tables with foreign keys to these must go with them.
    let mut i = 0;
    while i < tables.len() {
        let r = tables[i].clone();
        for c in &r.referenced_by {
            if tables.iter().any(|o| o.oid == c.table) {
                continue;
            }
            let Some(other) = d.w.lock_relation_oid(c.table, LockMode::AccessExclusive)? else { continue };
            if t.behavior == DropBehavior::Restrict {
                return Err(err!(
                    FEATURE_NOT_SUPPORTED,
                    "cannot truncate a table referenced in a foreign key constraint"
                )
                .detail(format!("Table \"{}\" references \"{}\".", other.name, r.name))
                .hint(format!(
                    "Truncate table \"{}\" at the same time, or use TRUNCATE ... CASCADE.",
                    other.name
                )));
            }
            d.notice(err!(SUCCESSFUL_COMPLETION, "truncate cascades to table \"{}\"", other.name));
            d.w.check_relation(&other, Privilege::Truncate)?;
            d.st.session.check_not_in_use(&other, "TRUNCATE")?;
            tables.push(other);
        }
        i += 1;
    }
    for r in &tables {
        empty(&d, r)?;
        if t.restart_identity {
            for c in r.columns.iter().filter(|c| !c.dropped) {
                for seq in d.w.owned_sequences(r.oid, c.number)? {
                    super::sequence::restart(&d, seq)?;
                }
            }
        }
    }
    Ok(())
}

/// New storage for a table and its indexes.
pub fn empty(d: &Ddl, r: &Relation) -> Result<()> {
    if let Some(storage) = r.storage {
        d.st.txn.check_removal(storage)?;
    }
    let fresh = d.w.new_storage(r.oid)?;
    d.st.txn.relation_emptied(fresh);
    for i in &r.indexes {
        d.w.new_storage(i.oid)?;
    }
    Ok(())
}
