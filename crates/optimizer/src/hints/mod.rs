//! Hints in comments: `/*+ SeqScan(t) Leading((a b)) HashJoin(a b) Rows(a b #10) Set(random_page_cost 1.1) */`.
//!
//! The syntax, the messages and what the hints do are those of the extension pg_hint_plan for PostgreSQL 15 (its manual, "Hint list" and
//! "Details in hinting"). A hint never makes a statement fail: what it asks for is preferred by the same charge ([`crate::cost::DISABLED`])
//! that the settings `enable_...` make, so that a plan is found whatever is hinted; what can't be understood is told in a message.
//! Tables are meant by the name that they have in the statement, whatever query of it they stand in.
//!
//! [`parse`] reads hints, [`describe`] shows what became of them and writes those that a given plan follows from, [`methods`] has the
//! questions that the search for scans asks; those of the search for joins are in `search::hinted`.

mod describe;
mod methods;
mod parse;

pub use describe::{ScanNames, hints_of, scan_names};
pub use parse::comment;

use quarry_catalog::Relation;
use quarry_common::settings::Settings;
use quarry_common::{Error, Result, SqlState};
use std::cell::{Cell, RefCell};

/// What became of a hint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    NotUsed,
    Used,
    Duplicate,
    Error,
}

/// Ways to read a table, as a set.
pub(crate) mod scan {
    pub const SEQ: u8 = 1;
    pub const INDEX: u8 = 2;
    pub const INDEX_ONLY: u8 = 4;
    pub const BITMAP: u8 = 8;
    pub const TID: u8 = 16;
    pub const ALL: u8 = 31;
}

/// Ways to join, as a set.
pub(crate) mod join {
    pub const NEST_LOOP: u8 = 1;
    pub const MERGE: u8 = 2;
    pub const HASH: u8 = 4;
    pub const ALL: u8 = 7;
}

/// The order that `Leading` asks for.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Tree {
    Table(String),
    /// The outer and the inner side, or something else than two, which is an error.
    Pair(Vec<Tree>),
}

impl Tree {
    /// The tables' names, from the left to the right.
    pub fn tables<'t>(&'t self, out: &mut Vec<&'t str>) {
        match self {
            Tree::Table(name) => out.push(name),
            Tree::Pair(sides) => sides.iter().for_each(|t| t.tables(out)),
        }
    }
    fn is_binary(&self) -> bool {
        match self {
            Tree::Table(_) => true,
            Tree::Pair(sides) => sides.len() == 2 && sides.iter().all(Tree::is_binary),
        }
    }
}

/// What `Rows` does to an estimate.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum RowsChange {
    Absolute(f64),
    Add(f64),
    Subtract(f64),
    Multiply(f64),
}

/// What a hint says.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Kind {
    Scan {
        table: String,
        indexes: Vec<String>,
        allowed: u8,
        regexp: bool,
    },
    Join {
        tables: Vec<String>,
        allowed: u8,
    },
    /// Any tree, or a list of tables to be joined one after the other, on either side.
    Leading {
        tree: Option<Tree>,
        list: Vec<String>,
    },
    Set {
        words: Vec<String>,
    },
    Rows {
        tables: Vec<String>,
        spec: String,
        change: Option<RowsChange>,
    },
    Parallel {
        words: Vec<String>,
        hard: bool,
    },
    Memoize {
        tables: Vec<String>,
        on: bool,
    },
}

impl Kind {
    /// The kinds in the order in which they are listed.
    fn rank(&self) -> usize {
        match self {
            Kind::Scan { .. } => 0,
            Kind::Join { .. } => 1,
            Kind::Leading { .. } => 2,
            Kind::Set { .. } => 3,
            Kind::Rows { .. } => 4,
            Kind::Parallel { .. } => 5,
            Kind::Memoize { .. } => 6,
        }
    }
    /// What a hint of the kind is about: of several about the same, the last one counts.
    fn about(&self) -> Vec<&str> {
        match self {
            Kind::Scan { table, .. } => vec![table],
            Kind::Join { tables, .. } | Kind::Rows { tables, .. } | Kind::Memoize { tables, .. } => {
                tables.iter().map(String::as_str).collect()
            }
            Kind::Leading { .. } => vec![],
            Kind::Set { words } | Kind::Parallel { words, .. } => {
                words.first().map(String::as_str).into_iter().collect()
            }
        }
    }
}

/// A hint.
#[derive(Debug)]
pub(crate) struct Hint {
    pub kind: Kind,
    keyword: &'static str,
    /// The hints' text from this one on, as messages show it.
    pub text: String,
    state: Cell<State>,
}

impl Hint {
    /// Whether the planner may follow it.
    pub fn is_good(&self) -> bool {
        matches!(self.state.get(), State::NotUsed | State::Used)
    }
    pub fn set_used(&self) {
        if self.state.get() == State::NotUsed {
            self.state.set(State::Used);
        }
    }
}

