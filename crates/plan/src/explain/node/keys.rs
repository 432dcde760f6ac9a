//! Expressions that rows are grouped, sorted and merged by. Here the node that needs them computes them. PostgreSQL has them computed where
//! the rows come from and passed on from there, and this is how they are shown: as columns of the input, in parentheses.

use super::Builder;
use crate::{ColumnId, Expr, PhysicalNode, PhysicalPlan, ScanColumn, SortKey, WindowSpec, walk};

/// What a node wants of its input besides the input's targets.
#[derive(Clone, Default)]
pub(super) struct Asked<'a> {
    exprs: Vec<&'a Expr>,
    /// The only targets that count; none: all.
    targets: Option<Vec<ColumnId>>,
    /// The only columns that anything above reads; none: all. The rest is there for the row that a change writes anew.
    read: Option<Vec<ColumnId>>,
    /// What a change takes of each row, in this order: shown instead of the input's targets.
    pub(super) taken: Option<Taken<'a>>,
}

/// What UPDATE and DELETE take of their input's rows.
#[derive(Clone)]
pub(super) struct Taken<'a> {
    pub values: Vec<&'a Expr>,
    pub columns: Vec<ColumnId>,
}

impl Asked<'_> {
    /// Whether the input's target is read by anything but the expressions asked for.
    pub(super) fn wants(&self, id: ColumnId) -> bool {
        let within = |list: &Option<Vec<ColumnId>>| list.as_ref().is_none_or(|t| t.contains(&id));
        within(&self.targets) && within(&self.read)
    }
}

/// What UPDATE and DELETE ask of their input: new values in the order of the table's columns, the row's place, places of other tables' rows
/// that are there to be locked or read again, and what RETURNING reads of other tables.
fn asked_by_change(plan: &PhysicalPlan) -> Option<Asked<'_>> {
    let (input, set, ctid, old, returning): (_, &[(usize, Expr)], _, _, _) = match &plan.node {
        PhysicalNode::Update { input, set, ctid, old, returning, .. } => (input, set, *ctid, old, returning),
        PhysicalNode::Delete { input, ctid, old, returning, .. } => (input, &[], *ctid, old, returning),
        _ => return None,
    };
    let mut set: Vec<&(usize, Expr)> = set.iter().collect();
    set.sort_by_key(|(place, _)| *place);
    let values: Vec<&Expr> = set.into_iter().map(|(_, e)| e).collect();
    let mut columns = vec![ctid];
    ctids_of(input, &mut columns);
    let given: Vec<ColumnId> = input.output().collect();
    columns.retain(|id| *id == ctid || given.contains(id));
    if let Some(returning) = returning {
        let mut read = vec![];
        returning.targets.iter().for_each(|(_, e)| walk::columns_of(e, &mut read));
        let own = |id: &ColumnId| returning.row.iter().chain(old).any(|(have, _)| have == id);
        read.retain(|id| given.contains(id) && !own(id));
        for id in read {
            if !columns.contains(&id) {
                columns.push(id);
            }
        }
    }
    let mut read = columns.clone();
    values.iter().for_each(|e| walk::columns_of(e, &mut read));
    Some(Asked { read: Some(read), taken: Some(Taken { values, columns }), ..Asked::default() })
}

/// The ctids that scans below give.
fn ctids_of(plan: &PhysicalPlan, out: &mut Vec<ColumnId>) {
    if let PhysicalNode::SeqScan { columns, .. }
    | PhysicalNode::IndexScan { columns, .. }
    | PhysicalNode::BitmapHeapScan { columns, .. }
    | PhysicalNode::TidScan { columns, .. }
    | PhysicalNode::TidRangeScan { columns, .. } = &plan.node
    {
        let places = columns.iter().filter(|(_, c)| *c == ScanColumn::Ctid).map(|(id, _)| *id);
        out.extend(places.filter(|id| !out.contains(id)).collect::<Vec<_>>());
    }
    walk::physical_inputs(plan).into_iter().for_each(|input| ctids_of(input, out));
}

