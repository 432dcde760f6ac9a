//! Conditions that a B-tree's keys can test (PostgreSQL: `match_clause_to_indexcol` and its relatives).

use super::TableScan;
use super::index::{IndexMatch, same};
use super::pattern;
use crate::exprs::{binary, commuted, operator_call, strip_relabel};
use crate::planner::Planner;
use quarry_catalog::{IndexDef, IndexKey};
use quarry_common::Oid;
use quarry_functions::registry;
use quarry_plan::physical::{IndexCond, IndexTest, RowTest};
use quarry_plan::{BoolTest, CallForm, CastKind, Expr, FunctionRef};
use quarry_types::{Datum, SqlType, oids};
use std::sync::Arc;

impl Planner<'_> {
    /// What the keys of an index can do about these conditions. `implied`: conditions that the index's predicate makes superfluous.
    pub(super) fn match_index(
        &self,
        scan: &TableScan,
        index: &Arc<IndexDef>,
        keys: Vec<Option<Expr>>,
        clauses: &[Expr],
        implied: Vec<usize>,
    ) -> IndexMatch {
        if index.method != "btree" {
            return self.match_method(scan, index, keys, clauses, implied);
        }
        let mut conds: Vec<IndexCond> = vec![];
        let mut used = vec![];
        let mut taken: Vec<usize> = vec![];
        let mut behind: Vec<usize> = vec![];
        for (k, key) in keys.iter().enumerate() {
            let Some(key) = key else { continue };
            for (i, clause) in clauses.iter().enumerate() {
                if taken.contains(&i) || implied.contains(&i) {
                    continue;
                }
                let m = Matching { scan, index, keys: &keys, key, position: k };
                let before = conds.len();
                let exact = m.clause(clause, &mut conds);
                if conds.len() > before {
                    behind.resize(conds.len(), i);
                    taken.push(i);
                    if exact {
                        used.push(i);
                    }
                }
            }
        }
        IndexMatch {
            index: index.clone(),
            conds,
            used,
            touched: taken,
            implied,
            keys,
            predicate: vec![],
            behind,
        }
    }
}

/// How the values of one type are found among keys of another.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Carry {
    /// As they are; the executor carries them over if need be.
    AsIs,
    /// By the cast between the types.
    Cast,
    /// By the cast to timestamp, some hours around it: what a local time means hangs on the time zone's rules.
    Around,
}

pub(super) fn carry(from: Oid, to: Oid) -> Option<Carry> {
    let text = |o| matches!(o, oids::TEXT | oids::VARCHAR | oids::NAME);
    let int = |o| matches!(o, oids::INT2 | oids::INT4 | oids::INT8);
    let float = |o| matches!(o, oids::FLOAT4 | oids::FLOAT8);
    let day = |o| matches!(o, oids::DATE | oids::TIMESTAMP);
    // Enums, arrays and records come as they are.
    if from == to || [text(from) && text(to), int(from) && int(to), float(from) && float(to)].contains(&true)
    {
        return Some(Carry::AsIs);
    }
    if day(from) && day(to) {
        return Some(Carry::AsIs);
    }
    match (from, to) {
        (f, oids::TIMESTAMPTZ) if day(f) => Some(Carry::Cast),
        (oids::TIMESTAMPTZ, t) if day(t) => Some(Carry::Around),
        _ => None,
    }
}

pub fn cast_to(value: Expr, to: Oid) -> Option<Expr> {
    let cast = registry::cast(value.ty().oid, to)?;
    Some(Expr::Call {
        function: FunctionRef::Builtin(registry::function(cast.function)?),
        args: vec![value],
        ty: SqlType::of(to),
        form: CallForm::ImplicitCast,
        variadic: false,
        pos: Default::default(),
    })
}

/// A timestamp some hours before or after another.
fn hours_off(value: Expr, name: &str) -> Option<Expr> {
    let op = registry::operators_named(name)
        .iter()
        .find(|o| o.left == oids::TIMESTAMP && o.right == oids::INTERVAL)
        .copied()?;
    let text = Expr::Const { value: Datum::text("24:00:00"), ty: SqlType::of(oids::TEXT) };
    let span = Expr::Cast {
        arg: Box::new(text),
        ty: SqlType::of(oids::INTERVAL),
        kind: CastKind::Io,
        implicit: false,
    };
    operator_call(op, value, span)
}

