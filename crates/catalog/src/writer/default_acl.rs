//! Default privileges (`pg_default_acl`): ALTER DEFAULT PRIVILEGES, and what new objects get of them.
//!
//! A global entry replaces the built-in defaults of a role's new objects; an entry for a schema adds to them.

use super::{CatalogWriter, GrantKind};
use crate::acl::{self, AclItem, AclObject, Privilege, default_acl};
use crate::arrays;
use crate::builtin::columns::pg_default_acl;
use crate::object::{DependencyType, DropBehavior, ObjectAddress};
use crate::reader::CatalogReader;
use crate::row::{Row, char_datum, oid_datum};
use quarry_common::{Error, Oid, Result, Tid, bail, err};
use quarry_types::Datum;

/// One change of the privileges that new objects get.
#[derive(Clone, Debug)]
pub struct DefaultGrant {
    pub kind: GrantKind,
    /// Whose new objects.
    pub role: Oid,
    /// Those in this schema; none: everywhere.
    pub schema: Option<Oid>,
    /// Relation, Sequence, Function, Type or Schema.
    pub object: AclObject,
    /// None: ALL PRIVILEGES.
    pub privileges: Option<Vec<Privilege>>,
    /// Invalid: PUBLIC.
    pub grantees: Vec<Oid>,
    pub grant_option: bool,
    pub behavior: DropBehavior,
}

/// `defaclobjtype` and what messages call the objects.
fn letter_and_noun(object: AclObject) -> Result<(char, &'static str)> {
    Ok(match object {
        AclObject::Relation => ('r', "relation"),
        AclObject::Sequence => ('S', "sequence"),
        AclObject::Function => ('f', "function"),
        AclObject::Type => ('T', "type"),
        AclObject::Schema => ('n', "schema"),
        _ => return Err(Error::internal("objects of this kind have no default privileges")),
    })
}

/// The order in which lists are compared and stored.
fn sorted(mut items: Vec<AclItem>) -> Vec<AclItem> {
    items.sort_by_key(|i| (i.grantee, i.grantor, i.grant_options, i.privileges));
    items
}

impl CatalogReader {
    fn default_acl_row(&self, role: Oid, schema: Oid, letter: char) -> Result<Option<(Tid, Row)>> {
        let key = [oid_datum(role), oid_datum(schema), char_datum(letter)];
        self.find_one(&self.snapshot(), pg_default_acl::TABLE, 827, &key)
    }
    /// "default privileges on new relations belonging to role r in schema s".
    pub(crate) fn describe_default_acl(&self, oid: Oid) -> Result<Option<String>> {
        let row = self.find_one(&self.snapshot(), pg_default_acl::TABLE, 828, &[oid_datum(oid)])?;
        let Some((_, r)) = row else { return Ok(None) };
        let what = AclObject::from_letter(r.char(pg_default_acl::DEFACLOBJTYPE))
            .and_then(|o| letter_and_noun(o).ok())
            .map_or("object", |l| l.1);
        let role = self.role_name(r.oid(pg_default_acl::DEFACLROLE))?;
        let schema = r.oid(pg_default_acl::DEFACLNAMESPACE);
        let place = if schema.is_valid() {
            format!(" in schema {}", self.schema_name(schema)?)
        } else {
            String::new()
        };
        Ok(Some(format!("default privileges on new {what}s belonging to role {role}{place}")))
    }
}

impl CatalogWriter {
    /// The privileges a new object starts with; none: the built-in defaults, stored as NULL.
    pub(crate) fn new_object_acl(
        &self,
        object: AclObject,
        owner: Oid,
        schema: Oid,
    ) -> Result<Option<Vec<AclItem>>> {
        let (letter, _) = letter_and_noun(object)?;
        let stored = |schema: Oid| -> Result<Option<Vec<AclItem>>> {
            let row = self.default_acl_row(owner, schema, letter)?;
            Ok(row.map(|(_, r)| r.acl(pg_default_acl::DEFACLACL).unwrap_or_default()))
        };
        let global = stored(Oid::INVALID)?;
        let local = if schema.is_valid() { stored(schema)? } else { None };
        if global.is_none() && local.is_none() {
            return Ok(None);
        }
        let builtin = default_acl(object, owner);
        let mut items = global.unwrap_or_else(|| builtin.clone());
        for i in local.into_iter().flatten() {
            acl::grant(&mut items, i.grantee, i.grantor, i.privileges, false);
            acl::grant(&mut items, i.grantee, i.grantor, i.grant_options, true);
        }
        let items = sorted(items);
        Ok((items != sorted(builtin)).then_some(items))
    }

