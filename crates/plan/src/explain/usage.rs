//! What was used of buffers and of the log (PostgreSQL: `show_buffer_usage`, `show_wal_usage`).

use super::node::Value;
use quarry_common::usage::Usage;

fn ms(ns: u64) -> String {
    format!("{:.3}", ns as f64 / 1e6)
}

/// The counts that aren't 0, each after its name.
fn counted(parts: &[(&str, u64)]) -> String {
    let shown: Vec<String> = parts.iter().filter(|p| p.1 > 0).map(|(n, v)| format!("{n}={v}")).collect();
    shown.join(" ")
}

/// FORMAT TEXT: `Buffers` and `I/O Timings`, as far as there is anything to say.
pub(super) fn buffer_lines(u: &Usage) -> Vec<(String, Value)> {
    let shared = [
        ("hit", u.shared_hit),
        ("read", u.shared_read),
        ("dirtied", u.shared_dirtied),
        ("written", u.shared_written),
    ];
    let local = [
        ("hit", u.local_hit),
        ("read", u.local_read),
        ("dirtied", u.local_dirtied),
        ("written", u.local_written),
    ];
    let temporary = [("read", u.temp_blocks_read()), ("written", u.temp_blocks_written())];
    let groups: Vec<String> =
        [("shared", counted(&shared)), ("local", counted(&local)), ("temp", counted(&temporary))]
            .into_iter()
            .filter(|(_, counts)| !counts.is_empty())
            .map(|(name, counts)| format!("{name} {counts}"))
            .collect();
    let mut out = vec![];
    if !groups.is_empty() {
        out.push(("Buffers".to_string(), Value::Text(groups.join(", "))));
    }
    let timed = |name: &str, read: u64, write: u64| {
        let parts = [("read", read), ("write", write)];
        let parts: Vec<String> =
            parts.iter().filter(|p| p.1 > 0).map(|(n, ns)| format!("{n}={}", ms(*ns))).collect();
        (!parts.is_empty()).then(|| format!("{name} {}", parts.join(" ")))
    };
    let times: Vec<String> =
        [timed("shared/local", u.read_ns, u.write_ns), timed("temp", u.temp_read_ns, u.temp_write_ns)]
            .into_iter()
            .flatten()
            .collect();
    if !times.is_empty() {
        out.push(("I/O Timings".to_string(), Value::Text(times.join(", "))));
    }
    out
}

/// The structured formats: every count, and the times if they were taken.
pub(super) fn buffer_properties(u: &Usage, timed: bool) -> Vec<(String, Value)> {
    let counts = [
        ("Shared Hit Blocks", u.shared_hit),
        ("Shared Read Blocks", u.shared_read),
        ("Shared Dirtied Blocks", u.shared_dirtied),
        ("Shared Written Blocks", u.shared_written),
        ("Local Hit Blocks", u.local_hit),
        ("Local Read Blocks", u.local_read),
        ("Local Dirtied Blocks", u.local_dirtied),
        ("Local Written Blocks", u.local_written),
        ("Temp Read Blocks", u.temp_blocks_read()),
        ("Temp Written Blocks", u.temp_blocks_written()),
    ];
    let times = [
        ("I/O Read Time", u.read_ns),
        ("I/O Write Time", u.write_ns),
        ("Temp I/O Read Time", u.temp_read_ns),
        ("Temp I/O Write Time", u.temp_write_ns),
    ];
    let counts = counts.into_iter().map(|(n, v)| (n.to_string(), Value::Number(v.to_string())));
    let times = times.into_iter().filter(|_| timed).map(|(n, ns)| (n.to_string(), Value::Number(ms(ns))));
    counts.chain(times).collect()
}

/// FORMAT TEXT's `WAL`, if there was any.
pub(super) fn wal_line(u: &Usage) -> Option<(String, Value)> {
    let parts = [("records", u.wal_records), ("fpi", u.wal_images), ("bytes", u.wal_bytes)];
    let shown = counted(&parts);
    (!shown.is_empty()).then(|| ("WAL".to_string(), Value::Text(shown)))
}

/// The same for the structured formats.
pub(super) fn wal_properties(u: &Usage) -> Vec<(String, Value)> {
    [("WAL Records", u.wal_records), ("WAL FPI", u.wal_images), ("WAL Bytes", u.wal_bytes)]
        .map(|(n, v)| (n.to_string(), Value::Number(v.to_string())))
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(lines: Vec<(String, Value)>) -> Vec<String> {
        let one = |(label, value)| match value {
            Value::Text(t) | Value::Number(t) => format!("{label}: {t}"),
            _ => label,
        };
        lines.into_iter().map(one).collect()
    }

    #[test]
    fn text_leaves_out_what_is_nothing() {
        assert_eq!(shown(buffer_lines(&Usage::default())), Vec::<String>::new());
        let u = Usage {
            shared_hit: 3,
            shared_dirtied: 1,
            local_read: 2,
            temp_written: 8192,
            read_ns: 1_500_000,
            temp_write_ns: 2_000,
            ..Usage::default()
        };
        assert_eq!(
            shown(buffer_lines(&u)),
            [
                "Buffers: shared hit=3 dirtied=1, local read=2, temp written=1",
                "I/O Timings: shared/local read=1.500, temp write=0.002"
            ]
        );
        assert!(wal_line(&u).is_none());
        let u = Usage { wal_records: 2, wal_bytes: 99, ..u };
        assert_eq!(shown(wal_line(&u).into_iter().collect()), ["WAL: records=2 bytes=99"]);
        assert_eq!(shown(wal_properties(&u))[1], "WAL FPI: 0");
        assert_eq!((buffer_properties(&u, false).len(), buffer_properties(&u, true).len()), (10, 14));
    }
}
