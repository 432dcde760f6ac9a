//! The short path of single-row statements: a point lookup by a unique index (or by such a key in a table of a few pages, which is
//! read through), an update or delete over one, the insert of one row; and the lookup of the few rows with a key that isn't unique.
//!
//! What doesn't depend on the execution is compiled once, in [`FastPlan::prepare`], and shared by all sessions that use the
//! plan. What an execution writes to (buffers, opened relations) is a *workspace*, lent out by a [`pool::Pool`] and given back
//! with its memory, so that a warm statement opens nothing and allocates next to nothing. No batch, operator or vector is made.
//!
//! Results, errors and concurrency are those of the operators in [`crate::scan`] and [`crate::modify`]: `prepare` refuses every
//! statement for which this module couldn't promise that, and it runs the normal way.

mod change;
mod insert;
mod lock;
mod point;
mod returning;
mod select;

use crate::ExecEnv;
use crate::context::{Cx, Runtime};
use crate::modify;
use quarry_common::Result;
use quarry_plan::{ColumnId, Expr, PhysicalNode, PhysicalPlan, Statement, walk};
use quarry_types::{Datum, IoContext};
use std::sync::Arc;

/// What a statement on the short path runs with: an environment and room. A session's statements use one after the other.
pub struct Place {
    /// The statement's environment.
    pub env: ExecEnv,
    runtime: Runtime,
}

impl Place {
    /// With room for one statement after the other.
    pub fn new(env: ExecEnv) -> Place {
        Place { env, runtime: Runtime::default() }
    }
}

/// What takes the rows of a result.
pub type RowSink<'s> = &'s mut dyn FnMut(&[Datum]) -> Result<()>;

/// A statement that has a short path. Shared between executions.
pub struct FastPlan {
    kind: Kind,
}

/// Plans are kept in caches that several sessions read.
const _: () = {
    const fn is_shared<T: Send + Sync>() {}
    is_shared::<FastPlan>();
};

enum Kind {
    Select(Box<select::Select>),
    Change(Box<change::Change>),
    Insert(Box<insert::Insert>),
}

impl FastPlan {
    /// The short path of a statement; none if it must run the normal way.
    pub fn prepare(stmt: &Arc<Statement>) -> Option<FastPlan> {
        if !stmt.ctes.is_empty() {
            return None;
        }
        let output: Vec<ColumnId> = stmt.output.iter().map(|(id, _, _)| *id).collect();
        // Types that aren't built in have no entry without a catalog: compiling fails, and the statement runs the normal way.
        let io = IoContext::default();
        let kind = match &stmt.plan.node {
            PhysicalNode::IndexScan { .. } | PhysicalNode::SeqScan { .. } | PhysicalNode::LockRows { .. } => {
                Kind::Select(Box::new(select::Select::compile(&stmt.plan, &output, &io)?))
            }
            PhysicalNode::Update { .. } | PhysicalNode::Delete { .. } => {
                Kind::Change(Box::new(change::Change::compile(&stmt.plan, &output, &io)?))
            }
            PhysicalNode::Insert { .. } => {
                Kind::Insert(Box::new(insert::Insert::compile(&stmt.plan, &output, &io)?))
            }
            _ => return None,
        };
        Some(FastPlan { kind })
    }

    /// Whether it can't have more than one row, whatever its parameters are, so that the plan doesn't hang on them.
    pub fn is_single_row(&self) -> bool {
        match &self.kind {
            Kind::Select(select) => select.is_single_row(),
            Kind::Change(_) | Kind::Insert(_) => true,
        }
    }

    /// Runs the statement to its end; gives the number of rows returned or written. None: it has too many rows for the short path; nothing
    /// was done. `io`: as [`ExecEnv::io`] of the place. After an error nobody should use the place.
    pub fn run(&self, place: &mut Place, io: &IoContext<'_>, row: RowSink<'_>) -> Result<Option<u64>> {
        let Place { env, runtime } = place;
        runtime.begin_again();
        let mut cx = Cx::new(env, io, runtime);
        cx.check_cancelled()?;
        let count = match &self.kind {
            Kind::Select(select) => return select.run(&mut cx, row),
            Kind::Change(change) => change.run(&mut cx, row)?,
            Kind::Insert(insert) => insert.run(&mut cx, row)?,
        };
        modify::finish_statement(&mut cx)?;
        Ok(Some(count))
    }
}

/// Whether an expression reads these columns only and holds no subquery.
fn is_simple(e: &Expr, columns: &[ColumnId]) -> bool {
    let mut simple = true;
    walk::visit(e, &mut |e| match e {
        Expr::Column { id, .. } => simple &= columns.contains(id),
        Expr::Subquery(_) => simple = false,
        _ => {}
    });
    simple
}

/// For each result column, its place among a writing node's RETURNING columns; none if the node computes anything on top.
fn returned_slots(plan: &PhysicalPlan, output: &[ColumnId]) -> Option<Vec<usize>> {
    if !plan.filter.is_empty() {
        return None;
    }
    let raw = walk::raw_columns(&plan.node);
    output
        .iter()
        .map(|id| match plan.targets.iter().find(|(t, _)| t == id)? {
            (_, Expr::Column { id, .. }) => raw.iter().position(|r| r == id),
            _ => None,
        })
        .collect()
}
