//! Zone abbreviations of the default set (`timezone_abbreviations = 'Default'`).

use super::TimeZone;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

/// What an abbreviation means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Meaning {
    /// Seconds east of UTC; whether it is daylight saving time.
    Fixed(i32, bool),
    /// Whatever the zone of this name means by it at the time.
    Zone(&'static str),
}

use Meaning::{Fixed, Zone};

/// Name (upper case) and meaning.
#[rustfmt::skip]
pub static ABBREVIATIONS: &[(&str, Meaning)] = &[
    ("EAT", Fixed(10800, false)),
    ("SAST", Fixed(7200, false)),
    ("WAT", Fixed(3600, false)),
    ("ACT", Fixed(-18000, false)),
    ("AKDT", Fixed(-28800, true)),
    ("AKST", Fixed(-32400, false)),
    ("ART", Zone("America/Argentina/Buenos_Aires")),
    ("ARST", Zone("America/Argentina/Buenos_Aires")),
    ("BOT", Fixed(-14400, false)),
    ("BRA", Fixed(-10800, false)),
    ("BRST", Fixed(-7200, true)),
    ("BRT", Fixed(-10800, false)),
    ("COT", Fixed(-18000, false)),
    ("CDT", Fixed(-18000, true)),
    ("CLST", Fixed(-10800, true)),
    ("CLT", Zone("America/Santiago")),
    ("CST", Fixed(-21600, false)),
    ("EDT", Fixed(-14400, true)),
    ("EGST", Fixed(0, true)),
    ("EGT", Fixed(-3600, false)),
    ("EST", Fixed(-18000, false)),
    ("FNT", Fixed(-7200, false)),
    ("FNST", Fixed(-3600, true)),
    ("GFT", Fixed(-10800, false)),
    ("GYT", Zone("America/Guyana")),
    ("MDT", Fixed(-21600, true)),
    ("MST", Fixed(-25200, false)),
    ("NDT", Fixed(-9000, true)),
    ("NFT", Fixed(-12600, false)),
    ("NST", Fixed(-12600, false)),
    ("PET", Fixed(-18000, false)),
    ("PDT", Fixed(-25200, true)),
    ("PMDT", Fixed(-7200, true)),
    ("PMST", Fixed(-10800, false)),
    ("PST", Fixed(-28800, false)),
    ("PYST", Fixed(-10800, true)),
    ("PYT", Zone("America/Asuncion")),
    ("UYST", Fixed(-7200, true)),
    ("UYT", Fixed(-10800, false)),
    ("VET", Zone("America/Caracas")),
    ("WGST", Fixed(-7200, true)),
    ("WGT", Fixed(-10800, false)),
    ("DAVT", Zone("Antarctica/Davis")),
    ("DDUT", Fixed(36000, false)),
    ("MAWT", Zone("Antarctica/Mawson")),
    ("AFT", Fixed(16200, false)),
    ("ALMT", Fixed(21600, false)),
    ("ALMST", Fixed(25200, true)),
    ("AMST", Zone("Asia/Yerevan")),
    ("AMT", Fixed(-14400, false)),
    ("ANAST", Zone("Asia/Anadyr")),
    ("ANAT", Zone("Asia/Anadyr")),
    ("AZST", Zone("Asia/Baku")),
    ("AZT", Zone("Asia/Baku")),
    ("BDT", Fixed(21600, false)),
    ("BNT", Fixed(28800, false)),
    ("BORT", Fixed(28800, false)),
    ("BTT", Fixed(21600, false)),
    ("CCT", Fixed(28800, false)),
    ("GEST", Zone("Asia/Tbilisi")),
    ("GET", Zone("Asia/Tbilisi")),
    ("HKT", Fixed(28800, false)),
    ("ICT", Fixed(25200, false)),
    ("IDT", Fixed(10800, true)),
    ("IRKST", Zone("Asia/Irkutsk")),
    ("IRKT", Zone("Asia/Irkutsk")),
    ("IRT", Fixed(12600, false)),
    ("IST", Fixed(7200, false)),
    ("JAYT", Fixed(32400, false)),
    ("JST", Fixed(32400, false)),
    ("KDT", Fixed(36000, true)),
    ("KGST", Fixed(21600, true)),
    ("KGT", Zone("Asia/Bishkek")),
    ("KRAST", Zone("Asia/Krasnoyarsk")),
    ("KRAT", Zone("Asia/Krasnoyarsk")),
    ("KST", Fixed(32400, false)),
    ("LKT", Zone("Asia/Colombo")),
    ("MAGST", Zone("Asia/Magadan")),
    ("MAGT", Zone("Asia/Magadan")),
    ("MMT", Fixed(23400, false)),
    ("MYT", Fixed(28800, false)),
    ("NOVST", Zone("Asia/Novosibirsk")),
    ("NOVT", Zone("Asia/Novosibirsk")),
    ("NPT", Fixed(20700, false)),
    ("OMSST", Zone("Asia/Omsk")),
    ("OMST", Zone("Asia/Omsk")),
    ("PETST", Zone("Asia/Kamchatka")),
    ("PETT", Zone("Asia/Kamchatka")),
    ("PHT", Fixed(28800, false)),
    ("PKT", Fixed(18000, false)),
    ("PKST", Fixed(21600, true)),
    ("SGT", Zone("Asia/Singapore")),
    ("TJT", Fixed(18000, false)),
    ("TMT", Zone("Asia/Ashgabat")),
    ("ULAST", Fixed(32400, true)),
    ("ULAT", Zone("Asia/Ulaanbaatar")),
    ("UZST", Fixed(21600, true)),
    ("UZT", Fixed(18000, false)),
    ("VLAST", Zone("Asia/Vladivostok")),
    ("VLAT", Zone("Asia/Vladivostok")),
    ("XJT", Fixed(21600, false)),
    ("YAKST", Zone("Asia/Yakutsk")),
    ("YAKT", Zone("Asia/Yakutsk")),
    ("YEKST", Fixed(21600, true)),
    ("YEKT", Zone("Asia/Yekaterinburg")),
    ("ADT", Fixed(-10800, true)),
    ("AST", Fixed(-14400, false)),
    ("AZOST", Fixed(0, true)),
    ("AZOT", Fixed(-3600, false)),
    ("FKST", Zone("Atlantic/Stanley")),
    ("FKT", Zone("Atlantic/Stanley")),
    ("ACSST", Fixed(37800, true)),
    ("ACDT", Fixed(37800, true)),
    ("ACST", Fixed(34200, false)),
    ("ACWST", Fixed(31500, false)),
    ("AESST", Fixed(39600, true)),
    ("AEDT", Fixed(39600, true)),
    ("AEST", Fixed(36000, false)),
    ("AWSST", Fixed(32400, true)),
    ("AWST", Fixed(28800, false)),
    ("CADT", Fixed(37800, true)),
    ("CAST", Fixed(34200, false)),
    ("LHDT", Zone("Australia/Lord_Howe")),
    ("LHST", Fixed(37800, false)),
    ("LIGT", Fixed(36000, false)),
    ("NZT", Fixed(43200, false)),
    ("SADT", Fixed(37800, true)),
    ("WADT", Fixed(28800, true)),
    ("WAST", Fixed(25200, false)),
    ("WDT", Fixed(32400, true)),
    ("GMT", Fixed(0, false)),
    ("UCT", Fixed(0, false)),
    ("UT", Fixed(0, false)),
    ("UTC", Fixed(0, false)),
    ("Z", Fixed(0, false)),
    ("ZULU", Fixed(0, false)),
    ("BST", Fixed(3600, true)),
    ("BDST", Fixed(7200, true)),
    ("CEST", Fixed(7200, true)),
    ("CET", Fixed(3600, false)),
    ("CETDST", Fixed(7200, true)),
    ("EEST", Fixed(10800, true)),
    ("EET", Fixed(7200, false)),
    ("EETDST", Fixed(10800, true)),
    ("FET", Fixed(10800, false)),
    ("MEST", Fixed(7200, true)),
    ("MESZ", Fixed(7200, true)),
    ("MET", Fixed(3600, false)),
    ("METDST", Fixed(7200, true)),
    ("MEZ", Fixed(3600, false)),
    ("MSD", Fixed(14400, true)),
    ("MSK", Zone("Europe/Moscow")),
    ("VOLT", Zone("Europe/Volgograd")),
    ("WET", Fixed(0, false)),
    ("WETDST", Fixed(3600, true)),
    ("CXT", Fixed(25200, false)),
    ("IOT", Zone("Indian/Chagos")),
    ("MUT", Fixed(14400, false)),
    ("MUST", Fixed(18000, true)),
    ("MVT", Fixed(18000, false)),
    ("RET", Fixed(14400, false)),
    ("SCT", Fixed(14400, false)),
    ("TFT", Fixed(18000, false)),
    ("CHADT", Fixed(49500, true)),
    ("CHAST", Fixed(45900, false)),
    ("CHUT", Fixed(36000, false)),
    ("CKT", Zone("Pacific/Rarotonga")),
    ("EASST", Zone("Pacific/Easter")),
    ("EAST", Zone("Pacific/Easter")),
    ("FJST", Fixed(46800, true)),
    ("FJT", Fixed(43200, false)),
    ("GALT", Fixed(-21600, false)),
    ("GAMT", Fixed(-32400, false)),
    ("GILT", Fixed(43200, false)),
    ("HST", Fixed(-36000, false)),
    ("KOST", Zone("Pacific/Kosrae")),
    ("LINT", Zone("Pacific/Kiritimati")),
    ("MART", Fixed(-34200, false)),
    ("MHT", Fixed(43200, false)),
    ("MPT", Fixed(36000, false)),
    ("NUT", Zone("Pacific/Niue")),
    ("NZDT", Fixed(46800, true)),
    ("NZST", Fixed(43200, false)),
    ("PGT", Fixed(36000, false)),
    ("PONT", Fixed(39600, false)),
    ("PWT", Fixed(32400, false)),
    ("TAHT", Fixed(-36000, false)),
    ("TKT", Zone("Pacific/Fakaofo")),
    ("TOT", Fixed(46800, false)),
    ("TRUT", Fixed(36000, false)),
    ("TVT", Fixed(43200, false)),
    ("VUT", Fixed(39600, false)),
    ("WAKT", Fixed(43200, false)),
    ("WFT", Fixed(43200, false)),
    ("YAPT", Fixed(36000, false)),
];

