//! Grouping and aggregates: one group, groups of sorted input, groups by hash, grouping sets.
//!
//! Groups are numbered per grouping set; accumulators keep all groups' states. Hashed grouping that outgrows the memory
//! allowed writes the rows of further groups to partitions and does these afterwards.

mod call;
mod codes;
mod computed;
mod crew;
mod dense;
mod distinct;
mod front;
mod groups;
mod ordered;

use crate::build::Builder;
use crate::context::Cx;
use crate::crew::Crew;
use crate::expr::{Layout, Program};
use crate::operator::{BoxOperator, Operator, dense, pull};
use crate::spill::RowFile;
use call::{Call, CallState};
use groups::Groups;
use quarry_common::Result;
use quarry_common::memory::Reservation;
use quarry_plan::physical::AggregateStrategy;
use quarry_plan::{AggregateExpr, ColumnId, Expr, PhysicalPlan};
use quarry_types::{BATCH_ROWS, Batch, Datum, PhysicalType, Rows, TypeRef, Vector};
use std::collections::VecDeque;
use std::sync::Arc;

const PARTITIONS: usize = 32;
/// What is held is counted after so many batches, or new groups.
const COUNTED_BATCHES: u64 = 16;
const COUNTED_GROUPS: usize = 1024;
/// Rows may be spread over partitions this often.
const LEVELS_MAX: u32 = 4;

/// What an Aggregate node says.
pub struct Spec<'p> {
    pub strategy: AggregateStrategy,
    pub group: &'p [(ColumnId, Expr)],
    /// Places in `group` of columns that the others determine.
    pub determined: &'p [usize],
    pub sets: Option<&'p [Vec<usize>]>,
    pub aggregates: &'p [(ColumnId, AggregateExpr)],
    pub grouping: &'p [(ColumnId, Vec<usize>)],
    /// Threads that may help.
    pub workers: usize,
}

pub struct Aggregate {
    node: usize,
    input: BoxOperator,
    input_physicals: Vec<PhysicalType>,
    sorted: bool,
    hashed: bool,
    group: Vec<Program>,
    group_types: Vec<TypeRef>,
    /// Which group columns each set has.
    sets: Vec<Vec<bool>>,
    /// Which group columns tell groups apart.
    compared: Vec<bool>,
    /// Input columns grouped by that each set lacks.
    ungrouped: Vec<Vec<usize>>,
    calls: Vec<Call>,
    grouping: Vec<Vec<usize>>,
    states: Vec<SetState>,
    /// Set while new groups go to files.
    spill: Option<Vec<RowFile>>,
    parts: Vec<(RowFile, u32)>,
    level: u32,
    ready: VecDeque<Batch>,
    phase: Phase,
    batches: u64,
    /// Threads that help reading the input.
    crew: Option<Crew<Aggregate>>,
    /// Others read the input at the same time: nothing goes to files.
    shares: bool,
    /// For the groups.
    reservation: Reservation,
    /// What is counted again when there are so many groups.
    count_at: usize,
    /// For results that wait to be given.
    waiting: Reservation,
}

#[derive(PartialEq)]
enum Phase {
    /// The crew, if there is one, hasn't read its part yet.
    Start,
    Reading,
    Parts,
    Done,
}

/// The groups of one grouping set.
struct SetState {
    groups: Groups,
    calls: Vec<CallState>,
}

pub fn build(b: &mut Builder<'_>, node: usize, input: &PhysicalPlan, spec: Spec<'_>) -> Result<BoxOperator> {
    let built = match spec.workers {
        0 => None,
        workers => Crew::build(b, input, workers, |b, leads| {
            Ok(Aggregate { shares: !leads, ..one(b, node, input, &spec)? })
        })?,
    };
    let Some((crew, leader)) = built else { return Ok(Box::new(one(b, node, input, &spec)?)) };
    Ok(Box::new(Aggregate { crew: Some(crew), ..leader }))
}

