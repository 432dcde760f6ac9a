//! Telling a log's end from damage in the middle of it.
//!
//! Behind the last valid record there may be others that are whole: a crash keeps any part of what was not synced. But a record says
//! how far the log was durable when it got its place. If that is further than where the log seems to end, bytes that had been synced
//! are not there any more, with commits that were acknowledged in them: that is damage, not the end.

use super::record::{self, HEADER, RECORD_MAX, Record};
use super::segments::{Segments, segment_path};
use crate::disk::Disk;
use quarry_common::{Error, Lsn, Result};
use std::ops::RangeInclusive;
use std::sync::Arc;

/// Segments that are searched besides the one in which the log ends. Records further behind say nothing about it: what is written is
/// at most a buffer and a segment ahead of what is durable.
const SEGMENTS: u64 = 2;
/// Bytes to search at least, where segments are small.
const BYTES: u64 = 4 * RECORD_MAX as u64;

/// An error if the log was durable beyond `end`, where its valid records end; `epoch` is the last record's, `run` that of the server's
/// last start.
pub fn check_end(disk: &Arc<dyn Disk>, segment_bytes: u64, end: Lsn, epoch: u32, run: u32) -> Result<()> {
    let segments = Segments::new(disk.clone(), segment_bytes, false);
    let first = segments.number_of(end);
    let last = segments.number_of(Lsn(end.0 + SEGMENTS * segment_bytes + BYTES));
    // The part of the log in memory: what exists of these segments, in a row.
    let mut bytes = Vec::with_capacity(((last + 1) * segment_bytes - end.0) as usize);
    let mut from = end.0;
    for number in first..=last {
        let skip = (end.0.max(number * segment_bytes)) % segment_bytes;
        let Some(file) = segments.open(number)? else {
            // One is missing: what comes behind it begins anew.
            search(&segments, &bytes, from, end, epoch..=run)?;
            bytes.clear();
            from = (number + 1) * segment_bytes;
            continue;
        };
        let before = bytes.len();
        bytes.resize(((number + 1) * segment_bytes - from) as usize, 0);
        let got = file.read_at(&mut bytes[before..], skip)?;
        bytes[before + got..].fill(0);
    }
    search(&segments, &bytes, from, end, epoch..=run)
}

/// Looks for records in `bytes`, which lie at `from` of the log.
fn search(segments: &Segments, bytes: &[u8], from: u64, end: Lsn, epochs: RangeInclusive<u32>) -> Result<()> {
    let mut at = 0;
    while at + HEADER <= bytes.len() {
        let (rest, lsn) = (&bytes[at..], Lsn(from + at as u64));
        at += 8;
        if !record::plausible_header(rest, *epochs.end()) {
            continue;
        }
        let Some(raw) = rest.get(..record::length(rest)) else { continue };
        let Some(record) = Record::decode(lsn, raw).filter(|r| epochs.contains(&r.epoch)) else { continue };
        if record.durable > end {
            return Err(damaged(segments, end, record.lsn).detail(format!(
                "The record at {} was written when the log was durable to {}.",
                record.lsn, record.durable
            )));
        }
        at += record::padded(raw.len()) - 8;
    }
    Ok(())
}

/// The error about a log that can't be read at `at` but went on to `known`.
pub fn damaged(segments: &Segments, at: Lsn, known: Lsn) -> Error {
    let bytes = segments.segment_bytes();
    let number = segments.number_of(at);
    let mut what = format!("file \"{}\", offset {}, is damaged", segment_path(number), at.0 % bytes);
    // A record may begin in one segment and go on in the next, so the place alone doesn't tell which file is to blame.
    for number in number..=segments.number_of(known) {
        let path = segment_path(number);
        match segments.open(number).and_then(|file| file.map(|f| f.len()).transpose()) {
            Ok(None) => what = format!("file \"{path}\" is missing"),
            Ok(Some(len)) if len < bytes => what = format!("file \"{path}\" has only {len} of {bytes} bytes"),
            Ok(_) => continue,
            Err(e) => what = e.message().to_string(),
        }
        break;
    }
    Error::corrupted(format!("invalid WAL record at {at}: {what}"))
        .hint("Commits behind it would be lost. Restore the file, or restore a backup.")
}
