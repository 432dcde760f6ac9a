//! CREATE: which object's parser comes next.

use super::cursor::Parser;
use crate::ast::{Persistence, Statement};
use crate::lexer::Kw;
use quarry_common::Result;

impl Parser<'_> {
    /// CREATE.
    pub(super) fn create_statement(&mut self) -> Result<Statement> {
        let pos = self.expect_kw(Kw::Create)?;
        if self.eat_kw(Kw::Or) {
            self.expect_kw(Kw::Replace)?;
            return self.create_or_replace(pos);
        }
        let Some(kw) = self.keyword() else { return Err(self.unexpected()) };
        match kw {
            Kw::Table | Kw::Temp | Kw::Temporary | Kw::Local | Kw::Global | Kw::Unlogged => {
                let persistence = self.opt_temp();
                match self.keyword() {
                    Some(Kw::Sequence) => self.create_sequence(persistence),
                    Some(Kw::View | Kw::Recursive) => self.create_view(false, persistence),
                    Some(Kw::Materialized) if persistence == Persistence::Unlogged => {
                        self.create_materialized_view(persistence)
                    }
                    _ => self.create_table(persistence),
                }
            }
            Kw::View | Kw::Recursive => self.create_view(false, Persistence::Permanent),
            Kw::Materialized => self.create_materialized_view(Persistence::Permanent),
            Kw::Index | Kw::Unique => self.create_index(),
            Kw::Sequence => self.create_sequence(Persistence::Permanent),
            Kw::Schema => self.create_schema(),
            Kw::Type => self.create_type(),
            Kw::Domain => self.create_domain(),
            Kw::Extension => self.create_extension(),
            Kw::Function | Kw::Procedure => self.create_function(false),
            Kw::Trigger | Kw::Constraint => self.create_trigger(false),
            Kw::Policy => self.create_policy(),
            Kw::Rule => self.create_rule(false),
            Kw::Statistics => self.create_statistics(),
            Kw::Role | Kw::Group => self.create_role(),
            Kw::User if !self.nth_kw(1, Kw::Mapping) => self.create_role(),
            Kw::Database => self.create_database(),
            Kw::Tablespace => self.create_tablespace(),
            Kw::Cast => self.create_cast(),
            Kw::Aggregate => self.create_aggregate(false),
            Kw::Collation => self.create_collation(),
            Kw::Operator => self.create_operator(pos),
            Kw::Text => self.create_text_search(),
            Kw::Publication => self.create_publication(),
            Kw::Subscription => self.create_subscription(),
            _ => self.create_unsupported(kw, pos),
        }
    }

    fn create_or_replace(&mut self, pos: u32) -> Result<Statement> {
        let Some(kw) = self.keyword() else { return Err(self.unexpected()) };
        match kw {
            Kw::Function | Kw::Procedure => self.create_function(true),
            Kw::View | Kw::Recursive => self.create_view(true, Persistence::Permanent),
            Kw::Temp | Kw::Temporary | Kw::Local | Kw::Global | Kw::Unlogged => {
                let persistence = self.opt_temp();
                self.create_view(true, persistence)
            }
            Kw::Trigger | Kw::Constraint => self.create_trigger(true),
            Kw::Rule => self.create_rule(true),
            Kw::Aggregate => self.create_aggregate(true),
            Kw::Trusted | Kw::Procedural | Kw::Language => Ok(self.unsupported("CREATE LANGUAGE", pos)),
            Kw::Transform => Ok(self.unsupported("CREATE TRANSFORM", pos)),
            _ => Err(self.unexpected()),
        }
    }

    /// What PostgreSQL has and Quarry has not.
    fn create_unsupported(&mut self, kw: Kw, pos: u32) -> Result<Statement> {
        let (second, what) = match kw {
            Kw::Access => (Some(Kw::Method), "CREATE ACCESS METHOD"),
            Kw::Event => (Some(Kw::Trigger), "CREATE EVENT TRIGGER"),
            Kw::User => (Some(Kw::Mapping), "CREATE USER MAPPING"),
            Kw::Foreign => {
                self.bump();
                if self.at_kw(Kw::Table) {
                    return Ok(self.unsupported("CREATE FOREIGN TABLE", pos));
                }
                self.expect_kws(&[Kw::Data, Kw::Wrapper])?;
                return Ok(self.unsupported("CREATE FOREIGN DATA WRAPPER", pos));
            }
            Kw::Default => (Some(Kw::Conversion), "CREATE CONVERSION"),
            Kw::Conversion => (None, "CREATE CONVERSION"),
            Kw::Server => (None, "CREATE SERVER"),
            Kw::Transform => (None, "CREATE TRANSFORM"),
            Kw::Trusted | Kw::Procedural | Kw::Language => (None, "CREATE LANGUAGE"),
            _ => return Err(self.unexpected()),
        };
        self.bump();
        if let Some(second) = second {
            self.expect_kw(second)?;
        }
        Ok(self.unsupported(what, pos))
    }
}
