//! Templates of `to_char`, `to_timestamp` and `to_date` for dates and times (PostgreSQL's `formatting.c`).
//!
//! A template is parsed once into [`Template`]; [`template`] keeps the last few of a thread. [`output`] prints with one,
//! [`input`] reads with one. Month and day names are English, with `TM` as well (locale C).

pub mod input;
pub mod output;

use std::cell::RefCell;
use std::rc::Rc;

pub use input::{parse_datetime_strict, to_date, to_timestamp};
pub use output::{interval_to_char, timestamp_to_char, timestamptz_to_char};

/// What a pattern stands for; letter case where it decides the output's case is in [`Keyword::case`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Id {
    /// A.D. or B.C.
    EraDots,
    Era,
    /// A.M. or P.M.
    MeridianDots,
    Meridian,
    Century,
    DayName,
    DayShort,
    DayOfYear,
    DayOfMonth,
    DayOfWeek,
    Fraction(u8),
    Fixed,
    Hour24,
    Hour12,
    IsoDayOfYear,
    IsoDay,
    IsoWeek,
    IsoYear(u8),
    Julian,
    Minute,
    Month,
    MonthName,
    MonthShort,
    Millis,
    Offset,
    Quarter,
    Roman,
    SecondsOfDay,
    Second,
    ZoneHour,
    ZoneMinute,
    ZoneName,
    Micros,
    WeekOfYear,
    WeekOfMonth,
    YearComma,
    Year(u8),
}

/// Which calendar a pattern belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Calendar {
    Any,
    Gregorian,
    Iso,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Case {
    Upper,
    Title,
    Lower,
}

#[derive(Debug)]
pub(super) struct Keyword {
    pub name: &'static str,
    pub id: Id,
    pub case: Case,
    pub is_digit: bool,
    pub calendar: Calendar,
}

const fn k(name: &'static str, id: Id, case: Case, is_digit: bool, calendar: Calendar) -> Keyword {
    Keyword { name, id, case, is_digit, calendar }
}

use Calendar::{Any, Gregorian, Iso};
use Case::{Lower, Title, Upper};

