//! Operators and scalar functions of regular expressions, and `SIMILAR TO`.

use super::regex::{Flags, Matcher, Spans, compiled, whole};
use super::string_parts::{byte_of, char_count};
use crate::{EvalContext, FunctionDef, func, scalar};
use quarry_common::{Result, bail, err};
use quarry_types::array::ArrayBuilder;
use quarry_types::{Datum, PhysicalType, oids};

fn matches(cx: &EvalContext<'_>, text: &str, pattern: &str, ignore_case: bool) -> Result<bool> {
    compiled(cx, pattern, Flags { ignore_case, ..Flags::default() })?.is_match(text)
}

/// Flags of a function that has no use for `g`.
fn flags_without_global(flags: &str, function: &str) -> Result<Flags> {
    let f = Flags::parse(flags)?;
    if f.global {
        let e = err!(INVALID_PARAMETER_VALUE, "{function}() does not support the \"global\" option");
        return Err(if function == "regexp_match" {
            e.hint("Use the regexp_matches function instead.")
        } else {
            e
        });
    }
    Ok(f)
}

/// Pattern and flags of the splitting functions.
pub(crate) fn split_pattern<'a>(
    cx: &EvalContext<'a>,
    pattern: &str,
    flags: &str,
    function: &str,
) -> Result<Matcher<'a>> {
    compiled(cx, pattern, flags_without_global(flags, function)?)
}

/// Pieces of `text` between matches.
pub(crate) fn split<'t>(text: &'t str, pattern: &Matcher<'_>) -> Result<Vec<&'t str>> {
    let mut pieces = Vec::new();
    let mut at = 0;
    for spans in pattern.find_all(text, 0, usize::MAX, true)? {
        let (start, end) = whole(&spans);
        pieces.push(&text[at..start]);
        at = end;
    }
    pieces.push(&text[at..]);
    Ok(pieces)
}

/// text[] of the groups, or of the whole match if there are none.
pub(crate) fn groups_array(text: &str, spans: &Spans) -> Result<Datum> {
    let mut b = ArrayBuilder::new(oids::TEXT, PhysicalType::Bytes);
    for span in if spans.len() > 1 { &spans[1..] } else { &spans[..] } {
        match span {
            Some((start, end)) => b.push_bytes(&text.as_bytes()[*start..*end]),
            None => b.push_null(),
        }
    }
    b.finish_1d()
}

fn bytes_of(d: Datum) -> Vec<u8> {
    d.as_bytes().to_vec()
}

fn first_match(cx: &EvalContext<'_>, text: &str, pattern: &str, flags: &str) -> Result<Option<Vec<u8>>> {
    let p = compiled(cx, pattern, flags_without_global(flags, "regexp_match")?)?;
    p.find(text, 0)?.map(|spans| groups_array(text, &spans).map(bytes_of)).transpose()
}

fn split_array(cx: &EvalContext<'_>, text: &str, pattern: &str, flags: &str) -> Result<Vec<u8>> {
    let p = split_pattern(cx, pattern, flags, "regexp_split_to_array")?;
    let mut b = ArrayBuilder::new(oids::TEXT, PhysicalType::Bytes);
    for piece in split(text, &p)? {
        b.push_bytes(piece.as_bytes());
    }
    b.finish_1d().map(bytes_of)
}

/// `substring(text from pattern)`: the first group, or the whole match.
fn extract(cx: &EvalContext<'_>, text: &str, pattern: &str) -> Result<Option<String>> {
    let p = compiled(cx, pattern, Flags::default())?;
    let Some(spans) = p.find(text, 0)? else { return Ok(None) };
    let span = if p.groups() > 0 { spans[1] } else { spans[0] };
    Ok(span.map(|(start, end)| text[start..end].to_owned()))
}

fn at_least(name: &str, value: i32, least: i32) -> Result<()> {
    if value < least {
        bail!(INVALID_PARAMETER_VALUE, "invalid value for parameter \"{name}\": {value}");
    }
    Ok(())
}

