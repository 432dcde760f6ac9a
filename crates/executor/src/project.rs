//! Result, subquery scan and column picking; ProjectSet.

use crate::build::Builder;
use crate::context::Cx;
use crate::expr::{Layout, Program};
use crate::operator::{BoxOperator, Operator, dense, pull};
use crate::rows::gather;
use quarry_common::{Error, Result};
use quarry_functions::{Body, FunctionDef, RowSource, call_scalar_row};
use quarry_plan::{PhysicalPlan, SetCall};
use quarry_types::{BATCH_ROWS, Batch, Datum, SqlType, Vector, oids};
use std::sync::Arc;

/// One row without columns, or the input's rows; nothing if the one-time condition fails.
pub struct ResultNode {
    input: Option<BoxOperator>,
    condition: Vec<Program>,
    /// None: not tested yet.
    open: Option<bool>,
    done: bool,
}

impl ResultNode {
    pub fn new(input: Option<BoxOperator>, condition: Vec<Program>) -> ResultNode {
        ResultNode { input, condition, open: None, done: false }
    }
}

impl Operator for ResultNode {
    fn next(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        let open = match self.open {
            Some(open) => open,
            None => {
                let mut open = true;
                for c in &self.condition {
                    open = open && c.row_is_true(cx, &[])?;
                }
                self.open = Some(open);
                open
            }
        };
        if !open {
            return Ok(None);
        }
        match &mut self.input {
            Some(input) => input.next(cx),
            None if self.done => Ok(None),
            None => {
                self.done = true;
                Ok(Some(Batch::new(Vec::new(), 1)))
            }
        }
    }
    fn rescan(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        self.open = None;
        self.done = false;
        match &mut self.input {
            Some(input) => input.rescan(cx),
            None => Ok(()),
        }
    }
    fn renew(&mut self) -> bool {
        (self.open, self.done) = (None, false);
        self.input.as_mut().is_none_or(|input| input.renew())
    }
}

/// Picks columns of its input by slot.
pub struct Columns {
    input: BoxOperator,
    slots: Vec<usize>,
}

impl Columns {
    pub fn new(input: BoxOperator, slots: Vec<usize>) -> Columns {
        Columns { input, slots }
    }
}

impl Operator for Columns {
    fn next(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        let Some(b) = self.input.next(cx)? else { return Ok(None) };
        let columns = self.slots.iter().map(|s| b.columns[*s].clone()).collect();
        Ok(Some(Batch { columns, len: b.len, selection: b.selection }))
    }
    fn rescan(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        self.input.rescan(cx)
    }
    fn renew(&mut self) -> bool {
        self.input.renew()
    }
    fn rows_affected(&self) -> Option<u64> {
        self.input.rows_affected()
    }
}

/// A call in FROM or in a target list, ready to be started with arguments.
pub struct SetProgram {
    def: &'static FunctionDef,
    args: Vec<Program>,
    arg_types: Vec<SqlType>,
    pub columns: Vec<SqlType>,
    pub vectors: Vec<quarry_types::PhysicalType>,
    ret: SqlType,
    /// The row as one value is a record, not its only column.
    is_record: bool,
    /// The function gives such records whole (elements of an array), and the columns are taken out of them.
    whole_records: bool,
}

impl SetProgram {
    pub fn compile(b: &mut Builder<'_>, call: &SetCall, layout: &Layout) -> Result<SetProgram> {
        let def = call.function.def();
        Ok(SetProgram {
            def,
            args: b.exprs(&call.args, layout)?,
            arg_types: call.args.iter().map(quarry_plan::Expr::ty).collect(),
            columns: call.columns.clone(),
            vectors: call.columns.iter().map(|c| b.physical(*c)).collect::<Result<_>>()?,
            ret: call.row,
            is_record: call.columns != [call.row],
            whole_records: call.columns != [call.row]
                && def.args == [oids::ANYARRAY]
                && def.ret == oids::ANYELEMENT,
        })
    }

    /// The physical form of a row as one value.
    fn value_form(&self) -> quarry_types::PhysicalType {
        match self.vectors.as_slice() {
            [one] if !self.is_record => *one,
            _ => quarry_types::PhysicalType::Bytes,
        }
    }

