//! Nondeterministic automata of parts of a pattern.

use super::invalid;
use super::parse::{Atom, Branches, Constraint, Parsed, Piece};
use quarry_common::Result;

/// The most states of one automaton; about where PostgreSQL finds a pattern too complex.
const STATES_MAX: usize = 48_000;

/// What a transition needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Label {
    /// Nothing.
    Empty,
    /// A character of a set.
    Set(u32),
    /// A condition that holds here.
    Constraint(Constraint),
}

/// An automaton. Reading text backwards, it is the one of the reversed texts.
pub struct Nfa {
    pub arcs: Vec<Vec<(Label, u32)>>,
    pub start: u32,
    pub accept: u32,
    pub backward: bool,
    /// Look-arounds that it asks for.
    pub looks: u64,
    /// Has constraints that look at the neighbouring characters.
    pub constrained: bool,
}

struct Builder<'a> {
    parsed: &'a Parsed,
    nfa: Nfa,
    too_big: bool,
    /// How deep in references: those copy a group without its constraints.
    free: usize,
}

impl Nfa {
    /// The automaton of a sequence.
    pub fn new(parsed: &Parsed, pieces: &[Piece], backward: bool) -> Result<Nfa> {
        let nfa =
            Nfa { arcs: vec![vec![], vec![]], start: 0, accept: 1, backward, looks: 0, constrained: false };
        let mut b = Builder { parsed, nfa, too_big: false, free: 0 };
        b.sequence(pieces, 0, 1);
        if b.too_big {
            return Err(invalid("regular expression is too complex"));
        }
        Ok(if backward { b.nfa.reversed() } else { b.nfa })
    }

    fn reversed(self) -> Nfa {
        let mut arcs = vec![vec![]; self.arcs.len()];
        for (from, out) in self.arcs.iter().enumerate() {
            for (label, to) in out {
                arcs[*to as usize].push((*label, from as u32));
            }
        }
        Nfa { arcs, start: self.accept, accept: self.start, ..self }
    }
}

impl Builder<'_> {
    fn state(&mut self) -> u32 {
        if self.nfa.arcs.len() >= STATES_MAX {
            self.too_big = true;
            return 0;
        }
        self.nfa.arcs.push(vec![]);
        (self.nfa.arcs.len() - 1) as u32
    }

    fn arc(&mut self, from: u32, label: Label, to: u32) {
        if !self.too_big {
            self.nfa.arcs[from as usize].push((label, to));
        }
    }

    fn sequence(&mut self, pieces: &[Piece], from: u32, to: u32) {
        let Some((last, before)) = pieces.split_last() else {
            self.arc(from, Label::Empty, to);
            return;
        };
        let mut at = from;
        for p in before {
            let next = self.state();
            self.piece(p, at, next);
            at = next;
            if self.too_big {
                return;
            }
        }
        self.piece(last, at, to);
    }

    fn branches(&mut self, all: &Branches, from: u32, to: u32) {
        for b in &all.0 {
            self.sequence(b, from, to);
        }
    }

    fn piece(&mut self, p: &Piece, from: u32, to: u32) {
        if p.min == 1 && p.max == Some(1) {
            self.atom(&p.atom, from, to);
            return;
        }
        let mut at = from;
        for _ in 0..p.min {
            let next = self.state();
            self.atom(&p.atom, at, next);
            at = next;
            if self.too_big {
                return;
            }
        }
        match p.max {
            None => {
                let (enter, leave) = (self.state(), self.state());
                self.arc(at, Label::Empty, enter);
                self.atom(&p.atom, enter, leave);
                self.arc(leave, Label::Empty, enter);
                at = enter;
            }
            Some(max) => {
                for _ in p.min..max {
                    let next = self.state();
                    self.atom(&p.atom, at, next);
                    self.arc(at, Label::Empty, to);
                    at = next;
                    if self.too_big {
                        return;
                    }
                }
            }
        }
        self.arc(at, Label::Empty, to);
    }

    fn atom(&mut self, atom: &Atom, from: u32, to: u32) {
        match atom {
            Atom::Set(id) => self.arc(from, Label::Set(*id), to),
            Atom::Constraint(_) if self.free > 0 => self.arc(from, Label::Empty, to),
            Atom::Constraint(c) => {
                match c {
                    Constraint::Look(n) => self.nfa.looks |= 1 << n,
                    _ => self.nfa.constrained = true,
                }
                self.arc(from, Label::Constraint(*c), to);
            }
            Atom::Group { body, .. } => self.branches(body, from, to),
            Atom::Reference(n) => {
                // Its text isn't known here: anything that the group could match.
                let parsed = self.parsed;
                if let Some(Some(body)) = parsed.groups.get(*n) {
                    self.free += 1;
                    self.branches(body, from, to);
                    self.free -= 1;
                }
            }
        }
    }
}
