//! `gin_trgm_ops`: the trigrams of a text are its keys (PostgreSQL: `contrib/pg_trgm/trgm_gin.c`). What is found is always looked at again.

use super::formula::Condition;
use super::{GinClass, GinEntryQuery, GinKeys, GinMode, GinQuery, unknown_strategy};
use crate::EvalContext;
use crate::scalar::regex::{self, Flags};
use crate::scalar::trigram::{SIMILARITY, STRICT_WORD_SIMILARITY, WORD_SIMILARITY, threshold};
use crate::trigram::pattern::{Needs, of_like};
use crate::trigram::{Trigram, distinct, each};
use quarry_common::{Result, Ternary};
use quarry_types::Datum;

pub struct TrigramOps;

const SIMILAR: u16 = 1;
const LIKE: u16 = 3;
const ILIKE: u16 = 4;
const REGEX: u16 = 5;
const REGEX_ICASE: u16 = 6;
const WORD_SIMILAR: u16 = 7;
const STRICT_WORD_SIMILAR: u16 = 9;
const EQUAL: u16 = 11;

fn entries(trigrams: &[Trigram]) -> Vec<GinEntryQuery> {
    trigrams.iter().map(|t| GinEntryQuery::Key(t.to_vec())).collect()
}

/// Matches have all of these.
fn with_all(trigrams: &[Trigram]) -> GinQuery {
    if trigrams.is_empty() { GinQuery::everything() } else { GinQuery::all_of(entries(trigrams)) }
}

/// The similarity can't be greater than the share of the wanted trigrams that are there.
fn similar(trigrams: &[Trigram], least: f64) -> GinQuery {
    if trigrams.is_empty() {
        return GinQuery::everything();
    }
    let consistent = move |known: &[Ternary]| {
        let there = known.iter().filter(|k| **k != Ternary::False).count();
        let most = there as f32 / known.len() as f32;
        if f64::from(most) >= least { Ternary::Maybe } else { Ternary::False }
    };
    // With a limit of 0 texts match that have none of them.
    let mode = if least > 0.0 { GinMode::Default } else { GinMode::All };
    GinQuery::new(entries(trigrams), mode, consistent)
}

fn condition(needs: &Needs, known: &mut Vec<Trigram>) -> Condition {
    match needs {
        Needs::Trigram(t) => {
            let at = known.iter().position(|k| k == t).unwrap_or_else(|| {
                known.push(*t);
                known.len() - 1
            });
            Condition::Entry(at as u32)
        }
        Needs::All(parts) => Condition::And(parts.iter().map(|p| condition(p, known)).collect()),
        Needs::Any(parts) => Condition::Or(parts.iter().map(|p| condition(p, known)).collect()),
    }
}

fn matching(pattern: &str, flags: Flags) -> Result<GinQuery> {
    let Some(needs) = regex::required_trigrams(pattern, flags)? else { return Ok(GinQuery::everything()) };
    let mut trigrams = vec![];
    let formula = condition(&needs, &mut trigrams).into_formula();
    Ok(GinQuery::new(entries(&trigrams), GinMode::Default, move |known| formula.evaluate(known)))
}

impl GinClass for TrigramOps {
    fn extract_value(&self, value: &[u8], out: &mut GinKeys) -> Result<()> {
        let text = std::str::from_utf8(value).expect("text values are checked when they enter");
        each(text, |t, _| out.push(&t));
        Ok(())
    }

    fn extract_query(&self, cx: &EvalContext<'_>, query: &Datum, strategy: u16) -> Result<GinQuery> {
        let text = query.as_str();
        Ok(match strategy {
            SIMILAR => similar(&distinct(text), threshold(cx, SIMILARITY)),
            WORD_SIMILAR => similar(&distinct(text), threshold(cx, WORD_SIMILARITY)),
            STRICT_WORD_SIMILAR => similar(&distinct(text), threshold(cx, STRICT_WORD_SIMILARITY)),
            LIKE | ILIKE => with_all(&of_like(text)),
            EQUAL => with_all(&distinct(text)),
            REGEX => matching(text, Flags::default())?,
            REGEX_ICASE => matching(text, Flags { ignore_case: true, ..Flags::default() })?,
            _ => return unknown_strategy(strategy),
        })
    }
}
