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

views! {
    "pg_catalog" "pg_roles" 12000 Public;
    "pg_catalog" "pg_shadow" 12005 Superuser;
    "pg_catalog" "pg_group" 12010 Public;
    "pg_catalog" "pg_user" 12014 Public;
    "pg_catalog" "pg_policies" 12018 Public;
    "pg_catalog" "pg_rules" 12023 Public;
    "pg_catalog" "pg_views" 12028 Public;
    "pg_catalog" "pg_tables" 12033 Public;
    "pg_catalog" "pg_matviews" 12038 Public;
    "pg_catalog" "pg_indexes" 12043 Public;
    "pg_catalog" "pg_sequences" 12048 Public;
    "pg_catalog" "pg_stats" 12053 Public;
    "pg_catalog" "pg_stats_ext" 12058 Public;
    "pg_catalog" "pg_stats_ext_exprs" 12063 Public;
    "pg_catalog" "pg_publication_tables" 12068 Public;
    "pg_catalog" "pg_locks" 12073 Public;
    "pg_catalog" "pg_cursors" 12077 Public;
    "pg_catalog" "pg_available_extensions" 12081 Public;
    "pg_catalog" "pg_available_extension_versions" 12085 Public;
    "pg_catalog" "pg_prepared_xacts" 12090 Public;
    "pg_catalog" "pg_prepared_statements" 12095 Public;
    "pg_catalog" "pg_seclabels" 12099 Public;
    "pg_catalog" "pg_settings" 12104 PublicUpdate;
    "pg_catalog" "pg_file_settings" 12110 Superuser;
    "pg_catalog" "pg_hba_file_rules" 12114 Superuser;
    "pg_catalog" "pg_ident_file_mappings" 12118 Superuser;
    "pg_catalog" "pg_timezone_abbrevs" 12122 Public;
    "pg_catalog" "pg_timezone_names" 12126 Public;
    "pg_catalog" "pg_config" 12130 Superuser;
    "pg_catalog" "pg_shmem_allocations" 12134 Superuser;
    "pg_catalog" "pg_backend_memory_contexts" 12138 Superuser;
    "pg_catalog" "pg_stat_all_tables" 12142 Public;
    "pg_catalog" "pg_stat_xact_all_tables" 12147 Public;
    "pg_catalog" "pg_stat_sys_tables" 12152 Public;
    "pg_catalog" "pg_stat_xact_sys_tables" 12157 Public;
    "pg_catalog" "pg_stat_user_tables" 12161 Public;
    "pg_catalog" "pg_stat_xact_user_tables" 12166 Public;
    "pg_catalog" "pg_statio_all_tables" 12170 Public;
    "pg_catalog" "pg_statio_sys_tables" 12175 Public;
    "pg_catalog" "pg_statio_user_tables" 12179 Public;
    "pg_catalog" "pg_stat_all_indexes" 12183 Public;
    "pg_catalog" "pg_stat_sys_indexes" 12188 Public;
    "pg_catalog" "pg_stat_user_indexes" 12192 Public;
    "pg_catalog" "pg_statio_all_indexes" 12196 Public;
    "pg_catalog" "pg_statio_sys_indexes" 12201 Public;
    "pg_catalog" "pg_statio_user_indexes" 12205 Public;
    "pg_catalog" "pg_statio_all_sequences" 12209 Public;
    "pg_catalog" "pg_statio_sys_sequences" 12214 Public;
    "pg_catalog" "pg_statio_user_sequences" 12218 Public;
    "pg_catalog" "pg_stat_activity" 12222 Public;
    "pg_catalog" "pg_stat_replication" 12227 Public;
    "pg_catalog" "pg_stat_slru" 12232 Public;
    "pg_catalog" "pg_stat_wal_receiver" 12236 Public;
    "pg_catalog" "pg_stat_recovery_prefetch" 12240 Public;
    "pg_catalog" "pg_stat_subscription" 12244 Public;
    "pg_catalog" "pg_stat_ssl" 12249 Public;
    "pg_catalog" "pg_stat_gssapi" 12253 Public;
    "pg_catalog" "pg_replication_slots" 12257 Public;
    "pg_catalog" "pg_stat_database" 12266 Public;
    "pg_catalog" "pg_stat_database_conflicts" 12271 Public;
    "pg_catalog" "pg_stat_user_functions" 12275 Public;
    "pg_catalog" "pg_stat_xact_user_functions" 12280 Public;
    "pg_catalog" "pg_stat_archiver" 12285 Public;
    "pg_catalog" "pg_stat_bgwriter" 12289 Public;
    "pg_catalog" "pg_stat_wal" 12293 Public;
    "pg_catalog" "pg_stat_progress_analyze" 12297 Public;
    "pg_catalog" "pg_stat_progress_vacuum" 12302 Public;
    "pg_catalog" "pg_stat_progress_cluster" 12307 Public;
    "pg_catalog" "pg_stat_progress_create_index" 12312 Public;
    "pg_catalog" "pg_stat_progress_basebackup" 12317 Public;
    "pg_catalog" "pg_stat_progress_copy" 12322 Public;
    "pg_catalog" "pg_user_mappings" 12327 Public;
    "pg_catalog" "pg_replication_origin_status" 12332 Superuser;
    "information_schema" "information_schema_catalog_name" 13227 Public;
    "information_schema" "applicable_roles" 13236 Public;
    "information_schema" "administrable_role_authorizations" 13241 Public;
    "information_schema" "attributes" 13245 Public;
    "information_schema" "character_sets" 13250 Public;
    "information_schema" "check_constraint_routine_usage" 13255 Public;
    "information_schema" "check_constraints" 13260 Public;
    "information_schema" "collations" 13265 Public;
    "information_schema" "collation_character_set_applicability" 13270 Public;
    "information_schema" "column_column_usage" 13275 Public;
    "information_schema" "column_domain_usage" 13280 Public;
    "information_schema" "column_privileges" 13285 Public;
    "information_schema" "column_udt_usage" 13290 Public;
    "information_schema" "columns" 13295 Public;
    "information_schema" "constraint_column_usage" 13300 Public;
    "information_schema" "constraint_table_usage" 13305 Public;
    "information_schema" "domain_constraints" 13310 Public;
    "information_schema" "domain_udt_usage" 13315 Public;
    "information_schema" "domains" 13320 Public;
    "information_schema" "enabled_roles" 13325 Public;
    "information_schema" "key_column_usage" 13329 Public;
    "information_schema" "parameters" 13334 Public;
    "information_schema" "referential_constraints" 13339 Public;
    "information_schema" "role_column_grants" 13344 Public;
    "information_schema" "routine_column_usage" 13348 Public;
    "information_schema" "routine_privileges" 13353 Public;
    "information_schema" "role_routine_grants" 13358 Public;
    "information_schema" "routine_routine_usage" 13362 Public;
    "information_schema" "routine_sequence_usage" 13367 Public;
    "information_schema" "routine_table_usage" 13372 Public;
    "information_schema" "routines" 13377 Public;
    "information_schema" "schemata" 13382 Public;
    "information_schema" "sequences" 13386 Public;
    "information_schema" "table_constraints" 13411 Public;
    "information_schema" "table_privileges" 13416 Public;
    "information_schema" "role_table_grants" 13421 Public;
    "information_schema" "tables" 13425 Public;
    "information_schema" "transforms" 13430 Superuser;
    "information_schema" "triggered_update_columns" 13435 Public;
    "information_schema" "triggers" 13440 Public;
    "information_schema" "udt_privileges" 13445 Public;
    "information_schema" "role_udt_grants" 13450 Public;
    "information_schema" "usage_privileges" 13454 Public;
    "information_schema" "role_usage_grants" 13459 Public;
    "information_schema" "user_defined_types" 13463 Public;
    "information_schema" "view_column_usage" 13468 Public;
    "information_schema" "view_routine_usage" 13473 Public;
    "information_schema" "view_table_usage" 13478 Public;
    "information_schema" "views" 13483 Public;
    "information_schema" "data_type_privileges" 13488 Public;
    "information_schema" "element_types" 13493 Public;
    "information_schema" "column_options" 13503 Public;
    "information_schema" "foreign_data_wrapper_options" 13511 Public;
    "information_schema" "foreign_data_wrappers" 13515 Public;
    "information_schema" "foreign_server_options" 13524 Public;
    "information_schema" "foreign_servers" 13528 Public;
    "information_schema" "foreign_table_options" 13537 Public;
    "information_schema" "foreign_tables" 13541 Public;
    "information_schema" "user_mapping_options" 13550 Public;
    "information_schema" "user_mappings" 13555 Public;
}

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
