//! The parser: tokens to abstract syntax, by recursive descent and precedence climbing.
//!
//! It follows PostgreSQL's gram.y: the same statements, the same reserved words and labels, the same
//! precedence, and the same token in `syntax error at or near`. A text of several statements is parsed as a
//! whole before any of them runs, as PostgreSQL does. Nesting is bounded; beyond it the error is 54001.
//!
//! What the grammar of PostgreSQL 15 has and Quarry will not run becomes [`Statement::Unsupported`].

mod alter;
mod alter_table;
mod constraint;
mod create;
mod cursor;
mod database;
mod dml;
mod expr;
mod from;
mod func;
mod function;
mod index;
mod maintenance;
mod names;
mod object;
mod portal;
mod primary;
mod query;
mod role;
mod sequence;
mod set;
mod statement;
mod table;
mod trigger;
mod type_name;
mod window;

#[cfg(test)]
mod tests;

use crate::ast::{Expr, QualifiedName, Statement, TypeName};
use crate::lexer::{LexOptions, Lexed, TokenKind};
use cursor::Parser;
use quarry_common::{Error, Result, err};

/// A statement and its place in the text.
#[derive(Clone, Debug, PartialEq)]
pub struct ParsedStatement {
    pub stmt: Statement,
    /// Of the first token.
    pub start: usize,
    /// Behind the last token, before the semicolon.
    pub end: usize,
}

/// Parses all statements of a text; empty ones leave nothing.
pub fn parse_statements(sql: &str) -> Result<Vec<ParsedStatement>> {
    parse_with_notices(sql, LexOptions::default()).map(|(statements, _)| statements)
}

/// As [`parse_statements`], under the session's settings, with the NOTICEs about identifiers that were truncated and the WARNINGs about
/// escapes.
pub fn parse_with_notices(sql: &str, options: LexOptions) -> Result<(Vec<ParsedStatement>, Vec<Error>)> {
    let mut parser = Parser::with_options(sql, options);
    let mut statements = Vec::new();
    loop {
        while parser.eat(TokenKind::Semicolon) {}
        if parser.at(TokenKind::Eof) {
            return Ok((statements, parser.take_notices()));
        }
        let start = parser.pos() as usize;
        let stmt = parser.statement()?;
        let end = parser.last_end() as usize;
        if !parser.at(TokenKind::Semicolon) && !parser.at(TokenKind::Eof) {
            return Err(parser.unexpected());
        }
        if let Some(error) = parser.later_error.take() {
            return Err(error);
        }
        statements.push(ParsedStatement { stmt, start, end });
    }
}

/// Parses the one statement of `sql`, from tokens that may differ from what stands there.
pub(crate) fn parse_one(sql: &str, lexed: Lexed) -> Result<Statement> {
    let mut parser = Parser::over(sql, lexed);
    let stmt = parser.statement()?;
    parser.eat(TokenKind::Semicolon);
    parser.expect(TokenKind::Eof)?;
    match parser.later_error.take() {
        Some(error) => Err(error),
        None => Ok(stmt),
    }
}

/// Runs a parser over a whole text.
fn parse_all<'a, T>(sql: &'a str, parse: impl FnOnce(&mut Parser<'a>) -> Result<T>) -> Result<T> {
    let mut parser = Parser::new(sql);
    let parsed = parse(&mut parser)?;
    parser.expect(TokenKind::Eof)?;
    Ok(parsed)
}

/// Parses an expression that is the whole text.
pub fn parse_expr(sql: &str) -> Result<Expr> {
    parse_all(sql, Parser::expr)
}

/// Parses a type name that is the whole text, as `regtype`'s input and `to_regtype` do.
pub fn parse_type_name(sql: &str) -> Result<TypeName> {
    let parsed = parse_all(sql, Parser::type_name);
    match parsed {
        Ok(t) if !t.setof => Ok(t),
        Err(e) if e.message().starts_with("stack depth") => Err(e),
        _ => Err(err!(SYNTAX_ERROR, "invalid type name \"{sql}\"")),
    }
}

/// Parses a qualified name as the `reg*` types and functions such as `nextval` read it: parts are folded
/// unless quoted, and keywords are names like any other (PostgreSQL's stringToQualifiedNameList).
pub fn parse_qualified_name(text: &str) -> Result<QualifiedName> {
    let invalid = || err!(INVALID_NAME, "invalid name syntax");
    let mut parts = Vec::new();
    let mut rest = text.trim_matches(is_space);
    loop {
        let mut part;
        if let Some(quoted) = rest.strip_prefix('"') {
            part = String::new();
            let mut after = quoted;
            loop {
                let end = after.find('"').ok_or_else(invalid)?;
                part.push_str(&after[..end]);
                after = &after[end + 1..];
                match after.strip_prefix('"') {
                    Some(next) => {
                        part.push('"');
                        after = next;
                    }
                    None => break,
                }
            }
            rest = after;
        } else {
            let end = rest.find(|c: char| c == '.' || is_space(c)).unwrap_or(rest.len());
            part = rest[..end].to_ascii_lowercase();
            rest = &rest[end..];
        }
        if part.is_empty() {
            return Err(invalid());
        }
        crate::lexer::truncate_identifier(&mut part);
        parts.push(part);
        rest = rest.trim_start_matches(is_space);
        if rest.is_empty() {
            return Ok(QualifiedName { parts, pos: 0 });
        }
        rest = rest.strip_prefix('.').ok_or_else(invalid)?.trim_start_matches(is_space);
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0c')
}