/// All patterns; of those that fit the first is taken.
#[rustfmt::skip]
static KEYWORDS: &[Keyword] = &[
    k("A.D.", Id::EraDots, Upper, false, Any), k("A.M.", Id::MeridianDots, Upper, false, Any),
    k("AD", Id::Era, Upper, false, Any), k("AM", Id::Meridian, Upper, false, Any),
    k("B.C.", Id::EraDots, Upper, false, Any), k("BC", Id::Era, Upper, false, Any),
    k("CC", Id::Century, Upper, true, Any),
    k("DAY", Id::DayName, Upper, false, Any), k("DDD", Id::DayOfYear, Upper, true, Gregorian),
    k("DD", Id::DayOfMonth, Upper, true, Gregorian), k("DY", Id::DayShort, Upper, false, Any),
    k("Day", Id::DayName, Title, false, Any), k("Dy", Id::DayShort, Title, false, Any),
    k("D", Id::DayOfWeek, Upper, true, Gregorian),
    k("FF1", Id::Fraction(1), Upper, false, Any), k("FF2", Id::Fraction(2), Upper, false, Any),
    k("FF3", Id::Fraction(3), Upper, false, Any), k("FF4", Id::Fraction(4), Upper, false, Any),
    k("FF5", Id::Fraction(5), Upper, false, Any), k("FF6", Id::Fraction(6), Upper, false, Any),
    k("FX", Id::Fixed, Upper, false, Any),
    k("HH24", Id::Hour24, Upper, true, Any), k("HH12", Id::Hour12, Upper, true, Any),
    k("HH", Id::Hour12, Upper, true, Any),
    k("IDDD", Id::IsoDayOfYear, Upper, true, Iso), k("ID", Id::IsoDay, Upper, true, Iso),
    k("IW", Id::IsoWeek, Upper, true, Iso), k("IYYY", Id::IsoYear(4), Upper, true, Iso),
    k("IYY", Id::IsoYear(3), Upper, true, Iso), k("IY", Id::IsoYear(2), Upper, true, Iso),
    k("I", Id::IsoYear(1), Upper, true, Iso),
    k("J", Id::Julian, Upper, true, Any),
    k("MI", Id::Minute, Upper, true, Any), k("MM", Id::Month, Upper, true, Gregorian),
    k("MONTH", Id::MonthName, Upper, false, Gregorian), k("MON", Id::MonthShort, Upper, false, Gregorian),
    k("MS", Id::Millis, Upper, true, Any),
    k("Month", Id::MonthName, Title, false, Gregorian), k("Mon", Id::MonthShort, Title, false, Gregorian),
    k("OF", Id::Offset, Upper, false, Any),
    k("P.M.", Id::MeridianDots, Upper, false, Any), k("PM", Id::Meridian, Upper, false, Any),
    k("Q", Id::Quarter, Upper, true, Any), k("RM", Id::Roman, Upper, false, Gregorian),
    k("SSSSS", Id::SecondsOfDay, Upper, true, Any), k("SSSS", Id::SecondsOfDay, Upper, true, Any),
    k("SS", Id::Second, Upper, true, Any),
    k("TZH", Id::ZoneHour, Upper, false, Any), k("TZM", Id::ZoneMinute, Upper, true, Any),
    k("TZ", Id::ZoneName, Upper, false, Any),
    k("US", Id::Micros, Upper, true, Any),
    k("WW", Id::WeekOfYear, Upper, true, Gregorian), k("W", Id::WeekOfMonth, Upper, true, Gregorian),
    k("Y,YYY", Id::YearComma, Upper, true, Gregorian), k("YYYY", Id::Year(4), Upper, true, Gregorian),
    k("YYY", Id::Year(3), Upper, true, Gregorian), k("YY", Id::Year(2), Upper, true, Gregorian),
    k("Y", Id::Year(1), Upper, true, Gregorian),
    k("a.d.", Id::EraDots, Lower, false, Any), k("a.m.", Id::MeridianDots, Lower, false, Any),
    k("ad", Id::Era, Lower, false, Any), k("am", Id::Meridian, Lower, false, Any),
    k("b.c.", Id::EraDots, Lower, false, Any), k("bc", Id::Era, Lower, false, Any),
    k("cc", Id::Century, Lower, true, Any),
    k("day", Id::DayName, Lower, false, Any), k("ddd", Id::DayOfYear, Lower, true, Gregorian),
    k("dd", Id::DayOfMonth, Lower, true, Gregorian), k("dy", Id::DayShort, Lower, false, Any),
    k("d", Id::DayOfWeek, Lower, true, Gregorian),
    k("ff1", Id::Fraction(1), Lower, false, Any), k("ff2", Id::Fraction(2), Lower, false, Any),
    k("ff3", Id::Fraction(3), Lower, false, Any), k("ff4", Id::Fraction(4), Lower, false, Any),
    k("ff5", Id::Fraction(5), Lower, false, Any), k("ff6", Id::Fraction(6), Lower, false, Any),
    k("fx", Id::Fixed, Lower, false, Any),
    k("hh24", Id::Hour24, Lower, true, Any), k("hh12", Id::Hour12, Lower, true, Any),
    k("hh", Id::Hour12, Lower, true, Any),
    k("iddd", Id::IsoDayOfYear, Lower, true, Iso), k("id", Id::IsoDay, Lower, true, Iso),
    k("iw", Id::IsoWeek, Lower, true, Iso), k("iyyy", Id::IsoYear(4), Lower, true, Iso),
    k("iyy", Id::IsoYear(3), Lower, true, Iso), k("iy", Id::IsoYear(2), Lower, true, Iso),
    k("i", Id::IsoYear(1), Lower, true, Iso),
    k("j", Id::Julian, Lower, true, Any),
    k("mi", Id::Minute, Lower, true, Any), k("mm", Id::Month, Lower, true, Gregorian),
    k("month", Id::MonthName, Lower, false, Gregorian), k("mon", Id::MonthShort, Lower, false, Gregorian),
    k("ms", Id::Millis, Lower, true, Any),
    k("of", Id::Offset, Lower, false, Any),
    k("p.m.", Id::MeridianDots, Lower, false, Any), k("pm", Id::Meridian, Lower, false, Any),
    k("q", Id::Quarter, Lower, true, Any), k("rm", Id::Roman, Lower, false, Gregorian),
    k("sssss", Id::SecondsOfDay, Lower, true, Any), k("ssss", Id::SecondsOfDay, Lower, true, Any),
    k("ss", Id::Second, Lower, true, Any),
    k("tzh", Id::ZoneHour, Lower, false, Any), k("tzm", Id::ZoneMinute, Lower, true, Any),
    k("tz", Id::ZoneName, Lower, false, Any),
    k("us", Id::Micros, Lower, true, Any),
    k("ww", Id::WeekOfYear, Lower, true, Gregorian), k("w", Id::WeekOfMonth, Lower, true, Gregorian),
    k("y,yyy", Id::YearComma, Lower, true, Gregorian), k("yyyy", Id::Year(4), Lower, true, Gregorian),
    k("yyy", Id::Year(3), Lower, true, Gregorian), k("yy", Id::Year(2), Lower, true, Gregorian),
    k("y", Id::Year(1), Lower, true, Gregorian),
];

/// Modifiers of a pattern.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Modifiers {
    /// FM: no padding.
    pub fill: bool,
    /// TM: localised names.
    pub localized: bool,
    /// TH (upper) or th.
    pub ordinal: Option<Case>,
}

