//! Enums, domains and composite types.

use super::Ddl;
use super::renamed::StoredTexts;
use crate::session::Session;
use quarry_catalog::{
    DropBehavior, NewColumn, NewDomain, NewRelation, ObjectAddress, RelKind, StoredExpr, TypeKind,
};
use quarry_common::{Error, Oid, Result, Severity, bail, err};
use quarry_sql::ast::{self, AlterDomainAction as A, AlterEnumAction, ConstraintKind as C};
use quarry_sql::bind::StoredPlace;
use quarry_types::SqlType;

pub fn create_enum(s: &mut Session, c: &ast::CreateEnum) -> Result<()> {
    let mut d = Ddl::new(s)?;
    let schema = d.creation_schema(c.name.schema(), false, ast::NO_POS)?;
    d.w.create_enum(c.name.name(), schema, d.user(), &c.labels)?;
    Ok(())
}

pub fn alter_enum(s: &mut Session, c: &ast::AlterEnum) -> Result<()> {
    let d = Ddl::new(s)?;
    let oid = d.w.resolve_type(&c.name.parts, None)?;
    let Some(def) = d.w.type_def(oid)? else {
        bail!(UNDEFINED_OBJECT, "type \"{}\" does not exist", c.name.display())
    };
    if !matches!(def.kind, TypeKind::Enum { .. }) {
        bail!(WRONG_OBJECT_TYPE, "{} is not an enum", d.w.type_name(oid)?);
    }
    d.w.check_owner(def.owner, "type", &def.name)?;
    match &c.action {
        AlterEnumAction::AddValue { value, if_not_exists, place } => {
            let place = place.as_ref().map(|(n, after)| (n.as_str(), *after));
            if !d.w.add_enum_value(oid, value, place, *if_not_exists)? {
                d.notice(err!(DUPLICATE_OBJECT, "enum label \"{value}\" already exists, skipping"));
            }
            Ok(())
        }
        AlterEnumAction::RenameValue { from, to } => {
            let texts = StoredTexts::naming(&d, from)?;
            d.w.rename_enum_value(oid, from, to)?;
            texts.store(&d)
        }
    }
}

pub fn create_composite(s: &mut Session, c: &ast::CreateCompositeType) -> Result<()> {
    let mut d = Ddl::new(s)?;
    let schema = d.creation_schema(c.name.schema.as_deref(), false, ast::NO_POS)?;
    let mut new = NewRelation::new(&c.name.name, schema, RelKind::CompositeType, d.user());
    for column in &c.columns {
        let mut made = NewColumn::new(&column.name, d.type_of(&column.type_name)?);
        if let Some(n) = &column.collation {
            made.collation = d.w.resolve_collation(n, None)?;
        }
        new.columns.push(made);
    }
    d.w.create_relation(&new)?;
    Ok(())
}

/// A domain's CHECK to store.
fn check(d: &Ddl, e: &ast::Expr, base: SqlType) -> Result<StoredExpr> {
    let bound =
        d.bind_expr(e, None, None, StoredPlace::DomainCheck(base)).map_err(super::without_position)?;
    Ok(d.stored(&bound))
}

fn check_name(d: &Ddl, domain: &str, schema: Oid, taken: &[String]) -> Result<String> {
    d.w.choose_constraint_name(domain, None, "check", schema, taken)
}

