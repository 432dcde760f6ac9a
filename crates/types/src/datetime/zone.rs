//! Time zones: by IANA name, POSIX rule or fixed offset; offset lookup both ways.
//!
//! Names are looked up in the system's zone directory first, then in the copy embedded in the binary, then read as a
//! POSIX rule. Zones are made once and shared. Instants here are seconds since 1970 UTC unless said otherwise.

use super::posix::{self, PosixRule};
use super::{CivilTime, SECS_PER_DAY, UNIX_EPOCH_OFFSET, USECS_PER_SEC, tzif};
use quarry_common::{Error, Result, err};
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, RwLock};

/// Where the system keeps its zones.
const ZONE_DIR: &str = "/usr/share/zoneinfo";
/// Longest name looked up.
const NAME_MAX: usize = 255;
/// Zones kept; above it (only reachable by many different POSIX rules) the cache starts anew.
const CACHE_MAX: usize = 4096;
/// Rules are expanded into the table of changes up to this year; beyond it they are evaluated.
const EXPAND_TO_YEAR: i64 = 2200;

/// A zone abbreviation of up to 15 bytes, held in place.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Abbrev([u8; 16]);

impl Abbrev {
    /// Keeps the first 15 bytes.
    pub fn new(s: &str) -> Abbrev {
        let mut end = s.len().min(15);
        while !s.is_char_boundary(end) {
            end -= 1;
        }
        let mut raw = [0; 16];
        raw[..end].copy_from_slice(&s.as_bytes()[..end]);
        raw[15] = end as u8;
        Abbrev(raw)
    }
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0[..usize::from(self.0[15])]).expect("made from a str")
    }
}

impl fmt::Debug for Abbrev {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What holds in a zone during a stretch of time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LocalType {
    /// Seconds east of UTC.
    pub offset: i32,
    pub is_dst: bool,
    pub abbrev: Abbrev,
}

/// A time zone.
#[derive(Debug)]
pub struct TimeZone {
    name: String,
    /// Unix seconds from which `kinds[i]` holds.
    times: Vec<i64>,
    kinds: Vec<u8>,
    /// Type 0 holds before the first change.
    types: Vec<LocalType>,
    /// For what follows the last change.
    rule: Option<PosixRule>,
    leap_seconds: bool,
    /// Set if the zone never changes.
    fixed: Option<LocalType>,
}

static UTC: LazyLock<Arc<TimeZone>> = LazyLock::new(|| {
    let utc = LocalType { offset: 0, is_dst: false, abbrev: Abbrev::new("UTC") };
    Arc::new(TimeZone::fixed("UTC".into(), utc))
});
static GMT: LazyLock<Arc<TimeZone>> = LazyLock::new(|| {
    let gmt = LocalType { offset: 0, is_dst: false, abbrev: Abbrev::new("GMT") };
    Arc::new(TimeZone::fixed("GMT".into(), gmt))
});
static CACHE: LazyLock<RwLock<HashMap<String, Option<Arc<TimeZone>>>>> = LazyLock::new(RwLock::default);
/// Lower-case names of the zone directory's files and their true names.
static FILES: LazyLock<HashMap<String, String>> = LazyLock::new(|| {
    let mut files = HashMap::new();
    list_dir(Path::new(ZONE_DIR), "", 0, &mut files);
    files
});

fn list_dir(dir: &Path, prefix: &str, depth: usize, out: &mut HashMap<String, String>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let file = entry.file_name();
        let Some(name) = file.to_str().filter(|n| !n.starts_with('.')) else { continue };
        let path: PathBuf = dir.join(name);
        let full = if prefix.is_empty() { name.to_string() } else { format!("{prefix}/{name}") };
        match std::fs::metadata(&path) {
            Ok(m) if m.is_dir() && depth < 10 => list_dir(&path, &full, depth + 1, out),
            Ok(m) if m.is_file() => {
                out.insert(full.to_ascii_lowercase(), full);
            }
            _ => {}
        }
    }
}

