//! Append, Materialize, Memoize.

use crate::build::Builder;
use crate::context::Cx;
use crate::operator::{BoxOperator, Operator, dense, pull};
use crate::spill::BatchStore;
use hashbrown::HashMap;
use quarry_common::Result;
use quarry_plan::{ColumnId, PhysicalPlan};
use quarry_types::{Batch, Datum};
use std::sync::Arc;

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
}

/// Keeps its input's rows: a rescan reads what was kept, unless the input depends on enclosing rows.
pub struct Materialize {
    input: BoxOperator,
    depends: bool,
    rows: BatchStore,
    complete: bool,
    at: usize,
}

impl Materialize {
    pub fn new(input: BoxOperator, depends: bool) -> Materialize {
        Materialize { input, depends, rows: BatchStore::default(), complete: false, at: 0 }
    }
}

impl Operator for Materialize {
    fn next(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        if self.at == self.rows.len() && !self.complete {
            match pull(&mut self.input, cx)? {
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
        if self.depends {
            self.rows.clear();
            self.complete = false;
            return self.input.rescan(cx);
        }
        Ok(())
    }
}

/// Keeps its input's rows by the values of the outer columns they depend on.
pub struct Memoize {
    input: BoxOperator,
    keys: Vec<ColumnId>,
    cache: HashMap<Vec<u8>, Arc<Vec<Batch>>>,
    bytes: usize,
    current: Option<(Arc<Vec<Batch>>, usize)>,
    /// Whether the input must be restarted before it is read.
    stale: bool,
    hits: u64,
    misses: u64,
}

pub fn memoize(b: &mut Builder<'_>, input: &PhysicalPlan, keys: &[ColumnId]) -> Result<BoxOperator> {
    // The rows may depend on rows further out as well.
    let mut keys = keys.to_vec();
    for id in crate::correlation::outside_columns(input) {
        if !keys.contains(&id) {
            keys.push(id);
        }
    }
    Ok(Box::new(Memoize {
        input: b.plan(input)?,
        keys,
        cache: HashMap::new(),
        bytes: 0,
        current: None,
        stale: false,
        hits: 0,
        misses: 0,
    }))
}

/// A byte string that tells datums apart.
fn fingerprint(values: impl Iterator<Item = Datum>) -> Vec<u8> {
    let mut out = Vec::new();
    for v in values {
        match &v {
            Datum::Null => out.push(0),
            v => {
                out.push(1);
                let at = out.len();
                out.extend_from_slice(&[0; 4]);
                quarry_types::stored::write(v, &mut out);
                let n = (out.len() - at - 4) as u32;
                out[at..at + 4].copy_from_slice(&n.to_le_bytes());
            }
        }
    }
    out
}

impl Operator for Memoize {
    fn next(&mut self, cx: &mut Cx<'_>) -> Result<Option<Batch>> {
        if self.current.is_none() {
            let values = self.keys.iter().map(|k| cx.rt.outer.get(k.0 as usize).cloned().unwrap_or_default());
            let key = fingerprint(values);
            let rows = match self.cache.get(&key) {
                Some(rows) => {
                    self.hits += 1;
                    rows.clone()
                }
                None => {
                    self.misses += 1;
                    if std::mem::replace(&mut self.stale, true) {
                        self.input.rescan(cx)?;
                    }
                    let mut rows = Vec::new();
                    while let Some(b) = pull(&mut self.input, cx)? {
                        let b = dense(b);
                        self.bytes += b.columns.iter().map(|c| c.memory_bytes()).sum::<usize>() + 64;
                        rows.push(b);
                    }
                    let rows = Arc::new(rows);
                    self.bytes += key.len() + 64;
                    if self.bytes > cx.env.hash_mem_bytes {
                        self.cache.clear();
                        self.bytes = 0;
                    }
                    self.cache.insert(key, rows.clone());
                    rows
                }
            };
            self.current = Some((rows, 0));
        }
        let Some((rows, at)) = &mut self.current else { return Ok(None) };
        *at += 1;
        Ok(rows.get(*at - 1).cloned())
    }
    fn rescan(&mut self, _: &mut Cx<'_>) -> Result<()> {
        self.current = None;
        Ok(())
    }
}
