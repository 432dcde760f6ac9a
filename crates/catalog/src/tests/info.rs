//! Information functions: every expected text is what PostgreSQL 15 prints for the same objects.

use super::*;
use crate::info;
use quarry_types::{Datum, IoContext, SqlType, oids as t, type_info};

/// create table ip(id int primary key, n numeric(10,2) default 1.5, t varchar(20), constraint n_pos check (n > 0),
///   unique nulls not distinct (t) include (n));
/// create table ic(a int, b text collate "C", c int references ip on delete cascade on update set null deferrable initially deferred);
/// create index ii on ic (lower(b) desc, a nulls first, (a+1) desc nulls last, b text_pattern_ops) include (c)
///   with (fillfactor=70) where a > 3;
fn schema(f: &Fixture) {
    f.change(|w| {
        let mut ip = NewRelation::new("ip", oids::PUBLIC, RelKind::Table, oids::SUPERUSER);
        let mut id = NewColumn::new("id", SqlType::INT4);
        id.not_null = true;
        let mut n = NewColumn::new("n", SqlType::with_typmod(t::NUMERIC, 655_366));
        n.default = Some(StoredExpr::new("1.5"));
        ip.columns = vec![id, n, NewColumn::new("t", SqlType::with_typmod(t::VARCHAR, 24))];
        let ip = w.create_relation(&ip).unwrap();
        let mut check = NewConstraint::new(
            "n_pos",
            ip.oid,
            ConstraintKind::Check { expr_sql: "(n > (0)::numeric)".into() },
            vec![1],
        );
        check.pretty = Some("n > 0::numeric".into());
        w.create_constraint(&check).unwrap();
        let key = |column: usize, ty: SqlType, opclass: u32, collation: u32| IndexKey {
            column: Some(column),
            expr_sql: None,
            ty,
            opclass: Oid(opclass),
            collation: Oid(collation),
            descending: false,
            nulls_first: false,
        };
        let mut i = NewIndex::new("ip_pkey", ip.oid);
        (i.unique, i.primary, i.for_constraint) = (true, true, true);
        i.keys = vec![key(0, SqlType::INT4, 1978, 0)];
        let pkey = w.create_index(&i).unwrap().oid;
        w.create_constraint(&NewConstraint::new(
            "ip_pkey",
            ip.oid,
            ConstraintKind::PrimaryKey { index: pkey },
            vec![0],
        ))
        .unwrap();
        let mut i = NewIndex::new("ip_t_n_key", ip.oid);
        (i.unique, i.nulls_not_distinct, i.for_constraint) = (true, true, true);
        i.keys = vec![key(2, SqlType::TEXT, 3126, 100)];
        i.include = vec![1];
        let index = w.create_index(&i).unwrap().oid;
        w.create_constraint(&NewConstraint::new(
            "ip_t_n_key",
            ip.oid,
            ConstraintKind::Unique { index },
            vec![2],
        ))
        .unwrap();

        let mut ic = NewRelation::new("ic", oids::PUBLIC, RelKind::Table, oids::SUPERUSER);
        let mut b = NewColumn::new("b", SqlType::TEXT);
        b.collation = oids::C_COLLATION;
        ic.columns = vec![NewColumn::new("a", SqlType::INT4), b, NewColumn::new("c", SqlType::INT4)];
        let ic = w.create_relation(&ic).unwrap();
        let kind = ConstraintKind::ForeignKey {
            columns: vec![2],
            ref_table: ip.oid,
            ref_columns: vec![0],
            ref_index: pkey,
            on_update: ReferentialAction::SetNull,
            on_delete: ReferentialAction::Cascade,
            match_full: false,
            set_columns: vec![],
        };
        let mut fk = NewConstraint::new("ic_c_fkey", ic.oid, kind, vec![2]);
        (fk.deferrable, fk.initially_deferred) = (true, true);
        w.create_constraint(&fk).unwrap();
        let mut i = NewIndex::new("ii", ic.oid);
        let lower = IndexKey {
            column: None,
            expr_sql: Some("lower(b)".into()),
            descending: true,
            nulls_first: true,
            ..key(0, SqlType::TEXT, 3126, 100)
        };
        let a = IndexKey { nulls_first: true, ..key(0, SqlType::INT4, 1978, 0) };
        let sum = IndexKey {
            column: None,
            expr_sql: Some("(a + 1)".into()),
            descending: true,
            ..key(0, SqlType::INT4, 1978, 0)
        };
        i.keys = vec![lower, a, sum, key(1, SqlType::TEXT, 4217, 950)];
        i.key_pretty = vec![None, None, Some("a + 1".into())];
        i.include = vec![2];
        i.options = vec![("fillfactor".into(), "70".into())];
        i.predicate = Some(StoredExpr { pretty: Some("a > 3".into()), ..StoredExpr::new("(a > 3)") });
        w.create_index(&i).unwrap();
        w.create_role(&NewRole::new("alice")).unwrap();
    });
}

