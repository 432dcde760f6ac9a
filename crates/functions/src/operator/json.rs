//! Operators of json and jsonb other than comparisons.

use crate::{OperatorDef, op};

#[rustfmt::skip]
pub const OPERATORS: &[OperatorDef] = &[
    op!(3206, "#>>", JSONB, TEXT_ARRAY => TEXT, 3940, 0, 0, "", "", ""),
    op!(3211, "->", JSONB, TEXT => JSONB, 3478, 0, 0, "", "", ""),
    op!(3212, "->", JSONB, INT4 => JSONB, 3215, 0, 0, "", "", ""),
    op!(3213, "#>", JSONB, TEXT_ARRAY => JSONB, 3217, 0, 0, "", "", ""),
    op!(3246, "@>", JSONB, JSONB => BOOL, 4046, 3250, 0, "", "matchingsel", "matchingjoinsel"),
    op!(3247, "?", JSONB, TEXT => BOOL, 4047, 0, 0, "", "matchingsel", "matchingjoinsel"),
    op!(3248, "?|", JSONB, TEXT_ARRAY => BOOL, 4048, 0, 0, "", "matchingsel", "matchingjoinsel"),
    op!(3249, "?&", JSONB, TEXT_ARRAY => BOOL, 4049, 0, 0, "", "matchingsel", "matchingjoinsel"),
    op!(3250, "<@", JSONB, JSONB => BOOL, 4050, 3246, 0, "", "matchingsel", "matchingjoinsel"),
    op!(3284, "||", JSONB, JSONB => JSONB, 3301, 0, 0, "", "", ""),
    op!(3285, "-", JSONB, TEXT => JSONB, 3302, 0, 0, "", "", ""),
    op!(3286, "-", JSONB, INT4 => JSONB, 3303, 0, 0, "", "", ""),
    op!(3287, "#-", JSONB, TEXT_ARRAY => JSONB, 3304, 0, 0, "", "", ""),
    op!(3398, "-", JSONB, TEXT_ARRAY => JSONB, 3343, 0, 0, "", "", ""),
    op!(3477, "->>", JSONB, TEXT => TEXT, 3214, 0, 0, "", "", ""),
    op!(3481, "->>", JSONB, INT4 => TEXT, 3216, 0, 0, "", "", ""),
    op!(3962, "->", JSON, TEXT => JSON, 3947, 0, 0, "", "", ""),
    op!(3963, "->>", JSON, TEXT => TEXT, 3948, 0, 0, "", "", ""),
    op!(3964, "->", JSON, INT4 => JSON, 3949, 0, 0, "", "", ""),
    op!(3965, "->>", JSON, INT4 => TEXT, 3950, 0, 0, "", "", ""),
    op!(3966, "#>", JSON, TEXT_ARRAY => JSON, 3951, 0, 0, "", "", ""),
    op!(3967, "#>>", JSON, TEXT_ARRAY => TEXT, 3953, 0, 0, "", "", ""),
    op!(4012, "@?", JSONB, JSONPATH => BOOL, 4010, 0, 0, "", "matchingsel", "matchingjoinsel"),
    op!(4013, "@@", JSONB, JSONPATH => BOOL, 4011, 0, 0, "", "matchingsel", "matchingjoinsel"),
];
