//! Aggregates recorded from PostgreSQL 15 (`testdata/aggregates.tsv`): function OID, direct argument or "-", for each
//! argument its type and values (an array), result or error. Each is run ungrouped, grouped, merged and with rows
//! taken out again. `QUARRY_AGGREGATES` names another file of that form.

use crate::calls_test::{shown, unescaped};
use crate::context::testing;
use crate::{Accumulator, AggregateCall, AggregateImpl, Body, registry};
use quarry_common::{Oid, Result};
use quarry_types::array::ArrayRef;
use quarry_types::registry::physical_of;
use quarry_types::{Datum, Rows, SqlType, Vector, oids, type_info};

struct Case {
    call: AggregateCall,
    code: AggregateImpl,
    columns: Vec<Vector>,
    rows: usize,
}

impl Case {
    fn make(&self) -> Result<Box<dyn Accumulator>> {
        (self.code.make)(&self.call)
    }
    fn args(&self) -> Vec<&Vector> {
        self.columns.iter().collect()
    }
}

type Run = fn(&Case) -> Result<Datum>;

fn ungrouped(case: &Case) -> Result<Datum> {
    let io = testing::io();
    let mut cx = testing::context(&io);
    let mut a = case.make()?;
    a.resize(1)?;
    a.update_single(&mut cx, &case.args(), Rows::All(case.rows))?;
    Ok(a.finish(&mut cx, 0, 1)?.datum(0))
}

/// All rows in group 1 of 3, row by row from a selection.
fn grouped(case: &Case) -> Result<Datum> {
    let io = testing::io();
    let mut cx = testing::context(&io);
    let mut a = case.make()?;
    a.resize(3)?;
    let positions: Vec<u32> = (0..case.rows as u32).collect();
    let rows = Rows::Selected { positions: &positions, len: case.rows };
    a.update(&mut cx, &case.args(), rows, &vec![1; case.rows])?;
    a.update_single(&mut cx, &case.args(), rows)?;
    Ok(a.finish(&mut cx, 1, 3)?.datum(0))
}

/// The first half in one accumulator, the rest in another.
fn merged(case: &Case) -> Result<Datum> {
    let io = testing::io();
    let mut cx = testing::context(&io);
    let (mut a, mut b) = (case.make()?, case.make()?);
    if !a.can_merge() {
        return ungrouped(case);
    }
    a.resize(1)?;
    b.resize(2)?;
    let positions: Vec<u32> = (0..case.rows as u32).collect();
    let (first, rest) = positions.split_at(case.rows / 2);
    a.update_single(&mut cx, &case.args(), Rows::Selected { positions: first, len: case.rows })?;
    let rest = Rows::Selected { positions: rest, len: case.rows };
    b.update(&mut cx, &case.args(), rest, &vec![1; rest.count()])?;
    let unused = b.finish(&mut cx, 0, 1)?;
    assert_eq!(unused.len(), 1);
    a.merge(b, &[0, 0])?;
    Ok(a.finish(&mut cx, 0, 1)?.datum(0))
}

/// All rows twice, then once out again.
fn retracted(case: &Case) -> Result<Datum> {
    let io = testing::io();
    let mut cx = testing::context(&io);
    let mut a = case.make()?;
    if !a.can_retract() {
        return ungrouped(case);
    }
    a.resize(1)?;
    a.update_single(&mut cx, &case.args(), Rows::All(case.rows))?;
    a.update_single(&mut cx, &case.args(), Rows::All(case.rows))?;
    a.retract(&mut cx, &case.args(), Rows::All(case.rows))?;
    Ok(a.finish(&mut cx, 0, 1)?.datum(0))
}

#[test]
fn aggregates_answer_as_postgresql() {
    let io = testing::io();
    let mut wrong = Vec::new();
    let recorded = match std::env::var("QUARRY_AGGREGATES") {
        Ok(path) => std::fs::read_to_string(path).expect("the file named by QUARRY_AGGREGATES"),
        Err(_) => include_str!("../testdata/aggregates.tsv").to_owned(),
    };
    for line in recorded.lines() {
        let fields: Vec<String> = line.split('\t').map(unescaped).collect();
        let (oid, direct, expected) = (&fields[0], &fields[1], &fields[fields.len() - 1]);
        let def = registry::function(Oid(oid.parse().expect("an OID"))).expect("declared");
        let Body::Aggregate(code) = def.body else { panic!("{def:?} is no aggregate") };
        let mut arg_types: Vec<SqlType> = Vec::new();
        let mut columns: Vec<Vector> = Vec::new();
        let mut rows = 0;
        for pair in fields[2..fields.len() - 1].chunks(2) {
            let element = Oid(pair[0].parse().expect("an OID"));
            let info = type_info(type_info(element).expect("built in").array).expect("built in");
            let values = info.input(&pair[1], -1, &io).expect("an array");
            let values = ArrayRef::of(&values);
            let mut column = Vector::with_capacity(physical_of(element), values.len());
            values.iter().for_each(|v| column.push_datum(&v));
            rows = column.len();
            arg_types.push(SqlType::of(element));
            columns.push(column);
        }
        let mut direct_args = Vec::new();
        if code.is_ordered_set() {
            // WITHIN GROUP: the input arrives sorted.
            let compare = type_info(arg_types[0].oid).and_then(|t| t.functions.compare).expect("ordered");
            let mut values: Vec<Datum> =
                (0..rows).map(|i| columns[0].datum(i)).filter(|d| !d.is_null()).collect();
            values.sort_by(compare);
            columns[0] = Vector::with_capacity(columns[0].physical(), rows);
            values.iter().for_each(|v| columns[0].push_datum(v));
            rows = values.len();
            if direct != "-" {
                direct_args.push(
                    type_info(def.args[0]).expect("built in").input(direct, -1, &io).expect("a fraction"),
                );
                arg_types.insert(0, SqlType::of(def.args[0]));
            }
        }
        if def.args.is_empty() {
            columns.clear();
        }
        let input = arg_types.last().expect("an argument").oid;
        let ret = match def.ret {
            oids::ANYELEMENT => input,
            oids::ANYARRAY => type_info(input).expect("built in").array,
            other => other,
        };
        let call = AggregateCall { arg_types, ret: SqlType::of(ret), direct_args, order: Vec::new() };
        let case = Case { call, code, columns, rows };
        let runs: [(&str, Run); 4] =
            [("ungrouped", ungrouped), ("grouped", grouped), ("merged", merged), ("retracted", retracted)];
        for (how, run) in runs {
            let got = shown(ret, run(&case), &io);
            // Sums of floats in halves may differ in the last digits.
            let close = how == "merged"
                && match (got.parse::<f64>(), expected.parse::<f64>()) {
                    (Ok(a), Ok(b)) => (a - b).abs() <= 1e-9 * b.abs().max(1.0),
                    _ => false,
                };
            if &got != expected && !close {
                wrong.push(format!("{line}\n    {how}: {got}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}
