//! Reading hints, and what is said about those that are wrong (expected: pg_hint_plan 1.5).

use super::{Hints, comment};

/// The report without what is empty, and the messages.
fn read(text: &str) -> (Vec<String>, Vec<String>) {
    let hints = Hints::parse(text);
    let messages = hints.take_messages();
    let told = messages
        .iter()
        .map(|m| {
            let at = m.message().trim_start_matches("pg_hint_plan: hint syntax error at or near ");
            format!("{at} {}", m.fields().detail.as_deref().unwrap_or_default())
        })
        .collect();
    (hints.report().lines().skip(1).filter(|l| !l.ends_with(':')).map(String::from).collect(), told)
}

#[test]
fn where_the_comment_stands() {
    let text = |sql| comment(sql, false).map(|c| c.map_err(|e| e.to_string()).unwrap_or_default());
    assert_eq!(text("/*+ SeqScan(t) */ SELECT 1"), Some("SeqScan(t) "));
    assert_eq!(text("EXPLAIN (COSTS false) /*+SeqScan(t)*/ SELECT 1"), Some("SeqScan(t)"));
    assert_eq!(text("SELECT /*+ SeqScan(t) */ 1"), Some("SeqScan(t) "));
    assert_eq!(text("SELECT '' /*+ SeqScan(t) */"), None);
    assert_eq!(text("SELECT * /*+ SeqScan(t) */ FROM t"), None);
    assert_eq!(comment("SELECT * /*+ x */ FROM t", true).map(|c| c.is_ok()), Some(true));
    assert_eq!(text("/* SeqScan(t) */ SELECT 1"), None);
    let wrong =
        comment("/*+ SeqScan(t) /* no */ */ SELECT 1", false).and_then(Result::err).expect("an error");
    assert_eq!(wrong.message(), "pg_hint_plan: hint syntax error at or near \"/* no */ */ SELECT 1\"");
    assert_eq!(wrong.fields().detail.as_deref(), Some("Nested block comments are not supported."));
}

#[test]
fn hints_are_listed_by_kind() {
    let (list, told) = read(
        "Leading(((a b) \"c d\")) HashJoin(b a)nestloop(c b a) SeqScan(a) IndexScan(b b_pkey \"b\"\"x\")\n\
         Rows(a b #10) Set(random_page_cost 2.0) Parallel(a 3) Memoize(b a)",
    );
    assert_eq!(
        list,
        [
            "SeqScan(a)",
            "IndexScan(b b_pkey \"b\"\"x\")",
            "HashJoin(a b)",
            "NestLoop(a b c)",
            "Leading(((a b) \"c d\"))",
            "Set(random_page_cost 2.0)",
            "Rows(a b #10)",
            "Parallel(a 3 soft)",
            "Memoize(a b)",
        ]
    );
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn the_last_of_several_counts() {
    let (list, told) = read("SeqScan(a) IndexScan(a) HashJoin(a b) MergeJoin(b a) ");
    assert_eq!(list, ["IndexScan(a)", "MergeJoin(a b)", "SeqScan(a)", "HashJoin(a b)"]);
    assert_eq!(
        told,
        [
            "\"SeqScan(a) IndexScan(a) HashJoin(a b) MergeJoin(b a) \" Conflict scan method hint.",
            "\"HashJoin(a b) MergeJoin(b a) \" Conflict join method hint.",
        ]
    );
}

#[test]
fn what_is_wrong_is_told() {
    let detail = |text| read(text).1.join("|");
    assert_eq!(detail("SeqScam(a)"), "\"SeqScam(a)\" Unrecognized hint keyword \"SeqScam\".");
    assert_eq!(detail("SeqScan"), "\"\" Opening parenthesis is necessary.");
    assert_eq!(detail("SeqScan(a"), "\"\" Closing parenthesis is necessary.");
    assert_eq!(detail("SeqScan()"), "\"\" SeqScan hint requires a relation.");
    assert_eq!(detail("SeqScan(a b) "), "\" \" SeqScan hint accepts only one relation.");
    assert_eq!(detail("HashJoin(a)"), "\"\" HashJoin hint requires at least two relations.");
    assert_eq!(detail("Leading(a)"), "\"Leading(a)\" Leading hint requires at least two relations.");
    assert_eq!(
        detail("Leading((a b c))"),
        "\"Leading((a b c))\" Leading hint requires two sets of relations when parentheses nests."
    );
    assert_eq!(detail("Set(a)"), "\"Set(a)\" Set hint requires name and value of GUC parameter.");
    assert_eq!(detail("Rows(a b 10)"), "\"10\" Unrecognized rows value type notation.");
    assert_eq!(detail("Rows(a b #x)"), "\"x\" Rows hint requires valid number as rows estimation.");
    assert_eq!(detail("Rows(a #1)"), "\"\" Rows hint requires at least two relations.");
    assert_eq!(detail("Parallel(a)"), "\")\" wrong number of arguments (1): Parallel");
    assert_eq!(detail("Parallel(a x)"), "\"x\" number of workers must be a number: Parallel");
    assert_eq!(detail("SeqScan(\"a)"), "\"\" Unterminated quoted string.");
    assert_eq!(detail("SeqScan(\"\")"), "\")\" Zero-length delimited string.");
    // What was read before stays.
    assert_eq!(read("SeqScan(a) Nonsense IndexScan(b)").0, ["SeqScan(a)"]);
}
