//! `ts_headline`: the part of a text that matches best, its words marked. Which part that is follows PostgreSQL's `wparser_def.c`.

use super::Config;
use super::dictionary::options;
use super::lexize::{lexize, tokens};
use super::parser::token;
use crate::SessionEnv;
use quarry_common::{Result, bail};
use quarry_types::textsearch::execute::{Match, Places, Source, matches};
use quarry_types::textsearch::{Item, Query, limit_position};

/// What the options say.
#[derive(Debug)]
pub struct Options {
    min_words: i32,
    max_words: i32,
    short_word: i32,
    max_fragments: i32,
    all: bool,
    start: String,
    stop: String,
    delimiter: String,
}

impl Options {
    /// Of their text.
    pub fn parse(text: &str) -> Result<Options> {
        let mut o = Options {
            min_words: 15,
            max_words: 35,
            short_word: 3,
            max_fragments: 0,
            all: false,
            start: "<b>".into(),
            stop: "</b>".into(),
            delimiter: " ... ".into(),
        };
        let list = options::parse(text).ok_or_else(|| options::syntax_error(text))?;
        for (name, value) in list {
            match name.to_ascii_lowercase().as_str() {
                "maxwords" => o.max_words = number(&value)?,
                "minwords" => o.min_words = number(&value)?,
                "shortword" => o.short_word = number(&value)?,
                "maxfragments" => o.max_fragments = number(&value)?,
                "startsel" => o.start = value,
                "stopsel" => o.stop = value,
                "fragmentdelimiter" => o.delimiter = value,
                "highlightall" => {
                    let yes = ["1", "on", "true", "t", "y", "yes"];
                    o.all = yes.iter().any(|y| value.eq_ignore_ascii_case(y));
                }
                _ => bail!(INVALID_PARAMETER_VALUE, "unrecognized headline parameter: \"{name}\""),
            }
        }
        if !o.all {
            if o.min_words >= o.max_words {
                bail!(INVALID_PARAMETER_VALUE, "MinWords should be less than MaxWords");
            }
            if o.min_words <= 0 {
                bail!(INVALID_PARAMETER_VALUE, "MinWords should be positive");
            }
            if o.short_word < 0 {
                bail!(INVALID_PARAMETER_VALUE, "ShortWord should be >= 0");
            }
            if o.max_fragments < 0 {
                bail!(INVALID_PARAMETER_VALUE, "MaxFragments should be >= 0");
            }
        }
        Ok(o)
    }
    /// Farther apart words of a query may not be, so that long texts don't take for ever.
    fn max_cover(&self) -> usize {
        let cover = self.max_words.saturating_mul(10).max(100);
        let cover = if self.max_fragments > 0 { cover.saturating_mul(self.max_fragments) } else { cover };
        cover.max(0) as usize
    }
}

fn number(text: &str) -> Result<i32> {
    quarry_types::ints::parse_i32(text)
}

/// A token of the text, once for each word of the query that it stands for.
struct Word {
    kind: u8,
    text: String,
    position: u16,
    /// The item of the query.
    item: Option<usize>,
    /// The same token again, for another item.
    repeated: bool,
    shown: bool,
    marked: bool,
    /// A blank stands for it.
    replaced: bool,
    skipped: bool,
}

/// Neither counts as a word nor is shown twice.
fn is_non_word(kind: u8) -> bool {
    matches!(kind, token::BLANK | token::TAG) || is_compound(kind)
}
/// Comes in parts too.
fn is_compound(kind: u8) -> bool {
    matches!(kind, token::URL | token::NUMHWORD | token::ASCIIHWORD | token::HWORD)
}
/// No headline should end there.
fn is_no_end(kind: u8) -> bool {
    is_non_word(kind)
        || matches!(
            kind,
            token::SFLOAT
                | token::VERSION
                | token::FLOAT
                | token::INT
                | token::UINT
                | token::PROTOCOL
                | token::ENTITY
        )
}

/// The headline of a text.
pub fn headline(
    config: &Config,
    env: &dyn SessionEnv,
    text: &str,
    query: &Query<'_>,
    options: &Options,
) -> Result<String> {
    let words = words_of(config, env, text, query)?;
    let mut selector = Selector { words, query, options, env };
    if options.max_fragments == 0 {
        selector.one_part()?;
    } else {
        selector.fragments()?;
    }
    Ok(selector.text())
}

fn words_of(config: &Config, env: &dyn SessionEnv, text: &str, query: &Query<'_>) -> Result<Vec<Word>> {
    let mut words: Vec<Word> = Vec::new();
    let mut position = 0u64;
    tokens(text, env, |t| {
        let word = |item, repeated, position| Word {
            kind: t.kind,
            text: if repeated { String::new() } else { t.text.to_owned() },
            position,
            item,
            repeated,
            shown: false,
            marked: false,
            replaced: false,
            skipped: false,
        };
        let Some(answers) = lexize(config, &t) else {
            words.push(word(None, false, 0));
            return Ok(());
        };
        position += 1;
        let here = limit_position(position);
        let first = words.len();
        words.push(word(None, false, here));
        for answer in &answers {
            for (i, item) in query.items.iter().enumerate() {
                let Item::Word { text, prefix, .. } = item else { continue };
                let same = answer.text == *text || *prefix && answer.text.starts_with(text);
                if !same {
                    continue;
                }
                if words[first].item.is_none() {
                    words[first].item = Some(i);
                } else {
                    words.push(Word { text: t.text.to_owned(), ..word(Some(i), true, here) });
                }
            }
        }
        Ok(())
    })?;
    Ok(words)
}

