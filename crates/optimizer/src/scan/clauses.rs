//! Conditions that an index's keys can test (PostgreSQL: `match_clause_to_indexcol`, and like_support.c for prefixes).

use super::TableScan;
use super::index::{IndexMatch, same};
use crate::exprs::{binary, columns, commuted, strip_relabel};
use crate::planner::Planner;
use quarry_catalog::{IndexDef, IndexKey};
use quarry_functions::registry;
use quarry_plan::physical::{IndexCond, IndexTest};
use quarry_plan::{CallForm, Expr};
use quarry_types::{Datum, SqlType, oids};
use std::sync::Arc;

impl Planner<'_> {
    pub(super) fn match_index(
        &self,
        scan: &TableScan,
        index: &Arc<IndexDef>,
        keys: Vec<Option<Expr>>,
        clauses: &[Expr],
        implied: Vec<usize>,
    ) -> IndexMatch {
        let mut conds: Vec<IndexCond> = vec![];
        let mut used = vec![];
        // Whether an earlier key is free or has a range: conditions on later keys don't bound the walk, they only save visits of the heap.
        let mut open = false;
        for (k, key) in keys.iter().enumerate() {
            let Some(key) = key else {
                open = true;
                continue;
            };
            let start = conds.len();
            // The clause behind each condition on this key.
            let mut behind: Vec<usize> = vec![];
            for (i, clause) in clauses.iter().enumerate() {
                if used.contains(&i) || implied.contains(&i) {
                    continue;
                }
                let before = conds.len();
                let exact = match_clause(clause, key, &index.keys[k], scan, k, &mut conds);
                if open && !(exact && conds[before..].iter().all(|c| !matches!(c.test, IndexTest::In(_)))) {
                    conds.truncate(before);
                }
                behind.resize(conds.len() - start, i);
                if conds.len() > before && exact {
                    used.push(i);
                }
            }
            let mine = &conds[start..];
            open |= !mine
                .iter()
                .any(|c| matches!(c.test, IndexTest::Eq(_) | IndexTest::In(_) | IndexTest::IsNull));
            // One array condition per scan at most, and equality wins over ranges on the same key.
            if let Some(eq) = mine.iter().position(|c| matches!(c.test, IndexTest::Eq(_))) {
                let keep = conds.swap_remove(start + eq);
                conds.truncate(start);
                conds.push(keep);
                used.retain(|u| *u == behind[eq] || !behind.contains(u));
            }
        }
        IndexMatch { index: index.clone(), conds, used, implied, keys }
    }
}

/// Whether values of these types are one to a B-tree comparison.
fn value_for_key(value: &Expr, key: &IndexKey) -> Option<Expr> {
    let from = value.ty().oid;
    let to = key.ty.oid;
    let text = |o| matches!(o, oids::TEXT | oids::VARCHAR);
    if from == to || text(from) && text(to) {
        return Some(value.clone());
    }
    // Enums, arrays and records come as they are; other pairs only where the value can be carried over.
    let int = |o| matches!(o, oids::INT2 | oids::INT4 | oids::INT8);
    if int(from) && int(to) {
        if let Expr::Const { value, .. } = value {
            let v = match value {
                Datum::I16(v) => i64::from(*v),
                Datum::I32(v) => i64::from(*v),
                Datum::I64(v) => *v,
                _ => return None,
            };
            let value = match to {
                oids::INT2 => Datum::I16(i16::try_from(v).ok()?),
                oids::INT4 => Datum::I32(i32::try_from(v).ok()?),
                _ => Datum::I64(v),
            };
            return Some(Expr::Const { value, ty: SqlType::of(to) });
        }
        let widens = matches!((from, to), (oids::INT2, oids::INT4 | oids::INT8) | (oids::INT4, oids::INT8));
        if widens {
            let cast = registry::cast(from, to)?;
            return Some(Expr::Call {
                function: quarry_plan::FunctionRef::Builtin(registry::function(cast.function)?),
                args: vec![value.clone()],
                ty: SqlType::of(to),
                form: CallForm::ImplicitCast,
                variadic: false,
                pos: Default::default(),
            });
        }
        return None;
    }
    if quarry_types::type_info(to).is_none() || quarry_types::type_info(from).is_none() {
        return None;
    }
    None
}

