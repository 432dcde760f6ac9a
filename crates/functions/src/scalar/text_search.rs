//! Functions of tsvector, and those that make vectors and queries of texts.

use crate::text_search::headline::{Options, headline};
use crate::text_search::to_query::query;
use crate::text_search::to_vector::{JsonParts, of_json, of_jsonb, of_text};
use crate::text_search::{Config, rank};
use crate::{EvalContext, FunctionDef, func, row_only, scalar};
use quarry_common::{Oid, Result, bail};
use quarry_types::array::{ArrayBuilder, ArrayRef};
use quarry_types::json::{JsonbBuilder, escape_json, jsonb, lexer};
use quarry_types::text::char_byte;
use quarry_types::textsearch::execute::vector_matches;
use quarry_types::textsearch::parse::Style;
use quarry_types::textsearch::vector::compare;
use quarry_types::textsearch::{
    Lexeme, Op, POSITION_LIMIT, POSITIONS_MAX, Query, VectorBuilder, VectorRef, position_of, weight_of,
    with_weight,
};
use quarry_types::{Datum, PhysicalType, oids};
use std::sync::Arc;

/// The configuration named by a call's first argument.
fn config(cx: &EvalContext<'_>, oid: u32) -> Result<Arc<Config>> {
    cx.env.text_search_config(Oid(oid))
}
/// The one that `default_text_search_config` names.
pub(crate) fn current(cx: &EvalContext<'_>) -> Result<Arc<Config>> {
    cx.env.text_search_config(cx.env.current_text_search_config()?)
}

/// The weight that a letter names.
fn weight_number(letter: u8) -> Option<u16> {
    Some(match letter {
        b'A' | b'a' => 3,
        b'B' | b'b' => 2,
        b'C' | b'c' => 1,
        b'D' | b'd' => 0,
        _ => return None,
    })
}

fn strip(v: VectorRef<'_>) -> Result<Vec<u8>> {
    let mut out = VectorBuilder::new();
    for l in v.iter() {
        out.push(l.text, [].into_iter());
    }
    out.finish()
}

/// The weight of all lexemes, or of some.
fn set_weight(v: VectorRef<'_>, letter: u8, only: Option<&ArrayRef<'_>>) -> Result<Vec<u8>> {
    let Some(weight) = weight_number(letter) else {
        // PostgreSQL's two functions word it alike: the number of the character.
        return Err(quarry_common::Error::internal(format!("unrecognized weight: {}", letter as i8)));
    };
    let mut chosen = vec![only.is_none(); v.len()];
    if let Some(words) = only {
        for i in 0..words.len() {
            if words.is_null(i) {
                continue;
            }
            if let Ok(at) = v.find(words.bytes_at(i)) {
                chosen[at] = true;
            }
        }
    }
    let mut out = VectorBuilder::new();
    for (l, chosen) in v.iter().zip(chosen) {
        if chosen {
            out.push(l.text, l.positions().map(|p| with_weight(position_of(p), weight)));
        } else {
            out.push_lexeme(&l);
        }
    }
    out.finish()
}

fn delete(v: VectorRef<'_>, mut doomed: impl FnMut(&Lexeme<'_>) -> bool) -> Result<Vec<u8>> {
    let mut out = VectorBuilder::new();
    for l in v.iter() {
        if !doomed(&l) {
            out.push_lexeme(&l);
        }
    }
    out.finish()
}

fn delete_words(v: VectorRef<'_>, words: &ArrayRef<'_>) -> Result<Vec<u8>> {
    let doomed: hashbrown::HashSet<&[u8]> =
        (0..words.len()).filter(|i| !words.is_null(*i)).map(|i| words.bytes_at(i)).collect();
    delete(v, |l| doomed.contains(l.text))
}

fn filter(v: VectorRef<'_>, weights: &ArrayRef<'_>) -> Result<Vec<u8>> {
    let mut mask = 0u16;
    for i in 0..weights.len() {
        if weights.is_null(i) {
            bail!(NULL_VALUE_NOT_ALLOWED, "weight array may not contain nulls");
        }
        let letter = weights.bytes_at(i).first().copied().unwrap_or(0);
        match weight_number(letter) {
            Some(w) => mask |= 1 << w,
            None => bail!(INVALID_PARAMETER_VALUE, "unrecognized weight: \"{}\"", char::from(letter)),
        }
    }
    let mut out = VectorBuilder::new();
    for l in v.iter() {
        let kept: Vec<u16> = l.positions().filter(|p| mask & 1 << weight_of(*p) != 0).collect();
        if !kept.is_empty() {
            out.push(l.text, kept.into_iter());
        }
    }
    out.finish()
}

