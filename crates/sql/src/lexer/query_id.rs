//! A query's identifier and its text without constants, as `pg_stat_statements` shows it (PostgreSQL: queryjumble.c and
//! `generate_normalized_query`, which work on the parse tree; here tokens are looked at).
//!
//! Texts that differ in constants, white space, comments and the case of words have one identifier. What EXPLAIN, PREPARE and
//! DECLARE put before a query doesn't count. Numbers that are no constants to PostgreSQL count: columns by position in GROUP BY and
//! ORDER BY, and what modifies a type.

use super::{Kw, LexOptions, Token, TokenKind, lex_with};
use std::fmt::Write;

const SEED: u64 = 0x51_7c_c1_b7_27_22_0a_95;

fn mix(hash: u64, value: u64) -> u64 {
    (hash ^ value).wrapping_mul(0xff51_afd7_ed55_8ccd).rotate_left(31)
}

/// The identifier of the query in a text; never 0.
pub fn query_id(sql: &str, options: LexOptions) -> i64 {
    let lexed = lex_with(sql, options);
    let tokens = query_tokens(&lexed.tokens);
    let bytes = sql.as_bytes();
    let mut hash = SEED;
    for (i, token) in tokens.iter().enumerate() {
        let text = &bytes[token.start as usize..token.end as usize];
        if is_constant(sql, tokens, i) {
            hash = mix(hash, constant_kind(token.kind));
            continue;
        }
        if is_sign(sql, tokens, i) {
            continue;
        }
        hash = match token.kind {
            TokenKind::Eof | TokenKind::Semicolon => hash,
            TokenKind::Keyword(kw) => mix(hash, 0x1_0000 + kw as u64),
            TokenKind::Param(n) => mix(hash, 0x2_0000_0000 + u64::from(n as u32)),
            TokenKind::Ident => {
                text.iter().fold(mix(hash, 4), |h, c| mix(h, u64::from(c.to_ascii_lowercase())))
            }
            _ => text.iter().fold(mix(hash, 5), |h, c| mix(h, u64::from(*c))),
        };
    }
    // The last bits of a product say most.
    hash ^= hash >> 32;
    let id = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) as i64;
    if id == 0 { 1 } else { id }
}

/// The text of the query with `$1`, `$2`, ... in the place of constants, numbered behind its parameters.
pub fn normalised(sql: &str, options: LexOptions) -> String {
    let lexed = lex_with(sql, options);
    let tokens = query_tokens(&lexed.tokens);
    let params = tokens.iter().filter_map(|t| match t.kind {
        TokenKind::Param(n) => Some(n),
        _ => None,
    });
    let mut number = params.max().unwrap_or(0).max(0);
    let mut out = String::with_capacity(sql.len());
    let mut at = tokens.first().map_or(0, |t| t.start as usize);
    let mut end = at;
    for (i, token) in tokens.iter().enumerate() {
        if matches!(token.kind, TokenKind::Eof | TokenKind::Semicolon) {
            break;
        }
        end = token.end as usize;
        if is_constant(sql, tokens, i) {
            number += 1;
            let start = match i.checked_sub(1) {
                Some(before) if is_sign(sql, tokens, before) => tokens[before].start,
                _ => token.start,
            };
            out.push_str(&sql[at..start as usize]);
            // Writing to a string can't fail.
            let _ = write!(out, "${number}");
            at = end;
        }
    }
    out.push_str(&sql[at..end]);
    out
}

fn constant_kind(kind: TokenKind) -> u64 {
    match kind {
        TokenKind::Integer(_) => 1,
        TokenKind::Float => 2,
        TokenKind::String(_) => 3,
        TokenKind::Keyword(Kw::Null) => 4,
        TokenKind::Keyword(_) => 5,
        _ => 6,
    }
}

/// The tokens of the query itself.
fn query_tokens(tokens: &[Token]) -> &[Token] {
    let keyword = |i: usize| match tokens.get(i).map(|t| t.kind) {
        Some(TokenKind::Keyword(kw)) => Some(kw),
        _ => None,
    };
    let kind = |i: usize| tokens.get(i).map(|t| t.kind);
    let mut at = 0;
    if keyword(0) == Some(Kw::Explain) {
        at = 1;
        if kind(1) == Some(TokenKind::LeftParen) && !begins_query(keyword(2)) {
            at = 1 + closing(&tokens[1..]);
        }
        while matches!(keyword(at), Some(Kw::Analyze | Kw::Verbose)) {
            at += 1;
        }
    }
    match keyword(at) {
        Some(Kw::Prepare) => {
            let name = (at..tokens.len()).find(|i| keyword(*i) == Some(Kw::As));
            at = name.map_or(at, |i| i + 1);
        }
        Some(Kw::Declare) => {
            let name = (at..tokens.len()).find(|i| keyword(*i) == Some(Kw::For));
            at = name.map_or(at, |i| i + 1);
        }
        _ => {}
    }
    &tokens[at.min(tokens.len())..]
}

