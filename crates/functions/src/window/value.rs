//! Window functions that fetch a value from another row of the partition or frame.

use super::{WindowImpl, WindowPartition};
use crate::{Body, EvalContext, FunctionDef, kernel_arity};
use quarry_common::{Result, bail};
use quarry_types::{Vector, oids};

/// What becomes of one row.
enum From {
    Null,
    /// Row of the first argument.
    Row(usize),
    /// This row's value of the third argument.
    Default,
}

fn fetch(p: &WindowPartition<'_>, mut source: impl FnMut(usize) -> Result<From>) -> Result<Vector> {
    let value = p.args.first().ok_or_else(kernel_arity)?;
    let mut out = Vector::with_capacity(value.physical(), p.len);
    for i in 0..p.len {
        match source(i)? {
            From::Null => out.push_null(),
            From::Row(row) => out.push_datum(&value.datum(row)),
            From::Default => out.push_datum(&p.args[2].datum(i)),
        }
    }
    Ok(out)
}

/// `lag` (direction -1) and `lead` (1).
fn neighbour(p: &WindowPartition<'_>, direction: i64) -> Result<Vector> {
    fetch(p, |i| {
        let offset = match p.args.get(1) {
            Some(o) if o.is_null(i) => return Ok(From::Null),
            Some(o) => i64::from(o.datum(i).as_i32()),
            None => 1,
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

fn lag(_: &mut EvalContext<'_>, p: &WindowPartition<'_>) -> Result<Vector> {
    neighbour(p, -1)
}

fn lead(_: &mut EvalContext<'_>, p: &WindowPartition<'_>) -> Result<Vector> {
    neighbour(p, 1)
}

fn first_value(_: &mut EvalContext<'_>, p: &WindowPartition<'_>) -> Result<Vector> {
    fetch(p, |i| {
        let frame = (p.frame)(i);
        Ok(if frame.start < frame.end { From::Row(frame.start) } else { From::Null })
    })
}

fn last_value(_: &mut EvalContext<'_>, p: &WindowPartition<'_>) -> Result<Vector> {
    fetch(p, |i| {
        let frame = (p.frame)(i);
        Ok(if frame.start < frame.end { From::Row(frame.end - 1) } else { From::Null })
    })
}

fn nth_value(_: &mut EvalContext<'_>, p: &WindowPartition<'_>) -> Result<Vector> {
    fetch(p, |i| {
        let n = p.args.get(1).ok_or_else(kernel_arity)?;
        if n.is_null(i) {
            return Ok(From::Null);
        }
        let n = n.datum(i).as_i32();
        if n <= 0 {
            bail!(INVALID_ARGUMENT_FOR_NTH_VALUE, "argument of nth_value must be greater than zero");
        }
        let frame = (p.frame)(i);
        let row = frame.start + (n as usize - 1);
        Ok(if row < frame.end { From::Row(row) } else { From::Null })
    })
}

const LAG: WindowImpl = WindowImpl { compute: lag };
const LEAD: WindowImpl = WindowImpl { compute: lead };

pub const FUNCTIONS: &[FunctionDef] = &[
    FunctionDef::new(3106, "lag", &[oids::ANYELEMENT], oids::ANYELEMENT, Body::Window(LAG)),
    FunctionDef::new(3107, "lag", &[oids::ANYELEMENT, oids::INT4], oids::ANYELEMENT, Body::Window(LAG)),
    FunctionDef::new(
        3108,
        "lag",
        &[oids::ANYCOMPATIBLE, oids::INT4, oids::ANYCOMPATIBLE],
        oids::ANYCOMPATIBLE,
        Body::Window(LAG),
    ),
    FunctionDef::new(3109, "lead", &[oids::ANYELEMENT], oids::ANYELEMENT, Body::Window(LEAD)),
    FunctionDef::new(3110, "lead", &[oids::ANYELEMENT, oids::INT4], oids::ANYELEMENT, Body::Window(LEAD)),
    FunctionDef::new(
        3111,
        "lead",
        &[oids::ANYCOMPATIBLE, oids::INT4, oids::ANYCOMPATIBLE],
        oids::ANYCOMPATIBLE,
        Body::Window(LEAD),
    ),
    FunctionDef::new(
        3112,
        "first_value",
        &[oids::ANYELEMENT],
        oids::ANYELEMENT,
        Body::Window(WindowImpl { compute: first_value }),
    ),
    FunctionDef::new(
        3113,
        "last_value",
        &[oids::ANYELEMENT],
        oids::ANYELEMENT,
        Body::Window(WindowImpl { compute: last_value }),
    ),
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
    use crate::Frame;
    use crate::context::testing;
    use quarry_types::{Datum, PhysicalType, SqlType, VectorData};

    fn run(f: WindowImpl, args: &[Vector], frame: &dyn Fn(usize) -> Frame) -> Vec<Datum> {
        let io = testing::io();
        let p = WindowPartition { len: 4, args, peers: &[0, 1, 2, 3], frame, ret: SqlType::INT4 };
        let v = (f.compute)(&mut testing::context(&io), &p).expect("no error");
        (0..v.len()).map(|i| v.datum(i)).collect()
    }

    fn constant(v: i32) -> Vector {
        Vector::constant(PhysicalType::I32, &Datum::I32(v), 4)
    }

    #[test]
    fn neighbours_and_frames() {
        let values = || Vector::from_parts(VectorData::I32(vec![10, 20, 30, 40]), None);
        let whole = |_| Frame { start: 0, end: 4 };
        let int4 = |v: [i32; 4]| v.map(Datum::I32).to_vec();
        assert_eq!(run(LAG, &[values(), constant(1), constant(0)], &whole), int4([0, 10, 20, 30]));
        assert_eq!(run(LEAD, &[values(), constant(-2), constant(0)], &whole), int4([0, 0, 10, 20]));
        assert_eq!(run(LEAD, &[values()], &whole)[3], Datum::Null);
        let sliding = |i: usize| Frame { start: i, end: (i + 2).min(4) };
        assert_eq!(run(WindowImpl { compute: last_value }, &[values()], &sliding), int4([20, 30, 40, 40]));
        let second = run(WindowImpl { compute: nth_value }, &[values(), constant(2)], &sliding);
        assert_eq!(second, [Datum::I32(20), Datum::I32(30), Datum::I32(40), Datum::Null]);
    }
}
