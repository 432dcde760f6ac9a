//! What an aggregate's results are like, from the rows of a group and the values aggregated: for HAVING, for conditions above a
//! grouped subquery, and for comparisons with a scalar subquery. PostgreSQL takes defaults for all of these.
//!
//! A group has one row and a Poisson number of others; its values are drawn independently of each other and of the group. Sums and
//! averages are then about normal (their means and variances follow from the column's), counts are what was said, and the
//! greatest of n values is below c when all n are.

use super::Facts;
use super::scalar::number_of;
use super::variable::Variable;
use crate::exprs::{binary, has_subquery, strip_relabel};
use crate::planner::Planner;
use quarry_catalog::ColumnStats;
use quarry_plan::expr::SubqueryPlan;
use quarry_plan::{AggregateExpr, CastKind, ColumnId, Expr, PhysicalPlan, SubqueryKind, walk};
use quarry_types::numeric::Numeric;
use quarry_types::{Datum, SqlType, oids};
use std::sync::Arc;

/// Poisson probabilities are summed up to here; beyond, the normal distribution is as good.
const SUMMED_MAX: f64 = 64.0;

/// Nothing is thought to be impossible.
const SHARE_MIN: f64 = 1.0e-7;

/// An aggregate's results.
#[derive(Clone, Debug)]
pub struct Results {
    /// How many there are: one for each group.
    pub groups: f64,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    /// Numbers of rows: one and a Poisson number more.
    Count {
        mean: f64,
    },
    /// Sums and averages.
    Normal {
        spread: Spread,
        whole: bool,
    },
    /// Greatest or least of so many values.
    Extreme {
        greatest: bool,
        of: Variable,
        count: f64,
    },
    Unknown,
}

/// Mean and variance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    mean: f64,
    variance: f64,
}

impl Spread {
    fn of(stats: &ColumnStats, v: &Variable) -> Option<Spread> {
        let (mut weight, mut sum, mut squares) = (0.0, 0.0, 0.0);
        for (value, share) in &stats.mcv {
            let (x, share) = (number_of(value, v.ty)?, f64::from(*share));
            weight += share;
            sum += share * x;
            squares += share * x * x;
        }
        let bins = stats.histogram.len().saturating_sub(1);
        let share = (1.0 - weight - v.nulls()).max(0.0) / bins.max(1) as f64;
        for bin in stats.histogram.windows(2) {
            let (low, high) = (number_of(&bin[0], v.ty)?, number_of(&bin[1], v.ty)?);
            weight += share;
            sum += share * (low + high) / 2.0;
            squares += share * (low * low + low * high + high * high) / 3.0;
        }
        let mean = sum / weight;
        let spread = Spread { mean, variance: (squares / weight - mean * mean).max(0.0) };
        (weight > 0.0 && spread.mean.is_finite() && spread.variance.is_finite()).then_some(spread)
    }
}

fn is_number(ty: SqlType) -> bool {
    let oid = ty.oid;
    is_whole(ty) || matches!(oid, oids::FLOAT4 | oids::FLOAT8 | oids::NUMERIC)
}
fn is_whole(ty: SqlType) -> bool {
    matches!(ty.oid, oids::INT2 | oids::INT4 | oids::INT8)
}

/// A number as a value of a type.
fn value_of(number: f64, ty: SqlType) -> Option<Datum> {
    let rounded = number.round();
    Some(match ty.oid {
        oids::INT2 if rounded.abs() < f64::from(i16::MAX) => Datum::I16(rounded as i16),
        oids::INT4 if rounded.abs() < f64::from(i32::MAX) => Datum::I32(rounded as i32),
        oids::INT8 if rounded.abs() < 9.0e18 => Datum::I64(rounded as i64),
        oids::FLOAT4 => Datum::F32(number as f32),
        oids::FLOAT8 => Datum::F64(number),
        oids::NUMERIC => Numeric::from_f64(number).ok()?.into_datum(),
        _ => return None,
    })
}

