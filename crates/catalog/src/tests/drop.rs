//! Dependencies: the texts are PostgreSQL's.

use super::*;
use quarry_types::SqlType;

/// p(id, n), view v1 over p, view v2 over v1, c(x) referencing p.
fn schema(f: &Fixture) -> (Oid, Oid, Oid, Oid) {
    f.change(|w| {
        let mut p = NewRelation::new("p", oids::PUBLIC, RelKind::Table, oids::SUPERUSER);
        p.columns = vec![NewColumn::new("id", SqlType::INT4), NewColumn::new("n", SqlType::INT4)];
        let p = w.create_relation(&p).unwrap();
        let mut i = NewIndex::new("p_pkey", p.oid);
        (i.unique, i.primary, i.for_constraint) = (true, true, true);
        i.keys = vec![IndexKey {
            column: Some(0),
            expr_sql: None,
            ty: SqlType::INT4,
            opclass: Oid(1978),
            collation: Oid::INVALID,
            descending: false,
            nulls_first: false,
        }];
        let index = w.create_index(&i).unwrap().oid;
        w.create_constraint(&NewConstraint::new(
            "p_pkey",
            p.oid,
            ConstraintKind::PrimaryKey { index },
            vec![0],
        ))
        .unwrap();
        let view = |name: &str, on: Oid| {
            let mut v = NewRelation::new(name, oids::PUBLIC, RelKind::View, oids::SUPERUSER);
            v.columns = vec![NewColumn::new("id", SqlType::INT4)];
            v.view = Some(StoredExpr {
                sql: "SELECT 1".into(),
                pretty: None,
                refs: vec![ObjectAddress::column(on, 1)],
            });
            w.create_relation(&v).unwrap().oid
        };
        let v1 = view("v1", p.oid);
        view("v2", v1);
        let mut c = NewRelation::new("c", oids::PUBLIC, RelKind::Table, oids::SUPERUSER);
        c.columns = vec![NewColumn::new("x", SqlType::INT4)];
        let c = w.create_relation(&c).unwrap();
        let kind = ConstraintKind::ForeignKey {
            columns: vec![0],
            ref_table: p.oid,
            ref_columns: vec![0],
            ref_index: index,
            on_update: ReferentialAction::NoAction,
            on_delete: ReferentialAction::Cascade,
            match_full: false,
            set_columns: vec![],
        };
        w.create_constraint(&NewConstraint::new("c_x_fkey", c.oid, kind, vec![0])).unwrap();
        (p.oid, v1, c.oid, index)
    })
}

#[test]
fn restrict_names_what_depends() {
    let f = Fixture::new();
    let (p, v1, c, index) = schema(&f);
    f.ask(|r| {
        let p = r.relation(p).unwrap().unwrap();
        assert_eq!(p.referenced_by.len(), 1);
        assert_eq!(p.referenced_by[0].table, c);
    });
    f.change(|w| {
        let e = w.drop_objects(&[ObjectAddress::relation(p)], DropBehavior::Restrict).unwrap_err();
        assert_eq!(e.message(), "cannot drop table p because other objects depend on it");
        assert_eq!(
            e.fields().detail.as_deref(),
            Some("view v1 depends on table p\nview v2 depends on view v1\nconstraint c_x_fkey on table c depends on table p")
        );
        assert_eq!(e.fields().hint.as_deref(), Some("Use DROP ... CASCADE to drop the dependent objects too."));
        let e = w.drop_objects(&[ObjectAddress::relation(index)], DropBehavior::Restrict).unwrap_err();
        assert_eq!(e.message(), "cannot drop index p_pkey because constraint p_pkey on table p requires it");
        assert_eq!(e.fields().hint.as_deref(), Some("You can drop constraint p_pkey on table p instead."));
        let e = w.drop_objects(&[ObjectAddress::column(p, 1)], DropBehavior::Restrict).unwrap_err();
        assert_eq!(
            e.fields().detail.as_deref(),
            Some(
                "view v1 depends on column id of table p\nview v2 depends on view v1\n\
                 constraint c_x_fkey on table c depends on column id of table p"
            )
        );
        let e = w
            .drop_objects(&[ObjectAddress::relation(p), ObjectAddress::relation(v1)], DropBehavior::Restrict)
            .unwrap_err();
        assert_eq!(e.message(), "cannot drop desired object(s) because other objects depend on them");
    });
}

#[test]
fn cascade_drops_and_tells() {
    let f = Fixture::new();
    let (p, _, c, _) = schema(&f);
    f.change(|w| {
        let notices = w.drop_objects(&[ObjectAddress::relation(p)], DropBehavior::Cascade).unwrap();
        assert_eq!(notices[0].message(), "drop cascades to 3 other objects");
        assert_eq!(
            notices[0].fields().detail.as_deref(),
            Some("drop cascades to view v1\ndrop cascades to view v2\ndrop cascades to constraint c_x_fkey on table c")
        );
    });
    f.ask(|r| {
        for gone in ["p", "v1", "v2", "p_pkey"] {
            assert!(r.find_relation(&[gone]).unwrap().is_none(), "{gone}");
        }
        assert!(r.find_type(&["p"]).unwrap().is_none());
        assert!(r.find_type(&["_p"]).unwrap().is_none());
        assert!(r.relation(c).unwrap().unwrap().constraints.is_empty());
    });
}

#[test]
fn schemas_and_types() {
    let f = Fixture::new();
    f.change(|w| {
        let s = w.create_schema("s1", oids::SUPERUSER).unwrap();
        let mood = w.create_enum("mood", oids::PUBLIC, oids::SUPERUSER, &names(&["sad", "ok"])).unwrap();
        let mut a = NewRelation::new("a", s, RelKind::Table, oids::SUPERUSER);
        a.columns = vec![NewColumn::new("x", SqlType::of(mood))];
        let a = w.create_relation(&a).unwrap();
        let e = w.drop_objects(&[ObjectAddress::schema(s)], DropBehavior::Restrict).unwrap_err();
        assert_eq!(e.message(), "cannot drop schema s1 because other objects depend on it");
        assert_eq!(e.fields().detail.as_deref(), Some("table s1.a depends on schema s1"));
        let e = w.drop_objects(&[ObjectAddress::ty(mood)], DropBehavior::Restrict).unwrap_err();
        assert_eq!(e.fields().detail.as_deref(), Some("column x of table s1.a depends on type mood"));
        let notices = w.drop_objects(&[ObjectAddress::ty(mood)], DropBehavior::Cascade).unwrap();
        assert_eq!(notices[0].message(), "drop cascades to column x of table s1.a");
        let a = w.relation(a.oid).unwrap().unwrap();
        assert!(a.columns[0].dropped);
        // A dropped column keeps its place and width.
        assert_eq!(a.layout.len(), 1);
        assert_eq!(a.layout.width(0), quarry_storage::row::Width::Fixed(4));
        let e = w.drop_objects(&[ObjectAddress::ty(a.row_type)], DropBehavior::Restrict).unwrap_err();
        assert_eq!(e.message(), "cannot drop type s1.a because table s1.a requires it");
        let e =
            w.drop_objects(&[ObjectAddress::schema(oids::PG_CATALOG)], DropBehavior::Restrict).unwrap_err();
        assert_eq!(
            e.message(),
            "cannot drop schema pg_catalog because it is required by the database system"
        );
    });
}
