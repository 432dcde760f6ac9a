//! Precedence: expressions against what pg_get_viewdef prints, with all parentheses, for the same text.
//!
//! `precedence.txt` was recorded from PostgreSQL 15 with a type that has all the operators and casts to and
//! from boolean.

use crate::ast::{BooleanTest, Expr, ExprKind};

/// The expression with a pair of parentheses around each operation, casts left out.
fn show(e: &Expr) -> String {
    use ExprKind::*;
    let junction = |terms: &[Expr], word: &str| {
        format!("({})", terms.iter().map(show).collect::<Vec<_>>().join(&format!(" {word} ")))
    };
    match &e.kind {
        ColumnRef { names, .. } => names.join("."),
        Op { op, left: Some(left), right } => format!("({} {} {})", show(left), op.name, show(right)),
        Op { op, left: None, right } => format!("({} {})", op.name, show(right)),
        And(terms) => junction(terms, "AND"),
        Or(terms) => junction(terms, "OR"),
        Not(arg) => format!("(NOT {})", show(arg)),
        TypeCast { arg, .. } => show(arg),
        Like { kind, left, pattern, negated } => {
            format!("({} {} {})", show(left), kind.operator(*negated), show(pattern))
        }
        Between { arg, low, high, negated, .. } => {
            let (arg, low, high) = (show(arg), show(low), show(high));
            if *negated {
                format!("(({arg} < {low}) OR ({arg} > {high}))")
            } else {
                format!("(({arg} >= {low}) AND ({arg} <= {high}))")
            }
        }
        In { left, list, negated } => {
            let (op, word) = if *negated { ("<>", "AND") } else { ("=", "OR") };
            let terms: Vec<_> = list.iter().map(|x| format!("({} {op} {})", show(left), show(x))).collect();
            format!("({})", terms.join(&format!(" {word} ")))
        }
        Distinct { left, right, negated } => {
            format!("({} IS {}DISTINCT FROM {})", show(left), if *negated { "NOT " } else { "" }, show(right))
        }
        NullTest { arg, negated } => format!("({} IS {}NULL)", show(arg), if *negated { "NOT " } else { "" }),
        BooleanTest { arg, test } => {
            let word = match test {
                self::BooleanTest::IsTrue => "TRUE",
                self::BooleanTest::IsNotTrue => "NOT TRUE",
                self::BooleanTest::IsFalse => "FALSE",
                self::BooleanTest::IsNotFalse => "NOT FALSE",
                self::BooleanTest::IsUnknown => "UNKNOWN",
                self::BooleanTest::IsNotUnknown => "NOT UNKNOWN",
            };
            format!("({} IS {word})", show(arg))
        }
        other => panic!("not in the corpus: {other:?}"),
    }
}

#[test]
fn trees_are_postgresqls() {
    let corpus = match std::env::var("QUARRY_PRECEDENCE") {
        Ok(path) => std::fs::read_to_string(path).expect("the file must be readable"),
        Err(_) => include_str!("precedence.txt").to_string(),
    };
    let mut wrong = Vec::new();
    for line in corpus.lines() {
        let (text, tree) = line.split_once(" => ").expect("a line is `expression => tree`");
        let parsed = crate::parse::parse_expr(text).expect("every expression is valid");
        let shown = show(&parsed);
        if shown != tree {
            wrong.push(format!("{text}\n  PostgreSQL {tree}\n  Quarry     {shown}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}
