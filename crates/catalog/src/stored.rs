//! Expressions as catalog rows store them: SQL text as the deparser prints it; several in one field as a list.
//!
//! Where the pretty form (the one with fewer parentheses, which `pg_get_expr(.., true)` shows) differs, it follows the text after a
//! unit separator (U+001F). A list is each entry's length in bytes, a colon, the entry, without separators: `8:lower(a)7:(a + 1)`.

const SEPARATOR: char = '\u{1f}';

/// One field from the text and its pretty form.
pub fn encode_expression(sql: &str, pretty: Option<&str>) -> String {
    match pretty {
        Some(p) if p != sql => format!("{sql}{SEPARATOR}{p}"),
        _ => sql.to_owned(),
    }
}

/// The text of a field.
pub fn expression_sql(field: &str) -> &str {
    field.split(SEPARATOR).next().unwrap_or(field)
}

/// The pretty form of a field.
pub fn expression_pretty(field: &str) -> &str {
    field.rsplit(SEPARATOR).next().unwrap_or(field)
}

/// Joins texts into one field.
pub fn join_expressions<S: AsRef<str>>(texts: &[S]) -> String {
    texts.iter().map(|t| format!("{}:{}", t.as_ref().len(), t.as_ref())).collect()
}

/// Splits what [`join_expressions`] made. Anything else comes back as far as it makes sense.
pub fn split_expressions(mut field: &str) -> Vec<String> {
    let mut out = Vec::new();
    while let Some((len, rest)) = field.split_once(':') {
        let Some((text, tail)) = len.parse().ok().and_then(|n: usize| rest.split_at_checked(n)) else {
            break;
        };
        out.push(text.to_owned());
        field = tail;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_forms() {
        let field = encode_expression("(a > (0)::numeric)", Some("a > 0::numeric"));
        assert_eq!(
            (expression_sql(&field), expression_pretty(&field)),
            ("(a > (0)::numeric)", "a > 0::numeric")
        );
        assert_eq!(expression_pretty(&encode_expression("x", Some("x"))), "x");
        assert_eq!(expression_pretty("x"), "x");
    }

    #[test]
    fn lists_come_back() {
        let list = ["lower(a)", "", "(b || ':'::text)"];
        assert_eq!(split_expressions(&join_expressions(&list)), list);
        assert!(split_expressions("").is_empty());
    }
}
