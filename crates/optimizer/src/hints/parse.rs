//! Reading hints: where their comment stands, and the hints in it.

use super::{Hint, Hints, Kind, RowsChange, State, Tree, join, scan};
use quarry_common::{Error, SqlState};
use std::cell::Cell;

const START: &str = "/*+";
const END: &str = "*/";

/// Names are cut to fewer bytes than this.
const NAME_BYTES: usize = 64;

/// Most workers that `Parallel` may ask for: `max_worker_processes`.
const WORKERS_MAX: f64 = 8.0;

/// The hints' text: what stands in a text's first block comment that begins with a plus, if only words, commas and brackets stand before
/// it (`anywhere`: whatever stands there). An error is a message for the user.
pub fn comment(sql: &str, anywhere: bool) -> Option<Result<&str, Error>> {
    let at = sql.find(START)?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || is_space(b) || b"_,()[]".contains(&b);
    if !anywhere && !sql.bytes().take(at).all(plain) {
        return None;
    }
    let text = sql[at + START.len()..].trim_start_matches(|c: char| c.is_ascii() && is_space(c as u8));
    let wrong = |at: &str, detail: &str| {
        let e = Error::new(
            SqlState::SUCCESSFUL_COMPLETION,
            format!("pg_hint_plan: hint syntax error at or near \"{at}\""),
        );
        Some(Err(e.detail(detail)))
    };
    let Some(end) = text.find(END) else { return wrong(&sql[at..], "Unterminated block comment.") };
    if let Some(nested) = text.find("/*").filter(|n| *n < end) {
        return wrong(&text[nested..], "Nested block comments are not supported.");
    }
    Some(Ok(&text[..end]))
}

fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

/// What a keyword begins.
#[derive(Clone, Copy)]
enum Form {
    /// Ways to scan, whether indexes may be named, and whether these are patterns.
    Scan(u8, bool, bool),
    Join(u8),
    Leading,
    Set,
    Rows,
    Parallel,
    Memoize(bool),
}

const KEYWORDS: &[(&str, Form)] = &[
    ("SeqScan", Form::Scan(scan::SEQ, false, false)),
    ("IndexScan", Form::Scan(scan::INDEX, true, false)),
    ("IndexScanRegexp", Form::Scan(scan::INDEX, true, true)),
    ("BitmapScan", Form::Scan(scan::BITMAP, true, false)),
    ("BitmapScanRegexp", Form::Scan(scan::BITMAP, true, true)),
    ("TidScan", Form::Scan(scan::TID, false, false)),
    ("NoSeqScan", Form::Scan(scan::ALL ^ scan::SEQ, false, false)),
    ("NoIndexScan", Form::Scan(scan::ALL ^ scan::INDEX, false, false)),
    ("NoBitmapScan", Form::Scan(scan::ALL ^ scan::BITMAP, false, false)),
    ("NoTidScan", Form::Scan(scan::ALL ^ scan::TID, false, false)),
    ("IndexOnlyScan", Form::Scan(scan::INDEX | scan::INDEX_ONLY, true, false)),
    ("IndexOnlyScanRegexp", Form::Scan(scan::INDEX | scan::INDEX_ONLY, true, true)),
    ("NoIndexOnlyScan", Form::Scan(scan::ALL ^ scan::INDEX_ONLY, false, false)),
    ("NestLoop", Form::Join(join::NEST_LOOP)),
    ("MergeJoin", Form::Join(join::MERGE)),
    ("HashJoin", Form::Join(join::HASH)),
    ("NoNestLoop", Form::Join(join::ALL ^ join::NEST_LOOP)),
    ("NoMergeJoin", Form::Join(join::ALL ^ join::MERGE)),
    ("NoHashJoin", Form::Join(join::ALL ^ join::HASH)),
    ("Leading", Form::Leading),
    ("Set", Form::Set),
    ("Rows", Form::Rows),
    ("Parallel", Form::Parallel),
    ("Memoize", Form::Memoize(true)),
    ("NoMemoize", Form::Memoize(false)),
];

/// A place in the text.
struct Reader<'t> {
    rest: &'t str,
    hints: &'t Hints,
}

/// Reading stops: the message is told already.
struct Stop;

/// Reads hints up to the first that has no form.
pub(super) fn read(hints: &mut Hints, text: &str) {
    let mut found = vec![];
    let mut r = Reader { rest: text, hints };
    r.skip_space();
    while !r.rest.is_empty() {
        match r.hint() {
            Ok(hint) => found.push(hint),
            Err(Stop) => break,
        }
        r.skip_space();
    }
    hints.list = found;
}

