//! Which statement's parser comes next.

use super::cursor::Parser;
use crate::ast::{SetStatement, Statement};
use crate::lexer::{Kw, TokenKind};
use quarry_common::Result;

impl Parser<'_> {
    /// One statement, without its semicolon.
    pub fn statement(&mut self) -> Result<Statement> {
        let kw = match self.kind() {
            TokenKind::Keyword(kw) => kw,
            TokenKind::LeftParen => return Ok(Statement::Select(Box::new(self.query()?))),
            _ => return Err(self.unexpected()),
        };
        let pos = self.pos();
        match kw {
            Kw::Select | Kw::Values | Kw::Table => Ok(Statement::Select(Box::new(self.query()?))),
            Kw::With => self.statement_with(pos),
            Kw::Insert | Kw::Update | Kw::Delete | Kw::Merge => self.data_change(None),
            Kw::Create => self.create_statement(),
            Kw::Alter => self.alter_statement(),
            Kw::Drop => self.drop_statement(),
            Kw::Begin
            | Kw::Start
            | Kw::Commit
            | Kw::End
            | Kw::Abort
            | Kw::Rollback
            | Kw::Savepoint
            | Kw::Release => self.transaction(kw),
            Kw::Set => self.set_statement(),
            Kw::Reset => {
                let kind = self.reset()?;
                Ok(Statement::Set(Box::new(SetStatement { local: false, kind })))
            }
            Kw::Show => self.show(),
            Kw::Truncate => self.truncate(),
            Kw::Copy => self.copy(),
            Kw::Explain => self.explain(),
            Kw::Prepare => self.prepare(),
            Kw::Execute => Ok(Statement::Execute(Box::new(self.execute()?))),
            Kw::Deallocate => self.deallocate(),
            Kw::Declare => self.declare_cursor(),
            Kw::Fetch | Kw::Move => self.fetch(),
            Kw::Close => self.close(),
            Kw::Listen => self.listen(),
            Kw::Notify => self.notify(),
            Kw::Unlisten => self.unlisten(),
            Kw::Discard => self.discard(),
            Kw::Load => self.load(),
            Kw::Lock => self.lock(),
            Kw::Vacuum => self.vacuum(),
            Kw::Analyze | Kw::Analyse => self.analyze(),
            Kw::Cluster => self.cluster(),
            Kw::Reindex => self.reindex(),
            Kw::Refresh => self.refresh(),
            Kw::Checkpoint => {
                self.bump();
                Ok(Statement::Checkpoint)
            }
            Kw::Comment => self.comment(),
            Kw::Grant => self.grant_statement(),
            Kw::Revoke => self.revoke_statement(),
            Kw::Reassign => self.reassign_owned(),
            Kw::Do => self.do_block(),
            Kw::Call => self.call_statement(),
            Kw::Security => {
                self.bump();
                self.expect_kw(Kw::Label)?;
                Ok(self.unsupported("SECURITY LABEL", pos))
            }
            Kw::Import => {
                self.bump();
                self.expect_kws(&[Kw::Foreign, Kw::Schema])?;
                Ok(self.unsupported("IMPORT FOREIGN SCHEMA", pos))
            }
            _ => Err(self.unexpected()),
        }
    }
}
