//! The default parser: cuts a text into tokens of 23 types.
//!
//! A machine with a stack of alternatives runs over the characters ([`rules`] is its table). Every byte of the text is in some token,
//! but hyphenated words and URLs come twice: whole, then in parts. Follows PostgreSQL's `wparser_def.c`.

mod classes;
mod plain;
mod rules;
pub mod token;

use rules::{Extra, Stack, State, Test, rules};

/// A piece of text with its type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Token<'a> {
    /// One of [`token`]'s.
    pub kind: u8,
    pub text: &'a str,
}

/// Where the machine stands, or stood when it pushed.
#[derive(Clone, Copy)]
struct Position {
    at: usize,
    /// Bytes of the character at `at`; 0 at the end.
    char_bytes: usize,
    /// The token so far, in bytes and characters.
    bytes: usize,
    chars: usize,
    state: State,
    /// The test after which to go on once this is come back to.
    pushed_at: Option<usize>,
}

/// Deepest nesting of machines that look ahead for a host or path. They nest once only: a host within an e-mail address.
const LOOK_AHEAD_MAX: u32 = 16;

/// Gives the tokens of a text.
pub struct Parser<'a> {
    text: &'a str,
    /// The current position is the last.
    stack: Vec<Position>,
    ignoring: bool,
    host_wanted: bool,
    depth: u32,
}

