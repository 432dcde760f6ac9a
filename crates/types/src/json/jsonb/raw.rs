//! The parts of a container one after another, without checks of their texts: for passes over whole documents.

use super::{CONTAINER, Container, FALSE, LIMIT, NULL, NUMBER, STRING, TRUE, word};
use crate::numeric::NumericRef;

/// A value whose text is bytes.
#[derive(Clone, Copy)]
pub enum RawValue<'a> {
    Null,
    Bool(bool),
    String(&'a [u8]),
    Number(NumericRef<'a>),
    Container(Container<'a>),
}

impl<'a> Container<'a> {
    /// A stored jsonb; a scalar is an array of one.
    pub fn of_stored(stored: &'a [u8]) -> Container<'a> {
        Container(stored)
    }

    /// Kinds and bytes of entries in their order.
    fn raw_entries(self, from: usize, to: usize) -> impl Iterator<Item = (u32, &'a [u8])> {
        let data = 4 + self.entry_count() * 4;
        let end_of = move |i: usize| (word(self.0, 1 + i) & LIMIT as u32) as usize;
        let mut begin = data + if from == 0 { 0 } else { end_of(from - 1) };
        (from..to).map(move |i| {
            let entry = word(self.0, 1 + i);
            let end = data + (entry & LIMIT as u32) as usize;
            let bytes = &self.0[begin..end];
            begin = end;
            (entry >> super::KIND_SHIFT, bytes)
        })
    }

    /// An object's keys.
    pub fn raw_keys(self) -> impl Iterator<Item = &'a [u8]> {
        self.raw_entries(0, self.len()).map(|(_, bytes)| bytes)
    }

    /// The elements of an array, or an object's values in its keys' order.
    pub fn raw_values(self) -> impl Iterator<Item = RawValue<'a>> {
        let keys = if self.is_object() { self.len() } else { 0 };
        self.raw_entries(keys, self.entry_count()).map(|(kind, bytes)| match kind {
            NULL => RawValue::Null,
            FALSE => RawValue::Bool(false),
            TRUE => RawValue::Bool(true),
            STRING => RawValue::String(bytes),
            NUMBER => RawValue::Number(NumericRef::new(bytes)),
            kind => {
                debug_assert_eq!(kind, CONTAINER);
                RawValue::Container(Container(bytes))
            }
        })
    }
}
