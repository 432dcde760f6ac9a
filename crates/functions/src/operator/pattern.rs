//! Operators of pattern matching and prefixes.

use crate::{OperatorDef, op};

#[rustfmt::skip]
pub const OPERATORS: &[OperatorDef] = &[
    op!(639, "~", NAME, TEXT => BOOL, 79, 0, 640, "", "regexeqsel", "regexeqjoinsel"),
    op!(640, "!~", NAME, TEXT => BOOL, 1252, 0, 639, "", "regexnesel", "regexnejoinsel"),
    op!(641, "~", TEXT, TEXT => BOOL, 1254, 0, 642, "", "regexeqsel", "regexeqjoinsel"),
    op!(642, "!~", TEXT, TEXT => BOOL, 1256, 0, 641, "", "regexnesel", "regexnejoinsel"),
    op!(1055, "~", BPCHAR, TEXT => BOOL, 1658, 0, 1056, "", "regexeqsel", "regexeqjoinsel"),
    op!(1056, "!~", BPCHAR, TEXT => BOOL, 1659, 0, 1055, "", "regexnesel", "regexnejoinsel"),
    op!(1207, "~~", NAME, TEXT => BOOL, 858, 0, 1208, "", "likesel", "likejoinsel"),
    op!(1208, "!~~", NAME, TEXT => BOOL, 859, 0, 1207, "", "nlikesel", "nlikejoinsel"),
    op!(1209, "~~", TEXT, TEXT => BOOL, 850, 0, 1210, "", "likesel", "likejoinsel"),
    op!(1210, "!~~", TEXT, TEXT => BOOL, 851, 0, 1209, "", "nlikesel", "nlikejoinsel"),
    op!(1211, "~~", BPCHAR, TEXT => BOOL, 1631, 0, 1212, "", "likesel", "likejoinsel"),
    op!(1212, "!~~", BPCHAR, TEXT => BOOL, 1632, 0, 1211, "", "nlikesel", "nlikejoinsel"),
    op!(1226, "~*", NAME, TEXT => BOOL, 1240, 0, 1227, "", "icregexeqsel", "icregexeqjoinsel"),
    op!(1227, "!~*", NAME, TEXT => BOOL, 1241, 0, 1226, "", "icregexnesel", "icregexnejoinsel"),
    op!(1228, "~*", TEXT, TEXT => BOOL, 1238, 0, 1229, "", "icregexeqsel", "icregexeqjoinsel"),
    op!(1229, "!~*", TEXT, TEXT => BOOL, 1239, 0, 1228, "", "icregexnesel", "icregexnejoinsel"),
    op!(1234, "~*", BPCHAR, TEXT => BOOL, 1656, 0, 1235, "", "icregexeqsel", "icregexeqjoinsel"),
    op!(1235, "!~*", BPCHAR, TEXT => BOOL, 1657, 0, 1234, "", "icregexnesel", "icregexnejoinsel"),
    op!(1625, "~~*", NAME, TEXT => BOOL, 1635, 0, 1626, "", "iclikesel", "iclikejoinsel"),
    op!(1626, "!~~*", NAME, TEXT => BOOL, 1636, 0, 1625, "", "icnlikesel", "icnlikejoinsel"),
    op!(1627, "~~*", TEXT, TEXT => BOOL, 1633, 0, 1628, "", "iclikesel", "iclikejoinsel"),
    op!(1628, "!~~*", TEXT, TEXT => BOOL, 1634, 0, 1627, "", "icnlikesel", "icnlikejoinsel"),
    op!(1629, "~~*", BPCHAR, TEXT => BOOL, 1660, 0, 1630, "", "iclikesel", "iclikejoinsel"),
    op!(1630, "!~~*", BPCHAR, TEXT => BOOL, 1661, 0, 1629, "", "icnlikesel", "icnlikejoinsel"),
    op!(2016, "~~", BYTEA, BYTEA => BOOL, 2005, 0, 2017, "", "likesel", "likejoinsel"),
    op!(2017, "!~~", BYTEA, BYTEA => BOOL, 2006, 0, 2016, "", "nlikesel", "nlikejoinsel"),
    op!(3877, "^@", TEXT, TEXT => BOOL, 3696, 0, 0, "", "prefixsel", "prefixjoinsel"),
];
