//! Set-returning functions over the server's state: what `pg_stat_activity`, `pg_settings`, `pg_locks` and their kin read.

use crate::context::SessionContext;
use quarry_catalog::CatalogReader;
use quarry_common::settings::{self, SettingContext, SettingKind};
use quarry_common::{Error, Oid, Result, Xid};
use quarry_storage::lock::{LockInfo, LockTag, OwnerId, ROW_QUEUE};
use quarry_storage::{LockMode, RelId};
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
        "pg_stat_get_backend_idset" => {
            let mut pids: Vec<i32> = cx.instance.sessions().all().iter().map(|s| s.pid).collect();
            pids.sort_unstable();
            Ok(pids.into_iter().map(|p| vec![Datum::I32(p)]).collect())
        }
        "pg_lock_status" => {
            let mut rows = locks(cx, reader)?;
            rows.extend(transaction_locks(cx));
            rows.extend(siread_locks(cx, reader)?);
            Ok(rows)
        }
        "pg_cursor" => Ok(cursors(cx)),
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
        | "pg_stat_get_progress_info"
        | "pg_stat_get_subscription"
        | "pg_stat_get_wal_senders"
        | "pg_ident_file_mappings" => Ok(vec![]),
        _ => Err(Error::unsupported(format_args!("function {function}"))),
    }
}

fn text(s: impl AsRef<str>) -> Datum {
    Datum::text(s.as_ref())
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

fn activity(cx: &SessionContext, reader: &CatalogReader, args: &[Datum]) -> Result<Vec<Row>> {
    let only = match args.first() {
        Some(Datum::I32(pid)) => Some(*pid),
        _ => None,
    };
    let me = reader.session().user;
    let mut sessions = cx.instance.sessions().all();
    sessions.sort_by_key(|s| s.pid);
    let mut out = vec![];
    for s in sessions.into_iter().filter(|s| only.is_none_or(|p| p == s.pid)) {
        let a = s.activity.lock().clone();
        let may_see =
            reader.has_privileges_of(me, a.user)? || reader.has_privileges_of(me, READ_ALL_STATS)?;
        let mut row = vec![
            Datum::U32(a.database.0),
            Datum::I32(s.pid),
            Datum::U32(a.user.0),
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
                xact_start: None,
                query_start: None,
                state_change: 0,
                ..a
            },
            false => a,
        };
        let waits = cx.instance.storage().locks().list().into_iter().any(|l| l.pid == s.pid && !l.granted);
        let (wait_type, wait) = match (waits, a.state) {
            (true, _) => (text("Lock"), text("relation")),
            (false, "active") => (Datum::Null, Datum::Null),
            _ => (text("Client"), text("ClientRead")),
        };
        let time = |t: Option<i64>| t.map_or(Datum::Null, Datum::I64);
        let since = |t: i64| if t == 0 { Datum::Null } else { Datum::I64(t) };
        row.extend([
            text(a.state),
            text(&*a.query),
            wait_type,
            wait,
            time(a.xact_start),
            time(a.query_start),
        ]);
        row.extend([since(a.backend_start), since(a.state_change)]);
        match a.client {
            Some(client) => {
                // Without the type inet the address stays unknown.
                let address = crate::server_functions::inet(cx, client.ip()).unwrap_or(Datum::Null);
                row.extend([address, Datum::Null, Datum::I32(client.port() as i32)])
            }
            None => row.extend([Datum::Null, Datum::Null, Datum::I32(-1)]),
        }
        row.extend([Datum::Null, Datum::Null, text("client backend"), Datum::Bool(false)]);
        row.extend(std::iter::repeat_n(Datum::Null, 6));
        row.extend([Datum::Bool(false), Datum::Null, Datum::Bool(false), Datum::Null, Datum::Null]);
        out.push(row);
    }
    Ok(out)
}

/// Every transaction holds its own ids, so that others can wait for its end.
fn transaction_locks(cx: &SessionContext) -> Vec<Row> {
    let txns = cx.instance.storage().txns();
    let (running, subs) = (txns.running_list(), txns.running_subs());
    let mut out = vec![];
    for (owner, pid, top) in running {
        let own = subs.iter().filter(|(_, t)| Some(*t) == top).map(|(sub, _)| *sub);
        let ids: Vec<Option<Xid>> =
            std::iter::once(None).chain(top.into_iter().chain(own).map(Some)).collect();
        for xid in ids {
            let mut row = vec![text(if xid.is_some() { "transactionid" } else { "virtualxid" })];
            row.extend(std::iter::repeat_n(Datum::Null, 9));
            let virtual_id = text(format!("{pid}/{}", owner.0));
            match xid {
                Some(xid) => row[6] = Datum::U32(xid.0 as u32),
                None => row[5] = virtual_id.clone(),
            }
            row.extend([virtual_id, Datum::I32(pid), text("ExclusiveLock"), Datum::Bool(true)]);
            row.extend([Datum::Bool(xid.is_none()), Datum::Null]);
            out.push(row);
        }
    }
    out
}

