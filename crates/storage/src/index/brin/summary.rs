//! A range's summary as a whole.
//!
//! | bytes | content |
//! | --- | --- |
//! | 4 | first block of the range |
//! | 1 | 1: a placeholder |
//! | | the columns', see [`super::column`] |

use super::column::{Column, ColumnRef};
use super::options::{BrinKind, BrinOptions, Shape};
use super::page::SUMMARY_BYTES_MAX;
use super::{BrinCond, damaged};
use crate::page::slotted::{PayloadReader, PayloadWriter, get_u32};
use quarry_common::{BlockNo, Error, Result, SqlState};

const HEAD: usize = 5;
const PLACEHOLDER: u8 = 1;

/// The first block of the range whose summary has these bytes.
pub fn start_of(bytes: &[u8]) -> Option<BlockNo> {
    (bytes.len() >= HEAD).then(|| get_u32(bytes, 0))
}

/// Whether it only keeps the place until the range has been gone through.
pub fn is_placeholder(bytes: &[u8]) -> bool {
    bytes.get(4).is_some_and(|flags| flags & PLACEHOLDER != 0)
}

/// What a summary is made by.
pub struct Rules {
    pub options: BrinOptions,
    pub shapes: Vec<Shape>,
}

impl Rules {
    pub fn new(options: BrinOptions) -> Rules {
        let shapes = options.shapes();
        Rules { options, shapes }
    }

    fn columns(&self) -> impl Iterator<Item = (&BrinKind, &Shape)> {
        self.options.columns.iter().zip(&self.shapes)
    }

    /// Whether a row is in already.
    pub fn covers(&self, bytes: &[u8], keys: &[Option<&[u8]>]) -> Result<bool> {
        let mut r = body(bytes)?;
        for ((kind, shape), key) in self.columns().zip(keys) {
            if !ColumnRef::read(&mut r)?.covers(kind, shape, *key)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether a row of the range may meet all conditions.
    pub fn may_pass(&self, bytes: &[u8], conds: &[BrinCond]) -> Result<bool> {
        if is_placeholder(bytes) {
            return Ok(true);
        }
        let mut r = body(bytes)?;
        for (n, (kind, shape)) in self.columns().enumerate() {
            let column = ColumnRef::read(&mut r)?;
            for cond in conds.iter().filter(|cond| cond.column == n) {
                if !column.may_pass(kind, shape, &cond.test)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Reads a summary to change it.
    pub fn read(&self, bytes: &[u8]) -> Result<Summary> {
        let mut r = body(bytes)?;
        let columns: Result<Vec<Column>> =
            self.columns().map(|(kind, shape)| ColumnRef::read(&mut r)?.to_column(kind, shape)).collect();
        let columns = columns?;
        if !r.rest().is_empty() {
            return Err(damaged("a summary is too long"));
        }
        Ok(Summary { start: get_u32(bytes, 0), placeholder: is_placeholder(bytes), columns })
    }

    /// Of no rows.
    pub fn empty(&self, start: BlockNo) -> Summary {
        let columns = self.options.columns.iter().map(Column::empty).collect();
        Summary { start, placeholder: false, columns }
    }
}

fn body(bytes: &[u8]) -> Result<PayloadReader<'_>> {
    if bytes.len() < HEAD {
        return Err(damaged("a summary is too short"));
    }
    Ok(PayloadReader::new(&bytes[HEAD..]))
}

/// A summary being made or changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Summary {
    pub start: BlockNo,
    pub placeholder: bool,
    pub columns: Vec<Column>,
}

impl Summary {
    /// Takes a row in.
    pub fn add(&mut self, rules: &Rules, keys: &[Option<&[u8]>]) -> Result<()> {
        for ((column, shape), key) in self.columns.iter_mut().zip(&rules.shapes).zip(keys) {
            column.add(shape, *key)?;
        }
        Ok(())
    }

    /// Takes the rows of another summary in.
    pub fn unite(&mut self, rules: &Rules, other: &Summary) {
        for ((column, shape), other) in self.columns.iter_mut().zip(&rules.shapes).zip(&other.columns) {
            column.unite(shape, other);
        }
    }

    /// Its stored form. `name`: the index's, for an error text.
    pub fn to_bytes(&mut self, rules: &Rules, name: &str) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        out.w32(self.start).w8(if self.placeholder { PLACEHOLDER } else { 0 });
        for (column, shape) in self.columns.iter_mut().zip(&rules.shapes) {
            column.push(shape, &mut out);
        }
        if out.len() > SUMMARY_BYTES_MAX {
            return Err(Error::new(
                SqlState::PROGRAM_LIMIT_EXCEEDED,
                format!(
                    "index row size {} exceeds maximum {SUMMARY_BYTES_MAX} for index \"{name}\"",
                    out.len()
                ),
            ));
        }
        Ok(out)
    }
}
