//! Varying values of a column as 16-byte views.
//!
//! A column of numerics can have a second form, whole numbers ([`crate::numeric::decimals`]): read from the views when somebody asks for it,
//! or the only one until somebody asks for bytes. Whoever changes a column ends its second form.

use crate::numeric::Decimals;
use crate::numeric::decimals::{Stop, Stored};
use bytes::Bytes;
use quarry_storage::row::blanks;
use std::sync::OnceLock;

/// A view: values of up to 12 bytes lie inside it; longer ones keep a 4-byte prefix, a buffer number and an offset.
///
/// | bytes | short value (len <= 12) | long value |
/// |---|---|---|
/// | 0..4 | length | length |
/// | 4..8 | bytes 0..4 | bytes 0..4 (prefix: most comparisons end here) |
/// | 8..16 | bytes 4..12 | buffer index u32, offset u32 |
#[derive(Clone, Copy, Debug, Default)]
pub struct View([u8; 16]);

const INLINE_MAX: usize = 12;
/// Values are copied into blocks of this size, so that a column makes few allocations.
const BLOCK_BYTES: usize = 32 * 1024;

impl View {
    /// A short value. Two reads that may overlap take the place of a copy whose length the compiler doesn't know.
    #[inline]
    fn inline(v: &[u8]) -> View {
        let n = v.len();
        let byte = |at: usize| u128::from(v[at]) << (8 * at);
        let word = |at: usize| {
            let word = v[at..at + 4].try_into().expect("four bytes");
            u128::from(u32::from_le_bytes(word)) << (8 * at)
        };
        let value = match n {
            0 => 0,
            1..4 => byte(0) | byte(n / 2) | byte(n - 1),
            4..8 => word(0) | word(n - 4),
            _ => word(0) | word(4) | word(n - 4),
        };
        View((n as u128 | value << 32).to_le_bytes())
    }
    /// A short value that ends in blanks: `len` bytes with them.
    #[inline]
    fn inline_padded(v: &[u8], len: usize) -> View {
        let bytes = u128::from_le_bytes(View::inline(v).0) >> 32;
        let blanks = u128::from_le_bytes([b' '; 16]) << (8 * v.len()) & ((1 << (8 * len)) - 1);
        View((len as u128 | (bytes | blanks) << 32).to_le_bytes())
    }
    fn long(v: &[u8], buffer: u32, offset: u32) -> View {
        let mut raw = [0u8; 16];
        raw[..4].copy_from_slice(&(v.len() as u32).to_le_bytes());
        raw[4..8].copy_from_slice(&v[..4]);
        raw[8..12].copy_from_slice(&buffer.to_le_bytes());
        raw[12..].copy_from_slice(&offset.to_le_bytes());
        View(raw)
    }
    /// Length of the value in bytes.
    #[inline]
    pub fn len(&self) -> usize {
        u32::from_le_bytes(self.0[..4].try_into().expect("four bytes")) as usize
    }
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The view as two words: length and first four bytes, the rest.
    #[inline(always)]
    fn words(&self) -> (u64, u64) {
        let v = u128::from_le_bytes(self.0);
        (v as u64, (v >> 64) as u64)
    }
    /// Length and first four bytes (zero padded), for a fast inequality test.
    #[inline]
    pub fn head(&self) -> u64 {
        u64::from_le_bytes(self.0[..8].try_into().expect("eight bytes"))
    }
}

/// A growable column of byte strings. Full blocks are shared, so taking rows from another column copies views only.
#[derive(Clone, Debug, Default)]
pub struct BytesColumn {
    views: Vec<View>,
    full: Vec<Bytes>,
    /// Bytes of the full blocks.
    full_bytes: usize,
    /// The block being filled; its index is `full.len()`.
    tail: Vec<u8>,
    /// The values as whole numbers at one scale, or that they are no such ones; unset: nobody has asked. Set without views: the only form.
    decimals: OnceLock<Option<Box<Decimals>>>,
    /// The bytes of a column that has only the other form, once they are asked for.
    written: OnceLock<Box<BytesColumn>>,
}

