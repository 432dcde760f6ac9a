//! Takes a correlated subquery's conditions on the outer row out of it, so that it can be computed once for all outer rows and joined
//! (Neumann and Kemper, "Unnesting Arbitrary Queries", where the correlation is by equality: then the subquery's own columns stand for
//! the set of outer values).
//!
//! ```text
//! SELECT max(i.v) FROM i WHERE i.k = o.k
//!   -> SELECT i.k, max(i.v) FROM i GROUP BY i.k          joined by i.k = o.k
//! SELECT i.v FROM i WHERE i.k = o.k ORDER BY i.t LIMIT 1
//!   -> SELECT DISTINCT ON (i.k) i.k, i.v FROM i ORDER BY i.k, i.t
//! ```
//!
//! Keys rise through projections, groupings, DISTINCT, windows and LIMIT 1. Rows are computed that no outer row asks for, so nothing
//! on the way may fail. What the topmost projection computes is computed above the join, for rows that were asked for. What a condition
//! computes of the outer row is NULL where that fails, and its error is kept: PostgreSQL computes it only where it runs the subquery.

use super::defer_errors;
use super::inner_joins::draw;
use super::nested_subqueries::plan_with_nested_cannot_fail;
use super::unnest_by_domain::{self, Outer};
use super::{Rule, Rules, order_in_calls};
use crate::exprs::{binary, columns, equality, has_subquery, is_equality, is_volatile, substitute};
use crate::unique::plan_is_unique;
use quarry_common::Oid;
use quarry_functions::{Volatility, internal, kept, registry};
use quarry_plan::total::cannot_fail;
use quarry_plan::{
    AggregateExpr, CallForm, ColumnId, Expr, FunctionRef, LogicalPlan, QueryMeta, SortKey, walk,
};
use quarry_types::{Datum, oids};
use std::collections::HashMap;

/// A subquery without its correlation.
pub struct Lifted {
    /// Gives the keys and what `values` read.
    pub plan: LogicalPlan,
    pub keys: Vec<(ColumnId, Expr)>,
    /// The join's conditions: key = outer expression.
    pub on: Vec<Expr>,
    /// What the subquery gives, over the plan's columns.
    pub values: Vec<(ColumnId, Expr)>,
    /// It aggregates all its rows: an outer row without a partner gets a row nevertheless. `values` are right where the plan's columns
    /// are NULL then.
    pub whole: bool,
    /// At most one row for each combination of keys.
    pub single: bool,
    /// An index leads with a key.
    pub indexed: bool,
    /// It is computed for the distinct outer values (`unnest_by_domain`).
    pub by_domain: bool,
    /// Errors of what the conditions compute of outer rows, NULL where there is none: to be raised for rows that ask for the subquery.
    pub errors: Vec<Expr>,
}

/// A subquery without its correlation with the outer rows: by equality where that is all there is, else for the distinct outer values,
/// if costs may decide that. `whole`: as in `unnest_by_domain`.
pub fn lift_any(
    plan: &LogicalPlan,
    outer: &Outer<'_>,
    whole: bool,
    meta: &mut QueryMeta,
    rules: &Rules,
) -> Option<Lifted> {
    let ordered = order_in_calls::run(plan, meta);
    let plan = ordered.as_ref().unwrap_or(plan);
    lift(plan, &outer.available, rules.catches()).filter(|lifted| whole || !lifted.whole).or_else(|| {
        // What tests a changed row again has the common table expressions as they were.
        let allowed = rules.allows(Rule::UnnestByDomain)
            && !rules.rechecks()
            && !(rules.rows_change() && has_ctes(plan));
        let lifted = if allowed {
            unnest_by_domain::lift(plan, outer, whole, meta, rules.catches())?
        } else {
            return None;
        };
        rules.allows_costly(Rule::UnnestByDomain).then_some(lifted)
    })
}

fn has_ctes(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::With { .. }) || walk::inputs(plan).into_iter().any(has_ctes)
}

impl Lifted {
    /// Whether what the subquery selects has a value for every row.
    pub fn values_cannot_fail(&self) -> bool {
        self.values.iter().all(|(_, e)| cannot_fail(e, &[]))
    }

