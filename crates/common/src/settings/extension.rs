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

/// What pg_hint_plan calls levels of messages.
const LEVELS: &[&str] =
    &["debug5", "debug4", "debug3", "debug2", "debug1", "log", "info", "notice", "warning", "error"];

const fn hints(
    name: &'static str,
    kind: SettingKind,
    default: &'static str,
    doc: &'static str,
) -> SettingDef {
    SettingDef {
        name,
        kind,
        default,
        context: SettingContext::User,
        category: "Customized Options",
        doc,
        reported: false,
    }
}

const fn statements(
    name: &'static str,
    kind: SettingKind,
    default: &'static str,
    context: SettingContext,
    doc: &'static str,
) -> SettingDef {
    SettingDef { name, kind, default, context, category: "Customized Options", doc, reported: false }
}

pub(super) const SETTINGS: &[SettingDef] = &[
    hints(
        "pg_hint_plan.debug_print",
        SettingKind::Enum(&["off", "on", "detailed", "verbose"]),
        "off",
        "Tells which hints were used and which not.",
    ),
    hints(
        "pg_hint_plan.enable_hint",
        SettingKind::Bool,
        "on",
        "Lets the planner follow the hints in the comment before a query.",
    ),
    hints(
        "pg_hint_plan.hints_anywhere",
        SettingKind::Bool,
        "off",
        "Reads hints from a comment anywhere in the query.",
    ),
    hints(
        "pg_hint_plan.message_level",
        SettingKind::Enum(LEVELS),
        "log",
        "Message level of what debug_print tells.",
    ),
    hints(
        "pg_hint_plan.parse_messages",
        SettingKind::Enum(LEVELS),
        "info",
        "Message level of mistakes in hints.",
    ),
    statements(
        "pg_stat_statements.max",
        SettingKind::Int { unit: Unit::None, min: 100, max: 1073741823 },
        "5000",
        SettingContext::Postmaster,
        "Most statements that pg_stat_statements tracks.",
    ),
    statements(
        "pg_stat_statements.save",
        SettingKind::Bool,
        "on",
        SettingContext::Sighup,
        "Whether pg_stat_statements keeps what it has over an orderly stop.",
    ),
    statements(
        "pg_stat_statements.track",
        SettingKind::Enum(&["none", "top", "all"]),
        "top",
        SettingContext::Superuser,
        "Which statements pg_stat_statements tracks.",
    ),
    statements(
        "pg_stat_statements.track_planning",
        SettingKind::Bool,
        "off",
        SettingContext::Superuser,
        "Whether pg_stat_statements tracks how long planning takes.",
    ),
    statements(
        "pg_stat_statements.track_utility",
        SettingKind::Bool,
        "on",
        SettingContext::Superuser,
        "Whether pg_stat_statements tracks commands other than queries.",
    ),
    threshold("pg_trgm.similarity_threshold", "0.3", "Sets the threshold used by the % operator."),
    threshold(
        "pg_trgm.strict_word_similarity_threshold",
        "0.5",
        "Sets the threshold used by the <<% operator.",
    ),
    threshold("pg_trgm.word_similarity_threshold", "0.6", "Sets the threshold used by the <% operator."),
];
