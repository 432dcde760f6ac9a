//! Reads the log record by record, for redo, replicas and people.

use super::record::{HEADER, Record, RecordView, plausible_length};
use super::segments::Segments;
use crate::disk::{Disk, DiskFile};
use quarry_common::{Lsn, Result};
use std::sync::Arc;

const CHUNK: usize = 256 * 1024;

/// A position in the log's files. It sees only what was written to the files.
pub struct WalReader {
    segments: Segments,
    /// Where the next record starts.
    position: Lsn,
    /// Epoch of the last record: older ones that follow are leftovers.
    epoch: u32,
    file: Option<(u64, Arc<dyn DiskFile>)>,
    /// Bytes of the log from `buffered_from`.
    buffer: Vec<u8>,
    buffered_from: u64,
}

impl WalReader {
    /// Starts at `from`, which is a record's LSN.
    pub fn new(disk: Arc<dyn Disk>, segment_bytes: u64, from: Lsn) -> WalReader {
        WalReader {
            segments: Segments::new(disk, segment_bytes, false),
            position: from,
            epoch: 0,
            file: None,
            buffer: Vec::new(),
            buffered_from: from.0,
        }
    }

    /// What it reads follows a record of this epoch.
    pub fn after_epoch(mut self, epoch: u32) -> WalReader {
        self.epoch = epoch;
        self
    }

    /// Where the next record is looked for.
    pub fn position(&self) -> Lsn {
        self.position
    }

    /// Epoch of the last record read; 0 before the first.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The next record; none at the log's end (which may be torn).
    pub fn next_record(&mut self) -> Result<Option<Record>> {
        let (position, epoch) = (self.position, self.epoch);
        let Some(view) = self.next_view()? else { return Ok(None) };
        let record = view.to_record();
        if record.is_none() {
            (self.position, self.epoch) = (position, epoch);
        }
        Ok(record)
    }

    /// The next record where it lies, looked at no further than its CRC; none at the log's end.
    pub fn next_view(&mut self) -> Result<Option<RecordView<'_>>> {
        if !self.fill(HEADER)? {
            return Ok(None);
        }
        let at = (self.position.0 - self.buffered_from) as usize;
        let Some(len) = plausible_length(&self.buffer[at..at + HEADER]) else { return Ok(None) };
        if !self.fill(len)? {
            return Ok(None);
        }
        let at = (self.position.0 - self.buffered_from) as usize;
        let Some(view) = RecordView::verified(self.position, &self.buffer[at..at + len]) else {
            return Ok(None);
        };
        if view.epoch() < self.epoch {
            return Ok(None);
        }
        self.epoch = view.epoch();
        self.position = view.end();
        Ok(Some(view))
    }

    /// Makes `count` bytes from the position available; false if the log's files don't have them.
    fn fill(&mut self, count: usize) -> Result<bool> {
        let mut have_to = self.buffered_from + self.buffer.len() as u64;
        if self.position.0 > have_to {
            // Padding at the end of the buffer was not read.
            self.buffer.clear();
            self.buffered_from = self.position.0;
            have_to = self.position.0;
        }
        let end = self.position.0 + count as u64;
        if end <= have_to {
            return Ok(true);
        }
        self.buffer.drain(..(self.position.0 - self.buffered_from) as usize);
        self.buffered_from = self.position.0;
        let segment_bytes = self.segments.segment_bytes();
        while have_to < end {
            let number = have_to / segment_bytes;
            if self.file.as_ref().is_none_or(|(n, _)| *n != number) {
                match self.segments.open(number)? {
                    Some(file) => self.file = Some((number, file)),
                    None => return Ok(false),
                }
            }
            let (_, file) = self.file.as_ref().expect("just set");
            let offset = have_to % segment_bytes;
            let want = CHUNK.min((segment_bytes - offset) as usize);
            let from = self.buffer.len();
            self.buffer.resize(from + want, 0);
            let got = file.read_at(&mut self.buffer[from..], offset)?;
            self.buffer.truncate(from + got);
            if got == 0 {
                return Ok(false);
            }
            have_to += got as u64;
        }
        Ok(true)
    }
}
