//! The SQL/JSON path language: `$.a[*] ? (@.b > 1)`.
//!
//! A stored jsonpath is its canonical text. [`compiled`] gives the tree of a text from the thread's cache; [`exec`] runs
//! one over a jsonb. `like_regex` asks the [`Environment`], since regular expressions live above this crate.
//! Follows PostgreSQL's `jsonpath_gram.y`, `jsonpath_scan.l`, `jsonpath.c`, `jsonpath_exec.c`.

mod compare;
mod datetime;
pub mod exec;
mod item;
mod methods;
mod object_id;
mod parse;
mod predicate;
mod print;
mod scan;

pub use exec::{Environment, NoRegex, exists, first, matches, query, query_array};
pub use parse::parse;

use crate::Datum;
use crate::numeric::Numeric;
use quarry_common::{Result, bail};
use std::cell::RefCell;
use std::rc::Rc;

/// A step of a path or an expression, and the steps applied to its result.
pub struct Node {
    pub kind: Kind,
    pub next: Option<Box<Node>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arith {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    Greater,
    LessOrEqual,
    GreaterOrEqual,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    Abs,
    Ceiling,
    Double,
    Floor,
    KeyValue,
    Size,
    Type,
}

impl Method {
    pub fn name(self) -> &'static str {
        match self {
            Method::Abs => "abs",
            Method::Ceiling => "ceiling",
            Method::Double => "double",
            Method::Floor => "floor",
            Method::KeyValue => "keyvalue",
            Method::Size => "size",
            Method::Type => "type",
        }
    }
}

/// Flags of `like_regex`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RegexFlags {
    /// i.
    pub ignore_case: bool,
    /// s: the dot matches line ends.
    pub dot_all: bool,
    /// m: anchors match at line ends.
    pub multi_line: bool,
    /// q: no special characters; s and m don't count then.
    pub quote: bool,
}

/// What a [`Node`] is.
pub enum Kind {
    Null,
    Bool(bool),
    Number(Numeric),
    String(String),
    Variable(String),
    Root,
    Current,
    Last,
    Key(String),
    AnyKey,
    AnyArray,
    /// Subscripts; a pair is a range.
    Index(Vec<(Node, Option<Node>)>),
    /// `**{first to last}`; `u32::MAX` is "last".
    Any(u32, u32),
    Filter(Box<Node>),
    Method(Method),
    Datetime(Option<String>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Not(Box<Node>),
    IsUnknown(Box<Node>),
    Exists(Box<Node>),
    Compare(Comparison, Box<Node>, Box<Node>),
    StartsWith(Box<Node>, Box<Node>),
    LikeRegex(Box<Node>, String, RegexFlags),
    Arith(Arith, Box<Node>, Box<Node>),
    Plus(Box<Node>),
    Minus(Box<Node>),
}

/// A parsed path.
pub struct JsonPath {
    pub lax: bool,
    pub root: Node,
}

impl Node {
    pub(super) fn new(kind: Kind) -> Node {
        Node { kind, next: None }
    }
    /// Whether this is a predicate: something that is true, false or unknown.
    pub(super) fn is_predicate(&self) -> bool {
        self.next.is_none()
            && matches!(
                self.kind,
                Kind::And(..)
                    | Kind::Or(..)
                    | Kind::Not(_)
                    | Kind::IsUnknown(_)
                    | Kind::Exists(_)
                    | Kind::Compare(..)
                    | Kind::StartsWith(..)
                    | Kind::LikeRegex(..)
            )
    }
}

/// Paths kept per thread.
const CACHED: usize = 16;

thread_local! {
    static CACHE: RefCell<Vec<(String, Rc<JsonPath>)>> = const { RefCell::new(Vec::new()) };
}

/// The tree of a path's text, from the thread's cache.
pub fn compiled(text: &str) -> Result<Rc<JsonPath>> {
    let hit = CACHE.with_borrow(|cache| cache.iter().find(|(t, _)| t == text).map(|(_, p)| p.clone()));
    if let Some(path) = hit {
        return Ok(path);
    }
    let path = Rc::new(parse(text)?);
    CACHE.with_borrow_mut(|cache| {
        if cache.len() == CACHED {
            cache.remove(0);
        }
        cache.push((text.to_string(), path.clone()));
    });
    Ok(path)
}

/// The version that starts jsonpath's binary wire form.
const WIRE_VERSION: u8 = 1;

/// Text to jsonpath: kept in canonical form.
pub fn jsonpath_in(text: &str) -> Result<Datum> {
    Ok(Datum::text(&parse(text)?.to_string()))
}
pub fn jsonpath_out(value: &Datum, out: &mut Vec<u8>) {
    out.extend_from_slice(value.as_bytes());
}
pub fn jsonpath_recv(bytes: &[u8]) -> Result<Datum> {
    match bytes.split_first() {
        Some((&WIRE_VERSION, text)) => jsonpath_in(crate::wire::check_text(text)?),
        Some((version, _)) => bail!(INTERNAL_ERROR, "unsupported jsonpath version number: {version}"),
        None => bail!(PROTOCOL_VIOLATION, "no data left in message"),
    }
}
pub fn jsonpath_send(value: &Datum, out: &mut Vec<u8>) {
    out.push(WIRE_VERSION);
    jsonpath_out(value, out);
}
