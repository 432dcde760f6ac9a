//! Extensions. Those that can be made are part of the server ([`quarry_functions::registry::extensions`]): making one makes its functions'
//! `pg_proc` rows, by which names find them.

use super::CatalogWriter;
use crate::acl::{Privilege, grant};
use crate::builtin::bootstrap::{function_row, operator_row};
use crate::builtin::columns::{pg_amop, pg_extension, pg_opclass, pg_operator, pg_opfamily, pg_proc};
use crate::builtin::oids;
use crate::cache::Touched;
use crate::object::{DependencyType, ObjectAddress};
use crate::row::{Row, char_datum, oid_datum};
use quarry_common::{Oid, Result};
use quarry_functions::Volatility;
use quarry_functions::registry::{Extension, ExtensionClass};
use quarry_types::Datum;

impl CatalogWriter {
    /// Makes an extension with its functions, operators and operator classes.
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
        self.set_comment(address, Some(extension.comment))?;
        // What a trusted extension makes isn't its owner's.
        let owner = if self.is_superuser(owner)? { owner } else { oids::SUPERUSER };
        for f in extension.functions {
            let mut row = function_row(f);
            row.0[pg_proc::PRONAMESPACE] = oid_datum(schema);
            row.0[pg_proc::PROOWNER] = oid_datum(owner);
            row.0[pg_proc::PROLANG] = oid_datum(oids::C_LANGUAGE);
            row.0[pg_proc::PROPARALLEL] = char_datum(match extension.public {
                true if f.volatility == Volatility::Volatile => 'u',
                true => 's',
                false if f.out_args.is_empty() => 'r',
                false => 'u',
            });
            row.0[pg_proc::PROBIN] = Datum::text(&format!("$libdir/{}", extension.name));
            if !extension.public {
                let mut acl = vec![];
                grant(&mut acl, owner, owner, Privilege::Execute.bit(), false);
                row.0[pg_proc::PROACL] = crate::arrays::acl_array(&acl);
            }
            self.insert(pg_proc::TABLE, &row)?;
            let function = ObjectAddress::function(f.oid);
            self.record_owner(function, owner)?;
            self.add_dependency(function, address, DependencyType::Extension)?;
        }
        for o in extension.operators {
            let mut row = operator_row(o);
            row.0[pg_operator::OPRNAMESPACE] = oid_datum(schema);
            row.0[pg_operator::OPROWNER] = oid_datum(owner);
            self.insert(pg_operator::TABLE, &row)?;
            let operator = ObjectAddress::operator(o.oid);
            self.record_owner(operator, owner)?;
            self.add_dependency(operator, ObjectAddress::schema(schema), DependencyType::Normal)?;
            self.add_dependency(operator, ObjectAddress::function(o.function), DependencyType::Normal)?;
            self.add_dependency(operator, address, DependencyType::Extension)?;
        }
        for c in extension.classes {
            self.create_extension_class(c, address, schema, owner)?;
        }
        self.advance();
        Ok(oid)
    }

    /// What a relation's making belongs to: it goes with the extension, and isn't dumped.
    pub fn add_extension_member(&self, relation: Oid, extension: Oid) -> Result<()> {
        let extension = ObjectAddress::new(pg_extension::TABLE, extension);
        self.add_dependency(ObjectAddress::relation(relation), extension, DependencyType::Extension)
    }

    /// Plans that are kept anywhere are to be made again once the transaction commits.
    pub fn outdate_plans(&self) {
        self.touch([Touched::All]);
    }

    /// An operator class and its family.
    fn create_extension_class(
        &self,
        c: &ExtensionClass,
        extension: ObjectAddress,
        schema: Oid,
        owner: Oid,
    ) -> Result<()> {
        let in_schema = [Datum::text(c.name), oid_datum(schema), oid_datum(owner)];
        let mut row = vec![oid_datum(c.family), oid_datum(c.method)];
        row.extend(in_schema.clone());
        self.insert(pg_opfamily::TABLE, &Row(row))?;
        let family = ObjectAddress::new(pg_opfamily::TABLE, c.family);
        let mut row = vec![oid_datum(c.oid), oid_datum(c.method)];
        row.extend(in_schema);
        row.extend([oid_datum(c.family), oid_datum(c.input), Datum::Bool(false), oid_datum(c.key_type)]);
        self.insert(pg_opclass::TABLE, &Row(row))?;
        let class = ObjectAddress::new(pg_opclass::TABLE, c.oid);
        for object in [family, class] {
            self.record_owner(object, owner)?;
            self.add_dependency(object, ObjectAddress::schema(schema), DependencyType::Normal)?;
            self.add_dependency(object, extension, DependencyType::Extension)?;
        }
        self.add_dependency(class, family, DependencyType::Auto)?;
        for (strategy, operator) in c.operators {
            let oid = self.new_oid()?;
            let row = Row(vec![
                oid_datum(oid),
                oid_datum(c.family),
                oid_datum(c.input),
                oid_datum(c.input),
                Datum::I16(*strategy as i16),
                char_datum('s'),
                oid_datum(*operator),
                oid_datum(c.method),
                oid_datum(Oid::INVALID),
            ]);
            self.insert(pg_amop::TABLE, &row)?;
            let member = ObjectAddress::new(pg_amop::TABLE, oid);
            self.add_dependency(member, ObjectAddress::operator(*operator), DependencyType::Normal)?;
            self.add_dependency(member, class, DependencyType::Internal)?;
        }
        Ok(())
    }
}