    /// Has the join raise the errors: the subquery is run for every outer row.
    pub fn raise_at_once(&mut self) {
        self.errors.clear();
        for p in &mut self.on {
            walk::rewrite(p, &mut |e| {
                if let Expr::Call { function, args, .. } = e
                    && function.def().oid == internal::VALUE_OR_NULL
                    && let Some(arg) = args.pop()
                {
                    *e = arg;
                }
            });
        }
    }
    /// The subquery's value for an outer row that may have no partner.
    pub fn value_or_null(&self, value: &Expr) -> Expr {
        let plain = matches!(value, Expr::Column { .. });
        match self.keys.first() {
            // A key that was joined by equality is never NULL.
            Some((_, key)) if !self.whole && !plain => {
                let found = Expr::IsNull { arg: Box::new(key.clone()), negated: true };
                let ty = value.ty();
                let otherwise = Some(Box::new(Expr::null(ty)));
                Expr::Case { operand: None, whens: vec![(found, value.clone())], otherwise, ty }
            }
            _ => value.clone(),
        }
    }
}

/// Lifts the correlation with the columns `available` out of a subquery's plan. `caught`: what fails on the way is.
pub fn lift(plan: &LogicalPlan, available: &[ColumnId], caught: bool) -> Option<Lifted> {
    let free = walk::free_columns(plan);
    if free.is_empty() || !free.iter().all(|id| available.contains(id)) {
        return None;
    }
    if crate::exprs::plan_volatility(plan) == Volatility::Volatile {
        return None;
    }
    // Subqueries are joined to the rows of the projection that has them.
    let plain = |targets: &[(ColumnId, Expr)]| !targets.iter().any(|(_, e)| has_subquery(e));
    let (mut below, mut values, computes) = match plan {
        LogicalPlan::Project { input, targets } if plain(targets) => (&**input, targets.clone(), true),
        other => (other, vec![], false),
    };
    // A projection of a projection.
    if computes {
        while let LogicalPlan::Project { input, targets } = below
            && plain(targets)
        {
            let map: HashMap<ColumnId, Expr> = targets.iter().cloned().collect();
            values.iter_mut().for_each(|(_, e)| substitute(e, &map));
            below = input;
        }
    }
    let below = below.clone();
    let given = walk::output_columns(&below);
    let mut lifting = Lifting { available, ..Lifting::default() };
    let lifted = lifting.rise(below)?;
    if lifting.keys.is_empty()
        || !walk::free_columns(&lifted).is_empty()
        || !caught && !plan_with_nested_cannot_fail(&lifted, &[])
    {
        return None;
    }
    if !computes {
        // The identity, without types that nobody has asked for.
        values = given.iter().map(|id| (*id, Expr::column(*id, quarry_types::SqlType::UNKNOWN))).collect();
    }
    if let Some(aggregates) = &lifting.whole {
        values.iter_mut().for_each(|(_, e)| count_nothing_as_zero(e, aggregates));
    }
    Some(Lifted {
        plan: lifted,
        keys: lifting.keys,
        on: lifting.on,
        values,
        whole: lifting.whole.is_some(),
        single: lifting.single,
        indexed: lifting.indexed,
        by_domain: false,
        errors: lifting.errors,
    })
}

/// Over no rows a count is 0; the others are NULL, as the missing row's columns are.
pub fn count_nothing_as_zero(e: &mut Expr, aggregates: &[(ColumnId, AggregateExpr)]) {
    let zeros: HashMap<ColumnId, Expr> = aggregates
        .iter()
        .filter(|(_, a)| counts(a))
        .map(|(id, a)| {
            let zero = Expr::Const { value: Datum::I64(0), ty: a.ty };
            (*id, Expr::Coalesce { args: vec![Expr::column(*id, a.ty), zero], ty: a.ty })
        })
        .collect();
    substitute(e, &zeros);
}

/// Whether an aggregate's value over no rows is known to be NULL or 0: that of a row that isn't there has its rank, and one of the user's begins
/// with what it is declared with.
pub fn is_null_over_nothing(a: &AggregateExpr) -> bool {
    matches!(&a.function, FunctionRef::Builtin(def)
        if a.direct_args.is_empty() || !matches!(def.name, "rank" | "dense_rank" | "percent_rank" | "cume_dist"))
}

/// Whether an aggregate is 0 over no rows.
fn counts(a: &AggregateExpr) -> bool {
    let run = match (kept::runs_another(a.function.def().oid), a.direct_args.first()) {
        (true, Some(Expr::Const { value: Datum::U32(oid), .. })) => registry::function(Oid(*oid)),
        _ => Some(a.function.def()),
    };
    run.is_some_and(|def| matches!(def.name, "count" | "regr_count")) && a.ty.oid == oids::INT8
}

