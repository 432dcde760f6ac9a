//! PostgreSQL's encodings by name and number.

use super::tables::*;

/// How an encoding is converted.
#[derive(Clone, Copy)]
pub enum Kind {
    /// Bytes without a meaning (`SQL_ASCII`).
    Ascii,
    Utf8,
    Latin1,
    Single(&'static Table),
    /// East Asian encodings.
    Multi,
}

pub struct Encoding {
    pub name: &'static str,
    pub kind: Kind,
}

const fn single(name: &'static str, table: &'static Table) -> Encoding {
    Encoding { name, kind: Kind::Single(table) }
}

const fn multi(name: &'static str) -> Encoding {
    Encoding { name, kind: Kind::Multi }
}

pub const UTF8: Encoding = Encoding { name: "UTF8", kind: Kind::Utf8 };

/// By number (`pg_encoding_to_char`).
static ENCODINGS: [Encoding; 42] = [
    Encoding { name: "SQL_ASCII", kind: Kind::Ascii },
    multi("EUC_JP"),
    multi("EUC_CN"),
    multi("EUC_KR"),
    multi("EUC_TW"),
    multi("EUC_JIS_2004"),
    UTF8,
    multi("MULE_INTERNAL"),
    Encoding { name: "LATIN1", kind: Kind::Latin1 },
    single("LATIN2", &LATIN2),
    single("LATIN3", &LATIN3),
    single("LATIN4", &LATIN4),
    single("LATIN5", &LATIN5),
    single("LATIN6", &LATIN6),
    single("LATIN7", &LATIN7),
    single("LATIN8", &LATIN8),
    single("LATIN9", &LATIN9),
    single("LATIN10", &LATIN10),
    single("WIN1256", &WIN1256),
    single("WIN1258", &WIN1258),
    single("WIN866", &WIN866),
    single("WIN874", &WIN874),
    single("KOI8R", &KOI8R),
    single("WIN1251", &WIN1251),
    single("WIN1252", &WIN1252),
    single("ISO_8859_5", &ISO_8859_5),
    single("ISO_8859_6", &ISO_8859_6),
    single("ISO_8859_7", &ISO_8859_7),
    single("ISO_8859_8", &ISO_8859_8),
    single("WIN1250", &WIN1250),
    single("WIN1253", &WIN1253),
    single("WIN1254", &WIN1254),
    single("WIN1255", &WIN1255),
    single("WIN1257", &WIN1257),
    single("KOI8U", &KOI8U),
    multi("SJIS"),
    multi("BIG5"),
    multi("GBK"),
    multi("UHC"),
    multi("GB18030"),
    multi("JOHAB"),
    multi("SHIFT_JIS_2004"),
];

/// Other names, without punctuation and in lower case.
const ALIASES: &[(&str, &str)] = &[
    ("abc", "WIN1258"),
    ("alt", "WIN866"),
    ("iso885910", "LATIN6"),
    ("iso885913", "LATIN7"),
    ("iso885914", "LATIN8"),
    ("iso885915", "LATIN9"),
    ("iso885916", "LATIN10"),
    ("iso88591", "LATIN1"),
    ("iso88592", "LATIN2"),
    ("iso88593", "LATIN3"),
    ("iso88594", "LATIN4"),
    ("iso88599", "LATIN5"),
    ("koi8", "KOI8R"),
    ("mskanji", "SJIS"),
    ("shiftjis", "SJIS"),
    ("tcvn", "WIN1258"),
    ("tcvn5712", "WIN1258"),
    ("unicode", "UTF8"),
    ("vscii", "WIN1258"),
    ("win", "WIN1251"),
    ("win932", "SJIS"),
    ("win936", "GBK"),
    ("win949", "UHC"),
    ("win950", "BIG5"),
    ("windows1250", "WIN1250"),
    ("windows1251", "WIN1251"),
    ("windows1252", "WIN1252"),
    ("windows1253", "WIN1253"),
    ("windows1254", "WIN1254"),
    ("windows1255", "WIN1255"),
    ("windows1256", "WIN1256"),
    ("windows1257", "WIN1257"),
    ("windows1258", "WIN1258"),
    ("windows866", "WIN866"),
    ("windows874", "WIN874"),
    ("windows932", "SJIS"),
    ("windows936", "GBK"),
    ("windows949", "UHC"),
    ("windows950", "BIG5"),
];

fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// The encoding of that name, whatever its case and punctuation.
pub fn find(name: &str) -> Option<&'static Encoding> {
    let wanted = plain(name);
    let named = match ALIASES.iter().find(|(alias, _)| *alias == wanted) {
        Some((_, name)) => plain(name),
        None => wanted,
    };
    ENCODINGS.iter().find(|e| plain(e.name) == named)
}

pub fn by_code(code: i32) -> Option<&'static Encoding> {
    ENCODINGS.get(usize::try_from(code).ok()?)
}