/// Adds the conditions a clause gives for an index key. True: the clause is covered entirely.
fn match_clause(
    clause: &Expr,
    key: &Expr,
    def: &IndexKey,
    scan: &TableScan,
    position: usize,
    out: &mut Vec<IndexCond>,
) -> bool {
    let is_key = |e: &Expr| same(strip_relabel(e), strip_relabel(key));
    let own = |e: &Expr| columns(e).iter().any(|id| scan.columns.iter().any(|(c, _)| c == id));
    let usable = |e: &Expr| !own(e) && !crate::exprs::is_volatile(e) && !has_correlated_subquery(e);
    let mut push =
        |test: IndexTest, source: &Expr| out.push(IndexCond { key: position, test, source: source.clone() });
    match clause {
        Expr::IsNull { arg, negated } if is_key(arg) && !crate::exprs::is_row_type(arg) => {
            push(if *negated { IndexTest::IsNotNull } else { IndexTest::IsNull }, clause);
            true
        }
        Expr::ScalarArray { left, array, all: false, operator, .. } if is_key(left) && usable(array) => {
            let Some(op) = registry::operator(*operator) else { return false };
            if op.name != "=" || !op.merges {
                return false;
            }
            let element = match quarry_types::type_info(array.ty().oid) {
                Some(t) => t.element,
                None => return false,
            };
            let text = |o| matches!(o, oids::TEXT | oids::VARCHAR);
            if element != def.ty.oid && !(text(element) && text(def.ty.oid)) {
                return false;
            }
            push(IndexTest::In((**array).clone()), clause);
            true
        }
        // A boolean key by itself.
        Expr::Column { ty, .. } if *ty == SqlType::BOOL && is_key(clause) => {
            push(IndexTest::Eq(Expr::bool_const(true)), clause);
            true
        }
        Expr::Not(arg) if arg.ty() == SqlType::BOOL && is_key(arg) => {
            push(IndexTest::Eq(Expr::bool_const(false)), clause);
            true
        }
        Expr::Call { .. } => {
            let flipped;
            let (clause_as, source) = match binary(clause) {
                Some((_, l, r)) if is_key(l) && usable(r) => (clause, clause.clone()),
                Some((_, l, r)) if is_key(r) && usable(l) => match commuted(clause) {
                    Some(c) => {
                        flipped = c;
                        (&flipped, flipped.clone())
                    }
                    None => return false,
                },
                _ => return false,
            };
            let Some((op, _, value)) = binary(clause_as) else { return false };
            if matches!(op.name, "~~") {
                return like_range(value, def, &source, position, out);
            }
            let ordered = matches!(
                op.restrict,
                "eqsel" | "scalarltsel" | "scalarlesel" | "scalargtsel" | "scalargesel"
            );
            if !ordered {
                return false;
            }
            let Some(value) = value_for_key(value, def) else { return false };
            let test = match op.name {
                "=" => IndexTest::Eq(value),
                "<" => IndexTest::Lt(value),
                "<=" => IndexTest::Le(value),
                ">" => IndexTest::Gt(value),
                ">=" => IndexTest::Ge(value),
                _ => return false,
            };
            out.push(IndexCond { key: position, test, source });
            true
        }
        _ => false,
    }
}

fn has_correlated_subquery(e: &Expr) -> bool {
    quarry_plan::walk::any(
        e,
        &|e| matches!(e, Expr::Subquery(s) if matches!(&s.plan, quarry_plan::expr::SubqueryPlan::Physical { params, .. } if !params.is_empty())),
    )
}

/// `key LIKE 'prefix%'`: a range of keys; the LIKE itself stays a filter unless the pattern is just that.
fn like_range(
    pattern: &Expr,
    def: &IndexKey,
    source: &Expr,
    position: usize,
    out: &mut Vec<IndexCond>,
) -> bool {
    if !matches!(def.ty.oid, oids::TEXT | oids::VARCHAR) {
        return false;
    }
    let Expr::Const { value: Datum::Bytes(text), .. } = pattern else { return false };
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let mut prefix = String::new();
    let mut exact = true;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '%' | '_' => {
                exact = false;
                break;
            }
            '\\' => match chars.next() {
                Some(c) => prefix.push(c),
                None => return false,
            },
            c => prefix.push(c),
        }
    }
    if prefix.is_empty() {
        return false;
    }
    let constant = |s: &str| Expr::Const { value: Datum::text(s), ty: SqlType::of(def.ty.oid) };
    if exact {
        out.push(IndexCond { key: position, test: IndexTest::Eq(constant(&prefix)), source: source.clone() });
        return true;
    }
    out.push(IndexCond { key: position, test: IndexTest::Ge(constant(&prefix)), source: source.clone() });
    // The least text after all texts with this prefix: its last character, one up.
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        let next = if last == '\u{d7ff}' { Some('\u{e000}') } else { char::from_u32(last as u32 + 1) };
        if let Some(next) = next {
            let mut upper: String = chars.iter().collect();
            upper.push(next);
            out.push(IndexCond {
                key: position,
                test: IndexTest::Lt(constant(&upper)),
                source: source.clone(),
            });
            break;
        }
    }
    false
}
