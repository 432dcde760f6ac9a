//! SELECT, VALUES, TABLE, set operations, and what may stand around them.

use super::cursor::{COL_ID, Parser, is_bare_label};
use super::primary::ParenUse;
use crate::ast::{
    Cte, CteCycle, CteSearch, Distinct, Expr, ExprKind, GroupItem, IntoClause, Literal, LockStrength,
    LockWait, LockingClause, NullsOrder, Persistence, Pos, Query, QueryBody, RangeVar, Select, SetOp,
    SetOperation, SortBy, SortDirection, Statement, TableRef, Target, With,
};
use crate::lexer::{Kw, TokenKind};
use quarry_common::Result;

/// What ORDER BY, LIMIT, OFFSET, FETCH and FOR add to a query.
#[derive(Default)]
struct Tail {
    order_by: Vec<SortBy>,
    limit: Option<(Option<Expr>, Pos)>,
    offset: Option<(Expr, Pos)>,
    with_ties: bool,
    locking: Vec<LockingClause>,
}

impl Parser<'_> {
    /// Whether a query begins here, in parentheses or not.
    pub(super) fn at_query(&self) -> bool {
        self.at_query_word() || self.at_paren_query()
    }

    /// SelectStmt: a query with or without parentheses around all of it.
    pub(super) fn query(&mut self) -> Result<Query> {
        self.nested(|p| {
            let pos = p.pos();
            if p.at_kw(Kw::With) {
                let with = p.with_clause()?;
                return p.query_after_with(with, pos);
            }
            let first = p.select_clause()?;
            p.query_rest(first, pos)
        })
    }

    /// A query whose WITH has been read.
    #[inline(never)]
    pub(super) fn query_after_with(&mut self, with: With, pos: Pos) -> Result<Query> {
        let first = self.select_clause()?;
        let mut query = self.query_rest(first, pos)?;
        if query.with.is_some() {
            return Err(self.grammar_error("multiple WITH clauses not allowed", with.pos));
        }
        query.with = Some(with);
        Ok(query)
    }

    /// Whether something follows that belongs to the query before it.
    pub(super) fn at_query_rest(&self) -> bool {
        matches!(
            self.keyword(),
            Some(
                Kw::Union
                    | Kw::Intersect
                    | Kw::Except
                    | Kw::Order
                    | Kw::Limit
                    | Kw::Offset
                    | Kw::Fetch
                    | Kw::For
            )
        )
    }

    /// The set operations and the tail that follow a query.
    pub(super) fn query_rest(&mut self, first: Query, pos: Pos) -> Result<Query> {
        let mut query = self.set_operations(first, 0)?;
        query.pos = pos;
        let tail = self.query_tail()?;
        self.apply_tail(&mut query, tail)?;
        Ok(query)
    }

    /// UNION and EXCEPT bind alike and to the left, INTERSECT tighter.
    #[inline(never)]
    fn set_operations(&mut self, mut left: Query, level: u8) -> Result<Query> {
        let mut chain = 0;
        loop {
            let (op, op_level) = match self.keyword() {
                Some(Kw::Union) => (SetOp::Union, 0),
                Some(Kw::Except) => (SetOp::Except, 0),
                Some(Kw::Intersect) => (SetOp::Intersect, 1),
                _ => return Ok(left),
            };
            if op_level < level {
                return Ok(left);
            }
            chain += 1;
            if chain > super::cursor::CHAIN_MAX {
                return Err(super::cursor::too_deep());
            }
            let pos = self.bump().start;
            let all = self.eat_kw(Kw::All);
            if !all {
                self.eat_kw(Kw::Distinct);
            }
            let right = self.select_clause()?;
            let right = self.set_operations(right, op_level + 1)?;
            let start = left.pos;
            let operation = SetOperation { op, all, left, right, pos };
            left = bare_query(QueryBody::SetOperation(Box::new(operation)), start);
        }
    }

    /// The lists of VALUES.
    fn values_lists(&mut self) -> Result<Vec<Vec<Expr>>> {
        let mut width = 1;
        self.comma_list(|p| {
            p.expect(TokenKind::LeftParen)?;
            let mut list = Vec::with_capacity(width);
            list.push(p.expr()?);
            while p.eat(TokenKind::Comma) {
                list.push(p.expr()?);
            }
            p.expect(TokenKind::RightParen)?;
            width = list.len();
            Ok(list)
        })
    }

    /// select_clause: one SELECT, VALUES or TABLE, or a query in parentheses.
    fn select_clause(&mut self) -> Result<Query> {
        let pos = self.pos();
        let body = match self.kind() {
            TokenKind::LeftParen => {
                return match self.paren(ParenUse::Query)? {
                    super::primary::Paren::Query(query) => Ok(*query),
                    super::primary::Paren::Exprs(_) => Err(self.unexpected()),
                };
            }
            TokenKind::Keyword(Kw::Select) => QueryBody::Select(Box::new(self.select()?)),
            TokenKind::Keyword(Kw::Values) => {
                self.bump();
                QueryBody::Values(self.values_lists()?)
            }
            TokenKind::Keyword(Kw::Table) => {
                self.bump();
                let relation = self.relation_expr()?;
                let kind = ExprKind::ColumnRef { names: Vec::new(), star: true };
                let star =
                    Target { name: None, expr: Expr::new(kind, crate::ast::NO_POS), pos: crate::ast::NO_POS };
                let from = vec![TableRef::Relation(relation)];
                QueryBody::Select(Box::new(Select { targets: vec![star], from, ..empty_select(pos) }))
            }
            _ => return Err(self.unexpected()),
        };
        Ok(bare_query(body, pos))
    }

    /// SELECT up to WINDOW.
    #[inline(never)]
    fn select(&mut self) -> Result<Select> {
        let pos = self.expect_kw(Kw::Select)?;
        let mut select = empty_select(pos);
        if self.eat_kw(Kw::Distinct) {
            let on =
                if self.eat_kw(Kw::On) { Distinct::On(self.paren_list(Self::expr)?) } else { Distinct::All };
            select.distinct = Some(on);
            select.targets = self.target_list()?;
        } else {
            self.eat_kw(Kw::All);
            if self.at(TokenKind::Comma) || !self.at_end_of_target() {
                select.targets = self.target_list()?;
            }
        }
        if self.at_kw(Kw::Into) {
            select.into = Some(self.select_into()?);
        }
        if self.eat_kw(Kw::From) {
            select.from = self.comma_list(Self::table_ref)?;
        }
        select.where_clause = self.opt_where()?;
        if self.eat_kw(Kw::Group) {
            self.expect_kw(Kw::By)?;
            select.group_distinct = self.eat_kw(Kw::Distinct);
            if !select.group_distinct {
                self.eat_kw(Kw::All);
            }
            select.group_by = self.comma_list(Self::group_item)?;
        }
        if self.eat_kw(Kw::Having) {
            select.having = Some(self.expr()?);
        }
        if self.eat_kw(Kw::Window) {
            select.windows = self.comma_list(Self::window_definition)?;
        }
        Ok(select)
    }

    pub(super) fn opt_where(&mut self) -> Result<Option<Expr>> {
        if self.eat_kw(Kw::Where) { Ok(Some(self.expr()?)) } else { Ok(None) }
    }

    /// target_list.
    pub(super) fn target_list(&mut self) -> Result<Vec<Target>> {
        self.comma_list(Self::target)
    }

    fn target(&mut self) -> Result<Target> {
        let pos = self.pos();
        if self.eat(TokenKind::Star) {
            let expr = Expr::new(ExprKind::ColumnRef { names: Vec::new(), star: true }, pos);
            return Ok(Target { name: None, expr, pos });
        }
        let expr = self.or_label(Self::expr)?;
        let mut name = None;
        if self.eat_kw(Kw::As) {
            name = Some(self.col_label()?);
        } else if is_bare_label(self.kind()) {
            let token = self.bump();
            name = Some(self.word(token));
        }
        Ok(Target { name, expr, pos })
    }

    /// RETURNING, if there.
    pub(super) fn opt_returning(&mut self) -> Result<Vec<Target>> {
        if self.eat_kw(Kw::Returning) { self.target_list() } else { Ok(Vec::new()) }
    }

    #[inline(never)]
    fn select_into(&mut self) -> Result<IntoClause> {
        self.expect_kw(Kw::Into)?;
        let persistence = self.opt_temp();
        self.eat_kw(Kw::Table);
        let mut relation = self.relation_name()?;
        relation.persistence = persistence;
        Ok(into_relation(relation))
    }

    /// `[LOCAL|GLOBAL] TEMP[ORARY]`, UNLOGGED, or nothing.
    pub(super) fn opt_temp(&mut self) -> Persistence {
        let temp = |p: &Self, n| p.nth_kw(n, Kw::Temporary) || p.nth_kw(n, Kw::Temp);
        if (self.at_kw(Kw::Local) || self.at_kw(Kw::Global)) && temp(self, 1) {
            self.bump();
        }
        if temp(self, 0) {
            self.bump();
            Persistence::Temporary
        } else if self.eat_kw(Kw::Unlogged) {
            Persistence::Unlogged
        } else {
            Persistence::Permanent
        }
    }

    #[inline(never)]
    fn group_item(&mut self) -> Result<GroupItem> {
        let pos = self.pos();
        let paren = self.nth(1) == TokenKind::LeftParen;
        match self.keyword() {
            Some(Kw::Rollup) if paren => {
                self.bump();
                Ok(GroupItem::Rollup(self.paren_list(Self::expr)?, pos))
            }
            Some(Kw::Cube) if paren => {
                self.bump();
                Ok(GroupItem::Cube(self.paren_list(Self::expr)?, pos))
            }
            Some(Kw::Grouping) if self.nth_kw(1, Kw::Sets) => {
                self.bump();
                self.bump();
                let sets = self.nested(|p| p.paren_list(Self::group_item))?;
                Ok(GroupItem::Sets(sets, pos))
            }
            _ if self.at(TokenKind::LeftParen) && self.nth(1) == TokenKind::RightParen => {
                self.bump();
                self.bump();
                Ok(GroupItem::Empty(pos))
            }
            _ => Ok(GroupItem::Expr(self.expr()?)),
        }
    }

    /// with_clause.
    #[inline(never)]
    pub(super) fn with_clause(&mut self) -> Result<With> {
        let pos = self.expect_kw(Kw::With)?;
        // RECURSIVE may be the first query's name.
        let named = self.nth(1) == TokenKind::LeftParen || self.nth_kw(1, Kw::As);
        let recursive = !named && self.eat_kw(Kw::Recursive);
        let ctes = self.comma_list(Self::cte)?;
        Ok(With { recursive, ctes, pos })
    }

    #[inline(never)]
    fn cte(&mut self) -> Result<Cte> {
        let pos = self.pos();
        let name = self.col_id()?;
        let columns = self.opt_name_list()?;
        self.expect_kw(Kw::As)?;
        let materialized = if self.eat_kw(Kw::Materialized) {
            Some(true)
        } else if self.eat_kw(Kw::Not) {
            self.expect_kw(Kw::Materialized)?;
            Some(false)
        } else {
            None
        };
        self.expect(TokenKind::LeftParen)?;
        let statement = Box::new(self.nested(Self::preparable)?);
        self.expect(TokenKind::RightParen)?;
        let search = self.opt_search()?;
        let cycle = self.opt_cycle()?;
        Ok(Cte { name, columns, materialized, statement, search, cycle, pos })
    }

    /// PreparableStmt: a query or a data change.
    pub(super) fn preparable(&mut self) -> Result<Statement> {
        if self.at_query() || self.at(TokenKind::LeftParen) {
            let pos = self.pos();
            if self.at_kw(Kw::With) {
                return self.statement_with(pos);
            }
            return Ok(Statement::Select(Box::new(self.query()?)));
        }
        match self.keyword() {
            Some(Kw::Insert | Kw::Update | Kw::Delete | Kw::Merge) => self.data_change(None),
            _ => Err(self.unexpected()),
        }
    }

    /// WITH ... before whatever may have one.
    pub(super) fn statement_with(&mut self, pos: Pos) -> Result<Statement> {
        let with = self.with_clause()?;
        match self.keyword() {
            Some(Kw::Insert | Kw::Update | Kw::Delete | Kw::Merge) => self.data_change(Some(with)),
            _ => Ok(Statement::Select(Box::new(self.query_after_with(with, pos)?))),
        }
    }

    fn opt_search(&mut self) -> Result<Option<CteSearch>> {
        let pos = self.pos();
        if !self.eat_kw(Kw::Search) {
            return Ok(None);
        }
        let breadth_first = self.eat_kw(Kw::Breadth);
        if !breadth_first {
            self.expect_kw(Kw::Depth)?;
        }
        self.expect_kws(&[Kw::First, Kw::By])?;
        let columns = self.comma_list(Self::name)?;
        self.expect_kw(Kw::Set)?;
        Ok(Some(CteSearch { breadth_first, columns, sequence_column: self.col_id()?, pos }))
    }

    fn opt_cycle(&mut self) -> Result<Option<CteCycle>> {
        let pos = self.pos();
        if !self.eat_kw(Kw::Cycle) {
            return Ok(None);
        }
        let columns = self.comma_list(Self::name)?;
        self.expect_kw(Kw::Set)?;
        let mark_column = self.col_id()?;
        let mut mark_values = None;
        if self.eat_kw(Kw::To) {
            let value = self.primary()?;
            self.expect_kw(Kw::Default)?;
            mark_values = Some((value, self.primary()?));
        }
        self.expect_kw(Kw::Using)?;
        Ok(Some(CteCycle { columns, mark_column, mark_values, path_column: self.col_id()?, pos }))
    }

    /// ORDER BY.
    pub(super) fn order_by(&mut self) -> Result<Vec<SortBy>> {
        self.expect_kws(&[Kw::Order, Kw::By])?;
        self.comma_list(|p| {
            let expr = p.expr()?;
            let mut pos = expr.location();
            let direction = if p.eat_kw(Kw::Using) {
                pos = p.pos();
                SortDirection::Using(p.qual_operator()?)
            } else {
                p.sort_direction()
            };
            Ok(SortBy { expr, direction, nulls: p.nulls_order()?, pos })
        })
    }

    pub(super) fn sort_direction(&mut self) -> SortDirection {
        if self.eat_kw(Kw::Asc) {
            SortDirection::Asc
        } else if self.eat_kw(Kw::Desc) {
            SortDirection::Desc
        } else {
            SortDirection::Default
        }
    }

    pub(super) fn nulls_order(&mut self) -> Result<Option<NullsOrder>> {
        if self.eat_kws(&[Kw::Nulls, Kw::First]) {
            Ok(Some(NullsOrder::First))
        } else if self.eat_kws(&[Kw::Nulls, Kw::Last]) {
            Ok(Some(NullsOrder::Last))
        } else {
            Ok(None)
        }
    }

    /// ORDER BY, then locking and limits in either order.
    #[inline(never)]
    fn query_tail(&mut self) -> Result<Tail> {
        let mut tail = Tail::default();
        if self.at_kw(Kw::Order) {
            tail.order_by = self.order_by()?;
        }
        if self.at_kw(Kw::For) {
            tail.locking = self.locking()?;
            self.limits(&mut tail)?;
        } else {
            self.limits(&mut tail)?;
            if self.at_kw(Kw::For) {
                tail.locking = self.locking()?;
            }
        }
        Ok(tail)
    }

    fn limits(&mut self, tail: &mut Tail) -> Result<()> {
        loop {
            let pos = self.pos();
            match self.keyword() {
                Some(Kw::Limit) if tail.limit.is_none() => {
                    self.bump();
                    let limit = if self.eat_kw(Kw::All) { None } else { Some(self.expr()?) };
                    if self.at(TokenKind::Comma) {
                        // PostgreSQL reads the second value before it complains.
                        self.bump();
                        self.expr()?;
                        return Err(self
                            .grammar_error("LIMIT #,# syntax is not supported", pos)
                            .hint("Use separate LIMIT and OFFSET clauses."));
                    }
                    tail.limit = Some((limit, pos));
                }
                Some(Kw::Fetch) if tail.limit.is_none() => {
                    self.bump();
                    tail.limit = Some((Some(self.fetch_count()?), pos));
                    tail.with_ties = !self.eat_kw(Kw::Only);
                    if tail.with_ties {
                        self.expect_kws(&[Kw::With, Kw::Ties])?;
                    }
                }
                Some(Kw::Offset) if tail.offset.is_none() => {
                    self.bump();
                    let offset = self.expr()?;
                    if !is_operator(&offset) && !self.eat_kw(Kw::Rows) {
                        self.eat_kw(Kw::Row);
                    }
                    tail.offset = Some((offset, pos));
                }
                _ => return Ok(()),
            }
        }
    }

    /// `FIRST|NEXT [count] ROW|ROWS`.
    fn fetch_count(&mut self) -> Result<Expr> {
        if !self.eat_kw(Kw::First) {
            self.expect_kw(Kw::Next)?;
        }
        let pos = self.pos();
        let is_row = |p: &Self| p.at_kw(Kw::Row) && p.nth(1) != TokenKind::LeftParen || p.at_kw(Kw::Rows);
        let count = match self.kind() {
            _ if is_row(self) => Expr::new(ExprKind::Const(Literal::Integer(1)), crate::ast::NO_POS),
            TokenKind::Plus | TokenKind::Minus => {
                let minus = self.bump().kind == TokenKind::Minus;
                if !matches!(self.kind(), TokenKind::Integer(_) | TokenKind::Float) {
                    return Err(self.unexpected());
                }
                let number = self.primary()?;
                if minus { super::expr::negate(number, pos) } else { number }
            }
            _ => self.primary()?,
        };
        if !self.eat_kw(Kw::Rows) {
            self.expect_kw(Kw::Row)?;
        }
        Ok(count)
    }

    /// for_locking_clause.
    fn locking(&mut self) -> Result<Vec<LockingClause>> {
        let mut clauses = Vec::new();
        while self.at_kw(Kw::For) {
            let pos = self.bump().start;
            if clauses.is_empty() && self.eat_kw(Kw::Read) {
                self.expect_kw(Kw::Only)?;
                return Ok(clauses);
            }
            let strength = if self.eat_kw(Kw::Update) {
                LockStrength::Update
            } else if self.eat_kw(Kw::Share) {
                LockStrength::Share
            } else if self.eat_kw(Kw::No) {
                self.expect_kws(&[Kw::Key, Kw::Update])?;
                LockStrength::NoKeyUpdate
            } else {
                self.expect_kws(&[Kw::Key, Kw::Share])?;
                LockStrength::KeyShare
            };
            let relations =
                if self.eat_kw(Kw::Of) { self.comma_list(Self::relation_name)? } else { Vec::new() };
            let wait = if self.eat_kw(Kw::Nowait) {
                LockWait::NoWait
            } else if self.eat_kw(Kw::Skip) {
                self.expect_kw(Kw::Locked)?;
                LockWait::SkipLocked
            } else {
                LockWait::Block
            };
            clauses.push(LockingClause { strength, relations, wait, pos });
        }
        Ok(clauses)
    }

    /// Adds a tail to a query that may have had one inside its parentheses.
    #[inline(never)]
    fn apply_tail(&self, query: &mut Query, tail: Tail) -> Result<()> {
        if let Some(first) = tail.order_by.first() {
            if !query.order_by.is_empty() {
                return Err(
                    self.grammar_error("multiple ORDER BY clauses not allowed", first.expr.location())
                );
            }
            query.order_by = tail.order_by;
        }
        query.locking.extend(tail.locking);
        if let Some((offset, _)) = tail.offset {
            if query.offset.is_some() {
                return Err(self.grammar_error("multiple OFFSET clauses not allowed", offset.location()));
            }
            query.offset = Some(offset);
        }
        if let Some((limit, pos)) = tail.limit {
            if query.limit.is_some() {
                let at = limit.as_ref().map_or(pos, Expr::location);
                return Err(self.grammar_error("multiple LIMIT clauses not allowed", at));
            }
            query.limit = limit;
            if tail.with_ties {
                if query.order_by.is_empty() {
                    return Err(
                        self.plain_grammar_error("WITH TIES cannot be specified without ORDER BY clause")
                    );
                }
                if query.locking.iter().any(|l| l.wait == LockWait::SkipLocked) {
                    let message = "SKIP LOCKED and WITH TIES options cannot be used together";
                    return Err(self.plain_grammar_error(message));
                }
                query.with_ties = true;
            }
        }
        Ok(())
    }

    /// 42601 without a place.
    pub(super) fn plain_grammar_error(&self, message: &str) -> quarry_common::Error {
        quarry_common::Error::new(quarry_common::SqlState::SYNTAX_ERROR, message)
    }

    /// Whether the next token can be a table's alias.
    pub(super) fn at_alias(&self) -> bool {
        self.at_kw(Kw::As) || self.at_name(COL_ID)
    }
}

