//! Portals: a statement that is ready to run, running, or done (PostgreSQL: pquery.c).

use crate::cursor::{Cursor, CursorOptions};
use crate::prepared::Prepared;
use crate::query::{CachedPlan, Columns};
use crate::request::FormatCodes;
use crate::results::RowWriter;
use crate::row_ids::RowIds;
use crate::tag::Tag;
use parking_lot::Mutex;
use quarry_catalog::CatalogReader;
use quarry_common::Oid;
use quarry_executor::Execution;
use quarry_types::{Batch, Datum};
use std::sync::Arc;

/// Where a portal stands.
pub enum PortalState {
    /// Nothing has run.
    New,
    /// A query under way.
    Running(Box<Running>),
    /// Rows that a command has already made, and how many of them this Execute has sent.
    Stored { rows: std::vec::IntoIter<Vec<Datum>>, sent: u64, tag: Tag },
    /// COPY TO under way.
    CopyOut(Box<crate::commands::copy::CopyOut>),
    /// Everything was delivered. The tag is for those who ask for more; none: it can't be run again.
    Done { again: Option<Tag> },
}

/// A query's execution and what of it has been delivered.
pub struct Running {
    pub execution: Execution,
    /// Gives the names that values print.
    pub reader: Arc<CatalogReader>,
    /// The batch being sent and its next selected row.
    pub batch: Option<(Batch, usize)>,
    /// Rows sent by this Execute, and by those before it.
    pub sent: u64,
    pub before: u64,
    pub plan: Arc<CachedPlan>,
    /// Hidden columns of the rows.
    pub row_ids: RowIds,
    /// Pages touched so far, where the choice of plans wants to know.
    pub pages: Option<u64>,
}

/// A bound statement.
pub struct Portal {
    pub statement: Arc<Prepared>,
    pub params: Arc<[Datum]>,
    pub formats: FormatCodes,
    pub state: PortalState,
    /// Columns of the rows to come, where there are any.
    pub columns: Option<Columns>,
    pub writer: Option<RowWriter>,
    /// The plan, once chosen (DECLARE and Bind choose it before the first row).
    pub plan: Option<Arc<CachedPlan>>,
    /// Made after this many others: rolled back with the savepoint it was made in.
    pub number: u64,
    /// A cursor made by DECLARE, or what FETCH made of a portal of the extended protocol.
    pub cursor: Option<Box<Cursor>>,
    /// What it has taken, where that is counted.
    pub spent: crate::statements::Spent,
    /// Its row in `pg_cursors`; none: it isn't shown.
    shown: Option<Shown>,
}

/// What `pg_cursors` shows of a portal.
pub struct PortalEntry {
    number: u64,
    pub name: String,
    pub statement: Arc<Prepared>,
    pub options: CursorOptions,
    /// The relations that its open query reads.
    pub relations: Vec<Oid>,
    pub created_at: i64,
    /// The portal has ended; the entry is there for the next one.
    pub is_vacant: bool,
}

/// Takes the portal's entry off the list when it goes.
struct Shown {
    list: Arc<Mutex<Vec<PortalEntry>>>,
    number: u64,
}

impl Shown {
    /// The entry is another portal's from now on, as if it were new.
    fn pass_on(&mut self, number: u64, statement: &Arc<Prepared>, created_at: i64) {
        let mut list = self.list.lock();
        let Some(at) = list.iter().rposition(|e| e.number == self.number) else { return };
        if at + 1 < list.len() {
            let entry = list.remove(at);
            list.push(entry);
        }
        if let Some(e) = list.last_mut() {
            e.number = number;
            if !Arc::ptr_eq(&e.statement, statement) {
                e.statement = statement.clone();
            }
            e.options = CursorOptions::default();
            e.relations.clear();
            e.created_at = created_at;
            e.is_vacant = false;
        }
        self.number = number;
    }

