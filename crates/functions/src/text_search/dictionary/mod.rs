//! Dictionaries: from a token to lexemes.
//!
//! A dictionary is made from its template and its options, as `pg_ts_dict` has them. What it answers depends on nothing else.

mod files;
pub mod options;
pub mod snowball;

use crate::scalar::case::lower;
use hashbrown::{HashMap, HashSet};
use options::{option_bool, syntax_error};
use quarry_common::{Error, Oid, Result, bail};
use snowball::Language;

/// OIDs of the templates.
pub mod template {
    use quarry_common::Oid;
    pub const SIMPLE: Oid = Oid(3727);
    pub const SYNONYM: Oid = Oid(3730);
    pub const ISPELL: Oid = Oid(3733);
    pub const THESAURUS: Oid = Oid(3742);
    pub const SNOWBALL: Oid = Oid(13150);
}

/// A lexeme that a dictionary answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    pub text: String,
    /// In queries: whatever begins so.
    pub prefix: bool,
}

/// A text search dictionary.
pub struct Dictionary {
    pub oid: Oid,
    kind: Kind,
}

enum Kind {
    Simple { stop: HashSet<&'static str>, accept: bool },
    Snowball { language: Language, stop: HashSet<&'static str> },
    Synonym { words: HashMap<String, Answer>, case_sensitive: bool },
}

/// Longer words than this are in no language, and aren't stemmed.
const STEM_BYTES_MAX: usize = 1000;

impl Dictionary {
    /// From its template and options (names in lower case or as quoted).
    pub fn new(oid: Oid, template: Oid, options: &[(String, String)]) -> Result<Dictionary> {
        let kind = match template {
            template::SIMPLE => simple(options)?,
            template::SNOWBALL => snowball(options)?,
            template::SYNONYM => synonym(options)?,
            template::ISPELL => return Err(Error::unsupported("text search template ispell")),
            template::THESAURUS => return Err(Error::unsupported("text search template thesaurus")),
            other => {
                return Err(Error::internal(format!("cache lookup failed for text search template {other}")));
            }
        };
        Ok(Dictionary { oid, kind })
    }

    /// What it makes of a token; none: it doesn't know it, empty: a stop word.
    pub fn lexize(&self, token: &str) -> Option<Vec<Answer>> {
        let one = |text: String| Some(vec![Answer { text, prefix: false }]);
        match &self.kind {
            Kind::Simple { stop, accept } => {
                let word = lower(token);
                if word.is_empty() || stop.contains(word.as_str()) {
                    return Some(Vec::new());
                }
                if *accept { one(word) } else { None }
            }
            Kind::Snowball { language, stop } => {
                let word = lower(token);
                if token.len() > STEM_BYTES_MAX {
                    return one(word);
                }
                if word.is_empty() || stop.contains(word.as_str()) {
                    return Some(Vec::new());
                }
                let stem = language.stem(&word);
                one(if stem.is_empty() { word } else { stem })
            }
            Kind::Synonym { words, case_sensitive } => {
                if token.is_empty() {
                    return None;
                }
                let found = if *case_sensitive { words.get(token) } else { words.get(&lower(token)) };
                found.map(|a| vec![a.clone()])
            }
        }
    }
}

fn simple(options: &[(String, String)]) -> Result<Kind> {
    let (mut stop, mut accept) = (None, None);
    for (name, value) in options {
        match name.as_str() {
            "stopwords" if stop.is_some() => bail!(INVALID_PARAMETER_VALUE, "multiple StopWords parameters"),
            "stopwords" => stop = Some(files::stop_words(value)?),
            "accept" if accept.is_some() => bail!(INVALID_PARAMETER_VALUE, "multiple Accept parameters"),
            "accept" => accept = Some(option_bool(name, value)?),
            _ => bail!(INVALID_PARAMETER_VALUE, "unrecognized simple dictionary parameter: \"{name}\""),
        }
    }
    Ok(Kind::Simple { stop: stop.unwrap_or_default(), accept: accept.unwrap_or(true) })
}

fn snowball(options: &[(String, String)]) -> Result<Kind> {
    let (mut stop, mut language) = (None, None);
    for (name, value) in options {
        match name.as_str() {
            "stopwords" if stop.is_some() => bail!(INVALID_PARAMETER_VALUE, "multiple StopWords parameters"),
            "stopwords" => stop = Some(files::stop_words(value)?),
            "language" if language.is_some() => {
                bail!(INVALID_PARAMETER_VALUE, "multiple Language parameters")
            }
            "language" => match Language::named(value) {
                Some(l) => language = Some(l),
                None => bail!(
                    UNDEFINED_OBJECT,
                    "no Snowball stemmer available for language \"{value}\" and encoding \"UTF8\""
                ),
            },
            _ => bail!(INVALID_PARAMETER_VALUE, "unrecognized Snowball parameter: \"{name}\""),
        }
    }
    match language {
        Some(language) => Ok(Kind::Snowball { language, stop: stop.unwrap_or_default() }),
        None => bail!(INVALID_PARAMETER_VALUE, "missing Language parameter"),
    }
}

fn synonym(options: &[(String, String)]) -> Result<Kind> {
    let (mut file, mut case_sensitive) = (None, false);
    for (name, value) in options {
        match name.as_str() {
            "synonyms" => file = Some(value),
            "casesensitive" => case_sensitive = option_bool(name, value)?,
            _ => bail!(INVALID_PARAMETER_VALUE, "unrecognized synonym parameter: \"{name}\""),
        }
    }
    let Some(file) = file else { bail!(INVALID_PARAMETER_VALUE, "missing Synonyms parameter") };
    let mut words = HashMap::new();
    for line in files::synonyms(file)?.lines() {
        let mut fields = line.split_whitespace();
        // A line with one word says nothing.
        let (Some(word), Some(replacement)) = (fields.next(), fields.next()) else { continue };
        let (text, prefix) = match replacement.strip_suffix('*') {
            Some(text) => (text, true),
            None => (replacement, false),
        };
        let fold = |s: &str| if case_sensitive { s.to_owned() } else { lower(s) };
        // Of several lines for a word the binary search of PostgreSQL finds any; the first counts here.
        words.entry(fold(word)).or_insert(Answer { text: fold(text), prefix });
    }
    Ok(Kind::Synonym { words, case_sensitive })
}

/// The options of a dictionary from `dictinitoption`: `name = 'value', ...`.
pub fn parse_options(text: &str) -> Result<Vec<(String, String)>> {
    options::parse(text).ok_or_else(|| syntax_error(text))
}
