//! The truth of predicates.

use super::compare::compare;
use super::exec::{Exec, Outcome, Truth};
use super::item::Item;
use super::*;
use quarry_common::{Error, Result};

impl<'a> Exec<'_, 'a> {
    /// The truth of a predicate.
    pub(super) fn truth(&mut self, node: &Node, item: &Item<'a>) -> Result<Truth> {
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
