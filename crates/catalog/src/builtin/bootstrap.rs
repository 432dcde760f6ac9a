//! Writes the built-in rows of every system catalog into an empty storage.
//!
//! All rows go into template1 and the shared catalogs; the other databases are copies of template1's files.

use super::columns::*;
use super::{CatalogTable, catalog_tables, oids, operators, procs};
use crate::acl::{AclItem, AclObject, Privilege, default_acl, grant};
use crate::arrays;
use crate::catalog::Catalog;
use crate::row::{Row, char_datum, oid_datum, opt_text};
use crate::rows::{AttributeRow, ClassRow, ConstraintRow, IndexRow, TypeRow, depend_row, system_attributes};
use crate::table::{CatalogHeap, column_type};
use crate::views::{self, SystemView};
use hashbrown::{HashMap, HashSet};
use quarry_common::{Oid, Result};
use quarry_functions::registry;
use quarry_functions::{Body, CastContext, CastMethod, FunctionDef, FunctionKind, OperatorDef, Volatility};
use quarry_storage::{IsolationLevel, Transaction};
use quarry_types::registry::{TypeInfo, all_types, type_info, user_array, user_composite, user_domain};
use quarry_types::{Datum, IoContext, SqlType};

/// Rows by catalog.
type Rows = HashMap<u32, Vec<Row>>;

/// Writes everything in one transaction.
pub(crate) fn run(catalog: &Catalog) -> Result<()> {
    let storage = catalog.storage();
    let txn = storage.begin(IsolationLevel::ReadCommitted);
    let mut rows = Rows::new();
    data_rows(&mut rows)?;
    role_rows(&mut rows);
    database_rows(&mut rows);
    schema_rows(&mut rows);
    type_rows(&mut rows);
    for t in catalog_tables() {
        table_rows(t, &mut rows);
    }
    for v in views::system_views() {
        view_rows(v, &mut rows)?;
    }
    domain_rows(&mut rows);
    function_rows(&mut rows)?;
    operator_rows(&mut rows)?;
    cast_rows(&mut rows);
    description_rows(&mut rows)?;
    initial_privilege_rows(&mut rows);
    write(catalog, &txn, &rows)?;
    txn.commit()?;
    Ok(())
}

fn write(catalog: &Catalog, txn: &Transaction, rows: &Rows) -> Result<()> {
    let storage = catalog.storage();
    storage.create_database_dir(txn, oids::TEMPLATE1)?;
    for def in catalog_tables() {
        CatalogHeap::create(storage, txn, oids::TEMPLATE1, def)?;
        if let Some(rows) = rows.get(&def.oid).filter(|r| !r.is_empty()) {
            CatalogHeap::open(storage, oids::TEMPLATE1, def).load(txn, rows)?;
        }
    }
    for db in [oids::TEMPLATE0, oids::POSTGRES_DB] {
        storage.copy_database(txn, oids::TEMPLATE1, db)?;
    }
    Ok(())
}

fn add(rows: &mut Rows, table: u32, row: Row) {
    rows.entry(table).or_default().push(row);
}

/// The data files, one per catalog, in COPY text form.
const DATA: &[(&str, &str)] = &[
    ("pg_am", include_str!("data/pg_am.tsv")),
    ("pg_opfamily", include_str!("data/pg_opfamily.tsv")),
    ("pg_opclass", include_str!("data/pg_opclass.tsv")),
    ("pg_amop", include_str!("data/pg_amop.tsv")),
    ("pg_amproc", include_str!("data/pg_amproc.tsv")),
    ("pg_collation", include_str!("data/pg_collation.tsv")),
    ("pg_language", include_str!("data/pg_language.tsv")),
    ("pg_range", include_str!("data/pg_range.tsv")),
    ("pg_tablespace", include_str!("data/pg_tablespace.tsv")),
    ("pg_auth_members", include_str!("data/pg_auth_members.tsv")),
    ("pg_aggregate", include_str!("data/pg_aggregate.tsv")),
    ("pg_cast", include_str!("data/pg_cast.tsv")),
    ("pg_shdescription", include_str!("data/pg_shdescription.tsv")),
    ("pg_depend", include_str!("data/pg_depend.tsv")),
    ("pg_ts_parser", include_str!("data/pg_ts_parser.tsv")),
    ("pg_ts_template", include_str!("data/pg_ts_template.tsv")),
    ("pg_ts_dict", include_str!("data/pg_ts_dict.tsv")),
    ("pg_ts_config", include_str!("data/pg_ts_config.tsv")),
    ("pg_ts_config_map", include_str!("data/pg_ts_config_map.tsv")),
];

