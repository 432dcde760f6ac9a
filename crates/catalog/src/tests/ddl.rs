//! Making, changing and finding objects.

use super::*;
use quarry_types::{Datum, SqlType, oids as t};

fn table(name: &str) -> NewRelation {
    let mut r = NewRelation::new(name, oids::PUBLIC, RelKind::Table, oids::SUPERUSER);
    let mut id = NewColumn::new("id", SqlType::INT4);
    id.not_null = true;
    r.columns = vec![
        id,
        NewColumn::new("name", SqlType::with_typmod(t::VARCHAR, 24)),
        NewColumn::new("body", SqlType::TEXT),
    ];
    r.columns[2].default = Some(StoredExpr::new("'x'::text"));
    r
}

fn primary_key(w: &CatalogWriter, table: &Relation) -> Arc<IndexDef> {
    let name = w.choose_index_name(&table.name, table.schema, &["id".into()], true, true, &[]).unwrap();
    let mut i = NewIndex::new(&name, table.oid);
    i.unique = true;
    i.primary = true;
    i.for_constraint = true;
    i.keys = vec![IndexKey {
        column: Some(0),
        expr_sql: None,
        ty: SqlType::INT4,
        opclass: w.default_opclass(crate::builtin::oids::BTREE_AM, t::INT4).unwrap().unwrap(),
        collation: Oid::INVALID,
        descending: false,
        nulls_first: false,
    }];
    let index = w.create_index(&i).unwrap();
    let kind = ConstraintKind::PrimaryKey { index: index.oid };
    w.create_constraint(&NewConstraint::new(&name, table.oid, kind, vec![0])).unwrap();
    index
}

#[test]
fn a_table_survives_a_restart() {
    let f = Fixture::new();
    let made = f.change(|w| {
        let r = w.create_relation(&table("t")).unwrap();
        primary_key(w, &r);
        r.oid
    });
    let check = |f: &Fixture| {
        f.ask(|r| {
            let t = r.resolve_relation(&["t"], None).unwrap();
            assert_eq!(t.oid, made);
            assert_eq!((t.columns.len(), t.columns[1].ty.typmod), (3, 24));
            assert_eq!(t.columns[2].default_sql.as_deref(), Some("'x'::text"));
            assert_eq!(t.indexes.len(), 1);
            assert_eq!(t.primary_key().map(|i| i.name.as_str()), Some("t_pkey"));
            assert!(t.indexes[0].constraint.is_some() && t.toast.is_some());
            assert_eq!(r.type_def(t.row_type).unwrap().map(|d| d.name.clone()).as_deref(), Some("t"));
            assert_eq!(
                r.find_type(&["_t"]).unwrap().and_then(|o| r.type_name(o).ok()).as_deref(),
                Some("t[]")
            );
            let index = r.resolve_relation(&["public", "t_pkey"], None).unwrap();
            assert_eq!(index.kind, RelKind::Index);
            let e = r.resolve_relation(&["nosuch"], Some(14)).unwrap_err();
            assert_eq!((e.message(), e.fields().position), ("relation \"nosuch\" does not exist", Some(14)));
        });
    };
    check(&f);
    check(&f.reopen());
}

#[test]
fn uncommitted_changes_are_private_and_roll_back() {
    let f = Fixture::new();
    let txn = f.begin();
    f.writer(&txn).create_relation(&table("t")).unwrap();
    assert!(f.reader(&txn).has_own_ddl());
    assert!(f.reader(&txn).find_relation(&["t"]).unwrap().is_some());
    f.ask(|r| assert!(r.find_relation(&["t"]).unwrap().is_none()));
    let level = txn.savepoint();
    f.writer(&txn).create_relation(&table("u")).unwrap();
    assert!(f.reader(&txn).find_relation(&["u"]).unwrap().is_some());
    txn.rollback_to(level);
    assert!(f.reader(&txn).find_relation(&["u"]).unwrap().is_none());
    assert!(f.reader(&txn).find_relation(&["t"]).unwrap().is_some());
    let before = f.catalog.schema_version(DB);
    f.writer(&txn).create_relation(&table("v")).unwrap();
    txn.commit().unwrap();
    assert_ne!(f.catalog.schema_version(DB), before);
    f.ask(|r| {
        // The absence of t was cached before.
        assert!(r.find_relation(&["t"]).unwrap().is_some());
        assert!(r.find_relation(&["v"]).unwrap().is_some());
        assert!(r.find_relation(&["u"]).unwrap().is_none());
    });
    let txn = f.begin();
    f.writer(&txn).create_relation(&table("w")).unwrap();
    txn.abort();
    f.ask(|r| assert!(r.find_relation(&["w"]).unwrap().is_none()));
}