/// A stretch of words, searched for the query.
struct Stretch<'a>(&'a [Word]);

impl Source for Stretch<'_> {
    fn word(&mut self, _: &Query<'_>, item: usize, places: Option<&mut Places>) -> Match {
        let mut found = self.0.iter().filter(|w| w.item == Some(item));
        let Some(places) = places else {
            return if found.next().is_some() { Match::Yes } else { Match::No };
        };
        for w in found {
            if places.positions.last().is_none_or(|last| *last < w.position) {
                places.positions.push(w.position);
            }
        }
        if places.positions.is_empty() { Match::No } else { Match::Yes }
    }
}

/// A part of a cover that may become a fragment.
#[derive(Clone)]
struct Fragment {
    start: usize,
    end: usize,
    interesting: i32,
    words: i32,
    chosen: bool,
    excluded: bool,
}

struct Selector<'a> {
    words: Vec<Word>,
    query: &'a Query<'a>,
    options: &'a Options,
    env: &'a dyn SessionEnv,
}

impl Selector<'_> {
    fn is_interesting(&self, i: usize) -> bool {
        self.words[i].item.is_some() && !self.words[i].repeated
    }
    fn counts(&self, i: usize) -> i32 {
        i32::from(!is_non_word(self.words[i].kind))
    }
    fn is_bad_end(&self, i: usize) -> bool {
        let w = &self.words[i];
        (is_no_end(w.kind) || (w.text.len() as i64) <= i64::from(self.options.short_word))
            && !self.is_interesting(i)
    }

    /// The first word of the query from `from` on.
    fn next_item(&self, from: usize) -> Option<usize> {
        (from..self.words.len()).find(|i| self.words[*i].item.is_some())
    }

    /// The first and shortest stretch from `from` on that matches.
    fn cover(&self, from: usize) -> Result<Option<(usize, usize)>> {
        let limit = self.options.max_cover();
        let mut begin = self.next_item(from);
        while let Some(first) = begin {
            self.env.check_cancelled()?;
            let mut last = first;
            let mut next_begin = None;
            loop {
                if matches(self.query, &mut Stretch(&self.words[first..=last]))? {
                    return Ok(Some((first, last)));
                }
                let next = self.next_item(last + 1);
                if last == first {
                    next_begin = next;
                }
                match next {
                    Some(n) if n - first < limit => last = n,
                    _ => break,
                }
            }
            begin = next_begin;
        }
        Ok(None)
    }

    fn mark(&mut self, start: usize, end: usize) {
        let all = self.options.all;
        for w in &mut self.words[start..end] {
            if w.item.is_some() {
                w.marked = true;
            }
            if !all && w.kind == token::TAG {
                w.replaced = true;
            } else if is_compound(w.kind) {
                w.skipped = true;
            }
            w.shown = !w.repeated;
        }
    }

    /// The first words, where nothing matches: how many.
    fn beginning(&self) -> usize {
        let mut counted = 0;
        let mut i = 0;
        while i < self.words.len() && counted < self.options.min_words {
            counted += self.counts(i);
            i += 1;
        }
        i
    }

    /// One part, or the whole text.
    fn one_part(&mut self) -> Result<()> {
        if self.options.all {
            self.mark(0, self.words.len());
            return Ok(());
        }
        // Beginning, last word, interesting words, whether it has the whole cover.
        let mut best: Option<(usize, usize, i32, bool)> = None;
        let mut from = 0;
        while let Some((p, q)) = self.cover(from)? {
            let (begin, end, interesting) = self.around(p, q);
            let whole = begin <= p && end >= q;
            let better = match best {
                None => true,
                Some((_, best_end, best_interesting, best_whole)) => {
                    whole && !best_whole
                        || whole == best_whole
                            && (interesting > best_interesting
                                || interesting == best_interesting
                                    && !self.is_bad_end(end)
                                    && self.is_bad_end(best_end))
                }
            };
            if better {
                best = Some((begin, end, interesting, whole));
            }
            from = p + 1;
        }
        match best {
            Some((begin, end, ..)) => self.mark(begin, end + 1),
            None => self.mark(0, self.beginning()),
        }
        Ok(())
    }

    /// A cover made longer or shorter until it has as many words as are wanted and ends well: beginning, last word, interesting words.
    fn around(&self, p: usize, q: usize) -> (usize, usize, i32) {
        let (min, max) = (self.options.min_words, self.options.max_words);
        let (mut counted, mut interesting) = (0, 0);
        let (mut begin, mut end) = (p, p);
        let mut i = p;
        while i <= q && counted < max {
            counted += self.counts(i);
            interesting += i32::from(self.is_interesting(i));
            end = i;
            i += 1;
        }
        if counted < max {
            i -= 1;
            while i < self.words.len() && counted < max {
                if i > q {
                    counted += self.counts(i);
                    interesting += i32::from(self.is_interesting(i));
                }
                end = i;
                if !self.is_bad_end(i) && counted >= min {
                    break;
                }
                i += 1;
            }
            if counted < min {
                // The text is at its end: so to the left.
                begin = 0;
                for i in (0..p).rev() {
                    counted += self.counts(i);
                    interesting += i32::from(self.is_interesting(i));
                    if counted >= max || !self.is_bad_end(i) && counted >= min {
                        begin = i;
                        break;
                    }
                }
            }
        } else {
            let mut i = i.min(q);
            while counted > min && self.is_bad_end(i) {
                counted -= self.counts(i);
                interesting -= i32::from(self.is_interesting(i));
                if i == 0 {
                    break;
                }
                i -= 1;
                end = i;
            }
        }
        (begin, end, interesting)
    }

    /// The covers, in parts of at most as many words as are wanted, beginning and ending with words of the query.
    fn parts(&self) -> Result<Vec<Fragment>> {
        let mut parts = Vec::new();
        let mut from = 0;
        while let Some((p, q)) = self.cover(from)? {
            let mut start = p;
            while start <= q {
                let part = self.part(start, q);
                start = part.end + 1;
                parts.push(part);
            }
            from = p + 1;
        }
        Ok(parts)
    }

    fn part(&self, from: usize, to: usize) -> Fragment {
        let start = (from..=to).find(|i| self.is_interesting(*i)).unwrap_or(to);
        let (mut words, mut interesting) = (0, 0);
        let mut i = start;
        while i <= to && words < self.options.max_words {
            words += self.counts(i);
            interesting += i32::from(self.is_interesting(i));
            i += 1;
        }
        let mut end = to;
        if to > i {
            end = i;
            let mut i = i;
            loop {
                end = end.min(i);
                if self.is_interesting(i) {
                    break;
                }
                words -= self.counts(i);
                if i == start {
                    break;
                }
                i -= 1;
            }
        }
        Fragment { start, end, interesting, words, chosen: false, excluded: false }
    }

    /// The best parts, each stretched to both sides.
    fn fragments(&mut self) -> Result<()> {
        let mut parts = self.parts()?;
        let mut chosen = 0;
        while chosen < self.options.max_fragments {
            let (mut best, mut most, mut least) = (None, 0, i32::MAX);
            for (i, part) in parts.iter().enumerate() {
                if !part.chosen
                    && !part.excluded
                    && (most < part.interesting || most == part.interesting && least > part.words)
                {
                    (best, most, least) = (Some(i), part.interesting, part.words);
                }
            }
            let Some(best) = best else { break };
            let (start, end) = self.stretched(&parts[best]);
            parts[best].chosen = true;
            (parts[best].start, parts[best].end) = (start, end);
            self.mark(start, end + 1);
            chosen += 1;
            for (i, part) in parts.iter_mut().enumerate() {
                if i != best && part.start <= end && part.end >= start {
                    part.excluded = true;
                }
            }
        }
        if chosen == 0 {
            self.mark(0, self.beginning());
        }
        Ok(())
    }

    fn stretched(&self, part: &Fragment) -> (usize, usize) {
        let max = self.options.max_words;
        let (mut start, mut end, mut words) = (part.start, part.end, part.words);
        if words >= max {
            return (start, end);
        }
        // Half of the room before it, as far as no other fragment is there; then back to a good beginning.
        let room = (max - words) / 2;
        let (mut stretch, mut marker) = (0, start);
        for i in (0..start).rev() {
            if stretch >= room || self.words[i].shown {
                break;
            }
            words += self.counts(i);
            stretch += self.counts(i);
            marker = i;
        }
        while marker < start && self.is_bad_end(marker) {
            words -= self.counts(marker);
            marker += 1;
        }
        start = marker;
        let mut marker = end;
        for i in end + 1..self.words.len() {
            if words >= max || self.words[i].shown {
                break;
            }
            words += self.counts(i);
            marker = i;
        }
        while marker > end && self.is_bad_end(marker) {
            marker -= 1;
        }
        end = marker;
        (start, end)
    }

    /// What is shown, fragments with the delimiter between them.
    fn text(&self) -> String {
        let mut out = String::new();
        let mut fragments = 0;
        let mut inside = false;
        for w in &self.words {
            if w.repeated {
                continue;
            }
            if !w.shown {
                inside = false;
                continue;
            }
            if !inside {
                inside = true;
                fragments += 1;
                if fragments > 1 {
                    out.push_str(&self.options.delimiter);
                }
            }
            if w.replaced {
                out.push(' ');
            } else if !w.skipped {
                if w.marked {
                    out.push_str(&self.options.start);
                }
                out.push_str(&w.text);
                if w.marked {
                    out.push_str(&self.options.stop);
                }
            }
        }
        out
    }
}