fn data_rows(rows: &mut Rows) -> Result<()> {
    let cx = IoContext::default();
    for (name, text) in DATA {
        let table =
            catalog_tables().iter().find(|t| t.name == *name).expect("data files are named after catalogs");
        for line in text.lines() {
            add(rows, table.oid, parse_row(table, line, &cx)?);
        }
    }
    Ok(())
}

/// Descriptions of what is there by now.
fn description_rows(rows: &mut Rows) -> Result<()> {
    let cx = IoContext::default();
    let table = super::catalog_table(pg_description::TABLE).expect("a catalog");
    let mut known: HashMap<Oid, HashSet<Oid>> = HashMap::new();
    for line in include_str!("data/pg_description.tsv").lines() {
        let row = parse_row(table, line, &cx)?;
        let class = row.oid(pg_description::CLASSOID);
        let there = known
            .entry(class)
            .or_insert_with(|| rows.get(&class.0).into_iter().flatten().map(|r| r.oid(0)).collect());
        if there.contains(&row.oid(pg_description::OBJOID)) {
            add(rows, pg_description::TABLE, row);
        }
    }
    Ok(())
}

/// Privileges that objects have from the start: pg_dump tells by these which ones somebody has changed. Those of the information schema come later in
/// PostgreSQL, and not here.
fn initial_privilege_rows(rows: &mut Rows) {
    let of = |class: u32, acl: usize| {
        let given = rows.get(&class).into_iter().flatten().filter(move |r| !r.0[acl].is_null());
        given.map(move |r| (class, acl, r))
    };
    let own = |r: &Row| r.oid(pg_class::RELNAMESPACE) == oids::PG_CATALOG;
    let schemas = [oids::PG_CATALOG, oids::PUBLIC];
    let given: Vec<Row> = of(pg_class::TABLE, pg_class::RELACL)
        .filter(|(_, _, r)| own(r))
        .chain(of(pg_proc::TABLE, pg_proc::PROACL))
        .chain(of(pg_namespace::TABLE, pg_namespace::NSPACL).filter(|(_, _, r)| schemas.contains(&r.oid(0))))
        .map(|(class, acl, r)| {
            let [object, class] = [r.oid(0), Oid(class)].map(oid_datum);
            Row(vec![object, class, Datum::I32(0), char_datum('i'), r.0[acl].clone()])
        })
        .collect();
    given.into_iter().for_each(|row| add(rows, pg_init_privs::TABLE, row));
}

fn parse_row(table: &CatalogTable, line: &str, cx: &IoContext<'_>) -> Result<Row> {
    let mut values = Vec::with_capacity(table.columns.len());
    for (column, field) in table.columns.iter().zip(line.split('\t')) {
        values.push(match field {
            "\\N" => Datum::Null,
            text => field_value(column.ty, text, cx)?,
        });
    }
    Ok(Row(values))
}

/// A field of COPY's text form.
fn field_value(ty: Oid, field: &str, cx: &IoContext<'_>) -> Result<Datum> {
    if field == "\\N" {
        return Ok(Datum::Null);
    }
    if !field.contains('\\') {
        return column_type(ty).input(field, -1, cx);
    }
    let mut text = String::with_capacity(field.len());
    let mut chars = field.chars();
    while let Some(c) = chars.next() {
        match (c, if c == '\\' { chars.next() } else { None }) {
            ('\\', Some('n')) => text.push('\n'),
            ('\\', Some('t')) => text.push('\t'),
            ('\\', Some('r')) => text.push('\r'),
            ('\\', Some(other)) => text.push(other),
            (c, _) => text.push(c),
        }
    }
    column_type(ty).input(&text, -1, cx)
}

fn role_rows(rows: &mut Rows) {
    for line in include_str!("data/pg_authid.tsv").lines() {
        let Some((oid, name)) = line.split_once('\t') else { continue };
        let oid = Oid(oid.parse().unwrap_or(0));
        let superuser = oid == oids::SUPERUSER;
        add(
            rows,
            pg_authid::TABLE,
            Row(vec![
                oid_datum(oid),
                Datum::text(name),
                Datum::Bool(superuser),
                Datum::Bool(true),
                Datum::Bool(superuser),
                Datum::Bool(superuser),
                Datum::Bool(superuser),
                Datum::Bool(superuser),
                Datum::Bool(superuser),
                Datum::I32(-1),
                Datum::Null,
                Datum::Null,
            ]),
        );
    }
}

