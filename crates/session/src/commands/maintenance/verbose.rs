//! What VACUUM VERBOSE and the log say of a vacuum, in PostgreSQL's form (vacuumlazy.c) as far as the numbers mean something here: there are no
//! ids to be frozen.

use quarry_common::usage::{self, Usage};
use quarry_storage::disk::cpu_time;
use quarry_storage::vacuum::VacuumStats;
use std::time::{Duration, Instant};

/// When a command began, and what its thread had used by then.
pub struct Began {
    at: Instant,
    used: Usage,
    cpu: Option<(Duration, Duration)>,
}

impl Began {
    /// Now.
    pub fn now() -> Began {
        Began { at: Instant::now(), used: usage::now(), cpu: cpu_time() }
    }

    /// How long that is ago.
    pub fn elapsed(&self) -> Duration {
        self.at.elapsed()
    }

    /// The lines on what was used since; `timed`: with times of reads and writes.
    fn lines(&self, timed: bool) -> String {
        let u = usage::now().since(&self.used);
        let elapsed = self.elapsed().as_secs_f64();
        let mut text = String::new();
        if timed {
            let ms = |ns: u64| ns as f64 / 1e6;
            text += &format!("I/O timings: read: {:.3} ms, write: {:.3} ms\n", ms(u.read_ns), ms(u.write_ns));
        }
        let [hits, misses, dirtied] =
            [u.shared_hit + u.local_hit, u.shared_read + u.local_read, u.shared_dirtied + u.local_dirtied];
        let rate =
            |blocks: u64| if elapsed > 0.0 { blocks as f64 * 8192.0 / 1048576.0 / elapsed } else { 0.0 };
        text +=
            &format!("avg read rate: {:.3} MB/s, avg write rate: {:.3} MB/s\n", rate(misses), rate(dirtied));
        text += &format!("buffer usage: {hits} hits, {misses} misses, {dirtied} dirtied\n");
        text += &format!(
            "WAL usage: {} records, {} full page images, {} bytes\n",
            u.wal_records, u.wal_images, u.wal_bytes
        );
        let [user, system] = match (self.cpu, cpu_time()) {
            (Some(before), Some(now)) => [now.0.saturating_sub(before.0), now.1.saturating_sub(before.1)],
            _ => [Duration::ZERO; 2],
        };
        text + &format!(
            "system usage: CPU: user: {:.2} s, system: {:.2} s, elapsed: {elapsed:.2} s",
            user.as_secs_f64(),
            system.as_secs_f64()
        )
    }
}

fn percent(part: u32, whole: u32) -> f64 {
    if whole == 0 { 100.0 } else { 100.0 * f64::from(part) / f64::from(whole) }
}

/// From "index scans" on, with what the command has used; `timed`: with times of reads and writes.
pub fn report(stats: &VacuumStats, began: &Began, timed: bool) -> String {
    work(stats) + &began.lines(timed)
}

/// The same of a part whose use isn't told apart.
pub fn report_part(stats: &VacuumStats, elapsed: Duration) -> String {
    work(stats) + &format!("system usage: elapsed: {:.2} s", elapsed.as_secs_f64())
}

fn work(stats: &VacuumStats) -> String {
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
    text
}
