//! The files that dictionaries may name: those that come with the server.

use hashbrown::HashSet;
use quarry_common::{Error, Result, bail, err};

macro_rules! stop {
    ($($name:literal)*) => { &[$(($name, include_str!(concat!("stop/", $name, ".stop")))),*] };
}

const STOP: &[(&str, &str)] = stop!(
    "danish" "dutch" "english" "finnish" "french" "german" "hungarian" "italian" "nepali" "norwegian"
    "portuguese" "russian" "spanish" "swedish" "turkish"
);
const SYNONYMS: &[(&str, &str)] = &[("synonym_sample", include_str!("synonym_sample.syn"))];

fn find(files: &[(&'static str, &'static str)], name: &str) -> Result<Option<&'static str>> {
    if !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') {
        bail!(INVALID_PARAMETER_VALUE, "invalid text search configuration file name \"{name}\"");
    }
    Ok(files.iter().find(|f| f.0 == name).map(|f| f.1))
}

fn missing(what: &str, name: &str, extension: &str) -> Error {
    err!(CONFIG_FILE_ERROR, "could not open {what} file \"{name}.{extension}\": No such file or directory")
}

/// The words of a stop word list.
pub(super) fn stop_words(name: &str) -> Result<HashSet<&'static str>> {
    match find(STOP, name)? {
        Some(text) => Ok(text.lines().map(str::trim_end).filter(|w| !w.is_empty()).collect()),
        None => Err(missing("stop-word", name, "stop")),
    }
}

/// A list of synonyms.
pub(super) fn synonyms(name: &str) -> Result<&'static str> {
    find(SYNONYMS, name)?.ok_or_else(|| missing("synonym", name, "syn"))
}