/// The second vector's positions follow the first's.
fn concat(a: VectorRef<'_>, b: VectorRef<'_>) -> Result<Vec<u8>> {
    let shift = a.last_position();
    // Appends what has room: not beyond the last position, nor more than can be stored.
    let append = |to: &mut Vec<u16>, l: &Lexeme<'_>| {
        for p in l.positions() {
            let last = to.last().map(|p| position_of(*p));
            if to.len() >= POSITIONS_MAX || last == Some(POSITION_LIMIT - 1) {
                break;
            }
            let moved = (position_of(p) + shift).min(POSITION_LIMIT - 1);
            to.push(with_weight(moved, weight_of(p)));
        }
    };
    let mut out = VectorBuilder::new();
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        let x = (i < a.len()).then(|| a.lexeme(i));
        let y = (j < b.len()).then(|| b.lexeme(j));
        let (text, from_a, from_b) = match (x, y) {
            (Some(x), Some(y)) if x.text == y.text => (x.text, Some(x), Some(y)),
            (Some(x), Some(y)) if x.text > y.text => (y.text, None, Some(y)),
            (Some(x), _) => (x.text, Some(x), None),
            (None, Some(y)) => (y.text, None, Some(y)),
            (None, None) => break,
        };
        i += usize::from(from_a.is_some());
        j += usize::from(from_b.is_some());
        let mut positions: Vec<u16> = from_a.map(|l| l.positions().collect()).unwrap_or_default();
        if let Some(l) = from_b {
            append(&mut positions, &l);
        }
        out.push(text, positions.into_iter());
    }
    out.finish()
}

fn from_array(words: &ArrayRef<'_>) -> Result<Vec<u8>> {
    let mut all: Vec<&[u8]> = Vec::with_capacity(words.len());
    for i in 0..words.len() {
        if words.is_null(i) {
            bail!(NULL_VALUE_NOT_ALLOWED, "lexeme array may not contain nulls");
        }
        if words.bytes_at(i).is_empty() {
            bail!(ZERO_LENGTH_CHARACTER_STRING, "lexeme array may not contain empty strings");
        }
        all.push(words.bytes_at(i));
    }
    all.sort_unstable();
    all.dedup();
    let mut out = VectorBuilder::new();
    for word in all {
        if word.len() >= quarry_types::textsearch::LEXEME_BYTES_MAX {
            let max = quarry_types::textsearch::LEXEME_BYTES_MAX - 1;
            bail!(PROGRAM_LIMIT_EXCEEDED, "word is too long ({} bytes, max {max} bytes)", word.len());
        }
        out.push(word, [].into_iter());
    }
    out.finish()
}

fn to_array(v: VectorRef<'_>) -> Result<Datum> {
    let mut out = ArrayBuilder::new(oids::TEXT, PhysicalType::Bytes);
    for l in v.iter() {
        out.push_bytes(l.text);
    }
    out.finish_1d()
}

/// A row of `unnest(tsvector)`.
pub(crate) fn unnested(l: &Lexeme<'_>) -> Result<Vec<Datum>> {
    let word = Datum::Bytes(bytes::Bytes::copy_from_slice(l.text));
    if !l.has_positions() {
        return Ok(vec![word, Datum::Null, Datum::Null]);
    }
    let mut positions = ArrayBuilder::new(oids::INT2, PhysicalType::I16);
    let mut weights = ArrayBuilder::new(oids::TEXT, PhysicalType::Bytes);
    for p in l.positions() {
        positions.push(&Datum::I16(position_of(p) as i16));
        weights.push_bytes(&[b'D' - weight_of(p) as u8]);
    }
    Ok(vec![word, positions.finish_1d()?, weights.finish_1d()?])
}

