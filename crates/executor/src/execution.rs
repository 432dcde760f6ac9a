//! One statement's run, resumable between batches.

use crate::build::Builder;
use crate::context::{Cx, Runtime};
use crate::operator::BoxOperator;
use crate::project::Columns;
use crate::stats::{NodeStats, TriggerStats};
use crate::{ExecEnv, modify, scan};
use quarry_common::Result;
use quarry_plan::{ColumnId, PhysicalNode, Statement};
use quarry_types::Batch;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The operators of a plan, used by no execution: they hold no snapshot, no locks, no rows and next to no memory.
pub struct Tree {
    op: BoxOperator,
    rt: Runtime,
}

/// A statement at work.
pub struct Execution {
    env: ExecEnv,
    statement: Arc<Statement>,
    op: BoxOperator,
    rt: Runtime,
    rows: u64,
    done: bool,
    /// Who is told of the end, and the time spent so far.
    watcher: Option<(Box<dyn Watcher>, Duration)>,
}

/// Is told when an execution has ended well.
pub trait Watcher: Send {
    /// It took `ms` milliseconds.
    fn finished(&self, execution: &Execution, ms: f64);
}

impl Execution {
    /// Builds the operators; nothing runs before the first [`Execution::next`].
    pub fn start(statement: Arc<Statement>, env: ExecEnv) -> Result<Execution> {
        let (op, rt) = {
            let io = env.io();
            let mut b =
                Builder::new(&io, env.instrument).with_env(&env).with_filters(&statement.runtime_filters);
            for cte in &statement.ctes {
                if let PhysicalNode::RecursiveUnion { cte, output, .. } = &cte.plan.node {
                    b.push_work_table(*cte, output);
                }
            }
            for cte in &statement.ctes {
                b.cte(cte)?;
            }
            let wanted: Vec<ColumnId> = statement.output.iter().map(|(id, _, _)| *id).collect();
            let plan = &statement.plan;
            let mut op = b.plan(plan)?;
            if !wanted.iter().copied().eq(plan.output()) {
                op = Box::new(Columns::new(op, crate::build::slots_of(plan, &wanted)?));
            }
            (op, b.finish())
        };
        Ok(Execution { env, statement, op, rt, rows: 0, done: false, watcher: None })
    }

    /// As [`Execution::start`] of the statement that the operators were built for.
    pub fn start_in(tree: Tree, statement: Arc<Statement>, env: ExecEnv) -> Execution {
        let Tree { op, rt } = tree;
        Execution { env, statement, op, rt, rows: 0, done: false, watcher: None }
    }

    /// Its operators, for another execution of the same statement: of one that has ended well ([`Execution::finish`]), if they can all begin
    /// anew.
    pub fn into_tree(self) -> Option<Tree> {
        let Execution { env, mut op, mut rt, done, watcher, .. } = self;
        let is_plain = !env.instrument && watcher.is_none() && rt.subplans.is_empty() && rt.ctes.is_empty();
        if !done || !is_plain || !op.renew() {
            return None;
        }
        rt.begin_again();
        Some(Tree { op, rt })
    }

    /// The next batch of the result, columns in the order of the statement's output; none at the end.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Batch>> {
        self.next_some(quarry_types::BATCH_ROWS)
    }

    /// Has `watcher` told when [`Execution::finish`] is done.
    pub fn watch(&mut self, watcher: Box<dyn Watcher>) {
        self.watcher = Some((watcher, Duration::ZERO));
    }

    /// As [`Execution::next`] where only so many rows are wanted soon; the batch may have more.
    pub fn next_some(&mut self, want: usize) -> Result<Option<Batch>> {
        if self.watcher.is_none() {
            return self.next_unwatched(want);
        }
        let began = Instant::now();
        let out = self.next_unwatched(want);
        if let Some((_, spent)) = &mut self.watcher {
            *spent += began.elapsed();
        }
        out
    }

    fn next_unwatched(&mut self, want: usize) -> Result<Option<Batch>> {
        if self.done {
            return Ok(None);
        }
        let Execution { env, op, rt, .. } = self;
        let io = env.io();
        let mut cx = Cx::new(env, &io, rt);
        cx.check_cancelled()?;
        match crate::operator::pull_some(op, &mut cx, want)? {
            Some(batch) => {
                self.rows += batch.row_count() as u64;
                Ok(Some(batch))
            }
            None => {
                self.done = true;
                self.run_writing_ctes()?;
                Ok(None)
            }
        }
    }

    /// The most bytes that one operator's spillable state has held at once (see [`Runtime::note_memory`]).
    pub fn peak_bytes(&self) -> usize {
        self.rt.peak_bytes
    }

    /// Data-modifying common table expressions run to their end whether read or not.
    fn run_writing_ctes(&mut self) -> Result<()> {
        let Execution { env, statement, rt, .. } = self;
        let io = env.io();
        let mut cx = Cx::new(env, &io, rt);
        for (i, cte) in statement.ctes.iter().enumerate() {
            let writes = matches!(
                cte.plan.node,
                PhysicalNode::Insert { .. } | PhysicalNode::Update { .. } | PhysicalNode::Delete { .. }
            );
            while writes && scan::cte::advance(&mut cx, i)? {}
        }
        Ok(())
    }

    /// What it runs.
    pub fn statement(&self) -> &Arc<Statement> {
        &self.statement
    }

    /// What it runs with.
    pub fn env(&self) -> &ExecEnv {
        &self.env
    }

    /// Rows inserted, updated, deleted or returned by the top node.
    pub fn rows_affected(&self) -> u64 {
        self.op.rows_affected().unwrap_or(self.rows)
    }

    /// Whether the result has been read to its end.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// What is due at the end of the statement: constraint checks.
    pub fn finish(&mut self) -> Result<()> {
        let watched = self.watcher.take().map(|(watcher, spent)| (watcher, spent, Instant::now()));
        let Execution { env, rt, .. } = self;
        let io = env.io();
        modify::finish_statement(&mut Cx::new(env, &io, rt))?;
        if let Some((watcher, spent, began)) = watched {
            watcher.finished(self, (spent + began.elapsed()).as_secs_f64() * 1000.0);
        }
        Ok(())
    }

    /// Counts of a plan node, if instrumented.
    pub fn stats(&self, node: usize) -> Option<NodeStats> {
        self.rt.stats.get(node).cloned()
    }

    /// What constraints' checks took, if instrumented.
    pub fn triggers(&self) -> &[TriggerStats] {
        &self.rt.triggers
    }
}
