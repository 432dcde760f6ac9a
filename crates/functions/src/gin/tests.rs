//! Random values against random queries: what an index would answer is what the operator says, or leaves it open.

use super::*;
use crate::context::testing;
use crate::{Body, registry};
use quarry_common::Oid;
use quarry_types::{IoContext, oids, type_info};

/// A small generator of its own, so that every run is the same.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n
    }
    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
    fn list(&mut self, most: usize, mut item: impl FnMut(&mut Random) -> String) -> String {
        let n = self.below(most + 1);
        (0..n).map(|_| item(self)).collect::<Vec<_>>().join(",")
    }
}

fn value(ty: Oid, text: &str) -> Datum {
    let io = IoContext::default();
    type_info(ty).unwrap().input(text, -1, &io).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn operator_says(operator: u32, left: &Datum, right: &Datum, types: [Oid; 2]) -> bool {
    let io = testing::io();
    let arg_types = types.map(quarry_types::SqlType::of);
    let cx = testing::context(&io);
    let mut cx = cx.for_call(&arg_types, quarry_types::SqlType::of(oids::BOOL));
    let function = registry::function(registry::operator(Oid(operator)).unwrap().function).unwrap();
    let Body::Scalar(kernel) = function.body else { panic!("no scalar function") };
    let result = (kernel.row)(&mut cx, &[left.clone(), right.clone()]).unwrap();
    !result.is_null() && result.as_bool()
}

/// What an index says of one value.
fn index_says(class: &dyn GinClass, value: &Datum, query: &GinQuery) -> Ternary {
    let mut keys = GinKeys::new();
    class.extract_value(value.as_bytes(), &mut keys).unwrap();
    keys.finish();
    let has = |e: &GinEntryQuery| match e {
        GinEntryQuery::Null => keys.has_null(),
        GinEntryQuery::Key(k) => keys.iter().any(|x| x == k.as_slice()),
        GinEntryQuery::Range { lower, upper } => {
            keys.iter().any(|x| x >= lower.as_slice() && upper.as_ref().is_none_or(|u| x < u.as_slice()))
        }
    };
    let known: Vec<Ternary> = query.entries.iter().map(|e| has(e).into()).collect();
    let found = known.contains(&Ternary::True);
    let candidate = match query.mode {
        GinMode::Default => found,
        GinMode::IncludeEmpty => found || keys.is_empty(),
        GinMode::All => true,
        GinMode::Nothing => false,
    };
    if !candidate {
        return Ternary::False;
    }
    let exact = (query.consistent)(&known);
    // Knowing less may only make it less certain.
    for i in 0..known.len() {
        let mut fewer = known.clone();
        fewer[i] = Ternary::Maybe;
        let answer = (query.consistent)(&fewer);
        assert!(answer == exact || answer == Ternary::Maybe, "{answer:?} of fewer, {exact:?} of all");
    }
    exact
}

struct Case {
    class: &'static str,
    column: Oid,
    /// Strategy, operator, type of the query.
    operators: &'static [(u16, u32, Oid)],
}

fn check(
    case: &Case,
    rounds: usize,
    make: impl Fn(&mut Random) -> String,
    ask: impl Fn(&mut Random, u16) -> String,
) {
    let class = class(case.class).unwrap();
    let io = testing::io();
    let cx = testing::context(&io);
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut sure, mut found) = (0, 0);
    for _ in 0..rounds {
        let (strategy, operator, ty) = case.operators[random.below(case.operators.len())];
        let asked = ask(&mut random, strategy);
        let query = value(ty, &asked);
        let plan = class.extract_query(&cx, &query, strategy).unwrap();
        for _ in 0..8 {
            let text = make(&mut random);
            let v = value(case.column, &text);
            let truth = operator_says(operator, &v, &query, [case.column, ty]);
            let index = index_says(class, &v, &plan);
            let fits = match index {
                Ternary::Maybe => true,
                Ternary::True => truth,
                Ternary::False => !truth,
            };
            assert!(fits, "{} {strategy}: {text} and {asked}: index {index:?}, operator {truth}", case.class);
            sure += usize::from(index != Ternary::Maybe);
            found += usize::from(truth);
        }
    }
    // The test must see both kinds of answers.
    assert!(sure > rounds && found > rounds / 10, "{}: {sure} sure, {found} found", case.class);
}

