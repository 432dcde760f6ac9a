//! From tokens to the pattern's structure.

use super::charset::{CharSet, Class, NAMED};
use super::lex::{Lexer, Token};
use super::{Flags, Syntax, invalid};
use quarry_common::Result;
use std::collections::HashMap;
use std::rc::Rc;

/// The largest count in a bound.
const COUNT_MAX: u32 = 255;
/// How deep groups may be nested.
const DEPTH_MAX: usize = 1000;
/// Bits of a look-around mask.
const LOOKS_MAX: usize = 64;

/// A condition on a position.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Constraint {
    TextBegin,
    TextEnd,
    LineBegin,
    LineEnd,
    WordBegin,
    WordEnd,
    WordEdge,
    NoWordEdge,
    /// Number in [`Parsed::looks`].
    Look(u8),
}

/// What a quantifier applies to.
#[derive(Clone, Debug)]
pub enum Atom {
    /// A character of the set with this number.
    Set(u32),
    Constraint(Constraint),
    /// Capturing under a number, or not.
    Group {
        number: Option<usize>,
        body: Rc<Branches>,
    },
    /// What a group matched.
    Reference(usize),
}

/// Which matches a quantifier prefers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Prefer {
    /// Whatever its operand does.
    Nothing,
    Long,
    Short,
}

/// A quantified atom.
#[derive(Clone, Debug)]
pub struct Piece {
    pub atom: Atom,
    pub min: u32,
    /// None: any number.
    pub max: Option<u32>,
    pub prefer: Prefer,
}

impl Piece {
    /// Just the atom.
    pub fn once(atom: Atom) -> Piece {
        Piece { atom, min: 1, max: Some(1), prefer: Prefer::Nothing }
    }
}

/// Alternatives, each a sequence.
#[derive(Clone, Debug)]
pub struct Branches(pub Vec<Rc<[Piece]>>);

/// A look-around.
#[derive(Clone, Debug)]
pub struct Look {
    pub ahead: bool,
    pub positive: bool,
    pub body: Rc<Branches>,
}

/// A parsed pattern.
pub struct Parsed {
    pub root: Rc<Branches>,
    pub sets: Vec<CharSet>,
    /// Inner ones before those around them.
    pub looks: Vec<Look>,
    /// What the capturing groups hold, from number 1 on.
    pub groups: Vec<Option<Rc<Branches>>>,
    pub references: bool,
    pub ignore_case: bool,
    /// Constraints ask for newlines, for word characters.
    pub newlines: bool,
    pub words: bool,
}

struct Parser {
    lexer: Lexer,
    token: Token,
    sets: Vec<CharSet>,
    set_ids: HashMap<CharSet, u32>,
    looks: Vec<Look>,
    groups: Vec<Option<Rc<Branches>>>,
    references: bool,
    newlines: bool,
    words: bool,
    depth: usize,
}

/// Parses a pattern.
pub fn parse(text: &str, flags: Flags) -> Result<Parsed> {
    let lexer = Lexer::new(text, flags)?;
    let mut p = Parser {
        lexer,
        token: Token::Start,
        sets: vec![],
        set_ids: HashMap::new(),
        looks: vec![],
        groups: vec![None],
        references: false,
        newlines: false,
        words: false,
        depth: 0,
    };
    p.advance()?;
    let root = p.branches(Token::End, false)?;
    Ok(Parsed {
        root,
        sets: p.sets,
        looks: p.looks,
        groups: p.groups,
        references: p.references,
        ignore_case: p.lexer.flags.ignore_case,
        newlines: p.newlines,
        words: p.words,
    })
}

impl Parser {
    fn advance(&mut self) -> Result<()> {
        self.token = self.lexer.next()?;
        Ok(())
    }

    fn set(&mut self, set: CharSet) -> Atom {
        if let Some(id) = self.set_ids.get(&set) {
            return Atom::Set(*id);
        }
        let id = self.sets.len() as u32;
        self.set_ids.insert(set.clone(), id);
        self.sets.push(set);
        Atom::Set(id)
    }

    fn flags(&self) -> &Flags {
        &self.lexer.flags
    }

