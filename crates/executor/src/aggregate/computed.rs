//! Which columns of an aggregate's input are only computed with: a scan below gives numerics of those as whole numbers
//! (`quarry_types::numeric::decimals`).

use super::Spec;
use quarry_plan::{ColumnId, Expr, PhysicalNode, PhysicalPlan, walk};
use quarry_types::oids;

/// Columns of a scan that is read directly.
pub(super) fn columns(input: &PhysicalPlan, spec: &Spec<'_>) -> Vec<ColumnId> {
    if !matches!(input.node, PhysicalNode::SeqScan { .. }) {
        return vec![];
    }
    let mut uses = Uses::default();
    spec.group.iter().for_each(|(_, e)| uses.visit(e, false));
    for (_, a) in spec.aggregates {
        let takes = matches!(a.function.def().name, "sum" | "avg" | "count" | "min" | "max");
        let takes = takes && !a.distinct && a.order_by.is_empty();
        a.args.iter().for_each(|e| uses.visit(e, takes));
        let others = a.direct_args.iter().chain(&a.filter).chain(a.order_by.iter().map(|k| &k.expr));
        others.for_each(|e| uses.visit(e, false));
    }
    uses.computed.retain(|id| !uses.others.contains(id));
    uses.computed
}

#[derive(Default)]
struct Uses {
    computed: Vec<ColumnId>,
    others: Vec<ColumnId>,
}

impl Uses {
    /// `computes`: what the expression is part of takes whole numbers.
    fn visit(&mut self, e: &Expr, computes: bool) {
        match e {
            Expr::Column { id, ty, .. } if computes && ty.oid == oids::NUMERIC => self.computed.push(*id),
            Expr::Column { id, .. } => self.others.push(*id),
            Expr::Subquery(_) => walk::columns_of(e, &mut self.others),
            _ => {
                let takes = matches!(e, Expr::Call { function, .. } if is_fast(function.def().name));
                walk::for_each_child(e, &mut |child| self.visit(child, takes));
            }
        }
    }
}

/// Whether a function has a form for whole numbers.
fn is_fast(name: &str) -> bool {
    matches!(
        name,
        "numeric_add"
            | "numeric_sub"
            | "numeric_mul"
            | "numeric_uminus"
            | "numeric_eq"
            | "numeric_ne"
            | "numeric_lt"
            | "numeric_le"
            | "numeric_gt"
            | "numeric_ge"
    )
}