/// Calls a function and prints its answer.
fn ask(r: &CatalogReader, name: &'static str, args: &[Datum], ret: Oid) -> String {
    let io = IoContext { names: r, ..IoContext::default() };
    match info::call(r, name, args).unwrap().unwrap_or_else(|| panic!("{name} is not there")) {
        Datum::Null => "NULL".into(),
        d => type_info(ret).unwrap().output_string(&d, &io).unwrap(),
    }
}
fn text(r: &CatalogReader, name: &'static str, args: &[Datum]) -> String {
    ask(r, name, args, t::TEXT)
}
fn class(r: &CatalogReader, name: &str) -> Datum {
    Datum::U32(r.resolve_relation(&[name], None).unwrap().oid.0)
}

#[test]
fn definitions() {
    let f = Fixture::new();
    schema(&f);
    f.ask(|r| {
        let ii = class(r, "ii");
        let indexdef = |args: &[Datum]| text(r, "pg_get_indexdef", args);
        let column = |n: i32, pretty: bool| indexdef(&[ii.clone(), Datum::I32(n), Datum::Bool(pretty)]);
        assert_eq!(
            indexdef(std::slice::from_ref(&ii)),
            "CREATE INDEX ii ON public.ic USING btree (lower(b) DESC, a NULLS FIRST, ((a + 1)) DESC NULLS LAST, \
             b text_pattern_ops) INCLUDE (c) WITH (fillfactor='70') WHERE (a > 3)"
        );
        assert_eq!(
            column(0, true),
            "CREATE INDEX ii ON ic USING btree (lower(b) DESC, a NULLS FIRST, (a + 1) DESC NULLS LAST, \
             b text_pattern_ops) INCLUDE (c) WITH (fillfactor='70') WHERE a > 3"
        );
        assert_eq!([column(1, true), column(3, false), column(5, true)], ["lower(b)", "((a + 1))", "c"]);
        assert_eq!(indexdef(&[Datum::U32(1)]), "NULL");
        for (table, name, plain, pretty) in [
            ("ip", "n_pos", "CHECK ((n > (0)::numeric))", "CHECK (n > 0::numeric)"),
            ("ip", "ip_pkey", "PRIMARY KEY (id)", "PRIMARY KEY (id)"),
            ("ip", "ip_t_n_key", "UNIQUE NULLS NOT DISTINCT (t) INCLUDE (n)", "UNIQUE NULLS NOT DISTINCT (t) INCLUDE (n)"),
            (
                "ic",
                "ic_c_fkey",
                "FOREIGN KEY (c) REFERENCES ip(id) ON UPDATE SET NULL ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED",
                "FOREIGN KEY (c) REFERENCES ip(id) ON UPDATE SET NULL ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED",
            ),
        ] {
            let table = r.resolve_relation(&[table], None).unwrap().oid;
            let oid = Datum::U32(r.constraint_named(table, name).unwrap().unwrap().oid.0);
            assert_eq!(text(r, "pg_get_constraintdef", std::slice::from_ref(&oid)), plain);
            assert_eq!(text(r, "pg_get_constraintdef", &[oid, Datum::Bool(true)]), pretty);
        }
    });
}

