//! Rows that are dealt to several threads: an operator of which there is one for all of them. Whoever finds no rows left runs it on for the
//! next batch while the others wait, so that what is behind it is better cheap for what is done with its rows.
//!
//! Pieces of a batch get smaller towards its end, for all threads to be done at about the same time.

use crate::context::Cx;
use crate::operator::{BoxOperator, Operator, dense, pull};
use crate::scan::shared::SharedBlocks;
use parking_lot::Mutex;
use quarry_common::Result;
use quarry_types::Batch;
use std::sync::Arc;

/// A piece is one part of so many of what is left of a batch, within limits: enough rows for their keys to be looked up together.
const PIECES: usize = 4;
const ROWS_MIN: usize = 8;
const ROWS_MAX: usize = 512;

/// Deals the rows of one operator.
pub struct Dealer {
    /// Whether all but the leader are to stop.
    blocks: Arc<SharedBlocks>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    source: Option<BoxOperator>,
    /// The source has been run.
    used: bool,
    /// There is no more to be had of the source: it has ended, or it is under way, or has failed.
    over: bool,
    /// What was read last, and where the rest of it begins.
    batch: Option<(Batch, usize)>,
}

impl Dealer {
    pub fn new(blocks: Arc<SharedBlocks>) -> Dealer {
        Dealer { blocks, state: Mutex::default() }
    }

    pub fn blocks(&self) -> &SharedBlocks {
        &self.blocks
    }

    pub fn has_source(&self) -> bool {
        self.state.lock().source.is_some()
    }

    /// Gives it the operator whose rows it deals.
    pub fn set_source(&self, source: BoxOperator) {
        self.state.lock().source = Some(source);
    }

    /// The next rows for a thread.
    fn take(&self, cx: &mut Cx<'_>, leads: bool) -> Result<Option<Batch>> {
        if !leads && self.blocks.is_stopped() {
            return Ok(None);
        }
        let mut state = self.state.lock();
        let State { source, used, over, batch } = &mut *state;
        loop {
            if let Some((rows, at)) = batch {
                let left = rows.len - *at;
                let n = left.div_ceil(PIECES).clamp(ROWS_MIN, ROWS_MAX).min(left);
                let positions: Vec<u32> = (*at as u32..(*at + n) as u32).collect();
                let piece = Batch { selection: Some(positions.into()), ..rows.clone() };
                *at += n;
                if n == left {
                    *batch = None;
                }
                return Ok(Some(piece));
            }
            let Some(source) = source.as_mut().filter(|_| !*over) else { return Ok(None) };
            (*used, *over) = (true, true);
            let Some(read) = pull(source, cx)? else { return Ok(None) };
            *over = false;
            *batch = Some((dense(read), 0));
        }
    }

    /// Begins anew. No thread is at work.
    fn rescan(&self, cx: &mut Cx<'_>) -> Result<()> {
        let mut state = self.state.lock();
        state.over = false;
        state.batch = None;
        if let Some(source) = state.source.take() {
            let mut source = source;
            let begun = if state.used { source.rescan(cx) } else { Ok(()) };
            state.source = Some(source);
            begun?;
        }
        Ok(())
    }
}

/// One thread's share of what is dealt.
pub struct Dealt {
    dealer: Arc<Dealer>,
    leads: bool,
}

impl Dealt {
    pub fn new(dealer: Arc<Dealer>, leads: bool) -> Dealt {
        Dealt { dealer, leads }
    }
}

impl Operator for Dealt {
    fn next(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        cx.check_cancelled()?;
        self.dealer.take(cx, self.leads)
    }
    fn rescan(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        self.dealer.rescan(cx)
    }
}
