//! EXPLAIN, VACUUM, ANALYZE, CLUSTER, REINDEX, COPY.

use super::cursor::{LABEL, Parser};
use crate::ast::{
    Cluster, Copy, CopySource, CopyTarget, DefAction, DefArg, DefElem, Explain, Name, Pos, Reindex,
    ReindexTarget, Statement, Vacuum, VacuumRelation,
};
use crate::lexer::{Kw, TokenKind};
use quarry_common::Result;

fn option(name: &str, arg: Option<DefArg>, pos: Pos) -> DefElem {
    DefElem { namespace: None, name: name.into(), arg, action: DefAction::Unspecified, pos }
}

impl Parser<'_> {
    /// EXPLAIN.
    pub(super) fn explain(&mut self) -> Result<Statement> {
        self.expect_kw(Kw::Explain)?;
        let mut options = Vec::new();
        if self.at(TokenKind::LeftParen) && self.nth(1) != TokenKind::LeftParen && !self.at_paren_query() {
            options = self.utility_options()?;
        } else {
            let pos = self.pos();
            if self.eat_analyze() {
                options.push(option("analyze", None, pos));
            }
            let pos = self.pos();
            if self.eat_kw(Kw::Verbose) {
                options.push(option("verbose", None, pos));
            }
        }
        let start = self.pos();
        let statement = self.nested(Self::explainable)?;
        let span = (start, self.last_end());
        Ok(Statement::Explain(Box::new(Explain { options, statement, span })))
    }

    fn eat_analyze(&mut self) -> bool {
        self.eat_kw(Kw::Analyze) || self.eat_kw(Kw::Analyse)
    }

    /// ExplainableStmt.
    fn explainable(&mut self) -> Result<Statement> {
        match self.keyword() {
            Some(Kw::Declare) => self.declare_cursor(),
            Some(Kw::Execute) => Ok(Statement::Execute(Box::new(self.execute()?))),
            Some(Kw::Refresh) => self.refresh(),
            Some(Kw::Create) => {
                self.bump();
                let persistence = self.opt_temp();
                if self.at_kw(Kw::Materialized) {
                    return self.create_materialized_view(persistence);
                }
                let statement = self.create_table(persistence)?;
                match statement {
                    Statement::CreateTableAs(_) => Ok(statement),
                    _ => Err(self.unexpected()),
                }
            }
            _ => self.preparable(),
        }
    }

    fn vacuum_relations(&mut self) -> Result<Vec<VacuumRelation>> {
        if !self.at_name(super::cursor::COL_ID) {
            return Ok(Vec::new());
        }
        self.comma_list(|p| {
            let relation = p.relation_name()?;
            Ok(VacuumRelation { relation, columns: p.opt_name_list()? })
        })
    }

    /// VACUUM.
    pub(super) fn vacuum(&mut self) -> Result<Statement> {
        self.expect_kw(Kw::Vacuum)?;
        let mut options = Vec::new();
        if self.at(TokenKind::LeftParen) {
            options = self.utility_options()?;
        } else {
            for (kw, name) in [(Kw::Full, "full"), (Kw::Freeze, "freeze"), (Kw::Verbose, "verbose")] {
                let pos = self.pos();
                if self.eat_kw(kw) {
                    options.push(option(name, None, pos));
                }
            }
            let pos = self.pos();
            if self.eat_analyze() {
                options.push(option("analyze", None, pos));
            }
        }
        let relations = self.vacuum_relations()?;
        Ok(Statement::Vacuum(Box::new(Vacuum { vacuum: true, options, relations })))
    }

    /// ANALYZE.
    pub(super) fn analyze(&mut self) -> Result<Statement> {
        self.bump();
        let mut options = Vec::new();
        if self.at(TokenKind::LeftParen) {
            options = self.utility_options()?;
        } else {
            let pos = self.pos();
            if self.eat_kw(Kw::Verbose) {
                options.push(option("verbose", None, pos));
            }
        }
        let relations = self.vacuum_relations()?;
        Ok(Statement::Vacuum(Box::new(Vacuum { vacuum: false, options, relations })))
    }

    /// CLUSTER.
    pub(super) fn cluster(&mut self) -> Result<Statement> {
        self.expect_kw(Kw::Cluster)?;
        let mut options = Vec::new();
        let mut required = false;
        if self.at(TokenKind::LeftParen) {
            options = self.utility_options()?;
            required = true;
        } else {
            let pos = self.pos();
            if self.eat_kw(Kw::Verbose) {
                options.push(option("verbose", None, pos));
            }
        }
        let (mut relation, mut index) = (None, None);
        if required || self.at_name(super::cursor::COL_ID) {
            let first = self.relation_name()?;
            if !required && first.schema.is_none() && self.eat_kw(Kw::On) {
                index = Some(first.name);
                relation = Some(self.relation_name()?);
            } else {
                relation = Some(first);
                if self.eat_kw(Kw::Using) {
                    index = Some(self.col_id()?);
                }
            }
        }
        Ok(Statement::Cluster(Box::new(Cluster { relation, index, options })))
    }

    /// REINDEX.
    pub(super) fn reindex(&mut self) -> Result<Statement> {
        self.expect_kw(Kw::Reindex)?;
        let mut options = if self.at(TokenKind::LeftParen) { self.utility_options()? } else { Vec::new() };
        let kw = self.keyword();
        if !matches!(kw, Some(Kw::Index | Kw::Table | Kw::Schema | Kw::System | Kw::Database)) {
            return Err(self.unexpected());
        }
        self.bump();
        let pos = self.pos();
        if self.eat_kw(Kw::Concurrently) {
            options.push(option("concurrently", None, pos));
        }
        let target = match kw {
            Some(Kw::Index) => ReindexTarget::Index(self.relation_name()?),
            Some(Kw::Table) => ReindexTarget::Table(self.relation_name()?),
            Some(Kw::Schema) => ReindexTarget::Schema(self.name()?),
            Some(Kw::System) => ReindexTarget::System(self.name()?),
            _ => ReindexTarget::Database(self.name()?),
        };
        Ok(Statement::Reindex(Box::new(Reindex { target, options })))
    }

    /// COPY.
    pub(super) fn copy(&mut self) -> Result<Statement> {
        let pos = self.expect_kw(Kw::Copy)?;
        if self.eat(TokenKind::LeftParen) {
            let statement = self.nested(Self::preparable)?;
            self.expect(TokenKind::RightParen)?;
            self.expect_kw(Kw::To)?;
            let target = self.copy_target(false)?;
            self.eat_kw(Kw::With);
            let options = self.copy_options()?;
            let source = CopySource::Query(Box::new(statement));
            return Ok(Statement::Copy(Box::new(Copy {
                source,
                from: false,
                target,
                options,
                where_clause: None,
                pos,
            })));
        }
        let mut options = Vec::new();
        let binary_pos = self.pos();
        if self.at_kw(Kw::Binary) {
            self.bump();
            options.push(option("format", Some(DefArg::String("binary".into())), binary_pos));
        }
        let relation = self.relation_name()?;
        let columns = self.opt_name_list()?;
        let from = self.eat_kw(Kw::From);
        if !from {
            self.expect_kw(Kw::To)?;
        }
        let target = self.copy_target(from)?;
        let delimiters_pos = self.pos();
        if self.at_kw(Kw::Using) || self.at_kw(Kw::Delimiters) {
            self.eat_kw(Kw::Using);
            self.expect_kw(Kw::Delimiters)?;
            options.push(option("delimiter", Some(DefArg::String(self.string()?)), delimiters_pos));
        }
        self.eat_kw(Kw::With);
        options.extend(self.copy_options()?);
        let where_pos = self.pos();
        let where_clause = self.opt_where()?;
        if !from && where_clause.is_some() {
            return Err(self.grammar_error("WHERE clause not allowed with COPY TO", where_pos));
        }
        let source = CopySource::Relation { relation, columns };
        Ok(Statement::Copy(Box::new(Copy { source, from, target, options, where_clause, pos })))
    }

    /// copy_file_name, with PROGRAM.
    fn copy_target(&mut self, _from: bool) -> Result<CopyTarget> {
        if self.eat_kw(Kw::Stdin) || self.eat_kw(Kw::Stdout) {
            return Ok(CopyTarget::Client);
        }
        let pos = self.pos();
        if self.eat_kw(Kw::Program) {
            if self.at_kw(Kw::Stdin) || self.at_kw(Kw::Stdout) {
                return Err(self.grammar_error("STDIN/STDOUT not allowed with PROGRAM", pos + 8));
            }
            return Ok(CopyTarget::Program(self.string()?));
        }
        Ok(CopyTarget::File(self.string()?))
    }

    fn copy_options(&mut self) -> Result<Vec<DefElem>> {
        if self.at(TokenKind::LeftParen) {
            return self.paren_list(Self::copy_generic_option);
        }
        let mut options = Vec::new();
        while let Some(option) = self.opt_copy_item()? {
            options.push(option);
        }
        Ok(options)
    }

    /// copy_generic_opt_elem.
    fn copy_generic_option(&mut self) -> Result<DefElem> {
        let pos = self.pos();
        let name = self.name_of(LABEL)?;
        let arg = match self.kind() {
            TokenKind::Comma | TokenKind::RightParen => None,
            TokenKind::Star => {
                self.bump();
                Some(DefArg::Star)
            }
            TokenKind::LeftParen => {
                Some(DefArg::List(self.paren_list(|p| Ok(DefArg::String(p.boolean_or_string()?)))?))
            }
            _ => Some(self.scalar_arg()?),
        };
        Ok(option(&name, arg, pos))
    }

    /// copy_opt_item: the syntax before PostgreSQL 9.0.
    fn opt_copy_item(&mut self) -> Result<Option<DefElem>> {
        let pos = self.pos();
        let Some(kw) = self.keyword() else { return Ok(None) };
        let (name, arg) = match kw {
            Kw::Binary | Kw::Csv => {
                self.bump();
                ("format", DefArg::String(kw.text().into()))
            }
            Kw::Freeze | Kw::Header => {
                self.bump();
                (kw.text(), DefArg::Boolean(true))
            }
            Kw::Delimiter | Kw::Null | Kw::Quote | Kw::Escape => {
                self.bump();
                self.eat_kw(Kw::As);
                (kw.text(), DefArg::String(self.string()?))
            }
            Kw::Encoding => {
                self.bump();
                ("encoding", DefArg::String(self.string()?))
            }
            Kw::Force => {
                self.bump();
                let names = |list: Vec<Name>| {
                    DefArg::List(list.into_iter().map(|n| DefArg::String(n.value)).collect())
                };
                if self.eat_kw(Kw::Quote) {
                    if self.eat(TokenKind::Star) {
                        ("force_quote", DefArg::Star)
                    } else {
                        ("force_quote", names(self.comma_list(Self::name)?))
                    }
                } else if self.eat_kw(Kw::Not) {
                    self.expect_kw(Kw::Null)?;
                    ("force_not_null", names(self.comma_list(Self::name)?))
                } else {
                    self.expect_kw(Kw::Null)?;
                    ("force_null", names(self.comma_list(Self::name)?))
                }
            }
            _ => return Ok(None),
        };
        Ok(Some(option(name, Some(arg), pos)))
    }
}