#[derive(Default)]
struct Lifting<'a> {
    available: &'a [ColumnId],
    keys: Vec<(ColumnId, Expr)>,
    on: Vec<Expr>,
    errors: Vec<Expr>,
    whole: Option<Vec<(ColumnId, AggregateExpr)>>,
    single: bool,
    indexed: bool,
}

impl Lifting<'_> {
    fn outer(&self, e: &Expr) -> bool {
        columns(e).iter().any(|id| self.available.contains(id))
    }

    /// The plan without correlation, giving the keys, too.
    fn rise(&mut self, plan: LogicalPlan) -> Option<LogicalPlan> {
        if is_from(&plan) {
            return self.from(plan);
        }
        if walk::exprs(&plan).into_iter().any(|e| self.outer(e)) {
            return None;
        }
        match plan {
            LogicalPlan::Filter { input, predicates } => {
                let input = Box::new(self.rise(*input)?);
                // HAVING of a group that isn't there.
                self.whole.is_none().then_some(LogicalPlan::Filter { input, predicates })
            }
            LogicalPlan::Project { input, mut targets } => {
                let input = Box::new(self.rise(*input)?);
                if self.whole.is_some() {
                    return None;
                }
                for (id, key) in &self.keys {
                    if !targets.iter().any(|(t, _)| t == id) {
                        targets.push((*id, key.clone()));
                    }
                }
                Some(LogicalPlan::Project { input, targets })
            }
            LogicalPlan::Aggregate { input, mut group, sets: None, aggregates, grouping }
                if grouping.is_empty() =>
            {
                if is_sorted(&input) && aggregates.iter().any(|(_, a)| order_in_calls::shows_order(a)) {
                    return None;
                }
                let input = Box::new(self.rise(*input)?);
                if self.whole.is_some()
                    || group.is_empty() && !aggregates.iter().all(|(_, a)| is_null_over_nothing(a))
                {
                    return None;
                }
                self.single = group.is_empty();
                if group.is_empty() {
                    self.whole = Some(aggregates.clone());
                }
                for (id, key) in &self.keys {
                    if !group.iter().any(|(g, _)| g == id) {
                        group.push((*id, key.clone()));
                    }
                }
                Some(LogicalPlan::Aggregate { input, group, sets: None, aggregates, grouping })
            }
            LogicalPlan::Distinct { input, on: None } => {
                let input = Box::new(self.rise(*input)?);
                self.whole.is_none().then_some(LogicalPlan::Distinct { input, on: None })
            }
            LogicalPlan::Sort { input, .. } => self.rise(*input),
            LogicalPlan::SubqueryAlias { input, alias } => {
                let input = Box::new(self.rise(*input)?);
                self.whole.is_none().then_some(LogicalPlan::SubqueryAlias { input, alias })
            }
            LogicalPlan::Window { input, mut spec, calls } => {
                let input = Box::new(self.rise(*input)?);
                spec.partition_by.extend(self.keys.iter().map(|(_, key)| key.clone()));
                self.single = false;
                self.whole.is_none().then_some(LogicalPlan::Window { input, spec, calls })
            }
            LogicalPlan::Limit { input, limit, offset: None, ties: None } if constant(&limit)? == Some(1) => {
                self.first_of_each(*input)
            }
            _ => None,
        }
    }

    /// LIMIT 1: the first row for each combination of keys.
    fn first_of_each(&mut self, plan: LogicalPlan) -> Option<LogicalPlan> {
        match plan {
            LogicalPlan::Project { input, mut targets } if matches!(*input, LogicalPlan::Sort { .. }) => {
                if targets.iter().any(|(_, e)| self.outer(e)) {
                    return None;
                }
                let input = Box::new(self.first_of_each(*input)?);
                for (id, key) in &self.keys {
                    if !targets.iter().any(|(t, _)| t == id) {
                        targets.push((*id, key.clone()));
                    }
                }
                Some(LogicalPlan::Project { input, targets })
            }
            other => {
                let order = match &other {
                    LogicalPlan::Sort { keys, .. } => keys.clone(),
                    _ => vec![],
                };
                if order.iter().any(|k| self.outer(&k.expr)) {
                    return None;
                }
                let input = self.rise(other)?;
                if self.whole.is_some() {
                    return None;
                }
                self.single = true;
                let mut keys: Vec<SortKey> = self
                    .keys
                    .iter()
                    .map(|(_, key)| SortKey { expr: key.clone(), descending: false, nulls_first: false })
                    .collect();
                keys.extend(order);
                let on = self.keys.iter().map(|(_, key)| key.clone()).collect();
                let sorted = LogicalPlan::Sort { input: Box::new(input), keys };
                Some(LogicalPlan::Distinct { input: Box::new(sorted), on: Some(on) })
            }
        }
    }

    /// Takes the correlated conditions out of a FROM clause and its WHERE.
    fn from(&mut self, mut plan: LogicalPlan) -> Option<LogicalPlan> {
        let inner = walk::output_columns(&plan);
        let mut drawn = vec![];
        let available = self.available;
        draw(&mut plan, &|e| columns(e).iter().any(|id| available.contains(id)), &mut drawn);
        for p in drawn {
            let (id, key, value) = correlation(&p, &inner)?;
            let p = match cannot_fail(&value, &[]) {
                true => p,
                false => {
                    let (value, error) = defer_errors::kept(&value)?;
                    self.errors.push(error);
                    equality(key.clone(), value)?
                }
            };
            self.indexed |= leads_an_index(&plan, id);
            if !self.keys.iter().any(|(have, _)| *have == id) {
                self.keys.push((id, key));
            }
            self.on.push(p);
        }
        let ids: Vec<ColumnId> = self.keys.iter().map(|(id, _)| *id).collect();
        self.single = plan_is_unique(&plan, &ids);
        Some(plan)
    }
}

