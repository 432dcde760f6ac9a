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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Runtime;
    use crate::testing::{Input, batch, env, values};

    /// A dealer of these rows, and a share for its leader and for another thread.
    fn shares(input: Box<Input>) -> (Arc<Dealer>, Dealt, Dealt) {
        let dealer = Arc::new(Dealer::new(Arc::default()));
        assert!(!dealer.has_source());
        dealer.set_source(input);
        assert!(dealer.has_source());
        (dealer.clone(), Dealt::new(dealer.clone(), true), Dealt::new(dealer, false))
    }

    fn next(share: &mut Dealt, cx: &mut Cx<'_>) -> Option<Vec<i64>> {
        share.next(cx).unwrap().map(|piece| values(&piece, 0))
    }

    #[test]
    fn every_row_is_dealt_once_in_pieces_that_get_smaller() {
        let (env, mut rt) = (env(), Runtime::default());
        let io = env.io();
        let mut cx = Cx::new(&env, &io, &mut rt);
        let some = Batch { selection: Some(vec![1, 3, 4].into()), ..batch(2000..2010) };
        let (_, mut leader, mut other) = shares(Input::boxed(vec![batch(0..2000), some, batch(3000..3020)]));
        let (mut all, mut sizes) = (vec![], vec![]);
        while let Some(piece) = next(if sizes.len() % 2 == 0 { &mut leader } else { &mut other }, &mut cx) {
            sizes.push(piece.len());
            all.extend(piece);
        }
        assert!((0..2000).chain([2001, 2003, 2004]).chain(3000..3020).eq(all));
        assert_eq!(sizes[0], 500);
        let mut sum = 0;
        let reaches = |n: &usize| {
            sum += n;
            sum == 2000
        };
        let first = sizes.iter().position(reaches).expect("the first batch ends with a piece") + 1;
        assert!(sizes[..first].windows(2).all(|pair| pair[0] >= pair[1]), "{sizes:?}");
        assert!(sizes[..first - 1].iter().all(|n| (ROWS_MIN..=ROWS_MAX).contains(n)), "{sizes:?}");
        assert_eq!(sizes[first..], [3, 8, 8, 4]);
        assert_eq!((next(&mut leader, &mut cx), next(&mut other, &mut cx)), (None, None));
    }

    #[test]
    fn threads_get_all_rows_between_them() {
        let env = env();
        let batches = (0..50).map(|i| batch(i * 100..i * 100 + 100)).collect();
        let (dealer, ..) = shares(Input::boxed(batches));
        let mut all: Vec<i64> = std::thread::scope(|scope| {
            let work = |leads| {
                let (env, dealer) = (&env, dealer.clone());
                scope.spawn(move || {
                    let (io, mut rt) = (env.io(), Runtime::default());
                    let mut cx = Cx::new(env, &io, &mut rt);
                    let mut share = Dealt::new(dealer, leads);
                    let mut rows = vec![];
                    while let Some(piece) = next(&mut share, &mut cx) {
                        rows.extend(piece);
                    }
                    rows
                })
            };
            let threads = [work(true), work(false), work(false)];
            threads.into_iter().flat_map(|t| t.join().unwrap()).collect()
        });
        all.sort_unstable();
        assert!((0..5000).eq(all));
    }

    #[test]
    fn the_leader_goes_on_where_others_are_stopped() {
        let (env, mut rt) = (env(), Runtime::default());
        let io = env.io();
        let mut cx = Cx::new(&env, &io, &mut rt);
        let (dealer, mut leader, mut other) = shares(Input::boxed(vec![batch(0..10), batch(10..20)]));
        assert_eq!(next(&mut other, &mut cx), Some((0..8).collect()));
        dealer.blocks().stop();
        assert_eq!(next(&mut other, &mut cx), None);
        assert_eq!(next(&mut leader, &mut cx), Some(vec![8, 9]));
        assert_eq!(next(&mut leader, &mut cx), Some((10..18).collect()));
        // From the start.
        dealer.blocks().reset();
        leader.rescan(&mut cx).unwrap();
        assert_eq!(next(&mut other, &mut cx), Some((0..8).collect()));
    }

    #[test]
    fn a_source_that_has_failed_is_not_run_on() {
        let (env, mut rt) = (env(), Runtime::default());
        let io = env.io();
        let mut cx = Cx::new(&env, &io, &mut rt);
        let input = Input { batches: vec![batch(0..4)], fails: true, ..Input::default() };
        let (_, mut leader, mut other) = shares(Box::new(input));
        assert_eq!(next(&mut leader, &mut cx), Some((0..4).collect()));
        assert!(other.next(&mut cx).is_err());
        assert_eq!((next(&mut leader, &mut cx), next(&mut other, &mut cx)), (None, None));
    }
}
