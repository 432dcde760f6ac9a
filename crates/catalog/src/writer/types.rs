//! User-defined types: enums and domains. Composite types are relations ([`super::relation`]).

use super::CatalogWriter;
use crate::builtin::columns::{pg_class, pg_constraint, pg_enum, pg_type};
use crate::defs::TypeKind;
use crate::object::{DependencyType, ObjectAddress, StoredExpr};
use crate::row::{Row, oid_datum, opt_text};
use crate::rows::{ConstraintRow, TypeRow};
use quarry_common::{Oid, Result, bail, err};
use quarry_types::registry::{user_domain, user_enum};
use quarry_types::{Datum, SqlType};

/// A domain to be made.
#[derive(Clone, Debug)]
pub struct NewDomain {
    pub name: String,
    pub schema: Oid,
    pub owner: Oid,
    /// The type it is over, which may be a domain.
    pub base: SqlType,
    /// Invalid: the base type's.
    pub collation: Oid,
    pub not_null: bool,
    pub default: Option<StoredExpr>,
    /// Name and expression.
    pub checks: Vec<(String, StoredExpr)>,
}

/// An enum's labels: OID, sort order, text.
type Labels = Vec<(Oid, f32, String)>;

impl CatalogWriter {
    /// 42710 if a type that is no automatically named array has the name.
    pub fn check_type_name_free(&self, schema: Oid, name: &str) -> Result<()> {
        if let Some(existing) = self.type_in(schema, name)?
            && !self.move_array_type_away(existing)?
        {
            bail!(DUPLICATE_OBJECT, "type \"{name}\" already exists");
        }
        Ok(())
    }

    /// Makes an enum.
    pub fn create_enum(&self, name: &str, schema: Oid, owner: Oid, labels: &[String]) -> Result<Oid> {
        self.check_type_name_free(schema, name)?;
        let (oid, array) = (self.new_oid()?, self.new_oid()?);
        self.insert_type(&user_enum(oid, name.to_owned(), array), schema, owner, true)?;
        for (i, label) in labels.iter().enumerate() {
            check_label(label)?;
            if labels[..i].contains(label) {
                return Err(err!(
                    UNIQUE_VIOLATION,
                    "duplicate key value violates unique constraint \"pg_enum_typid_label_index\""
                )
                .detail(format!("Key (enumtypid, enumlabel)=({oid}, {label}) already exists.")));
            }
            self.insert_label(oid, (i + 1) as f32, label)?;
        }
        self.advance();
        Ok(oid)
    }
    fn insert_label(&self, ty: Oid, order: f32, label: &str) -> Result<()> {
        let row = Row(vec![oid_datum(self.new_oid()?), oid_datum(ty), Datum::F32(order), Datum::text(label)]);
        self.insert(pg_enum::TABLE, &row)?;
        Ok(())
    }
    fn enum_labels(&self, ty: Oid) -> Result<(String, Oid, Labels)> {
        match self.type_def(ty)? {
            Some(d) => match &d.kind {
                TypeKind::Enum { labels } => Ok((d.name.clone(), d.schema, labels.clone())),
                _ => bail!(WRONG_OBJECT_TYPE, "{} is not an enum", self.type_name(ty)?),
            },
            None => bail!(UNDEFINED_OBJECT, "type with OID {ty} does not exist"),
        }
    }
    /// Adds a label: at the end, or before or after `neighbour`. False if it is there already and `if_not_exists`.
    pub fn add_enum_value(
        &self,
        ty: Oid,
        label: &str,
        neighbour: Option<(&str, bool)>,
        if_not_exists: bool,
    ) -> Result<bool> {
        check_label(label)?;
        let (name, schema, labels) = self.enum_labels(ty)?;
        if labels.iter().any(|l| l.2 == label) {
            if if_not_exists {
                return Ok(false);
            }
            bail!(DUPLICATE_OBJECT, "enum label \"{label}\" already exists");
        }
        let order = match neighbour {
            None => labels.last().map_or(1.0, |l| l.1 + 1.0),
            Some((other, after)) => {
                let Some(at) = labels.iter().position(|l| l.2 == other) else {
                    bail!(INVALID_PARAMETER_VALUE, "\"{other}\" is not an existing enum label")
                };
                let (low, high) = if after {
                    (Some(labels[at].1), labels.get(at + 1).map(|l| l.1))
                } else {
                    (at.checked_sub(1).map(|i| labels[i].1), Some(labels[at].1))
                };
                match (low, high) {
                    (Some(l), Some(h)) => (l + h) / 2.0,
                    (Some(l), None) => l + 1.0,
                    (None, Some(h)) => h - 1.0,
                    (None, None) => 1.0,
                }
            }
        };
        self.touch_type(ty, schema, &name);
        self.insert_label(ty, order, label)?;
        self.advance();
        Ok(true)
    }
    /// Renames a label.
    pub fn rename_enum_value(&self, ty: Oid, from: &str, to: &str) -> Result<()> {
        check_label(to)?;
        let (name, schema, labels) = self.enum_labels(ty)?;
        let Some(label) = labels.iter().find(|l| l.2 == from) else {
            bail!(INVALID_PARAMETER_VALUE, "\"{from}\" is not an existing enum label")
        };
        if labels.iter().any(|l| l.2 == to) {
            bail!(DUPLICATE_OBJECT, "enum label \"{to}\" already exists");
        }
        self.touch_type(ty, schema, &name);
        self.change_oid(pg_enum::TABLE, 3502, label.0, |r| r.0[pg_enum::ENUMLABEL] = Datum::text(to))?;
        self.advance();
        Ok(())
    }