/// A row of `pg_database` with the server's one encoding and locale.
pub(crate) fn database_row(
    oid: Oid,
    name: &str,
    owner: Oid,
    template: bool,
    allow_connections: bool,
    connection_limit: i32,
    acl: Option<&[AclItem]>,
) -> Row {
    Row(vec![
        oid_datum(oid),
        Datum::text(name),
        oid_datum(owner),
        // UTF8.
        Datum::I32(6),
        char_datum('c'),
        Datum::Bool(template),
        Datum::Bool(allow_connections),
        Datum::I32(connection_limit),
        Datum::U32(3),
        Datum::U32(1),
        oid_datum(oids::DEFAULT_TABLESPACE),
        Datum::text("C.UTF-8"),
        Datum::text("C.UTF-8"),
        Datum::Null,
        Datum::Null,
        acl.map_or(Datum::Null, arrays::acl_array),
    ])
}

fn database_rows(rows: &mut Rows) {
    // Nobody but the owner may change the templates.
    let mut acl = vec![AclItem {
        grantee: Oid::INVALID,
        grantor: oids::SUPERUSER,
        privileges: Privilege::Connect.bit(),
        grant_options: 0,
    }];
    grant(&mut acl, oids::SUPERUSER, oids::SUPERUSER, AclObject::Database.all(), false);
    let owner = oids::SUPERUSER;
    add(
        rows,
        pg_database::TABLE,
        database_row(oids::TEMPLATE1, "template1", owner, true, true, -1, Some(&acl)),
    );
    add(
        rows,
        pg_database::TABLE,
        database_row(oids::TEMPLATE0, "template0", owner, true, false, -1, Some(&acl)),
    );
    add(rows, pg_database::TABLE, database_row(oids::POSTGRES_DB, "postgres", owner, false, true, -1, None));
}

/// The owner's privileges and, for PUBLIC, `public`.
fn acl_with_public(object: AclObject, owner: Oid, public: u16) -> Vec<AclItem> {
    let mut acl = default_acl(object, owner);
    if public != 0 {
        grant(&mut acl, Oid::INVALID, owner, public, false);
    }
    acl
}

fn schema_rows(rows: &mut Rows) {
    let usage = Privilege::Usage.bit();
    for (oid, name, owner, public) in [
        (oids::PG_CATALOG, "pg_catalog", oids::SUPERUSER, true),
        (oids::PG_TOAST, "pg_toast", oids::SUPERUSER, false),
        (oids::PUBLIC, "public", oids::PG_DATABASE_OWNER, true),
        (oids::INFORMATION_SCHEMA, "information_schema", oids::SUPERUSER, true),
    ] {
        let acl = public.then(|| acl_with_public(AclObject::Schema, owner, usage));
        let row = Row(vec![
            oid_datum(oid),
            Datum::text(name),
            oid_datum(owner),
            acl.map_or(Datum::Null, |a| arrays::acl_array(&a)),
        ]);
        add(rows, pg_namespace::TABLE, row);
    }
}

fn type_rows(rows: &mut Rows) {
    for info in all_types() {
        add(rows, pg_type::TABLE, TypeRow::new(info, oids::PG_CATALOG, oids::SUPERUSER).row());
    }
}

/// Rows of `pg_type` for a built-in relation's row type and the array of it, unless the registry has them.
fn row_type_rows(rows: &mut Rows, name: &str, schema: Oid, relation: u32, row_type: u32, array: u32) {
    if row_type == 0 || type_info(Oid(row_type)).is_some() {
        return;
    }
    let info = user_composite(Oid(row_type), name.to_owned(), Oid(array), Oid(relation));
    add(rows, pg_type::TABLE, TypeRow::new(&info, schema, oids::SUPERUSER).row());
    if array != 0 {
        let info = user_array(Oid(array), format!("_{name}"), &info);
        add(rows, pg_type::TABLE, TypeRow::new(&info, schema, oids::SUPERUSER).row());
    }
}

