//! A query as a tree: to leave out stop words, to join queries, to replace parts (`ts_rewrite`).

use super::parse::Node;
use super::query::{Item, Op, Query, checksum, encode};
use super::{DEPTH_MAX, too_deep};
use quarry_common::{Error, Result};
use std::cmp::Ordering;

/// A node with its operands, the right one first (AND and OR may have more than two between [`Tree::flatten`] and [`Tree::binary`]).
#[derive(Clone, Debug)]
pub enum Tree {
    Word { text: String, weights: u8, prefix: bool },
    Stop,
    Operator { op: Op, distance: u16, children: Vec<Tree>, kept: bool },
}

/// A tree whose depth is bounded may be walked by recursion and dropped so.
fn check_depth(depth: usize) -> Result<()> {
    if depth > DEPTH_MAX { Err(too_deep()) } else { Ok(()) }
}

impl Tree {
    /// Of parsed nodes in postfix order; none if there are none.
    pub fn from_nodes(nodes: Vec<Node>) -> Result<Option<Tree>> {
        let mut stack: Vec<(Tree, usize)> = Vec::new();
        let missing = || Error::internal("malformed tsquery: operand not found");
        for node in nodes {
            let entry = match node {
                Node::Word { text, weights, prefix } => (Tree::Word { text, weights, prefix }, 0),
                Node::Stop => (Tree::Stop, 0),
                Node::Operator { op, distance } => {
                    let (right, mut depth) = stack.pop().ok_or_else(missing)?;
                    let mut children = vec![right];
                    if op != Op::Not {
                        let (left, left_depth) = stack.pop().ok_or_else(missing)?;
                        children.push(left);
                        depth = depth.max(left_depth);
                    }
                    check_depth(depth + 1)?;
                    (Tree::Operator { op, distance, children, kept: false }, depth + 1)
                }
            };
            stack.push(entry);
        }
        if stack.len() > 1 {
            return Err(Error::internal("malformed tsquery: extra nodes"));
        }
        Ok(stack.pop().map(|(tree, _)| tree))
    }

    /// Of a stored query; none if it is empty.
    pub fn from_query(q: &Query<'_>) -> Result<Option<Tree>> {
        if q.is_empty() { Ok(None) } else { Tree::at(q, 0, 0).map(Some) }
    }
    fn at(q: &Query<'_>, i: usize, depth: usize) -> Result<Tree> {
        check_depth(depth)?;
        Ok(match q.items[i] {
            Item::Word { text, weights, prefix } => Tree::Word { text: text.to_owned(), weights, prefix },
            Item::Operator { op, distance, .. } => {
                let mut children = vec![Tree::at(q, i + 1, depth + 1)?];
                if op != Op::Not {
                    children.push(Tree::at(q, q.left_of(i), depth + 1)?);
                }
                Tree::Operator { op, distance, children, kept: false }
            }
        })
    }

