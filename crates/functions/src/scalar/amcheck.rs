//! Functions of the extension amcheck. They are there only where `CREATE EXTENSION amcheck` has made their `pg_proc` rows; their OIDs, from
//! the range that PostgreSQL leaves to initdb, are the same in every database. The session does the work.

use super::catalog_info::buffered;
use crate::{Body, FunctionDef, ScalarImpl, SetImpl};
use quarry_types::oids;

/// An action without a result.
macro_rules! check {
    ($name:literal) => {
        Body::Scalar(ScalarImpl {
            row: |cx, args| {
                cx.env.server_function($name, args)?;
                Ok(quarry_types::pseudo::void())
            },
            batch: None,
            total: false,
        })
    };
}

const HEAP: SetImpl = SetImpl { start: |cx, args, _| buffered(cx, "verify_heapam", args), rows: 1000.0 };

pub const FUNCTIONS: &[FunctionDef] = &[
    FunctionDef::new(15900, "bt_index_check", &[oids::REGCLASS], oids::VOID, check!("bt_index_check"))
        .volatile()
        .names(&["index"]),
    FunctionDef::new(
        15901,
        "bt_index_parent_check",
        &[oids::REGCLASS],
        oids::VOID,
        check!("bt_index_parent_check"),
    )
    .volatile()
    .names(&["index"]),
    FunctionDef::new(
        15902,
        "bt_index_check",
        &[oids::REGCLASS, oids::BOOL],
        oids::VOID,
        check!("bt_index_check"),
    )
    .volatile()
    .names(&["index", "heapallindexed"]),
    FunctionDef::new(
        15903,
        "bt_index_parent_check",
        &[oids::REGCLASS, oids::BOOL],
        oids::VOID,
        check!("bt_index_parent_check"),
    )
    .volatile()
    .names(&["index", "heapallindexed"]),
    FunctionDef::new(
        15904,
        "bt_index_parent_check",
        &[oids::REGCLASS, oids::BOOL, oids::BOOL],
        oids::VOID,
        check!("bt_index_parent_check"),
    )
    .volatile()
    .names(&["index", "heapallindexed", "rootdescend"]),
    FunctionDef::new(
        15905,
        "verify_heapam",
        &[oids::REGCLASS, oids::BOOL, oids::BOOL, oids::TEXT, oids::INT8, oids::INT8],
        oids::RECORD,
        Body::Set(HEAP),
    )
    .volatile()
    .lax()
    .names(&["relation", "on_error_stop", "check_toast", "skip", "startblock", "endblock"])
    .defaults(&["false", "false", "'none'::text", "NULL::bigint", "NULL::bigint"])
    .outs(&[("blkno", oids::INT8), ("offnum", oids::INT4), ("attnum", oids::INT4), ("msg", oids::TEXT)]),
];
