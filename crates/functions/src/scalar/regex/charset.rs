//! Sets of characters, the named classes of the C.UTF-8 locale, and colours: the fewest kinds of characters that a pattern
//! tells apart.

use super::ctype_data::{ALPHA, LOWER, PRINT, SPACE, UPPER};
use crate::scalar::case::{lower_char, upper_char};
use std::collections::HashMap;
use std::sync::OnceLock;

/// The largest code point of a text.
const LAST: u32 = char::MAX as u32;

/// A set of characters: ranges that rise and don't touch.
#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
pub struct CharSet(Vec<(u32, u32)>);

impl CharSet {
    /// One character.
    pub fn one(c: u32) -> CharSet {
        CharSet(vec![(c, c)])
    }

    /// Every character.
    pub fn all() -> CharSet {
        CharSet(vec![(0, LAST)])
    }

    /// These ranges, in any order.
    pub fn from_ranges(mut ranges: Vec<(u32, u32)>) -> CharSet {
        ranges.sort_unstable();
        let mut out: Vec<(u32, u32)> = Vec::with_capacity(ranges.len());
        for (low, high) in ranges {
            match out.last_mut() {
                Some(last) if low <= last.1.saturating_add(1) => last.1 = last.1.max(high),
                _ => out.push((low, high)),
            }
        }
        CharSet(out)
    }

    /// Everything else.
    pub fn complement(&self) -> CharSet {
        let mut out = Vec::with_capacity(self.0.len() + 1);
        let mut next = 0;
        for (low, high) in &self.0 {
            if *low > next {
                out.push((next, low - 1));
            }
            next = high.saturating_add(1);
        }
        if next <= LAST {
            out.push((next, LAST));
        }
        CharSet(out)
    }

    /// What is in both.
    fn without(&self, other: &CharSet) -> CharSet {
        let mut out = self.complement().0;
        out.extend(&other.0);
        CharSet::from_ranges(out).complement()
    }

    /// Its ranges.
    pub fn ranges(&self) -> &[(u32, u32)] {
        &self.0
    }

    /// A character, or with its other cases.
    pub fn of_char(c: u32, ignore_case: bool) -> CharSet {
        CharSet::of_range(c, c, ignore_case)
    }

    /// A range, with the other cases of all that is in it where case is ignored.
    pub fn of_range(low: u32, high: u32, ignore_case: bool) -> CharSet {
        let mut ranges = vec![(low, high)];
        if ignore_case {
            for c in (low..=high.min(LAST)).filter_map(char::from_u32) {
                let (l, u) = (lower_char(c), upper_char(c));
                ranges.extend([l, u].iter().filter(|x| **x != c).map(|x| (*x as u32, *x as u32)));
            }
        }
        CharSet::from_ranges(ranges)
    }
}

/// The named classes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    Alnum,
    Alpha,
    Ascii,
    Blank,
    Cntrl,
    Digit,
    Graph,
    Lower,
    Print,
    Punct,
    Space,
    Upper,
    Xdigit,
    Word,
}

impl Class {
    /// By the name in `[:name:]`.
    pub fn named(name: &str) -> Option<Class> {
        Some(match name {
            "alnum" => Class::Alnum,
            "alpha" => Class::Alpha,
            "ascii" => Class::Ascii,
            "blank" => Class::Blank,
            "cntrl" => Class::Cntrl,
            "digit" => Class::Digit,
            "graph" => Class::Graph,
            "lower" => Class::Lower,
            "print" => Class::Print,
            "punct" => Class::Punct,
            "space" => Class::Space,
            "upper" => Class::Upper,
            "xdigit" => Class::Xdigit,
            "word" => Class::Word,
            _ => return None,
        })
    }

    /// Its characters.
    pub fn set(self, ignore_case: bool) -> CharSet {
        static KNOWN: [OnceLock<CharSet>; 14] = [const { OnceLock::new() }; 14];
        let class = match self {
            Class::Upper | Class::Lower if ignore_case => Class::Alpha,
            c => c,
        };
        KNOWN[class as usize].get_or_init(|| class.make()).clone()
    }

