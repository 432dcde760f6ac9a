//! Upper, lower and title case, character by character as the C.UTF-8 locale maps them: where the full mapping is longer than one
//! character, Unicode's simple mapping counts, or the character stays if it has none.

use crate::{FunctionDef, func, scalar};

pub fn lower_char(c: char) -> char {
    let mut m = c.to_lowercase();
    match (m.next(), m.next()) {
        (Some(l), None) => l,
        _ if c == '\u{130}' => 'i',
        _ => c,
    }
}

pub fn upper_char(c: char) -> char {
    let mut m = c.to_uppercase();
    match (m.next(), m.next()) {
        (Some(u), None) => u,
        _ => with_iota(c).unwrap_or(c),
    }
}

/// The simple upper case of Greek small letters with iota subscript: the letters of title case.
fn with_iota(c: char) -> Option<char> {
    let up = match c {
        '\u{1f80}'..='\u{1faf}' if u32::from(c) & 8 == 0 => 8,
        '\u{1fb3}' | '\u{1fc3}' | '\u{1ff3}' => 9,
        _ => return None,
    };
    char::from_u32(u32::from(c) + up)
}

/// `lower`.
pub fn lower(s: &str) -> String {
    if s.is_ascii() { s.to_ascii_lowercase() } else { s.chars().map(lower_char).collect() }
}

/// `upper`.
pub fn upper(s: &str) -> String {
    if s.is_ascii() { s.to_ascii_uppercase() } else { s.chars().map(upper_char).collect() }
}

fn title(s: &str) -> String {
    let mut inside = false;
    s.chars()
        .map(|c| {
            let mapped = if inside { lower_char(c) } else { upper_char(c) };
            inside = c.is_alphanumeric();
            mapped
        })
        .collect()
}

pub const FUNCTIONS: &[FunctionDef] = &[
    func!(870, "lower", [TEXT] => TEXT, scalar!(|s: &str| -> String { lower(s) })),
    func!(871, "upper", [TEXT] => TEXT, scalar!(|s: &str| -> String { upper(s) })),
    func!(872, "initcap", [TEXT] => TEXT, scalar!(|s: &str| -> String { title(s) })),
];
