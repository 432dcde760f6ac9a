//! Comparison of text and bytes: by bytes, which for UTF-8 is by code points, as PostgreSQL's C.UTF-8 has it.
//! `char(n)` compares without its trailing blanks.

use crate::kernel::{combined_validity, wide2};
use crate::{EvalContext, FunctionDef, ScalarImpl, func, kernel_arity, scalar};
use quarry_common::Result;
use quarry_types::{BytesColumn, Datum, Rows, SqlType, Vector, VectorData};

/// `char(n)` as it compares.
pub fn trimmed(v: &[u8]) -> &[u8] {
    let end = v.iter().rposition(|b| *b != b' ').map_or(0, |p| p + 1);
    &v[..end]
}

fn equal_row(args: &[Datum]) -> Result<bool> {
    let [a, b, ..] = args else { return Err(kernel_arity()) };
    Ok(a.as_bytes() == b.as_bytes())
}

/// Equality by length and first bytes, which decides most rows without touching the values.
fn equal_batch(args: &[&Vector], rows: Rows<'_>, equal: bool) -> Result<Vector> {
    let &[a, b] = args else { return Err(kernel_arity()) };
    let (column, key) = match (a.is_constant(), b.is_constant()) {
        (false, true) => (a, b),
        (true, false) => (b, a),
        _ => return wide2(args, rows, |x: &[u8], y: &[u8]| (x == y) == equal),
    };
    let n = rows.len();
    let (valid, none) = combined_validity([a, b].into_iter(), n);
    let mut out = vec![false; n];
    if let (VectorData::Bytes(values), false) = (column.data(), none) {
        let mut one = BytesColumn::default();
        one.push(key.bytes_at(0));
        let (head, key) = (one.view(0).head(), one.get(0));
        for i in rows.iter() {
            out[i] = (values.view(i).head() == head && values.get(i) == key) == equal;
        }
    }
    Ok(Vector::from_parts(VectorData::Bool(out), valid))
}

const EQUAL: ScalarImpl = ScalarImpl {
    row: |_: &mut EvalContext<'_>, args: &[Datum]| Ok(Datum::Bool(equal_row(args)?)),
    batch: Some(|_: &mut EvalContext<'_>, args: &[&Vector], rows: Rows<'_>, _: SqlType| {
        equal_batch(args, rows, true)
    }),
    total: true,
};
const DIFFERENT: ScalarImpl = ScalarImpl {
    row: |_: &mut EvalContext<'_>, args: &[Datum]| Ok(Datum::Bool(!equal_row(args)?)),
    batch: Some(|_: &mut EvalContext<'_>, args: &[&Vector], rows: Rows<'_>, _: SqlType| {
        equal_batch(args, rows, false)
    }),
    total: true,
};
const LESS: ScalarImpl = scalar!(|a: &[u8], b: &[u8]| -> bool { a < b });
const GREATER: ScalarImpl = scalar!(|a: &[u8], b: &[u8]| -> bool { a > b });
const LESS_EQUAL: ScalarImpl = scalar!(|a: &[u8], b: &[u8]| -> bool { a <= b });
const GREATER_EQUAL: ScalarImpl = scalar!(|a: &[u8], b: &[u8]| -> bool { a >= b });
const COMPARE: ScalarImpl = scalar!(|a: &[u8], b: &[u8]| -> i32 { a.cmp(b) as i32 });