#[derive(Debug)]
pub(super) enum Node {
    Field(&'static Keyword, Modifiers),
    Separator(char),
    Space(char),
    Char(char),
}

/// A parsed template.
#[derive(Debug)]
pub struct Template {
    pub(super) nodes: Vec<Node>,
}

/// Printable, but neither letter nor digit.
pub(super) fn is_separator(c: char) -> bool {
    c.is_ascii_graphic() && !c.is_ascii_alphanumeric()
}

pub(super) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t'..='\r')
}

impl Template {
    /// Reads a template. Everything is one.
    pub fn parse(text: &str) -> Template {
        let mut nodes = Vec::new();
        let mut s = text;
        while !s.is_empty() {
            let mut modifiers = Modifiers::default();
            if let Some(rest) = s.strip_prefix("FM").or_else(|| s.strip_prefix("fm")) {
                modifiers.fill = true;
                s = rest;
            } else if let Some(rest) = s.strip_prefix("TM").or_else(|| s.strip_prefix("tm")) {
                modifiers.localized = true;
                s = rest;
            }
            if let Some(word) = KEYWORDS.iter().find(|w| s.starts_with(w.name)) {
                s = &s[word.name.len()..];
                if let Some(rest) = s.strip_prefix("TH") {
                    modifiers.ordinal = Some(Upper);
                    s = rest;
                } else if let Some(rest) = s.strip_prefix("th") {
                    modifiers.ordinal = Some(Lower);
                    s = rest;
                } else if let Some(rest) = s.strip_prefix("SP") {
                    s = rest;
                }
                nodes.push(Node::Field(word, modifiers));
                continue;
            }
            let Some(c) = s.chars().next() else { break };
            if c == '"' {
                s = quoted(&s[1..], &mut nodes);
                continue;
            }
            // Outside quotes a backslash only protects a quote.
            let c = if c == '\\' && s[1..].starts_with('"') {
                s = &s[1..];
                '"'
            } else {
                c
            };
            nodes.push(if is_separator(c) {
                Node::Separator(c)
            } else if is_space(c) {
                Node::Space(c)
            } else {
                Node::Char(c)
            });
            s = &s[c.len_utf8()..];
        }
        Template { nodes }
    }

    /// Reads a template of the SQL standard's `datetime()`: only certain separators. The error is the character.
    pub fn parse_strict(text: &str) -> Result<Template, char> {
        let template = Template::parse(text);
        let mut plain = String::new();
        let mut in_quotes = false;
        for c in text.chars() {
            if c == '"' {
                in_quotes = !in_quotes;
            } else if !in_quotes {
                plain.push(c);
            }
        }
        // Quoted characters are literals; those outside must be separators.
        let outside = Template::parse(&plain);
        for n in &outside.nodes {
            if let Node::Separator(c) | Node::Space(c) | Node::Char(c) = n
                && !"-./,':; ".contains(*c)
            {
                return Err(*c);
            }
        }
        Ok(template)
    }

    /// Whether fields of a date, of a time, of a zone occur.
    pub fn parts(&self) -> (bool, bool, bool) {
        let (mut date, mut time, mut zone) = (false, false, false);
        for n in &self.nodes {
            let Node::Field(word, _) = n else { continue };
            match word.id {
                Id::Fixed => {}
                Id::MeridianDots
                | Id::Meridian
                | Id::Hour12
                | Id::Hour24
                | Id::Minute
                | Id::Second
                | Id::Millis
                | Id::Micros
                | Id::Fraction(_)
                | Id::SecondsOfDay => time = true,
                Id::ZoneName | Id::Offset | Id::ZoneHour | Id::ZoneMinute => zone = true,
                _ => date = true,
            }
        }
        (date, time, zone)
    }
}

/// Reads literal text up to the closing quote; a backslash protects the next character.
fn quoted<'a>(mut s: &'a str, nodes: &mut Vec<Node>) -> &'a str {
    loop {
        let mut it = s.chars();
        match it.next() {
            None => return s,
            Some('"') => return it.as_str(),
            Some('\\') => match it.next() {
                Some(c) => nodes.push(Node::Char(c)),
                None => nodes.push(Node::Char('\\')),
            },
            Some(c) => nodes.push(Node::Char(c)),
        }
        s = it.as_str();
    }
}

/// Templates kept per thread.
const CACHED: usize = 16;

thread_local! {
    static CACHE: RefCell<Vec<(String, Rc<Template>)>> = const { RefCell::new(Vec::new()) };
}

/// The parsed template of a text, from the thread's cache.
pub fn template(text: &str) -> Rc<Template> {
    CACHE.with_borrow_mut(|cache| {
        if let Some(at) = cache.iter().position(|(t, _)| t == text) {
            if at > 0 {
                cache.swap(at, at - 1);
                return cache[at - 1].1.clone();
            }
            return cache[0].1.clone();
        }
        let parsed = Rc::new(Template::parse(text));
        if cache.len() == CACHED {
            cache.pop();
        }
        cache.push((text.to_string(), parsed.clone()));
        parsed
    })
}
