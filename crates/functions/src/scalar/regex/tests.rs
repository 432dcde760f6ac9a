//! What PostgreSQL answers.

use super::{Flags, matcher, whole};
use crate::context::testing::TestEnv;

/// The match and its groups, or the error's text.
fn found(text: &str, pattern: &str) -> String {
    match matcher(&TestEnv, pattern, Flags::default()).and_then(|p| p.find(text, 0)) {
        Err(e) => e.message().to_owned(),
        Ok(None) => "-".into(),
        Ok(Some(spans)) => {
            let show = |s: &Option<(usize, usize)>| s.map_or("NULL".into(), |(a, b)| text[a..b].to_owned());
            spans.iter().map(show).collect::<Vec<String>>().join(",")
        }
    }
}

#[test]
fn preferences_are_the_manuals() {
    assert_eq!(found("XY1234Z", "Y*([0-9]{1,3})"), "Y123,123");
    assert_eq!(found("XY1234Z", "Y*?([0-9]{1,3})"), "Y1,1");
    assert_eq!(found("abc01234xyz", "(.*)(\\d+)(.*)"), "abc01234xyz,abc0123,4,xyz");
    assert_eq!(found("abc01234xyz", "(.*?)(\\d+)(.*)"), "abc0,abc,0,");
    assert_eq!(found("abc01234xyz", "(?:(.*?)(\\d+)(.*)){1,1}"), "abc01234xyz,abc,01234,xyz");
    assert_eq!(found("aaabbb", "a+?b+"), "aaab");
    assert_eq!(found("xyz", "(x|xy)(z|yz)"), "xyz,xy,z");
    assert_eq!(found("abcd", "(a|ab)(c|bcd)(d*)"), "abcd,ab,c,d");
}

#[test]
fn references_and_constraints() {
    assert_eq!(found("abcabc", "(.+)\\1"), "abcabc,abc");
    assert_eq!(found("abc", "(a|b)\\1|$"), "-");
    assert_eq!(found("foobar", "foo(?=bar)"), "foo");
    assert_eq!(found("foobar", "(?<!x)o(?!o)"), "o");
    assert_eq!(found("one two", "\\mt\\w+"), "two");
    assert_eq!(found("aXbX", "(?i)x\\Z"), "X");
    assert_eq!(found("abab", "(ab)*"), "abab,ab");
    assert_eq!(found("aabb", "(a|b)*?$"), "aabb,b");
}

#[test]
fn errors_are_postgresqls() {
    let invalid = |p: &str| found("", p).replace("invalid regular expression: ", "");
    for (pattern, text) in [
        ("a**", "quantifier operand invalid"),
        ("(a", "parentheses () not balanced"),
        ("a)", "parentheses () not balanced"),
        ("[a", "brackets [] not balanced"),
        ("[b-a]", "invalid character range"),
        ("[[:foo:]]", "invalid character class"),
        ("[[.foo.]]", "invalid collating element"),
        ("a{1", "braces {} not balanced"),
        ("a{2,1}", "invalid repetition count(s)"),
        ("a{256}", "invalid repetition count(s)"),
        ("\\", "invalid escape \\ sequence"),
        ("\\q", "invalid escape \\ sequence"),
        ("\\1", "invalid backreference number"),
        ("(?z)", "invalid embedded option"),
        ("((x{255}){255}){255}", "regular expression is too complex"),
        ("***a", "quantifier operand invalid"),
    ] {
        assert_eq!(invalid(pattern), text, "{pattern}");
    }
}

#[test]
fn long_texts_take_linear_time() {
    let text = format!("{}c", "a".repeat(200_000));
    assert_eq!(found(&text, "a*b|c"), "c");
    assert_eq!(found(&text, "(?:(?:a*)*)*b|c"), "c");
    let p = matcher(&TestEnv, "(a|aa)*c", Flags::default()).expect("compiles");
    assert_eq!(p.find(&text, 0).expect("runs").map(|s| whole(&s)), Some((0, 200_001)));
    assert_eq!(found(&"x".repeat(5000), "^(((x)|y)*)*(z|)$").len(), 10_006);
}