/// Appends a replacement: `\1`..`\9` groups, `\&` the match, `\\` a backslash.
fn push_replacement(out: &mut String, template: &str, text: &str, spans: &Spans) {
    let mut rest = template;
    while let Some(i) = rest.find('\\') {
        out.push_str(&rest[..i]);
        let code = rest.as_bytes().get(i + 1).copied();
        let group = match code {
            Some(b'&') => Some(0),
            Some(d @ b'1'..=b'9') => Some(usize::from(d - b'0')),
            _ => None,
        };
        if let Some(g) = group {
            if let Some(Some((start, end))) = spans.get(g) {
                out.push_str(&text[*start..*end]);
            }
            rest = &rest[i + 2..];
        } else {
            out.push('\\');
            rest = &rest[i + if code == Some(b'\\') { 2 } else { 1 }..];
        }
    }
    out.push_str(rest);
}

/// `n`: which match; 0: all.
fn replace(
    cx: &EvalContext<'_>,
    text: &str,
    pattern: &str,
    with: &str,
    start: i32,
    n: i32,
    flags: Flags,
) -> Result<String> {
    at_least("start", start, 1)?;
    at_least("n", n, 0)?;
    let p = compiled(cx, pattern, flags)?;
    let from = byte_of(text, start as usize - 1);
    if start as i64 - 1 > i64::from(char_count(text.as_bytes())) {
        return Ok(text.to_owned());
    }
    let mut out = String::with_capacity(text.len());
    let mut copied = 0;
    let limit = if n == 0 { usize::MAX } else { n as usize };
    for (i, spans) in p.find_all(text, from, limit, false)?.iter().enumerate() {
        if n > 0 && i + 1 < n as usize {
            continue;
        }
        let (start, end) = whole(spans);
        out.push_str(&text[copied..start]);
        push_replacement(&mut out, with, text, spans);
        copied = end;
    }
    out.push_str(&text[copied..]);
    Ok(out)
}

fn replace_flags(cx: &EvalContext<'_>, text: &str, pattern: &str, with: &str, flags: &str) -> Result<String> {
    if let Some(d) = flags.chars().next().filter(char::is_ascii_digit) {
        return Err(err!(INVALID_PARAMETER_VALUE, "invalid regular expression option: \"{d}\"").hint(
            "If you meant to use regexp_replace() with a start parameter, cast the fourth argument to integer explicitly.",
        ));
    }
    let f = Flags::parse(flags)?;
    replace(cx, text, pattern, with, 1, i32::from(!f.global), f)
}

fn replace_extended(
    cx: &EvalContext<'_>,
    text: &str,
    pattern: &str,
    with: &str,
    start: i32,
    n: Option<i32>,
    flags: &str,
) -> Result<String> {
    let f = Flags::parse(flags)?;
    replace(cx, text, pattern, with, start, n.unwrap_or(i32::from(!f.global)), f)
}

fn count(cx: &EvalContext<'_>, text: &str, pattern: &str, start: i32, flags: &str) -> Result<i32> {
    at_least("start", start, 1)?;
    let p = compiled(cx, pattern, flags_without_global(flags, "regexp_count")?)?;
    if start as i64 - 1 > i64::from(char_count(text.as_bytes())) {
        return Ok(0);
    }
    Ok(p.find_all(text, byte_of(text, start as usize - 1), usize::MAX, false)?.len() as i32)
}

/// Which match, and what of it: the arguments of regexp_instr behind the pattern.
#[derive(Clone, Copy)]
struct Match<'a> {
    start: i32,
    n: i32,
    /// 1: behind the match.
    end: i32,
    flags: &'a str,
    group: i32,
}

impl Default for Match<'_> {
    fn default() -> Self {
        Match { start: 1, n: 1, end: 0, flags: "", group: 0 }
    }
}

/// Span of group `group` (0: all) of match number `n`.
fn nth(text: &str, p: &Matcher<'_>, start: i32, n: i32, group: i32) -> Result<Option<(usize, usize)>> {
    if start as i64 - 1 > i64::from(char_count(text.as_bytes())) || group as usize > p.groups() {
        return Ok(None);
    }
    let found = p.find_all(text, byte_of(text, start as usize - 1), n as usize, false)?;
    Ok(found.get(n as usize - 1).and_then(|spans| spans[group as usize]))
}

