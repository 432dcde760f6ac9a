//! PostgreSQL's advanced regular expressions, translated to Rust's engines.
//!
//! Patterns without back-references and look-around run in `regex` (linear time); the others in `fancy-regex` (a
//! backtracker with a step limit). Both prefer the leftmost and then the first alternative, where PostgreSQL prefers
//! the longest: which text matches is the same, the extent of a match of alternatives that are prefixes of each other
//! can differ. Compiled patterns are kept per thread.

mod translate;

use quarry_common::{Error, Result, err};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// Meaning of a pattern besides its text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Flags {
    pub ignore_case: bool,
    /// The dot and negated brackets stop at newlines.
    pub newline_stops: bool,
    /// `^` and `$` match at newlines.
    pub newline_anchors: bool,
    pub expanded: bool,
    /// No special characters.
    pub literal: bool,
    /// All matches, not only the first.
    pub global: bool,
}

impl Flags {
    /// From the flags argument of the regexp functions.
    pub fn parse(text: &str) -> Result<Flags> {
        let mut f = Flags::default();
        for c in text.chars() {
            if c == 'g' {
                f.global = true;
            } else if !f.set(c) {
                return Err(err!(INVALID_PARAMETER_VALUE, "invalid regular expression option: \"{c}\""));
            }
        }
        Ok(f)
    }
    /// One option letter, also of embedded options; false if there is no such option.
    pub(crate) fn set(&mut self, c: char) -> bool {
        match c {
            'b' | 'e' => self.literal = false,
            'c' => self.ignore_case = false,
            'i' => self.ignore_case = true,
            'm' | 'n' => (self.newline_stops, self.newline_anchors) = (true, true),
            'p' => (self.newline_stops, self.newline_anchors) = (true, false),
            'q' => self.literal = true,
            's' => (self.newline_stops, self.newline_anchors) = (false, false),
            't' => self.expanded = false,
            'w' => (self.newline_stops, self.newline_anchors) = (false, true),
            'x' => self.expanded = true,
            _ => return false,
        }
        true
    }
}

enum Engine {
    Linear(regex::Regex),
    Backtracking(Box<fancy_regex::Regex>),
}

/// A compiled pattern.
pub struct Pattern {
    engine: Engine,
    /// Capturing groups.
    pub groups: usize,
}

/// Byte ranges of a match: the whole and then each group.
pub type Spans = Vec<Option<(usize, usize)>>;

fn failed(detail: impl std::fmt::Display) -> Error {
    err!(INVALID_REGULAR_EXPRESSION, "regular expression failed: {detail}")
}

impl Pattern {
    fn compile(text: &str, flags: Flags) -> Result<Pattern> {
        let translated = translate::translate(text, flags)?;
        let engine = if translated.backtracking {
            Engine::Backtracking(Box::new(
                fancy_regex::Regex::new(&translated.pattern)
                    .map_err(|_| translate::invalid("invalid regexp"))?,
            ))
        } else {
            Engine::Linear(regex::Regex::new(&translated.pattern).map_err(|e| match e {
                regex::Error::CompiledTooBig(_) => translate::invalid("regular expression is too complex"),
                _ => translate::invalid("invalid regexp"),
            })?)
        };
        Ok(Pattern { engine, groups: translated.groups })
    }
    pub fn is_match(&self, text: &str) -> Result<bool> {
        match &self.engine {
            Engine::Linear(r) => Ok(r.is_match(text)),
            Engine::Backtracking(r) => r.is_match(text).map_err(failed),
        }
    }
    /// The first match that starts at byte `from` or later.
    pub fn find(&self, text: &str, from: usize) -> Result<Option<Spans>> {
        Ok(match &self.engine {
            Engine::Linear(r) => r
                .captures_at(text, from)
                .map(|c| (0..=self.groups).map(|i| c.get(i).map(|m| (m.start(), m.end()))).collect()),
            Engine::Backtracking(r) => r
                .captures_from_pos(text, from)
                .map_err(failed)?
                .map(|c| (0..=self.groups).map(|i| c.get(i).map(|m| (m.start(), m.end()))).collect()),
        })
    }
    /// Successive matches from byte `from` on. `limit`: stop after so many. `split`: matches of nothing that only
    /// touch the match before or the text's end don't count.
    pub fn find_all(&self, text: &str, from: usize, limit: usize, split: bool) -> Result<Vec<Spans>> {
        let mut found = Vec::new();
        let mut at = from;
        let mut last_end = 0;
        while let Some(spans) = self.find(text, at)? {
            let (start, end) = whole(&spans);
            if !split || (start < text.len() && end > last_end) {
                found.push(spans);
                if found.len() >= limit {
                    break;
                }
            }
            last_end = end;
            at = end;
            if start == end {
                let Some(c) = text[end..].chars().next() else { break };
                at += c.len_utf8();
            }
        }
        Ok(found)
    }
}

/// The extent of a match.
pub fn whole(spans: &Spans) -> (usize, usize) {
    spans.first().copied().flatten().unwrap_or((0, 0))
}

thread_local! {
    static COMPILED: RefCell<HashMap<(String, Flags), Rc<Pattern>>> = RefCell::new(HashMap::new());
    static LAST: RefCell<Option<(String, Flags, Rc<Pattern>)>> = const { RefCell::new(None) };
}

/// The compiled form of a pattern.
pub fn compiled(text: &str, flags: Flags) -> Result<Rc<Pattern>> {
    let flags = Flags { global: false, ..flags };
    if let Some(p) = LAST.with_borrow(|l| match l {
        Some((t, f, p)) if t == text && *f == flags => Some(p.clone()),
        _ => None,
    }) {
        return Ok(p);
    }
    let key = (text.to_owned(), flags);
    let pattern = match COMPILED.with_borrow(|c| c.get(&key).cloned()) {
        Some(p) => p,
        None => {
            let p = Rc::new(Pattern::compile(text, flags)?);
            COMPILED.with_borrow_mut(|c| {
                if c.len() >= 64 {
                    c.clear();
                }
                c.insert(key.clone(), p.clone());
            });
            p
        }
    };
    LAST.set(Some((key.0, flags, pattern.clone())));
    Ok(pattern)
}
