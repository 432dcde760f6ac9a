//! Settings of extensions that are part of the server.

use super::{SettingContext, SettingDef, SettingKind, Unit};

const fn threshold(name: &'static str, default: &'static str, doc: &'static str) -> SettingDef {
    SettingDef {
        name,
        kind: SettingKind::Real { unit: Unit::None, min: 0.0, max: 1.0 },
        default,
        context: SettingContext::User,
        category: "Customized Options",
        doc,
        reported: false,
    }
}

pub(super) const SETTINGS: &[SettingDef] = &[
    threshold("pg_trgm.similarity_threshold", "0.3", "Sets the threshold used by the % operator."),
    threshold(
        "pg_trgm.strict_word_similarity_threshold",
        "0.5",
        "Sets the threshold used by the <<% operator.",
    ),
    threshold("pg_trgm.word_similarity_threshold", "0.6", "Sets the threshold used by the <% operator."),
];
