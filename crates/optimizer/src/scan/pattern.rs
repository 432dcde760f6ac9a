//! Patterns that begin with fixed text, as ranges of keys (PostgreSQL: like_support.c).
//!
//! `LIKE 'abc%'`, `~ '^abc'`, `^@ 'abc'` and `starts_with(x, 'abc')` hold only for texts from 'abc' to below 'abd'. All collations compare
//! bytes here, so any index of the text can serve. The condition itself stays in the filter.

use crate::exprs::operator_call;
use quarry_catalog::IndexKey;
use quarry_catalog::builtin::opclass;
use quarry_functions::scalar::regex::fixed_prefix;
use quarry_functions::{OperatorDef, registry};
use quarry_plan::physical::{IndexCond, IndexTest};
use quarry_plan::{CallForm, Expr};
use quarry_types::{Datum, SqlType, oids};

/// The fixed beginning of a pattern.
#[derive(PartialEq, Debug)]
pub(crate) enum Fixed {
    None,
    /// All texts that match begin so.
    Prefix(String),
    /// Only this text matches.
    Exact(String),
}

/// How a pattern is written.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Like,
    Regex,
    Prefix,
}

/// The text and the pattern of a call that matches one against the other.
fn pattern_of(e: &Expr) -> Option<(&Expr, &Expr, Kind, bool)> {
    let Expr::Call { function, args, form, .. } = e else { return None };
    let [text, pattern] = &args[..] else { return None };
    let (kind, any_case) = match form {
        CallForm::Operator(oid) => match registry::operator(*oid)?.name {
            "~~" => (Kind::Like, false),
            "~~*" => (Kind::Like, true),
            "~" => (Kind::Regex, false),
            "~*" => (Kind::Regex, true),
            "^@" => (Kind::Prefix, false),
            _ => return None,
        },
        _ if function.def().name == "starts_with" => (Kind::Prefix, false),
        _ => return None,
    };
    Some((text, pattern, kind, any_case))
}

/// What a pattern begins with.
pub(crate) fn fixed_beginning(kind: Kind, pattern: &str, any_case: bool) -> Fixed {
    match kind {
        Kind::Like => like_prefix(pattern, any_case),
        Kind::Regex => regex_prefix(pattern, any_case),
        Kind::Prefix if pattern.is_empty() => Fixed::None,
        Kind::Prefix => Fixed::Prefix(pattern.to_string()),
    }
}

/// The key that a pattern condition is about.
pub(super) fn subject(e: &Expr) -> Option<&Expr> {
    pattern_of(e).map(|(text, ..)| text)
}

/// Adds the bounds that a pattern condition sets for a key.
pub(super) fn pattern_range(clause: &Expr, def: &IndexKey, position: usize, out: &mut Vec<IndexCond>) {
    if !matches!(def.ty.oid, oids::TEXT | oids::VARCHAR | oids::BPCHAR | oids::NAME) {
        return;
    }
    let Some((text, pattern, kind, any_case)) = pattern_of(clause) else { return };
    let Expr::Const { value: Datum::Bytes(bytes), .. } = pattern else { return };
    let Ok(pattern) = std::str::from_utf8(bytes) else { return };
    let fixed = fixed_beginning(kind, pattern, any_case);
    // Comparisons as they are shown, by the operators of the index's class.
    let by_pattern = opclass::opclass(def.opclass).is_some_and(|c| c.name.ends_with("pattern_ops"));
    let ty = if def.ty.oid == oids::BPCHAR { oids::BPCHAR } else { oids::TEXT };
    let shown = |name: &str, value: &str| -> Option<Expr> {
        let op = find(name, ty)?;
        operator_call(op, text.clone(), Expr::Const { value: Datum::text(value), ty: SqlType::of(ty) })
    };
    let constant = |s: &str| Expr::Const { value: Datum::text(s), ty: SqlType::of(def.ty.oid) };
    match fixed {
        Fixed::None => {}
        Fixed::Exact(value) => {
            let Some(source) = shown("=", &value) else { return };
            out.push(IndexCond { key: position, test: IndexTest::Eq(constant(&value)), source });
        }
        Fixed::Prefix(prefix) => {
            let Some(source) = shown(if by_pattern { "~>=~" } else { ">=" }, &prefix) else { return };
            out.push(IndexCond { key: position, test: IndexTest::Ge(constant(&prefix)), source });
            if let Some(end) = text_after(&prefix)
                && let Some(source) = shown(if by_pattern { "~<~" } else { "<" }, &end)
            {
                out.push(IndexCond { key: position, test: IndexTest::Lt(constant(&end)), source });
            }
        }
    }
}

fn find(name: &str, ty: quarry_common::Oid) -> Option<&'static OperatorDef> {
    registry::operators_named(name).iter().find(|o| o.left == ty && o.right == ty).copied()
}

/// The least text after all texts with this prefix: its last character, one up.
pub(crate) fn text_after(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        let next = if last == '\u{d7ff}' { Some('\u{e000}') } else { char::from_u32(last as u32 + 1) };
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

/// Whether a character may match another one where case doesn't count.
fn has_case(c: char) -> bool {
    c.is_ascii_alphabetic() || !c.is_ascii()
}

fn like_prefix(pattern: &str, any_case: bool) -> Fixed {
    let mut prefix = String::new();
    let mut chars = pattern.chars();
    loop {
        let Some(c) = chars.next() else {
            return Fixed::Exact(prefix);
        };
        let c = match c {
            '%' | '_' => break,
            // A backslash at the end is an error that the match itself will raise.
            '\\' => match chars.next() {
                Some(c) => c,
                None => return Fixed::None,
            },
            c => c,
        };
        if any_case && has_case(c) {
            break;
        }
        prefix.push(c);
    }
    if prefix.is_empty() { Fixed::None } else { Fixed::Prefix(prefix) }
}

/// A regular expression's fixed beginning.
fn regex_prefix(pattern: &str, any_case: bool) -> Fixed {
    match fixed_prefix(pattern, any_case) {
        None => Fixed::None,
        Some(p) if p.exact => Fixed::Exact(p.text),
        Some(p) => Fixed::Prefix(p.text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(s: &str) -> Fixed {
        Fixed::Prefix(s.to_string())
    }
    fn exact(s: &str) -> Fixed {
        Fixed::Exact(s.to_string())
    }

    #[test]
    fn like_patterns() {
        assert_eq!(like_prefix("abc%", false), prefix("abc"));
        assert_eq!(like_prefix("a_c", false), prefix("a"));
        assert_eq!(like_prefix("abc", false), exact("abc"));
        assert_eq!(like_prefix("a\\%b%", false), prefix("a%b"));
        assert_eq!(like_prefix("%a", false), Fixed::None);
        assert_eq!(like_prefix("12ab%", true), prefix("12"));
        assert_eq!(like_prefix("ab%", true), Fixed::None);
        assert_eq!(like_prefix("ab\\", false), Fixed::None);
    }

    #[test]
    fn regular_expressions() {
        assert_eq!(regex_prefix("^abc", false), prefix("abc"));
        assert_eq!(regex_prefix("^(abc)$", false), exact("abc"));
        assert_eq!(regex_prefix("^abc", true), Fixed::None);
        assert_eq!(regex_prefix("^*abc", false), Fixed::None);
    }

    #[test]
    fn text_after_a_prefix() {
        assert_eq!(text_after("abc").as_deref(), Some("abd"));
        assert_eq!(text_after("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(text_after("\u{10ffff}"), None);
    }
}
