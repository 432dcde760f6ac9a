//! The parts of a pattern whose extents in a match matter, and what each prefers.
//!
//! PostgreSQL's rules (manual 9.7.3.5, `regcomp.c`): an expression prefers long or short matches as a whole, taken from the first
//! thing in it that prefers anything. The overall match is decided by that alone; then it is divided from the outside in, each
//! part getting the longest or shortest share it prefers, earlier parts first. Only parts that capture, refer back or mix
//! preferences need nodes of their own; everything else stays one [`Op::Plain`] node.

use super::parse::{Atom, Branches, Parsed, Piece, Prefer};
use std::ops::Range;
use std::rc::Rc;

/// What a node or a part of it prefers and has; a set of bits.
pub type Traits = u8;
pub const LONG: Traits = 1;
pub const SHORT: Traits = 2;
/// Both preferences are in it.
const MIXED: Traits = 4;
/// Captures.
pub const CAPTURES: Traits = 8;
/// Refers back.
pub const REFERS: Traits = 16;

fn messy(t: Traits) -> bool {
    t & (MIXED | CAPTURES | REFERS) != 0
}

/// What holds of something around parts with these traits: preferences stay inside.
fn outward(t: Traits) -> Traits {
    let mixed = if t & LONG != 0 && t & SHORT != 0 { MIXED } else { 0 };
    (t & !(LONG | SHORT)) | mixed
}

/// Both together; the first preference counts.
fn combine(a: Traits, b: Traits) -> Traits {
    let first = a & (LONG | SHORT);
    outward(a | b) | if first != 0 { first } else { b & (LONG | SHORT) }
}

fn of_prefer(p: Prefer) -> Traits {
    match p {
        Prefer::Nothing => 0,
        Prefer::Long => LONG,
        Prefer::Short => SHORT,
    }
}

/// Number of a node.
pub type NodeId = usize;

/// How a node's match is divided.
#[derive(Clone, Debug)]
pub enum Op {
    /// Not at all.
    Plain,
    Concat(NodeId, NodeId),
    Alternatives(Vec<NodeId>),
    /// Repetitions of a node.
    Repeat {
        child: NodeId,
        min: u32,
        max: Option<u32>,
    },
    /// Repetitions of what a group matched.
    Reference {
        group: usize,
        min: u32,
        max: Option<u32>,
    },
    /// Another group around a node.
    Wrapper(NodeId),
}

/// A node.
#[derive(Clone, Debug)]
pub struct Node {
    pub op: Op,
    pub traits: Traits,
    /// The group it is.
    pub group: Option<usize>,
    /// What it matches: a sequence.
    pub pieces: Rc<[Piece]>,
    pub range: Range<usize>,
}

impl Node {
    /// The sequence it matches.
    pub fn sequence(&self) -> &[Piece] {
        &self.pieces[self.range.clone()]
    }
}

/// Nodes; children stand before their parents.
pub struct Tree {
    pub nodes: Vec<Node>,
    /// The whole pattern's node.
    pub root: NodeId,
}

impl Tree {
    /// The tree of a pattern.
    pub fn new(parsed: &Parsed) -> Tree {
        let mut t = Tree { nodes: vec![], root: 0 };
        t.root = t.branches(&parsed.root);
        t
    }

    fn add(&mut self, op: Op, traits: Traits, pieces: Rc<[Piece]>, range: Range<usize>) -> NodeId {
        self.nodes.push(Node { op, traits, group: None, pieces, range });
        self.nodes.len() - 1
    }

    /// A node for one piece, made up or not.
    fn add_one(&mut self, op: Op, traits: Traits, piece: Piece) -> NodeId {
        self.add(op, traits, Rc::new([piece]), 0..1)
    }

    fn branches(&mut self, all: &Rc<Branches>) -> NodeId {
        if let [one] = &all.0[..] {
            return self.branch(one);
        }
        let kept = self.nodes.len();
        let mut traits = LONG;
        let mut children = vec![];
        for b in &all.0 {
            let child = self.branch(b);
            traits |= outward(traits | self.nodes[child].traits);
            children.push(child);
        }
        let piece = Piece::once(Atom::Group { number: None, body: all.clone() });
        if messy(traits) {
            return self.add_one(Op::Alternatives(children), traits, piece);
        }
        self.nodes.truncate(kept);
        self.add_one(Op::Plain, traits, piece)
    }

