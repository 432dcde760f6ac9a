//! Prints every plan: each statement form must plan.

use super::Fixture;

const STATEMENTS: &[&str] = &[
    "select * from t where id = 1",
    "select a + 1 from t where id = $1",
    "select 1",
    "select * from t where a = 1 and c > 5 order by id",
    "select * from t order by id limit 10",
    "select * from t order by id desc limit 10",
    "select * from t where c between 1 and 10",
    "select t.id, u.v from t join u on u.tid = t.id where t.id = 5",
    "select * from t, u where t.id = u.tid",
    "select * from t left join u on u.tid = t.id",
    "select * from t left join u on u.tid = t.id where u.v > 3",
    "select count(*) from t",
    "select a, count(*) from t group by a",
    "select a, count(*) from t group by a having count(*) > 1 order by a",
    "select distinct a from t",
    "select * from t where id in (select tid from u)",
    "select * from t where exists (select 1 from u where u.tid = t.id)",
    "select * from t where not exists (select 1 from u where u.tid = t.id)",
    "select * from t where id not in (select tid from u)",
    "select * from t where id = (select max(id) from u)",
    "select id, (select count(*) from u where u.tid = t.id) from t",
    "select a from t union select v from u",
    "select a from t union all select v from u",
    "select a from t intersect select v from u",
    "insert into t values (1, 2, 'x', 3)",
    "insert into t values (1, 2, 'x', 3), (2, 3, 'y', 4)",
    "insert into t select id, v, 'x', 1 from u",
    "update t set a = a + 1 where id = 5",
    "delete from t where id = 5",
    "update t set a = u.v from u where u.tid = t.id",
    "select * from (select id, a from t where a > 1) s where s.id = 7",
    "select * from (select a, count(*) n from t group by a) s where s.a = 7",
    "with x as (select * from t where a = 1) select * from x where id = 3",
    "with x as materialized (select * from t where a = 1) select * from x where id = 3",
    "with recursive r as (select 1 as n union all select n + 1 from r where n < 10) select * from r",
    "select * from generate_series(1, 10) g",
    "select * from t where id in (1, 2, 3)",
    "select * from t where id = 1 or c = 2",
    "select *, row_number() over (partition by a order by id) from t",
    "select * from t for update",
    "select * from t where id = 1 for update",
    "select * from t full join u on t.id = u.id",
    "select * from t a join t b on a.id = b.a join u on u.tid = b.id where a.c = 4",
    "select * from t, lateral (select * from u where u.tid = t.id limit 1) s",
    "select unnest(array[1,2])",
    "select max(id) from t",
    "values (1, 2), (3, 4)",
    "select a.id from t a cross join u b",
    "select * from t where false",
];

#[test]
fn every_form_plans() {
    let f = Fixture::new();
    for sql in STATEMENTS {
        let plan = f.explain(sql);
        assert!(!plan.is_empty());
        println!("# {sql}\n{plan}");
    }
}
