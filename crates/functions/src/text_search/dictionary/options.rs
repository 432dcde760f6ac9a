//! Lists of options as text: `Name = value, Other = 'va''lue'` (PostgreSQL's `deserialize_deflist`).

use quarry_common::{Error, Result, err};

/// Names and values as they are written; none: not such a list.
pub fn parse(text: &str) -> Option<Vec<(String, String)>> {
    let mut options = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|c: char| is_blank(c) || c == ',');
        if rest.is_empty() {
            return Some(options);
        }
        let name;
        (name, rest) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_part(quoted, '"')?,
            None => bare_part(rest, '='),
        };
        rest = rest.trim_start_matches(is_blank).strip_prefix('=')?.trim_start_matches(is_blank);
        let value;
        (value, rest) = if let Some(quoted) = rest.strip_prefix('\'').or_else(|| rest.strip_prefix("E'")) {
            quoted_part(quoted, '\'')?
        } else if let Some(quoted) = rest.strip_prefix('"') {
            quoted_part(quoted, '"')?
        } else if rest.is_empty() {
            return None;
        } else {
            bare_part(rest, ',')
        };
        options.push((name, value));
    }
}

/// C's `isspace`.
fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t'..='\r')
}

/// Up to a blank or `end`, and what follows; at least one character.
fn bare_part(text: &str, end: char) -> (String, &str) {
    let first = text.chars().next().map_or(0, char::len_utf8);
    let len = text[first..].find(|c: char| is_blank(c) || c == end).map_or(text.len(), |n| first + n);
    (text[..len].to_owned(), &text[len..])
}

/// Up to the closing quote, and what follows it; doubled quotes are one, between single quotes doubled backslashes too.
fn quoted_part(text: &str, quote: char) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut chars = text.char_indices().peekable();
    while let Some((i, c)) = chars.next() {
        let doubled = chars.peek().is_some_and(|(_, next)| *next == c);
        if c == quote && !doubled {
            return Some((out, &text[i + c.len_utf8()..]));
        }
        if doubled && (c == quote || c == '\\' && quote == '\'') {
            chars.next();
        }
        out.push(c);
    }
    None
}

/// PostgreSQL's error for a list that can't be read.
pub fn syntax_error(text: &str) -> Error {
    err!(SYNTAX_ERROR, "invalid parameter list format: \"{text}\"")
}

/// The list as `pg_ts_dict` keeps it; `quote` quotes names.
pub fn print(options: &[(String, String)], quote: impl Fn(&str) -> String) -> String {
    let one = |(name, value): &(String, String)| {
        let bare = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
        let quoted = if bare {
            value.clone()
        } else if value.contains('\\') {
            format!("E'{}'", value.replace('\\', "\\\\").replace('\'', "''"))
        } else {
            format!("'{}'", value.replace('\'', "''"))
        };
        format!("{} = {quoted}", quote(name))
    };
    options.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// A boolean option's value.
pub fn option_bool(name: &str, value: &str) -> Result<bool> {
    let is = |words: &[&str]| words.iter().any(|w| value.eq_ignore_ascii_case(w));
    if is(&["true", "on", "1"]) {
        Ok(true)
    } else if is(&["false", "off", "0"]) {
        Ok(false)
    } else {
        Err(err!(SYNTAX_ERROR, "{name} requires a Boolean value"))
    }
}
