//! What every statement asks of the settings, worked out once per change: looking settings up by name has no place on the way of
//! a short statement.

use crate::block::TransactionModes;
use crate::log::LogSettings;
use crate::plan_choice::PlanCacheMode;
use crate::timeouts::Limits;
use quarry_common::settings::Settings;

/// The settings of a session that every statement needs.
#[derive(Clone, Copy)]
pub struct Digest {
    pub limits: Limits,
    pub log: LogSettings,
    /// The modes that a transaction begins with.
    pub modes: TransactionModes,
    /// What `transaction_read_only` shows.
    pub transaction_read_only: bool,
    /// `quote_all_identifiers`.
    pub quote_all: bool,
    pub track_activities: bool,
    /// Whether statements' statistics are kept: pg_stat_statements is loaded.
    pub statements: bool,
    /// Whether the time of planning is among them.
    pub statement_plans: bool,
    /// Whether queries have identifiers: `compute_query_id`.
    pub query_ids: bool,
    /// A digest of the settings that what a text means, or its plan, depends on.
    pub planning: u64,
    /// `track_io_timing`.
    pub io_timing: bool,
    /// `auto_explain.log_min_duration`.
    pub explain_from: i64,
    /// Whether a commit is waited for until it is durable: `synchronous_commit`.
    pub waits_for_durability: bool,
    pub plan_cache_mode: PlanCacheMode,
    pub work_mem_bytes: usize,
    /// `work_mem` times `hash_mem_multiplier`.
    pub hash_mem_bytes: usize,
}

impl Digest {
    pub fn of(settings: &Settings) -> Digest {
        let work_mem_bytes = settings.bytes("work_mem") as usize;
        Digest {
            limits: Limits::of(settings),
            log: LogSettings::of(settings),
            modes: TransactionModes {
                isolation: crate::session::isolation(settings.text("default_transaction_isolation")),
                read_only: settings.bool("default_transaction_read_only"),
                deferrable: settings.bool("default_transaction_deferrable"),
            },
            transaction_read_only: settings.bool("transaction_read_only"),
            quote_all: settings.bool("quote_all_identifiers"),
            track_activities: settings.bool("track_activities"),
            statements: counts_statements(settings),
            statement_plans: counts_statements(settings)
                && settings.bool("pg_stat_statements.track_planning"),
            query_ids: query_ids(settings),
            planning: crate::templates::settings_digest(settings),
            io_timing: settings.bool("track_io_timing"),
            explain_from: settings.int("auto_explain.log_min_duration"),
            waits_for_durability: settings.text("synchronous_commit") != "off",
            plan_cache_mode: PlanCacheMode::of(settings.text("plan_cache_mode")),
            work_mem_bytes,
            hash_mem_bytes: (work_mem_bytes as f64 * settings.real("hash_mem_multiplier")) as usize,
        }
    }
}

/// Whether queries get identifiers: if it is wished, or where what needs them is loaded.
fn query_ids(settings: &Settings) -> bool {
    match settings.text("compute_query_id") {
        "on" => true,
        "off" => false,
        _ => counts_statements(settings),
    }
}

/// Whether pg_stat_statements is loaded.
pub(crate) fn counts_statements(settings: &Settings) -> bool {
    let libraries = settings.text("shared_preload_libraries");
    libraries.split(',').any(|l| l.trim().trim_matches('"') == "pg_stat_statements")
}
