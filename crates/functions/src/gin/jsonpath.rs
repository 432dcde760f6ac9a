//! What a document must have for a path to find something in it or to be true of it: the comparisons of paths with constants, and for
//! classes that keep names the names on the way (PostgreSQL: `jsonb_gin.c`, `extract_jsp_query`).
//!
//! What isn't understood asks for nothing, so that a condition is always implied by the path.

use super::formula::Condition;
use quarry_common::Result;
use quarry_types::json::path::{self, Comparison, Kind, Node};
use quarry_types::numeric::NumericRef;

/// A constant in a path.
pub enum Scalar<'a> {
    Null,
    Bool(bool),
    Number(NumericRef<'a>),
    String(&'a str),
}

/// A step from a value to what is in it.
pub enum Step<'a> {
    Key(&'a str),
    AnyKey,
    /// Elements, all or some.
    Element,
    /// All levels.
    Any,
}

/// What the last step of a path was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Last {
    Root,
    Member,
    Element,
    Any,
}

/// How a class makes keys of paths.
pub trait PathKeys {
    /// The way so far.
    type Path: Clone;
    fn root(&self) -> Self::Path;
    /// Goes a step on; false: such ways aren't in the index.
    fn step(&self, path: &mut Self::Path, step: Step<'_>) -> bool;
    /// Adds what a document must have in which the path leads to something, or to this scalar. `lax`: arrays are unwrapped on the way.
    fn end(&mut self, path: &Self::Path, scalar: Option<&Scalar<'_>>, lax: bool, out: &mut Vec<Condition>);
}

/// The condition of a path's text: that it is true (`@@`), or finds something (`@?`). None: nothing is known.
pub fn condition<K: PathKeys>(text: &str, is_true: bool, keys: &mut K) -> Result<Option<Condition>> {
    let jsonpath = path::compiled(text)?;
    let mut walk = Walk { keys, lax: jsonpath.lax };
    let root = walk.keys.root();
    Ok(match is_true {
        true => walk.truth(&root, &jsonpath.root, false),
        false => walk.found(&root, &jsonpath.root, None),
    })
}

struct Walk<'k, K> {
    keys: &'k mut K,
    lax: bool,
}

fn scalar(node: &Node) -> Option<Scalar<'_>> {
    if node.next.is_some() {
        return None;
    }
    Some(match &node.kind {
        Kind::Null => Scalar::Null,
        Kind::Bool(b) => Scalar::Bool(*b),
        Kind::Number(n) => Scalar::Number(n.view()),
        Kind::String(s) => Scalar::String(s),
        _ => return None,
    })
}

impl<K: PathKeys> Walk<'_, K> {
    /// The chain of steps leads from `path` to something, or to the scalar.
    fn found(&mut self, path: &K::Path, chain: &Node, scalar: Option<&Scalar<'_>>) -> Option<Condition> {
        let mut path = path.clone();
        let mut conditions = Vec::new();
        let mut next = Some(chain);
        let mut understood = true;
        while let Some(node) = next {
            let step = match &node.kind {
                Kind::Root => {
                    path = self.keys.root();
                    None
                }
                Kind::Current => None,
                Kind::Filter(filter) => {
                    conditions.extend(self.truth(&path, filter, false));
                    None
                }
                Kind::Key(name) => Some(Step::Key(name)),
                Kind::AnyKey => Some(Step::AnyKey),
                Kind::AnyArray | Kind::Index(_) => Some(Step::Element),
                Kind::Any(..) => Some(Step::Any),
                _ => {
                    understood = false;
                    break;
                }
            };
            if let Some(step) = step
                && !self.keys.step(&mut path, step)
            {
                understood = false;
                break;
            }
            next = node.next.as_deref();
        }
        if understood {
            self.keys.end(&path, scalar, self.lax, &mut conditions);
        }
        Condition::all(conditions)
    }

    /// The predicate is true, or with `not` false, of the value that `path` leads to.
    fn truth(&mut self, path: &K::Path, node: &Node, not: bool) -> Option<Condition> {
        if node.next.is_some() {
            return None;
        }
        match &node.kind {
            Kind::And(a, b) | Kind::Or(a, b) => {
                let left = self.truth(path, a, not);
                let right = self.truth(path, b, not);
                // Not both is one of them not.
                if matches!(node.kind, Kind::And(..)) != not {
                    Condition::all(left.into_iter().chain(right).collect())
                } else {
                    Some(Condition::Or(vec![left?, right?]))
                }
            }
            Kind::Not(a) => self.truth(path, a, !not),
            Kind::Exists(chain) if !not => self.found(path, chain, None),
            // What is unequal to nothing isn't equal to something: only the plain comparison tells.
            Kind::Compare(Comparison::Equal, a, b) if !not => match (scalar(a), scalar(b)) {
                (Some(s), None) => self.found(path, b, Some(&s)),
                (None, Some(s)) => self.found(path, a, Some(&s)),
                _ => None,
            },
            _ => None,
        }
    }
}