/// Catalogs that hold secrets: readable by superusers only.
const PRIVATE: &[&str] = &[
    "pg_authid",
    "pg_statistic",
    "pg_statistic_ext_data",
    "pg_subscription",
    "pg_user_mapping",
    "pg_largeobject",
];

fn table_rows(t: &CatalogTable, rows: &mut Rows) {
    let oid = Oid(t.oid);
    let public = if PRIVATE.contains(&t.name) { 0 } else { Privilege::Select.bit() };
    let acl = acl_with_public(AclObject::Relation, oids::SUPERUSER, public);
    let tablespace = if t.shared { oids::GLOBAL_TABLESPACE } else { Oid::INVALID };
    let mut class = ClassRow::new(oid, t.name, oids::PG_CATALOG, 'r');
    class.row_type = Oid(t.row_type);
    class.filenode = filenode(t, t.oid);
    class.tablespace = tablespace;
    class.toast = Oid(t.toast);
    class.has_index = !t.indexes.is_empty();
    class.shared = t.shared;
    class.natts = t.columns.len() as i16;
    class.acl = Some(&acl);
    add(rows, pg_class::TABLE, class.row());
    row_type_rows(rows, t.name, oids::PG_CATALOG, t.oid, t.row_type, t.array_type);
    for (i, c) in t.columns.iter().enumerate() {
        let info = column_type(c.ty);
        let mut a = AttributeRow::new(oid, i as i16 + 1, c.name, SqlType::of(c.ty), info);
        a.not_null = c.not_null;
        a.collation = catalog_collation(info);
        add(rows, pg_attribute::TABLE, a.row(info));
    }
    rows.entry(pg_attribute::TABLE).or_default().extend(system_attributes(oid));
    if t.toast != 0 {
        let name = format!("pg_toast_{}", t.oid);
        let mut class = ClassRow::new(Oid(t.toast), &name, oids::PG_TOAST, 't');
        class.filenode = filenode(t, t.toast);
        class.tablespace = tablespace;
        class.shared = t.shared;
        class.natts = 3;
        add(rows, pg_class::TABLE, class.row());
    }
    for i in t.indexes {
        index_rows(t, i, tablespace, rows);
    }
}

/// `relfilenode`: 0 where PostgreSQL maps it.
fn filenode(t: &CatalogTable, own: u32) -> Oid {
    let mapped =
        t.shared || matches!(t.oid, pg_class::TABLE | pg_type::TABLE | pg_attribute::TABLE | pg_proc::TABLE);
    if mapped { Oid::INVALID } else { Oid(own) }
}

/// Text in system catalogs compares bytewise.
fn catalog_collation(info: &TypeInfo) -> Oid {
    if info.collation.is_valid() { oids::C_COLLATION } else { Oid::INVALID }
}

fn index_rows(t: &CatalogTable, i: &super::CatalogIndex, tablespace: Oid, rows: &mut Rows) {
    let oid = Oid(i.oid);
    let mut class = ClassRow::new(oid, i.name, oids::PG_CATALOG, 'i');
    class.filenode = filenode(t, i.oid);
    class.tablespace = tablespace;
    class.shared = t.shared;
    class.natts = i.columns.len() as i16;
    add(rows, pg_class::TABLE, class.row());
    let mut collations = Vec::new();
    for (n, column) in i.columns.iter().enumerate() {
        let c = &t.columns[*column as usize - 1];
        let info = column_type(c.ty);
        let mut a = AttributeRow::new(oid, n as i16 + 1, c.name, SqlType::of(c.ty), info);
        a.collation = catalog_collation(info);
        collations.push(a.collation);
        add(rows, pg_attribute::TABLE, a.row(info));
    }
    let opclasses: Vec<Oid> = i.opclasses.iter().map(|o| Oid(*o)).collect();
    add(
        rows,
        pg_index::TABLE,
        IndexRow {
            index: oid,
            table: Oid(t.oid),
            columns: i.columns,
            key_count: i.columns.len() as i16,
            unique: i.unique,
            nulls_not_distinct: false,
            primary: i.primary,
            immediate: true,
            valid: true,
            ready: true,
            collations: &collations,
            opclasses: &opclasses,
            options: &vec![0; i.columns.len()],
            expressions: None,
            predicate: None,
        }
        .row(),
    );
    if i.constraint != 0 {
        add(
            rows,
            pg_constraint::TABLE,
            ConstraintRow {
                oid: Oid(i.constraint),
                name: i.name,
                schema: oids::PG_CATALOG,
                kind: if i.primary { 'p' } else { 'u' },
                deferrable: false,
                deferred: false,
                validated: true,
                relation: Oid(t.oid),
                domain: Oid::INVALID,
                index: oid,
                no_inherit: true,
                columns: i.columns,
                expression: None,
                foreign: None,
            }
            .row(),
        );
    }
}

