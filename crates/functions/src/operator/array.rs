//! Operators of arrays other than comparisons.

use crate::{OperatorDef, op};

#[rustfmt::skip]
pub const OPERATORS: &[OperatorDef] = &[
    op!(349, "||", ANYCOMPATIBLEARRAY, ANYCOMPATIBLE => ANYCOMPATIBLEARRAY, 378, 0, 0, "", "", ""),
    op!(374, "||", ANYCOMPATIBLE, ANYCOMPATIBLEARRAY => ANYCOMPATIBLEARRAY, 379, 0, 0, "", "", ""),
    op!(375, "||", ANYCOMPATIBLEARRAY, ANYCOMPATIBLEARRAY => ANYCOMPATIBLEARRAY, 383, 0, 0, "", "", ""),
    op!(2750, "&&", ANYARRAY, ANYARRAY => BOOL, 2747, 2750, 0, "", "arraycontsel", "arraycontjoinsel"),
    op!(2751, "@>", ANYARRAY, ANYARRAY => BOOL, 2748, 2752, 0, "", "arraycontsel", "arraycontjoinsel"),
    op!(2752, "<@", ANYARRAY, ANYARRAY => BOOL, 2749, 2751, 0, "", "arraycontsel", "arraycontjoinsel"),
];