fn one(b: &mut Builder<'_>, node: usize, input: &PhysicalPlan, spec: &Spec<'_>) -> Result<Aggregate> {
    let layout = Layout::new(input.output());
    let group = b.exprs(spec.group.iter().map(|(_, e)| e), &layout)?;
    let group_types = spec.group.iter().map(|(_, e)| b.type_ref(e.ty().oid)).collect::<Result<_>>()?;
    let n = group.len();
    let sets: Vec<Vec<bool>> = match spec.sets {
        None => vec![vec![true; n]],
        Some(sets) => sets.iter().map(|s| (0..n).map(|i| s.contains(&i)).collect()).collect(),
    };
    let slot = |e: &Expr| if let Expr::Column { id, .. } = e { layout.slot(*id) } else { None };
    let lacks = |set: &Vec<bool>| {
        spec.group.iter().zip(set).filter(|(_, has)| !**has).filter_map(|((_, e), _)| slot(e)).collect()
    };
    let ungrouped = sets.iter().map(lacks).collect();
    let calls = spec.aggregates.iter().map(|(_, a)| Call::compile(b, a, &layout)).collect::<Result<_>>()?;
    b.whole_numbers = computed::columns(input, spec);
    Ok(Aggregate {
        node,
        input_physicals: b.output_physicals(input)?,
        input: b.plan(input)?,
        sorted: spec.strategy == AggregateStrategy::Sorted && sets.len() == 1 && n > 0,
        hashed: spec.strategy == AggregateStrategy::Hashed,
        group,
        group_types,
        sets,
        compared: (0..n).map(|i| !spec.determined.contains(&i)).collect(),
        ungrouped,
        calls,
        grouping: spec.grouping.iter().map(|(_, g)| g.clone()).collect(),
        states: Vec::new(),
        spill: None,
        parts: Vec::new(),
        level: 0,
        ready: VecDeque::new(),
        phase: Phase::Start,
        batches: 0,
        crew: None,
        shares: false,
        reservation: Reservation::default(),
        count_at: 0,
        waiting: Reservation::default(),
    })
}

impl Aggregate {
    fn set_state(&self, cx: &mut Cx<'_>, set: usize) -> Result<SetState> {
        let nulls = vec![Datum::Null; self.input_physicals.len()];
        let calls = self.calls.iter().map(|c| c.start(cx, &nulls)).collect::<Result<_>>()?;
        let physicals: Vec<PhysicalType> = self.group.iter().map(|g| g.physical).collect();
        Ok(SetState { groups: Groups::new(&self.sets[set], &self.compared, &physicals), calls })
    }

    fn make_states(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        self.states = (0..self.sets.len()).map(|s| self.set_state(cx, s)).collect::<Result<_>>()?;
        Ok(())
    }

