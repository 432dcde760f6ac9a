//! Functions of the extension quarry, which is about plans that stay and about memory. They are there only where `CREATE EXTENSION quarry` has made their
//! rows; the session does the work.

use super::catalog_info::buffered;
use crate::{Body, FunctionDef, ScalarImpl, SetImpl};
use quarry_types::oids;

macro_rules! server {
    ($name:literal) => {
        Body::Scalar(ScalarImpl {
            row: |cx, args| cx.env.server_function($name, args),
            batch: None,
            total: false,
        })
    };
}

pub const FUNCTIONS: &[FunctionDef] = &[
    FunctionDef::new(15960, "pin_plan", &[oids::INT8, oids::TEXT], oids::TEXT, server!("pin_plan"))
        .volatile()
        .lax()
        .names(&["queryid", "hints"])
        .defaults(&["NULL::text"]),
    FunctionDef::new(15961, "unpin_plan", &[oids::INT8], oids::BOOL, server!("unpin_plan"))
        .volatile()
        .names(&["queryid"]),
    FunctionDef::new(
        15962,
        "memory",
        &[],
        oids::RECORD,
        Body::Set(SetImpl { start: |cx, args, _| buffered(cx, "quarry_memory", args), rows: 50.0 }),
    )
    .volatile()
    .outs(&[
        ("pid", oids::INT4),
        ("held_bytes", oids::INT8),
        ("peak_bytes", oids::INT8),
        ("limit_bytes", oids::INT8),
    ]),
];

/// What the extension makes besides its functions.
pub const SCRIPT: &[&str] = &[
    "CREATE TABLE quarry.pin (queryid bigint PRIMARY KEY, query text, hints text NOT NULL, \
     pinned_at timestamptz NOT NULL DEFAULT now())",
    "CREATE VIEW quarry.pinned_plans AS SELECT queryid, query, hints, pinned_at FROM quarry.pin",
    "GRANT USAGE ON SCHEMA quarry TO PUBLIC",
    "GRANT SELECT ON quarry.pinned_plans TO PUBLIC",
];
