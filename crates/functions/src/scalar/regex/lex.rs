//! Tokens of regular expressions in PostgreSQL's three syntaxes: advanced (the default), extended (`e`) and basic (`b`).
//!
//! What a character means depends on where it stands: outside, in a bound `{m,n}`, in a bracket `[...]`, in one of a bracket's
//! special parts. The rules, also the odd ones, are those of PostgreSQL's `regc_lex.c` (Henry Spencer's).

use super::charset::Class;
use super::{Flags, Syntax, invalid};
use quarry_common::Result;

/// A token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Token {
    /// Before the first token.
    Start,
    End,
    Plain(u32),
    Dot,
    Caret,
    Dollar,
    TextBegin,
    TextEnd,
    WordBegin,
    WordEnd,
    WordEdge,
    NoWordEdge,
    /// Quantifiers; whether they prefer long matches.
    Star(bool),
    Plus(bool),
    Question(bool),
    /// `{`, `,`, a digit, `}` of a bound.
    OpenBound,
    Comma,
    Digit(u32),
    CloseBound(bool),
    /// `(`; whether it captures.
    Open(bool),
    Close,
    Look {
        ahead: bool,
        positive: bool,
    },
    Bar,
    Class {
        class: Class,
        negated: bool,
    },
    BackReference(u32),
    /// `[`, or negated `[^`.
    Bracket {
        negated: bool,
    },
    CloseBracket,
    /// `-` between two ends.
    Range,
    /// `[.`, `[=`, `[:` and what ends them.
    Collating,
    Equivalence,
    ClassName,
    CloseSpecial,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Outside,
    Bound,
    Bracket,
    /// In `[.`, `[=` or `[:`: ends with this character and `]`.
    Special(u32),
}

/// Cuts a pattern into tokens.
pub struct Lexer {
    chars: Vec<u32>,
    at: usize,
    place: Place,
    last: Token,
    pub flags: Flags,
    /// Capturing groups opened so far: decides whether `\12` is a reference.
    pub groups: u32,
}

const fn ch(c: char) -> u32 {
    c as u32
}

fn is_space(c: u32) -> bool {
    matches!(c, 9..=13 | 32)
}

fn ascii(c: u32) -> Option<char> {
    char::from_u32(c).filter(char::is_ascii)
}

fn bad_escape<T>() -> Result<T> {
    Err(invalid("invalid escape \\ sequence"))
}

fn no_operand<T>() -> Result<T> {
    Err(invalid("quantifier operand invalid"))
}

impl Lexer {
    /// Handles the directors and embedded options that a pattern begins with.
    pub fn new(text: &str, flags: Flags) -> Result<Lexer> {
        let mut lexer = Lexer {
            chars: text.chars().map(u32::from).collect(),
            at: 0,
            place: Place::Outside,
            last: Token::Start,
            flags,
            groups: 0,
        };
        lexer.prefixes()?;
        Ok(lexer)
    }

    fn peek(&self, ahead: usize) -> Option<u32> {
        self.chars.get(self.at + ahead).copied()
    }