#[test]
fn names_that_are_taken() {
    let f = Fixture::new();
    f.change(|w| {
        w.create_relation(&table("t")).unwrap();
        let e = w.create_relation(&table("t")).unwrap_err();
        assert_eq!(e.message(), "relation \"t\" already exists");
        w.create_enum("mood", oids::PUBLIC, oids::SUPERUSER, &names(&["sad", "ok"])).unwrap();
        let e = w.create_relation(&table("mood")).unwrap_err();
        assert_eq!(e.message(), "type \"mood\" already exists");
        // An array type gives way.
        w.create_relation(&table("_mood")).unwrap();
        let mood = w.find_type(&["mood"]).unwrap().unwrap();
        let array = w.type_def(mood).unwrap().unwrap().array;
        assert_eq!(w.type_def(array).unwrap().unwrap().name, "__mood");
        let mut twice = table("x");
        twice.columns.push(NewColumn::new("id", SqlType::INT4));
        assert_eq!(
            w.create_relation(&twice).unwrap_err().message(),
            "column \"id\" specified more than once"
        );
    });
}

#[test]
fn columns_change() {
    let f = Fixture::new();
    f.change(|w| {
        let t = w.create_relation(&table("t")).unwrap();
        primary_key(w, &t);
        let mut c = NewColumn::new("n", SqlType::INT8);
        c.missing = Some(Datum::I64(7));
        assert_eq!(w.add_column(t.oid, &c).unwrap(), 4);
        w.rename_column(t.oid, 1, "key").unwrap();
        w.set_not_null(t.oid, 2, true).unwrap();
        w.set_default(t.oid, 3, None, false).unwrap();
        w.set_column_type(t.oid, 4, SqlType::NUMERIC, Oid::INVALID).unwrap();
        w.drop_objects(&[ObjectAddress::column(t.oid, 2)], DropBehavior::Restrict).unwrap();
    });
    f.ask(|r| {
        let t = r.resolve_relation(&["t"], None).unwrap();
        assert_eq!(t.columns[0].name, "key");
        assert!(t.columns[1].dropped && t.column_named("name").is_none());
        assert!(t.columns[2].default_sql.is_none());
        assert_eq!(t.columns[3].ty, SqlType::NUMERIC);
        assert_eq!(t.columns[3].missing, None);
        let index = r.resolve_relation(&["t_pkey"], None).unwrap();
        // As in PostgreSQL, whose indexes' columns keep the names that they were made with.
        assert_eq!(index.columns[0].name, "id");
    });
}

