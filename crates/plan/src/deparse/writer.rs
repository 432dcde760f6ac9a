//! The text being written: layout as PostgreSQL's `appendContextKeyword` does it, and what the names in it stand for.

use super::{Deparser, Pretty};
use crate::ColumnId;
use crate::tree::Computed;
use std::collections::HashMap;

/// How to write.
#[derive(Clone, Copy, Default)]
pub(super) struct Style {
    pub pretty: Pretty,
    /// For the catalog: objects by OID.
    pub stored: bool,
}

/// Indentation steps.
pub(super) const STANDARD: i32 = 8;
pub(super) const JOIN: i32 = 4;
pub(super) const ITEM: i32 = 4;
/// Deepest plain indentation; beyond it columns are used again.
const LIMIT: i32 = 40;

/// What columns of the queries around are written as.
#[derive(Default)]
pub(super) struct Names {
    pub columns: HashMap<ColumnId, String>,
    /// Whole rows: of tables by their column, of other items by their columns.
    pub rows: HashMap<ColumnId, String>,
    pub items: Vec<(Vec<ColumnId>, String)>,
    pub computed: HashMap<ColumnId, Computed>,
    /// Names of FROM items, one list per query level.
    pub taken: Vec<Vec<String>>,
    pub ctes: Vec<String>,
}

pub(super) struct Writer<'d> {
    pub d: &'d Deparser<'d>,
    pub style: Style,
    pub wrap: i32,
    pub out: String,
    pub level: i32,
    pub names: Names,
}

impl<'d> Writer<'d> {
    pub fn new(d: &'d Deparser<'d>, style: Style, wrap: i32) -> Writer<'d> {
        Writer { d, style, wrap, out: String::new(), level: 0, names: Names::default() }
    }
    /// Needless parentheses are left out.
    pub fn sparing(&self) -> bool {
        self.style.pretty == Pretty::Full
    }
    pub fn lines(&self) -> bool {
        self.style.pretty != Pretty::No
    }
    /// An opening parenthesis that only the full form has; `close` gets the answer.
    pub fn open(&mut self) {
        if !self.sparing() {
            self.out.push('(');
        }
    }
    pub fn close(&mut self) {
        if !self.sparing() {
            self.out.push(')');
        }
    }
    pub fn trim(&mut self) {
        self.out.truncate(self.out.trim_end_matches(' ').len());
    }
    /// A keyword on a new line, the indentation changed by `before` and afterwards by `after`; `plus` for this line alone.
    pub fn keyword(&mut self, word: &str, before: i32, after: i32, plus: i32) {
        if !self.lines() {
            self.out += word;
            return;
        }
        self.level += before;
        self.trim();
        self.out.push('\n');
        let amount = if self.level < LIMIT {
            self.level.max(0)
        } else {
            (LIMIT + (self.level - LIMIT) / (STANDARD / 2)) % LIMIT
        };
        self.out.extend(std::iter::repeat_n(' ', (amount + plus).max(0) as usize));
        self.out += word;
        self.level = (self.level + after).max(0);
    }
    /// Bytes of the line being written.
    pub fn line_length(&self) -> i32 {
        let start = self.out.rfind('\n').map_or(0, |i| i + 1);
        (self.out.len() - start) as i32
    }
    /// What `f` writes, taken out of the text.
    pub fn apart(&mut self, f: impl FnOnce(&mut Self)) -> String {
        let before = std::mem::take(&mut self.out);
        f(self);
        std::mem::replace(&mut self.out, before)
    }
}
