//! Words of date, time and interval input.

use std::collections::HashMap;
use std::sync::LazyLock;

/// Field kinds; as bits they tell which fields have been read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Reserved,
    Month,
    Tz,
    Dtz,
    DynTz,
    Ignore,
    AmPm,
    Dow,
    Units,
    AdBc,
    Ago,
    IsoTime,
    DstModifier,
    Unknown,
}

/// Values of [`Kind::Reserved`] and [`Kind::Units`] tokens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i32)]
pub enum Unit {
    Early = 9,
    Late = 10,
    Epoch = 11,
    Now = 12,
    Yesterday = 13,
    Today = 14,
    Tomorrow = 15,
    Zulu = 16,
    Second = 18,
    Minute = 19,
    Hour = 20,
    Day = 21,
    Week = 22,
    Month = 23,
    Quarter = 24,
    Year = 25,
    Decade = 26,
    Century = 27,
    Millennium = 28,
    Millisec = 29,
    Microsec = 30,
    Julian = 31,
    Dow = 32,
    Doy = 33,
    TzHour = 34,
    TzMinute = 35,
    IsoYear = 36,
    IsoDow = 37,
    /// The "t" before an ISO time.
    Time = 3,
    Tz = 4,
}

impl Unit {
    /// The unit with this number.
    pub fn from_i32(v: i32) -> Option<Unit> {
        use Unit::*;
        [
            Early, Late, Epoch, Now, Yesterday, Today, Tomorrow, Zulu, Second, Minute, Hour, Day, Week,
            Month, Quarter, Year, Decade, Century, Millennium, Millisec, Microsec, Julian, Dow, Doy, TzHour,
            TzMinute, IsoYear, IsoDow, Time, Tz,
        ]
        .into_iter()
        .find(|u| *u as i32 == v)
    }
}

/// `AmPm` value of "am".
pub const AM: i32 = 0;
/// `AmPm` value of "pm".
pub const PM: i32 = 1;
/// `AdBc` value of "bc".
pub const BC: i32 = 1;

/// Only this many bytes of a token count.
const TOKEN_MAX: usize = 10;

/// Words in dates and times.
#[rustfmt::skip]
static DATE_TOKENS: &[(&str, Kind, i32)] = &[
    ("-infinity", Kind::Reserved, Unit::Early as i32),
    ("ad", Kind::AdBc, 0), ("bc", Kind::AdBc, BC),
    ("allballs", Kind::Reserved, Unit::Zulu as i32),
    ("am", Kind::AmPm, AM), ("pm", Kind::AmPm, PM),
    ("at", Kind::Ignore, 0), ("on", Kind::Ignore, 0),
    ("jan", Kind::Month, 1), ("january", Kind::Month, 1),
    ("feb", Kind::Month, 2), ("february", Kind::Month, 2),
    ("mar", Kind::Month, 3), ("march", Kind::Month, 3),
    ("apr", Kind::Month, 4), ("april", Kind::Month, 4),
    ("may", Kind::Month, 5),
    ("jun", Kind::Month, 6), ("june", Kind::Month, 6),
    ("jul", Kind::Month, 7), ("july", Kind::Month, 7),
    ("aug", Kind::Month, 8), ("august", Kind::Month, 8),
    ("sep", Kind::Month, 9), ("sept", Kind::Month, 9), ("september", Kind::Month, 9),
    ("oct", Kind::Month, 10), ("october", Kind::Month, 10),
    ("nov", Kind::Month, 11), ("november", Kind::Month, 11),
    ("dec", Kind::Month, 12), ("december", Kind::Month, 12),
    ("sun", Kind::Dow, 0), ("sunday", Kind::Dow, 0),
    ("mon", Kind::Dow, 1), ("monday", Kind::Dow, 1),
    ("tue", Kind::Dow, 2), ("tues", Kind::Dow, 2), ("tuesday", Kind::Dow, 2),
    ("wed", Kind::Dow, 3), ("wednesday", Kind::Dow, 3), ("weds", Kind::Dow, 3),
    ("thu", Kind::Dow, 4), ("thur", Kind::Dow, 4), ("thurs", Kind::Dow, 4), ("thursday", Kind::Dow, 4),
    ("fri", Kind::Dow, 5), ("friday", Kind::Dow, 5),
    ("sat", Kind::Dow, 6), ("saturday", Kind::Dow, 6),
    ("d", Kind::Units, Unit::Day as i32),
    ("dow", Kind::Units, Unit::Dow as i32),
    ("doy", Kind::Units, Unit::Doy as i32),
    ("dst", Kind::DstModifier, 3600),
    ("epoch", Kind::Reserved, Unit::Epoch as i32),
    ("h", Kind::Units, Unit::Hour as i32),
    ("infinity", Kind::Reserved, Unit::Late as i32),
    ("isodow", Kind::Units, Unit::IsoDow as i32),
    ("isoyear", Kind::Units, Unit::IsoYear as i32),
    ("j", Kind::Units, Unit::Julian as i32),
    ("jd", Kind::Units, Unit::Julian as i32),
    ("julian", Kind::Units, Unit::Julian as i32),
    ("m", Kind::Units, Unit::Month as i32),
    ("mm", Kind::Units, Unit::Minute as i32),
    ("now", Kind::Reserved, Unit::Now as i32),
    ("s", Kind::Units, Unit::Second as i32),
    ("t", Kind::IsoTime, Unit::Time as i32),
    ("today", Kind::Reserved, Unit::Today as i32),
    ("tomorrow", Kind::Reserved, Unit::Tomorrow as i32),
    ("y", Kind::Units, Unit::Year as i32),
    ("yesterday", Kind::Reserved, Unit::Yesterday as i32),
];