fn view_rows(v: &SystemView, rows: &mut Rows) -> Result<()> {
    let schema = v.schema_oid();
    let oid = Oid(v.oid);
    let mut acl = default_acl(AclObject::Relation, oids::SUPERUSER);
    if let Some(public) = v.public_privileges() {
        grant(&mut acl, Oid::INVALID, oids::SUPERUSER, public, false);
    }
    let mut class = ClassRow::new(oid, v.name, schema, 'v');
    class.row_type = Oid(v.row_type);
    class.natts = v.columns.len() as i16;
    class.has_rules = true;
    class.acl = Some(&acl);
    add(rows, pg_class::TABLE, class.row());
    row_type_rows(rows, v.name, schema, v.oid, v.row_type, v.array_type);
    let domains = information_schema_domains();
    for (i, c) in v.columns.iter().enumerate() {
        let info = match type_info(c.ty.oid) {
            Some(t) => t,
            None => domains.iter().find(|d| d.oid == c.ty.oid).expect("a domain of information_schema"),
        };
        let mut a = AttributeRow::new(oid, i as i16 + 1, c.name, c.ty, info);
        a.collation = if info.kind == 'd' { catalog_collation(info) } else { c.collation };
        add(rows, pg_attribute::TABLE, a.row(info));
    }
    // The text itself is part of the program.
    add(
        rows,
        pg_rewrite::TABLE,
        Row(vec![
            Datum::U32(v.oid + 3),
            Datum::text("_RETURN"),
            oid_datum(oid),
            char_datum('1'),
            char_datum('O'),
            Datum::Bool(true),
            Datum::text("<>"),
            Datum::text(""),
        ]),
    );
    Ok(())
}

/// The domains that information_schema's views use.
fn information_schema_domains() -> &'static [TypeInfo] {
    static DOMAINS: std::sync::LazyLock<Vec<TypeInfo>> = std::sync::LazyLock::new(|| {
        use quarry_types::oids as t;
        [
            (13221, "cardinal_number", 13220, SqlType::of(t::INT4)),
            (13224, "character_data", 13223, SqlType::of(t::VARCHAR)),
            (13226, "sql_identifier", 13225, SqlType::of(t::NAME)),
            (13232, "time_stamp", 13231, SqlType::with_typmod(t::TIMESTAMPTZ, 2)),
            (13234, "yes_or_no", 13233, SqlType::with_typmod(t::VARCHAR, 7)),
        ]
        .into_iter()
        .map(|(oid, name, array, base)| {
            let base_info = type_info(base.oid).expect("a built-in type");
            user_domain(Oid(oid), name.to_owned(), Oid(array), base, base_info)
        })
        .collect()
    });
    &DOMAINS
}

fn domain_rows(rows: &mut Rows) {
    for info in information_schema_domains() {
        let mut row = TypeRow::new(info, oids::INFORMATION_SCHEMA, oids::SUPERUSER);
        row.collation = catalog_collation(info);
        if info.name == "time_stamp" {
            row.default = Some("CURRENT_TIMESTAMP(2)");
            row.default_bin = row.default;
        }
        add(rows, pg_type::TABLE, row.row());
        let array = user_array(info.array, format!("_{}", info.name), info);
        add(rows, pg_type::TABLE, TypeRow::new(&array, oids::INFORMATION_SCHEMA, oids::SUPERUSER).row());
    }
    for (oid, name, domain, check) in [
        (13222, "cardinal_number_domain_check", 13221, "(VALUE >= 0)"),
        (
            13235,
            "yes_or_no_check",
            13234,
            "((VALUE)::text = ANY ((ARRAY['YES'::character varying, 'NO'::character varying])::text[]))",
        ),
    ] {
        add(
            rows,
            pg_constraint::TABLE,
            ConstraintRow {
                oid: Oid(oid),
                name,
                schema: oids::INFORMATION_SCHEMA,
                kind: 'c',
                deferrable: false,
                deferred: false,
                validated: true,
                relation: Oid::INVALID,
                domain: Oid(domain),
                index: Oid::INVALID,
                no_inherit: false,
                columns: &[],
                expression: Some(check),
                foreign: None,
            }
            .row(),
        );
        let dependent = (Oid(pg_constraint::TABLE), Oid(oid), 0);
        add(rows, pg_depend::TABLE, depend_row(dependent, (Oid(pg_type::TABLE), Oid(domain), 0), 'a'));
    }
}

