//! Set-returning functions over the server's state: what `pg_stat_activity`, `pg_settings`, `pg_locks` and their kin read.

use crate::context::SessionContext;
use crate::signals::Backend;
use quarry_catalog::CatalogReader;
use quarry_common::progress::{Command, PARAMS};
use quarry_common::settings::{self, SettingContext, SettingKind};
use quarry_common::{Error, Oid, Result, err};
use quarry_types::array;
use quarry_types::datetime::{Interval, TimeZone, zone};
use quarry_types::{Datum, PhysicalType, oids};

/// `pg_read_all_stats`.
const READ_ALL_STATS: Oid = Oid(3375);

type Row = Vec<Datum>;

/// The rows of `function`, in the order of its OUT columns.
pub fn rows(
    cx: &SessionContext,
    reader: &CatalogReader,
    function: &'static str,
    args: &[Datum],
) -> Result<Vec<Row>> {
    match function {
        "pg_show_all_settings" => show_all_settings(cx),
        "pg_stat_get_activity" => activity(cx, reader, args),
        "quarry_memory" => memory(cx, reader),
        "pg_stat_get_backend_idset" => {
            let mut pids: Vec<i32> = cx.instance.sessions().all().iter().map(|s| s.pid).collect();
            pids.sort_unstable();
            Ok(pids.into_iter().map(|p| vec![Datum::I32(p)]).collect())
        }
        "pg_lock_status" => crate::lock_rows::rows(cx, reader),
        "pg_stat_get_progress_info" => progress_info(cx, reader, args),
        "pg_cursor" => Ok(cursors(cx)),
        "pg_stat_get_slru" => Ok(crate::statistics::slru_rows(cx)),
        "pg_stat_statements" | "pg_stat_statements_info" => {
            crate::statements::rows(cx, reader, function, args)
        }
        "verify_heapam" => crate::amcheck::heap_check(cx, reader, args),
        "pg_show_all_file_settings" => file_settings(cx),
        "pg_prepared_statement" => prepared_statements(cx),
        "pg_timezone_names" => Ok(zone_names()),
        "pg_timezone_abbrevs" => Ok(zone_abbrevs()),
        "pg_prepared_xact" => Ok(prepared_xacts(cx)),
        "pg_listening_channels" => {
            Ok(cx.notifications.channels().into_iter().map(|c| vec![text(c)]).collect())
        }
        // Features that aren't there have no rows.
        "pg_get_replication_slots"
        | "pg_get_publication_tables"
        | "pg_show_replication_origin_status"
        | "pg_stat_get_subscription"
        | "pg_stat_get_wal_senders"
        | "pg_ident_file_mappings" => Ok(vec![]),
        _ => Err(Error::unsupported(format_args!("function {function}"))),
    }
}

fn text(s: impl AsRef<str>) -> Datum {
    Datum::text(s.as_ref())
}

/// How far the running commands of a kind are. Of sessions that the user may not look into only who they are, and where.
fn progress_info(cx: &SessionContext, reader: &CatalogReader, args: &[Datum]) -> Result<Vec<Row>> {
    let Some(Datum::Bytes(name)) = args.first() else { return Ok(vec![]) };
    let name = String::from_utf8_lossy(name.as_ref());
    let Some(command) = Command::named(&name) else {
        return Err(err!(INVALID_PARAMETER_VALUE, "invalid command name: \"{name}\""));
    };
    let me = reader.session().user;
    let mut out = vec![];
    for s in cx.instance.sessions().all() {
        let Some(seen) = s.progress.read(command) else { continue };
        let (user, db) = {
            let a = s.activity.lock();
            (a.user, a.database)
        };
        let mut row = vec![Datum::I32(s.pid), Datum::U32(db.0)];
        if reader.has_privileges_of(me, user)? || reader.has_privileges_of(me, READ_ALL_STATS)? {
            row.push(Datum::U32(seen.relation.0));
            row.extend(seen.params.iter().map(|p| Datum::I64(*p)));
        } else {
            row.extend(std::iter::repeat_n(Datum::Null, PARAMS + 1));
        }
        out.push(row);
    }
    Ok(out)
}