/// A query of nothing but its body.
pub(super) fn bare_query(body: QueryBody, pos: Pos) -> Query {
    Query {
        with: None,
        body,
        order_by: Vec::new(),
        limit: None,
        offset: None,
        with_ties: false,
        locking: Vec::new(),
        pos,
    }
}

/// A SELECT of nothing.
pub(super) fn empty_select(pos: Pos) -> Select {
    Select {
        distinct: None,
        targets: Vec::new(),
        into: None,
        from: Vec::new(),
        where_clause: None,
        group_by: Vec::new(),
        group_distinct: false,
        having: None,
        windows: Vec::new(),
        pos,
    }
}

/// An INTO clause of nothing but the relation.
pub(super) fn into_relation(relation: RangeVar) -> IntoClause {
    IntoClause {
        relation,
        columns: Vec::new(),
        access_method: None,
        with: Vec::new(),
        on_commit: crate::ast::OnCommit::None,
        tablespace: None,
        no_data: false,
    }
}

/// Whether the expression is more than a primary.
fn is_operator(expr: &Expr) -> bool {
    use ExprKind::*;
    match &expr.kind {
        Op { left, .. } => left.is_some(),
        TypeCast { .. } | Collate { .. } | And(_) | Or(_) | Not(_) | In { .. } | Like { .. } => true,
        _ => false,
    }
}