static BY_NAME: LazyLock<HashMap<String, Meaning>> =
    LazyLock::new(|| ABBREVIATIONS.iter().map(|(n, m)| (n.to_ascii_lowercase(), *m)).collect());

/// The meaning of an abbreviation in lower case.
pub fn lookup(lower: &str) -> Option<Meaning> {
    // Tokens are compared by their first ten bytes; no abbreviation is as long.
    if lower.len() > 10 {
        return None;
    }
    BY_NAME.get(lower).copied()
}

/// An abbreviation's zone or offset, resolved for conversions (`AT TIME ZONE`).
pub enum ZoneSpec {
    /// Seconds east of UTC.
    Fixed(i32),
    /// An abbreviation (upper case) that its zone defines by date.
    Dynamic(String, Arc<TimeZone>),
    Zone(Arc<TimeZone>),
}

impl ZoneSpec {
    /// Abbreviation first, then zone name, as `AT TIME ZONE` reads its argument.
    pub fn parse(name: &str) -> quarry_common::Result<ZoneSpec> {
        let lower = name.to_ascii_lowercase();
        match lookup(&lower) {
            Some(Fixed(offset, _)) => Ok(ZoneSpec::Fixed(offset)),
            Some(Zone(zone)) => Ok(ZoneSpec::Dynamic(name.to_ascii_uppercase(), TimeZone::named(zone)?)),
            None => Ok(ZoneSpec::Zone(TimeZone::named(name)?)),
        }
    }
    /// Seconds east of UTC at a timestamp (microseconds since 2000 UTC).
    pub fn offset_at(&self, timestamp: i64) -> i32 {
        match self {
            ZoneSpec::Fixed(offset) => *offset,
            ZoneSpec::Dynamic(abbrev, zone) => {
                let unix = timestamp.div_euclid(super::USECS_PER_SEC) + super::UNIX_EPOCH_OFFSET;
                zone.interpret_abbrev(abbrev, unix).unwrap_or_else(|| zone.at_unix(unix)).offset
            }
            ZoneSpec::Zone(zone) => zone.at(timestamp).offset,
        }
    }
    /// Seconds east of UTC of a local time.
    pub fn offset_of_local(&self, local: &super::CivilTime) -> i32 {
        match self {
            ZoneSpec::Fixed(offset) => *offset,
            ZoneSpec::Dynamic(abbrev, zone) => abbrev_offset_of_local(abbrev, zone, local),
            ZoneSpec::Zone(zone) => zone.local_offset(local).0.offset,
        }
    }
}

/// Seconds east of UTC that a date-dependent abbreviation (any case) means for a local time.
pub fn abbrev_offset_of_local(abbrev: &str, zone: &TimeZone, local: &super::CivilTime) -> i32 {
    let (kind, unix) = zone.local_offset(local);
    zone.interpret_abbrev(&abbrev.to_ascii_uppercase(), unix).unwrap_or(kind).offset
}