/// Share of a standard normal distribution below `z` (Abramowitz and Stegun 26.2.17, to within 1e-7).
fn normal_below(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z.abs());
    let terms = [0.319_381_530, -0.356_563_782, 1.781_477_937, -1.821_255_978, 1.330_274_429];
    let sum = terms.iter().rev().fold(0.0, |sum, c| (sum + c) * t);
    let tail = (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt() * sum;
    if z < 0.0 { tail } else { 1.0 - tail }
}

/// Share of the numbers of rows that are at least `c`.
fn counts_from(c: f64, mean: f64) -> f64 {
    let (others, least) = ((mean - 1.0).max(0.0), c.ceil() - 1.0);
    if least <= 0.0 {
        return 1.0;
    }
    if others <= 0.0 {
        return 0.0;
    }
    if least > SUMMED_MAX || others > SUMMED_MAX {
        return 1.0 - normal_below((least - 0.5 - others) / others.sqrt());
    }
    let (mut below, mut one, mut n) = (0.0, (-others).exp(), 0.0);
    while n < least {
        below += one;
        n += 1.0;
        one *= others / n;
    }
    1.0 - below
}

impl Results {
    /// How many different ones there are.
    pub(super) fn distinct(&self) -> Option<f64> {
        let within = |spread: f64| (4.0 * spread + 1.0).min(self.groups).max(1.0);
        match &self.kind {
            Kind::Count { mean } => Some(within(mean.sqrt()).round()),
            Kind::Normal { spread, whole: true } => Some(within(spread.variance.sqrt()).round()),
            Kind::Normal { .. } => Some(self.groups.max(1.0)),
            Kind::Extreme { .. } | Kind::Unknown => None,
        }
    }

    /// Share of the rows of a group that have its least or greatest value, if `v` is the column that this was taken of.
    pub(super) fn extreme_share(&self, v: &Variable) -> Option<f64> {
        let Kind::Extreme { of, count, .. } = &self.kind else { return None };
        let (own, other) = (of.stats.as_ref()?, v.stats.as_ref()?);
        Arc::ptr_eq(own, other).then(|| 1.0 / count.max(1.0))
    }

    /// The mean of the results, where it is known.
    fn spread(&self) -> Option<Spread> {
        match &self.kind {
            Kind::Count { mean } => Some(Spread { mean: *mean, variance: (mean - 1.0).max(0.0) }),
            Kind::Normal { spread, .. } => Some(*spread),
            Kind::Extreme { .. } | Kind::Unknown => None,
        }
    }
}