fn instr(cx: &EvalContext<'_>, text: &str, pattern: &str, which: Match<'_>) -> Result<i32> {
    let Match { start, n, end, flags, group } = which;
    at_least("start", start, 1)?;
    at_least("n", n, 1)?;
    if end != 0 && end != 1 {
        bail!(INVALID_PARAMETER_VALUE, "invalid value for parameter \"endoption\": {end}");
    }
    at_least("subexpr", group, 0)?;
    let p = compiled(cx, pattern, flags_without_global(flags, "regexp_instr")?)?;
    let span = nth(text, &p, start, n, group)?;
    Ok(span.map_or(0, |(s, e)| char_count(&text.as_bytes()[..if end == 1 { e } else { s }]) + 1))
}

fn substr(
    cx: &EvalContext<'_>,
    text: &str,
    pattern: &str,
    start: i32,
    n: i32,
    flags: &str,
    group: i32,
) -> Result<Option<String>> {
    at_least("start", start, 1)?;
    at_least("n", n, 1)?;
    at_least("subexpr", group, 0)?;
    let p = compiled(cx, pattern, flags_without_global(flags, "regexp_substr")?)?;
    Ok(nth(text, &p, start, n, group)?.map(|(s, e)| text[s..e].to_owned()))
}

/// The regular expression of a `SIMILAR TO` pattern. No escape: none; backslash is the default of the operator.
fn similar_pattern(pattern: &str, escape: Option<&str>) -> Result<String> {
    let escape = match escape {
        None => Some('\\'),
        Some(e) => {
            let mut chars = e.chars();
            let first = chars.next();
            if chars.next().is_some() {
                return Err(super::like::invalid_escape());
            }
            first
        }
    };
    let mut out = String::from("^(?:");
    let (mut after_escape, mut quotes) = (false, 0);
    // Open brackets, and whether a closing one would be a member: right behind the opening one or its caret.
    let (mut depth, mut members) = (0usize, 0);
    for c in pattern.chars() {
        if after_escape {
            if c == '"' && depth == 0 {
                match quotes {
                    0 => out.push_str("){1,1}?("),
                    1 => out.push_str("){1,1}(?:"),
                    _ => bail!(
                        INVALID_USE_OF_ESCAPE_CHARACTER,
                        "SQL regular expression may not contain more than two escape-double-quote separators"
                    ),
                }
                quotes += 1;
            } else {
                out.push('\\');
                out.push(c);
                members = 3;
            }
            after_escape = false;
        } else if Some(c) == escape {
            after_escape = true;
        } else if depth > 0 {
            if c == '\\' {
                out.push('\\');
            }
            out.push(c);
            if c == ']' && members > 2 {
                depth -= 1;
            } else if c == '[' {
                depth += 1;
            }
            // Only the first caret negates; behind it a closing bracket still is a member.
            members = if c == '^' { members + 1 } else { 3 };
        } else {
            match c {
                '[' => {
                    out.push('[');
                    (depth, members) = (1, 1);
                }
                '%' => out.push_str(".*"),
                '_' => out.push('.'),
                '(' => out.push_str("(?:"),
                '\\' | '.' | '^' | '$' => {
                    out.push('\\');
                    out.push(c);
                }
                c => out.push(c),
            }
        }
    }
    out.push_str(")$");
    Ok(out)
}