/// The columns that a node or one above it reads, where not all count.
fn read_of_input(plan: &PhysicalPlan, asked: &Asked<'_>) -> Option<Vec<ColumnId>> {
    let mut read = asked.read.clone()?;
    match &plan.node {
        PhysicalNode::NestLoop { params, .. } => read.extend(params),
        PhysicalNode::Memoize { keys, .. } => read.extend(keys),
        PhysicalNode::Sort { keys, .. } | PhysicalNode::Gather { keys, .. } => {
            keys.iter().for_each(|k| walk::columns_of(&k.expr, &mut read))
        }
        PhysicalNode::HashJoin { .. }
        | PhysicalNode::MergeJoin { .. }
        | PhysicalNode::Materialize { .. }
        | PhysicalNode::Result { .. } => {}
        _ => return None,
    }
    let computed = plan.targets.iter().filter(|(id, e)| !is_column(e) && asked.wants(*id)).map(|(_, e)| e);
    let parts = plan.filter.iter().chain(super::parts(&plan.node));
    parts.chain(computed).for_each(|e| walk::columns_of(e, &mut read));
    Some(read)
}

fn is_column(e: &Expr) -> bool {
    matches!(e, Expr::Column { .. } | Expr::Const { .. } | Expr::Param { .. })
}

/// Whether a node hands on what its input computes.
fn passes_on(plan: &PhysicalPlan) -> bool {
    matches!(
        plan.node,
        PhysicalNode::Sort { .. }
            | PhysicalNode::Gather { .. }
            | PhysicalNode::WindowAgg { .. }
            | PhysicalNode::Limit { .. }
            | PhysicalNode::Materialize { .. }
            | PhysicalNode::Unique { .. }
    )
}

fn window_keys(spec: &WindowSpec) -> impl Iterator<Item = &Expr> {
    spec.order_by.iter().map(|k| &k.expr).chain(&spec.partition_by)
}

/// The expressions by which a node looks at its input's rows.
fn own_keys(plan: &PhysicalPlan) -> Vec<&Expr> {
    let keys: Vec<&Expr> = match &plan.node {
        PhysicalNode::Aggregate { group, .. } => group.iter().map(|(_, e)| e).collect(),
        PhysicalNode::Sort { keys, .. } => keys.iter().map(|k| &k.expr).collect(),
        PhysicalNode::WindowAgg { spec, .. } => window_keys(spec).collect(),
        _ => vec![],
    };
    keys.into_iter().filter(|e| !is_column(e)).collect()
}

/// What a node asks of its input, of which it gives on what it is asked for itself.
pub(super) fn asked_of_input<'a>(plan: &'a PhysicalPlan, asked: &Asked<'a>) -> Asked<'a> {
    if let Some(asked) = asked_by_change(plan) {
        return asked;
    }
    let mut out = Asked { read: read_of_input(plan, asked), ..Asked::default() };
    if passes_on(plan) {
        let given: Vec<ColumnId> = match walk::physical_inputs(plan).first() {
            Some(input) => input.output().collect(),
            None => vec![],
        };
        let made_below = |e: &Expr| {
            let mut read = vec![];
            walk::columns_of(e, &mut read);
            read.iter().all(|id| given.contains(id))
        };
        out.exprs.extend(asked.exprs.iter().copied().filter(|e| made_below(e)));
        if matches!(plan.node, PhysicalNode::Sort { .. } | PhysicalNode::Gather { .. }) {
            out.targets = asked.targets.clone();
        }
    }
    for e in own_keys(plan) {
        if !out.exprs.contains(&e) {
            out.exprs.push(e);
        }
    }
    if let PhysicalNode::Aggregate { group, aggregates, .. } = &plan.node
        && !out.exprs.is_empty()
    {
        let mut read = vec![];
        let parts = aggregates.iter().flat_map(|(_, a)| walk::aggregate_exprs(a));
        let columns = group.iter().map(|(_, e)| e).filter(|e| is_column(e));
        parts.chain(columns).for_each(|e| walk::columns_of(e, &mut read));
        out.targets = Some(read);
    }
    if let (PhysicalNode::Sort { keys, .. }, Some(targets)) = (&plan.node, &mut out.targets) {
        keys.iter().filter(|k| is_column(&k.expr)).for_each(|k| walk::columns_of(&k.expr, targets));
    }
    out
}

