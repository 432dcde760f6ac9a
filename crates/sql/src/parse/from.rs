//! FROM: relations, subqueries, functions, joins.

use super::cursor::{COL_ID, Parser, TYPE_FUNC};
use crate::ast::{
    Alias, ColumnDefItem, Expr, ExprKind, JoinCondition, JoinExpr, JoinKind, RangeFunction,
    RangeFunctionItem, RangeSubquery, TableRef, TableSample, XmlTable, XmlTableColumn,
};
use crate::lexer::{Kw, TokenKind};
use quarry_common::Result;

/// The alias of a function: of the table, of its columns, or with their types.
type FunctionAlias = (Option<Alias>, Vec<ColumnDefItem>);

impl Parser<'_> {
    /// table_ref: an item of FROM with the joins that follow it.
    pub(super) fn table_ref(&mut self) -> Result<TableRef> {
        self.nested(|p| {
            let first = p.table_primary()?;
            p.joins(first)
        })
    }

    /// The joins that follow `left`.
    #[inline(never)]
    fn joins(&mut self, mut left: TableRef) -> Result<TableRef> {
        let mut chain = 0;
        loop {
            chain += 1;
            if chain > super::cursor::CHAIN_MAX {
                return Err(super::cursor::too_deep());
            }
            let pos = self.pos();
            let Some(kw) = self.keyword() else { return Ok(left) };
            let natural = kw == Kw::Natural;
            let kind = match kw {
                Kw::Cross => {
                    self.bump();
                    self.expect_kw(Kw::Join)?;
                    let right = self.table_primary()?;
                    left = join(left, right, JoinKind::Inner, false, JoinCondition::Cross, pos);
                    continue;
                }
                Kw::Natural => {
                    self.bump();
                    self.join_kind()?
                }
                Kw::Join | Kw::Inner | Kw::Left | Kw::Right | Kw::Full => self.join_kind()?,
                _ => return Ok(left),
            };
            if natural {
                let right = self.table_primary()?;
                left = join(left, right, kind, true, JoinCondition::Cross, pos);
                continue;
            }
            // A join without its condition yet takes the next one into its right side.
            let right = self.table_ref()?;
            let condition = if self.eat_kw(Kw::Using) {
                let columns = self.name_list()?;
                let alias = if self.eat_kw(Kw::As) { Some(self.col_id()?) } else { None };
                JoinCondition::Using { columns, alias }
            } else {
                self.expect_kw(Kw::On)?;
                JoinCondition::On(self.expr()?)
            };
            left = join(left, right, kind, false, condition, pos);
        }
    }

    /// `[INNER | {LEFT|RIGHT|FULL} [OUTER]] JOIN`.
    fn join_kind(&mut self) -> Result<JoinKind> {
        let kind = match self.keyword() {
            Some(Kw::Left) => JoinKind::Left,
            Some(Kw::Right) => JoinKind::Right,
            Some(Kw::Full) => JoinKind::Full,
            Some(Kw::Inner) => {
                self.bump();
                self.expect_kw(Kw::Join)?;
                return Ok(JoinKind::Inner);
            }
            _ => {
                self.expect_kw(Kw::Join)?;
                return Ok(JoinKind::Inner);
            }
        };
        self.bump();
        self.eat_kw(Kw::Outer);
        self.expect_kw(Kw::Join)?;
        Ok(kind)
    }

    /// One item of FROM, without joins behind it.
    fn table_primary(&mut self) -> Result<TableRef> {
        let pos = self.pos();
        let lateral = self.eat_kw(Kw::Lateral);
        match self.kind() {
            TokenKind::LeftParen if lateral => {
                let open = self.pos();
                let query = self.select_with_parens()?;
                self.aliased_subquery(query, lateral, pos, open)
            }
            TokenKind::LeftParen => match self.nested(Self::paren_item)? {
                FromParen::Query(query) => self.aliased_subquery(*query, false, pos, pos),
                FromParen::Join(mut table) => {
                    if self.at_alias() {
                        let alias = self.opt_alias()?;
                        if let TableRef::Join(join) = &mut table {
                            join.alias = alias;
                        }
                    }
                    Ok(table)
                }
            },
            TokenKind::Keyword(Kw::Xmltable) if self.nth(1) == TokenKind::LeftParen => {
                self.xml_table(lateral, pos)
            }
            TokenKind::Keyword(Kw::Rows) if self.nth_kw(1, Kw::From) => self.rows_from(lateral, pos),
            TokenKind::Keyword(Kw::Only) if !lateral => self.relation(),
            _ if self.at_function(lateral) => {
                let function = self.windowless_function()?;
                let item = RangeFunctionItem { function, column_definitions: Vec::new() };
                self.range_function(vec![item], false, lateral, pos)
            }
            _ => self.relation(),
        }
    }

    /// Whether a function rather than a relation comes next.
    fn at_function(&self, lateral: bool) -> bool {
        if lateral {
            return true;
        }
        if !COL_ID.accepts(self.kind()) {
            // Functions without parentheses, CAST, and names of functions only.
            return matches!(self.keyword(), Some(kw) if kw != Kw::Only);
        }
        let mut n = 1;
        while self.nth(n) == TokenKind::Dot {
            n += 2;
        }
        // A column-class keyword is no function's name, except for those with a syntax of their own.
        self.nth(n) == TokenKind::LeftParen
            && (n > 1 || TYPE_FUNC.accepts(self.kind()) || self.at_special_function())
    }

    /// A subquery with its alias, without which PostgreSQL 15 has none.
    fn aliased_subquery(
        &mut self,
        query: crate::ast::Query,
        lateral: bool,
        pos: u32,
        open: u32,
    ) -> Result<TableRef> {
        let alias = self.opt_alias()?;
        if alias.is_none() {
            let (what, example) = match query.body {
                crate::ast::QueryBody::Values(_) => ("VALUES", "VALUES ..."),
                _ => ("subquery", "SELECT ..."),
            };
            return Err(self
                .grammar_error(&format!("{what} in FROM must have an alias"), open)
                .hint(format!("For example, FROM ({example}) [AS] foo.")));
        }
        Ok(TableRef::Subquery(Box::new(RangeSubquery { lateral, query, alias, pos })))
    }

    /// Whether a function with a syntax of its own and a parenthesis comes next.
    fn at_special_function(&self) -> bool {
        use Kw::{
            Coalesce, Extract, Greatest, Least, Normalize, Nullif, Overlay, Position, Substring, Treat, Trim,
            Xmlconcat, Xmlelement, Xmlexists, Xmlforest, Xmlparse, Xmlpi, Xmlroot, Xmlserialize,
        };
        matches!(
            self.keyword(),
            Some(
                Coalesce
                    | Extract
                    | Greatest
                    | Least
                    | Normalize
                    | Nullif
                    | Overlay
                    | Position
                    | Substring
                    | Treat
                    | Trim
                    | Xmlconcat
                    | Xmlelement
                    | Xmlexists
                    | Xmlforest
                    | Xmlparse
                    | Xmlpi
                    | Xmlroot
                    | Xmlserialize
            )
        )
    }

    #[inline(never)]
    fn relation(&mut self) -> Result<TableRef> {
        let mut relation = self.relation_expr()?;
        relation.alias = self.opt_alias()?;
        if !self.eat_kw(Kw::Tablesample) {
            return Ok(TableRef::Relation(relation));
        }
        let pos = self.pos();
        let method = self.func_name()?.parts;
        let args = self.paren_list(Self::expr)?;
        let mut repeatable = None;
        if self.eat_kw(Kw::Repeatable) {
            self.expect(TokenKind::LeftParen)?;
            repeatable = Some(self.expr()?);
            self.expect(TokenKind::RightParen)?;
        }
        Ok(TableRef::TableSample(Box::new(TableSample { relation, method, args, repeatable, pos })))
    }

    /// func_expr_windowless.
    pub(super) fn windowless_function(&mut self) -> Result<Expr> {
        let pos = self.pos();
        if let Some(kw) = self.keyword()
            && let Some(special) = self.special_function(kw, pos)?
        {
            return Ok(special);
        }
        let name = self.func_name()?.parts;
        let call = self.func_application(name)?;
        Ok(Expr::new(ExprKind::FuncCall(Box::new(call)), pos))
    }

    #[inline(never)]
    fn rows_from(&mut self, lateral: bool, pos: u32) -> Result<TableRef> {
        self.expect_kws(&[Kw::Rows, Kw::From])?;
        let functions = self.paren_list(|p| {
            let function = p.windowless_function()?;
            let column_definitions =
                if p.eat_kw(Kw::As) { p.paren_list(Self::column_def_item)? } else { Vec::new() };
            Ok(RangeFunctionItem { function, column_definitions })
        })?;
        self.range_function(functions, true, lateral, pos)
    }

    #[inline(never)]
    fn range_function(
        &mut self,
        functions: Vec<RangeFunctionItem>,
        rows_from: bool,
        lateral: bool,
        pos: u32,
    ) -> Result<TableRef> {
        let mut ordinality = false;
        if self.at_kws(&[Kw::With, Kw::Ordinality]) {
            self.bump();
            self.bump();
            ordinality = true;
        }
        let (alias, column_definitions) = self.function_alias()?;
        let function =
            RangeFunction { lateral, ordinality, rows_from, functions, alias, column_definitions, pos };
        Ok(TableRef::Function(Box::new(function)))
    }

    /// func_alias_clause.
    fn function_alias(&mut self) -> Result<FunctionAlias> {
        if self.eat_kw(Kw::As) {
            if self.at(TokenKind::LeftParen) {
                return Ok((None, self.paren_list(Self::column_def_item)?));
            }
        } else if !self.at_name(COL_ID) {
            return Ok((None, Vec::new()));
        }
        let name = self.col_id()?;
        let mut alias = Alias { name, columns: Vec::new() };
        if !self.at(TokenKind::LeftParen) {
            return Ok((Some(alias), Vec::new()));
        }
        if matches!(self.nth(2), TokenKind::Comma | TokenKind::RightParen) || !COL_ID.accepts(self.nth(1)) {
            alias.columns = self.name_list()?.into_iter().map(|n| n.value).collect();
            return Ok((Some(alias), Vec::new()));
        }
        Ok((Some(alias), self.paren_list(Self::column_def_item)?))
    }

    /// TableFuncElement: `name type [COLLATE c]`.
    pub(super) fn column_def_item(&mut self) -> Result<ColumnDefItem> {
        let pos = self.pos();
        let name = self.col_id()?;
        let type_name = self.type_name()?;
        let collation = self.opt_collate()?.map(|c| c.parts);
        Ok(ColumnDefItem { name, type_name, collation, pos })
    }

    /// What a parenthesis in FROM encloses: a query, or joined tables.
    fn paren_item(&mut self) -> Result<FromParen> {
        let open = self.pos();
        if self.nth(1) != TokenKind::LeftParen || !self.at_paren_query() {
            if self.at_paren_query() {
                return Ok(FromParen::Query(Box::new(self.select_with_parens()?)));
            }
            self.expect(TokenKind::LeftParen)?;
            return self.joined_table();
        }
        self.expect(TokenKind::LeftParen)?;
        let inner_pos = self.pos();
        match self.nested(Self::paren_item)? {
            FromParen::Query(query) => {
                if self.at(TokenKind::RightParen) || self.at_query_rest() {
                    let query = self.query_rest(*query, open + 1)?;
                    self.expect(TokenKind::RightParen)?;
                    return Ok(FromParen::Query(Box::new(query)));
                }
                let subquery = self.aliased_subquery(*query, false, inner_pos, inner_pos)?;
                self.joined_rest(subquery)
            }
            FromParen::Join(mut table) => {
                if self.at_alias()
                    && let TableRef::Join(join) = &mut table
                {
                    join.alias = self.opt_alias()?;
                }
                self.joined_rest(table)
            }
        }
    }

    /// Behind the parenthesis: a table with at least one join, or a joined table in parentheses.
    fn joined_table(&mut self) -> Result<FromParen> {
        let first = self.table_primary()?;
        self.joined_rest(first)
    }

    fn joined_rest(&mut self, first: TableRef) -> Result<FromParen> {
        let bare_join = matches!(&first, TableRef::Join(j) if j.alias.is_none());
        let before = self.pos();
        let table = self.joins(first)?;
        if self.pos() == before && !bare_join {
            return Err(self.unexpected());
        }
        self.expect(TokenKind::RightParen)?;
        Ok(FromParen::Join(table))
    }

    #[inline(never)]
    fn xml_table(&mut self, lateral: bool, pos: u32) -> Result<TableRef> {
        self.bump();
        self.expect(TokenKind::LeftParen)?;
        let mut namespaces = Vec::new();
        if self.at_kw(Kw::Xmlnamespaces) && self.nth(1) == TokenKind::LeftParen {
            self.bump();
            namespaces = self.paren_list(|p| {
                if p.eat_kw(Kw::Default) {
                    return Ok((None, p.b_expr()?));
                }
                let uri = p.b_expr()?;
                p.expect_kw(Kw::As)?;
                Ok((Some(p.col_label()?), uri))
            })?;
            self.expect(TokenKind::Comma)?;
        }
        let row_expr = self.primary()?;
        let document = self.xmlexists_argument()?;
        self.expect_kw(Kw::Columns)?;
        let columns = self.comma_list(Self::xml_table_column)?;
        self.expect(TokenKind::RightParen)?;
        let alias = self.opt_alias()?;
        Ok(TableRef::XmlTable(Box::new(XmlTable {
            lateral,
            namespaces,
            row_expr,
            document,
            columns,
            alias,
            pos,
        })))
    }

    fn xml_table_column(&mut self) -> Result<XmlTableColumn> {
        let pos = self.pos();
        let name = self.col_id()?;
        let mut column =
            XmlTableColumn { name, type_name: None, path: None, default: None, not_null: false, pos };
        if self.eat_kw(Kw::For) {
            self.expect_kw(Kw::Ordinality)?;
            return Ok(column);
        }
        column.type_name = Some(self.type_name()?);
        loop {
            if self.eat_kw(Kw::Default) {
                column.default = Some(self.b_expr()?);
            } else if self.eat_kw(Kw::Not) {
                self.expect_kw(Kw::Null)?;
                column.not_null = true;
            } else if self.eat_kw(Kw::Null) {
            } else if matches!(self.kind(), TokenKind::Ident)
                && self.text(self.token()).eq_ignore_ascii_case("path")
            {
                self.bump();
                column.path = Some(self.b_expr()?);
            } else {
                return Ok(column);
            }
        }
    }
}

enum FromParen {
    Query(Box<crate::ast::Query>),
    Join(TableRef),
}

fn join(
    left: TableRef,
    right: TableRef,
    kind: JoinKind,
    natural: bool,
    condition: JoinCondition,
    pos: u32,
) -> TableRef {
    TableRef::Join(Box::new(JoinExpr { kind, natural, left, right, condition, alias: None, pos }))
}