pub const FUNCTIONS: &[FunctionDef] = &[
    func!(1254, "textregexeq", [TEXT, TEXT] => BOOL, scalar!(cx, |t: &str, p: &str| -> Result<bool> { matches(cx, t, p, false) })),
    func!(79, "nameregexeq", [NAME, TEXT] => BOOL, scalar!(cx, |t: &str, p: &str| -> Result<bool> { matches(cx, t, p, false) })),
    func!(1658, "bpcharregexeq", [BPCHAR, TEXT] => BOOL, scalar!(cx, |t: &str, p: &str| -> Result<bool> { matches(cx, t, p, false) })),
    func!(1238, "texticregexeq", [TEXT, TEXT] => BOOL, scalar!(cx, |t: &str, p: &str| -> Result<bool> { matches(cx, t, p, true) })),
    func!(1240, "nameicregexeq", [NAME, TEXT] => BOOL, scalar!(cx, |t: &str, p: &str| -> Result<bool> { matches(cx, t, p, true) })),
    func!(1656, "bpcharicregexeq", [BPCHAR, TEXT] => BOOL, scalar!(cx, |t: &str, p: &str| -> Result<bool> { matches(cx, t, p, true) })),
    func!(1256, "textregexne", [TEXT, TEXT] => BOOL, scalar!(cx, |t: &str, p: &str| -> Result<bool> { Ok(!matches(cx, t, p, false)?) })),
    func!(1252, "nameregexne", [NAME, TEXT] => BOOL, scalar!(cx, |t: &str, p: &str| -> Result<bool> { Ok(!matches(cx, t, p, false)?) })),
    func!(1659, "bpcharregexne", [BPCHAR, TEXT] => BOOL, scalar!(cx, |t: &str, p: &str| -> Result<bool> { Ok(!matches(cx, t, p, false)?) })),
    func!(1239, "texticregexne", [TEXT, TEXT] => BOOL, scalar!(cx, |t: &str, p: &str| -> Result<bool> { Ok(!matches(cx, t, p, true)?) })),
    func!(1241, "nameicregexne", [NAME, TEXT] => BOOL, scalar!(cx, |t: &str, p: &str| -> Result<bool> { Ok(!matches(cx, t, p, true)?) })),
    func!(1657, "bpcharicregexne", [BPCHAR, TEXT] => BOOL, scalar!(cx, |t: &str, p: &str| -> Result<bool> { Ok(!matches(cx, t, p, true)?) })),
    func!(6263, "regexp_like", [TEXT, TEXT] => BOOL, scalar!(cx, |t: &str, p: &str| -> Result<bool> { matches(cx, t, p, false) })),
    func!(6264, "regexp_like", [TEXT, TEXT, TEXT] => BOOL, scalar!(cx, |t: &str, p: &str, f: &str| -> Result<bool> { compiled(cx, p, flags_without_global(f, "regexp_like")?)?.is_match(t) })),
    func!(3396, "regexp_match", [TEXT, TEXT] => TEXT_ARRAY, scalar!(cx, |t: &str, p: &str| -> Result<Option<Vec<u8>>> { first_match(cx, t, p, "") })),
    func!(3397, "regexp_match", [TEXT, TEXT, TEXT] => TEXT_ARRAY, scalar!(cx, |t: &str, p: &str, f: &str| -> Result<Option<Vec<u8>>> { first_match(cx, t, p, f) })),
    func!(2767, "regexp_split_to_array", [TEXT, TEXT] => TEXT_ARRAY, scalar!(cx, |t: &str, p: &str| -> Result<Vec<u8>> { split_array(cx, t, p, "") })),
    func!(2768, "regexp_split_to_array", [TEXT, TEXT, TEXT] => TEXT_ARRAY, scalar!(cx, |t: &str, p: &str, f: &str| -> Result<Vec<u8>> { split_array(cx, t, p, f) })),
    func!(2073, "substring", [TEXT, TEXT] => TEXT, scalar!(cx, |t: &str, p: &str| -> Result<Option<String>> { extract(cx, t, p) })),
    func!(2074, "substring", [TEXT, TEXT, TEXT] => TEXT, scalar!(cx, |t: &str, p: &str, e: &str| -> Result<Option<String>> { extract(cx, t, &similar_pattern(p, Some(e))?) })),
    func!(2284, "regexp_replace", [TEXT, TEXT, TEXT] => TEXT, scalar!(cx, |t: &str, p: &str, w: &str| -> Result<String> { replace(cx, t, p, w, 1, 1, Flags::default()) })),
    func!(2285, "regexp_replace", [TEXT, TEXT, TEXT, TEXT] => TEXT, scalar!(cx, |t: &str, p: &str, w: &str, f: &str| -> Result<String> { replace_flags(cx, t, p, w, f) })),
    func!(6253, "regexp_replace", [TEXT, TEXT, TEXT, INT4] => TEXT, scalar!(cx, |t: &str, p: &str, w: &str, s: i32| -> Result<String> { replace(cx, t, p, w, s, 1, Flags::default()) })),
    func!(6252, "regexp_replace", [TEXT, TEXT, TEXT, INT4, INT4] => TEXT, scalar!(cx, |t: &str, p: &str, w: &str, s: i32, n: i32| -> Result<String> { replace(cx, t, p, w, s, n, Flags::default()) })),
    func!(6251, "regexp_replace", [TEXT, TEXT, TEXT, INT4, INT4, TEXT] => TEXT, scalar!(cx, |t: &str, p: &str, w: &str, s: i32, n: i32, f: &str| -> Result<String> { replace_extended(cx, t, p, w, s, Some(n), f) })),
    func!(6254, "regexp_count", [TEXT, TEXT] => INT4, scalar!(cx, |t: &str, p: &str| -> Result<i32> { count(cx, t, p, 1, "") })),
    func!(6255, "regexp_count", [TEXT, TEXT, INT4] => INT4, scalar!(cx, |t: &str, p: &str, s: i32| -> Result<i32> { count(cx, t, p, s, "") })),
    func!(6256, "regexp_count", [TEXT, TEXT, INT4, TEXT] => INT4, scalar!(cx, |t: &str, p: &str, s: i32, f: &str| -> Result<i32> { count(cx, t, p, s, f) })),
    func!(6257, "regexp_instr", [TEXT, TEXT] => INT4, scalar!(cx, |t: &str, p: &str| -> Result<i32> { instr(cx, t, p, Match::default()) })),
    func!(6258, "regexp_instr", [TEXT, TEXT, INT4] => INT4, scalar!(cx, |t: &str, p: &str, s: i32| -> Result<i32> { instr(cx, t, p, Match { start: s, ..Match::default() }) })),
    func!(6259, "regexp_instr", [TEXT, TEXT, INT4, INT4] => INT4, scalar!(cx, |t: &str, p: &str, s: i32, n: i32| -> Result<i32> { instr(cx, t, p, Match { start: s, n, ..Match::default() }) })),
    func!(6260, "regexp_instr", [TEXT, TEXT, INT4, INT4, INT4] => INT4, scalar!(cx, |t: &str, p: &str, s: i32, n: i32, e: i32| -> Result<i32> { instr(cx, t, p, Match { start: s, n, end: e, ..Match::default() }) })),
    func!(6261, "regexp_instr", [TEXT, TEXT, INT4, INT4, INT4, TEXT] => INT4, scalar!(cx, |t: &str, p: &str, s: i32, n: i32, e: i32, f: &str| -> Result<i32> { instr(cx, t, p, Match { start: s, n, end: e, flags: f, ..Match::default() }) })),
    func!(6262, "regexp_instr", [TEXT, TEXT, INT4, INT4, INT4, TEXT, INT4] => INT4, scalar!(cx, |t: &str, p: &str, s: i32, n: i32, e: i32, f: &str, g: i32| -> Result<i32> { instr(cx, t, p, Match { start: s, n, end: e, flags: f, group: g }) })),
    func!(6265, "regexp_substr", [TEXT, TEXT] => TEXT, scalar!(cx, |t: &str, p: &str| -> Result<Option<String>> { substr(cx, t, p, 1, 1, "", 0) })),
    func!(6266, "regexp_substr", [TEXT, TEXT, INT4] => TEXT, scalar!(cx, |t: &str, p: &str, s: i32| -> Result<Option<String>> { substr(cx, t, p, s, 1, "", 0) })),
    func!(6267, "regexp_substr", [TEXT, TEXT, INT4, INT4] => TEXT, scalar!(cx, |t: &str, p: &str, s: i32, n: i32| -> Result<Option<String>> { substr(cx, t, p, s, n, "", 0) })),
    func!(6268, "regexp_substr", [TEXT, TEXT, INT4, INT4, TEXT] => TEXT, scalar!(cx, |t: &str, p: &str, s: i32, n: i32, f: &str| -> Result<Option<String>> { substr(cx, t, p, s, n, f, 0) })),
    func!(6269, "regexp_substr", [TEXT, TEXT, INT4, INT4, TEXT, INT4] => TEXT, scalar!(cx, |t: &str, p: &str, s: i32, n: i32, f: &str, g: i32| -> Result<Option<String>> { substr(cx, t, p, s, n, f, g) })),
    func!(1987, "similar_to_escape", [TEXT] => TEXT, scalar!(|p: &str| -> Result<String> { similar_pattern(p, None) })),
    func!(1986, "similar_to_escape", [TEXT, TEXT] => TEXT, scalar!(|p: &str, e: &str| -> Result<String> { similar_pattern(p, Some(e)) })),
    func!(1623, "similar_escape", [TEXT, TEXT] => TEXT, scalar!(|p: Option<&str>, e: Option<&str>| -> Result<Option<String>> { p.map(|p| similar_pattern(p, e)).transpose() })).lax(),
];