impl<'a> Parser<'a> {
    pub fn new(text: &'a str) -> Parser<'a> {
        Parser::in_state(text, State::Base, 0)
    }
    fn in_state(text: &'a str, state: State, depth: u32) -> Parser<'a> {
        let first = Position { at: 0, char_bytes: 0, bytes: 0, chars: 0, state, pushed_at: None };
        Parser { text, stack: vec![first], ignoring: false, host_wanted: false, depth }
    }
    fn top(&mut self) -> &mut Position {
        self.stack.last_mut().expect("the stack is never empty")
    }
    fn now(&self) -> Position {
        *self.stack.last().expect("the stack is never empty")
    }
    fn peek(&self) -> Option<char> {
        self.text[self.now().at..].chars().next()
    }

    fn run(&mut self) -> Option<Token<'a>> {
        let begin = self.now().at;
        if begin >= self.text.len() {
            return None;
        }
        self.top().pushed_at = None;
        if self.idle()
            && let Some((kind, len)) = plain::token(&self.text.as_bytes()[begin..])
        {
            self.top().at += len;
            return Some(Token { kind, text: &self.text[begin..begin + len] });
        }
        loop {
            let char_bytes = self.peek().map_or(0, char::len_utf8);
            let top = self.top();
            top.char_bytes = char_bytes;
            let first = top.pushed_at.take().map_or(0, |i| i + 1);
            let table = rules(top.state);
            let mut i = first;
            while !self.holds(table[i].test) {
                i += 1;
            }
            let rule = table[i];
            self.extra(rule.extra, begin);
            let found = rule.token.map(|kind| {
                let top = self.top();
                let bytes = std::mem::take(&mut top.bytes);
                top.chars = 0;
                (kind, bytes)
            });
            self.restack(rule.stack, i);
            if let Some(to) = rule.to {
                self.top().state = to;
            }
            if let Some((kind, bytes)) = found {
                return Some(Token { kind, text: &self.text[begin..begin + bytes] });
            }
            let len = self.text.len();
            if self.now().at >= len && !rule.again {
                return None;
            }
            if rule.again || rule.stack == Stack::Pop {
                continue;
            }
            let top = self.top();
            if top.char_bytes > 0 {
                top.at += top.char_bytes;
                top.bytes += top.char_bytes;
                top.chars += 1;
            }
        }
    }

    /// Whether a token begins and nothing that came before it matters.
    fn idle(&self) -> bool {
        let now = self.now();
        now.state == State::Base
            && now.bytes == 0
            && self.stack.len() == 1
            && self.depth == 0
            && !self.ignoring
            && !self.host_wanted
    }

    fn restack(&mut self, change: Stack, rule: usize) {
        match change {
            Stack::Keep => {}
            Stack::Push => {
                self.top().pushed_at = Some(rule);
                let copy = Position { pushed_at: None, ..self.now() };
                self.stack.push(copy);
            }
            Stack::Pop => {
                if self.stack.len() > 1 {
                    self.stack.pop();
                }
            }
            Stack::Clear => {
                if self.stack.len() > 1 {
                    self.stack.remove(self.stack.len() - 2);
                }
            }
            Stack::ClearAll => {
                self.stack.drain(..self.stack.len() - 1);
            }
            Stack::Merge => {
                if self.stack.len() > 1 {
                    let from = self.stack.pop().expect("two are there");
                    let top = self.top();
                    *top = Position { state: top.state, pushed_at: top.pushed_at, ..from };
                }
            }
        }
    }

    fn extra(&mut self, extra: Extra, begin: usize) {
        match extra {
            Extra::Nothing => {}
            Extra::TagName => {
                let now = self.now();
                let name = &self.text.as_bytes()[begin..begin + now.bytes];
                // The length in characters decides which names are tried.
                let is = |tag: &[u8]| now.chars == tag.len() && name.eq_ignore_ascii_case(tag);
                if is(b"</script") || is(b"</style") {
                    self.ignoring = false;
                } else if is(b"<script") || is(b"<style") {
                    self.ignoring = true;
                }
            }
            Extra::BackForHost => {
                self.host_wanted = true;
                self.back();
            }
            Extra::BackForParts => self.back(),
            Extra::BackForVersion => {
                self.back();
                let top = self.top();
                top.bytes = 0;
                top.chars = 0;
            }
        }
    }
    fn back(&mut self) {
        let top = self.top();
        top.at -= top.bytes;
    }

    fn holds(&mut self, test: Test) -> bool {
        let c = self.peek();
        match test {
            Test::Always => true,
            Test::Eof => c.is_none(),
            Test::Is(b) => c == Some(char::from(b)),
            Test::AsciiLetter => c.is_some_and(|c| c.is_ascii_alphabetic()),
            Test::Letter => c.is_some_and(classes::is_letter),
            Test::Digit => c.is_some_and(|c| c.is_ascii_digit()),
            Test::Alnum => c.is_some_and(|c| c.is_ascii_digit() || classes::is_letter(c)),
            Test::NotAlnum => !c.is_some_and(|c| c.is_ascii_digit() || classes::is_letter(c)),
            Test::Blank => c.is_some_and(quarry_types::textsearch::word::is_space),
            Test::HexDigit => c.is_some_and(|c| c.is_ascii_hexdigit()),
            Test::Joiner => c.is_some_and(classes::is_joiner),
            Test::UrlChar => c.is_some_and(|c| {
                c.is_ascii_graphic() && !matches!(c, '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}')
            }),
            Test::Ignoring => self.ignoring,
            Test::HostWanted => std::mem::take(&mut self.host_wanted),
            Test::HostFollows => self.look_ahead(State::Base, token::HOST),
            Test::UrlPathFollows => self.look_ahead(State::UrlPathFirst, token::URL_PATH),
        }
    }

    /// Whether another machine finds a token of this kind from here; it is taken.
    fn look_ahead(&mut self, state: State, kind: u8) -> bool {
        if self.depth >= LOOK_AHEAD_MAX {
            return false;
        }
        let rest = &self.text[self.now().at..];
        let mut other = Parser::in_state(rest, state, self.depth + 1);
        if state == State::Base {
            other.host_wanted = true;
        } else {
            // It begins as an alternative, so that it may be given up.
            other.stack.insert(0, Position { state: State::Base, ..other.now() });
        }
        let Some(found) = other.run().filter(|t| t.kind == kind) else { return false };
        let (bytes, char_bytes) = (found.text.len(), other.now().char_bytes);
        let chars = found.text.chars().count();
        let top = self.top();
        top.at += bytes;
        top.bytes += bytes;
        top.chars += chars;
        top.char_bytes = char_bytes;
        true
    }
}

impl<'a> Iterator for Parser<'a> {
    type Item = Token<'a>;
    fn next(&mut self) -> Option<Token<'a>> {
        self.run()
    }
}

#[cfg(test)]
mod tests;