    fn make(self) -> CharSet {
        const DIGIT: (u32, u32) = (b'0' as u32, b'9' as u32);
        let of = |ranges: &[(u32, u32)]| CharSet::from_ranges(ranges.to_vec());
        let with = |ranges: &[(u32, u32)], more: &[(u32, u32)]| CharSet::from_ranges([ranges, more].concat());
        match self {
            Class::Alnum => with(ALPHA, &[DIGIT]),
            Class::Alpha => of(ALPHA),
            Class::Ascii => of(&[(0, 0x7f)]),
            Class::Blank => of(&[(9, 9), (32, 32)]),
            Class::Cntrl => of(&[(0, 0x1f), (0x7f, 0x9f)]),
            Class::Digit => of(&[DIGIT]),
            Class::Graph => of(PRINT).without(&of(SPACE)),
            Class::Lower => of(LOWER),
            Class::Print => of(PRINT),
            Class::Punct => Class::Graph.set(false).without(&Class::Alnum.set(false)),
            Class::Space => of(SPACE),
            Class::Upper => of(UPPER),
            Class::Xdigit => of(&[DIGIT, (b'A' as u32, b'F' as u32), (b'a' as u32, b'f' as u32)]),
            Class::Word => with(ALPHA, &[DIGIT, (b'_' as u32, b'_' as u32)]),
        }
    }
}

/// Characters by name in `[.name.]`, as POSIX names them.
pub const NAMED: &[(&str, u32)] = &[
    ("NUL", 0),
    ("SOH", 1),
    ("STX", 2),
    ("ETX", 3),
    ("EOT", 4),
    ("ENQ", 5),
    ("ACK", 6),
    ("BEL", 7),
    ("alert", 7),
    ("BS", 8),
    ("backspace", 8),
    ("HT", 9),
    ("tab", 9),
    ("LF", 10),
    ("newline", 10),
    ("VT", 11),
    ("vertical-tab", 11),
    ("FF", 12),
    ("form-feed", 12),
    ("CR", 13),
    ("carriage-return", 13),
    ("SO", 14),
    ("SI", 15),
    ("DLE", 16),
    ("DC1", 17),
    ("DC2", 18),
    ("DC3", 19),
    ("DC4", 20),
    ("NAK", 21),
    ("SYN", 22),
    ("ETB", 23),
    ("CAN", 24),
    ("EM", 25),
    ("SUB", 26),
    ("ESC", 27),
    ("IS4", 28),
    ("FS", 28),
    ("IS3", 29),
    ("GS", 29),
    ("IS2", 30),
    ("RS", 30),
    ("IS1", 31),
    ("US", 31),
    ("space", 32),
    ("exclamation-mark", 33),
    ("quotation-mark", 34),
    ("number-sign", 35),
    ("dollar-sign", 36),
    ("percent-sign", 37),
    ("ampersand", 38),
    ("apostrophe", 39),
    ("left-parenthesis", 40),
    ("right-parenthesis", 41),
    ("asterisk", 42),
    ("plus-sign", 43),
    ("comma", 44),
    ("hyphen", 45),
    ("hyphen-minus", 45),
    ("period", 46),
    ("full-stop", 46),
    ("slash", 47),
    ("solidus", 47),
    ("zero", 48),
    ("one", 49),
    ("two", 50),
    ("three", 51),
    ("four", 52),
    ("five", 53),
    ("six", 54),
    ("seven", 55),
    ("eight", 56),
    ("nine", 57),
    ("colon", 58),
    ("semicolon", 59),
    ("less-than-sign", 60),
    ("equals-sign", 61),
    ("greater-than-sign", 62),
    ("question-mark", 63),
    ("commercial-at", 64),
    ("left-square-bracket", 91),
    ("backslash", 92),
    ("reverse-solidus", 92),
    ("right-square-bracket", 93),
    ("circumflex", 94),
    ("circumflex-accent", 94),
    ("underscore", 95),
    ("low-line", 95),
    ("grave-accent", 96),
    ("left-brace", 123),
    ("left-curly-bracket", 123),
    ("vertical-line", 124),
    ("right-brace", 125),
    ("right-curly-bracket", 125),
    ("tilde", 126),
    ("DEL", 127),
];

