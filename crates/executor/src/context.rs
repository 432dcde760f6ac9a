//! What the operators of one execution share while it runs.

use crate::ExecEnv;
use crate::scan::cte::CteState;
use crate::spill::BatchStore;
use crate::stats::{NodeStats, TriggerStats};
use crate::subplan::SubplanState;
use quarry_common::{Error, Result, SqlState};
use quarry_functions::EvalContext;
use quarry_functions::kernel::BATCH_BYTES_MAX;
use quarry_plan::{ColumnId, CteId};
use quarry_types::{BATCH_ROWS, Datum, IoContext};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Values of subqueries that are run once, by the plan's number.
pub type Given = Arc<[(usize, Datum)]>;

/// Mutable state shared by operators and expressions.
#[derive(Default)]
pub struct Runtime {
    /// Values of enclosing rows' columns, by column id; none where no row has set it.
    pub outer: Vec<Option<Datum>>,
    /// Subqueries of expressions; absent while running.
    pub subplans: Vec<Option<Box<SubplanState>>>,
    /// What another thread has found, a crew's leader.
    pub given: Given,
    /// Common table expressions.
    pub ctes: Vec<CteState>,
    /// Rows of the round before, for each recursive union under way.
    pub work_tables: Vec<(CteId, BatchStore)>,
    /// How many work tables each recursion has had so far.
    pub rounds: Vec<(CteId, u64)>,
    /// Checks that wait for the end of the statement.
    pub statement: crate::modify::StatementState,
    /// What hash joins that have read their inner side know of its keys, by the filter's number in the statement.
    pub filters: Vec<Option<std::sync::Arc<crate::join::filter::KeyFilter>>>,
    /// By plan node id; empty unless instrumented.
    pub stats: Vec<NodeStats>,
    /// The node at work, as far as nodes are instrumented.
    pub current_node: usize,
    /// What constraints' checks took, if instrumented.
    pub triggers: Vec<TriggerStats>,
    /// The most bytes that a hashed set operation, a DISTINCT aggregate or a window partition has held at once.
    pub peak_bytes: usize,
    /// Vectors may take any size now: what runs can't be begun again.
    pub unbounded: bool,
    /// Set when another thread that works for the statement has failed.
    pub stop: Option<Arc<AtomicBool>>,
    /// Bytes of varying values that calls have made, for whoever set it to 0.
    pub made_bytes: usize,
}

impl Runtime {
    /// As a new one, in its memory.
    pub(crate) fn begin_again(&mut self) {
        // Named one by one, so that none is forgotten.
        let Runtime {
            outer,
            subplans,
            given,
            ctes,
            work_tables,
            rounds,
            statement: crate::modify::StatementState { ri },
            filters,
            stats,
            current_node,
            triggers,
            peak_bytes,
            unbounded,
            stop,
            made_bytes,
        } = self;
        outer.clear();
        subplans.clear();
        if !given.is_empty() {
            *given = Given::default();
        }
        ctes.clear();
        work_tables.clear();
        rounds.clear();
        ri.clear();
        filters.clear();
        stats.clear();
        *current_node = 0;
        triggers.clear();
        *peak_bytes = 0;
        *unbounded = false;
        *stop = None;
        *made_bytes = 0;
    }

    /// A join has put aside so many pairs of rows that had equal keys, or none.
    pub fn note_join_filtered(&mut self, pairs: usize) {
        if let Some(s) = self.stats.get_mut(self.current_node) {
            s.join_filtered += pairs as f64;
        }
    }

    /// Accounts for the memory that an operator holds now.
    pub fn note_memory(&mut self, bytes: usize) {
        self.peak_bytes = self.peak_bytes.max(bytes);
    }
}

const STOPPED: &str = "another thread of the statement has failed";

/// What a thread ends with because another one has failed, whose error is the statement's.
fn stopped() -> Error {
    Error::new(SqlState::QUERY_CANCELED, STOPPED)
}

/// Whether it is no error of the thread's own.
pub(crate) fn is_stopped(e: &Error) -> bool {
    e.sqlstate() == SqlState::QUERY_CANCELED && e.message() == STOPPED
}

/// Passed down every call.
pub struct Cx<'a> {
    pub env: &'a ExecEnv,
    pub io: &'a IoContext<'a>,
    pub rt: &'a mut Runtime,
    /// How many rows the caller wants of the next batch: a scan may stop early.
    pub want: usize,
}

impl<'a> Cx<'a> {
    pub fn new(env: &'a ExecEnv, io: &'a IoContext<'a>, rt: &'a mut Runtime) -> Cx<'a> {
        Cx { env, io, rt, want: BATCH_ROWS }
    }
    /// The world as kernels see it.
    #[inline]
    pub fn eval(&self) -> EvalContext<'a> {
        let env: &'a ExecEnv = self.env;
        EvalContext { limit: self.vector_limit(), ..EvalContext::new(self.io, &*env.session) }
    }
    /// Bytes that the values of one vector may take now.
    #[inline]
    pub fn vector_limit(&self) -> usize {
        if self.rt.unbounded { usize::MAX } else { BATCH_BYTES_MAX }
    }
    /// The error of a cancel or timeout that has come meanwhile.
    #[inline]
    pub fn check_cancelled(&self) -> Result<()> {
        if let Some(stop) = &self.rt.stop
            && stop.load(Ordering::Relaxed)
        {
            return Err(stopped());
        }
        self.env.session.check_cancelled()
    }
    /// Sets an enclosing row's column.
    #[inline]
    pub fn set_outer(&mut self, id: ColumnId, value: Datum) {
        let i = id.0 as usize;
        if self.rt.outer.len() <= i {
            self.rt.outer.resize(i + 1, None);
        }
        self.rt.outer[i] = Some(value);
    }
    /// An enclosing row's column. One that no row has set was asked for in a wrong place: an internal error, since a null in its place
    /// would be a wrong answer.
    #[inline]
    pub fn outer(&self, id: usize) -> Result<&Datum> {
        match self.rt.outer.get(id) {
            Some(Some(value)) => Ok(value),
            _ => Err(Error::internal(format!("column {id} of no enclosing row is read"))),
        }
    }
    /// Enclosing rows' columns, as far as they are set, to compare with what they were.
    pub fn outer_values(&self, ids: &[ColumnId]) -> impl Iterator<Item = Datum> {
        ids.iter().map(|id| self.rt.outer.get(id.0 as usize).cloned().flatten().unwrap_or_default())
    }
}