impl BytesColumn {
    /// A column of numerics, given as whole numbers.
    pub fn from_decimals(decimals: Decimals) -> BytesColumn {
        BytesColumn { decimals: OnceLock::from(Some(Box::new(decimals))), ..BytesColumn::default() }
    }
    /// The values of a column of numerics as whole numbers at one scale, if they are such ones. Rows that hold no value are 0.
    pub fn decimals(&self) -> Option<&Decimals> {
        let read = || {
            let found = Decimals::read(self.views.len(), |i| self.views[i].words(), |i| self.get(i));
            found.map(Box::new)
        };
        self.decimals.get_or_init(read).as_deref()
    }
    /// The same, if it takes no work.
    pub fn known_decimals(&self) -> Option<&Decimals> {
        self.decimals.get()?.as_deref()
    }
    /// This column, or what it is in bytes.
    #[inline]
    fn bytes(&self) -> &BytesColumn {
        if self.views.is_empty() && self.decimals.get().is_some() { self.written() } else { self }
    }
    /// The bytes of a column of whole numbers. Panics if it is none: a row that isn't there was asked for.
    #[cold]
    fn written(&self) -> &BytesColumn {
        self.written.get_or_init(|| {
            let decimals = self.known_decimals().expect("the row is within the column");
            let n = decimals.values().len();
            let mut out = BytesColumn::with_capacity(n);
            (0..n).for_each(|i| out.push(decimals.numeric(i).as_bytes()));
            Box::new(out)
        })
    }
    /// Makes bytes the only form, before a change.
    #[inline(always)]
    fn begin_change(&mut self) {
        if self.decimals.get_mut().is_some() {
            self.forget_decimals();
        }
    }
    #[cold]
    fn forget_decimals(&mut self) {
        if self.views.is_empty() && self.known_decimals().is_some() {
            self.written();
        }
        self.decimals.take();
        if let Some(written) = self.written.take() {
            *self = *written;
        }
    }

