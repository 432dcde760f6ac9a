//! Runs a path over a jsonb.
//!
//! Every step takes an item and hands its results to the next step. Without a list for results (`exists`) the first
//! result ends the walk. Errors are either thrown or, where they are to be suppressed, end the walk as
//! [`Outcome::Error`]; in lax mode structural errors don't arise: arrays unwrap and single items count as arrays.

use super::compare::compare;
use super::datetime;
use super::item::Item;
use super::*;
use crate::datetime::TimeZone;
use crate::json::jsonb::{Container, JsonbBuilder, Value};
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
enum Outcome {
    Ok,
    NotFound,
    Error,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Truth {
    True,
    False,
    Unknown,
}

impl Truth {
    fn of(v: Option<bool>) -> Truth {
        match v {
            Some(true) => Truth::True,
            Some(false) => Truth::False,
            None => Truth::Unknown,
        }
    }
}

/// Results are put here; none: only whether there is one matters.
type Found<'f, 'a> = Option<&'f mut Vec<Item<'a>>>;

struct Exec<'p, 'a> {
    root: Item<'a>,
    current: Item<'a>,
    vars: Option<Value<'a>>,
    lax: bool,
    ignore_structural: bool,
    throw: bool,
    /// Size of the innermost array that is being subscripted.
    array_size: Option<usize>,
    /// Ids of the document's objects by address, made when first asked for.
    ids: Option<HashMap<usize, i64>>,
    env: &'p dyn Environment,
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

fn arith_name(op: Arith) -> &'static str {
    match op {
        Arith::Add => "+",
        Arith::Sub => "-",
        Arith::Mul => "*",
        Arith::Div => "/",
        Arith::Mod => "%",
    }
}

impl<'a> Exec<'_, 'a> {
    /// Throws an error or, where errors are suppressed, ends the walk.
    fn fail(&self, state: SqlState, message: impl FnOnce() -> String) -> Result<Outcome> {
        if self.throw { Err(Error::new(state, message())) } else { Ok(Outcome::Error) }
    }
    /// A structural error: none in lax mode.
    fn structural(&self, state: SqlState, message: impl FnOnce() -> String) -> Result<Outcome> {
        if self.ignore_structural { Ok(Outcome::NotFound) } else { self.fail(state, message) }
    }

    fn item(&mut self, node: &Node, item: &Item<'a>, found: Found<'_, 'a>) -> Result<Outcome> {
        self.step(node, item, found, self.lax)
    }

