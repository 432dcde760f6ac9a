//! The system catalogs: what PostgreSQL 15 has, by rising OID. Facts only; [`super::catalog_table`] finds one.

use super::{CatalogColumn, CatalogIndex, CatalogTable};

const fn c(name: &'static str, ty: u32, not_null: bool) -> CatalogColumn {
    CatalogColumn { name, ty: quarry_common::Oid(ty), not_null }
}

const fn i(
    oid: u32,
    name: &'static str,
    unique: bool,
    primary: bool,
    constraint: u32,
    columns: &'static [i16],
    opclasses: &'static [u32],
) -> CatalogIndex {
    CatalogIndex { oid, name, unique, primary, constraint, columns, opclasses }
}

#[rustfmt::skip]
pub(super) static TABLES: &[CatalogTable] = &[
    CatalogTable { oid: 826, name: "pg_default_acl", shared: false, row_type: 10088, array_type: 10087, toast: 4143, toast_index: 4144,
        columns: &[
            c("oid", 26, true), c("defaclrole", 26, true), c("defaclnamespace", 26, true), c("defaclobjtype", 18, true),
            c("defaclacl", 1034, true),
        ],
        indexes: &[
            i(827, "pg_default_acl_role_nsp_obj_index", true, false, 10200, &[2, 3, 4], &[1981, 1981, 10007]),
            i(828, "pg_default_acl_oid_index", true, true, 10201, &[1], &[1981]),
        ] },
    CatalogTable { oid: 1213, name: "pg_tablespace", shared: true, row_type: 10056, array_type: 10055, toast: 4185, toast_index: 4186,
        columns: &[
            c("oid", 26, true), c("spcname", 19, true), c("spcowner", 26, true), c("spcacl", 1034, false),
            c("spcoptions", 1009, false),
        ],
        indexes: &[
            i(2697, "pg_tablespace_oid_index", true, true, 10171, &[1], &[1981]),
            i(2698, "pg_tablespace_spcname_index", true, false, 10172, &[2], &[10028]),
        ] },
    CatalogTable { oid: 1214, name: "pg_shdepend", shared: true, row_type: 10060, array_type: 10059, toast: 0, toast_index: 0,
        columns: &[
            c("dbid", 26, true), c("classid", 26, true), c("objid", 26, true), c("objsubid", 23, true),
            c("refclassid", 26, true), c("refobjid", 26, true), c("deptype", 18, true),
        ],
        indexes: &[
            i(1232, "pg_shdepend_depender_index", false, false, 0, &[1, 2, 3, 4], &[1981, 1981, 1981, 1978]),
            i(1233, "pg_shdepend_reference_index", false, false, 0, &[5, 6], &[1981, 1981]),
        ] },
    CatalogTable { oid: 1247, name: "pg_type", shared: false, row_type: 71, array_type: 210, toast: 4171, toast_index: 4172,
        columns: &[
            c("oid", 26, true), c("typname", 19, true), c("typnamespace", 26, true), c("typowner", 26, true),
            c("typlen", 21, true), c("typbyval", 16, true), c("typtype", 18, true), c("typcategory", 18, true),
            c("typispreferred", 16, true), c("typisdefined", 16, true), c("typdelim", 18, true), c("typrelid", 26, true),
            c("typsubscript", 24, true), c("typelem", 26, true), c("typarray", 26, true), c("typinput", 24, true),
            c("typoutput", 24, true), c("typreceive", 24, true), c("typsend", 24, true), c("typmodin", 24, true),
            c("typmodout", 24, true), c("typanalyze", 24, true), c("typalign", 18, true), c("typstorage", 18, true),
            c("typnotnull", 16, true), c("typbasetype", 26, true), c("typtypmod", 23, true), c("typndims", 23, true),
            c("typcollation", 26, true), c("typdefaultbin", 194, false), c("typdefault", 25, false),
            c("typacl", 1034, false),
        ],
        indexes: &[
            i(2703, "pg_type_oid_index", true, true, 10117, &[1], &[1981]),
            i(2704, "pg_type_typname_nsp_index", true, false, 10118, &[2, 3], &[10028, 1981]),
        ] },
    CatalogTable { oid: 1249, name: "pg_attribute", shared: false, row_type: 75, array_type: 270, toast: 0, toast_index: 0,
        columns: &[
            c("attrelid", 26, true), c("attname", 19, true), c("atttypid", 26, true), c("attstattarget", 23, true),
            c("attlen", 21, true), c("attnum", 21, true), c("attndims", 23, true), c("attcacheoff", 23, true),
            c("atttypmod", 23, true), c("attbyval", 16, true), c("attalign", 18, true), c("attstorage", 18, true),
            c("attcompression", 18, true), c("attnotnull", 16, true), c("atthasdef", 16, true), c("atthasmissing", 16, true),
            c("attidentity", 18, true), c("attgenerated", 18, true), c("attisdropped", 16, true), c("attislocal", 16, true),
            c("attinhcount", 23, true), c("attcollation", 26, true), c("attacl", 1034, false), c("attoptions", 1009, false),
            c("attfdwoptions", 1009, false), c("attmissingval", 2277, false),
        ],
        indexes: &[
            i(2658, "pg_attribute_relid_attnam_index", true, false, 10119, &[1, 2], &[1981, 10028]),
            i(2659, "pg_attribute_relid_attnum_index", true, true, 10120, &[1, 6], &[1981, 1979]),
        ] },
    CatalogTable { oid: 1255, name: "pg_proc", shared: false, row_type: 81, array_type: 272, toast: 2836, toast_index: 2837,
        columns: &[
            c("oid", 26, true), c("proname", 19, true), c("pronamespace", 26, true), c("proowner", 26, true),
            c("prolang", 26, true), c("procost", 700, true), c("prorows", 700, true), c("provariadic", 26, true),
            c("prosupport", 24, true), c("prokind", 18, true), c("prosecdef", 16, true), c("proleakproof", 16, true),
            c("proisstrict", 16, true), c("proretset", 16, true), c("provolatile", 18, true), c("proparallel", 18, true),
            c("pronargs", 21, true), c("pronargdefaults", 21, true), c("prorettype", 26, true), c("proargtypes", 30, true),
            c("proallargtypes", 1028, false), c("proargmodes", 1002, false), c("proargnames", 1009, false),
            c("proargdefaults", 194, false), c("protrftypes", 1028, false), c("prosrc", 25, true), c("probin", 25, false),
            c("prosqlbody", 194, false), c("proconfig", 1009, false), c("proacl", 1034, false),
        ],
        indexes: &[
            i(2690, "pg_proc_oid_index", true, true, 10115, &[1], &[1981]),
            i(2691, "pg_proc_proname_args_nsp_index", true, false, 10116, &[2, 20, 3], &[10028, 10032, 1981]),
        ] },
    CatalogTable { oid: 1259, name: "pg_class", shared: false, row_type: 83, array_type: 273, toast: 0, toast_index: 0,
        columns: &[
            c("oid", 26, true), c("relname", 19, true), c("relnamespace", 26, true), c("reltype", 26, true),
            c("reloftype", 26, true), c("relowner", 26, true), c("relam", 26, true), c("relfilenode", 26, true),
            c("reltablespace", 26, true), c("relpages", 23, true), c("reltuples", 700, true), c("relallvisible", 23, true),
            c("reltoastrelid", 26, true), c("relhasindex", 16, true), c("relisshared", 16, true),
            c("relpersistence", 18, true), c("relkind", 18, true), c("relnatts", 21, true), c("relchecks", 21, true),
            c("relhasrules", 16, true), c("relhastriggers", 16, true), c("relhassubclass", 16, true),
            c("relrowsecurity", 16, true), c("relforcerowsecurity", 16, true), c("relispopulated", 16, true),
            c("relreplident", 18, true), c("relispartition", 16, true), c("relrewrite", 26, true),
            c("relfrozenxid", 28, true), c("relminmxid", 28, true), c("relacl", 1034, false), c("reloptions", 1009, false),
            c("relpartbound", 194, false),
        ],
        indexes: &[
            i(2662, "pg_class_oid_index", true, true, 10121, &[1], &[1981]),
            i(2663, "pg_class_relname_nsp_index", true, false, 10122, &[2, 3], &[10028, 1981]),
            i(3455, "pg_class_tblspc_relfilenode_index", false, false, 0, &[9, 8], &[1981, 1981]),
        ] },
    CatalogTable { oid: 1260, name: "pg_authid", shared: true, row_type: 2842, array_type: 10057, toast: 4175, toast_index: 4176,
        columns: &[
            c("oid", 26, true), c("rolname", 19, true), c("rolsuper", 16, true), c("rolinherit", 16, true),
            c("rolcreaterole", 16, true), c("rolcreatedb", 16, true), c("rolcanlogin", 16, true),
            c("rolreplication", 16, true), c("rolbypassrls", 16, true), c("rolconnlimit", 23, true),
            c("rolpassword", 25, false), c("rolvaliduntil", 1184, false),
        ],
        indexes: &[
            i(2676, "pg_authid_rolname_index", true, false, 10173, &[2], &[10028]),
            i(2677, "pg_authid_oid_index", true, true, 10174, &[1], &[1981]),
        ] },
    CatalogTable { oid: 1261, name: "pg_auth_members", shared: true, row_type: 2843, array_type: 10058, toast: 0, toast_index: 0,
        columns: &[
            c("roleid", 26, true), c("member", 26, true), c("grantor", 26, true), c("admin_option", 16, true),
        ],
        indexes: &[
            i(2694, "pg_auth_members_role_member_index", true, true, 10175, &[1, 2], &[1981, 1981]),
            i(2695, "pg_auth_members_member_role_index", true, false, 10176, &[2, 1], &[1981, 1981]),
        ] },
    CatalogTable { oid: 1262, name: "pg_database", shared: true, row_type: 1248, array_type: 10052, toast: 4177, toast_index: 4178,
        columns: &[
            c("oid", 26, true), c("datname", 19, true), c("datdba", 26, true), c("encoding", 23, true),
            c("datlocprovider", 18, true), c("datistemplate", 16, true), c("datallowconn", 16, true),
            c("datconnlimit", 23, true), c("datfrozenxid", 28, true), c("datminmxid", 28, true),
            c("dattablespace", 26, true), c("datcollate", 25, true), c("datctype", 25, true), c("daticulocale", 25, false),
            c("datcollversion", 25, false), c("datacl", 1034, false),
        ],
        indexes: &[
            i(2671, "pg_database_datname_index", true, false, 10168, &[2], &[10028]),
            i(2672, "pg_database_oid_index", true, true, 10169, &[1], &[1981]),
        ] },
    CatalogTable { oid: 1417, name: "pg_foreign_server", shared: false, row_type: 10078, array_type: 10077, toast: 4151, toast_index: 4152,
        columns: &[
            c("oid", 26, true), c("srvname", 19, true), c("srvowner", 26, true), c("srvfdw", 26, true),
            c("srvtype", 25, false), c("srvversion", 25, false), c("srvacl", 1034, false), c("srvoptions", 1009, false),
        ],
        indexes: &[
            i(113, "pg_foreign_server_oid_index", true, true, 10191, &[1], &[1981]),
            i(549, "pg_foreign_server_name_index", true, false, 10192, &[2], &[10028]),
        ] },
    CatalogTable { oid: 1418, name: "pg_user_mapping", shared: false, row_type: 10080, array_type: 10079, toast: 4173, toast_index: 4174,
        columns: &[
            c("oid", 26, true), c("umuser", 26, true), c("umserver", 26, true), c("umoptions", 1009, false),
        ],
        indexes: &[
            i(174, "pg_user_mapping_oid_index", true, true, 10193, &[1], &[1981]),
            i(175, "pg_user_mapping_user_server_index", true, false, 10194, &[2, 3], &[1981, 1981]),
        ] },
    CatalogTable { oid: 2224, name: "pg_sequence", shared: false, row_type: 10105, array_type: 10104, toast: 0, toast_index: 0,
        columns: &[
            c("seqrelid", 26, true), c("seqtypid", 26, true), c("seqstart", 20, true), c("seqincrement", 20, true),
            c("seqmax", 20, true), c("seqmin", 20, true), c("seqcache", 20, true), c("seqcycle", 16, true),
        ],
        indexes: &[
            i(5002, "pg_sequence_seqrelid_index", true, true, 10214, &[1], &[1981]),
        ] },
    CatalogTable { oid: 2328, name: "pg_foreign_data_wrapper", shared: false, row_type: 10076, array_type: 10075, toast: 4149, toast_index: 4150,
        columns: &[
            c("oid", 26, true), c("fdwname", 19, true), c("fdwowner", 26, true), c("fdwhandler", 26, true),
            c("fdwvalidator", 26, true), c("fdwacl", 1034, false), c("fdwoptions", 1009, false),
        ],
        indexes: &[
            i(112, "pg_foreign_data_wrapper_oid_index", true, true, 10189, &[1], &[1981]),
            i(548, "pg_foreign_data_wrapper_name_index", true, false, 10190, &[2], &[10028]),
        ] },
    CatalogTable { oid: 2396, name: "pg_shdescription", shared: true, row_type: 10062, array_type: 10061, toast: 2846, toast_index: 2847,
        columns: &[
            c("objoid", 26, true), c("classoid", 26, true), c("description", 25, true),
        ],
        indexes: &[
            i(2397, "pg_shdescription_o_c_index", true, true, 10177, &[1, 2], &[1981, 1981]),
        ] },
    CatalogTable { oid: 2600, name: "pg_aggregate", shared: false, row_type: 10027, array_type: 10026, toast: 4159, toast_index: 4160,
        columns: &[
            c("aggfnoid", 24, true), c("aggkind", 18, true), c("aggnumdirectargs", 21, true), c("aggtransfn", 24, true),
            c("aggfinalfn", 24, true), c("aggcombinefn", 24, true), c("aggserialfn", 24, true), c("aggdeserialfn", 24, true),
            c("aggmtransfn", 24, true), c("aggminvtransfn", 24, true), c("aggmfinalfn", 24, true),
            c("aggfinalextra", 16, true), c("aggmfinalextra", 16, true), c("aggfinalmodify", 18, true),
            c("aggmfinalmodify", 18, true), c("aggsortop", 26, true), c("aggtranstype", 26, true),
            c("aggtransspace", 23, true), c("aggmtranstype", 26, true), c("aggmtransspace", 23, true),
            c("agginitval", 25, false), c("aggminitval", 25, false),
        ],
        indexes: &[
            i(2650, "pg_aggregate_fnoid_index", true, true, 10146, &[1], &[1981]),
        ] },
    CatalogTable { oid: 2601, name: "pg_am", shared: false, row_type: 10015, array_type: 10014, toast: 0, toast_index: 0,
        columns: &[
            c("oid", 26, true), c("amname", 19, true), c("amhandler", 24, true), c("amtype", 18, true),
        ],
        indexes: &[
            i(2651, "pg_am_name_index", true, false, 10135, &[2], &[10028]),
            i(2652, "pg_am_oid_index", true, true, 10136, &[1], &[1981]),
        ] },
    CatalogTable { oid: 2602, name: "pg_amop", shared: false, row_type: 10017, array_type: 10016, toast: 0, toast_index: 0,
        columns: &[
            c("oid", 26, true), c("amopfamily", 26, true), c("amoplefttype", 26, true), c("amoprighttype", 26, true),
            c("amopstrategy", 21, true), c("amoppurpose", 18, true), c("amopopr", 26, true), c("amopmethod", 26, true),
            c("amopsortfamily", 26, true),
        ],
        indexes: &[
            i(2653, "pg_amop_fam_strat_index", true, false, 10137, &[2, 3, 4, 5], &[1981, 1981, 1981, 1979]),
            i(2654, "pg_amop_opr_fam_index", true, false, 10138, &[7, 6, 2], &[1981, 10007, 1981]),
            i(2756, "pg_amop_oid_index", true, true, 10139, &[1], &[1981]),
        ] },
    CatalogTable { oid: 2603, name: "pg_amproc", shared: false, row_type: 10019, array_type: 10018, toast: 0, toast_index: 0,
        columns: &[
            c("oid", 26, true), c("amprocfamily", 26, true), c("amproclefttype", 26, true), c("amprocrighttype", 26, true),
            c("amprocnum", 21, true), c("amproc", 24, true),
        ],
        indexes: &[
            i(2655, "pg_amproc_fam_proc_index", true, false, 10140, &[2, 3, 4, 5], &[1981, 1981, 1981, 1979]),
            i(2757, "pg_amproc_oid_index", true, true, 10141, &[1], &[1981]),
        ] },
    CatalogTable { oid: 2604, name: "pg_attrdef", shared: false, row_type: 10001, array_type: 10000, toast: 2830, toast_index: 2831,
        columns: &[
            c("oid", 26, true), c("adrelid", 26, true), c("adnum", 21, true), c("adbin", 194, true),
        ],
        indexes: &[
            i(2656, "pg_attrdef_adrelid_adnum_index", true, false, 10123, &[2, 3], &[1981, 1979]),
            i(2657, "pg_attrdef_oid_index", true, true, 10124, &[1], &[1981]),
        ] },
    CatalogTable { oid: 2605, name: "pg_cast", shared: false, row_type: 10043, array_type: 10042, toast: 0, toast_index: 0,
        columns: &[
            c("oid", 26, true), c("castsource", 26, true), c("casttarget", 26, true), c("castfunc", 26, true),
            c("castcontext", 18, true), c("castmethod", 18, true),
        ],
        indexes: &[
            i(2660, "pg_cast_oid_index", true, true, 10158, &[1], &[1981]),
            i(2661, "pg_cast_source_target_index", true, false, 10159, &[2, 3], &[1981, 1981]),
        ] },
    CatalogTable { oid: 2606, name: "pg_constraint", shared: false, row_type: 10003, array_type: 10002, toast: 2832, toast_index: 2833,
        columns: &[
            c("oid", 26, true), c("conname", 19, true), c("connamespace", 26, true), c("contype", 18, true),
            c("condeferrable", 16, true), c("condeferred", 16, true), c("convalidated", 16, true), c("conrelid", 26, true),
            c("contypid", 26, true), c("conindid", 26, true), c("conparentid", 26, true), c("confrelid", 26, true),
            c("confupdtype", 18, true), c("confdeltype", 18, true), c("confmatchtype", 18, true), c("conislocal", 16, true),
            c("coninhcount", 23, true), c("connoinherit", 16, true), c("conkey", 1005, false), c("confkey", 1005, false),
            c("conpfeqop", 1028, false), c("conppeqop", 1028, false), c("conffeqop", 1028, false),
            c("confdelsetcols", 1005, false), c("conexclop", 1028, false), c("conbin", 194, false),
        ],
        indexes: &[
            i(2579, "pg_constraint_conparentid_index", false, false, 0, &[11], &[1981]),
            i(2664, "pg_constraint_conname_nsp_index", false, false, 0, &[2, 3], &[10028, 1981]),
            i(2665, "pg_constraint_conrelid_contypid_conname_index", true, false, 10125, &[8, 9, 2], &[1981, 1981, 10028]),
            i(2666, "pg_constraint_contypid_index", false, false, 0, &[9], &[1981]),
            i(2667, "pg_constraint_oid_index", true, true, 10126, &[1], &[1981]),
        ] },
    CatalogTable { oid: 2607, name: "pg_conversion", shared: false, row_type: 10049, array_type: 10048, toast: 0, toast_index: 0,
        columns: &[
            c("oid", 26, true), c("conname", 19, true), c("connamespace", 26, true), c("conowner", 26, true),
            c("conforencoding", 23, true), c("contoencoding", 23, true), c("conproc", 24, true), c("condefault", 16, true),
        ],
        indexes: &[
            i(2668, "pg_conversion_default_index", true, false, 10165, &[3, 5, 6, 1], &[1981, 1978, 1978, 1981]),
            i(2669, "pg_conversion_name_nsp_index", true, false, 10166, &[2, 3], &[10028, 1981]),
            i(2670, "pg_conversion_oid_index", true, true, 10167, &[1], &[1981]),
        ] },
    CatalogTable { oid: 2608, name: "pg_depend", shared: false, row_type: 10051, array_type: 10050, toast: 0, toast_index: 0,
        columns: &[
            c("classid", 26, true), c("objid", 26, true), c("objsubid", 23, true), c("refclassid", 26, true),
            c("refobjid", 26, true), c("refobjsubid", 23, true), c("deptype", 18, true),
        ],
        indexes: &[
            i(2673, "pg_depend_depender_index", false, false, 0, &[1, 2, 3], &[1981, 1981, 1978]),
            i(2674, "pg_depend_reference_index", false, false, 0, &[4, 5, 6], &[1981, 1981, 1978]),
        ] },
    CatalogTable { oid: 2609, name: "pg_description", shared: false, row_type: 10041, array_type: 10040, toast: 2834, toast_index: 2835,
        columns: &[
            c("objoid", 26, true), c("classoid", 26, true), c("objsubid", 23, true), c("description", 25, true),
        ],
        indexes: &[
            i(2675, "pg_description_o_c_o_index", true, true, 10157, &[1, 2, 3], &[1981, 1981, 1978]),
        ] },
    CatalogTable { oid: 2610, name: "pg_index", shared: false, row_type: 10007, array_type: 10006, toast: 0, toast_index: 0,
        columns: &[
            c("indexrelid", 26, true), c("indrelid", 26, true), c("indnatts", 21, true), c("indnkeyatts", 21, true),
            c("indisunique", 16, true), c("indnullsnotdistinct", 16, true), c("indisprimary", 16, true),
            c("indisexclusion", 16, true), c("indimmediate", 16, true), c("indisclustered", 16, true),
            c("indisvalid", 16, true), c("indcheckxmin", 16, true), c("indisready", 16, true), c("indislive", 16, true),
            c("indisreplident", 16, true), c("indkey", 22, true), c("indcollation", 30, true), c("indclass", 30, true),
            c("indoption", 22, true), c("indexprs", 194, false), c("indpred", 194, false),
        ],
        indexes: &[
            i(2678, "pg_index_indrelid_index", false, false, 0, &[2], &[1981]),
            i(2679, "pg_index_indexrelid_index", true, true, 10128, &[1], &[1981]),
        ] },
    CatalogTable { oid: 2611, name: "pg_inherits", shared: false, row_type: 10005, array_type: 10004, toast: 0, toast_index: 0,
        columns: &[
            c("inhrelid", 26, true), c("inhparent", 26, true), c("inhseqno", 23, true), c("inhdetachpending", 16, true),
        ],
        indexes: &[
            i(2187, "pg_inherits_parent_index", false, false, 0, &[2], &[1981]),
            i(2680, "pg_inherits_relid_seqno_index", true, true, 10127, &[1, 3], &[1981, 1978]),
        ] },
    CatalogTable { oid: 2612, name: "pg_language", shared: false, row_type: 10021, array_type: 10020, toast: 4157, toast_index: 4158,
        columns: &[
            c("oid", 26, true), c("lanname", 19, true), c("lanowner", 26, true), c("lanispl", 16, true),
            c("lanpltrusted", 16, true), c("lanplcallfoid", 26, true), c("laninline", 26, true), c("lanvalidator", 26, true),
            c("lanacl", 1034, false),
        ],
        indexes: &[
            i(2681, "pg_language_name_index", true, false, 10142, &[2], &[10028]),
            i(2682, "pg_language_oid_index", true, true, 10143, &[1], &[1981]),
        ] },
    CatalogTable { oid: 2613, name: "pg_largeobject", shared: false, row_type: 10025, array_type: 10024, toast: 0, toast_index: 0,
        columns: &[
            c("loid", 26, true), c("pageno", 23, true), c("data", 17, true),
        ],
        indexes: &[
            i(2683, "pg_largeobject_loid_pn_index", true, true, 10145, &[1, 2], &[1981, 1978]),
        ] },
    CatalogTable { oid: 2615, name: "pg_namespace", shared: false, row_type: 10047, array_type: 10046, toast: 4163, toast_index: 4164,
        columns: &[
            c("oid", 26, true), c("nspname", 19, true), c("nspowner", 26, true), c("nspacl", 1034, false),
        ],
        indexes: &[
            i(2684, "pg_namespace_nspname_index", true, false, 10163, &[2], &[10028]),
            i(2685, "pg_namespace_oid_index", true, true, 10164, &[1], &[1981]),
        ] },
    CatalogTable { oid: 2616, name: "pg_opclass", shared: false, row_type: 10013, array_type: 10012, toast: 0, toast_index: 0,
        columns: &[
            c("oid", 26, true), c("opcmethod", 26, true), c("opcname", 19, true), c("opcnamespace", 26, true),
            c("opcowner", 26, true), c("opcfamily", 26, true), c("opcintype", 26, true), c("opcdefault", 16, true),
            c("opckeytype", 26, true),
        ],
        indexes: &[
            i(2686, "pg_opclass_am_name_nsp_index", true, false, 10133, &[2, 3, 4], &[1981, 10028, 1981]),
            i(2687, "pg_opclass_oid_index", true, true, 10134, &[1], &[1981]),
        ] },
    CatalogTable { oid: 2617, name: "pg_operator", shared: false, row_type: 10009, array_type: 10008, toast: 0, toast_index: 0,
        columns: &[
            c("oid", 26, true), c("oprname", 19, true), c("oprnamespace", 26, true), c("oprowner", 26, true),
            c("oprkind", 18, true), c("oprcanmerge", 16, true), c("oprcanhash", 16, true), c("oprleft", 26, true),
            c("oprright", 26, true), c("oprresult", 26, true), c("oprcom", 26, true), c("oprnegate", 26, true),
            c("oprcode", 24, true), c("oprrest", 24, true), c("oprjoin", 24, true),
        ],
        indexes: &[
            i(2688, "pg_operator_oid_index", true, true, 10129, &[1], &[1981]),
            i(2689, "pg_operator_oprname_l_r_n_index", true, false, 10130, &[2, 8, 9, 3], &[10028, 1981, 1981, 1981]),
        ] },
    CatalogTable { oid: 2618, name: "pg_rewrite", shared: false, row_type: 10035, array_type: 10034, toast: 2838, toast_index: 2839,
        columns: &[
            c("oid", 26, true), c("rulename", 19, true), c("ev_class", 26, true), c("ev_type", 18, true),
            c("ev_enabled", 18, true), c("is_instead", 16, true), c("ev_qual", 194, true), c("ev_action", 194, true),
        ],
        indexes: &[
            i(2692, "pg_rewrite_oid_index", true, true, 10151, &[1], &[1981]),
            i(2693, "pg_rewrite_rel_rulename_index", true, false, 10152, &[3, 2], &[1981, 10028]),
        ] },
    CatalogTable { oid: 2619, name: "pg_statistic", shared: false, row_type: 10029, array_type: 10028, toast: 2840, toast_index: 2841,
        columns: &[
            c("starelid", 26, true), c("staattnum", 21, true), c("stainherit", 16, true), c("stanullfrac", 700, true),
            c("stawidth", 23, true), c("stadistinct", 700, true), c("stakind1", 21, true), c("stakind2", 21, true),
            c("stakind3", 21, true), c("stakind4", 21, true), c("stakind5", 21, true), c("staop1", 26, true),
            c("staop2", 26, true), c("staop3", 26, true), c("staop4", 26, true), c("staop5", 26, true),
            c("stacoll1", 26, true), c("stacoll2", 26, true), c("stacoll3", 26, true), c("stacoll4", 26, true),
            c("stacoll5", 26, true), c("stanumbers1", 1021, false), c("stanumbers2", 1021, false),
            c("stanumbers3", 1021, false), c("stanumbers4", 1021, false), c("stanumbers5", 1021, false),
            c("stavalues1", 2277, false), c("stavalues2", 2277, false), c("stavalues3", 2277, false),
            c("stavalues4", 2277, false), c("stavalues5", 2277, false),
        ],
        indexes: &[
            i(2696, "pg_statistic_relid_att_inh_index", true, true, 10147, &[1, 2, 3], &[1981, 1979, 10003]),
        ] },
    CatalogTable { oid: 2620, name: "pg_trigger", shared: false, row_type: 10037, array_type: 10036, toast: 2336, toast_index: 2337,
        columns: &[
            c("oid", 26, true), c("tgrelid", 26, true), c("tgparentid", 26, true), c("tgname", 19, true),
            c("tgfoid", 26, true), c("tgtype", 21, true), c("tgenabled", 18, true), c("tgisinternal", 16, true),
            c("tgconstrrelid", 26, true), c("tgconstrindid", 26, true), c("tgconstraint", 26, true),
            c("tgdeferrable", 16, true), c("tginitdeferred", 16, true), c("tgnargs", 21, true), c("tgattr", 22, true),
            c("tgargs", 17, true), c("tgqual", 194, false), c("tgoldtable", 19, false), c("tgnewtable", 19, false),
        ],
        indexes: &[
            i(2699, "pg_trigger_tgconstraint_index", false, false, 0, &[11], &[1981]),
            i(2701, "pg_trigger_tgrelid_tgname_index", true, false, 10153, &[2, 4], &[1981, 10028]),
            i(2702, "pg_trigger_oid_index", true, true, 10154, &[1], &[1981]),
        ] },
    CatalogTable { oid: 2753, name: "pg_opfamily", shared: false, row_type: 10011, array_type: 10010, toast: 0, toast_index: 0,
        columns: &[
            c("oid", 26, true), c("opfmethod", 26, true), c("opfname", 19, true), c("opfnamespace", 26, true),
            c("opfowner", 26, true),
        ],
        indexes: &[
            i(2754, "pg_opfamily_am_name_nsp_index", true, false, 10131, &[2, 3, 4], &[1981, 10028, 1981]),
            i(2755, "pg_opfamily_oid_index", true, true, 10132, &[1], &[1981]),
        ] },
    CatalogTable { oid: 2964, name: "pg_db_role_setting", shared: true, row_type: 10054, array_type: 10053, toast: 2966, toast_index: 2967,
        columns: &[
            c("setdatabase", 26, true), c("setrole", 26, true), c("setconfig", 1009, false),
        ],
        indexes: &[
            i(2965, "pg_db_role_setting_databaseid_rol_index", true, true, 10170, &[1, 2], &[1981, 1981]),
        ] },
    CatalogTable { oid: 2995, name: "pg_largeobject_metadata", shared: false, row_type: 10023, array_type: 10022, toast: 0, toast_index: 0,
        columns: &[
            c("oid", 26, true), c("lomowner", 26, true), c("lomacl", 1034, false),
        ],
        indexes: &[
            i(2996, "pg_largeobject_metadata_oid_index", true, true, 10144, &[1], &[1981]),
        ] },
    CatalogTable { oid: 3079, name: "pg_extension", shared: false, row_type: 10074, array_type: 10073, toast: 4147, toast_index: 4148,
        columns: &[
            c("oid", 26, true), c("extname", 19, true), c("extowner", 26, true), c("extnamespace", 26, true),
            c("extrelocatable", 16, true), c("extversion", 25, true), c("extconfig", 1028, false),
            c("extcondition", 1009, false),
        ],
        indexes: &[
            i(3080, "pg_extension_oid_index", true, true, 10187, &[1], &[1981]),
            i(3081, "pg_extension_name_index", true, false, 10188, &[2], &[10028]),
        ] },
    CatalogTable { oid: 3118, name: "pg_foreign_table", shared: false, row_type: 10082, array_type: 10081, toast: 4153, toast_index: 4154,
        columns: &[
            c("ftrelid", 26, true), c("ftserver", 26, true), c("ftoptions", 1009, false),
        ],
        indexes: &[
            i(3119, "pg_foreign_table_relid_index", true, true, 10195, &[1], &[1981]),
        ] },
    CatalogTable { oid: 3256, name: "pg_policy", shared: false, row_type: 10084, array_type: 10083, toast: 4167, toast_index: 4168,
        columns: &[
            c("oid", 26, true), c("polname", 19, true), c("polrelid", 26, true), c("polcmd", 18, true),
            c("polpermissive", 16, true), c("polroles", 1028, true), c("polqual", 194, false), c("polwithcheck", 194, false),
        ],
        indexes: &[
            i(3257, "pg_policy_oid_index", true, true, 10196, &[1], &[1981]),
            i(3258, "pg_policy_polrelid_polname_index", true, false, 10197, &[3, 2], &[1981, 10028]),
        ] },
    CatalogTable { oid: 3350, name: "pg_partitioned_table", shared: false, row_type: 10099, array_type: 10098, toast: 4165, toast_index: 4166,
        columns: &[
            c("partrelid", 26, true), c("partstrat", 18, true), c("partnatts", 21, true), c("partdefid", 26, true),
            c("partattrs", 22, true), c("partclass", 30, true), c("partcollation", 30, true), c("partexprs", 194, false),
        ],
        indexes: &[
            i(3351, "pg_partitioned_table_partrelid_index", true, true, 10209, &[1], &[1981]),
        ] },
    CatalogTable { oid: 3381, name: "pg_statistic_ext", shared: false, row_type: 10031, array_type: 10030, toast: 3439, toast_index: 3440,
        columns: &[
            c("oid", 26, true), c("stxrelid", 26, true), c("stxname", 19, true), c("stxnamespace", 26, true),
            c("stxowner", 26, true), c("stxstattarget", 23, true), c("stxkeys", 22, true), c("stxkind", 1002, true),
            c("stxexprs", 194, false),
        ],
        indexes: &[
            i(3379, "pg_statistic_ext_relid_index", false, false, 0, &[2], &[1981]),
            i(3380, "pg_statistic_ext_oid_index", true, true, 10148, &[1], &[1981]),
            i(3997, "pg_statistic_ext_name_index", true, false, 10149, &[3, 4], &[10028, 1981]),
        ] },
    CatalogTable { oid: 3394, name: "pg_init_privs", shared: false, row_type: 10090, array_type: 10089, toast: 4155, toast_index: 4156,
        columns: &[
            c("objoid", 26, true), c("classoid", 26, true), c("objsubid", 23, true), c("privtype", 18, true),
            c("initprivs", 1034, true),
        ],
        indexes: &[
            i(3395, "pg_init_privs_o_c_o_index", true, true, 10202, &[1, 2, 3], &[1981, 1981, 1978]),
        ] },
    CatalogTable { oid: 3429, name: "pg_statistic_ext_data", shared: false, row_type: 10033, array_type: 10032, toast: 3430, toast_index: 3431,
        columns: &[
            c("stxoid", 26, true), c("stxdinherit", 16, true), c("stxdndistinct", 3361, false),
            c("stxddependencies", 3402, false), c("stxdmcv", 5017, false), c("stxdexpr", 10028, false),
        ],
        indexes: &[
            i(3433, "pg_statistic_ext_data_stxoid_inh_index", true, true, 10150, &[1, 2], &[1981, 10003]),
        ] },
    CatalogTable { oid: 3456, name: "pg_collation", shared: false, row_type: 10095, array_type: 10094, toast: 6175, toast_index: 6176,
        columns: &[
            c("oid", 26, true), c("collname", 19, true), c("collnamespace", 26, true), c("collowner", 26, true),
            c("collprovider", 18, true), c("collisdeterministic", 16, true), c("collencoding", 23, true),
            c("collcollate", 25, false), c("collctype", 25, false), c("colliculocale", 25, false),
            c("collversion", 25, false),
        ],
        indexes: &[
            i(3085, "pg_collation_oid_index", true, true, 10206, &[1], &[1981]),
            i(3164, "pg_collation_name_enc_nsp_index", true, false, 10205, &[2, 7, 3], &[10028, 1978, 1981]),
        ] },
    CatalogTable { oid: 3466, name: "pg_event_trigger", shared: false, row_type: 10039, array_type: 10038, toast: 4145, toast_index: 4146,
        columns: &[
            c("oid", 26, true), c("evtname", 19, true), c("evtevent", 19, true), c("evtowner", 26, true),
            c("evtfoid", 26, true), c("evtenabled", 18, true), c("evttags", 1009, false),
        ],
        indexes: &[
            i(3467, "pg_event_trigger_evtname_index", true, false, 10155, &[2], &[10028]),
            i(3468, "pg_event_trigger_oid_index", true, true, 10156, &[1], &[1981]),
        ] },
    CatalogTable { oid: 3501, name: "pg_enum", shared: false, row_type: 10045, array_type: 10044, toast: 0, toast_index: 0,
        columns: &[
            c("oid", 26, true), c("enumtypid", 26, true), c("enumsortorder", 700, true), c("enumlabel", 19, true),
        ],
        indexes: &[
            i(3502, "pg_enum_oid_index", true, true, 10160, &[1], &[1981]),
            i(3503, "pg_enum_typid_label_index", true, false, 10161, &[2, 4], &[1981, 10028]),
            i(3534, "pg_enum_typid_sortorder_index", true, false, 10162, &[2, 3], &[1981, 10012]),
        ] },
    CatalogTable { oid: 3541, name: "pg_range", shared: false, row_type: 10101, array_type: 10100, toast: 0, toast_index: 0,
        columns: &[
            c("rngtypid", 26, true), c("rngsubtype", 26, true), c("rngmultitypid", 26, true), c("rngcollation", 26, true),
            c("rngsubopc", 26, true), c("rngcanonical", 24, true), c("rngsubdiff", 24, true),
        ],
        indexes: &[
            i(2228, "pg_range_rngmultitypid_index", true, false, 10211, &[3], &[1981]),
            i(3542, "pg_range_rngtypid_index", true, true, 10210, &[1], &[1981]),
        ] },
    CatalogTable { oid: 3576, name: "pg_transform", shared: false, row_type: 10103, array_type: 10102, toast: 0, toast_index: 0,
        columns: &[
            c("oid", 26, true), c("trftype", 26, true), c("trflang", 26, true), c("trffromsql", 24, true),
            c("trftosql", 24, true),
        ],
        indexes: &[
            i(3574, "pg_transform_oid_index", true, true, 10212, &[1], &[1981]),
            i(3575, "pg_transform_type_lang_index", true, false, 10213, &[2, 3], &[1981, 1981]),
        ] },
    CatalogTable { oid: 3592, name: "pg_shseclabel", shared: true, row_type: 4066, array_type: 10093, toast: 4060, toast_index: 4061,
        columns: &[
            c("objoid", 26, true), c("classoid", 26, true), c("provider", 25, true), c("label", 25, true),
        ],
        indexes: &[
            i(3593, "pg_shseclabel_object_index", true, true, 10204, &[1, 2, 3], &[1981, 1981, 3126]),
        ] },
    CatalogTable { oid: 3596, name: "pg_seclabel", shared: false, row_type: 10092, array_type: 10091, toast: 3598, toast_index: 3599,
        columns: &[
            c("objoid", 26, true), c("classoid", 26, true), c("objsubid", 23, true), c("provider", 25, true),
            c("label", 25, true),
        ],
        indexes: &[
            i(3597, "pg_seclabel_object_index", true, true, 10203, &[1, 2, 3, 4], &[1981, 1981, 1978, 3126]),
        ] },
    CatalogTable { oid: 3600, name: "pg_ts_dict", shared: false, row_type: 10068, array_type: 10067, toast: 4169, toast_index: 4170,
        columns: &[
            c("oid", 26, true), c("dictname", 19, true), c("dictnamespace", 26, true), c("dictowner", 26, true),
            c("dicttemplate", 26, true), c("dictinitoption", 25, false),
        ],
        indexes: &[
            i(3604, "pg_ts_dict_dictname_index", true, false, 10181, &[2, 3], &[10028, 1981]),
            i(3605, "pg_ts_dict_oid_index", true, true, 10182, &[1], &[1981]),
        ] },
    CatalogTable { oid: 3601, name: "pg_ts_parser", shared: false, row_type: 10070, array_type: 10069, toast: 0, toast_index: 0,
        columns: &[
            c("oid", 26, true), c("prsname", 19, true), c("prsnamespace", 26, true), c("prsstart", 24, true),
            c("prstoken", 24, true), c("prsend", 24, true), c("prsheadline", 24, true), c("prslextype", 24, true),
        ],
        indexes: &[
            i(3606, "pg_ts_parser_prsname_index", true, false, 10183, &[2, 3], &[10028, 1981]),
            i(3607, "pg_ts_parser_oid_index", true, true, 10184, &[1], &[1981]),
        ] },
    CatalogTable { oid: 3602, name: "pg_ts_config", shared: false, row_type: 10064, array_type: 10063, toast: 0, toast_index: 0,
        columns: &[
            c("oid", 26, true), c("cfgname", 19, true), c("cfgnamespace", 26, true), c("cfgowner", 26, true),
            c("cfgparser", 26, true),
        ],
        indexes: &[
            i(3608, "pg_ts_config_cfgname_index", true, false, 10178, &[2, 3], &[10028, 1981]),
            i(3712, "pg_ts_config_oid_index", true, true, 10179, &[1], &[1981]),
        ] },
    CatalogTable { oid: 3603, name: "pg_ts_config_map", shared: false, row_type: 10066, array_type: 10065, toast: 0, toast_index: 0,
        columns: &[
            c("mapcfg", 26, true), c("maptokentype", 23, true), c("mapseqno", 23, true), c("mapdict", 26, true),
        ],
        indexes: &[
            i(3609, "pg_ts_config_map_index", true, true, 10180, &[1, 2, 3], &[1981, 1978, 1978]),
        ] },
    CatalogTable { oid: 3764, name: "pg_ts_template", shared: false, row_type: 10072, array_type: 10071, toast: 0, toast_index: 0,
        columns: &[
            c("oid", 26, true), c("tmplname", 19, true), c("tmplnamespace", 26, true), c("tmplinit", 24, true),
            c("tmpllexize", 24, true),
        ],
        indexes: &[
            i(3766, "pg_ts_template_tmplname_index", true, false, 10185, &[2, 3], &[10028, 1981]),
            i(3767, "pg_ts_template_oid_index", true, true, 10186, &[1], &[1981]),
        ] },
    CatalogTable { oid: 6000, name: "pg_replication_origin", shared: true, row_type: 10086, array_type: 10085, toast: 4181, toast_index: 4182,
        columns: &[
            c("roident", 26, true), c("roname", 25, true),
        ],
        indexes: &[
            i(6001, "pg_replication_origin_roiident_index", true, true, 10198, &[1], &[1981]),
            i(6002, "pg_replication_origin_roname_index", true, false, 10199, &[2], &[3126]),
        ] },
    CatalogTable { oid: 6100, name: "pg_subscription", shared: true, row_type: 6101, array_type: 10112, toast: 4183, toast_index: 4184,
        columns: &[
            c("oid", 26, true), c("subdbid", 26, true), c("subskiplsn", 3220, true), c("subname", 19, true),
            c("subowner", 26, true), c("subenabled", 16, true), c("subbinary", 16, true), c("substream", 16, true),
            c("subtwophasestate", 18, true), c("subdisableonerr", 16, true), c("subconninfo", 25, true),
            c("subslotname", 19, false), c("subsynccommit", 25, true), c("subpublications", 1009, true),
        ],
        indexes: &[
            i(6114, "pg_subscription_oid_index", true, true, 10221, &[1], &[1981]),
            i(6115, "pg_subscription_subname_index", true, false, 10222, &[2, 4], &[1981, 10028]),
        ] },
    CatalogTable { oid: 6102, name: "pg_subscription_rel", shared: false, row_type: 10114, array_type: 10113, toast: 0, toast_index: 0,
        columns: &[
            c("srsubid", 26, true), c("srrelid", 26, true), c("srsubstate", 18, true), c("srsublsn", 3220, false),
        ],
        indexes: &[
            i(6117, "pg_subscription_rel_srrelid_srsubid_index", true, true, 10223, &[2, 1], &[1981, 1981]),
        ] },
    CatalogTable { oid: 6104, name: "pg_publication", shared: false, row_type: 10107, array_type: 10106, toast: 0, toast_index: 0,
        columns: &[
            c("oid", 26, true), c("pubname", 19, true), c("pubowner", 26, true), c("puballtables", 16, true),
            c("pubinsert", 16, true), c("pubupdate", 16, true), c("pubdelete", 16, true), c("pubtruncate", 16, true),
            c("pubviaroot", 16, true),
        ],
        indexes: &[
            i(6110, "pg_publication_oid_index", true, true, 10215, &[1], &[1981]),
            i(6111, "pg_publication_pubname_index", true, false, 10216, &[2], &[10028]),
        ] },
    CatalogTable { oid: 6106, name: "pg_publication_rel", shared: false, row_type: 10111, array_type: 10110, toast: 6228, toast_index: 6229,
        columns: &[
            c("oid", 26, true), c("prpubid", 26, true), c("prrelid", 26, true), c("prqual", 194, false),
            c("prattrs", 22, false),
        ],
        indexes: &[
            i(6112, "pg_publication_rel_oid_index", true, true, 10219, &[1], &[1981]),
            i(6113, "pg_publication_rel_prrelid_prpubid_index", true, false, 10220, &[3, 2], &[1981, 1981]),
            i(6116, "pg_publication_rel_prpubid_index", false, false, 0, &[2], &[1981]),
        ] },
    CatalogTable { oid: 6237, name: "pg_publication_namespace", shared: false, row_type: 10109, array_type: 10108, toast: 0, toast_index: 0,
        columns: &[
            c("oid", 26, true), c("pnpubid", 26, true), c("pnnspid", 26, true),
        ],
        indexes: &[
            i(6238, "pg_publication_namespace_oid_index", true, true, 10217, &[1], &[1981]),
            i(6239, "pg_publication_namespace_pnnspid_pnpubid_index", true, false, 10218, &[3, 2], &[1981, 1981]),
        ] },
    CatalogTable { oid: 6243, name: "pg_parameter_acl", shared: true, row_type: 10097, array_type: 10096, toast: 6244, toast_index: 6245,
        columns: &[
            c("oid", 26, true), c("parname", 25, true), c("paracl", 1034, false),
        ],
        indexes: &[
            i(6246, "pg_parameter_acl_parname_index", true, false, 10207, &[2], &[3126]),
            i(6247, "pg_parameter_acl_oid_index", true, true, 10208, &[1], &[1981]),
        ] },
];