fn begins_query(keyword: Option<Kw>) -> bool {
    matches!(keyword, Some(Kw::Select | Kw::With | Kw::Values | Kw::Table))
}

/// How many tokens a parenthesised list at the start has.
fn closing(tokens: &[Token]) -> usize {
    let mut depth = 0usize;
    for (i, token) in tokens.iter().enumerate() {
        match token.kind {
            TokenKind::LeftParen => depth += 1,
            TokenKind::RightParen => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return i + 1;
                }
            }
            _ => {}
        }
    }
    tokens.len()
}

/// Whether token `i` is a constant of the query.
fn is_constant(sql: &str, tokens: &[Token], i: usize) -> bool {
    match tokens[i].kind {
        TokenKind::String(_) | TokenKind::BitString(_) | TokenKind::HexString(_) | TokenKind::Float => true,
        TokenKind::Integer(_) => !is_position(tokens, i) && !modifies_type(sql, tokens, i),
        TokenKind::Keyword(Kw::True | Kw::False | Kw::Null) => !is_tested(tokens, i),
        _ => false,
    }
}

/// Whether a keyword belongs to IS or IS NOT.
fn is_tested(tokens: &[Token], i: usize) -> bool {
    let before = |n: usize| i.checked_sub(n).map(|b| tokens[b].kind);
    match before(1) {
        Some(TokenKind::Keyword(Kw::Is)) => true,
        Some(TokenKind::Keyword(Kw::Not)) => before(2) == Some(TokenKind::Keyword(Kw::Is)),
        _ => false,
    }
}

/// Whether token `i` is a minus that belongs to the number behind it: it begins an operand, and no cast comes before it takes effect.
fn is_sign(sql: &str, tokens: &[Token], i: usize) -> bool {
    let kind = |i: usize| tokens.get(i).map(|t| t.kind);
    kind(i) == Some(TokenKind::Minus)
        && matches!(kind(i + 1), Some(TokenKind::Integer(_) | TokenKind::Float))
        && is_constant(sql, tokens, i + 1)
        && !matches!(kind(i + 2), Some(TokenKind::TypeCast | TokenKind::LeftBracket))
        && i.checked_sub(1).is_none_or(|b| begins_operand(tokens[b].kind))
}

/// Whether an operand begins behind such a token. Words that may be columns end one.
fn begins_operand(kind: TokenKind) -> bool {
    kind.is_operator()
        || matches!(
            kind,
            TokenKind::LeftParen
                | TokenKind::LeftBracket
                | TokenKind::Comma
                | TokenKind::Keyword(
                    Kw::Select
                        | Kw::Distinct
                        | Kw::All
                        | Kw::Where
                        | Kw::On
                        | Kw::Having
                        | Kw::And
                        | Kw::Or
                        | Kw::Not
                        | Kw::Between
                        | Kw::Case
                        | Kw::When
                        | Kw::Then
                        | Kw::Else
                        | Kw::Limit
                        | Kw::Offset
                        | Kw::Returning
                )
        )
}

/// Whether a number names a column by position: it alone is an item of GROUP BY or ORDER BY.
fn is_position(tokens: &[Token], i: usize) -> bool {
    let ends_item = match tokens.get(i + 1).map(|t| t.kind) {
        Some(TokenKind::Comma | TokenKind::RightParen | TokenKind::Semicolon | TokenKind::Eof) | None => true,
        Some(TokenKind::Keyword(kw)) => {
            matches!(
                kw,
                Kw::Asc
                    | Kw::Desc
                    | Kw::Nulls
                    | Kw::Using
                    | Kw::Limit
                    | Kw::Offset
                    | Kw::Fetch
                    | Kw::For
                    | Kw::Having
                    | Kw::Order
                    | Kw::Window
                    | Kw::Union
                    | Kw::Intersect
                    | Kw::Except
            )
        }
        _ => false,
    };
    if !ends_item {
        return false;
    }
    // Back through the list, over what stands in parentheses.
    let mut depth = 0usize;
    for (n, token) in tokens[..i].iter().enumerate().rev() {
        let first = n + 1 == i;
        match token.kind {
            TokenKind::RightParen => depth += 1,
            TokenKind::LeftParen if depth == 0 => return false,
            TokenKind::LeftParen => depth -= 1,
            _ if depth > 0 => {}
            TokenKind::Keyword(Kw::By) => return true,
            TokenKind::Comma => {}
            _ if first => return false,
            TokenKind::Keyword(
                Kw::Select | Kw::Where | Kw::From | Kw::Values | Kw::Limit | Kw::Having | Kw::Set,
            ) => return false,
            _ => {}
        }
    }
    false
}

