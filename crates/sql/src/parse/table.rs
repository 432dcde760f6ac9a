//! CREATE TABLE, CREATE TABLE AS, and columns.

use super::cursor::{COL_ID, Parser};
use super::query::into_relation;
use crate::ast::{
    ColumnDef, CreateTable, CreateTableAs, Execute, IntoClause, OnCommit, PartitionBound, PartitionElem,
    PartitionSpec, Persistence, RangeVar, Statement, TableElement, TableLike,
};
use crate::lexer::{Kw, TokenKind};
use quarry_common::{Result, err};

impl Parser<'_> {
    /// Behind `CREATE [TEMP|UNLOGGED]` with TABLE next.
    pub(super) fn create_table(&mut self, persistence: Persistence) -> Result<Statement> {
        self.expect_kw(Kw::Table)?;
        let if_not_exists = self.if_not_exists()?;
        let mut relation = self.relation_name()?;
        relation.persistence = persistence;
        let columns_only = self.at(TokenKind::LeftParen)
            && COL_ID.accepts(self.nth(1))
            && matches!(self.nth(2), TokenKind::Comma | TokenKind::RightParen);
        let as_word = matches!(
            self.keyword(),
            Some(Kw::As | Kw::Using | Kw::With | Kw::Without | Kw::On | Kw::Tablespace)
        );
        if columns_only || as_word {
            return self.create_table_as(relation, if_not_exists);
        }
        let mut table = CreateTable {
            relation,
            if_not_exists,
            elements: Vec::new(),
            inherits: Vec::new(),
            partition_by: None,
            partition_of: None,
            of_type: None,
            access_method: None,
            with: Vec::new(),
            on_commit: OnCommit::None,
            tablespace: None,
        };
        if self.eat_kw(Kw::Of) {
            let name = self.any_name()?;
            let pos = name.pos;
            table.of_type =
                Some(crate::ast::TypeName { names: name.parts, ..super::type_name::system_type("", pos) });
            table.elements = self.typed_elements()?;
        } else if self.eat_kw(Kw::Partition) {
            self.expect_kw(Kw::Of)?;
            let parent = self.relation_name()?;
            table.elements = self.typed_elements()?;
            table.partition_of = Some((parent, self.partition_bound()?));
        } else {
            self.expect(TokenKind::LeftParen)?;
            if !self.at(TokenKind::RightParen) {
                table.elements = self.comma_list(Self::table_element)?;
            }
            self.expect(TokenKind::RightParen)?;
            if self.eat_kw(Kw::Inherits) {
                table.inherits = self.paren_list(Self::relation_name)?;
            }
        }
        table.partition_by = self.opt_partition_by()?;
        table.access_method = self.opt_access_method()?;
        table.with = self.table_options()?;
        table.on_commit = self.opt_on_commit()?;
        table.tablespace = self.opt_tablespace()?;
        Ok(Statement::CreateTable(Box::new(table)))
    }

    /// OptWith: `WITH (...)`, WITHOUT OIDS, or nothing.
    fn table_options(&mut self) -> Result<Vec<crate::ast::DefElem>> {
        if self.eat_kw(Kw::Without) {
            self.expect_kw(Kw::Oids)?;
            return Ok(Vec::new());
        }
        self.opt_reloptions()
    }

    fn opt_on_commit(&mut self) -> Result<OnCommit> {
        if !self.eat_kw(Kw::On) {
            return Ok(OnCommit::None);
        }
        self.expect_kw(Kw::Commit)?;
        if self.eat_kw(Kw::Drop) {
            return Ok(OnCommit::Drop);
        }
        let action = if self.eat_kw(Kw::Delete) {
            OnCommit::DeleteRows
        } else {
            self.expect_kw(Kw::Preserve)?;
            OnCommit::PreserveRows
        };
        self.expect_kw(Kw::Rows)?;
        Ok(action)
    }

    fn create_table_as(&mut self, relation: RangeVar, if_not_exists: bool) -> Result<Statement> {
        let columns = self.opt_name_list()?;
        let access_method = self.opt_access_method()?;
        let with = self.table_options()?;
        let on_commit = self.opt_on_commit()?;
        let tablespace = self.opt_tablespace()?;
        self.expect_kw(Kw::As)?;
        let mut into =
            IntoClause { columns, access_method, with, on_commit, tablespace, ..into_relation(relation) };
        let query = self.query_or_execute()?;
        into.no_data = self.opt_with_no_data()?;
        Ok(Statement::CreateTableAs(Box::new(CreateTableAs {
            into,
            query,
            if_not_exists,
            materialized_view: false,
        })))
    }

    fn query_or_execute(&mut self) -> Result<Statement> {
        if self.at_kw(Kw::Execute) {
            return Ok(Statement::Execute(Box::new(self.execute()?)));
        }
        Ok(Statement::Select(Box::new(self.query()?)))
    }

    /// EXECUTE.
    pub(super) fn execute(&mut self) -> Result<Execute> {
        self.expect_kw(Kw::Execute)?;
        let name = self.col_id()?;
        let args = if self.at(TokenKind::LeftParen) { self.paren_list(Self::expr)? } else { Vec::new() };
        Ok(Execute { name, args })
    }

    /// opt_with_data.
    pub(super) fn opt_with_no_data(&mut self) -> Result<bool> {
        if !self.eat_kw(Kw::With) {
            return Ok(false);
        }
        let no = self.eat_kw(Kw::No);
        self.expect_kw(Kw::Data)?;
        Ok(no)
    }

    /// Behind `CREATE [UNLOGGED]` with MATERIALIZED next.
    pub(super) fn create_materialized_view(&mut self, persistence: Persistence) -> Result<Statement> {
        self.expect_kws(&[Kw::Materialized, Kw::View])?;
        let if_not_exists = self.if_not_exists()?;
        let mut relation = self.relation_name()?;
        relation.persistence = persistence;
        let columns = self.opt_name_list()?;
        let access_method = self.opt_access_method()?;
        let with = self.opt_reloptions()?;
        let tablespace = self.opt_tablespace()?;
        self.expect_kw(Kw::As)?;
        let mut into = IntoClause { columns, access_method, with, tablespace, ..into_relation(relation) };
        let query = Statement::Select(Box::new(self.query()?));
        into.no_data = self.opt_with_no_data()?;
        Ok(Statement::CreateTableAs(Box::new(CreateTableAs {
            into,
            query,
            if_not_exists,
            materialized_view: true,
        })))
    }

    fn table_element(&mut self) -> Result<TableElement> {
        if self.at_kw(Kw::Like) {
            return Ok(TableElement::Like(self.table_like()?));
        }
        if self.at_table_constraint() {
            return Ok(TableElement::Constraint(self.table_constraint()?));
        }
        Ok(TableElement::Column(self.column_def()?))
    }

    fn table_like(&mut self) -> Result<TableLike> {
        self.expect_kw(Kw::Like)?;
        let relation = self.relation_name()?;
        let mut like = TableLike {
            relation,
            comments: false,
            compression: false,
            constraints: false,
            defaults: false,
            identity: false,
            generated: false,
            indexes: false,
            statistics: false,
            storage: false,
        };
        loop {
            let on = self.at_kw(Kw::Including);
            if !on && !self.at_kw(Kw::Excluding) {
                return Ok(like);
            }
            self.bump();
            let all = self.at_kw(Kw::All);
            let mut fields = [
                (Kw::Comments, &mut like.comments),
                (Kw::Compression, &mut like.compression),
                (Kw::Constraints, &mut like.constraints),
                (Kw::Defaults, &mut like.defaults),
                (Kw::Identity, &mut like.identity),
                (Kw::Generated, &mut like.generated),
                (Kw::Indexes, &mut like.indexes),
                (Kw::Statistics, &mut like.statistics),
                (Kw::Storage, &mut like.storage),
            ];
            let mut found = all;
            for (kw, field) in &mut fields {
                if all || self.at_kw(*kw) {
                    **field = on;
                    found = true;
                }
            }
            if !found {
                return Err(self.unexpected());
            }
            self.bump();
        }
    }

    /// OptTypedTableElementList.
    fn typed_elements(&mut self) -> Result<Vec<TableElement>> {
        if !self.at(TokenKind::LeftParen) {
            return Ok(Vec::new());
        }
        self.paren_list(|p| {
            if p.at_table_constraint() {
                return Ok(TableElement::Constraint(p.table_constraint()?));
            }
            let pos = p.pos();
            let name = p.col_id()?;
            if p.eat_kw(Kw::With) {
                p.expect_kw(Kw::Options)?;
            }
            let (constraints, collation) = p.column_constraints()?;
            Ok(TableElement::Column(ColumnDef {
                name,
                type_name: None,
                compression: None,
                collation,
                constraints,
                fdw_options: Vec::new(),
                pos,
            }))
        })
    }

    /// columnDef.
    pub(super) fn column_def(&mut self) -> Result<ColumnDef> {
        let pos = self.pos();
        let name = self.col_id()?;
        let type_name = Some(self.type_name()?);
        let mut compression = None;
        if self.eat_kw(Kw::Compression) {
            compression = Some(if self.eat_kw(Kw::Default) { "default".into() } else { self.col_id()? });
        }
        let fdw_options = self.fdw_options()?;
        let (constraints, collation) = self.column_constraints()?;
        Ok(ColumnDef { name, type_name, compression, collation, constraints, fdw_options, pos })
    }

    fn opt_partition_by(&mut self) -> Result<Option<PartitionSpec>> {
        let pos = self.pos();
        if !self.eat_kw(Kw::Partition) {
            return Ok(None);
        }
        self.expect_kw(Kw::By)?;
        let strategy = self.col_id()?;
        let elements = self.paren_list(|p| {
            let pos = p.pos();
            let key = p.index_key()?;
            let collation = p.opt_collate()?;
            let opclass = if p.at_col_id() { Some(p.any_name()?) } else { None };
            Ok(PartitionElem { key, collation, opclass, pos })
        })?;
        Ok(Some(PartitionSpec { strategy, elements, pos }))
    }

    /// PartitionBoundSpec.
    pub(super) fn partition_bound(&mut self) -> Result<PartitionBound> {
        let start = self.pos();
        if self.eat_kw(Kw::Default) {
            return Ok(PartitionBound::Default(start));
        }
        self.expect_kws(&[Kw::For, Kw::Values])?;
        let pos = self.pos();
        if self.eat_kw(Kw::In) {
            return Ok(PartitionBound::In { values: self.paren_list(Self::expr)?, pos });
        }
        if self.eat_kw(Kw::From) {
            let from = self.paren_list(Self::expr)?;
            self.expect_kw(Kw::To)?;
            return Ok(PartitionBound::Range { from, to: self.paren_list(Self::expr)?, pos });
        }
        self.expect_kw(Kw::With)?;
        let (mut modulus, mut remainder) = (None, None);
        self.paren_list(|p| {
            let at = p.pos();
            let name = p.name_of(super::cursor::NON_RESERVED)?;
            let value = p.integer()?;
            let slot = match name.as_str() {
                "modulus" => &mut modulus,
                "remainder" => &mut remainder,
                other => {
                    return Err(err!(
                        SYNTAX_ERROR,
                        "unrecognized hash partition bound specification \"{other}\""
                    )
                    .position(at as usize));
                }
            };
            if slot.replace(value).is_some() {
                return Err(err!(DUPLICATE_OBJECT, "{name} for hash partition provided more than once")
                    .position(at as usize));
            }
            Ok(())
        })?;
        match (modulus, remainder) {
            (None, _) => Err(err!(SYNTAX_ERROR, "modulus for hash partition must be specified")),
            (_, None) => Err(err!(SYNTAX_ERROR, "remainder for hash partition must be specified")),
            (Some(modulus), Some(remainder)) => Ok(PartitionBound::Hash { modulus, remainder, pos }),
        }
    }
}
