//! System views: the `pg_*` views and `information_schema`, as SQL text over the catalogs.
//!
//! A view is a file `<schema>/<name>.sql` and a row of [`VIEWS`]; its columns' names and types, which must be PostgreSQL's, stand in
//! `columns.tsv` (view OID, column, type OID, modifier, collation). Views of information_schema are wrapped, so that their columns have
//! these names and types whatever the file's query calls them.

use crate::acl::Privilege;
use crate::builtin::oids;
use hashbrown::HashMap;
use quarry_common::Oid;
use quarry_types::SqlType;
use std::sync::LazyLock;

/// A column of a system view.
#[derive(Debug)]
pub struct ViewColumn {
    pub name: &'static str,
    pub ty: SqlType,
    pub collation: Oid,
}

/// A system view.
#[derive(Debug)]
pub struct SystemView {
    pub oid: u32,
    pub schema: &'static str,
    pub name: &'static str,
    pub row_type: u32,
    pub array_type: u32,
    access: Access,
    pub columns: Vec<ViewColumn>,
    /// The query.
    pub sql: String,
}

/// Who may read a view.
#[derive(Clone, Copy, Debug)]
enum Access {
    Public,
    /// PUBLIC may also UPDATE: pg_settings.
    PublicUpdate,
    Superuser,
}

impl SystemView {
    pub fn schema_oid(&self) -> Oid {
        if self.schema == "pg_catalog" { oids::PG_CATALOG } else { oids::INFORMATION_SCHEMA }
    }
    /// What PUBLIC may do.
    pub fn public_privileges(&self) -> Option<u16> {
        match self.access {
            Access::Public => Some(Privilege::Select.bit()),
            Access::PublicUpdate => Some(Privilege::Select.bit() | Privilege::Update.bit()),
            Access::Superuser => None,
        }
    }
}

struct Declared {
    schema: &'static str,
    name: &'static str,
    oid: u32,
    access: Access,
    sql: &'static str,
}

/// Row type and array type follow the view's OID: array + 1, row type + 2.
macro_rules! views {
    ($($schema:literal $name:literal $oid:literal $access:ident;)*) => {
        const VIEWS: &[Declared] = &[$(Declared {
            schema: $schema,
            name: $name,
            oid: $oid,
            access: Access::$access,
            sql: include_str!(concat!($schema, "/", $name, ".sql")),
        }),*];
    };
}

include!("list.rs");

static SYSTEM_VIEWS: LazyLock<Vec<SystemView>> = LazyLock::new(|| {
    let mut columns: HashMap<u32, Vec<ViewColumn>> = HashMap::new();
    for line in include_str!("columns.tsv").lines() {
        let f: Vec<&'static str> = line.split('\t').collect();
        let number = |i: usize| f[i].parse::<i64>().expect("the data file has numbers here");
        columns.entry(number(0) as u32).or_default().push(ViewColumn {
            name: f[1],
            ty: SqlType::with_typmod(Oid(number(2) as u32), number(3) as i32),
            collation: Oid(number(4) as u32),
        });
    }
    VIEWS
        .iter()
        .map(|v| {
            let columns = columns.remove(&v.oid).expect("every view has columns");
            let body = v.sql.trim().trim_end_matches(';');
            let sql = if v.schema == "information_schema" { wrap(body, &columns) } else { body.to_owned() };
            SystemView {
                oid: v.oid,
                schema: v.schema,
                name: v.name,
                row_type: v.oid + 2,
                array_type: v.oid + 1,
                access: v.access,
                columns,
                sql,
            }
        })
        .collect()
});

/// Names and casts the columns of an information_schema view's query.
fn wrap(body: &str, columns: &[ViewColumn]) -> String {
    let mut names = String::new();
    let mut targets = String::new();
    for (i, c) in columns.iter().enumerate() {
        let comma = if i == 0 { "" } else { ", " };
        let name = crate::reader::quote_identifier(c.name);
        names.push_str(&format!("{comma}{name}"));
        let cast = match c.ty.oid.0 {
            13221 => "::information_schema.cardinal_number",
            13224 => "::information_schema.character_data",
            13226 => "::information_schema.sql_identifier",
            13232 => "::information_schema.time_stamp",
            13234 => "::information_schema.yes_or_no",
            _ => "",
        };
        targets.push_str(&format!("{comma}q.{name}{cast} AS {name}"));
    }
    format!("SELECT {targets} FROM (\n{body}\n) AS q({names})")
}

/// Every system view.
pub fn system_views() -> &'static [SystemView] {
    &SYSTEM_VIEWS
}

/// The system view with this OID.
pub fn view(oid: Oid) -> Option<&'static SystemView> {
    if oid.0 >= Oid::FIRST_NORMAL.0 || oid.0 < 12000 {
        return None;
    }
    SYSTEM_VIEWS.iter().find(|v| v.oid == oid.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_view_has_columns_and_a_query() {
        for v in system_views() {
            assert!(!v.columns.is_empty(), "{}", v.name);
            assert!(v.sql.to_ascii_lowercase().trim_start().starts_with("select"), "{}", v.name);
        }
        assert!(view(Oid(1259)).is_none());
    }
}