#[test]
fn functions_described() {
    let f = Fixture::new();
    f.ask(|r| {
        let of = |name: &'static str, oid: u32| text(r, name, &[Datum::U32(oid)]);
        for (oid, arguments, result) in [
            (2167, "numeric", "numeric"),
            (1686, "OUT word text, OUT catcode \"char\", OUT barelabel boolean, OUT catdesc text, OUT baredesc text", "SETOF record"),
            (3974, "double precision ORDER BY double precision", "double precision"),
            (3986, "VARIADIC \"any\" ORDER BY VARIADIC \"any\"", "bigint"),
            (1067, "integer, integer", "SETOF integer"),
        ] {
            if quarry_functions::registry::function(Oid(oid)).is_none() {
                continue;
            }
            assert_eq!(of("pg_get_function_arguments", oid), arguments);
            assert_eq!(of("pg_get_function_result", oid), result);
        }
    });
}

#[test]
fn names_and_privileges() {
    let f = Fixture::new();
    schema(&f);
    f.ask(|r| {
        let format = |oid: u32, typmod: Datum| text(r, "format_type", &[Datum::U32(oid), typmod]);
        assert_eq!(format(1043, Datum::I32(14)), "character varying(10)");
        assert_eq!(format(1042, Datum::Null), "character");
        assert_eq!(format(99_999, Datum::I32(-1)), "???");
        assert_eq!(text(r, "pg_get_userbyid", &[Datum::U32(99_999)]), "unknown (OID=99999)");
        assert_eq!(text(r, "pg_encoding_to_char", &[Datum::I32(6)]), "UTF8");
        assert_eq!(ask(r, "pg_char_to_encoding", &[Datum::text("utf-8")], t::INT4), "6");
        assert_eq!(
            text(r, "obj_description", &[Datum::U32(2200), Datum::text("pg_namespace")]),
            "standard public schema"
        );
        assert_eq!(ask(r, "to_regclass", &[Datum::text("ip")], t::REGCLASS), "ip");
        assert_eq!(ask(r, "to_regclass", &[Datum::text("nosuch.x")], t::REGCLASS), "NULL");
        assert_eq!(ask(r, "to_regtype", &[Datum::text("int[]")], t::REGTYPE), "integer[]");
        let described = text(r, "pg_describe_object", &[Datum::U32(1259), class(r, "ip"), Datum::I32(2)]);
        assert_eq!(described, "column n of table ip");
        assert_eq!(
            ask(r, "acldefault", &[Datum::text("d"), Datum::U32(10)], t::ACLITEM_ARRAY),
            "{=Tc/postgres,postgres=CTc/postgres}"
        );
        assert_eq!(ask(r, "pg_table_is_visible", &[class(r, "ip")], t::BOOL), "t");
        let has = |name: &'static str, args: &[&str]| {
            let args: Vec<Datum> = args.iter().map(|a| Datum::text(a)).collect();
            ask(r, name, &args, t::BOOL)
        };
        assert_eq!(has("has_table_privilege", &["ip", "select"]), "t");
        assert_eq!(has("has_table_privilege", &["alice", "ip", "select"]), "f");
        assert_eq!(has("has_schema_privilege", &["alice", "public", "create"]), "f");
        assert_eq!(has("has_database_privilege", &["alice", "postgres", "connect"]), "t");
        assert_eq!(has("pg_has_role", &["pg_monitor", "pg_read_all_stats", "usage"]), "t");
        let e = info::call(r, "has_table_privilege", &[Datum::text("ip"), Datum::text("foo")]).unwrap_err();
        assert_eq!(e.message(), "unrecognized privilege type: \"foo\"");
        let rows = info::rows(
            r,
            "aclexplode",
            &[info::call(r, "acldefault", &[Datum::text("d"), Datum::U32(10)]).unwrap().unwrap()],
        );
        assert_eq!(rows.unwrap().unwrap().len(), 5);
        assert!(
            ask(r, "pg_database_size", &[Datum::text("postgres")], t::INT8).parse::<i64>().unwrap() > 100_000
        );
    });
}
