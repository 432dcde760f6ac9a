//! Texts of queries: the operators around the words.
//!
//! Words go to a [`WordSink`], which makes a subtree of each (`to_tsquery` puts what dictionaries say in its place) in postfix order.
//! [`parse`] answers a [`Parsed`]: the nodes, stop words among them, to be cleaned by [`super::tree`].

use super::query::Op;
use super::word::{Kind, Words, is_operator, is_space};
use super::{DEPTH_MAX, LEXEME_BYTES_MAX, POSITION_LIMIT, STRINGS_BYTES_MAX, too_deep};
use quarry_common::{Error, Result, bail, err};

/// How a text is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Style {
    /// tsquery's own text.
    Standard,
    /// The whole text is one word for the sink.
    Plain,
    /// What people type into search engines; never an error.
    Web,
}

/// A node in postfix order, left operand first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Node {
    Word {
        text: String,
        weights: u8,
        prefix: bool,
    },
    /// A word that was dropped.
    Stop,
    Operator {
        op: Op,
        distance: u16,
    },
}

/// The nodes so far.
pub struct Nodes<'t> {
    source: &'t str,
    nodes: Vec<Node>,
    word_bytes: usize,
}

impl Nodes<'_> {
    /// A word as it is.
    pub fn word(&mut self, text: String, weights: u8, prefix: bool) -> Result<()> {
        if text.len() >= LEXEME_BYTES_MAX {
            bail!(PROGRAM_LIMIT_EXCEEDED, "word is too long in tsquery: \"{}\"", self.source);
        }
        if self.word_bytes >= STRINGS_BYTES_MAX {
            bail!(PROGRAM_LIMIT_EXCEEDED, "value is too big in tsquery: \"{}\"", self.source);
        }
        self.word_bytes += text.len() + 1;
        self.nodes.push(Node::Word { text, weights, prefix });
        Ok(())
    }
    pub fn stop(&mut self) {
        self.nodes.push(Node::Stop);
    }
    pub fn operator(&mut self, op: Op, distance: u16) {
        self.nodes.push(Node::Operator { op, distance });
    }
}

/// Makes a subtree of a word.
pub trait WordSink {
    fn push(&mut self, out: &mut Nodes<'_>, text: &str, weights: u8, prefix: bool) -> Result<()>;
}

/// Words as they are: input of the type.
pub struct AsIs;

impl WordSink for AsIs {
    fn push(&mut self, out: &mut Nodes<'_>, text: &str, weights: u8, prefix: bool) -> Result<()> {
        out.word(text.to_owned(), weights, prefix)
    }
}

enum Token {
    End,
    Word {
        text: String,
        weights: u8,
        prefix: bool,
    },
    Operator {
        op: Op,
        distance: u16,
    },
    Open,
    Close,
    /// In a web query: an operand is missing at the end.
    StopThenEnd,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    FirstOperand,
    Operand,
    Operator,
}

struct Parser<'t> {
    text: &'t str,
    style: Style,
    at: usize,
    /// Parentheses open.
    open: i64,
    state: State,
}

/// The nodes of a text, in postfix order; empty: no words.
pub fn parse(text: &str, style: Style, sink: &mut dyn WordSink) -> Result<Vec<Node>> {
    let mut nodes = Nodes { source: text, nodes: Vec::new(), word_bytes: 0 };
    let mut parser = Parser { text, style, at: 0, open: 0, state: State::FirstOperand };
    parser.level(&mut nodes, sink, 0)?;
    Ok(nodes.nodes)
}

/// Operators that wait for their right operand on one level of parentheses (`STACKDEPTH`).
const WAITING_MAX: usize = 32;

