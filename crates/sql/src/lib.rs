//! SQL text to typed logical plan: lexer, parser, abstract syntax, name resolution and typing.
//!
//! Text enters through [`parse::parse_statements`] and leaves as [`ast::Statement`]s; `bind` turns a
//! statement into a logical plan. The crate sees no page, file or socket.
#![forbid(unsafe_code)]

pub mod ast;
pub mod bind;
pub mod lexer;
pub mod parse;
pub mod shape;