fn show_all_settings(cx: &SessionContext) -> Result<Vec<Row>> {
    let vars = cx.vars.lock();
    let current = vars.current().clone();
    let server = cx.instance.settings();
    let superuser = cx.is_superuser();
    let mut out = vec![];
    for def in settings::all() {
        let Some(value) = current.get(def.name) else { continue };
        let raw = |shown: &str| def.parse(shown).map_or_else(|_| shown.to_string(), |v| def.raw(&v));
        let (unit, vartype, min, max) = match def.kind {
            SettingKind::Bool => (None, "bool", None, None),
            SettingKind::Int { unit, min, max } => {
                (unit.as_str(), "integer", Some(min.to_string()), Some(max.to_string()))
            }
            SettingKind::Real { unit, min, max } => (unit.as_str(), "real", Some(real(min)), Some(real(max))),
            SettingKind::Enum(_) => (None, "enum", None, None),
            SettingKind::Text => (None, "string", None, None),
        };
        let enumvals = match def.kind {
            SettingKind::Enum(names) => {
                let names: Vec<Datum> = names.iter().map(text).collect();
                array::from_datums(oids::TEXT, PhysicalType::Bytes, &names)?
            }
            _ => Datum::Null,
        };
        let boot = raw(def.default);
        let reset = vars.reset_value(def.name).map(|shown| raw(&shown));
        let now = def.raw(&value);
        let source = if reset.as_ref().is_some_and(|r| *r != now) {
            "session"
        } else if now == boot || def.context == SettingContext::Internal {
            "default"
        } else if server.get(def.name).is_some_and(|v| def.raw(&v) == now) {
            "configuration file"
        } else {
            "client"
        };
        let hidden = !superuser && def.context == SettingContext::SuperuserBackend;
        if hidden {
            continue;
        }
        let optional = |v: Option<String>| v.map_or(Datum::Null, text);
        out.push((
            def.name.to_ascii_lowercase(),
            vec![
                text(def.name),
                text(&now),
                unit.map_or(Datum::Null, text),
                text(def.category),
                text(def.doc),
                Datum::Null,
                text(def.context.as_str()),
                text(vartype),
                text(source),
                optional(min),
                optional(max),
                enumvals,
                text(&boot),
                optional(reset),
                Datum::Null,
                Datum::Null,
                Datum::Bool(cx.instance.is_pending_restart(def.name)),
            ],
        ));
    }
    for name in current.custom_names() {
        let mut row = vec![
            text(name),
            text(current.show(name).unwrap_or_default()),
            Datum::Null,
            text("Customized Options"),
            Datum::Null,
            Datum::Null,
            text("user"),
            text("string"),
            text("session"),
        ];
        row.extend(std::iter::repeat_n(Datum::Null, 7));
        row.push(Datum::Bool(false));
        out.push((name.to_ascii_lowercase(), row));
    }
    out.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(out.into_iter().map(|(_, row)| row).collect())
}

/// As `pg_settings` prints limits.
fn real(v: f64) -> String {
    if v == f64::MAX {
        "1.79769e+308".to_string()
    } else if v == -f64::MAX {
        "-1.79769e+308".to_string()
    } else {
        v.to_string()
    }
}

/// What statements gather: of all together, then by session.
fn memory(cx: &SessionContext, reader: &CatalogReader) -> Result<Vec<Row>> {
    use quarry_common::memory::{held, limit, peak};
    let bytes = |n: usize| Datum::I64(i64::try_from(n).unwrap_or(i64::MAX));
    let mut out = vec![vec![Datum::Null, bytes(held()), bytes(peak()), limit().map_or(Datum::Null, bytes)]];
    let me = reader.session().user;
    let all = reader.has_privileges_of(me, READ_ALL_STATS)?;
    let mut sessions = cx.instance.sessions().all();
    sessions.sort_by_key(|s| s.pid);
    for s in sessions {
        let user = s.activity.lock().user;
        if all || reader.has_privileges_of(me, user)? {
            out.push(vec![Datum::I32(s.pid), bytes(s.memory.held()), bytes(s.memory.peak()), Datum::Null]);
        }
    }
    Ok(out)
}