    /// Alternatives up to `stop`. In a look-around nothing captures.
    fn branches(&mut self, stop: Token, in_look: bool) -> Result<Rc<Branches>> {
        if self.depth > DEPTH_MAX {
            return Err(invalid("regular expression is too complex"));
        }
        self.depth += 1;
        let mut all = vec![self.branch(stop, in_look)?];
        while self.token == Token::Bar {
            self.advance()?;
            all.push(self.branch(stop, in_look)?);
        }
        self.depth -= 1;
        if self.token != stop {
            return Err(invalid("parentheses () not balanced"));
        }
        Ok(Rc::new(Branches(all)))
    }

    fn branch(&mut self, stop: Token, in_look: bool) -> Result<Rc<[Piece]>> {
        let mut pieces = vec![];
        while self.token != Token::Bar && self.token != stop && self.token != Token::End {
            pieces.push(self.piece(in_look)?);
        }
        Ok(pieces.into())
    }

    fn piece(&mut self, in_look: bool) -> Result<Piece> {
        if let Some(c) = self.constraint()? {
            return Ok(Piece::once(Atom::Constraint(c)));
        }
        let atom = match self.token {
            Token::Plain(c) => {
                let set = CharSet::of_char(c, self.flags().ignore_case);
                self.advance()?;
                self.set(set)
            }
            Token::Close if self.flags().syntax == Syntax::Extended => {
                self.advance()?;
                self.set(CharSet::one(u32::from(b')')))
            }
            Token::Close => return Err(invalid("parentheses () not balanced")),
            Token::Bracket { negated } => {
                let set = self.bracket(negated)?;
                self.advance()?;
                self.set(set)
            }
            Token::Class { class, negated } => {
                let set = class.set(self.flags().ignore_case);
                self.advance()?;
                self.set(if negated { set.complement() } else { set })
            }
            Token::Dot => {
                let set =
                    if self.flags().newline_stops { CharSet::one(10).complement() } else { CharSet::all() };
                self.advance()?;
                self.set(set)
            }
            Token::Open(captures) => {
                let number = (captures && !in_look).then_some(self.groups.len());
                if number.is_some() {
                    self.groups.push(None);
                    self.lexer.groups += 1;
                }
                self.advance()?;
                let body = self.branches(Token::Close, in_look)?;
                self.advance()?;
                if let Some(n) = number {
                    self.groups[n] = Some(body.clone());
                }
                Atom::Group { number, body }
            }
            Token::BackReference(n) => {
                let n = n as usize;
                if in_look || self.groups.get(n).is_none_or(Option::is_none) {
                    return Err(invalid("invalid backreference number"));
                }
                self.references = true;
                self.advance()?;
                Atom::Reference(n)
            }
            _ => return Err(invalid("quantifier operand invalid")),
        };
        self.quantified(atom)
    }

    fn quantified(&mut self, atom: Atom) -> Result<Piece> {
        let prefer = |long| if long { Prefer::Long } else { Prefer::Short };
        let (min, max, prefer) = match self.token {
            Token::Star(long) => (0, None, prefer(long)),
            Token::Plus(long) => (1, None, prefer(long)),
            Token::Question(long) => (0, Some(1), prefer(long)),
            Token::OpenBound => {
                let bad = || invalid("invalid repetition count(s)");
                self.advance()?;
                let min = self.number()?;
                let mut max = Some(min);
                let ranged = self.token == Token::Comma;
                if ranged {
                    self.advance()?;
                    max = if matches!(self.token, Token::Digit(_)) { Some(self.number()?) } else { None };
                    if max.is_some_and(|m| m < min) {
                        return Err(bad());
                    }
                }
                let Token::CloseBound(long) = self.token else { return Err(bad()) };
                // {m} leaves the preference to its operand, {m,m} doesn't.
                (min, max, if ranged { prefer(long) } else { Prefer::Nothing })
            }
            _ => return Ok(Piece::once(atom)),
        };
        self.advance()?;
        Ok(Piece { atom, min, max, prefer })
    }

    fn number(&mut self) -> Result<u32> {
        let mut n = 0;
        while let Token::Digit(d) = self.token {
            if n >= COUNT_MAX {
                return Err(invalid("invalid repetition count(s)"));
            }
            n = n * 10 + d;
            self.advance()?;
        }
        if n > COUNT_MAX { Err(invalid("invalid repetition count(s)")) } else { Ok(n) }
    }