impl Planner<'_> {
    /// Notes the aggregates of `groups` groups of `rows` rows.
    pub fn note_aggregates(&mut self, aggregates: &[(ColumnId, AggregateExpr)], rows: f64, groups: f64) {
        for (id, a) in aggregates {
            let mut count = (rows / groups.max(1.0)).max(1.0);
            if let Some(filter) = &a.filter {
                count = (count * self.selectivity(std::slice::from_ref(filter))).max(1.0);
            }
            let kind = if a.distinct { Kind::Unknown } else { self.kind_of(a, count) };
            self.stats.results.insert(*id, Arc::new(Results { groups, kind }));
        }
    }

    fn kind_of(&mut self, a: &AggregateExpr, count: f64) -> Kind {
        let name = a.function.def().name;
        let [arg] = &a.args[..] else {
            return if name == "count" { Kind::Count { mean: count } } else { Kind::Unknown };
        };
        let v = self.variable(arg);
        let count = (count * (1.0 - v.nulls())).max(1.0);
        match name {
            "count" => Kind::Count { mean: count },
            "min" | "max" if v.stats.is_some() => Kind::Extreme { greatest: name == "max", of: v, count },
            "sum" | "avg" => match self.spread(arg) {
                Some(Spread { mean, variance }) if name == "sum" => {
                    let variance = count * variance + (count - 1.0).max(0.0) * mean * mean;
                    let whole = is_whole(arg.ty());
                    Kind::Normal { spread: Spread { mean: count * mean, variance }, whole }
                }
                Some(Spread { mean, variance }) => {
                    Kind::Normal { spread: Spread { mean, variance: variance / count }, whole: false }
                }
                None => Kind::Unknown,
            },
            _ => Kind::Unknown,
        }
    }

    /// Share of the results below `value` (above: `greater`).
    pub(super) fn results_compare(
        &mut self,
        results: &Results,
        value: (&Datum, SqlType),
        greater: bool,
        or_equal: bool,
    ) -> Option<f64> {
        let share = match &results.kind {
            Kind::Count { mean } => {
                let c = number_of(value.0, value.1)?;
                // Counts from the first that isn't below.
                let first = if greater == or_equal { c.ceil() } else { c.floor() + 1.0 };
                let from = counts_from(first, *mean);
                if greater { from } else { 1.0 - from }
            }
            Kind::Normal { spread, whole } => {
                let step = if *whole { 0.5 } else { 0.0 };
                let c = number_of(value.0, value.1)? + if greater == or_equal { -step } else { step };
                let deviation = spread.variance.sqrt();
                let below = match deviation > 0.0 {
                    true => normal_below((c - spread.mean) / deviation),
                    false => f64::from(u8::from(spread.mean < c)),
                };
                if greater { 1.0 - below } else { below }
            }
            Kind::Extreme { greatest, of, count } => {
                let one = self.compares(of, Some(value), greater, or_equal);
                // All of them are on the far side of it, or not all are on the other.
                if *greatest == greater { 1.0 - (1.0 - one).powf(*count) } else { one.powf(*count) }
            }
            Kind::Unknown => return None,
        };
        Some(share.clamp(SHARE_MIN, 1.0))
    }

    /// Mean and variance of a column's values, from its statistics.
    fn spread_of(&self, v: &Variable) -> Option<Spread> {
        let stats = v.stats.as_ref().filter(|_| is_number(v.ty))?;
        match stats.derived.get::<Facts>() {
            Some(facts) => *facts.spread.get_or_init(|| Spread::of(stats, v)),
            None => Spread::of(stats, v),
        }
    }
    /// Mean and variance of an expression's values, its columns being independent of each other.
    fn spread(&mut self, e: &Expr) -> Option<Spread> {
        let e = strip_relabel(e);
        match e {
            Expr::Const { value, ty } if is_number(*ty) => {
                Some(Spread { mean: number_of(value, *ty)?, variance: 0.0 })
            }
            Expr::Column { id, .. } => {
                let id = self.plain(*id);
                match self.definitions.get(&id).cloned() {
                    Some(d) if !matches!(d, Expr::Column { .. }) => self.spread(&d),
                    _ => {
                        let v = self.variable(&Expr::column(id, self.meta.get(id).ty));
                        match &v.results {
                            Some(results) => results.spread(),
                            None => self.spread_of(&v),
                        }
                    }
                }
            }
            Expr::Cast { arg, ty, kind: CastKind::Relabel | CastKind::Domain { .. }, .. }
                if is_number(*ty) =>
            {
                self.spread(arg)
            }
            Expr::Call { args, ty, .. } if is_number(*ty) => {
                if let Some((op, left, right)) = binary(e) {
                    if !matches!(op.name, "+" | "-" | "*" | "/") {
                        return None;
                    }
                    let (a, b) = (self.spread(left)?, self.spread(right)?);
                    return combined(op.name, a, b);
                }
                // A cast between kinds of numbers, a sign.
                let [arg] = &args[..] else { return None };
                let cast = matches!(
                    e,
                    Expr::Call {
                        form: quarry_plan::CallForm::ImplicitCast | quarry_plan::CallForm::ExplicitCast,
                        ..
                    }
                );
                if cast && is_number(arg.ty()) { self.spread(arg) } else { None }
            }
            Expr::Subquery(s) if s.kind == SubqueryKind::Scalar => {
                let SubqueryPlan::Physical { plan, .. } = &s.plan else { return None };
                let target = single_target(plan)?.clone();
                self.spread(&target)
            }
            _ => None,
        }
    }

    /// The mean of an expression that is made of aggregates' results and constants only.
    pub(super) fn expected(&mut self, e: &Expr) -> Option<Datum> {
        if self.stats.results.is_empty() || !is_number(e.ty()) || matches!(e, Expr::Const { .. }) {
            return None;
        }
        let mut plain = false;
        let mut aggregated = has_subquery(e);
        walk::visit(e, &mut |part| {
            if let Expr::Column { id, .. } = part {
                match self.is_result(*id, 0) {
                    true => aggregated = true,
                    false => plain = true,
                }
            }
        });
        if plain || !aggregated {
            return None;
        }
        let mean = self.spread(e)?.mean;
        value_of(mean, e.ty())
    }

    /// Whether a column is an aggregate's result, or computed from such only.
    fn is_result(&self, id: ColumnId, depth: usize) -> bool {
        let id = self.plain(id);
        if self.stats.results.contains_key(&id) {
            return true;
        }
        // Definitions never lead back, but a mistake elsewhere must not hang here.
        let Some(d) = self.definitions.get(&id).filter(|_| depth < 16) else { return false };
        let mut own = vec![];
        walk::columns_of(d, &mut own);
        !own.is_empty() && own.iter().all(|c| *c != id && self.is_result(*c, depth + 1))
    }
}

