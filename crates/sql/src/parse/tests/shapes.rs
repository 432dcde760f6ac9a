//! The trees of single constructs, and the places in them.

use super::one;
use crate::ast::*;
use crate::parse::parse_expr;

fn call(text: &str) -> (Vec<String>, usize, Pos) {
    match parse_expr(text).expect("must parse") {
        Expr { kind: ExprKind::FuncCall(f), pos } => (f.name.clone(), f.args.len(), pos),
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn sql_syntax_becomes_calls() {
    let system = |name: &str| vec!["pg_catalog".to_string(), name.to_string()];
    for (text, name, args, pos) in [
        ("extract(year from d)", "extract", 2, 0),
        ("position('a' in b)", "position", 2, 0),
        ("trim(leading 'x' from y)", "ltrim", 2, 0),
        ("trim(y)", "btrim", 1, 0),
        ("substring(a from 1 for 2)", "substring", 3, 0),
        ("substring(a for 2)", "substring", 3, 0),
        ("substring(a similar 'x' escape '#')", "substring", 3, 0),
        ("overlay(a placing b from 1)", "overlay", 3, 0),
        ("x at time zone 'UTC'", "timezone", 2, 2),
        ("(a, b) overlaps (c, d)", "overlaps", 4, 7),
        ("collation for (a)", "pg_collation_for", 1, 0),
        ("a is nfc normalized", "is_normalized", 2, 2),
        ("normalize(a, nfkd)", "normalize", 2, 0),
    ] {
        assert_eq!(call(text), (system(name), args, pos), "{text}");
    }
    assert_eq!(call("substring(a, 1)").0, ["substring"]);
    assert_eq!(call("overlay(a, b, 1)").0, ["overlay"]);
}

#[test]
fn places_are_postgresqls() {
    let place = |text: &str| {
        let e = parse_expr(text).expect("must parse");
        (e.pos, e.location())
    };
    assert_eq!(place("a + b"), (2, 0));
    assert_eq!(place("a::int"), (1, 0));
    assert_eq!(place("cast(a as int)"), (0, 0));
    assert_eq!(place("a = b or c"), (6, 0));
    assert_eq!(place("a in (1, 2)"), (2, 0));
    assert_eq!(place("- a"), (0, 0));
    assert_eq!(place("(select 1)"), (0, 0));
    assert_eq!(place("a is null"), (2, 0));
    assert_eq!(place("  t.a"), (2, 2));
}

#[test]
fn minus_belongs_to_the_number() {
    let literal = |text: &str| match parse_expr(text).expect("must parse").kind {
        ExprKind::Const(literal) => literal,
        other => panic!("{other:?}"),
    };
    assert_eq!(literal("- 5"), Literal::Integer(-5));
    assert_eq!(literal("-2147483648"), Literal::Float("-2147483648".into()));
    assert_eq!(literal("- - 1.5"), Literal::Float("1.5".into()));
}

#[test]
fn parentheses_around_queries() {
    let kind = |text: &str| parse_expr(text).expect("must parse").kind;
    let is_query = |k: &ExprKind| matches!(k, ExprKind::SubLink(s) if s.kind == SubLinkKind::Expr);
    assert!(is_query(&kind("((select 1))")));
    assert!(is_query(&kind("((select 1) union (select 2) order by 1)")));
    assert!(matches!(kind("((select 1) + 1)"), ExprKind::Op { .. }));
    assert!(matches!(kind("((select 1), 2)"), ExprKind::Row { explicit: false, .. }));
    assert!(matches!(kind("a in ((select 1))"), ExprKind::SubLink(s) if s.kind == SubLinkKind::Any));
    assert!(matches!(kind("a in ((select 1), 2)"), ExprKind::In { .. }));
    assert!(matches!(kind("a = any ((select b))"), ExprKind::SubLink(_)));
    assert!(matches!(kind("a = any ((select b) || c)"), ExprKind::OpArray { .. }));
    assert!(matches!(kind("((select r).f)"), ExprKind::Indirection { .. }));
}

#[test]
fn joins_nest_as_written() {
    let Statement::Select(query) = one("select * from a join b join c on x on y cross join d") else {
        panic!()
    };
    let QueryBody::Select(select) = query.body else { panic!() };
    let TableRef::Join(cross) = &select.from[0] else { panic!() };
    assert_eq!(cross.condition, JoinCondition::Cross);
    let TableRef::Join(outer) = &cross.left else { panic!() };
    assert!(matches!(outer.right, TableRef::Join(_)));
    assert_eq!(outer.pos, 16);
}

#[test]
fn set_operations_bind_as_in_the_standard() {
    let Statement::Select(query) = one("select 1 union select 2 intersect select 3 except select 4") else {
        panic!()
    };
    let QueryBody::SetOperation(except) = query.body else { panic!() };
    assert_eq!(except.op, SetOp::Except);
    let QueryBody::SetOperation(union) = except.left.body else { panic!() };
    assert_eq!(union.op, SetOp::Union);
    assert!(matches!(union.right.body, QueryBody::SetOperation(i) if i.op == SetOp::Intersect));
}

#[test]
fn grammar_types_have_catalog_names() {
    let of = |text: &str| {
        let t = crate::parse::parse_type_name(text).expect("must parse");
        (t.names.last().cloned().unwrap_or_default(), t.typmods.len(), t.array_bounds.len())
    };
    for (text, name, typmods, bounds) in [
        ("int", "int4", 0, 0),
        ("char", "bpchar", 1, 0),
        ("character varying(10)", "varchar", 1, 0),
        ("national character varying", "varchar", 0, 0),
        ("bit varying(3)", "varbit", 1, 0),
        ("bit", "bit", 1, 0),
        ("float(20)", "float4", 0, 0),
        ("dec(4,2)", "numeric", 2, 0),
        ("timestamp(3) with time zone", "timestamptz", 1, 0),
        ("time without time zone", "time", 0, 0),
        ("interval day to second(3)", "interval", 1, 0),
        ("text[][]", "text", 0, 2),
        ("int array[4]", "int4", 0, 1),
        ("\"char\"", "char", 0, 0),
    ] {
        assert_eq!(of(text), (name.to_string(), typmods, bounds), "{text}");
    }
}

#[test]
fn utility_statements() {
    let Statement::Fetch(fetch) = one("move backward all in c") else { panic!() };
    assert_eq!((fetch.is_move, fetch.direction), (true, FetchDirection::Backward(FetchDirection::ALL)));
    let Statement::Set(set) = one("set local time zone interval '1' hour to minute") else { panic!() };
    assert!(set.local);
    assert!(matches!(set.kind, SetKind::Value { name, values } if name == "timezone" && values.len() == 1));
    let Statement::Copy(copy) = one("copy t (a, b) from stdin with csv header delimiter ';'") else {
        panic!()
    };
    let names: Vec<_> = copy.options.iter().map(|o| o.name.as_str()).collect();
    assert_eq!(names, ["format", "header", "delimiter"]);
    let Statement::Explain(explain) = one("explain (analyze, format json) select 1") else { panic!() };
    assert_eq!(explain.span, (31, 39));
    let Statement::Grant(grant) = one("grant all on all tables in schema s to public with grant option")
    else {
        panic!()
    };
    assert!(grant.privileges.is_empty() && grant.grant_option);
    let Statement::CreateTable(table) = one(
        "create table t (a int not null references u deferrable initially deferred, check (a > 0) no inherit)",
    ) else {
        panic!()
    };
    let TableElement::Column(column) = &table.elements[0] else { panic!() };
    assert!(column.constraints[1].deferrable && column.constraints[1].initially_deferred);
    let TableElement::Constraint(check) = &table.elements[1] else { panic!() };
    assert!(check.no_inherit);
    let Statement::CreateFunction(f) = one(
        "create function f(a int, out b text, variadic double precision[] default '{}') returns table (x int) as 'x' language sql",
    ) else {
        panic!()
    };
    let names: Vec<_> = f.parameters.iter().map(|p| p.name.as_deref()).collect();
    assert_eq!(names, [Some("a"), Some("b"), None, Some("x")]);
    assert!(f.returns.is_some_and(|t| t.setof));
}
