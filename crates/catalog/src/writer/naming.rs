//! Names that the system chooses: `t_pkey`, `t_a_key`, `t_a_b_idx`, `t_a_seq`, `t_a_check`, `t_a_fkey`.

use super::CatalogWriter;
use crate::builtin::columns::pg_constraint;
use crate::row::oid_datum;
use quarry_common::{Oid, Result};
use quarry_types::Datum;

/// Longest name in bytes.
const NAME_MAX: usize = 63;

fn clip(s: &str, max: usize) -> &str {
    let mut cut = s.len().min(max);
    while !s.is_char_boundary(cut) {
        cut -= 1;
    }
    &s[..cut]
}

/// `name1_name2_label`, the longer of the two names shortened until it fits in 63 bytes.
pub fn make_object_name(name1: &str, name2: Option<&str>, label: Option<&str>) -> String {
    let overhead = name2.map_or(0, |_| 1) + label.map_or(0, |l| l.len() + 1);
    let available = NAME_MAX.saturating_sub(overhead);
    let (mut len1, mut len2) = (name1.len(), name2.map_or(0, str::len));
    while len1 + len2 > available {
        if len1 > len2 {
            len1 -= 1;
        } else {
            len2 -= 1;
        }
    }
    let mut out = clip(name1, len1).to_owned();
    if let Some(n) = name2 {
        out.push('_');
        out.push_str(clip(n, len2));
    }
    if let Some(l) = label {
        out.push('_');
        out.push_str(l);
    }
    out
}

impl CatalogWriter {
    fn first_free(
        &self,
        name1: &str,
        name2: Option<&str>,
        label: &str,
        is_free: impl Fn(&str) -> Result<bool>,
    ) -> Result<String> {
        let mut label_now = label.to_owned();
        for pass in 1.. {
            let name = make_object_name(name1, name2, (!label_now.is_empty()).then_some(&label_now));
            if is_free(&name)? {
                return Ok(name);
            }
            label_now = format!("{label}{pass}");
        }
        unreachable!("the loop has no end")
    }
    /// A free name for a relation; `is_constraint`: it must be free as a constraint's name too. `taken`: names promised otherwise.
    pub fn choose_relation_name(
        &self,
        name1: &str,
        name2: Option<&str>,
        label: &str,
        schema: Oid,
        is_constraint: bool,
        taken: &[String],
    ) -> Result<String> {
        self.first_free(name1, name2, label, |n| {
            Ok(!taken.iter().any(|t| t == n)
                && self.relation_in(schema, n)?.is_none()
                && !(is_constraint && self.constraint_name_used(schema, n)?))
        })
    }
    /// A free name for a constraint; `taken`: names promised otherwise.
    pub fn choose_constraint_name(
        &self,
        name1: &str,
        name2: Option<&str>,
        label: &str,
        schema: Oid,
        taken: &[String],
    ) -> Result<String> {
        self.first_free(name1, name2, label, |n| {
            Ok(!taken.iter().any(|t| t == n) && !self.constraint_name_used(schema, n)?)
        })
    }
    /// A free name for an index on these columns ("expr" for expressions).
    pub fn choose_index_name(
        &self,
        table: &str,
        schema: Oid,
        columns: &[String],
        primary: bool,
        is_constraint: bool,
        taken: &[String],
    ) -> Result<String> {
        if primary {
            return self.choose_relation_name(table, None, "pkey", schema, true, taken);
        }
        let addition = index_name_addition(columns);
        let label = if is_constraint { "key" } else { "idx" };
        self.choose_relation_name(table, Some(&addition), label, schema, is_constraint, taken)
    }
    /// A free name for a statistics object on these columns ("expr" for expressions).
    pub fn choose_statistics_name(&self, table: &str, schema: Oid, columns: &[String]) -> Result<String> {
        let addition = index_name_addition(columns);
        self.first_free(table, Some(&addition), "stat", |n| {
            Ok(self.statistics_in_schema(n, schema)?.is_none())
        })
    }
    fn constraint_name_used(&self, schema: Oid, name: &str) -> Result<bool> {
        let key = [Datum::text(name), oid_datum(schema)];
        Ok(self.find_one(&self.snapshot(), pg_constraint::TABLE, 2664, &key)?.is_some())
    }
}

/// The column part of an index's or constraint's name.
pub(crate) fn index_name_addition(columns: &[String]) -> String {
    let mut out = String::new();
    for c in columns {
        if !out.is_empty() {
            out.push('_');
        }
        out.push_str(c);
        if out.len() >= NAME_MAX {
            break;
        }
    }
    clip(&out, NAME_MAX + 1).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit() {
        assert_eq!(make_object_name("t", None, Some("pkey")), "t_pkey");
        assert_eq!(make_object_name("t", Some("a"), Some("seq")), "t_a_seq");
        let long = "x".repeat(63);
        assert_eq!(make_object_name(&long, Some("abc"), Some("key")), format!("{}_abc_key", "x".repeat(55)));
        assert_eq!(make_object_name(&long, Some(&long), Some("key")).len(), 63);
    }
}
