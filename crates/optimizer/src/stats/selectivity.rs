//! Selectivity of conditions, from most common values, histograms and numbers of distinct values; PostgreSQL's defaults where
//! nothing is known.

use crate::exprs::{binary, columns, strip_relabel};
use crate::planner::Planner;
use quarry_catalog::ColumnStats;
use quarry_functions::OperatorDef;
use quarry_plan::{BoolTest, ColumnId, Expr};
use quarry_types::compare::compare_datums;
use quarry_types::{Datum, SqlType, TypeInfo};
use std::cmp::Ordering;

const DEFAULT_EQ: f64 = 0.005;
const DEFAULT_INEQUALITY: f64 = 1.0 / 3.0;
const DEFAULT_RANGE: f64 = 0.005;
const DEFAULT_MATCH: f64 = 0.005;
const DEFAULT_UNKNOWN: f64 = 0.005;
const DEFAULT_DISTINCT: f64 = 200.0;

/// The elements of a stored array.
pub fn elements_of(bytes: &[u8]) -> Option<Vec<Datum>> {
    let a = quarry_types::array::ArrayRef::new(bytes);
    Some(a.iter().collect())
}

/// A column compared with something that doesn't read it.
struct Side<'e> {
    column: ColumnId,
    other: &'e Expr,
    op: &'static OperatorDef,
    flipped: bool,
}