    fn constraint(&mut self) -> Result<Option<Constraint>> {
        let lines = self.flags().newline_anchors;
        let c = match self.token {
            Token::Caret if lines => Constraint::LineBegin,
            Token::Dollar if lines => Constraint::LineEnd,
            Token::Caret | Token::TextBegin => Constraint::TextBegin,
            Token::Dollar | Token::TextEnd => Constraint::TextEnd,
            Token::WordBegin => Constraint::WordBegin,
            Token::WordEnd => Constraint::WordEnd,
            Token::WordEdge => Constraint::WordEdge,
            Token::NoWordEdge => Constraint::NoWordEdge,
            Token::Look { ahead, positive } => {
                self.advance()?;
                let body = self.branches(Token::Close, true)?;
                self.advance()?;
                if self.looks.len() >= LOOKS_MAX {
                    return Err(invalid("regular expression is too complex"));
                }
                self.looks.push(Look { ahead, positive, body });
                return Ok(Some(Constraint::Look((self.looks.len() - 1) as u8)));
            }
            _ => return Ok(None),
        };
        match c {
            Constraint::LineBegin | Constraint::LineEnd => self.newlines = true,
            Constraint::TextBegin | Constraint::TextEnd | Constraint::Look(_) => {}
            _ => self.words = true,
        }
        self.advance()?;
        Ok(Some(c))
    }

    /// A bracket; leaves its closing token current.
    fn bracket(&mut self, negated: bool) -> Result<CharSet> {
        let mut ranges: Vec<(u32, u32)> = vec![];
        self.advance()?;
        while self.token != Token::CloseBracket {
            let part = self.bracket_part()?;
            ranges.extend(part.ranges());
        }
        if !negated {
            return Ok(CharSet::from_ranges(ranges));
        }
        if self.flags().newline_stops {
            ranges.push((10, 10));
        }
        Ok(CharSet::from_ranges(ranges).complement())
    }

    fn bracket_part(&mut self) -> Result<CharSet> {
        let ignore_case = self.flags().ignore_case;
        let low = match self.token {
            Token::Plain(c) => {
                self.advance()?;
                c
            }
            Token::Collating => {
                let name = self.special()?;
                element(&name)?
            }
            Token::Equivalence => {
                let name = self.special()?;
                return Ok(CharSet::of_char(element(&name)?, ignore_case));
            }
            Token::ClassName => {
                let name: String = self.special()?.into_iter().filter_map(char::from_u32).collect();
                let class = Class::named(&name).ok_or_else(|| invalid("invalid character class"))?;
                return Ok(class.set(ignore_case));
            }
            Token::Class { class, negated } => {
                self.advance()?;
                let set = class.set(ignore_case);
                return Ok(if negated { set.complement() } else { set });
            }
            _ => return Err(invalid("invalid character range")),
        };
        let mut high = low;
        if self.token == Token::Range {
            self.advance()?;
            high = match self.token {
                Token::Plain(c) => {
                    self.advance()?;
                    c
                }
                Token::Range => {
                    self.advance()?;
                    u32::from(b'-')
                }
                Token::Collating => {
                    let name = self.special()?;
                    element(&name)?
                }
                _ => return Err(invalid("invalid character range")),
            };
            if high < low {
                return Err(invalid("invalid character range"));
            }
        }
        Ok(CharSet::of_range(low, high, ignore_case))
    }

    /// The characters up to the end of a `[.`, `[=` or `[:`.
    fn special(&mut self) -> Result<Vec<u32>> {
        self.advance()?;
        let mut name = vec![];
        while let Token::Plain(c) = self.token {
            name.push(c);
            self.advance()?;
        }
        self.advance()?;
        Ok(name)
    }
}

/// The character that `[.name.]` stands for.
fn element(name: &[u32]) -> Result<u32> {
    if let [c] = name {
        return Ok(*c);
    }
    let text: String = name.iter().copied().filter_map(char::from_u32).collect();
    let found = NAMED.iter().find(|(n, _)| *n == text);
    found.map(|(_, c)| *c).ok_or_else(|| invalid("invalid collating element"))
}
