//! What the scanner makes of texts; all expectations are PostgreSQL 15's.

use super::*;

fn texts(sql: &str) -> Vec<String> {
    let lexed = lex(sql);
    let kept = lexed.tokens.iter().filter(|t| t.kind != TokenKind::Eof);
    kept.map(|t| sql[t.start as usize..t.end as usize].to_string()).collect()
}

fn strings(sql: &str) -> Vec<String> {
    let lexed = lex(sql);
    assert!(lexed.error.is_none(), "{:?}", lexed.error);
    let of = |t: &Token| match t.kind {
        TokenKind::String(Value::Plain) | TokenKind::QuotedIdent(Value::Plain) => {
            Some(sql[t.start as usize + 1..t.end as usize - 1].to_string())
        }
        TokenKind::String(Value::Decoded(i)) | TokenKind::QuotedIdent(Value::Decoded(i)) => {
            Some(lexed.values[i as usize].clone())
        }
        _ => None,
    };
    lexed.tokens.iter().filter_map(of).collect()
}

fn error(sql: &str) -> (String, Option<usize>, String) {
    let error = lex(sql).error.expect("the scanner must fail");
    let fields = error.fields();
    (fields.sqlstate.to_string(), fields.position, fields.message.clone())
}

#[test]
fn operators_end_where_postgresql_ends_them() {
    assert_eq!(texts("a>=-1"), ["a", ">=", "-", "1"]);
    assert_eq!(texts("a<>-1"), ["a", "<>", "-", "1"]);
    assert_eq!(texts("a->-1"), ["a", "->", "-", "1"]);
    assert_eq!(texts("a@-1"), ["a", "@-", "1"]);
    assert_eq!(texts("1*/**/2"), ["1", "*", "2"]);
    assert_eq!(texts("1+--x\n2"), ["1", "+", "2"]);
    assert_eq!(texts("x <| y *<> z"), ["x", "<|", "y", "*<>", "z"]);
    assert_eq!(texts("a::b:=c=>d..e"), ["a", "::", "b", ":=", "c", "=>", "d", "..", "e"]);
    assert_eq!(lex("!=").tokens[0].kind, TokenKind::NotEqual);
    assert_eq!(texts("+-+"), ["+", "-", "+"]);
}

#[test]
fn numbers() {
    assert_eq!(lex("2147483647").tokens[0].kind, TokenKind::Integer(i32::MAX));
    assert_eq!(lex("2147483648").tokens[0].kind, TokenKind::Float);
    assert_eq!(texts("1.5e-3 .5 5. 1..10"), ["1.5e-3", ".5", "5.", "1", "..", "10"]);
    let junk = |near: &str| format!("trailing junk after numeric literal at or near \"{near}\"");
    for text in ["123abc", "1e", "1.5e", "1.5e+", "0x1F", "1_000"] {
        assert_eq!(error(&format!("select {text}")), ("42601".into(), Some(7), junk(text)));
    }
    assert_eq!(error("$1a").2, "trailing junk after parameter at or near \"$1a\"");
}

#[test]
fn strings_of_every_kind() {
    assert_eq!(strings("'a''b' 'x'\n  -- c\n 'y' 'z'"), ["a'b", "xy", "z"]);
    assert_eq!(strings(r"E'a\n\x41\101\u00e4\\\'' $$a'b$$ $t$ $$ $t$"), ["a\nAA\u{e4}\\'", "a'b", " $$ "]);
    assert_eq!(
        strings(r#"U&'d!0061t\+000061' UESCAPE '!' U&"d\0061t" "a""b""#),
        [r"dat\+000061", "dat", "a\"b"]
    );
    assert_eq!(strings(r"e'\uD834\uDD1E'"), ["\u{1D11E}"]);
}

#[test]
fn errors_of_strings() {
    let near = |s: &str| ("42601".to_string(), Some(7), s.to_string());
    assert_eq!(error("select 'abc"), near("unterminated quoted string at or near \"'abc\""));
    assert_eq!(error("select /* abc"), near("unterminated /* comment at or near \"/* abc\""));
    assert_eq!(error("select $a$ b"), near("unterminated dollar-quoted string at or near \"$a$ b\""));
    assert_eq!(error("select \"\""), near("zero-length delimited identifier at or near \"\"\"\""));
    assert_eq!(error("select b'12"), near("unterminated bit string literal at or near \"b'12\""));
    assert_eq!(error(r"select E'\xff'").2, "invalid byte sequence for encoding \"UTF8\": 0xff");
    assert_eq!(error(r"select E'\0'").0, "22021");
    assert_eq!(error(r"select E'\u12'"), ("22025".into(), Some(9), "invalid Unicode escape".into()));
    assert_eq!(error(r"select E'\ud800'").2, "invalid Unicode surrogate pair at or near \"'\"");
    assert_eq!(error(r"select U&'\12'"), ("42601".into(), Some(10), "invalid Unicode escape".into()));
    let message = "invalid Unicode escape character at or near \"'a'\"";
    assert_eq!(error(r"select U&'\0061' uescape 'a'"), ("42601".into(), Some(25), message.into()));
    let message = "UESCAPE must be followed by a simple string literal at or near \"1\"";
    assert_eq!(error("select U&'a' uescape 1"), ("42601".into(), Some(21), message.into()));
}

#[test]
fn long_identifiers_are_cut_with_a_notice() {
    let name = "A".repeat(70);
    let lexed = lex(&name);
    assert_eq!(lexed.notices.len(), 1);
    assert!(lexed.notices[0].message().ends_with(&format!("will be truncated to \"{}\"", "a".repeat(63))));
    assert_eq!(fold_identifier(&name).len(), 63);
}

#[test]
fn statements_are_split() {
    let sql = ";; select 1; create rule r as on insert to t do (select 1; select 2) ;\n select ';' ; ";
    let spans = split_statements(&lex(sql).tokens);
    let parts: Vec<_> = spans.iter().map(|s| &sql[s.text.clone()]).collect();
    assert_eq!(parts, ["select 1", "create rule r as on insert to t do (select 1; select 2)", "select ';'"]);
}

#[test]
fn fingerprints_ignore_constants_and_layout() {
    let of = |sql: &str| fingerprint(sql, &lex(sql).tokens);
    assert_eq!(of("SELECT a FROM t WHERE id = 1"), of("select A\n from t where id=2 -- c"));
    assert_ne!(of("select a from t where id = 1"), of("select b from t where id = 1"));
    assert_ne!(of("select a from t where id = $1"), of("select a from t where id = $2"));
}