    /// The entry's portal has ended, and another will be in its place.
    fn vacate(&mut self) {
        if let Some(e) = self.list.lock().iter_mut().rev().find(|e| e.number == self.number) {
            e.is_vacant = true;
            e.relations.clear();
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.list.lock().retain(|e| e.number != self.number);
    }
}

impl Portal {
    pub fn new(statement: Arc<Prepared>, params: Arc<[Datum]>, formats: FormatCodes, number: u64) -> Portal {
        let columns = statement.columns.clone();
        Portal {
            statement,
            params,
            formats,
            state: PortalState::New,
            columns,
            writer: None,
            plan: None,
            number,
            cursor: None,
            spent: Default::default(),
            shown: None,
        }
    }
    /// Its statement has run: one with rows has no more of them, others can't be run again. Gives what it was before.
    pub fn end(&mut self, tag: &Tag) -> PortalState {
        let again = self.columns.is_some().then(|| tag.of_nothing());
        std::mem::replace(&mut self.state, PortalState::Done { again })
    }
    /// It failed, or gave its transaction's end, and can't be run again.
    pub fn spoil(&mut self) {
        self.state = PortalState::Done { again: None };
        self.cursor = None;
        self.let_go_of_relations();
    }
    /// Whether another run is an error (PostgreSQL: its status isn't PORTAL_READY).
    pub fn is_spent(&self) -> bool {
        self.cursor.is_none() && matches!(self.state, PortalState::Done { again: None })
    }
    /// The same in the memory of a portal of the same name, which ends, and in its place on the list.
    pub fn renew(
        mut self: Box<Portal>,
        statement: Arc<Prepared>,
        params: Arc<[Datum]>,
        formats: FormatCodes,
        number: u64,
        created_at: i64,
    ) -> Box<Portal> {
        // Named one by one, so that none is forgotten.
        let Portal {
            statement: of,
            params: values,
            formats: of_columns,
            state,
            columns,
            writer,
            plan,
            number: own,
            cursor,
            spent,
            shown,
        } = &mut *self;
        if let Some(shown) = shown {
            shown.pass_on(number, &statement, created_at);
        }
        if !Arc::ptr_eq(of, &statement) {
            *of = statement;
        }
        let same = matches!((&*columns, &of.columns), (Some(a), Some(b)) if Arc::ptr_eq(a, b));
        if !same {
            columns.clone_from(&of.columns);
        }
        (*values, *of_columns, *own) = (params, formats, number);
        (*state, *writer, *plan, *cursor, *spent) = (PortalState::New, None, None, None, Default::default());
        self
    }
    /// It ends, and waits for the next one in its place ([`Portal::renew`]). Memory is kept, long values are not.
    pub fn rest(&mut self) {
        if !matches!(self.state, PortalState::Done { .. }) {
            self.state = PortalState::New;
        }
        (self.writer, self.plan, self.cursor) = (None, None, None);
        for value in Arc::get_mut(&mut self.params).into_iter().flatten() {
            if matches!(value, Datum::Bytes(_)) {
                *value = Datum::Null;
            }
        }
        if let Some(shown) = &mut self.shown {
            shown.vacate();
        }
    }
    /// Puts it on the list that `pg_cursors` shows.
    pub fn show(&mut self, name: &str, created_at: i64, list: &Arc<Mutex<Vec<PortalEntry>>>) {
        list.lock().push(PortalEntry {
            number: self.number,
            name: name.to_string(),
            statement: self.statement.clone(),
            options: CursorOptions::default(),
            relations: vec![],
            created_at,
            is_vacant: false,
        });
        self.shown = Some(Shown { list: list.clone(), number: self.number });
    }
    /// Makes it a cursor.
    pub fn set_cursor(&mut self, cursor: Cursor) {
        if let Some(shown) = &self.shown
            && let Some(e) = shown.list.lock().iter_mut().find(|e| e.number == shown.number)
        {
            e.options = cursor.options;
            e.relations = cursor.relations().to_vec();
        }
        self.cursor = Some(Box::new(cursor));
    }
    /// Its cursor has all its rows: nothing is read from tables any more.
    pub fn let_go_of_relations(&self) {
        if let Some(shown) = &self.shown
            && let Some(e) = shown.list.lock().iter_mut().find(|e| e.number == shown.number)
        {
            e.relations.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(text: &str) -> Arc<Prepared> {
        Arc::new(Prepared {
            name: String::new(),
            text: Arc::from(text),
            place: None,
            statement: None,
            rule_tag: None,
            param_types: vec![],
            columns: None,
            plans: Default::default(),
            described: Default::default(),
            from_sql: false,
            prepared_at: 0,
        })
    }

    fn portal(text: &str, number: u64) -> Box<Portal> {
        Box::new(Portal::new(prepared(text), Arc::from([]), FormatCodes::new(), number))
    }

    #[test]
    fn a_portal_in_the_place_of_another_is_new() {
        let list = Arc::default();
        let shown = || {
            let entries: &Mutex<Vec<PortalEntry>> = &list;
            let entries = entries.lock();
            entries
                .iter()
                .filter(|e| !e.is_vacant)
                .map(|e| (e.statement.text.to_string(), e.number, e.created_at))
                .collect::<Vec<_>>()
        };
        let mut unnamed = portal("one", 1);
        unnamed.show("", 10, &list);
        let mut named = portal("two", 2);
        named.show("n", 11, &list);
        unnamed.end(&Tag::from("SELECT 1"));
        let params: Arc<[Datum]> = Arc::from([Datum::I32(7)]);
        let unnamed = unnamed.renew(prepared("three"), params, FormatCodes::new(), 3, 12);
        assert!(matches!(unnamed.state, PortalState::New) && !unnamed.is_spent());
        assert_eq!((unnamed.number, unnamed.params.len()), (3, 1));
        assert_eq!(shown(), [("two".to_string(), 2, 11), ("three".to_string(), 3, 12)]);
        let mut unnamed = unnamed;
        unnamed.rest();
        assert_eq!(shown(), [("two".to_string(), 2, 11)]);
        let unnamed = unnamed.renew(prepared("four"), Arc::from([]), FormatCodes::new(), 4, 13);
        assert_eq!(shown(), [("two".to_string(), 2, 11), ("four".to_string(), 4, 13)]);
        drop(unnamed);
        assert_eq!(shown(), [("two".to_string(), 2, 11)]);
        drop(named);
        assert!(shown().is_empty());
    }
}