    /// The stored form; none is the empty query.
    pub fn to_stored(tree: Option<&Tree>) -> Result<Vec<u8>> {
        let mut items = Vec::new();
        if let Some(tree) = tree {
            tree.items(&mut items);
        }
        encode(&items)
    }
    fn items<'a>(&'a self, out: &mut Vec<Item<'a>>) {
        match self {
            Tree::Word { text, weights, prefix } => {
                out.push(Item::Word { text, weights: *weights, prefix: *prefix });
            }
            Tree::Stop => {}
            Tree::Operator { op, distance, children, .. } => {
                out.push(Item::Operator { op: *op, distance: *distance, left: 0 });
                for child in children {
                    child.items(out);
                }
            }
        }
    }

    /// Two queries under an operator.
    pub fn join(op: Op, distance: u16, left: Tree, right: Tree) -> Tree {
        Tree::Operator { op, distance, children: vec![right, left], kept: false }
    }
    pub fn negate(self) -> Tree {
        Tree::Operator { op: Op::Not, distance: 0, children: vec![self], kept: false }
    }

    /// Without stop words; none if nothing is left. The distances of phrases grow by what is left out between their operands.
    pub fn without_stops(self) -> Option<Tree> {
        clean(self).tree
    }

    /// What an index would have to find: without NOTs. None: everything.
    pub fn without_nots(self) -> Option<Tree> {
        match self {
            Tree::Operator { op: Op::Not, .. } => None,
            Tree::Operator { op, distance, children, kept } => {
                let before = children.len();
                let mut children: Vec<Tree> = children.into_iter().filter_map(Tree::without_nots).collect();
                if op == Op::Or && children.len() < before {
                    return None;
                }
                if children.len() < 2 {
                    return children.pop();
                }
                Some(Tree::Operator { op, distance, children, kept })
            }
            word => Some(word),
        }
    }

    /// `ts_rewrite`'s order (`QTNodeCompare`): operators before words, greater operators and checksums first.
    fn order(&self, other: &Tree) -> Ordering {
        match (self, other) {
            (
                Tree::Operator { op: a, distance: d, children: x, .. },
                Tree::Operator { op: b, distance: e, children: y, .. },
            ) => b
                .cmp(a)
                .then(y.len().cmp(&x.len()))
                .then_with(|| {
                    x.iter().zip(y).map(|(l, r)| l.order(r)).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
                })
                .then_with(|| if *a == Op::Phrase { e.cmp(d) } else { Ordering::Equal }),
            (Tree::Operator { .. }, _) => Ordering::Less,
            (_, Tree::Operator { .. }) => Ordering::Greater,
            (Tree::Word { text: a, .. }, Tree::Word { text: b, .. }) => checksum(b.as_bytes())
                .cmp(&checksum(a.as_bytes()))
                .then_with(|| a.as_bytes().cmp(b.as_bytes())),
            _ => Ordering::Equal,
        }
    }

    fn sort(&mut self) {
        if let Tree::Operator { op, children, .. } = self {
            children.iter_mut().for_each(Tree::sort);
            if *op != Op::Phrase && children.len() > 1 {
                children.sort_by(Tree::order);
            }
        }
    }

    /// ANDs of ANDs and ORs of ORs as one node each (`QTNTernary`).
    fn flatten(self) -> Tree {
        let Tree::Operator { op, distance, children, kept } = self else { return self };
        let mut flat = Vec::with_capacity(children.len());
        for child in children {
            match child.flatten() {
                Tree::Operator { op: inner, children, .. }
                    if inner == op && matches!(op, Op::And | Op::Or) =>
                {
                    flat.extend(children);
                }
                child => flat.push(child),
            }
        }
        Tree::Operator { op, distance, children: flat, kept }
    }

    /// Nodes of two operands again (`QTNBinary`).
    fn binary(self) -> Tree {
        let Tree::Operator { op, distance, children, kept } = self else { return self };
        let mut children: Vec<Tree> = children.into_iter().map(Tree::binary).collect();
        while children.len() > 2 {
            // The first two become one, which the last follows.
            let last = children.pop().expect("more than two");
            let second = std::mem::replace(&mut children[1], last);
            let first = std::mem::replace(&mut children[0], Tree::Stop);
            children[0] = Tree::Operator { op, distance: 0, children: vec![first, second], kept: false };
        }
        Tree::Operator { op, distance, children, kept }
    }

    fn forget_marks(&mut self) {
        if let Tree::Operator { children, kept, .. } = self {
            *kept = false;
            children.iter_mut().for_each(Tree::forget_marks);
        }
    }
}

/// What is left of a subtree, and what its phrases must be moved apart on either side.
struct Cleaned {
    tree: Option<Tree>,
    left_add: u16,
    right_add: u16,
}

fn clean(tree: Tree) -> Cleaned {
    let (op, distance, mut children, kept) = match tree {
        Tree::Stop => return Cleaned { tree: None, left_add: 0, right_add: 0 },
        Tree::Word { .. } => return Cleaned { tree: Some(tree), left_add: 0, right_add: 0 },
        Tree::Operator { op, distance, children, kept } => (op, distance, children, kept),
    };
    let left = (op != Op::Not).then(|| children.pop().expect("a binary operator has two operands"));
    let right = clean(children.pop().expect("an operator has an operand"));
    let Some(left) = left else {
        return Cleaned {
            tree: right.tree.map(|t| Tree::Operator { op, distance, children: vec![t], kept }),
            left_add: right.left_add,
            right_add: right.right_add,
        };
    };
    let left = clean(left);
    let phrase = op == Op::Phrase;
    let own = if phrase { distance } else { 0 };
    match (left.tree, right.tree) {
        (None, None) => {
            let add = if phrase {
                left.left_add.wrapping_add(own).wrapping_add(right.left_add)
            } else {
                left.left_add.max(right.left_add)
            };
            Cleaned { tree: None, left_add: add, right_add: add }
        }
        (None, Some(t)) => Cleaned {
            tree: Some(t),
            left_add: if phrase {
                left.left_add.wrapping_add(own).wrapping_add(right.left_add)
            } else {
                right.left_add
            },
            right_add: right.right_add,
        },
        (Some(t), None) => Cleaned {
            tree: Some(t),
            left_add: left.left_add,
            right_add: if phrase {
                left.right_add.wrapping_add(own).wrapping_add(right.right_add)
            } else {
                left.right_add
            },
        },
        (Some(l), Some(r)) if phrase => {
            let distance = distance.wrapping_add(left.right_add).wrapping_add(right.left_add);
            Cleaned {
                tree: Some(Tree::join(op, distance, l, r)),
                left_add: left.left_add,
                right_add: right.right_add,
            }
        }
        (Some(l), Some(r)) => {
            Cleaned { tree: Some(Tree::join(op, distance, l, r)), left_add: 0, right_add: 0 }
        }
    }
}

