//! COPY between tables or queries and the client or server files (PostgreSQL: commands/copy.c).

mod blocks;
mod from;
mod lines;
mod options;
mod pipeline;
mod rows;
mod to;
mod values;

pub use from::CopyIn;
pub use options::boolean as boolean_option;
pub use to::CopyOut;

use super::CommandOutcome;
use crate::portal::Portal;
use crate::session::Session;
use quarry_common::progress::{Command, Progress, Running, copy as progress};
use quarry_common::{Error, Oid, Result, err};
use quarry_executor::ExecEnv;
use quarry_sql::ast::{self, CopyTarget};

/// `pg_read_server_files` and `pg_write_server_files`.
const READ_FILES_ROLE: quarry_common::Oid = quarry_common::Oid(4569);
const WRITE_FILES_ROLE: quarry_common::Oid = quarry_common::Oid(4570);

/// What `pg_stat_progress_copy` shows of a COPY while it is there.
struct Shown {
    progress: Progress,
    _running: Option<Running>,
}

impl Shown {
    fn begin(s: &Session, copy: &ast::Copy, relation: Oid) -> Shown {
        let running = s.cx.signals.progress.begin(Command::Copy, relation);
        let progress = s.cx.signals.progress.of(Command::Copy);
        progress.set(progress::COMMAND, if copy.from { progress::FROM } else { progress::TO });
        let file = matches!(copy.target, CopyTarget::File(_));
        progress.set(progress::TYPE, if file { progress::FILE } else { progress::PIPE });
        Shown { progress, _running: running }
    }
}

/// Threads beside the session's own that a COPY may have, by the setting that limits them.
fn helpers(env: &ExecEnv, setting: &str) -> usize {
    let most = env.session.setting(setting).and_then(|text| text.parse::<usize>().ok()).unwrap_or(0);
    // One processor is this thread's.
    most.min(quarry_common::helper::processors() - 1)
}

/// Runs COPY: to and from files at once, to and from the client by handing the work over.
pub fn run(s: &mut Session, copy: &ast::Copy, portal: &mut Portal) -> Result<CommandOutcome> {
    if let CopyTarget::Program(_) = copy.target {
        return Err(Error::unsupported("COPY with PROGRAM"));
    }
    check_file_access(s, copy)?;
    if copy.from {
        let mut copy_in = match CopyIn::new(s, copy)? {
            Ok(copy_in) => copy_in,
            Err(refused) => {
                return match &copy.target {
                    CopyTarget::File(path) => {
                        open_file(path)?;
                        Err(refused.error)
                    }
                    _ => Ok(CommandOutcome::CopyRefused {
                        binary: refused.binary,
                        columns: refused.columns,
                        error: refused.error,
                    }),
                };
            }
        };
        let CopyTarget::File(path) = &copy.target else {
            return Ok(CommandOutcome::CopyIn(Box::new(copy_in)));
        };
        read_file(s, path, &mut copy_in)?;
        return Ok(CommandOutcome::Done(copy_in.finish()?));
    }
    if let Some(w) = &copy.where_clause {
        let e = err!(SYNTAX_ERROR, "WHERE clause not allowed with COPY TO");
        return Err(match ast::error_position(w.pos) {
            Some(p) => e.position(p),
            None => e,
        });
    }
    let mut copy_out = CopyOut::new(s, copy, portal.statement.source())?;
    match &copy.target {
        CopyTarget::File(path) => {
            let tag = copy_out.write_file(path)?;
            portal.spent.nested = copy_out.query_and_rows();
            Ok(CommandOutcome::Done(tag))
        }
        _ => Ok(CommandOutcome::CopyOut(Box::new(copy_out))),
    }
}

fn check_file_access(s: &mut Session, copy: &ast::Copy) -> Result<()> {
    let CopyTarget::File(path) = &copy.target else { return Ok(()) };
    let (role, verb, name) = match copy.from {
        true => (READ_FILES_ROLE, "COPY from a file", "pg_read_server_files"),
        false => (WRITE_FILES_ROLE, "COPY to a file", "pg_write_server_files"),
    };
    let st = s.statement_context()?;
    let me = st.reader.session().user;
    if !st.reader.has_privileges_of(me, role)? {
        return Err(err!(
            INSUFFICIENT_PRIVILEGE,
            "must be superuser or have privileges of the {name} role to {verb}"
        )
        .hint("Anyone can COPY to stdout or from stdin. psql's \\copy command also works for anyone."));
    }
    if !copy.from && !std::path::Path::new(path).is_absolute() {
        return Err(err!(INVALID_NAME, "relative path not allowed for COPY to file"));
    }
    Ok(())
}

/// The error of a file operation, in PostgreSQL's words and classes.
fn file_error(path: &str, action: &str, e: &std::io::Error) -> Error {
    let (text, state) = match e.kind() {
        std::io::ErrorKind::NotFound => {
            ("No such file or directory".to_string(), quarry_common::SqlState::UNDEFINED_FILE)
        }
        std::io::ErrorKind::PermissionDenied => {
            ("Permission denied".to_string(), quarry_common::SqlState::INSUFFICIENT_PRIVILEGE)
        }
        _ => (e.to_string(), quarry_common::SqlState::IO_ERROR),
    };
    Error::new(state, format!("could not open file \"{path}\" for {action}: {text}"))
}

fn open_file(path: &str) -> Result<std::fs::File> {
    let file = std::fs::File::open(path).map_err(|e| {
        file_error(path, "reading", &e).hint(
            "COPY FROM instructs the PostgreSQL server process to read a file. \
             You may want a client-side facility such as psql's \\copy.",
        )
    })?;
    if file.metadata().is_ok_and(|m| m.is_dir()) {
        return Err(err!(WRONG_OBJECT_TYPE, "\"{path}\" is a directory"));
    }
    Ok(file)
}

fn read_file(s: &Session, path: &str, copy_in: &mut CopyIn) -> Result<()> {
    use std::io::Read;
    let mut file = open_file(path)?;
    let bytes = file.metadata().map_or(0, |m| m.len());
    s.cx.signals.progress.of(Command::Copy).set(progress::BYTES_TOTAL, bytes as i64);
    let mut buffer = vec![0u8; 64 * 1024];
    loop {
        quarry_functions::SessionEnv::check_cancelled(&*s.cx)?;
        let n = file.read(&mut buffer)?;
        if n == 0 {
            return Ok(());
        }
        copy_in.feed(&buffer[..n])?;
    }
}
