//! DISCARD.

use super::{CommandOutcome, set};
use crate::session::Session;
use bytes::BytesMut;
use quarry_common::Result;
use quarry_sql::ast::Discard;

pub fn run(s: &mut Session, d: Discard, out: &mut BytesMut) -> Result<CommandOutcome> {
    match d {
        Discard::All => {
            s.block.forbid_block("DISCARD ALL")?;
            s.portals.clear();
            s.cx.prepared.lock().clear();
            let superuser = s.cx.is_superuser();
            s.cx.vars.lock().reset_all(superuser)?;
            let user = s.cx.authenticated_user.1.clone();
            let mut vars = s.cx.vars.lock();
            vars.set_fact("session_authorization", &user);
            vars.set_fact("role", "none");
            drop(vars);
            set::follow_role(s);
            s.cx.notifications.unlisten(None);
            s.cx.session_locks.unlock_all();
            super::ddl::drop_temp_schema(s)?;
            s.cx.forget_sequences();
            let names: Vec<String> =
                quarry_common::settings::all().filter(|d| d.reported).map(|d| d.name.to_string()).collect();
            s.report_settings(&names, out);
            CommandOutcome::done("DISCARD ALL")
        }
        Discard::Plans => CommandOutcome::done("DISCARD PLANS"),
        Discard::Sequences => {
            s.cx.forget_sequences();
            CommandOutcome::done("DISCARD SEQUENCES")
        }
        Discard::Temp => {
            super::ddl::drop_temp_schema(s)?;
            CommandOutcome::done("DISCARD TEMP")
        }
    }
}
