//! CREATE TRIGGER, POLICY, RULE.

use super::cursor::Parser;
use crate::ast::{
    AlterPolicy, CreatePolicy, CreateRule, CreateTrigger, Statement, TriggerEvents, TriggerTiming,
    TriggerTransition,
};
use crate::lexer::{Kw, TokenKind};
use quarry_common::{Result, err};

impl Parser<'_> {
    /// Behind `CREATE [OR REPLACE]` with CONSTRAINT or TRIGGER next.
    pub(super) fn create_trigger(&mut self, or_replace: bool) -> Result<Statement> {
        let constraint = self.eat_kw(Kw::Constraint);
        self.expect_kw(Kw::Trigger)?;
        let name = self.col_id()?;
        let timing = if constraint {
            self.expect_kw(Kw::After)?;
            TriggerTiming::After
        } else if self.eat_kw(Kw::Before) {
            TriggerTiming::Before
        } else if self.eat_kw(Kw::After) {
            TriggerTiming::After
        } else {
            self.expect_kws(&[Kw::Instead, Kw::Of])?;
            TriggerTiming::InsteadOf
        };
        let (events, columns) = self.trigger_events()?;
        self.expect_kw(Kw::On)?;
        let relation = self.relation_name()?;
        let (mut constraint_relation, mut deferrable, mut initially_deferred) = (None, false, false);
        let mut transitions = Vec::new();
        let mut row = constraint;
        if constraint {
            if self.eat_kw(Kw::From) {
                constraint_relation = Some(self.relation_name()?);
            }
            (deferrable, initially_deferred) = self.deferrability("TRIGGER constraints")?;
            self.expect_kws(&[Kw::For, Kw::Each, Kw::Row])?;
        } else {
            if self.eat_kw(Kw::Referencing) {
                loop {
                    transitions.push(self.trigger_transition()?);
                    if !self.at_kw(Kw::New) && !self.at_kw(Kw::Old) {
                        break;
                    }
                }
            }
            if self.eat_kw(Kw::For) {
                self.eat_kw(Kw::Each);
                row = self.eat_kw(Kw::Row);
                if !row {
                    self.expect_kw(Kw::Statement)?;
                }
            }
        }
        let when = if self.eat_kw(Kw::When) { Some(self.paren_expr()?) } else { None };
        self.expect_kw(Kw::Execute)?;
        if !self.eat_kw(Kw::Function) {
            self.expect_kw(Kw::Procedure)?;
        }
        let function = self.func_name()?;
        let args = self.trigger_args()?;
        Ok(Statement::CreateTrigger(Box::new(CreateTrigger {
            or_replace,
            constraint,
            name,
            relation,
            function,
            args,
            row,
            timing,
            events,
            columns,
            when,
            transitions,
            deferrable,
            initially_deferred,
            constraint_relation,
        })))
    }

    fn trigger_events(&mut self) -> Result<(TriggerEvents, Vec<crate::ast::Name>)> {
        let mut events = TriggerEvents::default();
        let mut columns = Vec::new();
        loop {
            let slot = match self.keyword() {
                Some(Kw::Insert) => &mut events.insert,
                Some(Kw::Delete) => &mut events.delete,
                Some(Kw::Update) => &mut events.update,
                Some(Kw::Truncate) => &mut events.truncate,
                _ => return Err(self.unexpected()),
            };
            let repeated = std::mem::replace(slot, true);
            let update = self.bump().kind == TokenKind::Keyword(Kw::Update);
            if update && self.eat_kw(Kw::Of) {
                columns = self.comma_list(Self::name)?;
            }
            if repeated {
                return Err(self.error_near("duplicate trigger events specified"));
            }
            if !self.eat_kw(Kw::Or) {
                return Ok((events, columns));
            }
        }
    }

    fn trigger_transition(&mut self) -> Result<TriggerTransition> {
        let new = self.eat_kw(Kw::New);
        if !new {
            self.expect_kw(Kw::Old)?;
        }
        let table = self.eat_kw(Kw::Table);
        if !table {
            self.expect_kw(Kw::Row)?;
        }
        self.eat_kw(Kw::As);
        Ok(TriggerTransition { name: self.col_id()?, new, table })
    }

    fn trigger_args(&mut self) -> Result<Vec<String>> {
        self.expect(TokenKind::LeftParen)?;
        let mut args = Vec::new();
        if !self.at(TokenKind::RightParen) {
            args = self.comma_list(|p| match p.kind() {
                TokenKind::String(_) => p.string(),
                TokenKind::Integer(_) | TokenKind::Float => {
                    let token = p.bump();
                    Ok(p.text(token).to_string())
                }
                _ => p.col_label(),
            })?;
        }
        self.expect(TokenKind::RightParen)?;
        Ok(args)
    }

    /// Behind CREATE with POLICY next.
    pub(super) fn create_policy(&mut self) -> Result<Statement> {
        self.expect_kw(Kw::Policy)?;
        let name = self.col_id()?;
        self.expect_kw(Kw::On)?;
        let relation = self.relation_name()?;
        let mut permissive = true;
        if self.eat_kw(Kw::As) {
            let pos = self.pos();
            let word = match self.kind() {
                TokenKind::Ident | TokenKind::QuotedIdent(_) => self.col_id()?,
                _ => return Err(self.unexpected()),
            };
            permissive = match word.as_str() {
                "permissive" => true,
                "restrictive" => false,
                other => {
                    return Err(err!(SYNTAX_ERROR, "unrecognized row security option \"{other}\"")
                        .hint("Only PERMISSIVE or RESTRICTIVE policies are supported currently.")
                        .position(pos as usize));
                }
            };
        }
        let mut command = "all".to_string();
        if self.eat_kw(Kw::For) {
            command = match self.keyword() {
                Some(kw @ (Kw::All | Kw::Select | Kw::Insert | Kw::Update | Kw::Delete)) => {
                    kw.text().to_string()
                }
                _ => return Err(self.unexpected()),
            };
            self.bump();
        }
        let public =
            vec![crate::ast::RoleSpec { kind: crate::ast::RoleSpecKind::Public, pos: crate::ast::NO_POS }];
        let roles = if self.eat_kw(Kw::To) { self.role_list()? } else { public };
        let (using, with_check) = self.policy_exprs()?;
        let policy = CreatePolicy { name, relation, permissive, command, roles, using, with_check };
        Ok(Statement::CreatePolicy(Box::new(policy)))
    }

    fn policy_exprs(&mut self) -> Result<(Option<crate::ast::Expr>, Option<crate::ast::Expr>)> {
        let using = if self.eat_kw(Kw::Using) { Some(self.paren_expr()?) } else { None };
        let mut with_check = None;
        if self.eat_kw(Kw::With) {
            self.expect_kw(Kw::Check)?;
            with_check = Some(self.paren_expr()?);
        }
        Ok((using, with_check))
    }

    /// ALTER POLICY behind the table's name.
    pub(super) fn alter_policy(&mut self, name: String, relation: crate::ast::RangeVar) -> Result<Statement> {
        let roles = if self.eat_kw(Kw::To) { self.role_list()? } else { Vec::new() };
        let (using, with_check) = self.policy_exprs()?;
        Ok(Statement::AlterPolicy(Box::new(AlterPolicy { name, relation, roles, using, with_check })))
    }

    /// Behind `CREATE [OR REPLACE]` with RULE next.
    pub(super) fn create_rule(&mut self, or_replace: bool) -> Result<Statement> {
        self.expect_kw(Kw::Rule)?;
        let name = self.col_id()?;
        self.expect_kws(&[Kw::As, Kw::On])?;
        let event = match self.keyword() {
            Some(kw @ (Kw::Select | Kw::Insert | Kw::Update | Kw::Delete)) => kw.text().to_string(),
            _ => return Err(self.unexpected()),
        };
        self.bump();
        self.expect_kw(Kw::To)?;
        let relation = self.relation_name()?;
        let where_clause = self.opt_where()?;
        self.expect_kw(Kw::Do)?;
        let instead = self.eat_kw(Kw::Instead);
        if !instead {
            self.eat_kw(Kw::Also);
        }
        let mut actions = Vec::new();
        if self.eat_kw(Kw::Nothing) {
        } else if self.at(TokenKind::LeftParen) && !self.at_paren_query_alone() {
            self.bump();
            loop {
                if !matches!(self.kind(), TokenKind::Semicolon | TokenKind::RightParen) {
                    actions.push(self.rule_action()?);
                }
                if !self.eat(TokenKind::Semicolon) {
                    break;
                }
            }
            self.expect(TokenKind::RightParen)?;
        } else {
            actions.push(self.rule_action()?);
        }
        let rule = CreateRule { or_replace, name, relation, event, where_clause, instead, actions };
        Ok(Statement::CreateRule(Box::new(rule)))
    }

    /// Whether the parenthesis is a query's own, not that around a list of actions.
    fn at_paren_query_alone(&self) -> bool {
        self.nth(1) == TokenKind::LeftParen && self.at_paren_query()
    }

    fn rule_action(&mut self) -> Result<Statement> {
        if self.at_kw(Kw::Notify) { self.notify() } else { self.preparable() }
    }
}