/// What a position has before or behind it, as constraints see it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// The text's beginning or end.
    Edge,
    Newline,
    Word,
    Other,
}

/// Which colour every character has.
pub struct Colors {
    ascii: [u16; 128],
    /// Where ranges of one colour begin, rising from 0.
    starts: Vec<u32>,
    of_start: Vec<u16>,
    /// The colours of each set, rising.
    sets: Vec<Vec<u16>>,
    kinds: Vec<Kind>,
}

impl Colors {
    /// The colours of a pattern with these sets; none if there are too many. Constraints ask for `newline` or `word` characters.
    pub fn new(sets: &[CharSet], newline: bool, word: bool) -> Option<Colors> {
        let extra = [(newline, CharSet::one(10)), (word, Class::Word.set(false))];
        let all: Vec<&CharSet> =
            sets.iter().chain(extra.iter().filter(|(wanted, _)| *wanted).map(|(_, s)| s)).collect();
        // At each place where sets begin or end: which.
        let mut changes: Vec<(u32, u32)> = vec![];
        for (id, set) in all.iter().enumerate() {
            for (low, high) in set.ranges() {
                changes.push((*low, id as u32));
                changes.push((high.saturating_add(1), id as u32));
            }
        }
        changes.sort_unstable();
        let (mut starts, mut of_start) = (vec![0], vec![0u16]);
        let mut known: HashMap<Vec<u32>, u16> = HashMap::from([(vec![], 0)]);
        let mut inside: Vec<u32> = vec![];
        let mut members: Vec<Vec<u32>> = vec![vec![]];
        for part in changes.chunk_by(|a, b| a.0 == b.0) {
            for (_, id) in part {
                match inside.binary_search(id) {
                    Ok(at) => {
                        inside.remove(at);
                    }
                    Err(at) => inside.insert(at, *id),
                }
            }
            let color = match known.get(&inside) {
                Some(c) => *c,
                None => {
                    let c = u16::try_from(members.len()).ok().filter(|c| *c < u16::MAX - 1)?;
                    known.insert(inside.clone(), c);
                    members.push(inside.clone());
                    c
                }
            };
            let start = part[0].0;
            if starts.last() == Some(&start) {
                of_start.pop();
                of_start.push(color);
            } else {
                starts.push(start);
                of_start.push(color);
            }
        }
        let mut of_sets = vec![vec![]; all.len()];
        for (color, ids) in members.iter().enumerate() {
            for id in ids {
                of_sets[*id as usize].push(color as u16);
            }
        }
        let mut kinds = vec![Kind::Other; members.len()];
        let mut extra_sets = of_sets.split_off(sets.len()).into_iter();
        for (wanted, kind) in [(newline, Kind::Newline), (word, Kind::Word)] {
            if wanted {
                for c in extra_sets.next().unwrap_or_default() {
                    kinds[c as usize] = kind;
                }
            }
        }
        let mut colors = Colors { ascii: [0; 128], starts, of_start, sets: of_sets, kinds };
        for c in 0..128 {
            colors.ascii[c as usize] = colors.search(c);
        }
        Some(colors)
    }

    fn search(&self, c: u32) -> u16 {
        self.of_start[self.starts.partition_point(|s| *s <= c) - 1]
    }

    /// A character's colour.
    #[inline]
    pub fn of(&self, c: char) -> u16 {
        match self.ascii.get(c as usize) {
            Some(color) => *color,
            None => self.search(c as u32),
        }
    }

    /// An ASCII character's colour.
    #[inline]
    pub fn of_ascii(&self, b: u8) -> u16 {
        self.ascii[usize::from(b & 0x7f)]
    }

    /// How many there are. This number itself stands for the text's end.
    pub fn count(&self) -> u16 {
        self.kinds.len() as u16
    }

    /// What constraints see in a colour.
    #[inline]
    pub fn kind(&self, color: u16) -> Kind {
        self.kinds.get(color as usize).copied().unwrap_or(Kind::Edge)
    }

    /// Whether a set has a colour.
    #[inline]
    pub fn contains(&self, set: u32, color: u16) -> bool {
        self.sets[set as usize].binary_search(&color).is_ok()
    }
}