pub const FUNCTIONS: &[FunctionDef] = &[
    func!(67, "texteq", [TEXT, TEXT] => BOOL, EQUAL),
    func!(62, "nameeq", [NAME, NAME] => BOOL, EQUAL),
    func!(240, "nameeqtext", [NAME, TEXT] => BOOL, EQUAL),
    func!(247, "texteqname", [TEXT, NAME] => BOOL, EQUAL),
    func!(1948, "byteaeq", [BYTEA, BYTEA] => BOOL, EQUAL),
    func!(61, "chareq", [CHAR, CHAR] => BOOL, EQUAL),
    func!(1048, "bpchareq", [BPCHAR, BPCHAR] => BOOL, scalar!(|a: &[u8], b: &[u8]| -> bool { trimmed(a) == trimmed(b) })),
    func!(157, "textne", [TEXT, TEXT] => BOOL, DIFFERENT),
    func!(659, "namene", [NAME, NAME] => BOOL, DIFFERENT),
    func!(245, "namenetext", [NAME, TEXT] => BOOL, DIFFERENT),
    func!(252, "textnename", [TEXT, NAME] => BOOL, DIFFERENT),
    func!(1953, "byteane", [BYTEA, BYTEA] => BOOL, DIFFERENT),
    func!(70, "charne", [CHAR, CHAR] => BOOL, DIFFERENT),
    func!(1053, "bpcharne", [BPCHAR, BPCHAR] => BOOL, scalar!(|a: &[u8], b: &[u8]| -> bool { trimmed(a) != trimmed(b) })),
    func!(740, "text_lt", [TEXT, TEXT] => BOOL, LESS),
    func!(655, "namelt", [NAME, NAME] => BOOL, LESS),
    func!(241, "namelttext", [NAME, TEXT] => BOOL, LESS),
    func!(248, "textltname", [TEXT, NAME] => BOOL, LESS),
    func!(1949, "bytealt", [BYTEA, BYTEA] => BOOL, LESS),
    func!(1246, "charlt", [CHAR, CHAR] => BOOL, LESS),
    func!(1049, "bpcharlt", [BPCHAR, BPCHAR] => BOOL, scalar!(|a: &[u8], b: &[u8]| -> bool { trimmed(a) < trimmed(b) })),
    func!(742, "text_gt", [TEXT, TEXT] => BOOL, GREATER),
    func!(657, "namegt", [NAME, NAME] => BOOL, GREATER),
    func!(244, "namegttext", [NAME, TEXT] => BOOL, GREATER),
    func!(251, "textgtname", [TEXT, NAME] => BOOL, GREATER),
    func!(1951, "byteagt", [BYTEA, BYTEA] => BOOL, GREATER),
    func!(73, "chargt", [CHAR, CHAR] => BOOL, GREATER),
    func!(1051, "bpchargt", [BPCHAR, BPCHAR] => BOOL, scalar!(|a: &[u8], b: &[u8]| -> bool { trimmed(a) > trimmed(b) })),
    func!(741, "text_le", [TEXT, TEXT] => BOOL, LESS_EQUAL),
    func!(656, "namele", [NAME, NAME] => BOOL, LESS_EQUAL),
    func!(242, "nameletext", [NAME, TEXT] => BOOL, LESS_EQUAL),
    func!(249, "textlename", [TEXT, NAME] => BOOL, LESS_EQUAL),
    func!(1950, "byteale", [BYTEA, BYTEA] => BOOL, LESS_EQUAL),
    func!(72, "charle", [CHAR, CHAR] => BOOL, LESS_EQUAL),
    func!(1050, "bpcharle", [BPCHAR, BPCHAR] => BOOL, scalar!(|a: &[u8], b: &[u8]| -> bool { trimmed(a) <= trimmed(b) })),
    func!(743, "text_ge", [TEXT, TEXT] => BOOL, GREATER_EQUAL),
    func!(658, "namege", [NAME, NAME] => BOOL, GREATER_EQUAL),
    func!(243, "namegetext", [NAME, TEXT] => BOOL, GREATER_EQUAL),
    func!(250, "textgename", [TEXT, NAME] => BOOL, GREATER_EQUAL),
    func!(1952, "byteage", [BYTEA, BYTEA] => BOOL, GREATER_EQUAL),
    func!(74, "charge", [CHAR, CHAR] => BOOL, GREATER_EQUAL),
    func!(1052, "bpcharge", [BPCHAR, BPCHAR] => BOOL, scalar!(|a: &[u8], b: &[u8]| -> bool { trimmed(a) >= trimmed(b) })),
    func!(2160, "text_pattern_lt", [TEXT, TEXT] => BOOL, LESS),
    func!(2174, "bpchar_pattern_lt", [BPCHAR, BPCHAR] => BOOL, scalar!(|a: &[u8], b: &[u8]| -> bool { trimmed(a) < trimmed(b) })),
    func!(2161, "text_pattern_le", [TEXT, TEXT] => BOOL, LESS_EQUAL),
    func!(2175, "bpchar_pattern_le", [BPCHAR, BPCHAR] => BOOL, scalar!(|a: &[u8], b: &[u8]| -> bool { trimmed(a) <= trimmed(b) })),
    func!(2164, "text_pattern_gt", [TEXT, TEXT] => BOOL, GREATER),
    func!(2178, "bpchar_pattern_gt", [BPCHAR, BPCHAR] => BOOL, scalar!(|a: &[u8], b: &[u8]| -> bool { trimmed(a) > trimmed(b) })),
    func!(2163, "text_pattern_ge", [TEXT, TEXT] => BOOL, GREATER_EQUAL),
    func!(2177, "bpchar_pattern_ge", [BPCHAR, BPCHAR] => BOOL, scalar!(|a: &[u8], b: &[u8]| -> bool { trimmed(a) >= trimmed(b) })),
    func!(360, "bttextcmp", [TEXT, TEXT] => INT4, COMPARE),
    func!(359, "btnamecmp", [NAME, NAME] => INT4, COMPARE),
    func!(246, "btnametextcmp", [NAME, TEXT] => INT4, COMPARE),
    func!(253, "bttextnamecmp", [TEXT, NAME] => INT4, COMPARE),
    func!(1954, "byteacmp", [BYTEA, BYTEA] => INT4, COMPARE),
    func!(358, "btcharcmp", [CHAR, CHAR] => INT4, COMPARE),
    func!(2166, "bttext_pattern_cmp", [TEXT, TEXT] => INT4, COMPARE),
    func!(1078, "bpcharcmp", [BPCHAR, BPCHAR] => INT4, scalar!(|a: &[u8], b: &[u8]| -> i32 { trimmed(a).cmp(trimmed(b)) as i32 })),
    func!(2180, "btbpchar_pattern_cmp", [BPCHAR, BPCHAR] => INT4, scalar!(|a: &[u8], b: &[u8]| -> i32 { trimmed(a).cmp(trimmed(b)) as i32 })),
    func!(458, "text_larger", [TEXT, TEXT] => TEXT, scalar!(|a: &'a [u8], b: &'a [u8]| -> &'a [u8] { a.max(b) })),
    func!(459, "text_smaller", [TEXT, TEXT] => TEXT, scalar!(|a: &'a [u8], b: &'a [u8]| -> &'a [u8] { a.min(b) })),
    func!(1063, "bpchar_larger", [BPCHAR, BPCHAR] => BPCHAR, scalar!(|a: &'a [u8], b: &'a [u8]| -> &'a [u8] { if trimmed(a) >= trimmed(b) { a } else { b } })),
    func!(1064, "bpchar_smaller", [BPCHAR, BPCHAR] => BPCHAR, scalar!(|a: &'a [u8], b: &'a [u8]| -> &'a [u8] { if trimmed(a) <= trimmed(b) { a } else { b } })),
];