/// PostgreSQL's functions as it lists them, then those that are only here.
fn function_rows(rows: &mut Rows) -> Result<()> {
    let cx = IoContext::default();
    let table = super::catalog_table(pg_proc::TABLE).expect("a catalog");
    let mut listed = HashSet::new();
    for line in procs::FACTS.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let mut values = vec![Datum::Null; table.columns.len()];
        let mut set = |column: usize, field: &str| -> Result<()> {
            values[column] = field_value(table.columns[column].ty, field, &cx)?;
            Ok(())
        };
        set(pg_proc::OID, fields[0])?;
        set(pg_proc::PRONAME, fields[1])?;
        set(pg_proc::PRONAMESPACE, "11")?;
        set(pg_proc::PROOWNER, "10")?;
        // From the language to the argument names the columns are the catalog's.
        for (i, field) in fields[2..21].iter().enumerate() {
            set(pg_proc::PROLANG + i, field)?;
        }
        set(pg_proc::PROARGDEFAULTS, fields[21])?;
        set(pg_proc::PROSRC, fields[22])?;
        set(pg_proc::PROBIN, fields[23])?;
        if fields[24] != "\\N" {
            let mut acl = vec![];
            for role in fields[24].split(' ').filter_map(|r| r.parse().ok()) {
                grant(&mut acl, Oid(role), oids::SUPERUSER, Privilege::Execute.bit(), false);
            }
            values[pg_proc::PROACL] = arrays::acl_array(&acl);
        }
        let row = Row(values);
        listed.insert(row.oid(pg_proc::OID));
        add(rows, pg_proc::TABLE, row);
    }
    for f in registry::functions().filter(|f| !listed.contains(&f.oid)) {
        add(rows, pg_proc::TABLE, function_row(f));
    }
    Ok(())
}

#[derive(Default)]
struct ProcFacts<'a> {
    oid: Oid,
    name: &'a str,
    args: &'a [Oid],
    ret: Oid,
    volatility: char,
    parallel: char,
    strict: bool,
    kind: char,
    returns_set: bool,
    rows: f64,
    variadic: Oid,
    defaults: i16,
    default_text: Option<String>,
    all_args: Vec<Oid>,
    modes: Vec<char>,
    names: Vec<&'a str>,
}

impl ProcFacts<'_> {
    fn row(&self) -> Row {
        let text = |v: &[&str]| if v.is_empty() { Datum::Null } else { arrays::text_array(v) };
        Row(vec![
            oid_datum(self.oid),
            Datum::text(self.name),
            oid_datum(oids::PG_CATALOG),
            oid_datum(oids::SUPERUSER),
            oid_datum(oids::INTERNAL_LANGUAGE),
            Datum::F32(1.0),
            Datum::F32(self.rows as f32),
            oid_datum(self.variadic),
            Datum::U32(0),
            char_datum(self.kind),
            Datum::Bool(false),
            Datum::Bool(false),
            Datum::Bool(self.strict),
            Datum::Bool(self.returns_set),
            char_datum(self.volatility),
            char_datum(self.parallel),
            Datum::I16(self.args.len() as i16),
            Datum::I16(self.defaults),
            oid_datum(self.ret),
            arrays::oid_vector(self.args),
            if self.all_args.is_empty() { Datum::Null } else { arrays::oid_array(&self.all_args) },
            if self.modes.is_empty() { Datum::Null } else { arrays::char_array(&self.modes) },
            text(&self.names),
            opt_text(self.default_text.as_deref()),
            Datum::Null,
            Datum::text(self.name),
            Datum::Null,
            Datum::Null,
            Datum::Null,
            Datum::Null,
        ])
    }
}

