//! Extensions. Those that can be made are part of the server ([`quarry_functions::registry::extensions`]): making one makes its functions'
//! `pg_proc` rows, by which names find them.

use super::CatalogWriter;
use crate::acl::{Privilege, grant};
use crate::builtin::bootstrap::function_row;
use crate::builtin::columns::{pg_extension, pg_proc};
use crate::builtin::oids;
use crate::cache::Touched;
use crate::object::{DependencyType, ObjectAddress};
use crate::row::{Row, char_datum, oid_datum};
use quarry_common::{Oid, Result};
use quarry_functions::registry::Extension;
use quarry_types::Datum;

impl CatalogWriter {
    /// Makes an extension and its functions, which its owner alone may call.
    pub fn create_extension(&self, extension: &Extension, schema: Oid, owner: Oid) -> Result<Oid> {
        let oid = self.new_oid()?;
        // Names of functions may mean others from now on.
        self.touch([Touched::All]);
        self.insert(
            pg_extension::TABLE,
            &Row(vec![
                oid_datum(oid),
                Datum::text(extension.name),
                oid_datum(owner),
                oid_datum(schema),
                Datum::Bool(true),
                Datum::text(extension.version),
                Datum::Null,
                Datum::Null,
            ]),
        )?;
        let address = ObjectAddress::new(pg_extension::TABLE, oid);
        self.record_owner(address, owner)?;
        self.add_dependency(address, ObjectAddress::schema(schema), DependencyType::Normal)?;
        for f in extension.functions {
            let mut row = function_row(f);
            let mut acl = vec![];
            grant(&mut acl, owner, owner, Privilege::Execute.bit(), false);
            row.0[pg_proc::PRONAMESPACE] = oid_datum(schema);
            row.0[pg_proc::PROOWNER] = oid_datum(owner);
            row.0[pg_proc::PROLANG] = oid_datum(oids::C_LANGUAGE);
            row.0[pg_proc::PROPARALLEL] = char_datum(if f.out_args.is_empty() { 'r' } else { 'u' });
            row.0[pg_proc::PROBIN] = Datum::text(&format!("$libdir/{}", extension.name));
            row.0[pg_proc::PROACL] = crate::arrays::acl_array(&acl);
            self.insert(pg_proc::TABLE, &row)?;
            let function = ObjectAddress::function(f.oid);
            self.record_owner(function, owner)?;
            self.add_dependency(function, address, DependencyType::Extension)?;
        }
        self.advance();
        Ok(oid)
    }
}