#[test]
fn sequences_views_domains_and_roles() {
    let f = Fixture::new();
    f.change(|w| {
        let t = w.create_relation(&table("t")).unwrap();
        let s = w
            .create_sequence(&NewSequence {
                name: "s".into(),
                schema: oids::PUBLIC,
                owner: oids::SUPERUSER,
                persistence: Persistence::Permanent,
                ty: SqlType::INT4,
                start: 1,
                increment: 1,
                min: 1,
                max: i64::from(i32::MAX),
                cache: 1,
                cycle: false,
            })
            .unwrap();
        w.set_sequence_owner(s.oid, Some((t.oid, 1)), false).unwrap();
        assert_eq!(w.sequence_column(s.oid).unwrap(), Some((t.oid, 1, false)));
        assert_eq!(w.owned_sequences(t.oid, 1).unwrap(), [s.oid]);
        let mut v = NewRelation::new("v", oids::PUBLIC, RelKind::View, oids::SUPERUSER);
        v.columns = vec![NewColumn::new("id", SqlType::INT4)];
        v.view = Some(StoredExpr {
            sql: " SELECT t.id\n   FROM t;".into(),
            pretty: None,
            refs: vec![ObjectAddress::column(t.oid, 1)],
        });
        let v = w.create_relation(&v).unwrap();
        assert!(v.view_sql.as_deref().unwrap().contains("SELECT"));
        let d = w
            .create_domain(&NewDomain {
                name: "positive".into(),
                schema: oids::PUBLIC,
                owner: oids::SUPERUSER,
                base: SqlType::INT4,
                collation: Oid::INVALID,
                not_null: true,
                default: None,
                checks: vec![("positive_check".into(), StoredExpr::new("(VALUE > 0)"))],
            })
            .unwrap();
        assert_eq!(w.base_type(SqlType::of(d)).unwrap(), SqlType::INT4);
        let role = w.create_role(&NewRole::new("alice")).unwrap();
        assert_eq!(
            w.create_role(&NewRole::new("alice")).unwrap_err().message(),
            "role \"alice\" already exists"
        );
        w.set_owner(ObjectAddress::relation(t.oid), role).unwrap();
        let e = w.drop_role(role).unwrap_err();
        assert_eq!(e.message(), "role \"alice\" cannot be dropped because some objects depend on it");
        assert_eq!(e.fields().detail.as_deref(), Some("owner of table t\nowner of sequence s"));
    });
    let f = f.reopen();
    f.ask(|r| {
        let t = r.resolve_relation(&["t"], None).unwrap();
        assert_eq!(r.role_name(t.owner).unwrap(), "alice");
        let d = r.find_type(&["positive"]).unwrap().unwrap();
        let def = r.type_def(d).unwrap().unwrap();
        let TypeKind::Domain { not_null, checks, .. } = &def.kind else { panic!("a domain") };
        assert!(*not_null);
        assert_eq!(checks[0].1, "(VALUE > 0)");
    });
}

#[test]
fn databases_have_their_own_schemas() {
    let f = Fixture::new();
    let db = f.change(|w| w.create_database(&NewDatabase::new("other", oids::SUPERUSER)).unwrap());
    f.change(|w| w.create_schema("only_here", oids::SUPERUSER).unwrap());
    let txn = f.begin();
    let r = f.catalog.reader(db, &txn, &SessionView::superuser());
    assert_eq!(r.database_named("other").unwrap().map(|d| d.oid), Some(db));
    assert!(r.schema_oid("only_here").unwrap().is_none());
    assert!(r.schema_oid("public").unwrap().is_some());
    drop(r);
    txn.commit().unwrap();
    f.change(|w| w.drop_database(db).unwrap());
    f.ask(|r| assert!(r.database_named("other").unwrap().is_none()));
}

#[test]
fn privileges() {
    let f = Fixture::new();
    let (alice, bob) = f.change(|w| {
        let t = w.create_relation(&table("t")).unwrap();
        let alice = w.create_role(&NewRole::new("alice")).unwrap();
        let bob = w.create_role(&NewRole::new("bob")).unwrap();
        let spec = GrantSpec {
            kind: GrantKind::Grant,
            object: ObjectAddress::relation(t.oid),
            privileges: Some(vec![Privilege::Select]),
            columns: vec![],
            grantees: vec![alice],
            grant_option: false,
            behavior: DropBehavior::Restrict,
        };
        assert!(w.grant(&spec).unwrap().is_empty());
        assert!(w.grant_role(alice, bob, false, oids::SUPERUSER).unwrap().is_none());
        assert!(w.grant_role(alice, bob, false, oids::SUPERUSER).unwrap().is_some());
        (alice, bob)
    });
    f.ask(|r| {
        let t = r.resolve_relation(&["t"], None).unwrap();
        for role in [alice, bob] {
            assert!(r.has_relation_privilege(&t, role, Privilege::Select).unwrap());
            assert!(!r.has_relation_privilege(&t, role, Privilege::Insert).unwrap());
        }
        let view = SessionView { user: bob, ..(*SessionView::superuser()).clone() };
        let r = r.with_session(Arc::new(view));
        assert!(r.check_relation(&t, Privilege::Select).is_ok());
        let e = r.check_relation(&t, Privilege::Delete).unwrap_err();
        assert_eq!(e.message(), "permission denied for table t");
        assert_eq!(r.check_relation_owner(&t).unwrap_err().message(), "must be owner of table t");
        let e = r.check_schema(oids::PUBLIC, Privilege::Create).unwrap_err();
        assert_eq!(e.message(), "permission denied for schema public");
    });
}

