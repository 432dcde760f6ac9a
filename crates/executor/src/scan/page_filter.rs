//! Conditions of a sequential scan that are tested on a page's rows where they lie, before any column is decoded.
//!
//! These are comparisons of a column with a value that is the same for all rows (a constant, a parameter, a column of an enclosing row), or
//! with another column of the same sort, lists of values, beginnings and patterns of text, and tests for NULL. They can't fail. Conditions are taken
//! in their order up to the first that may fail, or has effects, and isn't one of them: behind that one, a row that PostgreSQL asks it
//! about would not get there. What can't be tested this way goes on to the scan's ordinary filter.
//!
//! Columns that are NULL, or that a row lacks because they were added later, are asked one by one ([`Column::datum`]).

use super::page_test::{Column, Kind, Test};
use super::starts::{Starts, beginning};
use crate::build::Builder;
use crate::context::Cx;
use crate::expr::{Layout, Program};
use crate::subplan::{known_value, run_once};
use quarry_catalog::Relation;
use quarry_common::{Error, Oid, Result};
use quarry_functions::registry;
use quarry_functions::scalar::like_parts::Parts;
use quarry_plan::total::cannot_fail;
use quarry_plan::volatility::is_volatile;
use quarry_plan::{CallForm, CastKind, ColumnId, Expr, ScanColumn};
use quarry_storage::heap::{Heap, KeptRows, PageRows};
use quarry_storage::row::RowLayout;
use quarry_types::array::ArrayRef;
use quarry_types::numeric::decimals::Test as Order;
use quarry_types::{Datum, oids};
use std::sync::Arc;

/// A condition, compiled.
struct Condition {
    column: Column,
    what: What,
}

enum What {
    /// The column against a value.
    Compare {
        order: Order,
        value: Program,
    },
    /// A date against a timestamp.
    Days {
        order: Order,
        value: Program,
    },
    /// One of a constant list's values (or none of them).
    List {
        values: Vec<Datum>,
        equal: bool,
    },
    /// Text that is like a pattern (or isn't).
    Like {
        pattern: Arc<Parts>,
        negated: bool,
    },
    /// Text that begins with one of some values (or with none).
    Starts {
        starts: Arc<Starts>,
        equal: bool,
    },
    /// The column against the value of a subquery that is run once, by its plan's number.
    Awaited {
        order: Order,
        plan: usize,
    },
    /// The column against another one.
    Columns {
        order: Order,
        other: Column,
    },
    Null {
        negated: bool,
    },
}

/// The conditions of a scan.
pub struct PageFilter {
    layout: Arc<RowLayout>,
    conditions: Vec<Condition>,
    /// With their values at hand; none before the scan begins.
    tests: Option<Vec<Test>>,
    /// Conditions from this one on wait for a subquery's value: rows aren't tested for them yet.
    waits: bool,
    kept: KeptRows,
    removed: u64,
}

