//! Joins that go and joins that come: left joins nobody reads, scalar subqueries made joins.

use super::Fixture;

#[test]
fn left_join_of_a_unique_side_that_is_not_read_goes() {
    let f = Fixture::new();
    for sql in [
        "select t.a from t left join u on u.id = t.a",
        "select t.a from t left join u on u.id = t.a and u.v > 3",
        "select t.a from t left join (select tid, count(*) from u group by tid) s on s.tid = t.a",
        "select t.a from t left join (select distinct v from u) s on s.v = t.a",
    ] {
        assert_eq!(f.explain(sql), "Seq Scan on t", "{sql}");
    }
    for sql in [
        // Read above; not unique; not a left join.
        "select t.a, u.v from t left join u on u.id = t.a",
        "select t.a from t left join u on u.tid = t.a",
        "select t.a from t join u on u.id = t.a",
        "select t.a from t left join u on u.id = t.a where u.v is null",
    ] {
        assert!(f.explain(sql).contains("u"), "{sql}");
        assert!(f.explain(sql).contains("Join") || f.explain(sql).contains("Loop"), "{sql}");
    }
}

#[test]
fn correlated_aggregates_become_joins() {
    let f = Fixture::new();
    for sql in [
        "select id, (select max(a) from t where t.a = u.v) from u",
        "select id, (select count(*) from t where t.a = u.v) from u",
        "select id, (select max(a) from t where t.a < u.v) from u",
        "select id from u where v > (select avg(c) from t where t.a = u.v and b = 'x')",
        "select id, (select max(1 / c) from t where t.a = u.v) from u",
        "select id, (select c from t where t.a = u.v) from u",
        "select id, (select c from t where t.a = u.v and 1 / c > 0) from u",
        "select id from u where v = (select count(*) from t where t.a = u.v) for update",
    ] {
        let plan = f.explain(sql);
        assert!(plan.contains("Join") && !plan.contains("SubPlan"), "{sql}\n{plan}");
    }
    for sql in [
        // An index leads with the column and few rows ask; what could fail where an error can't be kept.
        "select id, (select count(*) from u where u.tid = t.a) from t where id = 5",
        "select id, (select count(w.id) from t left join u w on w.tid = t.a and 1 / t.c > 0 where t.a = u.v) from u",
    ] {
        let plan = f.explain(sql);
        assert!(plan.contains("SubPlan"), "{sql}\n{plan}");
    }
}