/// A constant whole number as the key's type, if it fits.
pub(super) fn fitting(value: &Expr, to: Oid) -> Option<Expr> {
    let Expr::Const { value, .. } = value else { return None };
    let v = match value {
        Datum::I16(v) => i64::from(*v),
        Datum::I32(v) => i64::from(*v),
        Datum::I64(v) => *v,
        _ => return None,
    };
    let value = match to {
        oids::INT2 => Datum::I16(i16::try_from(v).ok()?),
        oids::INT4 => Datum::I32(i32::try_from(v).ok()?),
        oids::INT8 => Datum::I64(v),
        _ => return None,
    };
    Some(Expr::Const { value, ty: SqlType::of(to) })
}

/// A comparison that B-trees know.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    Eq,
    Lt,
    Le,
    Gt,
    Ge,
}

impl Order {
    fn of(name: &str) -> Option<Order> {
        Some(match name {
            "=" => Order::Eq,
            "<" | "~<~" => Order::Lt,
            "<=" | "~<=~" => Order::Le,
            ">" | "~>~" => Order::Gt,
            ">=" | "~>=~" => Order::Ge,
            _ => return None,
        })
    }
    fn test(self, value: Expr) -> IndexTest {
        match self {
            Order::Eq => IndexTest::Eq(value),
            Order::Lt => IndexTest::Lt(value),
            Order::Le => IndexTest::Le(value),
            Order::Gt => IndexTest::Gt(value),
            Order::Ge => IndexTest::Ge(value),
        }
    }
}

/// One key that conditions are held against.
pub(super) struct Matching<'m> {
    pub scan: &'m TableScan,
    pub index: &'m IndexDef,
    pub keys: &'m [Option<Expr>],
    pub key: &'m Expr,
    pub position: usize,
}

