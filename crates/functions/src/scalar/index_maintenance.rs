//! Functions that look after indexes. The session does the work.

use crate::{Body, FunctionDef, ScalarImpl};
use quarry_types::oids;

macro_rules! by_session {
    ($name:literal) => {
        Body::Scalar(ScalarImpl {
            row: |cx, args| cx.env.server_function($name, args),
            batch: None,
            total: false,
        })
    };
}

pub const FUNCTIONS: &[FunctionDef] = &[
    FunctionDef::new(
        3789,
        "gin_clean_pending_list",
        &[oids::REGCLASS],
        oids::INT8,
        by_session!("gin_clean_pending_list"),
    )
    .volatile(),
    FunctionDef::new(
        3952,
        "brin_summarize_new_values",
        &[oids::REGCLASS],
        oids::INT4,
        by_session!("brin_summarize_new_values"),
    )
    .volatile(),
    FunctionDef::new(
        3999,
        "brin_summarize_range",
        &[oids::REGCLASS, oids::INT8],
        oids::INT4,
        by_session!("brin_summarize_range"),
    )
    .volatile(),
    FunctionDef::new(
        4014,
        "brin_desummarize_range",
        &[oids::REGCLASS, oids::INT8],
        oids::VOID,
        by_session!("brin_desummarize_range"),
    )
    .volatile(),
];
