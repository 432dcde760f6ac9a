//! Text and binary input and output of both types, and their functions for the registry.

use super::parse::{AsIs, Style, parse};
use super::query::{self, Item, Op, Query, encode};
use super::tree::Tree;
use super::vector::{self, VectorBuilder, VectorRef, from_words};
use super::word::{Kind, Words};
use super::{
    DEPTH_MAX, LEXEME_BYTES_MAX, POSITIONS_MAX, STRINGS_BYTES_MAX, position_of, print, too_deep,
    vector_too_long, weight_of,
};
use crate::registry::KeyCodec;
use crate::wire::{WireReader, check_text};
use crate::{Datum, IoContext, TypeInfo};
use quarry_common::{Error, Result, Severity, SqlState, bail};

/// tsvector of its text.
pub fn tsvector_in(text: &str) -> Result<Vec<u8>> {
    let mut words = Words::new(text, Kind::Vector);
    let mut found = Vec::new();
    let mut bytes = 0;
    while let Some(word) = words.next_word()? {
        if word.text.len() >= LEXEME_BYTES_MAX {
            bail!(
                PROGRAM_LIMIT_EXCEEDED,
                "word is too long ({} bytes, max {} bytes)",
                word.text.len(),
                LEXEME_BYTES_MAX - 1
            );
        }
        if bytes > STRINGS_BYTES_MAX {
            return Err(vector_too_long(bytes));
        }
        bytes += word.text.len();
        found.push((word.text, word.positions));
    }
    from_words(found)
}

/// Appends a tsvector's text.
pub fn tsvector_out(stored: &[u8], out: &mut Vec<u8>) {
    for (i, lexeme) in VectorRef::new(stored).iter().enumerate() {
        if i > 0 {
            out.push(b' ');
        }
        print::write_quoted(lexeme.text, out);
        for (j, p) in lexeme.positions().enumerate() {
            out.push(if j == 0 { b':' } else { b',' });
            crate::ints::write_int(position_of(p), out);
            match weight_of(p) {
                3 => out.push(b'A'),
                2 => out.push(b'B'),
                1 => out.push(b'C'),
                _ => {}
            }
        }
    }
}

fn c_string<'a>(wire: &mut WireReader<'a>) -> Result<&'a str> {
    let rest = wire.rest();
    let Some(end) = memchr::memchr(0, rest) else {
        return Err(Error::new(SqlState::PROTOCOL_VIOLATION, "invalid string in message"));
    };
    *wire = WireReader::new(&rest[end + 1..]);
    check_text(&rest[..end])
}

/// tsvector of its binary form.
pub fn tsvector_recv(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut wire = WireReader::new(bytes);
    let count = wire.i32()?;
    if !(0..=0x3fff_ffff / 4).contains(&count) {
        return Err(Error::internal("invalid size of tsvector"));
    }
    let mut words: Vec<(&str, Vec<u16>)> = Vec::new();
    let mut size = 0;
    for _ in 0..count {
        let lexeme = c_string(&mut wire)?;
        let positions = wire.u16()?;
        if lexeme.len() > LEXEME_BYTES_MAX {
            return Err(Error::internal("invalid tsvector: lexeme too long"));
        }
        if size > STRINGS_BYTES_MAX {
            return Err(Error::internal("invalid tsvector: maximum total lexeme length exceeded"));
        }
        if usize::from(positions) > POSITIONS_MAX {
            return Err(Error::internal("unexpected number of tsvector positions"));
        }
        size += lexeme.len() + 2 * usize::from(positions);
        let mut all = Vec::with_capacity(usize::from(positions));
        for _ in 0..positions {
            let p = wire.u16()?;
            if all.last().is_some_and(|last| position_of(p) <= position_of(*last)) {
                return Err(Error::internal("position information is misordered"));
            }
            all.push(p);
        }
        words.push((lexeme, all));
    }
    wire.finish()?;
    words.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
    words.dedup_by(|b, a| a.0 == b.0);
    let mut out = VectorBuilder::new();
    for (lexeme, positions) in words {
        out.push(lexeme.as_bytes(), positions.into_iter());
    }
    out.finish()
}

/// Appends a tsvector's binary form.
pub fn tsvector_send(stored: &[u8], out: &mut Vec<u8>) {
    let v = VectorRef::new(stored);
    out.extend_from_slice(&(v.len() as i32).to_be_bytes());
    for lexeme in v.iter() {
        out.extend_from_slice(lexeme.text);
        out.push(0);
        out.extend_from_slice(&(lexeme.position_count() as u16).to_be_bytes());
        for p in lexeme.positions() {
            out.extend_from_slice(&p.to_be_bytes());
        }
    }
}

/// tsquery of its text; `notices` hears of a query without words.
pub fn tsquery_in(text: &str, notices: Option<&dyn crate::io::NoticeSink>) -> Result<Vec<u8>> {
    let nodes = parse(text, Style::Standard, &mut AsIs)?;
    let tree = Tree::from_nodes(nodes)?;
    if tree.is_none()
        && let Some(sink) = notices
    {
        sink.notice(Severity::Notice, no_lexemes(text));
    }
    Tree::to_stored(tree.as_ref())
}

/// The notice of a query without words.
pub fn no_lexemes(text: &str) -> Error {
    Error::new(
        SqlState::SUCCESSFUL_COMPLETION,
        format!("text-search query doesn't contain lexemes: \"{text}\""),
    )
}

/// The notice of a query of which stop words left nothing.
pub fn only_stop_words() -> Error {
    Error::new(
        SqlState::SUCCESSFUL_COMPLETION,
        "text-search query contains only stop words or doesn't contain lexemes, ignored",
    )
}

