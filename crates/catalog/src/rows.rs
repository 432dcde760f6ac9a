//! Rows of the central catalogs, from named fields. Used by the bootstrap and by every change.

use crate::acl::AclItem;
use crate::arrays;
use crate::builtin::oids;
use crate::row::{Row, char_datum, oid_datum, opt_text};
use quarry_common::Oid;
use quarry_types::registry::TypeInfo;
use quarry_types::{Datum, SqlType};

fn name(s: &str) -> Datum {
    Datum::text(s)
}
fn acl(a: Option<&[AclItem]>) -> Datum {
    a.map_or(Datum::Null, arrays::acl_array)
}

/// A row of `pg_class`.
pub struct ClassRow<'a> {
    pub oid: Oid,
    pub name: &'a str,
    pub schema: Oid,
    pub row_type: Oid,
    pub owner: Oid,
    pub am: Oid,
    pub filenode: Oid,
    pub tablespace: Oid,
    pub toast: Oid,
    pub has_index: bool,
    pub shared: bool,
    pub persistence: char,
    pub kind: char,
    pub natts: i16,
    pub checks: i16,
    pub has_rules: bool,
    pub tuples: f32,
    pub populated: bool,
    pub acl: Option<&'a [AclItem]>,
    pub options: &'a [(String, String)],
}

impl<'a> ClassRow<'a> {
    /// An empty permanent relation of the bootstrap superuser.
    pub fn new(oid: Oid, name: &'a str, schema: Oid, kind: char) -> ClassRow<'a> {
        ClassRow {
            oid,
            name,
            schema,
            row_type: Oid::INVALID,
            owner: oids::SUPERUSER,
            am: match kind {
                'r' | 't' | 'm' => oids::HEAP_AM,
                'i' => oids::BTREE_AM,
                _ => Oid::INVALID,
            },
            filenode: Oid::INVALID,
            tablespace: Oid::INVALID,
            toast: Oid::INVALID,
            has_index: false,
            shared: false,
            persistence: 'p',
            kind,
            natts: 0,
            checks: 0,
            has_rules: false,
            tuples: if kind == 'i' { 0.0 } else { -1.0 },
            populated: true,
            acl: None,
            options: &[],
        }
    }
    pub fn row(&self) -> Row {
        let has_storage = matches!(self.kind, 'r' | 't' | 'm');
        Row(vec![
            oid_datum(self.oid),
            name(self.name),
            oid_datum(self.schema),
            oid_datum(self.row_type),
            Datum::U32(0),
            oid_datum(self.owner),
            oid_datum(self.am),
            oid_datum(self.filenode),
            oid_datum(self.tablespace),
            Datum::I32(0),
            Datum::F32(self.tuples),
            Datum::I32(0),
            oid_datum(self.toast),
            Datum::Bool(self.has_index),
            Datum::Bool(self.shared),
            char_datum(self.persistence),
            char_datum(self.kind),
            Datum::I16(self.natts),
            Datum::I16(self.checks),
            Datum::Bool(self.has_rules),
            Datum::Bool(false),
            Datum::Bool(false),
            Datum::Bool(false),
            Datum::Bool(false),
            Datum::Bool(self.populated),
            char_datum(match self.kind {
                'r' if self.schema != oids::PG_CATALOG => 'd',
                'm' => 'd',
                _ => 'n',
            }),
            Datum::Bool(false),
            Datum::U32(0),
            Datum::U32(if has_storage { 3 } else { 0 }),
            Datum::U32(if has_storage { 1 } else { 0 }),
            acl(self.acl),
            options_datum(self.options),
            Datum::Null,
        ])
    }
}

/// `reloptions`: NULL without any.
pub fn options_datum(options: &[(String, String)]) -> Datum {
    if options.is_empty() {
        return Datum::Null;
    }
    let texts: Vec<String> = options.iter().map(|(n, v)| format!("{n}={v}")).collect();
    arrays::text_array(&texts)
}

/// A row of `pg_attribute`.
pub struct AttributeRow<'a> {
    pub relation: Oid,
    pub name: &'a str,
    pub ty: SqlType,
    pub number: i16,
    pub collation: Oid,
    pub not_null: bool,
    pub has_default: bool,
    pub identity: char,
    pub generated: char,
    /// Dimensions of the declaration: 1 for arrays.
    pub dims: i32,
    /// The missing value as an array of one element, if there is one.
    pub missing: Datum,
    /// `attstattarget`.
    pub stat_target: i32,
}

