//! A number picture: its nodes, and what they say together.

use quarry_common::{Error, Result, bail, err};

/// A pattern of a picture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Key {
    Comma,
    Point,
    Zero,
    Nine,
    Blank,
    Currency,
    PointLocale,
    Exponent,
    FillMode,
    Group,
    CurrencyLocale,
    Minus,
    Plus,
    Bracket,
    Roman,
    RomanLower,
    SignAny,
    Spell,
    Sign,
    Ordinal,
    OrdinalLower,
    Shift,
}

/// Patterns by text; of those that begin alike the longer comes first. Case counts: `Fm` is no pattern.
const KEYS: &[(&str, Key)] = &[
    (",", Key::Comma),
    (".", Key::Point),
    ("0", Key::Zero),
    ("9", Key::Nine),
    ("B", Key::Blank),
    ("C", Key::Currency),
    ("D", Key::PointLocale),
    ("EEEE", Key::Exponent),
    ("FM", Key::FillMode),
    ("G", Key::Group),
    ("L", Key::CurrencyLocale),
    ("MI", Key::Minus),
    ("PL", Key::Plus),
    ("PR", Key::Bracket),
    ("RN", Key::Roman),
    ("SG", Key::SignAny),
    ("SP", Key::Spell),
    ("S", Key::Sign),
    ("TH", Key::Ordinal),
    ("V", Key::Shift),
    ("b", Key::Blank),
    ("c", Key::Currency),
    ("d", Key::PointLocale),
    ("eeee", Key::Exponent),
    ("fm", Key::FillMode),
    ("g", Key::Group),
    ("l", Key::CurrencyLocale),
    ("mi", Key::Minus),
    ("pl", Key::Plus),
    ("pr", Key::Bracket),
    ("rn", Key::RomanLower),
    ("sg", Key::SignAny),
    ("sp", Key::Spell),
    ("s", Key::Sign),
    ("th", Key::OrdinalLower),
    ("v", Key::Shift),
];

#[derive(Clone, Debug)]
pub enum Node {
    Key(Key),
    /// A character that stands for itself.
    Char(char),
}

/// Where the sign of `S` goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SignPlace {
    None,
    Before,
    After,
}

/// A picture that was read. The flags are named like PostgreSQL's `NUM_F_*`.
#[derive(Clone, Debug)]
pub struct Picture {
    pub nodes: Vec<Node>,
    /// Digit places before and after the decimal point, and after `V`.
    pub pre: i32,
    pub post: i32,
    pub multi: i32,
    pub sign_place: SignPlace,
    /// `pre` when `S` was met.
    pub sign_at: i32,
    /// First and last place of a `0`, counted from 1; 0: none.
    pub zero_start: i32,
    pub zero_end: i32,
    pub decimal: bool,
    pub zero: bool,
    pub blank: bool,
    pub fill_mode: bool,
    pub sign: bool,
    pub bracket: bool,
    pub minus: bool,
    pub plus: bool,
    pub roman: bool,
    pub shift: bool,
    pub exponent: bool,
}

fn conflict(text: &str) -> Error {
    err!(SYNTAX_ERROR, "{text}")
}

impl Picture {
    pub fn parse(text: &str) -> Result<Picture> {
        let mut p = Picture {
            nodes: vec![],
            pre: 0,
            post: 0,
            multi: 0,
            sign_place: SignPlace::None,
            sign_at: 0,
            zero_start: 0,
            zero_end: 0,
            decimal: false,
            zero: false,
            blank: false,
            fill_mode: false,
            sign: false,
            bracket: false,
            minus: false,
            plus: false,
            roman: false,
            shift: false,
            exponent: false,
        };
        let mut rest = text;
        while !rest.is_empty() {
            if let Some((word, key)) = KEYS.iter().find(|(word, _)| rest.starts_with(word)) {
                rest = &rest[word.len()..];
                p.note(*key)?;
                p.nodes.push(Node::Key(*key));
                continue;
            }
            if let Some(quoted) = rest.strip_prefix('"') {
                rest = p.quoted(quoted);
                continue;
            }
            // Outside quotes a backslash matters only before a quote.
            rest = rest.strip_prefix('\\').filter(|r| r.starts_with('"')).unwrap_or(rest);
            let mut chars = rest.chars();
            p.nodes.extend(chars.next().map(Node::Char));
            rest = chars.as_str();
        }
        // Places of zeros are counted from 0 from here on.
        p.zero_start = (p.zero_start - 1).max(0);
        Ok(p)
    }

