//! Indexes that are no B-trees: which conditions they answer, by the operators of their keys' families (PostgreSQL: `match_clause_to_indexcol`),
//! and what that costs ([`cost`]).

mod cost;

use super::TableScan;
use super::bitmap::BitmapPart;
use super::clauses::{Carry, Matching, carry, cast_to, fitting};
use super::index::IndexMatch;
use crate::exprs::{binary, commuted};
use crate::planner::{Candidate, Planner};
use crate::stats::RelationSize;
use quarry_catalog::IndexDef;
use quarry_catalog::builtin::access_method::index_method;
use quarry_catalog::builtin::opclass;
use quarry_common::Oid;
use quarry_plan::physical::{IndexCond, IndexTest};
use quarry_plan::{BoolTest, Expr};
use quarry_types::SqlType;
use std::sync::Arc;

impl Planner<'_> {
    /// What the keys of an index that is no B-tree can do about these conditions.
    pub(super) fn match_method(
        &self,
        scan: &TableScan,
        index: &Arc<IndexDef>,
        keys: Vec<Option<Expr>>,
        clauses: &[Expr],
        implied: Vec<usize>,
    ) -> IndexMatch {
        let mut conds: Vec<IndexCond> = vec![];
        let mut used = vec![];
        for (position, key) in keys.iter().enumerate() {
            let Some(key) = key else { continue };
            let m = Matching { scan, index, keys: &keys, key, position };
            for (i, clause) in clauses.iter().enumerate() {
                if !used.contains(&i) && !implied.contains(&i) && matches_clause(&m, clause, &mut conds) {
                    used.push(i);
                }
            }
        }
        let touched = used.clone();
        IndexMatch {
            index: index.clone(),
            conds,
            used,
            touched,
            implied,
            keys,
            predicate: vec![],
            behind: vec![],
        }
    }

    /// Whether a scan of the index is possible only with a condition.
    pub(super) fn needs_condition(&self, index: &IndexDef) -> bool {
        index_method(index.method).is_none_or(|m| !m.optional_key)
    }

    /// Scans by an index that is no B-tree: a source of bitmaps, and row by row where the method can and no array is compared with.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn method_candidates(
        &mut self,
        (scan, clauses): (&TableScan, &[Expr]),
        m: &IndexMatch,
        size: RelationSize,
        rows: f64,
        loops: f64,
        plain: bool,
        out: &mut Vec<Candidate>,
        bitmaps: &mut Vec<BitmapPart>,
    ) {
        if m.conds.is_empty() && (m.predicate.is_empty() || self.needs_condition(&m.index)) {
            return;
        }
        let arrays = m.conds.iter().any(|c| matches!(c.test, IndexTest::In(_)));
        let m = (m, self.index_cost(m, size, loops));
        if !arrays && index_method(m.0.index.method).is_some_and(|m| m.index_scan) {
            let plan = self.index_scan(scan, m, clauses, size, rows, loops, (false, false), plain);
            out.push(Candidate { plan, order: vec![] });
        }
        bitmaps.push(self.index_bitmap(m, clauses, false, size));
    }
}

/// The number that the key's family gives an operator.
fn strategy(m: &Matching<'_>, operator: Oid) -> Option<u16> {
    let class = opclass::opclass(m.def().opclass)?;
    opclass::strategy(class.family, operator)
}

/// Adds the condition a clause gives for the key. Rows found are tested again, so that each covers its clause.
fn matches_clause(m: &Matching<'_>, clause: &Expr, out: &mut Vec<IndexCond>) -> bool {
    let method = m.index.method;
    match clause {
        Expr::IsNull { arg, negated } if m.is_key(arg) && !crate::exprs::is_row_type(arg) => {
            let answers = index_method(method).is_some_and(|m| m.search_nulls);
            if answers {
                m.push(if *negated { IndexTest::IsNotNull } else { IndexTest::IsNull }, clause.clone(), out);
            }
            answers
        }
        Expr::ScalarArray { left, array, all: false, operator, .. }
            if method != "gin" && m.is_key(left) && m.usable(array) =>
        {
            let Some(info) = quarry_types::type_info(array.ty().oid) else { return false };
            let equal = equality(method, strategy(m, *operator));
            if !equal || carry(info.element, m.def().ty.oid) != Some(Carry::AsIs) {
                return false;
            }
            m.push(IndexTest::In((**array).clone()), clause.clone(), out);
            true
        }
        Expr::Column { ty, .. } if *ty == SqlType::BOOL && method == "hash" && m.is_key(clause) => {
            m.flag(true, out)
        }
        Expr::IsBool { arg, test: BoolTest::True } if method == "hash" && m.is_key(arg) => m.flag(true, out),
        Expr::IsBool { arg, test: BoolTest::False } if method == "hash" && m.is_key(arg) => {
            m.flag(false, out)
        }
        Expr::Not(arg) if arg.ty() == SqlType::BOOL && method == "hash" && m.is_key(arg) => {
            m.flag(false, out)
        }
        Expr::Call { .. } => {
            let Some((_, l, r)) = binary(clause) else { return false };
            let source = if m.is_key(l) && m.usable(r) {
                clause.clone()
            } else if m.is_key(r) && m.usable(l) {
                let Some(turned) = commuted(clause) else { return false };
                turned
            } else {
                return false;
            };
            let Some((op, _, value)) = binary(&source) else { return false };
            let Some(strategy) = strategy(m, op.oid) else { return false };
            let Some(test) = test_of(m, strategy, value) else { return false };
            m.push(test, source, out);
            true
        }
        _ => false,
    }
}

/// Whether a method knows its strategy as equality.
fn equality(method: &str, strategy: Option<u16>) -> bool {
    matches!((method, strategy), ("hash", Some(1)) | ("brin", Some(3)))
}

/// What an operator asks of the index.
fn test_of(m: &Matching<'_>, strategy: u16, value: &Expr) -> Option<IndexTest> {
    if m.index.method == "gin" {
        return Some(IndexTest::Operator { strategy, value: value.clone() });
    }
    let to = m.def().ty.oid;
    let value = match carry(value.ty().oid, to)? {
        Carry::AsIs => fitting(value, to).unwrap_or_else(|| value.clone()),
        Carry::Cast => cast_to(value.clone(), to)?,
        Carry::Around => return None,
    };
    if m.index.method == "hash" {
        return (strategy == 1).then_some(IndexTest::Eq(value));
    }
    // BRIN counts as B-trees do; Bloom classes have equality alone, which is their first.
    let bloom = opclass::opclass(m.def().opclass).is_some_and(|c| c.name.ends_with("_bloom_ops"));
    Some(match strategy {
        1 if bloom => IndexTest::Eq(value),
        1 => IndexTest::Lt(value),
        2 => IndexTest::Le(value),
        3 => IndexTest::Eq(value),
        4 => IndexTest::Ge(value),
        5 => IndexTest::Gt(value),
        _ => return None,
    })
}
