//! Settings of auto_explain: which plans go to the log, and how (manual, appendix F.4).

use super::{SettingContext, SettingDef, SettingKind, Unit};

const fn setting(
    name: &'static str,
    kind: SettingKind,
    default: &'static str,
    doc: &'static str,
) -> SettingDef {
    SettingDef {
        name,
        kind,
        default,
        context: SettingContext::Superuser,
        category: "Customized Options",
        doc,
        reported: false,
    }
}

const fn switch(name: &'static str, default: &'static str, doc: &'static str) -> SettingDef {
    setting(name, SettingKind::Bool, default, doc)
}

pub(super) const SETTINGS: &[SettingDef] = &[
    switch("auto_explain.log_analyze", "off", "Plans are logged with what was measured of their run."),
    switch("auto_explain.log_buffers", "off", "Plans are logged with the buffers they used."),
    setting(
        "auto_explain.log_format",
        SettingKind::Enum(&["text", "xml", "json", "yaml"]),
        "text",
        "The format of logged plans.",
    ),
    setting(
        "auto_explain.log_level",
        SettingKind::Enum(&[
            "debug5", "debug4", "debug3", "debug2", "debug1", "info", "notice", "warning", "log",
        ]),
        "log",
        "The severity that plans are logged with.",
    ),
    setting(
        "auto_explain.log_min_duration",
        SettingKind::Int { unit: Unit::Milliseconds, min: -1, max: 2147483647 },
        "-1",
        "Plans of statements that take so long are logged, once auto_explain is loaded; 0: all, -1: none.",
    ),
    switch("auto_explain.log_nested_statements", "off", "Statements that functions run are logged, too."),
    switch(
        "auto_explain.log_settings",
        "off",
        "Plans are logged with changed settings that influence planning.",
    ),
    switch("auto_explain.log_timing", "on", "Times are measured by node, not only rows."),
    switch("auto_explain.log_triggers", "off", "Plans are logged with what triggers took."),
    switch("auto_explain.log_verbose", "off", "Plans are logged as EXPLAIN VERBOSE shows them."),
    switch("auto_explain.log_wal", "off", "Plans are logged with what they wrote into the log."),
    setting(
        "auto_explain.sample_rate",
        SettingKind::Real { unit: Unit::None, min: 0.0, max: 1.0 },
        "1",
        "Share of the statements that are looked at.",
    ),
];
