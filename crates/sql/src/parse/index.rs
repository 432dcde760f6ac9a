//! CREATE INDEX, CREATE VIEW, CREATE STATISTICS, REFRESH.

use super::cursor::{COL_ID, Parser};
use crate::ast::{
    CheckOption, CreateIndex, CreateStatistics, CreateView, Cte, DefElem, Expr, ExprKind, IndexElem,
    IndexKey, Persistence, Query, QueryBody, RefreshMatView, Statement, TableRef, Target, With,
};
use crate::lexer::{Kw, TokenKind};
use quarry_common::Result;

impl Parser<'_> {
    /// A column, a function, or an expression in parentheses.
    pub(super) fn index_key(&mut self) -> Result<IndexKey> {
        if self.at(TokenKind::LeftParen) {
            return Ok(IndexKey::Expr(self.paren_expr()?));
        }
        let call = matches!(self.nth(1), TokenKind::LeftParen | TokenKind::Dot);
        if COL_ID.accepts(self.kind()) && !call {
            return Ok(IndexKey::Column(self.col_id()?));
        }
        Ok(IndexKey::Expr(self.windowless_function()?))
    }

    /// index_elem.
    pub(super) fn index_elem(&mut self) -> Result<IndexElem> {
        let pos = self.pos();
        let key = self.index_key()?;
        let collation = self.opt_collate()?;
        let mut opclass = None;
        let mut opclass_options = Vec::new();
        // NULLS before FIRST or LAST is no name.
        let nulls = self.at_kw(Kw::Nulls) && (self.nth_kw(1, Kw::First) || self.nth_kw(1, Kw::Last));
        if self.at_name(COL_ID) && !nulls {
            opclass = Some(self.any_name()?);
            if self.at(TokenKind::LeftParen) {
                opclass_options = self.reloptions()?;
            }
        }
        let direction = self.sort_direction();
        let nulls = self.nulls_order()?;
        Ok(IndexElem { key, collation, opclass, opclass_options, direction, nulls, pos })
    }

    /// Behind CREATE with UNIQUE or INDEX next.
    pub(super) fn create_index(&mut self) -> Result<Statement> {
        let unique = self.eat_kw(Kw::Unique);
        self.expect_kw(Kw::Index)?;
        let concurrently = self.eat_kw(Kw::Concurrently);
        let if_not_exists = self.if_not_exists()?;
        let name = if if_not_exists || !self.at_kw(Kw::On) { Some(self.col_id()?) } else { None };
        self.expect_kw(Kw::On)?;
        let relation = self.relation_expr()?;
        let access_method = self.opt_access_method()?;
        let elements = self.paren_list(Self::index_elem)?;
        let include = if self.eat_kw(Kw::Include) { self.paren_list(Self::index_elem)? } else { Vec::new() };
        let nulls_not_distinct = self.nulls_not_distinct()?;
        let with = self.opt_reloptions()?;
        let tablespace = self.opt_tablespace()?;
        let where_clause = self.opt_where()?;
        Ok(Statement::CreateIndex(Box::new(CreateIndex {
            name,
            relation,
            unique,
            concurrently,
            if_not_exists,
            access_method,
            elements,
            include,
            nulls_not_distinct,
            with,
            tablespace,
            where_clause,
        })))
    }

    /// Behind `CREATE [OR REPLACE] [TEMP]` with RECURSIVE or VIEW next.
    pub(super) fn create_view(&mut self, or_replace: bool, persistence: Persistence) -> Result<Statement> {
        let recursive = self.eat_kw(Kw::Recursive);
        self.expect_kw(Kw::View)?;
        let mut relation = self.relation_name()?;
        relation.persistence = persistence;
        let columns = if recursive { self.name_list()? } else { self.opt_name_list()? };
        let with = self.opt_reloptions()?;
        self.expect_kw(Kw::As)?;
        let start = self.pos();
        let mut query = self.query()?;
        let query_span = (start, self.last_end());
        let check_pos = self.pos();
        let check_option = self.opt_check_option()?;
        if recursive {
            if check_option != CheckOption::None {
                return Err(
                    self.not_supported("WITH CHECK OPTION not supported on recursive views", check_pos)
                );
            }
            query = recursive_view(&relation.name, &columns, query);
        }
        Ok(Statement::CreateView(Box::new(CreateView {
            relation,
            or_replace,
            recursive,
            columns,
            with,
            query,
            check_option,
            query_span,
        })))
    }

    fn opt_check_option(&mut self) -> Result<CheckOption> {
        if !self.eat_kw(Kw::With) {
            return Ok(CheckOption::None);
        }
        let local = self.eat_kw(Kw::Local);
        if !local {
            self.eat_kw(Kw::Cascaded);
        }
        self.expect_kws(&[Kw::Check, Kw::Option])?;
        Ok(if local { CheckOption::Local } else { CheckOption::Cascaded })
    }

    /// REFRESH MATERIALIZED VIEW.
    pub(super) fn refresh(&mut self) -> Result<Statement> {
        self.expect_kws(&[Kw::Refresh, Kw::Materialized, Kw::View])?;
        let concurrently = self.eat_kw(Kw::Concurrently);
        let relation = self.relation_name()?;
        let no_data = self.opt_with_no_data()?;
        Ok(Statement::RefreshMatView(Box::new(RefreshMatView { relation, concurrently, no_data })))
    }

    /// Behind CREATE with STATISTICS next.
    pub(super) fn create_statistics(&mut self) -> Result<Statement> {
        self.expect_kw(Kw::Statistics)?;
        let if_not_exists = self.if_not_exists()?;
        let name = self.any_name()?;
        let kinds = self.opt_name_list()?.into_iter().map(|n| n.value).collect();
        self.expect_kw(Kw::On)?;
        let elements = self.comma_list(Self::index_key)?;
        self.expect_kw(Kw::From)?;
        let relations = self.comma_list(Self::table_ref)?;
        let statistics = CreateStatistics { name, if_not_exists, kinds, elements, relations };
        Ok(Statement::CreateStatistics(Box::new(statistics)))
    }

    /// `WITH definition`, if there.
    pub(super) fn opt_definition(&mut self) -> Result<Vec<DefElem>> {
        if self.eat_kw(Kw::With) { self.definition() } else { Ok(Vec::new()) }
    }
}

/// `WITH RECURSIVE view (columns) AS (query) SELECT columns FROM view`.
fn recursive_view(name: &str, columns: &[crate::ast::Name], query: Query) -> Query {
    let pos = query.pos;
    let targets = columns.iter().map(|c| Target {
        name: None,
        expr: Expr::new(
            ExprKind::ColumnRef { names: vec![c.value.clone()], star: false },
            crate::ast::NO_POS,
        ),
        pos: crate::ast::NO_POS,
    });
    let relation = crate::ast::RangeVar {
        catalog: None,
        schema: None,
        name: name.to_string(),
        only: false,
        persistence: Persistence::Permanent,
        alias: None,
        pos: crate::ast::NO_POS,
    };
    let select = crate::ast::Select {
        targets: targets.collect(),
        from: vec![TableRef::Relation(relation)],
        ..super::query::empty_select(pos)
    };
    let cte = Cte {
        name: name.to_string(),
        columns: columns.to_vec(),
        materialized: None,
        statement: Box::new(Statement::Select(Box::new(query))),
        search: None,
        cycle: None,
        pos: crate::ast::NO_POS,
    };
    let mut outer = super::query::bare_query(QueryBody::Select(Box::new(select)), pos);
    outer.with = Some(With { recursive: true, ctes: vec![cte], pos: crate::ast::NO_POS });
    outer
}
