//! Operators of tsvector and tsquery.

use crate::{OperatorDef, op};

#[rustfmt::skip]
pub const OPERATORS: &[OperatorDef] = &[
    op!(3627, "<", TSVECTOR, TSVECTOR => BOOL, 3616, 3632, 3631, "", "scalarltsel", "scalarltjoinsel"),
    op!(3628, "<=", TSVECTOR, TSVECTOR => BOOL, 3617, 3631, 3632, "", "scalarlesel", "scalarlejoinsel"),
    op!(3629, "=", TSVECTOR, TSVECTOR => BOOL, 3618, 3629, 3630, "m", "eqsel", "eqjoinsel"),
    op!(3630, "<>", TSVECTOR, TSVECTOR => BOOL, 3619, 3630, 3629, "", "neqsel", "neqjoinsel"),
    op!(3631, ">=", TSVECTOR, TSVECTOR => BOOL, 3620, 3628, 3627, "", "scalargesel", "scalargejoinsel"),
    op!(3632, ">", TSVECTOR, TSVECTOR => BOOL, 3621, 3627, 3628, "", "scalargtsel", "scalargtjoinsel"),
    op!(3633, "||", TSVECTOR, TSVECTOR => TSVECTOR, 3625, 0, 0, "", "", ""),
    op!(3636, "@@", TSVECTOR, TSQUERY => BOOL, 3634, 3637, 0, "", "tsmatchsel", "tsmatchjoinsel"),
    op!(3637, "@@", TSQUERY, TSVECTOR => BOOL, 3635, 3636, 0, "", "tsmatchsel", "tsmatchjoinsel"),
    op!(3660, "@@@", TSVECTOR, TSQUERY => BOOL, 3634, 3661, 0, "", "tsmatchsel", "tsmatchjoinsel"),
    op!(3661, "@@@", TSQUERY, TSVECTOR => BOOL, 3635, 3660, 0, "", "tsmatchsel", "tsmatchjoinsel"),
    op!(3762, "@@", TEXT, TEXT => BOOL, 3760, 0, 0, "", "matchingsel", "matchingjoinsel"),
    op!(3763, "@@", TEXT, TSQUERY => BOOL, 3761, 0, 0, "", "matchingsel", "matchingjoinsel"),
    op!(3674, "<", TSQUERY, TSQUERY => BOOL, 3662, 3679, 3678, "", "scalarltsel", "scalarltjoinsel"),
    op!(3675, "<=", TSQUERY, TSQUERY => BOOL, 3663, 3678, 3679, "", "scalarlesel", "scalarlejoinsel"),
    op!(3676, "=", TSQUERY, TSQUERY => BOOL, 3664, 3676, 3677, "m", "eqsel", "eqjoinsel"),
    op!(3677, "<>", TSQUERY, TSQUERY => BOOL, 3665, 3677, 3676, "", "neqsel", "neqjoinsel"),
    op!(3678, ">=", TSQUERY, TSQUERY => BOOL, 3666, 3675, 3674, "", "scalargesel", "scalargejoinsel"),
    op!(3679, ">", TSQUERY, TSQUERY => BOOL, 3667, 3674, 3675, "", "scalargtsel", "scalargtjoinsel"),
    op!(3680, "&&", TSQUERY, TSQUERY => TSQUERY, 3669, 0, 0, "", "", ""),
    op!(3681, "||", TSQUERY, TSQUERY => TSQUERY, 3670, 0, 0, "", "", ""),
    op!(3682, "!!", NONE, TSQUERY => TSQUERY, 3671, 0, 0, "", "", ""),
    op!(3693, "@>", TSQUERY, TSQUERY => BOOL, 3691, 3694, 0, "", "matchingsel", "matchingjoinsel"),
    op!(3694, "<@", TSQUERY, TSQUERY => BOOL, 3692, 3693, 0, "", "matchingsel", "matchingjoinsel"),
    op!(5005, "<->", TSQUERY, TSQUERY => TSQUERY, 5003, 0, 0, "", "", ""),
];