    /// Hands a result to the next step, or puts it with the results.
    fn next(&mut self, node: &Node, item: Item<'a>, found: Found<'_, 'a>) -> Result<Outcome> {
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
    fn unwrap_target(&mut self, node: &Node, item: &Item<'a>, found: Found<'_, 'a>) -> Result<Outcome> {
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

    fn variable(&self, name: &str) -> Result<Item<'a>> {
        if let Some(Value::Object(c)) = self.vars
            && let Some(v) = c.get(name)
        {
            return Ok(Item::Part(v));
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
    fn sequence(&mut self, node: &Node, item: &Item<'a>, unwrap: bool) -> Result<Option<Vec<Item<'a>>>> {
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
    fn sequence_quiet(
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

    fn arithmetic(
        &mut self,
        node: &Node,
        op: Arith,
        a: &Node,
        b: &Node,
        item: &Item<'a>,
        found: Found<'_, 'a>,
    ) -> Result<Outcome> {
        let Some(left) = self.sequence(a, item, true)? else { return Ok(Outcome::Error) };
        let Some(right) = self.sequence(b, item, true)? else { return Ok(Outcome::Error) };
        let single = |list: &[Item<'a>]| match list {
            [one] => one.as_number(),
            _ => None,
        };
        let not_single = |side: &str| {
            format!("{side} operand of jsonpath operator {} is not a single numeric value", arith_name(op))
        };
        let Some(x) = single(&left) else {
            return self.fail(SqlState::SINGLETON_SQL_JSON_ITEM_REQUIRED, || not_single("left"));
        };
        let Some(y) = single(&right) else {
            return self.fail(SqlState::SINGLETON_SQL_JSON_ITEM_REQUIRED, || not_single("right"));
        };
        let (x, y) = (x.view(), y.view());
        let result = match op {
            Arith::Add => x.add(y),
            Arith::Sub => x.sub(y),
            Arith::Mul => x.mul(y),
            Arith::Div => x.div(y),
            Arith::Mod => x.rem(y),
        };
        match result {
            Ok(v) => self.next(node, Item::number(&v)?, found),
            Err(e) if self.throw => Err(e),
            Err(_) => Ok(Outcome::Error),
        }
    }

    fn sign(
        &mut self,
        node: &Node,
        operand: &Node,
        minus: bool,
        item: &Item<'a>,
        mut found: Found<'_, 'a>,
    ) -> Result<Outcome> {
        let Some(list) = self.sequence(operand, item, true)? else { return Ok(Outcome::Error) };
        let mut outcome = Outcome::NotFound;
        for v in list {
            let only_whether = found.is_none() && node.next.is_none();
            let Some(n) = v.as_number() else {
                if only_whether {
                    continue;
                }
                return self.fail(SqlState::SQL_JSON_NUMBER_NOT_FOUND, || {
                    let op = if minus { "-" } else { "+" };
                    format!("operand of unary jsonpath operator {op} is not a numeric value")
                });
            };
            if only_whether {
                return Ok(Outcome::Ok);
            }
            let n = if minus { n.view().neg() } else { n };
            match self.next(node, Item::number(&n)?, found.as_deref_mut())? {
                Outcome::Error => return Ok(Outcome::Error),
                Outcome::Ok => {
                    if found.is_none() {
                        return Ok(Outcome::Ok);
                    }
                    outcome = Outcome::Ok;
                }
                Outcome::NotFound => {}
            }
        }
        Ok(outcome)
    }

    fn method(
        &mut self,
        node: &Node,
        m: Method,
        item: &Item<'a>,
        found: Found<'_, 'a>,
        unwrappable: bool,
    ) -> Result<Outcome> {
        let result = match m {
            Method::Type => Item::string(item.type_name())?,
            Method::Size => {
                let size = match item.array_len() {
                    Some(n) => n,
                    None if self.lax => 1,
                    None => {
                        return self.structural(SqlState::SQL_JSON_ARRAY_NOT_FOUND, || {
                            "jsonpath item method .size() can only be applied to an array".into()
                        });
                    }
                };
                Item::number(&Numeric::from_i64(size as i64))?
            }
            _ if unwrappable => return self.unwrap_target(node, item, found),
            Method::Abs | Method::Floor | Method::Ceiling => {
                let Some(n) = item.as_number() else {
                    return self.fail(SqlState::NON_NUMERIC_SQL_JSON_ITEM, || {
                        format!("jsonpath item method .{}() can only be applied to a numeric value", m.name())
                    });
                };
                let n = n.view();
                let r = match m {
                    Method::Abs => n.abs(),
                    Method::Floor => n.floor()?,
                    _ => n.ceil()?,
                };
                Item::number(&r)?
            }
            Method::Double => match self.double(item)? {
                Some(v) => v,
                None => return Ok(Outcome::Error),
            },
            Method::KeyValue => return self.key_value(node, item, found),
        };
        self.next(node, result, found)
    }

    /// `.double()`; none: a suppressed error.
    fn double(&mut self, item: &Item<'a>) -> Result<Option<Item<'a>>> {
        let state = SqlState::NON_NUMERIC_SQL_JSON_ITEM;
        let fail = |s: &str| -> Result<Option<Item<'a>>> { self.fail(state, || s.to_string()).map(|_| None) };
        match item.value() {
            Some(Value::Number(n)) => match n.to_f64() {
                Ok(_) => Ok(Some(item.clone())),
                Err(_) => fail(
                    "numeric argument of jsonpath item method .double() is out of range for type double precision",
                ),
            },
            Some(Value::String(s)) => {
                let invalid = "string argument of jsonpath item method .double() is not a valid representation of a \
                               double precision number";
                match crate::floats::parse_f64(s) {
                    Ok(v) if v.is_finite() => Ok(Some(Item::number(&Numeric::from_f64(v)?)?)),
                    _ => fail(invalid),
                }
            }
            _ => fail("jsonpath item method .double() can only be applied to a string or numeric value"),
        }
    }

    /// `.keyvalue()`: an object of key, value and the object's id per pair.
    fn key_value(&mut self, node: &Node, item: &Item<'a>, mut found: Found<'_, 'a>) -> Result<Outcome> {
        let Some(Value::Object(c)) = item.value() else {
            return self.fail(SqlState::SQL_JSON_OBJECT_NOT_FOUND, || {
                "jsonpath item method .keyvalue() can only be applied to an object".into()
            });
        };
        let id = self.object_id(c);
        let mut outcome = Outcome::NotFound;
        for (key, value) in c.pairs() {
            if node.next.is_none() && found.is_none() {
                return Ok(Outcome::Ok);
            }
            let mut b = JsonbBuilder::new();
            b.begin_object()?;
            b.key("key")?;
            b.string(key)?;
            b.key("value")?;
            b.push(value)?;
            b.key("id")?;
            b.i64(id)?;
            b.end()?;
            outcome = self.next(node, Item::Made(Rc::new(b.finish()?)), found.as_deref_mut())?;
            if outcome == Outcome::Error || (outcome == Outcome::Ok && found.is_none()) {
                break;
            }
        }
        Ok(outcome)
    }

    /// The id `.keyvalue()` gives an object: its position in the document; 0 if it is no part of it.
    fn object_id(&mut self, c: Container<'_>) -> i64 {
        let ids = self.ids.get_or_insert_with(|| match self.root.value() {
            Some(Value::Array(root) | Value::Object(root)) => super::object_id::positions(root),
            _ => HashMap::new(),
        });
        ids.get(&c.as_bytes().as_ptr().addr()).copied().unwrap_or(0)
    }

    /// The truth of a predicate.
    fn truth(&mut self, node: &Node, item: &Item<'a>) -> Result<Truth> {
        Ok(match &node.kind {
            Kind::And(a, b) => {
                let x = self.truth(a, item)?;
                if x == Truth::False {
                    return Ok(x);
                }
                match self.truth(b, item)? {
                    Truth::True => x,
                    other => other,
                }
            }
            Kind::Or(a, b) => {
                let x = self.truth(a, item)?;
                if x == Truth::True {
                    return Ok(x);
                }
                match self.truth(b, item)? {
                    Truth::False => x,
                    other => other,
                }
            }
            Kind::Not(a) => match self.truth(a, item)? {
                Truth::True => Truth::False,
                Truth::False => Truth::True,
                Truth::Unknown => Truth::Unknown,
            },
            Kind::IsUnknown(a) => {
                if self.truth(a, item)? == Truth::Unknown {
                    Truth::True
                } else {
                    Truth::False
                }
            }
            Kind::Exists(a) if self.lax => {
                let saved = std::mem::replace(&mut self.throw, false);
                let outcome = self.item(a, item, None);
                self.throw = saved;
                match outcome? {
                    Outcome::Ok => Truth::True,
                    Outcome::NotFound => Truth::False,
                    Outcome::Error => Truth::Unknown,
                }
            }
            Kind::Exists(a) => match self.sequence_quiet(a, item, false)? {
                None => Truth::Unknown,
                Some(list) if list.is_empty() => Truth::False,
                Some(_) => Truth::True,
            },
            Kind::Compare(op, a, b) => {
                let Some(left) = self.sequence_quiet(a, item, true)? else { return Ok(Truth::Unknown) };
                let Some(right) = self.sequence_quiet(b, item, true)? else { return Ok(Truth::Unknown) };
                self.pairs(&left, Some(&right), |exec, x, y| {
                    let y = y.expect("a comparison has two sides");
                    compare(*op, x, y, exec.env.time_zone(), exec.env.now_us()).map(Truth::of)
                })?
            }
            Kind::StartsWith(a, b) => {
                let Some(left) = self.sequence_quiet(a, item, true)? else { return Ok(Truth::Unknown) };
                let Some(right) = self.sequence_quiet(b, item, false)? else { return Ok(Truth::Unknown) };
                self.pairs(&left, Some(&right), |_, x, y| {
                    let y = y.and_then(Item::as_string);
                    Ok(Truth::of(x.as_string().zip(y).map(|(x, y)| x.starts_with(y))))
                })?
            }
            Kind::LikeRegex(a, pattern, flags) => {
                let Some(list) = self.sequence_quiet(a, item, true)? else { return Ok(Truth::Unknown) };
                self.pairs(&list, None, |exec, x, _| match x.as_string() {
                    Some(s) => exec.env.like_regex(pattern, *flags, s).map(|m| Truth::of(Some(m))),
                    None => Ok(Truth::Unknown),
                })?
            }
            _ => return Err(Error::internal("a jsonpath item that is no predicate was asked for its truth")),
        })
    }

    /// Whether a predicate holds for some pair. In strict mode all pairs must be free of errors.
    fn pairs(
        &self,
        left: &[Item<'a>],
        right: Option<&[Item<'a>]>,
        test: impl Fn(&Self, &Item<'a>, Option<&Item<'a>>) -> Result<Truth>,
    ) -> Result<Truth> {
        let (mut holds, mut unknown) = (false, false);
        for x in left {
            let mut one = |y: Option<&Item<'a>>| -> Result<Option<Truth>> {
                match test(self, x, y)? {
                    Truth::Unknown if !self.lax => return Ok(Some(Truth::Unknown)),
                    Truth::Unknown => unknown = true,
                    Truth::True if self.lax => return Ok(Some(Truth::True)),
                    Truth::True => holds = true,
                    Truth::False => {}
                }
                Ok(None)
            };
            match right {
                None => {
                    if let Some(t) = one(None)? {
                        return Ok(t);
                    }
                }
                Some(list) => {
                    for y in list {
                        if let Some(t) = one(Some(y))? {
                            return Ok(t);
                        }
                    }
                }
            }
        }
        Ok(if holds {
            Truth::True
        } else if unknown {
            Truth::Unknown
        } else {
            Truth::False
        })
    }
}
