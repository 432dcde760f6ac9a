//! `tsvector_ops`: the lexemes are the keys (PostgreSQL: `tsginidx.c`). Positions and weights aren't in the index.

use super::formula::{Formula, Step};
use super::{GinClass, GinEntryQuery, GinKeys, GinMode, GinQuery, unknown_strategy};
use crate::EvalContext;
use quarry_common::Result;
use quarry_types::Datum;
use quarry_types::textsearch::{Item, Op, Query, VectorRef};
use std::collections::HashMap;

pub struct TsvectorOps;

/// `@@` and its old name `@@@`.
const MATCH: std::ops::RangeInclusive<u16> = 1..=2;

/// What comes after every string with this beginning.
fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|b| *b != 0xff)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

/// For each item whether it stands below a phrase operator, where positions decide.
fn below_phrases(query: &Query<'_>) -> Vec<bool> {
    let mut below = vec![false; query.items.len()];
    for (i, item) in query.items.iter().enumerate() {
        let Item::Operator { op, .. } = item else { continue };
        if below[i] || *op == Op::Phrase {
            below[i + 1] = true;
            below[query.left_of(i)] = true;
        }
    }
    below
}

impl GinClass for TsvectorOps {
    fn extract_value(&self, value: &[u8], out: &mut GinKeys) -> Result<()> {
        VectorRef::new(value).iter().for_each(|l| out.push(l.text));
        Ok(())
    }

    fn extract_query(&self, _cx: &EvalContext<'_>, query: &Datum, strategy: u16) -> Result<GinQuery> {
        if !MATCH.contains(&strategy) {
            return unknown_strategy(strategy);
        }
        let query = Query::of(query);
        if query.is_empty() {
            return Ok(GinQuery::nothing());
        }
        let below = below_phrases(&query);
        let mut entries = Vec::new();
        let mut known: HashMap<(&str, bool), u32> = HashMap::new();
        let mut steps = Vec::new();
        // Whether a match must have a word of the subtree.
        let mut needs: Vec<bool> = Vec::new();
        // Prefix notation with the right operand first, read from its end, is postfix notation with the left one first.
        for (i, item) in query.items.iter().enumerate().rev() {
            match *item {
                Item::Word { text, weights, prefix } => {
                    let entry = *known.entry((text, prefix)).or_insert_with(|| {
                        let lower = text.as_bytes().to_vec();
                        entries.push(match prefix {
                            true => GinEntryQuery::Range { upper: after_prefix(&lower), lower },
                            false => GinEntryQuery::Key(lower),
                        });
                        entries.len() as u32 - 1
                    });
                    steps.push(Step::Entry(entry));
                    if weights != 0 || below[i] {
                        steps.push(Step::Blur);
                    }
                    needs.push(true);
                }
                Item::Operator { op: Op::Not, .. } => {
                    steps.push(if below[i] { Step::Unsure } else { Step::Not });
                    needs.pop();
                    needs.push(false);
                }
                Item::Operator { op, .. } => {
                    steps.push(if op == Op::Or { Step::Or } else { Step::And });
                    if op == Op::Phrase {
                        steps.push(Step::Blur);
                    }
                    let (a, b) = (needs.pop().unwrap_or(false), needs.pop().unwrap_or(false));
                    needs.push(if op == Op::Or { a && b } else { a || b });
                }
            }
        }
        let mode = if needs == [true] { GinMode::Default } else { GinMode::All };
        let formula = Formula::new(steps);
        let all = formula.conjunction();
        let query = GinQuery::new(entries, mode, move |known| formula.evaluate(known));
        Ok(GinQuery { all, ..query })
    }
}
