//! Addresses of catalog objects, as `pg_depend` has them.

use crate::builtin::columns::*;
use quarry_common::Oid;

/// An object: the catalog it is a row of, its OID, and for columns their number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ObjectAddress {
    /// OID of the catalog.
    pub class: Oid,
    pub oid: Oid,
    /// Column number of a column, else 0.
    pub sub: i32,
}

impl ObjectAddress {
    pub const fn new(class: u32, oid: Oid) -> ObjectAddress {
        ObjectAddress { class: Oid(class), oid, sub: 0 }
    }
    /// A table, index, sequence, view or composite type's relation.
    pub const fn relation(oid: Oid) -> ObjectAddress {
        ObjectAddress::new(pg_class::TABLE, oid)
    }
    /// A column by its number.
    pub const fn column(relation: Oid, number: i16) -> ObjectAddress {
        ObjectAddress { class: Oid(pg_class::TABLE), oid: relation, sub: number as i32 }
    }
    pub const fn ty(oid: Oid) -> ObjectAddress {
        ObjectAddress::new(pg_type::TABLE, oid)
    }
    pub const fn schema(oid: Oid) -> ObjectAddress {
        ObjectAddress::new(pg_namespace::TABLE, oid)
    }
    pub const fn constraint(oid: Oid) -> ObjectAddress {
        ObjectAddress::new(pg_constraint::TABLE, oid)
    }
    pub const fn default_value(oid: Oid) -> ObjectAddress {
        ObjectAddress::new(pg_attrdef::TABLE, oid)
    }
    pub const fn rule(oid: Oid) -> ObjectAddress {
        ObjectAddress::new(pg_rewrite::TABLE, oid)
    }
    pub const fn function(oid: Oid) -> ObjectAddress {
        ObjectAddress::new(pg_proc::TABLE, oid)
    }
    pub const fn operator(oid: Oid) -> ObjectAddress {
        ObjectAddress::new(pg_operator::TABLE, oid)
    }
    pub const fn collation(oid: Oid) -> ObjectAddress {
        ObjectAddress::new(pg_collation::TABLE, oid)
    }
    pub const fn role(oid: Oid) -> ObjectAddress {
        ObjectAddress::new(pg_authid::TABLE, oid)
    }
    pub const fn database(oid: Oid) -> ObjectAddress {
        ObjectAddress::new(pg_database::TABLE, oid)
    }
    pub const fn tablespace(oid: Oid) -> ObjectAddress {
        ObjectAddress::new(pg_tablespace::TABLE, oid)
    }

    /// Whether the object is built in for good, so that nothing records a dependency on it.
    pub fn is_pinned(self) -> bool {
        const FIRST_UNPINNED: u32 = 12000;
        const PUBLIC: u32 = 2200;
        self.oid.0 < FIRST_UNPINNED
            && self.class.0 != pg_database::TABLE
            && !(self.class.0 == pg_namespace::TABLE && self.oid.0 == PUBLIC)
    }
    pub(crate) fn triple(self) -> (Oid, Oid, i32) {
        (self.class, self.oid, self.sub)
    }
}

/// Why one object depends on another (`pg_depend.deptype`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DependencyType {
    /// Dropping the referenced object needs CASCADE.
    Normal,
    /// The dependent object goes silently with the referenced one.
    Auto,
    /// The dependent object is a part of the referenced one and can't be dropped alone.
    Internal,
    /// The dependent object was made by the referenced extension.
    Extension,
}

impl DependencyType {
    pub(crate) fn letter(self) -> char {
        match self {
            DependencyType::Normal => 'n',
            DependencyType::Auto => 'a',
            DependencyType::Internal => 'i',
            DependencyType::Extension => 'e',
        }
    }
}

/// RESTRICT or CASCADE.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum DropBehavior {
    #[default]
    Restrict,
    Cascade,
}

/// An expression or query to be stored: text with qualified names, and the objects it refers to. Columns of the object that is being
/// made are named with an invalid relation OID.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct StoredExpr {
    pub sql: String,
    /// The pretty form, where it differs.
    pub pretty: Option<String>,
    pub refs: Vec<ObjectAddress>,
}

impl StoredExpr {
    /// One that refers to nothing but built-in objects.
    pub fn new(sql: impl Into<String>) -> StoredExpr {
        StoredExpr { sql: sql.into(), pretty: None, refs: Vec::new() }
    }
    /// Its references, with `relation` for the object that is being made.
    pub(crate) fn refs_of(&self, relation: Oid) -> impl Iterator<Item = ObjectAddress> {
        self.refs.iter().map(move |r| {
            let own = r.class.0 == pg_class::TABLE && !r.oid.is_valid();
            if own { ObjectAddress { oid: relation, ..*r } } else { *r }
        })
    }
}