/// A statement's hints, and what there is to tell about them.
#[derive(Debug, Default)]
pub struct Hints {
    list: Vec<Hint>,
    messages: RefCell<Vec<Error>>,
    /// What tables are called that share a name; none in hints that a user wrote.
    names: ScanNames,
    /// They stand for a plan that stays: what they name may be gone.
    pinned: bool,
    /// Indexes that are named and gone.
    lost: RefCell<Vec<String>>,
}

impl Hints {
    /// Reads the hints of a comment.
    pub fn parse(text: &str) -> Hints {
        let mut hints = Hints::default();
        parse::read(&mut hints, text);
        hints.sort();
        hints
    }

    /// As hints for a plan that stays: with names for tables that share one, as in hints that [`hints_of`] wrote. For a table none of whose
    /// named indexes is there any more they say nothing: the planner chooses.
    pub fn pinned(mut self, names: ScanNames) -> Hints {
        self.names = names;
        self.pinned = true;
        self
    }

    /// Indexes that a pinned plan uses and that are gone.
    pub fn lost_indexes(&self) -> Vec<String> {
        self.lost.borrow().clone()
    }

    /// Whether what a pinned plan says of a table can't be followed, as none of the named indexes is among the table's.
    pub(crate) fn has_lost(&self, named: &[String], relation: &Relation) -> bool {
        let there = |name: &String| relation.indexes.iter().any(|i| *i.name == **name);
        if !self.pinned || named.is_empty() || named.iter().any(there) {
            return false;
        }
        let mut lost = self.lost.borrow_mut();
        for name in named {
            if !lost.contains(name) {
                lost.push(name.clone());
            }
        }
        true
    }

    /// Whether there is nothing to follow.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// What there is to tell the user, since the last call.
    pub fn take_messages(&self) -> Vec<Error> {
        self.messages.take()
    }

    /// Kinds together; of one kind those in error first, then by what they are about, the later one last: the others about the same
    /// don't count.
    fn sort(&mut self) {
        let key = |h: &Hint| {
            let error = h.state.get() == State::Error;
            let about: Vec<String> =
                if error { vec![] } else { h.kind.about().into_iter().map(String::from).collect() };
            (h.kind.rank(), !error, about.len(), about)
        };
        self.list.sort_by_cached_key(key);
        for pair in self.list.windows(2) {
            let [a, b] = pair else { continue };
            if a.kind.rank() != b.kind.rank()
                || matches!(a.kind, Kind::Leading { .. })
                || a.state.get() == State::Error
                || b.state.get() == State::Error
                || a.kind.about() != b.kind.about()
            {
                continue;
            }
            let what = match a.kind {
                Kind::Scan { .. } => "scan method",
                Kind::Join { .. } => "join method",
                Kind::Leading { .. } => "leading",
                Kind::Set { .. } => "set",
                Kind::Rows { .. } => "rows",
                Kind::Parallel { .. } => "parallel",
                Kind::Memoize { .. } => "memoize",
            };
            self.complain(&a.text, format!("Conflict {what} hint."));
            a.state.set(State::Duplicate);
        }
    }

    pub(crate) fn list(&self) -> &[Hint] {
        &self.list
    }

    /// Adds a message about the hint that `at` begins with.
    pub(crate) fn complain(&self, at: &str, detail: String) {
        let e = Error::new(
            SqlState::SUCCESSFUL_COMPLETION,
            format!("pg_hint_plan: hint syntax error at or near \"{at}\""),
        );
        self.messages.borrow_mut().push(e.detail(detail));
    }

    /// A hint turns out to make no sense in its statement.
    pub(crate) fn reject(&self, hint: &Hint, detail: String) {
        if hint.state.replace(State::Error) != State::Error {
            self.complain(&hint.text, detail);
        }
    }

    /// Another hint of the kind counts instead.
    pub(crate) fn supersede(&self, hint: &Hint) {
        if hint.state.replace(State::Duplicate) != State::Duplicate {
            self.complain(&hint.text, "Conflict leading hint.".into());
        }
    }

    pub(crate) fn warn(&self, message: Error) {
        self.messages.borrow_mut().push(message);
    }

    /// The settings that hold while the statement is planned. `check` says whether the user may set one, and gives its normal form.
    pub fn settings(
        &self,
        current: &Settings,
        check: &dyn Fn(&str, &str) -> Result<String>,
    ) -> Option<Settings> {
        let mut out: Option<Settings> = None;
        for hint in &self.list {
            let Kind::Set { words } = &hint.kind else { continue };
            let ([name, value], true) = (&words[..], hint.is_good()) else { continue };
            let mut changed = out.clone().unwrap_or_else(|| current.clone());
            match check(name, value).and_then(|value| changed.set(name, &value)) {
                Ok(()) => {
                    out = Some(changed);
                    hint.set_used();
                }
                Err(e) => {
                    hint.state.set(State::Error);
                    self.warn(e);
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests;
