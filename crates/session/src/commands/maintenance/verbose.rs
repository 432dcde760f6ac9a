//! What VACUUM VERBOSE and the log say of a vacuum, in PostgreSQL's form (vacuumlazy.c) as far as the numbers mean something here: there are no
//! ids to be frozen, and what is read and written isn't counted by command.

use quarry_storage::vacuum::VacuumStats;
use std::time::Duration;

fn percent(part: u32, whole: u32) -> f64 {
    if whole == 0 { 100.0 } else { 100.0 * f64::from(part) / f64::from(whole) }
}

/// From "index scans" on.
pub fn report(stats: &VacuumStats, elapsed: Duration) -> String {
    let whole = stats.pages + stats.pages_removed;
    let mut text = format!("index scans: {}\n", stats.index_scans);
    text += &format!(
        "pages: {} removed, {} remain, {} scanned ({:.2}% of total)\n",
        stats.pages_removed,
        stats.pages,
        stats.pages_scanned,
        percent(stats.pages_scanned, whole)
    );
    text += &format!(
        "tuples: {} removed, {:.0} remain, {} are dead but not yet removable\n",
        stats.dead_removed,
        stats.live_tuples.max(0.0),
        stats.dead_not_yet_removable
    );
    let (pages, slots) = (stats.dead_pages, stats.dead_slots);
    let share = percent(pages, whole);
    text += &match stats.bypassed {
        true => format!(
            "index scan bypassed: {pages} pages from table ({share:.2}% of total) have {slots} dead item identifiers\n"
        ),
        false => format!(
            "index scan {}: {pages} pages from table ({share:.2}% of total) had {} dead item identifiers removed\n",
            if stats.index_scans == 0 { "not needed" } else { "needed" },
            stats.slots_freed
        ),
    };
    if stats.index_scans > 0 {
        for (name, i) in stats.index_names.iter().zip(&stats.indexes) {
            text += &format!(
                "index \"{name}\": pages: {} in total, {} newly deleted, {} currently deleted, {} reusable\n",
                i.pages, i.pages_deleted, i.pages_free, i.pages_free
            );
        }
    }
    text + &format!("system usage: elapsed: {:.2} s", elapsed.as_secs_f64())
}