/// The columns a node computes by itself.
pub(super) fn own_columns(plan: &PhysicalPlan) -> Vec<ColumnId> {
    match &plan.node {
        // What is grouped by is the input's.
        PhysicalNode::Aggregate { group, .. } => {
            let mut own = walk::raw_columns(&plan.node);
            own.retain(|id| !group.iter().any(|(key, _)| key == id));
            own
        }
        PhysicalNode::WindowAgg { calls, .. } => calls.iter().map(|(id, _)| *id).collect(),
        PhysicalNode::ProjectSet { calls, .. } => calls.iter().map(|(id, _)| *id).collect(),
        _ => vec![],
    }
}

/// The columns that a node computes and its rows don't have from below.
fn computed_by(plan: &PhysicalPlan) -> Vec<ColumnId> {
    let mut out = own_columns(plan);
    let computed = plan.targets.iter().filter(|(_, e)| !is_column(e));
    out.extend(computed.map(|(id, _)| *id));
    out
}

/// An expression that stands for a column of the input.
fn in_parentheses(text: String) -> String {
    format!("({text})")
}

impl Builder<'_> {
    /// Adds what a node is asked for, and what it looks at itself, to the columns that it shows.
    pub(super) fn add_asked(&self, plan: &PhysicalPlan, asked: &Asked<'_>, shown: &mut Vec<String>) {
        let passed = passes_on(plan);
        let own = if passed { own_keys(plan) } else { vec![] };
        let mut texts: Vec<String> = vec![];
        for e in asked.exprs.iter().copied().chain(own) {
            let text = self.output_in(&[], e);
            let text = if passed { in_parentheses(text) } else { text };
            if !shown.contains(&text) && !texts.contains(&text) {
                texts.push(text);
            }
        }
        // An aggregate's input begins with what is grouped by.
        match asked.targets {
            Some(_) => drop(shown.splice(0..0, texts)),
            None => shown.extend(texts),
        }
    }

    /// An expression as the input gives it.
    pub(super) fn below(&self, e: &Expr) -> String {
        let text = self.expr(e);
        if is_column(e) { text } else { in_parentheses(text) }
    }

    pub(super) fn sort_key(&self, k: &SortKey) -> String {
        let text = self.deparse(|d| d.sort_key(k));
        if is_column(&k.expr) {
            return text;
        }
        let bare = self.expr(&k.expr);
        format!("{}{}", in_parentheses(bare.clone()), text.strip_prefix(&bare).unwrap_or_default())
    }

    /// What is grouped by: as the input computes it, if it is the input that does.
    pub(super) fn group_key(&self, e: &Expr, input: &PhysicalPlan) -> String {
        if passes_on(input) {
            return self.below(e);
        }
        match e {
            Expr::Column { .. } => self.deparse_in(&computed_by(input), self.qualify, |d| d.expr(e)),
            _ => self.expr(e),
        }
    }

    /// A merge join's conditions over what the sorts below it have for keys.
    pub(super) fn merge_conditions(
        &self,
        conds: &[Expr],
        outer: &PhysicalPlan,
        inner: &PhysicalPlan,
    ) -> String {
        let sorted_by = |e: &Expr| [outer, inner].iter().any(|side| own_keys(side).contains(&e));
        let one = |cond: &Expr| match cond {
            Expr::Call { form: crate::CallForm::Operator(oid), args, .. } if args.iter().any(sorted_by) => {
                let side = |e: &Expr| if sorted_by(e) { self.below(e) } else { self.expr(e) };
                let sides: Vec<String> = args.iter().map(side).collect();
                format!("({})", sides.join(&format!(" {} ", crate::deparse::operator_name(*oid))))
            }
            other => self.expr(other),
        };
        let shown: Vec<String> = conds.iter().map(one).collect();
        match &shown[..] {
            [one] => one.clone(),
            _ => in_parentheses(shown.join(" AND ")),
        }
    }
}
