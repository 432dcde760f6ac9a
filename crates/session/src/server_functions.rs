//! SQL functions that ask or change the server's state: signals to other sessions, sleeping, advisory locks, log positions.

use crate::context::SessionContext;
use quarry_catalog::CatalogReader;
use quarry_common::{Error, Oid, Result, Severity, Xid, err};
use quarry_storage::lock::LockTag;
use quarry_storage::txn::XidStatus;
use quarry_storage::{LockMode, WaitPolicy};
use quarry_types::array;
use quarry_types::{Datum, PhysicalType, oids};
use std::time::{Duration, Instant};

/// Longest sleep between two looks at the cancel flag.
const SLEEP_STEP: Duration = Duration::from_millis(10);
/// `pg_signal_backend`.
pub(crate) const SIGNAL_BACKEND_ROLE: Oid = Oid(4200);

/// Calls the function `name`.
pub fn call(
    cx: &SessionContext,
    reader: &CatalogReader,
    name: &'static str,
    args: &[Datum],
) -> Result<Datum> {
    let storage = cx.instance.storage();
    let lsn = |l: quarry_common::Lsn| Datum::I64(l.0 as i64);
    Ok(match name {
        "current_query" => Datum::text(&cx.signals.activity.lock().query.clone()),
        "pg_sleep" => {
            sleep(cx, args[0].as_f64())?;
            quarry_types::pseudo::void()
        }
        "pg_cancel_backend" => Datum::Bool(signal(cx, reader, args[0].as_i32(), false)?),
        "pg_terminate_backend" => {
            let pid = args[0].as_i32();
            let sent = signal(cx, reader, pid, true)?;
            Datum::Bool(sent && wait_for_end(cx, pid, args.get(1).map_or(0, Datum::as_i64))?)
        }
        "bt_index_check" | "bt_index_parent_check" => crate::amcheck::index_check(cx, reader, name, args)?,
        "gin_clean_pending_list"
        | "brin_summarize_new_values"
        | "brin_summarize_range"
        | "brin_desummarize_range" => crate::index_functions::call(cx, reader, name, args)?,
        "pg_stat_statements_reset" => crate::statements::reset(cx, reader, args)?,
        "pin_plan" | "unpin_plan" => crate::pins::call(cx, reader, name, args)?,
        "pg_reload_conf" => {
            require_superuser(cx, "pg_reload_conf")?;
            // A file with a mistake in it leaves everything as it was; who asked learns it from the log, as PostgreSQL has it.
            if let Err(e) = cx.instance.reload() {
                tracing::error!("the configuration was not reloaded: {}", e.message());
            }
            cx.instance.request_reload();
            Datum::Bool(true)
        }
        "pg_client_encoding" => Datum::text(cx.settings().text("client_encoding")),
        "pg_postmaster_start_time" => Datum::I64(cx.instance.started_at()),
        "pg_conf_load_time" => Datum::I64(cx.instance.loaded_at()),
        "pg_is_in_recovery" | "pg_jit_available" => Datum::Bool(false),
        "pg_current_wal_lsn" | "pg_current_wal_insert_lsn" => lsn(storage.wal().inserted()),
        "pg_current_wal_flush_lsn" => lsn(storage.wal().flushed()),
        "pg_last_wal_receive_lsn" | "pg_last_wal_replay_lsn" | "pg_last_xact_replay_timestamp" => Datum::Null,
        "pg_is_wal_replay_paused" | "pg_wal_replay_pause" | "pg_wal_replay_resume" | "pg_promote" => {
            return Err(err!(OBJECT_NOT_IN_PREREQUISITE_STATE, "recovery is not in progress")
                .hint("Recovery control functions can only be executed during recovery."));
        }
        "pg_trigger_depth" => Datum::I32(0),
        "pg_notification_queue_usage" => Datum::F64(cx.instance.notify_queue().usage()),
        "pg_export_snapshot" => Datum::text(&cx.export_snapshot()?),
        "pg_notify" => {
            let text =
                |at: usize| args.get(at).filter(|v| !v.is_null()).map(Datum::as_str).unwrap_or_default();
            cx.notifications.notify(text(0), text(1))?;
            quarry_types::pseudo::void()
        }
        "inet_client_addr" | "inet_client_port" => client_address(cx, name)?,
        "inet_server_port" => match cx.signals.activity.lock().client {
            Some(_) => Datum::I32(cx.settings().int("port") as i32),
            None => Datum::Null,
        },
        "xid_age" => Datum::I32(xid_age(cx, reader, args[0].as_u32())),
        "txid_status" => txid_status(cx, args[0].as_i64())?,
        // The log goes to standard error; nothing collects it.
        "pg_current_logfile" => Datum::Null,
        "pg_blocking_pids" => blocking_pids(cx, args[0].as_i32())?,
        "pg_isolation_test_session_is_blocked" => is_blocked_by(cx, args[0].as_i32(), &args[1])?,
        "pg_safe_snapshot_blocking_pids" => {
            pid_array(cx.instance.storage().ssi().awaited_by(args[0].as_i32()))?
        }
        // Counters are read live, so there is nothing to forget or to flush.
        "pg_stat_clear_snapshot" | "pg_stat_force_next_flush" => quarry_types::pseudo::void(),
        "pg_stat_reset" => {
            require_superuser(cx, name)?;
            crate::statistics::reset(cx, reader, None)?;
            quarry_types::pseudo::void()
        }
        "pg_stat_reset_shared" => {
            require_superuser(cx, name)?;
            crate::statistics::reset_shared(cx, &String::from_utf8_lossy(args[0].as_bytes()))?;
            quarry_types::pseudo::void()
        }
        "pg_stat_reset_slru" => {
            require_superuser(cx, name)?;
            let name = args.first().filter(|v| !v.is_null()).map(Datum::as_str);
            crate::statistics::reset_slru(cx, name);
            quarry_types::pseudo::void()
        }
        "pg_stat_reset_single_table_counters" => {
            require_superuser(cx, name)?;
            crate::statistics::reset(cx, reader, Some(Oid(args[0].as_u32())))?;
            quarry_types::pseudo::void()
        }
        _ if name.contains("advisory") => return advisory(cx, reader, name, args),
        _ => return Err(Error::unsupported(format_args!("function {name}"))),
    })
}