fn activity(cx: &SessionContext, reader: &CatalogReader, args: &[Datum]) -> Result<Vec<Row>> {
    let only = match args.first() {
        Some(Datum::I32(pid)) => Some(*pid),
        _ => None,
    };
    let me = reader.session().user;
    let mut sessions = cx.instance.sessions().all();
    sessions.sort_by_key(|s| s.pid);
    let waits: Vec<_> = cx.instance.storage().locks().list().into_iter().filter(|l| !l.granted).collect();
    let mut out = vec![];
    for s in sessions.into_iter().filter(|s| only.is_none_or(|p| p == s.pid)) {
        let a = s.activity.lock().clone();
        let may_see =
            reader.has_privileges_of(me, a.user)? || reader.has_privileges_of(me, READ_ALL_STATS)?;
        let mut row = vec![
            Datum::U32(a.database.0),
            Datum::I32(s.pid),
            if a.user.is_valid() { Datum::U32(a.user.0) } else { Datum::Null },
            text(&a.application_name),
        ];
        if !may_see {
            row.extend([Datum::Null, text("<insufficient privilege>")]);
            row.extend(std::iter::repeat_n(Datum::Null, 24));
            out.push(row);
            continue;
        }
        let a = match a.untracked {
            true => crate::signals::Activity {
                state: "disabled",
                query: "".into(),
                query_id: None,
                query_start: None,
                state_change: 0,
                ..a
            },
            false => a,
        };
        let lock = crate::lock_rows::wait_event(&waits, s.pid).map(|event| ("Lock", event));
        let (wait_type, wait) = match (lock.or_else(|| s.wait_event()), a.state) {
            (Some((kind, event)), _) => (text(kind), text(event)),
            (None, state) if state == "active" || a.backend != Backend::Client => (Datum::Null, Datum::Null),
            _ => (text("Client"), text("ClientRead")),
        };
        let time = |t: Option<i64>| t.map_or(Datum::Null, Datum::I64);
        let since = |t: i64| if t == 0 { Datum::Null } else { Datum::I64(t) };
        row.extend([
            if a.state.is_empty() { Datum::Null } else { text(a.state) },
            text(&*a.query),
            wait_type,
            wait,
            time(s.xact_start().filter(|_| !a.untracked)),
            time(a.query_start),
        ]);
        row.extend([since(a.backend_start), since(a.state_change)]);
        match a.client {
            Some(client) => {
                // Without the type inet the address stays unknown.
                let address = crate::server_functions::inet(cx, client.ip()).unwrap_or(Datum::Null);
                row.extend([address, Datum::Null, Datum::I32(client.port() as i32)])
            }
            None if a.backend == Backend::Client => row.extend([Datum::Null, Datum::Null, Datum::I32(-1)]),
            None => row.extend([Datum::Null, Datum::Null, Datum::Null]),
        }
        row.extend([Datum::Null, Datum::Null, text(a.backend.name()), Datum::Bool(false)]);
        row.extend(std::iter::repeat_n(Datum::Null, 6));
        let id = a.query_id.map_or(Datum::Null, Datum::I64);
        row.extend([Datum::Bool(false), Datum::Null, Datum::Bool(false), Datum::Null, id]);
        out.push(row);
    }
    Ok(out)
}

fn offset(seconds: i32) -> Datum {
    Datum::B16(Interval { months: 0, days: 0, micros: seconds as i64 * 1_000_000 }.to_bytes())
}

fn zone_names() -> Vec<Row> {
    let now = crate::clock::now();
    zone::zone_names()
        .into_iter()
        .filter_map(|name| {
            let at = TimeZone::by_name(&name)?.at(now);
            Some(vec![text(&name), text(at.abbrev.as_str()), offset(at.offset), Datum::Bool(at.is_dst)])
        })
        .collect()
}