impl Planner<'_> {
    /// Share of rows that satisfy all of these.
    pub fn selectivity(&mut self, conditions: &[Expr]) -> f64 {
        let mut s = 1.0;
        let mut ranges: Vec<(ColumnId, Option<f64>, Option<f64>)> = vec![];
        for c in conditions {
            let one = self.selectivity_of(c);
            // A lower and an upper bound on one column: the overlap, not the product.
            if let Some(side) = self.side(c)
                && matches!(side.op.restrict, "scalarltsel" | "scalarlesel" | "scalargtsel" | "scalargesel")
            {
                let upper = matches!(side.op.name, "<" | "<=") != side.flipped;
                let column = side.column;
                match ranges.iter_mut().find(|(id, _, _)| *id == column) {
                    Some((_, low, high)) => {
                        let place = if upper { high } else { low };
                        *place = Some(place.map_or(one, |p: f64| p.min(one)));
                    }
                    None => ranges.push((column, (!upper).then_some(one), upper.then_some(one))),
                }
                continue;
            }
            s *= one;
        }
        for (column, low, high) in ranges {
            s *= match (low, high) {
                (Some(l), Some(h)) if l == DEFAULT_INEQUALITY || h == DEFAULT_INEQUALITY => DEFAULT_RANGE,
                (Some(l), Some(h)) => {
                    let nulls = self.column_stats(column).map_or(0.0, |s| f64::from(s.null_fraction));
                    let both = l + h - 1.0 + nulls;
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

    fn side<'e>(&self, e: &'e Expr) -> Option<Side<'e>> {
        let (op, left, right) = binary(e)?;
        if let Expr::Column { id, .. } = strip_relabel(left)
            && !columns(right).contains(id)
        {
            return Some(Side { column: *id, other: right, op, flipped: false });
        }
        if let Expr::Column { id, .. } = strip_relabel(right)
            && !columns(left).contains(id)
        {
            return Some(Side { column: *id, other: left, op, flipped: true });
        }
        None
    }

    /// Share of rows that satisfy one condition.
    pub fn selectivity_of(&mut self, e: &Expr) -> f64 {
        let s = match e {
            Expr::Const { value: Datum::Bool(b), .. } => f64::from(u8::from(*b)),
            Expr::Const { .. } => 0.0,
            Expr::And(parts) => self.selectivity(parts),
            Expr::Or(parts) => parts.iter().fold(0.0, |s, p| {
                let one = self.selectivity_of(p);
                s + one - s * one
            }),
            Expr::Not(arg) => 1.0 - self.selectivity_of(arg),
            Expr::IsNull { arg, negated } => {
                let nulls = match strip_relabel(arg) {
                    Expr::Column { id, .. }
                        if self.meta.get(*id).not_null && self.meta.get(*id).source.is_some() =>
                    {
                        0.0
                    }
                    Expr::Column { id, .. } => {
                        self.column_stats(*id).map_or(DEFAULT_UNKNOWN, |s| f64::from(s.null_fraction))
                    }
                    _ => DEFAULT_UNKNOWN,
                };
                if *negated { 1.0 - nulls } else { nulls }
            }
            Expr::IsBool { arg, test } => {
                let t = self.selectivity_of(arg);
                match test {
                    BoolTest::True | BoolTest::NotFalse => t,
                    BoolTest::False | BoolTest::NotTrue => 1.0 - t,
                    BoolTest::Unknown => DEFAULT_UNKNOWN,
                    BoolTest::NotUnknown => 1.0 - DEFAULT_UNKNOWN,
                }
            }
            Expr::Column { id, .. } => match self.column_stats(*id) {
                Some(s) => {
                    s.mcv.iter().find(|(v, _)| *v == Datum::Bool(true)).map_or(0.5, |(_, f)| f64::from(*f))
                }
                None => 0.5,
            },
            Expr::ScalarArray { operator, left, array, all, .. } => {
                let Some(op) = quarry_functions::registry::operator(*operator) else { return 0.5 };
                let column = match strip_relabel(left) {
                    Expr::Column { id, .. } => Some(*id),
                    _ => None,
                };
                let values: Vec<Option<Datum>> = match strip_relabel(array) {
                    Expr::Array { elements, .. } => elements.iter().map(|e| self.estimate(e)).collect(),
                    e => match array_of(e) {
                        Some(values) => values.into_iter().map(Some).collect(),
                        None => vec![None; 10],
                    },
                };
                let equality = op.restrict == "eqsel" && !all;
                let (mut any, mut sum, mut every) = (0.0, 0.0, 1.0);
                for v in &values {
                    let one = self.operator_selectivity(op, column, v.as_ref(), false, left.ty());
                    any = any + one - any * one;
                    sum += one;
                    every *= one;
                }
                if *all {
                    every
                } else if equality && sum <= 1.0 {
                    sum
                } else {
                    any
                }
            }
            Expr::Call { .. } => match binary(e) {
                Some((op, left, right)) => {
                    if let (Expr::Column { id: a, .. }, Expr::Column { id: b, .. }) =
                        (strip_relabel(left), strip_relabel(right))
                    {
                        let (a, b) = (*a, *b);
                        return self.join_selectivity(op, a, b);
                    }
                    match self.side(e) {
                        Some(side) => {
                            let (column, flipped, other) = (side.column, side.flipped, side.other);
                            let value = self.estimate(other);
                            let ty = other.ty();
                            self.operator_selectivity(op, Some(column), value.as_ref(), flipped, ty)
                        }
                        None => self.operator_selectivity(op, None, None, false, left.ty()),
                    }
                }
                None => 1.0 / 3.0,
            },
            Expr::IsDistinct { negated, .. } => {
                if *negated {
                    DEFAULT_EQ
                } else {
                    1.0 - DEFAULT_EQ
                }
            }
            _ => 0.5,
        };
        s.clamp(0.0, 1.0)
    }

    /// `column op value`.
    fn operator_selectivity(
        &mut self,
        op: &OperatorDef,
        column: Option<ColumnId>,
        value: Option<&Datum>,
        flipped: bool,
        _ty: SqlType,
    ) -> f64 {
        if let Some(v) = value
            && v.is_null()
        {
            return 0.0;
        }
        let stats = column.and_then(|c| self.column_stats(c));
        match op.restrict {
            "eqsel" | "neqsel" => {
                let nulls = stats.as_ref().map_or(0.0, |s| f64::from(s.null_fraction));
                let eq = self.equality_selectivity(column, stats.as_deref(), value);
                if op.restrict == "eqsel" { eq } else { (1.0 - eq - nulls).max(0.0) }
            }
            "scalarltsel" | "scalarlesel" | "scalargtsel" | "scalargesel" => {
                let (Some(stats), Some(value), Some(column)) = (stats, value, column) else {
                    return DEFAULT_INEQUALITY;
                };
                let mut greater = op.restrict.contains("gt") || op.restrict.contains("ge");
                if flipped {
                    greater = !greater;
                }
                let ty = self.meta.get(column).ty;
                match self.env.catalog.type_ref(ty.oid) {
                    Ok(info) => inequality(&stats, value, greater, op.name.ends_with('='), &info)
                        .unwrap_or(DEFAULT_INEQUALITY),
                    Err(_) => DEFAULT_INEQUALITY,
                }
            }
            "likesel" | "regexeqsel" | "iclikesel" | "icregexeqsel" => {
                let fixed = value.map_or(0, |v| match v {
                    Datum::Bytes(b) => b.iter().take_while(|c| !matches!(c, b'%' | b'_' | b'\\')).count(),
                    _ => 0,
                });
                if fixed == 0 { DEFAULT_MATCH } else { 0.2f64.powi(fixed.min(5) as i32).max(1e-4) }
            }
            "nlikesel" | "regexnesel" | "icnlikesel" | "icregexnesel" => 1.0 - DEFAULT_MATCH,
            "matchingsel" | "contsel" | "arraycontsel" => 0.01,
            "" => 0.5,
            _ => DEFAULT_EQ,
        }
    }

    fn equality_selectivity(
        &mut self,
        column: Option<ColumnId>,
        stats: Option<&ColumnStats>,
        value: Option<&Datum>,
    ) -> f64 {
        let Some(column) = column else { return DEFAULT_EQ };
        let Some(stats) = stats else {
            return 1.0 / self.distinct_of(column).max(1.0);
        };
        let nulls = f64::from(stats.null_fraction);
        match value {
            Some(v) => {
                if let Some((_, f)) = stats.mcv.iter().find(|(m, _)| m == v) {
                    return f64::from(*f);
                }
                let common: f64 = stats.mcv.iter().map(|(_, f)| f64::from(*f)).sum();
                let rest = (1.0 - common - nulls).max(0.0);
                let others = self.distinct_of(column) - stats.mcv.len() as f64;
                let s = if others > 1.0 { rest / others } else { rest };
                match stats.mcv.last() {
                    Some((_, least)) => s.min(f64::from(*least)),
                    None => s,
                }
            }
            None => {
                let s = (1.0 - nulls) / self.distinct_of(column).max(1.0);
                match stats.mcv.first() {
                    Some((_, most)) => s.min(f64::from(*most)),
                    None => s,
                }
            }
        }
    }

    /// Distinct values of a column in its table.
    pub fn distinct_of(&mut self, column: ColumnId) -> f64 {
        let rows = self.table_rows(column);
        if self.is_unique(column) {
            return rows.max(1.0);
        }
        match self.column_stats(column) {
            Some(s) if s.distinct > 0.0 => f64::from(s.distinct),
            Some(s) if s.distinct < 0.0 => (-f64::from(s.distinct) * rows).max(1.0).round(),
            _ if self.meta.get(column).ty == SqlType::BOOL => 2.0,
            _ => rows.clamp(1.0, DEFAULT_DISTINCT),
        }
    }
    /// Rows of the table a column comes from.
    fn table_rows(&mut self, column: ColumnId) -> f64 {
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

    /// `a op b` over two tables (or one).
    pub fn join_selectivity(&mut self, op: &OperatorDef, a: ColumnId, b: ColumnId) -> f64 {
        match op.join {
            "eqjoinsel" => {
                let (sa, sb) = (self.column_stats(a), self.column_stats(b));
                let (na, nb) = (
                    sa.as_ref().map_or(0.0, |s| f64::from(s.null_fraction)),
                    sb.as_ref().map_or(0.0, |s| f64::from(s.null_fraction)),
                );
                let (da, db) = (self.distinct_of(a), self.distinct_of(b));
                if let (Some(x), Some(y)) = (&sa, &sb)
                    && !x.mcv.is_empty()
                    && !y.mcv.is_empty()
                {
                    return mcv_join(x, y, da, db);
                }
                (1.0 - na) * (1.0 - nb) / da.max(db).max(1.0)
            }
            "neqjoinsel" => 1.0 - 1.0 / self.distinct_of(a).max(self.distinct_of(b)).max(1.0),
            "scalarltjoinsel" | "scalarlejoinsel" | "scalargtjoinsel" | "scalargejoinsel" => {
                DEFAULT_INEQUALITY
            }
            "" => 0.5,
            _ => DEFAULT_MATCH,
        }
    }

    /// Number of groups that `exprs` make of `rows` rows.
    pub fn group_count(&mut self, exprs: &[&Expr], rows: f64) -> f64 {
        if exprs.is_empty() {
            return 1.0;
        }
        // Columns by table: within one table the product is bounded by its rows and damped, as PostgreSQL does.
        let mut tables: Vec<(Option<String>, f64, f64, usize)> = vec![];
        let mut seen: Vec<ColumnId> = vec![];
        for e in exprs {
            if e.ty() == SqlType::BOOL && !matches!(e, Expr::Column { .. }) {
                tables.push((None, 2.0, 2.0, 1));
                continue;
            }
            let mut ids = columns(&self.canonical_definition(e));
            ids.retain(|id| !seen.contains(id));
            for id in ids {
                seen.push(id);
                let d = self.distinct_of(id);
                let relation = self.meta.get(id).relation.clone();
                match tables.iter_mut().find(|(r, _, _, _)| r.is_some() && *r == relation) {
                    Some(t) => {
                        t.1 *= d;
                        t.2 = t.2.max(d);
                        t.3 += 1;
                    }
                    None => tables.push((relation, d, d, 1)),
                }
                let table_rows = self.table_rows(id);
                if let Some(t) = tables.last_mut()
                    && t.3 > 1
                {
                    let bound = (table_rows * 0.1).max(t.2);
                    t.1 = t.1.min(bound.max(1.0));
                }
            }
        }
        let mut groups = 1.0;
        for (_, d, _, _) in tables {
            groups *= d;
        }
        groups.min(rows).max(1.0).ceil()
    }
    fn canonical_definition(&self, e: &Expr) -> Expr {
        match e {
            Expr::Column { id, .. } => match self.definitions.get(id) {
                Some(d) if !matches!(d, Expr::Column { id: same, .. } if same == id) => {
                    self.canonical_definition(&d.clone())
                }
                _ => e.clone(),
            },
            _ => e.clone(),
        }
    }
}

fn array_of(e: &Expr) -> Option<Vec<Datum>> {
    super::array_elements(e, e.ty())
}

/// Share of rows below (or above) `value`.
fn inequality(
    stats: &ColumnStats,
    value: &Datum,
    greater: bool,
    or_equal: bool,
    ty: &TypeInfo,
) -> Option<f64> {
    let sample = stats.histogram.first().or(stats.mcv.first().map(|(v, _)| v))?;
    if sample.physical() != value.physical() || ty.functions.compare.is_none() {
        return None;
    }
    let compare = |a: &Datum| compare_datums(a, value, ty);
    let mut common = 0.0;
    let mut hit = 0.0;
    for (v, f) in &stats.mcv {
        common += f64::from(*f);
        let order = compare(v);
        if order == Ordering::Equal && or_equal
            || order == if greater { Ordering::Greater } else { Ordering::Less }
        {
            hit += f64::from(*f);
        }
    }
    let h = &stats.histogram;
    let rest = (1.0 - common - f64::from(stats.null_fraction)).max(0.0);
    let mut share = if h.len() < 2 {
        if stats.mcv.is_empty() {
            return None;
        }
        0.5
    } else {
        let below = h.partition_point(|x| compare(x) == Ordering::Less);
        let fraction = if below == 0 {
            0.0
        } else if below == h.len() {
            1.0
        } else {
            let inside = within(&h[below - 1], &h[below], value);
            ((below - 1) as f64 + inside) / (h.len() - 1) as f64
        };
        let fraction = if greater { 1.0 - fraction } else { fraction };
        let cutoff = 0.01 / (h.len() - 1) as f64;
        fraction.clamp(cutoff, 1.0 - cutoff)
    };
    share *= rest;
    Some((share + hit).clamp(0.0, 1.0))
}

/// Where a value lies between two bounds, 0..1.
fn within(low: &Datum, high: &Datum, value: &Datum) -> f64 {
    let number = |d: &Datum| -> Option<f64> {
        Some(match d {
            Datum::I16(v) => f64::from(*v),
            Datum::I32(v) => f64::from(*v),
            Datum::U32(v) => f64::from(*v),
            Datum::I64(v) => *v as f64,
            Datum::F32(v) => f64::from(*v),
            Datum::F64(v) => *v,
            Datum::Bytes(b) => {
                let mut x = 0.0;
                let mut scale = 1.0;
                for c in b.iter().take(8) {
                    scale /= 256.0;
                    x += f64::from(*c) * scale;
                }
                x
            }
            _ => return None,
        })
    };
    match (number(low), number(high), number(value)) {
        (Some(l), Some(h), Some(v)) if h > l => ((v - l) / (h - l)).clamp(0.0, 1.0),
        _ => 0.5,
    }
}

/// Join selectivity from both sides' most common values.
fn mcv_join(x: &ColumnStats, y: &ColumnStats, dx: f64, dy: f64) -> f64 {
    let mut matched = 0.0;
    let (mut mx, mut my) = (0.0, 0.0);
    let mut count = 0.0;
    for (v, f) in &x.mcv {
        if let Some((_, g)) = y.mcv.iter().find(|(w, _)| w == v) {
            matched += f64::from(*f) * f64::from(*g);
            mx += f64::from(*f);
            my += f64::from(*g);
            count += 1.0;
        }
    }
    let sum = |s: &ColumnStats| s.mcv.iter().map(|(_, f)| f64::from(*f)).sum::<f64>();
    let (ux, uy) = ((sum(x) - mx).max(0.0), (sum(y) - my).max(0.0));
    let ox = (1.0 - f64::from(x.null_fraction) - sum(x)).max(0.0);
    let oy = (1.0 - f64::from(y.null_fraction) - sum(y)).max(0.0);
    let side = |un: f64, other: f64, d: f64, mcv: f64, other_un: f64| {
        let mut s = matched;
        if d > mcv {
            s += un * other / (d - mcv);
        }
        if d > count {
            s += (1.0 - 0.0f64).min(other + other_un) * 0.0;
        }
        s
    };
    let mut a = side(ux, oy, dy, y.mcv.len() as f64, uy);
    if dy > count {
        a += ox * (oy + uy) / (dy - count);
    }
    let mut b = side(uy, ox, dx, x.mcv.len() as f64, ux);
    if dx > count {
        b += oy * (ox + ux) / (dx - count);
    }
    a.min(b).clamp(0.0, 1.0)
}
