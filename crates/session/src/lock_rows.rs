//! What `pg_locks` shows (PostgreSQL: lockfuncs.c).
//!
//! Transactions hold their own ids, so that others can wait for their ends. Shared rows, which PostgreSQL keeps on the rows themselves, are
//! not shown; a wait for a row's sharer is shown as one for its transaction's end.

use crate::context::SessionContext;
use hashbrown::HashMap;
use quarry_catalog::CatalogReader;
use quarry_common::{Oid, Result, Xid};
use quarry_storage::lock::{LockInfo, LockTag, OwnerId, PreparedOwner, ROW_QUEUE};
use quarry_storage::txn::RunningInfo;
use quarry_storage::{LockMode, RelId};
use quarry_types::Datum;

type Row = Vec<Datum>;

/// Columns before `virtualtransaction`: locktype, database, relation, page, tuple, virtualxid, transactionid, classid, objid, objsubid.
const TARGET_COLUMNS: usize = 10;

/// `pg_lock_status()`.
pub fn rows(cx: &SessionContext, reader: &CatalogReader) -> Result<Vec<Row>> {
    let storage = cx.instance.storage();
    let owners = Owners::new(storage.txns().running_list(), storage.locks().prepared_owners());
    let mut rows = locks(cx, reader, &owners)?;
    rows.extend(transactions(cx, &owners));
    rows.extend(siread_locks(cx, reader)?);
    Ok(rows)
}

/// Who holds locks.
struct Owners {
    running: Vec<RunningInfo>,
    by_owner: HashMap<OwnerId, RunningInfo>,
    prepared: HashMap<OwnerId, PreparedOwner>,
}

impl Owners {
    fn new(running: Vec<RunningInfo>, prepared: HashMap<OwnerId, PreparedOwner>) -> Owners {
        let by_owner = running.iter().map(|r| (r.owner, *r)).collect();
        Owners { running, by_owner, prepared }
    }

    /// virtualtransaction and pid. A prepared transaction has no process, a session between transactions no transaction.
    fn columns(&self, owner: OwnerId, pid: i32) -> [Datum; 2] {
        match (self.prepared.get(&owner), self.by_owner.get(&owner)) {
            (Some(PreparedOwner { xid, recovered: true }), _) => [text(format!("-1/{}", xid.0)), Datum::Null],
            (Some(_), Some(r)) => [text(r.id.to_string()), Datum::Null],
            (None, Some(r)) => [text(r.id.to_string()), Datum::I32(pid)],
            (_, None) => [text(format!("{pid}/0")), Datum::I32(pid)],
        }
    }

    fn xid_of(&self, owner: OwnerId) -> Option<Xid> {
        self.by_owner.get(&owner).and_then(|r| r.xid)
    }
}

fn text(s: impl AsRef<str>) -> Datum {
    Datum::text(s.as_ref())
}

/// The columns that say what is locked: those named, the others null.
fn target<const N: usize>(kind: &str, columns: [(usize, Datum); N]) -> Row {
    let mut row = vec![Datum::Null; TARGET_COLUMNS];
    row[0] = text(kind);
    for (at, value) in columns {
        row[at] = value;
    }
    row
}

/// The ids that transactions hold.
fn transactions(cx: &SessionContext, owners: &Owners) -> Vec<Row> {
    let subs = cx.instance.storage().txns().running_subs();
    let mut out = vec![];
    for r in &owners.running {
        let mut add = |mut row: Row, fast_path: bool| {
            row.extend(owners.columns(r.owner, r.pid));
            row.extend([
                text(LockMode::Exclusive.name()),
                Datum::Bool(true),
                Datum::Bool(fast_path),
                Datum::Null,
            ]);
            out.push(row);
        };
        if !owners.prepared.contains_key(&r.owner) {
            add(target("virtualxid", [(5, text(r.id.to_string()))]), true);
        }
        let own = subs.iter().filter(|(_, top)| Some(*top) == r.xid).map(|(sub, _)| *sub);
        for xid in r.xid.into_iter().chain(own) {
            add(target("transactionid", [(6, Datum::U32(xid.0 as u32))]), false);
        }
    }
    out
}

/// As users know it; none: they don't.
fn as_shown(l: &LockInfo, list: &[LockInfo], owners: &Owners) -> Option<LockInfo> {
    if !l.tag.is_row_share() {
        return Some(l.clone());
    }
    if l.granted {
        return None;
    }
    let in_the_way =
        |h: &&LockInfo| h.granted && h.tag == l.tag && h.owner != l.owner && h.mode.conflicts_with(l.mode);
    match list.iter().filter(in_the_way).find_map(|h| owners.xid_of(h.owner)) {
        Some(xid) => Some(LockInfo { tag: LockTag::Xid(xid), mode: LockMode::Share, ..l.clone() }),
        None => Some(l.clone()),
    }
}

