//! LOCK TABLE.

use super::CommandOutcome;
use crate::session::Session;
use quarry_catalog::{LockMode, WaitPolicy};
use quarry_common::{Result, err};
use quarry_sql::ast::{self, TableLockMode};

pub fn run(s: &mut Session, l: &ast::Lock) -> Result<CommandOutcome> {
    s.block.require_block("LOCK TABLE")?;
    let mode = match l.mode {
        TableLockMode::AccessShare => LockMode::AccessShare,
        TableLockMode::RowShare => LockMode::RowShare,
        TableLockMode::RowExclusive => LockMode::RowExclusive,
        TableLockMode::ShareUpdateExclusive => LockMode::ShareUpdateExclusive,
        TableLockMode::Share => LockMode::Share,
        TableLockMode::ShareRowExclusive => LockMode::ShareRowExclusive,
        TableLockMode::Exclusive => LockMode::Exclusive,
        TableLockMode::AccessExclusive => LockMode::AccessExclusive,
    };
    let st = s.statement_context()?;
    for r in &l.relations {
        let parts: Vec<String> = r.catalog.iter().chain(&r.schema).chain([&r.name]).cloned().collect();
        let policy = if l.nowait { WaitPolicy::NoWait } else { WaitPolicy::Block };
        let relation = st.reader.lock_relation_with(&parts, ast::error_position(r.pos), mode, policy)?;
        if !matches!(relation.kind, quarry_catalog::RelKind::Table | quarry_catalog::RelKind::View) {
            return Err(err!(WRONG_OBJECT_TYPE, "\"{}\" is not a table or view", relation.name));
        }
        let privilege = if l.mode == TableLockMode::AccessShare {
            quarry_catalog::Privilege::Select
        } else {
            quarry_catalog::Privilege::Update
        };
        st.reader.check_relation(&relation, privilege)?;
    }
    CommandOutcome::done("LOCK TABLE")
}
