//! A compiled pattern: its tree, its colours, and the automata of its parts, made when first needed.

use super::charset::Colors;
use super::dfa::Dfa;
use super::nfa::Nfa;
use super::parse::{self, Parsed};
use super::tree::{NodeId, SHORT, Tree};
use super::{Flags, invalid};
use quarry_common::Result;
use std::cell::{Cell, RefCell};
use std::ops::DerefMut;

/// Bytes that the automata of a pattern may keep in states, and the least for each.
const STATE_BYTES_MAX: usize = 2 << 20;
const STATE_BYTES_EACH: usize = 16 << 10;
/// States of nondeterministic automata that a pattern keeps.
const NFA_STATES_MAX: usize = 150_000;

/// What part of a pattern, read which way, an automaton is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// A node, from its beginning.
    Forward(NodeId),
    /// A node, from its end backwards.
    Backward(NodeId),
    /// The pattern, beginning anywhere.
    Search,
    /// The pattern backwards, ending anywhere: finds where matches begin.
    Starts,
    /// A look-around: where a match of it begins (looking ahead) or ends (behind).
    Look(usize),
}

/// A compiled pattern.
pub struct Program {
    pub parsed: Parsed,
    pub tree: Tree,
    pub colors: Colors,
    automata: Vec<RefCell<Option<Box<Dfa>>>>,
    nfa_states: Cell<usize>,
}

impl Program {
    /// Compiles a pattern.
    pub fn new(text: &str, flags: Flags) -> Result<Program> {
        let parsed = parse::parse(text, flags)?;
        let colors = Colors::new(&parsed.sets, parsed.newlines, parsed.words)
            .ok_or_else(|| invalid("too many colors"))?;
        let tree = Tree::new(&parsed);
        let count = tree.nodes.len() * 2 + 2 + parsed.looks.len();
        let automata = (0..count).map(|_| RefCell::new(None)).collect();
        let program = Program { parsed, tree, colors, automata, nfa_states: Cell::new(0) };
        // Too large ones are found now.
        program.with(Part::Search, |_| ())?;
        for i in 0..program.parsed.looks.len() {
            program.with(Part::Look(i), |_| ())?;
        }
        Ok(program)
    }

    /// Whether the pattern as a whole prefers short matches.
    pub fn prefers_short(&self) -> bool {
        self.tree.nodes[self.tree.root].traits & SHORT != 0
    }

    fn slot(&self, part: Part) -> usize {
        let nodes = self.tree.nodes.len();
        match part {
            Part::Forward(n) => n,
            Part::Backward(n) => nodes + n,
            Part::Search => nodes * 2,
            Part::Starts => nodes * 2 + 1,
            Part::Look(n) => nodes * 2 + 2 + n,
        }
    }

    fn make(&self, part: Part) -> Result<Dfa> {
        let node = |n: NodeId| self.tree.nodes[n].sequence();
        let root = self.tree.root;
        let (nfa, unanchored) = match part {
            Part::Forward(n) => (Nfa::new(&self.parsed, node(n), false)?, false),
            Part::Backward(n) => (Nfa::new(&self.parsed, node(n), true)?, false),
            Part::Search => (Nfa::new(&self.parsed, node(root), false)?, true),
            Part::Starts => (Nfa::new(&self.parsed, node(root), true)?, true),
            Part::Look(n) => {
                let look = &self.parsed.looks[n];
                let piece = parse::Piece::once(parse::Atom::Group { number: None, body: look.body.clone() });
                (Nfa::new(&self.parsed, &[piece], look.ahead)?, true)
            }
        };
        let each = (STATE_BYTES_MAX / self.automata.len()).max(STATE_BYTES_EACH);
        Ok(Dfa::new(nfa, unanchored, &self.colors, each))
    }

    /// Runs `f` with the automaton of a part.
    pub fn with<T>(&self, part: Part, f: impl FnOnce(&mut Dfa) -> T) -> Result<T> {
        let mut slot = self.automata[self.slot(part)].borrow_mut();
        if slot.is_none() {
            let dfa = self.make(part)?;
            let states = self.nfa_states.get() + dfa.size();
            if states > NFA_STATES_MAX {
                // All that are not running begin anew.
                self.automata.iter().for_each(|a| {
                    if let Ok(mut a) = a.try_borrow_mut() {
                        *a = None;
                    }
                });
                self.nfa_states.set(dfa.size());
            } else {
                self.nfa_states.set(states);
            }
            *slot = Some(Box::new(dfa));
        }
        match slot.deref_mut() {
            Some(dfa) => Ok(f(dfa)),
            None => Err(invalid("regular expression is too complex")),
        }
    }
}