    /// ALTER DEFAULT PRIVILEGES for one role and schema.
    pub fn grant_default(&self, spec: &DefaultGrant) -> Result<()> {
        let (letter, noun) = letter_and_noun(spec.object)?;
        let all = spec.object.all();
        let wanted = spec.privileges.as_ref().map_or(all, |l| l.iter().fold(0, |m, p| m | p.bit()));
        if let Some(p) = acl::PRIVILEGES.iter().find(|p| wanted & p.0.bit() & !all != 0) {
            bail!(INVALID_GRANT_OPERATION, "invalid privilege type {} for {noun}", p.2);
        }
        let schema = spec.schema.unwrap_or(Oid::INVALID);
        let base = if schema.is_valid() { Vec::new() } else { default_acl(spec.object, spec.role) };
        let existing = self.default_acl_row(spec.role, schema, letter)?;
        let mut items = match &existing {
            Some((_, r)) => r.acl(pg_default_acl::DEFACLACL).unwrap_or_default(),
            None => base.clone(),
        };
        for grantee in &spec.grantees {
            match spec.kind {
                GrantKind::Grant => {
                    if spec.grant_option && !grantee.is_valid() {
                        bail!(INVALID_GRANT_OPERATION, "grant options can only be granted to roles");
                    }
                    acl::grant(&mut items, *grantee, spec.role, wanted, spec.grant_option);
                }
                GrantKind::Revoke => {
                    let cascade = spec.behavior == DropBehavior::Cascade;
                    let option = spec.grant_option;
                    if !acl::revoke(&mut items, *grantee, spec.role, spec.role, wanted, option, cascade) {
                        return Err(err!(DEPENDENT_OBJECTS_STILL_EXIST, "dependent privileges exist")
                            .hint("Use CASCADE to revoke them too."));
                    }
                }
            }
        }
        let items = sorted(items);
        let oid = match existing {
            Some((_, r)) if items == sorted(base.clone()) => {
                let object = ObjectAddress::new(pg_default_acl::TABLE, r.oid(pg_default_acl::OID));
                self.drop_objects(&[object], DropBehavior::Restrict)?;
                return Ok(());
            }
            Some((tid, old)) => {
                let mut new = old.clone();
                new.0[pg_default_acl::DEFACLACL] = arrays::acl_array(&items);
                self.update(pg_default_acl::TABLE, tid, &old, &new)?;
                old.oid(pg_default_acl::OID)
            }
            None if items == sorted(base) => return Ok(()),
            None => {
                let oid = self.new_oid()?;
                self.insert(
                    pg_default_acl::TABLE,
                    &Row(vec![
                        oid_datum(oid),
                        oid_datum(spec.role),
                        oid_datum(schema),
                        char_datum(letter),
                        arrays::acl_array(&items),
                    ]),
                )?;
                let object = ObjectAddress::new(pg_default_acl::TABLE, oid);
                self.record_owner(object, spec.role)?;
                if schema.is_valid() {
                    self.add_dependency(object, ObjectAddress::schema(schema), DependencyType::Auto)?;
                }
                oid
            }
        };
        let object = ObjectAddress::new(pg_default_acl::TABLE, oid);
        self.record_acl_roles(object, spec.role, &items)?;
        self.advance();
        Ok(())
    }

    /// Takes a role out of the entry of default privileges that names it.
    pub(super) fn forget_in_default_acl(&self, entry: Oid, role: Oid) -> Result<()> {
        let row = self.find_one(&self.snapshot(), pg_default_acl::TABLE, 828, &[oid_datum(entry)])?;
        let Some((_, r)) = row else { return Ok(()) };
        let Some(object) = AclObject::from_letter(r.char(pg_default_acl::DEFACLOBJTYPE)) else {
            return Ok(());
        };
        let schema = r.oid(pg_default_acl::DEFACLNAMESPACE);
        self.grant_default(&DefaultGrant {
            kind: GrantKind::Revoke,
            role: r.oid(pg_default_acl::DEFACLROLE),
            schema: schema.is_valid().then_some(schema),
            object,
            privileges: None,
            grantees: vec![role],
            grant_option: false,
            behavior: DropBehavior::Cascade,
        })
    }
}

impl CatalogWriter {
    /// `acl` as a catalog's column has it.
    pub(crate) fn acl_datum(acl: Option<&[AclItem]>) -> Datum {
        acl.map_or(Datum::Null, arrays::acl_array)
    }
}
