//! INSERT, UPDATE, DELETE, MERGE, TRUNCATE.

use super::cursor::{COL_ID, Parser};
use crate::ast::{
    Alias, AssignTarget, ConflictAction, ConflictTarget, Delete, Expr, ExprKind, Insert, InsertSource, Merge,
    MergeAction, MergeWhen, OnConflict, Overriding, RangeVar, SetClause, Statement, Truncate, Update, With,
};
use crate::lexer::{Kw, TokenKind};
use quarry_common::Result;

impl Parser<'_> {
    /// INSERT, UPDATE, DELETE or MERGE, with the WITH that stood before it.
    pub(super) fn data_change(&mut self, with: Option<With>) -> Result<Statement> {
        match self.keyword() {
            Some(Kw::Insert) => Ok(Statement::Insert(Box::new(self.insert(with)?))),
            Some(Kw::Update) => Ok(Statement::Update(Box::new(self.update(with)?))),
            Some(Kw::Delete) => Ok(Statement::Delete(Box::new(self.delete(with)?))),
            Some(Kw::Merge) => Ok(Statement::Merge(Box::new(self.merge(with)?))),
            _ => Err(self.unexpected()),
        }
    }

    fn insert(&mut self, with: Option<With>) -> Result<Insert> {
        let pos = self.expect_kws(&[Kw::Insert, Kw::Into])?;
        let mut relation = self.relation_name()?;
        if self.eat_kw(Kw::As) {
            relation.alias = Some(Alias { name: self.col_id()?, columns: Vec::new() });
        }
        let mut columns = Vec::new();
        if self.at(TokenKind::LeftParen) && self.nth(1) != TokenKind::LeftParen && !self.at_paren_query() {
            columns = self.insert_columns()?;
        }
        let overriding = self.opt_overriding()?;
        let source = if columns.is_empty() && overriding.is_none() && self.eat_kw(Kw::Default) {
            self.expect_kw(Kw::Values)?;
            InsertSource::DefaultValues
        } else {
            InsertSource::Query(Box::new(self.query()?))
        };
        let on_conflict = self.opt_on_conflict()?;
        let returning = self.opt_returning()?;
        Ok(Insert { with, relation, columns, overriding, source, on_conflict, returning, pos })
    }

    fn insert_columns(&mut self) -> Result<Vec<AssignTarget>> {
        self.paren_list(Self::assign_target)
    }

    fn assign_target(&mut self) -> Result<AssignTarget> {
        let pos = self.pos();
        let name = self.col_id()?;
        Ok(AssignTarget { name, indirection: self.indirection()?, pos })
    }

    /// OVERRIDING {USER|SYSTEM} VALUE.
    fn opt_overriding(&mut self) -> Result<Option<Overriding>> {
        if !self.eat_kw(Kw::Overriding) {
            return Ok(None);
        }
        let kind = if self.eat_kw(Kw::User) {
            Overriding::User
        } else {
            self.expect_kw(Kw::System)?;
            Overriding::System
        };
        self.expect_kw(Kw::Value)?;
        Ok(Some(kind))
    }

    fn opt_on_conflict(&mut self) -> Result<Option<OnConflict>> {
        let pos = self.pos();
        if !self.eat_kw(Kw::On) {
            return Ok(None);
        }
        self.expect_kw(Kw::Conflict)?;
        let target_pos = self.pos();
        let target = if self.at(TokenKind::LeftParen) {
            let elements = self.paren_list(Self::index_elem)?;
            let where_clause = self.opt_where()?;
            Some(ConflictTarget::Columns { elements, where_clause, pos: target_pos })
        } else if self.eat_kw(Kw::On) {
            self.expect_kw(Kw::Constraint)?;
            Some(ConflictTarget::Constraint { name: self.col_id()?, pos: target_pos })
        } else {
            None
        };
        self.expect_kw(Kw::Do)?;
        let action = if self.eat_kw(Kw::Nothing) {
            ConflictAction::Nothing
        } else {
            self.expect_kws(&[Kw::Update, Kw::Set])?;
            ConflictAction::Update { sets: self.set_clauses()?, where_clause: self.opt_where()? }
        };
        Ok(Some(OnConflict { target, action, pos }))
    }

    /// set_clause_list.
    fn set_clauses(&mut self) -> Result<Vec<SetClause>> {
        self.comma_list(|p| {
            if p.at(TokenKind::LeftParen) {
                let targets = p.paren_list(Self::assign_target)?;
                p.expect(TokenKind::Equal)?;
                return Ok(SetClause::Multi { targets, source: p.expr()? });
            }
            let target = p.assign_target()?;
            p.expect(TokenKind::Equal)?;
            Ok(SetClause::Single { target, value: p.expr()? })
        })
    }

    /// relation_expr_opt_alias: here SET is no alias without AS.
    fn target_relation(&mut self) -> Result<RangeVar> {
        let mut relation = self.relation_expr()?;
        if self.eat_kw(Kw::As) || (self.at_name(COL_ID) && !self.at_kw(Kw::Set)) {
            relation.alias = Some(Alias { name: self.col_id()?, columns: Vec::new() });
        }
        Ok(relation)
    }

    /// where_or_current_clause.
    fn where_or_current(&mut self) -> Result<Option<Expr>> {
        if !self.eat_kw(Kw::Where) {
            return Ok(None);
        }
        if self.at_kws(&[Kw::Current, Kw::Of]) {
            let pos = self.bump().start;
            self.bump();
            let cursor = self.col_id()?;
            return Ok(Some(Expr::new(ExprKind::CurrentOf(cursor), pos)));
        }
        Ok(Some(self.expr()?))
    }

    fn update(&mut self, with: Option<With>) -> Result<Update> {
        let pos = self.expect_kw(Kw::Update)?;
        let relation = self.target_relation()?;
        self.expect_kw(Kw::Set)?;
        let sets = self.set_clauses()?;
        let from = if self.eat_kw(Kw::From) { self.comma_list(Self::table_ref)? } else { Vec::new() };
        let where_clause = self.where_or_current()?;
        let returning = self.opt_returning()?;
        Ok(Update { with, relation, sets, from, where_clause, returning, pos })
    }

    fn delete(&mut self, with: Option<With>) -> Result<Delete> {
        let pos = self.expect_kws(&[Kw::Delete, Kw::From])?;
        let relation = self.target_relation()?;
        let using = if self.eat_kw(Kw::Using) { self.comma_list(Self::table_ref)? } else { Vec::new() };
        let where_clause = self.where_or_current()?;
        let returning = self.opt_returning()?;
        Ok(Delete { with, relation, using, where_clause, returning, pos })
    }

    fn merge(&mut self, with: Option<With>) -> Result<Merge> {
        let pos = self.expect_kws(&[Kw::Merge, Kw::Into])?;
        let relation = self.target_relation()?;
        self.expect_kw(Kw::Using)?;
        let source = self.table_ref()?;
        self.expect_kw(Kw::On)?;
        let on = self.expr()?;
        let mut clauses = Vec::new();
        loop {
            clauses.push(self.merge_when()?);
            if !self.at_kw(Kw::When) {
                break;
            }
        }
        Ok(Merge { with, relation, source, on, clauses, pos })
    }

    fn merge_when(&mut self) -> Result<MergeWhen> {
        let pos = self.expect_kw(Kw::When)?;
        let matched = !self.eat_kw(Kw::Not);
        self.expect_kw(Kw::Matched)?;
        let condition = if self.eat_kw(Kw::And) { Some(self.expr()?) } else { None };
        self.expect_kw(Kw::Then)?;
        let action = if self.eat_kw(Kw::Do) {
            self.expect_kw(Kw::Nothing)?;
            MergeAction::Nothing
        } else if matched {
            if self.eat_kw(Kw::Update) {
                self.expect_kw(Kw::Set)?;
                MergeAction::Update(self.set_clauses()?)
            } else {
                self.expect_kw(Kw::Delete)?;
                MergeAction::Delete
            }
        } else {
            self.expect_kw(Kw::Insert)?;
            let columns = if self.at(TokenKind::LeftParen) { self.insert_columns()? } else { Vec::new() };
            let overriding = self.opt_overriding()?;
            let values = if self.eat_kw(Kw::Default) {
                self.expect_kw(Kw::Values)?;
                None
            } else {
                self.expect_kw(Kw::Values)?;
                Some(self.paren_list(Self::expr)?)
            };
            MergeAction::Insert { columns, overriding, values }
        };
        Ok(MergeWhen { matched, condition, action, pos })
    }

    /// TRUNCATE.
    pub(super) fn truncate(&mut self) -> Result<Statement> {
        self.expect_kw(Kw::Truncate)?;
        self.eat_kw(Kw::Table);
        let relations = self.comma_list(Self::relation_expr)?;
        let restart_identity = self.eat_kw(Kw::Restart);
        if restart_identity || self.eat_kw(Kw::Continue) {
            self.expect_kw(Kw::Identity)?;
        }
        let behavior = self.drop_behavior();
        Ok(Statement::Truncate(Box::new(Truncate { relations, restart_identity, behavior })))
    }
}
