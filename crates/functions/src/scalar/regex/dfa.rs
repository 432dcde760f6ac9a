//! Deterministic automata, made of nondeterministic ones while they run: a state is a set of their states.
//!
//! A transition knows the character before and the one after a position, so constraints and the decision whether a match ends there are
//! part of it: a state's set is closed over empty transitions and constraints that hold only when it is left. Made states are
//! kept up to a number of bytes, then all are forgotten.

use super::charset::{Colors, Kind};
use super::nfa::{Label, Nfa};
use super::parse::Constraint;
use std::collections::HashMap;

/// The state that leads nowhere.
pub const DEAD: u32 = 0;
/// Not made yet.
const UNKNOWN: u32 = u32::MAX;

/// A set of states and what was read last.
#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    last: Kind,
    set: Box<[u32]>,
}

/// An automaton that runs.
pub struct Dfa {
    nfa: Nfa,
    /// A match may begin anywhere.
    unanchored: bool,
    states: Vec<State>,
    index: HashMap<State, u32>,
    /// By state and colour: the next state, doubled, and whether a match ends before that character.
    table: Vec<u32>,
    /// The same where look-arounds take part: their mask decides, too.
    looked: HashMap<(u32, u16, u64), u32>,
    width: usize,
    bytes: usize,
    bytes_max: usize,
    /// Grows when all states are forgotten.
    generation: u64,
    /// For closing sets.
    seen: Vec<u32>,
    round: u32,
    stack: Vec<u32>,
}

impl Dfa {
    /// Runs `nfa`, keeping about `bytes_max` bytes of states.
    pub fn new(nfa: Nfa, unanchored: bool, colors: &Colors, bytes_max: usize) -> Dfa {
        let seen = vec![0; nfa.arcs.len()];
        let mut d = Dfa {
            nfa,
            unanchored,
            states: vec![],
            index: HashMap::new(),
            table: vec![],
            looked: HashMap::new(),
            width: colors.count() as usize + 1,
            bytes: 0,
            bytes_max,
            generation: 0,
            seen,
            round: 0,
            stack: vec![],
        };
        d.forget();
        d
    }

    /// Look-arounds that [`step`](Self::step) wants to know of.
    pub fn looks(&self) -> u64 {
        self.nfa.looks
    }

    /// States of the automaton underneath.
    pub fn size(&self) -> usize {
        self.nfa.arcs.len()
    }

    fn forget(&mut self) {
        self.generation += 1;
        self.states.clear();
        self.index.clear();
        self.table.clear();
        self.looked.clear();
        self.bytes = 0;
        self.add(State { last: Kind::Other, set: Box::new([]) });
    }

    fn add(&mut self, state: State) -> u32 {
        let id = self.states.len() as u32;
        self.bytes += self.width * 4 + state.set.len() * 8 + 96;
        self.table.resize(self.table.len() + self.width, UNKNOWN);
        self.index.insert(state.clone(), id);
        self.states.push(state);
        id
    }

    fn state(&mut self, set: Vec<u32>, last: Kind) -> u32 {
        if set.is_empty() {
            return DEAD;
        }
        let last = if self.nfa.constrained { last } else { Kind::Other };
        let state = State { last, set: set.into_boxed_slice() };
        if let Some(id) = self.index.get(&state) {
            return *id;
        }
        if self.bytes > self.bytes_max {
            self.forget();
        }
        self.add(state)
    }

    /// The state to begin with, behind a character of this kind.
    pub fn start(&mut self, last: Kind) -> u32 {
        self.state(vec![self.nfa.start], last)
    }

    /// Whether nothing of a match has been seen yet.
    pub fn is_fresh(&self, state: u32) -> bool {
        *self.states[state as usize].set == [self.nfa.start]
    }

    /// Reads a character of a colour, or the end ([`Colors::count`]): whether a match ends before it, and the next state. A state that
    /// was given out before is valid only until the next call.
    #[inline]
    pub fn step(&mut self, colors: &Colors, from: u32, color: u16, looks: u64) -> (bool, u32) {
        let known = if self.nfa.looks == 0 {
            self.table[from as usize * self.width + color as usize]
        } else {
            self.looked.get(&(from, color, looks)).copied().unwrap_or(UNKNOWN)
        };
        let step = if known == UNKNOWN { self.make(colors, from, color, looks) } else { known };
        (step & 1 == 1, step >> 1)
    }

    fn make(&mut self, colors: &Colors, from: u32, color: u16, looks: u64) -> u32 {
        self.round = self.round.wrapping_add(1);
        if self.round == 0 {
            self.seen.fill(0);
            self.round = 1;
        }
        let State { last, set } = &self.states[from as usize];
        let next_kind = colors.kind(color);
        let (before, after) = if self.nfa.backward { (next_kind, *last) } else { (*last, next_kind) };
        let at_end = color == colors.count();
        let mut next: Vec<u32> = vec![];
        self.stack.clear();
        self.stack.extend_from_slice(set);
        let mut accepts = false;
        while let Some(s) = self.stack.pop() {
            if std::mem::replace(&mut self.seen[s as usize], self.round) == self.round {
                continue;
            }
            accepts |= s == self.nfa.accept;
            for (label, to) in &self.nfa.arcs[s as usize] {
                match label {
                    Label::Empty => self.stack.push(*to),
                    Label::Set(id) => {
                        if !at_end && colors.contains(*id, color) {
                            next.push(*to);
                        }
                    }
                    Label::Constraint(c) => {
                        if holds(*c, before, after, looks) {
                            self.stack.push(*to);
                        }
                    }
                }
            }
        }
        if self.unanchored && !at_end {
            next.push(self.nfa.start);
        }
        next.sort_unstable();
        next.dedup();
        let generation = self.generation;
        let to = self.state(next, next_kind);
        let step = to << 1 | u32::from(accepts);
        // Not if `from` was forgotten just now.
        if self.generation == generation {
            if self.nfa.looks == 0 {
                self.table[from as usize * self.width + color as usize] = step;
            } else {
                if self.looked.len() * 48 > self.bytes_max {
                    self.looked.clear();
                }
                self.looked.insert((from, color, looks), step);
            }
        }
        step
    }
}

fn holds(c: Constraint, before: Kind, after: Kind, looks: u64) -> bool {
    let word = |k| k == Kind::Word;
    let line = |k| matches!(k, Kind::Edge | Kind::Newline);
    match c {
        Constraint::TextBegin => before == Kind::Edge,
        Constraint::TextEnd => after == Kind::Edge,
        Constraint::LineBegin => line(before),
        Constraint::LineEnd => line(after),
        Constraint::WordBegin => !word(before) && word(after),
        Constraint::WordEnd => word(before) && !word(after),
        Constraint::WordEdge => word(before) != word(after),
        Constraint::NoWordEdge => word(before) == word(after),
        Constraint::Look(n) => looks >> n & 1 == 1,
    }
}
