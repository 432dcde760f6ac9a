//! Types of tokens, by PostgreSQL's numbers.

#![allow(missing_docs)]

pub const ASCIIWORD: u8 = 1;
pub const WORD: u8 = 2;
pub const NUMWORD: u8 = 3;
pub const EMAIL: u8 = 4;
pub const URL: u8 = 5;
pub const HOST: u8 = 6;
pub const SFLOAT: u8 = 7;
pub const VERSION: u8 = 8;
pub const HWORD_NUMPART: u8 = 9;
pub const HWORD_PART: u8 = 10;
pub const HWORD_ASCIIPART: u8 = 11;
pub const BLANK: u8 = 12;
pub const TAG: u8 = 13;
pub const PROTOCOL: u8 = 14;
pub const NUMHWORD: u8 = 15;
pub const ASCIIHWORD: u8 = 16;
pub const HWORD: u8 = 17;
pub const URL_PATH: u8 = 18;
pub const FILE: u8 = 19;
pub const FLOAT: u8 = 20;
pub const INT: u8 = 21;
pub const UINT: u8 = 22;
pub const ENTITY: u8 = 23;

/// The number of types; they count from 1.
pub const COUNT: u8 = 23;

/// Name and description of each, from 1.
pub const TYPES: [(&str, &str); COUNT as usize] = [
    ("asciiword", "Word, all ASCII"),
    ("word", "Word, all letters"),
    ("numword", "Word, letters and digits"),
    ("email", "Email address"),
    ("url", "URL"),
    ("host", "Host"),
    ("sfloat", "Scientific notation"),
    ("version", "Version number"),
    ("hword_numpart", "Hyphenated word part, letters and digits"),
    ("hword_part", "Hyphenated word part, all letters"),
    ("hword_asciipart", "Hyphenated word part, all ASCII"),
    ("blank", "Space symbols"),
    ("tag", "XML tag"),
    ("protocol", "Protocol head"),
    ("numhword", "Hyphenated word, letters and digits"),
    ("asciihword", "Hyphenated word, all ASCII"),
    ("hword", "Hyphenated word, all letters"),
    ("url_path", "URL path"),
    ("file", "File or path name"),
    ("float", "Decimal notation"),
    ("int", "Signed integer"),
    ("uint", "Unsigned integer"),
    ("entity", "XML entity"),
];

/// The type of this name.
pub fn by_name(name: &str) -> Option<u8> {
    TYPES.iter().position(|t| t.0 == name).map(|i| i as u8 + 1)
}