impl<'a> AttributeRow<'a> {
    pub fn new(relation: Oid, number: i16, name: &'a str, ty: SqlType, info: &TypeInfo) -> AttributeRow<'a> {
        AttributeRow {
            relation,
            name,
            ty,
            number,
            collation: info.collation,
            not_null: false,
            has_default: false,
            identity: '\0',
            generated: '\0',
            dims: i32::from(info.is_array() && info.typlen == -1 && info.name.starts_with('_')),
            missing: Datum::Null,
            stat_target: -1,
        }
    }
    pub fn row(&self, info: &TypeInfo) -> Row {
        Row(vec![
            oid_datum(self.relation),
            name(self.name),
            oid_datum(self.ty.oid),
            Datum::I32(self.stat_target),
            Datum::I16(info.typlen),
            Datum::I16(self.number),
            Datum::I32(self.dims),
            Datum::I32(-1),
            Datum::I32(self.ty.typmod),
            Datum::Bool(info.typbyval),
            char_datum(info.typalign),
            char_datum(info.typstorage),
            char_datum('\0'),
            Datum::Bool(self.not_null),
            Datum::Bool(self.has_default),
            Datum::Bool(!self.missing.is_null()),
            char_datum(self.identity),
            char_datum(self.generated),
            Datum::Bool(false),
            Datum::Bool(true),
            Datum::I32(0),
            oid_datum(self.collation),
            Datum::Null,
            Datum::Null,
            Datum::Null,
            self.missing.clone(),
        ])
    }
}

/// The columns that every table has besides its own: number, name, type.
pub const SYSTEM_COLUMNS: [(i16, &str, Oid); 6] = [
    (-6, "tableoid", quarry_types::oids::OID),
    (-5, "cmax", quarry_types::oids::CID),
    (-4, "xmax", quarry_types::oids::XID),
    (-3, "cmin", quarry_types::oids::CID),
    (-2, "xmin", quarry_types::oids::XID),
    (-1, "ctid", quarry_types::oids::TID),
];

/// Rows of `pg_attribute` for a table's system columns.
pub fn system_attributes(relation: Oid) -> impl Iterator<Item = Row> {
    SYSTEM_COLUMNS.iter().map(move |(number, column, ty)| {
        let info = quarry_types::type_info(*ty).expect("a built-in type");
        let mut a = AttributeRow::new(relation, *number, column, SqlType::of(*ty), info);
        a.not_null = true;
        a.stat_target = 0;
        a.row(info)
    })
}

/// A row of `pg_type`. `proc` finds the OID of a type's support function by name.
pub struct TypeRow<'a> {
    pub info: &'a TypeInfo,
    pub schema: Oid,
    pub owner: Oid,
    pub not_null: bool,
    pub default_bin: Option<&'a str>,
    pub default: Option<&'a str>,
    pub collation: Oid,
}

impl<'a> TypeRow<'a> {
    pub fn new(info: &'a TypeInfo, schema: Oid, owner: Oid) -> TypeRow<'a> {
        TypeRow {
            info,
            schema,
            owner,
            not_null: false,
            default_bin: None,
            default: None,
            collation: info.collation,
        }
    }
    pub fn row(&self) -> Row {
        let t = self.info;
        let p = |name: &str| oid_datum(crate::builtin::procs::proc_named(name));
        let base = t.base.unwrap_or(SqlType { oid: Oid::INVALID, typmod: -1 });
        Row(vec![
            oid_datum(t.oid),
            name(&t.name),
            oid_datum(self.schema),
            oid_datum(self.owner),
            Datum::I16(t.typlen),
            Datum::Bool(t.typbyval),
            char_datum(t.kind),
            char_datum(t.category),
            Datum::Bool(t.preferred),
            Datum::Bool(true),
            char_datum(t.delim),
            oid_datum(t.relation),
            p(t.procs.subscript),
            oid_datum(t.element),
            oid_datum(t.array),
            p(t.procs.input),
            p(t.procs.output),
            p(t.procs.receive),
            p(t.procs.send),
            p(t.procs.typmod_in),
            p(t.procs.typmod_out),
            p(t.procs.analyze),
            char_datum(t.typalign),
            char_datum(t.typstorage),
            Datum::Bool(self.not_null),
            oid_datum(base.oid),
            Datum::I32(base.typmod),
            Datum::I32(0),
            oid_datum(self.collation),
            opt_text(self.default_bin),
            opt_text(self.default),
            Datum::Null,
        ])
    }
}

/// A row of `pg_index`.
pub struct IndexRow<'a> {
    pub index: Oid,
    pub table: Oid,
    /// Attribute numbers of keys (0: expression) and then of INCLUDE columns.
    pub columns: &'a [i16],
    pub key_count: i16,
    pub unique: bool,
    pub nulls_not_distinct: bool,
    pub primary: bool,
    pub immediate: bool,
    pub valid: bool,
    pub ready: bool,
    pub collations: &'a [Oid],
    pub opclasses: &'a [Oid],
    /// 1: DESC, 2: NULLS FIRST.
    pub options: &'a [i16],
    pub expressions: Option<&'a str>,
    pub predicate: Option<&'a str>,
}

