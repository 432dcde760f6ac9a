//! Which targets are computed only when the rows are sorted: volatile ones, so that rows that LIMIT cuts off are not computed, and
//! set-returning ones, so that their rows come in the sort's order (PostgreSQL: `make_sort_input_target` in planner.c).

use super::Binder;
use super::query::{BoundSelect, project_sets};
use quarry_functions::Volatility;
use quarry_plan::{ColumnId, Expr, LogicalPlan, SetCall, walk};

/// The targets that wait, by position, and the set-returning calls they hold.
#[derive(Default)]
pub(super) struct Postponed {
    targets: Vec<usize>,
    calls: Vec<(ColumnId, SetCall)>,
}

impl Postponed {
    /// Chooses among the targets of a select; takes the calls that wait out of `calls`.
    pub fn choose(select: &BoundSelect, calls: &mut Vec<(ColumnId, SetCall)>) -> Postponed {
        let on = matches!(select.distinct, Some(crate::ast::Distinct::On(_)));
        if select.order.is_empty() || select.distinct.is_some() && !on {
            return Postponed::default();
        }
        let sorts = |i: usize| select.order.iter().any(|o| o.target == i) || select.distinct_on.contains(&i);
        let returns_set = |e: &Expr| {
            walk::any(e, &|e| matches!(e, Expr::Column { id, .. } if calls.iter().any(|c| c.0 == *id)))
        };
        let targets = || select.targets.iter().enumerate();
        let sets_wait = !targets().any(|(i, t)| sorts(i) && returns_set(&t.expr));
        let waits = |e: &Expr| if returns_set(e) { sets_wait } else { is_volatile(e) };
        let chosen: Vec<usize> =
            targets().filter(|(i, t)| !sorts(*i) && !t.junk && waits(&t.expr)).map(|(i, _)| i).collect();
        let calls = if sets_wait && !chosen.is_empty() { std::mem::take(calls) } else { vec![] };
        Postponed { targets: chosen, calls }
    }

    /// Of the targets, those that the sort's input gives, with the columns the others will read.
    pub fn before(
        &self,
        binder: &Binder<'_>,
        input: &LogicalPlan,
        select: &BoundSelect,
        ids: &[ColumnId],
        entries: &[(ColumnId, Expr)],
    ) -> Vec<(ColumnId, Expr)> {
        let mut out: Vec<(ColumnId, Expr)> =
            entries.iter().filter(|(id, _)| !self.targets.iter().any(|i| ids[*i] == *id)).cloned().collect();
        let mut read = vec![];
        self.targets.iter().for_each(|i| walk::columns_of(&select.targets[*i].expr, &mut read));
        self.calls.iter().flat_map(|(_, c)| &c.args).for_each(|a| walk::columns_of(a, &mut read));
        let given = walk::output_columns(input);
        for id in read {
            if given.contains(&id) && !out.iter().any(|(have, _)| *have == id) {
                out.push((id, Expr::column(id, binder.meta.get(id).ty)));
            }
        }
        out
    }

    /// The targets that waited, above the sorted rows.
    pub fn after(self, sorted: LogicalPlan, entries: Vec<(ColumnId, Expr)>, ids: &[ColumnId]) -> LogicalPlan {
        if self.targets.is_empty() {
            return sorted;
        }
        let late: Vec<ColumnId> = self.targets.iter().map(|i| ids[*i]).collect();
        let made: Vec<ColumnId> = self.calls.iter().map(|(id, _)| *id).collect();
        let targets = entries
            .into_iter()
            .map(|(id, e)| {
                if late.contains(&id) && !made.contains(&id) {
                    (id, e)
                } else {
                    (id, Expr::column(id, e.ty()))
                }
            })
            .collect();
        LogicalPlan::Project { input: Box::new(project_sets(sorted, self.calls)), targets }
    }
}

fn is_volatile(e: &Expr) -> bool {
    walk::any(e, &|e| match e {
        Expr::Call { function, .. } | Expr::ScalarArray { function, .. } => {
            function.def().volatility == Volatility::Volatile
        }
        _ => false,
    })
}
