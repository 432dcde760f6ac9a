//! Functions, operators and operator classes of the extension pg_trgm. They are there only where `CREATE EXTENSION pg_trgm` has made their
//! rows; their OIDs, from the range that PostgreSQL leaves to initdb, are the same in every database.

use crate::registry::ExtensionClass;
use crate::trigram::words::{Extent, word_similarity};
use crate::trigram::{shown, similarity};
use crate::{EvalContext, FunctionDef, OperatorDef, func, op, row_only, scalar};
use quarry_common::{Oid, Result};
use quarry_types::array::ArrayBuilder;
use quarry_types::{Datum, PhysicalType, oids};

pub(crate) const SIMILARITY: &str = "pg_trgm.similarity_threshold";
pub(crate) const WORD_SIMILARITY: &str = "pg_trgm.word_similarity_threshold";
pub(crate) const STRICT_WORD_SIMILARITY: &str = "pg_trgm.strict_word_similarity_threshold";

/// The least similarity that an operator calls similar.
pub(crate) fn threshold(cx: &EvalContext<'_>, setting: &str) -> f64 {
    let default = match setting {
        SIMILARITY => 0.3,
        WORD_SIMILARITY => 0.6,
        _ => 0.5,
    };
    cx.env.setting(setting).and_then(|s| s.parse().ok()).unwrap_or(default)
}

fn similar(cx: &EvalContext<'_>, a: &str, b: &str) -> bool {
    f64::from(similarity(a, b)) >= threshold(cx, SIMILARITY)
}

/// Whether a part of `text` is similar enough to `wanted`.
fn word_similar(cx: &EvalContext<'_>, wanted: &str, text: &str, extent: Extent) -> bool {
    let setting = if extent == Extent::Any { WORD_SIMILARITY } else { STRICT_WORD_SIMILARITY };
    let enough = threshold(cx, setting);
    f64::from(word_similarity(wanted, text, extent, Some(enough))) >= enough
}

fn words(wanted: &str, text: &str) -> f32 {
    word_similarity(wanted, text, Extent::Any, None)
}

fn strict_words(wanted: &str, text: &str) -> f32 {
    word_similarity(wanted, text, Extent::Words, None)
}

/// How different, of how similar.
fn distance(similarity: f32) -> f32 {
    (1.0 - f64::from(similarity)) as f32
}

fn show_trgm(_: &mut EvalContext<'_>, args: &[Datum]) -> Result<Datum> {
    let mut out = ArrayBuilder::new(oids::TEXT, PhysicalType::Bytes);
    shown(args[0].as_str()).iter().for_each(|t| out.push_bytes(t.as_bytes()));
    out.finish_1d()
}

fn set_limit(cx: &mut EvalContext<'_>, limit: f32) -> Result<f32> {
    let mut text = Vec::new();
    let info = quarry_types::type_info(oids::FLOAT4).expect("float4 is built in");
    info.output(&Datum::F32(limit), cx.io, &mut text)?;
    cx.env.set_setting(SIMILARITY, Some(&String::from_utf8_lossy(&text)), false)?;
    Ok(threshold(cx, SIMILARITY) as f32)
}