fn json_headline(text: &str, mut change: impl FnMut(&str) -> Result<String>) -> Result<String> {
    fn value(
        l: &mut lexer::Lexer<'_>,
        out: &mut Vec<u8>,
        change: &mut dyn FnMut(&str) -> Result<String>,
    ) -> Result<()> {
        match l.token() {
            lexer::Token::ObjectStart => {
                out.push(b'{');
                let mut first = true;
                l.object_fields(|l, key| {
                    if !std::mem::take(&mut first) {
                        out.push(b',');
                    }
                    escape_json(out, key);
                    out.push(b':');
                    value(l, out, change)
                })?;
                out.push(b'}');
                Ok(())
            }
            lexer::Token::ArrayStart => {
                out.push(b'[');
                let mut first = true;
                l.array_elements(|l| {
                    if !std::mem::take(&mut first) {
                        out.push(b',');
                    }
                    value(l, out, change)
                })?;
                out.push(b']');
                Ok(())
            }
            lexer::Token::String => {
                escape_json(out, &change(l.string())?);
                l.advance()
            }
            _ => {
                out.extend_from_slice(l.token_text().as_bytes());
                l.advance()
            }
        }
    }
    let mut out = Vec::with_capacity(text.len());
    let mut l = lexer::Lexer::new(text, true);
    l.advance()?;
    value(&mut l, &mut out, &mut change)?;
    Ok(String::from_utf8(out).expect("made of texts"))
}

fn jsonb_headline(stored: &[u8], mut change: impl FnMut(&str) -> Result<String>) -> Result<Vec<u8>> {
    fn add(
        v: jsonb::Value<'_>,
        out: &mut JsonbBuilder,
        change: &mut dyn FnMut(&str) -> Result<String>,
    ) -> Result<()> {
        match v {
            jsonb::Value::String(s) => out.string(&change(s)?),
            jsonb::Value::Array(c) => {
                out.begin_array()?;
                c.elements().try_for_each(|e| add(e, out, change))?;
                out.end()
            }
            jsonb::Value::Object(c) => {
                out.begin_object()?;
                for (k, e) in c.pairs() {
                    out.key(k)?;
                    add(e, out, change)?;
                }
                out.end()
            }
            other => out.push(other),
        }
    }
    let mut out = JsonbBuilder::new();
    add(jsonb::Value::root(stored), &mut out, &mut change)?;
    out.finish()
}

/// The arguments of `ts_headline`, wherever they are: configuration, query, options.
fn headline_of(cx: &EvalContext<'_>, args: &[Datum], named: bool) -> Result<(Arc<Config>, usize, Options)> {
    let first = usize::from(named);
    let config = if named { config(cx, args[0].as_u32())? } else { current(cx)? };
    let options = args.get(first + 2).map_or("", |o| o.as_str());
    Ok((config, first, Options::parse(options)?))
}

fn ts_headline(cx: &mut EvalContext<'_>, args: &[Datum], named: bool) -> Result<Datum> {
    let (config, first, options) = headline_of(cx, args, named)?;
    let q = Query::of(&args[first + 1]);
    headline(&config, cx.env, args[first].as_str(), &q, &options).map(|t| Datum::Bytes(t.into()))
}
fn ts_headline_json(cx: &mut EvalContext<'_>, args: &[Datum], named: bool) -> Result<Datum> {
    let (config, first, options) = headline_of(cx, args, named)?;
    let q = Query::of(&args[first + 1]);
    json_headline(args[first].as_str(), |t| headline(&config, cx.env, t, &q, &options))
        .map(|t| Datum::Bytes(t.into()))
}
fn ts_headline_jsonb(cx: &mut EvalContext<'_>, args: &[Datum], named: bool) -> Result<Datum> {
    let (config, first, options) = headline_of(cx, args, named)?;
    let q = Query::of(&args[first + 1]);
    jsonb_headline(args[first].as_bytes(), |t| headline(&config, cx.env, t, &q, &options))
        .map(|b| Datum::Bytes(b.into()))
}

/// `ts_rank` and `ts_rank_cd`: weights first if there are some, the method last if there is one.
fn ts_rank(args: &[Datum], weighted: bool, cover: bool) -> Result<Datum> {
    let first = usize::from(weighted);
    let weights = if weighted { rank::weights_of(&ArrayRef::of(&args[0]))? } else { rank::DEFAULT_WEIGHTS };
    let (v, q) = (VectorRef::of(&args[first]), Query::of(&args[first + 1]));
    let method = args.get(first + 2).map_or(0, Datum::as_i32);
    Ok(Datum::F32(if cover {
        rank::rank_cover(&weights, &v, &q, method)?
    } else {
        rank::rank(&weights, &v, &q, method)
    }))
}

fn matches(v: &[u8], q: &[u8]) -> Result<bool> {
    vector_matches(VectorRef::new(v), &Query::new(q))
}