impl IndexRow<'_> {
    pub fn row(&self) -> Row {
        Row(vec![
            oid_datum(self.index),
            oid_datum(self.table),
            Datum::I16(self.columns.len() as i16),
            Datum::I16(self.key_count),
            Datum::Bool(self.unique),
            Datum::Bool(self.nulls_not_distinct),
            Datum::Bool(self.primary),
            Datum::Bool(false),
            Datum::Bool(self.immediate),
            Datum::Bool(false),
            Datum::Bool(self.valid),
            Datum::Bool(false),
            Datum::Bool(self.ready),
            Datum::Bool(true),
            Datum::Bool(false),
            arrays::int2_vector(self.columns),
            arrays::oid_vector(self.collations),
            arrays::oid_vector(self.opclasses),
            arrays::int2_vector(self.options),
            opt_text(self.expressions),
            opt_text(self.predicate),
        ])
    }
}

/// A row of `pg_constraint`.
pub struct ConstraintRow<'a> {
    pub oid: Oid,
    pub name: &'a str,
    pub schema: Oid,
    pub kind: char,
    pub deferrable: bool,
    pub deferred: bool,
    pub validated: bool,
    pub relation: Oid,
    pub domain: Oid,
    pub index: Oid,
    pub no_inherit: bool,
    /// Attribute numbers; empty: NULL.
    pub columns: &'a [i16],
    pub expression: Option<&'a str>,
    pub foreign: Option<ForeignKeyRow<'a>>,
}

/// The part of a `pg_constraint` row that only foreign keys have.
pub struct ForeignKeyRow<'a> {
    pub table: Oid,
    pub columns: &'a [i16],
    pub on_update: char,
    pub on_delete: char,
    pub match_type: char,
    /// Equality operators per column: primary = foreign, primary = primary, foreign = foreign.
    pub pf_operators: &'a [Oid],
    pub pp_operators: &'a [Oid],
    pub ff_operators: &'a [Oid],
    pub set_columns: &'a [i16],
}

impl ConstraintRow<'_> {
    pub fn row(&self) -> Row {
        let numbers = |n: &[i16]| if n.is_empty() { Datum::Null } else { arrays::int2_array(n) };
        let f = self.foreign.as_ref();
        let operators = |o: Option<&[Oid]>| o.map_or(Datum::Null, arrays::oid_array);
        Row(vec![
            oid_datum(self.oid),
            name(self.name),
            oid_datum(self.schema),
            char_datum(self.kind),
            Datum::Bool(self.deferrable),
            Datum::Bool(self.deferred),
            Datum::Bool(self.validated),
            oid_datum(self.relation),
            oid_datum(self.domain),
            oid_datum(self.index),
            Datum::U32(0),
            oid_datum(f.map_or(Oid::INVALID, |f| f.table)),
            char_datum(f.map_or(' ', |f| f.on_update)),
            char_datum(f.map_or(' ', |f| f.on_delete)),
            char_datum(f.map_or(' ', |f| f.match_type)),
            Datum::Bool(true),
            Datum::I32(0),
            Datum::Bool(self.no_inherit),
            numbers(self.columns),
            f.map_or(Datum::Null, |f| numbers(f.columns)),
            operators(f.map(|f| f.pf_operators)),
            operators(f.map(|f| f.pp_operators)),
            operators(f.map(|f| f.ff_operators)),
            f.map_or(Datum::Null, |f| numbers(f.set_columns)),
            Datum::Null,
            opt_text(self.expression),
        ])
    }
}

/// A row of `pg_depend`.
pub fn depend_row(dependent: (Oid, Oid, i32), referenced: (Oid, Oid, i32), kind: char) -> Row {
    Row(vec![
        oid_datum(dependent.0),
        oid_datum(dependent.1),
        Datum::I32(dependent.2),
        oid_datum(referenced.0),
        oid_datum(referenced.1),
        Datum::I32(referenced.2),
        char_datum(kind),
    ])
}