impl Parser<'_> {
    fn level(&mut self, out: &mut Nodes<'_>, sink: &mut dyn WordSink, depth: usize) -> Result<()> {
        if depth > DEPTH_MAX {
            return Err(too_deep());
        }
        let mut waiting: Vec<(Op, u16)> = Vec::new();
        loop {
            match self.token()? {
                Token::End => break,
                Token::StopThenEnd => {
                    out.stop();
                    break;
                }
                Token::Word { text, weights, prefix } => sink.push(out, &text, weights, prefix)?,
                Token::Operator { op, distance } => {
                    reduce(out, &mut waiting, op);
                    if waiting.len() == WAITING_MAX {
                        return Err(Error::internal("tsquery stack too small"));
                    }
                    waiting.push((op, distance));
                }
                Token::Open => self.level(out, sink, depth + 1)?,
                Token::Close => break,
            }
        }
        reduce(out, &mut waiting, Op::Or);
        Ok(())
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }
    fn syntax_error(&self) -> Error {
        err!(SYNTAX_ERROR, "syntax error in tsquery: \"{}\"", self.text)
    }
    fn skip_blanks(&mut self) {
        while let Some(c) = self.peek().filter(|c| is_space(*c)) {
            self.at += c.len_utf8();
        }
    }

    fn token(&mut self) -> Result<Token> {
        match self.style {
            Style::Standard => self.standard(),
            Style::Plain => {
                let text = &self.text[std::mem::replace(&mut self.at, self.text.len())..];
                Ok(match text {
                    "" => Token::End,
                    text => Token::Word { text: text.to_owned(), weights: 0, prefix: false },
                })
            }
            Style::Web => self.web(),
        }
    }

    fn operator(&mut self, bytes: usize, op: Op) -> Result<Token> {
        self.at += bytes;
        self.state = State::Operand;
        Ok(Token::Operator { op, distance: 0 })
    }

    fn word(&mut self, kind: Kind) -> Result<Option<String>> {
        let mut words = Words::new(self.text, kind);
        words.at = self.at;
        let word = words.next_word()?;
        if word.is_some() {
            self.at = words.at;
            self.state = State::Operator;
        }
        Ok(word.map(|w| w.text))
    }

    fn standard(&mut self) -> Result<Token> {
        self.skip_blanks();
        if self.state != State::Operator {
            return match self.peek() {
                Some('!') => self.operator(1, Op::Not),
                Some('(') => {
                    self.at += 1;
                    self.open += 1;
                    self.state = State::Operand;
                    Ok(Token::Open)
                }
                Some(':') => Err(self.syntax_error()),
                _ => match self.word(Kind::Query)? {
                    Some(text) => {
                        let (weights, prefix) = self.modifiers();
                        Ok(Token::Word { text, weights, prefix })
                    }
                    None if self.state == State::FirstOperand => Ok(Token::End),
                    None => Err(err!(SYNTAX_ERROR, "no operand in tsquery: \"{}\"", self.text)),
                },
            };
        }
        match self.peek() {
            Some('&') => self.operator(1, Op::And),
            Some('|') => self.operator(1, Op::Or),
            Some(')') => {
                self.at += 1;
                self.open -= 1;
                if self.open < 0 { Err(self.syntax_error()) } else { Ok(Token::Close) }
            }
            None if self.open == 0 => Ok(Token::End),
            None => Err(self.syntax_error()),
            Some(_) => match self.phrase()? {
                Some(distance) => {
                    self.state = State::Operand;
                    Ok(Token::Operator { op: Op::Phrase, distance })
                }
                None => Err(self.syntax_error()),
            },
        }
    }

    /// `:AB*` after a word.
    fn modifiers(&mut self) -> (u8, bool) {
        let (mut weights, mut prefix) = (0, false);
        if self.peek() == Some(':') {
            self.at += 1;
            while let Some(c) = self.peek() {
                match c {
                    'a' | 'A' => weights |= 8,
                    'b' | 'B' => weights |= 4,
                    'c' | 'C' => weights |= 2,
                    'd' | 'D' => weights |= 1,
                    '*' => prefix = true,
                    _ => break,
                }
                self.at += 1;
            }
        }
        (weights, prefix)
    }

    /// `<->` or `<N>`; none if it is something else. It must not end the text.
    fn phrase(&mut self) -> Result<Option<u16>> {
        let Some(rest) = self.text[self.at..].strip_prefix('<') else { return Ok(None) };
        let (distance, rest) = match rest.strip_prefix('-') {
            Some(rest) => (1, rest),
            None => {
                let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
                if digits == 0 {
                    return Ok(None);
                }
                match rest[..digits].parse::<u16>() {
                    Ok(d) if d <= POSITION_LIMIT => (d, &rest[digits..]),
                    _ => return Err(distance_error()),
                }
            }
        };
        let Some(rest) = rest.strip_prefix('>').filter(|r| !r.is_empty()) else { return Ok(None) };
        self.at = self.text.len() - rest.len();
        Ok(Some(distance))
    }

    fn web(&mut self) -> Result<Token> {
        loop {
            self.skip_blanks();
            if self.state == State::Operator {
                return match self.peek() {
                    Some('"') => self.operator(0, Op::And),
                    _ if self.is_or() => self.operator(2, Op::Or),
                    None => Ok(Token::End),
                    Some(_) => self.operator(0, Op::And),
                };
            }
            match self.peek() {
                Some('-') => return self.operator(1, Op::Not),
                Some('"') => {
                    let quoted = &self.text[self.at + 1..];
                    let (inside, taken) = match quoted.find('"') {
                        Some(end) => (&quoted[..end], end + 2),
                        None => (quoted, quoted.len() + 1),
                    };
                    self.at += taken;
                    self.state = State::Operator;
                    return Ok(Token::Word { text: inside.to_owned(), weights: 0, prefix: false });
                }
                // Without meaning here, and no beginning of a word.
                Some(c) if is_operator(c) => {
                    self.at += 1;
                    self.state = State::Operand;
                }
                _ => {
                    return Ok(match self.word(Kind::Web)? {
                        Some(text) => Token::Word { text, weights: 0, prefix: false },
                        None if self.state == State::FirstOperand => Token::End,
                        None => Token::StopThenEnd,
                    });
                }
            }
        }
    }

    /// `or`, whole and with something after it.
    fn is_or(&self) -> bool {
        let rest = &self.text.as_bytes()[self.at..];
        if rest.len() < 2 || !rest[..2].eq_ignore_ascii_case(b"or") {
            return false;
        }
        let after = &self.text[self.at + 2..];
        let mut chars = after.chars();
        match chars.next() {
            None | Some('-' | '_') => false,
            Some(c) if c.is_alphanumeric() => false,
            Some(_) => chars.any(|c| !is_space(c)),
        }
    }
}

/// 22023 for a phrase operator's distance.
pub fn distance_error() -> Error {
    err!(
        INVALID_PARAMETER_VALUE,
        "distance in phrase operator must be an integer value between zero and {POSITION_LIMIT} inclusive"
    )
}

/// Writes the waiting operators that bind at least as strongly as `op` (NOT takes what follows it).
fn reduce(out: &mut Nodes<'_>, waiting: &mut Vec<(Op, u16)>, op: Op) {
    while let Some((last, distance)) = waiting.last().copied() {
        let (new, old) = (op.priority(), last.priority());
        if op != Op::Not && new > old || op == Op::Not && new >= old {
            return;
        }
        waiting.pop();
        out.operator(last, if last == Op::Phrase { distance } else { 0 });
    }
}