    fn empty(&self) -> Vec<Vector> {
        self.vectors.iter().map(|p| Vector::with_capacity(*p, 0)).collect()
    }

    /// Appends all rows of one call to fresh vectors. `limit`: no more rows than this are needed.
    pub fn run(&self, cx: &mut Cx<'_>, row: &[Datum]) -> Result<(Vec<Vector>, usize)> {
        let mut out = self.empty();
        let mut rows = 0;
        let Some(mut started) = self.start(cx, row)? else { return Ok((out, 0)) };
        loop {
            let n = started.next(self, cx, BATCH_ROWS, &mut out)?;
            if n == 0 {
                return Ok((out, rows));
            }
            rows += n;
            cx.check_cancelled()?;
        }
    }

    /// Starts a call; none: no rows (a NULL argument of a strict function).
    pub fn start(&self, cx: &mut Cx<'_>, row: &[Datum]) -> Result<Option<Started>> {
        let args = self.args.iter().map(|a| a.row(cx, row)).collect::<Result<Vec<_>>>()?;
        let eval = cx.eval();
        match self.def.body {
            Body::Set(set) => {
                if self.def.strict && args.iter().any(Datum::is_null) {
                    return Ok(None);
                }
                let mut call = eval.for_call(&self.arg_types, self.ret);
                let columns =
                    if self.whole_records { std::slice::from_ref(&self.ret) } else { &self.columns };
                Ok(Some(Started::Set((set.start)(&mut call, &args, columns)?)))
            }
            _ => {
                let v = call_scalar_row(self.def, &eval, &args, &self.arg_types, self.ret)?;
                Ok(Some(Started::One(Some(v))))
            }
        }
    }
}

/// A call that gives rows.
pub enum Started {
    Set(Box<dyn RowSource>),
    One(Option<Datum>),
}

impl Started {
    /// Appends up to `max` rows.
    pub fn next(
        &mut self,
        call: &SetProgram,
        cx: &mut Cx<'_>,
        max: usize,
        out: &mut [Vector],
    ) -> Result<usize> {
        match self {
            Started::Set(_) if call.whole_records => {
                let mut values = Vector::with_capacity(quarry_types::PhysicalType::Bytes, 0);
                let n = self.next_values(call, cx, max, &mut values)?;
                for i in 0..n {
                    spread(&values.datum(i), out)?;
                }
                Ok(n)
            }
            Started::Set(source) => {
                let eval = cx.eval();
                let mut eval = eval.for_call(&call.arg_types, call.ret);
                source.next_rows(&mut eval, max, out)
            }
            Started::One(value) => {
                let Some(v) = value.take() else { return Ok(0) };
                if !call.is_record
                    && let [one] = out
                {
                    one.push_datum(&v);
                    return Ok(1);
                }
                spread(&v, out)?;
                Ok(1)
            }
        }
    }
}

/// Appends a record's fields, or NULLs for one that is NULL.
fn spread(record: &Datum, out: &mut [Vector]) -> Result<()> {
    if record.is_null() {
        out.iter_mut().for_each(Vector::push_null);
        return Ok(());
    }
    let r = quarry_types::record::RecordRef::of(record);
    if r.len() != out.len() {
        return Err(Error::internal("a function's record has another number of columns"));
    }
    out.iter_mut().enumerate().for_each(|(i, c)| c.push_datum(&r.datum(i)));
    Ok(())
}

impl Started {
    /// Appends up to `max` rows, each as one value.
    fn next_values(
        &mut self,
        call: &SetProgram,
        cx: &mut Cx<'_>,
        max: usize,
        out: &mut Vector,
    ) -> Result<usize> {
        if !call.is_record {
            return self.next(call, cx, max, std::slice::from_mut(out));
        }
        if let Started::One(value) = self {
            let Some(v) = value.take() else { return Ok(0) };
            out.push_datum(&v);
            return Ok(1);
        }
        if let (Started::Set(source), true) = (&mut *self, call.whole_records) {
            let eval = cx.eval();
            let mut eval = eval.for_call(&call.arg_types, call.ret);
            return source.next_rows(&mut eval, max, std::slice::from_mut(out));
        }
        let mut columns = call.empty();
        let n = self.next(call, cx, max, &mut columns)?;
        for i in 0..n {
            let fields: Vec<Datum> = columns.iter().map(|c| c.datum(i)).collect();
            let types = call.columns.iter().map(|t| t.oid);
            out.push_datum(&quarry_types::record::of_type(call.ret, types.zip(&fields)));
        }
        Ok(n)
    }
}