fn locks(cx: &SessionContext, reader: &CatalogReader, owners: &Owners) -> Result<Vec<Row>> {
    let mut out = vec![];
    let list = cx.instance.storage().locks().list();
    let files = match list.iter().any(|l| matches!(l.tag, LockTag::Row { .. } | LockTag::Extension { .. })) {
        true => reader.relations_by_filenode()?,
        false => Default::default(),
    };
    let oid = |o: Oid| Datum::U32(o.0);
    let file = |rel: RelId| files.get(&rel.rel).map_or(Datum::U32(rel.rel), |r| oid(r.oid));
    for l in list.iter().filter_map(|l| as_shown(l, &list, owners)) {
        let mut row = match l.tag {
            LockTag::Relation { db, oid: rel } => target("relation", [(1, oid(db)), (2, oid(rel))]),
            LockTag::Extension { rel } => target("extend", [(1, oid(rel.db)), (2, file(rel))]),
            LockTag::Database(db) => target(
                "object",
                [(1, Datum::U32(0)), (7, Datum::U32(1262)), (8, oid(db)), (9, Datum::I16(0))],
            ),
            LockTag::Object { db, class, oid: object } => {
                target("object", [(1, oid(db)), (7, oid(class)), (8, oid(object)), (9, Datum::I16(0))])
            }
            LockTag::Xid(xid) => target("transactionid", [(6, Datum::U32(xid.0 as u32))]),
            LockTag::Virtual(id) => target("virtualxid", [(5, text(id.to_string()))]),
            LockTag::Row { rel, tid } => {
                let tuple = Datum::I16((tid.slot & !ROW_QUEUE) as i16);
                let page = Datum::I32(tid.block as i32);
                target("tuple", [(1, oid(rel.db)), (2, file(rel)), (3, page), (4, tuple)])
            }
            LockTag::Advisory { db, key, two_keys } => {
                let keys = [Datum::U32((key >> 32) as u32), Datum::U32(key as u32)];
                let [high, low] = keys;
                let kind = Datum::I16(if two_keys { 2 } else { 1 });
                target("advisory", [(1, oid(db)), (7, high), (8, low), (9, kind)])
            }
        };
        row.extend(owners.columns(l.owner, l.pid));
        let since = l.waited.map(|w| crate::clock::now() - w.as_micros() as i64);
        // A prepared transaction's notes count as entries of the table, into which PostgreSQL moves them.
        let fast_path = l.fast_path && !owners.prepared.contains_key(&l.owner);
        row.extend([text(l.mode.name()), Datum::Bool(l.granted), Datum::Bool(fast_path)]);
        row.push(since.map_or(Datum::Null, Datum::I64));
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
        let relation = Datum::U32(known.map_or(rel, |r| r.oid.0));
        let page = block.map_or(Datum::Null, |b| Datum::I32(b as i32));
        let tuple = slot.map_or(Datum::Null, |s| Datum::I16(s as i16));
        let mut row = target(kind, [(1, Datum::U32(db.0)), (2, relation), (3, page), (4, tuple)]);
        row.push(l.name.map_or_else(|| text("-1/0"), |name| text(name.to_string())));
        row.push(if l.pid == 0 { Datum::Null } else { Datum::I32(l.pid) });
        row.extend([text("SIReadLock"), Datum::Bool(true), Datum::Bool(false), Datum::Null]);
        out.push(row);
    }
    Ok(out)
}

/// What a process waits for, as `pg_stat_activity.wait_event` calls it; none: no lock.
pub fn wait_event(list: &[LockInfo], pid: i32) -> Option<&'static str> {
    let waited = list.iter().find(|l| l.pid == pid && !l.granted)?;
    Some(match waited.tag {
        LockTag::Relation { .. } => "relation",
        LockTag::Extension { .. } => "extend",
        LockTag::Database(_) | LockTag::Object { .. } => "object",
        LockTag::Xid(_) => "transactionid",
        LockTag::Virtual(_) => "virtualxid",
        LockTag::Row { .. } if waited.tag.is_row_share() => "transactionid",
        LockTag::Row { .. } => "tuple",
        LockTag::Advisory { .. } => "advisory",
    })
}
