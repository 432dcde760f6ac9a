//! Selectivity of conditions (PostgreSQL: `clausesel.c`, `selfuncs.c`): what kind of condition it is decides who answers.

use super::elements::Relation;
use super::variable::Variable;
use crate::exprs::{binary, has_columns, strip_relabel};
use crate::planner::Planner;
use quarry_functions::{OperatorDef, registry};
use quarry_plan::{BoolTest, ColumnId, Expr, walk};
use quarry_types::{Datum, SqlType};

pub(super) const DEFAULT_EQ: f64 = 0.005;
pub(super) const DEFAULT_INEQUALITY: f64 = 1.0 / 3.0;
pub(super) const DEFAULT_MATCH: f64 = 0.005;
const DEFAULT_RANGE: f64 = 0.005;
const DEFAULT_UNKNOWN: f64 = 0.005;
const DEFAULT_MATCHING: f64 = 0.010;
/// Elements an unknown array is thought to have.
const UNKNOWN_ELEMENTS: usize = 10;
/// Entries that are skipped at both ends of a histogram, and those that must be there.
const MATCHING_ENTRIES_MIN: usize = 10;

/// Conditions whose selectivity is kept while a statement is planned.
const SHARES_MAX: usize = 128;

/// The elements of a stored array.
pub fn elements_of(bytes: &[u8]) -> Option<Vec<Datum>> {
    let a = quarry_types::array::ArrayRef::new(bytes);
    Some(a.iter().collect())
}

/// Something compared with what doesn't read the same table.
struct Side<'e> {
    subject: &'e Expr,
    other: &'e Expr,
    op: &'static OperatorDef,
    flipped: bool,
}

/// A comparison of two tables' rows.
struct Bound<'e> {
    /// The left side is the smaller one.
    smaller: bool,
    /// Each with the number of its table's scan.
    sides: [(&'e Expr, usize); 2],
    share: f64,
}

impl Bound<'_> {
    /// Whether the two are a lower and an upper bound of one value by rows of one table.
    fn opposes(&self, other: &Bound<'_>) -> bool {
        let bounded = |b: &Bound<'_>, side: usize| (side == 0) == b.smaller;
        (0..2).any(|i| {
            (0..2).any(|j| {
                self.sides[i] == other.sides[j]
                    && self.sides[1 - i].1 == other.sides[1 - j].1
                    && bounded(self, i) != bounded(other, j)
            })
        })
    }
}

/// What is told at once of conditions that were estimated.
#[derive(Clone, Copy, Default)]
pub(super) struct Mark {
    /// A number that most conditions don't share with others.
    number: u64,
    /// The newest of the columns that are read.
    newest: Option<ColumnId>,
}

impl Mark {
    fn of(e: &Expr) -> Mark {
        let mut mark = match e {
            Expr::Call { function, .. } => Mark { number: u64::from(function.def().oid.0), newest: None },
            _ => Mark::default(),
        };
        walk::reads_any(e, &mut |id| {
            mark.number = (mark.number ^ u64::from(id.0)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            mark.newest = mark.newest.max(Some(id));
            false
        });
        mark
    }

    fn of_all(conditions: &[Expr]) -> Mark {
        conditions.iter().map(Mark::of).fold(Mark::default(), |all, one| Mark {
            number: all.number.rotate_left(7) ^ one.number,
            newest: all.newest.max(one.newest),
        })
    }

    /// Whether columns are read from this one on.
    pub(super) fn reads_from(self, first: ColumnId) -> bool {
        self.newest.is_some_and(|id| id >= first)
    }
}

fn is_inequality(op: &OperatorDef) -> bool {
    matches!(op.restrict, "scalarltsel" | "scalarlesel" | "scalargtsel" | "scalargesel")
}

impl Planner<'_> {
    /// Share of rows (or of pairs of rows) that satisfy all of these.
    pub fn selectivity(&mut self, conditions: &[Expr]) -> f64 {
        match conditions {
            [] => return 1.0,
            [one] => return self.share_of(one),
            _ => {}
        }
        let mark = Mark::of_all(conditions);
        let same = |(m, known, _): &&(Mark, Vec<Expr>, f64)| m.number == mark.number && known == conditions;
        if let Some((.., share)) = self.stats.known.shares.iter().find(same) {
            return *share;
        }
        let share = self.selectivity_now(conditions);
        if self.stats.known.shares.len() < SHARES_MAX && conditions.iter().all(|c| self.is_of_tables(c)) {
            self.stats.known.shares.push((mark, conditions.to_vec(), share));
        }
        share
    }

