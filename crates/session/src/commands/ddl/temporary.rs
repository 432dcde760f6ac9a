//! Temporary tables: ON COMMIT, and their end with the session.

use super::{Ddl, truncate};
use crate::session::Session;
use quarry_catalog::{DropBehavior, ObjectAddress};
use quarry_common::{Lsn, Result};

/// ON COMMIT DROP and DELETE ROWS.
pub fn on_commit_actions(s: &mut Session) -> Result<()> {
    if s.cx.on_commit.is_untouched() {
        return Ok(());
    }
    let all = s.cx.on_commit.lock().clone();
    if all.is_empty() {
        return Ok(());
    }
    let d = Ddl::new(s)?;
    let mut keep = vec![];
    let mut gone = vec![];
    for (oid, drops) in all {
        let Some(r) = d.w.relation(oid)? else { continue };
        if drops {
            gone.push(ObjectAddress::relation(oid));
        } else {
            truncate::empty(&d, &r)?;
            keep.push((oid, drops));
        }
    }
    if !gone.is_empty() {
        d.w.drop_objects(&gone, DropBehavior::Cascade)?;
    }
    *s.cx.on_commit.lock() = keep;
    Ok(())
}

/// Drops what the session's temporary schema holds.
pub fn drop_temp_schema(s: &mut Session) -> Result<()> {
    let Some(schema) = s.cx.temp_schema() else { return Ok(()) };
    let own = s.block.txn().is_none();
    let d = Ddl::new(s)?;
    if d.w.schema(schema)?.is_some() {
        d.w.drop_objects(&[ObjectAddress::schema(schema)], DropBehavior::Cascade)?;
    }
    drop(d);
    s.cx.set_temp_schema(None);
    s.cx.on_commit.lock().clear();
    if own {
        let _: Option<Lsn> = s.block.commit()?;
    }
    Ok(())
}