/// Whether a number stands in the parentheses behind a type's name.
fn modifies_type(sql: &str, tokens: &[Token], i: usize) -> bool {
    let mut at = i;
    while at > 0 && matches!(tokens[at - 1].kind, TokenKind::Comma | TokenKind::Integer(_)) {
        at -= 1;
    }
    let (Some(open), Some(name)) = (at.checked_sub(1), at.checked_sub(2)) else { return false };
    if tokens[open].kind != TokenKind::LeftParen {
        return false;
    }
    let name = &sql[tokens[name].start as usize..tokens[name].end as usize];
    [
        "numeric",
        "decimal",
        "dec",
        "float",
        "varchar",
        "char",
        "character",
        "varying",
        "bpchar",
        "bit",
        "varbit",
        "time",
        "timetz",
        "timestamp",
        "timestamptz",
        "interval",
        "second",
    ]
    .iter()
    .any(|t| name.eq_ignore_ascii_case(t))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(sql: &str) -> i64 {
        query_id(sql, LexOptions::default())
    }
    fn text(sql: &str) -> String {
        normalised(sql, LexOptions::default())
    }

    #[test]
    fn constants_and_layout_do_not_count() {
        let one = id("SELECT * FROM t WHERE a = 1 AND b = 'x'");
        for same in [
            "select *  from T where a=2 and b='y';",
            "/* c */ SELECT * FROM t WHERE a = 100 AND b = '' -- d",
            "EXPLAIN SELECT * FROM t WHERE a = 1 AND b = 'x'",
            "EXPLAIN (ANALYZE, VERBOSE true) SELECT * FROM t WHERE a = 1 AND b = 'x'",
            "EXPLAIN ANALYZE VERBOSE SELECT * FROM t WHERE a = 1 AND b = 'x'",
            "PREPARE p (int) AS SELECT * FROM t WHERE a = 1 AND b = 'x'",
            "DECLARE c CURSOR FOR SELECT * FROM t WHERE a = 1 AND b = 'x'",
        ] {
            assert_eq!(id(same), one, "{same}");
        }
        for other in [
            "SELECT * FROM t WHERE a = 1 AND b = 2",
            "SELECT * FROM u WHERE a = 1 AND b = 'x'",
            "SELECT * FROM t WHERE a = $1 AND b = 'x'",
            "SELECT * FROM \"T\" WHERE a = 1 AND b = 'x'",
        ] {
            assert_ne!(id(other), one, "{other}");
        }
    }

    #[test]
    fn positions_and_modifiers_count() {
        assert_ne!(id("SELECT a, b FROM t ORDER BY 1"), id("SELECT a, b FROM t ORDER BY 2"));
        assert_ne!(id("SELECT a, b FROM t GROUP BY b, 1"), id("SELECT a, b FROM t GROUP BY b, 2"));
        assert_ne!(id("SELECT a::numeric(10, 2) FROM t"), id("SELECT a::numeric(10, 3) FROM t"));
        assert_eq!(id("SELECT a FROM t ORDER BY a + 1"), id("SELECT a FROM t ORDER BY a + 2"));
        assert_eq!(id("SELECT a FROM t ORDER BY a LIMIT 1"), id("SELECT a FROM t ORDER BY a LIMIT 2"));
        assert_eq!(id("SELECT a FROM t WHERE a IN (1, 2)"), id("SELECT a FROM t WHERE a IN (3, 4)"));
    }

    #[test]
    fn texts_without_constants() {
        assert_eq!(text(" SELECT 1, 'x' ;"), "SELECT $1, $2");
        assert_eq!(
            text("SELECT a FROM t WHERE b = $2 AND c = 5 -- x"),
            "SELECT a FROM t WHERE b = $2 AND c = $3"
        );
        assert_eq!(text("SELECT a FROM t ORDER BY 1 LIMIT 10"), "SELECT a FROM t ORDER BY 1 LIMIT $1");
        assert_eq!(text("EXPLAIN SELECT 1.5::numeric(3, 1)"), "SELECT $1::numeric(3, 1)");
        assert_eq!(
            text(
                "SELECT -3, a - 3, 2 -1, -1.5::int, true, NULL FROM t WHERE b IS NOT NULL AND c IS FALSE AND d = false"
            ),
            "SELECT $1, a - $2, $3 -$4, -$5::int, $6, $7 FROM t WHERE b IS NOT NULL AND c IS FALSE AND d = $8"
        );
        assert_eq!(id("SELECT a FROM t WHERE b = -1"), id("SELECT a FROM t WHERE b = 1"));
        assert_ne!(id("SELECT a FROM t WHERE b IS TRUE"), id("SELECT a FROM t WHERE b IS FALSE"));
    }
}
