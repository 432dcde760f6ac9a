//! Runs a path over a jsonb.
//!
//! Every step takes an item and hands its results to the next step. Without a list for results (`exists`) the first
//! result ends the walk. Errors are either thrown or, where they are to be suppressed, end the walk as
//! [`Outcome::Error`]; in lax mode structural errors don't arise: arrays unwrap and single items count as arrays.

use super::datetime;
use super::item::Item;
use super::*;
use crate::datetime::TimeZone;
use crate::json::jsonb::{JsonbBuilder, Value};
use quarry_common::{Error, Result, SqlState, err};
use std::collections::HashMap;

/// What a path may ask of its surroundings.
pub trait Environment {
    /// Whether `text` matches a `like_regex` pattern (PostgreSQL's advanced syntax, adapted by `flags`).
    fn like_regex(&self, pattern: &str, flags: RegexFlags, text: &str) -> Result<bool>;
    /// The session's zone where the function may use it (`*_tz`).
    fn time_zone(&self) -> Option<&TimeZone> {
        None
    }
    /// Start of the transaction, microseconds since 2000-01-01 UTC.
    fn now_us(&self) -> i64 {
        0
    }
}

/// An [`Environment`] without regular expressions.
pub struct NoRegex;

impl Environment for NoRegex {
    fn like_regex(&self, _: &str, _: RegexFlags, _: &str) -> Result<bool> {
        Err(Error::unsupported("like_regex"))
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    Ok,
    NotFound,
    Error,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Truth {
    True,
    False,
    Unknown,
}

impl Truth {
    pub(super) fn of(v: Option<bool>) -> Truth {
        match v {
            Some(true) => Truth::True,
            Some(false) => Truth::False,
            None => Truth::Unknown,
        }
    }
}

/// Results are put here; none: only whether there is one matters.
pub(super) type Found<'f, 'a> = Option<&'f mut Vec<Item<'a>>>;

pub(super) struct Exec<'p, 'a> {
    pub(super) root: Item<'a>,
    pub(super) current: Item<'a>,
    pub(super) vars: Option<Value<'a>>,
    pub(super) lax: bool,
    pub(super) ignore_structural: bool,
    pub(super) throw: bool,
    /// Size of the innermost array that is being subscripted.
    pub(super) array_size: Option<usize>,
    /// Ids of the document's objects by address, made when first asked for.
    pub(super) ids: Option<HashMap<usize, i64>>,
    pub(super) env: &'p dyn Environment,
}

fn start<'p, 'a>(
    path: &JsonPath,
    stored: &'a [u8],
    vars: Option<&'a [u8]>,
    silent: bool,
    env: &'p dyn Environment,
) -> Result<Exec<'p, 'a>> {
    let vars = match vars.map(Value::root) {
        Some(v @ Value::Object(_)) => Some(v),
        None => None,
        Some(_) => {
            return Err(err!(INVALID_PARAMETER_VALUE, "\"vars\" argument is not an object")
                .detail("Jsonpath parameters should be encoded as key-value pairs of \"vars\" object."));
        }
    };
    let root = Item::Part(Value::root(stored));
    Ok(Exec {
        current: root.clone(),
        root,
        vars,
        lax: path.lax,
        ignore_structural: path.lax,
        throw: !silent,
        array_size: None,
        ids: None,
        env,
    })
}

/// All results; those before a suppressed error too.
fn run<'a>(
    path: &JsonPath,
    stored: &'a [u8],
    vars: Option<&'a [u8]>,
    silent: bool,
    env: &dyn Environment,
) -> Result<(Outcome, Vec<Item<'a>>)> {
    let mut exec = start(path, stored, vars, silent, env)?;
    let mut found = Vec::new();
    let root = exec.root.clone();
    let outcome = exec.item(&path.root, &root, Some(&mut found))?;
    Ok((outcome, found))
}

/// `jsonb_path_exists`; none: NULL, a suppressed error. Also `@?` (silent).
pub fn exists(
    path: &JsonPath,
    stored: &[u8],
    vars: Option<&[u8]>,
    silent: bool,
    env: &dyn Environment,
) -> Result<Option<bool>> {
    if !path.lax {
        // All of it must be free of errors.
        let (outcome, found) = run(path, stored, vars, silent, env)?;
        return Ok((outcome != Outcome::Error).then_some(!found.is_empty()));
    }
    let mut exec = start(path, stored, vars, silent, env)?;
    let root = exec.root.clone();
    Ok(match exec.item(&path.root, &root, None)? {
        Outcome::Error => None,
        outcome => Some(outcome == Outcome::Ok),
    })
}

/// `jsonb_path_match`; none: NULL. Also `@@` (silent).
pub fn matches(
    path: &JsonPath,
    stored: &[u8],
    vars: Option<&[u8]>,
    silent: bool,
    env: &dyn Environment,
) -> Result<Option<bool>> {
    let (_, found) = run(path, stored, vars, silent, env)?;
    if let [one] = &found[..] {
        match one.value() {
            Some(Value::Bool(b)) => return Ok(Some(b)),
            Some(Value::Null) => return Ok(None),
            _ => {}
        }
    }
    if silent {
        return Ok(None);
    }
    Err(err!(SINGLETON_SQL_JSON_ITEM_REQUIRED, "single boolean result is expected"))
}

/// `jsonb_path_query`: the results as stored jsonb.
pub fn query(
    path: &JsonPath,
    stored: &[u8],
    vars: Option<&[u8]>,
    silent: bool,
    env: &dyn Environment,
) -> Result<Vec<Vec<u8>>> {
    let (_, found) = run(path, stored, vars, silent, env)?;
    found.into_iter().map(Item::into_jsonb).collect()
}

/// `jsonb_path_query_array`.
pub fn query_array(
    path: &JsonPath,
    stored: &[u8],
    vars: Option<&[u8]>,
    silent: bool,
    env: &dyn Environment,
) -> Result<Vec<u8>> {
    let mut b = JsonbBuilder::new();
    b.begin_array()?;
    for v in query(path, stored, vars, silent, env)? {
        b.push_jsonb(&v)?;
    }
    b.end()?;
    b.finish()
}

/// `jsonb_path_query_first`; none: NULL.
pub fn first(
    path: &JsonPath,
    stored: &[u8],
    vars: Option<&[u8]>,
    silent: bool,
    env: &dyn Environment,
) -> Result<Option<Vec<u8>>> {
    let (_, found) = run(path, stored, vars, silent, env)?;
    found.into_iter().next().map(Item::into_jsonb).transpose()
}

impl<'a> Exec<'_, 'a> {
    /// Throws an error or, where errors are suppressed, ends the walk.
    pub(super) fn fail(&self, state: SqlState, message: impl FnOnce() -> String) -> Result<Outcome> {
        if self.throw { Err(Error::new(state, message())) } else { Ok(Outcome::Error) }
    }
    /// A structural error: none in lax mode.
    pub(super) fn structural(&self, state: SqlState, message: impl FnOnce() -> String) -> Result<Outcome> {
        if self.ignore_structural { Ok(Outcome::NotFound) } else { self.fail(state, message) }
    }

