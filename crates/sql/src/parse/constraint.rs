//! Constraints of columns, tables and domains.

use super::cursor::Parser;
use crate::ast::{
    Constraint, ConstraintKind, ExclusionConstraint, FkAction, FkMatch, ForeignKey, KeyConstraint, Name, Pos,
    QualifiedName,
};
use crate::lexer::{Kw, TokenKind};
use quarry_common::{Result, err};

/// What may stand behind a table's constraint.
#[derive(Default)]
struct Attributes {
    deferrable: Option<bool>,
    initially_deferred: Option<bool>,
    not_valid: bool,
    no_inherit: bool,
    pos: Pos,
}

fn constraint(name: Option<String>, kind: ConstraintKind, pos: Pos) -> Constraint {
    Constraint {
        name,
        kind,
        deferrable: false,
        initially_deferred: false,
        not_valid: false,
        no_inherit: false,
        pos,
    }
}

impl Parser<'_> {
    /// CONSTRAINT name, if there.
    fn opt_constraint_name(&mut self) -> Result<Option<String>> {
        if self.eat_kw(Kw::Constraint) { Ok(Some(self.col_id()?)) } else { Ok(None) }
    }

    /// ColQualList: constraints and a collation in any order.
    pub(super) fn column_constraints(&mut self) -> Result<(Vec<Constraint>, Option<QualifiedName>)> {
        let mut list: Vec<Constraint> = Vec::new();
        let mut collation = None;
        // What DEFERRABLE and INITIALLY said of the last constraint.
        let mut said = Attributes::default();
        loop {
            let pos = self.pos();
            let Some(kw) = self.keyword() else { break };
            match kw {
                Kw::Collate => {
                    self.bump();
                    if collation.is_some() {
                        return Err(self.grammar_error("multiple COLLATE clauses not allowed", pos));
                    }
                    collation = Some(self.any_name()?);
                }
                Kw::Deferrable | Kw::Initially => {
                    self.column_attribute(kw, true, pos, &mut list, &mut said)?;
                }
                Kw::Not if self.nth_kw(1, Kw::Deferrable) => {
                    self.bump();
                    self.column_attribute(Kw::Deferrable, false, pos, &mut list, &mut said)?;
                }
                Kw::Constraint
                | Kw::Not
                | Kw::Null
                | Kw::Unique
                | Kw::Primary
                | Kw::Check
                | Kw::Default
                | Kw::Generated
                | Kw::References => {
                    list.push(self.column_constraint(pos)?);
                    said = Attributes::default();
                }
                _ => break,
            }
        }
        Ok((list, collation))
    }

    /// DEFERRABLE and INITIALLY behind a column's constraint belong to it.
    fn column_attribute(
        &mut self,
        kw: Kw,
        value: bool,
        pos: Pos,
        list: &mut [Constraint],
        said: &mut Attributes,
    ) -> Result<()> {
        self.bump();
        let mut value = value;
        if kw == Kw::Initially {
            value = self.eat_kw(Kw::Deferred);
            if !value {
                self.expect_kw(Kw::Immediate)?;
            }
        }
        let last = list.last_mut().filter(|c| {
            use ConstraintKind::*;
            matches!(c.kind, PrimaryKey(_) | Unique(_) | Exclusion(_) | ForeignKey(_))
        });
        let words = match (kw, value) {
            (Kw::Initially, true) => "INITIALLY DEFERRED",
            (Kw::Initially, false) => "INITIALLY IMMEDIATE",
            (_, true) => "DEFERRABLE",
            (_, false) => "NOT DEFERRABLE",
        };
        let Some(last) = last else {
            let error = self.grammar_error(&format!("misplaced {words} clause"), pos);
            self.later_error.get_or_insert(error);
            return Ok(());
        };
        if kw == Kw::Initially {
            if said.initially_deferred.replace(value).is_some() {
                let error =
                    self.grammar_error("multiple INITIALLY IMMEDIATE/DEFERRED clauses not allowed", pos);
                self.later_error.get_or_insert(error);
                return Ok(());
            }
            last.initially_deferred = value;
            // INITIALLY DEFERRED makes it deferrable, unless the opposite was said.
            if value && said.deferrable.is_none() {
                last.deferrable = true;
            }
        } else {
            if said.deferrable.replace(value).is_some() {
                let error = self.grammar_error("multiple DEFERRABLE/NOT DEFERRABLE clauses not allowed", pos);
                self.later_error.get_or_insert(error);
                return Ok(());
            }
            last.deferrable = value;
        }
        if last.initially_deferred && !last.deferrable {
            let error = self.grammar_error("constraint declared INITIALLY DEFERRED must be DEFERRABLE", pos);
            self.later_error.get_or_insert(error);
        }
        Ok(())
    }

    fn column_constraint(&mut self, pos: Pos) -> Result<Constraint> {
        let name = self.opt_constraint_name()?;
        let mut no_inherit = false;
        let start = self.pos();
        let kind = match self.keyword() {
            Some(Kw::Not) => {
                self.bump();
                self.expect_kw(Kw::Null)?;
                ConstraintKind::NotNull
            }
            Some(Kw::Null) => {
                self.bump();
                ConstraintKind::Null
            }
            Some(Kw::Unique) => {
                self.bump();
                let nulls_not_distinct = self.nulls_not_distinct()?;
                ConstraintKind::Unique(KeyConstraint { nulls_not_distinct, ..self.key_options()? })
            }
            Some(Kw::Primary) => {
                self.bump();
                self.expect_kw(Kw::Key)?;
                ConstraintKind::PrimaryKey(self.key_options()?)
            }
            Some(Kw::Check) => {
                self.bump();
                let expr = self.paren_expr()?;
                if self.eat_kw(Kw::No) {
                    self.expect_kw(Kw::Inherit)?;
                    no_inherit = true;
                }
                ConstraintKind::Check(expr)
            }
            Some(Kw::Default) => {
                self.bump();
                ConstraintKind::Default(self.b_expr()?)
            }
            Some(Kw::Generated) => self.generated()?,
            Some(Kw::References) => ConstraintKind::ForeignKey(Box::new(self.references(Vec::new())?)),
            _ => return Err(self.unexpected()),
        };
        let pos = if name.is_some() { pos } else { start };
        Ok(Constraint { no_inherit, ..constraint(name, kind, pos) })
    }

    /// `[WITH definition] [USING INDEX TABLESPACE name]`.
    fn key_options(&mut self) -> Result<KeyConstraint> {
        let with = if self.eat_kw(Kw::With) { self.definition()? } else { Vec::new() };
        let tablespace = self.index_tablespace()?;
        Ok(KeyConstraint { with, tablespace, ..KeyConstraint::default() })
    }

    fn index_tablespace(&mut self) -> Result<Option<String>> {
        if !self.eat_kw(Kw::Using) {
            return Ok(None);
        }
        self.expect_kws(&[Kw::Index, Kw::Tablespace])?;
        Ok(Some(self.col_id()?))
    }

    /// opt_unique_null_treatment.
    pub(super) fn nulls_not_distinct(&mut self) -> Result<bool> {
        if !self.eat_kw(Kw::Nulls) {
            return Ok(false);
        }
        let not = self.eat_kw(Kw::Not);
        self.expect_kw(Kw::Distinct)?;
        Ok(not)
    }

    fn generated(&mut self) -> Result<ConstraintKind> {
        self.expect_kw(Kw::Generated)?;
        let pos = self.pos();
        let always = self.generated_when()?;
        self.expect_kw(Kw::As)?;
        if self.eat_kw(Kw::Identity) {
            return Ok(ConstraintKind::Identity { always, options: self.opt_paren_sequence_options()? });
        }
        let expr = self.paren_expr()?;
        self.expect_kw(Kw::Stored)?;
        if !always {
            return Err(self.grammar_error("for a generated column, GENERATED ALWAYS must be specified", pos));
        }
        Ok(ConstraintKind::Generated(expr))
    }

    /// ALWAYS or BY DEFAULT.
    pub(super) fn generated_when(&mut self) -> Result<bool> {
        if self.eat_kw(Kw::Always) {
            return Ok(true);
        }
        self.expect_kws(&[Kw::By, Kw::Default])?;
        Ok(false)
    }

    fn references(&mut self, columns: Vec<Name>) -> Result<ForeignKey> {
        self.expect_kw(Kw::References)?;
        let references = self.relation_name()?;
        let referenced_columns = self.opt_name_list()?;
        let mut match_type = FkMatch::Simple;
        if self.eat_kw(Kw::Match) {
            let pos = self.pos();
            if self.eat_kw(Kw::Full) {
                match_type = FkMatch::Full;
            } else if self.eat_kw(Kw::Partial) {
                return Err(self.not_supported("MATCH PARTIAL not yet implemented", pos - 6));
            } else {
                self.expect_kw(Kw::Simple)?;
            }
        }
        let mut key = ForeignKey {
            columns,
            references,
            referenced_columns,
            match_type,
            on_update: FkAction::NoAction,
            on_delete: FkAction::NoAction,
            on_delete_columns: Vec::new(),
        };
        let (mut update_seen, mut delete_seen) = (false, false);
        while self.at_kw(Kw::On) {
            if (update_seen && self.nth_kw(1, Kw::Update)) || (delete_seen && self.nth_kw(1, Kw::Delete)) {
                self.bump();
                return Err(self.unexpected());
            }
            let pos = self.bump().start;
            let update = self.eat_kw(Kw::Update);
            if !update {
                self.expect_kw(Kw::Delete)?;
            }
            let (action, columns) = self.fk_action()?;
            if update {
                update_seen = true;
                if !columns.is_empty() {
                    let word = if action == FkAction::SetNull { "SET NULL" } else { "SET DEFAULT" };
                    let message =
                        format!("a column list with {word} is only supported for ON DELETE actions");
                    return Err(self.not_supported(&message, pos));
                }
                key.on_update = action;
            } else {
                delete_seen = true;
                key.on_delete = action;
                key.on_delete_columns = columns;
            }
        }
        Ok(key)
    }

    fn fk_action(&mut self) -> Result<(FkAction, Vec<Name>)> {
        let action = match self.keyword() {
            Some(Kw::No) => {
                self.bump();
                self.expect_kw(Kw::Action)?;
                FkAction::NoAction
            }
            Some(Kw::Restrict) => {
                self.bump();
                FkAction::Restrict
            }
            Some(Kw::Cascade) => {
                self.bump();
                FkAction::Cascade
            }
            _ => {
                self.expect_kw(Kw::Set)?;
                let action = if self.eat_kw(Kw::Null) {
                    FkAction::SetNull
                } else {
                    self.expect_kw(Kw::Default)?;
                    FkAction::SetDefault
                };
                return Ok((action, self.opt_name_list()?));
            }
        };
        Ok((action, Vec::new()))
    }

    /// Whether a table's constraint comes next.
    pub(super) fn at_table_constraint(&self) -> bool {
        matches!(self.keyword(), Some(Kw::Constraint | Kw::Check | Kw::Unique | Kw::Primary | Kw::Foreign))
            || (self.at_kw(Kw::Exclude) && (self.nth_kw(1, Kw::Using) || self.nth(1) == TokenKind::LeftParen))
    }

    /// TableConstraint.
    pub(super) fn table_constraint(&mut self) -> Result<Constraint> {
        let pos = self.pos();
        let name = self.opt_constraint_name()?;
        let start = self.pos();
        let kind = match self.keyword() {
            Some(Kw::Check) => {
                self.bump();
                let expr = self.paren_expr()?;
                ConstraintKind::Check(expr)
            }
            Some(Kw::Unique) => {
                self.bump();
                ConstraintKind::Unique(self.table_key(true)?)
            }
            Some(Kw::Primary) => {
                self.bump();
                self.expect_kw(Kw::Key)?;
                ConstraintKind::PrimaryKey(self.table_key(false)?)
            }
            Some(Kw::Exclude) => ConstraintKind::Exclusion(Box::new(self.exclusion()?)),
            Some(Kw::Foreign) => {
                self.bump();
                self.expect_kw(Kw::Key)?;
                let columns = self.name_list()?;
                ConstraintKind::ForeignKey(Box::new(self.references(columns)?))
            }
            _ => return Err(self.unexpected()),
        };
        let attributes = self.constraint_attributes()?;
        let pos = if name.is_some() { pos } else { start };
        let mut constraint = constraint(name, kind, pos);
        self.apply_attributes(&mut constraint, attributes)?;
        Ok(constraint)
    }

    fn table_key(&mut self, unique: bool) -> Result<KeyConstraint> {
        if self.at_kw(Kw::Using) {
            self.expect_kws(&[Kw::Using, Kw::Index])?;
            return Ok(KeyConstraint { using_index: Some(self.col_id()?), ..KeyConstraint::default() });
        }
        let nulls_not_distinct = unique && self.nulls_not_distinct()?;
        let columns = self.name_list()?;
        let include = if self.eat_kw(Kw::Include) { self.name_list()? } else { Vec::new() };
        Ok(KeyConstraint { columns, include, nulls_not_distinct, ..self.key_options()? })
    }

    fn exclusion(&mut self) -> Result<ExclusionConstraint> {
        self.expect_kw(Kw::Exclude)?;
        let access_method = self.opt_access_method()?;
        let elements = self.paren_list(|p| {
            let element = p.index_elem()?;
            p.expect_kw(Kw::With)?;
            let op = if p.eat_kw(Kw::Operator) {
                p.expect(TokenKind::LeftParen)?;
                let op = p.any_operator()?;
                p.expect(TokenKind::RightParen)?;
                op
            } else {
                p.any_operator()?
            };
            Ok((element, op))
        })?;
        let include = if self.eat_kw(Kw::Include) { self.name_list()? } else { Vec::new() };
        let KeyConstraint { with, tablespace, .. } = self.key_options()?;
        let mut where_clause = None;
        if self.eat_kw(Kw::Where) {
            where_clause = Some(self.paren_expr()?);
        }
        Ok(ExclusionConstraint { access_method, elements, include, with, tablespace, where_clause })
    }

    /// ConstraintAttributeSpec.
    fn constraint_attributes(&mut self) -> Result<Attributes> {
        let mut said = Attributes { pos: self.pos(), ..Attributes::default() };
        loop {
            let pos = self.pos();
            let conflict = match self.keyword() {
                Some(Kw::Deferrable) => {
                    self.bump();
                    said.deferrable.replace(true) == Some(false)
                }
                Some(Kw::Initially) => {
                    self.bump();
                    let deferred = self.eat_kw(Kw::Deferred);
                    if !deferred {
                        self.expect_kw(Kw::Immediate)?;
                    }
                    said.initially_deferred.replace(deferred).is_some_and(|before| before != deferred)
                }
                Some(Kw::Not) => {
                    self.bump();
                    if self.eat_kw(Kw::Valid) {
                        said.not_valid = true;
                        false
                    } else {
                        self.expect_kw(Kw::Deferrable)?;
                        said.deferrable.replace(false) == Some(true)
                    }
                }
                Some(Kw::No) => {
                    self.bump();
                    self.expect_kw(Kw::Inherit)?;
                    said.no_inherit = true;
                    false
                }
                _ => return Ok(said),
            };
            if said.initially_deferred == Some(true) && said.deferrable == Some(false) {
                let message = "constraint declared INITIALLY DEFERRED must be DEFERRABLE";
                return Err(self.grammar_error(message, pos));
            }
            if conflict {
                return Err(self.grammar_error("conflicting constraint properties", pos));
            }
        }
    }

    /// For ALTER CONSTRAINT, CREATE TRIGGER and the like: deferrable, initially deferred.
    pub(super) fn deferrability(&mut self, what: &str) -> Result<(bool, bool)> {
        let said = self.constraint_attributes()?;
        if said.not_valid || said.no_inherit {
            let word = if said.not_valid { "NOT VALID" } else { "NO INHERIT" };
            return Err(self.not_supported(&format!("{what} cannot be marked {word}"), said.pos));
        }
        let deferred = said.initially_deferred == Some(true);
        Ok((said.deferrable.unwrap_or(deferred), deferred))
    }

    /// Refuses what the constraint's kind cannot be.
    fn apply_attributes(&self, constraint: &mut Constraint, said: Attributes) -> Result<()> {
        use ConstraintKind::*;
        let (what, deferrable, not_valid, no_inherit) = match constraint.kind {
            Check(_) => ("CHECK", false, true, true),
            Unique(_) => ("UNIQUE", true, false, false),
            PrimaryKey(_) => ("PRIMARY KEY", true, false, false),
            Exclusion(_) => ("EXCLUDE", true, false, false),
            _ => ("FOREIGN KEY", true, true, false),
        };
        let deferred = said.initially_deferred == Some(true);
        let wants = said.deferrable.unwrap_or(deferred);
        let word = if wants && !deferrable {
            "DEFERRABLE"
        } else if said.not_valid && !not_valid {
            "NOT VALID"
        } else if said.no_inherit && !no_inherit {
            "NO INHERIT"
        } else {
            constraint.deferrable = wants;
            constraint.initially_deferred = deferred;
            constraint.not_valid = said.not_valid;
            constraint.no_inherit = said.no_inherit;
            return Ok(());
        };
        Err(err!(FEATURE_NOT_SUPPORTED, "{what} constraints cannot be marked {word}")
            .position(said.pos as usize))
    }

    /// A constraint of a domain, for ALTER DOMAIN ADD.
    pub(super) fn domain_constraint(&mut self) -> Result<Constraint> {
        let pos = self.pos();
        let name = self.opt_constraint_name()?;
        let start = self.pos();
        if self.at_kw(Kw::Check) {
            self.bump();
            let expr = self.paren_expr()?;
            let pos = if name.is_some() { pos } else { start };
            let mut check = constraint(name, ConstraintKind::Check(expr), pos);
            let said = self.constraint_attributes()?;
            self.apply_attributes(&mut check, said)?;
            return Ok(check);
        }
        Err(self.unexpected())
    }

    /// `( expr )`
    pub(super) fn paren_expr(&mut self) -> Result<crate::ast::Expr> {
        self.expect(TokenKind::LeftParen)?;
        let expr = self.expr()?;
        self.expect(TokenKind::RightParen)?;
        Ok(expr)
    }
}