    /// Makes a domain.
    pub fn create_domain(&self, new: &NewDomain) -> Result<Oid> {
        self.check_type_name_free(new.schema, &new.name)?;
        let base_info = self.type_ref(new.base.oid)?;
        if base_info.kind == 'p' {
            bail!(
                DATATYPE_MISMATCH,
                "\"{}\" is not a valid base type for a domain",
                self.type_name(new.base.oid)?
            );
        }
        let (oid, array) = (self.new_oid()?, self.new_oid()?);
        let info = user_domain(oid, new.name.clone(), array, new.base, &base_info);
        let mut row = TypeRow::new(&info, new.schema, new.owner);
        row.not_null = new.not_null;
        let default_field = new.default.as_ref().map(|d| self.stored_expr(d));
        row.default_bin = default_field.as_deref();
        row.default = new.default.as_ref().map(|d| d.sql.as_str());
        if new.collation.is_valid() {
            row.collation = new.collation;
        }
        self.insert_type_row(&row, true)?;
        let address = ObjectAddress::ty(oid);
        self.add_dependency(address, ObjectAddress::ty(new.base.oid), DependencyType::Normal)?;
        self.add_dependency(address, ObjectAddress::collation(row.collation), DependencyType::Normal)?;
        if let Some(d) = &new.default {
            self.add_dependencies(address, d.refs_of(Oid::INVALID), Oid::INVALID, DependencyType::Normal)?;
        }
        for (name, check) in &new.checks {
            self.insert_domain_check(oid, new.schema, name, check, true)?;
        }
        self.advance();
        Ok(oid)
    }
    fn insert_domain_check(
        &self,
        domain: Oid,
        schema: Oid,
        name: &str,
        check: &StoredExpr,
        validated: bool,
    ) -> Result<()> {
        let field = self.stored_field(&check.sql, check.pretty.as_deref());
        let oid = self.new_oid()?;
        self.insert(
            pg_constraint::TABLE,
            &ConstraintRow {
                oid,
                name,
                schema,
                kind: 'c',
                deferrable: false,
                deferred: false,
                validated,
                relation: Oid::INVALID,
                domain,
                index: Oid::INVALID,
                no_inherit: false,
                columns: &[],
                expression: Some(&field),
                foreign: None,
            }
            .row(),
        )?;
        let address = ObjectAddress::constraint(oid);
        self.add_dependency(address, ObjectAddress::ty(domain), DependencyType::Auto)?;
        self.add_dependencies(address, check.refs_of(Oid::INVALID), Oid::INVALID, DependencyType::Normal)
    }
    fn domain_parts(&self, domain: Oid) -> Result<(String, Oid)> {
        match self.type_def(domain)? {
            Some(d) if matches!(d.kind, TypeKind::Domain { .. }) => {
                // Tables with columns of the domain carry nothing of it but its type.
                self.touch_type(domain, d.schema, &d.name);
                Ok((d.name.clone(), d.schema))
            }
            _ => bail!(WRONG_OBJECT_TYPE, "{} is not a domain", self.type_name(domain)?),
        }
    }
    /// OID of a domain's check by name.
    pub fn domain_constraint(&self, domain: Oid, name: &str) -> Result<Option<Oid>> {
        let rows = self.find(&self.snapshot(), pg_constraint::TABLE, 2666, &[oid_datum(domain)])?;
        Ok(rows
            .iter()
            .find(|(_, r)| r.str(pg_constraint::CONNAME) == name)
            .map(|(_, r)| r.oid(pg_constraint::OID)))
    }
    /// Adds a check to a domain; 42710 if the name is taken.
    pub fn add_domain_check(
        &self,
        domain: Oid,
        name: &str,
        check: &StoredExpr,
        validated: bool,
    ) -> Result<()> {
        let (domain_name, schema) = self.domain_parts(domain)?;
        if self.domain_constraint(domain, name)?.is_some() {
            bail!(DUPLICATE_OBJECT, "constraint \"{name}\" for domain \"{domain_name}\" already exists");
        }
        self.insert_domain_check(domain, schema, name, check, validated)?;
        self.advance();
        Ok(())
    }
    /// Renames or validates a domain's check.
    pub fn alter_domain_check(
        &self,
        domain: Oid,
        constraint: Oid,
        name: Option<&str>,
        validated: bool,
    ) -> Result<()> {
        self.domain_parts(domain)?;
        self.change_oid(pg_constraint::TABLE, 2667, constraint, |r| {
            if let Some(n) = name {
                r.0[pg_constraint::CONNAME] = Datum::text(n);
            }
            if validated {
                r.0[pg_constraint::CONVALIDATED] = Datum::Bool(true);
            }
        })?;
        self.advance();
        Ok(())
    }
    /// Sets or removes a domain's default.
    pub fn set_domain_default(&self, domain: Oid, default: Option<&StoredExpr>) -> Result<()> {
        self.domain_parts(domain)?;
        let text = default.map(|d| d.sql.as_str());
        let field = default.map(|d| self.stored_expr(d));
        self.change_oid(pg_type::TABLE, 2703, domain, |r| {
            r.0[pg_type::TYPDEFAULTBIN] = opt_text(field.as_deref());
            r.0[pg_type::TYPDEFAULT] = opt_text(text);
        })?;
        if let Some(d) = default {
            self.add_dependencies(
                ObjectAddress::ty(domain),
                d.refs_of(Oid::INVALID),
                Oid::INVALID,
                DependencyType::Normal,
            )?;
        }
        self.advance();
        Ok(())
    }
    /// Sets or removes a domain's NOT NULL.
    pub fn set_domain_not_null(&self, domain: Oid, not_null: bool) -> Result<()> {
        self.domain_parts(domain)?;
        self.change_oid(pg_type::TABLE, 2703, domain, |r| r.0[pg_type::TYPNOTNULL] = Datum::Bool(not_null))?;
        self.advance();
        Ok(())
    }