fn require_superuser(cx: &SessionContext, name: &str) -> Result<()> {
    if cx.is_superuser() {
        Ok(())
    } else {
        Err(err!(INSUFFICIENT_PRIVILEGE, "permission denied for function {name}"))
    }
}

fn check_cancelled(cx: &SessionContext) -> Result<()> {
    quarry_functions::SessionEnv::check_cancelled(cx)
}

/// Sleeps, in steps short enough for a cancel to be prompt.
fn sleep(cx: &SessionContext, seconds: f64) -> Result<()> {
    if seconds.is_nan() || seconds <= 0.0 {
        return Ok(());
    }
    let end = Duration::try_from_secs_f64(seconds).ok().and_then(|d| Instant::now().checked_add(d));
    let sleeping = || loop {
        check_cancelled(cx)?;
        let left = match end {
            Some(end) => end.saturating_duration_since(Instant::now()),
            None => SLEEP_STEP,
        };
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(SLEEP_STEP));
    };
    cx.signals.waiting(crate::signals::WaitEvent::Sleep, || quarry_common::wait::blocking(sleeping))
}

/// Cancels or terminates a session; false, with a warning, if there is none.
fn signal(cx: &SessionContext, reader: &CatalogReader, pid: i32, terminate: bool) -> Result<bool> {
    let Some(target) = cx.instance.sessions().get(pid) else {
        let e = err!(WARNING, "PID {pid} is not a PostgreSQL server process");
        quarry_functions::SessionEnv::notice(cx, Severity::Warning, e);
        return Ok(false);
    };
    let owner = target.activity.lock().user;
    let me = reader.session().user;
    let verb = if terminate { "terminate" } else { "cancel" };
    // Who owns a background process is not for everyone to end it.
    let is_guarded = !owner.is_valid() || reader.is_superuser(owner)?;
    if is_guarded && !reader.is_superuser(me)? {
        let what = if terminate { "a superuser process" } else { "superuser query" };
        return Err(err!(INSUFFICIENT_PRIVILEGE, "must be a superuser to {verb} {what}"));
    }
    if !reader.has_privileges_of(me, owner)? && !reader.has_privileges_of(me, SIGNAL_BACKEND_ROLE)? {
        let what = if terminate { "process" } else { "query" };
        return Err(err!(
            INSUFFICIENT_PRIVILEGE,
            "must be a member of the role whose {what} is being {verb}{} or member of pg_signal_backend",
            if terminate { "d" } else { "ed" }
        ));
    }
    if terminate {
        target.terminate()
    } else {
        target.cancel(crate::signals::CancelReason::UserRequest)
    }
    Ok(true)
}

/// Waits until a terminated session is gone; 0 doesn't wait.
fn wait_for_end(cx: &SessionContext, pid: i32, timeout_ms: i64) -> Result<bool> {
    if timeout_ms < 0 {
        return Err(err!(NUMERIC_VALUE_OUT_OF_RANGE, "\"timeout\" must not be negative"));
    }
    if timeout_ms == 0 {
        return Ok(true);
    }
    let end = Instant::now() + Duration::from_millis(timeout_ms as u64);
    quarry_common::wait::blocking(|| {
        while Instant::now() < end {
            if cx.instance.sessions().get(pid).is_none() {
                return Ok(true);
            }
            check_cancelled(cx)?;
            std::thread::sleep(SLEEP_STEP);
        }
        let e = err!(WARNING, "backend with PID {pid} did not terminate within {timeout_ms} milliseconds");
        quarry_functions::SessionEnv::notice(cx, Severity::Warning, e);
        Ok(false)
    })
}