    /// Characters up to the closing quote; answers what follows it.
    fn quoted<'t>(&mut self, text: &'t str) -> &'t str {
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            let c = match c {
                '"' => break,
                '\\' => chars.next().unwrap_or('\\'),
                c => c,
            };
            self.nodes.push(Node::Char(c));
        }
        chars.as_str()
    }

    /// Takes note of one pattern; 42601 where it doesn't go with those before it.
    fn note(&mut self, key: Key) -> Result<()> {
        if self.exponent && key != Key::Exponent {
            return Err(conflict("\"EEEE\" must be the last pattern used"));
        }
        match key {
            Key::Nine => {
                if self.bracket {
                    return Err(conflict("\"9\" must be ahead of \"PR\""));
                }
                match (self.shift, self.decimal) {
                    (true, _) => self.multi += 1,
                    (_, true) => self.post += 1,
                    _ => self.pre += 1,
                }
            }
            Key::Zero => {
                if self.bracket {
                    return Err(conflict("\"0\" must be ahead of \"PR\""));
                }
                if !self.zero && !self.decimal {
                    self.zero = true;
                    self.zero_start = self.pre + 1;
                }
                if self.decimal {
                    self.post += 1;
                } else {
                    self.pre += 1;
                }
                self.zero_end = self.pre + self.post;
            }
            Key::Blank => self.blank |= self.pre == 0 && self.post == 0 && !self.zero,
            Key::Point | Key::PointLocale => {
                if self.decimal {
                    return Err(conflict("multiple decimal points"));
                }
                if self.shift {
                    return Err(conflict("cannot use \"V\" and decimal point together"));
                }
                self.decimal = true;
            }
            Key::FillMode => self.fill_mode = true,
            Key::Sign => self.note_sign()?,
            Key::Minus => {
                if self.sign {
                    return Err(conflict("cannot use \"S\" and \"MI\" together"));
                }
                self.minus = true;
            }
            Key::Plus => {
                if self.sign {
                    return Err(conflict("cannot use \"S\" and \"PL\" together"));
                }
                self.plus = true;
            }
            Key::SignAny => {
                if self.sign {
                    return Err(conflict("cannot use \"S\" and \"SG\" together"));
                }
                self.minus = true;
                self.plus = true;
            }
            Key::Bracket => {
                if self.sign || self.plus || self.minus {
                    return Err(conflict("cannot use \"PR\" and \"S\"/\"PL\"/\"MI\"/\"SG\" together"));
                }
                self.bracket = true;
            }
            Key::Roman | Key::RomanLower => self.roman = true,
            Key::Shift => {
                if self.decimal {
                    return Err(conflict("cannot use \"V\" and decimal point together"));
                }
                self.shift = true;
            }
            Key::Exponent => self.note_exponent()?,
            Key::Comma
            | Key::Currency
            | Key::CurrencyLocale
            | Key::Group
            | Key::Spell
            | Key::Ordinal
            | Key::OrdinalLower => {}
        }
        Ok(())
    }

    fn note_sign(&mut self) -> Result<()> {
        if self.sign {
            return Err(conflict("cannot use \"S\" twice"));
        }
        if self.plus || self.minus || self.bracket {
            return Err(conflict("cannot use \"S\" and \"PL\"/\"MI\"/\"SG\"/\"PR\" together"));
        }
        if self.decimal {
            self.sign_place = SignPlace::After;
        } else {
            self.sign_place = SignPlace::Before;
            self.sign_at = self.pre;
        }
        self.sign = true;
        Ok(())
    }

    fn note_exponent(&mut self) -> Result<()> {
        if self.exponent {
            return Err(conflict("cannot use \"EEEE\" twice"));
        }
        let other = self.blank
            || self.fill_mode
            || self.sign
            || self.bracket
            || self.minus
            || self.plus
            || self.roman
            || self.shift;
        if other {
            let e = conflict("\"EEEE\" is incompatible with other formats");
            return Err(e.detail("\"EEEE\" may only be used together with digit and decimal point patterns."));
        }
        self.exponent = true;
        Ok(())
    }

    /// Roman numbers ignore every other pattern but `FM`.
    pub fn only_roman(&mut self) {
        self.sign_place = SignPlace::None;
        (self.sign_at, self.pre, self.post) = (0, 0, 0);
        self.decimal = false;
        self.zero = false;
        self.blank = false;
        self.sign = false;
        self.bracket = false;
        self.minus = false;
        self.plus = false;
        self.shift = false;
        self.exponent = false;
    }

    /// 0A000 for what `to_number` can't read.
    pub fn check_readable(&self) -> Result<()> {
        if self.exponent {
            bail!(FEATURE_NOT_SUPPORTED, "\"EEEE\" not supported for input");
        }
        if self.roman {
            bail!(FEATURE_NOT_SUPPORTED, "\"RN\" not supported for input");
        }
        Ok(())
    }
}
