//! Every statement of the golden files must parse, unless PostgreSQL refused it with the same SQLSTATE. Beside
//! `x.sql` stands `x.out`, what psql printed: each statement and below it its result or its error's code.

use crate::parse::parse_statements;
use std::path::{Path, PathBuf};

/// The statements of a psql script: meta-commands and COPY's data left out, text joined up to the semicolon.
fn statements(script: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut pending = String::new();
    let mut copying = false;
    for line in script.lines() {
        if copying {
            copying = line != "\\.";
            continue;
        }
        if pending.trim().is_empty() && line.trim_start().starts_with('\\') {
            continue;
        }
        pending.push_str(line);
        pending.push('\n');
        if !complete(&pending) {
            continue;
        }
        let lexed = crate::lexer::lex(&pending);
        for span in crate::lexer::split_statements(&lexed.tokens) {
            let text = pending[span.text].to_string();
            let lower = text.to_lowercase();
            copying |= lower.starts_with("copy") && lower.contains("from stdin");
            found.push(text);
        }
        pending.clear();
    }
    if !pending.trim().is_empty() {
        found.push(pending);
    }
    found
}

/// Whether the text ends behind a semicolon that ends a statement, or with a meta-command.
fn complete(text: &str) -> bool {
    let lexed = crate::lexer::lex(text);
    if let Some(error) = &lexed.error {
        let last = text.trim_end().lines().last().unwrap_or_default();
        let code = last.split_once(" --").map_or(last, |(code, _comment)| code.trim_end());
        return !error.message().starts_with("unterminated") && code.ends_with(';');
    }
    let spans = crate::lexer::split_statements(&lexed.tokens);
    let last = lexed.tokens.iter().rev().nth(1);
    let ended = last.is_some_and(|t| t.kind == crate::lexer::TokenKind::Semicolon);
    ended
        && spans.last().is_none_or(|s| lexed.tokens[s.tokens.end].kind == crate::lexer::TokenKind::Semicolon)
}

/// Whether psql puts a variable's value into the text.
fn has_variable(text: &str) -> bool {
    let tokens = crate::lexer::lex(text).tokens;
    tokens.windows(2).any(|w| w[0].kind == crate::lexer::TokenKind::Colon && w[0].end == w[1].start)
}

/// Whether psql's output shows the statement and then, on the next line, the error: its code or its text,
/// as the file has it.
fn refused_in(out: &str, text: &str, error: &quarry_common::Error) -> bool {
    let expected = [format!("ERROR:  {}", error.sqlstate()), format!("ERROR:  {}", error.message())];
    let text = text.trim_end().trim_end_matches(';');
    out.match_indices(text).any(|(at, _)| {
        let rest = &out[at + text.len()..];
        let Some((line, next)) = rest.split_once('\n') else { return false };
        // More statements on the line have their results below.
        let alone = line.trim() == ";" || line.trim_start().starts_with("; --");
        expected.iter().any(|e| if alone { next.starts_with(e) } else { next.contains(e) })
    })
}

fn scripts(dir: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            scripts(&path, found);
        } else if path.extension().is_some_and(|e| e == "sql") {
            found.push(path);
        }
    }
}

#[test]
fn golden_files_parse_as_postgresql_parsed_them() {
    let dir = std::env::var_os("QUARRY_SQL_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/sql"), PathBuf::from);
    let mut files = Vec::new();
    scripts(&dir, &mut files);
    files.sort();
    let mut wrong = Vec::new();
    for file in files {
        let script = std::fs::read_to_string(&file).expect("a golden file must be readable");
        let out = std::fs::read_to_string(file.with_extension("out")).unwrap_or_default();
        for text in statements(&script) {
            // psql's variables and \g commands never reach the server.
            if text.contains('\\') || has_variable(&text) {
                continue;
            }
            if let Err(error) = parse_statements(&format!("{text};"))
                && !refused_in(&out, &text, &error)
            {
                wrong.push(format!("{}: {error}: {text}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{} refused:\n{}", wrong.len(), wrong.join("\n"));
}
