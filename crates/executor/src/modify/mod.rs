//! Writing rows: INSERT, UPDATE, DELETE, row locks, constraints (PostgreSQL: nodeModifyTable.c, execIndexing.c, ri_triggers.c).
//!
//! [`target::Target`] is a table compiled for writing: it checks rows, stores them and keeps indexes. [`insert`], [`update`] (and
//! delete) and [`lock`] are the operators. [`ri`] checks foreign keys; its work waits in [`StatementState`] for the end of the
//! statement, or in the transaction's [`crate::DeferredQueue`] for commit.

pub mod conflict;
pub mod errors;
mod index_batch;
pub mod insert;
pub mod lock;
pub mod recheck;
pub mod returning;
pub mod ri;
pub mod target;
pub mod update;

use crate::build::Builder;
use crate::context::Cx;
use crate::operator::BoxOperator;
use quarry_common::{Error, Result};
use quarry_plan::{PhysicalNode, PhysicalPlan};

/// Checks that wait for the end of the statement.
#[derive(Default)]
pub struct StatementState {
    pub ri: Vec<ri::RiCheck>,
}

/// The operator of a writing node; gives raw rows (RETURNING's targets, or the input's columns for LockRows).
pub fn build(b: &mut Builder<'_>, plan: &PhysicalPlan) -> Result<BoxOperator> {
    match &plan.node {
        PhysicalNode::Insert { .. } => insert::build(b, plan),
        PhysicalNode::Update { .. } | PhysicalNode::Delete { .. } => update::build(b, plan),
        PhysicalNode::LockRows { .. } => lock::build(b, plan),
        _ => Err(Error::internal("not a writing node")),
    }
}

/// Runs the checks that waited for the end of the statement.
pub fn finish_statement(cx: &mut Cx<'_>) -> Result<()> {
    let checks = std::mem::take(&mut cx.rt.statement.ri);
    if checks.is_empty() {
        return Ok(());
    }
    let triggers = cx.env.instrument.then_some(&mut cx.rt.triggers);
    ri::run(cx.env, checks, triggers)
}