    pub(super) fn item(&mut self, node: &Node, item: &Item<'a>, found: Found<'_, 'a>) -> Result<Outcome> {
        self.step(node, item, found, self.lax)
    }

    /// Hands a result to the next step, or puts it with the results.
    pub(super) fn next(&mut self, node: &Node, item: Item<'a>, found: Found<'_, 'a>) -> Result<Outcome> {
        match (&node.next, found) {
            (Some(next), found) => self.item(next, &item, found),
            (None, Some(list)) => {
                list.push(item);
                Ok(Outcome::Ok)
            }
            (None, None) => Ok(Outcome::Ok),
        }
    }

    /// Applies `node` to each element of an array.
    pub(super) fn unwrap_target(
        &mut self,
        node: &Node,
        item: &Item<'a>,
        found: Found<'_, 'a>,
    ) -> Result<Outcome> {
        self.any(Some(node), item, found, (1, 1, 1), false, false)
    }

    fn step(
        &mut self,
        node: &Node,
        item: &Item<'a>,
        mut found: Found<'_, 'a>,
        unwrap: bool,
    ) -> Result<Outcome> {
        let unwrappable = unwrap && item.is_array();
        match &node.kind {
            Kind::And(..)
            | Kind::Or(..)
            | Kind::Not(_)
            | Kind::IsUnknown(_)
            | Kind::Exists(_)
            | Kind::Compare(..)
            | Kind::StartsWith(..)
            | Kind::LikeRegex(..) => {
                let truth = self.truth(node, item)?;
                if node.next.is_none() && found.is_none() {
                    return Ok(Outcome::Ok);
                }
                let result = match truth {
                    Truth::Unknown => Item::Part(Value::Null),
                    t => Item::bool(t == Truth::True),
                };
                self.next(node, result, found)
            }
            Kind::Key(key) => {
                if matches!(item.value(), Some(Value::Object(_))) {
                    return match item.member(key)? {
                        Some(v) => self.next(node, v, found),
                        None => self.structural(SqlState::SQL_JSON_MEMBER_NOT_FOUND, || {
                            format!("JSON object does not contain key \"{key}\"")
                        }),
                    };
                }
                if unwrappable {
                    return self.unwrap_target(node, item, found);
                }
                self.structural(SqlState::SQL_JSON_MEMBER_NOT_FOUND, || {
                    "jsonpath member accessor can only be applied to an object".into()
                })
            }
            Kind::Root => {
                let root = self.root.clone();
                self.next(node, root, found)
            }
            Kind::Current => {
                let current = self.current.clone();
                self.next(node, current, found)
            }
            Kind::AnyArray => {
                if item.is_array() {
                    return self.any(node.next.as_deref(), item, found, (1, 1, 1), false, self.lax);
                }
                if self.lax {
                    return self.next(node, item.clone(), found);
                }
                self.structural(SqlState::SQL_JSON_ARRAY_NOT_FOUND, || {
                    "jsonpath wildcard array accessor can only be applied to an array".into()
                })
            }
            Kind::Index(list) => self.subscripts(node, list, item, found),
            Kind::Last => {
                let size = self
                    .array_size
                    .ok_or_else(|| Error::internal("evaluating jsonpath LAST outside of array subscript"))?;
                let last = Numeric::from_i64(size as i64 - 1);
                self.next(node, Item::number(&last)?, found)
            }
            Kind::AnyKey => {
                if matches!(item.value(), Some(Value::Object(_))) {
                    return self.any(node.next.as_deref(), item, found, (1, 1, 1), false, self.lax);
                }
                if unwrappable {
                    return self.unwrap_target(node, item, found);
                }
                self.structural(SqlState::SQL_JSON_OBJECT_NOT_FOUND, || {
                    "jsonpath wildcard member accessor can only be applied to an object".into()
                })
            }
            Kind::Any(first, last) => {
                let mut outcome = Outcome::NotFound;
                if *first == 0 {
                    let saved = std::mem::replace(&mut self.ignore_structural, true);
                    let r = self.next(node, item.clone(), found.as_deref_mut());
                    self.ignore_structural = saved;
                    outcome = r?;
                    if outcome == Outcome::Error || (outcome == Outcome::Ok && found.is_none()) {
                        return Ok(outcome);
                    }
                }
                match item.value() {
                    Some(Value::Array(_) | Value::Object(_)) => {
                        self.any(node.next.as_deref(), item, found, (1, *first, *last), true, self.lax)
                    }
                    _ => Ok(outcome),
                }
            }
            Kind::Filter(condition) => {
                if unwrappable {
                    return self.unwrap_target(node, item, found);
                }
                let saved = std::mem::replace(&mut self.current, item.clone());
                let truth = self.truth(condition, item);
                self.current = saved;
                if truth? == Truth::True {
                    self.next(node, item.clone(), found)
                } else {
                    Ok(Outcome::NotFound)
                }
            }
            Kind::Null => self.next(node, Item::Part(Value::Null), found),
            Kind::Bool(b) => self.next(node, Item::bool(*b), found),
            Kind::Number(n) => self.next(node, Item::number(n)?, found),
            Kind::String(s) => self.next(node, Item::string(s)?, found),
            Kind::Variable(name) => {
                let v = self.variable(name)?;
                self.next(node, v, found)
            }
            Kind::Arith(op, a, b) => self.arithmetic(node, *op, a, b, item, found),
            Kind::Plus(a) => self.sign(node, a, false, item, found),
            Kind::Minus(a) => self.sign(node, a, true, item, found),
            Kind::Method(m) => self.method(node, *m, item, found, unwrappable),
            Kind::Datetime(template) => {
                if unwrappable {
                    return self.unwrap_target(node, item, found);
                }
                let Some(text) = item.as_string() else {
                    return self.fail(SqlState::INVALID_ARGUMENT_FOR_SQL_JSON_DATETIME_FUNCTION, || {
                        "jsonpath item method .datetime() can only be applied to a string".into()
                    });
                };
                if let Some(t) = template {
                    datetime::check_template(t)?;
                }
                match datetime::read(text, template.as_deref()) {
                    Ok(m) => self.next(node, Item::Moment(m), found),
                    Err(e) if self.throw => Err(e),
                    Err(_) => Ok(Outcome::Error),
                }
            }
        }
    }