impl<'t> Reader<'t> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches(|c: char| c.is_ascii() && is_space(c as u8));
    }

    fn hint(&mut self) -> Result<Hint, Stop> {
        let head = self.rest;
        let end = head.find(|c: char| c == '(' || c.is_ascii() && is_space(c as u8)).unwrap_or(head.len());
        let word = &head[..end];
        let Some((keyword, form)) = KEYWORDS.iter().find(|(k, _)| k.eq_ignore_ascii_case(word)) else {
            self.hints.complain(head, format!("Unrecognized hint keyword \"{word}\"."));
            return Err(Stop);
        };
        self.rest = &head[end..];
        let (kind, wrong) = match *form {
            Form::Leading => self.leading(keyword)?,
            other => {
                let untruncated = matches!(other, Form::Set | Form::Scan(_, _, true));
                let words = self.words(untruncated)?;
                self.kind(keyword, other, words)
            }
        };
        let state = match wrong {
            None => State::NotUsed,
            Some((at, detail)) => {
                self.hints.complain(at.as_deref().unwrap_or(head), detail);
                State::Error
            }
        };
        Ok(Hint { kind, keyword, text: head.to_string(), state: Cell::new(state) })
    }

    /// The hint that a keyword and its words make, and what is wrong with it: at which text (none: the whole hint), and what.
    fn kind(
        &self,
        keyword: &str,
        form: Form,
        mut words: Vec<String>,
    ) -> (Kind, Option<(Option<String>, String)>) {
        let after = || Some(self.rest.to_string());
        let few = |tables: &[String]| {
            (tables.len() < 2).then(|| (after(), format!("{keyword} hint requires at least two relations.")))
        };
        match form {
            Form::Scan(allowed, indexes, regexp) => {
                let wrong = match words.len() {
                    0 => Some((after(), format!("{keyword} hint requires a relation."))),
                    2.. if !indexes => Some((after(), format!("{keyword} hint accepts only one relation."))),
                    _ => None,
                };
                let indexes = words.split_off(words.len().min(1));
                let table = words.pop().unwrap_or_default();
                (Kind::Scan { table, indexes, allowed, regexp }, wrong)
            }
            Form::Join(allowed) => {
                words.sort();
                let wrong = few(&words);
                (Kind::Join { tables: words, allowed }, wrong)
            }
            Form::Memoize(on) => {
                words.sort();
                let wrong = few(&words);
                (Kind::Memoize { tables: words, on }, wrong)
            }
            Form::Set | Form::Leading => {
                let wrong = (words.len() != 2)
                    .then(|| (None, format!("{keyword} hint requires name and value of GUC parameter.")));
                (Kind::Set { words }, wrong)
            }
            Form::Rows => {
                if words.len() < 2 {
                    let detail = format!(
                        "{keyword} hint needs at least one relation followed by one correction term."
                    );
                    let kind = Kind::Rows { tables: vec![], spec: String::new(), change: None };
                    return (kind, Some((after(), detail)));
                }
                let spec = words.pop().unwrap_or_default();
                words.sort();
                let (change, wrong) = match rows_change(&spec, keyword) {
                    Ok(change) => (Some(change), few(&words)),
                    Err((at, detail)) => (None, Some((Some(at), detail))),
                };
                (Kind::Rows { tables: words, spec, change }, wrong)
            }
            Form::Parallel => {
                let wrong = wrong_parallel(&words, keyword);
                let hard = words.get(2).is_some_and(|w| w.eq_ignore_ascii_case("hard"));
                (Kind::Parallel { words, hard }, wrong)
            }
        }
    }

    fn parenthesis(&mut self, which: char) -> Result<(), Stop> {
        self.skip_space();
        let Some(rest) = self.rest.strip_prefix(which) else {
            let side = if which == '(' { "Opening" } else { "Closing" };
            self.hints.complain(self.rest, format!("{side} parenthesis is necessary."));
            return Err(Stop);
        };
        self.rest = rest;
        Ok(())
    }

    fn at_end_of_list(&mut self) -> bool {
        self.skip_space();
        self.rest.is_empty() || self.rest.starts_with(')')
    }

    /// The words between parentheses; `untruncated`: only the first is a name.
    fn words(&mut self, untruncated: bool) -> Result<Vec<String>, Stop> {
        self.parenthesis('(')?;
        let mut words = vec![];
        while !self.at_end_of_list() {
            let word = self.word()?;
            words.push(if untruncated && !words.is_empty() { word } else { name(word) });
        }
        self.parenthesis(')')?;
        Ok(words)
    }

    /// A word, which may stand in double quotes.
    fn word(&mut self) -> Result<String, Stop> {
        self.skip_space();
        let mut out = String::new();
        if let Some(quoted) = self.rest.strip_prefix('"') {
            let mut rest = quoted;
            loop {
                let Some((part, after)) = rest.split_once('"') else {
                    self.hints.complain("", "Unterminated quoted string.".into());
                    return Err(Stop);
                };
                out.push_str(part);
                rest = after;
                match after.strip_prefix('"') {
                    Some(more) => {
                        out.push('"');
                        rest = more;
                    }
                    None => break,
                }
            }
            self.rest = rest;
        } else {
            let ends = |c: char| "()\"".contains(c) || c.is_ascii() && is_space(c as u8);
            let end = self.rest.find(ends).unwrap_or(self.rest.len());
            out.push_str(&self.rest[..end]);
            self.rest = &self.rest[end..];
        }
        if out.is_empty() {
            self.hints.complain(self.rest, "Zero-length delimited string.".into());
            return Err(Stop);
        }
        Ok(out)
    }

    #[allow(clippy::type_complexity)]
    fn leading(&mut self, keyword: &str) -> Result<(Kind, Option<(Option<String>, String)>), Stop> {
        self.parenthesis('(')?;
        self.skip_space();
        let (mut tree, mut list) = (None, vec![]);
        if self.rest.starts_with('(') {
            tree = Some(self.tree(0)?);
        } else {
            while !self.at_end_of_list() {
                list.push(name(self.word()?));
            }
        }
        self.parenthesis(')')?;
        let wrong = match &tree {
            None if list.len() < 2 => Some(format!("{keyword} hint requires at least two relations.")),
            Some(t) if !t.is_binary() => {
                Some(format!("{keyword} hint requires two sets of relations when parentheses nests."))
            }
            _ => None,
        };
        Ok((Kind::Leading { tree, list }, wrong.map(|detail| (None, detail))))
    }

    fn tree(&mut self, depth: usize) -> Result<Tree, Stop> {
        self.parenthesis('(')?;
        let mut sides = vec![];
        while !self.at_end_of_list() {
            // Deeper than any order of joins.
            if depth > 1000 {
                self.hints.complain(self.rest, "Closing parenthesis is necessary.".into());
                return Err(Stop);
            }
            sides.push(match self.rest.starts_with('(') {
                true => self.tree(depth + 1)?,
                false => Tree::Table(name(self.word()?)),
            });
        }
        self.parenthesis(')')?;
        Ok(Tree::Pair(sides))
    }
}

