//! What the parser accepts, what it refuses and where, and what trees it builds.
//!
//! All expectations are PostgreSQL 15's: recorded from a server, not reasoned.

mod coverage;
mod precedence;
mod shapes;

use super::*;

/// Code, place (from 1, as clients see it) and text of the error that a text must raise.
fn error(sql: &str) -> (String, usize, String) {
    let error = parse_statements(sql).expect_err("must be refused");
    let fields = error.fields();
    let place = fields.position.map_or(0, |p| sql[..p].chars().count() + 1);
    (fields.sqlstate.to_string(), place, fields.message.clone())
}

fn one(sql: &str) -> Statement {
    let mut statements = parse_statements(sql).expect("must parse");
    assert_eq!(statements.len(), 1, "{sql}");
    statements.remove(0).stmt
}

#[test]
fn statements_keep_their_place_in_the_text() {
    let sql = ";;\n select 1 ;; values (2); \u{e4}";
    assert_eq!(error(sql), ("42601".into(), 29, "syntax error at or near \"\u{e4}\"".into()));
    let statements = parse_statements(&sql[..sql.len() - 2]).expect("must parse");
    let texts: Vec<_> = statements.iter().map(|s| &sql[s.start..s.end]).collect();
    assert_eq!(texts, ["select 1", "values (2)"]);
    assert!(parse_statements(" -- nothing\n;").expect("empty").is_empty());
}

#[test]
fn syntax_errors_name_the_token_postgresql_names() {
    let cases = [
        ("select 1 = 2 = 3", 14, "="),
        ("select * from t where where x", 23, "where"),
        ("select array[1,2][1]", 18, "["),
        ("select 1 offset 1+1 rows", 21, "rows"),
        ("select 1 order by 1 nulls foo", 21, "nulls"),
        ("select 1 at tim", 13, "tim"),
        ("select (1,2) overlaps 3", 23, "3"),
        ("insert into t t values (1)", 15, "t"),
        ("select * from from t", 15, "from"),
        ("select 'a' 'b'", 12, "'b'"),
        ("select \\ 1", 8, "\\"),
        ("drop function xmlconcat ()", 25, "("),
        ("create table t (a int primary key key)", 35, "key"),
        ("alter table t add constraint", 0, ""),
        ("update t set a = 1 where", 0, ""),
        ("explain ( (costs off) select 1", 12, "costs"),
        ("insert into t ( (d) values (1)", 18, "d"),
        ("select 'a' = b collate , 'b'", 24, ","),
        ("call xmlparse f()", 15, "f"),
        ("grant select on t", 0, ""),
        ("select 1 from t as select", 20, "select"),
    ];
    for (sql, place, token) in cases {
        let (place, message) = match place {
            0 => (sql.len() + 1, "syntax error at end of input".to_string()),
            _ => (place, format!("syntax error at or near \"{token}\"")),
        };
        assert_eq!(error(sql), ("42601".into(), place, message), "{sql}");
    }
}

#[test]
fn errors_of_the_grammar() {
    let cases = [
        ("select * from (select 1)", "42601", 15, "subquery in FROM must have an alias"),
        ("select * from (values (1))", "42601", 15, "VALUES in FROM must have an alias"),
        ("select 1 limit 1, 2", "42601", 10, "LIMIT #,# syntax is not supported"),
        ("(select 1 order by 1) order by 1", "42601", 32, "multiple ORDER BY clauses not allowed"),
        ("select a.b.* .c", "42601", 16, "improper use of \"*\" at end of input"),
        ("select 1::float(0)", "22023", 17, "precision for type float must be at least 1 bit"),
        ("set catalog 'x'", "0A000", 13, "current database cannot be changed"),
        ("select unique (select 1)", "0A000", 8, "UNIQUE predicate is not yet implemented"),
        ("drop operator + (int)", "42601", 21, "missing argument"),
        ("create role public", "42939", 13, "role name \"public\" is reserved"),
        ("select 123abc", "42601", 8, "trailing junk after numeric literal at or near \"123abc\""),
    ];
    for (sql, code, place, message) in cases {
        assert_eq!(error(sql), (code.into(), place, message.into()), "{sql}");
    }
}

#[test]
fn operators_may_be_labels() {
    for sql in [
        "select 1 in",
        "select 1 and from t",
        "select 1 like, 2",
        "select 1 at",
        "select 1 operator from t",
        "select 1 is",
        "select (select 1 between) from t",
        "select 1 collate",
        "select 1 year_",
        "select from t",
        "select",
        "insert into t values (1) returning a not",
    ] {
        assert!(parse_statements(sql).is_ok(), "{sql}");
    }
}

#[test]
fn deep_nesting_is_refused_without_a_crash() {
    let deep = |open: &str, middle: &str, close: &str, n: usize| {
        format!("select {}{middle}{}", open.repeat(n), close.repeat(n))
    };
    for (open, middle, close) in [
        ("(", "1", ")"),
        ("not ", "true", ""),
        ("- ", "a", ""),
        ("(select ", "1", ")"),
        ("array[", "1", "]"),
        ("case when ", "a", " then 1 end"),
        ("f(", "1", ")"),
        ("a[", "1", "]"),
        ("1 + ", "1", ""),
        ("", "1", " + 1"),
        ("", "1", " union select 1"),
        ("", "1", " is null"),
    ] {
        let sql = deep(open, middle, close, 100_000);
        match parse_statements(&sql) {
            Err(e) => assert_eq!(e.fields().sqlstate.to_string(), "54001", "{open}{middle}{close}"),
            Ok(_) => assert_eq!(open, "1 + ", "{open}{middle}{close}"),
        }
        assert!(parse_statements(&deep(open, middle, close, 25)).is_ok(), "{open}{middle}{close}");
    }
}

#[test]
fn names_and_types_alone() {
    let parts = |s: &str| parse_qualified_name(s).map(|n| n.parts);
    assert_eq!(parts(" Foo . \"B\"\"ar\" ").expect("valid"), ["foo", "B\"ar"]);
    assert_eq!(parts("select").expect("valid"), ["select"]);
    assert_eq!(parts("a..b").expect_err("invalid").sqlstate().to_string(), "42602");
    assert_eq!(parse_type_name("int4[][3]").expect("valid").array_bounds, [-1, 3]);
    assert_eq!(parse_type_name("double precision").expect("valid").names, ["pg_catalog", "float8"]);
    assert_eq!(parse_type_name("int x").expect_err("invalid").message(), "invalid type name \"int x\"");
    assert!(parse_expr("a + 1 from").is_err());
}