#[test]
fn statistics_come_back() {
    let f = Fixture::new();
    let oid = f.change(|w| w.create_relation(&table("t")).unwrap().oid);
    let stats = ColumnStats {
        null_fraction: 0.25,
        width: 4,
        distinct: -0.5,
        mcv: vec![(Datum::I32(1), 0.5), (Datum::I32(2), 0.25)],
        histogram: vec![Datum::I32(3), Datum::I32(9)],
        correlation: Some(0.75),
        elements: Some(ElementStats {
            ty: quarry_types::oids::INT4,
            common: vec![(Datum::I32(5), 0.5)],
            least: 0.5,
            most: 0.5,
            with_null: Some(0.0),
            counts: vec![1.0, 2.0, 1.5],
        }),
        ..ColumnStats::default()
    };
    f.ask(|r| assert!(r.column_stats(oid, 0).unwrap().is_none()));
    f.change(|w| w.set_column_stats(oid, 1, SqlType::INT4, Oid::INVALID, &stats).unwrap());
    f.change(|w| w.update_relation_stats(oid, 10, 1000.0, 9).unwrap());
    f.ask(|r| {
        let s = r.column_stats(oid, 0).unwrap().unwrap();
        assert_eq!(
            (s.mcv.clone(), s.histogram.clone(), s.correlation),
            (stats.mcv.clone(), stats.histogram.clone(), Some(0.75))
        );
        let e = s.elements.as_ref().unwrap();
        assert_eq!(
            (e.common.clone(), e.with_null, e.counts.len()),
            (vec![(Datum::I32(5), 0.5)], Some(0.0), 3)
        );
        assert_eq!(r.relation(oid).unwrap().unwrap().tuples, 1000.0);
    });
}

#[test]
fn stored_texts_follow_renames() {
    let f = Fixture::new();
    let (table, sequence) = f.change(|w| {
        let s = NewSequence {
            name: "t_id_seq".into(),
            schema: oids::PUBLIC,
            owner: oids::SUPERUSER,
            persistence: Persistence::Permanent,
            ty: SqlType::INT4,
            start: 1,
            increment: 1,
            min: 1,
            max: 10,
            cache: 1,
            cycle: false,
        };
        let s = w.create_sequence(&s).unwrap();
        let mut t = table("t");
        t.columns[0].default = Some(StoredExpr {
            refs: vec![ObjectAddress::relation(s.oid)],
            ..StoredExpr::new("nextval('public.t_id_seq'::regclass)")
        });
        let t = w.create_relation(&t).unwrap();
        let kind = ConstraintKind::Check { expr_sql: "(id > 0)".into() };
        w.create_constraint(&NewConstraint::new("t_id_check", t.oid, kind, vec![0])).unwrap();
        (t.oid, s.oid)
    });
    let shown = |r: &CatalogReader, i: usize| {
        let t = r.relation(table).unwrap().unwrap();
        r.display_sql(t.columns[i].default_sql.as_deref().unwrap()).unwrap()
    };
    f.ask(|r| {
        assert_eq!(shown(r, 0), "nextval('t_id_seq'::regclass)");
        let t = r.relation(table).unwrap().unwrap();
        assert_eq!(t.columns[0].default_sql, Some(format!("nextval('{sequence}'::regclass)")));
    });
    f.change(|w| {
        w.rename_relation(sequence, "other").unwrap();
        w.rename_column(table, 1, "key").unwrap();
    });
    f.ask(|r| {
        assert_eq!(shown(r, 0), "nextval('other'::regclass)");
        let t = r.relation(table).unwrap().unwrap();
        let ConstraintKind::Check { expr_sql } = &t.constraints[0].kind else { panic!("a check") };
        assert_eq!(expr_sql, "(key > 0)");
        assert_eq!(
            r.display_sql("SELECT t.key FROM public.t WHERE x::public.t").unwrap(),
            "SELECT t.key FROM t WHERE x::t"
        );
    });
}
