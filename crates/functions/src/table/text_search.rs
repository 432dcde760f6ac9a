//! Rows about texts: tokens, types of tokens, lexemes of a vector, statistics of lexemes, what dictionaries say.

use super::collected::{rows, text};
use crate::scalar::text_search::{current, unnested};
use crate::text_search::parser::{Parser, token};
use crate::text_search::statistics::Statistics;
use crate::text_search::{Config, DEFAULT_PARSER};
use crate::{Body, EvalContext, FunctionDef, RowSource, SetImpl};
use quarry_common::{Error, Oid, Result, bail};
use quarry_types::array::ArrayBuilder;
use quarry_types::textsearch::VectorRef;
use quarry_types::{Datum, PhysicalType, SqlType, oids};

type Source = Result<Box<dyn RowSource>>;

fn check_parser(oid: u32) -> Result<()> {
    if Oid(oid) == DEFAULT_PARSER {
        return Ok(());
    }
    Err(Error::internal(format!("cache lookup failed for text search parser {oid}")))
}
fn check_parser_named(name: &str) -> Result<()> {
    if matches!(name, "default" | "pg_catalog.default" | "\"default\"" | "pg_catalog.\"default\"") {
        return Ok(());
    }
    bail!(UNDEFINED_OBJECT, "text search parser \"{name}\" does not exist")
}

fn parse(source: &str) -> Source {
    rows(Parser::new(source).map(|t| vec![Datum::I32(t.kind.into()), text(t.text)]).collect())
}
fn parse_by_oid(_: &mut EvalContext<'_>, args: &[Datum], _: &[SqlType]) -> Source {
    check_parser(args[0].as_u32())?;
    parse(args[1].as_str())
}
fn parse_by_name(_: &mut EvalContext<'_>, args: &[Datum], _: &[SqlType]) -> Source {
    check_parser_named(args[0].as_str())?;
    parse(args[1].as_str())
}

fn token_types() -> Source {
    let row = |(i, (name, description)): (usize, &(&str, &str))| {
        vec![Datum::I32(i as i32 + 1), text(name), text(description)]
    };
    rows(token::TYPES.iter().enumerate().map(row).collect())
}
fn token_type_by_oid(_: &mut EvalContext<'_>, args: &[Datum], _: &[SqlType]) -> Source {
    check_parser(args[0].as_u32())?;
    token_types()
}
fn token_type_by_name(_: &mut EvalContext<'_>, args: &[Datum], _: &[SqlType]) -> Source {
    check_parser_named(args[0].as_str())?;
    token_types()
}

fn unnest(_: &mut EvalContext<'_>, args: &[Datum], _: &[SqlType]) -> Source {
    let all: Result<Vec<Vec<Datum>>> = VectorRef::of(&args[0]).iter().map(|l| unnested(&l)).collect();
    rows(all?)
}

fn stat(cx: &mut EvalContext<'_>, args: &[Datum], _: &[SqlType]) -> Source {
    let (types, found) = cx.env.run_query(args[0].as_str())?;
    if types.len() != 1 || types[0].oid != oids::TSVECTOR {
        bail!(INVALID_PARAMETER_VALUE, "ts_stat query must return one tsvector column");
    }
    let mut all = Statistics::new(args.get(1).map_or("", |w| w.as_str()));
    for row in found.iter().filter(|r| !r[0].is_null()) {
        all.add(VectorRef::of(&row[0]));
    }
    rows(all.rows())
}

fn debug(config: &Config, source: &str) -> Source {
    let mut out = Vec::new();
    for t in Parser::new(source) {
        let dictionaries = config.for_token(t.kind);
        let mut asked = ArrayBuilder::new(oids::REGDICTIONARY, PhysicalType::U32);
        for d in dictionaries {
            asked.push(&Datum::U32(d.oid.0));
        }
        let found = dictionaries.iter().find_map(|d| Some((d.oid, d.lexize(t.text)?)));
        let (dictionary, lexemes) = match found {
            Some((oid, answers)) => {
                let mut lexemes = ArrayBuilder::new(oids::TEXT, PhysicalType::Bytes);
                for a in answers {
                    lexemes.push_bytes(a.text.as_bytes());
                }
                (Datum::U32(oid.0), lexemes.finish_1d()?)
            }
            None => (Datum::Null, Datum::Null),
        };
        let (alias, description) = token::TYPES[usize::from(t.kind) - 1];
        out.push(vec![text(alias), text(description), text(t.text), asked.finish_1d()?, dictionary, lexemes]);
    }
    rows(out)
}
fn debug_named(cx: &mut EvalContext<'_>, args: &[Datum], _: &[SqlType]) -> Source {
    debug(&*cx.env.text_search_config(Oid(args[0].as_u32()))?, args[1].as_str())
}
fn debug_current(cx: &mut EvalContext<'_>, args: &[Datum], _: &[SqlType]) -> Source {
    debug(&*current(cx)?, args[0].as_str())
}

const TOKEN: &[(&str, Oid)] = &[("tokid", oids::INT4), ("token", oids::TEXT)];
const TYPE: &[(&str, Oid)] = &[("tokid", oids::INT4), ("alias", oids::TEXT), ("description", oids::TEXT)];
const STAT: &[(&str, Oid)] = &[("word", oids::TEXT), ("ndoc", oids::INT4), ("nentry", oids::INT4)];
const LEXEME: &[(&str, Oid)] =
    &[("lexeme", oids::TEXT), ("positions", oids::INT2_ARRAY), ("weights", oids::TEXT_ARRAY)];
const DEBUG: &[(&str, Oid)] = &[
    ("alias", oids::TEXT),
    ("description", oids::TEXT),
    ("token", oids::TEXT),
    ("dictionaries", oids::REGDICTIONARY_ARRAY),
    ("dictionary", oids::REGDICTIONARY),
    ("lexemes", oids::TEXT_ARRAY),
];

macro_rules! set {
    ($oid:literal, $name:literal, [$($arg:ident),*], $start:ident, $rows:literal, $outs:ident, $names:expr) => {
        FunctionDef::new($oid, $name, &[$(oids::$arg),*], oids::RECORD, Body::Set(SetImpl { start: $start, rows: $rows }))
            .names($names)
            .outs($outs)
    };
}

#[rustfmt::skip]
pub const FUNCTIONS: &[FunctionDef] = &[
    set!(3713, "ts_token_type", [OID], token_type_by_oid, 16.0, TYPE, &["parser_oid"]),
    set!(3714, "ts_token_type", [TEXT], token_type_by_name, 16.0, TYPE, &["parser_name"]).stable(),
    set!(3715, "ts_parse", [OID, TEXT], parse_by_oid, 1000.0, TOKEN, &["parser_oid", "txt"]),
    set!(3716, "ts_parse", [TEXT, TEXT], parse_by_name, 1000.0, TOKEN, &["parser_name", "txt"]).stable(),
    set!(3322, "unnest", [TSVECTOR], unnest, 10.0, LEXEME, &["tsvector"]),
    set!(3689, "ts_stat", [TEXT], stat, 10000.0, STAT, &["query"]).volatile(),
    set!(3690, "ts_stat", [TEXT, TEXT], stat, 10000.0, STAT, &["query", "weights"]).volatile(),
    set!(6183, "ts_debug", [REGCONFIG, TEXT], debug_named, 1000.0, DEBUG, &["config", "document"]).stable(),
    set!(6184, "ts_debug", [TEXT], debug_current, 1000.0, DEBUG, &["document"]).stable(),
];
