//! Append and Materialize.

use crate::context::Cx;
use crate::correlation::Dependence;
use crate::operator::{BoxOperator, Operator, dense, pull_some};
use crate::spill::BatchStore;
use quarry_common::Result;
use quarry_types::{BATCH_ROWS, Batch};

/// One input after the other.
pub struct Append {
    inputs: Vec<BoxOperator>,
    at: usize,
}

impl Append {
    pub fn new(inputs: Vec<BoxOperator>) -> Append {
        Append { inputs, at: 0 }
    }
}

impl Operator for Append {
    fn next(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        while let Some(input) = self.inputs.get_mut(self.at) {
            if let Some(b) = input.next(cx)? {
                return Ok(Some(b));
            }
            self.at += 1;
        }
        Ok(None)
    }
    fn rescan(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        self.at = 0;
        self.inputs.iter_mut().try_for_each(|i| i.rescan(cx))
    }
    fn renew(&mut self) -> bool {
        self.at = 0;
        self.inputs.iter_mut().all(|i| i.renew())
    }
}

/// Keeps its input's rows: a rescan reads what was kept, unless the input depends on enclosing rows that have changed.
pub struct Materialize {
    input: BoxOperator,
    depends: Dependence,
    rows: BatchStore,
    /// Whether the input is under way.
    begun: bool,
    complete: bool,
    at: usize,
}

impl Materialize {
    pub fn new(input: BoxOperator, depends: Dependence) -> Materialize {
        Materialize { input, depends, rows: BatchStore::default(), begun: false, complete: false, at: 0 }
    }
}

impl Operator for Materialize {
    fn next(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        if !std::mem::replace(&mut self.begun, true) {
            self.depends.note(cx);
        }
        if self.at == self.rows.len() && !self.complete {
            // Who may stop early has rows before one that fails given first.
            let want = if cx.want < BATCH_ROWS { BATCH_ROWS - 1 } else { BATCH_ROWS };
            match pull_some(&mut self.input, cx, want)? {
                Some(b) => self.rows.push(cx.env, dense(b))?,
                None => self.complete = true,
            }
        }
        let out = self.rows.get(self.at)?;
        self.at += usize::from(out.is_some());
        Ok(out)
    }
    fn rescan(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        self.at = 0;
        // What was begun again and not read yet has to learn of the new values.
        let kept = self.begun || matches!(self.depends, Dependence::Nothing);
        if kept && self.depends.holds(cx) {
            return Ok(());
        }
        self.rows.clear();
        self.begun = false;
        self.complete = false;
        self.input.rescan(cx)
    }
}
