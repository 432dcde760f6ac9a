//! Expressions as catalog rows store them: SQL text as the deparser prints it; several in one field as a list.
//!
//! Where the pretty form (the one with fewer parentheses, which `pg_get_expr(.., true)` shows) differs, it follows the text after a
//! unit separator (U+001F). Where a key expression's type is not its index column's, it follows after a record separator (U+001E): OID,
//! dot, modifier. A list is each entry's length in bytes, a colon, the entry, without separators: `8:lower(a)7:(a + 1)`.

use quarry_common::Oid;
use quarry_types::SqlType;

const SEPARATOR: char = '\u{1f}';
const TYPE_SEPARATOR: char = '\u{1e}';

/// A field with the expression's type.
pub(crate) fn with_type(field: &str, ty: SqlType) -> String {
    format!("{field}{TYPE_SEPARATOR}{}.{}", ty.oid, ty.typmod)
}

/// A field without its type, and that, if it has one.
fn split_type(field: &str) -> (&str, Option<SqlType>) {
    let Some((field, ty)) = field.split_once(TYPE_SEPARATOR) else { return (field, None) };
    let parts = ty.split_once('.').and_then(|(o, m)| Some((o.parse().ok()?, m.parse().ok()?)));
    (field, parts.map(|(oid, typmod)| SqlType { oid: Oid(oid), typmod }))
}

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
pub fn split_expressions(field: &str) -> Vec<String> {
    split_typed_expressions(field).into_iter().map(|(e, _)| e).collect()
}

/// As [`split_expressions`], with the types that are given.
pub(crate) fn split_typed_expressions(mut field: &str) -> Vec<(String, Option<SqlType>)> {
    let mut out = Vec::new();
    while let Some((len, rest)) = field.split_once(':') {
        let Some((text, tail)) = len.parse().ok().and_then(|n: usize| rest.split_at_checked(n)) else {
            break;
        };
        let (text, ty) = split_type(text);
        out.push((text.to_owned(), ty));
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
        let typed = join_expressions(&[with_type("to_tsvector(b)", SqlType::of(Oid(3614))), "c".to_owned()]);
        assert_eq!(split_expressions(&typed), ["to_tsvector(b)", "c"]);
        assert_eq!(split_typed_expressions(&typed)[0].1, Some(SqlType::of(Oid(3614))));
    }
}
