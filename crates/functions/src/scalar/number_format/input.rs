//! Reading a number through a picture: `to_number`.

use super::picture::{Key, Node, Picture, SignPlace};
use quarry_common::Result;

/// What was read: the number's text (a blank or sign first) and its digits after the point.
pub struct Read {
    pub text: String,
    pub post: i32,
}

pub fn read(picture: &Picture, text: &str) -> Result<Read> {
    picture.check_readable()?;
    let mut reader = Reader {
        picture,
        text: text.as_bytes(),
        at: 0,
        sign: b' ',
        digits: vec![],
        pre: 0,
        post: 0,
        point: false,
    };
    for node in &picture.nodes {
        if reader.ended() {
            break;
        }
        match node {
            Node::Key(key) => reader.key(*key),
            // Whatever stands in a literal's place is passed over.
            Node::Char(_) => reader.skip_char(),
        }
    }
    let mut digits = reader.digits;
    if digits.last() == Some(&b'.') {
        digits.pop();
    }
    let text = std::iter::once(reader.sign).chain(digits).map(char::from).collect();
    Ok(Read { text, post: reader.post })
}

struct Reader<'a> {
    picture: &'a Picture,
    text: &'a [u8],
    at: usize,
    /// ' ' until a sign was read.
    sign: u8,
    digits: Vec<u8>,
    pre: i32,
    post: i32,
    /// Whether the decimal point was read.
    point: bool,
}

impl Reader<'_> {
    fn ended(&self) -> bool {
        self.at >= self.text.len()
    }

    fn current(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(0)
    }

    fn skip_char(&mut self) {
        self.at += 1;
        while self.text.get(self.at).is_some_and(|b| b & 0xC0 == 0x80) {
            self.at += 1;
        }
    }

    /// Passes over up to `n` characters that can't be part of a number.
    fn skip_other(&mut self, n: usize) {
        for _ in 0..n {
            if self.ended() || b"0123456789.,+-".contains(&self.current()) {
                break;
            }
            self.skip_char();
        }
    }

    fn key(&mut self, key: Key) {
        match key {
            Key::Nine | Key::Zero | Key::Point | Key::PointLocale => {
                self.place(key);
                self.at += 1;
            }
            // Before the first digit FM has no separators.
            Key::Comma | Key::Group if !self.picture.fill_mode && self.current() == b',' => self.at += 1,
            Key::CurrencyLocale => self.skip_other(1),
            Key::Ordinal | Key::OrdinalLower if !(self.sign == b'-' || self.picture.decimal) => {
                self.skip_other(2)
            }
            Key::Minus => self.sign_pattern(b"-"),
            Key::Plus => self.sign_pattern(b"+"),
            Key::SignAny => self.sign_pattern(b"+-"),
            _ => {}
        }
    }

    fn sign_pattern(&mut self, signs: &[u8]) {
        if signs.contains(&self.current()) {
            self.sign = self.current();
            self.at += 1;
        } else {
            self.skip_other(1);
        }
    }

    /// A digit or the point, with a sign before or behind it. Leaves `at` on the last byte taken.
    fn place(&mut self, key: Key) {
        if self.ended() {
            return;
        }
        if self.current() == b' ' {
            self.at += 1;
        }
        if self.ended() {
            return;
        }
        let first = self.pre + self.post == 0;
        if self.sign == b' ' && matches!(key, Key::Zero | Key::Nine) && first {
            self.leading_sign();
        }
        if self.ended() {
            return;
        }
        let mut taken = false;
        if self.current().is_ascii_digit() {
            if self.point && self.post == self.picture.post {
                return;
            }
            self.digits.push(self.current());
            if self.point {
                self.post += 1;
            } else {
                self.pre += 1;
            }
            taken = true;
        } else if self.picture.decimal && !self.point && self.current() == b'.' {
            self.digits.push(b'.');
            self.point = true;
            taken = true;
        }
        if self.sign == b' ' && self.pre + self.post > 0 {
            self.trailing_sign(taken);
        }
    }

    fn leading_sign(&mut self) {
        let c = self.current();
        if self.picture.sign && self.picture.sign_place == SignPlace::Before {
            if matches!(c, b'-' | b'+') {
                self.sign = c;
                self.at += 1;
            }
        } else if c == b'-' || self.picture.bracket && c == b'<' {
            self.sign = b'-';
            self.at += 1;
        } else if c == b'+' {
            self.sign = b'+';
            self.at += 1;
        }
    }

    fn trailing_sign(&mut self, taken: bool) {
        if self.picture.sign && taken {
            if let Some(next) = self.text.get(self.at + 1)
                && matches!(next, b'-' | b'+')
            {
                self.sign = *next;
                self.at += 1;
            }
        } else if !taken
            && !self.picture.sign
            && (self.picture.plus || self.picture.minus)
            && matches!(self.current(), b'-' | b'+')
        {
            self.sign = self.current();
        }
    }
}