impl TimeZone {
    fn fixed(name: String, kind: LocalType) -> TimeZone {
        TimeZone {
            name,
            times: Vec::new(),
            kinds: Vec::new(),
            types: vec![kind],
            rule: None,
            leap_seconds: false,
            fixed: Some(kind),
        }
    }
    fn from_file(name: String, bytes: &[u8]) -> Option<TimeZone> {
        let file = tzif::parse(bytes)?;
        let rule = posix::parse(&file.footer);
        let mut zone = TimeZone {
            name,
            times: file.times,
            kinds: file.kinds,
            types: file.types,
            rule,
            leap_seconds: file.leap_seconds,
            fixed: None,
        };
        zone.finish();
        Some(zone)
    }
    fn from_posix(name: String, rule: PosixRule) -> TimeZone {
        match rule {
            PosixRule::Fixed(kind) => TimeZone::fixed(name, kind),
            PosixRule::Dst(dst) => {
                let types = dst.types().to_vec();
                let (times, kinds) = (Vec::new(), Vec::new());
                TimeZone { name, times, kinds, types, rule: Some(rule), leap_seconds: false, fixed: None }
            }
        }
    }
    /// Expands the rule and notes whether the zone ever changes.
    fn finish(&mut self) {
        if let Some(PosixRule::Dst(rule)) = self.rule
            && let Some(last) = self.times.last().copied()
        {
            let mut index = [0u8; 2];
            for (slot, t) in index.iter_mut().zip(rule.types()) {
                let at = self.types.iter().position(|x| *x == t).unwrap_or_else(|| {
                    self.types.push(t);
                    self.types.len() - 1
                });
                *slot = at as u8;
            }
            for year in posix::year_of(last)..EXPAND_TO_YEAR {
                for (at, kind) in rule.changes(year) {
                    if at > last {
                        self.times.push(at);
                        self.kinds.push(index[usize::from(kind == rule.types()[1])]);
                    }
                }
            }
        }
        if self.times.is_empty() && !matches!(self.rule, Some(PosixRule::Dst(_))) {
            self.fixed = Some(match self.rule {
                Some(PosixRule::Fixed(kind)) => kind,
                _ => self.types[0],
            });
        }
    }

    /// Coordinated Universal Time.
    pub fn utc() -> Arc<TimeZone> {
        UTC.clone()
    }

    /// The zone of this name, in any letter case: a zone file, or a POSIX rule. None: there is no such zone.
    pub fn by_name(name: &str) -> Option<Arc<TimeZone>> {
        if name.len() > NAME_MAX {
            return None;
        }
        let upper = name.to_ascii_uppercase();
        match upper.as_str() {
            "UTC" => return Some(UTC.clone()),
            "GMT" => return Some(GMT.clone()),
            _ => {}
        }
        if let Some(hit) = CACHE.read().expect("no panic while held").get(&upper) {
            return hit.clone();
        }
        let zone = load(&upper).map(Arc::new);
        let mut cache = CACHE.write().expect("no panic while held");
        if cache.len() >= CACHE_MAX {
            cache.clear();
        }
        cache.insert(upper, zone.clone());
        zone
    }

    /// [`TimeZone::by_name`] with PostgreSQL's error.
    pub fn named(name: &str) -> Result<Arc<TimeZone>> {
        TimeZone::by_name(name).ok_or_else(|| not_recognized(name))
    }

    /// A zone a fixed number of seconds west of UTC, named as PostgreSQL names it: `<+05:30>-05:30`.
    pub fn from_offset_west(west: i32) -> Option<Arc<TimeZone>> {
        let abs = west.unsigned_abs();
        let (h, m, s) = (abs / 3600, abs / 60 % 60, abs % 60);
        if h > 167 {
            return None;
        }
        let mut offset = format!("{h:02}");
        if m != 0 || s != 0 {
            offset += &format!(":{m:02}");
            if s != 0 {
                offset += &format!(":{s:02}");
            }
        }
        TimeZone::by_name(&if west > 0 {
            format!("<-{offset}>+{offset}")
        } else {
            format!("<+{offset}>-{offset}")
        })
    }

