//! One database's notifications as a sequence of bytes in segments: the last one grows in memory, those before it are closed, and lie in memory
//! or in a file each.
//!
//! A position is a segment's number times [`SEGMENT_BYTES`] and an offset in it. Entries don't span segments; a position at the end of a
//! closed segment is that of the next one's beginning.

use std::collections::VecDeque;
use std::sync::Arc;

/// A segment is closed when the next entry would take it past this.
pub const SEGMENT_BYTES: usize = 256 * 1024;
/// What an empty segment keeps of its memory.
const KEPT_BYTES: usize = 8 * 1024;

enum Place {
    Memory(Arc<Vec<u8>>),
    File,
}

struct Closed {
    /// Bytes in it.
    len: usize,
    /// The offset that its bytes in memory begin at: what was before had been read by all when it was the last one.
    from: usize,
    place: Place,
}

/// Where to read on from a position.
pub enum Source {
    /// These bytes from `at` on.
    Memory { bytes: Arc<Vec<u8>>, at: usize },
    /// The rest of the last segment.
    Last(Vec<u8>),
    /// The file of this segment from this offset on.
    File { segment: u64, at: usize },
    /// Nothing follows.
    End,
}

/// See the module.
#[derive(Default)]
pub struct Segments {
    closed: VecDeque<Closed>,
    /// The number of the first closed one, or of the last segment if there are none.
    base: u64,
    last: Vec<u8>,
    /// The offset in its segment that `last` begins at: what was before has been read by all.
    last_from: usize,
    /// Closed ones in memory.
    in_memory: usize,
}

impl Segments {
    fn last_number(&self) -> u64 {
        self.base + self.closed.len() as u64
    }

    /// Where the next entry goes.
    pub fn head(&self) -> u64 {
        self.last_number() * SEGMENT_BYTES as u64 + (self.last_from + self.last.len()) as u64
    }

    /// Room for an entry at the end. Whether a segment was closed for it.
    pub fn append(&mut self, size: usize, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        let full = self.last_from + self.last.len() + size > SEGMENT_BYTES;
        if full {
            let bytes = std::mem::take(&mut self.last);
            let from = std::mem::take(&mut self.last_from);
            self.closed.push_back(Closed {
                len: from + bytes.len(),
                from,
                place: Place::Memory(Arc::new(bytes)),
            });
            self.in_memory += 1;
        }
        write(&mut self.last);
        full
    }

    /// Closed segments in memory.
    pub fn in_memory(&self) -> usize {
        self.in_memory
    }

    /// The first closed segment in memory: its number, the offset that its bytes begin at, and these.
    pub fn oldest_in_memory(&self) -> Option<(u64, usize, Arc<Vec<u8>>)> {
        self.closed.iter().zip(self.base..).find_map(|(c, number)| match &c.place {
            Place::Memory(bytes) => Some((number, c.from, bytes.clone())),
            Place::File => None,
        })
    }

    /// The segment's bytes are in its file now. False: it is gone.
    pub fn written(&mut self, number: u64) -> bool {
        let Some(c) = number.checked_sub(self.base).and_then(|at| self.closed.get_mut(at as usize)) else {
            return false;
        };
        if matches!(c.place, Place::Memory(_)) {
            c.place = Place::File;
            self.in_memory -= 1;
        }
        true
    }

    /// A position as segment and offset, never at the end of a closed one.
    fn place_of(&self, position: u64) -> (u64, usize) {
        let (number, offset) = (position / SEGMENT_BYTES as u64, (position % SEGMENT_BYTES as u64) as usize);
        match number.checked_sub(self.base).and_then(|at| self.closed.get(at as usize)) {
            Some(c) if offset >= c.len => (number + 1, 0),
            _ => (number, offset),
        }
    }

    /// The same position, so that all at the same entry are equal.
    pub fn normal(&self, position: u64) -> u64 {
        // A segment that is filled to its last byte ends where the next one begins.
        let (number, offset) = self.place_of(position);
        number * SEGMENT_BYTES as u64 + offset as u64
    }

    /// What follows on a position.
    pub fn source(&self, position: u64) -> Source {
        let (number, offset) = self.place_of(position);
        match number.checked_sub(self.base).and_then(|at| self.closed.get(at as usize)) {
            Some(Closed { from, place: Place::Memory(bytes), .. }) => {
                Source::Memory { bytes: bytes.clone(), at: offset.saturating_sub(*from) }
            }
            Some(Closed { place: Place::File, .. }) => Source::File { segment: number, at: offset },
            None if position >= self.head() => Source::End,
            None => Source::Last(self.last[offset.saturating_sub(self.last_from)..].to_vec()),
        }
    }

    /// Bytes of entries from one position to a later one.
    pub fn bytes_between(&self, from: u64, to: u64) -> usize {
        let ((mut number, mut offset), (end, end_offset)) = (self.place_of(from), self.place_of(to));
        let mut sum = 0;
        while number < end {
            let len = number
                .checked_sub(self.base)
                .and_then(|at| self.closed.get(at as usize))
                .map_or(0, |c| c.len);
            sum += len.saturating_sub(offset);
            (number, offset) = (number + 1, 0);
        }
        sum + end_offset.saturating_sub(offset)
    }

    /// Forgets what lies before a position; the numbers of segments whose files are to be removed.
    pub fn trim(&mut self, to: u64) -> Vec<u64> {
        let (number, offset) = self.place_of(to);
        let mut files = vec![];
        while self.base < number
            && let Some(c) = self.closed.pop_front()
        {
            match c.place {
                Place::Memory(_) => self.in_memory -= 1,
                Place::File => files.push(self.base),
            }
            self.base += 1;
        }
        if self.closed.is_empty() && offset == self.last_from + self.last.len() {
            self.last_from = offset;
            self.last.clear();
            if self.last.capacity() > KEPT_BYTES {
                self.last = Vec::new();
            }
        }
        files
    }

    /// All of it goes: the numbers of segments whose files are to be removed.
    pub fn files(&self) -> Vec<u64> {
        let on_disk = |(c, number): (&Closed, u64)| matches!(c.place, Place::File).then_some(number);
        self.closed.iter().zip(self.base..).filter_map(on_disk).collect()
    }
}