/// Words in intervals, and the field names of `extract` and `date_trunc`.
#[rustfmt::skip]
static UNIT_TOKENS: &[(&str, Kind, i32)] = &[
    ("@", Kind::Ignore, 0), ("ago", Kind::Ago, 0),
    ("c", Kind::Units, Unit::Century as i32), ("cent", Kind::Units, Unit::Century as i32),
    ("centuries", Kind::Units, Unit::Century as i32), ("century", Kind::Units, Unit::Century as i32),
    ("d", Kind::Units, Unit::Day as i32), ("day", Kind::Units, Unit::Day as i32),
    ("days", Kind::Units, Unit::Day as i32),
    ("dec", Kind::Units, Unit::Decade as i32), ("decade", Kind::Units, Unit::Decade as i32),
    ("decades", Kind::Units, Unit::Decade as i32), ("decs", Kind::Units, Unit::Decade as i32),
    ("h", Kind::Units, Unit::Hour as i32), ("hour", Kind::Units, Unit::Hour as i32),
    ("hours", Kind::Units, Unit::Hour as i32), ("hr", Kind::Units, Unit::Hour as i32),
    ("hrs", Kind::Units, Unit::Hour as i32),
    ("m", Kind::Units, Unit::Minute as i32), ("microsecon", Kind::Units, Unit::Microsec as i32),
    ("mil", Kind::Units, Unit::Millennium as i32), ("millennia", Kind::Units, Unit::Millennium as i32),
    ("millennium", Kind::Units, Unit::Millennium as i32), ("millisecon", Kind::Units, Unit::Millisec as i32),
    ("mils", Kind::Units, Unit::Millennium as i32),
    ("min", Kind::Units, Unit::Minute as i32), ("mins", Kind::Units, Unit::Minute as i32),
    ("minute", Kind::Units, Unit::Minute as i32), ("minutes", Kind::Units, Unit::Minute as i32),
    ("mon", Kind::Units, Unit::Month as i32), ("mons", Kind::Units, Unit::Month as i32),
    ("month", Kind::Units, Unit::Month as i32), ("months", Kind::Units, Unit::Month as i32),
    ("ms", Kind::Units, Unit::Millisec as i32), ("msec", Kind::Units, Unit::Millisec as i32),
    ("msecond", Kind::Units, Unit::Millisec as i32), ("mseconds", Kind::Units, Unit::Millisec as i32),
    ("msecs", Kind::Units, Unit::Millisec as i32),
    ("qtr", Kind::Units, Unit::Quarter as i32), ("quarter", Kind::Units, Unit::Quarter as i32),
    ("s", Kind::Units, Unit::Second as i32), ("sec", Kind::Units, Unit::Second as i32),
    ("second", Kind::Units, Unit::Second as i32), ("seconds", Kind::Units, Unit::Second as i32),
    ("secs", Kind::Units, Unit::Second as i32),
    ("timezone", Kind::Units, Unit::Tz as i32), ("timezone_h", Kind::Units, Unit::TzHour as i32),
    ("timezone_m", Kind::Units, Unit::TzMinute as i32),
    ("us", Kind::Units, Unit::Microsec as i32), ("usec", Kind::Units, Unit::Microsec as i32),
    ("usecond", Kind::Units, Unit::Microsec as i32), ("useconds", Kind::Units, Unit::Microsec as i32),
    ("usecs", Kind::Units, Unit::Microsec as i32),
    ("w", Kind::Units, Unit::Week as i32), ("week", Kind::Units, Unit::Week as i32),
    ("weeks", Kind::Units, Unit::Week as i32),
    ("y", Kind::Units, Unit::Year as i32), ("year", Kind::Units, Unit::Year as i32),
    ("years", Kind::Units, Unit::Year as i32), ("yr", Kind::Units, Unit::Year as i32),
    ("yrs", Kind::Units, Unit::Year as i32),
];

type Table = HashMap<&'static [u8], (Kind, i32)>;

fn index(tokens: &'static [(&'static str, Kind, i32)]) -> Table {
    tokens.iter().map(|(name, kind, value)| (name.as_bytes(), (*kind, *value))).collect()
}

static DATE_INDEX: LazyLock<Table> = LazyLock::new(|| index(DATE_TOKENS));
static UNIT_INDEX: LazyLock<Table> = LazyLock::new(|| index(UNIT_TOKENS));

fn find(table: &Table, lower: &str) -> Option<(Kind, i32)> {
    let key = lower.as_bytes();
    table.get(&key[..key.len().min(TOKEN_MAX)]).copied()
}

/// A word of a date or time, in lower case.
pub fn date_token(lower: &str) -> Option<(Kind, i32)> {
    find(&DATE_INDEX, lower)
}

/// A word of an interval or a field name, in lower case.
pub fn unit_token(lower: &str) -> Option<(Kind, i32)> {
    find(&UNIT_INDEX, lower)
}

/// The field that `extract`, `date_part` or `date_trunc` is asked for, in any case: units first, then the names that
/// only dates have (dow, doy, epoch, julian ...).
pub fn field_name(name: &str) -> Option<Unit> {
    let lower = name.to_ascii_lowercase();
    let (kind, value) = match unit_token(&lower) {
        Some((Kind::Units, v)) => (Kind::Units, v),
        _ => date_token(&lower)?,
    };
    match kind {
        Kind::Units | Kind::Reserved => Unit::from_i32(value),
        _ => None,
    }
}