    fn consume(&mut self, cx: &mut Cx<'_>, batch: &Batch) -> Result<()> {
        if self.states.is_empty() {
            self.make_states(cx)?;
        }
        let keys = self.group.iter().map(|g| g.eval(cx, batch)).collect::<Result<Vec<_>>>()?;
        if self.sorted {
            return self.consume_sorted(cx, batch, &keys);
        }
        for s in 0..self.states.len() {
            let state = &mut self.states[s];
            if state.groups.is_single() {
                state.groups.touch_single();
                for (call, st) in self.calls.iter().zip(&mut state.calls) {
                    call.update(cx, st, batch, batch.rows(), None, 1, &self.ungrouped[s])?;
                }
                continue;
            }
            let mut numbers = vec![0u32; batch.len];
            let mut left = Vec::new();
            let limited = self.spill.is_some();
            state.groups.number(
                &keys,
                &self.group_types,
                batch.rows(),
                &mut numbers,
                limited.then_some(&mut left),
            )?;
            if let Some(files) = &mut self.spill
                && !left.is_empty()
            {
                for (r, h) in &left {
                    let part = (h >> (16 + 8 * self.level)) as usize % PARTITIONS;
                    files[part].push(batch.columns.iter().map(|c| &**c), *r as usize)?;
                }
                let gone: Vec<u32> = left.iter().map(|l| l.0).collect();
                let mut skip = gone.iter().peekable();
                let kept: Vec<u32> =
                    batch.rows().iter().map(|r| r as u32).filter(|r| skip.next_if_eq(&r).is_none()).collect();
                let rows = Rows::Selected { positions: &kept, len: batch.len };
                for (call, st) in self.calls.iter().zip(&mut state.calls) {
                    call.update(cx, st, batch, rows, Some(&numbers), state.groups.len(), &self.ungrouped[s])?;
                }
                continue;
            }
            for (call, st) in self.calls.iter().zip(&mut state.calls) {
                call.update(
                    cx,
                    st,
                    batch,
                    batch.rows(),
                    Some(&numbers),
                    state.groups.len(),
                    &self.ungrouped[s],
                )?;
            }
        }
        self.batches += 1;
        let groups = self.states.iter().map(|s| s.groups.len()).sum::<usize>();
        if !self.batches.is_multiple_of(COUNTED_BATCHES) && groups < self.count_at {
            return Ok(());
        }
        // By parts of what there is: counting may look at every group.
        self.count_at = groups + (groups / 8).max(COUNTED_GROUPS);
        let bytes = self.memory_bytes();
        let spare = |s: &SetState| s.groups.allocated_bytes().saturating_sub(s.groups.memory_bytes());
        let room = self.states.iter().map(spare).sum::<usize>();
        let held = (bytes + room).saturating_sub(self.reserved_bytes());
        if self.spill.is_some() || self.states.len() > 1 || self.level >= LEVELS_MAX || self.group.is_empty()
        {
            return self.reservation.must_hold(held);
        }
        let may_hold = self.reservation.may_hold(held) && bytes <= cx.env.hash_mem_bytes;
        if !may_hold && !self.shares {
            let files = (0..PARTITIONS)
                .map(|_| RowFile::create(cx.env, &self.input_physicals))
                .collect::<Result<_>>()?;
            self.spill = Some(files);
        }
        Ok(())
    }

    /// Forgets what was read.
    fn begin_again(&mut self) {
        self.states.clear();
        self.count_at = 0;
        self.reservation.holds(0);
        self.waiting.holds(0);
        self.spill = None;
        self.parts.clear();
        self.level = 0;
        self.ready = VecDeque::new();
        self.phase = Phase::Start;
    }

    fn memory_bytes(&self) -> usize {
        let of = |s: &SetState| {
            s.groups.memory_bytes() + s.calls.iter().map(CallState::memory_bytes).sum::<usize>()
        };
        self.states.iter().map(of).sum()
    }

    /// Of these, what the calls have reserved.
    fn reserved_bytes(&self) -> usize {
        self.states.iter().flat_map(|s| &s.calls).map(CallState::reserved_bytes).sum()
    }

    /// Input sorted by the group columns: all groups but the last are complete.
    fn consume_sorted(&mut self, cx: &mut Cx<'_>, batch: &Batch, keys: &[Arc<Vector>]) -> Result<()> {
        let mut numbers = vec![0u32; batch.len];
        let state = &mut self.states[0];
        state.groups.number_sorted(keys, &self.group_types, batch.rows(), &mut numbers);
        let last = state.groups.len().saturating_sub(1) as u32;
        if last == 0 {
            for (call, st) in self.calls.iter().zip(&mut state.calls) {
                call.update(cx, st, batch, batch.rows(), Some(&numbers), 1, &self.ungrouped[0])?;
            }
            return Ok(());
        }
        let (done, open): (Vec<u32>, Vec<u32>) =
            batch.rows().iter().map(|r| r as u32).partition(|r| numbers[*r as usize] < last);
        let rows = Rows::Selected { positions: &done, len: batch.len };
        for (call, st) in self.calls.iter().zip(&mut state.calls) {
            call.update(cx, st, batch, rows, Some(&numbers), last as usize, &self.ungrouped[0])?;
        }
        self.emit(cx, 0, last as usize)?;
        let mut next = self.set_state(cx, 0)?;
        let rows = Rows::Selected { positions: &open, len: batch.len };
        numbers.fill(0);
        next.groups.number_sorted(keys, &self.group_types, rows, &mut numbers);
        for (call, st) in self.calls.iter().zip(&mut next.calls) {
            call.update(cx, st, batch, rows, Some(&numbers), 1, &self.ungrouped[0])?;
        }
        self.states[0] = next;
        Ok(())
    }