    pub fn with_capacity(rows: usize) -> BytesColumn {
        BytesColumn { views: Vec::with_capacity(rows), ..BytesColumn::default() }
    }
    pub fn len(&self) -> usize {
        match self.views.len() {
            0 => self.known_decimals().map_or(0, |d| d.values().len()),
            n => n,
        }
    }
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Length (the lower 32 bits) and bytes of row `i` as one word, if it has 12 bytes at most and lies there as bytes: equal words are
    /// equal values.
    #[inline(always)]
    pub fn short_word(&self, i: usize) -> Option<u128> {
        let word = u128::from_le_bytes(self.views.get(i)?.0);
        (word as u32 as usize <= INLINE_MAX).then_some(word)
    }
    /// Appends a copy of `v`.
    #[inline]
    pub fn push(&mut self, v: &[u8]) {
        self.begin_change();
        let view = self.store(v);
        self.views.push(view);
    }
    /// Appends values up to the first that is none; gives how many.
    #[inline(always)]
    pub fn extend_some<'a>(&mut self, values: impl Iterator<Item = Option<&'a [u8]>>) -> usize {
        self.begin_change();
        let before = self.views.len();
        for v in values {
            let Some(v) = v else { break };
            let view = self.store(v);
            self.views.push(view);
        }
        self.views.len() - before
    }
    /// The same for text that lacks the blanks which make it `characters` long.
    #[inline(always)]
    pub fn extend_padded<'a>(
        &mut self,
        texts: impl Iterator<Item = Option<&'a [u8]>>,
        characters: u32,
    ) -> usize {
        self.begin_change();
        let before = self.views.len();
        for text in texts {
            let Some(text) = text else { break };
            let view = self.store_padded(text, blanks::missing(text, characters));
            self.views.push(view);
        }
        self.views.len() - before
    }
    /// The same for numerics of which whole numbers will be asked rather than bytes: an empty column becomes one of whole numbers, as long
    /// as its values have one scale.
    #[inline]
    pub fn extend_numerics<'a, S: Stored<'a>>(
        &mut self,
        mut values: impl Iterator<Item = Option<S>>,
        capacity: usize,
    ) -> usize {
        let before = self.len();
        if self.views.is_empty() && self.decimals.get_mut().is_none() {
            match values.next() {
                Some(Some(first)) => match Decimals::begin(first.bytes(), capacity) {
                    Some(mut begun) => {
                        let stop = begun.extend(&mut std::iter::once(Some(first)));
                        self.decimals = OnceLock::from(Some(Box::new(begun)));
                        if let Stop::Misfit(v) = stop {
                            self.push(v.bytes());
                        }
                    }
                    None => self.push(first.bytes()),
                },
                Some(None) | None => return 0,
            }
        }
        if self.views.is_empty()
            && let Some(Some(decimals)) = self.decimals.get_mut()
        {
            self.written.take();
            match decimals.extend(&mut values) {
                Stop::End | Stop::None => return self.len() - before,
                Stop::Misfit(v) => self.push(v.bytes()),
            }
        }
        self.extend_some(values.map(|v| v.map(S::bytes)));
        self.len() - before
    }
    /// Appends a value whose bytes are shared, without copying long ones.
    pub fn push_shared(&mut self, v: &Bytes) {
        self.begin_change();
        if v.len() <= INLINE_MAX {
            self.views.push(View::inline(v));
        } else if v.len() >= 1024 {
            self.seal_tail();
            self.full_bytes += v.len();
            self.full.push(v.clone());
            self.views.push(View::long(v, self.full.len() as u32 - 1, 0));
        } else {
            self.push(v);
        }
    }
    /// Overwrites row `i`.
    pub fn set(&mut self, i: usize, v: &[u8]) {
        self.begin_change();
        let view = self.store(v);
        self.views[i] = view;
    }
    /// Grows or shrinks to `n` rows; new rows are empty strings (or, among whole numbers, 0).
    pub fn resize(&mut self, n: usize) {
        if self.views.is_empty()
            && let Some(Some(decimals)) = self.decimals.get_mut()
            && !decimals.values().is_empty()
        {
            // What comes of it is NULL's place.
            decimals.resize(n);
            self.written.take();
            return;
        }
        self.begin_change();
        self.views.resize(n, View::default());
    }
    #[inline]
    fn store(&mut self, v: &[u8]) -> View {
        if v.len() <= INLINE_MAX { View::inline(v) } else { self.store_long(v) }
    }
    #[inline]
    fn store_padded(&mut self, text: &[u8], blanks: usize) -> View {
        let len = text.len() + blanks;
        if len <= INLINE_MAX {
            return View::inline_padded(text, len);
        }
        const BLANKS: [u8; 16] = [b' '; 16];
        let offset = self.room(len);
        self.tail.extend_from_slice(text);
        match BLANKS.get(..blanks) {
            Some(few) => self.tail.extend_from_slice(few),
            None => self.tail.resize(offset + len, b' '),
        }
        View::long(&self.tail[offset..], self.full.len() as u32, offset as u32)
    }
    /// Where so many bytes go in the block being filled, which has room for them.
    fn room(&mut self, bytes: usize) -> usize {
        if self.tail.len() + bytes > self.tail.capacity() {
            self.seal_tail();
            self.tail.reserve_exact(bytes.max(BLOCK_BYTES));
        }
        self.tail.len()
    }
    fn store_long(&mut self, v: &[u8]) -> View {
        let offset = self.room(v.len()) as u32;
        self.tail.extend_from_slice(v);
        View::long(v, self.full.len() as u32, offset)
    }
    fn seal_tail(&mut self) {
        if !self.tail.is_empty() {
            self.full_bytes += self.tail.len();
            self.full.push(Bytes::from(std::mem::take(&mut self.tail)));
        }
    }
    /// The bytes of row `i`.
    #[inline]
    pub fn get(&self, i: usize) -> &[u8] {
        let Some(view) = self.views.get(i) else { return self.written().get(i) };
        let len = view.len();
        if len <= INLINE_MAX {
            return &view.0[4..4 + len];
        }
        let buffer = u32::from_le_bytes(view.0[8..12].try_into().expect("four bytes")) as usize;
        let offset = u32::from_le_bytes(view.0[12..].try_into().expect("four bytes")) as usize;
        match self.full.get(buffer) {
            Some(block) => &block[offset..offset + len],
            None => &self.tail[offset..offset + len],
        }
    }
    /// Row `i` as shared bytes; long values in sealed blocks are not copied.
    pub fn get_shared(&self, i: usize) -> Bytes {
        let Some(view) = self.views.get(i) else { return self.written().get_shared(i) };
        if view.len() > INLINE_MAX {
            let buffer = u32::from_le_bytes(view.0[8..12].try_into().expect("four bytes")) as usize;
            let offset = u32::from_le_bytes(view.0[12..].try_into().expect("four bytes")) as usize;
            if let Some(block) = self.full.get(buffer) {
                return block.slice(offset..offset + view.len());
            }
        }
        Bytes::copy_from_slice(self.get(i))
    }
    #[inline]
    pub fn view(&self, i: usize) -> &View {
        match self.views.get(i) {
            Some(view) => view,
            None => self.written().view(i),
        }
    }
    /// Makes every long value part of a block that other columns may share ([`BytesColumn::sharing`]).
    pub fn seal(&mut self) {
        self.seal_tail();
    }
    /// Rows of this column, which is sealed, in a column that shares its long values, however few it takes.
    pub fn sharing(&self, rows: impl Iterator<Item = usize>) -> BytesColumn {
        let from = self.bytes();
        if !from.tail.is_empty() {
            let mut copied = BytesColumn::with_capacity(rows.size_hint().0);
            copied.extend_from(from, rows);
            return copied;
        }
        let views = rows.map(|i| from.views[i]).collect();
        let (full, full_bytes) = (from.full.clone(), from.full_bytes);
        BytesColumn { views, full, full_bytes, ..BytesColumn::default() }
    }
    /// Approximate memory held, in bytes.
    pub fn memory_bytes(&self) -> usize {
        let decimals = self.known_decimals().map_or(0, |d| d.values().len() * 8);
        let written = self.written.get().map_or(0, |w| w.memory_bytes());
        self.views.capacity() * 16 + self.tail.capacity() + self.full_bytes + decimals + written
    }
    /// Bytes of values that lie outside their views.
    #[inline]
    pub fn heap_bytes(&self) -> usize {
        self.full_bytes + self.tail.len()
    }
    /// Empties the column, keeping the memory of its views.
    pub fn clear(&mut self) {
        self.decimals.take();
        self.written.take();
        self.views.clear();
        self.full.clear();
        self.full_bytes = 0;
        self.tail.clear();
    }
    /// Appends rows `rows` of `from`, copying bytes; short values are in their views.
    #[inline]
    pub fn extend_from(&mut self, from: &BytesColumn, rows: impl Iterator<Item = usize>) {
        self.begin_change();
        let from = from.bytes();
        self.views.reserve(rows.size_hint().0);
        rows.for_each(|i| {
            let view = from.views[i];
            let view = if view.len() <= INLINE_MAX { view } else { self.store_long(from.get(i)) };
            self.views.push(view);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numerics_are_whole_numbers_as_long_as_they_can() {
        let number = |text: &str| crate::numeric::Numeric::parse(text).expect("a number");
        let texts = ["1.25", "-0.50", "123456789012.75", "7.00", "0.00", "7", "NaN", "1.5"];
        let stored: Vec<_> = texts.iter().map(|t| number(t)).collect();
        for split in 0..=texts.len() {
            for wanted in 0..=texts.len() {
                let mut c = BytesColumn::default();
                let part = |range: std::ops::Range<usize>| stored[range].iter().map(|n| Some(n.as_bytes()));
                let (first, last) = (split.min(wanted), wanted);
                assert_eq!(c.extend_numerics(part(0..first).chain([None]), 8), first);
                assert_eq!(c.extend_numerics(part(first..last), 8), last - first);
                assert_eq!(c.len(), wanted);
                assert_eq!(c.known_decimals().is_some(), (1..=5).contains(&wanted));
                for (i, n) in stored[..wanted].iter().enumerate() {
                    assert_eq!(c.get(i), n.as_bytes());
                }
                // A NULL's place, and more after bytes were asked for.
                c.resize(wanted + 1);
                c.extend_numerics(part(0..1), 8);
                assert_eq!((c.len(), c.get(wanted + 1)), (wanted + 2, stored[0].as_bytes()));
            }
        }
    }

    #[test]
    fn padded_texts_have_their_blanks() {
        let texts = [
            "",
            "a",
            "ab ",
            "äöü",
            "12345678",
            "123456789012",
            "1234567890123",
            "日本語日本語日本語日本語日本語",
        ];
        for characters in [0, 1, 3, 8, 11, 12, 13, 25, 84, 40_000] {
            let mut c = BytesColumn::default();
            let stored = texts.map(|t| Some(t.as_bytes()));
            assert_eq!(c.extend_padded(stored.into_iter().chain([None, stored[0]]), characters), texts.len());
            for (i, text) in texts.iter().enumerate() {
                let width = characters as usize;
                assert_eq!(c.get(i), format!("{text:width$}").as_bytes(), "{text:?} of {characters}");
                let mut plain = BytesColumn::default();
                plain.push(c.get(i));
                assert_eq!(c.view(i).head(), plain.view(0).head());
                assert_eq!(c.short_word(i), plain.short_word(0));
            }
        }
    }

    #[test]
    fn sealed_values_are_shared() {
        let mut c = BytesColumn::default();
        let values: Vec<Vec<u8>> = (0..1500).map(|n| vec![(n % 251) as u8; n % 97]).collect();
        values.iter().for_each(|v| c.push(v));
        let order = [1499, 0, 7, 7, 96, 13];
        let same = |picked: &BytesColumn| order.iter().enumerate().all(|(i, n)| picked.get(i) == values[*n]);
        assert!(same(&c.sharing(order.into_iter())));
        c.seal();
        let mut picked = c.sharing(order.into_iter());
        assert!(same(&picked));
        assert_eq!(picked.heap_bytes(), c.heap_bytes());
        // It can grow by values of its own, and so can what it shares with.
        picked.push(&values[90]);
        c.push(&values[80]);
        assert_eq!((picked.get(6), c.get(1500)), (&values[90][..], &values[80][..]));
        assert!(same(&picked));
    }

    #[test]
    fn short_and_long_values_round_trip() {
        let mut c = BytesColumn::default();
        let values: Vec<Vec<u8>> = (0..2000).map(|n| vec![(n % 251) as u8; n % 97]).collect();
        for v in &values {
            c.push(v);
        }
        let big = Bytes::from(vec![7u8; 5000]);
        c.push_shared(&big);
        c.push(b"after a shared block, longer than twelve");
        let mut picked = BytesColumn::default();
        picked.extend_from(&c, (0..values.len()).rev());
        for (i, v) in values.iter().rev().enumerate() {
            assert_eq!(picked.get(i), &v[..]);
            assert_eq!(picked.view(i).head(), c.view(values.len() - 1 - i).head());
        }
        for (i, v) in values.iter().enumerate() {
            assert_eq!(c.get(i), &v[..]);
            assert_eq!(c.get_shared(i), v[..]);
        }
        assert_eq!(c.get(2000), &big[..]);
        assert_eq!(c.get(2001), b"after a shared block, longer than twelve");
    }
}
