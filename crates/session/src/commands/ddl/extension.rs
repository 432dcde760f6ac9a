//! CREATE EXTENSION: what PostgreSQL's own extensions add is not there, except plpgsql's name.

use super::Ddl;
use crate::session::Session;
use quarry_common::{Error, Result, bail, err};
use quarry_sql::ast;

pub fn run(s: &mut Session, c: &ast::CreateExtension) -> Result<()> {
    let d = Ddl::new(s)?;
    if c.name == "plpgsql" {
        if c.if_not_exists {
            d.notice(err!(DUPLICATE_OBJECT, "extension \"plpgsql\" already exists, skipping"));
            return Ok(());
        }
        bail!(DUPLICATE_OBJECT, "extension \"plpgsql\" already exists");
    }
    Err(Error::unsupported(format_args!("extension \"{}\"", c.name)))
}