/// How many transactions ago the one with these 32 bits was; the largest number for those that have no age.
fn xid_age(cx: &SessionContext, reader: &CatalogReader, xid: u32) -> i32 {
    const FIRST_NORMAL: u32 = 3;
    let now = reader.txn().xid().unwrap_or_else(|| cx.instance.storage().txns().next_xid());
    if xid < FIRST_NORMAL { i32::MAX } else { (now.0 as u32).wrapping_sub(xid) as i32 }
}

fn txid_status(cx: &SessionContext, xid: i64) -> Result<Datum> {
    let txns = cx.instance.storage().txns();
    let xid = Xid(xid as u64);
    if xid >= txns.next_xid() {
        return Err(err!(INVALID_PARAMETER_VALUE, "transaction ID {} is in the future", xid.0));
    }
    Ok(match xid.0 {
        0 => Datum::Null,
        1 | 2 => Datum::text("committed"),
        _ => Datum::text(match txns.status(xid) {
            XidStatus::InProgress => "in progress",
            XidStatus::Aborted => "aborted",
            XidStatus::Committed(_) => "committed",
        }),
    })
}

fn client_address(cx: &SessionContext, name: &str) -> Result<Datum> {
    let Some(address) = cx.signals.activity.lock().client else { return Ok(Datum::Null) };
    if name == "inet_client_port" {
        return Ok(Datum::I32(address.port() as i32));
    }
    inet(cx, address.ip())
}

/// An address as a value of type inet.
pub(crate) fn inet(cx: &SessionContext, ip: std::net::IpAddr) -> Result<Datum> {
    let io = cx.io();
    io.type_ref(oids::INET)?.input(&ip.to_string(), -1, &io)
}

/// Sessions that hold what `pid` waits for, or want it too and stand before it.
fn blocking_pids(cx: &SessionContext, pid: i32) -> Result<Datum> {
    pid_array(cx.instance.storage().locks().blocking_pids(pid))
}

fn pid_array(pids: Vec<i32>) -> Result<Datum> {
    let values: Vec<Datum> = pids.into_iter().map(Datum::I32).collect();
    array::from_datums(oids::INT4, PhysicalType::I32, &values)
}

/// Whether `pid` waits for one of the sessions in an array, be it for a safe snapshot.
fn is_blocked_by(cx: &SessionContext, pid: i32, interesting: &Datum) -> Result<Datum> {
    let storage = cx.instance.storage();
    let mut pids = storage.locks().blocking_pids(pid);
    pids.extend(storage.ssi().awaited_by(pid));
    let interesting = array::ArrayRef::of(interesting);
    Ok(Datum::Bool(interesting.iter().any(|p| !p.is_null() && pids.contains(&p.as_i32()))))
}

fn advisory_tag(cx: &SessionContext, args: &[Datum]) -> LockTag {
    let (key, two_keys) = match args {
        [Datum::I32(high), Datum::I32(low)] => (((*high as i64) << 32) | (*low as u32 as i64), true),
        [key, ..] => (key.as_i64(), false),
        [] => (0, false),
    };
    LockTag::Advisory { db: cx.database.0, key, two_keys }
}

/// The family of `pg_advisory_...` functions.
fn advisory(cx: &SessionContext, reader: &CatalogReader, name: &str, args: &[Datum]) -> Result<Datum> {
    let locks = &cx.session_locks;
    if name == "pg_advisory_unlock_all" {
        locks.unlock_all();
        return Ok(quarry_types::pseudo::void());
    }
    let tag = advisory_tag(cx, args);
    let mode = if name.ends_with("_shared") { LockMode::Share } else { LockMode::Exclusive };
    if name.starts_with("pg_advisory_unlock") {
        let released = locks.unlock(tag, mode);
        if !released {
            let kind = if mode == LockMode::Share { "ShareLock" } else { "ExclusiveLock" };
            let e = err!(WARNING, "you don't own a lock of type {kind}");
            quarry_functions::SessionEnv::notice(cx, Severity::Warning, e);
        }
        return Ok(Datum::Bool(released));
    }
    let tries = name.contains("_try_");
    let policy = if tries { WaitPolicy::Skip } else { WaitPolicy::Block };
    let taken = if name.contains("_xact_") {
        reader.txn().lock(tag, mode, policy)?
    } else {
        let taken = cx.lock_for_session(tag, mode, policy)?;
        if taken {
            reader.txn().follow_holders();
        }
        taken
    };
    Ok(if tries { Datum::Bool(taken) } else { quarry_types::pseudo::void() })
}
