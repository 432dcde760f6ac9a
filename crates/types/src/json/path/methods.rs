//! Arithmetic and item methods.

use super::exec::{Exec, Found, Outcome};
use super::item::Item;
use super::*;
use crate::json::jsonb::{Container, JsonbBuilder, Value};
use quarry_common::{Result, SqlState};
use std::collections::HashMap;

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
    pub(super) fn arithmetic(
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

    pub(super) fn sign(
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

    pub(super) fn method(
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
}