/// Replaces parts of a query, again and again.
pub struct Rewriter {
    tree: Option<Tree>,
}

impl Rewriter {
    pub fn new(query: Tree) -> Rewriter {
        Rewriter { tree: Some(prepared(query)) }
    }
    /// Whether nothing is left to be replaced.
    pub fn is_empty(&self) -> bool {
        self.tree.is_none()
    }
    /// Puts `substitute` (none: nothing) where `target` is.
    pub fn replace(&mut self, target: Tree, substitute: Option<&Tree>) {
        let target = prepared(target);
        self.tree = self.tree.take().and_then(|t| find_subquery(t, &target, substitute)).map(|mut t| {
            t.forget_marks();
            prepared(t)
        });
    }
    /// What came of it.
    pub fn finish(self) -> Option<Tree> {
        self.tree.map(Tree::binary)
    }
    /// Replaces once and answers the result.
    pub fn replace_once(query: Tree, target: Tree, substitute: Option<&Tree>) -> Option<Tree> {
        find_subquery(prepared(query), &prepared(target), substitute).map(Tree::binary)
    }
}

fn prepared(tree: Tree) -> Tree {
    let mut tree = tree.flatten();
    tree.sort();
    tree
}

/// A copy that is not looked into again.
fn marked(substitute: &Tree) -> Marked {
    Marked { tree: substitute.clone(), kept: true }
}

/// A tree, and whether it came in by a replacement.
struct Marked {
    tree: Tree,
    kept: bool,
}

impl Marked {
    fn plain(tree: Tree) -> Marked {
        let kept = matches!(tree, Tree::Operator { kept: true, .. });
        Marked { tree, kept }
    }
    /// The mark goes into operators; words that came in are guarded by the caller.
    fn into_tree(mut self) -> Tree {
        if let Tree::Operator { kept, .. } = &mut self.tree {
            *kept = self.kept;
        }
        self.tree
    }
}

/// Replaces at the node itself, or some of its operands; none: nothing is left.
fn find_equal(node: Tree, target: &Tree, substitute: Option<&Tree>) -> Option<Marked> {
    match (node, target) {
        (
            Tree::Operator { op, distance, mut children, kept },
            Tree::Operator { op: wanted, children: targets, .. },
        ) if !kept && op == *wanted => {
            if children.len() == targets.len() {
                let node = Tree::Operator { op, distance, children, kept };
                if node.order(target).is_eq() {
                    return substitute.map(marked);
                }
                return Some(Marked::plain(node));
            }
            if children.len() > targets.len() && !targets.is_empty() {
                let mut matched = vec![false; children.len()];
                let (mut i, mut j) = (0, 0);
                while i < children.len() && j < targets.len() {
                    match children[i].order(&targets[j]) {
                        Ordering::Equal => {
                            matched[i] = true;
                            i += 1;
                            j += 1;
                        }
                        Ordering::Less => i += 1,
                        Ordering::Greater => break,
                    }
                }
                if j == targets.len() {
                    let mut at = 0;
                    children.retain(|_| {
                        at += 1;
                        !matched[at - 1]
                    });
                    children.extend(substitute.map(|s| marked(s).into_tree()));
                    let mut node = Tree::Operator { op, distance, children, kept };
                    node.sort();
                    return Some(Marked::plain(node));
                }
            }
            Some(Marked::plain(Tree::Operator { op, distance, children, kept }))
        }
        (node @ Tree::Word { .. }, Tree::Word { .. }) if node.order(target).is_eq() => substitute.map(marked),
        (node, _) => Some(Marked::plain(node)),
    }
}

fn find_subquery(node: Tree, target: &Tree, substitute: Option<&Tree>) -> Option<Tree> {
    let found = find_equal(node, target, substitute)?;
    let kept = found.kept;
    match found.into_tree() {
        Tree::Operator { op, distance, children, kept: inner } if !kept => {
            let mut left: Vec<Tree> =
                children.into_iter().filter_map(|c| find_subquery(c, target, substitute)).collect();
            match left.len() {
                0 => None,
                1 if op != Op::Not => left.pop(),
                _ => Some(Tree::Operator { op, distance, children: left, kept: inner }),
            }
        }
        tree => Some(tree),
    }
}