fn zone_abbrevs() -> Vec<Row> {
    use quarry_types::datetime::zone_abbrev::{ABBREVIATIONS, Meaning};
    let now = crate::clock::now();
    let mut out: Vec<(&str, Row)> = ABBREVIATIONS
        .iter()
        .filter_map(|(name, meaning)| {
            let (seconds, dst) = match meaning {
                Meaning::Fixed(seconds, dst) => (*seconds, *dst),
                Meaning::Zone(zone) => {
                    let zone = TimeZone::by_name(zone)?;
                    let at = zone.interpret_abbrev(name, now).unwrap_or_else(|| zone.at(now));
                    (at.offset, at.is_dst)
                }
            };
            Some((*name, vec![text(name), offset(seconds), Datum::Bool(dst)]))
        })
        .collect();
    out.sort_by_key(|r| r.0);
    out.into_iter().map(|(_, row)| row).collect()
}

/// pg_show_all_file_settings(): sourcefile, sourceline, seqno, name, setting, applied, error.
fn file_settings(cx: &SessionContext) -> Result<Vec<Row>> {
    let Ok(config) = cx.instance.config() else { return Ok(vec![]) };
    let entries = config.entries()?;
    let mut out = vec![];
    for (i, e) in entries.iter().enumerate() {
        let checked = match settings::find(&e.name) {
            Some((_, def)) => crate::settings_check::normalise(def.name, &e.value, &cx.settings())
                .and_then(|text| def.parse(&text).map(|_| ())),
            None if settings::is_custom_name(&e.name) => Ok(()),
            None => Err(settings::unknown(&e.name)),
        };
        let overridden = entries[i + 1..].iter().any(|later| later.name.eq_ignore_ascii_case(&e.name));
        let waits = cx.instance.is_pending_restart(&e.name);
        let error = match &checked {
            Err(e) => text(e.message()),
            Ok(()) if waits && !overridden => text("setting could not be applied"),
            Ok(()) => Datum::Null,
        };
        out.push(vec![
            text(&e.file),
            Datum::I32(e.line),
            Datum::I32(i as i32 + 1),
            text(&e.name),
            text(&e.value),
            Datum::Bool(checked.is_ok() && !overridden && !waits),
            error,
        ]);
    }
    Ok(out)
}

/// pg_prepared_xact(): transaction, gid, prepared, ownerid, dbid.
fn prepared_xacts(cx: &SessionContext) -> Vec<Row> {
    let list = cx.instance.storage().prepared().list();
    list.into_iter()
        .map(|p| {
            vec![
                Datum::U32(p.xid.0 as u32),
                text(&p.gid),
                Datum::I64(p.prepared_at),
                Datum::U32(p.user.0),
                Datum::U32(p.database.0),
            ]
        })
        .collect()
}

/// pg_cursor(): name, statement, is_holdable, is_binary, is_scrollable, creation_time.
fn cursors(cx: &SessionContext) -> Vec<Row> {
    let list = cx.cursors.lock();
    let row = |e: &crate::portal::PortalEntry| {
        let flags = [e.options.hold, e.options.binary, e.options.scroll].map(Datum::Bool);
        let mut row = vec![text(&e.name), text(&e.statement.text)];
        row.extend(flags);
        row.push(Datum::I64(e.created_at));
        row
    };
    list.iter().filter(|e| !e.is_vacant).map(row).collect()
}

/// pg_prepared_statement(): name, statement, prepare_time, parameter_types, from_sql, generic_plans, custom_plans.
fn prepared_statements(cx: &SessionContext) -> Result<Vec<Row>> {
    let prepared = cx.prepared.lock();
    let mut named: Vec<_> = prepared.iter().filter(|p| !p.name.is_empty()).collect();
    named.sort_by(|a, b| a.name.cmp(&b.name));
    named
        .into_iter()
        .map(|p| {
            let types: Vec<Datum> = p.param_types.iter().map(|t| Datum::U32(t.0)).collect();
            let types = quarry_types::array::from_datums(
                quarry_types::oids::REGTYPE,
                quarry_types::PhysicalType::U32,
                &types,
            )?;
            let (generic, custom) = p.plans.lock().counts();
            Ok(vec![
                Datum::text(&p.name),
                Datum::text(&p.text),
                Datum::I64(p.prepared_at),
                types,
                Datum::Bool(p.from_sql),
                Datum::I64(generic as i64),
                Datum::I64(custom as i64),
            ])
        })
        .collect()
}