impl Matching<'_> {
    pub fn def(&self) -> &IndexKey {
        &self.index.keys[self.position]
    }
    pub fn is_key(&self, e: &Expr) -> bool {
        same(strip_relabel(e), strip_relabel(self.key))
    }
    pub fn push(&self, test: IndexTest, source: Expr, out: &mut Vec<IndexCond>) {
        out.push(IndexCond { key: self.position, test, source });
    }
    /// Whether a value is known before the table is read.
    pub fn usable(&self, e: &Expr) -> bool {
        let own = quarry_plan::walk::reads_any(e, &mut |id| self.scan.columns.iter().any(|(c, _)| *c == id));
        !own && !crate::exprs::is_volatile(e) && !has_correlated_subquery(e)
    }

    /// Adds the conditions a clause gives for the key. True: the clause is covered entirely.
    fn clause(&self, clause: &Expr, out: &mut Vec<IndexCond>) -> bool {
        match clause {
            Expr::IsNull { arg, negated } if self.is_key(arg) && !crate::exprs::is_row_type(arg) => {
                let test = if *negated { IndexTest::IsNotNull } else { IndexTest::IsNull };
                self.push(test, clause.clone(), out);
                true
            }
            Expr::ScalarArray { left, array, all: false, operator, .. }
                if self.is_key(left) && self.usable(array) =>
            {
                let Some(op) = registry::operator(*operator) else { return false };
                let Some(info) = quarry_types::type_info(array.ty().oid) else { return false };
                let equal = op.name == "=" && op.merges;
                if !equal || carry(info.element, self.def().ty.oid) != Some(Carry::AsIs) {
                    return false;
                }
                self.push(IndexTest::In((**array).clone()), clause.clone(), out);
                true
            }
            Expr::Column { ty, .. } if *ty == SqlType::BOOL && self.is_key(clause) => self.flag(true, out),
            Expr::IsBool { arg, test: BoolTest::True } if self.is_key(arg) => self.flag(true, out),
            Expr::IsBool { arg, test: BoolTest::False } if self.is_key(arg) => self.flag(false, out),
            Expr::Not(arg) if arg.ty() == SqlType::BOOL && self.is_key(arg) => self.flag(false, out),
            Expr::Call { .. } => {
                if let Some(text) = pattern::subject(clause) {
                    if self.is_key(text) {
                        pattern::pattern_range(clause, self.def(), self.position, out);
                    }
                    return false;
                }
                self.comparison(clause, out)
            }
            Expr::Or(_) => self.row_comparison(clause, out),
            _ => false,
        }
    }

    /// A boolean key by itself is shown as the comparison that it is.
    pub fn flag(&self, value: bool, out: &mut Vec<IndexCond>) -> bool {
        let constant = Expr::bool_const(value);
        let Some(source) = crate::exprs::equality(self.key.clone(), constant.clone()) else { return false };
        self.push(IndexTest::Eq(constant), source, out);
        true
    }

    fn comparison(&self, clause: &Expr, out: &mut Vec<IndexCond>) -> bool {
        let Some((source, order, value)) = self.turned(clause, &|e| self.is_key(e)) else { return false };
        let (from, to) = (value.ty().oid, self.def().ty.oid);
        let Some(carry) = carry(from, to) else { return false };
        match carry {
            Carry::AsIs => {
                let value = fitting(&value, to).unwrap_or(value);
                self.push(order.test(value), source, out);
                true
            }
            Carry::Cast => {
                let Some(value) = cast_to(value, to) else { return false };
                self.push(order.test(value), source, out);
                true
            }
            Carry::Around => {
                let Some(value) = cast_to(value, oids::TIMESTAMP) else { return false };
                let (early, late) = (hours_off(value.clone(), "-"), hours_off(value, "+"));
                if let (Order::Eq | Order::Gt | Order::Ge, Some(early)) = (order, early) {
                    self.push(IndexTest::Ge(early), source.clone(), out);
                }
                if let (Order::Eq | Order::Lt | Order::Le, Some(late)) = (order, late) {
                    self.push(IndexTest::Le(late), source, out);
                }
                false
            }
        }
    }

    /// A comparison with what `is_left` accepts on its left side: itself, what it tests, and the value compared with.
    fn turned(&self, clause: &Expr, is_left: &dyn Fn(&Expr) -> bool) -> Option<(Expr, Order, Expr)> {
        let (_, l, r) = binary(clause)?;
        let source = if is_left(l) && self.usable(r) {
            clause.clone()
        } else if is_left(r) && self.usable(l) {
            commuted(clause)?
        } else {
            return None;
        };
        let (op, _, value) = binary(&source)?;
        let ordered =
            matches!(op.restrict, "eqsel" | "scalarltsel" | "scalarlesel" | "scalargtsel" | "scalargesel");
        let order = Order::of(op.name).filter(|_| ordered)?;
        let value = value.clone();
        Some((source, order, value))
    }

    /// `(a, b) > (1, 2)`, which has come as `a > 1 OR (a = 1 AND b > 2)`, for this key and those after it.
    fn row_comparison(&self, clause: &Expr, out: &mut Vec<IndexCond>) -> bool {
        let Some(terms) = row_terms(clause) else { return false };
        let mut fields: Vec<(Expr, Expr)> = vec![];
        let mut test: Option<RowTest> = None;
        let mut values = vec![];
        let mut all = true;
        for (i, term) in terms.iter().enumerate() {
            let at = self.position + i;
            let key = self.keys.get(at).and_then(|k| k.as_ref());
            let is_left = |e: &Expr| key.is_some_and(|k| same(strip_relabel(e), strip_relabel(k)));
            let Some((source, order, value)) = self.turned(term, &is_left) else {
                all = false;
                break;
            };
            let def = &self.index.keys[at];
            let this = match order {
                Order::Lt => RowTest::Lt,
                Order::Le => RowTest::Le,
                Order::Gt => RowTest::Gt,
                Order::Ge => RowTest::Ge,
                Order::Eq => return false,
            };
            let less = |t: RowTest| matches!(t, RowTest::Lt | RowTest::Le);
            let fits = carry(value.ty().oid, def.ty.oid) == Some(Carry::AsIs)
                && test.is_none_or(|t| less(t) == less(this));
            if !fits {
                all = false;
                break;
            }
            let Expr::Call { args, .. } = &source else { return false };
            fields.push((args[0].clone(), args[1].clone()));
            values.push(fitting(&value, def.ty.oid).unwrap_or(value));
            test = Some(this);
        }
        let Some(mut test) = test else { return false };
        if !all {
            // What the later columns decide is not known: equality of the first ones may do.
            test = match test {
                RowTest::Lt | RowTest::Le => RowTest::Le,
                RowTest::Gt | RowTest::Ge => RowTest::Ge,
            };
        }
        let Some(source) = shown_row(test, &fields) else { return false };
        let row = Expr::Row {
            names: (1..=values.len()).map(|i| format!("f{i}")).collect(),
            fields: values,
            ty: SqlType::RECORD,
        };
        let test = match (fields.len(), test) {
            (1, RowTest::Le) | (1, RowTest::Ge) => {
                let Expr::Row { mut fields, .. } = row else { return false };
                let Some(value) = fields.pop() else { return false };
                if test == RowTest::Le { IndexTest::Le(value) } else { IndexTest::Ge(value) }
            }
            _ => IndexTest::Row(test, row),
        };
        self.push(test, source, out);
        all
    }
}