pub(crate) fn function_row(f: &FunctionDef) -> Row {
    let outs = !f.out_args.is_empty();
    let variadic_at = f.variadic.is_valid().then(|| f.args.len().saturating_sub(1));
    let mode = |i: usize| if variadic_at == Some(i) { 'v' } else { 'i' };
    let mut facts = ProcFacts {
        oid: f.oid,
        name: f.name,
        args: f.args,
        ret: f.ret,
        volatility: match f.volatility {
            Volatility::Immutable => 'i',
            Volatility::Stable => 's',
            Volatility::Volatile => 'v',
        },
        parallel: procs::parallel_safety(f).letter(),
        strict: f.strict,
        kind: match f.kind() {
            FunctionKind::Scalar | FunctionKind::Set => 'f',
            FunctionKind::Aggregate => 'a',
            FunctionKind::Window => 'w',
        },
        variadic: f.variadic,
        defaults: f.defaults.len() as i16,
        names: f.arg_names.to_vec(),
        ..ProcFacts::default()
    };
    if let Body::Set(s) = &f.body {
        facts.returns_set = true;
        facts.rows = s.rows;
    }
    if !f.defaults.is_empty() {
        facts.default_text = Some(crate::stored::join_expressions(f.defaults));
    }
    if outs || variadic_at.is_some() {
        facts.all_args = f.args.iter().copied().chain(f.out_args.iter().map(|o| o.1)).collect();
        facts.modes = (0..f.args.len()).map(mode).chain(f.out_args.iter().map(|_| 'o')).collect();
    }
    if outs && facts.names.len() <= f.args.len() {
        facts.names.resize(f.args.len(), "");
        facts.names.extend(f.out_args.iter().map(|o| o.0));
    }
    facts.row()
}

/// PostgreSQL's operators, then those that are only here.
fn operator_rows(rows: &mut Rows) -> Result<()> {
    let cx = IoContext::default();
    let table = super::catalog_table(pg_operator::TABLE).expect("a catalog");
    let mut listed = HashSet::new();
    for line in operators::FACTS.lines() {
        let mut fields: Vec<&str> = line.split('\t').collect();
        // Schema and owner are always the same, so the file hasn't them.
        fields.splice(2..2, ["11", "10"]);
        let values = fields.iter().zip(table.columns).map(|(f, c)| field_value(c.ty, f, &cx));
        let row = Row(values.collect::<Result<_>>()?);
        listed.insert(row.oid(pg_operator::OID));
        add(rows, pg_operator::TABLE, row);
    }
    for o in registry::operators().filter(|o| !listed.contains(&o.oid)) {
        add(rows, pg_operator::TABLE, operator_row(o));
    }
    Ok(())
}

/// An operator's row in `pg_operator`.
pub(crate) fn operator_row(o: &OperatorDef) -> Row {
    Row(vec![
        oid_datum(o.oid),
        Datum::text(o.name),
        oid_datum(oids::PG_CATALOG),
        oid_datum(oids::SUPERUSER),
        char_datum(if o.left.is_valid() { 'b' } else { 'l' }),
        Datum::Bool(o.merges),
        Datum::Bool(o.hashes),
        oid_datum(o.left),
        oid_datum(o.right),
        oid_datum(o.ret),
        oid_datum(o.commutator),
        oid_datum(o.negator),
        oid_datum(o.function),
        oid_datum(procs::proc_named(o.restrict)),
        oid_datum(procs::proc_named(o.join)),
    ])
}

/// The OID of the first cast that PostgreSQL hasn't: a range that nothing else here uses.
const FIRST_CAST: u32 = 11000;

fn cast_rows(rows: &mut Rows) {
    let pair = |r: &Row| (r.oid(pg_cast::CASTSOURCE), r.oid(pg_cast::CASTTARGET));
    let listed: HashSet<(Oid, Oid)> = rows.get(&pg_cast::TABLE).into_iter().flatten().map(pair).collect();
    let others = registry::casts().filter(|c| !listed.contains(&(c.source, c.target)));
    for (i, c) in others.enumerate() {
        add(
            rows,
            pg_cast::TABLE,
            Row(vec![
                Datum::U32(FIRST_CAST + i as u32),
                oid_datum(c.source),
                oid_datum(c.target),
                oid_datum(c.function),
                char_datum(match c.context {
                    CastContext::Implicit => 'i',
                    CastContext::Assignment => 'a',
                    CastContext::Explicit => 'e',
                }),
                char_datum(match c.method {
                    CastMethod::Function => 'f',
                    CastMethod::Binary => 'b',
                    CastMethod::InOut => 'i',
                }),
            ]),
        );
    }
}
