//! SET, RESET, SHOW, and transactions.

use super::cursor::Parser;
use super::primary::string_cast;
use super::type_name::system_type;
use crate::ast::{
    IntervalFields, IsolationLevel, SetConstraints, SetKind, SetStatement, SetValue, Show, Statement,
    Transaction, TransactionMode,
};
use crate::lexer::{Kw, TokenKind};
use quarry_common::Result;

impl Parser<'_> {
    /// SET.
    pub(super) fn set_statement(&mut self) -> Result<Statement> {
        self.expect_kw(Kw::Set)?;
        if self.at_kw(Kw::Constraints) {
            return self.set_constraints();
        }
        let mut local = false;
        if matches!(self.nth(1), TokenKind::Equal | TokenKind::Keyword(Kw::To)) {
            // Even LOCAL and SESSION are settings' names then.
        } else if self.at_kw(Kw::Local) {
            self.bump();
            local = true;
        } else if self.at_kw(Kw::Session)
            && !self.nth_kw(1, Kw::Authorization)
            && !self.nth_kw(1, Kw::Characteristics)
        {
            self.bump();
        }
        let kind = self.set_rest()?;
        Ok(Statement::Set(Box::new(SetStatement { local, kind })))
    }

    /// set_rest.
    pub(super) fn set_rest(&mut self) -> Result<SetKind> {
        if self.at_kw(Kw::Transaction) && !self.nth_kw(1, Kw::Snapshot) {
            self.bump();
            return Ok(SetKind::Transaction(self.transaction_modes(true)?));
        }
        if self.at_kws(&[Kw::Session, Kw::Characteristics]) {
            self.expect_kws(&[Kw::Session, Kw::Characteristics, Kw::As, Kw::Transaction])?;
            return Ok(SetKind::SessionCharacteristics(self.transaction_modes(true)?));
        }
        self.set_rest_more()
    }

    fn setting(name: &str, text: String) -> SetKind {
        SetKind::Value { name: name.into(), values: vec![SetValue::String(text)] }
    }

    /// set_rest_more.
    pub(super) fn set_rest_more(&mut self) -> Result<SetKind> {
        match self.keyword() {
            Some(Kw::Time) if self.nth_kw(1, Kw::Zone) => {
                self.expect_kws(&[Kw::Time, Kw::Zone])?;
                return self.zone_value();
            }
            Some(Kw::Catalog) if matches!(self.nth(1), TokenKind::String(_)) => {
                self.bump();
                let at = self.pos();
                self.string()?;
                return Err(self.not_supported("current database cannot be changed", at));
            }
            Some(Kw::Schema) if matches!(self.nth(1), TokenKind::String(_)) => {
                self.bump();
                return Ok(Self::setting("search_path", self.string()?));
            }
            Some(Kw::Names)
                if !matches!(self.nth(1), TokenKind::Equal | TokenKind::Dot) && !self.nth_kw(1, Kw::To) =>
            {
                self.bump();
                if self.at_string() {
                    return Ok(Self::setting("client_encoding", self.string()?));
                }
                self.eat_kw(Kw::Default);
                return Ok(SetKind::Default { name: "client_encoding".into() });
            }
            Some(Kw::Role)
                if !matches!(self.nth(1), TokenKind::Equal | TokenKind::Dot) && !self.nth_kw(1, Kw::To) =>
            {
                self.bump();
                return Ok(Self::setting("role", self.word_or_string()?));
            }
            Some(Kw::Session) if self.nth_kw(1, Kw::Authorization) => {
                self.bump();
                self.bump();
                if self.eat_kw(Kw::Default) {
                    return Ok(SetKind::Default { name: "session_authorization".into() });
                }
                return Ok(Self::setting("session_authorization", self.word_or_string()?));
            }
            Some(Kw::Xml) if self.nth_kw(1, Kw::Option) => {
                self.bump();
                self.bump();
                let document = self.eat_kw(Kw::Document);
                if !document {
                    self.expect_kw(Kw::Content)?;
                }
                let text = if document { "DOCUMENT" } else { "CONTENT" };
                return Ok(Self::setting("xmloption", text.into()));
            }
            Some(Kw::Transaction) if self.nth_kw(1, Kw::Snapshot) => {
                self.bump();
                self.bump();
                return Ok(SetKind::Snapshot(self.string()?));
            }
            _ => {}
        }
        let name = self.setting_name()?;
        if self.eat_kw(Kw::From) {
            self.expect_kw(Kw::Current)?;
            return Ok(SetKind::Current { name });
        }
        if !self.eat_kw(Kw::To) {
            self.expect(TokenKind::Equal)?;
        }
        if self.eat_kw(Kw::Default) {
            return Ok(SetKind::Default { name });
        }
        Ok(SetKind::Value { name, values: self.comma_list(Self::set_value)? })
    }

    /// var_name.
    fn setting_name(&mut self) -> Result<String> {
        let mut name = self.col_id()?;
        while self.eat(TokenKind::Dot) {
            name.push('.');
            name.push_str(&self.col_id()?);
        }
        Ok(name)
    }

    /// A number of SET.
    fn set_number(&mut self) -> Result<SetValue> {
        let text = self.numeric_text()?;
        Ok(text.parse::<i32>().map_or(SetValue::Float(text), SetValue::Integer))
    }

    fn set_value(&mut self) -> Result<SetValue> {
        match self.kind() {
            TokenKind::Integer(_) | TokenKind::Float | TokenKind::Plus | TokenKind::Minus => {
                self.set_number()
            }
            _ => Ok(SetValue::String(self.boolean_or_string()?)),
        }
    }

    /// What SET TIME ZONE is given.
    fn zone_value(&mut self) -> Result<SetKind> {
        let name = "timezone".to_string();
        let pos = self.pos();
        let value = match self.kind() {
            TokenKind::Keyword(Kw::Default | Kw::Local) => {
                self.bump();
                return Ok(SetKind::Default { name });
            }
            TokenKind::String(_) => SetValue::String(self.string()?),
            TokenKind::Ident | TokenKind::QuotedIdent(_) => SetValue::String(self.col_id()?),
            TokenKind::Keyword(Kw::Interval) => {
                let Some(mut t) = self.builtin_type(pos, false)? else { return Err(self.unexpected()) };
                let precise = !t.typmods.is_empty();
                let at = self.pos();
                let text = self.string()?;
                if !precise {
                    let fields_pos = self.pos();
                    self.interval_fields(&mut t)?;
                    use IntervalFields::{Hour, HourToMinute};
                    if !matches!(t.interval_fields, None | Some(Hour | HourToMinute)) {
                        let message = "time zone interval must be HOUR or HOUR TO MINUTE";
                        return Err(self.grammar_error(message, fields_pos));
                    }
                }
                let names = system_type("interval", pos).names;
                let cast = string_cast(text, at, crate::ast::TypeName { names, ..t }, pos);
                SetValue::Interval(Box::new(cast))
            }
            _ => self.set_number()?,
        };
        Ok(SetKind::Value { name, values: vec![value] })
    }

    /// RESET, from the word on.
    pub(super) fn reset(&mut self) -> Result<SetKind> {
        self.expect_kw(Kw::Reset)?;
        if self.eat_kw(Kw::All) {
            return Ok(SetKind::ResetAll);
        }
        Ok(SetKind::Reset { name: self.special_or_setting_name()? })
    }

    /// A setting's name, or the words some have.
    fn special_or_setting_name(&mut self) -> Result<String> {
        if self.eat_kws(&[Kw::Time, Kw::Zone]) {
            return Ok("timezone".into());
        }
        if self.at_kws(&[Kw::Transaction, Kw::Isolation]) {
            self.expect_kws(&[Kw::Transaction, Kw::Isolation, Kw::Level])?;
            return Ok("transaction_isolation".into());
        }
        if self.eat_kws(&[Kw::Session, Kw::Authorization]) {
            return Ok("session_authorization".into());
        }
        self.setting_name()
    }

    /// SHOW.
    pub(super) fn show(&mut self) -> Result<Statement> {
        self.expect_kw(Kw::Show)?;
        let name = if self.eat_kw(Kw::All) { "all".into() } else { self.special_or_setting_name()? };
        Ok(Statement::Show(Box::new(Show { name })))
    }

    fn set_constraints(&mut self) -> Result<Statement> {
        self.expect_kw(Kw::Constraints)?;
        let constraints =
            if self.eat_kw(Kw::All) { Vec::new() } else { self.comma_list(Self::relation_name)? };
        let deferred = self.eat_kw(Kw::Deferred);
        if !deferred {
            self.expect_kw(Kw::Immediate)?;
        }
        Ok(Statement::SetConstraints(Box::new(SetConstraints { constraints, deferred })))
    }

    /// ALTER SYSTEM behind ALTER.
    pub(super) fn alter_system(&mut self) -> Result<Statement> {
        self.expect_kw(Kw::System)?;
        let kind = if self.at_kw(Kw::Reset) {
            self.bump();
            if self.eat_kw(Kw::All) {
                SetKind::ResetAll
            } else {
                SetKind::Reset { name: self.special_or_setting_name()? }
            }
        } else {
            self.expect_kw(Kw::Set)?;
            let name = self.setting_name()?;
            if !self.eat_kw(Kw::To) {
                self.expect(TokenKind::Equal)?;
            }
            if self.eat_kw(Kw::Default) {
                SetKind::Default { name }
            } else {
                SetKind::Value { name, values: self.comma_list(Self::set_value)? }
            }
        };
        Ok(Statement::AlterSystem(Box::new(SetStatement { local: false, kind })))
    }

    /// transaction_mode_list, with or without commas.
    fn transaction_modes(&mut self, required: bool) -> Result<Vec<TransactionMode>> {
        let mut modes = Vec::new();
        loop {
            let pos = self.pos();
            let mode = match self.keyword() {
                Some(Kw::Isolation) => {
                    self.expect_kws(&[Kw::Isolation, Kw::Level])?;
                    TransactionMode::Isolation(self.isolation_level()?, pos)
                }
                Some(Kw::Read) => {
                    self.bump();
                    let read_only = self.eat_kw(Kw::Only);
                    if !read_only {
                        self.expect_kw(Kw::Write)?;
                    }
                    TransactionMode::ReadOnly(read_only, pos)
                }
                Some(Kw::Deferrable) => {
                    self.bump();
                    TransactionMode::Deferrable(true, pos)
                }
                Some(Kw::Not) => {
                    self.expect_kws(&[Kw::Not, Kw::Deferrable])?;
                    TransactionMode::Deferrable(false, pos)
                }
                _ if required => return Err(self.unexpected()),
                _ => return Ok(modes),
            };
            modes.push(mode);
            if self.eat(TokenKind::Comma) {
                if !matches!(self.keyword(), Some(Kw::Isolation | Kw::Read | Kw::Deferrable | Kw::Not)) {
                    return Err(self.unexpected());
                }
            } else if !matches!(self.keyword(), Some(Kw::Isolation | Kw::Read | Kw::Deferrable | Kw::Not)) {
                return Ok(modes);
            }
        }
    }

    fn isolation_level(&mut self) -> Result<IsolationLevel> {
        if self.eat_kw(Kw::Serializable) {
            return Ok(IsolationLevel::Serializable);
        }
        if self.eat_kw(Kw::Repeatable) {
            self.expect_kw(Kw::Read)?;
            return Ok(IsolationLevel::RepeatableRead);
        }
        self.expect_kw(Kw::Read)?;
        if self.eat_kw(Kw::Committed) {
            return Ok(IsolationLevel::ReadCommitted);
        }
        self.expect_kw(Kw::Uncommitted)?;
        Ok(IsolationLevel::ReadUncommitted)
    }

    /// BEGIN, COMMIT and their kin, beginning with `kw`.
    pub(super) fn transaction(&mut self, kw: Kw) -> Result<Statement> {
        self.bump();
        let transaction = match kw {
            Kw::Begin => {
                self.work_or_transaction();
                Transaction::Begin { modes: self.transaction_modes(false)?, start: false }
            }
            Kw::Start => {
                self.expect_kw(Kw::Transaction)?;
                Transaction::Begin { modes: self.transaction_modes(false)?, start: true }
            }
            Kw::Commit | Kw::End => {
                if kw == Kw::Commit && self.eat_kw(Kw::Prepared) {
                    Transaction::CommitPrepared(self.string()?)
                } else {
                    self.work_or_transaction();
                    Transaction::Commit { chain: self.opt_chain()? }
                }
            }
            Kw::Abort => {
                self.work_or_transaction();
                Transaction::Rollback { chain: self.opt_chain()? }
            }
            Kw::Rollback => {
                if self.eat_kw(Kw::Prepared) {
                    Transaction::RollbackPrepared(self.string()?)
                } else {
                    self.work_or_transaction();
                    if self.eat_kw(Kw::To) {
                        self.opt_savepoint_word();
                        Transaction::RollbackTo(self.col_id()?)
                    } else {
                        Transaction::Rollback { chain: self.opt_chain()? }
                    }
                }
            }
            Kw::Savepoint => Transaction::Savepoint(self.col_id()?),
            _ => {
                self.opt_savepoint_word();
                Transaction::Release(self.col_id()?)
            }
        };
        Ok(Statement::Transaction(Box::new(transaction)))
    }

    /// SAVEPOINT before a savepoint's name, which may be the word itself.
    fn opt_savepoint_word(&mut self) {
        if self.at_kw(Kw::Savepoint) && !matches!(self.nth(1), TokenKind::Semicolon | TokenKind::Eof) {
            self.bump();
        }
    }

    fn work_or_transaction(&mut self) {
        if !self.eat_kw(Kw::Work) {
            self.eat_kw(Kw::Transaction);
        }
    }

    /// AND [NO] CHAIN.
    fn opt_chain(&mut self) -> Result<bool> {
        if !self.eat_kw(Kw::And) {
            return Ok(false);
        }
        let no = self.eat_kw(Kw::No);
        self.expect_kw(Kw::Chain)?;
        Ok(!no)
    }
}
