//! Prepared statements, cursors, notifications and other small session commands.

use super::cursor::{COL_ID, Parser};
use crate::ast::{
    ClosePortal, Deallocate, DeclareCursor, Discard, Fetch, FetchDirection, Listen, Load, Lock, Notify,
    Prepare, Statement, TableLockMode, Transaction, Unlisten,
};
use crate::lexer::{Kw, TokenKind};
use quarry_common::Result;

impl Parser<'_> {
    /// PREPARE, also PREPARE TRANSACTION.
    pub(super) fn prepare(&mut self) -> Result<Statement> {
        self.expect_kw(Kw::Prepare)?;
        if self.at_kw(Kw::Transaction) && matches!(self.nth(1), TokenKind::String(_)) {
            self.bump();
            return Ok(Statement::Transaction(Box::new(Transaction::Prepare(self.string()?))));
        }
        let name = self.col_id()?;
        let arg_types =
            if self.at(TokenKind::LeftParen) { self.paren_list(Self::type_name)? } else { Vec::new() };
        self.expect_kw(Kw::As)?;
        let start = self.pos();
        let statement = self.preparable()?;
        let span = (start, self.last_end());
        Ok(Statement::Prepare(Box::new(Prepare { name, arg_types, statement, span })))
    }

    /// ALL as `None`, or a name.
    fn all_or_name(&mut self) -> Result<Option<String>> {
        if self.eat_kw(Kw::All) { Ok(None) } else { Ok(Some(self.col_id()?)) }
    }

    /// DEALLOCATE.
    pub(super) fn deallocate(&mut self) -> Result<Statement> {
        self.expect_kw(Kw::Deallocate)?;
        if self.at_kw(Kw::Prepare) && (COL_ID.accepts(self.nth(1)) || self.nth_kw(1, Kw::All)) {
            self.bump();
        }
        let name = self.all_or_name()?;
        Ok(Statement::Deallocate(Box::new(Deallocate { name })))
    }

    /// DECLARE CURSOR.
    pub(super) fn declare_cursor(&mut self) -> Result<Statement> {
        let pos = self.expect_kw(Kw::Declare)?;
        let name = self.col_id()?;
        let (mut binary, mut scroll, mut insensitive) = (false, None, None);
        let (mut no_scroll, mut asensitive) = (false, false);
        loop {
            match self.keyword() {
                Some(Kw::No) => {
                    self.expect_kws(&[Kw::No, Kw::Scroll])?;
                    no_scroll = true;
                    scroll.get_or_insert(false);
                    continue;
                }
                Some(Kw::Scroll) => scroll = Some(true),
                Some(Kw::Binary) => binary = true,
                Some(Kw::Asensitive) => {
                    asensitive = true;
                    insensitive.get_or_insert(false);
                }
                Some(Kw::Insensitive) => insensitive = Some(true),
                _ => break,
            }
            self.bump();
        }
        self.expect_kw(Kw::Cursor)?;
        let mut hold = false;
        if self.at_kw(Kw::With) || self.at_kw(Kw::Without) {
            hold = self.bump().kind == TokenKind::Keyword(Kw::With);
            self.expect_kw(Kw::Hold)?;
        }
        self.expect_kw(Kw::For)?;
        let start = self.pos();
        let query = self.query()?;
        let query_span = (start, self.last_end());
        let conflict = |a: &str, b: &str| {
            quarry_common::err!(INVALID_CURSOR_DEFINITION, "cannot specify both {a} and {b}")
        };
        if no_scroll && scroll == Some(true) {
            return Err(conflict("SCROLL", "NO SCROLL"));
        }
        if asensitive && insensitive == Some(true) {
            return Err(conflict("ASENSITIVE", "INSENSITIVE"));
        }
        let declare = DeclareCursor { name, binary, scroll, insensitive, hold, query, query_span, pos };
        Ok(Statement::DeclareCursor(Box::new(declare)))
    }

    /// FETCH and MOVE.
    pub(super) fn fetch(&mut self) -> Result<Statement> {
        let is_move = self.bump().kind == TokenKind::Keyword(Kw::Move);
        let direction = self.fetch_direction()?;
        if !self.eat_kw(Kw::From) {
            self.eat_kw(Kw::In);
        }
        let cursor = self.col_id()?;
        Ok(Statement::Fetch(Box::new(Fetch { cursor, direction, is_move })))
    }

    fn fetch_direction(&mut self) -> Result<FetchDirection> {
        use FetchDirection::*;
        if matches!(self.kind(), TokenKind::Integer(_) | TokenKind::Plus | TokenKind::Minus) {
            return Ok(Forward(self.signed_integer()?.into()));
        }
        // Such a word before the end is the cursor's name.
        let alone =
            matches!(self.nth(1), TokenKind::Semicolon | TokenKind::Eof) && COL_ID.accepts(self.kind());
        let Some(kw) = self.keyword().filter(|_| !alone) else { return Ok(Forward(1)) };
        let simple = match kw {
            Kw::Next => Forward(1),
            Kw::Prior => Backward(1),
            Kw::First => Absolute(1),
            Kw::Last => Absolute(-1),
            Kw::All => Forward(FetchDirection::ALL),
            Kw::Absolute => {
                self.bump();
                return Ok(Absolute(self.signed_integer()?.into()));
            }
            Kw::Relative => {
                self.bump();
                return Ok(Relative(self.signed_integer()?.into()));
            }
            Kw::Forward | Kw::Backward => {
                self.bump();
                let count = if self.eat_kw(Kw::All) {
                    FetchDirection::ALL
                } else if matches!(self.kind(), TokenKind::Integer(_) | TokenKind::Plus | TokenKind::Minus) {
                    self.signed_integer()?.into()
                } else {
                    1
                };
                return Ok(if kw == Kw::Forward { Forward(count) } else { Backward(count) });
            }
            _ => return Ok(Forward(1)),
        };
        self.bump();
        Ok(simple)
    }

    /// CLOSE.
    pub(super) fn close(&mut self) -> Result<Statement> {
        self.expect_kw(Kw::Close)?;
        let name = self.all_or_name()?;
        Ok(Statement::ClosePortal(Box::new(ClosePortal { name })))
    }

    /// LISTEN.
    pub(super) fn listen(&mut self) -> Result<Statement> {
        self.expect_kw(Kw::Listen)?;
        let channel = self.col_id()?;
        Ok(Statement::Listen(Box::new(Listen { channel })))
    }

    /// NOTIFY.
    pub(super) fn notify(&mut self) -> Result<Statement> {
        self.expect_kw(Kw::Notify)?;
        let channel = self.col_id()?;
        let payload = if self.eat(TokenKind::Comma) { Some(self.string()?) } else { None };
        Ok(Statement::Notify(Box::new(Notify { channel, payload })))
    }

    /// UNLISTEN.
    pub(super) fn unlisten(&mut self) -> Result<Statement> {
        self.expect_kw(Kw::Unlisten)?;
        let channel = if self.eat(TokenKind::Star) { None } else { Some(self.col_id()?) };
        Ok(Statement::Unlisten(Box::new(Unlisten { channel })))
    }

    /// DISCARD.
    pub(super) fn discard(&mut self) -> Result<Statement> {
        self.expect_kw(Kw::Discard)?;
        let what = match self.keyword() {
            Some(Kw::All) => Discard::All,
            Some(Kw::Plans) => Discard::Plans,
            Some(Kw::Sequences) => Discard::Sequences,
            Some(Kw::Temp | Kw::Temporary) => Discard::Temp,
            _ => return Err(self.unexpected()),
        };
        self.bump();
        Ok(Statement::Discard(Box::new(what)))
    }

    /// LOAD.
    pub(super) fn load(&mut self) -> Result<Statement> {
        self.expect_kw(Kw::Load)?;
        let file = self.string()?;
        Ok(Statement::Load(Box::new(Load { file })))
    }

    /// LOCK.
    pub(super) fn lock(&mut self) -> Result<Statement> {
        self.expect_kw(Kw::Lock)?;
        self.eat_kw(Kw::Table);
        let relations = self.comma_list(Self::relation_expr)?;
        let mut mode = TableLockMode::AccessExclusive;
        if self.eat_kw(Kw::In) {
            mode = self.lock_mode()?;
            self.expect_kw(Kw::Mode)?;
        }
        let nowait = self.eat_kw(Kw::Nowait);
        Ok(Statement::Lock(Box::new(Lock { relations, mode, nowait })))
    }

    fn lock_mode(&mut self) -> Result<TableLockMode> {
        use TableLockMode::*;
        if self.eat_kw(Kw::Access) {
            if self.eat_kw(Kw::Share) {
                return Ok(AccessShare);
            }
            self.expect_kw(Kw::Exclusive)?;
            return Ok(AccessExclusive);
        }
        if self.eat_kw(Kw::Row) {
            if self.eat_kw(Kw::Share) {
                return Ok(RowShare);
            }
            self.expect_kw(Kw::Exclusive)?;
            return Ok(RowExclusive);
        }
        if self.eat_kw(Kw::Share) {
            if self.eat_kw(Kw::Update) {
                self.expect_kw(Kw::Exclusive)?;
                return Ok(ShareUpdateExclusive);
            }
            if self.eat_kw(Kw::Row) {
                self.expect_kw(Kw::Exclusive)?;
                return Ok(ShareRowExclusive);
            }
            return Ok(Share);
        }
        self.expect_kw(Kw::Exclusive)?;
        Ok(Exclusive)
    }
}