pub fn create_domain(s: &mut Session, c: &ast::CreateDomain) -> Result<()> {
    let mut d = Ddl::new(s)?;
    let schema = d.creation_schema(c.name.schema(), false, ast::NO_POS)?;
    d.w.check_type_name_free(schema, c.name.name())?;
    let base = d.type_of(&c.type_name)?;
    let mut new = NewDomain {
        name: c.name.name().to_string(),
        schema,
        owner: d.user(),
        base,
        collation: match &c.collation {
            Some(n) => d.w.resolve_collation(&n.parts, ast::error_position(n.pos))?,
            None => Oid::INVALID,
        },
        not_null: false,
        default: None,
        checks: vec![],
    };
    let mut null = None;
    for k in &c.constraints {
        match &k.kind {
            C::Null | C::NotNull => {
                let wanted = matches!(k.kind, C::NotNull);
                if null == Some(!wanted) {
                    bail!(SYNTAX_ERROR, "conflicting NULL/NOT NULL constraints");
                }
                null = Some(wanted);
            }
            C::Default(e) => {
                if new.default.is_some() {
                    bail!(SYNTAX_ERROR, "multiple default expressions");
                }
                new.default = super::create_table::default_expr(&d, e, base, c.name.name())
                    .map_err(super::without_position)?;
            }
            C::Check(e) => {
                let stored = check(&d, e, base)?;
                let taken: Vec<String> = new.checks.iter().map(|(n, _)| n.clone()).collect();
                let name = match &k.name {
                    Some(n) => n.clone(),
                    None => check_name(&d, c.name.name(), schema, &taken)?,
                };
                new.checks.push((name, stored));
            }
            C::Unique(_) => bail!(SYNTAX_ERROR, "unique constraints not possible for domains"),
            C::PrimaryKey(_) => bail!(SYNTAX_ERROR, "primary key constraints not possible for domains"),
            C::Exclusion(_) => bail!(SYNTAX_ERROR, "exclusion constraints not possible for domains"),
            C::ForeignKey(_) => bail!(SYNTAX_ERROR, "foreign key constraints not possible for domains"),
            _ => return Err(Error::unsupported("this kind of domain constraint")),
        }
    }
    new.not_null = null == Some(true);
    d.w.create_domain(&new)?;
    Ok(())
}

/// ALTER DOMAIN.
pub fn alter_domain(s: &mut Session, c: &ast::AlterDomain) -> Result<()> {
    let d = Ddl::new(s)?;
    let oid = d.w.resolve_type(&c.name.parts, None)?;
    let Some(def) = d.w.type_def(oid)? else {
        bail!(UNDEFINED_OBJECT, "type \"{}\" does not exist", c.name.display())
    };
    let TypeKind::Domain { base, .. } = def.kind else {
        bail!(WRONG_OBJECT_TYPE, "{} is not a domain", d.w.type_name(oid)?)
    };
    d.w.check_owner(def.owner, "type", &def.name)?;
    match &c.action {
        A::SetDefault(e) => {
            let stored =
                super::create_table::default_expr(&d, e, base, &def.name).map_err(super::without_position)?;
            d.w.set_domain_default(oid, stored.as_ref())
        }
        A::DropDefault => d.w.set_domain_default(oid, None),
        A::SetNotNull => d.w.set_domain_not_null(oid, true),
        A::DropNotNull => d.w.set_domain_not_null(oid, false),
        A::AddConstraint(k) => {
            let C::Check(e) = &k.kind else {
                return Err(Error::unsupported("this kind of domain constraint"));
            };
            let stored = check(&d, e, base)?;
            let name = match &k.name {
                Some(n) => n.clone(),
                None => check_name(&d, &def.name, def.schema, &[])?,
            };
            d.w.add_domain_check(oid, &name, &stored, !k.not_valid)
        }
        A::DropConstraint { name, if_exists, .. } => match d.w.domain_constraint(oid, name)? {
            Some(k) => {
                d.w.drop_objects(&[ObjectAddress::constraint(k)], DropBehavior::Cascade)?;
                Ok(())
            }
            None if *if_exists => {
                let e = err!(
                    SUCCESSFUL_COMPLETION,
                    "constraint \"{name}\" of domain \"{}\" does not exist, skipping",
                    def.name
                );
                d.st.session.push_notice(Severity::Notice, e);
                Ok(())
            }
            None => {
                bail!(UNDEFINED_OBJECT, "constraint \"{name}\" of domain \"{}\" does not exist", def.name)
            }
        },
        A::ValidateConstraint(name) => match d.w.domain_constraint(oid, name)? {
            Some(k) => d.w.alter_domain_check(oid, k, None, true),
            None => {
                bail!(UNDEFINED_OBJECT, "constraint \"{name}\" of domain \"{}\" does not exist", def.name)
            }
        },
    }
}
