//! Expressions as catalog rows store them: SQL text as the deparser prints it; several in one field as a list.
//!
//! A list is each text's length in bytes, a colon, the text: `5:lower7:(a + 1)`... without separators.

/// Joins texts into one field.
pub fn join_expressions<S: AsRef<str>>(texts: &[S]) -> String {
    texts.iter().map(|t| format!("{}:{}", t.as_ref().len(), t.as_ref())).collect()
}

/// Splits what [`join_expressions`] made. Anything else comes back as far as it makes sense.
pub fn split_expressions(mut field: &str) -> Vec<String> {
    let mut out = Vec::new();
    while let Some((len, rest)) = field.split_once(':') {
        let Some((text, tail)) = len.parse().ok().and_then(|n: usize| rest.split_at_checked(n)) else { break };
        out.push(text.to_owned());
        field = tail;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_come_back() {
        let list = ["lower(a)", "", "(b || ':'::text)"];
        assert_eq!(split_expressions(&join_expressions(&list)), list);
        assert!(split_expressions("").is_empty());
    }
}