    /// As [`Planner::selectivity_of`], kept.
    fn share_of(&mut self, e: &Expr) -> f64 {
        let mark = Mark::of(e);
        let same = |(m, known, _): &&(Mark, Expr, f64)| m.number == mark.number && known == e;
        if let Some((.., share)) = self.stats.known.single.iter().find(same) {
            return *share;
        }
        let share = self.selectivity_of(e);
        if self.stats.known.single.len() < SHARES_MAX && self.is_of_tables(e) {
            self.stats.known.single.push((mark, e.clone(), share));
        }
        share
    }

    /// Whether a condition reads nothing but tables' columns, which are what they are; what is known of others may come to be known while
    /// planning goes on.
    fn is_of_tables(&self, e: &Expr) -> bool {
        !walk::reads_any(e, &mut |id| !self.stats.scan_of.contains_key(&self.plain(id)))
    }

    fn selectivity_now(&mut self, conditions: &[Expr]) -> f64 {
        let mut done = vec![false; conditions.len()];
        let mut s = self.extended_share(conditions, &mut done, false);
        s *= self.keys_together(conditions, &mut done);
        let rest = conditions.iter().zip(&done).filter(|(_, d)| !**d).map(|(c, _)| c);
        (s * self.plain_selectivity(rest)).clamp(0.0, 1.0)
    }