    fn next_is(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(i, c)| self.peek(i) == Some(ch(c)))
    }

    fn prefixes(&mut self) -> Result<()> {
        if self.flags.literal {
            return Ok(());
        }
        if self.next_is("***") && self.peek(3).is_some() {
            match self.peek(3).and_then(ascii) {
                Some('?') => return Err(invalid("invalid regexp (reg version 0.8)")),
                Some('=') => {
                    self.flags.make_literal();
                    self.at = 4;
                    return Ok(());
                }
                Some(':') => {
                    self.flags.syntax = Syntax::Advanced;
                    self.at = 4;
                }
                _ => return no_operand(),
            }
        }
        if self.flags.syntax != Syntax::Advanced {
            return Ok(());
        }
        let letter = |c: Option<u32>| c.and_then(ascii).filter(char::is_ascii_alphabetic);
        if self.next_is("(?") && letter(self.peek(2)).is_some() {
            self.at += 2;
            let bad = || invalid("invalid embedded option");
            while let Some(c) = letter(self.peek(0)) {
                if !self.flags.set(c) {
                    return Err(bad());
                }
                self.at += 1;
            }
            if self.peek(0) != Some(ch(')')) {
                return Err(bad());
            }
            self.at += 1;
            if self.flags.literal {
                self.flags.make_literal();
            }
        }
        Ok(())
    }

    /// Skips white space and comments of the expanded syntax.
    fn skip(&mut self) {
        loop {
            while self.peek(0).is_some_and(is_space) {
                self.at += 1;
            }
            if self.peek(0) != Some(ch('#')) {
                return;
            }
            while self.peek(0).is_some_and(|c| c != 10) {
                self.at += 1;
            }
        }
    }

    /// The next token.
    pub fn next(&mut self) -> Result<Token> {
        let token = self.token()?;
        self.last = token;
        Ok(token)
    }

    fn token(&mut self) -> Result<Token> {
        if self.flags.literal {
            return Ok(match self.take() {
                Some(c) => Token::Plain(c),
                None => Token::End,
            });
        }
        if self.flags.expanded && matches!(self.place, Place::Outside | Place::Bound) {
            self.skip();
        }
        let Some(c) = self.take() else {
            return match self.place {
                Place::Outside => Ok(Token::End),
                Place::Bound => Err(invalid("braces {} not balanced")),
                Place::Bracket | Place::Special(_) => Err(invalid("brackets [] not balanced")),
            };
        };
        match self.place {
            Place::Outside if self.flags.syntax == Syntax::Basic => self.basic(c),
            Place::Outside => self.outside(c),
            Place::Bound => self.bound(c),
            Place::Bracket => self.in_bracket(c),
            Place::Special(end) => {
                if c == end && self.peek(0) == Some(ch(']')) {
                    self.at += 1;
                    self.place = Place::Bracket;
                    return Ok(Token::CloseSpecial);
                }
                Ok(Token::Plain(c))
            }
        }
    }

    fn take(&mut self) -> Option<u32> {
        let c = self.peek(0)?;
        self.at += 1;
        Some(c)
    }

    /// Takes the next character if it is this one.
    fn eat(&mut self, c: char) -> bool {
        let there = self.peek(0) == Some(ch(c));
        self.at += usize::from(there);
        there
    }

    fn advanced(&self) -> bool {
        self.flags.syntax == Syntax::Advanced
    }

    /// Whether the quantifier just read prefers long matches.
    fn greedy(&mut self) -> bool {
        !(self.advanced() && self.eat('?'))
    }

    fn bound(&mut self, c: u32) -> Result<Token> {
        let basic = self.flags.syntax == Syntax::Basic;
        match ascii(c) {
            Some(d @ '0'..='9') => Ok(Token::Digit(ch(d) - ch('0'))),
            Some(',') => Ok(Token::Comma),
            Some('}') if !basic => {
                self.place = Place::Outside;
                Ok(Token::CloseBound(self.greedy()))
            }
            Some('\\') if basic && self.eat('}') => {
                self.place = Place::Outside;
                Ok(Token::CloseBound(true))
            }
            _ => Err(invalid("invalid repetition count(s)")),
        }
    }

    fn in_bracket(&mut self, c: u32) -> Result<Token> {
        let first = matches!(self.last, Token::Bracket { .. });
        match ascii(c) {
            Some('\\') if self.advanced() => {
                if self.peek(0).is_none() {
                    return bad_escape();
                }
                match self.escape()? {
                    t @ (Token::Plain(_) | Token::Class { .. }) => Ok(t),
                    _ => bad_escape(),
                }
            }
            Some('-') if !first && self.peek(0) != Some(ch(']')) => Ok(Token::Range),
            Some(']') if !first => {
                self.place = Place::Outside;
                Ok(Token::CloseBracket)
            }
            Some('[') => match self.peek(0) {
                None => Err(invalid("brackets [] not balanced")),
                Some(kind) => {
                    let token = match ascii(kind) {
                        Some('.') => Token::Collating,
                        Some('=') => Token::Equivalence,
                        Some(':') => Token::ClassName,
                        _ => return Ok(Token::Plain(c)),
                    };
                    self.at += 1;
                    self.place = Place::Special(kind);
                    Ok(token)
                }
            },
            _ => Ok(Token::Plain(c)),
        }
    }

    fn bracket(&mut self) -> Token {
        if self.next_is("[:<:]]") || self.next_is("[:>:]]") {
            let begin = self.peek(2) == Some(ch('<'));
            self.at += 6;
            return if begin { Token::WordBegin } else { Token::WordEnd };
        }
        self.place = Place::Bracket;
        Token::Bracket { negated: self.eat('^') }
    }

    fn outside(&mut self, c: u32) -> Result<Token> {
        Ok(match ascii(c) {
            Some('|') => Token::Bar,
            Some('*') => Token::Star(self.greedy()),
            Some('+') => Token::Plus(self.greedy()),
            Some('?') => Token::Question(self.greedy()),
            Some('{') => {
                if self.flags.expanded {
                    self.skip();
                }
                if !self.peek(0).and_then(ascii).is_some_and(|d| d.is_ascii_digit()) {
                    return Ok(Token::Plain(c));
                }
                self.place = Place::Bound;
                Token::OpenBound
            }
            Some('(') if self.advanced() && self.eat('?') => return self.extension(),
            Some('(') => Token::Open(true),
            Some(')') => Token::Close,
            Some('[') => self.bracket(),
            Some('.') => Token::Dot,
            Some('^') => Token::Caret,
            Some('$') => Token::Dollar,
            Some('\\') => match self.peek(0) {
                None => return bad_escape(),
                Some(_) if self.advanced() => return self.escape(),
                Some(c) => {
                    self.at += 1;
                    Token::Plain(c)
                }
            },
            _ => Token::Plain(c),
        })
    }

    /// What follows `(?`.
    fn extension(&mut self) -> Result<Token> {
        match self.take().and_then(ascii) {
            Some(':') => Ok(Token::Open(false)),
            Some('#') => {
                while self.take().is_some_and(|c| c != ch(')')) {}
                self.token()
            }
            Some('=') => Ok(Token::Look { ahead: true, positive: true }),
            Some('!') => Ok(Token::Look { ahead: true, positive: false }),
            Some('<') => match self.take().and_then(ascii) {
                Some('=') => Ok(Token::Look { ahead: false, positive: true }),
                Some('!') => Ok(Token::Look { ahead: false, positive: false }),
                _ => no_operand(),
            },
            _ => no_operand(),
        }
    }

    fn basic(&mut self, c: u32) -> Result<Token> {
        Ok(match ascii(c) {
            Some('*') if matches!(self.last, Token::Start | Token::Open(_) | Token::Caret) => Token::Plain(c),
            Some('*') => Token::Star(true),
            Some('[') => self.bracket(),
            Some('.') => Token::Dot,
            Some('^') if matches!(self.last, Token::Start | Token::Open(_)) => Token::Caret,
            Some('$') => {
                if self.flags.expanded {
                    self.skip();
                }
                if self.peek(0).is_none() || self.next_is("\\)") { Token::Dollar } else { Token::Plain(c) }
            }
            Some('\\') => {
                let Some(c) = self.take() else { return bad_escape() };
                match ascii(c) {
                    Some('{') => {
                        self.place = Place::Bound;
                        Token::OpenBound
                    }
                    Some('(') => Token::Open(true),
                    Some(')') => Token::Close,
                    Some('<') => Token::WordBegin,
                    Some('>') => Token::WordEnd,
                    Some(d @ '1'..='9') => Token::BackReference(ch(d) - ch('0')),
                    _ => Token::Plain(c),
                }
            }
            _ => Token::Plain(c),
        })
    }

    /// An escape of the advanced syntax; `at` is behind the backslash.
    fn escape(&mut self) -> Result<Token> {
        let Some(c) = self.take() else { return bad_escape() };
        let class = |class, negated| Ok(Token::Class { class, negated });
        let Some(letter) = ascii(c).filter(char::is_ascii_alphanumeric) else { return Ok(Token::Plain(c)) };
        Ok(Token::Plain(match letter {
            'a' => 7,
            'A' => return Ok(Token::TextBegin),
            'b' => 8,
            'B' => ch('\\'),
            'c' => match self.take() {
                Some(c) => c & 0x1f,
                None => return bad_escape(),
            },
            'd' => return class(Class::Digit, false),
            'D' => return class(Class::Digit, true),
            'e' => 0x1b,
            'f' => 0x0c,
            'm' => return Ok(Token::WordBegin),
            'M' => return Ok(Token::WordEnd),
            'n' => 10,
            'r' => 13,
            's' => return class(Class::Space, false),
            'S' => return class(Class::Space, true),
            't' => 9,
            'u' => self.code(16, 4, 4)?,
            'U' => self.code(16, 8, 8)?,
            'v' => 11,
            'w' => return class(Class::Word, false),
            'W' => return class(Class::Word, true),
            'x' => self.code(16, 1, 255)?,
            'y' => return Ok(Token::WordEdge),
            'Y' => return Ok(Token::NoWordEdge),
            'Z' => return Ok(Token::TextEnd),
            '1'..='9' => {
                let second = self.at;
                self.at -= 1;
                let n = self.code(10, 1, 255)?;
                // One digit always refers; more only if there are so many groups.
                if self.at == second || (n > 0 && n <= self.groups) {
                    return Ok(Token::BackReference(n));
                }
                self.at = second - 1;
                self.octal()?
            }
            '0' => {
                self.at -= 1;
                self.octal()?
            }
            _ => return bad_escape(),
        }))
    }

    fn octal(&mut self) -> Result<u32> {
        let n = self.code(8, 1, 3)?;
        if n > 0xff {
            // One digit too many.
            self.at -= 1;
            return Ok(n >> 3);
        }
        Ok(n)
    }

    /// A number of `least` to `most` digits.
    fn code(&mut self, radix: u32, least: usize, most: usize) -> Result<u32> {
        let mut n: u32 = 0;
        let mut count = 0;
        while count < most
            && let Some(d) = self.peek(0).and_then(char::from_u32).and_then(|c| c.to_digit(radix))
        {
            n = n.wrapping_mul(radix).wrapping_add(d);
            self.at += 1;
            count += 1;
        }
        if count < least || n > 0x7fff_fffe { bad_escape() } else { Ok(n) }
    }
}
