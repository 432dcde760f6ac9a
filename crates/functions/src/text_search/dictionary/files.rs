//! The files that dictionaries may name: `NAME.stop`, `NAME.syn`, `NAME.ths`. They are looked for in the folder `tsearch_data` of the data folder, and
//! then among those that come with the server. A file is in UTF-8, in PostgreSQL's format.

use super::Dictionary;
use crate::scalar::case::lower;
use hashbrown::HashSet;
use quarry_common::{Error, Result, bail, err};
use std::borrow::Cow;
use std::sync::Arc;

/// Where a server's own files and other dictionaries are.
pub trait Files {
    /// What is in the file of this name; none: there is no such file.
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>>;
    /// The dictionary of this name.
    fn dictionary(&self, name: &str) -> Result<Arc<Dictionary>>;
}

/// No files but those that come with the server.
pub struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _name: &str) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }
    fn dictionary(&self, name: &str) -> Result<Arc<Dictionary>> {
        bail!(UNDEFINED_OBJECT, "text search dictionary \"{name}\" does not exist")
    }
}

macro_rules! stop {
    ($($name:literal)*) => { &[$(($name, include_str!(concat!("stop/", $name, ".stop")))),*] };
}

const STOP: &[(&str, &str)] = stop!(
    "danish" "dutch" "english" "finnish" "french" "german" "hungarian" "italian" "nepali" "norwegian"
    "portuguese" "russian" "spanish" "swedish" "turkish"
);
const SYNONYMS: &[(&str, &str)] = &[("synonym_sample", include_str!("synonym_sample.syn"))];

/// A file of the server's owner, or else one that comes along.
pub(super) fn find(
    own: &dyn Files,
    builtin: &[(&str, &'static str)],
    what: &str,
    name: &str,
    extension: &str,
) -> Result<Cow<'static, str>> {
    if !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') {
        bail!(INVALID_PARAMETER_VALUE, "invalid text search configuration file name \"{name}\"");
    }
    let file = format!("{name}.{extension}");
    if let Some(bytes) = own.read(&file)? {
        return match String::from_utf8(bytes) {
            Ok(text) => Ok(Cow::Owned(text)),
            Err(_) => Err(err!(
                CHARACTER_NOT_IN_REPERTOIRE,
                "{what} file \"{file}\" has an invalid byte sequence for encoding \"UTF8\""
            )),
        };
    }
    match builtin.iter().find(|f| f.0 == name) {
        Some((_, text)) => Ok(Cow::Borrowed(text)),
        None => Err(missing(what, &file)),
    }
}

fn missing(what: &str, file: &str) -> Error {
    err!(CONFIG_FILE_ERROR, "could not open {what} file \"{file}\": No such file or directory")
}

/// The words of a stop word list: the first one of each line.
pub(super) fn stop_words(own: &dyn Files, name: &str) -> Result<HashSet<String>> {
    let text = find(own, STOP, "stop-word", name, "stop")?;
    Ok(text.lines().filter_map(|line| line.split_whitespace().next()).map(lower).collect())
}

/// A list of synonyms.
pub(super) fn synonyms(own: &dyn Files, name: &str) -> Result<Cow<'static, str>> {
    find(own, SYNONYMS, "synonym", name, "syn")
}

#[cfg(test)]
mod tests {
    use super::*;

    struct One;

    impl Files for One {
        fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
            Ok(match name {
                "mine.stop" => Some("Foo\n\n  bar baz \n".into()),
                "broken.stop" => Some(vec![0xff]),
                _ => None,
            })
        }
        fn dictionary(&self, name: &str) -> Result<Arc<Dictionary>> {
            NoFiles.dictionary(name)
        }
    }

    #[test]
    fn own_files_come_first() {
        let mine = stop_words(&One, "mine").unwrap();
        assert!(mine.contains("foo") && mine.contains("bar") && mine.len() == 2);
        assert!(stop_words(&One, "english").unwrap().contains("the"));
        assert!(stop_words(&One, "nowhere").is_err());
        assert!(stop_words(&One, "broken").is_err());
        assert!(stop_words(&One, "../mine").is_err());
    }
}
