//! Functions of the extension pg_stat_statements. They are there only where `CREATE EXTENSION pg_stat_statements` has made their rows; the
//! session does the work.

use super::catalog_info::buffered;
use crate::{Body, FunctionDef, ScalarImpl, SetImpl};
use quarry_common::Oid;
use quarry_types::oids;

const ROWS: SetImpl = SetImpl { start: |cx, args, _| buffered(cx, "pg_stat_statements", args), rows: 1000.0 };
const INFO: SetImpl =
    SetImpl { start: |cx, args, _| buffered(cx, "pg_stat_statements_info", args), rows: 1.0 };

const COLUMNS: &[(&str, Oid)] = &[
    ("userid", oids::OID),
    ("dbid", oids::OID),
    ("toplevel", oids::BOOL),
    ("queryid", oids::INT8),
    ("query", oids::TEXT),
    ("plans", oids::INT8),
    ("total_plan_time", oids::FLOAT8),
    ("min_plan_time", oids::FLOAT8),
    ("max_plan_time", oids::FLOAT8),
    ("mean_plan_time", oids::FLOAT8),
    ("stddev_plan_time", oids::FLOAT8),
    ("calls", oids::INT8),
    ("total_exec_time", oids::FLOAT8),
    ("min_exec_time", oids::FLOAT8),
    ("max_exec_time", oids::FLOAT8),
    ("mean_exec_time", oids::FLOAT8),
    ("stddev_exec_time", oids::FLOAT8),
    ("rows", oids::INT8),
    ("shared_blks_hit", oids::INT8),
    ("shared_blks_read", oids::INT8),
    ("shared_blks_dirtied", oids::INT8),
    ("shared_blks_written", oids::INT8),
    ("local_blks_hit", oids::INT8),
    ("local_blks_read", oids::INT8),
    ("local_blks_dirtied", oids::INT8),
    ("local_blks_written", oids::INT8),
    ("temp_blks_read", oids::INT8),
    ("temp_blks_written", oids::INT8),
    ("blk_read_time", oids::FLOAT8),
    ("blk_write_time", oids::FLOAT8),
    ("temp_blk_read_time", oids::FLOAT8),
    ("temp_blk_write_time", oids::FLOAT8),
    ("wal_records", oids::INT8),
    ("wal_fpi", oids::INT8),
    ("wal_bytes", oids::NUMERIC),
    ("jit_functions", oids::INT8),
    ("jit_generation_time", oids::FLOAT8),
    ("jit_inlining_count", oids::INT8),
    ("jit_inlining_time", oids::FLOAT8),
    ("jit_optimization_count", oids::INT8),
    ("jit_optimization_time", oids::FLOAT8),
    ("jit_emission_count", oids::INT8),
    ("jit_emission_time", oids::FLOAT8),
];

pub const FUNCTIONS: &[FunctionDef] = &[
    FunctionDef::new(15970, "pg_stat_statements", &[oids::BOOL], oids::RECORD, Body::Set(ROWS))
        .volatile()
        .names(&["showtext"])
        .outs(COLUMNS),
    FunctionDef::new(15971, "pg_stat_statements_info", &[], oids::RECORD, Body::Set(INFO))
        .volatile()
        .outs(&[("dealloc", oids::INT8), ("stats_reset", oids::TIMESTAMPTZ)]),
    FunctionDef::new(
        15972,
        "pg_stat_statements_reset",
        &[oids::OID, oids::OID, oids::INT8],
        oids::VOID,
        Body::Scalar(ScalarImpl {
            row: |cx, args| {
                cx.env.server_function("pg_stat_statements_reset", args)?;
                Ok(quarry_types::pseudo::void())
            },
            batch: None,
            total: false,
        }),
    )
    .volatile()
    .names(&["userid", "dbid", "queryid"])
    .defaults(&["0", "0", "0"]),
];

/// What the extension makes besides its functions; `@extschema@` stands for its schema.
pub const SCRIPT: &[&str] = &[
    "CREATE VIEW @extschema@.pg_stat_statements AS SELECT * FROM @extschema@.pg_stat_statements(true)",
    "CREATE VIEW @extschema@.pg_stat_statements_info AS SELECT * FROM @extschema@.pg_stat_statements_info()",
    "GRANT SELECT ON @extschema@.pg_stat_statements TO PUBLIC",
    "GRANT SELECT ON @extschema@.pg_stat_statements_info TO PUBLIC",
];
