//! Functions of tsquery.

use crate::{EvalContext, FunctionDef, func, row_only, scalar};
use quarry_common::Result;
use quarry_types::textsearch::parse::distance_error;
use quarry_types::textsearch::print::write_query;
use quarry_types::textsearch::query::compare;
use quarry_types::textsearch::tree::{Rewriter, Tree};
use quarry_types::textsearch::{Op, POSITION_LIMIT, Query};
use quarry_types::{Datum, oids};
use std::collections::BTreeSet;

/// Two queries under an operator; an empty one leaves the other as it is.
fn join(a: &[u8], b: &[u8], op: Op, distance: u16) -> Result<Vec<u8>> {
    let (Some(left), Some(right)) = (Tree::from_query(&Query::new(a))?, Tree::from_query(&Query::new(b))?)
    else {
        return Ok(if Query::new(a).is_empty() { b.to_vec() } else { a.to_vec() });
    };
    Tree::to_stored(Some(&Tree::join(op, distance, left, right)))
}

fn phrase(a: &[u8], b: &[u8], distance: i32) -> Result<Vec<u8>> {
    match u16::try_from(distance) {
        Ok(d) if d <= POSITION_LIMIT => join(a, b, Op::Phrase, d),
        _ => Err(distance_error()),
    }
}

fn not(a: &[u8]) -> Result<Vec<u8>> {
    Tree::to_stored(Tree::from_query(&Query::new(a))?.map(Tree::negate).as_ref())
}

/// Whether every word of `b` is in `a`.
fn contains(a: &[u8], b: &[u8]) -> bool {
    let (a, b) = (Query::new(a), Query::new(b));
    let has: BTreeSet<&str> = a.words().collect();
    b.words().all(|w| has.contains(w))
}

/// What an index would have to look for: "T" for everything.
fn query_tree(a: &[u8]) -> Result<String> {
    let q = Query::new(a);
    let Some(tree) = Tree::from_query(&q)? else { return Ok(String::new()) };
    let Some(tree) = tree.without_nots() else { return Ok("T".into()) };
    let stored = Tree::to_stored(Some(&tree))?;
    let mut out = Vec::new();
    write_query(&Query::new(&stored), &mut out)?;
    Ok(String::from_utf8(out).expect("made of texts"))
}

fn rewrite(query: &[u8], target: &[u8], substitute: &[u8]) -> Result<Vec<u8>> {
    let (Some(tree), Some(wanted)) =
        (Tree::from_query(&Query::new(query))?, Tree::from_query(&Query::new(target))?)
    else {
        return Ok(query.to_vec());
    };
    let substitute = Tree::from_query(&Query::new(substitute))?;
    Tree::to_stored(Rewriter::replace_once(tree, wanted, substitute.as_ref()).as_ref())
}

/// Targets and substitutes are what a statement selects.
fn rewrite_by_query(cx: &mut EvalContext<'_>, args: &[Datum]) -> Result<Datum> {
    let Some(tree) = Tree::from_query(&Query::of(&args[0]))? else { return Ok(args[0].clone()) };
    let (types, rows) = cx.env.run_query(args[1].as_str())?;
    if types.len() != 2 || types.iter().any(|t| t.oid != oids::TSQUERY) {
        quarry_common::bail!(INVALID_PARAMETER_VALUE, "ts_rewrite query must return two tsquery columns");
    }
    let mut rewriter = Rewriter::new(tree);
    for row in rows {
        if rewriter.is_empty() {
            break;
        }
        if row.iter().any(Datum::is_null) {
            continue;
        }
        let Some(target) = Tree::from_query(&Query::of(&row[0]))? else { continue };
        rewriter.replace(target, Tree::from_query(&Query::of(&row[1]))?.as_ref());
    }
    Ok(Datum::Bytes(Tree::to_stored(rewriter.finish().as_ref())?.into()))
}

macro_rules! compared {
    ($is:ident) => {
        scalar!(|a: &[u8], b: &[u8]| -> bool { compare(a, b).$is() })
    };
}

#[rustfmt::skip]
pub const FUNCTIONS: &[FunctionDef] = &[
    func!(3662, "tsquery_lt", [TSQUERY, TSQUERY] => BOOL, compared!(is_lt)),
    func!(3663, "tsquery_le", [TSQUERY, TSQUERY] => BOOL, compared!(is_le)),
    func!(3664, "tsquery_eq", [TSQUERY, TSQUERY] => BOOL, compared!(is_eq)),
    func!(3665, "tsquery_ne", [TSQUERY, TSQUERY] => BOOL, compared!(is_ne)),
    func!(3666, "tsquery_ge", [TSQUERY, TSQUERY] => BOOL, compared!(is_ge)),
    func!(3667, "tsquery_gt", [TSQUERY, TSQUERY] => BOOL, compared!(is_gt)),
    func!(3668, "tsquery_cmp", [TSQUERY, TSQUERY] => INT4, scalar!(|a: &[u8], b: &[u8]| -> i32 { compare(a, b) as i32 })),
    func!(3669, "tsquery_and", [TSQUERY, TSQUERY] => TSQUERY, scalar!(|a: &[u8], b: &[u8]| -> Result<Vec<u8>> { join(a, b, Op::And, 0) })),
    func!(3670, "tsquery_or", [TSQUERY, TSQUERY] => TSQUERY, scalar!(|a: &[u8], b: &[u8]| -> Result<Vec<u8>> { join(a, b, Op::Or, 0) })),
    func!(3671, "tsquery_not", [TSQUERY] => TSQUERY, scalar!(|a: &[u8]| -> Result<Vec<u8>> { not(a) })),
    func!(5003, "tsquery_phrase", [TSQUERY, TSQUERY] => TSQUERY, scalar!(|a: &[u8], b: &[u8]| -> Result<Vec<u8>> { phrase(a, b, 1) })),
    func!(5004, "tsquery_phrase", [TSQUERY, TSQUERY, INT4] => TSQUERY, scalar!(|a: &[u8], b: &[u8], d: i32| -> Result<Vec<u8>> { phrase(a, b, d) })),
    func!(3672, "numnode", [TSQUERY] => INT4, scalar!(|a: &[u8]| -> i32 { Query::new(a).items.len() as i32 })),
    func!(3673, "querytree", [TSQUERY] => TEXT, scalar!(|a: &[u8]| -> Result<String> { query_tree(a) })),
    func!(3684, "ts_rewrite", [TSQUERY, TSQUERY, TSQUERY] => TSQUERY, scalar!(|q: &[u8], t: &[u8], s: &[u8]| -> Result<Vec<u8>> { rewrite(q, t, s) })),
    func!(3685, "ts_rewrite", [TSQUERY, TEXT] => TSQUERY, row_only!(rewrite_by_query)).volatile(),
    func!(3691, "tsq_mcontains", [TSQUERY, TSQUERY] => BOOL, scalar!(|a: &[u8], b: &[u8]| -> bool { contains(a, b) })),
    func!(3692, "tsq_mcontained", [TSQUERY, TSQUERY] => BOOL, scalar!(|a: &[u8], b: &[u8]| -> bool { contains(b, a) })),
];
