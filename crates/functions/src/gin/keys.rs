//! The keys of one value, in one arena that is used again from row to row.

/// Keys as they are extracted, and after [`GinKeys::finish`] in order and each once.
#[derive(Default)]
pub struct GinKeys {
    bytes: Vec<u8>,
    parts: Vec<Part>,
    null: bool,
}

#[derive(Clone, Copy)]
struct Part {
    /// The first eight bytes, big-endian, filled up with zeros: decides most comparisons.
    head: u64,
    begin: u32,
    len: u32,
}

fn head_of(key: &[u8]) -> u64 {
    match key.first_chunk::<8>() {
        Some(first) => u64::from_be_bytes(*first),
        None => {
            let mut first = [0; 8];
            first[..key.len()].copy_from_slice(key);
            u64::from_be_bytes(first)
        }
    }
}

impl GinKeys {
    pub fn new() -> GinKeys {
        GinKeys::default()
    }
    /// Ready for the next value.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.parts.clear();
        self.null = false;
    }
    pub fn push(&mut self, key: &[u8]) {
        self.push_with(|bytes| bytes.extend_from_slice(key));
    }
    /// Appends a key that `write` adds to the arena.
    pub(super) fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let begin = self.bytes.len();
        write(&mut self.bytes);
        self.close(begin);
    }
    /// What was added from `begin` on is a key.
    fn close(&mut self, begin: usize) {
        let key = &self.bytes[begin..];
        // A value is at most 1 GB and so are its keys.
        self.parts.push(Part { head: head_of(key), begin: begin as u32, len: key.len() as u32 });
    }
    /// There is a NULL among the keys.
    pub fn push_null(&mut self) {
        self.null = true;
    }
    fn get(&self, part: Part) -> &[u8] {
        &self.bytes[part.begin as usize..][..part.len as usize]
    }
    /// Puts the keys in order and leaves each once.
    pub fn finish(&mut self) {
        let bytes = &self.bytes;
        let get = |p: &Part| &bytes[p.begin as usize..][..p.len as usize];
        self.parts.sort_unstable_by(|a, b| a.head.cmp(&b.head).then_with(|| get(a).cmp(get(b))));
        self.parts.dedup_by(|a, b| a.head == b.head && get(a) == get(b));
    }
    /// Keys that aren't NULL.
    pub fn len(&self) -> usize {
        self.parts.len()
    }
    /// There is nothing, not even NULL.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty() && !self.null
    }
    pub fn has_null(&self) -> bool {
        self.null
    }
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.parts.iter().map(|p| self.get(*p))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sorted_and_distinct() {
        let mut keys = GinKeys::new();
        for k in ["b", "", "abcdefghij", "abcdefgh", "b\0", "abcdefgh", "abcdefghii"] {
            keys.push(k.as_bytes());
        }
        keys.finish();
        let all: Vec<&[u8]> = keys.iter().collect();
        assert_eq!(all, [&b""[..], b"abcdefgh", b"abcdefghii", b"abcdefghij", b"b", b"b\0"]);
        keys.clear();
        assert!(keys.is_empty());
        keys.push_null();
        assert!(!keys.is_empty() && keys.iter().len() == 0 && keys.has_null());
    }
}
