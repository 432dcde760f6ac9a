//! The functions of the extension amcheck (PostgreSQL: contrib/amcheck).

use crate::context::SessionContext;
use crate::verify::{self, HeapCheck, IndexCheck, Skip};
use quarry_catalog::{CatalogReader, LockMode, RelKind};
use quarry_common::{Error, Oid, Result, bail, err};
use quarry_functions::{SessionEnv, registry};
use quarry_types::Datum;

/// 42501 unless the user may call this overload.
fn check_call(reader: &CatalogReader, function: &'static str, args: usize) -> Result<()> {
    let overloads = registry::extension_functions_named(function);
    match overloads.iter().find(|f| f.args.len() == args) {
        Some(f) => reader.check_function(f.oid, function),
        None => Err(Error::internal(format!("no function {function} of {args} arguments"))),
    }
}

fn no_relation(oid: Oid) -> Error {
    Error::internal(format!("could not open relation with OID {oid}"))
}

fn flag(args: &[Datum], at: usize) -> bool {
    matches!(args.get(at), Some(Datum::Bool(true)))
}

/// `bt_index_check(index [, heapallindexed])`, `bt_index_parent_check(index [, heapallindexed [, rootdescend]])`.
pub fn index_check(
    cx: &SessionContext,
    reader: &CatalogReader,
    function: &'static str,
    args: &[Datum],
) -> Result<Datum> {
    check_call(reader, function, args.len())?;
    let parents = function == "bt_index_parent_check";
    let how = IndexCheck { parents, rows: flag(args, 1), descents: flag(args, 2) };
    let oid = Oid(args[0].as_u32());
    // Writers and vacuum are kept out where parents are compared to their children. The table's lock comes first.
    let mode = if parents { LockMode::Share } else { LockMode::AccessShare };
    if let Some(table) = reader.index_table(oid)? {
        reader.lock_relation_oid(table, mode)?;
    }
    let Some(index) = reader.lock_relation_oid(oid, mode)? else { return Err(no_relation(oid)) };
    if index.kind != RelKind::Index {
        bail!(WRONG_OBJECT_TYPE, "\"{}\" is not an index", index.name);
    }
    verify::check_not_others(reader, &index)
        .map_err(|e| e.detail(format!("Index \"{}\" is associated with temporary relation.", index.name)))?;
    let table = verify::table_of(reader, oid)?.ok_or_else(|| no_relation(oid))?;
    let Some(def) = table.indexes.iter().find(|i| i.oid == oid) else { return Err(no_relation(oid)) };
    if def.method != "btree" {
        return Err(err!(
            FEATURE_NOT_SUPPORTED,
            "only B-Tree indexes are supported as targets for verification"
        )
        .detail(format!("Relation \"{}\" is not a B-Tree index.", index.name)));
    }
    if !def.valid {
        return Err(err!(FEATURE_NOT_SUPPORTED, "cannot check index \"{}\"", index.name)
            .detail("Index is not valid."));
    }
    let memory = cx.settings().bytes("maintenance_work_mem") as usize;
    quarry_common::wait::blocking(|| {
        verify::index(reader, &table, def, how, memory, &|| cx.check_cancelled())
    })?;
    Ok(Datum::Null)
}

/// `verify_heapam(relation, on_error_stop, check_toast, skip, startblock, endblock)`: blkno, offnum, attnum, msg.
pub fn heap_check(cx: &SessionContext, reader: &CatalogReader, args: &[Datum]) -> Result<Vec<Vec<Datum>>> {
    check_call(reader, "verify_heapam", args.len())?;
    for (at, name) in ["relation", "on_error_stop", "check_toast", "skip"].into_iter().enumerate() {
        if args[at].is_null() {
            bail!(INVALID_PARAMETER_VALUE, "{name} cannot be null");
        }
    }
    let skip = match &*args[3].as_str().to_ascii_lowercase() {
        "all-visible" => Skip::AllVisible,
        "all-frozen" => Skip::AllFrozen,
        "none" => Skip::None,
        _ => {
            return Err(err!(INVALID_PARAMETER_VALUE, "invalid skip option")
                .hint("Valid skip options are \"all-visible\", \"all-frozen\", and \"none\"."));
        }
    };
    let block = |at: usize| (!args[at].is_null()).then(|| args[at].as_i64());
    let how = HeapCheck {
        stop_on_error: flag(args, 1),
        toast: flag(args, 2),
        skip,
        start_block: block(4),
        end_block: block(5),
    };
    let oid = Oid(args[0].as_u32());
    let Some(relation) = reader.lock_relation_oid(oid, LockMode::AccessShare)? else {
        return Err(no_relation(oid));
    };
    verify::check_not_others(reader, &relation)?;
    let found =
        quarry_common::wait::blocking(|| verify::heap(reader, &relation, &how, &|| cx.check_cancelled()))?;
    let number = |n: Option<i32>| n.map_or(Datum::Null, Datum::I32);
    Ok(found
        .into_iter()
        .map(|f| {
            vec![
                Datum::I64(f.block.into()),
                number(f.slot.map(i32::from)),
                number(f.column.map(|c| c as i32)),
                Datum::text(&f.what),
            ]
        })
        .collect())
}