impl PageFilter {
    /// The conditions that pages are tested for, and the others in their order.
    pub fn compile<'e>(
        b: &mut Builder<'_>,
        relation: &Relation,
        columns: &[(ColumnId, ScanColumn)],
        filter: &'e [Expr],
    ) -> Result<(PageFilter, Vec<&'e Expr>)> {
        let mut conditions = vec![];
        let mut rest = vec![];
        let mut may_pass_over = true;
        let mut awaits = false;
        for e in filter {
            let found = match may_pass_over {
                true => condition(b, relation, columns, e)?,
                false => None,
            };
            match found {
                Some(c) => {
                    awaits |= matches!(c.what, What::Awaited { .. });
                    conditions.push(c);
                    // Rows that come before the subquery's value does aren't tested here.
                    if awaits {
                        rest.push(e);
                    }
                }
                None => {
                    if may_pass_over && let Some(c) = implied(b, relation, columns, e)? {
                        conditions.push(c);
                    }
                    may_pass_over &= cannot_fail(e, &[]) && !is_volatile(e);
                    rest.push(e);
                }
            }
        }
        let layout = relation.layout.clone();
        let kept = KeptRows::default();
        Ok((PageFilter { layout, conditions, tests: None, waits: false, kept, removed: 0 }, rest))
    }

    /// Reads the values that rows are compared with. A subquery's is not asked for here: it is run when a row is, by the ordinary filter,
    /// as it may fail or take long; once that has its value, rows are tested for it where they lie.
    pub fn begin(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        let mut tests: Vec<Test> = Vec::with_capacity(self.conditions.len());
        self.waits = false;
        for Condition { column, what } in &self.conditions {
            let column = column.clone();
            let test = match what {
                What::Compare { order, value } => Test::compare(column, *order, &value.row(cx, &[])?)?,
                What::Days { order, value } => Test::days(column, *order, &value.row(cx, &[])?)?,
                What::List { values, equal } => Test::list(column, values, *equal),
                What::Like { pattern, negated } => Test::like(column, pattern.clone(), *negated),
                What::Starts { starts, equal } => Test::starts(column, starts.clone(), *equal),
                What::Awaited { order, plan } => match known_value(cx, *plan) {
                    Some(value) => Test::compare(column, *order, value)?,
                    None => {
                        self.waits = true;
                        break;
                    }
                },
                What::Columns { order, other } => Test::columns(column, *order, other.clone()),
                What::Null { negated } => Test::null(column, *negated),
            };
            // `a >= 1 AND a < 5` is one test.
            if !tests.last_mut().is_some_and(|last| last.joined(&test)) {
                tests.push(test);
            }
        }
        // None can fail: those that cost little come first.
        tests.sort_by_key(Test::effort);
        self.tests = Some(tests);
        Ok(())
    }

    /// To be called before the scan begins again: values of enclosing rows may be others.
    pub fn reset(&mut self) {
        self.tests = None;
    }

    /// As before it was begun for the first time.
    pub fn renew(&mut self) {
        (self.tests, self.waits, self.removed) = (None, false, 0);
        self.kept = KeptRows::default();
    }

    /// Whether there are no conditions.
    pub fn is_empty(&self) -> bool {
        self.conditions.is_empty()
    }

    /// Whether [`PageFilter::begin`] has all values.
    pub fn is_complete(&self) -> bool {
        self.tests.is_some() && !self.waits
    }

    /// The page's rows that pass all tests.
    pub fn pass<'p>(&'p mut self, heap: &Heap, page: PageRows<'p>) -> Result<PageRows<'p>> {
        let tests = self.tests.as_deref().unwrap_or(&[]);
        if tests.is_empty() {
            return Ok(page);
        }
        self.kept.all(&page);
        for test in tests {
            test.narrow(&self.layout, heap, &page, &mut self.kept)?;
            if self.kept.is_empty() {
                break;
            }
        }
        let left = page.only(&self.kept);
        self.removed += (page.len() - left.len()) as u64;
        Ok(left)
    }

    /// Rows that haven't passed so far.
    pub fn removed(&self) -> u64 {
        self.removed
    }
}