    /// The value of the `TimeZone` setting: `interval '...'`, hours east of UTC as a number, or a name.
    pub fn from_setting(value: &str) -> Result<Arc<TimeZone>> {
        let invalid =
            || err!(INVALID_PARAMETER_VALUE, "invalid value for parameter \"TimeZone\": \"{value}\"");
        let zone = if value.get(..8).is_some_and(|p| p.eq_ignore_ascii_case("interval")) {
            let quoted = value[8..].trim_start();
            let inner = quoted.strip_prefix('\'').and_then(|q| q.strip_suffix('\'')).ok_or_else(invalid)?;
            let i = super::interval_in::parse_interval(inner, -1, super::IntervalStyle::Postgres)?;
            if i.months != 0 {
                return Err(invalid().detail("Cannot specify months in time zone interval."));
            }
            if i.days != 0 {
                return Err(invalid().detail("Cannot specify days in time zone interval."));
            }
            i32::try_from(-(i.micros / USECS_PER_SEC)).ok().and_then(TimeZone::from_offset_west)
        } else if let Ok(hours) = value.trim_start().parse::<f64>() {
            if hours.is_nan() {
                return Err(invalid());
            }
            TimeZone::from_offset_west((-hours * 3600.0) as i32)
        } else {
            let zone = TimeZone::by_name(value).ok_or_else(invalid)?;
            // PostgreSQL's test: the year 2000 must begin at a full minute.
            if zone.leap_seconds || zone.at_unix(UNIX_EPOCH_OFFSET).offset % 60 != 0 {
                return Err(err!(
                    INVALID_PARAMETER_VALUE,
                    "time zone \"{value}\" appears to use leap seconds"
                )
                .detail("PostgreSQL does not support leap seconds."));
            }
            Some(zone)
        };
        zone.ok_or_else(|| invalid().detail("UTC timezone offset is out of range."))
    }

    /// The canonical name, as `SHOW timezone` prints it.
    pub fn name(&self) -> &str {
        &self.name
    }
    /// Whether the zone counts leap seconds (files under `right/`), which PostgreSQL refuses as a setting.
    pub fn uses_leap_seconds(&self) -> bool {
        self.leap_seconds
    }
    /// The offset east of UTC if all of the zone's history has one.
    pub fn constant_offset(&self) -> Option<i32> {
        let offset = self.types[0].offset;
        let same = self.types.iter().all(|t| t.offset == offset)
            && match self.rule {
                Some(PosixRule::Dst(r)) => r.types().iter().all(|t| t.offset == offset),
                Some(PosixRule::Fixed(t)) => t.offset == offset,
                None => true,
            };
        same.then_some(offset)
    }

    /// What holds at a timestamp (microseconds since 2000-01-01 UTC).
    #[inline]
    pub fn at(&self, timestamp: i64) -> LocalType {
        match self.fixed {
            Some(kind) => kind,
            None => self.at_unix(timestamp.div_euclid(USECS_PER_SEC) + UNIX_EPOCH_OFFSET),
        }
    }

    /// What holds at a Unix time.
    pub fn at_unix(&self, t: i64) -> LocalType {
        if let Some(kind) = self.fixed {
            return kind;
        }
        match (self.times.last(), self.rule) {
            (None, Some(PosixRule::Dst(rule))) => rule.at(t),
            (None, _) => self.types[0],
            (Some(last), Some(PosixRule::Dst(rule))) if t >= *last => rule.at(t),
            (Some(_), _) => match self.times.partition_point(|x| *x <= t) {
                0 => self.types[0],
                n => self.types[usize::from(self.kinds[n - 1])],
            },
        }
    }

    /// The first change after a Unix time: what held before, when it comes, what holds from then.
    pub fn next_change(&self, t: i64) -> Option<(LocalType, i64, LocalType)> {
        if self.fixed.is_some() {
            return None;
        }
        if let Some(PosixRule::Dst(rule)) = self.rule
            && self.times.last().is_none_or(|last| t >= *last)
        {
            let (at, after) = rule.next_after(t);
            return Some((rule.at(t), at, after));
        }
        let n = self.times.partition_point(|x| *x <= t);
        let at = *self.times.get(n)?;
        let before = match n {
            0 => *self.types.iter().find(|t| !t.is_dst).unwrap_or(&self.types[0]),
            _ => self.types[usize::from(self.kinds[n - 1])],
        };
        Some((before, at, self.types[usize::from(self.kinds[n])]))
    }

    /// The offset that a local time has here. Where the clock jumps forward the offset before the jump is taken;
    /// where it falls back, the later (standard) one. Also returns the Unix time meant.
    pub fn local_offset(&self, local: &CivilTime) -> (LocalType, i64) {
        let mytime = local.unix_seconds();
        if let Some(kind) = self.fixed {
            return (kind, mytime - i64::from(kind.offset));
        }
        let Some((before, boundary, after)) = self.next_change(mytime - SECS_PER_DAY) else {
            let kind = self.at_unix(mytime - SECS_PER_DAY);
            return (kind, mytime - i64::from(kind.offset));
        };
        let before_time = mytime - i64::from(before.offset);
        let after_time = mytime - i64::from(after.offset);
        if before_time < boundary && after_time < boundary {
            (before, before_time)
        } else if (before_time > boundary && after_time >= boundary) || before_time <= after_time {
            (after, after_time)
        } else {
            (before, before_time)
        }
    }