    /// Makes result rows of a set's first `n` groups.
    fn emit(&mut self, cx: &mut Cx<'_>, set: usize, n: usize) -> Result<()> {
        let state = &mut self.states[set];
        for (call, st) in self.calls.iter().zip(&mut state.calls) {
            call.complete(cx, st, n)?;
        }
        let mut from = 0;
        while from < n {
            let to = (from + BATCH_ROWS).min(n);
            let mut columns: Vec<Arc<Vector>> = Vec::new();
            for (i, p) in self.group.iter().enumerate() {
                columns.push(Arc::new(state.groups.key_column(i, p.physical, from, to)));
            }
            for (call, st) in self.calls.iter().zip(&mut state.calls) {
                columns.push(Arc::new(call.results(cx, st, from, to)?));
            }
            for args in &self.grouping {
                // One bit per argument, set where the set lacks the column.
                let mask = args.iter().fold(0i32, |m, a| m << 1 | i32::from(!self.sets[set][*a]));
                columns.push(Arc::new(Vector::constant(PhysicalType::I32, &Datum::I32(mask), to - from)));
            }
            self.ready.push_back(Batch::new(columns, to - from));
            from = to;
        }
        Ok(())
    }

    fn emit_all(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        if self.states.is_empty() {
            self.make_states(cx)?;
        }
        for s in 0..self.states.len() {
            // Without group columns there is one group whatever the input.
            if self.states[s].groups.is_single() && self.level == 0 {
                self.states[s].groups.touch_single();
            }
            let n = self.states[s].groups.len();
            self.emit(cx, s, n)?;
        }
        let results = self.ready.iter().flat_map(|b| &b.columns).map(|c| c.allocated_bytes()).sum();
        self.waiting.holds(results);
        self.states.clear();
        self.count_at = 0;
        self.reservation.holds(0);
        if let Some(files) = self.spill.take() {
            let level = self.level + 1;
            for mut f in files {
                if f.rows() > 0 {
                    f.rewind()?;
                    self.parts.push((f, level));
                }
            }
        }
        Ok(())
    }
}

impl Operator for Aggregate {
    fn next(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        if self.phase == Phase::Start {
            self.read_together(cx)?;
            self.phase = Phase::Reading;
        }
        loop {
            if let Some(b) = self.ready.pop_front() {
                return Ok(Some(b));
            }
            self.waiting.holds(0);
            match self.phase {
                Phase::Reading => match pull(&mut self.input, cx)? {
                    Some(b) => {
                        cx.check_cancelled()?;
                        self.consume(cx, &b)?;
                    }
                    None => {
                        let memory = self.memory_bytes();
                        if self.sorted && self.states.is_empty() {
                            self.phase = Phase::Done;
                            continue;
                        }
                        let batches = 1 + self.spill.as_ref().map_or(0, Vec::len);
                        if let Some(s) = cx.rt.stats.get_mut(self.node)
                            && self.hashed
                        {
                            let spilled: u64 = self.spill.iter().flatten().map(RowFile::bytes).sum();
                            let mut line = format!("{batches}  Memory Usage: {}kB", memory.div_ceil(1024));
                            if spilled > 0 {
                                line += &format!("  Disk Usage: {}kB", spilled.div_ceil(1024));
                            }
                            crate::stats::set(s, "Batches", line);
                        }
                        self.emit_all(cx)?;
                        self.phase = Phase::Parts;
                    }
                },
                Phase::Parts => match self.parts.pop() {
                    Some((mut file, level)) => {
                        self.level = level;
                        while let Some(b) = file.next_batch()? {
                            cx.check_cancelled()?;
                            self.consume(cx, &dense(b))?;
                        }
                        self.emit_all(cx)?;
                    }
                    None => self.phase = Phase::Done,
                },
                Phase::Start | Phase::Done => return Ok(None),
            }
        }
    }
    fn renew(&mut self) -> bool {
        self.begin_again();
        self.batches = 0;
        self.crew.is_none() && self.input.renew()
    }
    fn rescan(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        self.begin_again();
        if let Some(crew) = &mut self.crew {
            crew.rescan(cx, |member, cx| member.rescan(cx))?;
        }
        self.input.rescan(cx)
    }
}