/// A condition that pages can be tested for.
fn condition(
    b: &mut Builder<'_>,
    relation: &Relation,
    columns: &[(ColumnId, ScanColumn)],
    e: &Expr,
) -> Result<Option<Condition>> {
    let column = |e: &Expr| column(relation, columns, e);
    Ok(match e {
        Expr::Call { function, args, form: CallForm::Operator(operator), .. } => {
            let [left, right] = &args[..] else { return Ok(None) };
            let Some(operator) = registry::operator(*operator) else { return Ok(None) };
            if operator.function != function.def().oid {
                return Ok(None);
            }
            let [a, c] = [operator.left, operator.right];
            if let Some(negated) = likes(operator.name, a, c) {
                let (Some(attribute), Expr::Const { value: Datum::Bytes(pattern), .. }) =
                    (column(left), right)
                else {
                    return Ok(None);
                };
                let found = Column::of(b, relation, attribute)?.filter(|f| f.kind() == Kind::Text);
                return Ok(found.zip(Parts::of(pattern)).map(|(column, pattern)| {
                    let pattern = Arc::new(pattern);
                    Condition { column, what: What::Like { pattern, negated } }
                }));
            }
            if let (Some(of), Expr::Const { value: Datum::Bytes(value), .. }) = (beginning(left), right)
                && (a, c) == (oids::TEXT, oids::TEXT)
            {
                let equal = match order_of(operator.name, operator.restrict) {
                    Some(Order::Equal) => true,
                    Some(Order::Different) => false,
                    _ => return Ok(None),
                };
                let starts = Starts::new(of.characters, std::iter::once(&value[..]));
                return started(b, relation, column(of.text), of.trimmed, starts, equal);
            }
            if let (oids::DATE, oids::TIMESTAMP) | (oids::TIMESTAMP, oids::DATE) = (a, c) {
                let (date, time) = if a == oids::DATE { (left, right) } else { (right, left) };
                let order = order_of(operator.name, operator.restrict);
                let (Some(order), Some(attribute)) = (order, column(date)) else { return Ok(None) };
                let order = if a == oids::DATE { order } else { order.turned() };
                let found = Column::of(b, relation, attribute)?.filter(|f| f.kind() == Kind::I32);
                let (Some(column), true) = (found, is_same_for_all(time, columns)) else { return Ok(None) };
                let value = b.expr(time, &Layout::default())?;
                return Ok(Some(Condition { column, what: What::Days { order, value } }));
            }
            let (Some(order), Some(kinds)) = (order_of(operator.name, operator.restrict), kinds_of(a, c))
            else {
                return Ok(None);
            };
            let (attribute, order, other, kind) = match (column(left), column(right)) {
                (Some(l), Some(r)) => {
                    let (l, r) = (Column::of(b, relation, l)?, Column::of(b, relation, r)?);
                    let (Some(l), Some(r)) = (l, r) else { return Ok(None) };
                    let fit = l.kind() == kinds.0 && r.kind() == kinds.1 && kinds.0.is_whole();
                    return Ok(
                        fit.then_some(Condition { column: l, what: What::Columns { order, other: r } })
                    );
                }
                (Some(l), None) => (l, order, right, kinds.0),
                (None, Some(r)) => (r, order.turned(), left, kinds.1),
                (None, None) => return Ok(None),
            };
            let text = matches!(kind, Kind::Text | Kind::Blanks);
            if let Expr::Subquery(s) = other
                && let Some(plan) = run_once(s)
                && !text
            {
                let found = Column::of(b, relation, attribute)?.filter(|f| f.fits(kind));
                return Ok(found.map(|column| Condition {
                    column: column.compared_as(kind),
                    what: What::Awaited { order, plan },
                }));
            }
            if !is_same_for_all(other, columns) || (text && !matches!(order, Order::Equal | Order::Different))
            {
                return Ok(None);
            }
            let Some(found) = Column::of(b, relation, attribute)?.filter(|f| f.fits(kind)) else {
                return Ok(None);
            };
            let value = b.expr(other, &Layout::default())?;
            Some(Condition { column: found.compared_as(kind), what: What::Compare { order, value } })
        }
        Expr::ScalarArray { operator, left, array, all, function } => {
            let Some(operator) = registry::operator(*operator) else { return Ok(None) };
            let (Some(order), Some(kinds)) =
                (order_of(operator.name, operator.restrict), kinds_of(operator.left, operator.right))
            else {
                return Ok(None);
            };
            let equal = match (order, all) {
                (Order::Equal, false) => true,
                (Order::Different, true) => false,
                _ => return Ok(None),
            };
            let Expr::Const { value, .. } = &**array else { return Ok(None) };
            if operator.function != function.def().oid || value.is_null() {
                return Ok(None);
            }
            let values: Vec<Datum> = ArrayRef::of(value).iter().collect();
            // Nothing differs from none, whatever it is: NULLs pass.
            if values.is_empty() || values.len() > Test::LIST_MAX {
                return Ok(None);
            }
            if let Some(of) = beginning(left)
                && operator.left == oids::TEXT
                && (equal || !values.iter().any(Datum::is_null))
            {
                let bytes = |v: &'_ Datum| if let Datum::Bytes(v) = v { Some(v.to_vec()) } else { None };
                let values: Vec<Vec<u8>> = values.iter().filter_map(bytes).collect();
                let starts = Starts::new(of.characters, values.iter().map(|v| &v[..]));
                return started(b, relation, column(of.text), of.trimmed, starts, equal);
            }
            let Some(attribute) = column(left) else { return Ok(None) };
            let found =
                Column::of(b, relation, attribute)?.filter(|f| f.fits(kinds.0) && kinds.0.has_lists());
            found.map(|column| Condition {
                column: column.compared_as(kinds.0),
                what: What::List { values, equal },
            })
        }
        Expr::IsNull { arg, negated } => match (&**arg, column(arg)) {
            (Expr::Column { .. }, Some(attribute)) => Some(Condition {
                column: Column::any(b, relation, attribute)?,
                what: What::Null { negated: *negated },
            }),
            _ => None,
        },
        Expr::Column { .. } => flag(b, relation, column(e), true)?,
        Expr::Not(arg) if matches!(**arg, Expr::Column { .. }) => flag(b, relation, column(arg), false)?,
        _ => None,
    })
}

