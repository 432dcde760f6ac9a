//! Dictionaries: from a token to lexemes.
//!
//! A dictionary is made from its template and its options, as `pg_ts_dict` has them, and the files that those name. What it answers
//! depends on nothing else.

pub mod files;
pub mod options;
pub mod snowball;
pub mod thesaurus;

use crate::scalar::case::lower;
use files::Files;
use hashbrown::{HashMap, HashSet};
use options::{option_bool, syntax_error};
use quarry_common::{Error, Oid, Result, bail};
use snowball::Language;
use thesaurus::Thesaurus;

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
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Answer {
    pub text: String,
    /// In queries: whatever begins so.
    pub prefix: bool,
    /// Answers of one number are parts of a word, those of different numbers are alternatives.
    pub variant: u16,
    /// It comes after the answer before it, not in its place.
    pub moves_on: bool,
}

/// What a dictionary says of a word, where that is one lexeme without a list.
#[derive(Debug)]
pub enum Said {
    /// It doesn't know it.
    Unknown,
    /// It is a stop word.
    Stop,
    /// It is one lexeme, appended to the buffer.
    One,
    Many(Vec<Answer>),
}

/// A text search dictionary.
pub struct Dictionary {
    pub oid: Oid,
    kind: Kind,
}

enum Kind {
    Simple { stop: HashSet<String>, accept: bool },
    Snowball { language: Language, stop: HashSet<String> },
    Synonym { words: HashMap<String, Answer>, case_sensitive: bool },
    Thesaurus(Thesaurus),
}

/// Longer words than this are in no language, and aren't stemmed.
const STEM_BYTES_MAX: usize = 1000;

impl Dictionary {
    /// From its template and options (names in lower case or as quoted).
    pub fn new(
        oid: Oid,
        template: Oid,
        options: &[(String, String)],
        files: &dyn Files,
    ) -> Result<Dictionary> {
        let kind = match template {
            template::SIMPLE => simple(options, files)?,
            template::SNOWBALL => snowball(options, files)?,
            template::SYNONYM => synonym(options, files)?,
            template::ISPELL => return Err(Error::unsupported("text search template ispell")),
            template::THESAURUS => Kind::Thesaurus(Thesaurus::new(options, files)?),
            other => {
                return Err(Error::internal(format!("cache lookup failed for text search template {other}")));
            }
        };
        Ok(Dictionary { oid, kind })
    }

    /// What it makes of a token; none: it doesn't know it, empty: a stop word.
    pub fn lexize(&self, token: &str) -> Option<Vec<Answer>> {
        let mut text = String::new();
        match self.say(token, &mut text) {
            Said::Unknown => None,
            Said::Stop => Some(Vec::new()),
            Said::One => Some(vec![Answer { text, ..Answer::default() }]),
            Said::Many(answers) => Some(answers),
        }
    }

    /// The dictionary as one that looks at several tokens.
    pub fn as_thesaurus(&self) -> Option<&Thesaurus> {
        match &self.kind {
            Kind::Thesaurus(thesaurus) => Some(thesaurus),
            _ => None,
        }
    }

    /// The same as [`Dictionary::lexize`]; a single lexeme is appended to `out`, which otherwise stays as it is.
    pub fn say(&self, token: &str, out: &mut String) -> Said {
        let begin = out.len();
        let said = self.answer(token, out);
        if !matches!(said, Said::One) {
            out.truncate(begin);
        }
        said
    }

    fn answer(&self, token: &str, out: &mut String) -> Said {
        let begin = out.len();
        match &self.kind {
            Kind::Simple { stop, accept } => {
                append_lower(token, out);
                let word = &out[begin..];
                if word.is_empty() || stop.contains(word) {
                    return Said::Stop;
                }
                if *accept { Said::One } else { Said::Unknown }
            }
            Kind::Snowball { language, stop } => {
                append_lower(token, out);
                if token.len() > STEM_BYTES_MAX {
                    return Said::One;
                }
                let word = &out[begin..];
                if word.is_empty() || stop.contains(word) {
                    return Said::Stop;
                }
                language.stem_end(out, begin);
                Said::One
            }
            Kind::Synonym { words, case_sensitive } => {
                if token.is_empty() {
                    return Said::Unknown;
                }
                let found = if *case_sensitive { words.get(token) } else { words.get(&lower(token)) };
                found.map_or(Said::Unknown, |a| Said::Many(vec![a.clone()]))
            }
            Kind::Thesaurus(thesaurus) => match thesaurus.longest(std::iter::once(Some(token))) {
                Some((_, substitute)) => Said::Many(substitute.to_vec()),
                None => Said::Unknown,
            },
        }
    }
}

/// Appends a text in lower case.
fn append_lower(text: &str, out: &mut String) {
    if text.is_ascii() {
        let begin = out.len();
        out.push_str(text);
        out[begin..].make_ascii_lowercase();
    } else {
        out.push_str(&lower(text));
    }
}

fn simple(options: &[(String, String)], files: &dyn Files) -> Result<Kind> {
    let (mut stop, mut accept) = (None, None);
    for (name, value) in options {
        match name.as_str() {
            "stopwords" if stop.is_some() => bail!(INVALID_PARAMETER_VALUE, "multiple StopWords parameters"),
            "stopwords" => stop = Some(files::stop_words(files, value)?),
            "accept" if accept.is_some() => bail!(INVALID_PARAMETER_VALUE, "multiple Accept parameters"),
            "accept" => accept = Some(option_bool(name, value)?),
            _ => bail!(INVALID_PARAMETER_VALUE, "unrecognized simple dictionary parameter: \"{name}\""),
        }
    }
    Ok(Kind::Simple { stop: stop.unwrap_or_default(), accept: accept.unwrap_or(true) })
}

fn snowball(options: &[(String, String)], files: &dyn Files) -> Result<Kind> {
    let (mut stop, mut language) = (None, None);
    for (name, value) in options {
        match name.as_str() {
            "stopwords" if stop.is_some() => bail!(INVALID_PARAMETER_VALUE, "multiple StopWords parameters"),
            "stopwords" => stop = Some(files::stop_words(files, value)?),
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

fn synonym(options: &[(String, String)], files: &dyn Files) -> Result<Kind> {
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
    for line in files::synonyms(files, file)?.lines() {
        let mut fields = line.split_whitespace();
        // A line with one word says nothing.
        let (Some(word), Some(replacement)) = (fields.next(), fields.next()) else { continue };
        let (text, prefix) = match replacement.strip_suffix('*') {
            Some(text) => (text, true),
            None => (replacement, false),
        };
        let fold = |s: &str| if case_sensitive { s.to_owned() } else { lower(s) };
        // Of several lines for a word the binary search of PostgreSQL finds any; the first counts here.
        words.entry(fold(word)).or_insert(Answer { text: fold(text), prefix, ..Answer::default() });
    }
    Ok(Kind::Synonym { words, case_sensitive })
}

/// The options of a dictionary from `dictinitoption`: `name = 'value', ...`.
pub fn parse_options(text: &str) -> Result<Vec<(String, String)>> {
    options::parse(text).ok_or_else(|| syntax_error(text))
}
