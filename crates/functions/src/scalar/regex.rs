//! Regular expressions with PostgreSQL's syntax and semantics.
//!
//! PostgreSQL's engine (Henry Spencer's) isn't a backtracker: which text matches is decided by automata, how far a match and its groups
//! reach by the preferences of the manual's section 9.7.3.5. So no engine with Perl's semantics can stand in for it, and this is
//! one of its kind: [`lex`] and [`parse`] read a pattern, [`tree`] finds the parts that matter, [`nfa`] and [`dfa`] make
//! automata of them as they run, [`search`] finds matches and divides them. Time is linear in the text for patterns without
//! back-references (quadratic where many long matches are looked for in vain); memory is bounded. Characters are those of the
//! C.UTF-8 locale. Compiled patterns are kept per thread.

mod charset;
mod ctype_data;
mod dfa;
mod lex;
mod nfa;
mod parse;
mod prefix;
mod program;
pub(crate) mod required;
mod search;
#[cfg(test)]
mod tests;
mod tree;

use crate::trigram::pattern::{self, Needs};
use crate::{EvalContext, SessionEnv};
pub use prefix::FixedPrefix;
use program::Program;
use quarry_common::{Error, Result, err};
use search::Searcher;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// Whether the C.UTF-8 locale counts it among the letters.
pub(crate) fn is_alpha(c: char) -> bool {
    let c = c as u32;
    let at = ctype_data::ALPHA.partition_point(|r| r.1 < c);
    ctype_data::ALPHA.get(at).is_some_and(|r| r.0 <= c)
}

/// Which syntax a pattern is in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Syntax {
    #[default]
    Advanced,
    Extended,
    Basic,
}

/// Meaning of a pattern besides its text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Flags {
    pub syntax: Syntax,
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
            } else if c == 'e' {
                // Not what it is for, but what it does in PostgreSQL; embedded, it is right.
                (f.syntax, f.literal) = (Syntax::Basic, false);
            } else if !f.set(c) {
                return Err(err!(INVALID_PARAMETER_VALUE, "invalid regular expression option: \"{c}\""));
            }
        }
        Ok(f)
    }

    /// One option letter, also of embedded options; false if there is no such option.
    pub(crate) fn set(&mut self, c: char) -> bool {
        match c {
            'b' => (self.syntax, self.literal) = (Syntax::Basic, false),
            'c' => self.ignore_case = false,
            'e' => (self.syntax, self.literal) = (Syntax::Extended, false),
            'i' => self.ignore_case = true,
            'm' | 'n' => (self.newline_stops, self.newline_anchors) = (true, true),
            'p' => (self.newline_stops, self.newline_anchors) = (true, false),
            // Leaving the literal syntax again, by `b` or `e`, doesn't bring back the advanced one.
            'q' => (self.syntax, self.literal) = (Syntax::Basic, true),
            's' => (self.newline_stops, self.newline_anchors) = (false, false),
            't' => self.expanded = false,
            'w' => (self.newline_stops, self.newline_anchors) = (false, true),
            'x' => self.expanded = true,
            _ => return false,
        }
        true
    }

    /// Nothing is special any more.
    fn make_literal(&mut self) {
        let Flags { ignore_case, global, .. } = *self;
        *self = Flags { ignore_case, global, literal: true, ..Flags::default() };
    }
}

/// A compiled pattern.
pub struct Pattern {
    program: Program,
    groups: usize,
}

/// Byte ranges of a match: the whole and then each group.
pub type Spans = Vec<Option<(usize, usize)>>;

/// The error of a pattern that doesn't compile.
fn invalid(what: &str) -> Error {
    err!(INVALID_REGULAR_EXPRESSION, "invalid regular expression: {what}")
}

fn failed(what: &str) -> Error {
    err!(INVALID_REGULAR_EXPRESSION, "regular expression failed: {what}")
}

impl Pattern {
    fn compile(text: &str, flags: Flags) -> Result<Pattern> {
        if flags.literal && (flags.expanded || flags.newline_anchors || flags.newline_stops) {
            return Err(invalid("invalid argument to regex function"));
        }
        let program = Program::new(text, flags)?;
        let groups = program.parsed.groups.len() - 1;
        Ok(Pattern { program, groups })
    }
}

/// A compiled pattern with the session that searches with it and may cancel that.
pub struct Matcher<'a> {
    pattern: Rc<Pattern>,
    env: &'a dyn SessionEnv,
}

impl Matcher<'_> {
    /// Capturing groups.
    pub fn groups(&self) -> usize {
        self.pattern.groups
    }
    fn searcher<'s>(&'s self, text: &'s str) -> Searcher<'s> {
        Searcher::new(&self.pattern.program, text, self.env)
    }

    /// Whether the text has a match.
    pub fn is_match(&self, text: &str) -> Result<bool> {
        self.searcher(text).is_match(0)
    }

    /// The first match that starts at byte `from` or later.
    pub fn find(&self, text: &str, from: usize) -> Result<Option<Spans>> {
        self.searcher(text).find(from)
    }

    /// Successive matches from byte `from` on. `limit`: stop after so many. `split`: matches of nothing that only
    /// touch the match before or the text's end don't count.
    pub fn find_all(&self, text: &str, from: usize, limit: usize, split: bool) -> Result<Vec<Spans>> {
        let searcher = self.searcher(text);
        let mut found = Vec::new();
        let mut at = from;
        let mut last_end = 0;
        while let Some(spans) = searcher.find(at)? {
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

/// What trigrams say of a pattern: those that every text has in which it matches. None: they say nothing.
pub(crate) fn required_trigrams(text: &str, flags: Flags) -> Result<Option<Needs>> {
    let pattern = kept(text, flags)?;
    Ok(required::required(&pattern.program.parsed).and_then(|r| pattern::of_regex(&r)))
}

/// What every text with a match begins with; none where nothing is fixed, or the pattern isn't one.
pub fn fixed_prefix(text: &str, ignore_case: bool) -> Option<FixedPrefix> {
    let flags = Flags { ignore_case, ..Flags::default() };
    kept(text, flags).ok().and_then(|pattern| prefix::of(&pattern))
}

/// The extent of a match.
pub fn whole(spans: &Spans) -> (usize, usize) {
    spans.first().copied().flatten().unwrap_or((0, 0))
}

thread_local! {
    static COMPILED: RefCell<HashMap<(String, Flags), Rc<Pattern>>> = RefCell::new(HashMap::new());
    static LAST: RefCell<Option<(String, Flags, Rc<Pattern>)>> = const { RefCell::new(None) };
}

/// Compiled patterns that a thread keeps.
const KEPT_MAX: usize = 64;

/// The compiled form of a pattern, for a session.
pub fn compiled<'a>(cx: &EvalContext<'a>, text: &str, flags: Flags) -> Result<Matcher<'a>> {
    matcher(cx.env, text, flags)
}

/// The same for code that has no context.
pub fn matcher<'a>(env: &'a dyn SessionEnv, text: &str, flags: Flags) -> Result<Matcher<'a>> {
    Ok(Matcher { pattern: kept(text, flags)?, env })
}

fn kept(text: &str, flags: Flags) -> Result<Rc<Pattern>> {
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
                if c.len() >= KEPT_MAX {
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
