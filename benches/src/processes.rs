//! What the system says of a server's processes: processor time and memory.

use std::fs::read_to_string;

/// Processor time used so far by a process, those of its children that ended, and all below it, in seconds.
pub fn cpu_seconds(pid: u32) -> Result<f64, String> {
    let ticks: u64 = tree(pid)?.iter().map(|s| s.ticks).sum();
    Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// Memory of a process and all below it, in bytes: pages that several share are counted once (proportional set size).
pub fn memory_bytes(pid: u32) -> Result<u64, String> {
    let mut kilobytes = 0;
    for process in tree(pid)? {
        // A process may end meanwhile.
        let Ok(text) = read_to_string(format!("/proc/{}/smaps_rollup", process.pid)) else { continue };
        kilobytes += kilobytes_of(&text, "Pss:").unwrap_or_default();
    }
    Ok(kilobytes << 10)
}

/// Seconds in which the machine's processors were busy, and in which others' machines had them, since it was started.
pub fn machine_seconds() -> (f64, f64) {
    let text = read_to_string("/proc/stat").unwrap_or_default();
    let ticks: Vec<f64> = text.lines().next().unwrap_or_default().split(' ').flat_map(str::parse).collect();
    let at = |i: usize| ticks.get(i).copied().unwrap_or_default();
    let hertz = rustix::param::clock_ticks_per_second() as f64;
    ((at(0) + at(1) + at(2) + at(5) + at(6)) / hertz, at(7) / hertz)
}

/// Processes that wanted a processor in the last minute: near 0 on a machine that nobody else uses.
pub fn load() -> f64 {
    let text = read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(f64::NAN)
}

/// Processor's name, processors, memory, kernel.
pub fn machine() -> String {
    let cpuinfo = read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|l| l.strip_prefix("model name")).unwrap_or(": unknown processor");
    let meminfo = read_to_string("/proc/meminfo").unwrap_or_default();
    let memory = kilobytes_of(&meminfo, "MemTotal:").unwrap_or_default() as f64 / 1024.0 / 1024.0;
    let kernel = read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let processors = std::thread::available_parallelism().map_or(1, |n| n.get());
    let model = model.trim_start_matches(['\t', ' ', ':']);
    format!("{model}, {processors} processors, {memory:.0} GB, Linux {}", kernel.trim())
}

/// The number of a line `label   number kB`.
fn kilobytes_of(text: &str, label: &str) -> Option<u64> {
    let line = text.lines().find_map(|l| l.strip_prefix(label))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The fields of `/proc/PID/stat` that count here.
struct Stat {
    pid: u32,
    parent: u32,
    /// Its own, and those of its children that ended.
    ticks: u64,
}

impl Stat {
    fn of(pid: u32) -> Option<Stat> {
        Stat::parse(pid, &read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    fn parse(pid: u32, text: &str) -> Option<Stat> {
        // The name, in parentheses, may hold anything.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |i: usize| fields.get(i).and_then(|s| s.parse::<u64>().ok());
        let ticks = (11..=14).map(number).sum::<Option<u64>>()?;
        Some(Stat { pid, parent: number(1)? as u32, ticks })
    }
}

/// A process and all below it.
fn tree(pid: u32) -> Result<Vec<Stat>, String> {
    let entries = std::fs::read_dir("/proc").map_err(|e| format!("/proc: {e}"))?;
    let mut rest: Vec<Stat> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(Stat::of)
        .collect();
    let first = rest.iter().position(|s| s.pid == pid).ok_or("the server's process is gone")?;
    let mut found = vec![rest.swap_remove(first)];
    let mut done = 0;
    while done < found.len() {
        let parent = found[done].pid;
        let (below, others) = rest.into_iter().partition(|s: &Stat| s.parent == parent);
        found.extend::<Vec<Stat>>(below);
        rest = others;
        done += 1;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_processes_may_hold_anything() {
        let line = "7 (a) b (c)) S 3 7 7 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 1 0";
        let stat = Stat::parse(7, line).expect("all fields are there");
        assert_eq!((stat.parent, stat.ticks), (3, 100));
    }

    #[test]
    fn own_process() {
        assert!(memory_bytes(std::process::id()).expect("it runs") > 100_000);
        assert!(cpu_seconds(std::process::id()).is_ok());
    }
}
