//! Constants as SQL text.

use super::writer::Writer;
use quarry_types::{Datum, SqlType, oids};

/// Whether a constant's type is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Label {
    Never,
    IfNeeded,
    Always,
}

/// Types whose values name objects: stored as numbers.
const OBJECT_TYPES: &[quarry_common::Oid] =
    &[oids::REGCLASS, oids::REGTYPE, oids::REGPROC, oids::REGPROCEDURE, oids::REGNAMESPACE, oids::REGROLE];

impl Writer<'_> {
    /// A constant (get_const_expr).
    pub(super) fn constant(&mut self, value: &Datum, ty: SqlType, label: Label) {
        if value.is_null() {
            self.out += "NULL";
            if label != Label::Never {
                self.type_label(ty);
            }
            return;
        }
        let text = self.constant_text(value, ty);
        let needed = match ty.oid {
            oids::BOOL => {
                self.out += if text == "t" { "true" } else { "false" };
                false
            }
            // A sign would be taken for an operator.
            oids::INT4 if !text.starts_with('-') => {
                self.out += &text;
                false
            }
            oids::NUMERIC
                if text.starts_with(|c: char| c.is_ascii_digit()) && text.contains(['.', 'e', 'E']) =>
            {
                self.out += &text;
                ty.typmod >= 0
            }
            oid => {
                quoted(&text, self.style.stored, &mut self.out);
                oid != oids::UNKNOWN
            }
        };
        if label == Label::Always || label == Label::IfNeeded && needed {
            self.type_label(ty);
        }
    }

    pub(super) fn type_label(&mut self, ty: SqlType) {
        self.out += "::";
        self.out += &self.d.names.format_type(ty);
    }

    fn constant_text(&self, value: &Datum, ty: SqlType) -> String {
        if let (true, Datum::U32(oid)) = (self.style.stored && OBJECT_TYPES.contains(&ty.oid), value) {
            return oid.to_string();
        }
        let mut bytes = vec![];
        match self.d.io.type_ref(ty.oid).and_then(|t| t.output(value, self.d.io, &mut bytes)) {
            Ok(()) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(_) => "?".into(),
        }
    }
}

/// A string literal; `escaped`: one that reads the same whatever `standard_conforming_strings` says.
fn quoted(text: &str, escaped: bool, out: &mut String) {
    let escaped = escaped && text.contains('\\');
    if escaped {
        out.push('E');
    }
    out.push('\'');
    for c in text.chars() {
        if c == '\'' || c == '\\' && escaped {
            out.push(c);
        }
        out.push(c);
    }
    out.push('\'');
}