/// tsquery of its binary form.
pub fn tsquery_recv(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut wire = WireReader::new(bytes);
    let count = wire.u32()?;
    if count > 0x3fff_ffff / 12 {
        return Err(Error::internal("invalid size of tsquery"));
    }
    let mut items: Vec<Item<'_>> = Vec::new();
    let mut size = 0;
    for i in 0..count {
        match wire.u8()? {
            1 => {
                let weights = wire.u8()?;
                let prefix = wire.u8()? != 0;
                let text = c_string(&mut wire)?;
                if weights > 15 {
                    return Err(Error::internal("invalid tsquery: invalid weight bitmap"));
                }
                if text.len() > LEXEME_BYTES_MAX {
                    return Err(Error::internal("invalid tsquery: operand too long"));
                }
                if size > STRINGS_BYTES_MAX {
                    return Err(Error::internal("invalid tsquery: total operand length exceeded"));
                }
                size += text.len() + 1;
                items.push(Item::Word { text, weights, prefix });
            }
            2 => {
                let number = wire.u8()?;
                let Some(op) = Op::from_number(number) else {
                    return Err(Error::internal(format!(
                        "invalid tsquery: unrecognized operator type {}",
                        number as i8
                    )));
                };
                if i == count - 1 {
                    return Err(Error::internal("invalid pointer to right operand"));
                }
                let distance = if op == Op::Phrase { wire.u16()? } else { 0 };
                items.push(Item::Operator { op, distance, left: 0 });
            }
            other => {
                return Err(Error::internal(format!("unrecognized tsquery node type: {}", other as i8)));
            }
        }
    }
    wire.finish()?;
    let stored = encode(&items)?;
    check_depth(&Query::new(&stored))?;
    Ok(stored)
}

/// Trees deeper than are walked by recursion don't come in.
fn check_depth(q: &Query<'_>) -> Result<()> {
    let mut depths = vec![0usize; q.items.len()];
    for (i, item) in q.items.iter().enumerate() {
        if depths[i] > DEPTH_MAX {
            return Err(too_deep());
        }
        if let Item::Operator { left, .. } = item {
            depths[i + 1] = depths[i] + 1;
            depths[i + left] = depths[i] + 1;
        }
    }
    Ok(())
}

/// Appends a tsquery's binary form.
pub fn tsquery_send(stored: &[u8], out: &mut Vec<u8>) {
    let q = Query::new(stored);
    out.extend_from_slice(&(q.items.len() as u32).to_be_bytes());
    for item in &q.items {
        match item {
            Item::Word { text, weights, prefix } => {
                out.extend_from_slice(&[1, *weights, u8::from(*prefix)]);
                out.extend_from_slice(text.as_bytes());
                out.push(0);
            }
            Item::Operator { op, distance, .. } => {
                out.extend_from_slice(&[2, *op as u8]);
                if *op == Op::Phrase {
                    out.extend_from_slice(&distance.to_be_bytes());
                }
            }
        }
    }
}

pub(crate) fn vector_input(_: &TypeInfo, text: &str, _: i32, _: &IoContext<'_>) -> Result<Datum> {
    Ok(Datum::Bytes(tsvector_in(text)?.into()))
}
pub(crate) fn vector_output(_: &TypeInfo, v: &Datum, _: &IoContext<'_>, out: &mut Vec<u8>) -> Result<()> {
    tsvector_out(v.as_bytes(), out);
    Ok(())
}
pub(crate) fn vector_receive(_: &TypeInfo, wire: &[u8], _: i32, _: &IoContext<'_>) -> Result<Datum> {
    Ok(Datum::Bytes(tsvector_recv(wire)?.into()))
}
pub(crate) fn vector_send(_: &TypeInfo, v: &Datum, _: &IoContext<'_>, out: &mut Vec<u8>) -> Result<()> {
    tsvector_send(v.as_bytes(), out);
    Ok(())
}
pub(crate) fn query_input(_: &TypeInfo, text: &str, _: i32, cx: &IoContext<'_>) -> Result<Datum> {
    Ok(Datum::Bytes(tsquery_in(text, cx.notices)?.into()))
}
pub(crate) fn query_output(_: &TypeInfo, v: &Datum, _: &IoContext<'_>, out: &mut Vec<u8>) -> Result<()> {
    print::write_query(&Query::of(v), out)
}
pub(crate) fn query_receive(_: &TypeInfo, wire: &[u8], _: i32, _: &IoContext<'_>) -> Result<Datum> {
    Ok(Datum::Bytes(tsquery_recv(wire)?.into()))
}
pub(crate) fn query_send(_: &TypeInfo, v: &Datum, _: &IoContext<'_>, out: &mut Vec<u8>) -> Result<()> {
    tsquery_send(v.as_bytes(), out);
    Ok(())
}

/// Keys hold what equality looks at: not the weights of a query's words, so that values can't be had back.
pub(crate) const VECTOR_KEY: KeyCodec =
    KeyCodec { encode: |v, out| vector::encode_key(v.as_bytes(), out), decode: None, skip: vector::skip_key };
pub(crate) const QUERY_KEY: KeyCodec =
    KeyCodec { encode: |v, out| query::encode_key(v.as_bytes(), out), decode: None, skip: query::skip_key };

/// Weights don't count in equality, so that the key is hashed and not the value.
pub(crate) fn query_hash(v: &Datum) -> u64 {
    let mut key = Vec::new();
    query::encode_key(v.as_bytes(), &mut key);
    crate::hash::hash_bytes(&key)
}