    /// A sequence: runs of plain pieces become one node each, between those that need their own.
    fn branch(&mut self, pieces: &Rc<[Piece]>) -> NodeId {
        struct Part {
            /// The plain pieces before it.
            before: Range<usize>,
            before_traits: Traits,
            node: NodeId,
            own: Traits,
        }
        let mut parts: Vec<Part> = vec![];
        let (mut start, mut traits) = (0, 0);
        for (i, p) in pieces.iter().enumerate() {
            if matches!(p.atom, Atom::Constraint(_)) || p.max == Some(0) {
                continue;
            }
            let kept = self.nodes.len();
            let special = matches!(p.atom, Atom::Group { number: Some(_), .. } | Atom::Reference(_));
            let atom = self.atom(&p.atom);
            let of_atom = atom.map_or(0, |a| self.nodes[a].traits);
            let together = traits | of_prefer(p.prefer) | of_atom;
            if !special && !messy(outward(together)) {
                self.nodes.truncate(kept);
                traits = together;
                continue;
            }
            let atom = atom.unwrap_or_else(|| self.add_one(Op::Plain, 0, Piece::once(p.atom.clone())));
            let own = combine(of_prefer(p.prefer), of_atom);
            let node = self.quantified(p, atom);
            parts.push(Part { before: start..i, before_traits: traits, node, own });
            (start, traits) = (i + 1, 0);
        }
        let end = pieces.len();
        let mut rest = (start < end || parts.is_empty())
            .then(|| self.add(Op::Plain, traits, pieces.clone(), start..end));
        for part in parts.into_iter().rev() {
            let from = part.before.start;
            let alone = part.before.is_empty();
            let (whole, tail) = match rest {
                Some(r) => {
                    let own = part.own | combine(part.own, self.nodes[r].traits);
                    let traits = part.before_traits | combine(part.before_traits, own);
                    let tail = Op::Concat(part.node, r);
                    if alone {
                        rest = Some(self.add(tail, traits, pieces.clone(), from..end));
                        continue;
                    }
                    (traits, self.add(tail, own, pieces.clone(), part.before.end..end))
                }
                None => {
                    let of_node = self.nodes[part.node].traits;
                    (part.before_traits | combine(part.before_traits, of_node), part.node)
                }
            };
            if alone {
                rest = Some(tail);
                continue;
            }
            let before = self.add(Op::Plain, part.before_traits, pieces.clone(), part.before.clone());
            rest = Some(self.add(Op::Concat(before, tail), whole, pieces.clone(), from..end));
        }
        rest.unwrap_or_else(|| self.add(Op::Plain, 0, pieces.clone(), 0..0))
    }

    /// The node of an atom that may need one.
    fn atom(&mut self, atom: &Atom) -> Option<NodeId> {
        match atom {
            Atom::Set(_) | Atom::Constraint(_) => None,
            Atom::Group { number, body } => {
                let inner = self.branches(body);
                let Some(n) = number else { return Some(inner) };
                let node = &mut self.nodes[inner];
                node.traits |= CAPTURES;
                if node.group.is_none() {
                    node.group = Some(*n);
                    return Some(inner);
                }
                let (traits, pieces, range) = (node.traits, node.pieces.clone(), node.range.clone());
                let wrapper = self.add(Op::Wrapper(inner), traits, pieces, range);
                self.nodes[wrapper].group = Some(*n);
                Some(wrapper)
            }
            Atom::Reference(group) => {
                let op = Op::Reference { group: *group, min: 1, max: Some(1) };
                Some(self.add_one(op, REFERS, Piece::once(atom.clone())))
            }
        }
    }

    fn quantified(&mut self, p: &Piece, atom: NodeId) -> NodeId {
        let prefer = of_prefer(p.prefer);
        let traits = self.nodes[atom].traits;
        let wish = traits & (LONG | SHORT | MIXED);
        // One in a group of its own is repeated like anything else: it may fail without that mattering.
        if matches!(p.atom, Atom::Reference(_))
            && let Op::Reference { min, max, .. } = &mut self.nodes[atom].op
        {
            (*min, *max) = (p.min, p.max);
            let node = &mut self.nodes[atom];
            node.traits |= combine(prefer, traits);
            node.pieces = Rc::new([p.clone()]);
            return atom;
        }
        if p.min == 1 && p.max == Some(1) && (prefer == 0 || wish == 0 || prefer == wish) {
            return atom;
        }
        let all = combine(prefer, traits);
        if traits & (CAPTURES | REFERS) == 0 {
            return self.add_one(Op::Plain, all, p.clone());
        }
        if p.min > 0 && traits & REFERS == 0 {
            // Without references only the last repetition's groups matter: those before it need no dividing.
            let fewer = Piece { min: p.min - 1, max: p.max.map(|m| m - 1), ..p.clone() };
            let before = self.add_one(Op::Plain, all & (LONG | SHORT), fewer);
            return self.add_one(Op::Concat(before, atom), all, p.clone());
        }
        self.add_one(Op::Repeat { child: atom, min: p.min, max: p.max }, all, p.clone())
    }
}
