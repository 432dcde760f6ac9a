//! Lines of COPY FROM that are read together, and the rows that they become.

use super::lines::{Fields, Line};
use super::rows::{RowFormat, Rows, excerpt};
use quarry_common::Error;

/// Bytes of a block, unless one line has more: some milliseconds of work.
pub(super) const BLOCK_BYTES: usize = 256 << 10;

/// Lines that are read together.
pub(super) struct Block {
    pub bytes: Vec<u8>,
    /// Each line's place in the bytes.
    pub lines: Vec<Line>,
    /// The number of the first line.
    pub first: u64,
}

/// Rows of consecutive lines.
pub(super) struct Piece {
    pub rows: Rows,
    /// The number of the last line.
    pub line: u64,
    /// The line, if it is one that the table may refuse: its only one.
    pub refusable: Option<String>,
}

/// What became of a block: its rows up to the first error.
pub(super) struct Parsed {
    pub pieces: Vec<Piece>,
    pub failed: Option<Error>,
}

/// Reads the lines of a block.
pub(super) fn read(format: &RowFormat, block: &Block) -> Parsed {
    let io = format.env.io();
    let mut fields = Fields::default();
    let mut pieces = vec![];
    let mut rows = format.no_rows();
    let mut failed = None;
    let mut number = block.first;
    for line in &block.lines {
        let bytes = &block.bytes[line.clone()];
        if let Err(e) = format.read(bytes, number, false, &mut fields, &mut rows, &io) {
            failed = Some(e);
            // The values of half a row.
            rows.truncate();
            break;
        }
        if format.is_refusable(&rows) {
            let alone = rows.split_last();
            put(&mut pieces, std::mem::replace(&mut rows, format.no_rows()), number - 1, None);
            put(&mut pieces, alone, number, Some(excerpt(bytes)));
        } else if rows.is_full() {
            put(&mut pieces, std::mem::replace(&mut rows, format.no_rows()), number, None);
        }
        number += 1;
    }
    put(&mut pieces, rows, number - 1, None);
    Parsed { pieces, failed }
}

fn put(pieces: &mut Vec<Piece>, rows: Rows, line: u64, refusable: Option<String>) {
    if rows.count > 0 {
        pieces.push(Piece { rows, line, refusable });
    }
}