/// Set-returning functions in a target list: input rows repeated, calls side by side, shorter ones padded with NULL.
pub struct ProjectSet {
    input: BoxOperator,
    calls: Vec<SetProgram>,
    /// Input rows, the next one to expand, and what has been expanded of the row at hand.
    batch: Option<(Batch, usize)>,
    running: Option<Vec<Option<Started>>>,
}

impl ProjectSet {
    pub fn build(
        b: &mut Builder<'_>,
        input: &PhysicalPlan,
        calls: &[(quarry_plan::ColumnId, SetCall)],
    ) -> Result<BoxOperator> {
        let layout = Layout::new(input.output());
        let calls = calls.iter().map(|(_, c)| SetProgram::compile(b, c, &layout)).collect::<Result<_>>()?;
        Ok(Box::new(ProjectSet { input: b.plan(input)?, calls, batch: None, running: None }))
    }
}

impl Operator for ProjectSet {
    fn next(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        let mut picked: Vec<u32> = Vec::new();
        let mut out: Vec<Vector> =
            self.calls.iter().map(|c| Vector::with_capacity(c.value_form(), 0)).collect();
        loop {
            if self.batch.is_none() {
                let Some(b) = pull(&mut self.input, cx)? else { return Ok(None) };
                self.batch = Some((dense(b), 0));
            }
            let Some((batch, at)) = &mut self.batch else { return Ok(None) };
            while *at < batch.len && picked.len() < BATCH_ROWS {
                cx.check_cancelled()?;
                if self.running.is_none() {
                    let row: Vec<Datum> = batch.columns.iter().map(|c| c.datum(*at)).collect();
                    self.running = Some(self.calls.iter().map(|c| c.start(cx, &row)).collect::<Result<_>>()?);
                }
                let running = self.running.get_or_insert_with(Vec::new);
                let max = BATCH_ROWS - picked.len();
                let mut most = 0;
                let base = picked.len();
                for ((started, call), column) in running.iter_mut().zip(&self.calls).zip(&mut out) {
                    if let Some(s) = started {
                        // A source may give fewer rows than asked: ask until it has no more.
                        let mut got = 0;
                        while got < max {
                            let n = s.next_values(call, cx, max - got, column)?;
                            if n == 0 {
                                break;
                            }
                            got += n;
                        }
                        if got < max {
                            *started = None;
                        }
                        most = most.max(got);
                    }
                }
                for column in &mut out {
                    let missing = base + most - column.len();
                    crate::rows::push_nulls(column, missing);
                }
                picked.extend(std::iter::repeat_n(*at as u32, most));
                if running.iter().all(Option::is_none) || most == 0 {
                    self.running = None;
                    *at += 1;
                }
            }
            let finished = *at >= batch.len;
            let rows = if picked.is_empty() {
                None
            } else {
                let mut columns: Vec<Arc<Vector>> =
                    batch.columns.iter().map(|c| Arc::new(gather(c, &picked))).collect();
                columns.extend(std::mem::take(&mut out).into_iter().map(Arc::new));
                Some(Batch::new(columns, picked.len()))
            };
            if finished {
                self.batch = None;
            }
            if rows.is_some() {
                return Ok(rows);
            }
        }
    }
    fn rescan(&mut self, cx: &mut Cx<'_>) -> Result<()> {
        self.batch = None;
        self.running = None;
        self.input.rescan(cx)
    }
    fn renew(&mut self) -> bool {
        (self.batch, self.running) = (None, None);
        self.input.renew()
    }
}
