//! Rewrites that costs must justify, forced.

use super::*;

impl Fixture {
    /// The plan with every rewrite that is possible, whatever it costs.
    fn rewritten(&self, sql: &str) -> (Statement, Vec<&'static str>) {
        let statement = self.planned(sql, |b, env| {
            let changes = crate::rules::changes_rows(&b.plan);
            let rules = crate::rules::Rules::new(Default::default(), crate::RuleSet::all(), changes);
            let rules = std::rc::Rc::new(rules);
            let kinds = crate::rules::kinds::Kinds::of(&b.plan);
            let mut bound = crate::Bound::new(b.plan, b.meta, b.output, b.params, kinds);
            bound.rewrite(kinds, env, &rules)?;
            let mut known = Default::default();
            Ok(bound.plan(env, &rules, &mut known)?.finish(known))
        });
        let fired = statement.rules.clone();
        (statement, fired)
    }
}

#[test]
fn correlation_is_lifted() {
    let f = Fixture::new();
    for (sql, rule) in [
        (
            "SELECT t.id, s.n FROM t LEFT JOIN LATERAL (SELECT count(*) AS n FROM u WHERE u.v = t.a) s ON true",
            "unnest_laterals",
        ),
        (
            "SELECT t.id, s.n FROM t CROSS JOIN LATERAL (SELECT sum(u.v) AS n FROM u WHERE u.v = t.a) s",
            "unnest_laterals",
        ),
        (
            "SELECT t.id, s.n FROM t, LATERAL (SELECT u.v, max(u.id) AS n FROM u WHERE u.v = t.a GROUP BY u.v) s",
            "unnest_laterals",
        ),
        ("SELECT t.id, (SELECT u.id FROM u WHERE u.v = t.a ORDER BY u.id LIMIT 1) FROM t", "unnest_scalars"),
        ("SELECT t.id, (SELECT max(u.id) FROM u WHERE u.tid = t.a) FROM t", "unnest_scalars"),
        ("SELECT t.id, EXISTS (SELECT FROM u WHERE u.tid = t.a) FROM t", "unnest_marks"),
    ] {
        let (_, fired) = f.rewritten(sql);
        assert!(fired.contains(&rule), "{sql}: {fired:?}");
    }
}

#[test]
fn constants_of_one_type_are_compared_as_they_are() {
    // Nothing evaluates comparisons here.
    let f = Fixture::new();
    let is_empty = |condition: &str| {
        f.explain(&format!("SELECT id FROM t WHERE {condition}")).contains("One-Time Filter: false")
    };
    for condition in [
        "a > 5 AND a < 3",
        "a >= 5 AND a < 5",
        "a = 1 AND a = 2",
        "b = 'x' AND b > 'y'",
        "a IN (1, 2) AND a > 2",
    ] {
        assert!(is_empty(condition), "{condition}");
    }
    for condition in [
        "a > 3 AND a < 5",
        "a >= 5 AND a <= 5",
        "a = 1 AND a <= 1",
        "b >= 'x' AND b < 'y'",
        "a IN (1, 3) AND a > 2",
    ] {
        assert!(!is_empty(condition), "{condition}");
    }
}