/// A test that a row passes if any of several alternatives holds for it: each says which values one column may have. The alternatives
/// remain to be tested.
fn implied(
    b: &mut Builder<'_>,
    relation: &Relation,
    columns: &[(ColumnId, ScanColumn)],
    e: &Expr,
) -> Result<Option<Condition>> {
    let Expr::Or(alternatives) = e else { return Ok(None) };
    if !cannot_fail(e, &[]) || is_volatile(e) {
        return Ok(None);
    }
    let mut common: Option<Vec<(Column, Vec<Datum>)>> = None;
    for a in alternatives {
        let parts = if let Expr::And(parts) = a { &parts[..] } else { std::slice::from_ref(a) };
        let mut here = vec![];
        for part in parts {
            here.extend(condition(b, relation, columns, part)?.and_then(listed));
        }
        common = Some(match common {
            None => here,
            Some(before) => before
                .into_iter()
                .filter_map(|(column, mut values)| {
                    let (_, more) = here.iter().find(|(c, _)| c.is_same(&column))?;
                    values.extend(more.iter().filter(|v| !values.contains(v)).cloned().collect::<Vec<_>>());
                    (values.len() <= Test::LIST_MAX).then_some((column, values))
                })
                .collect(),
        });
    }
    let shortest = common.unwrap_or_default().into_iter().min_by_key(|(_, values)| values.len());
    Ok(shortest.map(|(column, values)| Condition { column, what: What::List { values, equal: true } }))
}

/// A test of how a column of text begins.
fn started(
    b: &Builder<'_>,
    relation: &Relation,
    attribute: Option<usize>,
    trimmed: bool,
    starts: Starts,
    equal: bool,
) -> Result<Option<Condition>> {
    let Some(attribute) = attribute else { return Ok(None) };
    let kind = if trimmed { Kind::Blanks } else { Kind::Text };
    let found = Column::of(b, relation, attribute)?.filter(|f| f.kind() == kind);
    Ok(found.map(|column| Condition { column, what: What::Starts { starts: Arc::new(starts), equal } }))
}

/// The values that a condition leaves a column, if they are a few constants.
fn listed(c: Condition) -> Option<(Column, Vec<Datum>)> {
    let values = match c.what {
        What::List { values, equal: true } => values,
        What::Compare { order: Order::Equal, value } => {
            vec![value.constant().filter(|v| !v.is_null())?.clone()]
        }
        _ => return None,
    };
    c.column.kind().has_lists().then_some((c.column, values))
}