#[test]
fn arrays() {
    let case = Case {
        class: "array_ops",
        column: oids::INT4_ARRAY,
        operators: &[
            (1, 2750, oids::INT4_ARRAY),
            (2, 2751, oids::INT4_ARRAY),
            (3, 2752, oids::INT4_ARRAY),
            (4, 1070, oids::INT4_ARRAY),
        ],
    };
    let array = |r: &mut Random| {
        let items = r.list(4, |r| r.one(&["1", "2", "3", "-4", "NULL"]).to_owned());
        format!("{{{items}}}")
    };
    check(&case, 2000, array, |r, _| array(r));
}

#[test]
fn text_arrays() {
    let case = Case {
        class: "array_ops",
        column: oids::TEXT_ARRAY,
        operators: &[(1, 2750, oids::TEXT_ARRAY), (2, 2751, oids::TEXT_ARRAY), (3, 2752, oids::TEXT_ARRAY)],
    };
    let array = |r: &mut Random| {
        let items = r.list(4, |r| r.one(&["a", "b", "ab", "\"\"", "NULL", "ü"]).to_owned());
        format!("{{{items}}}")
    };
    check(&case, 1000, array, |r, _| array(r));
}

fn document(r: &mut Random, depth: usize) -> String {
    let scalars = ["1", "1.0", "2", "true", "false", "null", "\"a\"", "\"b\"", "\"1\"", "\"\"", "10e-1"];
    match r.below(if depth == 0 { 1 } else { 4 }) {
        0 => r.one(&scalars).to_owned(),
        1 => format!("[{}]", r.list(3, |r| document(r, depth - 1))),
        _ => format!(
            "{{{}}}",
            r.list(3, |r| format!("{}:{}", r.one(&["\"a\"", "\"b\"", "\"c\""]), document(r, depth - 1)))
        ),
    }
}

fn path_steps(r: &mut Random) -> String {
    let n = r.below(4);
    (0..n)
        .map(|_| {
            r.one(&[
                ".a",
                ".b",
                ".c",
                "[*]",
                "[0]",
                ".*",
                ".**",
                ".**{1}",
                " ? (@.a == 1)",
                " ? (@ == \"a\")",
            ])
        })
        .collect()
}

fn predicate(r: &mut Random, depth: usize, root: &str) -> String {
    match r.below(if depth == 0 { 3 } else { 6 }) {
        0 | 1 => {
            let op = r.one(&["==", "==", "==", "!=", "<"]);
            let literal = r.one(&["1", "2", "\"a\"", "\"b\"", "null", "true"]);
            let path = format!("{root}{}", path_steps(r));
            if r.below(4) == 0 {
                format!("({literal} {op} {path})")
            } else {
                format!("({path} {op} {literal})")
            }
        }
        2 => format!("exists({root}{})", path_steps(r)),
        3 => format!("({} && {})", predicate(r, depth - 1, root), predicate(r, depth - 1, root)),
        4 => format!("({} || {})", predicate(r, depth - 1, root), predicate(r, depth - 1, root)),
        _ => format!("(!{})", predicate(r, depth - 1, root)),
    }
}

fn path_query(r: &mut Random, strategy: u16) -> String {
    let mode = r.one(&["lax ", "strict "]);
    match strategy {
        15 if r.below(2) == 0 => format!("{mode}${}", path_steps(r)),
        15 => format!("{mode}${} ? ({})", path_steps(r), predicate(r, 2, "@")),
        _ => format!("{mode}{}", predicate(r, 2, "$")),
    }
}

#[test]
fn documents() {
    let case = Case {
        class: "jsonb_ops",
        column: oids::JSONB,
        operators: &[
            (7, 3246, oids::JSONB),
            (9, 3247, oids::TEXT),
            (10, 3248, oids::TEXT_ARRAY),
            (11, 3249, oids::TEXT_ARRAY),
            (15, 4012, oids::JSONPATH),
            (16, 4013, oids::JSONPATH),
        ],
    };
    check(
        &case,
        6000,
        |r| document(r, 3),
        |r, strategy| match strategy {
            7 => document(r, 2),
            9 => r.one(&["a", "b", "1", ""]).to_owned(),
            10 | 11 => format!("{{{}}}", r.list(3, |r| r.one(&["a", "b", "c", "NULL"]).to_owned())),
            _ => path_query(r, strategy),
        },
    );
}