fn lexize(cx: &mut EvalContext<'_>, args: &[Datum]) -> Result<Datum> {
    let dictionary = cx.env.text_search_dictionary(Oid(args[0].as_u32()))?;
    match dictionary.lexize(args[1].as_str()) {
        None => Ok(Datum::Null),
        Some(answers) => {
            let mut out = ArrayBuilder::new(oids::TEXT, PhysicalType::Bytes);
            for a in answers {
                out.push_bytes(a.text.as_bytes());
            }
            out.finish_1d()
        }
    }
}

/// A query of a text, by the configuration that is named or the current one.
macro_rules! to_query {
    ($style:ident, $join:ident) => {
        scalar!(cx, |t: &str| -> Result<Vec<u8>> {
            query(&*current(cx)?, cx.env, t, Style::$style, Op::$join)
        })
    };
    (named $style:ident, $join:ident) => {
        scalar!(cx, |c: u32, t: &str| -> Result<Vec<u8>> {
            query(&*config(cx, c)?, cx.env, t, Style::$style, Op::$join)
        })
    };
}
macro_rules! compared {
    ($is:ident) => {
        scalar!(|a: &[u8], b: &[u8]| -> bool { compare(a, b).$is() })
    };
}

#[rustfmt::skip]
pub const FUNCTIONS: &[FunctionDef] = &[
    func!(3616, "tsvector_lt", [TSVECTOR, TSVECTOR] => BOOL, compared!(is_lt)),
    func!(3617, "tsvector_le", [TSVECTOR, TSVECTOR] => BOOL, compared!(is_le)),
    func!(3618, "tsvector_eq", [TSVECTOR, TSVECTOR] => BOOL, compared!(is_eq)),
    func!(3619, "tsvector_ne", [TSVECTOR, TSVECTOR] => BOOL, compared!(is_ne)),
    func!(3620, "tsvector_ge", [TSVECTOR, TSVECTOR] => BOOL, compared!(is_ge)),
    func!(3621, "tsvector_gt", [TSVECTOR, TSVECTOR] => BOOL, compared!(is_gt)),
    func!(3622, "tsvector_cmp", [TSVECTOR, TSVECTOR] => INT4, scalar!(|a: &[u8], b: &[u8]| -> i32 { compare(a, b) as i32 })),
    func!(3623, "strip", [TSVECTOR] => TSVECTOR, scalar!(|v: &[u8]| -> Result<Vec<u8>> { strip(VectorRef::new(v)) })),
    func!(3624, "setweight", [TSVECTOR, CHAR] => TSVECTOR, row_only!(|_, a| Ok(Datum::Bytes(set_weight(VectorRef::of(&a[0]), char_byte(&a[1]), None)?.into())))),
    func!(3320, "setweight", [TSVECTOR, CHAR, TEXT_ARRAY] => TSVECTOR, row_only!(|_, a| Ok(Datum::Bytes(set_weight(VectorRef::of(&a[0]), char_byte(&a[1]), Some(&ArrayRef::of(&a[2])))?.into())))),
    func!(3625, "tsvector_concat", [TSVECTOR, TSVECTOR] => TSVECTOR, scalar!(|a: &[u8], b: &[u8]| -> Result<Vec<u8>> { concat(VectorRef::new(a), VectorRef::new(b)) })),
    func!(3711, "length", [TSVECTOR] => INT4, scalar!(|v: &[u8]| -> i32 { VectorRef::new(v).len() as i32 })),
    func!(3319, "ts_filter", [TSVECTOR, CHAR_ARRAY] => TSVECTOR, scalar!(|v: &[u8], w: ArrayRef<'_>| -> Result<Vec<u8>> { filter(VectorRef::new(v), &w) })),
    func!(3321, "ts_delete", [TSVECTOR, TEXT] => TSVECTOR, scalar!(|v: &[u8], w: &[u8]| -> Result<Vec<u8>> { delete(VectorRef::new(v), |l| l.text == w) })),
    func!(3323, "ts_delete", [TSVECTOR, TEXT_ARRAY] => TSVECTOR, scalar!(|v: &[u8], w: ArrayRef<'_>| -> Result<Vec<u8>> { delete_words(VectorRef::new(v), &w) })),
    func!(3326, "tsvector_to_array", [TSVECTOR] => TEXT_ARRAY, row_only!(|_, a| to_array(VectorRef::of(&a[0])))),
    func!(3327, "array_to_tsvector", [TEXT_ARRAY] => TSVECTOR, scalar!(|w: ArrayRef<'_>| -> Result<Vec<u8>> { from_array(&w) })),
    func!(3634, "ts_match_vq", [TSVECTOR, TSQUERY] => BOOL, scalar!(|v: &[u8], q: &[u8]| -> Result<bool> { matches(v, q) })),
    func!(3635, "ts_match_qv", [TSQUERY, TSVECTOR] => BOOL, scalar!(|q: &[u8], v: &[u8]| -> Result<bool> { matches(v, q) })),
    func!(3760, "ts_match_tt", [TEXT, TEXT] => BOOL, scalar!(cx, |t: &str, q: &str| -> Result<bool> {
        let c = current(cx)?;
        matches(&of_text(&c, cx.env, t)?, &query(&c, cx.env, q, Style::Plain, Op::And)?)
    })).stable(),
    func!(3761, "ts_match_tq", [TEXT, TSQUERY] => BOOL, scalar!(cx, |t: &str, q: &[u8]| -> Result<bool> { matches(&of_text(&*current(cx)?, cx.env, t)?, q) })).stable(),
    func!(3723, "ts_lexize", [REGDICTIONARY, TEXT] => TEXT_ARRAY, row_only!(lexize)),
    func!(3759, "get_current_ts_config", [] => REGCONFIG, row_only!(|cx, _| Ok(Datum::U32(cx.env.current_text_search_config()?.0)))).stable(),
    func!(3745, "to_tsvector", [REGCONFIG, TEXT] => TSVECTOR, scalar!(cx, |c: u32, t: &str| -> Result<Vec<u8>> { of_text(&*config(cx, c)?, cx.env, t) })),
    func!(3749, "to_tsvector", [TEXT] => TSVECTOR, scalar!(cx, |t: &str| -> Result<Vec<u8>> { of_text(&*current(cx)?, cx.env, t) })).stable(),
    func!(4209, "to_tsvector", [JSONB] => TSVECTOR, scalar!(cx, |j: &[u8]| -> Result<Vec<u8>> { of_jsonb(&*current(cx)?, cx.env, j, JsonParts::STRINGS) })).stable(),
    func!(4210, "to_tsvector", [JSON] => TSVECTOR, scalar!(cx, |j: &str| -> Result<Vec<u8>> { of_json(&*current(cx)?, cx.env, j, JsonParts::STRINGS) })).stable(),
    func!(4211, "to_tsvector", [REGCONFIG, JSONB] => TSVECTOR, scalar!(cx, |c: u32, j: &[u8]| -> Result<Vec<u8>> { of_jsonb(&*config(cx, c)?, cx.env, j, JsonParts::STRINGS) })),
    func!(4212, "to_tsvector", [REGCONFIG, JSON] => TSVECTOR, scalar!(cx, |c: u32, j: &str| -> Result<Vec<u8>> { of_json(&*config(cx, c)?, cx.env, j, JsonParts::STRINGS) })),
    func!(4213, "jsonb_to_tsvector", [JSONB, JSONB] => TSVECTOR, scalar!(cx, |j: &[u8], f: &[u8]| -> Result<Vec<u8>> {
        let parts = JsonParts::parse(f)?;
        of_jsonb(&*current(cx)?, cx.env, j, parts)
    })).stable(),
    func!(4214, "jsonb_to_tsvector", [REGCONFIG, JSONB, JSONB] => TSVECTOR, scalar!(cx, |c: u32, j: &[u8], f: &[u8]| -> Result<Vec<u8>> {
        let parts = JsonParts::parse(f)?;
        of_jsonb(&*config(cx, c)?, cx.env, j, parts)
    })),
    func!(4215, "json_to_tsvector", [JSON, JSONB] => TSVECTOR, scalar!(cx, |j: &str, f: &[u8]| -> Result<Vec<u8>> {
        let parts = JsonParts::parse(f)?;
        of_json(&*current(cx)?, cx.env, j, parts)
    })).stable(),
    func!(4216, "json_to_tsvector", [REGCONFIG, JSON, JSONB] => TSVECTOR, scalar!(cx, |c: u32, j: &str, f: &[u8]| -> Result<Vec<u8>> {
        let parts = JsonParts::parse(f)?;
        of_json(&*config(cx, c)?, cx.env, j, parts)
    })),
    func!(3746, "to_tsquery", [REGCONFIG, TEXT] => TSQUERY, to_query!(named Standard, Phrase)),
    func!(3750, "to_tsquery", [TEXT] => TSQUERY, to_query!(Standard, Phrase)).stable(),
    func!(3747, "plainto_tsquery", [REGCONFIG, TEXT] => TSQUERY, to_query!(named Plain, And)),
    func!(3751, "plainto_tsquery", [TEXT] => TSQUERY, to_query!(Plain, And)).stable(),
    func!(5006, "phraseto_tsquery", [REGCONFIG, TEXT] => TSQUERY, to_query!(named Plain, Phrase)),
    func!(5001, "phraseto_tsquery", [TEXT] => TSQUERY, to_query!(Plain, Phrase)).stable(),
    func!(5007, "websearch_to_tsquery", [REGCONFIG, TEXT] => TSQUERY, to_query!(named Web, Phrase)),
    func!(5009, "websearch_to_tsquery", [TEXT] => TSQUERY, to_query!(Web, Phrase)).stable(),
    func!(3703, "ts_rank", [FLOAT4_ARRAY, TSVECTOR, TSQUERY, INT4] => FLOAT4, row_only!(|_, a| ts_rank(a, true, false))),
    func!(3704, "ts_rank", [FLOAT4_ARRAY, TSVECTOR, TSQUERY] => FLOAT4, row_only!(|_, a| ts_rank(a, true, false))),
    func!(3705, "ts_rank", [TSVECTOR, TSQUERY, INT4] => FLOAT4, row_only!(|_, a| ts_rank(a, false, false))),
    func!(3706, "ts_rank", [TSVECTOR, TSQUERY] => FLOAT4, row_only!(|_, a| ts_rank(a, false, false))),
    func!(3707, "ts_rank_cd", [FLOAT4_ARRAY, TSVECTOR, TSQUERY, INT4] => FLOAT4, row_only!(|_, a| ts_rank(a, true, true))),
    func!(3708, "ts_rank_cd", [FLOAT4_ARRAY, TSVECTOR, TSQUERY] => FLOAT4, row_only!(|_, a| ts_rank(a, true, true))),
    func!(3709, "ts_rank_cd", [TSVECTOR, TSQUERY, INT4] => FLOAT4, row_only!(|_, a| ts_rank(a, false, true))),
    func!(3710, "ts_rank_cd", [TSVECTOR, TSQUERY] => FLOAT4, row_only!(|_, a| ts_rank(a, false, true))),
    func!(3743, "ts_headline", [REGCONFIG, TEXT, TSQUERY, TEXT] => TEXT, row_only!(|cx, a| ts_headline(cx, a, true))),
    func!(3744, "ts_headline", [REGCONFIG, TEXT, TSQUERY] => TEXT, row_only!(|cx, a| ts_headline(cx, a, true))),
    func!(3754, "ts_headline", [TEXT, TSQUERY, TEXT] => TEXT, row_only!(|cx, a| ts_headline(cx, a, false))).stable(),
    func!(3755, "ts_headline", [TEXT, TSQUERY] => TEXT, row_only!(|cx, a| ts_headline(cx, a, false))).stable(),
    func!(4201, "ts_headline", [REGCONFIG, JSONB, TSQUERY, TEXT] => JSONB, row_only!(|cx, a| ts_headline_jsonb(cx, a, true))),
    func!(4202, "ts_headline", [REGCONFIG, JSONB, TSQUERY] => JSONB, row_only!(|cx, a| ts_headline_jsonb(cx, a, true))),
    func!(4203, "ts_headline", [JSONB, TSQUERY, TEXT] => JSONB, row_only!(|cx, a| ts_headline_jsonb(cx, a, false))).stable(),
    func!(4204, "ts_headline", [JSONB, TSQUERY] => JSONB, row_only!(|cx, a| ts_headline_jsonb(cx, a, false))).stable(),
    func!(4205, "ts_headline", [REGCONFIG, JSON, TSQUERY, TEXT] => JSON, row_only!(|cx, a| ts_headline_json(cx, a, true))),
    func!(4206, "ts_headline", [REGCONFIG, JSON, TSQUERY] => JSON, row_only!(|cx, a| ts_headline_json(cx, a, true))),
    func!(4207, "ts_headline", [JSON, TSQUERY, TEXT] => JSON, row_only!(|cx, a| ts_headline_json(cx, a, false))).stable(),
    func!(4208, "ts_headline", [JSON, TSQUERY] => JSON, row_only!(|cx, a| ts_headline_json(cx, a, false))).stable(),
];