    /// Renames a type, with the array of it and, for composite types, the relation behind it.
    pub fn rename_type(&self, ty: Oid, name: &str) -> Result<()> {
        let Some(def) = self.type_def(ty)? else {
            bail!(UNDEFINED_OBJECT, "type with OID {ty} does not exist")
        };
        self.check_type_name_free(def.schema, name)?;
        if let TypeKind::Composite { relation } = def.kind {
            self.touch([crate::cache::Touched::Relation(relation)]);
            self.touch_relation(relation, def.schema, &def.name);
            self.touch_relation(relation, def.schema, name);
            self.change_oid(pg_class::TABLE, 2662, relation, |r| r.0[pg_class::RELNAME] = Datum::text(name))?;
        }
        self.rename_type_rows(ty, name)?;
        self.advance();
        Ok(())
    }
    /// Renames a type's row and its array's.
    pub(crate) fn rename_type_rows(&self, ty: Oid, name: &str) -> Result<()> {
        let Some(def) = self.type_def(ty)? else { return Ok(()) };
        self.touch_type(ty, def.schema, &def.name);
        self.touch_type(ty, def.schema, name);
        self.change_oid(pg_type::TABLE, 2703, ty, |r| r.0[pg_type::TYPNAME] = Datum::text(name))?;
        if let Some(array) = self.type_def(def.array)? {
            // Its own old name may do: it may just have been moved out of the way of the type's.
            let array_name = match array.name.strip_prefix('_') {
                Some(rest) if rest == name => array.name.clone(),
                _ => self.free_array_name(def.schema, name)?,
            };
            self.touch_type(array.oid, def.schema, &array.name);
            self.touch_type(array.oid, def.schema, &array_name);
            self.change_oid(pg_type::TABLE, 2703, array.oid, |r| {
                r.0[pg_type::TYPNAME] = Datum::text(&array_name)
            })?;
        }
        Ok(())
    }
    /// Moves a type's row and its array's to another schema.
    pub(crate) fn move_type_rows(&self, ty: Oid, schema: Oid, independent: bool) -> Result<()> {
        let Some(def) = self.type_def(ty)? else { return Ok(()) };
        let mut all = vec![def.clone()];
        all.extend(self.type_def(def.array)?);
        for d in &all {
            self.touch_type(d.oid, d.schema, &d.name);
            self.touch_type(d.oid, schema, &d.name);
            self.change_oid(pg_type::TABLE, 2703, d.oid, |r| r.0[pg_type::TYPNAMESPACE] = oid_datum(schema))?;
        }
        if independent {
            self.change_dependency(
                ObjectAddress::ty(ty),
                ObjectAddress::schema(def.schema),
                ObjectAddress::schema(schema),
            )?;
        }
        Ok(())
    }
}

fn check_label(label: &str) -> Result<()> {
    if label.len() > 63 {
        return Err(
            err!(INVALID_NAME, "invalid enum label \"{label}\"").detail("Labels must be 63 bytes or less.")
        );
    }
    Ok(())
}