/// Whether a plan is a FROM clause, filtered or not.
pub fn is_from(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Scan { .. }
        | LogicalPlan::CteScan { .. }
        | LogicalPlan::FunctionScan { .. }
        | LogicalPlan::Values { .. }
        | LogicalPlan::Join { .. } => true,
        LogicalPlan::SubqueryAlias { input, .. } => walk::free_columns(input).is_empty(),
        LogicalPlan::Filter { input, .. } => is_from(input),
        _ => false,
    }
}

/// The inner column of `column = outer expression`, and that expression.
fn correlation(p: &Expr, inner: &[ColumnId]) -> Option<(ColumnId, Expr, Expr)> {
    let (op, left, right) = binary(p)?;
    if !is_equality(op) || !op.hashes || left.ty().oid != right.ty().oid || is_volatile(p) || has_subquery(p)
    {
        return None;
    }
    for (column, value) in [(left, right), (right, left)] {
        if let Expr::Column { id, .. } = column
            && inner.contains(id)
            && !columns(value).iter().any(|c| inner.contains(c))
        {
            return Some((*id, column.clone(), value.clone()));
        }
    }
    None
}

/// Whether an index begins with this column.
fn leads_an_index(plan: &LogicalPlan, column: ColumnId) -> bool {
    match plan {
        LogicalPlan::Scan { relation, columns, .. } => relation.indexes.iter().any(|index| {
            index.keys.first().and_then(|k| k.column).is_some_and(|n| {
                columns.iter().any(|(id, c)| *id == column && *c == quarry_plan::ScanColumn::Attribute(n))
            })
        }),
        other => walk::inputs(other).into_iter().any(|p| leads_an_index(p, column)),
    }
}

/// Whether rows come in an order that somebody has asked for.
pub fn is_sorted(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Sort { .. } | LogicalPlan::Limit { .. } => true,
        LogicalPlan::Distinct { on: Some(_), .. } => true,
        LogicalPlan::Project { input, .. }
        | LogicalPlan::SubqueryAlias { input, .. }
        | LogicalPlan::Filter { input, .. } => is_sorted(input),
        _ => false,
    }
}

/// A LIMIT or OFFSET that is known: not there (or NULL), or a number. None if it is neither.
pub fn constant(e: &Option<Expr>) -> Option<Option<i64>> {
    fn number(e: &Expr) -> Option<Option<i64>> {
        match e {
            Expr::Const { value: Datum::Null, .. } => Some(None),
            Expr::Const { value: Datum::I64(n), .. } if *n >= 0 => Some(Some(*n)),
            Expr::Const { value: Datum::I32(n), .. } if *n >= 0 => Some(Some(i64::from(*n))),
            Expr::Cast { arg, .. } => number(arg),
            Expr::Call { form: CallForm::ImplicitCast, args, .. } => match &args[..] {
                [arg] => number(arg),
                _ => None,
            },
            _ => None,
        }
    }
    e.as_ref().map_or(Some(None), number)
}
