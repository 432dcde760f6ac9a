//! Window functions that fetch a value from another row of the partition or frame.

use super::{WindowImpl, WindowRows};
use crate::{Body, EvalContext, FunctionDef, kernel_arity};
use quarry_common::{Result, bail};
use quarry_types::{Datum, Vector, oids};

/// What becomes of one row.
enum From {
    Null,
    /// Row of the first argument.
    Row(usize),
    /// This row's value of the third argument.
    Default,
}

fn fetch(p: &WindowRows<'_>, mut source: impl FnMut(usize) -> Result<From>) -> Result<Vector> {
    let value = p.args.first().ok_or_else(kernel_arity)?;
    let mut out = Vector::with_capacity(value.physical(), p.rows.len());
    for i in p.rows.clone() {
        match source(i)? {
            From::Null => out.push_null(),
            From::Row(row) => out.push_datum(&(p.value)(row)?),
            From::Default => out.push_datum(&p.arg(2, i)?),
        }
    }
    Ok(out)
}

/// `lag` (direction -1) and `lead` (1).
fn neighbour(p: &WindowRows<'_>, direction: i64) -> Result<Vector> {
    fetch(p, |i| {
        let offset = match p.args.len() {
            0 | 1 => 1,
            _ => match p.arg(1, i)? {
                Datum::Null => return Ok(From::Null),
                o => i64::from(o.as_i32()),
            },
        };
        let row = i as i64 + direction * offset;
        Ok(if (0..p.len as i64).contains(&row) {
            From::Row(row as usize)
        } else if p.args.len() > 2 {
            From::Default
        } else {
            From::Null
        })
    })
}

fn lag(_: &mut EvalContext<'_>, p: &WindowRows<'_>) -> Result<Vector> {
    neighbour(p, -1)
}

fn lead(_: &mut EvalContext<'_>, p: &WindowRows<'_>) -> Result<Vector> {
    neighbour(p, 1)
}

fn first_value(_: &mut EvalContext<'_>, p: &WindowRows<'_>) -> Result<Vector> {
    fetch(p, |i| Ok((p.frame)(i)?.nth(0).map_or(From::Null, From::Row)))
}

fn last_value(_: &mut EvalContext<'_>, p: &WindowRows<'_>) -> Result<Vector> {
    fetch(p, |i| Ok((p.frame)(i)?.last().map_or(From::Null, From::Row)))
}

fn nth_value(_: &mut EvalContext<'_>, p: &WindowRows<'_>) -> Result<Vector> {
    fetch(p, |i| {
        let n = p.arg(1, i)?;
        if n.is_null() {
            return Ok(From::Null);
        }
        let n = n.as_i32();
        if n <= 0 {
            bail!(INVALID_ARGUMENT_FOR_NTH_VALUE, "argument of nth_value must be greater than zero");
        }
        Ok((p.frame)(i)?.nth(n as usize - 1).map_or(From::Null, From::Row))
    })
}

const LAG: WindowImpl = WindowImpl { compute: lag };
const LEAD: WindowImpl = WindowImpl { compute: lead };

pub const FUNCTIONS: &[FunctionDef] = &[
    FunctionDef::new(3106, "lag", &[oids::ANYELEMENT], oids::ANYELEMENT, Body::Window(LAG)).total(),
    FunctionDef::new(3107, "lag", &[oids::ANYELEMENT, oids::INT4], oids::ANYELEMENT, Body::Window(LAG))
        .total(),
    FunctionDef::new(
        3108,
        "lag",
        &[oids::ANYCOMPATIBLE, oids::INT4, oids::ANYCOMPATIBLE],
        oids::ANYCOMPATIBLE,
        Body::Window(LAG),
    )
    .total(),
    FunctionDef::new(3109, "lead", &[oids::ANYELEMENT], oids::ANYELEMENT, Body::Window(LEAD)).total(),
    FunctionDef::new(3110, "lead", &[oids::ANYELEMENT, oids::INT4], oids::ANYELEMENT, Body::Window(LEAD))
        .total(),
    FunctionDef::new(
        3111,
        "lead",
        &[oids::ANYCOMPATIBLE, oids::INT4, oids::ANYCOMPATIBLE],
        oids::ANYCOMPATIBLE,
        Body::Window(LEAD),
    )
    .total(),
    FunctionDef::new(
        3112,
        "first_value",
        &[oids::ANYELEMENT],
        oids::ANYELEMENT,
        Body::Window(WindowImpl { compute: first_value }),
    )
    .total(),
    FunctionDef::new(
        3113,
        "last_value",
        &[oids::ANYELEMENT],
        oids::ANYELEMENT,
        Body::Window(WindowImpl { compute: last_value }),
    )
    .total(),
    FunctionDef::new(
        3114,
        "nth_value",
        &[oids::ANYELEMENT, oids::INT4],
        oids::ANYELEMENT,
        Body::Window(WindowImpl { compute: nth_value }),
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::testing;
    use crate::window::Frame;
    use quarry_types::{PhysicalType, SqlType, VectorData};
    use std::cell::Cell;
    use std::sync::Arc;

    fn run(f: WindowImpl, args: &[Vector], frame: &dyn Fn(usize) -> Frame) -> Vec<Datum> {
        let io = testing::io();
        let args: Vec<Arc<Vector>> = args.iter().cloned().map(Arc::new).collect();
        let p = WindowRows {
            len: 4,
            rows: 0..4,
            base: 0,
            args: &args,
            groups: &[0, 1, 2, 3],
            peers: &|r| Ok(r..r + 1),
            frame: &|r| Ok(frame(r)),
            value: &|r| Ok(args[0].datum(r)),
            ask: &|_, _| Ok(()),
            memory: &Cell::new(0),
            ret: SqlType::INT4,
        };
        let v = (f.compute)(&mut testing::context(&io), &p).expect("no error");
        (0..v.len()).map(|i| v.datum(i)).collect()
    }

    fn constant(v: i32) -> Vector {
        Vector::constant(PhysicalType::I32, &Datum::I32(v), 4)
    }

    #[test]
    fn neighbours_and_frames() {
        let values = || Vector::from_parts(VectorData::I32(vec![10, 20, 30, 40]), None);
        let whole = |_| Frame::whole(0, 4);
        let int4 = |v: [i32; 4]| v.map(Datum::I32).to_vec();
        assert_eq!(run(LAG, &[values(), constant(1), constant(0)], &whole), int4([0, 10, 20, 30]));
        assert_eq!(run(LEAD, &[values(), constant(-2), constant(0)], &whole), int4([0, 0, 10, 20]));
        assert_eq!(run(LEAD, &[values()], &whole)[3], Datum::Null);
        let sliding = |i: usize| Frame::whole(i, (i + 2).min(4));
        assert_eq!(run(WindowImpl { compute: last_value }, &[values()], &sliding), int4([20, 30, 40, 40]));
        let second = run(WindowImpl { compute: nth_value }, &[values(), constant(2)], &sliding);
        assert_eq!(second, [Datum::I32(20), Datum::I32(30), Datum::I32(40), Datum::Null]);
    }
}
