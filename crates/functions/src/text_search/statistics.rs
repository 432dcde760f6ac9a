//! `ts_stat`: in how many documents lexemes are, and how often.

use quarry_types::Datum;
use quarry_types::textsearch::VectorRef;
use quarry_types::textsearch::query::weight_matches;
use std::collections::BTreeMap;

/// What is counted so far.
#[derive(Default)]
pub struct Statistics {
    weights: u8,
    words: BTreeMap<Vec<u8>, (i32, i32)>,
}

impl Statistics {
    /// Counting only positions of these weights ("ab": A and B); letters that are no weights don't count, and none at all means any.
    pub fn new(weights: &str) -> Statistics {
        let bit = |c: char| match c {
            'a' | 'A' => 8,
            'b' | 'B' => 4,
            'c' | 'C' => 2,
            'd' | 'D' => 1,
            _ => 0,
        };
        Statistics { weights: weights.chars().map(bit).fold(0, |a, b| a | b), words: BTreeMap::new() }
    }
    /// Counts a document.
    pub fn add(&mut self, vector: VectorRef<'_>) {
        for lexeme in vector.iter() {
            let entries = match (self.weights, lexeme.has_positions()) {
                (0, true) => lexeme.position_count(),
                (0, false) => 1,
                (w, true) => lexeme.positions().filter(|p| weight_matches(w, *p)).count(),
                (_, false) => 0,
            };
            if entries > 0 {
                let counts = self.words.entry(lexeme.text.to_vec()).or_default();
                counts.0 = counts.0.wrapping_add(1);
                counts.1 = counts.1.wrapping_add(entries as i32);
            }
        }
    }
    /// Lexeme, documents, entries.
    pub fn rows(self) -> Vec<Vec<Datum>> {
        let row = |(word, (documents, entries)): (Vec<u8>, (i32, i32))| {
            vec![Datum::Bytes(word.into()), Datum::I32(documents), Datum::I32(entries)]
        };
        self.words.into_iter().map(row).collect()
    }
}