    /// Seconds west of UTC of a local time here: what input stores.
    pub fn local_west(&self, local: &CivilTime) -> i32 {
        -self.local_offset(local).0.offset
    }

    /// What the zone calls `abbrev` (upper case): its latest meaning at or before a Unix time, else its first after.
    pub fn interpret_abbrev(&self, abbrev: &str, t: i64) -> Option<LocalType> {
        let wanted = |k: &LocalType| k.abbrev.as_str() == abbrev;
        if let Some(kind) = self.fixed {
            return Some(kind).filter(wanted);
        }
        let cutoff = self.times.partition_point(|x| *x <= t);
        let kind = |i: usize| self.types[usize::from(self.kinds[i])];
        (0..cutoff)
            .rev()
            .map(kind)
            .find(wanted)
            .or_else(|| (cutoff..self.times.len()).map(kind).find(wanted))
            .or_else(|| if self.times.is_empty() { self.types.iter().copied().find(wanted) } else { None })
    }
}

fn load(upper: &str) -> Option<TimeZone> {
    let lower = upper.to_ascii_lowercase();
    if let Some(name) = FILES.get(&lower)
        && let Ok(bytes) = std::fs::read(Path::new(ZONE_DIR).join(name))
        && let Some(zone) = TimeZone::from_file(name.clone(), &bytes)
    {
        return Some(zone);
    }
    if let Some(name) = tzdb_data::TZ_NAMES.iter().find(|n| n.eq_ignore_ascii_case(upper))
        && let Some(bytes) = tzdb_data::find_raw(name.as_bytes())
        && let Some(zone) = TimeZone::from_file((*name).to_string(), bytes)
    {
        return Some(zone);
    }
    Some(TimeZone::from_posix(upper.to_string(), posix::parse(upper)?))
}

/// 22023 "time zone ... not recognized".
pub fn not_recognized(name: &str) -> Error {
    err!(INVALID_PARAMETER_VALUE, "time zone \"{name}\" not recognized")
}

/// All zones that have a file (without those counting leap seconds), sorted: `pg_timezone_names`.
pub fn zone_names() -> Vec<String> {
    let mut names: Vec<String> = FILES.values().filter(|n| !n.starts_with("right/")).cloned().collect();
    if names.is_empty() {
        names = tzdb_data::TZ_NAMES.iter().map(|n| (*n).to_string()).collect();
    }
    names.retain(|n| TimeZone::by_name(n).is_some_and(|z| z.name == *n && !z.leap_seconds));
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_and_overlaps() {
        let ny = TimeZone::by_name("america/new_york").unwrap();
        assert_eq!(ny.name(), "America/New_York");
        let at = |month, day, hour, minute| {
            ny.local_west(&CivilTime { year: 2021, month, day, hour, minute, ..Default::default() })
        };
        assert_eq!(at(3, 14, 2, 30), 18000, "gap: before");
        assert_eq!(at(11, 7, 1, 30), 18000, "overlap: standard");
        assert_eq!(at(7, 1, 0, 0), 14400);
        let far = CivilTime { year: 20210, month: 7, day: 1, ..Default::default() };
        assert_eq!(ny.local_west(&far), 14400);
    }

    #[test]
    fn every_zone_on_disk_and_embedded_is_read() {
        assert!(zone_names().len() > 400);
        for name in tzdb_data::TZ_NAMES {
            assert!(
                TimeZone::from_file(name.to_string(), tzdb_data::find_raw(name.as_bytes()).unwrap())
                    .is_some()
            );
        }
    }

    #[test]
    fn settings() {
        let name = |s: &str| {
            TimeZone::from_setting(s).map(|z| z.name().to_string()).map_err(|e| e.message().to_string())
        };
        assert_eq!(name("5.5").unwrap(), "<+05:30>-05:30");
        assert_eq!(name("x5").unwrap(), "X5");
        assert_eq!(name("INTERVAL '3'").unwrap(), "<+00:00:03>-00:00:03");
        assert_eq!(name("foo").unwrap_err(), "invalid value for parameter \"TimeZone\": \"foo\"");
        assert_eq!(name("right/UTC").unwrap_err(), "time zone \"right/UTC\" appears to use leap seconds");
    }
}