#[test]
fn documents_by_path() {
    let case = Case {
        class: "jsonb_path_ops",
        column: oids::JSONB,
        operators: &[(7, 3246, oids::JSONB), (15, 4012, oids::JSONPATH), (16, 4013, oids::JSONPATH)],
    };
    check(
        &case,
        6000,
        |r| document(r, 3),
        |r, strategy| match strategy {
            7 => document(r, 2),
            _ => path_query(r, strategy),
        },
    );
}

fn words(r: &mut Random, depth: usize) -> String {
    match r.below(if depth == 0 { 1 } else { 5 }) {
        0 => format!("{}{}", r.one(&["a", "b", "ab", "abc", "c"]), r.one(&["", "", ":*", ":A", ":B*"])),
        1 => format!("({} & {})", words(r, depth - 1), words(r, depth - 1)),
        2 => format!("({} | {})", words(r, depth - 1), words(r, depth - 1)),
        3 => format!("({} {} {})", words(r, depth - 1), r.one(&["<->", "<2>"]), words(r, depth - 1)),
        _ => format!("!{}", words(r, depth - 1)),
    }
}

#[test]
fn text_search() {
    let case = Case {
        class: "tsvector_ops",
        column: oids::TSVECTOR,
        operators: &[(1, 3636, oids::TSQUERY), (2, 3660, oids::TSQUERY)],
    };
    let vector = |r: &mut Random| {
        let n = r.below(6);
        let word = |r: &mut Random| {
            let place = r.one(&["", ":1", ":2A", ":3B", ":1,2,3", ":4C"]);
            format!("{}{place}", r.one(&["a", "b", "ab", "abc", "c"]))
        };
        (0..n).map(|_| word(r)).collect::<Vec<_>>().join(" ")
    };
    check(&case, 6000, vector, |r, _| if r.below(50) == 0 { String::new() } else { words(r, 3) });
}

#[test]
fn trigrams() {
    let case = Case {
        class: "gin_trgm_ops",
        column: oids::TEXT,
        operators: &[
            (1, 15930, oids::TEXT),
            (3, 1209, oids::TEXT),
            (4, 1627, oids::TEXT),
            (5, 641, oids::TEXT),
            (6, 1228, oids::TEXT),
            (7, 15932, oids::TEXT),
            (9, 15934, oids::TEXT),
            (11, 98, oids::TEXT),
        ],
    };
    let pieces = ["ab", "abc", "c", " ", "-", "bcd", "x", "Ab", "é", "_", "foo", "12"];
    let text = |r: &mut Random| (0..r.below(7)).map(|_| r.one(&pieces)).collect::<String>();
    check(&case, 8000, text, |r, strategy| match strategy {
        3 | 4 => (0..r.below(6))
            .map(|_| r.one(&["%", "%", "_", "\\_", "ab", "abc", "c", " ", "-", "bcd", "x", "Ab", "é"]))
            .collect(),
        5 | 6 => {
            let parts = [
                "ab",
                "abc",
                "c",
                " ",
                "-",
                "bcd",
                "(abc|c)",
                "[ab]",
                "x*",
                "(ab)+",
                ".",
                ".*",
                "^",
                "$",
                r"\m",
                r"\M",
                r"\y",
                r"\W",
                r"\s+",
                "é",
                "[^a]",
                "(c|)",
                "b{2}",
                "(ab){1,3}",
                r"\w+",
                "(?=a)",
                "[_-]",
                "[[:upper:]]",
            ];
            (0..1 + r.below(5)).map(|_| r.one(&parts)).collect()
        }
        _ => text(r),
    });
}

/// Keys are stored: what they are must never change.
#[test]
fn stored_hashes_stay() {
    let keys = |class_name: &str, json: &str| {
        let mut keys = GinKeys::new();
        class(class_name).unwrap().extract_value(value(oids::JSONB, json).as_bytes(), &mut keys).unwrap();
        keys.finish();
        keys.iter().map(|k| k.iter().map(|b| format!("{b:02x}")).collect::<String>()).collect::<Vec<_>>()
    };
    assert_eq!(
        keys("jsonb_path_ops", r#"{"a":{"b":[1,"x",null,true]}}"#),
        ["02f72473", "35693ce4", "36c93a47", "7ace4cc7"]
    );
    let long = format!(r#"["{}"]"#, "long ".repeat(40));
    assert_eq!(keys("jsonb_ops", &long), ["11d7fd21be02576dee"]);
}