/// A boolean column that must be true, or false.
fn flag(
    b: &mut Builder<'_>,
    relation: &Relation,
    attribute: Option<usize>,
    wanted: bool,
) -> Result<Option<Condition>> {
    let Some(attribute) = attribute else { return Ok(None) };
    let found = Column::of(b, relation, attribute)?.filter(|f| f.kind() == Kind::Bool);
    Ok(found.map(|column| Condition {
        column,
        what: What::List { values: vec![Datum::Bool(wanted)], equal: true },
    }))
}

/// The table's column that an expression is, perhaps under another name of its type.
fn column(relation: &Relation, columns: &[(ColumnId, ScanColumn)], e: &Expr) -> Option<usize> {
    match e {
        Expr::Column { id, .. } => match columns.iter().find(|(c, _)| c == id)?.1 {
            ScanColumn::Attribute(i) if i < relation.columns.len() => Some(i),
            _ => None,
        },
        Expr::Cast { arg, kind: CastKind::Relabel, .. } => column(relation, columns, arg),
        _ => None,
    }
}

/// Whether an expression has one value for all rows, at hand without computing anything that may fail.
fn is_same_for_all(e: &Expr, columns: &[(ColumnId, ScanColumn)]) -> bool {
    match e {
        Expr::Const { .. } | Expr::Param { .. } => true,
        Expr::Column { id, .. } => !columns.iter().any(|(c, _)| c == id),
        Expr::Cast { arg, kind: CastKind::Relabel, .. } => is_same_for_all(arg, columns),
        _ => false,
    }
}

/// The order that an operator tests for.
fn order_of(name: &str, restrict: &str) -> Option<Order> {
    let known = ["eqsel", "neqsel", "scalarltsel", "scalarlesel", "scalargtsel", "scalargesel"];
    if !known.contains(&restrict) {
        return None;
    }
    Some(match name {
        "=" => Order::Equal,
        "<>" => Order::Different,
        "<" => Order::Less,
        "<=" => Order::LessEqual,
        ">" => Order::Greater,
        ">=" => Order::GreaterEqual,
        _ => return None,
    })
}

/// How the operands of an operator compare.
fn kinds_of(left: Oid, right: Oid) -> Option<(Kind, Kind)> {
    let whole = |oid| match oid {
        oids::INT2 => Some(Kind::I16),
        oids::INT4 => Some(Kind::I32),
        oids::INT8 => Some(Kind::I64),
        _ => None,
    };
    if let (Some(l), Some(r)) = (whole(left), whole(right)) {
        return Some((l, r));
    }
    let float = |oid| match oid {
        oids::FLOAT4 => Some(Kind::F32),
        oids::FLOAT8 => Some(Kind::F64),
        _ => None,
    };
    if let (Some(l), Some(r)) = (float(left), float(right)) {
        return Some((l, r));
    }
    if left != right {
        return None;
    }
    let kind = match left {
        oids::BOOL => Kind::Bool,
        oids::DATE => Kind::I32,
        oids::TIME | oids::TIMESTAMP | oids::TIMESTAMPTZ => Kind::I64,
        oids::OID => Kind::U32,
        oids::NUMERIC => Kind::Numeric,
        oids::TEXT | oids::BYTEA => Kind::Text,
        oids::BPCHAR => Kind::Blanks,
        _ => return None,
    };
    Some((kind, kind))
}

/// Whether an operator is LIKE (false) or NOT LIKE (true) of text.
fn likes(name: &str, left: Oid, right: Oid) -> Option<bool> {
    if left != oids::TEXT || right != oids::TEXT {
        return None;
    }
    match name {
        "~~" => Some(false),
        "!~~" => Some(true),
        _ => None,
    }
}

/// A value that isn't of the kind that the condition compares: the plan's types say otherwise.
pub(super) fn wrong_kind() -> Error {
    Error::internal("a value of another type than the condition's")
}