#[rustfmt::skip]
pub const FUNCTIONS: &[FunctionDef] = &[
    func!(15910, "set_limit", [FLOAT4] => FLOAT4, scalar!(cx, |limit: f32| -> Result<f32> { set_limit(cx, limit) })).volatile(),
    func!(15911, "show_limit", [] => FLOAT4, scalar!(cx, || -> f32 { threshold(cx, SIMILARITY) as f32 })).stable(),
    func!(15912, "show_trgm", [TEXT] => TEXT_ARRAY, row_only!(show_trgm)),
    func!(15913, "similarity", [TEXT, TEXT] => FLOAT4, scalar!(|a: &str, b: &str| -> f32 { similarity(a, b) })),
    func!(15914, "similarity_op", [TEXT, TEXT] => BOOL, scalar!(cx, |a: &str, b: &str| -> bool { similar(cx, a, b) })).stable(),
    func!(15915, "word_similarity", [TEXT, TEXT] => FLOAT4, scalar!(|a: &str, b: &str| -> f32 { words(a, b) })),
    func!(15916, "word_similarity_op", [TEXT, TEXT] => BOOL, scalar!(cx, |a: &str, b: &str| -> bool { word_similar(cx, a, b, Extent::Any) })).stable(),
    func!(15917, "word_similarity_commutator_op", [TEXT, TEXT] => BOOL, scalar!(cx, |a: &str, b: &str| -> bool { word_similar(cx, b, a, Extent::Any) })).stable(),
    func!(15918, "similarity_dist", [TEXT, TEXT] => FLOAT4, scalar!(|a: &str, b: &str| -> f32 { distance(similarity(a, b)) })),
    func!(15919, "word_similarity_dist_op", [TEXT, TEXT] => FLOAT4, scalar!(|a: &str, b: &str| -> f32 { distance(words(a, b)) })),
    func!(15920, "word_similarity_dist_commutator_op", [TEXT, TEXT] => FLOAT4, scalar!(|a: &str, b: &str| -> f32 { distance(words(b, a)) })),
    func!(15921, "strict_word_similarity", [TEXT, TEXT] => FLOAT4, scalar!(|a: &str, b: &str| -> f32 { strict_words(a, b) })),
    func!(15922, "strict_word_similarity_op", [TEXT, TEXT] => BOOL, scalar!(cx, |a: &str, b: &str| -> bool { word_similar(cx, a, b, Extent::Words) })).stable(),
    func!(15923, "strict_word_similarity_commutator_op", [TEXT, TEXT] => BOOL, scalar!(cx, |a: &str, b: &str| -> bool { word_similar(cx, b, a, Extent::Words) })).stable(),
    func!(15924, "strict_word_similarity_dist_op", [TEXT, TEXT] => FLOAT4, scalar!(|a: &str, b: &str| -> f32 { distance(strict_words(a, b)) })),
    func!(15925, "strict_word_similarity_dist_commutator_op", [TEXT, TEXT] => FLOAT4, scalar!(|a: &str, b: &str| -> f32 { distance(strict_words(b, a)) })),
];

#[rustfmt::skip]
pub const OPERATORS: &[OperatorDef] = &[
    op!(15930, "%", TEXT, TEXT => BOOL, 15914, 15930, 0, "", "matchingsel", "matchingjoinsel"),
    op!(15931, "<%", TEXT, TEXT => BOOL, 15916, 15932, 0, "", "matchingsel", "matchingjoinsel"),
    op!(15932, "%>", TEXT, TEXT => BOOL, 15917, 15931, 0, "", "matchingsel", "matchingjoinsel"),
    op!(15933, "<<%", TEXT, TEXT => BOOL, 15922, 15934, 0, "", "matchingsel", "matchingjoinsel"),
    op!(15934, "%>>", TEXT, TEXT => BOOL, 15923, 15933, 0, "", "matchingsel", "matchingjoinsel"),
    op!(15935, "<->", TEXT, TEXT => FLOAT4, 15918, 15935, 0, "", "", ""),
    op!(15936, "<<->", TEXT, TEXT => FLOAT4, 15919, 15937, 0, "", "", ""),
    op!(15937, "<->>", TEXT, TEXT => FLOAT4, 15920, 15936, 0, "", "", ""),
    op!(15938, "<<<->", TEXT, TEXT => FLOAT4, 15924, 15939, 0, "", "", ""),
    op!(15939, "<->>>", TEXT, TEXT => FLOAT4, 15925, 15938, 0, "", "", ""),
];

/// By GIN. (By GiST, which isn't there, they would be `gist_trgm_ops`.)
pub const CLASSES: &[ExtensionClass] = &[ExtensionClass {
    oid: Oid(15941),
    family: Oid(15940),
    name: "gin_trgm_ops",
    method: Oid(2742),
    input: oids::TEXT,
    key_type: oids::INT4,
    // Similarity, LIKE, ILIKE, the regular expressions, word similarities, equality.
    operators: &[
        (1, Oid(15930)),
        (3, Oid(1209)),
        (4, Oid(1627)),
        (5, Oid(641)),
        (6, Oid(1228)),
        (7, Oid(15932)),
        (9, Oid(15934)),
        (11, Oid(98)),
    ],
}];