/// What a plan with one target gives.
fn single_target(plan: &PhysicalPlan) -> Option<&Expr> {
    match &plan.targets[..] {
        [(_, e)] => Some(e),
        _ => None,
    }
}

/// Of two independent numbers.
fn combined(op: &str, a: Spread, b: Spread) -> Option<Spread> {
    let squares = |s: Spread| s.variance + s.mean * s.mean;
    Some(match op {
        "+" => Spread { mean: a.mean + b.mean, variance: a.variance + b.variance },
        "-" => Spread { mean: a.mean - b.mean, variance: a.variance + b.variance },
        "*" => {
            let mean = a.mean * b.mean;
            Spread { mean, variance: (squares(a) * squares(b) - mean * mean).max(0.0) }
        }
        "/" if b.variance == 0.0 && b.mean != 0.0 => {
            Spread { mean: a.mean / b.mean, variance: a.variance / (b.mean * b.mean) }
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distributions() {
        assert!((normal_below(0.0) - 0.5).abs() < 1e-6);
        assert!((normal_below(1.96) - 0.975).abs() < 1e-4);
        assert!((normal_below(-3.0) - 0.00135).abs() < 1e-5);
        // One row, and one more on average: at least two with 1 - e^-1.
        assert!((counts_from(2.0, 2.0) - 0.632).abs() < 1e-3);
        assert_eq!((counts_from(1.0, 1.0), counts_from(2.0, 1.0)), (1.0, 0.0));
        assert!((counts_from(1000.0, 1000.0) - 0.5).abs() < 0.02);
    }

    #[test]
    fn one_row_of_a_group_has_its_least_value() {
        let column = |stats: &Arc<ColumnStats>| Variable {
            stats: Some(stats.clone()),
            ty: SqlType::INT4,
            unique: false,
            scan: None,
            rows: 100.0,
            results: None,
        };
        let (own, other) = (Arc::new(ColumnStats::default()), Arc::new(ColumnStats::default()));
        let kind = Kind::Extreme { greatest: false, of: column(&own), count: 4.0 };
        let least = Results { groups: 25.0, kind };
        assert_eq!(least.extreme_share(&column(&own)), Some(0.25));
        assert_eq!(least.extreme_share(&column(&other)), None);
    }

    #[test]
    fn products() {
        let (a, b) = (Spread { mean: 2.0, variance: 1.0 }, Spread { mean: 3.0, variance: 4.0 });
        assert_eq!(combined("*", a, b), Some(Spread { mean: 6.0, variance: 5.0 * 13.0 - 36.0 }));
        assert_eq!(combined("-", a, b), Some(Spread { mean: -1.0, variance: 5.0 }));
        assert_eq!(combined("/", a, b), None);
    }
}