    /// As if columns had nothing to do with each other, but for two bounds of one.
    pub(super) fn plain_selectivity<'e>(&mut self, conditions: impl IntoIterator<Item = &'e Expr>) -> f64 {
        let mut s = 1.0;
        let mut ranges: Vec<(&Expr, Option<f64>, Option<f64>)> = vec![];
        let mut bounds = vec![];
        for c in conditions {
            let one = self.share_of(c);
            // A lower and an upper bound on one column: the overlap, not the product.
            if let Some(side) = self.side(c).filter(|s| is_inequality(s.op))
                && !has_columns(side.other)
            {
                let upper = matches!(side.op.restrict, "scalarltsel" | "scalarlesel") != side.flipped;
                let subject = strip_relabel(side.subject);
                match ranges.iter_mut().find(|(e, _, _)| *e == subject) {
                    Some((_, low, high)) => {
                        let place = if upper { high } else { low };
                        *place = Some(place.map_or(one, |p: f64| p.min(one)));
                    }
                    None => ranges.push((subject, (!upper).then_some(one), upper.then_some(one))),
                }
                continue;
            }
            if let Some(bound) = self.bound(c, one) {
                bounds.push(bound);
                continue;
            }
            s *= one;
        }
        s *= self.bounded(bounds);
        for (subject, low, high) in ranges {
            s *= match (low, high) {
                (Some(l), Some(h)) if l == DEFAULT_INEQUALITY || h == DEFAULT_INEQUALITY => DEFAULT_RANGE,
                (Some(l), Some(h)) => {
                    let both = l + h - 1.0 + self.variable(subject).nulls();
                    if both > 0.0 {
                        both
                    } else if both < -0.01 {
                        DEFAULT_RANGE
                    } else {
                        1.0e-10
                    }
                }
                (Some(x), None) | (None, Some(x)) => x,
                (None, None) => 1.0,
            };
        }
        s.clamp(0.0, 1.0)
    }

    /// A column's bound that another table's row gives.
    fn bound<'e>(&self, e: &'e Expr, share: f64) -> Option<Bound<'e>> {
        let (op, left, right) = binary(e).filter(|(op, ..)| is_inequality(op))?;
        let (left, right) = (strip_relabel(left), strip_relabel(right));
        let (l, r) = (self.row_of(left)?, self.row_of(right)?);
        let less = matches!(op.restrict, "scalarltsel" | "scalarlesel");
        (l != r).then_some(Bound { smaller: less, sides: [(left, l), (right, r)], share })
    }

    /// The one scan that an expression's columns are of, or that they are all of enclosing rows.
    fn row_of(&self, e: &Expr) -> Option<usize> {
        const ENCLOSING: usize = usize::MAX;
        let outside = || !walk::reads_any(e, &mut |id| self.stats.scan_of.contains_key(&self.plain(id)));
        self.scan_of(e).or_else(|| (has_columns(e) && outside()).then_some(ENCLOSING))
    }

    /// The share of pairs of rows within bounds: of a lower and an upper bound that one row gives for a value, the overlap and not the
    /// product. PostgreSQL does so where the row's values are parameters, and takes a fixed share.
    fn bounded(&self, mut bounds: Vec<Bound<'_>>) -> f64 {
        let mut share = 1.0;
        while let Some(bound) = bounds.pop() {
            let Some(at) = bounds.iter().position(|b| b.opposes(&bound)) else {
                share *= bound.share;
                continue;
            };
            let other = bounds.swap_remove(at);
            let guessed = bound.share == DEFAULT_INEQUALITY || other.share == DEFAULT_INEQUALITY;
            let overlap = if guessed { 0.0 } else { bound.share + other.share - 1.0 };
            share *= overlap.max(DEFAULT_RANGE);
        }
        share
    }

    fn side<'e>(&self, e: &'e Expr) -> Option<Side<'e>> {
        let (op, left, right) = binary(e)?;
        // Values of another table's row, or of this one's, are not known.
        match (has_columns(left), has_columns(right)) {
            (true, false) => Some(Side { subject: left, other: right, op, flipped: false }),
            (false, true) => Some(Side { subject: right, other: left, op, flipped: true }),
            _ => None,
        }
    }

    /// Share of rows that satisfy one condition.
    pub fn selectivity_of(&mut self, e: &Expr) -> f64 {
        let s = match e {
            Expr::Const { value: Datum::Bool(b), .. } => f64::from(u8::from(*b)),
            Expr::Const { .. } => 0.0,
            Expr::And(parts) => self.selectivity(parts),
            Expr::Or(parts) => {
                let mut done = vec![false; parts.len()];
                let mut s = self.extended_share(parts, &mut done, true);
                for (p, _) in parts.iter().zip(&done).filter(|(_, d)| !**d) {
                    let one = self.selectivity_of(p);
                    s = s + one - s * one;
                }
                s
            }
            Expr::Not(arg) => 1.0 - self.selectivity_of(arg),
            Expr::IsNull { arg, negated } => {
                let nulls = match strip_relabel(arg) {
                    Expr::Column { id, .. }
                        if self.meta.get(*id).not_null && self.meta.get(*id).source.is_some() =>
                    {
                        0.0
                    }
                    arg => {
                        let v = self.variable(arg);
                        v.stats.as_ref().map_or(DEFAULT_UNKNOWN, |s| f64::from(s.null_fraction))
                    }
                };
                if *negated { 1.0 - nulls } else { nulls }
            }
            Expr::IsBool { arg, test } => self.truth_test(arg, *test),
            Expr::Column { .. } => {
                let v = self.variable(e);
                match v.stats {
                    Some(_) => self.equals(&v, Some((&Datum::Bool(true), SqlType::BOOL))),
                    None => 0.5,
                }
            }
            Expr::ScalarArray { operator, left, array, all, .. } => match registry::operator(*operator) {
                Some(op) => {
                    let v = self.variable(left);
                    if self.is_computed(left, &v)
                        && let Some(share) = self.share_of_values(e)
                    {
                        return share;
                    }
                    self.array_comparison(op, left, array, *all)
                }
                None => 0.5,
            },
            Expr::Call { .. } => match binary(e) {
                Some((op, left, right)) => match self.side(e) {
                    _ if let Some(share) = self.with_mean(op, left, right) => share,
                    Some(side) => {
                        let (flipped, ty) = (side.flipped, side.other.ty());
                        let v = self.variable(side.subject);
                        if self.is_computed(side.subject, &v)
                            && let Some(share) = self.share_of_values(e)
                        {
                            return share;
                        }
                        let value = self.estimate(side.other);
                        self.operator_selectivity(op, &v, value.as_ref(), flipped, ty)
                    }
                    None if !has_columns(left) => {
                        let v = self.variable(left);
                        self.operator_selectivity(op, &v, None, false, left.ty())
                    }
                    // A value beside itself says nothing of its statistics (PostgreSQL guesses so, too).
                    None if left == right && op.restrict == "eqsel" => DEFAULT_EQ,
                    None if left == right && op.restrict == "neqsel" => 1.0 - DEFAULT_EQ,
                    None if left == right && is_inequality(op) => DEFAULT_INEQUALITY,
                    None => {
                        let (a, b) = (self.variable(left), self.variable(right));
                        self.joins(op, &a, &b)
                    }
                },
                None => {
                    if let Some(share) = self.starts_with(e) {
                        return share;
                    }
                    let v = self.variable(e);
                    match v.stats {
                        // An expression of an index or a statistics object.
                        Some(_) => self.equals(&v, Some((&Datum::Bool(true), SqlType::BOOL))),
                        None => self.share_of_values(e).unwrap_or(DEFAULT_INEQUALITY),
                    }
                }
            },
            Expr::IsDistinct { left, right, operator, negated, .. } => {
                let same = match registry::operator(*operator) {
                    Some(op) => match crate::exprs::operator_call(op, (**left).clone(), (**right).clone()) {
                        Some(call) => self.selectivity_of(&call),
                        None => DEFAULT_EQ,
                    },
                    None => DEFAULT_EQ,
                };
                if *negated { same } else { 1.0 - same }
            }
            _ => 0.5,
        };
        s.clamp(0.0, 1.0)
    }

    /// Whether an expression is computed and nothing is known of it itself.
    fn is_computed(&self, e: &Expr, v: &Variable) -> bool {
        let computed = match strip_relabel(e) {
            Expr::Column { id, .. } => {
                self.definitions.get(&self.plain(*id)).is_some_and(|d| !matches!(d, Expr::Column { .. }))
            }
            _ => true,
        };
        computed && v.stats.is_none() && v.results.is_none()
    }

    /// A comparison with what is made of aggregates: as if these were their means.
    fn with_mean(&mut self, op: &'static OperatorDef, left: &Expr, right: &Expr) -> Option<f64> {
        if !is_inequality(op) {
            return None;
        }
        for (subject, other, flipped) in [(left, right, false), (right, left, true)] {
            if let Some(mean) = self.expected(other) {
                let v = self.variable(subject);
                if v.stats.is_some() || v.results.is_some() {
                    return Some(self.operator_selectivity(op, &v, Some(&mean), flipped, other.ty()));
                }
            }
        }
        None
    }

    /// `starts_with(text, prefix)` is `text ^@ prefix`.
    fn starts_with(&mut self, e: &Expr) -> Option<f64> {
        let Expr::Call { function, args, .. } = e else { return None };
        let [text, prefix] = &args[..] else { return None };
        if function.def().name != "starts_with" {
            return None;
        }
        let op = registry::operators_named("^@").first()?;
        let call = crate::exprs::operator_call(op, text.clone(), prefix.clone())?;
        Some(self.selectivity_of(&call))
    }

    /// `arg IS TRUE` and its relatives.
    fn truth_test(&mut self, arg: &Expr, test: BoolTest) -> f64 {
        let v = self.variable(arg);
        let (unknown, truth) = match v.stats.clone() {
            Some(s) => {
                let unknown = f64::from(s.null_fraction);
                let truth = match s.mcv.first() {
                    Some((Datum::Bool(true), f)) => f64::from(*f),
                    Some((_, f)) => 1.0 - f64::from(*f) - unknown,
                    None => (1.0 - unknown) / 2.0,
                };
                (unknown, truth)
            }
            None => match test {
                BoolTest::Unknown | BoolTest::NotUnknown => (DEFAULT_UNKNOWN, 0.0),
                _ => (0.0, self.selectivity_of(arg)),
            },
        };
        match test {
            BoolTest::True => truth,
            BoolTest::NotTrue => 1.0 - truth,
            BoolTest::False => 1.0 - truth - unknown,
            BoolTest::NotFalse => truth + unknown,
            BoolTest::Unknown => unknown,
            BoolTest::NotUnknown => 1.0 - unknown,
        }
    }

    /// `left op ANY (array)`, `left op ALL (array)`.
    fn array_comparison(&mut self, op: &'static OperatorDef, left: &Expr, array: &Expr, all: bool) -> f64 {
        let (equality, inequality) = (op.restrict == "eqsel", op.restrict == "neqsel");
        // A value among the elements of a column's arrays.
        if !has_columns(left) && has_columns(array) && (equality || inequality) {
            let v = self.variable(array);
            let value = self.estimate(left);
            return match value {
                Some(x) if equality && !all => self.array_relation(&v, &[x], Relation::Contains),
                Some(x) if inequality && all => {
                    1.0 - v.nulls() - self.array_relation(&v, &[x], Relation::Contains)
                }
                _ => DEFAULT_EQ,
            };
        }
        let values: Vec<Option<Datum>> = match strip_relabel(array) {
            Expr::Array { elements, nested: false, .. } => {
                elements.iter().map(|e| self.estimate(e)).collect()
            }
            e => match self.estimate(e) {
                Some(Datum::Bytes(bytes)) => {
                    elements_of(&bytes).unwrap_or_default().into_iter().map(Some).collect()
                }
                Some(Datum::Null) => return 0.0,
                _ => vec![None; UNKNOWN_ELEMENTS],
            },
        };
        let element = quarry_types::type_info(array.ty().oid)
            .filter(|t| t.is_array())
            .map_or(left.ty(), |t| SqlType::of(t.element));
        let v = self.variable(left);
        let mut share = if all { 1.0 } else { 0.0 };
        let mut apart = share;
        for value in &values {
            let one = self.operator_selectivity(op, &v, value.as_ref(), false, element);
            if all {
                share *= one;
                apart += one - 1.0;
            } else {
                share = share + one - share * one;
                apart += one;
            }
        }
        let exclusive = if all { inequality } else { equality };
        if exclusive && (0.0..=1.0).contains(&apart) { apart } else { share }
    }

    /// `v op value`; `flipped`: `value op v`.
    fn operator_selectivity(
        &mut self,
        op: &'static OperatorDef,
        v: &Variable,
        value: Option<&Datum>,
        flipped: bool,
        ty: SqlType,
    ) -> f64 {
        if value.is_some_and(Datum::is_null) {
            return 0.0;
        }
        let known = value.map(|value| (value, ty));
        match op.restrict {
            "eqsel" => self.equals(v, known),
            "neqsel" => (1.0 - self.equals(v, known) - v.nulls()).max(0.0),
            "scalarltsel" | "scalarlesel" | "scalargtsel" | "scalargesel" => {
                let greater = op.restrict.starts_with("scalarg") != flipped;
                self.compares(v, known, greater, op.name.ends_with('='))
            }
            "likesel" | "regexeqsel" | "iclikesel" | "icregexeqsel" | "nlikesel" | "regexnesel"
            | "icnlikesel" | "icregexnesel" | "prefixsel"
                if !flipped =>
            {
                self.matches_pattern(op, v, value, ty)
            }
            "nlikesel" | "regexnesel" | "icnlikesel" | "icregexnesel" => 1.0 - DEFAULT_MATCH,
            "likesel" | "regexeqsel" | "iclikesel" | "icregexeqsel" | "prefixsel" => DEFAULT_MATCH,
            "arraycontsel" => {
                let relation = match (op.name, flipped) {
                    ("&&", _) => Relation::Overlaps,
                    ("@>", false) | ("<@", true) => Relation::Contains,
                    _ => Relation::Contained,
                };
                match value {
                    Some(Datum::Bytes(bytes)) => {
                        let elements = elements_of(bytes).unwrap_or_default();
                        self.array_relation(v, &elements, relation)
                    }
                    _ if relation == Relation::Overlaps => DEFAULT_MATCHING,
                    _ => DEFAULT_EQ,
                }
            }
            "tsmatchsel" => self.matches_query(v, value),
            "matchingsel" => self.matching(op, v, value, flipped, ty),
            "contsel" => 0.001,
            "" => 0.5,
            _ => DEFAULT_EQ,
        }
    }

    /// An operator without a theory: what it says of the values in the statistics.
    fn matching(
        &mut self,
        op: &'static OperatorDef,
        v: &Variable,
        value: Option<&Datum>,
        flipped: bool,
        ty: SqlType,
    ) -> f64 {
        let (Some(stats), Some(value)) = (v.stats.clone(), value) else { return DEFAULT_MATCHING };
        let entries = stats.histogram.len();
        let inner = if entries >= MATCHING_ENTRIES_MIN { &stats.histogram[1..entries - 1] } else { &[] };
        let mut values: Vec<&Datum> = stats.mcv.iter().map(|m| &m.0).collect();
        values.extend(inner);
        let op = match flipped {
            true => registry::operator(op.commutator),
            false => Some(op),
        };
        let Some(holds) = op.and_then(|op| self.holds_for(op, &values, v.ty, value, ty)) else {
            return DEFAULT_MATCHING;
        };
        let common: f64 = stats.mcv.iter().map(|m| f64::from(m.1)).sum();
        let hit: f64 = stats.mcv.iter().zip(&holds).filter(|(_, h)| **h).map(|(m, _)| f64::from(m.1)).sum();
        let seen = match inner.len() {
            0 => DEFAULT_MATCHING,
            n => {
                let share = holds[stats.mcv.len()..].iter().filter(|h| **h).count() as f64 / n as f64;
                let weight = (entries as f64 / 100.0).min(1.0);
                if entries >= 100 { share } else { share * weight + DEFAULT_MATCHING * (1.0 - weight) }
            }
        };
        let seen = seen.clamp(0.0001, 0.9999);
        (seen * (1.0 - v.nulls() - common).max(0.0) + hit).clamp(0.0, 1.0)
    }

    /// Distinct values of a column in its table.
    pub fn distinct_of(&mut self, column: ColumnId) -> f64 {
        let v = self.variable(&Expr::column(column, self.meta.get(column).ty));
        self.distinct(&v).0
    }
    /// Rows of the table a column comes from.
    pub(super) fn table_rows(&mut self, column: ColumnId) -> f64 {
        if let Some(Expr::Column { id, .. }) = self.definitions.get(&column)
            && *id != column
        {
            let id = *id;
            return self.table_rows(id);
        }
        if let Some(rows) = self.stats.column_rows.get(&column) {
            return *rows;
        }
        match self.meta.get(column).source.and_then(|(rel, _)| self.env.catalog.relation(rel).ok().flatten())
        {
            Some(r) => self.relation_size(&r).rows.max(1.0),
            None => 1000.0,
        }
    }
    /// Whether a column alone is a unique key of its table.
    pub fn is_unique(&self, column: ColumnId) -> bool {
        if let Some(known) = self.stats.known.unique.borrow().get(&column) {
            return *known;
        }
        let unique = self.find_unique(column);
        self.stats.known.unique.borrow_mut().insert(column, unique);
        unique
    }

    fn find_unique(&self, column: ColumnId) -> bool {
        let Some((rel, number)) = self.meta.get(column).source else { return false };
        let Ok(Some(r)) = self.env.catalog.relation(rel) else { return false };
        r.indexes.iter().any(|i| {
            i.unique
                && i.valid
                && i.predicate_sql.is_none()
                && i.keys.len() == 1
                && i.keys[0].column == Some(number as usize - 1)
        })
    }
}