/// A name, cut as PostgreSQL cuts identifiers.
fn name(mut word: String) -> String {
    if word.len() >= NAME_BYTES {
        let mut end = NAME_BYTES - 1;
        while !word.is_char_boundary(end) {
            end -= 1;
        }
        word.truncate(end);
    }
    word
}

fn rows_change(spec: &str, keyword: &str) -> Result<RowsChange, (String, String)> {
    let make = match spec.as_bytes().first() {
        Some(b'#') => RowsChange::Absolute,
        Some(b'+') => RowsChange::Add,
        Some(b'-') => RowsChange::Subtract,
        Some(b'*') => RowsChange::Multiply,
        _ => return Err((spec.into(), "Unrecognized rows value type notation.".into())),
    };
    match spec[1..].parse::<f64>() {
        Ok(n) if !n.is_nan() => Ok(make(n)),
        _ => Err((spec[1..].into(), format!("{keyword} hint requires valid number as rows estimation."))),
    }
}

fn wrong_parallel(words: &[String], keyword: &str) -> Option<(Option<String>, String)> {
    if !matches!(words.len(), 2 | 3) {
        return Some((Some(")".into()), format!("wrong number of arguments ({}): {keyword}", words.len())));
    }
    let given = words[1].clone();
    let detail = match given.parse::<f64>() {
        Err(_) => format!("number of workers must be a number: {keyword}"),
        Ok(n) if n < 0.0 => format!("number of workers must be greater than zero: {keyword}"),
        Ok(n) if n > WORKERS_MAX => {
            format!("number of workers = {n} is larger than max_worker_processes({WORKERS_MAX}): {keyword}")
        }
        Ok(_) => {
            let mode = words.get(2)?;
            let known = mode.eq_ignore_ascii_case("hard") || mode.eq_ignore_ascii_case("soft");
            return (!known)
                .then(|| (Some(mode.clone()), format!("enforcement must be soft or hard: {keyword}")));
        }
    };
    Some((Some(given), detail))
}