/// The comparisons of a row comparison column by column, those before the last strict; none if the condition isn't one.
fn row_terms(e: &Expr) -> Option<Vec<Expr>> {
    let mut out = vec![];
    let mut e = e;
    loop {
        let Expr::Or(parts) = e else {
            out.push(e.clone());
            return Some(out);
        };
        let [decided, Expr::And(rest)] = &parts[..] else { return None };
        let (op, l, r) = binary(decided)?;
        if !matches!(op.name, "<" | ">") {
            return None;
        }
        let [equal, next] = &rest[..] else { return None };
        let (eq, el, er) = binary(equal)?;
        if eq.name != "=" || !same(l, el) || !same(r, er) {
            return None;
        }
        out.push(decided.clone());
        e = next;
    }
}

/// Whether an OR is a row comparison spelled out.
pub(super) fn is_row_comparison(e: &Expr) -> bool {
    matches!(e, Expr::Or(_)) && row_terms(e).is_some()
}

/// The comparison as PostgreSQL shows it: `ROW(a, b) > ROW(1, 2)`.
fn shown_row(test: RowTest, fields: &[(Expr, Expr)]) -> Option<Expr> {
    let name = match test {
        RowTest::Lt => "<",
        RowTest::Le => "<=",
        RowTest::Gt => ">",
        RowTest::Ge => ">=",
    };
    let (l, r) = fields.first()?;
    let (lt, rt) = (l.ty().oid, r.ty().oid);
    let op =
        registry::operators_named(name).iter().find(|o| o.left == lt && o.right == rt).or_else(|| {
            registry::operators_named(name).iter().find(|o| o.left == oids::TEXT && o.right == oids::TEXT)
        })?;
    if fields.len() == 1 {
        return operator_call(op, l.clone(), r.clone());
    }
    let row = |fields: Vec<Expr>| Expr::Row {
        names: (1..=fields.len()).map(|i| format!("f{i}")).collect(),
        fields,
        ty: SqlType::RECORD,
    };
    let (left, right): (Vec<Expr>, Vec<Expr>) = fields.iter().cloned().unzip();
    operator_call(op, row(left), row(right))
}

/// The condition whose share of rows a condition of an index has: a row comparison's is that of its first columns.
pub(super) fn estimable(c: &IndexCond) -> Expr {
    if let IndexTest::Row(..) = &c.test
        && let Some((op, Expr::Row { fields: l, .. }, Expr::Row { fields: r, .. })) = binary(&c.source)
        && let (Some(l), Some(r)) = (l.first(), r.first())
        && let Some(e) = operator_call(op, l.clone(), r.clone())
    {
        return e;
    }
    c.source.clone()
}

fn has_correlated_subquery(e: &Expr) -> bool {
    quarry_plan::walk::any(
        e,
        &|e| matches!(e, Expr::Subquery(s) if matches!(&s.plan, quarry_plan::expr::SubqueryPlan::Physical { params, .. } if !params.is_empty())),
    )
}
