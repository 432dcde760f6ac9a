//! Calls of scalar functions recorded from PostgreSQL 15 (`testdata/calls.tsv`): function OID, arguments, result or
//! error. Each is run for one row and in batches.
//!
//! `QUARRY_CALLS` names another file of that form, to check more than what is kept here.

use crate::context::testing;
use crate::{FunctionDef, call_scalar_batch, call_scalar_row, registry};
use quarry_common::{Oid, Result};
use quarry_types::io::IoContext;
use quarry_types::{Datum, Rows, SqlType, Vector, type_info};
use std::collections::BTreeMap;

struct Call {
    args: Vec<String>,
    expected: String,
}

pub(crate) fn unescaped(field: &str) -> String {
    let mut out = String::new();
    let mut chars = field.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('f') => out.push('\u{c}'),
                Some(c) => out.push(c),
                None => {}
            },
            c => out.push(c),
        }
    }
    out
}

fn recorded() -> BTreeMap<u32, Vec<Call>> {
    let text = match std::env::var("QUARRY_CALLS") {
        Ok(path) => std::fs::read_to_string(path).expect("the file named by QUARRY_CALLS"),
        Err(_) => include_str!("../testdata/calls.tsv").to_owned(),
    };
    let mut calls: BTreeMap<u32, Vec<Call>> = BTreeMap::new();
    for line in text.lines() {
        let mut fields = line.split('\t').map(unescaped);
        let oid = fields.next().and_then(|f| f.parse().ok()).expect("an OID");
        let mut args: Vec<String> = fields.collect();
        let expected = args.pop().expect("a result");
        calls.entry(oid).or_default().push(Call { args, expected });
    }
    calls
}

pub(crate) fn shown(ret: Oid, result: Result<Datum>, io: &IoContext<'_>) -> String {
    match result {
        Ok(Datum::Null) => "\\N".into(),
        Ok(v) => match (ret.0, &v) {
            // A cast to text, which differs from output for these.
            (16, Datum::Bool(v)) => v.to_string(),
            (1042, v) => v.as_str().trim_end_matches(' ').to_owned(),
            _ => type_info(ret).expect("built in").output_string(&v, io).unwrap_or_else(|e| format!("{e}")),
        },
        Err(e) => format!("ERROR {} {}", e.sqlstate(), e.message()),
    }
}

/// The calls of one function, by row and by batch; answers what differs.
fn check(def: &FunctionDef, calls: &[Call], io: &IoContext<'_>) -> Vec<String> {
    let cx = testing::context(io);
    let types: Vec<SqlType> = def.args.iter().map(|a| SqlType::of(*a)).collect();
    let ret = SqlType::of(def.ret);
    let mut wrong = Vec::new();
    let mut columns: Vec<Vector> =
        types.iter().map(|t| Vector::with_capacity(quarry_types::registry::physical_of(t.oid), 8)).collect();
    let mut good = Vec::new();
    for call in calls {
        let args: Result<Vec<Datum>> = types
            .iter()
            .zip(&call.args)
            .map(|(t, v)| type_info(t.oid).expect("built in").input(v, -1, io))
            .collect();
        let args = match args {
            Ok(args) => args,
            Err(e) => {
                wrong.push(format!("{def:?}{:?}: argument: {e}", call.args));
                continue;
            }
        };
        let sign = |text: String| match text.parse::<i64>() {
            // How far from zero a three-way comparison answers is no one's business.
            Ok(n) if def.name.ends_with("cmp") => n.signum().to_string(),
            _ => text,
        };
        let expected = &sign(call.expected.clone());
        let got = sign(shown(def.ret, call_scalar_row(def, &cx, &args, &types, ret), io));
        if &got != expected {
            wrong.push(format!("{def:?}{:?}: {got:?}, PostgreSQL {:?}", call.args, call.expected));
            continue;
        }
        // As constants.
        let constants: Vec<Vector> =
            args.iter().map(|a| Vector::constant(a.physical().expect("not NULL"), a, 3)).collect();
        let refs: Vec<&Vector> = constants.iter().collect();
        let batch = call_scalar_batch(def, &cx, &refs, &types, Rows::All(3), ret).map(|v| v.datum(2));
        let got = sign(shown(def.ret, batch, io));
        if &got != expected {
            wrong.push(format!(
                "{def:?}{:?} as constants: {got:?}, PostgreSQL {:?}",
                call.args, call.expected
            ));
        }
        if !call.expected.starts_with("ERROR") && !def.name.ends_with("cmp") {
            columns.iter_mut().zip(&args).for_each(|(c, a)| c.push_datum(a));
            good.push(call);
        }
    }
    if wrong.is_empty() && !good.is_empty() {
        let refs: Vec<&Vector> = columns.iter().collect();
        match call_scalar_batch(def, &cx, &refs, &types, Rows::All(good.len()), ret) {
            Err(e) => wrong.push(format!("{def:?} as a batch: {e}")),
            Ok(v) => {
                for (i, call) in good.iter().enumerate() {
                    let got = shown(def.ret, Ok(v.datum(i)), io);
                    if got != call.expected {
                        wrong.push(format!("{def:?}{:?} in a batch: {got:?}", call.args));
                    }
                }
            }
        }
        columns.iter_mut().for_each(Vector::push_null);
        let n = good.len() as u32 + 1;
        let refs: Vec<&Vector> = columns.iter().collect();
        let positions: Vec<u32> = (0..n).step_by(2).chain([n - 1]).collect();
        let rows = Rows::Selected { positions: &positions, len: n as usize };
        match call_scalar_batch(def, &cx, &refs, &types, rows, ret) {
            Ok(v) if def.strict && !v.is_null(n as usize - 1) => {
                wrong.push(format!("{def:?} of NULL isn't NULL"))
            }
            Ok(_) => {}
            Err(e) => wrong.push(format!("{def:?} with NULLs: {e}")),
        }
    }
    wrong
}

#[test]
fn calls_answer_as_postgresql() {
    let io = testing::io();
    let mut wrong = Vec::new();
    for (oid, calls) in recorded() {
        let def = registry::function(Oid(oid)).unwrap_or_else(|| panic!("function {oid} is not declared"));
        wrong.extend(check(def, &calls, &io));
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}