/// A wait for a row's sharer is shown as one for its transaction's end, as users know it; shared rows themselves are not shown.
fn as_shown(l: &LockInfo, list: &[LockInfo], running: &[(OwnerId, i32, Option<Xid>)]) -> Option<LockInfo> {
    if !l.tag.is_row_share() {
        return Some(l.clone());
    }
    if l.granted {
        return None;
    }
    let in_the_way =
        |h: &&LockInfo| h.granted && h.tag == l.tag && h.owner != l.owner && h.mode.conflicts_with(l.mode);
    let xid_of = |h: &LockInfo| running.iter().find(|(o, _, _)| *o == h.owner).and_then(|(_, _, xid)| *xid);
    match list.iter().filter(in_the_way).find_map(xid_of) {
        Some(xid) => Some(LockInfo { tag: LockTag::Xid(xid), mode: LockMode::Share, ..l.clone() }),
        None => Some(l.clone()),
    }
}

fn locks(cx: &SessionContext, reader: &CatalogReader) -> Result<Vec<Row>> {
    let n = || Datum::Null;
    let mut out = vec![];
    let list = cx.instance.storage().locks().list();
    let running = cx.instance.storage().txns().running_list();
    let files = match list.iter().any(|l| matches!(l.tag, LockTag::Row { .. })) {
        true => reader.relations_by_filenode()?,
        false => Default::default(),
    };
    for l in list.iter().filter_map(|l| as_shown(l, &list, &running)) {
        let oid = |o: Oid| Datum::U32(o.0);
        // locktype, database, relation, page, tuple, virtualxid, transactionid, classid, objid, objsubid
        let mut row = match l.tag {
            LockTag::Relation { db, oid: rel } => {
                vec![text("relation"), oid(db), oid(rel), n(), n(), n(), n(), n(), n(), n()]
            }
            LockTag::Extension { rel } => {
                vec![text("extend"), oid(rel.db), Datum::U32(rel.rel), n(), n(), n(), n(), n(), n(), n()]
            }
            LockTag::Database(db) => {
                vec![
                    text("object"),
                    Datum::U32(0),
                    n(),
                    n(),
                    n(),
                    n(),
                    n(),
                    Datum::U32(1262),
                    oid(db),
                    Datum::I16(0),
                ]
            }
            LockTag::Object { class, oid: object } => {
                vec![
                    text("object"),
                    oid(cx.database.0),
                    n(),
                    n(),
                    n(),
                    n(),
                    n(),
                    oid(class),
                    oid(object),
                    Datum::I16(0),
                ]
            }
            LockTag::Xid(xid) => {
                vec![text("transactionid"), n(), n(), n(), n(), n(), Datum::U32(xid.0 as u32), n(), n(), n()]
            }
            LockTag::Row { rel, tid } => vec![
                text("tuple"),
                oid(rel.db),
                files.get(&rel.rel).map_or(Datum::U32(rel.rel), |r| oid(r.oid)),
                Datum::I32(tid.block as i32),
                Datum::I16((tid.slot & !ROW_QUEUE) as i16),
                n(),
                n(),
                n(),
                n(),
                n(),
            ],
            LockTag::Advisory { db, key, two_keys } => vec![
                text("advisory"),
                oid(db),
                n(),
                n(),
                n(),
                n(),
                n(),
                Datum::U32((key >> 32) as u32),
                Datum::U32(key as u32),
                Datum::I16(if two_keys { 2 } else { 1 }),
            ],
        };
        row.push(text(format!("{}/{}", l.pid, l.owner.0)));
        // A prepared transaction has no process.
        row.push(if l.pid == 0 { Datum::Null } else { Datum::I32(l.pid) });
        row.push(text(l.mode.name()));
        let since = l.waited.map(|w| crate::clock::now() - w.as_micros() as i64);
        let since = since.map_or(Datum::Null, Datum::I64);
        row.extend([Datum::Bool(l.granted), Datum::Bool(l.fast_path), since]);
        out.push(row);
    }
    Ok(out)
}

/// What serializable transactions have read. Reads of temporary tables, which PostgreSQL doesn't lock, are not shown.
fn siread_locks(cx: &SessionContext, reader: &CatalogReader) -> Result<Vec<Row>> {
    let list = cx.instance.storage().ssi().list();
    if list.is_empty() {
        return Ok(vec![]);
    }
    let relations = reader.relations_by_filenode()?;
    let mut out = vec![];
    for l in list {
        let RelId { db, rel } = l.target.rel;
        let known = relations.get(&rel).filter(|_| db == cx.database.0);
        if known.is_some_and(|r| r.is_temporary) {
            continue;
        }
        let (block, slot) = (l.target.block(), l.target.slot());
        let kind = match (block, slot) {
            (None, _) => "relation",
            (Some(_), None) => "page",
            (Some(_), Some(_)) => "tuple",
        };
        let mut row = vec![text(kind), Datum::U32(db.0), Datum::U32(known.map_or(rel, |r| r.oid.0))];
        row.push(block.map_or(Datum::Null, |b| Datum::I32(b as i32)));
        row.push(slot.map_or(Datum::Null, |s| Datum::I16(s as i16)));
        row.extend(std::iter::repeat_n(Datum::Null, 5));
        row.push(text(format!("{}/{}", l.pid, l.owner)));
        row.push(if l.pid == 0 { Datum::Null } else { Datum::I32(l.pid) });
        row.push(text("SIReadLock"));
        row.extend([Datum::Bool(true), Datum::Bool(false), Datum::Null]);
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
    list.iter().map(row).collect()
}

/// pg_prepared_statement(): name, statement, prepare_time, parameter_types, from_sql, generic_plans, custom_plans.
fn prepared_statements(cx: &SessionContext) -> Result<Vec<Row>> {
    let prepared = cx.prepared.lock();
    let mut named: Vec<_> = prepared.values().filter(|p| !p.name.is_empty()).collect();
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
