//! Qualified names, relations, roles, operators' names and option lists.

use super::cursor::{COL_ID, LABEL, NON_RESERVED, Parser, TYPE_FUNC};
use crate::ast::{
    Alias, DefAction, DefArg, DefElem, OpName, Persistence, Pos, QualifiedName, RangeVar, RoleSpec,
    RoleSpecKind, TypeName,
};
use crate::lexer::{KeywordClass, Kw, TokenKind};
use quarry_common::Result;

impl Parser<'_> {
    /// any_name: a column-class name and what dots append.
    pub fn any_name(&mut self) -> Result<QualifiedName> {
        let pos = self.pos();
        let mut parts = vec![self.col_id()?];
        while self.eat(TokenKind::Dot) {
            parts.push(self.col_label()?);
        }
        Ok(QualifiedName { parts, pos })
    }

    /// func_name: a single type- or function-class name, or a qualified one.
    pub fn func_name(&mut self) -> Result<QualifiedName> {
        if COL_ID.accepts(self.kind()) && self.nth(1) == TokenKind::Dot {
            return self.any_name();
        }
        let pos = self.pos();
        if COL_ID.accepts(self.kind()) && !TYPE_FUNC.accepts(self.kind()) {
            // Only a qualified name may begin with it.
            self.bump();
            return Err(self.unexpected());
        }
        Ok(QualifiedName { parts: vec![self.name_of(TYPE_FUNC)?], pos })
    }

    /// qualified_name: a relation's name.
    pub fn relation_name(&mut self) -> Result<RangeVar> {
        let name = self.any_name()?;
        if self.at(TokenKind::LeftBracket) {
            // The grammar reads subscripts here only to refuse them.
            self.indirection()?;
            return Err(self.unexpected());
        }
        self.range_var(name)
    }

    /// A relation named by the parts of a qualified name.
    pub fn range_var(&self, name: QualifiedName) -> Result<RangeVar> {
        let QualifiedName { mut parts, pos } = name;
        if parts.len() > 3 {
            let text = parts.join(".");
            let error = format!("improper qualified name (too many dotted names): {text}");
            return Err(self.grammar_error(&error, pos));
        }
        let name = parts.pop().unwrap_or_default();
        let schema = parts.pop();
        let catalog = parts.pop();
        Ok(RangeVar {
            catalog,
            schema,
            name,
            only: false,
            persistence: Persistence::Permanent,
            alias: None,
            pos,
        })
    }

    /// relation_expr: a relation with ONLY or `*`.
    pub fn relation_expr(&mut self) -> Result<RangeVar> {
        if self.eat_kw(Kw::Only) {
            let parens = self.eat(TokenKind::LeftParen);
            let mut relation = self.relation_name()?;
            if parens {
                self.expect(TokenKind::RightParen)?;
            }
            relation.only = true;
            return Ok(relation);
        }
        let relation = self.relation_name()?;
        self.eat(TokenKind::Star);
        Ok(relation)
    }

    /// alias_clause, if there is one.
    pub fn opt_alias(&mut self) -> Result<Option<Alias>> {
        if !self.eat_kw(Kw::As) && !self.at_name(COL_ID) {
            return Ok(None);
        }
        let name = self.col_id()?;
        let columns = self.opt_name_list()?.into_iter().map(|n| n.value).collect();
        Ok(Some(Alias { name, columns }))
    }

    /// A role's name, or CURRENT_USER and its kin.
    pub fn role_spec(&mut self) -> Result<RoleSpec> {
        let pos = self.pos();
        let kind = match self.keyword() {
            Some(Kw::CurrentRole) => RoleSpecKind::CurrentRole,
            Some(Kw::CurrentUser) => RoleSpecKind::CurrentUser,
            Some(Kw::SessionUser) => RoleSpecKind::SessionUser,
            _ => {
                let name = self.name_of(NON_RESERVED)?;
                if name == "public" {
                    RoleSpecKind::Public
                } else if name == "none" {
                    return Err(reserved_role(&name, pos));
                } else {
                    RoleSpecKind::Name(name)
                }
            }
        };
        if !matches!(kind, RoleSpecKind::Name(_) | RoleSpecKind::Public) {
            self.bump();
        }
        Ok(RoleSpec { kind, pos })
    }

    pub fn role_list(&mut self) -> Result<Vec<RoleSpec>> {
        self.comma_list(Self::role_spec)
    }

    /// RoleId: a role that is to be made or renamed.
    pub fn role_id(&mut self) -> Result<String> {
        let role = self.role_spec()?;
        let word = match role.kind {
            RoleSpecKind::Name(name) => return Ok(name),
            RoleSpecKind::Public => return Err(reserved_role("public", role.pos)),
            RoleSpecKind::CurrentRole => "CURRENT_ROLE",
            RoleSpecKind::CurrentUser => "CURRENT_USER",
            RoleSpecKind::SessionUser => "SESSION_USER",
        };
        Err(quarry_common::err!(RESERVED_NAME, "{word} cannot be used as a role name here")
            .position(role.pos as usize))
    }

    /// Whether the next token is an operator's name.
    pub fn at_operator(&self) -> bool {
        use TokenKind::*;
        matches!(
            self.kind(),
            Op | Plus
                | Minus
                | Star
                | Slash
                | Percent
                | Caret
                | Less
                | Greater
                | Equal
                | LessEqual
                | GreaterEqual
                | NotEqual
        )
    }

    /// all_Op: a bare operator.
    pub fn bare_operator(&mut self) -> Result<String> {
        if !self.at_operator() {
            return Err(self.unexpected());
        }
        let token = self.bump();
        Ok(if token.kind == TokenKind::NotEqual { "<>".into() } else { self.text(token).to_string() })
    }

    /// any_operator: `schema.+`.
    pub fn any_operator(&mut self) -> Result<OpName> {
        let mut schema = Vec::new();
        while self.at_name(COL_ID) {
            schema.push(self.col_id()?);
            self.expect(TokenKind::Dot)?;
        }
        Ok(OpName { schema, name: self.bare_operator()? })
    }

    /// qual_all_Op: a bare operator or `OPERATOR(schema.+)`.
    pub fn qual_operator(&mut self) -> Result<OpName> {
        if self.eat_kw(Kw::Operator) {
            self.expect(TokenKind::LeftParen)?;
            let op = self.any_operator()?;
            self.expect(TokenKind::RightParen)?;
            return Ok(op);
        }
        Ok(OpName::bare(self.bare_operator()?))
    }

    /// definition: `( name [= arg], ... )`
    pub fn definition(&mut self) -> Result<Vec<DefElem>> {
        self.paren_list(|p| {
            let pos = p.pos();
            let name = p.col_label()?;
            let arg = if p.eat(TokenKind::Equal) { Some(p.def_arg()?) } else { None };
            Ok(DefElem { namespace: None, name, arg, action: DefAction::Unspecified, pos })
        })
    }

    /// reloptions: as [`Self::definition`], with namespaces.
    pub fn reloptions(&mut self) -> Result<Vec<DefElem>> {
        self.paren_list(|p| {
            let pos = p.pos();
            let mut name = p.col_label()?;
            let mut namespace = None;
            if p.eat(TokenKind::Dot) {
                namespace = Some(name);
                name = p.col_label()?;
            }
            let arg = if p.eat(TokenKind::Equal) { Some(p.def_arg()?) } else { None };
            Ok(DefElem { namespace, name, arg, action: DefAction::Unspecified, pos })
        })
    }

    /// `WITH reloptions`, if there.
    pub fn opt_reloptions(&mut self) -> Result<Vec<DefElem>> {
        if self.eat_kw(Kw::With) { self.reloptions() } else { Ok(Vec::new()) }
    }

    /// def_arg: a type, a word, an operator, a number or a string.
    pub fn def_arg(&mut self) -> Result<DefArg> {
        match self.kind() {
            TokenKind::String(_) => Ok(DefArg::String(self.string()?)),
            TokenKind::Integer(_) | TokenKind::Float => self.numeric_arg(),
            TokenKind::Plus | TokenKind::Minus
                if matches!(self.nth(1), TokenKind::Integer(_) | TokenKind::Float) =>
            {
                self.numeric_arg()
            }
            TokenKind::Keyword(Kw::Operator) if self.nth(1) == TokenKind::LeftParen => {
                Ok(DefArg::Operator(self.qual_operator()?))
            }
            TokenKind::Keyword(Kw::None) => {
                self.bump();
                Ok(DefArg::String("none".into()))
            }
            TokenKind::Keyword(kw) if kw.class() == KeywordClass::Reserved => {
                self.bump();
                Ok(match kw {
                    Kw::True => DefArg::Boolean(true),
                    Kw::False => DefArg::Boolean(false),
                    _ => DefArg::String(kw.text().to_string()),
                })
            }
            _ if self.at_operator() => Ok(DefArg::Operator(OpName::bare(self.bare_operator()?))),
            _ => {
                let type_name = self.func_type()?;
                Ok(match plain_word(&type_name) {
                    Some(word) => DefArg::String(word),
                    None => DefArg::Type(Box::new(type_name)),
                })
            }
        }
    }

    /// A signed number as an option's value.
    pub fn numeric_arg(&mut self) -> Result<DefArg> {
        let text = self.numeric_text()?;
        Ok(text.parse::<i32>().map_or(DefArg::Float(text), DefArg::Integer))
    }

    /// opt_boolean_or_string: TRUE, FALSE, ON, a word or a string.
    pub fn boolean_or_string(&mut self) -> Result<String> {
        if let Some(text) = self.eat_string() {
            return Ok(text);
        }
        match self.keyword() {
            Some(kw @ (Kw::True | Kw::False | Kw::On)) => {
                self.bump();
                Ok(kw.text().to_string())
            }
            _ => self.name_of(NON_RESERVED),
        }
    }

    /// The options of EXPLAIN, VACUUM and the like: `( name [value], ... )`.
    pub fn utility_options(&mut self) -> Result<Vec<DefElem>> {
        self.paren_list(|p| {
            let pos = p.pos();
            let name = match p.keyword() {
                // "analyse" arrives as "analyze".
                Some(Kw::Analyze | Kw::Analyse) => {
                    p.bump();
                    "analyze".to_string()
                }
                _ => p.name_of(NON_RESERVED)?,
            };
            let arg = match p.kind() {
                TokenKind::Comma | TokenKind::RightParen => None,
                TokenKind::Integer(_) | TokenKind::Float | TokenKind::Plus | TokenKind::Minus => {
                    Some(p.numeric_arg()?)
                }
                _ => Some(DefArg::String(p.boolean_or_string()?)),
            };
            Ok(DefElem { namespace: None, name, arg, action: DefAction::Unspecified, pos })
        })
    }

    /// `OPTIONS ( [SET|ADD|DROP] name 'value', ... )`, if there.
    pub fn fdw_options(&mut self) -> Result<Vec<DefElem>> {
        if !self.eat_kw(Kw::Options) {
            return Ok(Vec::new());
        }
        self.paren_list(|p| {
            let pos = p.pos();
            let action = match (p.keyword(), LABEL.accepts(p.nth(1))) {
                (Some(Kw::Set), true) => DefAction::Set,
                (Some(Kw::Add), true) => DefAction::Add,
                (Some(Kw::Drop), true) => DefAction::Drop,
                _ => DefAction::Unspecified,
            };
            if action != DefAction::Unspecified {
                p.bump();
            }
            let name = p.col_label()?;
            let arg = if action == DefAction::Drop { None } else { Some(DefArg::String(p.string()?)) };
            Ok(DefElem { namespace: None, name, arg, action, pos })
        })
    }

    /// An option that a bare keyword stands for.
    pub fn flag(&self, name: &str, pos: Pos) -> DefElem {
        DefElem { namespace: None, name: name.into(), arg: None, action: DefAction::Unspecified, pos }
    }

    /// COLLATE name, if there.
    pub fn opt_collate(&mut self) -> Result<Option<QualifiedName>> {
        if self.eat_kw(Kw::Collate) { Ok(Some(self.any_name()?)) } else { Ok(None) }
    }

    /// TABLESPACE name, if there.
    pub fn opt_tablespace(&mut self) -> Result<Option<String>> {
        if self.eat_kw(Kw::Tablespace) { Ok(Some(self.col_id()?)) } else { Ok(None) }
    }

    /// USING access_method, if there.
    pub fn opt_access_method(&mut self) -> Result<Option<String>> {
        if self.eat_kw(Kw::Using) { Ok(Some(self.col_id()?)) } else { Ok(None) }
    }

    /// NonReservedWord or string.
    pub fn word_or_string(&mut self) -> Result<String> {
        match self.eat_string() {
            Some(text) => Ok(text),
            None => self.name_of(NON_RESERVED),
        }
    }
}

fn reserved_role(name: &str, pos: Pos) -> quarry_common::Error {
    quarry_common::err!(RESERVED_NAME, "role name \"{name}\" is reserved").position(pos as usize)
}

/// The word a type name is, if it is nothing more.
fn plain_word(t: &TypeName) -> Option<String> {
    let plain = t.names.len() == 1
        && !t.setof
        && !t.pct_type
        && t.typmods.is_empty()
        && t.interval_fields.is_none()
        && t.array_bounds.is_empty();
    plain.then(|| t.names[0].clone())
}
