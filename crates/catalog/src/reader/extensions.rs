//! Extensions of a database, and their functions by name.

use super::{CatalogReader, quote_identifier};
use crate::acl::{AclObject, Privilege};
use crate::builtin::columns::{pg_extension, pg_opclass, pg_operator, pg_proc};
use crate::builtin::opclass::{self, OpClass};
use crate::row::oid_datum;
use quarry_common::{Oid, Result, bail};
use quarry_functions::registry;
use quarry_functions::{FunctionDef, OperatorDef};
use quarry_types::Datum;

/// A row of `pg_extension`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InstalledExtension {
    pub oid: Oid,
    pub owner: Oid,
    pub version: String,
}

impl CatalogReader {
    pub fn extension(&self, name: &str) -> Result<Option<InstalledExtension>> {
        let row = self.find_one(&self.snapshot(), pg_extension::TABLE, 3081, &[Datum::text(name)])?;
        Ok(row.map(|(_, r)| InstalledExtension {
            oid: r.oid(pg_extension::OID),
            owner: r.oid(pg_extension::EXTOWNER),
            version: r.str(pg_extension::EXTVERSION).to_owned(),
        }))
    }

    /// Overloads of a function that an extension has made, if it is in the given schema or in the search path.
    pub(super) fn extension_functions(
        &self,
        schema: Option<&str>,
        name: &str,
    ) -> Result<&'static [&'static FunctionDef]> {
        let all = registry::extension_functions_named(name);
        let Some(first) = all.first() else { return Ok(&[]) };
        let row = self.find_one(&self.snapshot(), pg_proc::TABLE, 2690, &[oid_datum(first.oid)])?;
        let Some((_, row)) = row else { return Ok(&[]) };
        let namespace = row.oid(pg_proc::PRONAMESPACE);
        let found = match schema {
            Some(schema) => self.schema_oid(schema)? == Some(namespace),
            None => self.search_path()?.contains(&namespace),
        };
        Ok(if found { all } else { &[] })
    }

    /// Overloads of an operator of which an extension has made some, with the builtin ones if no schema is given; none if the
    /// extension isn't there or not in the given schema or the search path.
    pub(super) fn extension_operators(
        &self,
        schema: Option<&str>,
        name: &str,
    ) -> Result<&'static [&'static OperatorDef]> {
        let own = registry::extension_operators_named(name);
        let Some(first) = own.first() else { return Ok(&[]) };
        let row = self.find_one(&self.snapshot(), pg_operator::TABLE, 2688, &[oid_datum(first.oid)])?;
        let Some((_, row)) = row else { return Ok(&[]) };
        let namespace = row.oid(pg_operator::OPRNAMESPACE);
        Ok(match schema {
            None if self.search_path()?.contains(&namespace) => registry::operators_named_everywhere(name),
            Some(schema) if self.schema_oid(schema)? == Some(namespace) => own,
            _ => &[],
        })
    }

    /// The schema of an operator that an extension has made.
    pub(crate) fn extension_operator_schema(&self, oid: Oid) -> Result<Option<Oid>> {
        if !registry::EXTENSIONS.iter().any(|e| e.operators.iter().any(|o| o.oid == oid)) {
            return Ok(None);
        }
        let row = self.find_one(&self.snapshot(), pg_operator::TABLE, 2688, &[oid_datum(oid)])?;
        Ok(row.map(|(_, row)| row.oid(pg_operator::OPRNAMESPACE)))
    }

    /// An operator class that an extension has made, if it is in the given schema or in the search path.
    pub fn extension_opclass(
        &self,
        schema: Option<&str>,
        method: Oid,
        name: &str,
    ) -> Result<Option<&'static OpClass>> {
        let Some(class) = opclass::extension_opclass_named(method, name) else { return Ok(None) };
        let row = self.find_one(&self.snapshot(), pg_opclass::TABLE, 2687, &[oid_datum(class.oid)])?;
        let Some((_, row)) = row else { return Ok(None) };
        let namespace = row.oid(pg_opclass::OPCNAMESPACE);
        let found = match schema {
            Some(schema) => self.schema_oid(schema)? == Some(namespace),
            None => self.search_path()?.contains(&namespace),
        };
        Ok(found.then_some(class))
    }

    /// An operator class's name, qualified if the name alone doesn't find it.
    pub fn opclass_name(&self, class: &OpClass) -> Result<String> {
        let name = quote_identifier(class.name);
        if opclass::extension_opclass_named(class.method, class.name).is_none() {
            return Ok(name);
        }
        let row = self.find_one(&self.snapshot(), pg_opclass::TABLE, 2687, &[oid_datum(class.oid)])?;
        let Some((_, row)) = row else { return Ok(name) };
        let schema = row.oid(pg_opclass::OPCNAMESPACE);
        Ok(match self.search_path()?.contains(&schema) {
            true => name,
            false => format!("{}.{name}", quote_identifier(&self.schema_name(schema)?)),
        })
    }

    /// The schema of a function that an extension has made.
    fn extension_function_schema(&self, oid: Oid) -> Result<Option<Oid>> {
        if !registry::EXTENSIONS.iter().any(|e| e.functions.iter().any(|f| f.oid == oid)) {
            return Ok(None);
        }
        let row = self.find_one(&self.snapshot(), pg_proc::TABLE, 2690, &[oid_datum(oid)])?;
        Ok(row.map(|(_, row)| row.oid(pg_proc::PRONAMESPACE)))
    }

    pub(crate) fn is_visible_extension_function(&self, oid: Oid) -> Result<Option<bool>> {
        Ok(match self.extension_function_schema(oid)? {
            Some(schema) => Some(self.search_path()?.contains(&schema)),
            None => None,
        })
    }

    /// `name(type,type)`, qualified if the name alone doesn't find it; none if no extension here has made it.
    pub(super) fn extension_function_name(&self, oid: Oid) -> Result<Option<String>> {
        let (Some(schema), Some(f)) = (self.extension_function_schema(oid)?, registry::function(oid)) else {
            return Ok(None);
        };
        let name = self.format_procedure(f.name, f.args)?;
        Ok(Some(match self.search_path()?.contains(&schema) {
            true => name,
            false => format!("{}.{name}", quote_identifier(&self.schema_name(schema)?)),
        }))
    }

    /// The function's name alone, qualified if that doesn't find it or finds others too.
    pub(super) fn extension_proc_name(&self, oid: Oid) -> Result<Option<String>> {
        let (Some(schema), Some(f)) = (self.extension_function_schema(oid)?, registry::function(oid)) else {
            return Ok(None);
        };
        let alone = registry::extension_functions_named(f.name).len() == 1;
        Ok(Some(match alone && self.search_path()?.contains(&schema) {
            true => quote_identifier(f.name),
            false => super::quote_qualified(&self.schema_name(schema)?, f.name),
        }))
    }

    /// The function of an extension with these argument types; none if there is none.
    pub fn extension_function(&self, name: &[String], args: &[Oid]) -> Result<Option<Oid>> {
        let (schema, name) = match name {
            [name] => (None, name),
            [.., schema, name] => (Some(schema.as_str()), name),
            [] => return Ok(None),
        };
        let all = self.extension_functions(schema, name)?;
        Ok(all.iter().find(|f| f.args == args).map(|f| f.oid))
    }

    /// 42501 unless the user may call the function.
    pub fn check_function(&self, function: Oid, name: &str) -> Result<()> {
        let row = self.find_one(&self.snapshot(), pg_proc::TABLE, 2690, &[oid_datum(function)])?;
        if let Some((_, row)) = row {
            let (acl, owner) = (row.acl(pg_proc::PROACL), row.oid(pg_proc::PROOWNER));
            let wanted = Privilege::Execute.bit();
            let user = self.session().user;
            if self.acl_privileges(acl.as_deref(), AclObject::Function, owner, user, wanted)? == wanted {
                return Ok(());
            }
        }
        bail!(INSUFFICIENT_PRIVILEGE, "permission denied for function {name}")
    }
}
