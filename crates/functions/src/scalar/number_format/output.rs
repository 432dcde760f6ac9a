//! Printing a number's digits through a picture.

use super::picture::{Key, Node, Picture, SignPlace};
use quarry_common::{Result, err};

/// A number ready to be printed: digits without sign, `"#"`s where they don't fit, or the whole text of a Roman number
/// or one with an exponent.
pub struct Digits {
    pub text: String,
    pub negative: bool,
    /// Places before the point that the number leaves empty.
    pub blanks: i32,
}

/// Prints `number` as the picture says. The picture's `pre` and `post` are those the digits were made for.
pub fn print(mut picture: Picture, number: &Digits) -> Result<String> {
    if picture.exponent {
        return Ok(number.text.clone());
    }
    let mut sign = Some(if number.negative { b'-' } else { b'+' });
    let mut blanks = number.blanks;
    if picture.roman {
        picture.only_roman();
        (sign, blanks) = (None, 0);
    }
    let nodes = std::mem::take(&mut picture.nodes);
    let mut printer = Printer::new(picture, &number.text, sign, blanks);
    for node in &nodes {
        match node {
            Node::Key(key) => printer.key(*key)?,
            Node::Char(c) => printer.out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    // Digits beyond the number's end came out as NUL: the text ends at the first.
    let mut out = printer.out;
    if let Some(end) = out.iter().position(|b| *b == 0) {
        out.truncate(end);
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

struct Printer<'a> {
    picture: Picture,
    number: &'a [u8],
    /// Next character of the number.
    at: usize,
    /// '+' or '-'; Roman numbers have none.
    sign: Option<u8>,
    sign_written: bool,
    blanks: i32,
    /// Where the digits that FM keeps end.
    last_relevant: Option<usize>,
    /// Digit places of the picture, and how many of them were dealt with.
    places: i32,
    place: i32,
    /// Whether a digit was written: group separators before that are blanks.
    in_number: bool,
    out: Vec<u8>,
}

impl<'a> Printer<'a> {
    fn new(mut picture: Picture, number: &'a str, sign: Option<u8>, blanks: i32) -> Printer<'a> {
        let number = number.as_bytes();
        let sign_written;
        if picture.plus || picture.minus {
            // MI, PL and SG write the sign themselves; PL alone leaves a minus to the number.
            sign_written = !picture.plus || picture.minus;
        } else {
            if sign != Some(b'-') && picture.fill_mode {
                picture.bracket = false;
            }
            sign_written = sign == Some(b'+') && picture.fill_mode && !picture.sign;
            if picture.sign_place == SignPlace::Before && picture.pre == picture.sign_at {
                picture.sign_place = SignPlace::After;
            }
        }
        let mut places = picture.post + picture.pre - 1;
        let mut last_relevant = None;
        if picture.fill_mode && picture.decimal {
            last_relevant = last_significant(number);
            if let Some(last) = &mut last_relevant
                && picture.zero_end > blanks
            {
                // Places of '0' are kept, as far as there are digits.
                *last = (*last).max((number.len() - 1).min((picture.zero_end - blanks) as usize));
            }
        }
        if !sign_written && blanks == 0 {
            places += 1;
        }
        Printer {
            picture,
            number,
            at: 0,
            sign,
            sign_written,
            blanks,
            last_relevant,
            places,
            place: 0,
            in_number: false,
            out: vec![],
        }
    }

    fn current(&self) -> u8 {
        self.number.get(self.at).copied().unwrap_or(0)
    }

    /// FM, and nothing but zeros after the point.
    fn ends_at_point(&self) -> bool {
        self.last_relevant.is_some_and(|l| self.number.get(l) == Some(&b'.'))
    }

    /// The lone zero of `0.1`, which pictures without '0' don't print.
    fn is_lone_zero(&self) -> bool {
        !self.picture.zero && self.at == 0 && self.current() == b'0' && self.picture.post != 0
    }

    fn key(&mut self, key: Key) -> Result<()> {
        let fill_mode = self.picture.fill_mode;
        match key {
            Key::Nine | Key::Zero | Key::Point | Key::PointLocale => self.place(key),
            Key::Comma | Key::Group => {
                if self.in_number {
                    self.out.push(b',');
                } else if !fill_mode {
                    self.out.push(b' ');
                }
            }
            Key::CurrencyLocale => self.out.push(b' '),
            Key::Roman | Key::RomanLower => {
                let text = String::from_utf8_lossy(&self.number[self.at..]);
                let text = if key == Key::Roman { text.into_owned() } else { text.to_ascii_lowercase() };
                let text = if fill_mode { text } else { format!("{text:>15}") };
                self.out.extend_from_slice(text.as_bytes());
            }
            Key::Ordinal | Key::OrdinalLower => {
                let skipped = self.picture.roman
                    || self.number.first() == Some(&b'#')
                    || self.sign == Some(b'-')
                    || self.picture.decimal;
                if !skipped {
                    let suffix = ordinal_suffix(self.number)?;
                    let suffix =
                        if key == Key::Ordinal { suffix.to_owned() } else { suffix.to_ascii_lowercase() };
                    self.out.extend_from_slice(suffix.as_bytes());
                }
            }
            Key::Minus | Key::Plus => {
                let mine = if key == Key::Minus { b'-' } else { b'+' };
                if self.sign == Some(mine) {
                    self.out.push(mine);
                } else if !fill_mode {
                    self.out.push(b' ');
                }
            }
            Key::SignAny => self.out.push(self.sign.unwrap_or(0)),
            Key::Blank
            | Key::Currency
            | Key::Exponent
            | Key::FillMode
            | Key::Bracket
            | Key::Spell
            | Key::Sign
            | Key::Shift => {}
        }
        Ok(())
    }

    /// One place: a digit, the decimal point, or a blank before the number; and the sign where it is due.
    fn place(&mut self, key: Key) {
        if self.picture.roman {
            return;
        }
        self.in_number = false;
        let zero_due = self.picture.zero && self.picture.zero_start <= self.place;
        let number_begins =
            self.place >= self.blanks || self.picture.zero && self.picture.zero_start == self.place;
        if !self.sign_written && number_begins && (!self.is_lone_zero() || self.ends_at_point()) {
            self.leading_sign();
        }
        if self.place < self.blanks {
            if zero_due {
                self.out.push(b'0');
                self.in_number = true;
            } else if !self.picture.fill_mode {
                self.out.push(b' ');
            }
        } else {
            self.digit(key);
        }
        self.trailing_sign();
        self.place += 1;
    }

    fn leading_sign(&mut self) {
        if self.picture.sign {
            if self.picture.sign_place == SignPlace::Before {
                self.out.push(if self.sign == Some(b'-') { b'-' } else { b'+' });
                self.sign_written = true;
            }
        } else if self.picture.bracket {
            self.out.push(if self.sign == Some(b'+') { b' ' } else { b'<' });
            self.sign_written = true;
        } else {
            match self.sign {
                Some(b'+') if self.picture.fill_mode => {}
                Some(b'+') => self.out.push(b' '),
                _ => self.out.push(b'-'),
            }
            self.sign_written = true;
        }
    }

    fn digit(&mut self, key: Key) {
        if self.current() == b'.' {
            // FM9.9 of a whole number: "1.".
            if !self.ends_at_point() || self.picture.fill_mode {
                self.out.push(b'.');
            }
        } else if self.last_relevant.is_some_and(|l| self.at > l) && key != Key::Zero {
            // FM leaves trailing zeros out.
        } else if self.is_lone_zero() {
            if !self.picture.fill_mode {
                self.out.push(b' ');
            } else if self.ends_at_point() {
                self.out.push(b'0');
            }
        } else {
            self.out.push(self.current());
            self.in_number = true;
        }
        if self.current() != 0 {
            self.at += 1;
        }
    }

    /// After the last place: the closing bracket, or the sign of a trailing `S`.
    fn trailing_sign(&mut self) {
        let mut end = self.places + i32::from(self.blanks != 0) + i32::from(self.picture.decimal);
        if self.last_relevant == Some(self.at) {
            end = self.place;
        }
        if self.place + 1 != end {
            return;
        }
        if self.sign_written && self.picture.bracket {
            self.out.push(if self.sign == Some(b'+') { b' ' } else { b'>' });
        } else if self.picture.sign && self.picture.sign_place == SignPlace::After {
            self.out.push(if self.sign == Some(b'-') { b'-' } else { b'+' });
        }
    }
}

/// The last digit after the point that isn't a zero, or the point; none without a point.
fn last_significant(number: &[u8]) -> Option<usize> {
    let point = number.iter().position(|b| *b == b'.')?;
    let behind = number[point + 1..].iter().rposition(|b| *b != b'0');
    Some(behind.map_or(point, |i| point + 1 + i))
}

fn ordinal_suffix(number: &[u8]) -> Result<&'static str> {
    let last = number.last().copied().unwrap_or(0);
    if !last.is_ascii_digit() {
        let text = String::from_utf8_lossy(number).into_owned();
        return Err(err!(INVALID_TEXT_REPRESENTATION, "\"{text}\" is not a number"));
    }
    let teen = number.len() > 1 && number[number.len() - 2] == b'1';
    Ok(match last {
        _ if teen => "TH",
        b'1' => "ST",
        b'2' => "ND",
        b'3' => "RD",
        _ => "TH",
    })
}

/// A Roman number of 1 to 3999; fifteen `#` for others.
pub fn roman(n: i32) -> String {
    const SYMBOLS: &[(i32, &str)] = &[
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    if !(1..=3999).contains(&n) {
        return "#".repeat(15);
    }
    let (mut rest, mut out) = (n, String::new());
    for (value, symbol) in SYMBOLS {
        while rest >= *value {
            out.push_str(symbol);
            rest -= value;
        }
    }
    out
}