    /// Without any variables (`@?`, `@@`) each of them is null.
    fn variable(&self, name: &str) -> Result<Item<'a>> {
        match self.vars {
            None => return Ok(Item::Part(Value::Null)),
            Some(Value::Object(c)) => {
                if let Some(v) = c.get(name) {
                    return Ok(Item::Part(v));
                }
            }
            Some(_) => {}
        }
        Err(err!(UNDEFINED_OBJECT, "could not find jsonpath variable \"{name}\""))
    }

    /// Walks the children of a container, `levels` = (this level, first and last level wanted).
    fn any(
        &mut self,
        next: Option<&Node>,
        item: &Item<'a>,
        mut found: Found<'_, 'a>,
        levels: (u32, u32, u32),
        ignore_structural: bool,
        unwrap_next: bool,
    ) -> Result<Outcome> {
        let (level, first, last) = levels;
        let mut outcome = Outcome::NotFound;
        if level > last {
            return Ok(outcome);
        }
        for child in item.children()? {
            let is_container = matches!(child.value(), Some(Value::Array(_) | Value::Object(_)));
            if level >= first || (first == u32::MAX && last == u32::MAX && !is_container) {
                match (next, found.as_deref_mut()) {
                    (Some(next), list) => {
                        let stop_at_one = list.is_none();
                        let saved = self.ignore_structural;
                        self.ignore_structural |= ignore_structural;
                        let r = self.step(next, &child, list, unwrap_next);
                        self.ignore_structural = saved;
                        outcome = r?;
                        if outcome == Outcome::Error || (outcome == Outcome::Ok && stop_at_one) {
                            break;
                        }
                    }
                    (None, Some(list)) => {
                        list.push(child.clone());
                        outcome = Outcome::Ok;
                    }
                    (None, None) => return Ok(Outcome::Ok),
                }
            }
            if level < last && is_container {
                outcome = self.any(
                    next,
                    &child,
                    found.as_deref_mut(),
                    (level + 1, first, last),
                    ignore_structural,
                    unwrap_next,
                )?;
                if outcome == Outcome::Error || (outcome == Outcome::Ok && found.is_none()) {
                    break;
                }
            }
        }
        Ok(outcome)
    }

    fn subscripts(
        &mut self,
        node: &Node,
        list: &[(Node, Option<Node>)],
        item: &Item<'a>,
        mut found: Found<'_, 'a>,
    ) -> Result<Outcome> {
        let array = item.array_len();
        if array.is_none() && !self.lax {
            return self.structural(SqlState::SQL_JSON_ARRAY_NOT_FOUND, || {
                "jsonpath array accessor can only be applied to an array".into()
            });
        }
        let size = array.unwrap_or(1);
        let saved = self.array_size.replace(size);
        let outcome = (|| {
            let mut outcome = Outcome::NotFound;
            for (from, to) in list {
                let Some(low) = self.index(from, item)? else { return Ok(Outcome::Error) };
                let high = match to {
                    Some(to) => match self.index(to, item)? {
                        Some(high) => high,
                        None => return Ok(Outcome::Error),
                    },
                    None => low,
                };
                if !self.ignore_structural && (low < 0 || low > high || i64::from(high) >= size as i64) {
                    return self.fail(SqlState::INVALID_SQL_JSON_SUBSCRIPT, || {
                        "jsonpath array subscript is out of bounds".into()
                    });
                }
                outcome = Outcome::NotFound;
                let high = i64::from(high).min(size as i64 - 1);
                for i in i64::from(low.max(0))..=high {
                    let v = match array {
                        None => item.clone(),
                        Some(_) => match item.element(i as usize)? {
                            Some(v) => v,
                            None => continue,
                        },
                    };
                    if node.next.is_none() && found.is_none() {
                        return Ok(Outcome::Ok);
                    }
                    outcome = self.next(node, v, found.as_deref_mut())?;
                    if outcome == Outcome::Error || (outcome == Outcome::Ok && found.is_none()) {
                        return Ok(outcome);
                    }
                }
            }
            Ok(outcome)
        })();
        self.array_size = saved;
        outcome
    }

    /// A subscript's value; none: a suppressed error.
    fn index(&mut self, node: &Node, item: &Item<'a>) -> Result<Option<i32>> {
        let mut found = Vec::new();
        if self.item(node, item, Some(&mut found))? == Outcome::Error {
            return Ok(None);
        }
        let number = match &found[..] {
            [one] => one.as_number(),
            _ => None,
        };
        let Some(number) = number else {
            self.fail(SqlState::INVALID_SQL_JSON_SUBSCRIPT, || {
                "jsonpath array subscript is not a single numeric value".into()
            })?;
            return Ok(None);
        };
        match number.view().trunc(0).and_then(|n| n.to_i32()) {
            Ok(i) => Ok(Some(i)),
            Err(_) => {
                self.fail(SqlState::INVALID_SQL_JSON_SUBSCRIPT, || {
                    "jsonpath array subscript is out of integer range".into()
                })?;
                Ok(None)
            }
        }
    }

    /// The results of `node`, arrays among them unwrapped in lax mode if `unwrap`; none: a suppressed error.
    pub(super) fn sequence(
        &mut self,
        node: &Node,
        item: &Item<'a>,
        unwrap: bool,
    ) -> Result<Option<Vec<Item<'a>>>> {
        let mut found = Vec::new();
        if self.item(node, item, Some(&mut found))? == Outcome::Error {
            return Ok(None);
        }
        if !unwrap || !self.lax || !found.iter().any(Item::is_array) {
            return Ok(Some(found));
        }
        let mut out = Vec::with_capacity(found.len());
        for v in found {
            if v.is_array() {
                out.extend(v.children()?);
            } else {
                out.push(v);
            }
        }
        Ok(Some(out))
    }

    /// [`Exec::sequence`] with errors suppressed.
    pub(super) fn sequence_quiet(
        &mut self,
        node: &Node,
        item: &Item<'a>,
        unwrap: bool,
    ) -> Result<Option<Vec<Item<'a>>>> {
        let saved = std::mem::replace(&mut self.throw, false);
        let r = self.sequence(node, item, unwrap);
        self.throw = saved;
        r
    }
}
